"""Search: parameters and access filter in one statement, keyset paging, totals of what the caller may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.record import is_followed, is_subject_parameter
from fhir_bridge.storage.chains import chained, is_chain
from fhir_bridge.storage.conditions import TRUE, Condition, all_of, any_of, live
from fhir_bridge.storage.cursors import Cursors
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadSearch
from fhir_bridge.storage.includes import included, is_include, read_includes
from fhir_bridge.storage.indexed import find
from fhir_bridge.storage.page_bytes import that_fit, within_bytes
from fhir_bridge.storage.permission import compile_access, require
from fhir_bridge.storage.search_conditions import CodeSets, parameter_condition
from fhir_bridge.storage.search_support import PRESENTATION, refuse_unsupported
from fhir_bridge.storage.search_text import split_list
from fhir_bridge.storage.stored import Stored

__all__ = ["MAX_COUNT", "SearchPage", "UnknownParameter", "run_search"]

# The rows of a page are in memory together, and each match of a Bundle's search counts against its budget.
MAX_COUNT = 1000
"""The most entries on one page, whatever `_count` asks for."""


@dataclass(frozen=True, slots=True)
class UnknownParameter:
    """A parameter that was left out of account, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of matches.

    Attributes:
        total: how many matches there are in all that the caller may see; None where it was not counted.
        next: the cursor of the next page; None on the last.
        unknown: parameters that were left out of account: names that R4 does not have.
        included: what `_include` and `_revinclude` bring along.
    """

    entries: list[Stored]
    total: int | None = None
    next: str | None = None
    unknown: list[UnknownParameter] = field(default_factory=list)
    included: list[Stored] = field(default_factory=list)

    @property
    def shown(self) -> list[Stored]:
        """All that the page gives: matches, then what they bring along."""
        return [*self.entries, *self.included]


@dataclass(frozen=True, slots=True)
class _Sort:
    """One sort key: an SQL expression over `r`, its type, its direction."""

    expression: Condition
    type: str
    descending: bool


async def conditions(
    resource_type: str,
    parameters: Sequence[tuple[str, str]],
    access: AccessFilter,
    dictionaries: Dictionaries,
    codes: CodeSets | None = None,
) -> tuple[Condition, list[UnknownParameter]]:
    """All parameters as one condition, and those that are unknown."""
    # Only one list is used: the narrower one. What the search itself names is always
    # right, whatever the caller may see.
    patients = _named(resource_type, parameters)
    if not patients and not is_followed(
        resource_type
    ):  # tokens do not know whom a resource is about through others
        patients = _granted(resource_type, access)
    results: list[Condition] = []
    unknown: list[UnknownParameter] = []
    for name, value in parameters:
        if name in PRESENTATION or is_include(name):
            continue
        if is_chain(name):
            results.append(await chained(resource_type, name, value, access, dictionaries, codes))
            continue
        refuse_unsupported(resource_type, name, dictionaries.definitions)
        code, _, modifier = name.partition(":")
        condition = await parameter_condition(
            resource_type, code, modifier, value, dictionaries, patients, codes
        )
        if condition is None:
            unknown.append(UnknownParameter(name, f"not a search parameter of {resource_type} here"))
        else:
            results.append(condition)
    return all_of(results), unknown


async def _within(compartment: tuple[str, str], resource_type: str, dictionaries: Dictionaries) -> Condition:
    """What is in a compartment (R4 compartmentdefinition.html): an address, which gives no access.

    Raises:
        BadSearch: R4 has no such compartment, or nothing of the type is in it.
    """
    kind, identity = compartment
    try:
        codes = definitions.compartment(kind).get(resource_type, ())
    except KeyError as error:
        raise BadSearch(f"R4 has no compartment of {kind}") from error
    ways: list[Condition] = []
    for code in codes:
        if code == "{def}":  # the resource that the compartment is of
            ways.append(Condition("r.id = %s", (identity,)))
            continue
        condition = await parameter_condition(resource_type, code, "", f"{kind}/{identity}", dictionaries)
        ways += [] if condition is None else [condition]
    if not ways:
        raise BadSearch(f"no {resource_type} is in the compartment of a {kind}")
    return any_of(ways)


def _named(resource_type: str, parameters: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """Patients whose records alone hold what the parameters find."""
    for name, value in parameters:
        code, _, modifier = name.partition(":")
        if code not in ("patient", "subject") or modifier not in ("", "Patient"):
            continue
        # Only a parameter that is about the same patients as the record; `performer`, for one,
        # leads into the records of others.
        if not is_subject_parameter(resource_type, code):
            continue
        ids = [part.removeprefix("Patient/") for part in split_list(value)]
        # `subject=x` by id alone may be a Group or a Device; then nothing is known of patients.
        named = (
            code == "patient" or modifier or all(part.startswith("Patient/") for part in split_list(value))
        )
        if ids and named and not any("/" in identity or ":" in identity for identity in ids):
            return tuple(ids)
    return ()


def _granted(resource_type: str, access: AccessFilter) -> tuple[str, ...]:
    """Patients to whose records all of the caller's grants are bounded."""
    granted = {rule.patient for rule in access.rules_for(resource_type, "s")}
    # None: a grant that is bounded by no patient.
    return tuple(sorted(patient for patient in granted if patient is not None)) if None not in granted else ()


