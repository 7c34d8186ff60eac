"""AuditEvents as they are read and searched: from the tables of `storage.audit_rows`, within the caller's access."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import AccessFilter, AccessRule
from fhir_bridge.storage.audit_conditions import (
    META,
    REFERENCES,
    SAME,
    SERVED_ID,
    TOKENS,
    head,
    in_record,
    naming,
    of_identifier,
    of_ids,
    of_meta,
    of_token,
    present,
    recorded,
    referring,
)
from fhir_bridge.storage.audit_rows import served, served_id, without_query
from fhir_bridge.storage.bundles import relative
from fhir_bridge.storage.chains import is_chain
from fhir_bridge.storage.conditions import FALSE, TRUE, Condition, all_of, any_of, live, negation
from fhir_bridge.storage.cursors import Cursors
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadSearch, NotFound
from fhir_bridge.storage.histories import HistoryEntry, HistoryPage
from fhir_bridge.storage.includes import MOST_INCLUDED, is_include
from fhir_bridge.storage.indexed import find
from fhir_bridge.storage.permission import compile_access, not_denied, require
from fhir_bridge.storage.search_conditions import CodeSets
from fhir_bridge.storage.search_support import PRESENTATION, refuse_unsupported
from fhir_bridge.storage.search_text import split_list
from fhir_bridge.storage.searching import SearchPage, UnknownParameter, conditions, wanted_entries
from fhir_bridge.storage.stored import Stored

__all__ = ["AUDIT", "AuditEvents"]

AUDIT = "AuditEvent"
"""The type that is no row of `resource`."""

Parameters = Sequence[tuple[str, str]]

_FEW = 20_000
"""Events that name a resource, up to which they are looked up one by one."""

_ROWS = "audit_index i JOIN audit a ON a.recorded = i.recorded AND a.key = i.key"
_COLUMNS = (
    "i.recorded, i.key, i.part, a.complete, a.id, a.content, CASE WHEN NOT a.complete THEN "
    "ARRAY(SELECT j.patient FROM audit_index j WHERE j.recorded = i.recorded AND j.key = i.key AND j.part = i.part "
    "AND j.patient IS NOT NULL) END, i.resource"
)


class AuditEvents:
    """The AuditEvents of a database. Methods as those of `Store`, for this type."""

    def __init__(
        self, pool: AsyncConnectionPool[AsyncConnection], dictionaries: Dictionaries, cursors: Cursors
    ) -> None:
        self._pool = pool
        self._dictionaries = dictionaries
        self._cursors = cursors

    async def read(self, identity: str, access: AccessFilter) -> Stored:
        """One AuditEvent.

        Raises:
            NotFound: there is none, or none the caller may know of. Forbidden: no grant allows reading them.
        """
        require(access, AUDIT, "r")
        where = all_of([head(), of_ids([identity]), await self._permitted(access, "r")])
        rows = await self._rows(where, "")
        if not rows:
            raise NotFound(f"no {AUDIT}/{identity}")
        return _stored(rows[0], _bounded(access))

    async def search(
        self,
        parameters: Parameters,
        access: AccessFilter,
        *,
        count: int,
        cursor: str | None = None,
        total: str = "none",
        most_bytes: int | None = None,
        most_included: int | None = None,
        codes: CodeSets | None = None,
        compartment: tuple[str, str] | None = None,
    ) -> SearchPage:
        """A page of them, oldest first unless `_sort` says otherwise."""
        require(access, AUDIT, "s")
        matches, unknown = await self._conditions(parameters, access, codes)
        if compartment is not None:
            matches = all_of([matches, await self._within(compartment)])
        count, counted = wanted_entries(parameters, count, total)
        order = _order_of(parameters)
        where = all_of([head(), matches, await self._permitted(access, "s")])
        bound = (
            access.subject,
            compartment,
            AUDIT,
            sorted(pair for pair in parameters if pair[0] not in ("_count", "_total")),
        )
        after = TRUE if cursor is None else order.after(self._cursors.read(cursor, bound))
        rows: list[Any] = []
        if count > 0:
            rows = await self._rows(all_of([where, after]), f"{order.text} LIMIT {count + 1:d}")
        known = None
        if count == 0 or (counted and (cursor is not None or len(rows) > count)):
            known = await self._total(where)
        page, more = _fitting(rows[:count], most_bytes), len(rows) > count
        more = more or len(page) < min(count, len(rows))
        following = None
        if more and page:
            following = self._cursors.make(order.place(page[-1]), bound)
        bounded = _bounded(access)
        entries = [_stored(row, bounded) for row in page]
        if known is None and cursor is None and not more:
            known = len(entries)
        left = None if most_bytes is None else most_bytes - sum(len(entry.bytes) for entry in entries)
        named = _included(parameters)
        beside = (
            await self._beside(entries, named, access, most_included or MOST_INCLUDED, left) if named else []
        )
        return SearchPage(entries, known, following, unknown, beside)

    async def _beside(
        self,
        entries: Sequence[Stored],
        includes: Sequence[tuple[str | None, str | None]],
        access: AccessFilter,
        most: int,
        most_bytes: int | None,
    ) -> list[Stored]:
        """What `_include` brings along: of what the events name, what the caller may find."""
        wanted: dict[str, set[str]] = {}
        for entry in entries:
            for code, reference in _references_of(entry.resource()):
                kind, _, identity = reference.partition("/_history/")[0].partition("/")
                if any(
                    _names(named, code, kind) and target in (None, kind) for named, target in includes
                ) and kind in definitions.resource_types() - {AUDIT}:
                    wanted.setdefault(kind, set()).add(identity)
        results: list[Stored] = []
        for kind, identities in sorted(wanted.items()):
            permitted = await compile_access(access, kind, "s", self._dictionaries)
            chosen = Condition("r.id = ANY(%s)", (sorted(identities),))
            where = all_of([chosen, permitted, live(kind)])
            statement = (
                "SELECT r.type, r.id, r.version, r.last_updated, r.bytes FROM resource r "  # noqa: S608
                f"WHERE {where.text} ORDER BY r.key LIMIT {most - len(results) + 1:d}"
            )
            async with self._pool.connection() as connection:
                rows = await connection.execute(statement.encode(), where.values, binary=True)
                results += [Stored(*row) for row in await rows.fetchall()]
            size = sum(len(stored.bytes) for stored in results)
            if len(results) > most or (most_bytes is not None and size > most_bytes):
                raise BadSearch(
                    "_include brings more along than one answer may hold: ask for fewer with _count"
                )
        return results

    async def history(
        self,
        access: AccessFilter,
        identity: str | None,
        *,
        count: int,
        since: datetime | None,
        cursor: str | None,
        most_bytes: int,
    ) -> HistoryPage:
        """Of one, or of all, newest first: each has one version."""
        if identity is not None:
            only = await self.read(identity, access)
            shown = [only] if since is None or only.last_updated >= since else []
            return HistoryPage([HistoryEntry(stored, "POST") for stored in shown], len(shown))
        require(access, AUDIT, "s")
        bound = (access.subject, "history", AUDIT, str(since))
        where = [head(), await self._permitted(access, "s")]
        if since is not None:
            where.append(Condition("i.recorded >= %s", (since,)))
        if cursor is not None:
            where.append(_NEWEST.after(self._cursors.read(cursor, bound)))
        rows = await self._rows(all_of(where), f"{_NEWEST.text} LIMIT {count + 1:d}")
        page = _fitting(rows[:count], most_bytes)
        more = len(rows) > len(page)
        following = self._cursors.make(_NEWEST.place(page[-1]), bound) if more and page else None
        total = len(page) if cursor is None and following is None else None
        bounded = _bounded(access)
        return HistoryPage([HistoryEntry(_stored(row, bounded), "POST") for row in page], total, following)

    async def stream(
        self, access: AccessFilter, *, page: int, patient: str | None = None, letter: Literal["r", "s"] = "s"
    ) -> AsyncGenerator[list[Stored], None]:
        """All that are recorded by now, oldest first; of a patient only, where one is named."""
        require(access, AUDIT, letter)
        where = [head(), await self._permitted(access, letter), Condition("i.recorded <= now()")]
        if patient is not None:
            own = AccessFilter((AccessRule(AUDIT, frozenset(letter), patient=patient),))
            where.append(await self._permitted(own, letter))
        after, bounded = TRUE, _bounded(access)
        while True:
            rows = await self._rows(all_of([*where, after]), f"{_OLDEST.text} LIMIT {page:d}")
            if rows:
                yield [_stored(row, bounded) for row in rows]
            if len(rows) < page:
                return
            after = _OLDEST.after(_OLDEST.place(rows[-1]))

    async def _rows(self, where: Condition, order: str) -> list[Any]:
        statement = f"SELECT {_COLUMNS} FROM {_ROWS} WHERE {where.text} {order}"  # noqa: S608
        async with self._pool.connection() as connection:
            result = await connection.execute(statement.encode(), where.values, binary=True)
            rows: list[Any] = await result.fetchall()
        return rows

    async def _total(self, where: Condition) -> int:
        statement = f"SELECT count(*) FROM {_ROWS} WHERE {where.text}"  # noqa: S608
        async with self._pool.connection() as connection:
            row = await (await connection.execute(statement.encode(), where.values)).fetchone()
        return int(row[0]) if row else 0

    async def _permitted(self, access: AccessFilter, letter: str) -> Condition:
        """What of them the caller may reach."""
        grants = any_of([await self._rule(rule) for rule in access.rules_for(AUDIT, letter)])
        # Only those that came from elsewhere may carry labels.
        withheld = [of_meta("_security", label) for label in sorted(access.withheld_labels)]
        denied = not_denied(access, "audit_named_owners(i.recorded, i.key, i.part)")
        return all_of([grants, negation(any_of(withheld)), denied])

    async def _rule(self, rule: AccessRule) -> Condition:
        results: list[Condition] = []
        if rule.patient is not None:
            await self._dictionaries.require_records()
            results.append(in_record(rule.patient))
        for code, value in rule.criteria:
            if code not in TOKENS or not value.strip("|"):
                return FALSE  # a scope whose criterion can't be tested grants nothing
            results.append(of_token(code, value))
        return all_of(results)

    async def _within(self, compartment: tuple[str, str]) -> Condition:
        kind, identity = compartment
        try:
            codes = definitions.compartment(kind).get(AUDIT, ())
        except KeyError as error:
            raise BadSearch(f"R4 has no compartment of {kind}") from error
        if not codes:
            raise BadSearch(f"no {AUDIT} is in the compartment of a {kind}")
        text = f"{kind}/{identity}"
        return await self._of_events(any_of([naming(code, text) for code in codes if code in REFERENCES]))

    async def _conditions(
        self, parameters: Parameters, access: AccessFilter, codes: CodeSets | None
    ) -> tuple[Condition, list[UnknownParameter]]:
        results: list[Condition] = []
        unknown: list[UnknownParameter] = []
        for name, value in parameters:
            if "\0" in name or "\0" in value:
                raise BadSearch(f"{name!r}: holds the character NUL")
            if name in PRESENTATION:
                continue
            if is_include(name):
                continue
            if is_chain(name):
                results.append(await self._chain(name, value, access, codes))
                continue
            refuse_unsupported(AUDIT, name, self._dictionaries.definitions)
            code, _, modifier = name.partition(":")
            if code in ("_id", "_lastUpdated"):
                known = True
            else:
                known = find(AUDIT, code, self._dictionaries.definitions) is not None
            if not known:
                unknown.append(UnknownParameter(name, f"not a search parameter of {AUDIT} here"))
                continue
            if code in REFERENCES and (not modifier or modifier in definitions.resource_types()):
                results.append(await self._referring(code, modifier, value))
            else:
                results.append(self._parameter(code, modifier, value))
        return all_of(results), unknown

    def _parameter(self, code: str, modifier: str, value: str) -> Condition:
        if modifier == "missing" and (code in TOKENS or code in REFERENCES):
            if value not in ("true", "false"):
                raise BadSearch(f"{code}:missing: expected true or false")
            return negation(present(code)) if value == "true" else present(code)
        values = split_list(value)
        if not values:
            raise BadSearch(f"{code}: no value")
        if code == "_id" and not modifier:
            return of_ids(values)
        make: Callable[[str], Condition]
        if code in ("date", "_lastUpdated") and not modifier:
            make = lambda text: recorded(code, text)  # noqa: E731
        elif code in META and not modifier:
            make = lambda text: of_meta(code, text)  # noqa: E731
        elif code in TOKENS and modifier in ("", "not"):
            make = lambda text: of_token(code, text)  # noqa: E731
        elif code in REFERENCES and modifier == "identifier":
            make = lambda text: of_identifier(code, text)  # noqa: E731
        else:
            raise BadSearch(f"{code}:{modifier} is not supported for {AUDIT}")
        condition = any_of([make(text) for text in values])
        return negation(condition) if modifier == "not" else condition

    async def _referring(self, code: str, kind: str, value: str) -> Condition:
        """Naming one of the resources."""
        texts = split_list(value)
        if not texts:
            raise BadSearch(f"{code}: no value")
        return await self._of_events(any_of([self._naming(code, kind, text) for text in texts]))

    async def _of_events(self, named: Condition) -> Condition:
        """Of the events that such rows of the index are of. Few are looked up one by one: their time says which.

        Else events are read in the order of time until a page is full, which would be all of them.
        """
        if named == FALSE:
            return FALSE
        moments = f"SELECT j.recorded FROM audit_index j WHERE {named.text} LIMIT {_FEW + 1:d}"  # noqa: S608
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(moments.encode(), named.values, binary=True)).fetchall()
        if len(rows) > _FEW:
            return referring(named)
        return all_of([Condition("i.recorded = ANY(%s)", ([row[0] for row in rows],)), referring(named)])

    def _naming(self, code: str, kind: str, text: str) -> Condition:
        text = relative(text, self._dictionaries.base)
        if kind and "/" not in text:
            text = f"{kind}/{text}"
        elif "/" not in text and code == "patient":
            text = f"Patient/{text}"
        if "/" in text:
            return naming(code, text)
        return any_of([naming(code, f"{target}/{text}") for target in sorted(definitions.resource_types())])

    async def _chain(self, name: str, value: str, access: AccessFilter, codes: CodeSets | None) -> Condition:
        """`patient.family=…`, `entity:Observation.code=…`: the resource is one that the caller may find."""
        head, _, rest = name.partition(".")
        code, _, kind = head.partition(":")
        kind = kind or ("Patient" if code == "patient" else "")
        if code not in REFERENCES or kind not in definitions.resource_types():
            raise BadSearch(f"{name[:80]}: expected patient.… or entity:Type.… or agent:Type.…")
        inner, unknown = await conditions(kind, [(rest, value)], access, self._dictionaries, codes)
        if unknown:
            raise BadSearch(f"{name[:80]}: {rest[:40]} is not a search parameter of {kind} here")
        permitted = await compile_access(access, kind, "s", self._dictionaries)
        where = all_of([inner, permitted, live(kind)])
        ids = f"SELECT '{kind}/' || r.id FROM resource r WHERE {where.text}"  # noqa: S608
        ways = [f"j.{column} IN ({ids})" for column in REFERENCES[code]]
        values = [*where.values] * len(ways)
        if code != "agent" and kind == "Patient":
            ways.append(f"j.patient IN (SELECT r.id FROM resource r WHERE {where.text})")  # noqa: S608
            values += where.values
        text = f"EXISTS (SELECT FROM audit_index j WHERE {SAME} AND ({' OR '.join(ways)}))"
        return Condition(text, tuple(values))


def _included(parameters: Parameters) -> list[tuple[str | None, str | None]]:
    """The parameters and types that are included; None for any.

    Raises:
        BadSearch: a reverse or iterated include, or one of another type.
    """
    results: list[tuple[str | None, str | None]] = []
    for name, value in parameters:
        if not is_include(name):
            continue
        source, _, rest = value.partition(":")
        code, _, target = rest.partition(":")
        if name != "_include" or not (value == "*" or (source == AUDIT and code in {*REFERENCES, "*"})):
            raise BadSearch(
                f"{name[:20]}={value[:80]}: only _include of AuditEvent's references is followed here"
            )
        results.append((None if value == "*" or code == "*" else code, target or None))
    return results


def _references_of(event: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What an event refers to, with the parameter of each."""
    for code, items in (("agent", event.get("agent", ())), ("entity", event.get("entity", ()))):
        element = "who" if code == "agent" else "what"
        for item in items:
            reference = item.get(element, {}).get("reference")
            if isinstance(reference, str):
                yield code, reference


