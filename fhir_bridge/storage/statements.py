"""Many writes as one statement: rows travel as arrays, one a column, and writes to several tables as one WITH."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import count
from struct import Struct
from typing import Any

from psycopg import AsyncConnection, AsyncRawCursor, adapters, postgres
from psycopg.adapt import Dumper
from psycopg.pq import Format

from fhir_bridge.storage.contents import shortened
from fhir_bridge.storage.row_arrays import RowType

__all__ = ["Columns", "Statement", "array", "arrays", "contents", "transposed"]

Columns = Mapping[str, str]
"""Names of a table's columns, with their SQL types."""


class Statement:
    """Writes that go to the database together: one round trip, all or none, whether or not a transaction is open.

    Its parts see the database as it was before, and run in no particular order: none may touch a row that another does.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._values: list[Any] = []
        self._demand = ""
        self._demanded: list[Any] = []

    def demand(self, call: str, *values: Any) -> None:
        """A function that fails where the writes must not be done; it is called beside them."""
        self._demand, self._demanded = call, list(values)

    def add(self, text: str, *values: Any) -> None:
        """A write.

        Args:
            text: built from constants of this package alone.
            values: of its placeholders.
        """
        self._parts.append(text)
        self._values.extend(values)

    def insert(
        self, table: str, columns: Columns, rows: Sequence[Sequence[Any]], *, conflict: str = ""
    ) -> None:
        """Insert rows; nothing where there are none."""
        if rows:
            self.add(_insertion(table, tuple(columns.items()), conflict), *transposed(columns, rows))

    def insert_rows(self, kind: RowType, rows: Sequence[Sequence[Any]], *, conflict: str = "") -> None:
        """Insert rows of a type of their own; nothing where there are none."""
        if rows:
            self.add(f"{kind.insertion} {conflict}" if conflict else kind.insertion, *kind.arrays(rows))

    async def run(self, connection: AsyncConnection) -> None:
        """Carry the writes out; nothing where there are none."""
        if self._parts:
            # Data-modifying WITH: all parts run to the end, whether or not something selects
            # from them, under one snapshot.
            # A raw cursor: the driver would look for placeholders in each of these long texts anew.
            text = _numbered((*self._parts, self._demand))
            await AsyncRawCursor(connection).execute(text, [*self._values, *self._demanded])


@lru_cache(maxsize=256)
def _insertion(table: str, columns: tuple[tuple[str, str], ...], conflict: str) -> str:
    # OVERRIDING SYSTEM VALUE: keys are GENERATED ALWAYS, and those of new resources are drawn before
    # (`new_keys`). It means nothing for tables without such a column.
    names, source = ", ".join(name for name, _ in columns), arrays(dict(columns))
    return f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE SELECT * FROM {source} {conflict}"  # noqa: S608


@lru_cache(maxsize=1024)
def _numbered(parts: tuple[str, ...]) -> bytes:
    """The statement of these parts, the last of which is selected, in PostgreSQL's own notation of placeholders."""
    *writes, selected = parts
    text = (
        f"WITH {', '.join(f'w{number} AS ({part})' for number, part in enumerate(writes))} SELECT {selected}"
    )
    numbers = count(1)
    return re.sub(r"%[sb]", lambda _: f"${next(numbers)}", text).encode()


def arrays(columns: Columns) -> str:
    """The rows as a table expression with placeholders for `transposed`."""
    return f"unnest({', '.join(_placeholder(kind) for kind in columns.values())})"


def _placeholder(kind: str) -> str:
    # Bytes and contents in binary (%b): as text each byte would be two characters, and each quote two.
    return f"%b::{kind}[]" if kind in ("bytea", "varchar") else f"%s::{kind}[]"


def transposed(columns: Columns, rows: Sequence[Sequence[Any]]) -> list[Any]:
    """A value for each column: all rows' values as one array.

    PostgreSQL's own notation is written here: psycopg looks at each item of a list, which takes far longer.
    """
    return [
        array(kind, values) for kind, values in zip(columns.values(), zip(*rows, strict=True), strict=True)
    ]


def array(kind: str, values: Sequence[Any]) -> Any:
    """Values as one array, which psycopg would look at one by one."""
    if kind == "bytea":
        return _ByteaArray(values)
    if kind == "varchar":
        return contents(values)
    if kind == "text":
        if None not in values:
            # Most texts need no escapes: one look at all of them joined costs a fraction of one look each.
            joined = '","'.join(values)
            if "\\" not in joined and joined.count('"') == 2 * (len(values) - 1):  # nothing to escape
                return '{"' + joined + '"}'
        items: Iterable[str] = ["NULL" if value is None else _quoted(value) for value in values]
    elif kind == "timestamptz":
        # Open ends arrive as texts already: `infinity` is no datetime.
        items = [
            "NULL" if value is None else value.isoformat() if isinstance(value, datetime) else value
            for value in values
        ]
    elif None in values:
        items = ["NULL" if value is None else str(value) for value in values]
    else:
        items = map(str, values)
    return "{" + ",".join(items) + "}"


def contents(values: Sequence[bytes | None]) -> Any:
    """Contents of resources as one array; its placeholder is `%b::varchar[]`."""
    return _ContentArray([None if value is None else shortened(value) for value in values])


class _ByteaArray:
    """An array in PostgreSQL's binary form: the driver would look at each item."""

    item = postgres.types["bytea"].oid

    def __init__(self, values: Sequence[bytes | None]) -> None:
        # Dimensions, whether there are NULLs, the type of the items; then length and first number of the one dimension.
        parts = [_ARRAY_HEAD.pack(1, None in values, self.item, len(values), 1)]
        for value in values:
            parts += (_LENGTH.pack(-1),) if value is None else (_LENGTH.pack(len(value)), value)
        self.data = b"".join(parts)


class _ContentArray(_ByteaArray):
    item = postgres.types["varchar"].oid


class _ByteaArrayDumper(Dumper):
    format = Format.BINARY
    oid = postgres.types["bytea"].array_oid

    def dump(self, obj: _ByteaArray) -> bytes:
        return obj.data


class _ContentArrayDumper(_ByteaArrayDumper):
    oid = postgres.types["varchar"].array_oid


_ARRAY_HEAD, _LENGTH = Struct("!iiIii"), Struct("!i")
adapters.register_dumper(_ByteaArray, _ByteaArrayDumper)
adapters.register_dumper(_ContentArray, _ContentArrayDumper)


# Always in quotes: NULL, an empty text, braces and commas would else mean something in an array.
def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
