"""The reads, searches and operations of a Bundle, answered like single requests: same links, notes and bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import orjson

from fhir_bridge.fhir.issues import operation_outcome
from fhir_bridge.fhir.serialization import dumps, loads
from fhir_bridge.server.rest import answers, hooks
from fhir_bridge.server.rest.auditing import audit_read, audit_search
from fhir_bridge.server.rest.bundle_entries import Entry
from fhir_bridge.server.rest.call import Call, check_format_value
from fhir_bridge.server.rest.interactions import audit_history, history_page
from fhir_bridge.server.rest.operations import answer, permitted
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.rest.search import decoded, read_parts, searchset
from fhir_bridge.storage import StorageError, Stored

__all__ = ["Answered", "audit_entry", "operate_entry", "prefer", "read_entry"]


@dataclass(slots=True)
class Answered:
    """The entry that answers one of a Bundle.

    Attributes:
        response: Bundle.entry.response.
        resource: the JSON of Bundle.entry.resource in pieces, as it came from the store; empty where there is none.
        shown: what of patients is in it.
    """

    response: dict[str, Any]
    resource: Sequence[bytes] = ()
    full_url: str = ""
    shown: Sequence[Stored] = ()

    @property
    def status(self) -> str:
        """The HTTP status, three digits."""
        return str(self.response.get("status", ""))[:3]

    def parts(self, *, bodiless: bool) -> list[bytes]:
        """Its JSON in pieces; without the resource for a HEAD."""
        parts = [b"{"]
        if self.full_url:
            parts.append(b'"fullUrl":' + orjson.dumps(self.full_url) + b",")
        if self.resource and not bodiless:
            parts += [b'"resource":', *self.resource, b","]
        parts.append(b'"response":' + dumps(self.response) + b"}")
        return parts


async def read_entry(call: Call, entry: Entry) -> Answered:
    """The entry that answers one that reads, searches or asks for a history.

    Raises:
        Refusal, StorageError: as the single request would.
    """
    query, known = entry.query, entry.if_none_match
    pairs = decoded(query)
    for name, value in pairs:
        if name == "_format":
            check_format_value(value, within=True)
    item = call_of(call, entry)
    if entry.shape == "metadata":
        if call.describe is None:
            raise refuse(404, "FB-REST-005", "there is nothing at this address")
        modes = [value for name, value in pairs if name == "mode"]
        return Answered({"status": "200 OK"}, [await call.describe(modes[0] if modes else "")])
    if entry.shape.endswith("_history"):
        result, shown = await history_page(item, query)
        return Answered({"status": "200 OK"}, result, shown=shown)
    if not entry.id:
        result, page = await searchset(item, pairs)
        return Answered({"status": "200 OK"}, result, shown=page.shown)
    resource_type, resource_id, version = entry.type, entry.id, entry.version
    wanted = read_parts(item, query)
    store = call.services.store
    async with call.budget.limited():
        if version:
            stored = await store.vread(resource_type, resource_id, version, call.access)
        else:
            stored = await store.read(resource_type, resource_id, call.access)
    response = {
        "status": "200 OK",
        "etag": stored.etag,
        "lastModified": stored.last_updated.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    if known is not None and answers.matches(known, stored):
        return Answered({**response, "status": "304 Not Modified"}, shown=[stored])
    content = hooks.redact(call.services.plugins, stored.bytes, call.access)
    if wanted is not None:
        content = wanted.of(content)
    call.budget.spend(entries=0, size=len(content))
    return Answered(response, [content], f"{call.base}/{stored.type}/{stored.id}", [stored])


def call_of(call: Call, entry: Entry) -> Call:
    """The call that an entry would be as a request of its own."""
    return replace(call, type=entry.type, id=entry.id, version=entry.version, compartment=entry.compartment)


async def audit_entry(call: Call, entry: Entry, shown: Sequence[Stored]) -> None:
    """What an entry read, on record; operations record themselves."""
    item = call_of(call, entry)
    match entry.shape:
        case "metadata" | "operation":
            return
        case "Type/id" | "Type/id/_history/version":
            await audit_read(call, shown[0], "vread" if entry.version else "read")
        case "_history" | "Type/_history" | "Type/id/_history":
            await audit_history(item, entry.query, list(shown))
        case _:
            interaction = "search-type" if entry.type else "search-system"
            await audit_search(call, f"GET {item.address}?{entry.query}", shown, interaction)


async def prefer(call: Call, entry: Entry, item: Answered) -> None:
    """Put into the answer of a write what the header Prefer asks for: by itself, it has addresses alone.

    A resource that the caller may not read, or for which the answer has no room, is left out.
    """
    wanted = call.prefer.get("return")
    location = item.response.get("location", "").removeprefix(f"{call.base}/").split("/")
    if wanted == "OperationOutcome":
        item.response["outcome"] = operation_outcome(entry.warnings)
    elif wanted == "representation" and len(location) == 4 and call.budget.bytes > 0:
        resource_type, identity, _, version = location
        try:
            stored = await call.services.store.vread(resource_type, identity, version, call.access)
        except StorageError:
            return
        content = hooks.redact(call.services.plugins, stored.bytes, call.access)
        call.budget.spend(entries=0, size=len(content))
        item.resource = [content]
        # What was there before is read; an event of what was written is there already.
        if item.status != "201":
            await audit_read(call, stored, "read")


async def operate_entry(call: Call, method: str, query: str, resource: dict[str, Any] | None) -> Answered:
    """The entry that answers an operation that changes nothing; what fails is its outcome.

    Raises:
        Refusal, StorageError: as the single request would.
    """
    if call.operations is None:
        raise refuse(404, "FB-REST-005", "there are no operations here")
    async with call.budget.limited():
        operation = await permitted(call, call.operations, method)
        if getattr(operation, "alone", False):
            raise refuse(400, "FB-REST-010", "what is answered asynchronously is not taken in a Bundle")
        # Writes of a Bundle are one transaction, or at least finished once begun; an operation's are neither.
        if set(operation.access) & set("cud"):
            raise refuse(400, "FB-REST-010", "an operation that changes something is not taken in a Bundle")
        answered = await answer(
            call, operation, method, decoded(query), resource if method == "POST" else None
        )
    body = answers.body_of(answered)
    call.budget.spend(entries=0, size=len(body))
    status = f"{answered.status_code} {HTTPStatus(answered.status_code).phrase}"
    if answered.status_code >= 400:
        return Answered({"status": status, "outcome": loads(body)} if body else {"status": status})
    return Answered({"status": status}, [body] if body else ())
