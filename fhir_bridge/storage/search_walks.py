"""Walks: a page by the rows of one index, in the order of the page, until it is full, however many matches there are.

A walk looks at so many rows (`effort`) and no more. Where these do not fill the page, few of them are matches, or few
are left: then all matches are looked for and sorted, in the same order: a page may follow one of the other kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fhir_bridge.fhir.definitions import Definitions
from fhir_bridge.storage.conditions import FALSE, TRUE, Condition, all_of
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.includes import is_include
from fhir_bridge.storage.indexed import SPECIAL, find
from fhir_bridge.storage.indexing import DATED, UNDATED
from fhir_bridge.storage.search_conditions import code_rows, ends_within, equal_rows
from fhir_bridge.storage.search_support import PRESENTATION
from fhir_bridge.storage.search_text import prefixed, split_list

__all__ = ["Walk", "ends_of_date", "find_walk"]


@dataclass(frozen=True, slots=True)
class Walk:
    """A way to the first matches of a type.

    Attributes:
        table, column: the index and its value, by which a page is ordered.
        type: the SQL type of the value.
        rows: a condition on the rows `i` of the index. A match stands where its first row in the order is.
        descending: whether the greatest value comes first.
        keys_descending: whether of equal values the greatest key comes first: as the index has them.
        absent: the value that stands for none; None: what has no value has no row.
        implied: parameters that the rows meet by themselves.
        ordering: whether the walk gives the order, of a search that asks for none.
        where: on `r`, what else a match meets.
    """

    table: str
    column: str
    type: str
    rows: Condition
    descending: bool = False
    keys_descending: bool = False
    absent: str | None = None
    implied: tuple[str, ...] = ()
    ordering: bool = False
    where: Condition = TRUE

    def value_of(self, key: str) -> Condition:
        """SQL of the value that the resource with this key is ordered by."""
        which = "max" if self.descending else "min"
        return Condition(
            f"(SELECT {which}(i.{self.column}) FROM {self.table} i WHERE i.resource = {key} AND {self.rows.text})",  # noqa: S608
            self.rows.values,
        )

    def can_follow(self, values: Sequence[object] | None) -> bool:
        """Whether a page can begin behind these values of a cursor: what has no value may have no row."""
        return values is None or values[0] is not None or self.absent is not None

    # DISTINCT: a code may be in two systems. An index has rows and order; LATERAL and OFFSET keep PostgreSQL from any
    # other way than to look up a row at a time until the page is full: what it expects of a code that it does not know
    # when it plans (a plan for all codes) may be far from what there is.
    def statement(
        self, columns: str, values: Sequence[object] | None, limit: int, *, backwards: bool
    ) -> Condition:
        """The first matches behind the values of a cursor, or before them."""
        rows = self._rows(values, _effort(limit), backwards=backwards)
        first = self.value_of("r.key")
        matching = all_of(
            [Condition("r.key = m.resource"), self.where, Condition(f"m.value = {first.text}", first.values)]
        )
        value = "m.value" if self.absent is None else f"NULLIF(m.value, '{self.absent}')"
        text = (
            f"SELECT DISTINCT ON (m.value, m.resource) w.*, {value} AS s0 FROM ({rows.text}) m "  # noqa: S608
            f"CROSS JOIN LATERAL (SELECT {columns} FROM resource r WHERE {matching.text} OFFSET 0) w "
            f"{self._order('m', backwards=backwards)} LIMIT {limit:d}"
        )
        return Condition(text, (*rows.values, *matching.values))

    def is_complete(self, *, backwards: bool) -> bool:
        """Whether a walk to the end of the rows has seen all: what has no value is last, and has no row."""
        return backwards or self.ordering or self.absent is not None

    def rows_left(self, values: Sequence[object] | None, limit: int, *, backwards: bool) -> Condition:
        """A select of whether there are more rows than a walk looks at."""
        rows = self._rows(values, _effort(limit) + 1, backwards=backwards)
        return Condition(f"SELECT count(*) > {_effort(limit):d} FROM ({rows.text}) m", rows.values)  # noqa: S608

    def _order(self, name: str, *, backwards: bool) -> str:
        value = "DESC" if self.descending != backwards else "ASC"
        key = "DESC" if self.keys_descending != backwards else "ASC"
        return f"ORDER BY {name}.value {value}, {name}.resource {key}"

    def _rows(self, values: Sequence[object] | None, most: int, *, backwards: bool) -> Condition:
        """The rows behind the values of a cursor, or before them: ranges of the index."""
        ranges = [TRUE]
        if values is not None:
            name, mark = f"i.{self.column}", f"%s::{self.type}"
            value, key = self.absent if values[0] is None else values[0], values[-1]
            first = "<" if self.descending != backwards else ">"
            if self.keys_descending == self.descending:
                ranges = [Condition(f"({name}, i.resource) {first} ({mark}, %s)", (value, key))]
            else:
                # A comparison of pairs can't mix directions.
                second = "<" if self.keys_descending != backwards else ">"
                ranges = [
                    Condition(f"({name} = {mark} AND i.resource {second} %s)", (value, key)),
                    Condition(f"{name} {first} {mark}", (value,)),
                ]
        parts = []
        for some in ranges:
            rows = all_of([self.rows, some])
            text = f"SELECT i.{self.column} AS value, i.resource FROM {self.table} i WHERE {rows.text}"  # noqa: S608
            order = self._order("i", backwards=backwards).replace("i.value", f"i.{self.column}")
            parts.append(Condition(f"{text} {order} LIMIT {most:d}", rows.values))
        if len(parts) == 1:
            return parts[0]
        union = " UNION ALL ".join(f"({part.text})" for part in parts)
        return Condition(
            f"SELECT u.value, u.resource FROM ({union}) u {self._order('u', backwards=backwards)} LIMIT {most:d}",  # noqa: S608
            tuple(value for part in parts for value in part.values),
        )


LEAST_ROWS, ROWS_AN_ENTRY = 1_000, 20
"""How many rows a walk looks at: as many as fill a page of which one in twenty matches."""


def _effort(limit: int) -> int:
    return max(LEAST_ROWS, ROWS_AN_ENTRY * limit)


_COLUMNS = frozenset({"_id", "_lastUpdated"})
"""Parameters that are columns of the resource, and have no rows of an index."""

Pairs = Sequence[tuple[str, str]]


async def find_walk(resource_type: str, parameters: Pairs, dictionaries: Dictionaries) -> Walk | None:
    """The walk of a search that is bounded to no patient; None where there is none."""
    sorts = [value for name, value in parameters if name == "_sort" and value]
    criteria = [pair for pair in parameters if pair[0] not in PRESENTATION and not is_include(pair[0])]
    if len(sorts) > 1 or "," in "".join(sorts):
        return None
    if not sorts:
        return await _of_value(resource_type, criteria, dictionaries)
    if sorts == ["-date"]:
        latest = await _latest(resource_type, criteria, dictionaries, ordering=False)
        if latest is not None:
            return latest
    return await _sorted(resource_type, sorts[0], criteria, dictionaries)


def ends_of_date(resource_type: str, criteria: Pairs, column: str = "i.moment") -> Condition:
    """What the row of a code, or of a date, meets, since the search has a date."""
    if resource_type in DATED:
        for name, value in criteria:
            if name == "date" and len(split_list(value)) == 1:
                # Of one date alone: another one may be met by another end of the same resource.
                return ends_within(split_list(value)[0], column)
    return TRUE


async def _latest(
    resource_type: str, criteria: Pairs, dictionaries: Dictionaries, *, ordering: bool
) -> Walk | None:
    """The latest of a code, by the rows of codes, which carry the time."""
    coded = [value for name, value in criteria if name == "code"]
    if resource_type not in DATED or len(coded) != 1 or len(split_list(coded[0])) != 1:
        return None
    dates = [value for name, value in criteria if name == "date"]
    ends = ends_of_date(resource_type, criteria)
    if ordering:
        # Else few of the rows that are looked at may be matches, and PostgreSQL chooses the way.
        known = dictionaries.definitions
        if not all(_is_beside(resource_type, name, known) for name, _ in criteria):
            return None
        # Without a time the order of storing is kept, in which a page misses nothing whatever is changed meanwhile.
        if len(dates) != 1 or ends is TRUE:
            return None
    elif any(prefixed(value)[0] == "eq" for value in dates):
        # Of a time that has an end there are few, which are sorted: the one that is met need not be the last.
        return None
    rows = await code_rows(resource_type, coded[0], dictionaries)
    if rows is FALSE:
        return None
    return Walk(
        "token", "moment", "timestamptz", all_of([rows, ends]), descending=True, absent=UNDATED,
        implied=("code",), ordering=ordering,
    )  # fmt: skip


_WALKED: Mapping[str, tuple[str, str, str, str]] = {
    "date": ("date", "low", "high", "timestamptz"),
    "string": ("string", "value", "value", "text"),
    "number": ("number", "low", "", "numeric"),
}
"""By type of a parameter the index, its columns for ascending and descending order, and their SQL type."""


async def _sorted(resource_type: str, rule: str, criteria: Pairs, dictionaries: Dictionaries) -> Walk | None:
    """All of a type, by the values of what it is sorted by."""
    code, descending = rule.removeprefix("-"), rule.startswith("-")
    parameter = find(resource_type, code, dictionaries.definitions)
    if parameter is None or parameter.type not in _WALKED or code in SPECIAL | _COLUMNS:
        return None
    table, low, high, sql_type = _WALKED[parameter.type]
    column = high if descending else low
    if not column:
        return None
    ends = TRUE
    if code == "date":
        dates = [value for name, value in criteria if name == "date"]
        ends = ends_of_date(resource_type, criteria, "i.high") if descending else TRUE
        # Else the walk would pass all that is on the other side of the date.
        if dates and (ends is TRUE or any(prefixed(value)[0] == "eq" for value in dates)):
            return None
    number = await dictionaries.find_parameter(resource_type, code)
    rows = all_of([Condition(f"i.parameter = {number:d}"), ends])
    return Walk(table, column, sql_type, rows, descending, keys_descending=descending)


def _is_beside(resource_type: str, name: str, known: Definitions) -> bool:
    """Whether a criterion beside others rarely leaves only a few matches."""
    if name in ("category", "code", "status"):
        return True
    parameter = find(resource_type, name, known)
    return parameter is not None and name not in _COLUMNS and parameter.type in ("date", "number", "quantity")


async def _of_value(resource_type: str, criteria: Pairs, dictionaries: Dictionaries) -> Walk | None:
    """Those of one value, of a code and a time, or of one time."""
    ways: dict[str, Walk] = {}
    # Of two values of one parameter each may be met by another row.
    if len({name for name, _ in criteria}) < len(criteria):
        return None
    for name, value in criteria:
        rows = await equal_rows(resource_type, name, value, dictionaries)
        if rows is not None and rows.rows is not FALSE:
            sql_type = "timestamptz" if rows.table == "date" else "numeric"
            ways[rows.table] = Walk(
                rows.table, rows.column, sql_type, rows.rows, implied=(name,), ordering=True
            )
        elif not _is_beside(resource_type, name, dictionaries.definitions):
            return None
    # Of a value there are fewer than of a code and a time, and of these fewer than of a time.
    for table in ("quantity", "number"):
        if table in ways:
            return ways[table]
    return await _latest(resource_type, criteria, dictionaries, ordering=True) or ways.get("date")
