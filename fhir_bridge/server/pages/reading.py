"""Reading resources for people: names, labels, values, times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from fhir_bridge.fhir.canonical import PREDICTION_CODES, SOURCE_EXTENSION
from fhir_bridge.predictions.record import codings, effective_of, parse_time
from fhir_bridge.predictions.resources import AIAST
from fhir_bridge.server.pages.language import reader
from fhir_bridge.terminology.naming import TRANSLATION

__all__ = [
    "LONGEST_TEXT",
    "bounded",
    "codes_of",
    "concept_text",
    "is_prediction",
    "label_of",
    "local_code",
    "moment_of",
    "name_of",
    "quantity_text",
    "source_text",
    "source_time",
    "target_of",
    "time_of",
    "value_text",
    "version_of",
]

LONGEST_NAME: Final = 200
"""Characters of a name, a code or a unit on a page: one without end would push everything else off it."""
LONGEST_TEXT: Final = 5_000
"""Characters of a text that is a result."""

_STANDARD: Final = (
    PREDICTION_CODES,
    "http://dicom.nema.org/",
    "http://hl7.org/fhir/",
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://terminology.hl7.org/",
    "http://www.genenames.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://www.whocc.no/atc",
    "urn:oid:2.16.840.1.113883.6.",
)
"""Beginnings of the systems whose codes mean the same everywhere; any other system is a site's own."""


def concept_text(concept: Any) -> str:
    """A CodeableConcept as text: its name in the reader's language, else its text, a display, a code."""
    names = reader.get()
    if names is None or not isinstance(concept, dict):
        return source_text(concept)
    named = names.concept(concept) or _translated(concept, names.language)
    return bounded(named) if named else source_text(concept)


def _translated(concept: dict[str, Any], language: str) -> str:
    """The name that the record itself has in a language, beside its text or a display (R4 languages.html#ext)."""
    wanted = language.casefold().split("-")[0]
    companions = [concept.get("_text"), *(coding.get("_display") for coding in concept.get("coding", ()))]
    for companion in companions:
        for extension in companion.get("extension", ()) if isinstance(companion, dict) else ():
            if extension.get("url") == TRANSLATION:
                parts = {part.get("url"): part for part in extension.get("extension", ())}
                tag = str(parts.get("lang", {}).get("valueCode", "")).casefold()
                content = parts.get("content", {}).get("valueString")
                if tag.split("-")[0] == wanted and isinstance(content, str):
                    return content
    return ""


def bounded(text: str, most: int = LONGEST_NAME) -> str:
    """A text that fits on a page: what is longer is cut, and says so."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text) - most} more characters)"


def source_text(concept: Any) -> str:
    """A CodeableConcept as the source has it: its text, else a display, else a code."""
    if not isinstance(concept, dict):
        return ""
    if concept.get("text"):
        return bounded(str(concept["text"]))
    for field in ("display", "code"):
        for coding in concept.get("coding", ()):
            if coding.get(field):
                return bounded(str(coding[field]))
    return ""


def codes_of(concept: Any) -> frozenset[str]:
    """The codes of a CodeableConcept, whatever their systems."""
    return frozenset(code for _, code in codings(concept))


def local_code(concept: Any) -> str | None:
    """What marks a concept as not mapped: its local code, or `text only`; None where a standard code is in it."""
    results = list(codings(concept))
    if any(system.startswith(_STANDARD) for system, _ in results):
        return None
    return next((f"local code {bounded(code)}" for _, code in results if code), "text only")


def name_of(patient: dict[str, Any]) -> str:
    """A Patient's name: the official or usual one before others."""
    names = sorted(
        patient.get("name", ()), key=lambda name: {"official": 0, "usual": 1}.get(name.get("use", ""), 2)
    )
    for name in names:
        parts = [*name.get("given", ()), name.get("family", "")]
        text = " ".join(part for part in parts if part) or name.get("text", "")
        if text:
            return bounded(str(text))
    return "(no name)"


