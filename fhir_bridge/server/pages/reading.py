"""Reading resources for people: names, labels, values, times."""

from __future__ import annotations

from typing import Any

from fhir_bridge.predictions.record import effective_of
from fhir_bridge.predictions.resources import AIAST

__all__ = ["concept_text", "is_prediction", "label_of", "name_of", "quantity_text", "time_of", "value_text"]


def concept_text(concept: Any) -> str:
    """A CodeableConcept as text: its text, else a display, else a code."""
    if not isinstance(concept, dict):
        return ""
    if concept.get("text"):
        return str(concept["text"])
    codings = concept.get("coding", ())
    for field in ("display", "code"):
        for coding in codings:
            if coding.get(field):
                return str(coding[field])
    return ""


def name_of(patient: dict[str, Any]) -> str:
    """A Patient's name: the official or usual one before others."""
    names = sorted(
        patient.get("name", ()), key=lambda name: {"official": 0, "usual": 1}.get(name.get("use", ""), 2)
    )
    for name in names:
        parts = [*name.get("given", ()), name.get("family", "")]
        text = " ".join(part for part in parts if part) or name.get("text", "")
        if text:
            return str(text)
    return "(no name)"


def is_prediction(resource: dict[str, Any]) -> bool:
    """Whether a resource carries the label AIAST."""
    return any(
        (label.get("system"), label.get("code")) == (AIAST["system"], AIAST["code"])
        for label in resource.get("meta", {}).get("security", ())
    )


def time_of(resource: dict[str, Any]) -> str:
    """When what a resource tells of happened; empty where it doesn't say."""
    period = resource.get("period") or resource.get("performedPeriod") or {}
    text = (
        effective_of(resource)
        or resource.get("started")
        or period.get("start")
        or resource.get("authoredOn")
        or resource.get("performedDateTime")
        or resource.get("occurrenceDateTime")
        or resource.get("dateAsserted")
        or ""
    )
    return str(text)


def label_of(resource: dict[str, Any]) -> str:
    """What a resource is about, in a few words."""
    kind = str(resource["resourceType"])
    if kind == "ImagingStudy":
        modalities = "/".join(coding.get("code", "") for coding in resource.get("modality", ()))
        return f"{modalities or 'imaging'} study: {resource.get('description', '')}".rstrip(": ")
    if kind == "Encounter":
        return f"Encounter: {resource.get('class', {}).get('display') or resource.get('class', {}).get('code', '')}"
    concept = resource.get("code") or resource.get("medicationCodeableConcept") or resource.get("vaccineCode")
    return concept_text(concept) or kind


def value_text(node: dict[str, Any]) -> str:
    """The value of an Observation or component, with unit; empty where it has none."""
    if "valueQuantity" in node:
        return quantity_text(node["valueQuantity"])
    if "valueCodeableConcept" in node:
        return concept_text(node["valueCodeableConcept"])
    for name in ("valueString", "valueInteger", "valueBoolean", "valueDateTime", "valueTime"):
        if name in node:
            return str(node[name])
    if "valueRange" in node:
        low, high = (quantity_text(node["valueRange"].get(end, {})) for end in ("low", "high"))
        return f"{low} – {high}"
    if "valueRatio" in node:
        ratio = node["valueRatio"]
        return f"{quantity_text(ratio.get('numerator', {}))} : {quantity_text(ratio.get('denominator', {}))}"
    if "dataAbsentReason" in node:
        return f"no value: {concept_text(node['dataAbsentReason'])}"
    return ""


def quantity_text(quantity: dict[str, Any]) -> str:
    """A Quantity as text, digits as they are."""
    if "value" not in quantity:
        return ""
    unit = quantity.get("unit") or quantity.get("code") or ""
    return f"{quantity.get('comparator', '')}{quantity['value']}{' ' + unit if unit and unit != '1' else ''}"
