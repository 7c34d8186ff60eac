"""Search by GET and POST (R4 search.html): bounded pages, absolute links, unknown parameters reported."""

from __future__ import annotations

import re
from typing import Unpack
from urllib.parse import parse_qsl

from starlette.responses import Response

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.server.rest import answers, hooks
from fhir_bridge.server.rest.auditing import audit_search
from fhir_bridge.server.rest.body import FORM, content_type, read_form
from fhir_bridge.server.rest.call import FORMAT_OF_FORM, Call, check_format_value, query_of
from fhir_bridge.server.rest.code_sets import ServedCodeSets
from fhir_bridge.server.rest.parts import SHOWN, Parts, parts_of
from fhir_bridge.server.rest.refusal import Refusal, refuse
from fhir_bridge.storage import SearchOptions, SearchPage

__all__ = [
    "check_plain",
    "condition",
    "decoded",
    "own_parameters",
    "page_size",
    "read_parts",
    "search",
    "search_by_post",
    "searchset",
]

# Each parameter is a condition of one statement.
MOST_PARAMETERS = 100
LONGEST_VALUE = 8_192
MOST_VALUES = 1_000
_PLAIN = re.compile(r"(?:[A-Za-z_-]{1,40}=[A-Za-z0-9._/-]{1,80}(?:&(?=.)|$)){1,6}")
"""Parameters in which nothing is encoded, and nothing is too long."""
_OURS = frozenset({"_count", "_cursor", "_format", "_pretty", "_total"}) | SHOWN
"""Parameters that are read here; each may occur once."""


def decoded(query: str) -> list[tuple[str, str]]:
    """Parameters of a query or form, in order.

    Raises:
        Refusal: 400: not UTF-8, a NUL, too many or too long.
    """
    if _PLAIN.fullmatch(query):
        return [tuple(pair.split("=")) for pair in query.split("&")]  # type: ignore[misc]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict")
    except ValueError as error:
        raise refuse(
            400, "FB-REST-008", f"the parameters are not UTF-8, or more than {MOST_PARAMETERS}"
        ) from error
    values = 0
    for name, value in pairs:
        if "\x00" in name or "\x00" in value:
            raise refuse(400, "FB-REST-008", "a parameter holds a NUL character")
        # Values of a list each are a condition too, so they are counted together.
        values += value.count(",") + 1
        if len(value) > LONGEST_VALUE or values > MOST_VALUES:
            raise refuse(
                400, "FB-REST-008", f"the value of {name[:40]} is too long, or all together are too many"
            )
    return pairs


def condition(query: str) -> list[tuple[str, str]]:
    """The criteria of a conditional interaction; none at all would match everything."""
    try:
        parameters = parse_qsl(
            query.partition("?")[2] or query, keep_blank_values=True, max_num_fields=20, errors="strict"
        )
    except ValueError as error:
        raise refuse(400, "FB-REST-008", "the criteria can't be read") from error
    parameters = [pair for pair in parameters if pair[0] != "_format"]
    if not parameters or any("\x00" in value for pair in parameters for value in pair):
        raise refuse(400, "FB-REST-008", "a conditional interaction needs search criteria")
    for name, value in parameters:
        if not value:  # left out, the others alone might match another resource
            raise refuse(400, "FB-REST-008", f"the criterion {name[:40]} has no value")
    return parameters


def page_size(call: Call, text: str | None) -> int:
    """`_count`, at most the server's limit; more than that is allowed to be asked for.

    Raises:
        Refusal: 400: not a number, or negative.
    """
    settings = call.services.settings
    if text is None:
        return min(settings.page_size, settings.max_page_size)
    if not (text.isascii() and text.isdecimal()) or len(text) > 12:
        raise refuse(400, "FB-REST-008", "_count is a number, 0 or more")
    return min(int(text), settings.max_page_size)


async def search(call: Call) -> Response:
    """GET [base]/Type?parameters, and the same on a compartment, on `*` of it and on the base"""
    return await _search(
        call, decoded(query_of(call.request)), f"GET {call.address}?{query_of(call.request)}"
    )


async def search_by_post(call: Call) -> Response:
    """POST [base]/Type/_search, parameters in the form and in the address together"""
    if content_type(call) != FORM:
        raise refuse(415, "FB-REST-004", f"a search by POST sends {FORM}")
    form = await read_form(call)
    fields = decoded(form)
    for name, value in fields:
        if name == "_format":
            call.request.scope[FORMAT_OF_FORM] = value
    parameters = decoded(query_of(call.request)) + fields
    return await _search(call, parameters, f"POST {call.address}/_search {form}")


async def _search(call: Call, parameters: list[tuple[str, str]], requested: str) -> Response:
    parts, page = await searchset(call, parameters, alone=True)
    await audit_search(call, requested, page.shown, "search-type" if call.type else "search-system")
    return answers.in_pieces(parts)


