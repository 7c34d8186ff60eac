"""The last results of each kind (R4 observation-operation-lastn.html), of what the caller may see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Unpack

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.storage.breathing import beside
from fhir_bridge.storage.conditions import Condition, all_of, live
from fhir_bridge.storage.cursors import Cursors
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadCursor, BadSearch
from fhir_bridge.storage.page_bytes import that_fit, within_bytes
from fhir_bridge.storage.permission import compile_access, require
from fhir_bridge.storage.searching import SearchOptions, SearchPage, conditions
from fhir_bridge.storage.stored import Stored

__all__ = ["last_observations"]

_SUBJECTS = frozenset(
    {"patient", "patient:identifier", "subject", "subject:identifier"}
    | {f"subject:{kind}" for kind in ("Patient", "Group", "Device", "Location")}
    | {"patient:Patient"}
)
MOST = 200_000
"""Results that are looked through; a patient's have a number that one hospital can produce."""
LARGE = 5_000
"""Results that are grouped beside the event loop."""


async def last_observations(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    cursors: Cursors,
    parameters: Sequence[tuple[str, str]],
    access: AccessFilter,
    *,
    most: int,
    **options: Unpack[SearchOptions],
) -> SearchPage:
    """See `Searches.last_observations`."""
    cursor, codes = options.get("cursor"), options.get("codes")
    require(access, "Observation", "s")
    # Those that name somebody: `patient:missing` is no subject.
    if not any(name in _SUBJECTS and value for name, value in parameters):
        raise BadSearch("$lastn needs patient or subject: whose results are asked for")
    matches, unknown = await conditions("Observation", parameters, access, dictionaries, codes)
    permitted = await compile_access(access, "Observation", "s", dictionaries)
    where = all_of([matches, permitted, live("Observation")])
    bound = (access.subject, "lastn", most, sorted(parameters))
    after = None if cursor is None else cursors.read(cursor, bound)[0]
    code = await dictionaries.find_parameter("Observation", "code")
    date = await dictionaries.find_parameter("Observation", "date")
    # A result without a coded kind is of the kind that its text says.
    statement = (
        "SELECT r.key, (SELECT max(i.low) FROM date i WHERE i.resource = r.key "  # noqa: S608
        f"AND i.parameter = {date:d})::text, r.last_updated::text, c.codes, CASE WHEN c.codes IS NULL THEN "
        "folded(resource_json(r.bytes) #>> '{code,text}') END FROM resource r, LATERAL (SELECT array_agg(DISTINCT "
        f"i.system || '|' || i.code) AS codes FROM token i WHERE i.resource = r.key AND i.parameter = {code:d}) c "
        f"WHERE {where.text} LIMIT {MOST + 1:d}"
    )
    async with pool.connection() as connection:
        rows: list[Any] = await (await connection.execute(statement.encode(), where.values)).fetchall()
        if len(rows) > MOST:
            raise BadSearch(f"$lastn looks through {MOST} results at most: name a category, a code or a date")
        keys = await beside(len(rows) > LARGE, lambda: _last(rows, most))
        page = await _page(connection, where, _behind(keys, after), options)
    shown = [Stored("Observation", row[1], row[2], row[3], row[4]) for row in page]
    more = bool(page) and page[-1][0] != keys[-1]
    following = cursors.make([page[-1][0]], bound) if more else None
    return SearchPage(shown, len(keys), following, unknown)


def _behind(keys: list[int], after: int | None) -> list[int]:
    if after is None:
        return keys
    if after not in keys:
        raise BadCursor("the results changed since the page before: ask for the first page again")
    return keys[keys.index(after) + 1 :]


async def _page(
    connection: AsyncConnection, where: Condition, keys: list[int], options: SearchOptions
) -> list[Any]:
    """Those of the results that fit on a page; the access filter is applied to the contents once more."""
    count, most_bytes = options.get("count", 50), options.get("most_bytes")
    statement = within_bytes(
        "SELECT r.key, r.id, r.version, r.last_updated, r.bytes, w.number FROM resource r "  # noqa: S608
        f"JOIN unnest(%s::bigint[]) WITH ORDINALITY AS w (key, number) ON w.key = r.key WHERE {where.text}",
        ("key", "id", "version", "last_updated", "bytes", "number"),
        "q.number",
    )
    values = (2**62 if most_bytes is None else most_bytes, keys[:count], *where.values)
    rows: list[Any] = await (await connection.execute(statement.encode(), values, binary=True)).fetchall()
    return that_fit(rows)


def _last(rows: Iterable[Any], most: int) -> list[int]:
    """The keys of the last results of each kind, the newest first within a kind.

    Results that share a code are of one kind, also by way of a third that has the codes of both. Of equal times at the
    end all are given (R4: "the server may return more").
    """
    groups: dict[str, str] = {}

    def root(name: str) -> str:
        while groups.setdefault(name, name) != name:
            groups[name] = groups[groups[name]]
            name = groups[name]
        return name

    names = []
    for row in rows:
        codes = row[3] or [f"text|{row[4] or ''}"]
        names.append((codes[0], row))
        for other in codes[1:]:
            groups[root(other)] = root(codes[0])
    kinds: dict[str, list[Any]] = {}
    for name, row in names:
        kinds.setdefault(root(name), []).append(row)
    keys: list[int] = []
    for name in sorted(kinds):
        # Without a time of its own a result is older than all that have one; among those, the last that was stored.
        of_kind = sorted(
            kinds[name],
            key=lambda row: (row[1] or "", row[2] if row[1] is None else "", row[0]),
            reverse=True,
        )
        last = of_kind[:most]
        ties = [row for row in of_kind[most:] if row[1] is not None and row[1] == last[-1][1]]
        keys += [row[0] for row in (*last, *ties)]
    return keys
