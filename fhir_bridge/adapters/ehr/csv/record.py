"""A table, and one of its rows as a source record."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Protocol

from fhir_bridge.adapters.ehr.csv.dialect import Dialect
from fhir_bridge.adapters.ehr.csv.table_text import TableText
from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.mapping import Applied, Passage, Read, Reject, Span
from fhir_bridge.plugins import IssueLike, RecordOutcome

__all__ = ["Row", "Table", "column_of", "label_of", "missing_columns"]


def column_of(selector: str) -> str:
    """The column that a selector names."""
    column = selector.strip().removeprefix("row.").strip()
    return column[1:-1] if column.startswith("`") and column.endswith("`") else column


def label_of(column: str) -> str:
    """A column as mappings write it."""
    return f"row.{column}" if column.isidentifier() else f"row.`{column}`"


class ColumnAccount(Protocol):
    """Counts the cells that no rule represents."""

    def count(self, row: Row, applied: Iterable[Applied]) -> None:
        """Count those of a row, by the rules that were applied to it."""


class Table:
    """What the rows of a file share: its columns, and what stands for nothing in their cells.

    Attributes:
        account: counts the cells that no rule represents; None where nobody asks.
        key: columns that identify a row for ever; without, all its cells do.
    """

    __slots__ = (
        "_dialect",
        "_text",
        "account",
        "delimiter",
        "index",
        "key",
        "missing",
        "name",
        "names",
        "path",
        "system",
    )

    def __init__(
        self,
        name: str,
        system: str,
        names: Sequence[str],
        dialect: Dialect,
        path: Path | None = None,
        delimiter: str = ",",
        *,
        key: Sequence[str] = (),
    ) -> None:
        self.key = tuple(key)
        self.account: ColumnAccount | None = None
        self.name = name
        self.system = system
        self.names = tuple(names)
        self.index = {column: position for position, column in enumerate(names)}
        self._dialect = dialect
        self.missing = dialect.missing
        self.path = path
        self.delimiter = delimiter
        self._text: TableText | None = None

    @property
    def text(self) -> TableText | None:
        """The bytes of the file; None where the table is of no file that was read."""
        if self._text is None and self.path is not None:
            self._text = TableText(self.path, self._dialect, self.delimiter)
        return self._text

    @property
    def lacking(self) -> list[str]:
        """Columns that the mapping calls optional and the table does not have."""
        return [column for column in sorted(self._dialect.optional) if column not in self.index]

    def absent(self, column: str) -> None:
        """A column that the file lacks: empty where the mapping calls it optional.

        Raises:
            Reject: the mapping needs it.
        """
        if column in self._dialect.optional:
            return
        raise Reject(new_issue("FB-CSV-003", missing_columns([column], self.names), self.name))


def missing_columns(wanted: Sequence[str], there: Sequence[str]) -> str:
    """Says which columns are missing, which there are, and which may be meant."""
    parts = []
    for column in wanted:
        near = difflib.get_close_matches(column, there, 1, 0.6)
        parts.append(f'"{column}" (did you mean "{near[0]}"?)' if near else f'"{column}"')
    named = "column" if len(wanted) == 1 else "columns"
    return f"the table has no {named} {', '.join(parts)}; it has {', '.join(there)}"


class _Values(dict[str, str | None]):
    """The texts of a row's cells by column, trimmed; None where a cell is empty or stands for nothing."""

    __slots__ = ("table",)
    table: Table

    def __missing__(self, column: str) -> None:
        """A column that the file lacks: nothing where the mapping calls it optional.

        Raises:
            Reject: the mapping needs it.
        """
        self.table.absent(column)


