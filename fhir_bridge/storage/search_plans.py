"""Searches of patients' data that come again with other values: each form is compiled once, and its statement kept.

A form is the type, the caller's access, the names of the parameters, and what of their values is no plain id or code.
What is compiled of it must not depend on the state of the store, nor on the plain values but where they are bound: a
form is kept only where both were seen to hold (`_compile`). All others are compiled anew each time
(`storage.searching`), with the same result.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from psycopg.abc import Buffer

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.storage.conditions import Condition
from fhir_bridge.storage.cursors import Cursors
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadSearch
from fhir_bridge.storage.round_trips import Prepared, RoundTrips, Turn, prepared_of
from fhir_bridge.storage.search_pages import page_of, page_statement
from fhir_bridge.storage.searching import SearchPage, bound_of, branch_of, is_bounded
from fhir_bridge.storage.stored import Stored

__all__ = ["PlannedSearch", "SearchPlans", "ShortSearch"]

Parameters = Sequence[tuple[str, str]]

MOST_KEPT = 1_000
"""Forms; each takes some kB."""
MOST_ENTRIES = 100
"""Of a page: a larger one is not short, and has a connection of its own."""
MOST_PARAMETERS = 6

# A plain value means itself wherever it is: no list, no escape, no prefix of a date, no address.
_VALUE = re.compile(r"((?:Patient/|[A-Za-z][^|,\\$\x00]{0,200}\|)?)([A-Za-z0-9][A-Za-z0-9.-]{0,63})")
# What has a modifier may ask terminology, or take `true` alone.
_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}(?::Patient)?")
_MARKS = tuple(f"m-.Q{secrets.token_hex(30)}" for _ in range(MOST_PARAMETERS))
"""Stand for plain values when a form is compiled. Nobody can know them; they are as long as a value may be and have its
kinds of signs, so that one which is folded, cut or parted on its way into the statement is noticed."""
_AS_THEY_ARE = frozenset({"_sort"})
"""Parameters whose values are a part of the form."""


@dataclass(frozen=True, slots=True)
class ShortSearch:
    """The first page of a search on one type, as it is asked for. parameters: without those about the answer's form."""

    type: str
    parameters: Parameters
    access: AccessFilter
    count: int
    most_bytes: int | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """A statement and its values.

    Attributes:
        bound: of each plain value where it is among them, its number, and whether it is in a list.
    """

    statement: Prepared
    values: tuple[Buffer | None, ...]
    bound: tuple[tuple[int, int, bool], ...]
    sorts: int


@dataclass(frozen=True, slots=True)
class PlannedSearch:
    """The first page of a search whose statement is there."""

    trips: RoundTrips
    cursors: Cursors
    plan: _Plan
    search: ShortSearch
    plain: Sequence[str]

    async def page(self, turn: Turn) -> SearchPage:
        """Run it; as `Store.search`.

        Args:
            turn: what a round trip takes, which it shares with others of the caller.
        """
        search = self.search
        values = list(self.plan.values)
        for position, number, in_list in self.plan.bound:
            text = self.plain[number].encode()
            values[position] = b'{"%b"}' % text if in_list else text
        rows = await self.trips.rows(self.plan.statement, values, search.access.subject, turn)
        page = page_of(rows, self.plan.sorts, None, search.count, search.most_bytes)
        entries = [Stored(row[5], row[1], row[2], row[3], row[4]) for row in page.rows]
        if not page.more:
            return SearchPage(entries, len(entries))
        bound = bound_of([search.type], search.parameters, search.access)
        return SearchPage(entries, None, None if page.next is None else self.cursors.make(page.next, bound))


class SearchPlans:
    """The forms that a process knows."""

    def __init__(
        self,
        dictionaries: Dictionaries,
        cursors: Cursors,
        trips: RoundTrips,
    ) -> None:
        self._dictionaries = dictionaries
        self._cursors = cursors
        self._trips = trips
        self._plans: dict[object, _Plan | None] = {}
        self._met: set[object] = set()

    async def find(self, search: ShortSearch) -> PlannedSearch | None:
        """The search, where its form is one that is kept; None where it has to be compiled.

        Raises:
            Forbidden, BadSearch: as `Store.search`.
        """
        few = 0 < len(search.parameters) <= MOST_PARAMETERS and 0 < search.count <= MOST_ENTRIES
        if not few or not search.access.subject:
            return None
        form: list[object] = [search.type, search.access, search.count, search.most_bytes]
        plain: list[str] = []
        for name, value in search.parameters:
            form.append(name)
            if name in _AS_THEY_ARE:
                form.append(value)
                continue
            matched = _VALUE.fullmatch(value)
            if matched is None or not _NAME.fullmatch(name):
                return None
            beginning, text = matched.groups()
            form.append(beginning)
            plain.append(text)
        key = tuple(form)
        try:
            plan = self._plans[key]
        except KeyError:
            # A form is compiled for keeping once it comes again: of a caller who asks once nothing is kept.
            if key not in self._met:
                if len(self._met) >= MOST_KEPT:
                    self._met.clear()
                self._met.add(key)
                return None
            plan = await self._compile(search, plain)
            if len(self._plans) >= MOST_KEPT:
                self._plans.clear()
            self._plans[key] = plan
        if plan is None:
            return None
        return PlannedSearch(self._trips, self._cursors, plan, search, plain)

    async def _compile(self, search: ShortSearch, plain: Sequence[str]) -> _Plan | None:
        if not is_bounded(search.type, search.parameters, search.access):
            return None
        marks = iter(_MARKS)
        marked = [
            (name, value if name in _AS_THEY_ARE else value.removesuffix(text) + next(marks))
            for (name, value), text in zip(search.parameters, _texts(search.parameters, plain), strict=True)
        ]
        before = self._dictionaries.depended
        first = await self._statement(search)
        try:
            second = await self._statement(replace(search, parameters=marked))
        except BadSearch:  # a date, a number
            return None
        # What the store's state had a part in may be another one the next time.
        if first is None or second is None or self._dictionaries.depended != before:
            return None
        (statement, sorts), (same, _) = first, second
        if statement.text != same.text:
            return None
        numbers = {mark: number for number, mark in enumerate(_MARKS[: len(plain)])}
        bound: list[tuple[int, int, bool]] = []
        for position, (value, mark) in enumerate(zip(statement.values, same.values, strict=True)):
            if isinstance(mark, str) and mark in numbers:
                if value != plain[numbers[mark]]:
                    return None
                bound.append((position, numbers[mark], False))
            elif isinstance(mark, list) and len(mark) == 1 and mark[0] in numbers:
                if value != [plain[numbers[mark[0]]]]:
                    return None
                bound.append((position, numbers[mark[0]], True))
            elif value != mark:
                return None
        if {number for _, number, _ in bound} != set(numbers.values()):
            return None
        prepared, values = prepared_of(statement)
        return _Plan(prepared, values, tuple(bound), sorts)

    async def _statement(self, search: ShortSearch) -> tuple[Condition, int] | None:
        branch, ignored = await branch_of(
            search.type, search.parameters, search.access, self._dictionaries, alone=True, bounded=True
        )
        if ignored:
            return None
        return (
            page_statement([branch], None, search.count, search.most_bytes, bounded=True),
            len(branch.sorts),
        )


def _texts(parameters: Parameters, plain: Sequence[str]) -> list[str]:
    """Of each parameter its plain value; empty where it has none."""
    values = iter(plain)
    return ["" if name in _AS_THEY_ARE else next(values) for name, _ in parameters]
