"""Tables that a mapping joins to its records: `source: {join: {patients: {file: patients.csv, key: id}}}`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping.call_literals import Problem
from fhir_bridge.mapping.document import Mapping as Object
from fhir_bridge.mapping.document import Node, Scalar, plain
from fhir_bridge.mapping.errors import MappingError, MappingErrors, Position, nearest
from fhir_bridge.mapping.record import CLEARED
from fhir_bridge.mapping.registry import BUILTINS, FunctionSpec, builtin
from fhir_bridge.mapping.runtime import Context, Reject
from fhir_bridge.plugins import OptionError, adapters

__all__ = ["JoinedTable", "header_of", "joined_files", "joined_spec", "located", "open_tables"]

_OWN = ("file", "key", "max_rows")
"""Settings of a joined table; the others say how it is written, as for the adapter `csv`."""

MAX_ROWS = 1_000_000
"""A table with more rows is refused: it is held in memory, by each worker."""


class JoinedTable:
    """A table in memory, by the text of its key column.

    Attributes:
        columns: of the table, the key's among them.
        several: keys of several rows that differ.
    """

    __slots__ = ("_index", "_rows", "columns", "several")

    def __init__(self, columns: Iterable[str], rows: Iterable[Mapping[str, str | None]], key: str) -> None:
        self.columns = tuple(columns)
        self._index = {column: position for position, column in enumerate(self.columns)}
        self._rows: dict[str, tuple[str | None, ...]] = {}
        self.several: set[str] = set()
        for row in rows:
            value = row[key]
            if value is not None:
                cells = tuple(row[column] for column in self.columns)
                if self._rows.setdefault(value, cells) != cells:
                    self.several.add(value)

    def __len__(self) -> int:
        return len(self._rows)

    def cell(self, key: str, column: str) -> str | None:
        """A cell of the key's row.

        Raises:
            LookupError: no row has the key, or several do that differ.
        """
        row = self._rows.get(key)
        if row is None or key in self.several:
            raise LookupError("several rows" if row else "no row")
        return row[self._index[column]]


def located(source: Node | None, path: Path) -> Node | None:
    """The `source:` block with the files of its joined tables beside the mapping's file `path`."""
    joins = source.get("join") if isinstance(source, Object) else None
    if not isinstance(source, Object) or not isinstance(joins, Object):
        return source

    def placed(key: Scalar, value: Node) -> tuple[Scalar, Node]:
        if key.text != "file" or not isinstance(value, Scalar) or not isinstance(value.value, str):
            return key, value
        file = str((path.parent / value.value).resolve())
        return key, Scalar(value.position, file, file)

    tables = [
        (
            name,
            Object(table.position, [placed(*entry) for entry in table])
            if isinstance(table, Object)
            else table,
        )
        for name, table in joins
    ]
    entries = [(key, Object(value.position, tables) if value is joins else value) for key, value in source]
    return Object(source.position, entries)


def joined_files(options: Mapping[str, Any]) -> dict[str, Path]:
    """The files of all joined tables: the mapping's, or those that `--set join.<table>=FILE` names."""
    joins = options.get("join")
    return {
        name: Path(str(options.get(f"join.{name}") or table.get("file", "")))
        for name, table in (joins.items() if isinstance(joins, Mapping) else ())
        if isinstance(table, Mapping)
    }


def open_tables(options: Mapping[str, Any]) -> dict[str, JoinedTable]:
    """All joined tables, read once a process while their files stay.

    Raises:
        MappingErrors: a file is missing, is no table with the key column, or has too many rows.
    """
    joins = options.get("join") or {}
    return {name: _opened(name, joins[name], file) for name, file in joined_files(options).items()}


def _opened(name: str, table: Mapping[str, Any], file: Path) -> JoinedTable:
    try:
        status = file.stat()
    except OSError as error:
        text = f'the joined table "{name}" can\'t be read: {error.strerror}'
        raise _refused(file, text, f"--set join.{name}=FILE names another") from error
    settings = tuple(sorted((key, repr(value)) for key, value in table.items()))
    entry = _TABLES.get((name, file, settings))
    if entry is None or entry[0] != (status.st_mtime_ns, status.st_size):
        entry = ((status.st_mtime_ns, status.st_size), _read(name, table, file))
        _TABLES[name, file, settings] = entry
    return entry[1]


