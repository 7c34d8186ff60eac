"""Rows on their way into a table as one value: an array of the table's row type, in PostgreSQL's binary form.

Of a few rows an array for each column costs both sides more than the rows: each has a form, a parser and a place of its
own. Texts need no escapes here, and numbers no digits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from struct import Struct
from typing import Any, ClassVar

from psycopg import AsyncConnection
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from fhir_bridge.storage.contents import shortened

__all__ = ["RowArray", "RowType", "know_row_types"]

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From which PostgreSQL counts microseconds."""
_INFINITE = {"infinity": 2**63 - 1, "-infinity": -(2**63)}
_HEADER = Struct("!iiIii").pack


def _microseconds(value: datetime | str) -> int:
    if isinstance(value, str):
        return _INFINITE[value]
    since = value - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _uuid(value: str) -> bytes:
    return bytes.fromhex(value.replace("-", ""))


# The built-in types have the same numbers in every PostgreSQL (pg_type.dat). Those of one size have a letter of
# `struct`, and perhaps a function that gives what it packs; the others a function that gives their bytes.
_FIXED: dict[str, tuple[int, str, Callable[[Any], int] | None]] = {
    "bool": (16, "?", None),
    "bigint": (20, "q", None),
    "int": (23, "i", None),
    "timestamptz": (1184, "q", _microseconds),
}
_VARYING: dict[str, tuple[int, Callable[[Any], Buffer]]] = {
    "bytea": (17, bytes),
    "text": (25, str.encode),
    "varchar": (1043, shortened),  # contents of resources
    "uuid": (2950, _uuid),
}
_ABSENT = {"int[]": 1007, "numeric": 1700, "xid8": 5069}
"""Types of columns that rows have no value for. Numbers of any size travel beside them as text: their binary form takes
longer to make than all else of a row."""


class RowArray:
    """Rows of a table, as a parameter of a statement; each table has a class of its own."""

    __slots__ = ("count", "data")

    def __init__(self, count: int, data: bytes) -> None:
        self.count, self.data = count, data


