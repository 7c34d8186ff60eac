"""Numbers and units: is the amount in FHIR the one of the source."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cached_property
from typing import Final

from fhir_bridge.fhir import ucum
from fhir_bridge.workshop.audit.comparison import contains
from fhir_bridge.workshop.audit.fhir_pool import FhirLeaf
from fhir_bridge.workshop.audit.leaves import HEADER, RANGE, UNIT_FIELDS, Role, SourceLeaf
from fhir_bridge.workshop.audit.outcomes import ARRIVED, LOST, Kind, Outcome
from fhir_bridge.workshop.audit.places import Places
from fhir_bridge.workshop.normal_forms import folded, number, numbers
from fhir_bridge.workshop.units import same_unit, ucum_of

__all__ = ["Quantities"]


_MINUTES: Final = frozenset(("m", "min", "mins", "minute", "minutes"))
"""How appointments write the unit of their duration."""
_AMOUNT: Final = re.compile(r"(?i)value|quantity|dose|component|minutesDuration|repeat\.")
_NOT_AMOUNT: Final = re.compile(r"identifier|telecom|referenceRange")
_MARKED: Final = re.compile(r"\s*([<>]=?|[≤≥])\s*\d[\d.,\s]*")


class Quantities:
    """Compares amounts of one record."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._with_amount: set[int] = set()

    def apart(self, leaf: SourceLeaf) -> bool:
        """Whether a range or a number with a mark came apart: `70-80` as low and high, `<5` as comparator and value."""
        stated = numbers(leaf.value)
        rest = re.sub(r"[\d.,\s<>=≤≥+-]|to|bis|à", "", leaf.value)
        if not stated or rest:
            return False
        wanted = r"referenceRange|Range" if leaf.field == "OBX-7" else r"value|component|dose|quantity|Range"
        scoped = [match for match in self._places.scoped(leaf) if re.search(wanted, match.path)]
        values = {match.number for match in scoped if match.number is not None}
        if not all(any(value == other for other in values) for value in stated):
            return False
        if self.is_marked(leaf):
            return any(match.number in stated and self.has_mark(leaf, match) for match in scoped)
        return True

    def is_marked(self, leaf: SourceLeaf) -> bool:
        """Whether a value is a number with a comparator: `<5`."""
        return (
            leaf.field != "OBX-7"
            and leaf.table != RANGE
            and leaf.role in (Role.NUMBER, Role.TEXT)
            and _MARKED.fullmatch(leaf.value) is not None
        )

    def has_mark(self, leaf: SourceLeaf, match: FhirLeaf) -> bool:
        """Whether a place has the comparator too, in its text or beside the number; a reference range is no value."""
        if "referenceRange" in match.path:
            return False
        mark = _MARKED.fullmatch(leaf.value)
        assert mark is not None
        stated = mark[1].replace("≤", "<=").replace("≥", ">=")
        if stated in match.text or mark[1] in match.text:
            return True
        siblings = match.resource.holders[match.holder]
        return any(other.element == "comparator" and other.text == stated for other in siblings)

    def near(self, leaf: SourceLeaf) -> Outcome:
        """What became of a number that is nowhere as it was: converted with its unit, without its mark, cut short."""
        stated = number(leaf.value.lstrip("<>=≤≥ "))
        if stated is None:
            return LOST
        marked = leaf.value[:1] in "<>≤≥"
        units = self._units_of(leaf)
        for match in self._places.scoped(leaf):
            value = match.number
            if value is None or not _AMOUNT.search(match.path) or _NOT_AMOUNT.search(match.path):
                continue
            if marked and value == stated:
                return Outcome(Kind.VALUE, "its comparator is lost", match.path, match.text)
            for unit in units:
                if self._converted(stated, unit.value, match):
                    self._with_amount.add(unit.number)
                    return ARRIVED
            if value != stated and _rounded(stated, value) and not self._is_number_of_another(leaf, match):
                return Outcome(Kind.VALUE, "digits after the decimal point are lost", match.path, match.text)
        return LOST

    def went_with_amount(self, leaf: SourceLeaf) -> bool:
        """Whether a unit went into the conversion of its number."""
        return leaf.number in self._with_amount

    def names_unit(self, leaf: SourceLeaf) -> bool:
        """Whether a word beside a number is the unit of an amount there: `1^ann` as `durationUnit` `a`."""
        if ucum_of(leaf.value) is None:
            return False
        if any(
            other.part == leaf.part
            and other.number in self._with_amount
            and same_unit(other.value, leaf.value)
            for other in self._places.record.units[leaf.unit].leaves
        ):
            return True
        return any(
            match.element in ("unit", "durationUnit", "periodUnit") and same_unit(leaf.value, match.text)
            for match in self._places.scoped(leaf)
        )

    def other_unit(self, leaf: SourceLeaf) -> Outcome | None:
        """The unit that an amount has there instead of the code or word that follows it in its value: `72^g`."""
        amounts = [
            other
            for other in self._places.record.units[leaf.unit].leaves
            if other.part == leaf.part and other.role is Role.NUMBER and other.number < leaf.number
        ]
        if not amounts or ucum_of(leaf.value) is None:
            return None
        for siblings in self._quantities(leaf):
            for other in siblings if not self._is_of_another(leaf, siblings) else ():
                if other.element in ("unit", "code") and ucum_of(other.text) is not None:
                    return Outcome(Kind.UNIT, "the unit is another one", other.path, other.text)
        return None

    def _is_of_another(self, leaf: SourceLeaf, siblings: list[FhirLeaf]) -> bool:
        """Whether a Quantity is that of another value with a unit of its own."""
        amounts = {match.number for match in siblings if match.element == "value"}
        units = [match.text for match in siblings if match.element in ("unit", "code")]
        leaves = self._places.record.leaves
        parts = {
            other.part for other in leaves if other.role is Role.NUMBER and number(other.value) in amounts
        }
        return any(
            other.part in parts - {leaf.part}
            and other.role is not Role.NUMBER
            and any(same_unit(other.value, unit) for unit in units)
            for other in leaves
        )

    def _is_number_of_another(self, leaf: SourceLeaf, match: FhirLeaf) -> bool:
        """Whether an amount is another number of the source; that of a result or a cell is in a resource of its own."""
        if leaf.field.startswith("OBX-5") or self._places.record.units[leaf.unit].name == "row":
            return False
        return match.number in self._numbers - {number(leaf.value)}

    @cached_property
    def _numbers(self) -> set[Decimal | None]:
        return {number(leaf.value) for leaf in self._places.record.leaves if leaf.role is Role.NUMBER}

    def _units_of(self, leaf: SourceLeaf) -> list[SourceLeaf]:
        """What may be the unit of a number: units of its segment, and what follows it in its own value."""
        return [
            other
            for other in self._places.record.units[leaf.unit].leaves
            if (other.role is Role.UNIT and _measured(other, leaf))
            or (other.part == leaf.part and other.number > leaf.number and ucum_of(other.value))
        ]

    def _converted(self, stated: Decimal, unit: str, match: FhirLeaf) -> bool:
        """Whether the amount is the value in another unit."""
        source, target = ucum_of(unit), _unit_in(match)
        if source is None or target is None or match.number is None:
            return False
        other = ucum_of(target)
        if other is None or same_unit(source, other):
            return False
        try:
            result = ucum.convert(stated, source, other)
        except (ucum.UcumError, ucum.Incommensurable, ArithmeticError):
            return False
        return abs(result - match.number) <= abs(result) * Decimal("0.005")

    def unit(self, leaf: SourceLeaf) -> Outcome:
        """A unit belongs to the Quantities that its segment's numbers became."""
        if self.went_with_amount(leaf):
            return ARRIVED
        quantities = self._quantities(leaf)
        seen = place = ""
        for siblings in quantities:
            shown = [s for s in siblings if s.element in ("unit", "code")]
            if any(same_unit(leaf.value, s.text) for s in shown):
                return ARRIVED
            if shown:
                seen = shown[0].text
                place = shown[0].path
        if self._unit_is_there(leaf) or self._is_of_element(leaf):
            return ARRIVED
        if seen:
            return Outcome(Kind.UNIT, "the unit is another one", place, seen)
        if self._in_words(leaf):
            return ARRIVED
        if quantities:
            return Outcome(Kind.UNIT, "the value has no unit")
        if leaf.table == HEADER or self._places.inside(leaf):
            return ARRIVED  # what a column's name states is lost with its values, or with nothing
        return LOST

    def _is_of_element(self, leaf: SourceLeaf) -> bool:
        """Whether the amount is in an element that is always in this unit: `Appointment.minutesDuration`."""
        if folded(leaf.value) not in _MINUTES and ucum_of(leaf.value) != "min":
            return False
        stated = {number(other.value) for other in self._amounts(leaf)}
        return any(
            match.element == "minutesDuration" and match.number in stated
            for match in self._places.scoped(leaf)
        )

    def _amounts(self, leaf: SourceLeaf) -> list[SourceLeaf]:
        """The amounts whose unit a leaf is."""
        return [
            other
            for other in self._places.record.units[leaf.unit].leaves
            if other.role in (Role.NUMBER, Role.TEXT) and _measured(leaf, other)
        ]

    def _in_words(self, leaf: SourceLeaf) -> bool:
        """Whether a text has the unit behind its amount: a note of what could not be read as a number."""
        amounts = self._amounts(leaf)
        return any(
            contains(match.text, f"{amount.value} {leaf.value}")
            for match in self._places.scoped(leaf)
            for amount in amounts
        )

    def _unit_is_there(self, leaf: SourceLeaf) -> bool:
        """Whether the unit's code or name beside this one arrived, so that nothing is lost with this."""
        others = [
            other
            for other in self._places.record.units[leaf.unit].leaves
            if other.part == leaf.part and other.role is Role.UNIT and other is not leaf
        ]
        return any(
            same_unit(other.value, s.text)
            for other in others
            for siblings in self._quantities(other)
            for s in siblings
            if s.element in ("unit", "code")
        )

    def _quantities(self, leaf: SourceLeaf) -> list[list[FhirLeaf]]:
        results: list[list[FhirLeaf]] = []
        amounts = self._amounts(leaf)
        scoped = [match for match in self._places.scoped(leaf) if match.number is not None]
        for amount in amounts:
            stated = number(amount.value.lstrip("<>=≤≥ "))
            for match in scoped:
                if (
                    match.element == "value"
                    and "referenceRange" not in match.path
                    and "identifier" not in match.path
                    and "telecom" not in match.path
                ):
                    siblings = match.resource.holders[match.holder]
                    if stated is not None and (
                        match.number == stated or self._converted(stated, leaf.value, match)
                    ):
                        if match.number != stated:
                            return [siblings, [_as_unit(match, leaf.value)]]
                        results.append(siblings)
        return results


