"""`$process-message` (R4 messaging.html): what a message brings is stored, whole or not at all, and acknowledged."""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from fhir_bridge.fhir.ids import IdKey
from fhir_bridge.fhir.issues import operation_outcome
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.server.rest.bundles import carry_out
from fhir_bridge.server.rest.call import FHIR_JSON, Call
from fhir_bridge.server.rest.call_operations import CallOperation, Pairs, only
from fhir_bridge.server.rest.refusal import Refusal, refuse
from fhir_bridge.storage import Gone, NotFound
from fhir_bridge.storage.bundles import with_references
from fhir_bridge.storage.errors import Forbidden, StorageError

__all__ = ["ProcessMessage"]

_CONTENT = frozenset({400, 404, 409, 410, 412, 422})
"""Refusals that are about what the message brings, which its response reports; others are those of the request."""

_RESTFUL = re.compile(r"(https?://.+)/([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")


class ProcessMessage(CallOperation):
    """Any event is taken: its consequence is that the resources of the message are stored as by a transaction.

    A resource with the address of another server keeps no id of that server, but gets one of its own, always the same:
    two senders may have a `Patient/1` each. The MessageHeader is stored too, and shows that a message was taken, so
    that one that comes again is acknowledged and changes nothing (R4 messaging.html#reliable).
    """

    name = "process-message"
    types: tuple[str, ...] = ()
    access = "u"
    definition = "http://hl7.org/fhir/OperationDefinition/MessageHeader-process-message"
    sent = True

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:
        """See `CallOperation.serve`."""
        known = only(parameters, ("async", "response-url"))
        if known.get("async", "false") != "false" or "response-url" in known:
            raise refuse(
                400, "FB-REST-008", "messages are answered at once: leave async and response-url out"
            )
        header, entries = _message(body)
        secret = await call.services.store.secret()
        key = IdKey(hashlib.blake2b(secret, digest_size=32, person=b"fb-message").digest())
        writes = _writes(call, key, [_located_header(header), *entries])
        try:
            if not await _taken_before(call, writes[0]["resource"]["id"]):
                await carry_out(call, {"resourceType": "Bundle", "type": "transaction", "entry": writes})
        except (Refusal, StorageError) as error:
            if error.status not in _CONTENT:
                raise
            issues = error.issues if isinstance(error, Refusal) else [error.issue]
            return _response(call, header, operation_outcome(issues))
        return _response(call, header, None)


def _message(body: dict[str, Any] | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The MessageHeader and the entries behind it.

    Raises:
        Refusal: 400: it is no message, or one that can't be acknowledged.
    """
    entries = body.get("entry") if body is not None and body.get("type") == "message" else None
    if body is None or body.get("resourceType") != "Bundle" or not isinstance(entries, list) or not entries:
        raise refuse(400, "FB-REST-010", "send a Bundle of type message")
    if not all(isinstance(entry, dict) and isinstance(entry.get("resource"), dict) for entry in entries):
        raise refuse(400, "FB-REST-010", "each entry of a message has a resource", source="Bundle.entry")
    header = entries[0]["resource"]
    if header.get("resourceType") != "MessageHeader":
        raise refuse(
            400, "FB-REST-010", "the first entry of a message is its MessageHeader", source="Bundle.entry[0]"
        )
    if not isinstance(header.get("id"), str):
        raise refuse(
            400, "FB-REST-010", "the MessageHeader has no id to be acknowledged", source="Bundle.entry[0]"
        )
    return header, entries[1:]


def _located_header(header: dict[str, Any]) -> dict[str, Any]:
    """The entry of the MessageHeader, by the sender and the id of the message."""
    source = header.get("source")
    endpoint = source.get("endpoint") if isinstance(source, dict) else None
    return {"fullUrl": f"message:{endpoint}:{header['id']}", "resource": header}


def _writes(call: Call, key: IdKey, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An update of each resource, with references that lead to what the message brings, else to the sender.

    Raises:
        Refusal: 400: an entry without fullUrl, or two of one.
    """
    places: dict[str, str] = {}
    for position, entry in enumerate(entries):
        url, kind = entry.get("fullUrl"), entry["resource"].get("resourceType")
        where = f"Bundle.entry[{position}]"
        if not isinstance(url, str) or not url or not isinstance(kind, str) or not kind:
            raise refuse(
                400, "FB-REST-010", "an entry of a message has a fullUrl and a resource", source=where
            )
        if url in places:
            raise refuse(400, "FB-REST-010", "a fullUrl occurs twice in the Bundle", source=where)
        ours = _RESTFUL.fullmatch(url)
        identity = ours[3] if ours and ours[1] == call.base else key.id(kind, url)
        places[url] = f"{kind}/{identity}"
    writes = []
    for entry in entries:
        url = entry["fullUrl"]
        base = match[1] if (match := _RESTFUL.fullmatch(url)) else ""

        def leads(reference: str, base: str = base) -> str:
            """R4 bundle.html#references: a relative one is on the server of the entry that has it."""
            if base and re.match(r"[A-Z][A-Za-z]+/", reference):
                reference = f"{base}/{reference}"
            return places.get(reference, reference)

        resource = {**with_references(entry["resource"], leads), "id": places[url].partition("/")[2]}
        writes.append({"resource": resource, "request": {"method": "PUT", "url": places[url]}})
    return writes


async def _taken_before(call: Call, identity: str) -> bool:
    try:
        await call.services.store.read("MessageHeader", identity, call.access)
    except (NotFound, Gone, Forbidden):
        return False
    return True


def _response(call: Call, request: dict[str, Any], outcome: dict[str, Any] | None) -> Response:
    """The response message; with an outcome, the message was not taken and won't be."""
    source = request.get("source")
    endpoint = source.get("endpoint") if isinstance(source, dict) else None
    own, details = f"urn:uuid:{uuid.uuid4()}", f"urn:uuid:{uuid.uuid4()}"
    event: dict[str, Any] = {name: request[name] for name in ("eventCoding", "eventUri") if name in request}
    header: dict[str, Any] = {
        "resourceType": "MessageHeader",
        "id": own.removeprefix("urn:uuid:"),
        **event,
        "destination": [{"endpoint": endpoint if isinstance(endpoint, str) else "unknown"}],
        "source": {
            "name": call.services.settings.organization,
            "endpoint": f"{call.base}/$process-message",
        },
        "response": {"identifier": request["id"], "code": "fatal-error" if outcome else "ok"},
    }
    entries = [{"fullUrl": own, "resource": header}]
    if outcome is not None:
        header["response"]["details"] = {"reference": details}
        entries.append({"fullUrl": details, "resource": outcome})
    bundle = {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "type": "message",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "entry": entries,
    }
    return Response(dumps(bundle), media_type=FHIR_JSON)
