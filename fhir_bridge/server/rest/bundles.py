"""Transaction and batch Bundles at the base (R4 http.html#transaction). Each entry is checked on its own."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from fhir_bridge.fhir.issues import Issue, operation_outcome
from fhir_bridge.server.finishing import finished
from fhir_bridge.server.rest import answers, hooks
from fhir_bridge.server.rest.auditing import audit_of
from fhir_bridge.server.rest.body import (
    INLINE_VALUES,
    PARSED_INLINE_BYTES,
    check_resource,
    parsed,
    read_body,
    refuse_invalid,
)
from fhir_bridge.server.rest.bundle_entries import Entry, entry_of
from fhir_bridge.server.rest.bundle_reads import Answered, audit_entry, operate_entry, prefer, read_entry
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.checks import check_write
from fhir_bridge.server.rest.companions import companions
from fhir_bridge.server.rest.conflicts import TIMES
from fhir_bridge.server.rest.patching import operations_of, patched
from fhir_bridge.server.rest.refusal import Refusal, refuse
from fhir_bridge.server.rest.refused import record_refusal
from fhir_bridge.server.rest.search import condition
from fhir_bridge.server.rest.server_owned import READ_ONLY_TYPES
from fhir_bridge.server.validation import LOOK_SECONDS, ServedValidator
from fhir_bridge.storage.breathing import Pause, beside
from fhir_bridge.storage.bundles import conditional_references
from fhir_bridge.storage.entry_links import with_narrative_links
from fhir_bridge.storage.errors import StorageError, TransactionFailed, VersionConflict
from fhir_bridge.storage.outlines import Outline, outline_of
from fhir_bridge.storage.writing import Operation

__all__ = ["carry_out", "transact"]

_LETTERS = {"POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}


async def transact(call: Call) -> Response:
    """POST [base]: a transaction is stored whole or not at all, a batch entry by entry."""
    # Before the turn: a client that sends slowly must not hold a place.
    body = await read_body(call)
    if len(body) > PARSED_INLINE_BYTES:
        async with call.work():
            return await carry_out(call, await parsed(body))
    bundle = await parsed(body)
    # As single creates, which go into the store together with those of others: none holds a connection for itself.
    async with nullcontext() if _only_creates(bundle) else call.work():
        return await carry_out(call, bundle)


def _only_creates(bundle: dict[str, Any]) -> bool:
    """Whether a Bundle does nothing but create resources, without criteria."""
    entries = bundle.get("entry")
    if bundle.get("type") != "transaction" or not isinstance(entries, list):
        return False
    requests = [entry.get("request") for entry in entries if isinstance(entry, dict)]
    return len(requests) == len(entries) and all(
        isinstance(request, dict)
        and request.get("method") == "POST"
        and "ifNoneExist" not in request
        # An operation is a POST, too.
        and str(request.get("url", "")).isalpha()
        for request in requests
    )


async def carry_out(call: Call, bundle: dict[str, Any]) -> Response:
    """The answer of a Bundle of type transaction or batch.

    Raises:
        Refusal: it is refused as a whole; nothing is stored.
    """
    kind = bundle.get("type")
    if bundle.get("resourceType") != "Bundle" or kind not in ("transaction", "batch"):
        raise refuse(400, "FB-REST-010", "send a Bundle of type transaction or batch")
    raw = bundle.get("entry", [])
    if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in raw):
        raise refuse(400, "FB-REST-010", "Bundle.entry is a list of objects", source="Bundle.entry")
    # Before entries are looked at: a Bundle of a million entries would take its time just to be refused.
    if len(raw) > call.services.settings.max_bundle_entries:
        limit = call.services.settings.max_bundle_entries
        raise refuse(413, "FB-REST-007", f"a Bundle has at most {limit} entries here", source="Bundle.entry")
    _check_full_urls(raw)
    call.budget.start()
    answered: dict[int, Answered] = {}
    entries: list[Entry] = []
    # A batch's entries do not see each other (R4 http.html#brules), so neither does validation.
    validator = ServedValidator(
        call.services.terminology,
        call.services.store,
        _written(raw) if kind == "transaction" else (),
        implied=call.services.settings.implied_profiles,
        within=LOOK_SECONDS,
    )
    # Nor do they refer to each other there.
    named = _named(raw) if kind == "transaction" else {}
    pause = Pause()
    for position, item in enumerate(raw):
        await pause.take()
        try:
            call.budget.check()
            entry = entry_of(call, position, item)
            await _check(call, entry, validator, named)
            entries.append(entry)
        except (Refusal, StorageError) as error:
            located = _located(error, position)
            if kind == "transaction":
                # All or nothing: the first refusal is that of the whole.
                raise located from error
            answered[position] = _refusal(located)
    try:
        await _carry_out(call, kind, entries, answered, validator)
    finally:  # also for a client that is gone: what was done is recorded
        await finished(_record(call, entries, answered))
    await _record_refused(call, raw, answered)
    parts = [b'{"resourceType":"Bundle","type":"' + kind.encode() + b'-response"']
    heads = {entry.position for entry in entries if entry.method == "HEAD"}
    for position in range(len(raw)):
        await pause.take()
        parts.append(b"," if position else b',"entry":[')
        parts += answered[position].parts(bodiless=position in heads)
    parts.append(b"]}" if raw else b"}")
    return answers.in_pieces(parts)


async def _carry_out(
    call: Call, kind: str, entries: list[Entry], answered: dict[int, Answered], validator: ServedValidator
) -> None:
    """The entries, writes first; what one comes to is put into `answered` at once.

    Raises:
        Refusal: a transaction is refused as a whole.
    """
    writes = [entry for entry in entries if entry.writes]
    if kind == "transaction":
        # Looked at first: a transaction must fail before its writes where its reads fail.
        await _read_first(call, entries)
        # Shielded: a client that hangs up in the middle gets no half-recorded write.
        await finished(_write_together(call, writes, answered, validator))
    else:
        for entry in writes:
            await finished(_write_alone(call, entry, answered, validator))
    if "return" in call.prefer:
        for entry in writes:
            if answered[entry.position].status.startswith("2"):
                await prefer(call, entry, answered[entry.position])
    # After all writes (R4 http.html#trules).
    for entry in entries:
        if not entry.writes:
            answered[entry.position] = await _read(call, entry)


async def _read_first(call: Call, entries: list[Entry]) -> None:
    """What a transaction reads must be readable before anything is stored; what it writes itself is read after.

    Raises:
        Refusal: of the first entry that is not.
    """
    writes = {(entry.type, entry.id) for entry in entries if entry.writes and entry.method != "DELETE"}
    for entry in entries:
        operation = None if call.operations is None else call.operations.find(entry.type, entry.operation)
        # One that is answered asynchronously has nothing to say in a Bundle.
        if entry.operation and (operation is None or getattr(operation, "alone", False)):
            unknown = refuse(400, "FB-REST-005", f"there is no operation ${entry.operation[:40]} here")
            raise _located(unknown, entry.position)
        # What the transaction itself writes can't be readable yet.
        if not entry.writes and not entry.operation and (entry.type, entry.id) not in writes:
            try:
                call.budget.check()
                probing = replace(call, budget=call.budget.probing())
                await read_entry(probing, entry)
            except (Refusal, StorageError) as error:
                raise _located(error, entry.position) from error


async def _read(call: Call, entry: Entry) -> Answered:
    try:
        call.budget.check()
        # Spent before it is done: what fails costs as much.
        call.budget.spend()
        if entry.operation:
            return await operate_entry(
                replace(call, type=entry.type, id=entry.id, operation=entry.operation),
                "POST" if entry.method == "POST" else "GET",
                entry.query,
                entry.resource,
            )
        return await read_entry(call, entry)
    except (Refusal, StorageError) as error:
        return _refusal(_located(error, entry.position))


async def _write_together(
    call: Call, writes: list[Entry], answered: dict[int, Answered], validator: ServedValidator
) -> None:
    """All writes of a transaction, their answers by position.

    Raises:
        Refusal: one was refused; nothing is stored.
    """
    if not writes:
        return
    call.budget.check()
    try:
        answers_of_writes = await _store_again(call, "transaction", writes, validator)
    except TransactionFailed as error:
        position = writes[error.position].position
        raise _located(error.cause, position) from error
    call.budget.spend(entries=len(writes))
    answered |= {entry.position: item for entry, item in zip(writes, answers_of_writes, strict=True)}


async def _write_alone(
    call: Call, entry: Entry, answered: dict[int, Answered], validator: ServedValidator
) -> None:
    """One write of a batch, and its answer."""
    try:
        call.budget.check()
        call.budget.spend()
        (answered[entry.position],) = await _store_again(call, "batch", [entry], validator)
    except (Refusal, StorageError) as error:
        answered[entry.position] = _refusal(_located(error, entry.position))


async def _store_again(
    call: Call, kind: str, writes: list[Entry], validator: ServedValidator
) -> list[Answered]:
    """As `_store`; patches are made anew where another writer came in between.

    Raises:
        TransactionFailed, Refusal.
    """
    times = TIMES
    while True:
        times -= 1
        try:
            return await _store(call, kind, writes)
        except TransactionFailed as error:
            entry = writes[error.position]
            overtaken = isinstance(error.cause, VersionConflict) and entry.patch is not None
            # Who names a version has that one, or none.
            if not overtaken or entry.if_match is not None or not times:
                raise
            for item in writes:
                if item.patch is not None:
                    try:
                        await _make_patched(call, item, validator)
                    except (Refusal, StorageError) as failed:
                        raise _located(failed, item.position) from failed


async def _store(call: Call, kind: str, writes: list[Entry]) -> list[Answered]:
    more = await _beside(call, writes)
    bundle = {"resourceType": "Bundle", "type": kind, "entry": [*(entry.raw for entry in writes), *more]}

    async def check(operation: Operation) -> None:
        if (operation.position or 0) >= len(writes):
            return  # the server's own content, for which the caller's access is asked all the same
        entry = writes[operation.position or 0]
        known = len(call.warnings)
        try:
            await check_write(call, operation)
            entry.warnings = call.warnings[known:]
        except (Refusal, StorageError) as error:
            raise _located(error, entry.position) from error

    answer = await call.services.store.transaction(
        bundle,
        call.access,
        base=call.base,
        check=check,
        audit=audit_of(call),
        outlines=[entry.outline for entry in writes],
    )
    entries = answer["entry"][: len(writes)]
    return [Answered(item["response"], full_url=item.get("fullUrl", "")) for item in entries]


async def _beside(call: Call, writes: list[Entry]) -> list[dict[str, Any]]:
    """Entries for what the resources of others refer to and the server makes (`companions`)."""
    own = {(entry.type, entry.id) for entry in writes}
    pinned = {
        operation.id: operation
        for entry in writes
        if isinstance(entry.resource, dict)
        for operation in await companions(call, entry.resource)
        if (operation.type, operation.id) not in own
    }
    return [
        {"request": {"method": "PUT", "url": f"{each.type}/{each.id}"}, "resource": each.resource}
        for each in pinned.values()
    ]


def _written(raw: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The resources that come with the entries."""
    return [item["resource"] for item in raw if isinstance(item.get("resource"), dict)]