def _unit_in(match: FhirLeaf) -> str | None:
    """The unit of an amount: beside it, or that which its element always has (R4 Timing.repeat, Appointment)."""
    element = match.element
    if element in ("offset", "minutesDuration"):
        return "min"
    names = {"duration": "durationUnit", "period": "periodUnit"}.get(element)
    wanted = (names,) if names else ("code", "unit")
    return next((s.text for s in match.resource.holders[match.holder] if s.element in wanted), None)


def _measured(unit: SourceLeaf, amount: SourceLeaf) -> bool:
    """Whether a unit is that of an amount: of the same value, or of the field before it."""
    if unit.part == amount.part:
        return True
    return amount.field.split(".")[0] == UNIT_FIELDS.get(unit.field.split(".")[0], "")


def _as_unit(match: FhirLeaf, unit: str) -> FhirLeaf:
    """A unit that a converted value has by right."""
    path = match.path.rsplit(".", 1)[0] + ".unit"
    return FhirLeaf(match.resource, path, unit, unit, match.chain)


def _rounded(stated: Decimal, value: Decimal) -> bool:
    """Whether a number has fewer digits of the other."""
    exponent = value.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) and exponent < 0 else 0
    exact = stated.as_tuple().exponent
    if not isinstance(exact, int) or places >= -exact:
        return False
    unit = Decimal(1).scaleb(-places)
    cut = abs(value) <= abs(stated) and abs(stated - value) < unit
    return (cut or abs(stated - value) <= unit / 2) and abs(stated) >= 1
