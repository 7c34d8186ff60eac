"""Where a result is relative to its reference ranges (R4 Observation.referenceRange), and never more than is known.

A range counts for a person only where sex and age do not exclude it. Values are compared by UCUM, exactly. What can't
be compared (another kind of unit, text that is no bound, several ranges that disagree) is `unknown`, with the reason:
that a value is inside its range is never concluded from it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from fhir_bridge.fhir import ucum

__all__ = ["Person", "Position", "Standing", "standing_of"]

Position = Literal["below", "within", "above", "unknown"]

_NUMBER = r"[-+]?\d+(?:[.,]\d+)?"
_BOUND = re.compile(rf"(<=|>=|<|>|≤|≥|up to|from)\s*({_NUMBER})\s*(.*)", re.IGNORECASE)
_BETWEEN = re.compile(rf"({_NUMBER})\s*(?:-|–|—|to|\.\.\.?|…)\s*({_NUMBER})\s*(.*)", re.IGNORECASE)
_AMBIGUOUS = re.compile(r"\d,\d{3}(?!\d)")
"""`1,000` is a thousand or one: not read."""

_SEXES = {
    "female": frozenset({"female", "f", "248152002", "women", "woman"}),
    "male": frozenset({"male", "m", "248153007", "men", "man"}),
}
_NORMAL = frozenset({"normal", "normal range", "recommended", "recommended range"})
"""Kinds of ranges (R4 referencerange-meaning) that go before others, such as therapeutic ones."""
_DAYS = {"d": 1, "wk": 7}


@dataclass(frozen=True, slots=True)
class Person:
    """What decides which ranges count: `Patient.gender`, `Patient.birthDate`; empty where unknown."""

    gender: str = ""
    born: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a value is; `reason` says why it is unknown."""

    position: Position
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Interval:
    """A range of numbers in one unit; a bound that is open is not part of it."""

    low: Decimal | None = None
    high: Decimal | None = None
    low_open: bool = False
    high_open: bool = False

    def position(self, bounds: _Interval) -> Position:
        """Where this interval, which holds the value, is relative to bounds."""
        if bounds.low is not None and self.high is not None:
            touching = self.high == bounds.low and (self.high_open or bounds.low_open)
            if self.high < bounds.low or touching:
                return "below"
        if bounds.high is not None and self.low is not None:
            touching = self.low == bounds.high and (self.low_open or bounds.high_open)
            if self.low > bounds.high or touching:
                return "above"
        return "within" if self._reaches_low(bounds) and self._reaches_high(bounds) else "unknown"

    def _reaches_low(self, bounds: _Interval) -> bool:
        if bounds.low is None:
            return True
        if self.low is None or self.low < bounds.low:
            return False
        return self.low > bounds.low or self.low_open or not bounds.low_open

    def _reaches_high(self, bounds: _Interval) -> bool:
        if bounds.high is None:
            return True
        if self.high is None or self.high > bounds.high:
            return False
        return self.high < bounds.high or self.high_open or not bounds.high_open


class _NotComparable(Exception):
    """Why a range can't be compared with."""


def standing_of(node: dict[str, Any], person: Person, at: str = "") -> Standing | None:
    """Where the value of an Observation or of one of its components is.

    Args:
        at: date or dateTime at which the person's age counts.

    Returns:
        None where there is nothing to compare: no range, no value, or a value in the very words of the range.
    """
    ranges = _objects(node.get("referenceRange"))
    value = _value(node)
    if not ranges:
        return None
    if value is None:
        words = _words_of_value(node)
        if not words or words & {str(item.get("text", "")).strip().casefold() for item in ranges}:
            return None
        return Standing("unknown", "the value is no number")
    applicable = _applicable(ranges, person, at)
    if not applicable:
        return Standing("unknown", "no range is for this person's sex and age")
    positions: set[Position] = set()
    reasons = []
    for item in applicable:
        try:
            positions.add(_interval(value).position(_bounds(item, value)))
        except _NotComparable as reason:
            positions.add("unknown")
            reasons.append(str(reason))
    if len(positions) > 1:
        return Standing("unknown", "several ranges may count")
    (position,) = positions
    if position != "unknown":
        return Standing(position)
    return Standing("unknown", reasons[0] if reasons else "the value is not exact enough")


