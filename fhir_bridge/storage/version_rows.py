"""Rows of `resource` as a writer locks them, and the versions that it makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection

from fhir_bridge.storage.indexing import Indexed
from fhir_bridge.storage.stored import now, stamp

__all__ = ["Current", "NewVersion", "PastVersion", "lock", "locked", "next_moment", "next_version"]

Bytes = bytes
"""`bytes` is also the name of a field."""


@dataclass(slots=True)
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


@dataclass(slots=True)
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


@dataclass(slots=True)
class PastVersion:
    """A version that goes to history at once. kind: `v` replaced in the same batch, `s` stale, `c` lost a conflict."""

    key: int
    type: str
    version: int
    kind: str
    moment: datetime
    business_time: datetime | None
    hash: Bytes | None
    bytes: Bytes


_COLUMNS = "key, type, id, version, last_version, deleted, last_updated, hash, bytes"
# A sub-select in an array keeps the plan on the primary key, which a join of all sources need not.
_LOCK = (
    f"SELECT {_COLUMNS} FROM resource WHERE key = ANY(ARRAY(SELECT unnest(%s::bigint[]) UNION "  # noqa: S608
    "SELECT companion FROM prediction WHERE result = ANY(%s) UNION "
    "SELECT unnest(ARRAY[d.result, p.companion]) FROM derived_input d LEFT JOIN prediction p ON p.result = d.result "
    "WHERE d.input = ANY(%s))) ORDER BY key FOR UPDATE"
)
_LOCKED = f"SELECT {_COLUMNS} FROM resource WHERE key = ANY(%s) ORDER BY key FOR UPDATE"  # noqa: S608


async def lock(connection: AsyncConnection, keys: Sequence[int]) -> dict[int, Current]:
    """Lock rows in the order of their keys, which every writer keeps, so that none waits in a circle.

    The results that were predicted from them are locked too, and the RiskAssessments beside results: what is written
    may withdraw or replace them, and then it is too late to take them in order.
    """
    ordered = sorted(keys)
    rows = await (await connection.execute(_LOCK, (ordered, ordered, ordered), binary=True)).fetchall()
    wanted = set(keys)
    return {row[0]: Current(*row) for row in rows if row[0] in wanted}


async def locked(connection: AsyncConnection, keys: Sequence[int]) -> dict[int, Current]:
    """Rows that `lock` has locked beside those that it gave."""
    rows = await (await connection.execute(_LOCKED, (list(keys),), binary=True)).fetchall()
    return {row[0]: Current(*row) for row in rows}


def next_moment(current: Current) -> datetime:
    """Now, when a version becomes current; but never before the last one, whose clock may have been set back."""
    moment = now()
    return moment if current.last_updated is None else max(moment, current.last_updated)


def next_version(
    current: Current, resource: dict[str, Any] | None, item: Indexed | None, digest: bytes | None = None
) -> NewVersion:
    """The version after the last one, of now. `resource` None deletes; `digest` is its `content_hash`."""
    version, moment = current.last_version + 1, next_moment(current)
    text = None if resource is None else stamp(resource, current.id, version, moment)
    return NewVersion(current, version, version, moment, None, text, digest, item)
