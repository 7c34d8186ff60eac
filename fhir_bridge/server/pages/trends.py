"""Results of one kind over time: which belong together, in one unit."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from fhir_bridge.fhir import ucum
from fhir_bridge.fhir.reference_ranges import Person
from fhir_bridge.predictions.record import codings
from fhir_bridge.server.pages.marks import NOBODY, Mark, marked
from fhir_bridge.server.pages.reading import concept_text, moment_of, quantity_text, time_of
from fhir_bridge.server.pages.results import is_result

__all__ = ["MOST_POINTS", "MOST_TRENDS", "Point", "Trend", "trends_of"]

MOST_TRENDS: Final = 24
"""Kinds of results that are drawn: those with the newest results; the page says how many more there are."""
MOST_POINTS: Final = 200
"""Results of a kind that are drawn, the newest ones."""
_VOID: Final = frozenset({"entered-in-error", "cancelled"})
_UCUM: Final = "http://unitsofmeasure.org"


@dataclass(frozen=True, slots=True)
class Point:
    """A result: `value` in the unit of the trend, `text` as its source has it."""

    id: str
    moment: datetime
    time: str
    value: Decimal
    text: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Trend:
    """Results of a kind, oldest first.

    Attributes:
        left_out: results whose unit can't be compared with the newest one's.
        older: results before the first that is drawn.
    """

    label: str
    unit: str
    points: tuple[Point, ...]
    left_out: int
    older: int


@dataclass(frozen=True, slots=True)
class _Value:
    """A Quantity of an Observation, or of a component of it."""

    key: tuple[str, ...]
    label: str
    moment: datetime
    observation: dict[str, Any]
    quantity: dict[str, Any]
    number: Decimal
    marks: tuple[Mark, ...]


def trends_of(
    resources: Sequence[dict[str, Any]], claimed: Container[str], person: Person = NOBODY
) -> tuple[list[Trend], int]:
    """What has at least two results with a number at two times, and how many more kinds there are than are drawn.

    Args:
        claimed: Observations that are shown elsewhere.
        person: decides which reference ranges count.
    """
    kinds: dict[tuple[str, ...], list[_Value]] = {}
    for resource in resources:
        if is_result(resource) and resource["id"] not in claimed and resource.get("status") not in _VOID:
            for value in _values(resource, person):
                kinds.setdefault(value.key, []).append(value)
    results = [trend for values in kinds.values() if (trend := _trend(values)) is not None]
    results.sort(key=lambda trend: trend.points[-1].moment, reverse=True)
    return results[:MOST_TRENDS], max(0, len(results) - MOST_TRENDS)


def _values(observation: dict[str, Any], person: Person) -> Iterator[_Value]:
    moment = moment_of(time_of(observation))
    if moment is None:
        return
    name, label = _key(observation.get("code")), concept_text(observation.get("code"))
    if not name:
        return
    parts = marked(observation, person)
    if (number := _number(observation.get("valueQuantity"))) is not None:
        marks = parts[0].marks if parts else ()
        yield _Value((name,), label, moment, observation, observation["valueQuantity"], number, marks)
    for component in observation.get("component", ()):
        part = _key(component.get("code"))
        if part and (number := _number(component.get("valueQuantity"))) is not None:
            text = concept_text(component.get("code"))
            marks = next((item.marks for item in parts if item.label == text), ())
            yield _Value((name, part), text, moment, observation, component["valueQuantity"], number, marks)


def _key(concept: Any) -> str:
    """What kind a concept is: its first code with a system, else its text; empty where it says nothing."""
    for system, code in codings(concept):
        if system and code:
            return f"{system}|{code}"
    return str(concept.get("text", "")).casefold() if isinstance(concept, dict) else ""


def _number(quantity: Any) -> Decimal | None:
    if not isinstance(quantity, dict) or isinstance(quantity.get("value"), bool | None):
        return None
    try:
        number = Decimal(str(quantity["value"]))
    except InvalidOperation:
        return None
    # What no measurement has would leave the others on one line.
    return number if number.is_finite() and abs(number.adjusted()) < 30 else None


def _trend(values: Sequence[_Value]) -> Trend | None:
    ordered = sorted(values, key=lambda value: value.moment)
    newest = ordered[-1].quantity
    same: list[Point] = []
    for value in ordered:
        number = _converted(value.number, value.quantity, newest)
        if number is not None:
            text = quantity_text(value.quantity)
            identity, time = value.observation["id"], time_of(value.observation)
            same.append(Point(identity, value.moment, time, number, text, value.marks))
    if len({point.moment for point in same}) < 2:
        return None
    unit = str(newest.get("unit") or newest.get("code") or "")
    drawn = same[-MOST_POINTS:]
    return Trend(
        ordered[-1].label or "(no name)",
        "" if unit == "1" else unit,
        tuple(drawn),
        len(ordered) - len(same),
        len(same) - len(drawn),
    )


def _converted(number: Decimal, quantity: dict[str, Any], into: dict[str, Any]) -> Decimal | None:
    """A number in another Quantity's unit; None where the two can't be compared."""
    units = [item.get("code") if item.get("system") == _UCUM else None for item in (quantity, into)]
    if units[0] and units[1]:
        if units[0] == units[1]:
            return number
        try:
            return ucum.convert(number, str(units[0]), str(units[1]))
        except ValueError:
            return None
    # Without UCUM a unit is a word: the same word is the same unit, and nothing else is known.
    words = [str(item.get("unit") or item.get("code") or "").casefold() for item in (quantity, into)]
    return number if words[0] == words[1] else None
