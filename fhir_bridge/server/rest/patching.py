"""JSON Patch, FHIRPath Patch and JSON Merge Patch (R4 http.html#patch), of what an id or criteria name."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from fhir_bridge.fhir.fhirpath import Budget
from fhir_bridge.fhir.patch import PatchError, fhirpath_patch, json_patch, merge_patch
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest import answers
from fhir_bridge.server.rest.auditing import audit_of, audit_read, audit_written
from fhir_bridge.server.rest.body import (
    INLINE_BYTES,
    check_valid,
    content_type,
    parse_value,
    read_body,
)
from fhir_bridge.server.rest.call import Call, query_of
from fhir_bridge.server.rest.checks import check_write, resolve
from fhir_bridge.server.rest.conflicts import again_after_conflict
from fhir_bridge.server.rest.interactions import refuse_read_only
from fhir_bridge.server.rest.refusal import Refusal, refuse
from fhir_bridge.server.rest.search import condition
from fhir_bridge.storage import Stored
from fhir_bridge.storage.preconditions import require_version
from fhir_bridge.storage.stored import Written
from fhir_bridge.storage.writing import Operation

__all__ = ["conditional_patch", "operations_of", "patch", "patched"]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
MOST_BYTES = 1024 * 1024
MOST_OPERATIONS = 1_000
"""Each may walk the whole resource."""
MOST_ITEMS = 500_000
"""Elements that the paths of a patch look at: about a second, in a thread that others wait for."""


async def patch(call: Call) -> Response:
    """PATCH [base]/Type/id, with If-Match where given"""
    refuse_read_only(call)
    call.require("u")
    # What a patch tests for, and what it gives back, show the content.
    call.require("r")
    operations = await _read_operations(call)
    async with call.work():
        result = await _patched(call, operations)
    await audit_written(call, result)
    return answers.written(call, result)


async def conditional_patch(call: Call) -> Response:
    """PATCH [base]/Type?criteria: the one resource that matches"""
    refuse_read_only(call)
    call.require("s")
    parameters = condition(query_of(call.request))
    async with call.work():
        match = await call.services.store.match(call.type, parameters, call.access)
    if match is None:
        raise refuse(404, "FB-REST-005", "nothing matches the criteria")
    return await patch(replace(call, id=match.stored.id))


async def _read_operations(call: Call) -> Any:
    """The patch: a list of operations of JSON Patch, Parameters, or the members to merge.

    Raises:
        Refusal: 400, 408, 413 or 415.
    """
    body = await read_body(call, frozenset({JSON_PATCH, MERGE_PATCH}))
    if len(body) > MOST_BYTES:
        raise refuse(413, "FB-REST-007", f"a patch has at most {MOST_BYTES} bytes")
    value = parse_value(body) if len(body) <= INLINE_BYTES else await offloaded(parse_value, body)
    return _operations(value, content_type(call))


async def operations_of(resource: Mapping[str, Any]) -> Any:
    """The patch that an entry of a Bundle holds (R4 http.html#jsonpatch): Parameters, or a Binary with a JSON Patch.

    Raises:
        Refusal: 400, 413.
    """
    if resource.get("resourceType") != "Binary":
        return _operations(resource, "application/fhir+json")
    data, kind = resource.get("data"), str(resource.get("contentType", ""))
    if kind.partition(";")[0].strip().lower() != JSON_PATCH or not isinstance(data, str):
        raise refuse(400, "FB-REST-020", f"a Binary that patches has data of the contentType {JSON_PATCH}")
    if len(data) > MOST_BYTES * 4 // 3:
        raise refuse(413, "FB-REST-007", f"a patch has at most {MOST_BYTES} bytes")
    try:
        body = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise refuse(400, "FB-REST-020", "data is not base64", source="data") from error
    value = parse_value(body) if len(body) <= INLINE_BYTES else await offloaded(parse_value, body)
    return _operations(value, JSON_PATCH)


async def patched(
    call: Call, resource_type: str, identity: str, operations: Any, if_match: str | None
) -> tuple[Stored, dict[str, Any]]:
    """What is stored, as the caller may see it, and the content that a patch makes of it; neither checked nor written.

    Raises:
        Refusal: 422. StorageError: it is not there, or another version.
    """
    current = await call.services.store.read(resource_type, identity, call.access)
    if if_match is not None:
        require_version(if_match, current.version)
    try:
        return current, await _apply(current, operations)
    except Refusal:
        # Which test failed tells what is stored: without an event, that would be a way to read that nobody sees.
        await audit_read(call, current, "read")
        raise


def _operations(value: Any, kind: str) -> Any:
    """The patch, once it has the form of one of its content type.

    Raises:
        Refusal: 400.
    """
    if kind == JSON_PATCH:
        operations = value
        if not isinstance(value, list):
            raise refuse(400, "FB-REST-020", "a JSON Patch is an array of operations")
    elif isinstance(value, dict) and value.get("resourceType") == "Parameters":
        operations = value.get("parameter")
        if not isinstance(operations, list):
            raise refuse(400, "FB-REST-020", "a FHIRPath Patch has operations")
    elif isinstance(value, dict) and kind in (MERGE_PATCH, "application/json"):
        operations = []  # R4 leaves other kinds of patch to the server; fhirpy sends this one, as application/json
    else:
        raise refuse(
            400,
            "FB-REST-020",
            f"a FHIRPath Patch is a Parameters resource; a JSON Patch is sent as {JSON_PATCH}, "
            f"a JSON Merge Patch as {MERGE_PATCH}",
        )
    if len(operations) > MOST_OPERATIONS:
        raise refuse(400, "FB-REST-020", f"a patch has at most {MOST_OPERATIONS} operations")
    return value


async def _patched(call: Call, operations: Any) -> Written:
    wanted = call.if_match

    async def write() -> Written:
        current, resource = await patched(call, call.type, call.id, operations, wanted)
        # In a thread: what a patch makes of a small resource may be large.
        await check_valid(call, resource, inline=False)
        resource, _ = await resolve(call, resource)
        await check_write(call, Operation("update", call.type, call.id, resource))
        return await call.services.store.update(
            call.type, call.id, resource, call.access, if_match=current.etag, audit=audit_of(call)
        )

    return await (write() if wanted is not None else again_after_conflict(write))


async def _apply(current: Stored, operations: Any) -> dict[str, Any]:
    """The content after the patch; what it says of version and time is the server's again.

    Raises:
        Refusal: 422.
    """

    def work() -> Any:
        content = loads_exact(current.bytes)
        if isinstance(operations, list):
            return json_patch(content, operations)
        if operations.get("resourceType") != "Parameters":
            return merge_patch(content, operations)
        return fhirpath_patch(content, operations, budget=Budget(MOST_ITEMS))

    try:
        resource: dict[str, Any] = await offloaded(work)
    except PatchError as error:
        raise refuse(422, "FB-REST-020", str(error)) from error
    return resource
