"""How many matches there are, about: from samples where matches are frequent, else counted up to a bound.

All is under the caller's access: what is counted are matches that the caller may see, and the estimate comes from how
close together they are. What the database's statistics say of all resources is not asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import AsyncConnection

from fhir_bridge.storage.conditions import of_type
from fhir_bridge.storage.search_pages import Branch, count_all

__all__ = ["BOUND", "estimate_all", "estimated"]

BOUND = 1_000
"""Matches of a type that are counted, where they are rare."""
SAMPLES, SAMPLE = 20, 100
"""Places, evenly spread, and how many keys are looked at from each."""
ENOUGH = 50
"""Matches among the samples from which on they are frequent: an estimate is then rarely off by a quarter."""


def estimated(parameters: Sequence[tuple[str, str]]) -> bool:
    """Whether an estimate is enough (R4 search.html#total)."""
    return ("_total", "estimate") in parameters


async def estimate_all(connection: AsyncConnection, branches: Sequence[Branch]) -> int:
    """How many matches there are: exactly, where no type has more than `BOUND`, or some thousand resources."""
    return sum([await _estimate(connection, branch) for branch in branches])


async def _estimate(connection: AsyncConnection, branch: Branch) -> int:
    live = f"FROM resource r WHERE {of_type(branch.type)} AND NOT r.deleted"
    row = await (await connection.execute(f"SELECT min(r.key), max(r.key) {live}".encode())).fetchone()
    if row is None or row[0] is None:
        return 0
    first, last = int(row[0]), int(row[1])
    size = last - first + 1
    if size <= 2 * SAMPLES * SAMPLE:
        return await count_all(connection, [branch])
    matched = await _sampled(connection, branch, first, size)
    if matched >= ENOUGH:
        return round(matched * size / (SAMPLES * SAMPLE))
    return await _up_to_the_bound(connection, branch, first, last)


async def _sampled(connection: AsyncConnection, branch: Branch, first: int, size: int) -> int:
    """The matches among the keys of the samples, each looked up by itself."""
    starts = [first + size * number // SAMPLES for number in range(SAMPLES)]
    statement = (
        "SELECT count(*) FROM unnest(%s::bigint[]) AS s (start) CROSS JOIN LATERAL (SELECT f.key FROM resource f "  # noqa: S608
        f"WHERE {of_type(branch.type, 'f')} AND NOT f.deleted AND f.key >= s.start AND f.key < s.start + {SAMPLE:d} "
        "OFFSET 0) k CROSS JOIN LATERAL (SELECT FROM resource r WHERE r.key = k.key "
        f"AND {branch.where.text} OFFSET 0) w"
    )
    cursor = await connection.execute(statement.encode(), (starts, *branch.where.values), prepare=False)
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def _up_to_the_bound(connection: AsyncConnection, branch: Branch, first: int, last: int) -> int:
    statement = (
        "SELECT count(*), max(c.key) FROM (SELECT r.key FROM resource r "  # noqa: S608
        f"WHERE {branch.where.text} AND r.key >= {first:d} ORDER BY r.key LIMIT {BOUND + 1:d}) c"
    )
    row = await (await connection.execute(statement.encode(), branch.where.values, prepare=False)).fetchone()
    assert row is not None
    counted = int(row[0])
    if counted <= BOUND:
        return counted
    # Keys are given in order: as many matches as in the part that was looked at are expected in each of its length.
    return max(counted, round(counted * (last - first + 1) / (int(row[1]) - first + 1)))
