"""Answers in XML, where the client asks for it: written from the JSON that every handler gives (R4 xml.html)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from fhir_bridge.fhir import xml
from fhir_bridge.fhir.issues import operation_outcome
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest import answers
from fhir_bridge.server.rest.call import FHIR_XML
from fhir_bridge.server.rest.refusal import refuse

__all__ = ["in_xml"]

INLINE_BYTES = 4_096
"""Answers up to this size are written anew on the event loop."""


async def in_xml(request: Request, response: Response) -> Response:
    """An answer in FHIR JSON as XML (`wants_xml`)."""
    body = answers.body_of(response)
    if not body:
        return response
    # What anybody may ask for, and is long, is written once.
    write = _kept if request.scope["path"].endswith("/metadata") else _xml
    try:
        text = write(body) if len(body) <= INLINE_BYTES else await offloaded(write, body)
    except xml.XmlError as error:
        text = xml.dumps(_unsaid(error))
        if request.method in ("GET", "HEAD"):
            return Response(text, 406, media_type=FHIR_XML)
        # What was written is written, whatever can be said of it: a client that is refused would send it again.
    result = Response(text, response.status_code, media_type=FHIR_XML)
    named = (b"content-type", b"content-length")
    result.raw_headers += [pair for pair in response.raw_headers if pair[0] not in named]
    result.headers.add_vary_header("Accept")
    return result


def _xml(body: bytes) -> bytes:
    """The same in XML. In a Bundle, what XML can't say is an OperationOutcome that says so, in its place."""
    content = loads_exact(body)
    try:
        return xml.dumps(content)
    except xml.XmlError:
        if content.get("resourceType") != "Bundle":
            raise
    for entry in content.get("entry", ()):
        try:
            xml.dumps(entry.get("resource", {"resourceType": "Basic"}))
        except xml.XmlError as error:
            entry["resource"] = _unsaid(error)
            if "search" in entry:
                entry["search"] = {"mode": "outcome"}
    return xml.dumps(content)


def _unsaid(error: xml.XmlError) -> dict[str, Any]:
    """Of what `load` stored as it came, which may have something that XML can't say."""
    issues = refuse(406, "FB-REST-003", f"this can't be said in XML, ask for JSON: {error}").issues
    return operation_outcome(list(issues))


@lru_cache(maxsize=2)
def _kept(body: bytes) -> bytes:
    return _xml(body)