class RowType:
    """The rows of a table, and how new ones are inserted.

    Args:
        table: its name.
        columns: all of its columns with their types, in the order of the table; with a question mark those that may be
            NULL.
        given: those that new rows have a value for; None: all.
        more: other columns and the constants that they get.
    """

    known: ClassVar[list[RowType]] = []

    def __init__(
        self,
        table: str,
        columns: Mapping[str, str],
        given: Sequence[str] | None = None,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.table, self.columns = table, {name: kind.rstrip("?") for name, kind in columns.items()}
        # By its class the driver knows what type a parameter has.
        self.form: type[RowArray] = type(f"RowArray_{table}", (RowArray,), {"__slots__": ()})
        names = [name for name in columns if given is None or name in given]
        others = more or {}
        # OVERRIDING SYSTEM VALUE: keys are GENERATED ALWAYS, and those of new resources are drawn before
        # (`new_keys`). It means nothing for tables without such a column.
        beside = [name for name, kind in self.columns.items() if kind == "numeric" and name in names]
        source = "unnest(%b)"
        if beside:
            own = [f"{name}_" if name in beside else name for name in columns]
            source = f"unnest(%b{', %s::numeric[]' * len(beside)}) AS n ({', '.join([*own, *beside])})"
        self.insertion = (
            f"INSERT INTO {table} ({', '.join([*names, *others])}) OVERRIDING SYSTEM VALUE "  # noqa: S608
            f"SELECT {', '.join([*names, *others.values()])} FROM {source}"
        )
        self._packed = _packing(columns, names, beside)
        self.known.append(self)

    def arrays(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """The values of the placeholders for rows, each the values of the columns that are given, in their order."""
        parts, beside = self._packed(rows)
        return [self.form(len(rows), b"".join(parts)), *map(_numbers, beside)]


def _numbers(values: Sequence[Decimal | str | None]) -> str:
    """An array in PostgreSQL's own notation."""
    return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"


_Packed = Callable[[Sequence[Sequence[Any]]], tuple[list[bytes], Sequence[list[Any]]]]


def _packing(columns: Mapping[str, str], given: Sequence[str], beside: Sequence[str]) -> _Packed:
    """A function that gives the bytes of rows, in pieces, and the values of columns that are sent beside them.

    Compiled, since it runs for each row of every write.

    A row is its length, the number of its columns, and of each column the type, the length and the value.
    """
    scope: dict[str, Any] = {}
    before: list[str] = []
    pieces: list[str] = []
    lengths: list[str] = []
    form, values, size = "!ii", ["{length}", str(len(columns))], 4

    def end() -> None:
        nonlocal form, values, size
        if values:
            name = f"pack{len(scope)}"
            scope[name] = Struct(form).pack
            pieces.append(f"{name}({', '.join(values)})")
        form, values = "!", []

    for name, kind in columns.items():
        plain = kind.rstrip("?")
        fixed, varying = _FIXED.get(plain), _VARYING.get(plain)
        oid = fixed[0] if fixed else varying[0] if varying else _ABSENT[plain]
        size += 8
        if name in beside:
            before.append(f"{name}_.append({name})")
        if name not in given or name in beside:
            form, values = f"{form}Ii", [*values, str(oid), "-1"]
            continue
        if varying is not None:
            scope[f"of_{name}"] = varying[1]
            empty = f"b'' if {name} is None else " if kind != plain else ""
            before.append(f"data_{name} = {empty}of_{name}({name})")
            length = f"-1 if {name} is None else len(data_{name})" if kind != plain else f"len(data_{name})"
            form, values = f"{form}Ii", [*values, str(oid), length]
            lengths.append(f"len(data_{name})")
            end()
            pieces.append(f"data_{name}")
            continue
        assert fixed is not None
        letter, convert = fixed[1], fixed[2]
        width = Struct(f"!{letter}").size
        value = name
        if convert is not None:
            scope[f"of_{name}"], value = convert, f"of_{name}({name})"
        if kind == plain:
            form, values = f"{form}Ii{letter}", [*values, str(oid), str(width), value]
            size += width
            continue
        end()
        scope[f"null_{name}"] = Struct("!Ii").pack(oid, -1)
        scope[f"some_{name}"] = partial(Struct(f"!Ii{letter}").pack, oid, width)
        before.append(f"data_{name} = null_{name} if {name} is None else some_{name}({value})")
        lengths.append(f"len(data_{name}) - 8")
        pieces.append(f"data_{name}")
    end()
    lines = [
        "def packed(rows):",
        f" parts = []; {'; '.join(f'{name}_ = []' for name in beside)}".rstrip("; "),
        f" for ({', '.join(given)},) in rows:",
        *(f"  {line}" for line in before),
        f"  parts += ({', '.join(pieces)},)".replace("{length}", " + ".join([str(size), *lengths])),
        f" return parts, ({''.join(f'{name}_, ' for name in beside)})",
    ]
    exec("\n".join(lines), scope)  # noqa: S102 - of the constants of this package
    result: _Packed = scope["packed"]
    return result


class _RowArrayDumper(Dumper):
    format = Format.BINARY
    item = 0

    def dump(self, obj: RowArray) -> bytes:
        # Dimensions, whether there are NULLs, the type of the items; then length and first number of the one dimension.
        return _HEADER(1, 0, self.item, obj.count, 1) + obj.data


async def know_row_types(connection: AsyncConnection) -> None:
    """See that rows can be sent over a connection: their types have other numbers in each database."""
    rows = await connection.execute(
        "SELECT c.relname, t.oid::int8, t.typarray::int8 FROM pg_class c JOIN pg_type t ON t.oid = c.reltype "
        "WHERE c.relname = ANY(%s) AND pg_table_is_visible(c.oid)",
        (list({row_type.table for row_type in RowType.known}),),
    )
    numbers = {table: (item, array) for table, item, array in await rows.fetchall()}
    for row_type in RowType.known:
        if row_type.table in numbers:
            item, array = numbers[row_type.table]
            dumper = type("RowArrayDumper", (_RowArrayDumper,), {"oid": array, "item": item})
            connection.adapters.register_dumper(row_type.form, dumper)
