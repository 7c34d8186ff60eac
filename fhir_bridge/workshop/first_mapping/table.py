"""A sample table: how it is written, its columns, and cells of its first rows."""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Sample", "SampleError", "read_sample"]

_BYTES: Final = 4_000_000
_ROWS: Final = 5_000
_SEPARATOR: Final = re.compile(r"\"?sep=([^\r\n])\"?[ \t]*(?:\r\n|\r|\n)", re.IGNORECASE)
"""What Excel writes and reads before the header."""
_DELIMITERS: Final = ",;\t|"
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
MISSING: Final = frozenset(
    "- -- n/a na n.a. null none nan nil n.b. k.a. unbekannt unknown ? . \\n #n/a missing".split()
)
"""What people write for no value, in small letters."""


class SampleError(ValueError):
    """The file is no table; the message says why."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A table's first rows.

    Attributes:
        encoding: Python name, without that of a byte order mark.
        evidence: what delimiter and encoding were read from.
        missing: cells that stand for no value, as they are written.
        complete: whether these are all rows.
        header: line of the header, from 1: 2 below Excel's `sep=;`.
    """

    path: Path
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    evidence: tuple[str, ...]
    missing: tuple[str, ...] = ()
    complete: bool = True
    header: int = 1

    def values(self, column: int) -> list[str]:
        """The cells of a column that hold something."""
        none = {"", *self.missing}
        return [row[column].strip() for row in self.rows if row[column].strip() not in none]


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
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(row)]
    if len(rows) < 2:
        raise SampleError(f"{path.name} has no header with at least one row below it")
    columns = _names(rows[0], path)
    width = len(columns)
    body = [tuple(row) for row in rows[1 : _ROWS + 1] if len(row) == width]
    if not body:
        raise SampleError(f"{path.name}: no row has the {width} cells of the header")
    uneven = sum(1 for row in rows[1:] if len(row) != width)
    chosen = "the first line says so" if stated else "most frequent in the header outside quotes"
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
        _missing(body),
        complete and len(rows) - 1 <= _ROWS,
        2 if stated else 1,
    )


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
    header = "".join(text.split("\n", 1)[0].split('"')[::2])
    return max(_DELIMITERS, key=header.count)


def _names(cells: list[str], path: Path) -> tuple[str, ...]:
    """As the csv adapter names them; what it refuses is refused here."""
    names = tuple(cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1))
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise SampleError(f"{path.name}: the header has {', '.join(double)} more than once")
    return names


def _missing(rows: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Cells that stand for no value: of the words for it, those in a column that otherwise has something else."""
    seen: dict[str, None] = {}
    for column in range(len(rows[0])):
        cells = {row[column].strip() for row in rows} - {""}
        words = {cell for cell in cells if cell.casefold() in MISSING}
        others = cells - words
        if words and others and (len(others) > 3 or all(_numeric(cell) for cell in others)):
            seen.update(dict.fromkeys(sorted(words)))
    return tuple(seen)


def _numeric(cell: str) -> bool:
    return cell.replace(",", "").replace(".", "").lstrip("-").isdigit()
