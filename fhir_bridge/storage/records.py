"""Source records and their outputs: the ledger that says which record claims which content of which resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import AsyncConnection

from fhir_bridge.storage.contributions import Contribution, fold, incoming
from fhir_bridge.storage.deliveries import Delivery
from fhir_bridge.storage.indexing import Identity
from fhir_bridge.storage.origins import ConvertedBy
from fhir_bridge.storage.statements import Columns, Statement, array
from fhir_bridge.storage.stored import parse

__all__ = [
    "LOOSE",
    "NUMBERED_ORDERS",
    "Claim",
    "ClaimRow",
    "KnownRecord",
    "RecordHead",
    "RecordSet",
    "active_contents",
    "add_claims",
    "claimed_by_others",
    "enter_records",
    "fold_claims",
    "give_up",
    "keep_outputs",
    "known_contents",
    "known_records",
    "last_changes",
    "lock_records",
    "note_heads",
    "outputs_of",
]

LOOSE = 0
"""The record of resources that were loaded as they are."""

NUMBERED_ORDERS = "urn:fhir-bridge:numbered-orders"
"""The source of records of what is said of an order that only its number names. They follow whose the order is."""

Claim = tuple[int, bytes]
"""Internal key of a resource, and the hash of what a record says of it."""


@dataclass(frozen=True, slots=True)
class RecordSet:
    """What one source record says: all resources that it owns. Loaded again, it replaces what it said before.

    Attributes:
        source: the system that the record comes from.
        id: business key of the record within the source, the same whenever it is sent.
        resources: its outputs; none where it says nothing any more.
        mapping: version of the mapping that made them. An older one never replaces what a newer one made.
        locator: where the record is, for people.
        converted_by: the mapping that made them.
        adapter: owner of resources without meta.source.
        records: how many source records it stands for (a study: its instances).
        partial: it lost parts on the way.
        delivery: the file that it is of, where a newer one replaces what it says.
        place: what of the delivery it speaks of.
        parts: for each resource what of the delivery it is about (a sample); empty for none.
        last_changed: when its source last changed it, of a record whose older states never replace newer ones
            (`datetime.min` where the source does not say); None of others, which are as they were last sent.
    """

    source: str
    id: str
    resources: Sequence[Mapping[str, Any] | bytes]
    mapping: str = ""
    locator: str = ""
    adapter: str = ""
    records: int = 1
    partial: bool = False
    delivery: Delivery | None = None
    place: int | None = None
    parts: Sequence[str] = ()
    converted_by: ConvertedBy | None = None
    last_changed: datetime | None = None


class RecordHead(NamedTuple):
    """What is kept of a record: version of the mapping, locator, key of the conversion."""

    mapping: str
    locator: str
    conversion: int | None


@dataclass(slots=True)
class KnownRecord:
    """A record as the ledger has it: key, mapping version, and its active claims with the identity of each resource.

    superseded: those that do not count, since a newer delivery replaces them (type, id, hash).
    fresh: it was entered in this transaction.
    """

    key: int
    mapping: str
    claims: dict[Claim, Identity] = field(default_factory=dict)
    superseded: set[tuple[str, str, bytes]] = field(default_factory=set)
    fresh: bool = False


# LEFT JOIN: a record may say nothing at present, and is known all the same.
_KNOWN = (
    "SELECT r.source, r.id, r.key, r.mapping, o.resource, o.hash, o.superseded, x.type, x.id "
    "FROM unnest(%s::text[], %s::text[]) AS w (source, id) JOIN source_record r ON r.source = w.source AND r.id = w.id "
    "LEFT JOIN output o ON o.record = r.key AND o.active LEFT JOIN resource x ON x.key = o.resource"
)
_ENTER = (
    "INSERT INTO source_record (source, id, mapping, locator, conversion) "
    "SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::int[]) "
    "ORDER BY 1, 2 ON CONFLICT (source, id) DO "
)
# An update without a change, for the lock that it takes; ORDER BY, so that all batches lock in one order.
_LOCK = _ENTER + "UPDATE SET mapping = source_record.mapping"
_ENTER_NEW = _ENTER + "NOTHING RETURNING source, id, key"


async def known_records(
    connection: AsyncConnection, names: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], KnownRecord]:
    """The records of these (source, id) that the ledger has."""
    records: dict[tuple[str, str], KnownRecord] = {}
    values = [array("text", [name[place] for name in names]) for place in (0, 1)]
    rows = await connection.execute(_KNOWN, values)
    for (
        source,
        identity,
        key,
        mapping,
        resource,
        digest,
        superseded,
        kind,
        resource_id,
    ) in await rows.fetchall():
        known = records.setdefault((source, identity), KnownRecord(key, mapping))
        if resource is not None:
            known.claims[resource, digest] = (kind, resource_id)
            if superseded:
                known.superseded.add((kind, resource_id, digest))
    return records


async def enter_records(
    connection: AsyncConnection, names: Mapping[tuple[str, str], RecordHead]
) -> dict[tuple[str, str], KnownRecord] | None:
    """Enter and lock records of which none is known; None where one is all the same, entered meanwhile.

    Args:
        names: as of `lock_records`.
    """
    rows = await (await connection.execute(_ENTER_NEW, _entered(names))).fetchall()
    if len(rows) < len(names):
        return None
    return {
        (source, name): KnownRecord(key, names[source, name].mapping, fresh=True)
        for source, name, key in rows
    }


def _entered(names: Mapping[tuple[str, str], RecordHead]) -> list[Any]:
    ordered = sorted(names)
    heads = [names[name] for name in ordered]
    return [
        array("text", [name[0] for name in ordered]),
        array("text", [name[1] for name in ordered]),
        array("text", [head.mapping for head in heads]),
        array("text", [head.locator for head in heads]),
        array("int", [head.conversion for head in heads]),
    ]


async def outputs_of(connection: AsyncConnection, source: str, record: str, kind: str) -> list[str]:
    """The ids of the resources of a type that a record says at present."""
    rows = await connection.execute(
        "SELECT DISTINCT x.id FROM source_record r JOIN output o ON o.record = r.key AND o.active "
        "JOIN resource x ON x.key = o.resource AND x.type = %s AND NOT x.deleted "
        "WHERE r.source = %s AND r.id = %s",
        (kind, source, record),
    )
    return [row[0] for row in await rows.fetchall()]


async def last_changes(connection: AsyncConnection, keys: Sequence[int], adapter: str) -> dict[int, datetime]:
    """The newest business time of what each of these records says at present; none where it states none."""
    rows = await connection.execute(
        "SELECT o.record, coalesce(o.bytes, r.bytes) FROM output o JOIN resource r ON r.key = o.resource "
        "WHERE o.record = ANY(%s) AND o.active",
        (list(keys),),
    )
    newest: dict[int, datetime] = {}
    for record, text in await rows.fetchall():
        time = incoming(parse(bytes(text)), adapter).time
        if time is not None:
            newest[record] = max(time, newest.get(record, time))
    return newest


async def lock_records(
    connection: AsyncConnection, names: Mapping[tuple[str, str], RecordHead]
) -> dict[tuple[str, str], KnownRecord]:
    """Enter records that are new, lock all of them in order, and read them as they are now.

    Args:
        names: (source, id) to what a new record is entered with.
    """
    await connection.execute(_LOCK, _entered(names))
    return await known_records(connection, sorted(names))


async def known_contents(
    connection: AsyncConnection, contents: Sequence[tuple[Identity, bytes]]
) -> tuple[set[int], set[int]]:
    """Positions of the contents that are in the store, and of those that a timed message once said.

    A content without time that another one replaced may come again, and is then the newest.
    """
    # The hash of a source's state is that of its last message: such a content is
    # current, or the newest of its source. One look at the index for each, whatever the table was when
    # this was planned.
    rows = await connection.execute(
        "SELECT w.n, EXISTS (SELECT FROM contribution c WHERE c.resource = w.key AND c.hash = w.hash) AND EXISTS "
        "(SELECT FROM output o WHERE o.resource = w.key AND o.hash = w.hash AND o.active AND NOT o.superseded), "
        "EXISTS (SELECT FROM output o WHERE o.resource = w.key AND o.hash = w.hash AND o.active AND o.timed "
        "AND NOT o.superseded) "
        "FROM (SELECT n, hash, (SELECT r.key FROM resource r WHERE r.type = u.type AND r.id = u.id) AS key "
        "FROM unnest(%s::int[], %s::text[], %s::text[], %b::bytea[]) AS u (n, type, id, hash) OFFSET 0) AS w "
        "WHERE w.key IS NOT NULL",
        (
            array("int", range(len(contents))),
            array("text", [identity[0] for identity, _ in contents]),
            array("text", [identity[1] for identity, _ in contents]),
            array("bytea", [digest for _, digest in contents]),
        ),
    )
    last, timed = set(), set()
    for number, is_last, is_timed in await rows.fetchall():
        if is_last:
            last.add(number)
        if is_timed:
            timed.add(number)
    return last, timed


async def claimed_by_others(
    connection: AsyncConnection, resources: Sequence[int], ours: Sequence[int]
) -> set[int]:
    """Those of the resources of which another record than ours, or a person, says something."""
    # Without any claim a person wrote it (decision 5): that is a claim of somebody else too.
    rows = await connection.execute(
        "SELECT r.key FROM resource r WHERE r.key = ANY(%s) AND (NOT EXISTS "
        "(SELECT FROM output o WHERE o.resource = r.key AND o.active) OR EXISTS (SELECT FROM output o "
        "WHERE o.resource = r.key AND o.active AND o.record <> ALL(%s) AND NOT EXISTS "
        "(SELECT FROM source_record s WHERE s.key = o.record AND s.source = %s)))",
        (list(resources), list(ours), NUMBERED_ORDERS),
    )
    return {row[0] for row in await rows.fetchall()}


async def active_contents(connection: AsyncConnection, resource: int, adapter: str) -> list[Contribution]:
    """All active contents of a resource."""
    # DISTINCT ON: records that say the same content are one message; the newest
    # mapping's version counts for it.
    rows = await connection.execute(
        "SELECT DISTINCT ON (o.hash, o.arrival) coalesce(o.bytes, r.bytes), o.arrival, coalesce(s.mapping, '') "
        "FROM output o JOIN resource r ON r.key = o.resource LEFT JOIN source_record s ON s.key = o.record "
        "WHERE o.resource = %s AND o.active AND NOT o.superseded ORDER BY o.hash, o.arrival, s.mapping DESC NULLS LAST",
        (resource,),
    )
    return [
        incoming(parse(bytes(text)), adapter, mapping=mapping, arrival=arrival)
        for text, arrival, mapping in await rows.fetchall()
    ]


async def fold_claims(connection: AsyncConnection, resource: int, adapter: str) -> dict[str, Contribution]:
    """Each source's state made anew from all active contents of a resource, by source."""
    states: dict[str, Contribution] = {}
    for contribution in await active_contents(connection, resource, adapter):
        states[contribution.source] = fold(states.get(contribution.source), contribution)
    return states


