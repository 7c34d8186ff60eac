"""The cells of a table that no rule represents: counted by column, reported after the last row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from fhir_bridge.adapters.ehr.csv.dialect import Dialect
from fhir_bridge.adapters.ehr.csv.record import Row, Table, column_of
from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Applied, Read

__all__ = ["Unread"]

_MANY: Final = 5_000
"""Sets of branches that are remembered; loops make them many."""

Branches = tuple[tuple[int, Any], ...]


def _column(selector: str) -> tuple[str, ...]:
    return (column_of(selector),)


class Unread:
    """Counts the cells of a table that no rule represents.

    A column that the mapping does not name is counted in every row that is read; another one in the rows where no
    rule entered a branch that reads it, or where rules make ids of it alone. Memory is a number a column.
    """

    def __init__(
        self,
        table: Table,
        wanted: frozenset[str],
        dialect: Dialect,
        columns: Callable[[str], Iterable[str]] = _column,
    ) -> None:
        self._table = table
        self._columns_of = columns
        known = {*dialect.ignore, *dialect.together}
        self._unnamed = {
            position: 0 for name, position in table.index.items() if name not in known and name not in wanted
        }
        self._named = {
            position: 0 for name, position in table.index.items() if name not in known and name in wanted
        }
        self._ignored = {position: 0 for name, position in table.index.items() if name in dialect.ignore}
        self._left: dict[Branches, tuple[int, ...]] = {}

    def read(self, row: Row) -> None:
        """Count the cells of columns that the mapping does not name, and of those that it ignores."""
        if row.outcome == "read":
            for cells in (self._unnamed, self._ignored):
                for position in cells:
                    if row.holds(position):
                        cells[position] += 1

    def count(self, row: Row, applied: Iterable[Applied]) -> None:
        """Count the cells that the rules applied to a row leave."""
        key = tuple(
            [(id(reads), marks if marks.__class__ is int else tuple(marks)) for reads, _, marks in applied]
        )
        left = self._left.get(key)
        if left is None:
            left = self._leave(key, applied)
        for position in left:
            if row.holds(position):
                self._named[position] += 1

    def _leave(self, key: Branches, applied: Iterable[Applied]) -> tuple[int, ...]:
        read = frozenset[str]().union(*(reads.entered(marks, self._columns) for reads, _, marks in applied))
        names = self._table.names
        left = tuple(position for position in self._named if names[position] not in read)
        if len(self._left) >= _MANY:
            self._left.clear()
        self._left[key] = left
        return left

    def _columns(self, scope: str, reads: list[Read]) -> frozenset[str]:  # noqa: ARG002 - there is one scope
        return frozenset(column for read in reads for column in self._columns_of(read.selector))

    def report(self) -> Iterator[Row]:
        """A record of no row that names the columns, if there are any."""
        issues = [
            *self._issues("FB-CSV-011", "no rule reads the column", self._unnamed),
            *self._issues("FB-CSV-011", "no rule represents, in these rows, the column", self._named),
            *self._issues("FB-CSV-012", "the mapping leaves out the column", self._ignored),
        ]
        if issues:
            yield Row(self._table, self._table.name, [], issues, "skipped", 0)

    def _issues(self, code: str, text: str, cells: dict[int, int]) -> Iterator[Issue]:
        for position, count in cells.items():
            if count:
                name = self._table.names[position]
                yield new_issue(code, f'{text} "{name}" (values: {count})', self._table.name)
