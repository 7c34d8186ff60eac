"""Refinements bound to a code system: attributes with cardinality, alone and in role groups (ECL 6.2, 6.3).

An attribute of role group 0 is a group of its own. What is counted are distinct attributes with their values (of
reversed ones: the concepts that they come from), and the groups in which something holds.

A reversed attribute is in the group of the concept that it comes from. So one in braces beside others that are not
reversed holds only where a concept has itself as a value, as the specification says.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

from fhir_bridge.terminology.operations.ecl.concept_sets import ConceptSet, both, merge, numbers, without
from fhir_bridge.terminology.operations.ecl.selection import Selection
from fhir_bridge.terminology.operations.ecl.values import Value
from fhir_bridge.terminology.operations.ecl.work import Steps, Work

__all__ = ["AttributeTest", "Attributes", "Group", "GroupTest", "Joined", "Refinements", "Restricted", "Row"]


Row = tuple[int, int, bool]
"""An attribute, its value, False; or backwards: an attribute, the concept that has this one as the value, True."""

Group = Sequence[Row]


class Refinements(ABC):
    """A refinement; `holds` checks a concept by its groups, `select` checks many with the help of the index."""

    def __init__(self, work: Work) -> None:
        self.work = work

    @property
    @abstractmethod
    def reversed(self) -> frozenset[int]:
        """Attributes that are asked backwards."""

    @property
    @abstractmethod
    def holds_of_none(self) -> bool:
        """Whether it holds of a concept, or a group, that has nothing of what it asks for."""

    @abstractmethod
    def holds(self, groups: Sequence[Group], steps: Steps) -> bool:
        """Whether it holds of a concept that has these groups."""

    @abstractmethod
    def candidates(self) -> ConceptSet | None:
        """Concepts for which `holds` may differ from `holds_of_none`; None for any."""

    @abstractmethod
    def resolved(self) -> Refinements:
        """The same with all that it asks for found, so that many concepts can be checked."""

    @abstractmethod
    def select(self, of: ConceptSet) -> ConceptSet:
        """Those of the concepts for which it holds."""

    def filtered(self, of: ConceptSet) -> ConceptSet:
        """As `select`, once it is resolved: one concept after the other, where the index says that it may matter."""
        candidates = self.candidates()
        requested = of if candidates is None else both(of, candidates)
        passed = (
            without(of, candidates) if self.holds_of_none and candidates is not None else self.work.empty()
        )
        steps = self.work.steps
        for number in self.work.watched(numbers(requested)):
            if self.holds(self.groups(number, steps), steps):
                passed[number] = 1
        return passed

    def groups(self, number: int, steps: Steps) -> list[Group]:
        """The groups of a concept."""
        logic = self.work.logic
        rows: dict[tuple[int, ...], list[Row]] = {}
        for group, attribute, value in logic.roles(number):
            steps.take()
            key = (number, group) if group else (number, 0, attribute, value)
            rows.setdefault(key, []).append((attribute, value, False))
        for attribute in self.reversed:
            for source in logic.having(attribute, number):
                for group, its, value in logic.roles(source):
                    steps.take()
                    if its == attribute and value == number:
                        key = (source, group) if group else (source, 0, attribute, value)
                        rows.setdefault(key, []).append((attribute, source, True))
        return list(rows.values())


class AttributeTest(Refinements):
    """`[low..high] R attribute = value`."""

    def __init__(
        self,
        work: Work,
        names: frozenset[int],
        value: Value,
        bounds: tuple[int, int | None],
        *,
        reverse: bool,
    ) -> None:
        super().__init__(work)
        self._names, self._value, self._reverse = names, value, reverse
        self._low, self._high = bounds

    @property
    def reversed(self) -> frozenset[int]:
        return self._names if self._reverse else frozenset()

    @property
    def holds_of_none(self) -> bool:
        return self._low == 0

    def holds(self, groups: Sequence[Group], steps: Steps) -> bool:
        results: set[tuple[int, int]] = set()
        for group in groups:
            for attribute, other, back in group:
                if back == self._reverse and attribute in self._names:
                    steps.take()
                    if self._value.fits(other, steps):
                        results.add((-1 if back else attribute, other))
                        if self._high is None and len(results) >= self._low:
                            return True
        return len(results) >= self._low and (self._high is None or len(results) <= self._high)

    def candidates(self) -> ConceptSet:
        result = self.work.empty()
        if self._reverse:
            self._mark_values(result)
        else:
            self._mark_sources(result)
        return result

    def _mark_sources(self, into: ConceptSet) -> None:
        logic, steps = self.work.logic, self.work.steps
        few = self._value.few()
        for attribute in self._names:
            if few is not None:
                for value in few:
                    for source in self.work.watched(logic.having(attribute, value)):
                        into[source] = 1
                continue
            for value, sources in logic.values(attribute):
                steps.take()
                if self._value.fits(value, steps):
                    for source in sources:
                        into[source] = 1

    def _mark_values(self, into: ConceptSet) -> None:
        logic, steps = self.work.logic, self.work.steps
        for attribute in self._names:
            for value, sources in logic.values(attribute):
                # Literals have numbers beyond those of the concepts.
                if value < len(into) and any(
                    self._value.fits(source, steps) for source in self.work.watched(sources)
                ):
                    into[value] = 1

    def select(self, of: ConceptSet) -> ConceptSet:
        resolved = self.resolved()
        if self._high == 0:
            return without(of, resolved.candidates())
        if self._high is not None or self._low > 1:
            return resolved.filtered(of)
        # Without an upper bound the index alone decides: none is needed, or one is there.
        return both(of, resolved.candidates()) if self._low else ConceptSet(of)

    def resolved(self) -> AttributeTest:
        bounds = (self._low, self._high)
        return AttributeTest(self.work, self._names, self._value.resolved(), bounds, reverse=self._reverse)


class GroupTest(Refinements):
    """`[low..high] { … }`."""

    def __init__(self, work: Work, inner: Refinements, low: int, high: int | None) -> None:
        super().__init__(work)
        self._inner, self._low, self._high = inner, low, high
        self._reversed = inner.reversed

    @property
    def reversed(self) -> frozenset[int]:
        return self._reversed

    @property
    def holds_of_none(self) -> bool:
        return self._low == 0

    def holds(self, groups: Sequence[Group], steps: Steps) -> bool:
        result = 0
        for group in groups:
            rows = [row for row in group if not row[2] or row[0] in self._reversed]
            result += bool(rows) and self._inner.holds([rows], steps)
            if self._high is None and result >= self._low:
                return True
        return result >= self._low and (self._high is None or result <= self._high)

    def candidates(self) -> ConceptSet | None:
        return None if self._inner.holds_of_none else self._inner.candidates()

    def select(self, of: ConceptSet) -> ConceptSet:
        return self.resolved().filtered(of)

    def resolved(self) -> GroupTest:
        return GroupTest(self.work, self._inner.resolved(), self._low, self._high)


class Joined(Refinements):
    """Refinements joined by AND or OR."""

    def __init__(self, work: Work, parts: Sequence[Refinements], *, all_of: bool) -> None:
        super().__init__(work)
        self._parts, self._all_of = parts, all_of
        self._reversed = frozenset[int]().union(*(part.reversed for part in parts))

    @property
    def reversed(self) -> frozenset[int]:
        return self._reversed

    @property
    def holds_of_none(self) -> bool:
        return self._joined(part.holds_of_none for part in self._parts)

    def holds(self, groups: Sequence[Group], steps: Steps) -> bool:
        return self._joined(part.holds(groups, steps) for part in self._parts)

    def _joined(self, answers: Iterable[bool]) -> bool:
        return all(answers) if self._all_of else any(answers)

    def candidates(self) -> ConceptSet | None:
        """Those of every part that asks for something, where all must hold; else those of any part."""
        asking = [part for part in self._parts if not part.holds_of_none]
        if self._all_of and asking:
            results = [marks for part in asking if (marks := part.candidates()) is not None]
            return _shared(results)
        united = self.work.empty()
        for part in self._parts:
            marks = part.candidates()
            if marks is None:
                return None
            merge(united, marks)
        return united

    def select(self, of: ConceptSet) -> ConceptSet:
        if self._all_of:
            for part in self._parts:
                of = part.select(of)
            return of
        result = self.work.empty()
        for part in self._parts:
            merge(result, part.select(of))
        return result

    def resolved(self) -> Joined:
        return Joined(self.work, [part.resolved() for part in self._parts], all_of=self._all_of)


def _shared(results: Sequence[ConceptSet]) -> ConceptSet | None:
    if not results:
        return None
    shared = results[0]
    for other in results[1:]:
        shared = both(shared, other)
    return shared


class Restricted(Selection):
    """An expression with a refinement."""

    def __init__(self, work: Work, of: Selection, refinement: Refinements) -> None:
        super().__init__(work)
        self._of, self._refinement = of, refinement

    def has(self, number: int, steps: Steps) -> bool:
        if not self._of.has(number, steps):
            return False
        return self._refinement.holds(self._refinement.groups(number, steps), steps)

    def mark(self, into: ConceptSet) -> None:
        merge(into, self._refinement.select(self._of.marked()))


class Attributes(Selection):
    """`expression . attribute`: the values that the concepts have."""

    def __init__(self, work: Work, of: Selection, names: frozenset[int]) -> None:
        super().__init__(work)
        self._of, self._names = of, names

    def has(self, number: int, steps: Steps) -> bool:
        for attribute in self._names:
            for source in self.work.logic.having(attribute, number):
                steps.take()
                if self._of.has(source, steps):
                    return True
        return False

    def mark(self, into: ConceptSet) -> None:
        of = self._of.marked()
        for attribute in self._names:
            for value, sources in self.work.logic.values(attribute):
                self.work.steps.take()
                if value < len(into) and any(map(of.__getitem__, sources)):
                    into[value] = 1
