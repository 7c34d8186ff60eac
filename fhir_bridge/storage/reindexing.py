"""Making the index anew from the stored bytes, while others read and write.

Each batch is a transaction that locks its rows. A resource that got another version since it was read was indexed by
its writer, and is left alone. The place reached is kept with each batch; after an interruption it goes on there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge import __version__
from fhir_bridge.fhir.definitions import Definitions
from fhir_bridge.storage.dictionaries import INDEX_PENDING, RECORDS_PENDING, Dictionaries
from fhir_bridge.storage.errors import BadResource
from fhir_bridge.storage.indexing import Identity, Indexed, IndexWriter, identify, index
from fhir_bridge.storage.settings import read_setting, write_setting
from fhir_bridge.storage.statements import Statement
from fhir_bridge.storage.stored import parse
from fhir_bridge.storage.versions import write_rest

__all__ = ["ensure_version", "reached", "reindex"]

VERSION = 6
"""Of what `indexing` makes of a resource. Raised with each change of that: an index of another version is made anew."""
VERSION_SETTING = "index_version"
_PROGRAM = f"{__version__}/{VERSION}"

BATCH = 500
SETTING = "reindex"
"""Name of the setting that holds how far an unfinished run is."""

# Only of the same program, which extracts the same; and of the last day, for a site's search
# parameters may have changed since.
_RESUME = (
    "SELECT (value::jsonb->>'key')::bigint, (value::jsonb->>'count')::bigint FROM setting WHERE name = %s "
    "AND value::jsonb->>'program' = %s AND (value::jsonb->>'at')::timestamptz > now() - interval '1 day'"
)
# Of a deleted resource its last content decides whose record it is in.
_READ = (
    "SELECT r.key, r.type, r.id, r.version, r.bytes, CASE WHEN r.bytes IS NULL THEN (SELECT h.bytes FROM history h "
    "WHERE h.resource = r.key AND h.kind = 'v' ORDER BY h.version DESC LIMIT 1) END FROM resource r "
    "WHERE r.key > %s AND r.key <= %s AND r.version > 0 ORDER BY r.key LIMIT %s"
)
_LOCK = "SELECT key, version FROM resource WHERE key = ANY(%s) ORDER BY key FOR UPDATE"
_OF_ROWS = (
    "UPDATE resource r SET labels = n.labels::int[], facets = n.facets "
    "FROM unnest(%s::bigint[], %s::text[], %s::int[]) AS n (key, labels, facets) "
    "WHERE r.key = n.key AND (r.labels IS DISTINCT FROM n.labels::int[] OR r.facets <> n.facets)"
)


_REACHED = (
    "INSERT INTO setting VALUES (%s, jsonb_build_object('key', %s::bigint, 'count', %s::bigint, 'program', %s::text, "
    "'at', now())::text) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)

# A database without resources has an index of this version.
_FIRST = (
    "INSERT INTO setting SELECT %s, %s WHERE NOT EXISTS (SELECT FROM resource WHERE version > 0) "
    "ON CONFLICT DO NOTHING"
)
_DUE = (
    "INSERT INTO job (kind, queue, payload, dedupe) SELECT 'reindex', 1, '{}', 'reindex' "
    "WHERE NOT EXISTS (SELECT FROM setting WHERE name = %s AND value = %s) "
    "AND NOT EXISTS (SELECT FROM job WHERE kind = 'reindex' AND state IN ('ready', 'leased')) ON CONFLICT DO NOTHING"
)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Place:
    """How far it is: the last key done, and how many current resources that were."""

    key: int = 0
    count: int = 0


async def ensure_version(connection: AsyncConnection) -> None:
    """Where the index was made by a program that makes another, see that it is made anew: a job for the worker."""
    if await read_setting(connection, VERSION_SETTING) != str(VERSION):
        await connection.execute(_FIRST, (VERSION_SETTING, str(VERSION)))
        await connection.execute(_DUE, (VERSION_SETTING, str(VERSION)))


async def reindex(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    on_progress: Callable[[int], object] | None = None,
) -> int:
    """See `Store.reindex`."""
    async with pool.connection() as connection:
        result = await (await connection.execute(_RESUME, (SETTING, _PROGRAM))).fetchone()
        # Whatever is written from now on is indexed by its writer; without an upper end a busy
        # server would keep the run going.
        last = await (await connection.execute("SELECT coalesce(max(key), 0) FROM resource")).fetchone()
    location = _Place(*result) if result else _Place()
    upper = 0 if last is None else last[0]
    if on_progress is not None and location.count:
        on_progress(location.count)
    while True:
        async with pool.connection() as connection:
            rows: list[Any] = await (
                await connection.execute(_READ, (location.key, upper, BATCH), binary=True)
            ).fetchall()
        if not rows:
            break
        await _write(pool, dictionaries, rows, location)
        if on_progress is not None:
            on_progress(location.count)
    async with pool.connection() as connection:
        # These settings go last: after a failure before this the next run does all that is missing.
        await write_setting(connection, VERSION_SETTING, str(VERSION))
        await connection.execute(
            "DELETE FROM setting WHERE name IN (%s, %s, %s)", (SETTING, RECORDS_PENDING, INDEX_PENDING)
        )
        await connection.execute(
            "ANALYZE resource, token, string, date, quantity, reference, record, record_through, named"
        )
    return location.count


async def reached(connection: AsyncConnection) -> int:
    """See `Store.reindexed`."""
    result = await (await connection.execute(_RESUME, (SETTING, _PROGRAM))).fetchone()
    return result[1] if result else 0


async def _write(
    pool: AsyncConnectionPool[AsyncConnection], dictionaries: Dictionaries, rows: list[Any], location: _Place
) -> None:
    known = dictionaries.definitions
    # Indexed outside the transaction that locks the rows: computing takes longer than writing.
    items = {row[0]: _index(row[1], row[2], row[4] or row[5], known) for row in rows}
    deleted = {row[0] for row in rows if row[4] is None}
    kinds = {row[0]: row[1] for row in rows}
    keys: dict[Identity, int] = await identify(
        pool, dictionaries, [item for item in items.values() if item is not None]
    )
    location.key = rows[-1][0]
    location.count += sum(item is not None and key not in deleted for key, item in items.items())
    async with pool.connection() as connection, connection.transaction():
        # Deletions too, though they have no entries: their rows of an earlier version are to go.
        versions = {row[0]: row[3] for row in rows if items[row[0]] is not None or row[4] is None}
        locked = await (await connection.execute(_LOCK, (list(versions),))).fetchall()
        writer = IndexWriter(dictionaries, keys)
        of_rows: list[tuple[int, str | None, int]] = []
        for key, version in locked:
            item = items[key]
            # Written meanwhile: its writer has indexed the newer version.
            if version != versions[key]:
                continue
            if item is None:
                writer.remove(key, kinds[key])
                continue
            if key in deleted:
                writer.bury(item)
                continue
            writer.put(item, new=False)
            # The row itself is not written anew but for its labels and facets, so no version and no change come of it.
            numbers = writer.labels(item)
            labels = None if numbers is None else "{" + ",".join(map(str, numbers)) + "}"
            of_rows.append((key, labels, item.facet_set))
        statement = Statement()
        writer.write(statement)
        statement.add(_OF_ROWS, *([row[place] for row in of_rows] for place in range(3)))
        # Kept in the same statement: an interruption loses neither rows nor the place.
        statement.add(_REACHED, SETTING, location.key, location.count, _PROGRAM)
        await statement.run(connection)
        await write_rest(connection, writer)


def _index(kind: str, identity: str, text: bytes | None, known: Definitions) -> Indexed | None:
    """None for a deletion, and for what this program can't index: then its rows stay as they are."""
    if text is None:
        return None
    try:
        return index(parse(text), identity, known)
    except BadResource as error:
        # One resource that an older program took and this one can't read must not end the run for all others.
        _log.error("%s/%s can't be indexed: %s", kind, identity, error.message)
        return None
