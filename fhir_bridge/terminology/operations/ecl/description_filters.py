"""Description filters, `{{ D … }}` (ECL 6.8): one description of the concept must meet all conditions."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from fhir_bridge.terminology.ecl_evaluation_set import DescriptionForm
from fhir_bridge.terminology.operations.ecl.concept_sets import ConceptSet, both, numbers
from fhir_bridge.terminology.operations.ecl.filter_model import (
    Active,
    Coded,
    Constraint,
    DescriptionFilter,
    Dialect,
    Identified,
    Language,
    Term,
    Timed,
)
from fhir_bridge.terminology.operations.ecl.filtering import Filter, timed
from fhir_bridge.terminology.operations.ecl.selection import Selection, chosen
from fhir_bridge.terminology.operations.ecl.terms import matcher, search_words
from fhir_bridge.terminology.operations.ecl.work import Steps, Work

__all__ = ["Described"]

Bind = Callable[[Constraint], Selection]
_FormTest = Callable[[DescriptionForm], bool]


class Described(Filter):
    """The filter. What it asks of the kind of a description is decided once for each kind."""

    def __init__(self, work: Work, description_filter: DescriptionFilter, bind: Bind) -> None:
        """The filter.

        Args:
            bind: binds the expressions of conditions.

        Raises:
            EclError: the code system does not keep what is asked for.
        """
        super().__init__(work)
        conditions = description_filter.conditions
        self._of_kind = [
            _form_test(work, condition, bind)
            for condition in conditions
            if not isinstance(condition, Term | Identified)
        ]
        self._only_active = all(
            condition.value is True for condition in conditions if isinstance(condition, Active)
        )
        if not any(isinstance(condition, Active) for condition in conditions):
            self._of_kind.append(lambda kind: kind.active)
        self._kinds: dict[int, bool] = {}
        self._ids = [condition for condition in conditions if isinstance(condition, Identified)]
        for condition in self._ids:
            work.needs("ids of descriptions", condition.offset)
        self._terms = [condition for condition in conditions if isinstance(condition, Term)]
        self._matchers = [
            ([matcher(term) for term in condition.terms], condition.negated) for condition in self._terms
        ]

    def passes(self, number: int, steps: Steps) -> bool:
        steps.take()
        logic = self.work.logic
        if not self._matchers:
            return any(self._fits(*description_kind) for description_kind in logic.description_kinds(number))
        return any(
            self._fits(identity, kind) and self._matches(term)
            for identity, kind, term in logic.descriptions(number)
        )

    def _fits(self, identity: str, kind: int) -> bool:
        fits = self._kinds.get(kind)
        if fits is None:
            result = self.work.logic.kinds[kind]
            fits = self._kinds[kind] = all(condition(result) for condition in self._of_kind)
        return fits and all((identity in item.ids) != item.negated for item in self._ids)

    def _matches(self, term: str) -> bool:
        return all(any(matches(term) for matches in some) != negated for some, negated in self._matchers)

    def select(self, of: ConceptSet) -> ConceptSet:
        for term in self._terms:
            result = self._by_index(term)
            if result is not None:
                of = both(of, result)
        passed = self.work.empty()
        steps = self.work.steps
        for number in numbers(of):
            if self.passes(number, steps):
                passed[number] = 1
        return passed

    def _by_index(self, term: Term) -> ConceptSet | None:
        """At least the concepts with one of the terms; None where the index of active descriptions can't decide."""
        if term.negated or not self._only_active:
            return None
        result = self.work.empty()
        for item in term.terms:
            words = search_words(item)
            described = None if words is None else self.work.logic.described(words)
            if described is None:
                return None
            for number in self.work.watched(described):
                result[number] = 1
        return result


def _form_test(work: Work, condition: Language | Coded | Dialect | Timed | Active, bind: Bind) -> _FormTest:
    """What a condition asks of the kind of a description."""
    if isinstance(condition, Language):
        wanted, negated = condition.codes, condition.negated
        return lambda kind: ((kind.language or "").split("-")[0].lower() in wanted) != negated
    if isinstance(condition, Coded):
        return _coded(work, condition, bind(condition.value))
    if isinstance(condition, Dialect):
        work.needs("dialects of descriptions", condition.offset)
        choices = [
            (_named(bind(choice.reference_sets)), choice.acceptability) for choice in condition.choices
        ]
        return lambda kind: any(_accepted(kind, *choice) for choice in choices) != condition.negated
    if isinstance(condition, Timed):
        work.needs("effective times of descriptions", condition.offset)
        return lambda kind: timed(condition, kind.time or "")
    if condition.value is not True:
        work.needs("inactive descriptions", condition.offset)
    return lambda kind: condition.value is None or kind.active == condition.value


def _coded(work: Work, condition: Coded, value: Selection) -> _FormTest:
    of_type = condition.field == "typeId"
    if not of_type:
        work.needs("modules of descriptions", condition.offset)
    wanted = _named(value)

    def fits(kind: DescriptionForm) -> bool:
        code = kind.type if of_type else kind.module
        return (code is not None and wanted(code)) != condition.negated

    return fits


def _named(selection: Selection) -> Callable[[str], bool]:
    """Whether a selection names a code; decided once for each."""
    return lru_cache(maxsize=None)(lambda code: bool(chosen(selection, [code])))


def _accepted(
    kind: DescriptionForm, sets: Callable[[str], bool], acceptability: frozenset[str] | None
) -> bool:
    return any(
        sets(refset) and (acceptability is None or accepted in acceptability)
        for refset, accepted in (kind.dialects or {}).items()
    )