def _names(wanted: str | None, code: str, kind: str) -> bool:
    return wanted in (None, code) or (wanted == "patient" and kind == "Patient")


@dataclass(frozen=True, slots=True)
class _Order:
    """By time, or by id; either is total."""

    by_id: bool
    descending: bool

    @property
    def text(self) -> str:
        names = (SERVED_ID,) if self.by_id else ("i.recorded", "i.key", "i.part")
        return "ORDER BY " + ", ".join(f"{name}{' DESC' if self.descending else ''}" for name in names)

    def place(self, row: Any) -> list[Any]:
        """Where a row is, for a cursor."""
        return [_stored(row, bounded=False).id] if self.by_id else [row[0].isoformat(), str(row[1]), row[2]]

    def after(self, place: list[Any]) -> Condition:
        """What comes after a place."""
        sign = "<" if self.descending else ">"
        if self.by_id:
            return Condition(f"{SERVED_ID} {sign} %s", (place[0],))
        # The first again by itself: it says which partitions and which range of the index.
        return Condition(
            f"(i.recorded {sign}= %s::timestamptz "
            f"AND (i.recorded, i.key, i.part) {sign} (%s::timestamptz, %s::uuid, %s))",
            (place[0], *place),
        )


_OLDEST, _NEWEST = _Order(by_id=False, descending=False), _Order(by_id=False, descending=True)


