"""Rows of reference sets, and the conditions of `{{ M … }}` on them (ECL 6.10)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from fhir_bridge.terminology.ecl_evaluation_set import Member, ReferenceSet
from fhir_bridge.terminology.operations.ecl.concept_sets import Bits
from fhir_bridge.terminology.operations.ecl.errors import EclError
from fhir_bridge.terminology.operations.ecl.filter_model import (
    Active,
    Coded,
    Constraint,
    Field,
    MemberFilter,
    SearchTerm,
    Timed,
)
from fhir_bridge.terminology.operations.ecl.filtering import timed
from fhir_bridge.terminology.operations.ecl.selection import Selection, SingleConcept, chosen
from fhir_bridge.terminology.operations.ecl.terms import matcher
from fhir_bridge.terminology.operations.ecl.values import COMPARED, decimal
from fhir_bridge.terminology.operations.ecl.work import Steps, Work

__all__ = ["Rows"]

_ITSELF = "referencedComponentId"

Bind = Callable[[Constraint], Selection]
_RowTest = Callable[[int, Member, Steps], bool]


class _Lookup:
    """The codes that a condition wants: decided for one, or found for the many rows of whole reference sets."""

    def __init__(self, wanted: Selection) -> None:
        self._wanted = wanted
        self._concepts: Bits | None = None

    def find(self) -> None:
        """Find them all."""
        if self._concepts is None and not isinstance(self._wanted, SingleConcept):
            self._concepts = Bits(self._wanted.marked())

    def __call__(self, code: str, steps: Steps) -> bool:
        number = None if self._concepts is None else self._wanted.work.numbering.number(code)
        if self._concepts is None or number is None:
            return self._wanted.names(code, steps)
        return number in self._concepts


_Look = Callable[[Constraint], _Lookup]


class Rows:
    """Rows of some reference sets that meet conditions."""

    def __init__(self, work: Work, sets: Selection, filters: Sequence[MemberFilter], bind: Bind) -> None:
        """The rows.

        Args:
            sets: the reference sets.
            bind: binds the expressions of conditions.

        Raises:
            EclError: no reference set of these has a field that is asked for, or the field is of another type.
        """
        self.work = work
        known = work.logic.reference_sets
        wanted = set(chosen(sets, (condition.code for condition in known)))
        self.sets = {
            location: condition for location, condition in enumerate(known) if condition.code in wanted
        }
        self._bind = lambda requested: self._looked_up(bind(requested))
        self._lookups: list[_Lookup] = []
        conditions = [condition for requested in filters for condition in requested.conditions]
        self._tests = {
            location: tests
            for location, condition in self.sets.items()
            if (tests := self._bound(condition, conditions)) is not None
        }

    def _looked_up(self, wanted: Selection) -> _Lookup:
        self._lookups.append(_Lookup(wanted))
        return self._lookups[-1]

    def _bound(
        self, of: ReferenceSet, conditions: Sequence[Coded | Timed | Active | Field]
    ) -> list[_RowTest] | None:
        """The conditions on rows of one reference set; None where it lacks a field of them."""
        tests: list[_RowTest] = []
        for condition in conditions:
            if isinstance(condition, Field) and condition.name.lower() != _ITSELF.lower():
                location = self.field(of, condition.name)
                if location is None:
                    self._must_be_somewhere(condition.name, condition.offset)
                    return None
                tests.append(_field_test(condition, location, of.fields[location][1], self._bind))
            else:
                tests.append(_row_test(condition, self._bind, self.work.numbering.code))
        if not any(isinstance(condition, Active) for condition in conditions):
            tests.append(lambda _number, row, _steps: row.active)
        return tests

    @staticmethod
    def field(of: ReferenceSet, name: str) -> int | None:
        """The place of a field; case does not count."""
        return next((n for n, (its, _) in enumerate(of.fields) if its.lower() == name.lower()), None)

    def _must_be_somewhere(self, name: str, offset: int) -> None:
        if all(self.field(item, name) is None for item in self.sets.values()):
            fields = sorted({its for item in self.sets.values() for its, _ in item.fields})
            known = ", ".join([_ITSELF, *fields])
            raise EclError(f"no reference set here has a field {name} (there are {known})", offset)

    def of(self, number: int, steps: Steps) -> Iterator[tuple[int, Member]]:
        """The rows of one concept, each with the place of its reference set."""
        for location, tests in self._tests.items():
            for row in self.work.logic.rows(location, number):
                steps.take()
                if all(test(number, row, steps) for test in tests):
                    yield location, row

    def all(self) -> Iterator[tuple[int, int, Member]]:
        """All rows: referenced concept, place of the reference set, row."""
        steps = self.work.steps
        for lookup in self._lookups:
            lookup.find()
        for location, tests in self._tests.items():
            for number, rows in self.work.logic.members(location):
                steps.take()
                for row in rows:
                    if all(test(number, row, steps) for test in tests):
                        yield number, location, row


def _row_test(condition: Coded | Timed | Active | Field, bind: _Look, code: Callable[[int], str]) -> _RowTest:
    """A condition on the row itself, or on the concept that it refers to."""
    if isinstance(condition, Coded):
        value = bind(condition.value)
        return lambda _, row, steps: value(row.module, steps) != condition.negated
    if isinstance(condition, Timed):
        return lambda _number, row, _steps: timed(condition, row.time)
    if isinstance(condition, Active):
        return lambda _number, row, _steps: condition.value is None or row.active == condition.value
    if not isinstance(condition.value, Constraint) or condition.comparator not in ("=", "!="):
        raise EclError(f"{_ITSELF} holds a concept, which only = and != compare", condition.offset)
    wanted, negated = bind(condition.value), condition.comparator == "!="
    return lambda number, _, steps: wanted(code(number), steps) != negated


def _field_test(condition: Field, position: int, kind: str, bind: _Look) -> _RowTest:
    """A condition on a field of the rows.

    Raises:
        EclError: the value is not of the field's type.
    """
    value, negated = condition.value, condition.comparator == "!="
    if isinstance(value, Constraint) and kind == "c":
        wanted = bind(value)
        return lambda _, row, steps: wanted(row.fields[position], steps) != negated
    if isinstance(value, Decimal) and kind in ("i", "s"):
        compared = COMPARED[condition.comparator]
        return lambda _number, row, _steps: (
            (result := decimal(row.fields[position])) is not None and compared(result, value)
        )
    if isinstance(value, bool) and kind in ("i", "s"):
        texts = ("1", "true") if value else ("0", "false")
        return lambda _number, row, _steps: (row.fields[position].lower() in texts) != negated
    if isinstance(value, tuple) and kind == "s":
        if all(isinstance(item, SearchTerm) for item in value):
            tests = [matcher(item, fields=True) for item in value if isinstance(item, SearchTerm)]
            return lambda _number, row, _steps: any(test(row.fields[position]) for test in tests) != negated
        times = Timed(condition.comparator, tuple(str(item) for item in value), condition.offset)
        return lambda _number, row, _steps: timed(times, row.fields[position])
    wants = {"c": "a concept or an expression", "i": "a number as #1"}.get(kind, "a text in quotes")
    raise EclError(f"the field {condition.name} wants {wants}", condition.offset)
