"""Versions that were: vread and history at three levels, within what the caller may see.

An old version may have been about another patient than the current one. So both must be within the caller's bounds: the
resource as it is, by SQL, and the version's own content, by the same rules in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.storage.conditions import TRUE, Condition, all_of, any_of
from fhir_bridge.storage.cursors import Cursors
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import Gone, NotFound
from fhir_bridge.storage.indexing import index
from fhir_bridge.storage.page_bytes import that_fit, within_bytes
from fhir_bridge.storage.permission import (
    allowed,
    compile_access,
    owners_of_contents,
    people_of,
    require,
)
from fhir_bridge.storage.stored import Stored, parse_for_reading

__all__ = ["HistoryEntry", "HistoryPage", "instance_history", "read_version", "type_history"]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A version and how it came about; `stored.bytes` is empty for a deletion."""

    stored: Stored
    method: Literal["POST", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of versions; `total` None where not counted."""

    entries: list[HistoryEntry]
    total: int | None = None
    next: str | None = None


Row = tuple[str, str, int, datetime, bytes | None, int]
"""type, id, version, lastUpdated, bytes, key."""


async def read_version(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    resource_type: str,
    identity: str,
    version: str,
    access: AccessFilter,
) -> Stored:
    """One version; see `Store.vread`."""
    require(access, resource_type, "r")
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise NotFound(f"no {resource_type}/{identity} version {version}")
    permitted = await compile_access(access, resource_type, "r", dictionaries)
    statement = (
        "SELECT r.type, r.id, v.version, v.last_updated, v.bytes, r.key FROM resource r, LATERAL ("  # noqa: S608
        "SELECT r.version, r.last_updated, r.bytes WHERE r.version = %s UNION ALL "
        "SELECT h.version, h.last_updated, h.bytes FROM history h WHERE h.resource = r.key AND h.version = %s) v "
        f"WHERE r.type = %s AND r.id = %s AND r.version > 0 AND {permitted.text}"
    )
    number = int(version)
    async with pool.connection() as connection:
        rows = await connection.execute(
            statement.encode(), (number, number, resource_type, identity, *permitted.values), binary=True
        )
        row: Any = await rows.fetchone()
        visible = [] if row is None else await _visible(connection, access, [row], permitted, "r")
    if not visible:
        raise NotFound(f"no {resource_type}/{identity} version {version}")
    if row[4] is None:
        raise Gone(f"{resource_type}/{identity} version {version} is its deletion")
    return Stored(*row[:5])


async def instance_history(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    cursors: Cursors,
    resource_type: str,
    identity: str,
    access: AccessFilter,
    *,
    count: int,
    since: datetime | None,
    cursor: str | None,
    most_bytes: int,
) -> HistoryPage:
    """All versions of a resource: the current first, then by number; late arrivals among them."""
    require(access, resource_type, "r")
    bound = (access.subject, "history", resource_type, identity, str(since))
    before = cursors.read(cursor, bound) if cursor else [0, 2**31 - 1]
    permitted = await compile_access(access, resource_type, "r", dictionaries)
    statement = within_bytes(
        "SELECT r.type, r.id, v.version, v.last_updated, v.bytes, r.key, v.current FROM resource r, LATERAL ("  # noqa: S608
        "SELECT r.version, r.last_updated, r.bytes, 1 AS current UNION ALL "
        "SELECT h.version, h.last_updated, h.bytes, 0 FROM history h WHERE h.resource = r.key) v "
        f"WHERE r.type = %s AND r.id = %s AND r.version > 0 AND {permitted.text} "
        "AND v.last_updated >= coalesce(%s, '-infinity'::timestamptz) "
        "AND (%s = 0 OR v.current = 0) AND v.version < %s ORDER BY v.current DESC, v.version DESC LIMIT %s",
        ("type", "id", "version", "last_updated", "bytes", "key", "current"),
        "q.current DESC, q.version DESC",
    )
    values = (most_bytes, resource_type, identity, *permitted.values, since, *before, count + 1)
    async with pool.connection() as connection:
        rows: list[Any] = await (await connection.execute(statement.encode(), values, binary=True)).fetchall()
        page = that_fit(rows[:count])
        entries = [_entry(row) for row in await _visible(connection, access, page, permitted, "r")]
    if not rows and cursor is None and since is None:
        raise NotFound(f"no {resource_type}/{identity}")
    following = None
    if len(rows) > len(page) and page:
        last = page[-1]
        following = cursors.make([1, 2**31 - 1 if last[6] else last[2]], bound)
    total = len(entries) if cursor is None and following is None else None
    return HistoryPage(entries, total, following)


async def type_history(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    cursors: Cursors,
    types: list[str],
    access: AccessFilter,
    *,
    count: int,
    since: datetime | None,
    cursor: str | None,
    most_bytes: int,
) -> HistoryPage:
    """Versions of all resources of some types, newest first; what came late and never was current is left out."""
    bound = (access.subject, "history", types, str(since))
    after = TRUE
    if cursor is not None:
        moment, key, version = cursors.read(cursor, bound)
        after = Condition(
            "(v.last_updated, r.key, v.version) < (%s::timestamptz, %s, %s)", (moment, key, version)
        )
    permitted = {kind: await compile_access(access, kind, "s", dictionaries) for kind in types}
    groups: list[tuple[Condition, list[str]]] = []
    for kind, condition in permitted.items():  # most types are under the same condition
        for known, kinds in groups:
            if known == condition:
                kinds.append(kind)
                break
        else:
            groups.append((condition, [kind]))
    where = any_of(
        all_of([Condition("r.type = ANY(%s)", (kinds,)), condition]) for condition, kinds in groups
    )
    statement = within_bytes(
        "SELECT r.type, r.id, v.version, v.last_updated, v.bytes, r.key, v.last_updated::text AS moment FROM ("  # noqa: S608
        "SELECT key AS resource, version, last_updated, bytes FROM resource WHERE version > 0 UNION ALL "
        "SELECT resource, version, last_updated, bytes FROM history WHERE kind IN ('v', 'd')) v "
        f"JOIN resource r ON r.key = v.resource WHERE {where.text} AND {after.text} "
        "AND v.last_updated >= coalesce(%s, '-infinity'::timestamptz) "
        "ORDER BY v.last_updated DESC, r.key DESC, v.version DESC LIMIT %s",
        ("type", "id", "version", "last_updated", "bytes", "key", "moment"),
        "q.last_updated DESC, q.key DESC, q.version DESC",
    )
    values = (most_bytes, *where.values, *after.values, since, count + 1)
    visible: list[Any] = []
    async with pool.connection() as connection:
        rows: list[Any] = await (await connection.execute(statement.encode(), values, binary=True)).fetchall()
        page = that_fit(rows[:count])
        for kind in {row[0] for row in page}:
            of_kind = [row for row in page if row[0] == kind]
            visible += await _visible(connection, access, of_kind, permitted[kind], "s")
    following = None
    if len(rows) > len(page) and page:
        following = cursors.make([page[-1][6], page[-1][5], page[-1][2]], bound)
    locations = {(row[5], row[2]) for row in visible}
    entries = [_entry(row) for row in page if (row[5], row[2]) in locations]
    total = len(entries) if cursor is None and following is None else None
    return HistoryPage(entries, total, following)


def _entry(row: Any) -> HistoryEntry:
    stored = Stored(row[0], row[1], row[2], row[3], row[4] or b"")
    if row[4] is None:
        return HistoryEntry(stored, "DELETE")
    return HistoryEntry(stored, "POST" if row[2] == 1 else "PUT")


async def _visible(
    connection: AsyncConnection, access: AccessFilter, rows: list[Any], permitted: Condition, letter: str
) -> list[Any]:
    """The rows whose own content the caller may see. A deletion shows what it took away: it goes by that content."""
    if permitted is TRUE and not access.withheld_labels:
        return rows
    contents = {(row[5], row[2]): row[4] for row in rows if row[4] is not None}
    contents |= await _deleted(connection, [(row[5], row[2]) for row in rows if row[4] is None])
    versions = [
        (row, index(parse_for_reading(text), row[1]))
        for row in rows
        if (text := contents.get((row[5], row[2]))) is not None
    ]
    people = await people_of(connection, access)
    owners = await owners_of_contents(connection, [item for _, item in versions], {})
    return [
        row
        for (row, item), about in zip(versions, owners, strict=True)
        if allowed(access, item, letter, people, about)
    ]


async def _deleted(
    connection: AsyncConnection, deletions: list[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """The content that each deletion, given by key and version, took away."""
    if not deletions:
        return {}
    rows = await connection.execute(
        "SELECT d.key, d.version, h.bytes FROM unnest(%s::bigint[], %s::int[]) AS d (key, version), LATERAL ("
        "SELECT bytes FROM history WHERE resource = d.key AND version < d.version AND kind = 'v' "
        "ORDER BY version DESC LIMIT 1) h",
        ([key for key, _ in deletions], [version for _, version in deletions]),
        binary=True,
    )
    return {(row[0], row[1]): row[2] for row in await rows.fetchall()}
