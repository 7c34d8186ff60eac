"""Facets: codes of which nearly all resources of a type have one of few sets, kept as the set's number in their row.

A set never changes, and none is taken away. Whoever searches looks for the numbers of the sets that have a code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from psycopg import AsyncConnection

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.fhir.search.entries import IndexEntry, TokenEntry
from fhir_bridge.fhir.search_parameters import is_of_resource
from fhir_bridge.storage.conditions import FALSE, Condition
from fhir_bridge.storage.indexed import included

__all__ = [
    "NONE",
    "Facets",
    "add_facet_set",
    "faceted",
    "faceted_entries",
    "find_facet_set",
    "having",
    "members_of",
]

Facets = tuple[TokenEntry, ...]
Members = Sequence[tuple[int, int, str]]
"""Parameter, system and code of each, in order."""
NONE = 0
"""The number of no set."""
MOST = 1_000
"""Sets that a statement names by their numbers."""


def faceted(resource_type: str, known: Definitions = DEFAULT) -> frozenset[str]:
    """The parameters of a type whose codes are facets; their values have no rows of their own."""
    return known.derived(_faceted, resource_type)


def _faceted(known: Definitions, resource_type: str) -> frozenset[str]:
    parameters = known.search_parameters(resource_type)
    wider = included(resource_type, known)
    # Composites of an element look at rows, and those that include others at all of them.
    apart = {code for codes in wider.values() for code in codes} | wider.keys()
    for parameter in parameters.values():
        if not is_of_resource(parameter):
            apart.update(code for code, _ in parameter.components)
    return frozenset(
        code
        for code in ("status", "category")
        if code not in apart and (one := parameters.get(code)) is not None and one.type == "token"
    )


def faceted_entries(
    resource_type: str, entries: Iterable[IndexEntry], known: Definitions = DEFAULT
) -> Facets:
    """The facets among the entries of a resource, each once, in one order."""
    codes = faceted(resource_type, known)
    wanted = {entry for entry in entries if type(entry) is TokenEntry and entry.parameter in codes}
    return tuple(wanted) if len(wanted) < 2 else tuple(sorted(wanted, key=_order))


def _order(entry: TokenEntry) -> tuple[str, str, str]:
    return entry.parameter, entry.system or "", entry.code


def members_of(facets: Facets, parameters: Mapping[str, int], systems: Mapping[str, int]) -> Members:
    """The numbers of facets."""
    return sorted(
        {(parameters[entry.parameter], systems[entry.system or ""], entry.code) for entry in facets}
    )


def _digest(members: Members) -> bytes:
    # With its length a code can't pass for two, whatever it holds.
    text = "\n".join(f"{parameter}|{system}|{len(code)}|{code}" for parameter, system, code in members)
    return hashlib.sha256(text.encode()).digest()


async def find_facet_set(connection: AsyncConnection, members: Members) -> int | None:
    """The number of a set, where it has one."""
    rows = await connection.execute("SELECT key FROM facet_set WHERE digest = %s", (_digest(members),))
    row = await rows.fetchone()
    return None if row is None else row[0]


async def add_facet_set(connection: AsyncConnection, members: Members) -> int:
    """The number of a set; it gets one where it has none, in the transaction of the connection."""
    await connection.execute(
        "INSERT INTO facet_set (digest) SELECT %s WHERE NOT EXISTS (SELECT FROM facet_set WHERE digest = %s) "
        "ON CONFLICT DO NOTHING",
        (_digest(members), _digest(members)),
    )
    # Read again: of what another writer inserted first DO NOTHING returns nothing.
    number = await find_facet_set(connection, members)
    assert number is not None
    await connection.execute(
        "INSERT INTO facet SELECT %s, * FROM unnest(%s::int[], %s::int[], %s::text[]) ON CONFLICT DO NOTHING",
        (number, *([member[place] for member in members] for place in range(3))),
    )
    return number


async def having(connection: AsyncConnection, parameter: int, met: Condition) -> Condition:
    """Resources `r` that have a facet of the parameter that meets a condition on `i`."""
    # The numbers are in the text, so that PostgreSQL plans with its statistics of them; but not without end.
    sets = f"SELECT DISTINCT i.key FROM facet i WHERE i.parameter = {parameter:d} AND {met.text}"  # noqa: S608
    rows = await connection.execute(f"{sets} LIMIT {MOST + 1:d}".encode(), met.values)
    numbers = sorted(row[0] for row in await rows.fetchall())
    if len(numbers) > MOST:
        return Condition(f"r.facets IN ({sets})", met.values)
    return Condition(f"r.facets IN ({', '.join(map(str, numbers))})") if numbers else FALSE
