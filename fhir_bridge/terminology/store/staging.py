"""What an importer reads is put aside here, on disk, until the whole file is read and the store's file can be written.

An SQLite file in the folder that is being built: it takes rows in any order and sorts them within bounded memory.
It is thrown away with the folder.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.terminology.content import PropertyDefinition
from fhir_bridge.terminology.store.errors import ImportProblem

__all__ = [
    "AUXILIARY",
    "ConceptRow",
    "DesignationRow",
    "LogicHeader",
    "MapHeader",
    "MapRow",
    "MemberRow",
    "PropertyRow",
    "Staging",
    "SystemHeader",
]

_BATCH = 20_000

AUXILIARY = 1 << 23
"""Concepts of this rank and beyond are parts of others (LOINC parts, answers): searched, but never a candidate."""


@dataclass
class LogicHeader:
    """What ECL asks of an RF2 release beyond a CodeSystem (`ecl_evaluation_set.Logic`).

    Attributes:
        kinds: what many descriptions have in common, as the fields of `ecl_evaluation_set.DescriptionForm`.
        reference_sets: by SCTID, names and types of the fields after referencedComponentId.
    """

    kinds: list[tuple[Any, ...]] = field(default_factory=list)
    reference_sets: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)


@dataclass
class SystemHeader:
    """A code system that is being imported.

    Attributes:
        content: code of codesystem-content-mode; `complete` where the file holds all of it.
        metadata: FHIR JSON of the CodeSystem without its concepts, for what the other attributes don't say.
        properties: properties that it declares; those that are met without a declaration are added.
        logic: given where role groups, descriptions and members are kept.
    """

    url: str
    version: str | None
    name: str | None = None
    title: str | None = None
    content: str = "complete"
    case_sensitive: bool = True
    language: str | None = None
    hierarchy_meaning: str | None = "is-a"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    properties: list[PropertyDefinition] = field(default_factory=list)
    logic: LogicHeader | None = None


class ConceptRow(NamedTuple):
    """A concept; `line` is where it is in `file`, `rank` orders what text search finds (smaller first).

    `descriptions` is JSON of `[id, place in LogicHeader.kinds, which designation or the term itself]` each.
    """

    code: str
    display: str | None
    definition: str | None = None
    active: bool = True
    abstract: bool = False
    line: int = 0
    rank: int = 0
    extensions: bytes | None = None
    descriptions: bytes | None = None


class DesignationRow(NamedTuple):
    """A designation of a concept."""

    code: str
    value: str
    language: str | None = None
    use_system: str | None = None
    use_code: str | None = None
    use_display: str | None = None
    extensions: bytes | None = None


class PropertyRow(NamedTuple):
    """A property of a concept; `value` is the text of a code, string, dateTime or decimal, `true`/`false`, digits, or
    the JSON of a Coding. With a role group (0 for none of its own) it is an attribute in ECL's sense."""

    code: str
    name: str
    value: str
    type: str = "string"
    group: int | None = None


class MemberRow(NamedTuple):
    """A row of a reference set; `fields` is JSON of what follows referencedComponentId, as texts."""

    reference_set: str
    code: str
    active: bool
    module: str
    time: str
    fields: bytes


@dataclass
class MapHeader:
    """A concept map that is being imported; `resource` is its FHIR JSON, whose groups hold no elements."""

    url: str
    version: str | None
    name: str | None
    resource: Mapping[str, Any]


class MapRow(NamedTuple):
    """A row of a concept map; without target code it says that there is none. `extra` is JSON of what else the target
    has (dependsOn, product, extension)."""

    source_system: str | None
    source_code: str
    source_display: str | None
    target_system: str | None
    target_code: str | None
    target_display: str | None
    equivalence: str
    comment: str | None = None
    extra: bytes | None = None
    group: int = 0


_TABLES = """
CREATE TABLE concept (
    seq INTEGER PRIMARY KEY, sys INTEGER, key TEXT, code TEXT, display TEXT, definition TEXT,
    active INTEGER, abstract INTEGER, line INTEGER, rank INTEGER, extensions BLOB, descriptions BLOB);
CREATE TABLE designation (
    sys INTEGER, key TEXT, value TEXT, language TEXT, use_system TEXT, use_code TEXT, use_display TEXT,
    extensions BLOB);
CREATE TABLE property (sys INTEGER, key TEXT, name TEXT, value TEXT, type TEXT, grp INTEGER);
CREATE TABLE member (
    sys INTEGER, reference_set TEXT, key TEXT, active INTEGER, module TEXT, time TEXT, fields BLOB);
CREATE TABLE edge (sys INTEGER, key TEXT, parent TEXT);
CREATE TABLE value_set (url TEXT, version TEXT, resource BLOB);
CREATE TABLE map_row (
    map INTEGER, source_system TEXT, source_code TEXT, source_display TEXT, target_system TEXT, target_code TEXT,
    target_display TEXT, equivalence TEXT, comment TEXT, extra BLOB, grp INTEGER);
"""


