"""The events of one patient's record, in a lane for each kind of source."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fhir_bridge.predictions.record import certainty_of, modality_of
from fhir_bridge.server.pages.absence import is_statement
from fhir_bridge.server.pages.imaging import study_of
from fhir_bridge.server.pages.predictions import is_predicted, short
from fhir_bridge.server.pages.reading import codes_of, label_of, moment_of, time_of
from fhir_bridge.server.pages.results import is_genomic, is_result
from fhir_bridge.server.pages.variants import Variant

__all__ = ["LANES", "Event", "Lane", "Timeline", "timeline_of"]


@dataclass(frozen=True, slots=True)
class Lane:
    """A row of the timeline; `group` is the modality, which gives it its colour."""

    code: str
    name: str
    group: str
    anchor: str


LANES: Final = (
    Lane("condition", "EHR: conditions", "ehr", "history"),
    Lane("medication", "EHR: medication", "ehr", "history"),
    Lane("visit", "EHR: visits", "ehr", "history"),
    Lane("result", "EHR: results", "ehr", "results"),
    Lane("imaging", "Imaging", "imaging", "imaging"),
    Lane("genomics", "Genomics", "genomics", "genome"),
    Lane("prediction", "Predictions", "prediction", "predictions"),
)

_LANE_OF: Final = {
    "AllergyIntolerance": "condition",
    "Condition": "condition",
    "Encounter": "visit",
    "Immunization": "medication",
    "MedicationAdministration": "medication",
    "MedicationRequest": "medication",
    "MedicationStatement": "medication",
    "Procedure": "visit",
}
_VOID: Final = frozenset({"entered-in-error", "cancelled", "not-done"})


@dataclass(frozen=True, slots=True)
class Event:
    """Something at one moment; `short` is beside its mark where there is room."""

    lane: str
    moment: datetime
    time: str
    label: str
    short: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Events, oldest first, and how many things of a kind have no usable time."""

    events: tuple[Event, ...]
    undated: Mapping[str, int]


def timeline_of(
    resources: Sequence[dict[str, Any]], variants: Sequence[Variant], days: Container[str] = ()
) -> Timeline:
    """Events of a record. A study stands for its measurements, a genomic report for its variants.

    `days` are those of which the page lists the results; a mark of another day leads to the list's beginning.
    """
    studies = {resource["id"] for resource in resources if resource["resourceType"] == "ImagingStudy"}
    genes = ", ".join(
        dict.fromkeys(variant.gene for variant in variants if variant.reportable and variant.gene)
    )
    genomic: set[str] = set()
    events: list[Event] = []
    undated: dict[str, int] = {}
    for resource in resources:
        lane = _lane(resource, studies)
        if lane is None:
            continue
        time = time_of(resource)
        moment = moment_of(time)
        if moment is None:
            undated[lane.name] = undated.get(lane.name, 0) + 1
            continue
        if lane.code == "genomics":
            # One mark a day: a report has hundreds of variants, which are one event.
            if time[:10] in genomic:
                continue
            genomic.add(time[:10])
        events.append(_event(resource, lane, moment, time, genes, days))
    events.sort(key=lambda event: (event.moment, event.label))
    return Timeline(tuple(events), undated)


def _lane(resource: dict[str, Any], studies: set[str]) -> Lane | None:
    kind = resource["resourceType"]
    verification = codes_of(resource.get("verificationStatus"))
    void = resource.get("status") in _VOID or verification & {"refuted", "entered-in-error"}
    if void or is_statement(resource) or (kind == "Condition" and certainty_of(resource.get("code")) == "A"):
        return None
    code: str | None = None
    if is_predicted(resource):
        code = "prediction"
    elif kind == "ImagingStudy":
        code = "imaging"
    elif modality_of(resource) == "genomics" or is_genomic(resource):
        code = "genomics" if kind in ("DiagnosticReport", "Observation") else None
    elif kind == "Observation" and is_result(resource):
        code = None if study_of(resource) in studies else _modality(resource)
    elif kind == "DiagnosticReport":
        # A report with results is shown by its results.
        code = None if study_of(resource) in studies or resource.get("result") else _modality(resource)
    else:
        code = _LANE_OF.get(kind)
    return next((lane for lane in LANES if lane.code == code), None)


def _modality(resource: dict[str, Any]) -> str:
    return "imaging" if modality_of(resource) == "imaging" else "result"


def _event(
    resource: dict[str, Any], lane: Lane, moment: datetime, time: str, genes: str, days: Container[str]
) -> Event:
    label, brief, anchor = label_of(resource), "", lane.anchor
    if lane.code == "imaging":
        codes = (str(coding.get("code", "")) for coding in resource.get("modality", ()))
        brief = "/".join(code for code in codes if code and code != "SR")
        anchor = f"ImagingStudy-{resource['id']}" if resource["resourceType"] == "ImagingStudy" else anchor
    elif lane.code == "genomics":
        label, brief = "genomic report", genes or "report"
    elif lane.code == "prediction":
        brief = label = short(resource)
    elif lane.code == "result":
        anchor = f"day-{time[:10]}" if time[:10] in days else anchor
    else:
        brief = label
    return Event(lane.code, moment, time, label, brief, anchor)
