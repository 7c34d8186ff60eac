"""Pages of matches in order, forwards and backwards from a place, of one type or of several together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection

from fhir_bridge.storage.conditions import TRUE, Condition, all_of, any_of, of_type
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadSearch
from fhir_bridge.storage.facets import faceted
from fhir_bridge.storage.indexed import SPECIAL, find
from fhir_bridge.storage.page_bytes import that_fit, within_bytes
from fhir_bridge.storage.search_walks import Walk

__all__ = [
    "Branch",
    "Counted",
    "Page",
    "Place",
    "Sort",
    "count_all",
    "page_of",
    "page_statement",
    "read_page",
    "sorts_of",
]


@dataclass(frozen=True, slots=True)
class Sort:
    """One sort key: an SQL expression over `r`, its type, its direction, and whether a resource may have none."""

    expression: Condition
    type: str
    descending: bool
    may_be_absent: bool = True


@dataclass(frozen=True, slots=True)
class Counted:
    """The rows `i` of an index that all matches have, by table, and what a match `r` meets beside them."""

    table: str
    rows: Condition
    where: Condition


@dataclass(frozen=True, slots=True)
class Branch:
    """The matches of one type: a condition on `r`, what they are sorted by, a walk in that order, and how they are
    counted by an index.
    """

    type: str
    where: Condition
    sorts: tuple[Sort, ...]
    walk: Walk | None = None
    counted: Counted | None = None

    @property
    def keys_descending(self) -> bool:
        """Whether of equal matches the greatest key comes first: an index that is read backwards has them so."""
        if self.walk is not None:
            return self.walk.keys_descending
        return len(self.sorts) == 1 and self.sorts[0].descending and not self.sorts[0].may_be_absent


@dataclass(frozen=True, slots=True)
class Place:
    """Sort values and key of an entry that a page follows, or that it precedes."""

    values: list[Any]
    backwards: bool = False

    @classmethod
    def read(cls, position: list[Any]) -> Place:
        """As a cursor has it."""
        return cls(position[:-1], backwards=True) if position[-1] == "before" else cls(position)


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of a page (key, id, version, lastUpdated, bytes, type), and the cursors' positions of its neighbours."""

    rows: list[Any]
    previous: list[Any] | None
    next: list[Any] | None
    more: bool


MOST_SORTS = 16
_SORTED = {
    "date": ("min(i.low)", "max(i.high)", "timestamptz"),
    "string": ("min(i.value)", "max(i.value)", "text"),
    "number": ("min(i.low)", "max(i.high)", "numeric"),
    "quantity": ("min(i.low)", "max(i.high)", "numeric"),
    "token": ("min(i.code)", "max(i.code)", "text"),
    "uri": ("min(i.value)", "max(i.value)", "text"),
}


# By alias `i`, like the conditions; the table's name is that of the type.
async def sorts_of(
    resource_type: str, parameters: Sequence[tuple[str, str]], dictionaries: Dictionaries
) -> tuple[Sort, ...]:
    """What `_sort` asks for.

    Raises:
        BadSearch: the type can't be sorted by it.
    """
    sorts = []
    wanted = [rule for name, value in parameters if name == "_sort" and value for rule in value.split(",")]
    if len(wanted) > MOST_SORTS:
        raise BadSearch(f"_sort: more than {MOST_SORTS} parameters to order by")
    for rule in wanted:
        code = rule.removeprefix("-")
        descending = rule.startswith("-")
        if code == "_lastUpdated":
            sorts.append(Sort(Condition("r.last_updated"), "timestamptz", descending, may_be_absent=False))
            continue
        if code == "_id":
            sorts.append(Sort(Condition("r.id"), "text", descending, may_be_absent=False))
            continue
        parameter = find(resource_type, code, dictionaries.definitions)
        if parameter is None or parameter.type not in _SORTED or code in SPECIAL:
            raise BadSearch(f"_sort: can't sort {resource_type} by {code!r}")
        low, high, sql_type = _SORTED[parameter.type]
        if code in faceted(resource_type, dictionaries.definitions):
            number = await dictionaries.find_parameter(resource_type, code)
            value = high if descending else low
            text = f"(SELECT {value} FROM facet i WHERE i.key = r.facets AND i.parameter = {number:d})"  # noqa: S608
            sorts.append(Sort(Condition(text), sql_type, descending))
            continue
        rows = await dictionaries.rows_of(resource_type, code)
        value = high if descending else low
        expression = (
            f"(SELECT {value} FROM {parameter.type} i WHERE i.resource = r.key AND i.parameter {rows})"  # noqa: S608
        )
        sorts.append(Sort(Condition(expression), sql_type, descending))
    return tuple(sorts)