async def run_search(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    cursors: Cursors,
    resource_type: str,
    parameters: Sequence[tuple[str, str]],
    access: AccessFilter,
    *,
    count: int,
    cursor: str | None,
    total: str,
    most_bytes: int | None = None,
    most_included: int | None = None,
    codes: CodeSets | None = None,
    compartment: tuple[str, str] | None = None,
) -> SearchPage:
    """Run a search; see `Store.search`."""
    require(access, resource_type, "s")
    # NUL is no text for PostgreSQL, which would answer with an error of its own.
    for name, value in parameters:
        if "\0" in name or "\0" in value:
            raise BadSearch(f"{name!r}: holds the character NUL")
    # Before the parameters: an unknown type has none to be compiled.
    current = live(resource_type)
    count, counted = _wanted(parameters, count, total)
    includes = read_includes(resource_type, parameters, dictionaries.definitions)
    matches, unknown = await conditions(resource_type, parameters, access, dictionaries, codes)
    if compartment is not None:
        matches = all_of([matches, await _within(compartment, resource_type, dictionaries)])
    permitted = await compile_access(access, resource_type, "s", dictionaries)
    where = all_of([matches, permitted, current])
    sorts = await _sorts(resource_type, parameters, dictionaries)
    # Without `_count` and `_total`: a next page may be of another size.
    bound = (
        access.subject,
        compartment,
        resource_type,
        sorted(p for p in parameters if p[0] not in ("_count", "_total")),
    )
    after = TRUE if cursor is None else _after(sorts, cursors.read(cursor, bound))
    bounded = bool(_named(resource_type, parameters) or _granted(resource_type, access))
    known: int | None = None
    rows: list[Any] = []
    async with pool.connection() as connection:  # only now: compiling may need a connection of its own
        if count > 0:
            # One more than wanted shows whether there is a next page, without counting.
            rows = await _page(connection, where, sorts, after, count + 1, most_bytes, bounded=bounded)
        # Counted by itself only where the page does not show the number anyway.
        if count == 0 or (counted and (cursor is not None or len(rows) > count)):
            known = await _total(connection, where)
        shown = rows[:count] if most_bytes is None else that_fit(rows[:count])
        beside = await included(
            connection, dictionaries, includes, resource_type, [row[0] for row in shown], access,
            most=most_included, most_bytes=_left(most_bytes, shown),
        )  # fmt: skip
    entries = [Stored(resource_type, row[1], row[2], row[3], row[4]) for row in shown]
    more = len(rows) > len(shown)
    following = None
    if more and shown:  # what did not fit the bytes is on the next page
        following = cursors.make([*shown[-1][5 : 5 + len(sorts)], shown[-1][0]], bound)
    if known is None and cursor is None and not more:
        known = len(entries)
    return SearchPage(entries, known, following, unknown, beside)


def _left(most_bytes: int | None, rows: Sequence[Any]) -> int | None:
    """The bytes that the matches of a page leave for what comes along."""
    return None if most_bytes is None else max(0, most_bytes - sum(len(row[4]) for row in rows))


def _wanted(parameters: Sequence[tuple[str, str]], count: int, total: str) -> tuple[int, bool]:
    """How many entries a page has, and whether to count all."""
    counted = total == "accurate"
    for name, value in parameters:
        if name == "_count":
            if not (value.isascii() and value.isdigit()):
                raise BadSearch("_count: expected a whole number")
            # Digits beyond nine mean the same (`MAX_COUNT`), and Python refuses to read very many.
            count = int(value[:9])
        elif name == "_total":
            if value not in ("none", "estimate", "accurate"):
                raise BadSearch("_total: expected none, estimate or accurate")
            counted = value != "none"
    if ("_summary", "count") in parameters:
        count = 0
    return min(count, MAX_COUNT), counted


_SORTED = {
    "date": ("min(i.low)", "max(i.high)", "timestamptz"),
    "string": ("min(i.value)", "max(i.value)", "text"),
    "number": ("min(i.low)", "max(i.high)", "numeric"),
    "quantity": ("min(i.low)", "max(i.high)", "numeric"),
    "token": ("min(i.code)", "max(i.code)", "text"),
    "uri": ("min(i.value)", "max(i.value)", "text"),
}