def _objects(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _value(node: dict[str, Any]) -> dict[str, Any] | None:
    quantity = node.get("valueQuantity")
    if isinstance(quantity, dict):
        return quantity if _number(quantity.get("value")) is not None else None
    number = _number(node.get("valueInteger"))
    return None if number is None else {"value": number}


def _words_of_value(node: dict[str, Any]) -> set[str]:
    """What a value that is no number says, in small letters; `?` where it says something without words."""
    results: set[str] = set()
    for name, value in node.items():
        if not name.startswith("value") or name == "valueQuantity":
            continue
        if isinstance(value, dict):
            texts = [value.get("text"), *(coding.get("display") for coding in _objects(value.get("coding")))]
            results |= {str(text) for text in texts if text} or {"?"}
        else:
            results.add(str(value))
    return {text.strip().casefold() for text in results}


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(str(value))
    return number if number.is_finite() else None


def _interval(quantity: dict[str, Any]) -> _Interval:
    """The numbers that a value may be: `<5` is all below 5."""
    number, comparator = _number(quantity.get("value")), quantity.get("comparator")
    match comparator:
        case "<" | "<=":
            return _Interval(high=number, high_open=comparator == "<")
        case ">" | ">=":
            return _Interval(low=number, low_open=comparator == ">")
    return _Interval(number, number)


def _bounds(reference: dict[str, Any], value: dict[str, Any]) -> _Interval:
    """A range's bounds in the value's unit.

    Raises:
        _NotComparable: it has none, or none in a unit of this kind.
    """
    low, high = (_in_unit_of(value, reference.get(end)) for end in ("low", "high"))
    text = reference.get("text")
    written = _written(text, value) if isinstance(text, str) else None
    if low is None and high is None:
        if written is None:
            raise _NotComparable("the range is text")
        return written
    if low is not None and high is not None and low > high:
        raise _NotComparable("the range ends below its beginning")
    if written is not None and (written.low, written.high) == (low, high):
        return written  # only the text says whether a bound belongs to the range
    return _Interval(low, high)


def _in_unit_of(value: dict[str, Any], bound: Any) -> Decimal | None:
    number = _number(bound.get("value")) if isinstance(bound, dict) else None
    if number is None:
        return None
    ours, theirs = _unit(value), _unit(bound)
    if theirs is None or ours == theirs or (ours or ("", ""))[1] == theirs[1]:
        return number
    if ours is not None and ours[0] == theirs[0] == ucum.SYSTEM:
        try:
            return ucum.convert(number, theirs[1], ours[1])
        except (ucum.UcumError, ucum.Incommensurable):
            raise _NotComparable("the range is in another unit") from None
    if value.get("unit") and value.get("unit") == bound.get("unit"):
        return number
    raise _NotComparable("the range is in another unit")


def _unit(quantity: dict[str, Any]) -> tuple[str, str] | None:
    """System and code of a unit, or its text with no system; None where it has none."""
    code, text = quantity.get("code"), quantity.get("unit")
    if code:
        return str(quantity.get("system", "")), str(code)
    return ("", str(text)) if text else None


def _written(text: str, value: dict[str, Any]) -> _Interval | None:
    """The bounds of a range that is text (`< 3.0`, `3.5-5.1 mmol/L`, `3,5 – 5,1`); None where it is anything else."""
    plain = text.strip().strip("()[]").strip()
    if _AMBIGUOUS.search(plain):
        return None
    if match := _BETWEEN.fullmatch(plain):
        low, high = (_decimal(match[number]) for number in (1, 2))
        if low is None or high is None or low > high:
            return None
        return _Interval(low, high) if _same_unit(match[3], value) else None
    if match := _BOUND.fullmatch(plain):
        number = _decimal(match[2])
        if number is None or not _same_unit(match[3], value):
            return None
        sign = match[1].lower()
        if sign in ("<", "<=", "≤", "up to"):
            return _Interval(high=number, high_open=sign == "<")
        return _Interval(low=number, low_open=sign == ">")
    return None


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace(",", "."))
    except InvalidOperation:
        return None


