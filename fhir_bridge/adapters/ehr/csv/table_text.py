"""Where in a table's bytes its cells are, whatever its encoding, quoting and line ends."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from fhir_bridge.adapters.ehr.csv.dialect import Dialect
from fhir_bridge.mapping import LineOffsets

__all__ = ["RowBytes", "TableText"]

_MARKS: Final = {"utf-8-sig": (b"\xef\xbb\xbf", "utf-8"), "utf-16": (b"\xff\xfe", "utf-16-le")}
_BIG_ENDIAN: Final = b"\xfe\xff"
_REMEMBERED: Final = 4


class RowBytes(NamedTuple):
    """The bytes of a row.

    Attributes:
        start: offset in the file.
        cells: start and end of each cell's text without quotes and blanks around it, and its physical line.
    """

    start: int
    raw: bytes
    cells: list[tuple[int, int, int]]
    encoding: str


class TableText:
    """The text of a file, read again when the place of a cell is asked for."""

    def __init__(self, path: Path, dialect: Dialect, delimiter: str) -> None:
        self._path = path
        self._quote = dialect.quote
        self._delimiter = delimiter
        with path.open("rb") as file:
            beginning = file.read(4)
        stated = dialect.encoding_for(beginning)
        mark, self._encoding = _MARKS.get(stated, (b"", stated))
        if stated == "utf-16" and beginning.startswith(_BIG_ENDIAN):
            self._encoding = "utf-16-be"
        self._mark = len(mark) if beginning.startswith((mark, _BIG_ENDIAN)) else 0
        self._offsets = LineOffsets(self._lengths, self._mark)
        self._rows: dict[int, RowBytes | None] = {}

    def _size(self, text: str) -> int:
        return len(text) if text.isascii() and self._narrow else len(self._encoded(text))

    @property
    def _narrow(self) -> bool:
        return not self._encoding.startswith(("utf-16", "utf-32"))

    def _encoded(self, text: str) -> bytes:
        return text.encode(self._encoding, "surrogateescape")

    def _lines(self, offset: int) -> Generator[str]:
        with self._path.open("rb") as file:
            file.seek(offset)
            number = file.fileno()
            with open(
                number, encoding=self._encoding, errors="surrogateescape", newline="", closefd=False
            ) as t:
                yield from t

    def _lengths(self, offset: int) -> Generator[int]:
        with closing(self._lines(offset)) as lines:
            yield from map(self._size, lines)

    def cells(self, line: int) -> RowBytes | None:
        """The row that begins at a physical line; None where it can't be read again as it was."""
        if line not in self._rows:
            if len(self._rows) >= _REMEMBERED:
                self._rows.clear()
            try:
                start = self._offsets.of(line)
                self._rows[line] = self._row(start, line) if start >= 0 else None
            except (OSError, UnicodeError):
                self._rows[line] = None
        return self._rows[line]

    def _row(self, start: int, first: int) -> RowBytes | None:
        text = ""
        bounds: list[tuple[int, int]] | None = None
        with closing(self._lines(start)) as lines:
            for line in lines:
                text += line
                bounds = _cells(text, self._delimiter, self._quote)
                if bounds is not None:
                    break
        if bounds is None:
            return None
        cells = []
        position, offset, number = 0, start, first
        for begin, end in bounds:
            passed = text[position:begin]
            offset, number = offset + self._size(passed), number + _line_ends(passed)
            finish = offset + self._size(text[begin:end])
            cells.append((offset, finish, number))
            position = begin
        return RowBytes(start, self._encoded(text.rstrip("\r\n")), cells, self._encoding)


def _line_ends(text: str) -> int:
    return text.count("\n") + text.count("\r") - text.count("\r\n")


def _cells(text: str, delimiter: str, quote: str | None) -> list[tuple[int, int]] | None:
    """The bounds of the cells of a row, as the module `csv` parts it; None where a quoted cell goes on."""
    bounds: list[tuple[int, int]] = []
    position = 0
    while True:
        if quote is not None and text.startswith(quote, position):
            start = end = position + 1
            while True:
                end = text.find(quote, end)
                if end < 0:
                    return None
                if not text.startswith(quote, end + 1):
                    break
                end += 2
            bounds.append(_trimmed(text, start, end))
            position = end + 1
        else:
            end = min((at for at in (text.find(mark, position) for mark in (delimiter, "\r", "\n")) if at >= 0),
                      default=len(text))  # fmt: skip
            bounds.append(_trimmed(text, position, end))
            position = end
        if not text.startswith(delimiter, position):
            return bounds
        position += len(delimiter)


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
