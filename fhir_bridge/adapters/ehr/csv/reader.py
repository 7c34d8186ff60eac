"""Reading a table row by row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, TextIO, cast

from fhir_bridge.adapters.ehr.csv.accounting import Unread
from fhir_bridge.adapters.ehr.csv.binary import BinaryTable, BinaryTableError, is_binary
from fhir_bridge.adapters.ehr.csv.block import RowBlock, in_blocks
from fhir_bridge.adapters.ehr.csv.dialect import Dialect, repeated
from fhir_bridge.adapters.ehr.csv.lines import RawRow, rows
from fhir_bridge.adapters.ehr.csv.record import Row, Table, missing_columns
from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.fhir.issues import Issue

__all__ = ["HeaderError", "read_blocks", "read_header", "read_table", "refused", "row_of"]

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
        raise HeaderError(new_issue("FB-CSV-010", f"{path.name}: {reason}", path.name)) from error


_STATED: Final = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)


def _body(text: TextIO, path: Path, dialect: Dialect) -> tuple[list[str], Iterator[RawRow], str]:
    """The column names, the rows after them, and the delimiter."""
    skipped = max(dialect.header - 1, 0)
    for _ in islice(text, skipped):
        pass
    line = text.readline()
    if not skipped and (
        stated := _STATED.fullmatch(line)
    ):  # Excel writes, and takes, such a line before the header
        skipped, delimiter, line = 1, stated[1], text.readline()
    else:
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
            raise HeaderError(new_issue("FB-CSV-009", "a table without header needs source.names", path.name))
        return names, parted, delimiter
    first = next(parted, None)
    if first is None:
        raise HeaderError(new_issue("FB-CSV-001", "the file has no header row", path.name))
    where = f"{path.name}:{first.line}"
    if first.error:
        raise HeaderError(new_issue("FB-CSV-001", f"the header can't be read: {first.error}", where))
    return _names(first.cells, where), parted, delimiter


def _chain(line: str, text: TextIO) -> Iterator[str]:
    if line:
        yield line
    yield from text


def _names(cells: list[str], where: str) -> list[str]:
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1)]
    if any(_UNDECODED.search(name) for name in names):
        raise HeaderError(
            new_issue("FB-CSV-001", "the header holds bytes that are not of the file's encoding", where)
        )
    if any("\x00" in name for name in names):
        raise HeaderError(
            new_issue("FB-CSV-001", "the header holds NUL bytes: is the file UTF-16 or binary?", where)
        )
    if double := sorted(repeated(names)):
        shown = ", ".join(f'"{name}"' for name in double)
        raise HeaderError(new_issue("FB-CSV-002", f"the header has {shown} more than once", where))
    return names


def read_header(path: Path, dialect: Dialect) -> list[str]:
    """The names of a table's columns.

    Raises:
        HeaderError: the file can't be opened, or its header can't be read.
    """
    if is_binary(path):
        with closing(_binary(path, dialect)) as table:
            return table.names
    try:
        with _opened(path, dialect) as text:
            return _body(text, path, dialect)[0]
    except UnicodeError as error:
        raise HeaderError(_not_of_encoding(path.name, error)) from error


def _binary(path: Path, dialect: Dialect) -> BinaryTable:
    """An open Parquet file or workbook, its columns named."""
    try:
        table = BinaryTable(path, dialect)
        table.names = _names(table.names, f"{path.name}:{max(dialect.header, 1)}")
    except BinaryTableError as error:
        raise HeaderError(new_issue("FB-CSV-001", f"{path.name}: {error}", path.name)) from None
    except OSError as error:
        reason = error.strerror or "it can't be read"
        raise HeaderError(new_issue("FB-CSV-010", f"{path.name}: {reason}", path.name)) from error
    return table


def _not_of_encoding(where: str, error: UnicodeError) -> Issue:
    encoding = getattr(error, "encoding", "the encoding set")
    return new_issue("FB-CSV-001", f"the file is not {encoding}", where)


def read_table(path: Path, dialect: Dialect, wanted: frozenset[str] | None = None) -> Iterator[Row]:
    """The rows of a table, with memory for one of them; a file that can't be read gives one rejected record.

    Args:
        path: the file.
        dialect: how it is written.
        wanted: columns that the mapping names. What no rule represents is reported after the last row, column by
            column; None reports nothing.
    """
    return cast("Iterator[Row]", _read(path, dialect, wanted, blocks=False))


def read_blocks(
    path: Path, dialect: Dialect, wanted: frozenset[str] | None = None
) -> Iterator[Row | RowBlock]:
    """As `read_table`, rows without an issue in blocks."""
    return _read(path, dialect, wanted, blocks=True)


def _read(
    path: Path, dialect: Dialect, wanted: frozenset[str] | None, *, blocks: bool
) -> Iterator[Row | RowBlock]:
    blocks = blocks and not dialect.together
    if is_binary(path):
        yield from _read_binary(path, dialect, wanted, blocks)
        return
    number = [0]
    last = [0]  # the line of the last row read

    def parted_rows(parted: Iterator[RawRow], table: Table) -> Iterator[Row]:
        for raw in parted:
            last[0] = raw.line
            yield row_of(raw, table, len(table.names))

    try:
        with _opened(path, dialect) as text:
            names, parted, delimiter = _body(text, path, dialect)
            _check_columns(path, dialect, names)
            table = Table(path.name, dialect.system or path.stem, names, dialect, path, delimiter)
            unread = Unread(table, wanted, dialect) if wanted is not None else None
            table.account = unread
            result = parted_rows(parted, table)
            together = _together(result, dialect.together) if dialect.together else result
            noted = _noted(together, unread, number)
            yield from in_blocks(noted) if blocks else noted
            if unread is not None:
                yield from unread.report()
    except HeaderError as error:
        yield refused(path, dialect, error.issue)
    except (
        UnicodeError
    ) as error:  # an encoding such as UTF-16, where a wrong byte leaves no place to go on from
        if not last[0]:
            yield refused(path, dialect, _not_of_encoding(path.name, error))
            return
        where = f"{path.name}:{last[0] + 1}"
        left = max(_count_rows(path, dialect) - number[0], 1)
        text_ = f"from here the file is not {dialect.encoding}; nothing after it was read"
        table = Table(path.name, dialect.system or path.stem, (), dialect)
        yield Row(table, where, [], [new_issue("FB-CSV-005", text_, where)], "rejected", left)


def _noted(rows: Iterable[Row], unread: Unread | None, number: list[int]) -> Iterator[Row]:
    """The rows, counted, with what no rule names in them."""
    for row in rows:
        number[0] += 1
        if unread is not None:
            unread.read(row)
        yield row


def _check_columns(path: Path, dialect: Dialect, names: list[str]) -> None:
    absent = [column for column in (*dialect.columns, *dialect.together) if column not in names]
    if absent:
        raise HeaderError(new_issue("FB-CSV-003", missing_columns(absent, names), path.name))


def _read_binary(
    path: Path, dialect: Dialect, wanted: frozenset[str] | None, blocks: bool
) -> Iterator[Row | RowBlock]:
    try:
        opened = _binary(path, dialect)
    except HeaderError as error:
        yield refused(path, dialect, error.issue)
        return
    with closing(opened):
        try:
            _check_columns(path, dialect, opened.names)
        except HeaderError as error:
            yield refused(path, dialect, error.issue)
            return
        yield from _binary_rows(path, dialect, opened, wanted, blocks)


def _binary_rows(
    path: Path, dialect: Dialect, opened: BinaryTable, wanted: frozenset[str] | None, blocks: bool
) -> Iterator[Row | RowBlock]:
    """The rows of a Parquet file or a workbook. What follows a place that can't be read is one rejected record."""
    table = Table(path.name, dialect.system or path.stem, opened.names, dialect)
    table.account = unread = Unread(table, wanted, dialect) if wanted is not None else None
    if opened.issues:
        yield Row(table, table.name, [], opened.issues, "skipped", 0)
    lost: list[Row] = []

    def rows_of(parted: Iterator[RawRow]) -> Iterator[Row]:
        width, last = len(table.names), 0
        try:
            for raw in parted:
                last = raw.line
                if len(raw.cells) < width:
                    raw.cells.extend(
                        [""] * (width - len(raw.cells))
                    )  # a sheet ends a row with its last value
                yield row_of(raw, table, width)
        except BinaryTableError as error:
            where = f"{path.name}:{last + 1}"
            lost.append(Row(table, where, [], [new_issue("FB-CSV-014", str(error), where)], "rejected"))

    result = rows_of(opened.rows)
    noted = _noted(_together(result, dialect.together) if dialect.together else result, unread, [0])
    yield from in_blocks(noted) if blocks else noted
    yield from lost
    if opened.percent:
        text = f"numbers of column {_columns(table, opened.percent)} are shown as percent: 0.425 stands for 42.5 %"
        yield Row(table, table.name, [], [new_issue("FB-CSV-016", text, table.name)], "skipped", 0)
    if unread is not None:
        yield from unread.report()