# Spelled out: a comparison of rows can't mix directions, and is null where a value is.
def _beyond(sorts: Sequence[Sort], place: Place, *, keys_descending: bool) -> Condition:
    """What comes after a place, or before it: absent values are last in either direction; the key goes last."""
    ways: list[Condition] = []
    equal: list[Condition] = []
    for number, (sort, value) in enumerate(zip(sorts, place.values, strict=False)):
        column = f"q.s{number}"
        if value is not None:
            mark = "<" if sort.descending != place.backwards else ">"
            later = f"{column} {mark} %s::{sort.type}"
            if not place.backwards and sort.may_be_absent:
                later = f"({later} OR {column} IS NULL)"
            ways.append(all_of([*equal, Condition(later, (value,))]))
            equal.append(Condition(f"{column} = %s::{sort.type}", (value,)))
        else:
            if place.backwards:
                ways.append(all_of([*equal, Condition(f"{column} IS NOT NULL")]))
            equal.append(Condition(f"{column} IS NULL"))
    mark = "<" if keys_descending != place.backwards else ">"
    ways.append(all_of([*equal, Condition(f"q.key {mark} %s", (place.values[-1],))]))
    beyond = any_of(ways)
    if sorts and not sorts[0].may_be_absent:
        # It follows, and bounds what an index reads.
        mark = "<=" if sorts[0].descending != place.backwards else ">="
        beyond = all_of([Condition(f"q.s0 {mark} %s::{sorts[0].type}", (place.values[0],)), beyond])
    return beyond


def _order(sorts: Sequence[Sort], *, backwards: bool, hidden: bool, keys_descending: bool) -> str:
    nulls = f" NULLS {'FIRST' if backwards else 'LAST'}"
    names = "".join(
        f"q.s{number} {'DESC' if sort.descending != backwards else 'ASC'}{nulls if sort.may_be_absent else ''}, "
        for number, sort in enumerate(sorts)
    )
    return f"{names}q.key{' + 0' if hidden and not sorts else ''}{' DESC' if keys_descending != backwards else ''}"


async def read_page(
    connection: AsyncConnection,
    branches: Sequence[Branch],
    place: Place | None,
    count: int,
    most_bytes: int | None,
    *,
    bounded: bool,
) -> Page:
    """The page after or before a place.

    Args:
        branches: of each type its matches; sorted by as many values each.
        bounded: to patients. Then all matches are few, and sorting them is better than walking all resources in the
            order of their keys until the page is full, which PostgreSQL would think of: `+ 0` hides that order from it.
    """
    walk, values = branches[0].walk, None if place is None else place.values
    if walk is not None and len(branches) == 1 and walk.can_follow(values):
        page = await _read_page(connection, branches, place, count, most_bytes, bounded=bounded, walk=walk)
        if page.more:
            return page
        # Nothing more on the way that was walked: of all that there is, only where that was to the end.
        backwards = place is not None and place.backwards
        if walk.is_complete(backwards=backwards):
            left = walk.rows_left(values, count + 1, backwards=backwards)
            cursor = await connection.execute(left.text.encode(), left.values, prepare=False)
            if await cursor.fetchone() == (False,):
                return page
    return await _read_page(connection, branches, place, count, most_bytes, bounded=bounded)


async def _read_page(
    connection: AsyncConnection,
    branches: Sequence[Branch],
    place: Place | None,
    count: int,
    most_bytes: int | None,
    *,
    bounded: bool,
    walk: Walk | None = None,
) -> Page:
    statement = page_statement(branches, place, count, most_bytes, bounded=bounded, walk=walk)
    # Among all patients the best way depends on the values, which a prepared plan does not know.
    prepare = None if bounded else False
    cursor = await connection.execute(statement.text.encode(), statement.values, prepare=prepare, binary=True)
    return page_of(await cursor.fetchall(), len(branches[0].sorts), place, count, most_bytes)


def page_statement(
    branches: Sequence[Branch],
    place: Place | None,
    count: int,
    most_bytes: int | None,
    *,
    bounded: bool,
    walk: Walk | None = None,
) -> Condition:
    """The select (not a boolean) of a page's rows; see `read_page`."""
    backwards = place is not None and place.backwards
    sorts, keys_descending = branches[0].sorts, branches[0].keys_descending
    order = _order(sorts, backwards=backwards, hidden=bounded, keys_descending=keys_descending)
    # One more than wanted shows whether there is a further page, without counting.
    if walk is None:
        parts = [_branch(branch, place, order, count + 1, bounded=bounded) for branch in branches]
    else:
        values_of_place = None if place is None else place.values
        parts = [walk.statement(_columns(branches[0].type), values_of_place, count + 1, backwards=backwards)]
    # As text for the cursor, which is JSON: exact for times and numerics alike.
    texts = "".join(f", q.s{number}::text AS t{number}" for number in range(len(sorts)))
    if len(parts) == 1 and not sorts:
        statement, values = parts[0].text, parts[0].values
    else:
        # Each branch in its own order and no longer than the page: no more is read than that needs.
        union = " UNION ALL ".join(f"({part.text})" for part in parts)
        if most_bytes is not None:
            # The outer statement of `within_bytes` sorts again, by values and not by their texts.
            texts += "".join(f", q.s{number}" for number in range(len(sorts)))
        statement = (
            f"SELECT q.key, q.id, q.version, q.last_updated, q.bytes, q.type{texts} FROM ({union}) q "  # noqa: S608
            f"ORDER BY {order} LIMIT {count + 1:d}"
        )
        values = tuple(value for part in parts for value in part.values)
    if most_bytes is not None:
        names = (
            "key",
            "id",
            "version",
            "last_updated",
            "bytes",
            "type",
            *(f"t{n}" for n in range(len(sorts))),
        )
        statement, values = within_bytes(statement, names, order.replace(" + 0", "")), (most_bytes, *values)
    return Condition(statement, values)


