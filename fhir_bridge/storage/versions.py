"""Making versions: the current one in `resource`, what it replaces in `history`, the change in the feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg import AsyncConnection

from fhir_bridge.storage.indexing import Indexed, IndexWriter

__all__ = ["Current", "NewVersion", "PastVersion", "apply", "lock"]

Bytes = bytes
"""`bytes` is also the name of a field."""


@dataclass(frozen=True, slots=True)
class Current:
    """A locked row of `resource`. version 0: it is only referred to. fresh: it has a number, and no row yet."""

    key: int
    type: str
    id: str
    version: int
    last_version: int
    deleted: bool
    last_updated: datetime | None
    hash: Bytes | None
    bytes: Bytes | None
    fresh: bool = False

    @property
    def live(self) -> bool:
        """Whether there is something to read."""
        return not self.deleted


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version that becomes current. `bytes` None is a deletion."""

    current: Current
    version: int
    last_version: int
    moment: datetime
    business_time: datetime | None
    bytes: Bytes | None
    hash: Bytes | None
    item: Indexed | None


@dataclass(frozen=True, slots=True)
class PastVersion:
    """A version that goes to history at once. kind: `v` replaced in the same batch, `s` stale, `c` lost a conflict."""

    key: int
    version: int
    kind: str
    moment: datetime
    business_time: datetime | None
    hash: Bytes | None
    bytes: Bytes


_LOCK = (
    "SELECT key, type, id, version, last_version, deleted, last_updated, hash, bytes FROM resource "
    "WHERE key = ANY(%s) ORDER BY key FOR UPDATE"
)


async def lock(connection: AsyncConnection, keys: Sequence[int]) -> dict[int, Current]:
    """Lock rows in the order of their keys, which every writer keeps, so that none waits in a circle."""
    rows = await (await connection.execute(_LOCK, (sorted(keys),), binary=True)).fetchall()
    return {row[0]: Current(*row) for row in rows}


async def apply(
    connection: AsyncConnection,
    writer: IndexWriter,
    versions: Sequence[NewVersion],
    past: Sequence[PastVersion] = (),
    *,
    bulk: bool = False,
) -> None:
    """Write versions of locked rows, in the caller's transaction.

    Args:
        bulk: many at once: index rows go by COPY. Otherwise the statements travel together.
    """
    if bulk:
        await _write(connection, writer, versions, past, bulk=True)
        return
    async with connection.pipeline():
        await _write(connection, writer, versions, past, bulk=False)


async def _write(
    connection: AsyncConnection,
    writer: IndexWriter,
    versions: Sequence[NewVersion],
    past: Sequence[PastVersion],
    *,
    bulk: bool,
) -> None:
    replaced = [new.current.key for new in versions if new.current.version > 0]
    if replaced:
        await connection.execute(
            "INSERT INTO history (resource, version, kind, xid, last_updated, business_time, hash, bytes) "
            "SELECT key, version, CASE WHEN deleted THEN 'd'::\"char\" ELSE 'v'::\"char\" END, xid, last_updated, "
            "business_time, hash, bytes FROM resource WHERE key = ANY(%s)",
            (replaced,),
        )
    if past:
        await connection.execute(
            "INSERT INTO history (resource, version, kind, last_updated, business_time, hash, bytes) "
            'SELECT * FROM unnest(%s::bigint[], %s::int[], %s::"char"[], %s::timestamptz[], %s::timestamptz[], '
            "%s::bytea[], %s::bytea[])",
            (
                [old.key for old in past],
                [old.version for old in past],
                [old.kind for old in past],
                [old.moment for old in past],
                [old.business_time for old in past],
                [old.hash for old in past],
                [old.bytes for old in past],
            ),
        )
        bumped: dict[int, int] = {}
        for old in past:
            bumped[old.key] = max(old.version, bumped.get(old.key, 0))
        await connection.execute(
            "UPDATE resource r SET last_version = greatest(r.last_version, n.last_version) "
            "FROM unnest(%s::bigint[], %s::int[]) AS n (key, last_version) WHERE r.key = n.key",
            (list(bumped), list(bumped.values())),
        )
    if not versions:
        return
    fresh = [(new.current.key, new.current.type, new.current.id) for new in versions if new.current.fresh]
    if fresh:
        await connection.execute(
            "INSERT INTO resource (key, type, id) OVERRIDING SYSTEM VALUE "
            "SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[])",
            ([row[0] for row in fresh], [row[1] for row in fresh], [row[2] for row in fresh]),
        )
    # Labels vary in length, which an array of arrays can't hold: they travel as text.
    labels = [None if new.item is None else writer.labels(new.item) for new in versions]
    await connection.execute(
        "UPDATE resource r SET version = n.version, last_version = n.last_version, deleted = n.bytes IS NULL, "
        "xid = pg_current_xact_id(), last_updated = n.last_updated, business_time = n.business_time, "
        "labels = CASE WHEN n.bytes IS NULL THEN r.labels ELSE n.labels::int[] END, hash = n.hash, bytes = n.bytes "
        "FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::timestamptz[], %s::timestamptz[], %s::text[], "
        "%s::bytea[], %s::bytea[]) "
        "AS n (key, version, last_version, last_updated, business_time, labels, hash, bytes) WHERE r.key = n.key",
        (
            [new.current.key for new in versions],
            [new.version for new in versions],
            [new.last_version for new in versions],
            [new.moment for new in versions],
            [new.business_time for new in versions],
            [None if found is None else "{" + ",".join(map(str, found)) + "}" for found in labels],
            [new.hash for new in versions],
            [new.bytes for new in versions],
        ),
    )
    for new in versions:
        if new.item is None:
            writer.remove(new.current.key)
        else:
            writer.put(new.item, new=new.current.version == 0)
    await connection.execute(
        "INSERT INTO change (resource, version, deleted) "
        "SELECT * FROM unnest(%s::bigint[], %s::int[], %s::bool[])",
        (
            [new.current.key for new in versions],
            [new.version for new in versions],
            [new.bytes is None for new in versions],
        ),
    )
    await writer.write(connection, bulk=bulk)
