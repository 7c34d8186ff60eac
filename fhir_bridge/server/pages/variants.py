"""Variants as a clinician reads them: gene, zygosity, HGVS, classification and source; and what was not studied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.predictions.inputs import LOINC
from fhir_bridge.predictions.record import codings
from fhir_bridge.server.pages.reading import concept_text, value_text

__all__ = ["Studied", "Variant", "studied_of", "variants_of"]

_VARIANT: Final = (LOINC, "69548-6")
_SIGNIFICANCE: Final = (LOINC, "53037-8")
_REPORTABLE: Final = frozenset({"LA6668-3", "LA26332-9", "LA26333-7"})
"""Pathogenic, likely pathogenic, uncertain significance."""

_COMPONENTS: Final = {
    "gene": "48018-6",
    "zygosity": "53034-5",
    "coding": "48004-6",
    "protein": "48005-3",
    "genomic": "81290-9",
    "chromosome": "48000-4",
    "position": "81254-5",
    "ref": "69547-8",
    "alt": "69551-0",
}


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant and what is said of it."""

    gene: str
    zygosity: str
    names: tuple[str, ...]
    classification: str
    source: str
    condition: str
    reportable: bool
    reference: str


@dataclass(frozen=True, slots=True)
class Studied:
    """What a genomic study looked at; `genes` empty means that it does not say."""

    genes: tuple[str, ...]
    date: str


def variants_of(resources: Sequence[dict[str, Any]]) -> list[Variant]:
    """Variants that are present, reportable ones first; without a classification a variant is not reportable."""
    observations = [resource for resource in resources if resource["resourceType"] == "Observation"]
    implications = _implications(observations)
    found = [
        _variant(observation, implications.get(f"Observation/{observation['id']}", []))
        for observation in observations
        if _VARIANT in codings(observation.get("code")) and observation.get("status") != "entered-in-error"
    ]
    return sorted(found, key=lambda variant: (not variant.reportable, variant.gene, variant.names))


def _implications(observations: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Reference of a variant to the Observations that classify it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for observation in observations:
        if any(
            _SIGNIFICANCE in codings(component.get("code")) for component in observation.get("component", ())
        ):
            for reference in observation.get("derivedFrom", ()):
                target = str(reference.get("reference", "")).partition("/_history")[0]
                found.setdefault(target, []).append(observation)
    return found


def _components(observation: dict[str, Any]) -> dict[str, str]:
    by_code = {
        code: value_text(component)
        for component in observation.get("component", ())
        for system, code in codings(component.get("code"))
        if system == LOINC
    }
    return {name: by_code.get(code, "") for name, code in _COMPONENTS.items()}


def _variant(observation: dict[str, Any], implications: Sequence[dict[str, Any]]) -> Variant:
    parts = _components(observation)
    names = tuple(parts[name] for name in ("coding", "protein", "genomic") if parts[name])
    if not names and parts["ref"]:
        names = (f"{parts['chromosome']} {parts['position']} {parts['ref']}>{parts['alt']}".strip(),)
    classification, source, condition, reportable = "", "", "", False
    for implication in implications:
        for component in implication.get("component", ()):
            coded = set(codings(component.get("code")))
            if _SIGNIFICANCE in coded:
                classification = value_text(component)
                values = {code for _, code in codings(component.get("valueCodeableConcept"))}
                reportable = reportable or bool(values & _REPORTABLE)
            elif (LOINC, "81259-4") in coded:
                condition = value_text(component)
            elif (LOINC, "93044-6") in coded:
                source = value_text(component)
        source = source or concept_text(implication.get("method")) or _note(implication)
    return Variant(
        parts["gene"],
        parts["zygosity"],
        names,
        classification,
        source,
        condition,
        reportable,
        observation["id"],
    )


def _note(resource: dict[str, Any]) -> str:
    return next((str(note["text"]) for note in resource.get("note", ()) if note.get("text")), "")


def studied_of(resources: Sequence[dict[str, Any]]) -> Studied | None:
    """What the patient's genomic studies looked at; None where there is no study at all."""
    reports = [
        resource
        for resource in resources
        if resource["resourceType"] in ("DiagnosticReport", "Procedure")
        and any("genomic" in profile for profile in resource.get("meta", {}).get("profile", ()))
    ]
    if not reports:
        return None
    genes = {
        text
        for report in reports
        for part in _walk(report)
        if part.get("url", "").endswith(
            ("genomic-study-analysis-regions", "studied", "genomic-study-analysis-gene")
        )
        for text in _gene_names(part)
    }
    date = next(
        (str(report["effectiveDateTime"]) for report in reports if report.get("effectiveDateTime")), ""
    )
    return Studied(tuple(sorted(genes)), date)


def _walk(node: Any) -> Any:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from _walk(child)
    elif isinstance(node, list):
        for child in node:
            yield from _walk(child)


def _gene_names(part: dict[str, Any]) -> list[str]:
    texts = [concept_text(node.get("valueCodeableConcept")) for node in _walk(part)]
    return [text for text in texts if text]
