"""A resource's rows: the Process step of SQL on FHIR's algorithm, streamed.

A select makes, for each element it iterates over, the product of its own columns, its nested selects and its unionAll.
Rows come one at a time. Of each factor of a product at most `KEPT` rows are held; a larger one is made again for each
row before it, so that memory stays bounded however many rows there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice, product
from typing import Any

from fhir_bridge.fhir.views.issues import RecordError

__all__ = ["KEPT", "MAX_REPEATS", "Cell", "Foci", "Plan", "Row", "Run", "repeated"]

Row = tuple[Any, ...]
Run = Any
"""What paths need to know of the resource available; only they look into it."""

Cell = Callable[[Any, int, Run], Any]
"""(element, its place among its siblings, run) to a column's value."""

Foci = Callable[[Any, int, Run], Sequence[Any]]
"""(element, its place, run) to the elements that a select iterates over."""

KEPT = 4096
"""Rows of one factor that are held in memory."""


class Plan:
    """A compiled select.

    Args:
        cells: its own columns.
        factors: for each nested select, and then for the unionAll, the plans whose rows are joined end to end.
        foci: what it iterates over; None is the element itself.
        or_null: one row of nulls where it iterates over nothing.
        blank: that row.
    """

    __slots__ = ("_blank", "_cells", "_factors", "_foci", "_or_null")

    def __init__(
        self,
        cells: tuple[Cell, ...],
        factors: tuple[tuple[Plan, ...], ...],
        foci: Foci | None,
        *,
        or_null: bool,
        blank: Row,
    ) -> None:
        while factors and len(factors[0]) == 1 and factors[0][0]._foci is None:
            only = factors[0][0]  # it gives what its parts give: they are this select's own
            cells += only._cells
            factors = only._factors + factors[1:]
        self._cells: tuple[Cell, ...] = cells
        self._factors: tuple[tuple[Plan, ...], ...] = factors
        self._foci: Foci | None = foci
        self._or_null = or_null
        self._blank = blank

    def rows(self, focus: Any, index: int, run: Run) -> Iterator[Row]:
        """The rows of one element.

        Raises:
            RecordError: a path can't be evaluated, or a value does not fit its column.
        """
        if self._foci is None:
            yield from self._joined(focus, index, run)
            return
        foci = self._foci(focus, index, run)
        if not foci:
            if self._or_null:
                yield self._blank
            return
        for number, element in enumerate(foci):
            yield from self._joined(element, number, run)

    def _joined(self, focus: Any, index: int, run: Run) -> Iterator[Row]:
        own = tuple([cell(focus, index, run) for cell in self._cells])
        if not self._factors:
            yield own
            return

        def rows_of(plans: tuple[Plan, ...]) -> Iterator[Row]:
            for plan in plans:
                yield from plan.rows(focus, index, run)

        if len(self._factors) == 1:
            for row in rows_of(self._factors[0]):
                yield own + row
            return
        stored: list[list[Row] | None] = []
        for plans in self._factors:
            # One more than is kept shows whether there are more.
            rows = list(islice(rows_of(plans), KEPT + 1))
            stored.append(rows if len(rows) <= KEPT else None)
        if [] in stored:
            return
        if None not in stored:
            for combination in product(*[rows for rows in stored if rows is not None]):
                yield tuple(chain(own, *combination))
            return
        sources = [
            (lambda kept=kept, plans=plans: iter(kept) if kept is not None else rows_of(plans))
            for kept, plans in zip(stored, self._factors, strict=True)
        ]
        yield from _nested(own, sources)


def _nested(row: Row, sources: Sequence[Callable[[], Iterator[Row]]]) -> Iterator[Row]:
    """The product as nested loops, each inner one begun anew for every row of the outer ones."""
    if not sources:
        yield row
        return
    for source in sources[0]():
        yield from _nested(row + source, sources[1:])


MAX_REPEATS = 200
"""Levels that `repeat` goes down; resources are not deeper, so a path that goes on leads back to itself."""


MAX_REPEATED = 200_000
"""Elements that one `repeat` may reach; paths that overlap reach an element by every way there is to it."""


def repeated(step: Callable[[Any], Sequence[Any]], start: Any, location: str) -> list[Any]:
    """The elements that `repeat` reaches from `start`, parents before children, depth first.

    Raises:
        RecordError: it goes deeper than a resource can be, or reaches more elements than `MAX_REPEATED`.
    """
    results: list[Any] = []
    waiting = [(element, 1) for element in reversed(step(start))]
    while waiting:
        element, depth = waiting.pop()
        if depth > MAX_REPEATS:
            raise RecordError(
                "FB-VIEW-033",
                f"repeat goes deeper than {MAX_REPEATS} levels: its paths lead back to themselves",
                location,
            )
        results.append(element)
        if len(results) > MAX_REPEATED:
            raise RecordError(
                "FB-VIEW-033",
                f"repeat reaches more than {MAX_REPEATED:,} elements: its paths lead to the same ones again",
                location,
            )
        waiting.extend((child, depth + 1) for child in reversed(step(element)))
    return results
