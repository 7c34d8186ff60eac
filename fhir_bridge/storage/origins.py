"""Where a record was and what converted it: written with its outputs, read to explain a resource months later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from psycopg import AsyncConnection

__all__ = ["ConvertedBy", "Origin", "conversion_keys", "origins_of"]


class ConvertedBy(NamedTuple):
    """A mapping as it converted records.

    Attributes:
        mapping: name, or file as it was given.
        hash: of its content.
    """

    adapter: str
    mapping: str
    version: str
    hash: str


class Origin(NamedTuple):
    """A record that says, or said, something of a resource.

    Attributes:
        source: URI of the system that the record comes from, as `meta.source` has it.
        id: business key of the record: of a message, row or line a hash of its content.
        locator: where it was when it was stored (sent again it changes nothing); empty where that is not known.
        mapping: version of the mapping.
        converted_by: None for what was loaded before this was kept.
        active: it says it now.
    """

    source: str
    id: str
    locator: str
    mapping: str
    converted_by: ConvertedBy | None
    active: bool


async def conversion_keys(
    connection: AsyncConnection, wanted: Iterable[ConvertedBy], known: Mapping[ConvertedBy, int]
) -> dict[ConvertedBy, int]:
    """The keys of conversions, of which some are known; new ones are entered."""
    keys: dict[ConvertedBy, int] = {}
    for each in sorted(set(wanted)):
        if each in known:
            keys[each] = known[each]
            continue
        select = (
            "SELECT key FROM conversion WHERE adapter = %s AND mapping = %s AND version = %s AND hash = %s"
        )
        row = await (await connection.execute(select, each)).fetchone()
        if row is None:
            await connection.execute(
                "INSERT INTO conversion (adapter, mapping, version, hash) VALUES (%s, %s, %s, %s) "
                "ON CONFLICT DO NOTHING",
                each,
            )
            row = await (await connection.execute(select, each)).fetchone()
        assert row is not None
        keys[each] = row[0]
    return keys


async def origins_of(connection: AsyncConnection, resource_type: str, identity: str) -> list[Origin] | None:
    """The records that a resource comes from, those that count first; None where there is no such resource."""
    rows = await connection.execute(
        "SELECT s.source, s.id, s.locator, s.mapping, c.adapter, c.mapping, c.version, c.hash, bool_or(o.active) "
        "FROM resource r LEFT JOIN output o ON o.resource = r.key LEFT JOIN source_record s ON s.key = o.record "
        "LEFT JOIN conversion c ON c.key = s.conversion WHERE r.type = %s AND r.id = %s "
        "GROUP BY s.key, c.key ORDER BY 9 DESC NULLS LAST, s.key",
        (resource_type, identity),
    )
    results = await rows.fetchall()
    if not results:
        return None
    return [
        Origin(
            source,
            record,
            locator,
            version,
            ConvertedBy(adapter, mapping, used, digest) if mapping is not None else None,
            bool(active),
        )
        for source, record, locator, version, adapter, mapping, used, digest, active in results
        if source is not None
    ]
