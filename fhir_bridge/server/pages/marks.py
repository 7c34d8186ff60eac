"""Marks on results: outside the reference range, or abnormal as the source says. No mark never means normal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.fhir.reference_ranges import Person, standing_of
from fhir_bridge.predictions.record import codings
from fhir_bridge.server.pages.reading import concept_text, time_of, value_text

__all__ = ["LEGEND", "NOBODY", "Mark", "Marked", "mark_text", "marked", "person_of"]

NOBODY: Final = Person()
"""Nothing is known that would choose between ranges."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A sign and a word beside a value; the colour of `style` only repeats them."""

    sign: str
    word: str
    style: str


HIGH: Final = Mark("▲", "high", "outside")
LOW: Final = Mark("▼", "low", "outside")
CRITICAL_HIGH: Final = Mark("▲▲", "critically high", "critical")
CRITICAL_LOW: Final = Mark("▼▼", "critically low", "critical")
ABNORMAL: Final = Mark("●", "abnormal", "outside")
CRITICAL: Final = Mark("●●", "critically abnormal", "critical")

LEGEND: Final = (
    (HIGH, "above the reference range"),
    (LOW, "below it"),
    (CRITICAL_HIGH, "critically above, as the source says"),
    (CRITICAL_LOW, "critically below, as the source says"),
    (ABNORMAL, "abnormal, as the source says"),
    (CRITICAL, "critically abnormal, as the source says"),
)

_SYSTEMS: Final = frozenset(
    {
        "",
        "http://hl7.org/fhir/v2/0078",
        "http://hl7.org/fhir/v3/ObservationInterpretation",
        "http://terminology.hl7.org/CodeSystem/v2-0078",
        "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
        "urn:oid:2.16.840.1.113883.12.78",
        "urn:oid:2.16.840.1.113883.5.83",
    }
)
"""Where the codes below mean what they say; a site's own `H` may mean haemolysed."""

_MEANINGS: Final[Mapping[str, Mark]] = {
    "A": ABNORMAL,
    "AA": CRITICAL,
    "H": HIGH,
    "H>": HIGH,
    "HH": CRITICAL_HIGH,
    "HU": HIGH,
    "HX": HIGH,
    ">": HIGH,
    "L": LOW,
    "L<": LOW,
    "LL": CRITICAL_LOW,
    "LU": LOW,
    "LX": LOW,
    "<": LOW,
}
"""v3-ObservationInterpretation and v2 table 0078: the codes that say that a result is not as it should be."""

_POSITIONS: Final = {"above": HIGH, "below": LOW}


@dataclass(frozen=True, slots=True)
class Marked:
    """A value, what marks it, and what is said of it beside.

    Attributes:
        label: of a component; empty for the result's own value.
        interpretation: as the source has it, in words.
        uncompared: why the value was not compared with the range that is given; empty where it was, or none is.
    """

    label: str
    value: str
    marks: tuple[Mark, ...]
    interpretation: str
    uncompared: str


def person_of(patient: Mapping[str, Any]) -> Person:
    """Sex and birth date, by which ranges are chosen."""
    return Person(str(patient.get("gender", "")), str(patient.get("birthDate", "")))


def marked(observation: dict[str, Any], person: Person) -> tuple[Marked, ...]:
    """The value of an Observation and of its components, each with its marks. What was withdrawn has none."""
    # A mark on a withdrawn value would call for action on what was never measured.
    live = observation.get("status") not in ("entered-in-error", "cancelled")
    at = time_of(observation)
    own = _marked("", observation, person if live else None, at)
    parts = [
        _marked(concept_text(component.get("code")), component, person if live else None, at)
        for component in observation.get("component", ())
    ]
    return (own, *parts) if own.value or own.marks or own.interpretation else tuple(parts)


def _marked(label: str, node: dict[str, Any], person: Person | None, at: str) -> Marked:
    concepts = [concept for concept in node.get("interpretation", ()) if isinstance(concept, dict)]
    text = ", ".join(filter(None, map(concept_text, concepts)))
    if person is None:
        return Marked(label, value_text(node), (), text, "")
    standing = standing_of(node, person, at)
    results = [
        _MEANINGS[code]
        for concept in concepts
        for system, code in codings(concept)
        if system in _SYSTEMS and code in _MEANINGS
    ]
    computed = _POSITIONS.get(standing.position) if standing else None
    if computed is not None and not any(_states(mark, computed) for mark in results):
        # The source's own mark goes first: it may know more than the range that it gives.
        results.append(computed)
    uncompared = standing.reason if standing and not results else ""
    return Marked(label, value_text(node), tuple(dict.fromkeys(results)), text, uncompared)


def _states(mark: Mark, computed: Mark) -> bool:
    """Whether a mark of the source says already what the comparison found."""
    return mark.sign.startswith(computed.sign)


def mark_text(node: dict[str, Any], person: Person, at: str) -> str:
    """The signs and words that mark a value, for where only text can be; empty where nothing does."""
    return ", ".join(f"{mark.sign} {mark.word}" for mark in _marked("", node, person, at).marks)
