"""Patients that were merged by a number which another patient has, too, who is not merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import AsyncConnection

from fhir_bridge.storage.stored import parse

__all__ = ["MergedNumber", "merged_numbers"]

_PARAMETER: Final = "(SELECT key FROM parameter WHERE type = 'Patient' AND code = '{}')"
_PAIRS: Final = (
    "SELECT r.id AS merged, r.bytes, x.id, x.bytes AS content, b.code FROM resource r JOIN reference l ON "  # noqa: S608 - constants
    f"l.resource = r.key AND l.parameter = {_PARAMETER.format('link')} JOIN token a ON a.resource = r.key AND "
    f"a.parameter = {_PARAMETER.format('identifier')} JOIN token b ON b.parameter = a.parameter AND b.code = a.code "
    "AND b.system = a.system AND b.resource <> r.key AND b.resource IS DISTINCT FROM l.target JOIN resource x ON "
    "x.key = b.resource AND x.type = 'Patient' AND NOT x.deleted WHERE r.type = 'Patient' AND NOT r.deleted AND "
)
_MERGED: Final = f"{_PAIRS} r.key = ANY(%(keys)s) UNION {_PAIRS} x.key = ANY(%(keys)s) ORDER BY 1, 3"


@dataclass(frozen=True, slots=True)
class MergedNumber:
    """A number of a merged patient that another patient has.

    Attributes:
        merged, other: ids of the patients.
        number: the value of their identifier.
    """

    merged: str
    other: str
    number: str


async def merged_numbers(connection: AsyncConnection, keys: Sequence[int]) -> list[MergedNumber]:
    """Of these Patients (internal keys): the numbers by which one of them was merged, and the other was not."""
    rows = await connection.execute(_MERGED.encode(), {"keys": list(keys)})
    return [
        MergedNumber(merged, other, number)
        for merged, content, other, others, number in await rows.fetchall()
        if _is_replaced(parse(bytes(content))) and not _is_replaced(parse(bytes(others)))
    ]


def _is_replaced(patient: dict[str, Any]) -> bool:
    return any(link.get("type") == "replaced-by" for link in patient.get("link", ()))
