"""What rows refer to by number: concepts, persons, locations. Kept in a temporary database, not in memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from fhir_bridge.adapters.ehr.omop.columns import ADDRESS
from fhir_bridge.adapters.ehr.omop.sources import TableSource

__all__ = ["OHDSI", "Coded", "Concept", "Lookups", "Person"]

OHDSI: Final = "https://fhir-terminology.ohdsi.org"
"""The system of OMOP concept ids (HL7 FHIR to OMOP guide), for concepts whose code is not known."""

_SYSTEMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "SNOMED": "http://snomed.info/sct",
        "LOINC": "http://loinc.org",
        "RxNorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
        "CVX": "http://hl7.org/fhir/sid/cvx",
        "UCUM": "http://unitsofmeasure.org",
        "ICD10CM": "http://hl7.org/fhir/sid/icd-10-cm",
        "ICD10": "http://hl7.org/fhir/sid/icd-10",
        "ICD9CM": "http://hl7.org/fhir/sid/icd-9-cm",
        "ICD10PCS": "http://www.cms.gov/Medicare/Coding/ICD10",
        "CPT4": "http://www.ama-assn.org/go/cpt",
        "NDC": "http://hl7.org/fhir/sid/ndc",
        "ATC": "http://www.whocc.no/atc",
        "NUCC": "http://nucc.org/provider-taxonomy",
    }
)
"""OMOP vocabulary -> code system; others are local schemes, which the site file may name."""
_CACHE: Final = 20_000


class Concept(NamedTuple):
    """A row of the concept table."""

    system: str
    code: str
    name: str


class Coded:
    """A coded value: its standard concept, the one that the source used, and the source's own text."""

    __slots__ = ("_codings", "text")

    def __init__(self, codings: list[tuple[str, str, str | None, None]], text: str | None) -> None:
        self._codings = codings
        self.text = text

    def codings(self) -> list[tuple[str, str, str | None, None]]:
        """System, code, display and version of each."""
        return self._codings

    def __bool__(self) -> bool:
        return bool(self._codings or self.text)


class Person(NamedTuple):
    """Whose a row is: an identifier, as `patient()` takes one."""

    authority: str | None
    value: str


class Lookups:
    """The concepts, persons, deaths and locations of a data set."""

    def __init__(self, source: TableSource, person_authority: str | None) -> None:
        """Read what is looked up.

        Raises:
            SourceProblem: one of these tables can't be read.
        """
        self._source = source
        self._authority = person_authority
        self.unknown: dict[str, int] = {}
        self._base = sqlite3.connect("", isolation_level=None)
        self._base.execute("PRAGMA journal_mode=OFF")
        self._base.execute("PRAGMA cache_size=-16384")
        self._base.execute(
            "CREATE TABLE entry (kind TEXT, id TEXT, value TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID"
        )
        self._base.execute("BEGIN")
        self._fill("concept", "concept_id", ("vocabulary_id", "concept_code", "concept_name"))
        self._fill("person", "person_id", ("person_source_value",))
        self._fill("death", "person_id", ("death_datetime", "death_date"))
        self._fill(
            "location",
            "location_id",
            ADDRESS,
        )
        rows = list(self._rows("cdm_source", "cdm_source_abbreviation", ()))
        self.dataset = rows[0][0] if len(rows) == 1 and rows[0][0] else source.name
        self.concept = lru_cache(_CACHE)(self._concept)
        self.person = lru_cache(_CACHE)(self._person)
        self.has = lru_cache(_CACHE)(self._has)

    def _fill(self, table: str, key: str, columns: tuple[str, ...]) -> None:
        rows = ((table, number, json.dumps(cells)) for number, cells in self._rows(table, key, columns))
        self._base.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", rows)

    def _rows(self, table: str, key: str, columns: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
        names, rows = self._source.rows(table)
        if key not in names:
            return
        position = names.index(key)
        wanted = [names.index(column) if column in names else None for column in columns]
        for raw in rows:
            if len(raw.cells) == len(names):
                yield (
                    raw.cells[position].strip(),
                    ["" if at is None else raw.cells[at].strip() for at in wanted],
                )

    def _entry(self, kind: str, number: str) -> list[str] | None:
        row = self._base.execute(
            "SELECT value FROM entry WHERE kind = ? AND id = ?", (kind, number)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def _concept(self, number: str) -> Concept | None:
        cells = self._entry("concept", number)
        if cells is None:
            rows: Iterable[tuple[str, str, str, str]] = self._source.concepts([number]) or ()
            cells = next((list(row[1:]) for row in rows), None)
        if cells is None:
            return None
        vocabulary, code, name = cells
        return Concept(_SYSTEMS.get(vocabulary, vocabulary), code, name)

    def coded(self, concept: str | None, source_concept: str | None, text: str | None) -> Coded | None:
        """A coded value; None where nothing is said. A concept that is not in the table keeps its OMOP number."""
        codings: list[tuple[str, str, str | None, None]] = []
        for number in (concept, source_concept):
            if number is None or number == "0":
                continue
            known = self.concept(number)
            coding = (
                (known.system, known.code, known.name or None, None) if known else (OHDSI, number, None, None)
            )
            if coding not in codings:
                codings.append(coding)
        if text is not None and any(text == coding[1] for coding in codings):
            text = None  # the source's code, which a coding has: no text for people
        return Coded(codings, text) if codings or text else None

    def _person(self, number: str) -> Person:
        if self._authority:
            cells = self._entry("person", number)
            if cells and cells[0]:
                return Person(self._authority, cells[0])
        return Person(None, number)

    def note(self, table: str, number: str) -> None:
        """Note that a table has a row: those that refer to it come after it."""
        self._base.execute("INSERT OR IGNORE INTO entry VALUES (?, ?, '[]')", (table, number))

    def _has(self, table: str, number: str) -> bool:
        return (
            self._base.execute("SELECT 1 FROM entry WHERE kind = ? AND id = ?", (table, number)).fetchone()
            is not None
        )

    def death(self, number: str) -> list[str] | None:
        """Date and time, and date, of a person's death."""
        return self._entry("death", number)

    def location(self, number: str) -> list[str] | None:
        """Lines, city, state, postal code, county, country and its concept of a location."""
        return self._entry("location", number)

    def close(self) -> None:
        """Forget everything."""
        self._base.close()
