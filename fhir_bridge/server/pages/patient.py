"""Everything that a patient's page shows, gathered from the store with few queries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.record import patient_types
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.predictions.changes import outdated_models
from fhir_bridge.predictions.overtaken import overtaken_standings
from fhir_bridge.server.pages import (
    ecg,
    history,
    imaging,
    marks,
    predictions,
    region_drawing,
    regions,
    results,
    timeline,
    timeline_drawing,
    trend_drawing,
    trends,
    variants,
)
from fhir_bridge.server.pages.absence import empty_text
from fhir_bridge.server.pages.reading import bounded, codes_of, concept_text, moment_of, name_of, target_of
from fhir_bridge.storage import Store

__all__ = ["Facts", "patient_values"]

_LEFT_OUT: Final = frozenset({"AuditEvent", "Provenance"})
"""Types about the record's keeping: each look at this page adds one, so a record would grow by being read."""

_REFUSED_USES: Final = {
    "HRESCH": "research",
    "HMARKT": "marketing",
    "HPAYMT": "payment",
    "TREAT": "treatment",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """Who the patient is.

    Attributes:
        identifiers: (kind, value).
        test: whether the record is labelled as test data (v3-ActReason HTEST).
        heir: id of the record that this one was merged into; empty where it occurs by itself.
        merged: identifiers of the records that were merged into this one.
        refuses: purposes for which an active Consent denies use.
    """

    id: str
    name: str
    born: str
    age: str
    gender: str
    died: str
    identifiers: tuple[tuple[str, str], ...]
    test: bool
    heir: str
    merged: tuple[str, ...]
    refuses: tuple[str, ...]


async def patient_values(
    store: Store,
    access: AccessFilter,
    patient_id: str,
    chosen_ecg: str | None = None,
    site: str | None = None,
) -> dict[str, object]:
    """The values of the template `patient.html`.

    One query reads the Patient, some (one a resource type) the record, one the Provenance of predictions,
    one which of them count; only a result that has earlier versions, or an input that was corrected, costs more.

    Raises:
        StorageError: there is no such patient, or none that the caller may know of.
    """
    patient = loads_exact((await store.read("Patient", patient_id, access)).bytes)
    # Everything of the record's types in one reading; the parts of the page choose from it.
    types = sorted(set(patient_types()) - _LEFT_OUT)
    stored = [entry.bytes async for entry in store.patient_record(patient_id, access, types=types)]
    # Parsing and drawing take tens of milliseconds for a long record: not on the event loop.
    resources = await asyncio.to_thread(lambda: [loads_exact(content) for content in stored])
    sources = await predictions.sources_of(resources, store, access)
    standings = await store.results.of_patient(patient_id)
    replaced = await overtaken_standings(store, standings, site)
    outdated = await outdated_models(store, access, standings, replaced)
    ecgs = await asyncio.to_thread(ecg.ecgs_of, resources, chosen_ecg)
    claimed = _claimed(ecgs, resources)
    # Before histories are read: only results that are shown cost a query.
    listed = results.newest(resources, claimed)
    shown = listed[: results.LIMIT]
    histories = await results.histories_of(shown, store, access)
    return await asyncio.to_thread(
        _values,
        patient,
        resources,
        sources,
        outdated,
        {item.id for item in standings},
        ecgs,
        shown,
        len(listed) - len(shown),
        histories,
        access,
        claimed,
    )


def _claimed(ecgs: list[ecg.Ecg], resources: list[dict[str, Any]]) -> set[str]:
    """Observations that are with an ECG or a study, and so not in the list of results."""
    claimed = {identity for item in ecgs for identity in item.claimed}
    studies = {resource["id"] for resource in resources if resource["resourceType"] == "ImagingStudy"}
    for resource in resources:
        if resource["resourceType"] == "Observation" and imaging.study_of(resource) in studies:
            claimed.add(resource["id"])
    return claimed


def _values(
    patient: dict[str, Any],
    resources: list[dict[str, Any]],
    sources: predictions.Sources,
    outdated: Mapping[str, str],
    ours: Set[str],
    ecgs: list[ecg.Ecg],
    shown: list[dict[str, Any]],
    more: int,
    histories: results.Histories,
    access: AccessFilter,
    claimed: set[str],
) -> dict[str, object]:
    result = variants.variants_of(resources)
    person = marks.person_of(patient)
    days = results.days_of(shown, histories, person)
    dated = [item for item in resources if not predictions.is_elsewhere(item, ours)]
    line = timeline.timeline_of(dated, result, {day.date for day in days})
    drawn, more_trends = trends.trends_of(resources, claimed, person)
    rows = {item.id for day in days for item in day.results}
    beside_ecg = {identity for item in ecgs for identity in item.claimed}
    drawn_regions, more_regions = regions.regions_of(resources, result)
    values: dict[str, Any] = {
        "patient": _facts(patient, resources),
        "timeline": timeline_drawing.draw(line),
        "undated": line.undated,
        "ecgs": ecgs,
        "studies": imaging.studies_of(resources, beside_ecg, person),
        "reportable": [variant for variant in result if variant.reportable],
        "other_variants": [variant for variant in result if not variant.reportable],
        "studied": variants.studies_of(resources),
        "regions": [(region, region_drawing.draw(region)) for region in drawn_regions],
        "more_regions": more_regions,
        "predictions": predictions.predictions_of(resources, sources, outdated, ours),
        "days": days,
        "more_results": more,
        "trends": [(trend, trend_drawing.draw(trend, rows)) for trend in drawn],
        "more_trends": more_trends,
        "history": history.history_of(resources, access),
        "legend": marks.LEGEND,
        "no_results": empty_text("results", ["Observation"], access),
        "no_studies": empty_text("imaging studies", ["ImagingStudy"], access),
    }
    return values | {"anchors": _anchors(values, resources)}


def _facts(patient: dict[str, Any], resources: list[dict[str, Any]]) -> Facts:
    others = [item for item in resources if item["resourceType"] == "Patient" and item["id"] != patient["id"]]
    identifiers = [
        (
            bounded(next(iter(sorted(codes_of(item.get("type")))), "identifier")),
            bounded(str(item["value"])),
        )
        for item in patient.get("identifier", ())
        if item.get("value")
    ]
    died = str(patient.get("deceasedDateTime", ""))
    return Facts(
        id=patient["id"],
        name=name_of(patient),
        born=str(patient.get("birthDate", "")),
        age=_age(patient),
        gender=str(patient.get("gender", "")),
        died=died or ("date unknown" if patient.get("deceasedBoolean") else ""),
        identifiers=tuple(identifiers),
        test=any(label.get("code") == "HTEST" for label in patient.get("meta", {}).get("security", ())),
        heir=_heir(patient),
        merged=tuple(_identifier(other) for other in others),
        refuses=tuple(_refused_uses(resources)),
    )


def _identifier(patient: dict[str, Any]) -> str:
    values = [str(item["value"]) for item in patient.get("identifier", ()) if item.get("value")]
    return bounded(values[0]) if values else str(patient["id"])


def _anchors(values: dict[str, Any], resources: list[dict[str, Any]]) -> dict[str, str]:
    """Reference to the place on the page where it is shown; a classification is shown with its variant."""
    lines = values["history"]
    shown = [
        *(f"Observation/{item.id}" for day in values["days"] for item in day.results),
        *(f"Observation/{item.id}" for study in values["studies"] for item in study.measurements),
        *(f"Observation/{item.id}" for item in (*values["reportable"], *values["other_variants"])),
        *(f"ImagingStudy/{study.id}" for study in values["studies"]),
        *(
            f"{item.kind}/{item.id}"
            for item in (*lines.present, *lines.absent, *lines.allergies, *lines.medications)
        ),
    ]
    anchors = {name: name.replace("/", "-") for name in shown}
    for resource in resources:
        name = f"{resource['resourceType']}/{resource['id']}"
        if name not in anchors:
            for reference in resource.get("derivedFrom", ()):
                target = target_of(reference)[0]
                if target in anchors and target.startswith("Observation/"):
                    anchors[name] = anchors[target]
    return anchors


def _age(patient: dict[str, Any]) -> str:
    """Completed years today, or at death; empty where a date is not known to the day."""
    born, died = str(patient.get("birthDate", "")), str(patient.get("deceasedDateTime", ""))[:10]
    # A day is needed to say how many years are complete; half a date would be guessed at.
    if len(born) != 10 or patient.get("deceasedBoolean") or (died and len(died) != 10):
        return ""
    start, end = moment_of(born), moment_of(died) if died else datetime.now(UTC)
    if start is None or end is None:
        return ""
    return str(end.year - start.year - ((end.month, end.day) < (start.month, start.day)))


def _heir(patient: dict[str, Any]) -> str:
    for link in patient.get("link", ()):
        if link.get("type") == "replaced-by":
            return target_of(link.get("other", {}))[0].removeprefix("Patient/")
    return ""


def _refused_uses(resources: list[dict[str, Any]]) -> list[str]:
    result = set()
    for consent in resources:
        provision = consent.get("provision", {})
        if (
            consent["resourceType"] == "Consent"
            and consent.get("status") == "active"
            and provision.get("type") == "deny"
        ):
            for purpose in provision.get("purpose", ()):
                code = str(purpose.get("code", ""))
                result.add(_REFUSED_USES.get(code, str(purpose.get("display") or code)))
            if not provision.get("purpose"):
                scope = concept_text(consent.get("scope")) or ", ".join(codes_of(consent.get("scope")))
                result.add(f"what its consent covers ({scope})")
    return sorted(filter(None, result))