def _order_of(parameters: Parameters) -> _Order:
    rules = [rule for name, value in parameters if name == "_sort" for rule in value.split(",") if rule]
    for rule in rules:
        if rule.removeprefix("-") not in ("date", "_lastUpdated", "_id"):
            raise BadSearch(f"_sort: can't sort {AUDIT} by {rule[:40]!r}")
    if not rules:
        return _OLDEST
    return _Order(by_id=rules[0].endswith("_id"), descending=rules[0].startswith("-"))


def _fitting(rows: list[Any], most_bytes: int | None) -> list[Any]:
    """The rows whose contents fit a page; the first always."""
    left = most_bytes
    if left is None:
        return rows
    for number, row in enumerate(rows):
        left -= len(row[5])
        if left < 0 and number:
            return rows[:number]
    return rows


def _bounded(access: AccessFilter) -> bool:
    """Whether all that the caller may see of AuditEvents is about one patient."""
    rules = [rule for letter in "rs" for rule in access.rules_for(AUDIT, letter)]
    return all(rule.patient is not None for rule in rules)


def _stored(row: Any, bounded: bool) -> Stored:
    """A row as it is served; to a bounded caller without the query, which may name other patients."""
    recorded, key, part, complete, identity, content, patients, resource = row
    name = (identity or str(key)) if complete else served_id(UUID(str(key)), part)
    shown = bytes(content) if complete else served(content, key, part, recorded, patients, resource)
    return Stored(AUDIT, name, 1, recorded, without_query(shown) if bounded else shown)
