"""A local catalogue (CSV): the codes, names and units that a laboratory or ward uses, read as terms to be bound."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fhir_bridge.terminology.files import TerminologyFileError, read_text
from fhir_bridge.terminology.suggest import LocalTerm
from fhir_bridge.terminology.suggest.text import fold

__all__ = ["FIELDS", "by_use", "read_catalogue"]

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
"""Fields of a term, and the column names (folded) that are taken for them where none is given."""

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

    Args:
        columns: field to column name, where the file's names are not among `FIELDS`.
        system: code system of the local codes.
        language: two-letter code for all rows that name none.

    Raises:
        TerminologyFileError: unreadable, no column for the name, or a row that can't be used; the line is named.
    """
    text = read_text(path, "name the encoding (for example --encoding cp1252)", encoding)
    lines = text.splitlines(keepends=True)
    if not lines:
        raise TerminologyFileError(path, "is empty; a catalogue has a header and a row for each code")
    reader = csv.reader(lines, delimiter=_delimiter(lines[0]), strict=True)
    try:
        header = next(reader)
        places = _places(path, header, columns or {})
        terms = [
            _term(path, reader.line_num, row, places, system, language)
            for row in reader
            if any(cell.strip() for cell in row)
        ]
    except csv.Error as error:
        raise TerminologyFileError(path, f"line {reader.line_num}: not CSV: {error}") from error
    return list(dict.fromkeys(terms))


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def _places(path: Path, header: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    names = [cell.strip() for cell in header]
    folded = [fold(name).replace(" ", "") for name in names]
    places = {}
    for field, column in columns.items():
        if field not in FIELDS:
            raise TerminologyFileError(path, f"there is no field {field}; fields are {', '.join(FIELDS)}")
        if column not in names:
            raise TerminologyFileError(path, f"has no column {column!r}; it has {', '.join(names)}")
        places[field] = names.index(column)
    for field, usual in FIELDS.items():
        found = next((folded.index(name) for name in usual if name in folded), None)
        if field not in places and found is not None and found not in places.values():
            places[field] = found
    if "name" not in places:
        raise TerminologyFileError(
            path, f"which column holds the names? It has {', '.join(names)}; say --column name=COLUMN"
        )
    return places


def _term(
    path: Path, line: int, row: Sequence[str], places: Mapping[str, int], system: str, language: str | None
) -> LocalTerm:
    def cell(field: str) -> str:
        place = places.get(field, len(row))
        return row[place].strip() if place < len(row) else ""

    if not cell("name"):
        raise TerminologyFileError(path, f"line {line} has no name; fill it in or take the row out")
    count = cell("count").replace(".", "").replace(",", "") or "0"
    if not count.isdecimal():
        raise TerminologyFileError(path, f"line {line}: the count {cell('count')!r} is no whole number")
    spoken = cell("language")[:2].casefold() or language
    return LocalTerm(cell("name"), cell("unit"), cell("specimen"), spoken, cell("code"), system, int(count))


def by_use(terms: Iterable[LocalTerm]) -> list[LocalTerm]:
    """The terms that are used most first: reviewing these covers most of the data."""
    return sorted(terms, key=lambda term: -term.count)
