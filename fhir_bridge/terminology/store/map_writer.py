"""Writes the concept maps of an import: rows by source, by target, and by source text as people write it."""

# ruff: noqa: S608 - the parts of statements are our own names
from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson

from fhir_bridge.terminology.concept_maps import folded
from fhir_bridge.terminology.store import format as form
from fhir_bridge.terminology.store.staging import MapHeader, Staging

if TYPE_CHECKING:
    from fhir_bridge.terminology.store.builder import Writer

__all__ = ["write_maps"]

_COLUMNS = (
    "source_system, source_code, source_display, target_system, target_code, target_display, equivalence, comment,"
    " extra, grp"
)


def write_maps(staging: Staging, writer: Writer) -> list[dict[str, Any]]:
    """Write all maps; returns their descriptions."""
    if staging.maps:
        staging.db.execute("CREATE INDEX map_source ON map_row (map, source_system, source_code)")
        staging.db.execute("CREATE INDEX map_target ON map_row (map, target_system, target_code)")
    return [_write(staging, writer, place, header) for place, header in enumerate(staging.maps)]


def _write(staging: Staging, writer: Writer, place: int, header: MapHeader) -> dict[str, Any]:
    sources, targets = _systems(staging, place, "source"), _systems(staging, place, "target")
    rows = 0
    resource = dict(header.resource)
    made_groups = "group" not in resource
    if made_groups:
        resource["group"] = _groups(staging, place)
    ordered = staging.rows(
        f"SELECT {_COLUMNS} FROM map_row WHERE map = ? ORDER BY source_system, source_code, rowid", place
    )
    staging.db.execute("CREATE TEMP TABLE text_row (text TEXT, row BLOB)")
    for (system, code), group in groupby(ordered, itemgetter(0, 1)):
        found = [_row(one, targets, resource["group"] if made_groups else None) for one in group]
        rows += len(found)
        writer.put("map", map_key(place, sources.index(system), code), orjson.dumps(found))
        if system is None:
            staging.db.execute("INSERT INTO text_row VALUES (?,?)", (folded(code), orjson.dumps(found)))
    for text, group in groupby(
        staging.rows("SELECT text, row FROM text_row ORDER BY text, rowid"), itemgetter(0)
    ):
        found = [row for _, stored in group for row in orjson.loads(stored)]
        if not _ambiguous(found):
            writer.put("fold", map_key(place, 0, text), orjson.dumps(found))
    staging.db.execute("DROP TABLE text_row")
    ordered = staging.rows(
        f"SELECT {_COLUMNS} FROM map_row WHERE map = ? AND target_code IS NOT NULL"
        " ORDER BY target_system, target_code, rowid",
        place,
    )
    for (system, code), group in groupby(ordered, itemgetter(3, 4)):
        back = [[sources.index(one[0]), one[1], one[2], one[6], one[7]] for one in group]
        writer.put("pam", map_key(place, targets.index(system), code), orjson.dumps(back))
    return {
        "place": place,
        "url": header.url,
        "version": header.version,
        "name": header.name,
        "resource": resource,
        "rows": rows,
        "sources": sources,
        "targets": targets,
    }


def map_key(place: int, system: int, code: str) -> bytes:
    """Key of a row: map, system within the map, code."""
    return form.bounded(place.to_bytes(2, "big") + system.to_bytes(2, "big") + code.encode())


def _systems(staging: Staging, place: int, side: str) -> list[str | None]:
    """Systems of one side in sorted order, so that keys come sorted."""
    query = f"SELECT DISTINCT {side}_system FROM map_row WHERE map = ? ORDER BY 1"
    return [system for (system,) in staging.rows(query, place)]


def _groups(staging: Staging, place: int) -> list[dict[str, Any]]:
    """Groups of a map whose file has none: one for each pair of systems."""
    query = "SELECT DISTINCT source_system, target_system FROM map_row WHERE map = ? ORDER BY 1, 2"
    pairs = list(staging.rows(query, place))
    with_target = {source for source, target in pairs if target is not None}
    return [
        {name: value for name, value in (("source", source), ("target", target)) if value is not None}
        for source, target in pairs
        if target is not None or source not in with_target
    ]


def _group(one: tuple[Any, ...], groups: list[dict[str, Any]]) -> int:
    """The place of a row's group; a row without target stands in the first of its source."""
    for place, group in enumerate(groups):
        if group.get("source") == one[0] and one[3] in (None, group.get("target")):
            return place
    return 0


def _row(one: tuple[Any, ...], targets: list[str | None], groups: list[dict[str, Any]] | None) -> list[Any]:
    """`[target system's place, code, display, equivalence, comment, source display, group, more?]`."""
    group = one[9] if groups is None else _group(one, groups)
    row = [targets.index(one[3]), one[4], one[5], one[6], one[7], one[2], group]
    if one[8]:
        row.append(orjson.loads(one[8]))
    return row


def _ambiguous(rows: list[list[Any]]) -> bool:
    """Whether text leads to several codes of one system, so that only the exact text may count."""
    found = {(row[0], row[1]) for row in rows if row[1]}
    return len({system for system, _ in found}) < len(found)