def is_prediction(resource: dict[str, Any]) -> bool:
    """Whether a resource carries the label AIAST, or a code that says what only predictions of this server are."""
    return any(
        (label.get("system"), label.get("code")) == (AIAST["system"], AIAST["code"])
        for label in resource.get("meta", {}).get("security", ())
    ) or any(
        system == PREDICTION_CODES
        for concept in (resource.get("code"), *resource.get("category", ()))
        for system, _ in codings(concept)
    )


def target_of(reference: Any) -> tuple[str, str]:
    """`Observation/x/_history/3` as (`Observation/x`, `3`); the version empty where none is named."""
    text = str(reference.get("reference", "")) if isinstance(reference, dict) else str(reference)
    target, _, version = text.partition("/_history/")
    return target, version


def version_of(resource: dict[str, Any]) -> str:
    """The stored version's number, as text."""
    return str(resource.get("meta", {}).get("versionId", ""))


def source_time(resource: dict[str, Any]) -> str:
    """When the source said so: the business time of the conversion; empty where none is kept."""
    for extension in resource.get("meta", {}).get("extension", ()):
        if extension.get("url") == SOURCE_EXTENSION:
            for part in extension.get("extension", ()):
                if part.get("url") == "time":
                    return str(part.get("valueDateTime") or part.get("valueString") or "")
    return ""


def time_of(resource: dict[str, Any]) -> str:
    """When what a resource describes happened; empty where it doesn't say."""
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


def moment_of(text: str) -> datetime | None:
    """A FHIR date or dateTime as a moment, for order and drawing; None for what has no place on a line of time.

    That is no text, a leap second, and the years that sources write for "never" and "for ever" (0001, 9999).
    """
    try:
        moment = parse_time(text)
    except (ValueError, OverflowError):
        return None
    return moment if 2 <= moment.year <= 9998 else None


def label_of(resource: dict[str, Any]) -> str:
    """What a resource is about, in a few words."""
    kind = str(resource["resourceType"])
    if kind == "ImagingStudy":
        return str(resource.get("description") or next(_procedures(resource), "") or "imaging study")
    if kind == "Encounter":
        location = resource.get("class", {})
        service = concept_text(resource.get("serviceType"))
        parts = (str(location.get("display") or location.get("code") or "visit"), service)
        return ", ".join(part for part in parts if part)
    concept = resource.get("code") or resource.get("medicationCodeableConcept") or resource.get("vaccineCode")
    reference = resource.get("medicationReference")
    return concept_text(concept) or (str(reference.get("display") or "") if reference else "") or kind


def _procedures(study: dict[str, Any]) -> Iterator[str]:
    for concept in study.get("procedureCode", ()):
        text = concept_text(concept)
        if text:
            yield text


def value_text(node: dict[str, Any]) -> str:
    """The value of an Observation or component, with unit; empty where it has none."""
    if "valueQuantity" in node:
        return quantity_text(node["valueQuantity"])
    if "valueCodeableConcept" in node:
        return concept_text(node["valueCodeableConcept"])
    if "valueBoolean" in node:
        return "yes" if node["valueBoolean"] else "no"
    for name in ("valueString", "valueInteger", "valueDateTime", "valueTime"):
        if name in node:
            return bounded(str(node[name]), LONGEST_TEXT)
    if "valuePeriod" in node:
        return f"{node['valuePeriod'].get('start', '')} to {node['valuePeriod'].get('end', '')}"
    if "valueRange" in node:
        low, high = (quantity_text(node["valueRange"].get(end, {})) for end in ("low", "high"))
        return f"{low} to {high}"
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
    value = quantity["value"]
    # Not in scientific notation, which `str` of a Decimal may choose.
    digits = f"{value:f}" if isinstance(value, Decimal) else str(value)
    unit = bounded(str(quantity.get("unit") or quantity.get("code") or ""))
    return f"{quantity.get('comparator', '')}{bounded(digits)}{' ' + unit if unit and unit != '1' else ''}"
