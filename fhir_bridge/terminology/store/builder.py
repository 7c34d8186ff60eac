"""Writes what an import has put aside as the store's file: concepts, hierarchy, properties, value sets, maps, text."""

# ruff: noqa: S608 - the parts of statements are our own names
from __future__ import annotations

import datetime
from array import array
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import orjson

from fhir_bridge.terminology.content import PropertyDefinition
from fhir_bridge.terminology.store import format as form
from fhir_bridge.terminology.store.content_writer import ContentWriter
from fhir_bridge.terminology.store.hierarchy import Hierarchy, number
from fhir_bridge.terminology.store.logic_writer import LogicWriter
from fhir_bridge.terminology.store.map_writer import write_maps
from fhir_bridge.terminology.store.progress import Progress
from fhir_bridge.terminology.store.staging import AUXILIARY, Staging, SystemHeader

__all__ = ["write"]

_COMMIT_EVERY = 20_000
_REPORT_EVERY = 1_000


def write(staging: Staging, folder: Path, source: str, progress: Progress) -> dict[str, Any]:
    """Write the file and the text index; returns what the import's own description says of them.

    Args:
        staging: all rows of the import.
        folder: the folder that is being built.
        source: the imported file, for messages.
        progress: is reported what is being done.

    Raises:
        ImportProblem: a code occurs twice.
    """
    progress.begin("sorting")
    staging.index(source)
    # LMDB wants an upper bound; the file itself grows only as it is filled.
    size = max(1 << 26, staging.path.stat().st_size * 6)
    writer = ContentWriter(folder / form.FILE, size)
    described = []
    try:
        staging.db.execute(
            "CREATE TABLE name (rank INTEGER, owner INTEGER, names BLOB, marks TEXT, likely INTEGER)"
        )
        for position, header in enumerate(staging.systems):
            described.append(_System(staging, writer, position, header, progress).write())
        value_sets = 0
        for url, version, resource in staging.rows(
            "SELECT url, version, resource FROM value_set ORDER BY url, version"
        ):
            writer.put("valueset", form.bounded(f"{url}\0{version}".encode()), resource)
            value_sets += 1
        maps = write_maps(staging, writer)
    finally:
        writer.close()
    progress.begin("indexing text", sum(item["concepts"] for item in described), "concepts")
    _write_text(staging, folder / form.TEXT, progress)
    return {"several": len(described) > 1, "systems": described, "value_sets": value_sets, "maps": maps}


def _write_text(staging: Staging, folder: Path, progress: Progress) -> None:
    from fhir_bridge.terminology.search_index import TextWriter  # with tantivy, of the extra `imports`

    index = TextWriter(folder)
    rows = staging.rows("SELECT owner, names, marks, likely FROM name ORDER BY rank")
    for done, (owner, stored, marks, likely) in enumerate(rows, 1):
        if not done % _REPORT_EVERY:
            progress.advance(_REPORT_EVERY)
        names: list[str] = orjson.loads(stored)
        index.add_concept(owner, names, marks)
        reported = set()
        for which, text in enumerate(names):
            if text and text not in reported:
                reported.add(text)
                index.add_name(owner, which, text, marks, likely=likely)
    index.close()


