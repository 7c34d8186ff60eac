"""A local catalogue (CSV): the codes, names and units that a laboratory or ward uses, read as terms to be bound."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from itertools import islice
from pathlib import Path

from fhir_bridge.terminology.files import TerminologyFileError, read_text
from fhir_bridge.terminology.suggest import LocalTerm
from fhir_bridge.terminology.suggest.text import fold

__all__ = ["FIELDS", "by_use", "encoding_of", "read_catalogue"]

FIELDS: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "display", "description", "text", "bezeichnung", "analyt", "naam", "omschrijving", "nome",
             "descrizione", "libelle", "nom", "sourcename", "test", "testname"),
    "code": ("code", "local_code", "localcode", "id", "kurzel", "kuerzel", "codice", "sourcecode"),
    "unit": ("unit", "units", "einheit", "eenheid", "unita", "unite"),
    "specimen": ("specimen", "material", "sample", "probe", "materiaal", "campione", "materiale", "prelevement",
                 "echantillon", "system"),
    "language": ("language", "lang", "sprache", "taal", "lingua", "langue"),
    "count": ("count", "frequency", "n", "anzahl", "aantal", "numero", "nombre", "sourcefrequency"),
}  # fmt: skip
"""Fields of a term, and the column names (folded) that are taken for them where none is given; one that holds such a
name among others (`Testbezeichnung`, `Anzahl / Jahr`) is taken where no column has it alone."""
_SHORTEST_WITHIN = 4
_FAULTS = 10
"""Rows reported in one message."""

_SEPARATOR = re.compile(r"sep=(.)\s*$", re.IGNORECASE)
"""Excel's first line, which names the delimiter."""
_GROUPED = re.compile(r"\d{1,3}(?:([.,'’\s])\d{3})(?:\1\d{3})*$")
_WHOLE = re.compile(r"(\d+)(?:[.,]0+)?$")

_DELIMITERS = ",;\t|"


def read_catalogue(
    path: Path,
    columns: Mapping[str, str] | None = None,
    *,
    system: str = "",
    language: str | None = None,
    encoding: str = "utf-8-sig",
) -> list[LocalTerm]:
    """The terms of a catalogue, in its order; rows without a name are refused, equal rows are taken once.

    Excel's own form is read too: delimited by semicolons, `sep=;` before the header, counts with a mark between the
    thousands (`12.034`) or decimals that are none (`7,0`).

    Args:
        columns: field to column name, where the file's names are not among `FIELDS`.
        system: code system of the local codes.
        language: two-letter code for all rows that name none.

    Raises:
        TerminologyFileError: unreadable, no column for the name, or rows that can't be used; the lines are named.
    """
    text = read_text(path, "name the encoding (for example --encoding cp1252)", encoding)
    lines = list(StringIO(text))  # `splitlines` also splits at U+2028 and U+0085 within a cell
    statement = _SEPARATOR.match(lines[0]) if lines else None
    skipped = 1 if statement else 0
    if len(lines) <= skipped:
        raise TerminologyFileError(path, "is empty; a catalogue has a header and a row for each code")
    reader = csv.reader(
        islice(lines, skipped, None),
        delimiter=statement[1] if statement else _delimiter(lines[0]),
        strict=True,
    )
    terms: dict[LocalTerm, None] = {}
    faults: list[str] = []
    try:
        locations = _column_positions(path, next(reader), columns or {})
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            try:
                terms[_term(row, locations, system, language)] = None
            except ValueError as error:
                faults.append(f"line {reader.line_num + skipped}{error}")
    except csv.Error as error:
        raise TerminologyFileError(path, f"line {reader.line_num + skipped}: not CSV: {error}") from error
    if faults:
        more = f"; and {len(faults) - _FAULTS:,} more" if len(faults) > _FAULTS else ""
        raise TerminologyFileError(path, "; ".join(faults[:_FAULTS]) + more)
    return list(terms)


def encoding_of(path: Path) -> str:
    """The encoding of a catalogue that names none: UTF-8 or UTF-16 where it is that, else Windows-1252, as Excel
    writes CSV in western Europe."""
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _column_positions(path: Path, header: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    names = [cell.strip() for cell in header]
    folded = [fold(name).replace(" ", "") for name in names]
    locations = {}
    for field, column in columns.items():
        if field not in FIELDS:
            raise TerminologyFileError(path, f"there is no field {field}; fields are {', '.join(FIELDS)}")
        if column not in names:
            raise TerminologyFileError(path, f"has no column {column!r}; it has {', '.join(names)}")
        locations[field] = names.index(column)
    for find in (_alone, _within):
        for field, usual in FIELDS.items():
            result = find(usual, folded)
            if field not in locations and result is not None and result not in locations.values():
                locations[field] = result
    if "name" not in locations:
        raise TerminologyFileError(
            path, f"which column holds the names? It has {', '.join(names)}; say --column name=COLUMN"
        )
    return locations


def _alone(usual: Sequence[str], folded: Sequence[str]) -> int | None:
    return next((folded.index(name) for name in usual if name in folded), None)


def _within(usual: Sequence[str], folded: Sequence[str]) -> int | None:
    long = [name for name in usual if len(name) >= _SHORTEST_WITHIN]
    return next((i for name in long for i, column in enumerate(folded) if name in column), None)


def _term(row: Sequence[str], locations: Mapping[str, int], system: str, language: str | None) -> LocalTerm:
    """The term of a row.

    Raises:
        ValueError: it can't be used; the message goes on after the number of the line.
    """

    def cell(field: str) -> str:
        location = locations.get(field, len(row))
        return row[location].strip() if location < len(row) else ""

    if not cell("name"):
        raise ValueError(" has no name; fill it in or take the row out")
    spoken = cell("language")[:2].casefold() or language
    count = _count(cell("count"))
    return LocalTerm(cell("name"), cell("unit"), cell("specimen"), spoken, cell("code"), system, count)


def _count(text: str) -> int:
    """A number of uses; empty stands for none known."""
    if not text:
        return 0
    if grouped := _GROUPED.fullmatch(text):
        return int(text.replace(grouped[1], ""))
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        raise ValueError(f": the count {text!r} is no whole number")
    return int(whole[1])


def by_use(terms: Iterable[LocalTerm]) -> list[LocalTerm]:
    """The terms that are used most first: reviewing these covers most of the data."""
    return sorted(terms, key=lambda term: -term.count)