def _named(raw: list[dict[str, Any]]) -> dict[str, str]:
    """An address of the form that each entry's resource will have, by its fullUrl; its id is not decided yet."""
    return {
        item["fullUrl"]: f"{item['resource'].get('resourceType')}/0"
        for item in raw
        if isinstance(item.get("fullUrl"), str) and isinstance(item.get("resource"), dict)
    }


def _check_full_urls(raw: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for position, item in enumerate(raw):
        url = item.get("fullUrl")
        if isinstance(url, str):
            if url in seen:
                where = f"Bundle.entry[{position}].fullUrl"
                raise refuse(400, "FB-REST-010", "a fullUrl occurs twice in the Bundle", source=where)
            seen.add(url)


def _located(error: Refusal | StorageError, position: int) -> Refusal:
    refusal = error if isinstance(error, Refusal) else Refusal(error.status, [error.issue])
    where = f"Bundle.entry[{position}]"
    issues = [
        Issue(
            issue.severity,
            issue.code,
            issue.message,
            ", ".join(filter(None, (where, issue.source))),
            issue.expression,
        )
        for issue in refusal.issues
    ]
    return Refusal(refusal.status, issues, refusal.headers)


def _refusal(refusal: Refusal) -> Answered:
    """The entry that answers one that was refused."""
    status = f"{refusal.status} {HTTPStatus(refusal.status).phrase}"
    return Answered({"status": status, "outcome": operation_outcome(refusal.issues)})


async def _check(call: Call, entry: Entry, validator: ServedValidator, named: dict[str, str]) -> None:
    """What can be said of an entry before the references between entries are resolved (then: `check_write`).

    Args:
        named: addresses of the other entries, by fullUrl.
    """
    if entry.operation:
        return  # what it needs is looked at when it is carried out
    if not entry.writes:
        if entry.type:
            call.require("r" if entry.id else "s", entry.type)
        return
    if entry.type in READ_ONLY_TYPES:
        raise refuse(403, "FB-REST-012", f"{entry.type} is written by the server only")
    call.require(_LETTERS[entry.method], entry.type)
    if_none_exist = entry.raw["request"].get("ifNoneExist")
    if if_none_exist is not None and entry.method != "POST":
        raise refuse(400, "FB-REST-010", "ifNoneExist is of POST (R4 http.html#ccreate)")
    # Criteria reveal whether something matches, which only a searcher may know.
    for criteria in (entry.query or None, if_none_exist):
        if criteria is not None:
            call.require("s", entry.type)
            condition(criteria)
    if entry.method == "POST" and (entry.id or entry.query):
        raise refuse(400, "FB-REST-010", "POST names a type only")
    if entry.method != "POST" and bool(entry.id) == bool(entry.query):
        raise refuse(400, "FB-REST-010", f"{entry.method} names an id or criteria")
    if entry.method == "DELETE":
        return
    if entry.method == "PATCH":
        # What a patch tests for shows the content.
        call.require("r", entry.type)
        entry.patch = await operations_of(_resource(entry))
        await _make_patched(call, entry, validator)
        return
    resource = _resource(entry)
    check_resource(resource, entry.type, entry.id)
    entry.outline = await _check_content(call, resource, validator, named)


async def _check_content(
    call: Call, resource: dict[str, Any], validator: ServedValidator, named: dict[str, str]
) -> Outline | None:
    """The outline of what is stored as it is, once it is checked."""
    # One after another with one validator, so that terminology is looked up once for all.
    outline = await outline_of(resource)
    checked = resource
    if named and outline.linked:
        # A narrative may not have a `urn:` as link; one of another entry is none once it is stored.
        checked = await beside(outline.large, partial(with_narrative_links, resource, named.get))
    refuse_invalid(await validator.issues(checked, inline=outline.values <= INLINE_VALUES))
    if outline.may_search:
        searches = partial(conditional_references, outline.references, call.base)
        for reference in await beside(outline.large, searches):
            condition(reference)
    return hooks.unchanged(call.services.plugins, outline)


async def _make_patched(call: Call, entry: Entry, validator: ServedValidator) -> None:
    """Make an update of a patch: of what is stored now, and of that version alone.

    Raises:
        Refusal, StorageError: nothing is there, it does not apply, or what it makes is not valid.
    """
    identity = entry.id
    if not identity:
        match = await call.services.store.match(entry.type, condition(entry.query), call.access)
        if match is None:
            raise refuse(404, "FB-REST-005", "nothing matches the criteria")
        identity = match.stored.id
    current, resource = await patched(call, entry.type, identity, entry.patch, entry.if_match)
    check_resource(resource, entry.type, identity)
    entry.outline = await _check_content(call, resource, validator, {})
    request = {"method": "PUT", "url": f"{entry.type}/{identity}", "ifMatch": current.etag}
    entry.raw = {**entry.raw, "resource": resource, "request": request}


def _resource(entry: Entry) -> dict[str, Any]:
    if entry.resource is None:
        raise refuse(400, "FB-REST-010", "an entry that writes needs a resource")
    return entry.resource


async def _record_refused(call: Call, raw: list[dict[str, Any]], answered: dict[int, Answered]) -> None:
    """Take note of the entries that were refused, as if each had been a request."""
    for position, item in sorted(answered.items()):
        # 401, 403 and 404 as of single requests; other refusals say nothing of access.
        if item.status not in ("401", "403", "404") or "outcome" not in item.response:
            continue
        request = raw[position].get("request")
        method, url = (request.get("method"), request.get("url")) if isinstance(request, dict) else ("", "")
        path = str(url).removeprefix(call.base + "/").partition("?")[0].split("/")
        coding = item.response["outcome"]["issue"][0].get("details", {}).get("coding", [{}])
        await record_refusal(
            call.services,
            call.request,
            call.id_of_request,
            call.caller,
            call.access,
            int(item.status),
            coding[0].get("code", ""),
            method=str(method),
            path=path,
        )


async def _record(call: Call, entries: list[Entry], answered: dict[int, Answered]) -> None:
    """Audit what was read; what was written left its events with it."""
    pause = Pause()
    for entry in entries:
        await pause.take()
        item = answered.get(entry.position)
        # 304 too: that the caller has it was an access.
        if item is not None and not entry.writes and item.status.startswith(("2", "304")):
            await audit_entry(call, entry, item.shown)