async def searchset(
    call: Call, parameters: list[tuple[str, str]], *, alone: bool = False
) -> tuple[list[bytes], SearchPage]:
    """The Bundle that answers a search on the call's type, or without one on several, in pieces, and what it shows.

    It spends of the call's budget.

    Args:
        alone: whether it is all of a request, and has no turn yet.

    Raises:
        Refusal, StorageError: not allowed, or not understood.
    """
    if call.type:
        call.require("s")
    own = own_parameters(parameters)
    # What the cursor is bound to: a page's form may change from page to page.
    criteria = [
        pair for pair in parameters if pair[0] not in ("_cursor", "_format", "_pretty", "_count", "_elements")
    ]
    wanted = parts_of(own, counts=True)
    if own.get("_total", "none") not in ("none", "estimate", "accurate"):
        raise refuse(400, "FB-REST-008", "_total takes none, estimate or accurate")
    call.budget.check()
    # Fewer than asked for where the budget is smaller, with a link to the rest.
    count = min(page_size(call, own.get("_count")), call.budget.entries)
    # A page of nothing is asked for its total.
    counted = own.get("_total", "none") != "none" or own.get("_summary") == "count" or count == 0
    options: SearchOptions = {
        "count": count,
        "cursor": own.get("_cursor"),
        "total": "accurate" if counted else "none",
        "most_bytes": call.budget.bytes,
        "most_included": max(1, call.budget.entries - count),
    }
    if alone:
        page = await _page_alone(call, criteria, options)
    else:
        page = await _page(call, criteria, options)
    notes = _unknown(call, page)
    ignored = {parameter.name for parameter in page.unknown}
    used = [pair for pair in parameters if pair[0] not in ignored]
    # As stored: nothing is parsed unless a plug-in redacts.
    result = [stored.bytes for stored in page.shown]
    contents = await hooks.redact_all(call.services.plugins, result, call.access)
    if wanted is not None:
        contents = await wanted.of_all(contents)
    parts = answers.search_bundle(call, call.address, used, page, contents, notes, parameters)
    call.budget.spend(entries=len(page.shown), size=sum(map(len, parts)))
    return parts, page


async def _page_alone(call: Call, criteria: list[tuple[str, str]], options: SearchOptions) -> SearchPage:
    """A page of a search that is a request of its own: a short one shares its turn with others of the caller."""
    if call.type and call.compartment is None and options["cursor"] is None and options["total"] == "none":
        planned = await call.services.store.searches.planned(
            call.type, criteria, call.access, options["count"], options["most_bytes"]
        )
        if planned is not None:
            async with call.budget.limited():
                return await planned.page(call.turn)
    async with call.work():
        return await _page(call, criteria, options)


async def _page(call: Call, criteria: list[tuple[str, str]], options: SearchOptions) -> SearchPage:
    async with call.budget.limited():
        options = {**options, "codes": ServedCodeSets(call)}
        return await _search_of(call, criteria, **options)


async def _search_of(
    call: Call, criteria: list[tuple[str, str]], **options: Unpack[SearchOptions]
) -> SearchPage:
    store = call.services.store
    if call.type:
        return await store.search(call.type, criteria, call.access, compartment=call.compartment, **options)
    named = [value for name, value in criteria if name == "_type"]
    # Several `_type` would be types that are both.
    if len(named) > 1:
        raise refuse(
            400, "FB-REST-008", "_type occurs twice: list the types, as in _type=Observation,Condition"
        )
    rest = [pair for pair in criteria if pair[0] != "_type"]
    types = [kind for kind in named[0].split(",") if kind] if named else None
    if types == []:
        raise refuse(400, "FB-REST-008", "_type has no value")
    return await store.searches.of_types(types, rest, call.access, compartment=call.compartment, **options)


def own_parameters(parameters: list[tuple[str, str]]) -> dict[str, str]:
    """The parameters about the answer's form, by name.

    Raises:
        Refusal: 400: one occurs twice, or is not readable; 406: a format that is not served.
    """
    own: dict[str, str] = {}
    for name, value in parameters:
        if name not in _OURS:
            continue
        if name in own:
            raise refuse(400, "FB-REST-008", f"{name} occurs twice")
        own[name] = value
    if "_format" in own:
        check_format_value(own["_format"])
    if own.get("_pretty", "false") not in ("true", "false"):
        raise refuse(400, "FB-REST-008", "_pretty takes true and false")
    return own


_SHAPING = frozenset(
    {"_elements", "_summary", "_count", "_sort", "_total", "_include", "_revinclude", "_cursor"}
)


def read_parts(call: Call, query: str) -> Parts | None:
    """What a read wants of the resource; None: all of it, as stored.

    Raises:
        Refusal: 400: a parameter that a read does not take; 406: a format that is not served.
    """
    if not query:
        return None
    return parts_of(check_plain(call, decoded(query), shown=True), counts=False)


def check_plain(call: Call, parameters: list[tuple[str, str]], *, shown: bool = False) -> dict[str, str]:
    """Refuse parameters that would change the answer of an interaction that takes none (R4 http.html#parameters).

    Args:
        shown: whether it takes `_summary` and `_elements`.

    Returns:
        Those about the answer's form, by name.

    Raises:
        Refusal: 400; 406: a format that is not served.
    """
    own = own_parameters(parameters)
    for name, value in parameters:
        if name in ("_format", "_pretty") or (name, value) == ("_summary", "false"):
            continue
        if shown and name in SHOWN:
            continue
        if call.strict or name.partition(":")[0] in _SHAPING or name.startswith("_has"):
            raise refuse(400, "FB-REST-008", f"this interaction takes no parameter {name[:40]}")
    return own


def _unknown(call: Call, page: SearchPage) -> list[Issue]:
    """What was left out of account; refused where the caller wants strictness."""
    notes = [
        Issue("warning", "FB-REST-009", f"{parameter.name[:60]}: {parameter.reason}", expression="")
        for parameter in page.unknown
    ]
    if notes and call.strict:
        raise Refusal(400, [Issue("error", note.code, note.message) for note in notes])
    return notes
