"""The reads, searches and operations of a Bundle, answered like single requests: same links, notes and bounds."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.server.rest import answers, hooks
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.operations import answer, permitted
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.rest.search import check_plain, decoded, searchset

__all__ = ["operate_entry", "read_entry"]


async def read_entry(
    call: Call, resource_type: str, resource_id: str, version: str, query: str, known: str | None = None
) -> dict[str, Any]:
    """The entry that answers `GET Type/id`, `GET Type/id/_history/version` or `GET Type?criteria`.

    Args:
        known: `request.ifNoneMatch`: versions that the caller has already.

    Raises:
        Refusal, StorageError: as the single request would.
    """
    one = replace(call, type=resource_type, id=resource_id, version=version)
    if not resource_id:
        found, _ = await searchset(one, decoded(query))
        return {"resource": loads_exact(found), "response": {"status": "200 OK"}}
    if query:
        check_plain(one, decoded(query))
    store = call.services.store
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
        return {"response": {**response, "status": "304 Not Modified"}}
    return {
        "fullUrl": f"{call.base}/{stored.type}/{stored.id}",
        "resource": loads_exact(hooks.redact(call.services.plugins, stored.bytes, call.access)),
        "response": response,
    }


async def operate_entry(
    call: Call, method: str, query: str, resource: dict[str, Any] | None
) -> dict[str, Any]:
    """The entry that answers an operation that changes nothing; what fails is its outcome.

    Raises:
        Refusal, StorageError: as the single request would.
    """
    if call.operations is None:
        raise refuse(404, "FB-REST-005", "there are no operations here")
    operation = await permitted(call, call.operations, method)
    if set(operation.access) & set("cud"):
        raise refuse(400, "FB-REST-010", "an operation that changes something is not taken in a Bundle")
    given = await answer(call, operation, method, decoded(query), resource if method == "POST" else None)
    found = loads_exact(bytes(given.body)) if given.body else None
    status = f"{given.status_code} {HTTPStatus(given.status_code).phrase}"
    if given.status_code >= 400:
        return {"response": {"status": status, "outcome": found}}
    return {"resource": found, "response": {"status": status}}