def _columns(table: Table, places: Iterable[int]) -> str:
    names = table.names
    return ", ".join(
        f'"{names[place]}"' if place < len(names) else str(place + 1) for place in sorted(places)
    )


def refused(path: Path, dialect: Dialect, issue: Issue) -> Row:
    """The one record of a table that is refused whole: it accounts for all its rows, and for one where it has none."""
    table = Table(path.name, dialect.system or path.stem, (), dialect)
    return Row(table, issue.source or path.name, [], [issue], "rejected", max(_count_rows(path, dialect), 1))


def _count_rows(path: Path, dialect: Dialect) -> int:
    """How many rows a table has below its header, as far as that shows in a file that can't be read."""
    if is_binary(path):
        try:
            with closing(BinaryTable(path, dialect)) as table:
                return sum(1 for _ in table.rows)
        except (BinaryTableError, OSError):
            return 0
    try:
        with path.open("rb") as raw:
            encoding = dialect.encoding_for(raw.read(4))
        with path.open(encoding=encoding, errors="replace", newline="") as text:
            for _ in islice(text, max(dialect.header - 1, 0)):
                pass
            parted = rows(
                text,
                delimiter=dialect.delimiter or ",",
                quote=dialect.quote,
                limit=dialect.max_row_lines,
                comment=dialect.comment,
            )
            return sum(1 for _ in parted) - (1 if dialect.header else 0)
    except (OSError, UnicodeError):
        return 0


