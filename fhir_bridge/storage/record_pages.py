"""A patient's record page by page, with what it refers to (R4 patient-operation-everything.html)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.record import has_patient, is_followed
from fhir_bridge.storage.conditions import TRUE, Condition, all_of, live, person
from fhir_bridge.storage.cursors import Cursors
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadSearch
from fhir_bridge.storage.includes import Include, included
from fhir_bridge.storage.indexed import APART, find
from fhir_bridge.storage.permission import compile_access
from fhir_bridge.storage.search_pages import Branch, Place, Sort, read_page
from fhir_bridge.storage.search_text import date_value
from fhir_bridge.storage.searching import SearchOptions, SearchPage
from fhir_bridge.storage.stored import Stored

__all__ = ["RecordPart", "read_record_page"]

_CARE_DATES = (
    "date period onset-date effective-time effective occurrence started collected identified event-date start-date "
    "whenhandedover authoredon authored authored-on created sent datetime datewritten"
).split()
"""Search parameters that say when something was or is to be done; of a type the first that it has."""


@dataclass(frozen=True, slots=True)
class RecordPart:
    """What of a record is wanted.

    Attributes:
        types: of these; None for all.
        since: changed then or later.
        start, end: dates of care, as FHIR writes them; what has no date is in any range.
    """

    types: tuple[str, ...] | None = None
    since: datetime | None = None
    start: str | None = None
    end: str | None = None


async def read_record_page(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    cursors: Cursors,
    patient: str,
    access: AccessFilter,
    wanted: RecordPart,
    **options: Unpack[SearchOptions],
) -> SearchPage:
    """See `Searches.record_page`."""
    count, cursor, most_bytes = options.get("count", 50), options.get("cursor"), options.get("most_bytes")
    for kind in wanted.types or ():
        if kind not in definitions.resource_types():
            raise BadSearch(f"_type: {kind[:40]!r} is no resource type of R4")
        if kind in APART:
            raise BadSearch(f"_type: {kind} is searched by itself, as in {kind}?patient={patient}")
    bound = (access.subject, "record", patient, wanted.types, str(wanted.since), wanted.start, wanted.end)
    place = None if cursor is None else Place.read(cursors.read(cursor, bound))
    await dictionaries.require_records()
    branches = await _branches(pool, dictionaries, patient, access, wanted)
    if not branches:
        return SearchPage([], 0)
    async with pool.connection() as connection:
        page = await read_page(connection, branches, place, count, most_bytes, bounded=True)
        matched: dict[str, list[int]] = {branch.type: [] for branch in branches}
        for row in page.rows:
            matched[row[5]].append(row[0])
        left = None if most_bytes is None else max(0, most_bytes - sum(len(row[4]) for row in page.rows))
        follow = Include(None, None, None, reverse=False, iterate=False)
        beside = await included(
            connection,
            dictionaries,
            [follow],
            matched,
            access,
            most=options.get("most_included"),
            most_bytes=left,
            of=_is_beside(wanted),
        )
    entries = [Stored(row[5], row[1], row[2], row[3], row[4]) for row in page.rows]
    after, before = (None if at is None else cursors.make(at, bound) for at in (page.next, page.previous))
    known = len(entries) if cursor is None and not page.more else None
    since = wanted.since
    beside = [stored for stored in beside if since is None or stored.last_updated >= since]
    return SearchPage(entries, known, after, [], beside, before)


def _is_beside(wanted: RecordPart) -> frozenset[str]:
    """Types that come along: those that are about no patient. Others would be out of another's record."""
    return frozenset(
        kind
        for kind in definitions.resource_types()
        if not has_patient(kind) and (wanted.types is None or kind in wanted.types)
    )


async def _branches(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    patient: str,
    access: AccessFilter,
    wanted: RecordPart,
) -> list[Branch]:
    """For each type that the record has, what of it is wanted and may be found; the Patients first."""
    keys = person([patient])
    own = Condition(f"SELECT o.resource FROM record o WHERE o.patient = ANY({keys.text})", keys.values)  # noqa: S608
    every = Condition(f"{own.text} UNION SELECT about_through({keys.text})", (*own.values, *keys.values))
    statement = (
        f"SELECT DISTINCT r.type FROM resource r WHERE r.key = ANY(ARRAY({every.text})) AND NOT r.deleted"  # noqa: S608
    )
    async with pool.connection() as connection:
        rows = await connection.execute(statement.encode(), every.values)
        present = sorted(row[0] for row in await rows.fetchall())
    branches: list[Branch] = []
    for kind in present:
        if (wanted.types is not None and kind not in wanted.types) or not access.permits(kind, "s"):
            continue
        members = every if is_followed(kind) else own
        where = all_of(
            [
                live(kind),
                Condition(f"r.key = ANY(ARRAY({members.text}))", members.values),
                await _during(kind, wanted, dictionaries),
                TRUE if wanted.since is None else Condition("r.last_updated >= %s", (wanted.since,)),
                await compile_access(access, kind, "s", dictionaries),
            ]
        )
        # By a constant of its own, since a union orders only by what it gives.
        first = Sort(Condition("0" if kind == "Patient" else "1"), "integer", descending=False)
        branches.append(Branch(kind, where, (first,)))
    return branches


async def _during(kind: str, wanted: RecordPart, dictionaries: Dictionaries) -> Condition:
    """That the care was between the dates, or at no known time."""
    if wanted.start is None and wanted.end is None:
        return TRUE
    ends: list[Condition] = []
    for name, text, compared in (("start", wanted.start, "i.high > %s"), ("end", wanted.end, "i.low < %s")):
        if text is not None:
            value = date_value(name, text)
            if value.prefix != "eq" or text[:2] == "eq":
                raise BadSearch(f"{name}: takes a date without a prefix")
            ends.append(Condition(compared, (value.low if name == "start" else value.high or "infinity",)))
    code = next(
        (
            code
            for code in _CARE_DATES
            if (parameter := find(kind, code, dictionaries.definitions)) is not None
            and parameter.type == "date"
        ),
        None,
    )
    if code is None:
        return TRUE
    number = await dictionaries.find_parameter(kind, code)
    rows = f"SELECT FROM date i WHERE i.resource = r.key AND i.parameter = {number:d}"
    inside = all_of(ends)
    return Condition(f"(NOT EXISTS ({rows}) OR EXISTS ({rows} AND {inside.text}))", inside.values)