class ClaimRow(NamedTuple):
    """A claim to write. bytes: the content, None where it is the resource's current version."""

    resource: int
    record: int
    hash: bytes
    timed: bool
    arrival: int
    bytes: bytes | None
    edition: int | None = None
    place: int | None = None
    superseded: bool = False


_CLAIM: Columns = {
    "resource": "bigint",
    "record": "bigint",
    "hash": "bytea",
    "timed": "bool",
    "arrival": "int",
    "bytes": "varchar",
    "edition": "bigint",
    "place": "bigint",
    "superseded": "bool",
}


async def keep_outputs(connection: AsyncConnection, resources: Sequence[int]) -> None:
    """Before current versions are replaced: the claims on them keep their own copy of the content."""
    await connection.execute(
        "UPDATE output o SET bytes = r.bytes FROM resource r "
        "WHERE r.key = o.resource AND o.resource = ANY(%s) AND o.bytes IS NULL",
        (list(resources),),
    )


def add_claims(statement: Statement, rows: Sequence[ClaimRow]) -> None:
    """Put claims into a statement."""
    # `superseded` is not touched here: which edition counts is marked for the whole series (`deliveries.mark`).
    statement.insert(
        "output",
        _CLAIM,
        rows,
        conflict="ON CONFLICT (resource, record, hash) DO UPDATE SET active = true, arrival = excluded.arrival, "
        "bytes = coalesce(output.bytes, excluded.bytes), edition = excluded.edition, place = excluded.place",
    )


