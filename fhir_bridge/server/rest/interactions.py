"""The interactions on one resource and on a type: read, write, history (R4 http.html)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from fhir_bridge.server.finishing import finished
from fhir_bridge.server.rest import answers, hooks
from fhir_bridge.server.rest.auditing import audit_of, audit_read, audit_search, audit_written
from fhir_bridge.server.rest.body import read_resource
from fhir_bridge.server.rest.call import Call, query_of
from fhir_bridge.server.rest.checks import check_of, check_write, resolve
from fhir_bridge.server.rest.companions import companions
from fhir_bridge.server.rest.conflicts import again_after_conflict
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.rest.search import condition, decoded, page_size, read_parts
from fhir_bridge.server.rest.server_owned import READ_ONLY_TYPES
from fhir_bridge.storage import Stored, Written
from fhir_bridge.storage.outlines import Outline
from fhir_bridge.storage.writing import Operation

__all__ = [
    "audit_history",
    "conditional_delete",
    "conditional_update",
    "create",
    "delete",
    "history",
    "history_page",
    "read",
    "read_instant",
    "refuse_read_only",
    "update",
    "vread",
]

_OF_THE_ANSWER = frozenset({"_format", "_pretty", "_summary"})
"""Parameters of an address that are no criteria."""


async def read(call: Call) -> Response:
    """GET [base]/Type/id"""
    call.require("r")
    wanted = read_parts(call, query_of(call.request))
    stored = await call.services.store.read(call.type, call.id, call.access)
    await audit_read(call, stored, "read")
    return answers.resource(call, stored, wanted)


async def vread(call: Call) -> Response:
    """GET [base]/Type/id/_history/version"""
    call.require("r")
    wanted = read_parts(call, query_of(call.request))
    stored = await call.services.store.vread(call.type, call.id, call.version, call.access)
    await audit_read(call, stored, "vread")
    return answers.resource(call, stored, wanted)


async def create(call: Call) -> Response:
    """POST [base]/Type, conditional with If-None-Exist or criteria in the address"""
    refuse_read_only(call)
    call.require("c")
    criteria = _if_none_exist(call)
    if criteria is not None:
        call.require("s")  # whether something matches is an answer that only a searcher may have
    resource, outline = await resolve(call, await read_resource(call))
    # R4 http.html#create: an id that comes with a create is ignored.
    resource.pop("id", None)
    await check_write(call, Operation("create", call.type, "", resource, outline=outline))
    beside = await companions(call, resource)
    if criteria is not None:
        result = await finished(_create_conditionally(call, resource, criteria, outline, beside))
    else:
        # Written by a task of the store (`storage.grouping`), with those of others, whether or not its client waits.
        result = await call.services.store.create(
            resource,
            call.access,
            audit=audit_of(call),
            outline=hooks.unchanged(call.services.plugins, outline),
            beside=beside,
        )
    return answers.written(call, result)


async def _create_conditionally(
    call: Call, resource: dict[str, Any], criteria: str, outline: Outline, beside: Sequence[Operation]
) -> Written:
    parameters = condition(criteria)
    async with call.work():  # criteria may take as long as a search
        result = await call.services.store.create(
            resource,
            call.access,
            if_none_exist=parameters,
            audit=audit_of(call),
            outline=hooks.unchanged(call.services.plugins, outline),
            beside=beside,
        )
    await audit_written(call, result)
    return result


def _if_none_exist(call: Call) -> str | None:
    """The criteria of a conditional create.

    R4 has them in a header. fhirpy puts them into the address, as R4 does for a conditional update: ignored there, a
    second resource would be stored where the client wants one.

    Raises:
        Refusal: 400: in both places, or in several headers.
    """
    header = call.if_none_exist
    pairs = [pair for pair in decoded(query_of(call.request)) if pair[0] not in _OF_THE_ANSWER]
    if not pairs:
        return header
    if header is not None:
        raise refuse(400, "FB-REST-008", "criteria stand in If-None-Exist or in the address, not in both")
    return urlencode(pairs)


async def update(call: Call) -> Response:
    """PUT [base]/Type/id, with If-Match where given; creates where there is none"""
    refuse_read_only(call)
    call.require("u")
    resource, outline = await resolve(call, await read_resource(call, call.id))
    await check_write(call, Operation("update", call.type, call.id, resource, outline=outline))
    # RFC 9110 §13.1.2: only where nothing is.
    absent = call.request.headers.get("if-none-match", "").strip() == "*"
    if absent:
        await call.services.store.refuse_present(call.type, call.id)
    result = await call.services.store.update(
        call.type,
        call.id,
        resource,
        call.access,
        if_match=call.if_match,
        absent=absent,
        audit=audit_of(call),
        beside=await companions(call, resource),
    )
    await audit_written(call, result)
    return answers.written(call, result)


async def conditional_update(call: Call) -> Response:
    """PUT [base]/Type?criteria"""
    refuse_read_only(call)
    call.require("u")
    call.require("s")
    parameters = condition(query_of(call.request))
    resource, _ = await resolve(call, await read_resource(call))
    async with call.work():
        result = await again_after_conflict(
            lambda: call.services.store.conditional_update(
                call.type, parameters, resource, call.access, check=check_of(call), audit=audit_of(call)
            )
        )
    await audit_written(call, result)
    return answers.written(call, result)


async def delete(call: Call) -> Response:
    """DELETE [base]/Type/id; what is gone already is as good as deleted"""
    refuse_read_only(call)
    call.require("d")
    await check_write(call, Operation("delete", call.type, call.id))
    result = await call.services.store.delete(
        call.type, call.id, call.access, if_match=call.if_match, audit=audit_of(call)
    )
    # R4 http.html#delete: 204 whether or not something was there.
    return Response(status_code=204, headers={"ETag": result.stored.etag})


async def conditional_delete(call: Call) -> Response:
    """DELETE [base]/Type?criteria: the one resource that matches; nothing matches: as good as deleted"""
    refuse_read_only(call)
    call.require("d")
    call.require("s")
    parameters = condition(query_of(call.request))
    async with call.work():
        match = await call.services.store.match(call.type, parameters, call.access)
    if match is None:
        return Response(status_code=204)
    return await delete(replace(call, id=match.stored.id))


async def history(call: Call) -> Response:
    """GET [base]/Type/id/_history, [base]/Type/_history, [base]/_history"""
    query = query_of(call.request)
    async with call.work():
        parts, shown = await history_page(call, query)
    await audit_history(call, query, shown)
    return answers.in_pieces(parts)


async def history_page(call: Call, query: str) -> tuple[list[bytes], list[Stored]]:
    """The Bundle of a history, in pieces, and what it shows. It spends of the call's budget.

    Raises:
        Refusal, StorageError: not allowed, or not understood.
    """
    call.require("r" if call.id else "s", call.type or "*")
    parameters = decoded(query)
    known = dict(parameters)
    for name in known:
        if name not in ("_count", "_since", "_at", "_cursor", "_format", "_pretty"):
            raise refuse(400, "FB-REST-008", f"history takes _count, _since and _at, not {name[:40]}")
    if len(known) < len(parameters):
        raise refuse(400, "FB-REST-008", "a parameter of history occurs twice")
    count = min(page_size(call, known.get("_count")), call.budget.entries)
    since = read_instant(known.get("_since"))
    async with call.budget.limited():
        page = await call.services.store.history(
            call.access,
            call.type or None,
            call.id or None,
            count=count,
            since=since,
            at=known.get("_at"),
            cursor=known.get("_cursor"),
            most_bytes=call.budget.bytes,
        )
    result = [entry.stored.bytes for entry in page.entries]
    contents = await hooks.redact_all(call.services.plugins, result, call.access)
    parts = answers.history_bundle(
        call, _history_path(call), parameters, page.entries, contents, page.total, page.next
    )
    call.budget.spend(entries=len(page.entries), size=sum(map(len, parts)))
    return parts, [entry.stored for entry in page.entries]


async def audit_history(call: Call, query: str, shown: list[Stored]) -> None:
    """A page of a history went out."""
    interaction = "history-instance" if call.id else "history-type" if call.type else "history-system"
    await audit_search(call, f"GET {_history_path(call)}?{query}", shown, interaction)


def _history_path(call: Call) -> str:
    return "/".join(filter(None, (call.type, call.id, "_history")))


def refuse_read_only(call: Call) -> None:
    """Refuse to write what the server alone writes.

    Raises:
        Refusal: 405.
    """
    if call.type in READ_ONLY_TYPES:
        raise refuse(
            405, "FB-REST-012", f"{call.type} is written by the server only", headers={"Allow": "GET, HEAD"}
        )


def read_instant(text: str | None, code: str = "FB-REST-008") -> datetime | None:
    """The value of `_since`.

    Args:
        code: of the issue where it can't be read.

    Raises:
        Refusal: 400: no instant.
    """
    if text is None:
        return None
    try:
        # A "+" of the offset that was not encoded arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise refuse(400, code, "_since is an instant: 2026-03-05T08:00:00Z") from error
    if moment.tzinfo is None:
        raise refuse(400, code, "_since needs an offset: 2026-03-05T08:00:00Z")
    return moment
