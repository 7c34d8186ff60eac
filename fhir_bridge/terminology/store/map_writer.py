"""Writes the concept maps of an import: rows by source, by target, and by source text as people write it."""

# ruff: noqa: S608 - the parts of statements are our own names
from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson

from fhir_bridge.terminology.concept_maps import folded
from fhir_bridge.terminology.store import format as form
from fhir_bridge.terminology.store.content_writer import ContentWriter
from fhir_bridge.terminology.store.staging import MapHeader, Staging

__all__ = ["write_maps"]

_COLUMNS = (
    "source_system, source_code, source_display, target_system, target_code, target_display, equivalence, comment,"
    " extra, grp"
)


def write_maps(staging: Staging, writer: ContentWriter) -> list[dict[str, Any]]:
    """Write all maps; returns their descriptions."""
    if staging.maps:
        staging.db.execute("CREATE INDEX map_source ON map_row (map, source_system, source_code)")
        staging.db.execute("CREATE INDEX map_target ON map_row (map, target_system, target_code)")
    return [_write(staging, writer, location, header) for location, header in enumerate(staging.maps)]


def _write(staging: Staging, writer: ContentWriter, position: int, header: MapHeader) -> dict[str, Any]:
    sources, targets = _systems(staging, position, "source"), _systems(staging, position, "target")
    rows = 0
    resource = dict(header.resource)
    regroup = "group" not in resource
    if regroup:
        resource["group"] = _groups(staging, position)
    ordered = staging.rows(
        f"SELECT {_COLUMNS} FROM map_row WHERE map = ? ORDER BY source_system, source_code, rowid", position
    )
    # Folded texts have another order than the codes; sorted aside, they come to LMDB in the order of its keys.
    staging.db.execute("CREATE TEMP TABLE text_row (text TEXT, row BLOB)")
    for (system, code), group in groupby(ordered, itemgetter(0, 1)):
        results = [_row(item, targets, resource["group"] if regroup else None) for item in group]
        rows += len(results)
        writer.put("map", map_key(position, sources.index(system), code), orjson.dumps(results))
        if system is None:
            staging.db.execute("INSERT INTO text_row VALUES (?,?)", (folded(code), orjson.dumps(results)))
    for text, group in groupby(
        staging.rows("SELECT text, row FROM text_row ORDER BY text, rowid"), itemgetter(0)
    ):
        results = [row for _, stored in group for row in orjson.loads(stored)]
        if not _ambiguous(results):
            writer.put("fold", map_key(position, 0, text), orjson.dumps(results))
    staging.db.execute("DROP TABLE text_row")
    ordered = staging.rows(
        f"SELECT {_COLUMNS} FROM map_row WHERE map = ? AND target_code IS NOT NULL"
        " ORDER BY target_system, target_code, rowid",
        position,
    )
    for (system, code), group in groupby(ordered, itemgetter(3, 4)):
        back = [[sources.index(item[0]), item[1], item[2], item[6], item[7]] for item in group]
        writer.put("pam", map_key(position, targets.index(system), code), orjson.dumps(back))
    return {
        "place": position,
        "url": header.url,
        "version": header.version,
        "name": header.name,
        "resource": resource,
        "rows": rows,
        "sources": sources,
        "targets": targets,
    }


def map_key(position: int, system: int, code: str) -> bytes:
    """Key of a row: map, system within the map, code."""
    return form.bounded(position.to_bytes(2, "big") + system.to_bytes(2, "big") + code.encode())


def _systems(staging: Staging, position: int, side: str) -> list[str | None]:
    """Systems of one side in sorted order, so that keys come sorted."""
    query = f"SELECT DISTINCT {side}_system FROM map_row WHERE map = ? ORDER BY 1"
    return [system for (system,) in staging.rows(query, position)]


def _groups(staging: Staging, position: int) -> list[dict[str, Any]]:
    """Groups of a map whose file has none: one for each pair of systems."""
    query = "SELECT DISTINCT source_system, target_system FROM map_row WHERE map = ? ORDER BY 1, 2"
    pairs = list(staging.rows(query, position))
    with_target = {source for source, target in pairs if target is not None}
    return [
        {name: value for name, value in (("source", source), ("target", target)) if value is not None}
        for source, target in pairs
        if target is not None or source not in with_target
    ]


def _group(item: tuple[Any, ...], groups: list[dict[str, Any]]) -> int:
    """The place of a row's group; a row without target is in the first of its source."""
    for location, group in enumerate(groups):
        if group.get("source") == item[0] and item[3] in (None, group.get("target")):
            return location
    return 0


def _row(item: tuple[Any, ...], targets: list[str | None], groups: list[dict[str, Any]] | None) -> list[Any]:
    """`[target system's place, code, display, equivalence, comment, source display, group, more?]`."""
    group = item[9] if groups is None else _group(item, groups)
    row = [targets.index(item[3]), item[4], item[5], item[6], item[7], item[2], group]
    if item[8]:
        row.append(orjson.loads(item[8]))
    return row


def _ambiguous(rows: list[list[Any]]) -> bool:
    """Whether text leads to several codes of one system, so that only the exact text may count."""
    results = {(row[0], row[1]) for row in rows if row[1]}
    return len({system for system, _ in results}) < len(results)