class Staging:
    """Rows of one import. `db` is open to importers for tables of their own, which begin with `x_`."""

    def __init__(self, folder: Path) -> None:
        """Create the file in a folder that is being built."""
        self.path = folder / "staging.sqlite"
        # Each batch is a transaction of its own (`insert`); sqlite3 would begin its own ones otherwise.
        self.db = sqlite3.connect(self.path, isolation_level=None)
        # The file never outlives a failure, so it needs neither journal nor sync. What is sorted goes beside
        # it, not to /tmp, which may be small or in memory.
        beside = str(folder).replace("'", "''")  # a PRAGMA takes no parameters
        self.db.executescript(
            f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA temp_store_directory='{beside}';"
            "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-65536; PRAGMA temp_store=FILE;"
        )
        self.db.executescript(_TABLES)
        self.systems: list[SystemHeader] = []
        self.maps: list[MapHeader] = []
        self.notes: dict[str, int] = {}

    def close(self) -> None:
        """Close and remove the file."""
        self.db.close()
        self.path.unlink(missing_ok=True)

    def note(self, text: str, count: int = 1) -> None:
        """Something that the person who imports should know."""
        self.notes[text] = self.notes.get(text, 0) + count

    # --- code systems ---

    def system(self, header: SystemHeader) -> int:
        """Begin a code system; returns its number within the import."""
        self.systems.append(header)
        return len(self.systems) - 1

    def concepts(self, system: int, rows: Iterable[ConceptRow]) -> None:
        """Add concepts, in the order of the source."""
        fold = self._fold(system)
        self.insert(
            "INSERT INTO concept VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?)",
            ((system, fold(row[0]), *row) for row in rows),
        )

    def designations(self, system: int, rows: Iterable[DesignationRow]) -> None:
        """Add designations; those of codes that don't come are dropped and noted."""
        fold = self._fold(system)
        self.insert(
            "INSERT INTO designation VALUES (?,?,?,?,?,?,?,?)",
            ((system, fold(row[0]), *row[1:]) for row in rows if row[1]),
        )

    def properties(self, system: int, rows: Iterable[PropertyRow]) -> None:
        """Add properties; those of codes that don't come are dropped and noted."""
        fold = self._fold(system)
        self.insert(
            "INSERT INTO property VALUES (?,?,?,?,?,?)", ((system, fold(row[0]), *row[1:]) for row in rows)
        )

    def members(self, system: int, rows: Iterable[MemberRow]) -> None:
        """Add rows of reference sets; those of codes that don't come are dropped."""
        fold = self._fold(system)
        self.insert(
            "INSERT INTO member VALUES (?,?,?,?,?,?,?)",
            ((system, row[0], fold(row[1]), *row[2:]) for row in rows),
        )

    def edges(self, system: int, rows: Iterable[tuple[str, str]]) -> None:
        """Add (code, parent) pairs."""
        fold = self._fold(system)
        self.insert("INSERT INTO edge VALUES (?,?,?)", ((system, fold(row[0]), fold(row[1])) for row in rows))

    # --- value sets and maps ---

    def value_set(self, resource: Mapping[str, Any], text: bytes | None = None) -> None:
        """Add a ValueSet; `text` is its JSON, where `resource` is not all of it."""
        self.db.execute(
            "INSERT INTO value_set VALUES (?,?,?)",
            (resource["url"], str(resource.get("version") or ""), text or dumps(resource)),
        )

    def concept_map(self, header: MapHeader) -> int:
        """Begin a concept map; returns its number within the import."""
        self.maps.append(header)
        return len(self.maps) - 1

    def map_rows(self, number: int, rows: Iterable[MapRow]) -> None:
        """Add rows of a concept map."""
        self.rows_of_maps((number, row) for row in rows)

    def rows_of_maps(self, rows: Iterable[tuple[int, MapRow]]) -> None:
        """Add rows of concept maps, each with the number of its map, in whatever order."""
        self.insert(
            "INSERT INTO map_row VALUES (?,?,?,?,?,?,?,?,?,?,?)", ((number, *row) for number, row in rows)
        )

    def drop_equal_map_rows(self, number: int) -> None:
        """Keep of equal rows of a concept map the first."""
        self.db.execute(
            "DELETE FROM map_row WHERE map = ? AND rowid NOT IN (SELECT min(rowid) FROM map_row WHERE map = ? "
            "GROUP BY source_system, source_code, source_display, target_system, target_code, target_display, "
            "equivalence, comment, extra, grp)",
            (number, number),
        )

    # --- reading back ---

    def index(self, file: str) -> None:
        """Make concepts findable by their code.

        Raises:
            ImportProblem: a code occurs twice in one code system.
        """
        try:
            self.db.execute("CREATE UNIQUE INDEX concept_key ON concept (sys, key)")
        except sqlite3.IntegrityError:
            system, code, first, second = self.db.execute(
                "SELECT sys, min(code), min(line), max(line) FROM concept GROUP BY sys, key HAVING count(*) > 1 LIMIT 1"
            ).fetchone()
            url = self.systems[system].url
            raise ImportProblem(
                file,
                second or None,
                f'the code "{code}" of {url} occurs twice{f" (first in line {first})" if first else ""}; '
                "take one out",
            ) from None

    def rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Rows of a query."""
        return iter(self.db.execute(query, values))

    def _fold(self, system: int) -> Any:
        return str if self.systems[system].case_sensitive else str.casefold

    def insert(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Run a statement for each row, many at a time; rows may be created by reading this very file."""
        waiting = iter(rows)
        while batch := list(islice(waiting, _BATCH)):
            self.db.execute("BEGIN")
            self.db.executemany(statement, batch)
            self.db.execute("COMMIT")
