"""Search: parameters and access filter in one statement, pages of it, totals of what the caller may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict, Unpack

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.record import is_followed, is_subject_parameter
from fhir_bridge.storage.chains import chained, is_chain
from fhir_bridge.storage.conditions import TRUE, Condition, all_of, any_of, live
from fhir_bridge.storage.cursors import Cursors
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadCursor, BadSearch
from fhir_bridge.storage.includes import included, is_include, read_includes
from fhir_bridge.storage.indexed import APART
from fhir_bridge.storage.indexing import DATED
from fhir_bridge.storage.permission import compile_access, require
from fhir_bridge.storage.search_conditions import CodeSets, parameter_condition
from fhir_bridge.storage.search_estimates import estimate_all, estimated
from fhir_bridge.storage.search_filter import filtered
from fhir_bridge.storage.search_pages import (
    Branch,
    Counted,
    Page,
    Place,
    Sort,
    count_all,
    read_page,
    sorts_of,
)
from fhir_bridge.storage.search_support import PRESENTATION, refuse_unsupported
from fhir_bridge.storage.search_text import split_list
from fhir_bridge.storage.search_walks import ends_of_date, find_walk
from fhir_bridge.storage.stored import Stored

__all__ = [
    "MAX_COUNT",
    "SearchOptions",
    "SearchPage",
    "UnknownParameter",
    "bound_of",
    "branch_of",
    "conditions",
    "is_bounded",
    "run_search",
    "types_of",
    "wanted_entries",
]

# The rows of a page are in memory together, and each match of a Bundle's search counts against its budget.
MAX_COUNT = 1000
"""The most entries on one page, whatever `_count` asks for."""
MOST_PARAMETERS = 60
"""In one search, each a condition of its own: what PostgreSQL takes to plan them grows faster than their number."""


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
        previous: the cursor of the page before; None on the first.
    """

    entries: list[Stored]
    total: int | None = None
    next: str | None = None
    unknown: list[UnknownParameter] = field(default_factory=list)
    included: list[Stored] = field(default_factory=list)
    previous: str | None = None

    @property
    def shown(self) -> list[Stored]:
        """All that the page gives: matches, then what they bring along."""
        return [*self.entries, *self.included]


class SearchOptions(TypedDict, total=False):
    """How a search is answered.

    Attributes:
        count: entries on a page, where `_count` says nothing; 50.
        cursor: `next` or `previous` of a page, with the same parameters and caller.
        total: `accurate` counts all matches; they are given anyway where they fit on one page. `_total=estimate` counts
            them up to a bound (`search_estimates`).
        most_bytes: of the contents on the page, which is shorter where they are more; one entry always is there.
        most_included: resources that `_include` and `_revinclude` may bring along.
        codes: terminology, for `:in`, `:not-in`, `:below` and `:above`.
    """

    count: int
    cursor: str | None
    total: str
    most_bytes: int | None
    most_included: int | None
    codes: CodeSets | None


async def conditions(
    resource_type: str,
    parameters: Sequence[tuple[str, str]],
    access: AccessFilter,
    dictionaries: Dictionaries,
    codes: CodeSets | None = None,
) -> tuple[Condition, list[UnknownParameter]]:
    """All parameters as one condition, and those that are unknown."""
    compiled, unknown = await _compiled(resource_type, parameters, access, dictionaries, codes)
    return all_of(condition for _, condition in compiled), unknown


async def _compiled(
    resource_type: str,
    parameters: Sequence[tuple[str, str]],
    access: AccessFilter,
    dictionaries: Dictionaries,
    codes: CodeSets | None,
) -> tuple[list[tuple[str, Condition]], list[UnknownParameter]]:
    """Each parameter as a condition, and those that are unknown."""
    if len(parameters) > MOST_PARAMETERS:
        raise BadSearch(f"the search has more than {MOST_PARAMETERS} parameters")
    # Only one list is used: the narrower one. What the search itself names is always
    # right, whatever the caller may see.
    patients = _named(resource_type, parameters)
    if not patients and not is_followed(
        resource_type
    ):  # tokens do not know whom a resource is about through others
        patients = _granted(resource_type, access)
    results: list[tuple[str, Condition]] = []
    unknown: list[UnknownParameter] = []
    moments = TRUE if patients else ends_of_date(resource_type, parameters)

    async def one(name: str, value: str) -> Condition | None:
        if is_chain(name):
            return await chained(resource_type, name, value, access, dictionaries, codes)
        refuse_unsupported(resource_type, name, dictionaries.definitions)
        code, _, modifier = name.partition(":")
        return await parameter_condition(
            resource_type, code, modifier, value, dictionaries, patients, codes, access, moments
        )

    async def of_filter(name: str, value: str) -> Condition:
        condition = None if name.startswith("_filter") else await one(name, value)
        if condition is None:
            raise BadSearch(f"_filter: {name[:60]} is not a search parameter of {resource_type} here")
        return condition

    for name, value in parameters:
        if name in PRESENTATION or is_include(name):
            continue
        if name == "_filter":
            results.append((name, await filtered(resource_type, value, dictionaries, of_filter)))
            continue
        condition = await one(name, value)
        if condition is None:
            unknown.append(UnknownParameter(name, f"not a search parameter of {resource_type} here"))
        else:
            results.append((name, condition))
    return results, unknown


