"""Imaging studies, each with what was measured in it."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.fhir.reference_ranges import Person
from fhir_bridge.server.pages.marks import NOBODY, Mark, marked
from fhir_bridge.server.pages.reading import (
    codes_of,
    concept_text,
    label_of,
    target_of,
    time_of,
    value_text,
)

__all__ = ["Measurement", "Study", "studies_of", "study_of"]

_IDENTIFIERS: Final = frozenset({"112039", "112040"})
"""DCM Tracking Identifier and Tracking Unique Identifier: names of a finding, nothing measured."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measured value."""

    id: str
    label: str
    value: str
    detail: str
    status: str
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Study:
    """One study."""

    id: str
    time: str
    label: str
    modalities: tuple[str, ...]
    sites: tuple[str, ...]
    series: str
    instances: str
    measurements: tuple[Measurement, ...]
    reports: tuple[str, ...]


def study_of(resource: dict[str, Any]) -> str | None:
    """The id of the ImagingStudy that a resource belongs to."""
    for element in ("partOf", "derivedFrom", "imagingStudy"):
        for reference in resource.get(element, ()):
            target, _ = target_of(reference)
            if target.startswith("ImagingStudy/"):
                return target.removeprefix("ImagingStudy/")
    return None


def studies_of(
    resources: Sequence[dict[str, Any]], claimed: Container[str], person: Person = NOBODY
) -> list[Study]:
    """All studies, newest first; Observations in `claimed` are shown elsewhere."""
    measured: dict[str, list[Measurement]] = {}
    reports: dict[str, list[str]] = {}
    for resource in resources:
        study = study_of(resource)
        if study is None:
            continue
        if resource["resourceType"] == "Observation" and resource["id"] not in claimed:
            measured.setdefault(study, []).append(_measurement(resource, person))
        elif resource["resourceType"] == "DiagnosticReport":
            text = f"{label_of(resource)} ({resource.get('status', '')})"
            conclusion = "; ".join(str(resource.get("conclusion", "")).split("\n"))
            reports.setdefault(study, []).append(f"{text}: {conclusion}" if conclusion else text)
    studies = [
        _study(resource, measured.get(resource["id"], []), reports.get(resource["id"], []))
        for resource in resources
        if resource["resourceType"] == "ImagingStudy" and resource.get("status") != "entered-in-error"
    ]
    return sorted(studies, key=lambda study: (study.time, study.id), reverse=True)


def _study(study: dict[str, Any], measured: list[Measurement], reports: list[str]) -> Study:
    sites = {
        str(series["bodySite"].get("display") or series["bodySite"].get("code"))
        for series in study.get("series", ())
        if series.get("bodySite")
    }
    return Study(
        study["id"],
        time_of(study),
        label_of(study),
        tuple(str(coding["code"]) for coding in study.get("modality", ()) if coding.get("code")),
        tuple(sorted(sites)),
        str(study.get("numberOfSeries", "")),
        str(study.get("numberOfInstances", "")),
        tuple(sorted(measured, key=lambda item: (item.label, item.id))),
        tuple(reports),
    )


def _measurement(observation: dict[str, Any], person: Person) -> Measurement:
    qualities = [
        f"{concept_text(component.get('code'))}: {value_text(component)}"
        for component in observation.get("component", ())
        if not _IDENTIFIERS & codes_of(component.get("code"))
    ]
    details = (concept_text(observation.get("method")), *qualities)
    return Measurement(
        observation["id"],
        label_of(observation),
        value_text(observation),
        "; ".join(detail for detail in details if detail),
        str(observation.get("status", "")),
        tuple(dict.fromkeys(mark for part in marked(observation, person) for mark in part.marks)),
    )
