"""Binary over REST: contents as they are, by their own media type, and as FHIR JSON (R4 binary.html#rest).

A content of some size is a blob and never whole in memory. Who may read the Binary gets it; `securityContext` decides
that (`fhir.record`, `storage.permission`).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest import answers, hooks
from fhir_bridge.server.rest.auditing import audit_of, audit_read, audit_written
from fhir_bridge.server.rest.blob_answers import Streamed
from fhir_bridge.server.rest.body import FHIR_TYPES, check_valid, content_type, read_resource
from fhir_bridge.server.rest.call import FHIR_JSON, XML_FORMATS, Call, check_format, query_of, wants_xml
from fhir_bridge.server.rest.checks import check_write, resolve
from fhir_bridge.server.rest.refusal import Refusal, refuse
from fhir_bridge.server.rest.search import condition, read_parts
from fhir_bridge.storage import Stored
from fhir_bridge.storage.binaries import named, split, with_content, without_content
from fhir_bridge.storage.blobs import PIECE, Blob, BlobWriter
from fhir_bridge.storage.errors import VersionConflict
from fhir_bridge.storage.stored import Written
from fhir_bridge.storage.writing import Operation, new_id

__all__ = ["create", "read", "update", "vread"]

INLINE = 64 * 1024
"""Contents up to this size stay in the resource; larger ones are blobs."""
PIECE_SECONDS = 60
"""How long a client may take for the next piece of a content."""
_MEDIA_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:\s*;[\x20-\x7e]*)?")
# In base64 without a rest: pieces of it can be put together.
_ENCODED_PIECE = PIECE // 3 * 3
FHIR_XML = "application/fhir+xml"
"""Alone: XML of any other name is a content."""
_FHIR = frozenset({"application/fhir+json", "application/json+fhir", FHIR_XML})
_JSON = frozenset({"application/json", "text/json", "json"})
# A content may be a page with a script: nothing of it runs, or is shown, under this server's address.
_HARMLESS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Content-Disposition": "attachment",
}


async def read(call: Call) -> Response:
    """GET [base]/Binary/id"""
    call.require("r")
    stored = await call.services.store.read(call.type, call.id, call.access)
    return await _answer(call, stored, "read")


async def vread(call: Call) -> Response:
    """GET [base]/Binary/id/_history/version"""
    call.require("r")
    stored = await call.services.store.vread(call.type, call.id, call.version, call.access)
    return await _answer(call, stored, "vread")


async def _answer(call: Call, stored: Stored, interaction: str) -> Response:
    binary = loads_exact(stored.bytes)
    as_fhir = _wants_fhir(call, str(binary.get("contentType", "")))
    if as_fhir:
        check_format(call.request)
    wanted = read_parts(call, query_of(call.request))
    await audit_read(call, stored, interaction)
    if answers.not_modified(call, stored):
        return answers.resource(call, stored)
    body = hooks.redact(call.services.plugins, stored.bytes, call.access)
    parts = split(body)
    blob = None
    if parts is not None and wanted is None:
        blob = await call.services.blobs.find(parts.digest, f"Binary/{stored.id}")
        if blob is None:
            raise refuse(404, "FB-REST-005", "the content of this Binary is not here")
    headers = answers.validators(stored) | {"Vary": "Accept"}
    if as_fhir and (parts is None or blob is None):
        return Response(wanted.of(body) if wanted else body, headers=headers, media_type=FHIR_JSON)
    if as_fhir:
        assert parts is not None
        assert blob is not None
        if wants_xml(call.request):
            raise refuse(406, "FB-REST-003", "a content of this size is given as it is, or in JSON")
        head, tail = parts.head + b',"data":"', b'"' + parts.tail
        size = len(head) + (blob.size + 2) // 3 * 4 + len(tail)
        return Streamed(_encoded(call, head, blob, tail), size, FHIR_JSON, headers)
    if context := _reference(binary):
        headers["X-Security-Context"] = context
    kind = _media_type(binary)
    if blob is not None:
        return Streamed(call.services.blobs.read(blob), blob.size, kind, headers | _HARMLESS)
    content = await offloaded(_decoded, loads_exact(body))
    response = Response(content, headers=headers | _HARMLESS)
    response.headers["content-type"] = kind
    return response


async def _encoded(call: Call, head: bytes, blob: Blob, tail: bytes) -> AsyncIterator[bytes]:
    yield head
    async for piece in call.services.blobs.read(blob, _ENCODED_PIECE):
        yield base64.b64encode(piece)
    yield tail


def _decoded(binary: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode("".join(str(binary.get("data", "")).split()), validate=True)
    except binascii.Error as error:
        raise refuse(404, "FB-REST-005", "the content of this Binary can't be read") from error


def _media_type(binary: dict[str, Any]) -> str:
    kind = str(binary.get("contentType", ""))
    # It becomes a header: what is no media type (a load stores what it is given) is not repeated.
    return kind if _MEDIA_TYPE.fullmatch(kind) else "application/octet-stream"


def _reference(binary: dict[str, Any]) -> str:
    context = binary.get("securityContext")
    reference = context.get("reference") if isinstance(context, dict) else None
    return reference if isinstance(reference, str) and reference.isascii() and reference.isprintable() else ""


def _wants_fhir(call: Call, kind: str) -> bool:
    """Whether the answer is the resource, and not its content."""
    formats = call.request.query_params.getlist("_format")
    accept = [
        part.split(";")[0].strip().lower() for part in call.request.headers.get("accept", "").split(",")
    ]
    wanted = [value.split(";")[0].strip().replace(" ", "+") for value in formats] or accept
    if any(value in _FHIR or (value in _JSON | XML_FORMATS and formats) for value in wanted):
        return True
    # A JSON document is asked for by the same name as a resource in JSON.
    return wanted[0] in _JSON and kind.split(";")[0].strip().lower() not in _JSON


async def create(call: Call) -> Response:
    """POST [base]/Binary"""
    call.require("c")
    header = call.if_none_exist
    criteria = None
    if header is not None:
        call.require("s")  # whether something matches is an answer that only a searcher may have
        criteria = condition(header)
        async with call.work():
            match = await call.services.store.match(call.type, criteria, call.access)
        if match is not None:
            await audit_written(call, match)
            return answers.written(call, match)
    result = await _write(call, Operation("create", call.type, new_id(), criteria=criteria))
    return answers.written(call, result)


async def update(call: Call) -> Response:
    """PUT [base]/Binary/id"""
    call.require("u")
    operation = Operation("update", call.type, call.id, if_match=call.if_match)
    result = await _write(call, operation)
    await audit_written(call, result)
    return answers.written(call, result)


async def _write(call: Call, operation: Operation) -> Written:
    async with AsyncExitStack() as stack:
        if content_type(call) in FHIR_TYPES | {FHIR_XML}:
            resource, _ = await resolve(
                call, await read_resource(call, operation.id if operation.action == "update" else "")
            )
            resource = {**resource, "id": operation.id}
            await check_write(call, replace(operation, resource=resource))
            resource = await _move(call, stack, resource)
        else:
            resource = await _described(call, operation)
            await check_write(call, replace(operation, resource=resource))
            resource = await _received(call, stack, resource)
        operation = replace(operation, resource=resource)
        try:
            return (await call.services.store.write([operation], call.access, audit=audit_of(call)))[0]
        except VersionConflict:
            # Of two conditional creates at once the second finds what the first made.
            if operation.criteria is None:
                raise
            match = await call.services.store.match(call.type, operation.criteria, call.access)
            if match is None:
                raise
            return match


async def _described(call: Call, operation: Operation) -> dict[str, Any]:
    """The Binary of a content that is sent as it is: what the headers say of it.

    Raises:
        Refusal: 415, 422.
    """
    kind = call.request.headers.get("content-type", "").strip()
    if not _MEDIA_TYPE.fullmatch(kind) or kind.lower().startswith(("multipart/", "application/fhir+xml")):
        raise refuse(415, "FB-REST-004", f"the content type {kind[:60]!a} is not taken")
    if call.request.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise refuse(415, "FB-REST-004", "send the content without Content-Encoding")
    resource: dict[str, Any] = {
        "resourceType": "Binary",
        "id": operation.id,
        "contentType": " ".join(kind.split()),
    }
    if context := call.request.headers.get("x-security-context"):
        resource["securityContext"] = {"reference": context}
    await check_valid(call, resource, inline=True)
    return (await resolve(call, resource))[0]


async def _received(call: Call, stack: AsyncExitStack, resource: dict[str, Any]) -> dict[str, Any]:
    """The Binary with the content of the body.

    Raises:
        Refusal: 408, 413.
    """
    most = call.services.settings.max_binary_bytes
    declared = call.request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:18]) > most:
        raise _too_large(most)
    first: list[bytes] = []
    size = 0
    writer: BlobWriter | None = None
    pieces = call.request.stream()
    while True:
        try:
            async with asyncio.timeout(PIECE_SECONDS):
                piece = await anext(pieces, None)
        except TimeoutError as error:
            raise refuse(408, "FB-REST-014", f"no piece came for {PIECE_SECONDS} seconds") from error
        if piece is None:
            break
        size += len(piece)
        if size > most:
            raise _too_large(most)
        if writer is None:
            first.append(piece)
            if size <= INLINE:
                continue
            writer = await stack.enter_async_context(call.services.blobs.writing())
            piece = b"".join(first)
        await writer.write(piece)
    if writer is None:
        content = base64.b64encode(b"".join(first)).decode()
        return {**resource, "data": content} if content else resource
    return await _kept(call, writer, resource)


async def _move(call: Call, stack: AsyncExitStack, resource: dict[str, Any]) -> dict[str, Any]:
    """A Binary that came as JSON, its content moved to a blob where it is large.

    Raises:
        Refusal: 422: it names a content that is not its own.
    """
    data = resource.get("data")
    if not isinstance(data, str):
        digest = named(resource)
        # As a search gave it, and sent back: then the content is this Binary's already.
        if digest is not None and await call.services.blobs.find(digest, f"Binary/{resource['id']}") is None:
            raise refuse(422, "FB-REST-002", "the Binary names a content that is not its own", source="_data")
        return resource if digest is None else with_content(resource, digest)
    if len(data) <= INLINE * 4 // 3:
        return resource
    try:
        content = await offloaded(lambda: base64.b64decode("".join(data.split()), validate=True))
    except binascii.Error as error:
        raise refuse(422, "FB-REST-002", "data is not base64", source="data") from error
    writer = await stack.enter_async_context(call.services.blobs.writing())
    await writer.write(content)
    return await _kept(call, writer, resource)


async def _kept(call: Call, writer: BlobWriter, resource: dict[str, Any]) -> dict[str, Any]:
    # Before the resource, which then names what is there. One that is not written leaves a reference that is collected.
    blob = await call.services.blobs.store(writer, f"Binary/{resource['id']}")
    return with_content(without_content(resource), blob.digest)


def _too_large(most: int) -> Refusal:
    return refuse(413, "FB-REST-007", f"the content has more than {most} bytes")
