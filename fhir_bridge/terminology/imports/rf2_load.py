"""Reads the files of an RF2 release into tables of their own, where of each component the newest state stays."""

# ruff: noqa: S608 - the parts of statements are our own names
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from fhir_bridge.terminology.imports.rf2_files import Files, identifier, is_concept
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import Staging

__all__ = ["ReferenceSets", "load"]

_DEFINED = "900000000000073002"

_TABLES = """
CREATE TABLE x_concept (id INTEGER PRIMARY KEY, time TEXT, active INTEGER, module TEXT, defined INTEGER, line INTEGER);
CREATE TABLE x_term (id INTEGER PRIMARY KEY, time TEXT, active INTEGER, concept INTEGER, language TEXT, kind INTEGER,
    term TEXT, module TEXT);
CREATE TABLE x_dialect (term INTEGER, refset INTEGER, time TEXT, active INTEGER, acceptability INTEGER,
    PRIMARY KEY (term, refset)) WITHOUT ROWID;
CREATE TABLE x_relation (id INTEGER PRIMARY KEY, time TEXT, active INTEGER, source INTEGER, kind INTEGER, target TEXT,
    grp INTEGER);
CREATE TABLE x_member (id BLOB PRIMARY KEY, time TEXT, active INTEGER, refset INTEGER, component INTEGER, module TEXT,
    fields BLOB) WITHOUT ROWID;
CREATE TABLE x_depends (module TEXT, target TEXT, time TEXT);
"""

_NEWER = "WHERE excluded.time > time OR (excluded.time = time AND excluded.active > active)"
_REFSET = re.compile(r"x?der2_([a-z]*)Refset_")
_SIMPLE = re.compile(r"Refset_.*(Simple|Map)")


@dataclass
class ReferenceSets:
    """The reference sets whose members are concepts.

    Attributes:
        fields: names and types of the fields after referencedComponentId.
        simple: those of simple and map files; the others don't list concepts but say something of them.
    """

    fields: dict[int, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    simple: set[int] = field(default_factory=set)


def load(files: Files, staging: Staging) -> ReferenceSets:
    """Read concepts, descriptions, relationships and reference sets; returns what the latter are.

    Raises:
        ImportProblem: a line is broken.
    """
    staging.db.executescript(_TABLES)
    _concepts(files, staging)
    _descriptions(files, staging)
    _relationships(files, staging)
    staging.insert(
        "INSERT INTO x_depends VALUES (?,?,?)",
        (
            (row[3], row[4], row[5])
            for _, _, row in files.rows(
                "_ssRefset_.*ModuleDependency", ("referencedComponentId", "sourceEffectiveTime")
            )
            if row[2] == "1"
        ),
    )
    sets = ReferenceSets()
    _members(files, staging, sets)
    staging.db.execute("CREATE INDEX x_term_concept ON x_term (concept)")
    return sets


def _upsert(table: str, columns: int, key: str, *changing: str) -> str:
    """A statement that keeps the newest state of a component."""
    marks = ",".join("?" * columns)
    changes = ", ".join(f"{name} = excluded.{name}" for name in ("time", "active", *changing))
    return f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {changes} {_NEWER}"


def _concepts(files: Files, staging: Staging) -> None:
    staging.insert(
        _upsert("x_concept", 6, "id", "module", "defined"),
        (
            (identifier(label, line, row[0]), row[1], row[2], row[3], row[4] == _DEFINED, line)
            for label, line, row in files.rows("_Concept_", ("definitionStatusId",))
        ),
    )


def _descriptions(files: Files, staging: Staging) -> None:
    staging.insert(
        _upsert("x_term", 8, "id", "term", "module"),
        (
            (
                identifier(label, line, row[0]),
                row[1],
                row[2],
                identifier(label, line, row[4]),
                row[5],
                identifier(label, line, row[6]),
                row[7],
                row[3],
            )
            for label, line, row in files.rows(
                "_(Description|TextDefinition)_", ("conceptId", "languageCode", "typeId", "term")
            )
        ),
    )
    staging.insert(
        _upsert("x_dialect", 5, "term, refset", "acceptability"),
        (
            (
                identifier(label, line, row[5]),
                identifier(label, line, row[4]),
                row[1],
                row[2],
                identifier(label, line, row[6]),
            )
            for label, line, row in files.rows(
                "_cRefset_.*Language", ("refsetId", "referencedComponentId", "acceptabilityId")
            )
        ),
    )


def _relationships(files: Files, staging: Staging) -> None:
    for pattern, column in (("_Relationship_", "destinationId"), ("_RelationshipConcreteValues_", "value")):
        staging.insert(
            _upsert("x_relation", 7, "id", "target", "grp"),
            (
                (
                    identifier(label, line, row[0]),
                    row[1],
                    row[2],
                    identifier(label, line, row[4]),
                    identifier(label, line, row[5]),
                    row[6] if column == "value" else str(identifier(label, line, row[6])),
                    _group(label, line, row[7]),
                )
                for label, line, row in files.rows(
                    pattern, ("sourceId", "typeId", column, "relationshipGroup")
                )
            ),
        )


def _group(label: str, line: int, text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    raise ImportProblem(label, line, f'has "{text[:40]}" as relationshipGroup, where a number is expected')


def _members(files: Files, staging: Staging, sets: ReferenceSets) -> None:
    """All reference sets but those for languages, whose members are descriptions."""
    for name in files.matching(_REFSET.pattern):
        base = name.rsplit("/", 1)[-1]
        kinds = _REFSET.match(base)
        if kinds is None or "Language" in base:
            continue
        columns = [re.sub(r"\s", "", column) for column in files.columns(name)[6:]]
        # A file's name has a letter for the type of each field; where they don't match, all are read as texts.
        types = kinds[1] if len(kinds[1]) == len(columns) else "s" * len(columns)
        staging.insert(
            _upsert("x_member", 7, "id", "module", "fields"),
            _member_rows(files, staging, name, tuple(zip(columns, types, strict=True)), sets),
        )


def _member_rows(
    files: Files, staging: Staging, name: str, fields: tuple[tuple[str, str], ...], sets: ReferenceSets
) -> Iterator[tuple[Any, ...]]:
    simple = _SIMPLE.search(name.rsplit("/", 1)[-1]) is not None
    columns = ("refsetId", "referencedComponentId", *(column for column, _ in fields))
    for label, line, row in files.rows_of(name, columns):
        refset, component = identifier(label, line, row[4]), identifier(label, line, row[5])
        if not is_concept(component):
            continue
        if sets.fields.setdefault(refset, fields) != fields:
            staging.note(f"reference set {refset} is in several files with other fields: left out")
            continue
        if simple:
            sets.simple.add(refset)
        yield _row_id(row[0]), row[1], row[2], refset, component, row[3], orjson.dumps(row[6:])


def _row_id(text: str) -> bytes:
    """A UUID in 16 bytes; what is none as it is."""
    try:
        # As bytes a key takes less than half of its text.
        return bytes.fromhex(text.replace("-", ""))
    except ValueError:
        return text.encode()
