"""How many matches there are, about: counted up to a bound, and beyond it worked out from where they are.

All is under the caller's access: the matches that are counted are those that the caller may see, and the estimate comes
from how close together they are. What the database's statistics say of all resources is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import AsyncConnection

from fhir_bridge.storage.search_pages import Branch

__all__ = ["BOUND", "estimate_all", "estimated"]

BOUND = 1_000
"""Matches of a type that are counted."""


def estimated(parameters: Sequence[tuple[str, str]]) -> bool:
    """Whether an estimate is enough (R4 search.html#total)."""
    return ("_total", "estimate") in parameters


async def estimate_all(connection: AsyncConnection, branches: Sequence[Branch]) -> int:
    """How many matches there are: exactly, where no type has more than `BOUND`."""
    return sum([await _estimate(connection, branch) for branch in branches])


async def _estimate(connection: AsyncConnection, branch: Branch) -> int:
    statement = (
        "SELECT count(*), min(c.key), max(c.key) FROM (SELECT r.key FROM resource r "  # noqa: S608
        f"WHERE {branch.where.text} AND r.key >= (SELECT min(f.key) FROM resource f WHERE f.type = '{branch.type}' "
        f"AND NOT f.deleted) ORDER BY r.key LIMIT {BOUND + 1:d}) c"
    )
    row = await (await connection.execute(statement.encode(), branch.where.values, prepare=False)).fetchone()
    assert row is not None
    counted, first, last = (int(value or 0) for value in row)
    if counted <= BOUND:
        return counted
    # Keys are given in order: as many matches as in the part that was looked at are expected in each of its length.
    row = await (
        await connection.execute(
            "SELECT max(key) FROM resource WHERE type = %s AND NOT deleted", (branch.type,)
        )
    ).fetchone()
    assert row is not None
    return max(counted, round(counted * (int(row[0]) - first + 1) / (last - first + 1)))