async def _within(compartment: tuple[str, str], resource_type: str, dictionaries: Dictionaries) -> Condition:
    """What is in a compartment (R4 compartmentdefinition.html): an address, which gives no access.

    Raises:
        BadSearch: R4 has no such compartment, or nothing of the type is in it.
    """
    kind, identity = compartment
    codes = _members(kind).get(resource_type, ())
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


def _members(kind: str) -> Mapping[str, tuple[str, ...]]:
    """What is in the compartments of a type, and by which parameters."""
    try:
        members = {name: codes for name, codes in definitions.compartment(kind).items() if codes}
    except KeyError as error:
        raise BadSearch(f"R4 has no compartment of {kind}") from error
    # A resource is in its own compartment; R4's table forgets it of Patient.
    return {**members, kind: tuple({*members.get(kind, ()), "{def}"})}


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


def is_bounded(resource_type: str, parameters: Sequence[tuple[str, str]], access: AccessFilter) -> bool:
    """Whether all that is found is in the records of some patients."""
    return bool(_named(resource_type, parameters) or _granted(resource_type, access))


def bound_of(
    types: Sequence[str],
    parameters: Sequence[tuple[str, str]],
    access: AccessFilter,
    compartment: tuple[str, str] | None = None,
) -> tuple[Any, ...]:
    """What the cursors of a search are bound to."""
    # Without `_count` and `_total`: a next page may be of another size.
    asked = sorted(pair for pair in parameters if pair[0] not in ("_count", "_total"))
    return access.subject, compartment, list(types), asked


async def branch_of(
    resource_type: str,
    parameters: Sequence[tuple[str, str]],
    access: AccessFilter,
    dictionaries: Dictionaries,
    codes: CodeSets | None = None,
    compartment: tuple[str, str] | None = None,
    *,
    alone: bool,
    bounded: bool,
) -> tuple[Branch, list[UnknownParameter]]:
    """The matches of a type within the caller's access, and the parameters that are unknown.

    Args:
        alone: whether it is the only type of the search.
        bounded: to patients.
    """
    require(access, resource_type, "s")
    # Before the parameters: an unknown type has none to be compiled.
    current = live(resource_type)
    compiled, ignored = await _compiled(resource_type, parameters, access, dictionaries, codes)
    matches = all_of(condition for _, condition in compiled)
    if compartment is not None:
        matches = all_of([matches, await _within(compartment, resource_type, dictionaries)])
    permitted = await compile_access(access, resource_type, "s", dictionaries)
    sorts = await sorts_of(resource_type, parameters, dictionaries)
    walk = None
    if alone and compartment is None and not bounded and not ignored:
        walk = await find_walk(resource_type, parameters, dictionaries)
    if walk is not None:
        others = [condition for name, condition in compiled if name not in walk.implied]
        walk = replace(walk, where=all_of([*others, permitted, current]))
        if walk.ordering:
            sorts = (Sort(walk.value_of("r.key"), walk.type, walk.descending),)
    rows = None
    if compartment is None and not bounded:
        rows = _counted(resource_type, compiled, permitted)
    return Branch(resource_type, all_of([matches, permitted, current]), sorts, walk, rows), ignored