_TABLES: dict[Any, tuple[tuple[int, int], JoinedTable]] = {}


def _read(name: str, table: Mapping[str, Any], file: Path) -> JoinedTable:
    key = str(table.get("key", ""))
    written = {option: value for option, value in table.items() if option not in _OWN}
    limit = int(table.get("max_rows", MAX_ROWS))
    try:
        columns, rows = adapters()["csv"].table(file, written)
        if key not in columns:
            near = nearest(key, columns) or f"it has {', '.join(columns)}"
            raise _refused(file, f'the joined table "{name}" has no column "{key}"', near)
        return JoinedTable(columns, _limited(rows, limit, name, file), key)
    except (OptionError, ValueError) as error:
        if isinstance(error, MappingErrors):
            raise
        raise _refused(file, f'the joined table "{name}": {error}', "") from error


def _limited(rows: Iterable[Mapping[str, str | None]], limit: int, name: str, file: Path) -> Iterable[Any]:
    for number, row in enumerate(rows):
        if number >= limit:
            text = f'the joined table "{name}" has more than {limit:,} rows, and is held in memory'
            raise _refused(file, text, "max_rows: … allows more")
        yield row


def _refused(file: Path, message: str, suggestion: str) -> MappingErrors:
    return MappingErrors([MappingError(Position(str(file), 1, 1), message, suggestion, "FB-MAP-016")])


def joined_spec(source: Node | None) -> FunctionSpec:
    """The function `joined` for a mapping: names of tables and columns are checked when it is compiled."""
    content = plain(source) if source is not None else {}
    joins = content.get("join") if isinstance(content, dict) else None
    tables = joins if isinstance(joins, dict) else {}
    return replace(BUILTINS["joined"], check=_checker(tables))


def _checker(tables: Mapping[str, Any]) -> Callable[[str, Any, Mapping[str, Any]], Problem | None]:
    def check(argument: str, value: Any, given: Mapping[str, Any]) -> Problem | None:
        if argument == "else" and value not in ("flag", "drop", "reject"):
            return Problem(f"joined has no else={value!r}", "one of flag, drop, reject")
        if argument == "table" and value not in tables:
            example = f"source: {{join: {{{value}: {{file: {value}.csv, key: id}}}}}}"
            return Problem(f'no table "{value}" is joined', nearest(str(value), tables) or example)
        columns = _columns(tables.get(given.get("table", ""))) if argument == "column" else ()
        if columns and value not in columns:
            near = nearest(str(value), columns) or f"it has {', '.join(columns)}"
            return Problem(f'the joined table has no column "{value}"', near)
        return None

    return check


def _columns(table: Any) -> tuple[str, ...]:
    """The columns of a table whose file is there; none where it is not, as `--set` may name another."""
    file = table.get("file") if isinstance(table, dict) else None
    if not isinstance(file, str) or not Path(file).is_file():
        return ()
    return header_of(Path(file), table)


def header_of(file: Path, table: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of a file that is written as a joined table's settings say; none where it can't be read."""
    return _header(str(file), tuple((key, str(value)) for key, value in table.items() if key not in _OWN))


@lru_cache(maxsize=64)
def _header(file: str, options: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    try:
        return tuple(adapters()["csv"].table(Path(file), dict(options))[0])
    except ValueError:
        return ()


@builtin("joined", returns="string", context=True, reads=("none",))
def joined(ctx: Context, table: str, key: Any, column: str, *, else_: str = "flag") -> Any:
    """A cell of a joined table: of the row whose key column has the text of `key`.

    Args:
        ctx: the run.
        table: a name of `source.join`.
        key: the key's text.
        column: the column wanted.
        else_: where no row has the key, or several do that differ: `flag` gives nothing and reports it, `drop` gives
            nothing, `reject` loses the output.
    """
    if key is None or key is CLEARED or key == "":
        return None
    if key.__class__ is list:
        cells = [joined(ctx, table, item, column, else_=else_) for item in key]
        return [cell for cell in cells if cell is not None] or None
    try:
        return ctx.tables[table].cell(str(key), column)
    except LookupError as error:
        message = f'the joined table "{table}" has {error.args[0]} for the key'
        if else_ == "reject":
            raise Reject(Issue("error", "FB-MAP-213", message)) from None
        if else_ == "flag":
            ctx.flag("FB-MAP-213", f"{message}; nothing is written")
        return None
