"""Several rows as one record, so that what a record costs by itself is paid once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from fhir_bridge.adapters.ehr.csv.record import Row
from fhir_bridge.mapping import Applied
from fhir_bridge.plugins import IssueLike, RecordOutcome

__all__ = ["RowBlock", "in_blocks"]

_MOST = 64


class RowBlock:
    """Rows of a table, read without an issue; `block` are their own records."""

    root: Final = "row"
    sequence: Final = ""
    key: Final = ""
    outcome: RecordOutcome = "read"

    def __init__(self, rows: Sequence[Row]) -> None:
        self.block = rows
        self.locator = rows[0].locator
        self.source = rows[0].source
        self.time: datetime | None = None
        self.records = len(rows)
        self.issues: Sequence[IssueLike] = ()
        self.applied: Iterable[Applied] = ()
        """What rules were applied to rows; known once it is converted."""

    def scope(self, name: str) -> Iterable[Row]:
        """The rows."""
        return self.block if name == self.root else ()

    def sizes(self, scope: str) -> Sequence[int]:
        """Each record is a row."""
        return (int(scope == self.root),) * len(self.block)

    def unread(self, applied: Iterable[Applied]) -> tuple[IssueLike, ...]:  # noqa: ARG002 - as of a record
        """Nothing: its rows are counted when it is known that they were converted (`count_outputs`)."""
        return ()

    def count_outputs(self, outputs: Sequence[Any], issues: Sequence[IssueLike]) -> None:  # noqa: ARG002
        """Count the cells that none of the rules applied to each row represents: several may be applied to one."""
        applied: dict[int, list[Applied]] = {id(row): [] for row in self.block}
        for application in self.applied:
            applied[id(application[1])].append(application)
        for row in self.block:
            row.unread(applied[id(row)])

    def part_accounts(self) -> tuple[()]:
        """Rows have no parts."""
        return ()


def in_blocks(rows: Iterable[Row]) -> Iterator[Row | RowBlock]:
    """The rows in their order, neighbouring ones that are read without an issue in blocks."""
    waiting: list[Row] = []
    for row in rows:
        plain = row.outcome == "read" and not row.issues
        if plain:
            waiting.append(row)
            if len(waiting) < _MOST:
                continue
        yield from _together(waiting)
        waiting = []
        if not plain:
            yield row
    yield from _together(waiting)


def _together(waiting: Sequence[Row]) -> Iterator[Row | RowBlock]:
    if len(waiting) > 1:
        yield RowBlock(waiting)
    else:
        yield from waiting
