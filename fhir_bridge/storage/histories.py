"""Versions that were: vread and history at three levels, within what the caller may see.

An old version may have been about another patient than the current one. So both must be within the caller's bounds: the
resource as it is, by SQL, and the version's own content, by the same rules in Python.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Literal

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.definitions import resource_types
from fhir_bridge.storage.breathing import LARGE_BYTES, Pause, beside
from fhir_bridge.storage.conditions import TRUE, Condition, all_of, any_of, live, person
from fhir_bridge.storage.cursors import Cursors
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import Gone, NotFound
from fhir_bridge.storage.indexed import APART
from fhir_bridge.storage.indexing import Indexed, index
from fhir_bridge.storage.page_bytes import that_fit, within_bytes
from fhir_bridge.storage.permission import (
    People,
    allowed,
    anybody_denies,
    compile_access,
    is_unbounded,
    named_by_contents,
    owners_of_contents,
    people_of,
    require,
    who_deny,
)
from fhir_bridge.storage.search_text import date_value
from fhir_bridge.storage.stored import Stored, parse_for_reading

__all__ = [
    "HistoryEntry",
    "HistoryPage",
    "HistoryRequest",
    "history",
    "read_current",
    "read_version",
    "visible_rows",
]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A version and how it came about; `stored.bytes` is empty for a deletion."""

    stored: Stored
    method: Literal["POST", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of versions; `total` None where not counted."""

    entries: list[HistoryEntry]
    total: int | None = None
    next: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """Which page of a history is asked for.

    Attributes:
        count: versions on a page.
        since: the earliest time of a version.
        at: date or period, with a prefix, at which versions were current (`_at`).
        cursor: of the page before.
        most_bytes: of the contents of a page.
    """

    count: int
    since: datetime | None
    at: str | None
    cursor: str | None
    most_bytes: int

    @property
    def is_first(self) -> bool:
        """Whether no page is before it."""
        return self.cursor is None


async def read_current(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    resource_type: str,
    identity: str,
    access: AccessFilter,
) -> Stored:
    """The current version; see `Store.read`."""
    permitted = await compile_access(access, resource_type, "r", dictionaries, past=True)
    # version 0: a row that is only referred to was never stored, which is 404 and not 410.
    statement = (
        "SELECT r.version, r.last_updated, r.bytes, r.key FROM resource r "  # noqa: S608
        f"WHERE r.type = %s AND r.id = %s AND r.version > 0 AND {permitted.text}"
    )
    async with pool.connection() as connection:
        # Binary: bytea as text is twice as long, and has to be decoded.
        rows = await connection.execute(
            statement.encode(), (resource_type, identity, *permitted.values), binary=True
        )
        row: Any = await rows.fetchone()
        if row is not None and row[2] is None:
            everything = is_unbounded(access, resource_type, "r")
            deletion = (resource_type, identity, *row)
            if not await visible_rows(connection, access, [deletion], "r", everything=everything):
                row = None
    if row is None:
        # Hidden or absent, with the same text: a caller must not learn which (docs/rest.md).
        raise NotFound(f"no {resource_type}/{identity}")
    if row[2] is None:
        raise Gone(f"{resource_type}/{identity} was deleted")
    return Stored(resource_type, identity, *row[:3])


async def read_version(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    resource_type: str,
    identity: str,
    version: str,
    access: AccessFilter,
) -> Stored:
    """One version; see `Store.vread`."""
    require(access, resource_type, "r")
    # Nine digits at most: the column is an integer of four bytes.
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise NotFound(f"no {resource_type}/{identity} version {version}")
    permitted = await compile_access(access, resource_type, "r", dictionaries, past=True)
    # Both branches by their primary keys: a plain OR over the joined tables would read the
    # whole history of the resource.
    statement = (
        "SELECT r.type, r.id, v.version, v.last_updated, v.bytes, r.key FROM resource r, LATERAL ("  # noqa: S608
        "SELECT r.version, r.last_updated, r.bytes WHERE r.version = %s UNION ALL "
        "SELECT h.version, h.last_updated, h.bytes FROM history h WHERE h.resource = r.key AND h.version = %s) v "
        f"WHERE r.type = %s AND r.id = %s AND r.version > 0 AND {permitted.text}"
    )
    number = int(version)
    async with pool.connection() as connection:
        rows = await connection.execute(
            statement.encode(), (number, number, resource_type, identity, *permitted.values), binary=True
        )
        row: Any = await rows.fetchone()
        visible = (
            []
            if row is None
            else await visible_rows(
                connection, access, [row], "r", everything=is_unbounded(access, resource_type, "r")
            )
        )
    if not visible:
        raise NotFound(f"no {resource_type}/{identity} version {version}")
    if row[4] is None:
        raise Gone(f"{resource_type}/{identity} version {version} is its deletion")
    return Stored(*row[:5])


async def history(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    cursors: Cursors,
    resource_type: str | None,
    identity: str | None,
    access: AccessFilter,
    request: HistoryRequest,
) -> HistoryPage:
    """Versions of a resource, of a type, or of all types that the caller may search; AuditEvents have their own.

    Raises:
        NotFound: no such resource. BadSearch: `at` is no date. Forbidden: no grant. BadCursor: another caller's or
            history's cursor.
    """
    if resource_type is not None and identity is not None:
        return await _instance_history(pool, dictionaries, cursors, resource_type, identity, access, request)
    if resource_type is not None:
        require(access, resource_type, "s")
        types = [resource_type]
    else:
        # There are more AuditEvents than of all else.
        types = [kind for kind in sorted(resource_types() - APART) if access.permits(kind, "s")]
    return await _type_history(pool, dictionaries, cursors, types, access, request)


async def _instance_history(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    cursors: Cursors,
    resource_type: str,
    identity: str,
    access: AccessFilter,
    request: HistoryRequest,
) -> HistoryPage:
    """All versions of a resource: the current first, then by number; late arrivals among them."""
    require(access, resource_type, "r")
    bound = (access.subject, "history", resource_type, identity, str(request.since), request.at)
    ends, during = "", TRUE
    if request.at is not None:
        ends, during = f", {_ENDS} AS ends", _current_at(request.at, "v.last_updated", "v.ends")
    permitted = await compile_access(access, resource_type, "r", dictionaries, past=True)
    statement = within_bytes(
        "SELECT r.type, r.id, v.version, v.last_updated, v.bytes, r.key, v.current FROM resource r, LATERAL ("  # noqa: S608
        f"SELECT r.version, r.last_updated, r.bytes, 1 AS current{ends and ', ' + _FOREVER} UNION ALL "
        f"SELECT h.version, h.last_updated, h.bytes, 0{ends} FROM history h WHERE h.resource = r.key"
        f"{ends and _WERE_CURRENT}) v (version, last_updated, bytes, current{ends and ', ends'}) "
        f"WHERE r.type = %s AND r.id = %s AND r.version > 0 AND {permitted.text} "
        f"AND v.last_updated >= coalesce(%s, '-infinity'::timestamptz) AND {during.text} "
        "AND (%s = 0 OR v.current = 0) AND v.version < %s ORDER BY v.current DESC, v.version DESC LIMIT %s",
        ("type", "id", "version", "last_updated", "bytes", "key", "current"),
        "q.current DESC, q.version DESC",
    )
    everything = is_unbounded(access, resource_type, "r")

    async def read(
        connection: AsyncConnection, location: Sequence[Any] | None, some: int, size: int
    ) -> list[Any]:
        # A version that arrived late has a greater number than the current one: hence the
        # current first, then the others.
        before = location or (0, 2**31 - 1)
        values = (
            size,
            resource_type,
            identity,
            *permitted.values,
            request.since,
            *during.values,
            *before,
            some,
        )
        return await (await connection.execute(statement.encode(), values, binary=True)).fetchall()

    async def visible(connection: AsyncConnection, rows: list[Any]) -> list[Any]:
        return await visible_rows(connection, access, rows, "r", everything=everything)

    location = cursors.read(request.cursor, bound) if request.cursor is not None else None
    async with pool.connection() as connection:
        filled = await _filled(
            connection,
            read,
            visible,
            lambda row: [1, 2**31 - 1 if row[6] else row[2]],
            location,
            request,
        )
    if filled.empty and request.is_first and request.since is None and request.at is None:
        # Only where nothing narrowed it: an empty later page is a page of a resource that is there.
        raise NotFound(f"no {resource_type}/{identity}")
    return filled.page(cursors, bound, whole=request.is_first and request.count > 0)


async def _type_history(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    cursors: Cursors,
    types: list[str],
    access: AccessFilter,
    request: HistoryRequest,
) -> HistoryPage:
    """Versions of all resources of some types, newest first; what came late and never was current is left out."""
    bound = (access.subject, "history", types, str(request.since), request.at)
    location = cursors.read(request.cursor, bound) if request.cursor is not None else None
    patient = _patient(access)
    record, searched = Condition("", ()), access
    if patient is not None:  # all is in this record: there the search begins, and needs no look whether it is
        await dictionaries.require_records()
        keys = person([patient])
        # MATERIALIZED: both branches use it, and the function behind it is to run once.
        record = Condition(
            f"WITH mine AS MATERIALIZED (SELECT ARRAY(SELECT in_record({keys.text})) AS keys) ", keys.values
        )
        # Without the rules' own bound: of each row the database would else look up
        # again what `mine` already selects.
        searched = replace(access, rules=tuple(replace(rule, patient=None) for rule in access.rules))
    permitted = {kind: await compile_access(searched, kind, "s", dictionaries, past=True) for kind in types}
    searched_for = _permitted(permitted)

    async def read(
        connection: AsyncConnection, location: Sequence[Any] | None, some: int, size: int
    ) -> list[Any]:
        page_of = _Slice(searched_for, patient is not None, location, request.since, request.at, some)
        branches = [page_of.of_resources(condition) for condition in _current(types)] + [
            page_of.of_history(types)
        ]
        union = " UNION ALL ".join(f"({branch.text})" for branch in branches)
        # A union of slices that are each ordered by an index and limited, so that no
        # more is read than the page needs.
        statement = within_bytes(
            f"{record.text}SELECT * FROM ({union}) v ORDER BY v.last_updated DESC, v.key DESC, v.version DESC LIMIT %s",  # noqa: S608
            ("type", "id", "version", "last_updated", "bytes", "key", "moment"),
            "q.last_updated DESC, q.key DESC, q.version DESC",
        )
        values = (size, *record.values, *(value for branch in branches for value in branch.values), some)
        return await (await connection.execute(statement.encode(), values, binary=True)).fetchall()

    async def visible(connection: AsyncConnection, rows: list[Any]) -> list[Any]:
        results: list[Any] = []
        for kind in {row[0] for row in rows}:
            of_kind = [row for row in rows if row[0] == kind]
            all_of_kind = is_unbounded(access, kind, "s") and patient is None
            results += await visible_rows(connection, access, of_kind, "s", everything=all_of_kind)
        return results

    async with pool.connection() as connection:
        filled = await _filled(
            connection,
            read,
            visible,
            lambda row: [row[6], row[5], row[2]],
            location,
            request,
        )
    return filled.page(cursors, bound, whole=request.is_first and request.count > 0)


@dataclass(frozen=True, slots=True)
class _Filled:
    """Rows of a page that the caller may see. following: where the next begins; empty: there is none at all."""

    rows: list[Any]
    following: Sequence[Any] | None
    empty: bool

    def page(self, cursors: Cursors, bound: Any, *, whole: bool) -> HistoryPage:
        """The page. whole: before it there is none, so that what is on it is all where nothing follows."""
        following = None if self.following is None else cursors.make(list(self.following), bound)
        total = len(self.rows) if whole and following is None else None
        return HistoryPage([_entry(row) for row in self.rows], total, following)


AT_LEAST = 50
"""Versions that are read at once where some of a page turn out to be hidden."""
MOST_READS = 40
"""How often more are read for one page: after that it is shorter, and its cursor goes on from there."""


async def _filled(
    connection: AsyncConnection,
    read: Callable[[AsyncConnection, Sequence[Any] | None, int, int], Awaitable[list[Any]]],
    visible: Callable[[AsyncConnection, list[Any]], Awaitable[list[Any]]],
    place: Callable[[Any], Sequence[Any]],
    location: Sequence[Any] | None,
    request: HistoryRequest,
) -> _Filled:
    """A page whose rows are filtered by their own content after they are read: more is read until it is full.

    Args:
        read: rows after a place, at most so many, of at most so many bytes.
        visible: those of them that the caller may see.
        place: of a row.
    """
    shown: list[Any] = []
    empty, size = True, 0
    # One more than the page has shows whether another follows; a hidden one must not say so.
    wanted = request.count + 1
    for _ in range(MOST_READS):
        rows = await read(connection, location, wanted, request.most_bytes - size)
        fitting = that_fit(rows)
        seen = {(row[5], row[2]) for row in await visible(connection, fitting)}
        empty = empty and not seen
        for row in fitting:
            if (row[5], row[2]) not in seen:
                continue
            if len(shown) == request.count:
                return _Filled(shown, place(shown[-1]) if shown else location, False)
            shown.append(row)
            size += len(row[4] or b"")
        if fitting:
            location = place(fitting[-1])
        cut = len(fitting) < len(rows)
        if (cut and shown) or size >= request.most_bytes:
            return _Filled(shown, location, False)
        if len(rows) < wanted and not cut:
            return _Filled(shown, None, empty)
        wanted = max(request.count + 1 - len(shown), AT_LEAST)
    return _Filled(shown, location, False)


def _permitted(permitted: Mapping[str, Condition]) -> Condition:
    """What the caller may search of the types; most of them are under the same condition."""
    groups: list[tuple[Condition, list[str]]] = []
    for kind, condition in permitted.items():
        # Conditions are compared, not hashed: rules are few, and one branch each
        # type would repeat them 146 times.
        for known, kinds in groups:
            if known == condition:
                kinds.append(kind)
                break
        else:
            groups.append((condition, [kind]))
    return any_of(all_of([Condition("r.type = ANY(%s)", (kinds,)), condition]) for condition, kinds in groups)


def _patient(access: AccessFilter) -> str | None:
    """The patient whose record has all that the caller may search, if it is one's."""
    patients = {rule.patient for rule in access.rules if "s" in rule.interactions}
    return patients.pop() if len(patients) == 1 else None


def _current(types: Sequence[str]) -> list[Condition]:
    """Which rows of `resource` are looked through, each in the order of an index."""
    # One type: one branch each for the live and the deleted, since each has a partial
    # index of its own (migration 0010).
    if len(types) != 1:
        return [Condition("r.version > 0")]
    current = live(types[0])
    return [current, Condition(current.text.replace("NOT r.deleted", "r.deleted AND r.version > 0"))]


@dataclass(frozen=True, slots=True)
class _Slice:
    """The newest versions of one table, as many as a page has at most: read in the order of an index, and no further.

    Attributes:
        bounded: whether only those of the CTE `mine` count. Else a page of a bounded caller would look at the
            versions of all other patients, for each whether it is about this one.
        place: moment, key and version before which they are.
        at: when they were current.
    """

    where: Condition
    bounded: bool
    place: Sequence[Any] | None
    since: datetime | None
    at: str | None
    count: int

    def of_resources(self, which: Condition) -> Condition:
        """Of current versions."""
        return self._of(
            "resource r", "r", "r.key", all_of([which, self.where]), "r.last_updated DESC, r.key DESC"
        )

    def of_history(self, types: Sequence[str]) -> Condition:
        """Of versions that were current."""
        # The type is in the text, as in `live`: the index on (type, time) is chosen with its statistics.
        of_type = Condition(f"h.type = '{types[0]}'") if len(types) == 1 else TRUE
        which = all_of([Condition("h.kind IN ('v', 'd')"), of_type, self.where])
        order = "h.last_updated DESC, h.resource DESC, h.version DESC"
        return self._of("history h JOIN resource r ON r.key = h.resource", "h", "h.resource", which, order)

    def _of(self, source: str, table: str, key: str, which: Condition, order: str) -> Condition:
        # An array from a sub-select, not a join: the index on time stays the one that leads.
        conditions = [
            which,
            Condition(f"{key} = ANY((SELECT keys FROM mine)::bigint[])") if self.bounded else TRUE,  # noqa: S608
            Condition(f"{table}.last_updated >= coalesce(%s, '-infinity'::timestamptz)", (self.since,)),
        ]
        if self.at is not None:
            ends = _FOREVER if table == "r" else _ENDS
            conditions.append(_current_at(self.at, f"{table}.last_updated", ends))
        if self.place is not None:
            # Compared as a row, which is the order of the index.
            before = f"({table}.last_updated, {key}, {table}.version) < (%s::timestamptz, %s, %s)"
            conditions.append(Condition(before, tuple(self.place)))
        where = all_of(conditions)
        # As text too, exactly as the database compares it: the cursor is JSON, which has no times.
        return Condition(
            f"SELECT r.type, r.id, {table}.version, {table}.last_updated, {table}.bytes, r.key, "  # noqa: S608
            f"{table}.last_updated::text AS moment FROM {source} WHERE {where.text} ORDER BY {order} LIMIT %s",
            (*where.values, self.count),
        )


_FOREVER = "'infinity'::timestamptz"
_WERE_CURRENT = " AND h.kind IN ('v', 'd')"
# least() leaves nulls out of account.
_ENDS = (
    "least((SELECT min(n.last_updated) FROM history n WHERE n.resource = h.resource AND n.version > h.version "
    "AND n.kind IN ('v', 'd')), CASE WHEN r.version > h.version THEN r.last_updated END)"
)
"""When the version `h` of the resource `r` was followed by the next."""


def _current_at(at: str, start: str, end: str) -> Condition:
    """That a version, which was current from `start` to `end`, was so at some time of `at` (R4 http.html#history)."""
    wanted = date_value("_at", at)
    low, high = wanted.low, wanted.high or "infinity"
    match wanted.prefix:
        case "eq":
            return Condition(f"({start} < %s::timestamptz AND {end} > %s)", (high, low))
        case "gt" | "sa":
            return Condition(f"{end} > %s::timestamptz", (high,))
        case "ge":
            return Condition(f"{end} > %s", (low,))
        case "lt" | "eb":
            return Condition(f"{start} < %s", (low,))
        case "le":
            return Condition(f"{start} < %s::timestamptz", (high,))
        case "ne":
            return Condition(f"({start} < %s OR {end} > %s::timestamptz)", (low, high))
        case _:
            first, last = wanted.approximate()
            return Condition(f"({start} < %s AND {end} > %s)", (last, first))


def _entry(row: Any) -> HistoryEntry:
    stored = Stored(row[0], row[1], row[2], row[3], row[4] or b"")
    if row[4] is None:
        return HistoryEntry(stored, "DELETE")
    # How the first version came about (POST, or PUT to a free id) is not kept: POST says that it was created.
    return HistoryEntry(stored, "POST" if row[2] == 1 else "PUT")


async def visible_rows(
    connection: AsyncConnection, access: AccessFilter, rows: list[Any], letter: str, *, everything: bool
) -> list[Any]:
    """The rows whose own content the caller may see. A deletion shows what it took away: it goes by that content.

    Args:
        rows: type, id, version, time, content (None: a deletion) and key, and what else there is.
        everything: the caller may see all resources of these types, but for what is withheld.
    """
    denied = await anybody_denies(connection, access)
    if everything and not access.withheld_labels and not denied:
        return rows
    contents = {(row[5], row[2]): row[4] for row in rows if row[4] is not None}
    # A deletion has no content of its own, and its patient is that of what it took away.
    contents |= await _deleted(connection, [(row[5], row[2]) for row in rows if row[4] is None])
    versions: list[tuple[Any, Indexed]] = []
    pause = Pause()
    for row in rows:
        text = contents.get((row[5], row[2]))
        if text is not None:
            item = await beside(len(text) > LARGE_BYTES, partial(_indexed, text, row[1]))
            versions.append((row, item))
        await pause.take()
    people = await people_of(connection, access)
    # Through what they name as it is stored today: past owners of what is followed are not kept.
    items = [item for _, item in versions]
    owners = await owners_of_contents(connection, items, {})
    named = await named_by_contents(connection, items) if denied else owners
    refusing = await who_deny(connection, access, frozenset().union(*named)) if denied else set()
    hidden = await _hidden_deletions(connection, access, rows, letter, people)
    return [
        row
        for (row, item), about, naming in zip(versions, owners, named, strict=True)
        if row[5] not in hidden and allowed(access, item, letter, people, about) and not naming & refusing
    ]


async def _hidden_deletions(
    connection: AsyncConnection, access: AccessFilter, rows: list[Any], letter: str, people: People
) -> set[int]:
    """Keys of those that are deleted by now, and whose last content meets no grant: of them nothing is shown.

    Of what is live the index says so before its versions are read.
    """
    if not any(rule.criteria for kind in {row[0] for row in rows} for rule in access.rules_for(kind, letter)):
        return set()
    contents = await connection.execute(_LAST, (sorted({row[5] for row in rows}),), binary=True)
    last = [(key, _indexed(content, identity)) for key, identity, content in await contents.fetchall()]
    owners = await owners_of_contents(connection, [item for _, item in last], {})
    return {
        key
        for (key, item), about in zip(last, owners, strict=True)
        if not allowed(access, item, letter, people, about)
    }


_LAST = (
    "SELECT r.key, r.id, h.bytes FROM resource r, LATERAL (SELECT bytes FROM history WHERE resource = r.key "
    "AND version < r.version AND kind = 'v' ORDER BY version DESC LIMIT 1) h WHERE r.key = ANY(%s) AND r.deleted"
)


def _indexed(text: bytes, identity: str) -> Indexed:
    return index(parse_for_reading(text), identity)


async def _deleted(
    connection: AsyncConnection, deletions: list[tuple[int, int]]
) -> dict[tuple[int, int], bytes]:
    """The content that each deletion, given by key and version, took away."""
    if not deletions:
        return {}
    rows = await connection.execute(
        "SELECT d.key, d.version, h.bytes FROM unnest(%s::bigint[], %s::int[]) AS d (key, version), LATERAL ("
        "SELECT bytes FROM history WHERE resource = d.key AND version < d.version AND kind = 'v' "
        "ORDER BY version DESC LIMIT 1) h",
        ([key for key, _ in deletions], [version for _, version in deletions]),
        binary=True,
    )
    return {(row[0], row[1]): row[2] for row in await rows.fetchall()}