def page_of(rows: list[Any], sorts: int, place: Place | None, count: int, most_bytes: int | None) -> Page:
    """The page that the rows of `page_statement` are, sorted by so many values."""
    shown = rows[:count] if most_bytes is None else that_fit(rows[:count])
    more = len(rows) > len(shown)
    if place is not None and place.backwards:
        shown.reverse()
    return _with_neighbours(shown, sorts, place, more=more)


def _with_neighbours(shown: list[Any], sorts: int, place: Place | None, *, more: bool) -> Page:
    if not shown:
        return Page([], None, None, more)

    def position(row: Any) -> list[Any]:
        return [*row[6 : 6 + sorts], row[0]]

    backwards = place is not None and place.backwards
    # What did not fit the bytes is on the further page. Where one came from there is a page, or was.
    after = position(shown[-1]) if backwards or more else None
    before = [*position(shown[0]), "before"] if (more if backwards else place is not None) else None
    return Page(shown, before, after, more)


def _columns(resource_type: str) -> str:
    # The type is one of R4's (`live`).
    return f"r.key, r.id, r.version, r.last_updated, r.bytes, '{resource_type}' AS type"


def _branch(
    branch: Branch, place: Place | None, order: str, limit: int, *, bounded: bool = False
) -> Condition:
    """The first matches of a type beyond the place."""
    beyond = TRUE if place is None else _beyond(branch.sorts, place, keys_descending=branch.keys_descending)
    columns = _columns(branch.type)
    if not branch.sorts:
        # Where all are walked in the order of their keys, what was stored before the first of the type is passed over.
        first = f"SELECT min(f.key) FROM resource f WHERE {of_type(branch.type, 'f')} AND NOT f.deleted"  # noqa: S608
        begin = TRUE if bounded else Condition(f"r.key >= ({first})")
        further = Condition(beyond.text.replace("q.key", "r.key"), beyond.values)
        where = all_of([branch.where, begin, further])
        ordered = f"ORDER BY {order.replace('q.', 'r.')} LIMIT {limit:d}"
        return Condition(f"SELECT {columns} FROM resource r WHERE {where.text} {ordered}", where.values)  # noqa: S608
    named = "".join(f", {sort.expression.text} AS s{number}" for number, sort in enumerate(branch.sorts))
    statement = (
        f"SELECT q.* FROM (SELECT {columns}{named} FROM resource r WHERE {branch.where.text}) q "  # noqa: S608
        f"WHERE {beyond.text} ORDER BY {order} LIMIT {limit:d}"
    )
    expressions = (value for sort in branch.sorts for value in sort.expression.values)
    return Condition(statement, (*expressions, *branch.where.values, *beyond.values))


# Of what the caller may see: any other number would reveal what is hidden.
async def count_all(connection: AsyncConnection, branches: Sequence[Branch]) -> int:
    """How many matches there are."""
    parts = [_count(branch) for branch in branches]
    statement = f"SELECT sum(c.n)::bigint FROM ({' UNION ALL '.join(part.text for part in parts)}) c"  # noqa: S608
    values = tuple(value for part in parts for value in part.values)
    row = await (await connection.execute(statement.encode(), values)).fetchone()
    return int(row[0]) if row else 0


_OTHER_COLUMN = re.compile(r"\br\.(?!key\b)")


def _count(branch: Branch) -> Condition:
    """A select of the number of matches; by an index alone, where all that is asked for is the rows of one."""
    if branch.counted is not None and not _OTHER_COLUMN.search(branch.counted.where.text):
        # What is deleted has no rows, and the parameter implies the type.
        rows, where = branch.counted.rows, branch.counted.where
        keys = f"SELECT DISTINCT i.resource AS key FROM {branch.counted.table} i WHERE {rows.text}"  # noqa: S608
        return Condition(
            f"SELECT count(*) AS n FROM ({keys}) r WHERE {where.text}",  # noqa: S608
            (*rows.values, *where.values),
        )
    return Condition(f"SELECT count(*) AS n FROM resource r WHERE {branch.where.text}", branch.where.values)  # noqa: S608
