"""A business key that is known under another patient changes nothing: the check before a record is taken in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import AsyncConnection

from fhir_bridge.fhir.record import owners_of
from fhir_bridge.storage.stored import parse

__all__ = ["of_linked_patient", "owners", "same_person"]


def owners(resource: dict[str, Any]) -> frozenset[str]:
    """Ids of the patients that a resource is about by its own content."""
    # A frozenset, for whether two contents are about the same people does not depend on an order.
    return frozenset(owners_of(resource).patients)


_SAME = (
    "SELECT count(*) FROM resource WHERE type = 'Patient' AND id = ANY(%s) AND key = ANY((SELECT linked_patients("
    "ARRAY(SELECT key FROM resource WHERE type = 'Patient' AND id = ANY(%s))))::bigint[])"
)


async def same_person(connection: AsyncConnection, item: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two sets of Patient ids are one and the same person, by Patient.link; an id that is not stored is not."""
    others = sorted(other)
    row = await (await connection.execute(_SAME, (others, sorted(item)))).fetchone()
    return row is not None and row[0] == len(others)


async def of_linked_patient(connection: AsyncConnection, resources: Sequence[dict[str, Any]]) -> bool:
    """Whether what is stored of these resources is about another Patient, who is the same person by Patient.link."""
    # By position, for types and ids repeat.
    rows = await connection.execute(
        "SELECT w.n, r.bytes FROM unnest(%s::int[], %s::text[], %s::text[]) AS w (n, type, id) "
        "JOIN resource r ON r.type = w.type AND r.id = w.id WHERE NOT r.deleted",
        (
            list(range(len(resources))),
            [resource["resourceType"] for resource in resources],
            [resource["id"] for resource in resources],
        ),
    )
    linked = False
    for number, text in await rows.fetchall():
        # Contents about nobody, or about the same, need no link.
        present, wanted = owners(parse(bytes(text))), owners(resources[number])
        if present and wanted and present != wanted:
            if not await same_person(connection, present, wanted):
                return False
            linked = True
    return linked
