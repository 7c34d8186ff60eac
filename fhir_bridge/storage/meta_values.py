"""The profiles, tags and security labels of what a caller may see (R4 resource-operation-meta.html)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.storage.conditions import FALSE, all_of, live
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.indexed import find
from fhir_bridge.storage.permission import compile_access

__all__ = ["read_meta"]

_CODINGS = (
    "SELECT DISTINCT s.url, i.code FROM token i JOIN code_system s ON s.key = i.system WHERE i.parameter = %s "
    "AND EXISTS (SELECT FROM resource r WHERE r.key = i.resource AND {where})"
)
_PROFILES = {
    "uri": "SELECT DISTINCT i.value FROM uri i WHERE i.parameter = %s AND EXISTS "
    "(SELECT FROM resource r WHERE r.key = i.resource AND {where})",
    "reference": "SELECT DISTINCT i.url FROM reference i WHERE i.parameter = %s AND i.url IS NOT NULL AND EXISTS "
    "(SELECT FROM resource r WHERE r.key = i.resource AND {where})",
}


async def read_meta(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    types: Sequence[str],
    access: AccessFilter,
) -> dict[str, Any]:
    """See `Searches.meta`."""
    profiles: set[str] = set()
    codings: dict[str, set[tuple[str, str]]] = {"security": set(), "tag": set()}
    for kind in types:
        where = all_of([live(kind), await compile_access(access, kind, "s", dictionaries)])
        profile = find(kind, "_profile", dictionaries.definitions)
        if where is FALSE or profile is None:
            continue
        statements = [(f"_{name}", _CODINGS) for name in codings] + [("_profile", _PROFILES[profile.type])]
        for code, statement in statements:
            number = await dictionaries.find_parameter(kind, code)
            async with pool.connection() as connection:
                text = statement.format(where=where.text).encode()
                rows = await (await connection.execute(text, (number, *where.values))).fetchall()
            if code == "_profile":
                profiles.update(row[0] for row in rows)
            else:
                codings[code[1:]].update((row[0], row[1]) for row in rows)
    meta: dict[str, Any] = {"profile": sorted(profiles)} if profiles else {}
    for name, pairs in codings.items():
        if pairs:
            meta[name] = [
                {"system": system, "code": code} if system else {"code": code}
                for system, code in sorted(pairs)
            ]
    return meta
