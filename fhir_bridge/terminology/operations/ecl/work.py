"""What an evaluation may take, and the walks over the hierarchy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fhir_bridge.terminology.ecl_evaluation_set import Logic, Numbering
from fhir_bridge.terminology.operations.ecl.concept_sets import ConceptSet, merge
from fhir_bridge.terminology.operations.ecl.errors import EclError

__all__ = ["Steps", "TooManySteps", "Work"]

_STEPS = 5_000

_EVERY = 500
"""How many steps are made between two calls of `tick`."""


class TooManySteps(Exception):
    """Deciding for one concept takes more steps than finding all of them is worth."""


class Steps:
    """Counts the steps of an evaluation."""

    __slots__ = ("_limit", "_tick", "_used")

    def __init__(self, tick: Callable[[], None] | None, limit: int | None = None) -> None:
        self._tick, self._limit, self._used = tick, limit, 0

    def take(self) -> None:
        """One step more.

        Raises:
            TooManySteps: the limit is reached; and what `tick` raises.
        """
        self._used += 1
        if self._limit is not None and self._used > self._limit:
            raise TooManySteps
        if self._tick is not None and self._used % _EVERY == 0:
            self._tick()


class Work:
    """What all parts of one expression share.

    Attributes:
        steps: of finding all concepts; only `tick` ends them.
    """

    def __init__(self, numbering: Numbering, logic: Logic, tick: Callable[[], None] | None) -> None:
        self.numbering, self.logic, self._tick = numbering, logic, tick
        self.size = len(numbering)
        self.steps = Steps(tick)

    def limited(self) -> Steps:
        """Steps to decide for one concept; beyond them it is better to find all."""
        return Steps(self._tick, _STEPS)

    def needs(self, what: str, offset: int | None = None) -> None:
        """See that the code system was imported from an RF2 release, which keeps everything.

        Raises:
            EclError: it was not, or by a version that kept less.
        """
        if self.logic.lacking is not None:
            raise EclError(f"{what} can't be checked here, {self.logic.lacking}", offset)

    def empty(self) -> ConceptSet:
        """No concept."""
        if self._tick is not None:
            self._tick()
        return ConceptSet(self.size)

    def watched(self, results: Iterable[int]) -> Iterator[int]:
        """The same numbers, with a look at the time now and then."""
        for number in results:
            self.steps.take()
            yield number

    def above(self, number: int, steps: Steps) -> Iterator[int]:
        """All ancestors, each once."""
        return _reached(self.numbering.parents, number, steps)

    def under(self, number: int, steps: Steps) -> Iterator[int]:
        """All descendants, each once."""
        bounds = self.numbering.bounds(number)
        if bounds is None:
            yield from _reached(self.numbering.children, number, steps)
            return
        pairs = iter(bounds)
        for low, high in zip(pairs, pairs, strict=True):
            for below in range(low, high):
                steps.take()
                yield below

    def mark_below(self, starts: Iterable[int], into: ConceptSet) -> None:
        """Add all descendants of concepts, which are given in rising order, in time that grows with their number."""
        result = self.empty()
        waiting = []
        for start in self.watched(starts):
            if result[start]:
                continue  # with it all below it is there already
            bounds = self.numbering.bounds(start)
            if bounds is None:
                waiting.append(start)
                continue
            pairs = iter(bounds)
            for low, high in zip(pairs, pairs, strict=True):
                result[low:high] = b"\1" * (high - low)
        self._walk(self.numbering.children, waiting, result)
        merge(into, result)

    def mark_above(self, starts: Iterable[int], into: ConceptSet) -> None:
        """Add all ancestors of concepts."""
        result = self.empty()
        self._walk(self.numbering.parents, list(starts), result)
        merge(into, result)

    def _walk(self, beside: Callable[[int], Iterable[int]], waiting: list[int], result: ConceptSet) -> None:
        while waiting:
            self.steps.take()
            for number in beside(waiting.pop()):
                if not result[number]:
                    result[number] = 1
                    waiting.append(number)


def _reached(beside: Callable[[int], Iterable[int]], start: int, steps: Steps) -> Iterator[int]:
    """All that is reached by going from one to those beside it, each once, without the start."""
    seen = {start}
    waiting = [start]
    while waiting:
        for number in beside(waiting.pop()):
            if number not in seen:
                steps.take()
                seen.add(number)
                waiting.append(number)
                yield number