class Row:
    """A row, as record and as its own (only) scope.

    Attributes:
        values: the texts of its cells by column.
        together: the rows of the same measurement by `source.together`, this one among them; empty without.
    """

    __slots__ = (
        "_cells",
        "_table",
        "issues",
        "locator",
        "outcome",
        "records",
        "source",
        "time",
        "together",
        "values",
    )

    root: Final = "row"
    outer: Final = None
    sequence: Final = ""

    def __init__(
        self,
        table: Table,
        locator: str,
        cells: list[str],
        issues: Sequence[IssueLike] = (),
        outcome: RecordOutcome = "read",
        records: int = 1,
    ) -> None:
        self._table = table
        self._cells = cells
        self.values = values = _Values(zip(table.names, map(str.strip, cells), strict=False))
        values.table = table
        if not table.missing.isdisjoint(values.values()):
            missing = table.missing
            for column, text in values.items():
                if text in missing:
                    values[column] = None
        self.locator = locator
        self.issues: Sequence[IssueLike] = issues
        self.outcome: RecordOutcome = outcome
        self.records = records
        self.source = table.system
        self.time: datetime | None = None
        self.together: Sequence[Row] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the table's columns."""
        return self._table.names

    @property
    def cells(self) -> dict[str, str | None]:
        """The cells by column, columns that the table lacks and the mapping calls optional among them."""
        return {column: self.cell(column) for column in (*self._table.names, *self._table.lacking)}

    def unread(self, applied: Iterable[Applied]) -> tuple[IssueLike, ...]:
        """Count the cells that none of the applied rules represents; the table reports them together."""
        if self._table.account is not None:
            self._table.account.count(self, applied)
        return ()

    def holds(self, position: int) -> bool:
        """Whether the cell at a position has a value."""
        return self._cells[position].strip() not in self._table.missing

    def cell(self, column: str) -> str | None:
        """The text of a cell, trimmed; None where it is empty or stands for nothing.

        Raises:
            Reject: the file has no such column, and the mapping does not call it optional.
        """
        return self.values[column]

    @property
    def key(self) -> str:
        """Digest of the table's name and the row's cells (those of its key), whatever their order and the dialect."""
        if not self._cells:
            return ""
        table = self._table
        names = table.names if len(table.names) == len(self._cells) else map(str, range(len(self._cells)))
        digest = blake2b(table.system.encode("utf-8", "surrogatepass"), digest_size=16)
        for name, cell in sorted(zip(names, self._cells, strict=True)):
            if table.key and name not in table.key:
                continue
            text = cell.strip()
            if text not in table.missing:
                part = f"{len(name)}:{name}{len(text)}:{text}"
                digest.update(part.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def passages(self) -> Iterable[Passage]:
        """The row, with its cells that hold a value and where they are."""
        table = self._table
        line = int(self.locator.rpartition(":")[2] or 0) if self._cells else 0
        bounds = table.text.cells(line) if table.text is not None and line else None
        if bounds is None or len(bounds.cells) < len(self._cells):
            leaves = [self._leaf(position, -1, -1, line) for position in self._held()]
            return [Passage(table.name, f"row {line}", -1, line, tuple(leaves))]
        leaves = [self._leaf(position, *bounds.cells[position]) for position in self._held()]
        raw = bounds.raw
        return [Passage(table.name, f"row {line}", bounds.start, line, tuple(leaves), raw, bounds.encoding)]

    def spans(self, scope: Row, read: Read, items: Mapping[str, Any]) -> Iterable[Span]:  # noqa: ARG002
        """Where the cell is that a rule reads."""
        name = column_of(read.selector)
        label = label_of(name)
        return [leaf for passage in scope.passages() for leaf in passage.leaves if leaf.label == label]

    def _held(self) -> Iterable[int]:
        return [position for position in range(len(self._cells)) if self.holds(position)]

    def _leaf(self, position: int, start: int, end: int, line: int) -> Span:
        table = self._table
        names = table.names
        label = label_of(names[position] if position < len(names) else f"column {position + 1}")
        return Span(table.name, label, start, end, line, self._cells[position].strip())

    def scope(self, name: str) -> Iterable[Row]:
        """The row itself."""
        return (self,) if name == "row" else ()