async def note_heads(connection: AsyncConnection, heads: Mapping[int, RecordHead]) -> None:
    """Note where records were and what converted them."""
    # A record that says nothing has no mapping version, and keeps the one that it had.
    changed = {key: head for key, head in heads.items() if head.mapping}
    if changed:
        await connection.execute(
            "UPDATE source_record r SET mapping = n.mapping, locator = n.locator, conversion = n.conversion "
            "FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::int[]) AS n (key, mapping, locator, conversion) "
            "WHERE r.key = n.key AND (r.mapping <> n.mapping OR r.locator <> n.locator "
            "OR r.conversion IS DISTINCT FROM n.conversion)",
            (list(changed), *([head[place] for head in changed.values()] for place in range(3))),
        )


async def give_up(connection: AsyncConnection, claims: Sequence[tuple[int, Claim]]) -> set[int]:
    """Take claims (record, claim) back; the resources of which nobody says that content any more."""
    # Marked, never deleted: a content that comes again is recognised (decision 5).
    rows = await connection.execute(
        "UPDATE output o SET active = false FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[]) "
        "AS n (record, resource, hash) WHERE o.record = n.record AND o.resource = n.resource AND o.hash = n.hash "
        "RETURNING o.resource",
        (
            [record for record, _ in claims],
            [claim[0] for _, claim in claims],
            [claim[1] for _, claim in claims],
        ),
    )
    return {row[0] for row in await rows.fetchall()}