def _together(rows_: Iterator[Row], columns: tuple[str, ...]) -> Iterator[Row]:
    """The rows, those of one measurement knowing each other; a row that is refused occurs alone."""
    kept: list[Row] = []
    before: tuple[str | None, ...] | None = None
    for row in rows_:
        results = tuple(row.cell(column) for column in columns) if row.outcome == "read" else None
        if results != before or results is None or len(kept) >= _TOGETHER:
            yield from kept
            kept = []
        before = results
        kept.append(row)
        row.together = kept
    yield from kept


_UNREAD: Final = {
    "FB-CSV-015": "the formula of column {} has no value",
    "FB-CSV-017": "the number of column {} has more digits than the workbook kept",
}


def row_of(raw: RawRow, table: Table, width: int, kind: type[Row] = Row) -> Row:
    """The record of a row: rejected where its cells are not those of the header, or not of the encoding."""
    locator = f"{table.name}:{raw.line}"
    cells = raw.cells
    if raw.error is not None:
        return kind(table, locator, cells, [new_issue("FB-CSV-006", raw.error, locator)], "rejected")
    if raw.unread:
        issues = []
        for code, text in _UNREAD.items():
            if places := [place for place, why in raw.unread if why == code]:
                issues.append(new_issue(code, text.format(_columns(table, places)), locator))
        return kind(table, locator, cells, issues)
    if len(cells) != width:
        if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
            cells = cells[:width]  # delimiters at the end of the line hold nothing
        else:
            text = f"the row has {len(cells)} cells, the header {width}"
            return kind(table, locator, cells, [new_issue("FB-CSV-004", text, locator)], "rejected")
    if "".join(cells).isascii():
        return kind(table, locator, cells)
    for position, cell in enumerate(cells):
        if _UNDECODED.search(cell):
            text = f'the cell of column "{table.names[position]}" holds bytes that are not of the file\'s encoding'
            return kind(table, locator, cells, [new_issue("FB-CSV-005", text, locator)], "rejected")
    return kind(table, locator, cells)
