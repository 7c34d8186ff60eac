"""A business key that is known under another patient changes nothing: the check before a record is taken in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from psycopg import AsyncConnection

__all__ = ["owners", "same_person"]

_ELEMENTS = ("subject", "patient", "for", "beneficiary", "individual")


def owners(resource: dict[str, Any]) -> frozenset[str]:
    """Ids of the patients in whose record a resource is."""
    if resource["resourceType"] == "Patient":
        return frozenset({resource["id"]})
    found = set()
    for name in _ELEMENTS:
        value = resource.get(name)
        for item in value if isinstance(value, list) else [value]:
            reference = item.get("reference") if isinstance(item, dict) else None
            if isinstance(reference, str) and reference.startswith("Patient/"):
                found.add(reference.split("/")[1])
    return frozenset(found)


async def same_person(connection: AsyncConnection, one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether two sets of Patient ids are one and the same person, by Patient.link."""
    row = await (
        await connection.execute(
            "SELECT linked_patients(ARRAY(SELECT key FROM resource WHERE type = 'Patient' AND id = ANY(%s))) @> "
            "ARRAY(SELECT key FROM resource WHERE type = 'Patient' AND id = ANY(%s))",
            (sorted(one), sorted(other)),
        )
    ).fetchone()
    return row is not None and bool(row[0])
