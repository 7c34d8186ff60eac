"""Orders, and what names an order by a number alone: which may belong together, and what records say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psycopg import AsyncConnection

from fhir_bridge.storage.records import NUMBERED_ORDERS
from fhir_bridge.storage.stored import parse

__all__ = [
    "CHANGING_TYPES",
    "NUMBERED_ORDERS",
    "ORDER_TYPES",
    "Naming",
    "contents_of",
    "naming",
    "orders_of",
    "reports_of",
]

ORDER_TYPES: Final = ("MedicationRequest", "ServiceRequest")
CHANGING_TYPES: Final = ("DiagnosticReport", *ORDER_TYPES, "Task")
"""What may change which order is meant, or what is said of it."""

_NUMBERS: Final = (
    "(SELECT key FROM parameter WHERE code = 'identifier' AND type IN ('MedicationRequest', 'ServiceRequest') "
    "OR code = 'focus:identifier' AND type = 'Task')"
)
_PLACER: Final = (
    "EXISTS (SELECT FROM token p WHERE p.resource = r.key AND p.code LIKE 'PLAC|%%' AND p.parameter IN (SELECT key "
    "FROM parameter WHERE code = 'identifier:of-type' AND type IN ('MedicationRequest', 'ServiceRequest')))"
)
# Of these resources: themselves, the orders that their reports name, what has a number of theirs, and
# what was joined to them.
_NEAR: Final = (
    "SELECT unnest(%(changed)s::bigint[]) AS key UNION SELECT f.target FROM reference f WHERE f.resource = "  # noqa: S608 - constants
    "ANY(%(changed)s) AND f.parameter IN (SELECT key FROM parameter WHERE type = 'DiagnosticReport' AND code = "
    f"'based-on') UNION SELECT b.resource FROM token a JOIN token b ON b.parameter IN {_NUMBERS} AND b.code = a.code "
    f"AND b.system = a.system WHERE a.resource = ANY(%(changed)s) AND a.parameter IN {_NUMBERS} "
    "UNION SELECT j.key FROM output o JOIN source_record s ON s.key = o.record AND s.source = %(source)s JOIN "
    "resource j ON j.type = split_part(s.id, '/', 1) AND j.id = split_part(s.id, '/', 2) "
    "WHERE o.resource = ANY(%(changed)s) AND o.active"
)
_NAMING: Final = (
    f"SELECT r.type, r.id, r.bytes, j.key IS NOT NULL FROM ({_NEAR}) n JOIN resource r ON r.key = n.key "  # noqa: S608
    "LEFT JOIN source_record j ON j.source = %(source)s AND j.id = r.type || '/' || r.id "
    "WHERE r.type = ANY(%(types)s) AND (j.key IS NOT NULL OR NOT r.deleted AND (r.type = 'Task' OR "
    f"(NOT {_PLACER} AND EXISTS (SELECT FROM token i JOIN token k ON k.parameter IN {_NUMBERS} AND k.code = i.code AND "
    f"k.system = i.system AND k.resource <> i.resource WHERE i.resource = r.key AND i.parameter IN {_NUMBERS})))) "
    "ORDER BY r.type, r.id"
)
_ORDERS: Final = (
    "SELECT DISTINCT r.type, r.id, r.bytes FROM resource x JOIN token a ON a.resource = x.key JOIN token b ON "  # noqa: S608
    "b.code = a.code AND b.system = a.system AND b.resource <> a.resource JOIN resource r ON r.key = b.resource "
    "WHERE x.type = %(type)s AND x.id = %(id)s AND r.type = ANY(%(types)s) AND NOT r.deleted "
    f"AND a.parameter IN {_NUMBERS} AND b.parameter IN {_NUMBERS} AND EXISTS (SELECT FROM record p JOIN record q "
    "ON q.patient = p.patient WHERE p.resource = x.key AND q.resource = r.key) ORDER BY r.type, r.id"
)
_CONTENTS: Final = (
    "SELECT DISTINCT ON (o.hash) coalesce(o.bytes, r.bytes), coalesce(s.locator, '') FROM output o JOIN resource r "
    "ON r.key = o.resource LEFT JOIN source_record s ON s.key = o.record WHERE r.type = %(type)s AND r.id = %(id)s "
    "AND o.active AND NOT o.superseded AND (s.source IS DISTINCT FROM %(source)s OR %(others)s AND s.id <> %(but)s)"
)
_REPORTS: Final = (
    "SELECT r.bytes FROM resource x JOIN reference f ON f.target = x.key JOIN resource r ON r.key = f.resource "
    "WHERE x.type = %(type)s AND x.id = %(id)s AND r.type = 'DiagnosticReport' AND NOT r.deleted AND f.parameter IN "
    "(SELECT key FROM parameter WHERE type = 'DiagnosticReport' AND code = 'based-on') ORDER BY r.id"
)


@dataclass(frozen=True, slots=True)
class Naming:
    """A resource that names an order by a number alone.

    Attributes:
        content: what is current of it; None where it is deleted.
        joined: whether it was joined to orders before.
    """

    type: str
    id: str
    content: dict[str, Any] | None
    joined: bool

    @property
    def name(self) -> str:
        """Type and id, as a reference has them."""
        return f"{self.type}/{self.id}"


async def naming(connection: AsyncConnection, changed: Sequence[int], types: Sequence[str]) -> list[Naming]:
    """What names an order by a number alone, and may mean another one since these resources changed."""
    values = {"changed": list(changed), "types": list(types), "source": NUMBERED_ORDERS}
    rows = await connection.execute(_NAMING.encode(), values)
    return [
        Naming(kind, name, None if content is None else parse(bytes(content)), joined)
        for kind, name, content, joined in await rows.fetchall()
    ]


async def orders_of(connection: AsyncConnection, named: Naming) -> list[dict[str, Any]]:
    """The orders of its patient that have a number of it."""
    values = {"type": named.type, "id": named.id, "types": list(ORDER_TYPES)}
    rows = await connection.execute(_ORDERS.encode(), values)
    return [parse(bytes(content)) for _, _, content in await rows.fetchall()]


async def contents_of(
    connection: AsyncConnection, kind: str, name: str, others_but: str | None = None
) -> list[tuple[dict[str, Any], str]]:
    """What source records say of a resource, each content as it came, and where the record is.

    Args:
        others_but: also what was joined to it, but by this resource.
    """
    values = {
        "type": kind,
        "id": name,
        "source": NUMBERED_ORDERS,
        "others": others_but is not None,
        "but": others_but,
    }
    rows = await connection.execute(_CONTENTS.encode(), values)
    return [(parse(bytes(content)), locator) for content, locator in await rows.fetchall()]


async def reports_of(connection: AsyncConnection, named: Naming) -> list[dict[str, Any]]:
    """The reports that refer to it."""
    rows = await connection.execute(_REPORTS.encode(), {"type": named.type, "id": named.id})
    return [parse(bytes(row[0])) for row in await rows.fetchall()]