class _System:
    """One code system being written."""

    def __init__(
        self, staging: Staging, writer: ContentWriter, position: int, header: SystemHeader, progress: Progress
    ) -> None:
        self.staging, self.writer, self.position, self.header = staging, writer, position, header
        self.progress = progress
        self.prefix = position.to_bytes(2, "big")
        self.shape = form.Shape()
        self.names: dict[str, str] = {}
        logic = header.logic
        self.logic = None if logic is None else LogicWriter(staging, writer, position, logic)

    def write(self) -> dict[str, Any]:
        """Write everything; returns the description."""
        self.progress.begin(f"hierarchy of {self.header.url}")
        hierarchy = self._hierarchy()
        self.progress.begin(f"concepts of {self.header.url}", len(hierarchy.number_of), "concepts")
        self._codes(hierarchy)
        self._details(hierarchy)
        self._lists(hierarchy)
        self._properties()
        if self.logic is not None and len(hierarchy.number_of):
            self.progress.begin(f"reference sets of {self.header.url}")
            self.logic.values()
            self.logic.members()
        header = self.header
        declared = {item.code: item for item in header.properties}
        for name, kind in self.names.items():
            declared.setdefault(name, PropertyDefinition(name, kind))
        return {
            "place": self.position,
            "url": header.url,
            "version": header.version,
            "name": header.name,
            "title": header.title,
            "content": header.content,
            "case_sensitive": header.case_sensitive,
            "language": header.language,
            "hierarchy_meaning": header.hierarchy_meaning,
            "metadata": {"url": header.url, **header.metadata},
            "properties": [[d.code, d.type, d.uri, d.description] for d in declared.values()],
            "property_places": list(self.names),
            "concepts": len(hierarchy.number_of),
            "covered": hierarchy.covered,
            "shape": self.shape.stored(),
            **({} if self.logic is None else {"logic": self.logic.described()}),
        }

    def _hierarchy(self) -> Hierarchy:
        """The numbered hierarchy; a table from `seq` to number is left for the queries that follow."""
        staging, position = self.staging, self.position
        first, last, count = next(
            staging.rows("SELECT min(seq), max(seq), count(*) FROM concept WHERE sys = ?", position)
        )
        if not count:
            return number(0, ())
        row_numbers: dict[int, int] | None = None
        if last - first + 1 != count:  # systems whose concepts came in turns
            row_numbers = {
                seq: n
                for n, (seq,) in enumerate(
                    staging.rows("SELECT seq FROM concept WHERE sys=? ORDER BY seq", position)
                )
            }
        # A pair in one number of 8 bytes: a release has millions of them.
        edges = array("Q")
        # CROSS JOIN keeps the order of the join in SQLite: from each edge by the index to its two concepts.
        for child, parent in staging.rows(
            "SELECT c.seq, p.seq FROM edge e CROSS JOIN concept c ON c.sys = e.sys AND c.key = e.key"
            " CROSS JOIN concept p ON p.sys = e.sys AND p.key = e.parent WHERE e.sys = ?",
            position,
        ):
            if row_numbers is None:
                edges.append((child - first) << 32 | (parent - first))
            else:
                edges.append(row_numbers[child] << 32 | row_numbers[parent])
        (details,) = next(staging.rows("SELECT count(*) FROM edge WHERE sys = ?", position))
        if details != len(edges):
            staging.note(
                f"{self.header.url}: parents or children that are not concepts of it", details - len(edges)
            )
        hierarchy = number(count, edges)
        if hierarchy.dropped:
            staging.note(
                f"{self.header.url}: steps of the hierarchy that went in circles, left out",
                len(hierarchy.dropped),
            )
        staging.db.execute(f"CREATE TABLE place{position} (number INTEGER PRIMARY KEY, seq INTEGER)")
        staging.db.execute("BEGIN")
        seqs = [seq for (seq,) in staging.rows("SELECT seq FROM concept WHERE sys=? ORDER BY seq", position)]
        staging.db.executemany(
            f"INSERT INTO place{position} VALUES (?, ?)",
            ((n, seqs[concept]) for n, concept in enumerate(hierarchy.concept_at)),
        )
        staging.db.execute("COMMIT")
        staging.db.execute(f"CREATE UNIQUE INDEX place{position}_seq ON place{position} (seq)")
        return hierarchy

    def _codes(self, hierarchy: Hierarchy) -> None:
        for key, code, display, active, abstract, n in (
            self.staging.rows(
                "SELECT c.key, c.code, c.display, c.active, c.abstract, p.number"
                f" FROM concept c CROSS JOIN place{self.position} p ON p.seq = c.seq WHERE c.sys = ? ORDER BY c.key",
                self.position,
            )
            if len(hierarchy.number_of)
            else ()
        ):
            flags = (0 if active else form.INACTIVE) | (form.ABSTRACT if abstract else 0)
            flags |= form.COVERS if n in hierarchy.extra else 0
            flags |= form.OWN_CASE if key != code else 0
            flags |= form.HAS_DISPLAY if display else 0
            record = form.HEAD.pack(n, hierarchy.end[n], flags) + (display or "").encode()
            self.writer.put("code", self.prefix + form.bounded(key.encode()), record)

    def _details(self, hierarchy: Hierarchy) -> None:
        """Details and codes by number, and names for the text index."""
        if not len(hierarchy.number_of):
            return
        position = self.position
        joined = (
            "CROSS JOIN concept c ON c.sys = x.sys AND c.key = x.key"
            f" CROSS JOIN place{position} p ON p.seq = c.seq"
        )
        # Three streams in the order of the numbers, read side by side: only one concept's rows are in memory.
        designations = _Grouped(
            self.staging.rows(
                "SELECT p.number, x.value, x.language, x.use_system, x.use_code, x.use_display, x.extensions"
                f" FROM designation x {joined} WHERE x.sys = ? ORDER BY p.number, x.rowid",
                position,
            )
        )
        properties = _Grouped(
            self.staging.rows(
                "SELECT p.number, x.name, x.value, x.type, x.grp"
                f" FROM property x {joined} WHERE x.sys = ? ORDER BY p.number, x.rowid",
                position,
            )
        )
        concepts = self.staging.rows(
            "SELECT p.number, c.code, c.display, c.definition, c.active, c.rank, c.extensions, c.descriptions"
            f" FROM place{position} p CROSS JOIN concept c ON c.seq = p.seq ORDER BY p.number"
        )
        waiting: list[tuple[int, int, bytes, str, bool]] = []
        for n, code, display, definition, active, rank, extensions, descriptions in concepts:
            if n % _REPORT_EVERY == _REPORT_EVERY - 1:
                self.progress.advance(_REPORT_EVERY)
            key = self.prefix + n.to_bytes(4, "big")
            self.writer.put("node", key, code.encode())
            names = [self._designation(row) for row in designations.of(n)]
            values = self._values(n, properties.of(n))
            if self.logic is not None and descriptions:
                self.logic.descriptions(n, descriptions, [name[0] for name in names])
            if definition or names or values or extensions:
                more = orjson.Fragment(extensions) if extensions else None
                self.writer.put("detail", key, form.encode_detail(definition, names, values, more))
            marks = f"s{position} a" if active else f"s{position}"
            # Active concepts first, then by rank, then those with the shorter display.
            worth = (0 if active else 1) << 48 | min(rank, 0xFFFFFF) << 16 | min(len(display or ""), 0xFFFF)
            encoded = orjson.dumps([display or "", *(name[0] for name in names)])
            likely = bool(active) and rank < AUXILIARY
            waiting.append((worth, position << 32 | n, encoded, marks, likely))
            if len(waiting) >= _COMMIT_EVERY:
                self._put_names(waiting)
        self._put_names(waiting)

    def _put_names(self, waiting: list[tuple[int, int, bytes, str, bool]]) -> None:
        db = self.staging.db
        db.execute("BEGIN")
        db.executemany("INSERT INTO name VALUES (?,?,?,?,?)", waiting)
        db.execute("COMMIT")
        waiting.clear()

    def _designation(self, row: tuple[Any, ...]) -> list[Any]:
        _, value, language, system, code, display, extensions = row
        use = -1 if code is None else self.shape.uses.number_of((system or "", code, display))
        results = [value, -1 if language is None else self.shape.languages.number_of(language), use]
        if extensions:
            results.append(orjson.Fragment(extensions))
        return results

    def _values(self, position: int, rows: Iterator[tuple[Any, ...]]) -> list[list[Any]]:
        """The properties of a concept; an attribute that is in several role groups is one property."""
        if self.logic is None:
            return [self._property(row) for row in rows]
        results = list(rows)
        self.logic.roles(position, ((row[4], *row[1:4]) for row in results if row[4] is not None))
        return [self._property(row) for row in {row[1:4]: row for row in results}.values()]

    def _property(self, row: tuple[Any, ...]) -> list[Any]:
        _, name, value, kind, _ = row
        self.names.setdefault(name, kind)
        typed: Any = value
        if kind == "boolean":
            typed = value == "true"
        elif kind == "integer":
            typed = int(value)
        elif kind == "Coding":
            typed = orjson.loads(value)
        return [self.shape.names.number_of((name, kind)), typed]

    def _lists(self, hierarchy: Hierarchy) -> None:
        put, prefix = self.writer.put, self.prefix
        for name, lists in (("up", hierarchy.parents), ("down", hierarchy.children)):
            for n in range(len(hierarchy.number_of)):
                if numbers := lists[n]:
                    put(name, prefix + n.to_bytes(4, "big"), form.packed(numbers))
        for n in sorted(hierarchy.extra):
            put("cover", prefix + n.to_bytes(4, "big"), form.packed(hierarchy.extra[n]))
        put("order", prefix, form.packed(hierarchy.number_of))
        put("roots", prefix, form.packed(hierarchy.roots))

    def _properties(self) -> None:
        """Which concepts have a property of a value."""
        if not self.names:
            return
        positions = {name: n for n, name in enumerate(self.names)}
        rows = self.staging.rows(
            "SELECT x.name, CASE x.type WHEN 'Coding' THEN json_extract(x.value, '$.code') ELSE x.value END AS asked,"
            " p.number"
            f" FROM property x CROSS JOIN concept c ON c.sys = x.sys AND c.key = x.key"
            f" CROSS JOIN place{self.position} p ON p.seq = c.seq WHERE x.sys = ? ORDER BY x.name, asked, p.number",
            self.position,
        )
        for (name, value), group in groupby(rows, itemgetter(0, 1)):
            numbers = array("I", dict.fromkeys(n for _, _, n in group))
            key = self.prefix + positions[name].to_bytes(2, "big") + (value or "").encode()
            self.writer.put("prop", form.bounded(key), form.packed(numbers))


class _Grouped:
    """Rows sorted by their first column, given out number by number."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._groups = groupby(rows, itemgetter(0))
        self._number = -1
        self._rows: Iterator[tuple[Any, ...]] = iter(())

    def of(self, number: int) -> Iterator[tuple[Any, ...]]:
        """Rows of a number; numbers are asked for in rising order."""
        while self._number < number:
            following = next(self._groups, None)
            if following is None:
                return iter(())
            self._number, self._rows = following
        return self._rows if self._number == number else iter(())


def stamp() -> str:
    """Now, in UTC, as an instant."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
