"""A patient's whole record, and two records of one patient linked (ADT A40) or parted again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.record import is_followed
from fhir_bridge.storage.conditions import Condition, person
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.indexing import is_id
from fhir_bridge.storage.permission import compile_access
from fhir_bridge.storage.stored import Stored

__all__ = ["linked", "read_owners", "read_record", "read_small_records", "unlinked"]

# Contents of a page are in memory together, and a record may be of any size.
PAGE = 500


async def read_record(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    patient_id: str,
    access: AccessFilter,
    types: Sequence[str] | None,
) -> AsyncIterator[Stored]:
    """Everything current in the record of a patient and of whoever is linked to it; the Patients first.

    What the caller may not read is left out. Memory is bounded by a page; no connection is held between pages.
    """
    if not is_id(patient_id):
        return
    await dictionaries.require_records()
    keys = person([patient_id])
    own = Condition(f"SELECT o.resource FROM record o WHERE o.patient = ANY({keys.text})", keys.values)  # noqa: S608
    # Through others only where a wanted type has such: the recursive part costs more than all the rest.
    every = Condition(f"{own.text} UNION SELECT about_through({keys.text})", (*own.values, *keys.values))
    through = types is None or any(is_followed(kind) for kind in types)
    members = every if through else own
    # An array from a sub-select: the members come first, by the index of records, whatever
    # the statistics say of `resource`.
    statement = (
        "SELECT DISTINCT r.type FROM resource r "  # noqa: S608
        f"WHERE r.key = ANY(ARRAY({members.text})) AND NOT r.deleted"
    )
    async with pool.connection() as connection:
        result = await connection.execute(statement.encode(), members.values)
        present = {row[0] for row in await result.fetchall()}
    # Patients first: whoever reads a record needs to know whose it is before what is in it.
    wanted = [
        kind
        for kind in sorted(present, key=lambda kind: (kind != "Patient", kind))
        if (types is None or kind in types) and access.permits(kind, "r")
    ]
    for kind in wanted:
        permitted = await compile_access(access, kind, "r", dictionaries)
        members = every if is_followed(kind) else own
        after = 0
        # A page by key, and no cursor: a connection that is held while the caller
        # works would be missing to others.
        while True:
            statement = (
                "SELECT r.key, r.type, r.id, r.version, r.last_updated, r.bytes FROM resource r "  # noqa: S608
                f"WHERE r.key = ANY(ARRAY({members.text})) AND r.type = %s AND NOT r.deleted AND r.key > %s "
                f"AND {permitted.text} "
                "ORDER BY r.key LIMIT %s"
            )
            values = (*members.values, kind, after, *permitted.values, PAGE)
            async with pool.connection() as connection:
                rows: list[Any] = await (
                    await connection.execute(statement.encode(), values, binary=True)
                ).fetchall()
            for row in rows:
                yield Stored(*row[1:])
            if len(rows) < PAGE:
                break
            after = rows[-1][0]


# One round trip for all: what a patient at a time costs is mostly the round trips.
_COUNTED = (
    "SELECT p.id, p.key, (SELECT count(*) FROM record o WHERE o.patient = p.key) FROM resource p "
    "WHERE p.type = 'Patient' AND p.id = ANY(%s)"
)
_RECORDS = (
    "SELECT o.patient, r.type, r.id, r.version, r.last_updated, r.bytes FROM record o "
    "JOIN resource r ON r.key = o.resource "
    "WHERE o.patient = ANY(%s) AND r.type = ANY(%s) AND NOT r.deleted ORDER BY o.patient, r.type, r.key"
)


async def read_small_records(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    patient_ids: Sequence[str],
    types: Sequence[str],
) -> dict[str, list[Stored]]:
    """The records of several patients at once, for who may read everything: those that are small.

    A patient whose record is long is left out, for memory's sake (`read_record` has its pages), and so is one without a
    record. Whoever is linked to a patient is not followed.

    Args:
        types: none that is in a record through another resource (`is_followed`).
    """
    await dictionaries.require_records()
    async with pool.connection() as connection:
        counted = await (await connection.execute(_COUNTED, (list(patient_ids),))).fetchall()
        small = {key: name for name, key, count in counted if count <= PAGE}
        rows: list[Any] = await (
            await connection.execute(_RECORDS, (list(small), list(types)), binary=True)
        ).fetchall()
    records: dict[str, list[Stored]] = {name: [] for name in small.values()}
    for row in rows:
        records[small[row[0]]].append(Stored(*row[1:]))
    return records


async def read_owners(connection: AsyncConnection, resources: Sequence[tuple[str, str]]) -> list[str]:
    """See `Store.owners`; one resource or more."""
    types, ids = zip(*resources, strict=True)
    rows = await connection.execute(
        "SELECT DISTINCT p.id FROM unnest(%s::text[], %s::text[]) q (type, id) JOIN resource r USING (type, id), "
        "LATERAL record_owners(r.key) o JOIN resource p ON p.key = o ORDER BY p.id",
        (list(types), list(ids)),
    )
    return [row[0] for row in await rows.fetchall()]


def _without(links: Any, other: str) -> list[Any]:
    # The other kinds (`refer`, `seealso`) do not say that two records are one person.
    return [
        link
        for link in (links if isinstance(links, list) else [])
        if not (
            isinstance(link, dict)
            and link.get("type") in ("replaced-by", "replaces")
            and (link.get("other") or {}).get("reference") == f"Patient/{other}"
        )
    ]


def linked(patient: dict[str, Any], other: str, kind: str) -> dict[str, Any]:
    """The Patient with a link of this kind to the other (R4 patient-definitions.html#Patient.link)."""
    links = [
        *_without(patient.get("link"), other),
        {"other": {"reference": f"Patient/{other}"}, "type": kind},
    ]
    return {**patient, "link": links}


def unlinked(patient: dict[str, Any], other: str) -> dict[str, Any]:
    """The Patient without a link that says it is the same person as the other."""
    links = _without(patient.get("link"), other)
    parted = {name: value for name, value in patient.items() if name != "link"}
    if links:
        parted["link"] = links
    return parted