async def run_search(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    cursors: Cursors,
    types: Sequence[str],
    parameters: Sequence[tuple[str, str]],
    access: AccessFilter,
    *,
    compartment: tuple[str, str] | None = None,
    **options: Unpack[SearchOptions],
) -> SearchPage:
    """Run a search on one type or several; see `Store.search` and `Store.search_types`."""
    # NUL is no text for PostgreSQL, which would answer with an error of its own.
    for name, value in parameters:
        if "\0" in name or "\0" in value:
            raise BadSearch(f"{name!r}: holds the character NUL")
    cursor, most_bytes, codes = options.get("cursor"), options.get("most_bytes"), options.get("codes")
    count, counted = wanted_entries(parameters, options.get("count", 50), options.get("total", "none"))
    branches: list[Branch] = []
    unknown: dict[UnknownParameter, None] = {}
    lacking: dict[str, list[str]] = {}
    bounded = all(is_bounded(kind, parameters, access) for kind in types)
    for resource_type in types:
        branch, ignored = await branch_of(
            resource_type,
            parameters,
            access,
            dictionaries,
            codes,
            compartment,
            alone=len(types) == 1,
            bounded=bounded,
        )
        branches.append(branch)
        unknown.update(dict.fromkeys(ignored))
        for parameter in ignored:
            lacking.setdefault(parameter.name, []).append(resource_type)
    for name, without in lacking.items():
        # Left out for these types alone, it would give all of them beside what was asked for.
        if len(without) < len(types):
            some = ", ".join(without[:5]) + (", …" if len(without) > 5 else "")
            raise BadSearch(
                f"{name[:60]}: not a search parameter of {some} here; name types that have it (_type)"
            )
    includes = read_includes(types, parameters, dictionaries.definitions)
    bound = bound_of(types, parameters, access, compartment)
    place = None if cursor is None else Place.read(cursors.read(cursor, bound))
    if place is not None and len(place.values) < len(branches[0].sorts) + 1:
        raise BadCursor("the paging cursor was made for another order of the search")
    known: int | None = None
    page = Page([], None, None, more=False)
    async with pool.connection() as connection:  # only now: compiling may need a connection of its own
        if count > 0:
            page = await read_page(connection, branches, place, count, most_bytes, bounded=bounded)
        # Counted by itself only where the page does not show the number anyway.
        if count == 0 or (counted and (cursor is not None or page.more)):
            if estimated(parameters) and not bounded:
                known = await estimate_all(connection, branches)
            else:
                known = await count_all(connection, branches)
        matched: dict[str, list[int]] = {kind: [] for kind in types}
        for row in page.rows:
            matched[row[5]].append(row[0])
        beside = await included(
            connection, dictionaries, includes, matched, access,
            most=options.get("most_included"), most_bytes=_left(most_bytes, page.rows),
        )  # fmt: skip
    entries = [Stored(row[5], row[1], row[2], row[3], row[4]) for row in page.rows]
    following, previous = (
        None if position is None else cursors.make(position, bound) for position in (page.next, page.previous)
    )
    if known is None and cursor is None and not page.more:
        known = len(entries)
    return SearchPage(entries, known, following, list(unknown), beside, previous)


def _counted(
    resource_type: str, compiled: Sequence[tuple[str, Condition]], permitted: Condition
) -> Counted | None:
    """How matches are counted: by the rows of the only parameter, or of a code and a day, which rows of codes carry."""
    by_name = dict(compiled)
    if len(compiled) == 1:
        ((_, condition),) = compiled
        beside: list[Condition] = []
    elif len(compiled) == 2 and by_name.keys() == {"code", "date"} and resource_type in DATED:
        condition, beside = by_name["code"], [by_name["date"]]
    else:
        return None
    if condition.rows is None:
        return None
    return Counted(*condition.rows, all_of([*beside, permitted]))


async def types_of(
    pool: AsyncConnectionPool[AsyncConnection],
    access: AccessFilter,
    wanted: Sequence[str] | None,
    compartment: tuple[str, str] | None,
) -> list[str]:
    """The types that a search on several is about: those wanted, or all that there are and the caller may search.

    Raises:
        BadSearch: there is no such type, or none of it is in the compartment. Forbidden: no grant allows one that is
            wanted, or any at all.
    """
    members = None if compartment is None else _members(compartment[0])
    if wanted is not None:
        for kind in wanted:
            if kind not in definitions.resource_types():
                raise BadSearch(f"_type: {kind[:40]!r} is no resource type of R4")
            if members is not None and kind not in members:
                raise BadSearch(f"_type: no {kind} is in the compartment of a {(compartment or ('', ''))[0]}")
            if kind in APART:
                raise BadSearch(f"_type: {kind} is searched by itself")
            require(access, kind, "s")
        return list(dict.fromkeys(wanted))
    possible = sorted((members.keys() if members is not None else definitions.resource_types()) - APART)
    permitted = [kind for kind in possible if access.permits(kind, "s")]
    if not permitted:
        require(access, possible[0], "s")
    # Each type has a statement of its own within the search's: of those that nothing is stored of none is needed.
    async with pool.connection() as connection:
        rows = await connection.execute(
            "SELECT t FROM unnest(%s::text[]) AS t WHERE EXISTS "
            "(SELECT FROM resource WHERE hashtext(type) = hashtext(t) AND NOT deleted)",
            (permitted,),
        )
        return sorted(row[0] for row in await rows.fetchall())


def _left(most_bytes: int | None, rows: Sequence[Any]) -> int | None:
    """The bytes that the matches of a page leave for what comes along."""
    return None if most_bytes is None else max(0, most_bytes - sum(len(row[4]) for row in rows))


def wanted_entries(parameters: Sequence[tuple[str, str]], count: int, total: str) -> tuple[int, bool]:
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
