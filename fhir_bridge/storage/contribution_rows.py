"""Contributions in the database."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime

import orjson
from psycopg import AsyncConnection

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.storage.contributions import MERGED, NUMBERED, Contribution, Order, newest_of
from fhir_bridge.storage.records import keep_outputs
from fhir_bridge.storage.statements import Columns, Statement, arrays, transposed
from fhir_bridge.storage.stored import parse
from fhir_bridge.storage.versions import Current

__all__ = [
    "States",
    "add_states",
    "keep_contents",
    "name_sources",
    "read_states",
    "remove_states",
    "write_states",
]

States = dict[str, Contribution]
"""A resource's contributions by source."""

_SELECT = (
    "SELECT c.resource, s.name, c.time, c.arrival, c.rank, c.hash, l.id, c.bytes, c.orders, c.sequence, c.mapping "
    "FROM contribution c JOIN source_name s ON s.key = c.source LEFT JOIN load_run l ON l.key = c.load "
    "WHERE c.resource = ANY(%s) ORDER BY c.resource, s.name"
)


async def read_states(connection: AsyncConnection, rows: Mapping[int, Current]) -> dict[int, States]:
    """The contributions to locked resources, by key."""
    results: dict[int, States] = {}
    cursor = await connection.execute(_SELECT, (list(rows),), binary=True)
    async for key, source, time, arrival, rank, digest, load, text, orders, sequence, mapping in cursor:
        if text is None:
            text = rows[key].bytes
            if text is None:
                raise AssertionError(f"contribution {source} to resource {key} has no content")
        resource = parse(text)
        # The current version's own bytes carry the stamp; a contribution is what the source said, without it.
        meta = resource.get("meta")
        if isinstance(meta, dict):
            kept = {name: value for name, value in meta.items() if name not in ("versionId", "lastUpdated")}
            if kept:
                resource["meta"] = kept
            else:
                del resource["meta"]
        results.setdefault(key, {})[source] = Contribution(
            source,
            time,
            arrival,
            rank,
            digest,
            resource,
            load,
            None if orders is None else _read_orders(orders),
            sequence=sequence,
            mapping=mapping,
        )
    return results


def _read_orders(text: bytes) -> dict[str, Order]:
    orders: dict[str, Order] = {}
    for element, (time, arrival, *more, rank, digest) in orjson.loads(text).items():
        # Orders that were stored before there were sequences and mapping versions
        # (migration 0004) have four parts.
        sequence, mapping = more or ("", "")
        orders[element] = (
            datetime.fromisoformat(time),
            arrival,
            sequence,
            mapping,
            rank,
            bytes.fromhex(digest),
        )
    return orders


def _write_orders(orders: Mapping[str, Order]) -> bytes:
    return orjson.dumps(
        {
            element: (time.astimezone(UTC).isoformat(), *more, digest.hex())
            for element, (time, *more, digest) in orders.items()
        }
    )


_ROW: Columns = {
    "resource": "bigint",
    "source": "text",
    "time": "timestamptz",
    "arrival": "int",
    "rank": "smallint",
    "hash": "bytea",
    "load": "uuid",
    "bytes": "varchar",
    "orders": "bytea",
    "sequence": "text",
    "mapping": "text",
}
_NAMES = ", ".join(_ROW)
# The primary key is (resource, source): a source has one state of a resource, the fold of all its messages.
_WRITE = (
    f"INSERT INTO contribution ({_NAMES}) "  # noqa: S608
    "SELECT n.resource, s.key, n.time, n.arrival, n.rank, n.hash, l.key, n.bytes, n.orders, n.sequence, n.mapping "
    f"FROM {arrays(_ROW)} AS n ({_NAMES}) "
    "JOIN source_name s ON s.name = n.source LEFT JOIN load_run l ON l.id = n.load "
    "ON CONFLICT (resource, source) DO UPDATE SET time = excluded.time, arrival = excluded.arrival, "
    "rank = excluded.rank, hash = excluded.hash, load = excluded.load, bytes = excluded.bytes, "
    "orders = excluded.orders, sequence = excluded.sequence, mapping = excluded.mapping"
)


async def write_states(connection: AsyncConnection, states: Sequence[tuple[int, States, bool]]) -> None:
    """Write the contributions of resources (`add_states`)."""
    await name_sources(connection, states, ())
    statement = Statement()
    add_states(statement, states)
    await statement.run(connection)


def add_states(statement: Statement, states: Sequence[tuple[int, States, bool]]) -> None:
    """Put the contributions of resources (key, states, whether there is a current version) into a statement. Their
    sources and loads have their numbers (`name_sources`).

    Content that is the current version's own is not written twice.
    """
    rows = [
        (
            key,
            state.source,
            state.time,
            state.arrival,
            state.rank,
            state.hash,
            _load(state),
            _content(state, sources, live=live),
            None if state.orders is None else _write_orders(state.orders),
            state.sequence,
            state.mapping,
        )
        for key, sources, live in states
        for state in sources.values()
    ]
    if rows:
        statement.add(_WRITE, *transposed(_ROW, rows))


def _load(state: Contribution) -> str | None:
    """The load that brought a state, where it counts: of messages without time (`contributions.arrive`)."""
    return None if state.time is not None or state.load is None else str(state.load)


async def name_sources(
    connection: AsyncConnection, states: Sequence[tuple[int, States, bool]], known: Container[str]
) -> None:
    """See that the sources and loads of contributions have their numbers.

    Args:
        known: sources that have one.
    """
    several = [state for _, sources, _ in states for state in sources.values()]
    # ORDER BY: two loads that insert the same names in different orders would wait for each other for ever.
    for table, column, kind, names in (
        ("source_name", "name", "text", {state.source for state in several if state.source not in known}),
        ("load_run", "id", "uuid", {load for state in several if (load := _load(state)) is not None}),
    ):
        if names:
            await connection.execute(
                f"INSERT INTO {table} ({column}) SELECT n FROM unnest(%s::{kind}[]) n "  # noqa: S608
                f"WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.{column} = n) ORDER BY 1 "
                "ON CONFLICT DO NOTHING".encode(),
                (sorted(names),),
            )


async def remove_states(connection: AsyncConnection, keys: Sequence[int]) -> None:
    """Remove all contributions to resources whose states are written anew."""
    await connection.execute("DELETE FROM contribution WHERE resource = ANY(%s)", (list(keys),))


def _content(state: Contribution, states: States, *, live: bool) -> bytes | None:
    kind = state.resource["resourceType"]
    if live and kind not in MERGED and (kind not in NUMBERED or len(states) == 1):
        # The same choice as that of `merge` for a type that is not merged: its content is the
        # current version's, byte by byte.
        newest = newest_of(states.values())
        if newest is state:
            return None
    return dumps(state.resource)


async def keep_contents(connection: AsyncConnection, keys: Sequence[int]) -> None:
    """Before a resource's current version is replaced by other means: contributions keep their own copy."""
    await keep_outputs(connection, keys)
    await connection.execute(
        "UPDATE contribution c SET bytes = r.bytes FROM resource r "
        "WHERE r.key = c.resource AND c.resource = ANY(%s) AND c.bytes IS NULL AND r.bytes IS NOT NULL",
        (list(keys),),
    )
