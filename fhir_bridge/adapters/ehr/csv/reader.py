"""Reading a table row by row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TextIO

from fhir_bridge.adapters.ehr.csv.dialect import Dialect
from fhir_bridge.adapters.ehr.csv.lines import RawRow, rows
from fhir_bridge.adapters.ehr.csv.record import Row, Table, missing_columns
from fhir_bridge.adapters.ehr.issues import found
from fhir_bridge.fhir.issues import Issue

__all__ = ["HeaderError", "read_header", "read_table"]

_TOGETHER = 1000
"""Rows that one measurement may have."""

_UNDECODED = re.compile("[\udc80-\udcff\ufffd]")


class HeaderError(ValueError):
    """The file can't be read as a table; `issue` says why."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(issue.message)
        self.issue = issue


@contextmanager
def _opened(path: Path, dialect: Dialect) -> Iterator[TextIO]:
    try:
        with path.open("rb") as raw:
            beginning = raw.read(4)
        # Undecodable bytes come through as lone surrogates, so that they cost their own row only.
        with path.open(
            encoding=dialect.encoding_for(beginning), errors="surrogateescape", newline=""
        ) as text:
            yield text
    except OSError as error:
        reason = error.strerror or "it can't be read"
        raise HeaderError(found("FB-CSV-010", f"{path.name}: {reason}", path.name)) from error


def _body(text: TextIO, path: Path, dialect: Dialect) -> tuple[list[str], Iterator[RawRow]]:
    """The column names, and the rows after them."""
    skipped = max(dialect.header - 1, 0)
    for _ in islice(text, skipped):
        pass
    line = text.readline()
    delimiter = dialect.delimiter_for(line)
    following = _chain(line, text)
    parted = rows(
        following,
        delimiter=delimiter,
        quote=dialect.quote,
        first_line=skipped + 1,
        limit=dialect.max_row_lines,
        comment=dialect.comment,
    )
    if dialect.header == 0:
        names = list(dialect.names)
        if not names:
            raise HeaderError(found("FB-CSV-009", "a table without header needs source.names", path.name))
        return names, parted
    first = next(parted, None)
    if first is None:
        raise HeaderError(found("FB-CSV-001", "the file has no header row", path.name))
    where = f"{path.name}:{first.line}"
    if first.error:
        raise HeaderError(found("FB-CSV-001", f"the header can't be read: {first.error}", where))
    return _names(first.cells, where), parted


def _chain(line: str, text: TextIO) -> Iterator[str]:
    if line:
        yield line
    yield from text


def _names(cells: list[str], where: str) -> list[str]:
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1)]
    if any(_UNDECODED.search(name) for name in names):
        raise HeaderError(
            found("FB-CSV-001", "the header holds bytes that are not of the file's encoding", where)
        )
    if any("\x00" in name for name in names):
        raise HeaderError(
            found("FB-CSV-001", "the header holds NUL bytes: is the file UTF-16 or binary?", where)
        )
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        shown = ", ".join(f'"{name}"' for name in double)
        raise HeaderError(found("FB-CSV-002", f"the header has {shown} more than once", where))
    return names


def read_header(path: Path, dialect: Dialect) -> list[str]:
    """The names of a table's columns.

    Raises:
        HeaderError: the file can't be opened, or its header can't be read.
    """
    try:
        with _opened(path, dialect) as text:
            return _body(text, path, dialect)[0]
    except UnicodeError as error:
        raise HeaderError(_not_of_encoding(path.name, error)) from error


def _not_of_encoding(where: str, error: UnicodeError) -> Issue:
    encoding = getattr(error, "encoding", "the encoding set")
    return found("FB-CSV-001", f"the file is not {encoding}", where)


def read_table(path: Path, dialect: Dialect) -> Iterator[Row]:
    """The rows of a table, with memory for one of them; a file that can't be read gives one rejected record."""
    bare = Table(path.name, dialect.system or path.stem, (), dialect)
    line = 0
    try:
        with _opened(path, dialect) as text:
            names, parted = _body(text, path, dialect)
            absent = [column for column in (*dialect.columns, *dialect.together) if column not in names]
            if absent:
                raise HeaderError(found("FB-CSV-003", missing_columns(absent, names), path.name))
            table = Table(path.name, bare.system, names, dialect)
            width = len(names)
            if dialect.together:
                yield from _together((_row(raw, table, width) for raw in parted), dialect.together)
                return
            for raw in parted:
                line = raw.line
                yield _row(raw, table, width)
    except HeaderError as error:
        yield Row(bare, error.issue.source or path.name, [], [error.issue], "rejected")
    except (
        UnicodeError
    ) as error:  # an encoding such as UTF-16, where a wrong byte leaves no place to go on from
        where = f"{path.name}:{line + 1}"
        issue = (
            found(
                "FB-CSV-005",
                f"from here the file is not {dialect.encoding}; nothing after it was read",
                where,
            )
            if line
            else _not_of_encoding(path.name, error)
        )
        yield Row(bare, where, [], [issue], "rejected")


def _together(rows_: Iterator[Row], columns: tuple[str, ...]) -> Iterator[Row]:
    """The rows, those of one measurement knowing each other; a row that is refused stands alone."""
    held: list[Row] = []
    before: tuple[str | None, ...] | None = None
    for row in rows_:
        place = tuple(row.cell(column) for column in columns) if row.outcome == "read" else None
        if place != before or place is None or len(held) >= _TOGETHER:
            yield from held
            held = []
        before = place
        held.append(row)
        row.together = held
    yield from held


def _row(raw: RawRow, table: Table, width: int) -> Row:
    locator = f"{table.name}:{raw.line}"
    cells = raw.cells
    if raw.error is not None:
        return Row(table, locator, cells, [found("FB-CSV-006", raw.error, locator)], "rejected")
    if len(cells) != width:
        if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
            cells = cells[:width]  # delimiters at the end of the line hold nothing
        else:
            text = f"the row has {len(cells)} cells, the header {width}"
            return Row(table, locator, cells, [found("FB-CSV-004", text, locator)], "rejected")
    for position, cell in enumerate(cells):
        if not cell.isascii() and _UNDECODED.search(cell):
            text = f'the cell of column "{table.names[position]}" holds bytes that are not of the file\'s encoding'
            return Row(table, locator, cells, [found("FB-CSV-005", text, locator)], "rejected")
    return Row(table, locator, cells)
