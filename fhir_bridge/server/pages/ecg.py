"""The leads of an ECG, and what the machine measured and said beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from fhir_bridge.predictions.record import codings
from fhir_bridge.server.pages.ecg_drawing import draw
from fhir_bridge.server.pages.ecg_leads import STANDARD, Lead
from fhir_bridge.server.pages.marks import mark_text, person_of
from fhir_bridge.server.pages.reading import concept_text, label_of, target_of, time_of, value_text

__all__ = ["ECG_CODE", "Ecg", "ecgs_of", "is_ecg", "leads_of"]

_MDC: Final = "urn:oid:2.16.840.1.113883.6.24"
ECG_CODE: Final = (_MDC, "131328")
"""MDC_ECG_ELEC_POTL (ISO/IEEE 11073-10101): the voltages of an ECG."""

_LEADS: Final = {
    "131329": "I",
    "131330": "II",
    "131389": "III",
    "131390": "aVR",
    "131391": "aVL",
    "131392": "aVF",
    **{str(131330 + number): f"V{number}" for number in range(1, 7)},
}
_MILLIVOLTS: Final = {"mV": 1.0, "uV": 0.001, "V": 1000.0, "nV": 0.000001}
# "E", "L", "U" in SampledData.data.
_LOST: Final = frozenset("ELU")
"""R4 datatypes.html#SampledData: error, below and above the detection limit."""


@dataclass(frozen=True, slots=True)
class Ecg:
    """One recording.

    Attributes:
        drawing: None where it was not asked for or holds no samples.
        facts: what the machine measured, (name, value).
        statement: lines that the machine or a reader wrote.
        confirmed: whether somebody has read it (the report is no longer preliminary).
        claimed: ids of the Observations that are shown with it.
    """

    id: str
    time: str
    label: str
    drawing: Markup | None
    facts: tuple[tuple[str, str], ...]
    statement: tuple[str, ...]
    confirmed: bool
    notes: tuple[str, ...]
    claimed: frozenset[str]


def is_ecg(resource: dict[str, Any]) -> bool:
    """Whether a resource is the Observation that holds an ECG's voltages."""
    return resource["resourceType"] == "Observation" and ECG_CODE in codings(resource.get("code"))


def ecgs_of(resources: Sequence[dict[str, Any]], chosen: str | None = None) -> list[Ecg]:
    """All recordings, newest first; `chosen`, or else the newest, is drawn."""
    results = [
        resource
        for resource in resources
        if is_ecg(resource) and resource.get("status") not in ("entered-in-error", "cancelled")
    ]
    results.sort(key=lambda resource: (time_of(resource), resource["id"]), reverse=True)
    ids = [resource["id"] for resource in results]
    # The leads of one recording are drawn, not of all: drawing takes tens of milliseconds each.
    drawn = chosen if chosen in ids else next(iter(ids), None)
    return [_ecg(resource, resources, resource["id"] == drawn) for resource in results]


def _ecg(recording: dict[str, Any], resources: Sequence[dict[str, Any]], drawn: bool) -> Ecg:
    own = f"Observation/{recording['id']}"
    patient = next((resource for resource in resources if resource["resourceType"] == "Patient"), {})
    person = person_of(patient)
    facts: list[tuple[str, str]] = []
    statement: list[str] = []
    claimed: set[str] = {recording["id"]}
    confirmed = False
    by_name = {f"{resource['resourceType']}/{resource['id']}": resource for resource in resources}
    for report in resources:
        if report["resourceType"] != "DiagnosticReport":
            continue
        members = [target_of(reference)[0] for reference in report.get("result", ())]
        if own not in members:
            continue
        statement += str(report.get("conclusion", "")).splitlines()
        confirmed = confirmed or report.get("status") in ("final", "amended", "corrected", "appended")
        for other in (by_name[name] for name in members if name in by_name and name != own):
            claimed.add(other["id"])
            if value_text(other):
                marks = mark_text(other, person, time_of(other))
                facts.append((label_of(other), " ".join(filter(None, (value_text(other), marks)))))
    notes = [str(note["text"]) for note in recording.get("note", ()) if note.get("text")]
    drawing, remarks = draw(leads_of(recording)) if drawn else (None, ())
    return Ecg(
        recording["id"],
        time_of(recording),
        label_of(recording),
        drawing,
        tuple(facts),
        tuple(line for line in statement if line.strip()),
        confirmed,
        (*notes, *remarks),
        frozenset(claimed),
    )


def leads_of(observation: dict[str, Any]) -> dict[str, Lead]:
    """The leads of an ECG Observation by name, in order of the source; what is not readable is left out.

    A lead without a code of ISO/IEEE 11073 goes by its text.
    """
    leads: dict[str, Lead] = {}
    for component in observation.get("component", ()):
        sampled = component.get("valueSampledData")
        if not isinstance(sampled, dict) or not sampled.get("data"):
            continue
        concept = component.get("code")
        known = (_LEADS[code] for system, code in codings(concept) if system == _MDC and code in _LEADS)
        text = concept_text(concept)
        name = next(known, None) or _by_text(text)
        lead = _lead(name, sampled)
        if lead is not None:
            # A repeated lead: the first, which is in the order of the source.
            leads.setdefault(name, lead)
    return leads


def _by_text(text: str) -> str:
    plain = text.removeprefix("Lead ").strip()
    return next((name for name in STANDARD if name.lower() == plain.lower()), plain[:12] or "?")


def _lead(name: str, sampled: dict[str, Any]) -> Lead | None:
    origin = sampled.get("origin", {})
    # Without a unit that is known the scale is unknown, and an ECG out of scale misleads.
    scale = _MILLIVOLTS.get(str(origin.get("code") or origin.get("unit")))
    try:
        period = float(sampled.get("period", 0))
        factor, zero = float(sampled.get("factor", 1)), float(origin.get("value", 0))
        # More than one dimension: samples of several leads interleaved (R4 datatypes.html#SampledData),
        # which no source of ours sends.
        if scale is None or not 0 < period < math.inf or sampled.get("dimensions", 1) != 1:
            return None
        samples = tuple(_sample(text, factor, zero, scale) for text in str(sampled["data"]).split())
    except (
        ValueError
    ):  # a sample that is no number: then none of the others can be trusted to be in its place
        return None
    return Lead(name, period, samples)


def _sample(text: str, factor: float, zero: float, scale: float) -> float | None:
    if text in _LOST:
        return None
    value = (float(text) * factor + zero) * scale
    return value if math.isfinite(value) else None
