"""Patients whose imaging studies may have found their orders and reports since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from psycopg import AsyncConnection

__all__ = ["JOINED_TYPES", "changed_since", "patients_of"]

JOINED_TYPES: Final = ("DiagnosticReport", "ImagingStudy", "ServiceRequest")
"""What is joined."""

_WITH_STUDIES = (
    "SELECT DISTINCT p.id FROM resource r JOIN record c ON c.resource = r.key JOIN resource p ON p.key = c.patient "
    "WHERE r.type = ANY(%s) AND NOT r.deleted AND p.type = 'Patient' AND EXISTS (SELECT FROM record o "
    "JOIN resource s ON s.key = o.resource WHERE o.patient = c.patient AND s.type = 'ImagingStudy' AND NOT s.deleted)"
)


async def changed_since(connection: AsyncConnection, since: datetime) -> list[str]:
    """Ids of the patients who have studies, and of whom a study, order or report changed since."""
    rows = await connection.execute(
        _WITH_STUDIES + " AND r.last_updated >= %s ORDER BY p.id", (list(JOINED_TYPES), since)
    )
    return [row[0] for row in await rows.fetchall()]


async def patients_of(connection: AsyncConnection, names: Sequence[tuple[str, str]]) -> list[str]:
    """Ids of the patients who have studies, and whom these resources (type, id) are about."""
    rows = await connection.execute(
        _WITH_STUDIES + " AND (r.type, r.id) IN (SELECT * FROM unnest(%s::text[], %s::text[])) ORDER BY p.id",  # noqa: S608 - constants
        (list(JOINED_TYPES), [name[0] for name in names], [name[1] for name in names]),
    )
    return [row[0] for row in await rows.fetchall()]
