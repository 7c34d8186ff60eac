"""Expressions bound to a code system: concepts, the hierarchy, AND, OR and MINUS.

Each selection answers in two ways: whether it has one concept, which looks only as far as it must, and which concepts
it has, in time that grows with the size of the code system and no faster.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Sequence

from fhir_bridge.terminology.operations.ecl.concept_sets import ConceptSet, both, merge, numbers, without
from fhir_bridge.terminology.operations.ecl.model import Operator
from fhir_bridge.terminology.operations.ecl.work import Steps, TooManySteps, Work

__all__ = [
    "All",
    "Ends",
    "Intersection",
    "Listed",
    "Relatives",
    "Selection",
    "SingleConcept",
    "Union",
    "Without",
    "chosen",
]


class Selection(ABC):
    """A set of concepts that is known by its expression."""

    def __init__(self, work: Work) -> None:
        self.work = work

    @abstractmethod
    def has(self, number: int, steps: Steps) -> bool:
        """Whether the concept is in it.

        Raises:
            TooManySteps: that takes too long.
        """

    @abstractmethod
    def mark(self, into: ConceptSet) -> None:
        """Add its concepts."""

    def marked(self) -> ConceptSet:
        """Its concepts."""
        result = self.work.empty()
        self.mark(result)
        return result

    def names(self, code: str, steps: Steps) -> bool:
        """Whether a code is in it that need not be a concept: of an attribute, a reference set, a module."""
        number = self.work.numbering.number(code)
        return number is not None and self.has(number, steps)


def chosen(selection: Selection, codes: Iterable[str]) -> list[str]:
    """Those of the codes, which need not be concepts, that a selection names."""
    work = selection.work
    listed = list(codes)
    try:
        steps = work.limited()
        return [code for code in listed if selection.names(code, steps)]
    except TooManySteps:
        result = selection.marked()
        return [
            code
            for code in listed
            if (
                selection.names(code, work.steps)
                if (number := work.numbering.number(code)) is None
                else result[number]
            )
        ]


def _stepped(selection: Selection, number: int, steps: Steps) -> bool:
    """Whether the concept is in it, which is one step."""
    steps.take()
    return selection.has(number, steps)


class SingleConcept(Selection):
    """One concept."""

    def __init__(self, work: Work, code: str) -> None:
        super().__init__(work)
        self.code = code
        self.number = work.numbering.number(code)

    def has(self, number: int, steps: Steps) -> bool:  # noqa: ARG002
        return number == self.number

    def mark(self, into: ConceptSet) -> None:
        if self.number is not None:
            into[self.number] = 1

    def names(self, code: str, steps: Steps) -> bool:  # noqa: ARG002
        return code == self.code


class All(Selection):
    """`*`."""

    def has(self, number: int, steps: Steps) -> bool:  # noqa: ARG002
        return True

    def mark(self, into: ConceptSet) -> None:
        into[:] = b"\1" * len(into)

    def names(self, code: str, steps: Steps) -> bool:  # noqa: ARG002
        return True


class Listed(Selection):
    """Concepts that have been found."""

    def __init__(self, work: Work, marks: ConceptSet) -> None:
        super().__init__(work)
        self._marks = marks

    def has(self, number: int, steps: Steps) -> bool:  # noqa: ARG002
        return bool(self._marks[number])

    def mark(self, into: ConceptSet) -> None:
        merge(into, self._marks)

    def marked(self) -> ConceptSet:
        return ConceptSet(self._marks)


class Relatives(Selection):
    """`<`, `<<`, `<!`, `<<!` and the four upwards: the union over the concepts of another selection."""

    def __init__(self, work: Work, operator: Operator, of: Selection) -> None:
        super().__init__(work)
        self._of = of
        self._itself = operator in ("<<", "<<!", ">>", ">>!")
        self._down = operator.startswith("<")
        self._near = operator.endswith("!")
        self._bounds: Sequence[int] | None = None
        if isinstance(of, SingleConcept) and of.number is not None and self._down and not self._near:
            self._bounds = work.numbering.bounds(of.number)

    def has(self, number: int, steps: Steps) -> bool:
        if self._itself and self._of.has(number, steps):
            return True
        if self._bounds is not None:
            # Starts and ends of intervals in one rising list: the count of those not
            # above is uneven inside of one.
            return bool(bisect_right(self._bounds, number) & 1)
        work = self.work
        if self._near:
            beside = work.numbering.parents if self._down else work.numbering.children
            return any(_stepped(self._of, other, steps) for other in beside(number))
        if isinstance(self._of, SingleConcept) and not self._down:
            return self._is_above(number, steps)
        others = work.above(number, steps) if self._down else work.under(number, steps)
        return any(self._of.has(other, steps) for other in others)

    def _is_above(self, number: int, steps: Steps) -> bool:
        """Whether it is above the one concept: that has fewer ancestors than most have descendants."""
        low = self._of.number if isinstance(self._of, SingleConcept) else None
        return low is not None and any(other == number for other in self.work.above(low, steps))

    def mark(self, into: ConceptSet) -> None:
        if isinstance(self._of, All):
            self._mark_all(into)
            return
        work = self.work
        if isinstance(self._of, SingleConcept):
            starts = [] if self._of.number is None else [self._of.number]
            if self._itself:
                self._of.mark(into)
        else:
            marks = self._of.marked()
            starts = list(numbers(marks))
            if self._itself:
                merge(into, marks)
        if self._bounds is not None:
            pairs = iter(self._bounds)
            for low, high in zip(pairs, pairs, strict=True):
                into[low:high] = b"\1" * (high - low)
        elif self._near:
            beside = work.numbering.children if self._down else work.numbering.parents
            for start in work.watched(starts):
                for number in beside(start):
                    into[number] = 1
        elif self._down:
            work.mark_below(starts, into)
        else:
            work.mark_above(starts, into)

    def _mark_all(self, into: ConceptSet) -> None:
        """What an operator leaves of all concepts: `< *` lacks the roots, `> *` the leaves."""
        if self._itself:
            All(self.work).mark(into)
        elif self._down:
            result = All(self.work).marked()
            for root in self.work.numbering.roots():
                result[root] = 0
            merge(into, result)
        else:
            for number in self.work.numbering.inner():
                into[number] = 1


class Ends(Selection):
    """`!!>` and `!!<`: those of a selection that no other of it is above, or below."""

    def __init__(self, work: Work, of: Selection, *, top: bool) -> None:
        super().__init__(work)
        self._of, self._top = of, top
        self._others = Relatives(work, "<" if top else ">", of)

    def has(self, number: int, steps: Steps) -> bool:
        return self._of.has(number, steps) and not self._others.has(number, steps)

    def mark(self, into: ConceptSet) -> None:
        result = self._of.marked()
        others = Relatives(self.work, "<" if self._top else ">", Listed(self.work, result)).marked()
        merge(into, without(result, others))


class Union(Selection):
    """OR."""

    def __init__(self, work: Work, parts: Sequence[Selection]) -> None:
        super().__init__(work)
        self._parts = parts

    def has(self, number: int, steps: Steps) -> bool:
        return any(_stepped(part, number, steps) for part in self._parts)

    def mark(self, into: ConceptSet) -> None:
        for part in self._parts:
            self.work.steps.take()
            part.mark(into)

    def names(self, code: str, steps: Steps) -> bool:
        return any(part.names(code, steps) for part in self._parts)


class Intersection(Selection):
    """AND."""

    def __init__(self, work: Work, parts: Sequence[Selection]) -> None:
        super().__init__(work)
        self._parts = parts

    def has(self, number: int, steps: Steps) -> bool:
        return all(_stepped(part, number, steps) for part in self._parts)

    def mark(self, into: ConceptSet) -> None:
        first, *others = self._parts
        result = first.marked()
        for other in others:
            result = both(result, other.marked())
        merge(into, result)

    def names(self, code: str, steps: Steps) -> bool:
        return all(part.names(code, steps) for part in self._parts)


class Without(Selection):
    """MINUS."""

    def __init__(self, work: Work, of: Selection, others: Selection) -> None:
        super().__init__(work)
        self._of, self._others = of, others

    def has(self, number: int, steps: Steps) -> bool:
        return self._of.has(number, steps) and not self._others.has(number, steps)

    def mark(self, into: ConceptSet) -> None:
        merge(into, without(self._of.marked(), self._others.marked()))

    def names(self, code: str, steps: Steps) -> bool:
        return self._of.names(code, steps) and not self._others.names(code, steps)
