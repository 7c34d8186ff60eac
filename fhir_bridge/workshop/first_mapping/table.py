"""A sample table: how it is written, its columns, and cells of its first rows."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fhir_bridge.workshop.first_mapping.lexicon import fitting_roles, tokens
from fhir_bridge.workshop.first_mapping.measures import measures_of

__all__ = ["Sample", "SampleError", "read_sample"]

_BYTES: Final = 4_000_000
_ROWS: Final = 5_000
_TITLE: Final = 4
"""More words than these in the only column's name are a title."""
_SEPARATOR: Final = re.compile(r"\"?sep=([^\r\n])\"?[ \t]*(?:\r\n|\r|\n)", re.IGNORECASE)
"""What Excel writes and reads before the header."""
_DELIMITERS: Final = ",;\t|"
_MOST: Final = 0.6
"""From this share of lines with equally many cells a mark is the delimiter."""
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class SampleError(ValueError):
    """The file is no table; the message says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A table's first rows.

    Attributes:
        encoding: Python name, without that of a byte order mark.
        evidence: what delimiter and encoding were read from.
        complete: whether these are all rows.
        header: line of the header, from 1: 2 below Excel's `sep=;`; 0 where there is none.
    """

    path: Path
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    evidence: tuple[str, ...]
    complete: bool = True
    header: int = 1

    def values(self, column: int) -> list[str]:
        """The cells of a column that hold something."""
        return [cell for row in self.rows if (cell := row[column].strip())]


def read_sample(path: Path) -> Sample:
    """The first rows of a table.

    Raises:
        SampleError: it holds no header and row, or is no text.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        raw = file.read(_BYTES + 1)
    complete = len(raw) <= _BYTES
    if not complete:
        raw = raw[: raw.rfind(b"\n", 0, _BYTES) + 1]
    text, encoding, why = _decoded(raw)
    if "\x00" in text:
        raise SampleError(f"{path.name} holds NUL bytes: it is no table in text")
    stated = _SEPARATOR.match(text)
    if stated:
        text = text[stated.end() :]
    delimiter = stated[1] if stated else _delimiter(text)
    csv.field_size_limit(1 << 24)
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    except csv.Error as error:
        raise SampleError(f"{path.name} can't be read as a table: {error}") from None
    if len(rows) < 2:
        raise SampleError(f"{path.name} has no header with at least one row below it")
    above = _banner(rows)
    named = _is_header(rows[above])
    columns = _names(rows[above] if named else [""] * len(rows[above]), path)
    width = len(columns)
    below = rows[above + 1 :] if named else rows[above:]
    body = [tuple(row) for row in below[:_ROWS] if len(row) == width]
    if not body:
        raise SampleError(f"{path.name}: no row has the {width} cells of the header")
    if width == 1 and (any(len(row) > 1 for row in rows) or len(columns[0].split()) > _TITLE):
        raise SampleError(
            f"{path.name}: only one column is found, {columns[0]!r}; "
            "which line is the header, and which mark parts its cells?"
        )
    uneven = sum(1 for row in below if len(row) != width)
    chosen = "the first line says so" if stated else "most lines have equally many cells by it"
    evidence = [f"encoding: {why}", f"delimiter {delimiter!r}: {chosen}"]
    if uneven:
        evidence.append(f"{uneven} rows have another number of cells than the header and were left out")
    return Sample(
        path,
        encoding,
        delimiter,
        columns,
        tuple(body),
        tuple(evidence),
        complete and len(below) <= _ROWS,
        (_line_of(text, above) + (1 if stated else 0)) if named else 0,
    )


def _banner(rows: list[list[str]]) -> int:
    """How many rows are above the header: titles, which have other cells than most rows, or fill few of theirs."""
    width = _usual_width(rows[:200])
    for number, row in enumerate(rows[:20]):
        filled = sum(1 for cell in row if cell.strip())
        if abs(len(row) - width) <= 1 and filled > (max(1, width // 2) if width > 2 else 0):
            return number
    return 0


def _usual_width(rows: list[list[str]]) -> int:
    """The number of cells that most rows have; of several, the largest."""
    counts = Counter(len(row) for row in rows)
    return max(counts, key=lambda width: (counts[width], width))


def _line_of(text: str, above: int) -> int:
    """The line of the row that has so many before it, from 1."""
    if not above:
        return 1
    filled = [number for number, line in enumerate(text.splitlines(), 1) if re.search(r"[^,;|\t\s\"]", line)]
    return filled[above] if above < len(filled) else 1


def _is_header(cells: list[str]) -> bool:
    """Whether a row is a header: not where its cells are the values of a first row."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    values = sum(1 for cell in filled if re.fullmatch(r"[<>]?-?\d+([.,/:-]\d+)*( \d\d?:\d\d(:\d\d)?)?", cell))
    named = sum(1 for cell in filled if fitting_roles(tokens(cell)) or measures_of(tokens(cell))[0])
    return not filled or values < max(2, 0.3 * len(filled)) or named > values


def _decoded(raw: bytes) -> tuple[str, str, str]:
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            return raw.decode(encoding, "replace"), "utf-8", f"byte order mark of {encoding}"
    try:
        return raw.decode("utf-8"), "utf-8", "the bytes are UTF-8"
    except UnicodeDecodeError:
        return (
            raw.decode("cp1252", "replace"),
            "cp1252",
            "not UTF-8; read as windows-1252, look at the umlauts",
        )


def _delimiter(text: str) -> str:
    """The mark by which most of the first lines have equally many cells; of several, that of most cells."""
    lines = [line for line in text[:200_000].splitlines(keepends=True)[:200] if line.strip()]
    scores = {}
    for mark in _DELIMITERS:
        try:
            rows = [row for row in csv.reader(lines, delimiter=mark) if any(cell.strip() for cell in row)]
        except csv.Error:
            continue
        width = _usual_width(rows) if rows else 1
        if width > 1:
            part = sum(1 for row in rows if len(row) == width) / len(rows)
            scores[mark] = (part >= _MOST, width if part >= _MOST else part)
    header = "".join(lines[0].split('"')[::2]) if lines else ""
    return max(_DELIMITERS, key=lambda mark: (scores.get(mark, (False, 0)), header.count(mark)))


def _names(cells: list[str], path: Path) -> tuple[str, ...]:
    """As the csv adapter names them; what it refuses is refused here."""
    names = tuple(cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1))
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise SampleError(f"{path.name}: the header has {', '.join(double)} more than once")
    return names