def _same_unit(text: str, value: dict[str, Any]) -> bool:
    """Whether the unit behind a written range is the value's, or left out."""
    named = text.strip()
    return not named or named in (value.get("unit"), value.get("code"))


def _applicable(ranges: Sequence[dict[str, Any]], person: Person, at: str) -> list[dict[str, Any]]:
    """The ranges that may count: normal ones before others, those for such a person before those for anyone."""
    normal = [item for item in ranges if not item.get("type") or _words(item["type"]) & _NORMAL]
    checked = [(item, _fits(item, person, at)) for item in normal or ranges]
    possible = [(item, fits) for item, fits in checked if fits is not False]
    if all(fits is not None for _, fits in possible):
        best = max((_constraints(item) for item, _ in possible), default=0)
        return [item for item, _ in possible if _constraints(item) == best]
    return [item for item, _ in possible]


def _constraints(reference: dict[str, Any]) -> int:
    return bool(reference.get("appliesTo")) + bool(reference.get("age"))


def _fits(reference: dict[str, Any], person: Person, at: str) -> bool | None:
    """Whether a range is for this person; None where that is not known."""
    answers = [_fits_sex(reference.get("appliesTo"), person), _fits_age(reference.get("age"), person, at)]
    if False in answers:
        return False
    return None if None in answers else True


def _fits_sex(groups: Any, person: Person) -> bool | None:
    """Whether the person is in one of the groups; of groups other than by sex nothing is known."""
    if not groups:
        return True
    answers: list[bool | None] = []
    for group in groups if isinstance(groups, list) else ():
        words = _words(group)
        sexes = {sex for sex, names in _SEXES.items() if words & names}
        answers.append(person.gender in sexes if len(sexes) == 1 and person.gender in _SEXES else None)
    if True in answers and None not in answers:
        return True
    return False if answers and all(answer is False for answer in answers) else None


def _words(concept: Any) -> set[str]:
    if not isinstance(concept, dict):
        return set()
    codings = _objects(concept.get("coding"))
    results = [concept.get("text"), *(coding.get(name) for coding in codings for name in ("code", "display"))]
    return {str(word).strip().lower() for word in results if word}


def _fits_age(wanted: Any, person: Person, at: str) -> bool | None:
    if not isinstance(wanted, dict) or not wanted:
        return True
    answers: list[bool | None] = []
    for end in ("low", "high"):
        bound = wanted.get(end)
        if not isinstance(bound, dict):
            continue
        number = _number(bound.get("value"))
        age = _age(person.born, at, str(bound.get("code") or bound.get("unit") or ""))
        if number is None or age is None:
            answers.append(None)
        else:
            answers.append(age >= number if end == "low" else age <= number)
    if False in answers:
        return False
    return None if None in answers or not answers else True


def _age(born: str, at: str, unit: str) -> int | None:
    """Completed years, months, weeks or days at a day; None where a date is not known to the day."""
    try:
        start, end = date.fromisoformat(born), date.fromisoformat(at[:10])
    except ValueError:
        return None
    # A month is complete on the day of the month on which it began.
    months = (end.year - start.year) * 12 + end.month - start.month - (end.day < start.day)
    match unit:
        case "a" | "years" | "year" | "yr":
            return months // 12
        case "mo" | "months" | "month":
            return months
        case "wk" | "d" | "weeks" | "days" | "week" | "day":
            return (end - start).days // _DAYS.get(unit, 7 if unit.startswith("week") else 1)
    return None