# By alias `i`, like the conditions; the table's name is that of the type.
async def _sorts(
    resource_type: str, parameters: Sequence[tuple[str, str]], dictionaries: Dictionaries
) -> list[_Sort]:
    sorts = []
    wanted = [value for name, value in parameters if name == "_sort" and value]
    for rule in ",".join(wanted).split(",") if wanted else ():
        code = rule.removeprefix("-")
        descending = rule.startswith("-")
        if code == "_lastUpdated":
            sorts.append(_Sort(Condition("r.last_updated"), "timestamptz", descending))
            continue
        if code == "_id":
            sorts.append(_Sort(Condition("r.id"), "text", descending))
            continue
        parameter = find(resource_type, code, dictionaries.definitions)
        if parameter is None or parameter.type not in _SORTED:
            raise BadSearch(f"_sort: can't sort {resource_type} by {code!r}")
        low, high, sql_type = _SORTED[parameter.type]
        number = await dictionaries.find_parameter(resource_type, code)
        value = high if descending else low
        expression = (
            f"(SELECT {value} FROM {parameter.type} i WHERE i.resource = r.key AND i.parameter = {number:d})"  # noqa: S608
        )
        sorts.append(_Sort(Condition(expression), sql_type, descending))
    return sorts


# Spelled out: a comparison of rows can't mix directions, and is null where a value is.
def _after(sorts: list[_Sort], position: list[str | int | None]) -> Condition:
    """What comes after a position, where absent values come last in either direction and the key decides at the end."""
    ways: list[Condition] = []
    equal: list[Condition] = []
    for number, (sort, value) in enumerate(zip(sorts, position, strict=False)):
        column = f"q.s{number}"
        if value is not None:
            later = f"({column} {'<' if sort.descending else '>'} %s::{sort.type} OR {column} IS NULL)"
            ways.append(all_of([*equal, Condition(later, (value,))]))
            equal.append(Condition(f"{column} = %s::{sort.type}", (value,)))
        else:
            equal.append(Condition(f"{column} IS NULL"))
    ways.append(all_of([*equal, Condition("q.key > %s", (position[-1],))]))
    return any_of(ways)


async def _page(
    connection: AsyncConnection,
    where: Condition,
    sorts: list[_Sort],
    after: Condition,
    limit: int,
    most_bytes: int | None,
    *,
    bounded: bool,
) -> list[Any]:
    """The rows of a page.

    Args:
        bounded: to patients. Then all matches are few, and sorting them is better than walking all resources in the
            order of their keys until the page is full, which PostgreSQL would think of: `+ 0` hides that order from it.
    """
    if not sorts:
        keyset = after.text.replace("q.key", "r.key")
        statement = (
            "SELECT r.key, r.id, r.version, r.last_updated, r.bytes FROM resource r "  # noqa: S608
            f"WHERE {where.text} AND {keyset} ORDER BY r.key{' + 0' if bounded else ''} LIMIT {limit:d}"
        )
        values: tuple[Any, ...] = (*where.values, *after.values)
        ordered = "q.key"
    else:
        columns = "".join(f", {sort.expression.text} AS s{number}" for number, sort in enumerate(sorts))
        # As text for the cursor, which is JSON: exact for times and numerics alike.
        texts = "".join(f", q.s{number}::text AS t{number}" for number in range(len(sorts)))
        if most_bytes is not None:
            # The outer statement of `within_bytes` sorts again, by values and not by their texts.
            texts += "".join(f", q.s{number}" for number in range(len(sorts)))
        order = "".join(
            f"q.s{number} {'DESC' if sort.descending else 'ASC'} NULLS LAST, "
            for number, sort in enumerate(sorts)
        )
        statement = (
            f"SELECT q.key, q.id, q.version, q.last_updated, q.bytes{texts} FROM "  # noqa: S608
            f"(SELECT r.key, r.id, r.version, r.last_updated, r.bytes{columns} FROM resource r WHERE {where.text}) q "
            f"WHERE {after.text} ORDER BY {order}q.key LIMIT {limit:d}"
        )
        values = (
            *(value for sort in sorts for value in sort.expression.values),
            *where.values,
            *after.values,
        )
        ordered = f"{order}q.key"
    if most_bytes is not None:
        names = ("key", "id", "version", "last_updated", "bytes", *(f"t{n}" for n in range(len(sorts))))
        statement, values = within_bytes(statement, names, ordered), (most_bytes, *values)
    rows: list[Any] = await (await connection.execute(statement.encode(), values, binary=True)).fetchall()
    return rows


# Of what the caller may see: any other number would reveal what is hidden.
async def _total(connection: AsyncConnection, where: Condition) -> int:
    statement = f"SELECT count(*) FROM resource r WHERE {where.text}"  # noqa: S608
    row = await (await connection.execute(statement.encode(), where.values)).fetchone()
    return int(row[0]) if row else 0
