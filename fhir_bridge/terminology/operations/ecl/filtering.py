"""Concept filters, `{{ C … }}`, and what all filters share (ECL 6.9)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from operator import eq, ge, gt, le, lt

from fhir_bridge.terminology.operations.ecl.concept_sets import ConceptSet, both, merge, without
from fhir_bridge.terminology.operations.ecl.errors import EclError
from fhir_bridge.terminology.operations.ecl.filter_model import Active, Coded, Timed
from fhir_bridge.terminology.operations.ecl.selection import Selection, chosen
from fhir_bridge.terminology.operations.ecl.work import Steps, Work

__all__ = ["Activity", "ByProperty", "Filter", "Narrowed", "coded_values", "timed"]

DEFINED, PRIMITIVE = "900000000000073002", "900000000000074008"

_COMPARED: dict[str, Callable[[str, str], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge, "=": eq}


class Filter(ABC):
    """A condition on concepts."""

    def __init__(self, work: Work) -> None:
        self.work = work

    @abstractmethod
    def passes(self, number: int, steps: Steps) -> bool:
        """Whether it holds of the concept."""

    @abstractmethod
    def select(self, of: ConceptSet) -> ConceptSet:
        """Those of the concepts of which it holds."""


class Narrowed(Selection):
    """An expression with filters."""

    def __init__(self, work: Work, of: Selection, filters: Sequence[Filter]) -> None:
        super().__init__(work)
        self._of, self._filters = of, filters

    def has(self, number: int, steps: Steps) -> bool:
        return self._of.has(number, steps) and all(item.passes(number, steps) for item in self._filters)

    def mark(self, into: ConceptSet) -> None:
        result = self._of.marked()
        for item in self._filters:
            result = item.select(result)
        merge(into, result)


class ByProperty(Filter):
    """Definition status, module or effective time: a property of the concept has one of the wanted values."""

    def __init__(self, work: Work, name: str, wanted: Iterable[str]) -> None:
        super().__init__(work)
        self._name, self._wanted = name, frozenset(wanted)

    @classmethod
    def of(cls, work: Work, condition: Coded | Timed, value: Selection | None) -> ByProperty:
        """The filter of a condition.

        Args:
            value: what a coded condition asks for.

        Raises:
            EclError: the code system has no such property.
        """
        if isinstance(condition, Timed):
            values = _values(work, "effectiveTime", condition.offset)
            return cls(work, "effectiveTime", (code for code in values if timed(condition, code)))
        assert value is not None
        if condition.field == "definitionStatusId":
            _values(work, "sufficientlyDefined", condition.offset)
            codes = coded_values(condition, value, [DEFINED, PRIMITIVE])
            return cls(
                work, "sufficientlyDefined", ("true" if code == DEFINED else "false" for code in codes)
            )
        values = _values(work, condition.field, condition.offset)
        return cls(work, condition.field, coded_values(condition, value, values))

    def passes(self, number: int, steps: Steps) -> bool:
        steps.take()
        return any(value in self._wanted for value in self.work.logic.property_of(number, self._name))

    def select(self, of: ConceptSet) -> ConceptSet:
        result = self.work.empty()
        for value in self._wanted:
            for number in self.work.watched(self.work.logic.with_property(self._name, value)):
                result[number] = 1
        return both(of, result)


class Activity(Filter):
    """`active = 1`."""

    def __init__(self, work: Work, condition: Active) -> None:
        super().__init__(work)
        self._wanted = condition.value

    def passes(self, number: int, steps: Steps) -> bool:
        steps.take()
        return self._wanted is None or self.work.logic.is_active(number) == self._wanted

    def select(self, of: ConceptSet) -> ConceptSet:
        if self._wanted is None:
            return of
        inactive = self.work.empty()
        for number in self.work.watched(self.work.logic.inactive()):
            inactive[number] = 1
        return without(of, inactive) if self._wanted else both(of, inactive)


def _values(work: Work, name: str, offset: int) -> Sequence[str]:
    property_values = work.logic.property_values(name)
    if property_values is None:
        raise EclError(f"the code system has no property {name} to filter by", offset)
    return property_values


def coded_values(condition: Coded, value: Selection, codes: Iterable[str]) -> list[str]:
    """Those of the codes that a condition wants."""
    listed = list(codes)
    results = set(chosen(value, listed))
    return [code for code in listed if (code in results) != condition.negated]


def timed(condition: Timed, time: str) -> bool:
    """Whether an effective time is wanted; of the time only the day counts, and none is neither before nor after."""
    day = time[:8]
    if condition.comparator == "!=":
        return day not in condition.times
    compared = _COMPARED[condition.comparator]
    if condition.comparator == "=":
        return day in condition.times
    return bool(day) and any(item and compared(day, item) for item in condition.times)
