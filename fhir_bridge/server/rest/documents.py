"""`Composition/id/$document` (R4 composition-operation-document.html): the Composition with all that it refers to."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.responses import Response

from fhir_bridge.fhir.serialization import loads
from fhir_bridge.server.rest import answers, hooks
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.call_operations import CallOperation, Pairs, audit_shown, only
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.storage import Gone, NotFound, Stored
from fhir_bridge.storage.bundles import relative
from fhir_bridge.storage.errors import Forbidden

__all__ = ["Document", "document_bundle", "read_named"]

_ELEMENTS = ("subject", "encounter", "author", "custodian", "attester.party", "event.detail")
_OF_SECTION = ("author", "focus", "entry")
"""What of a Composition and of its sections belongs to the document."""


class Document(CallOperation):
    """A document, made anew each time; it is not kept."""

    name = "document"
    types: tuple[str, ...] = ("Composition",)
    access = "r"
    definition = "http://hl7.org/fhir/OperationDefinition/Composition-document"
    levels = frozenset({"instance"})

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:  # noqa: ARG002
        """See `CallOperation.serve`."""
        known = only(parameters, ("persist",))
        if known.get("persist", "false") != "false":
            raise refuse(400, "FB-REST-008", "documents are not kept here: store the answer as a Bundle")
        stored = await call.services.store.read(call.type, call.id, call.access)
        named = await read_named(call, _references(loads(stored.bytes), call.base))
        shown = [stored, *named]
        contents = await hooks.redact_all(call.services.plugins, [one.bytes for one in shown], call.access)
        entries = [
            (f"{call.base}/{one.type}/{one.id}", text) for one, text in zip(shown, contents, strict=True)
        ]
        await audit_shown(call, parameters, shown)
        return answers.in_pieces(document_bundle(entries))


def document_bundle(entries: Sequence[tuple[str, bytes]], profile: str | None = None) -> list[bytes]:
    """A Bundle of the type document in pieces.

    Args:
        entries: fullUrl and content of each; the Composition first.
        profile: that it declares.
    """
    head = {
        "resourceType": "Bundle",
        **({"meta": {"profile": [profile]}} if profile else {}),
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"},
        "type": "document",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }
    parts = [orjson.dumps(head)[:-1], b',"entry":[']
    for number, (url, content) in enumerate(entries):
        parts += [
            b"," if number else b"",
            b'{"fullUrl":' + orjson.dumps(url) + b',"resource":',
            content,
            b"}",
        ]
    parts.append(b"]}")
    return parts


async def read_named(call: Call, references: Sequence[tuple[str, str]]) -> list[Stored]:
    """What is named by type and id and the caller may read; the rest is as if it were not there.

    Raises:
        Refusal: 413: more than one answer may hold.
    """
    results: list[Stored] = []
    for kind, identity in references:
        call.budget.check()
        try:
            stored = await call.services.store.read(kind, identity, call.access)
        except (NotFound, Gone, Forbidden):
            continue
        call.budget.spend(size=len(stored.bytes))
        results.append(stored)
    return results


def _references(composition: dict[str, Any], base: str) -> list[tuple[str, str]]:
    """Type and id of what belongs to the document, in order, each once."""
    named: dict[tuple[str, str], None] = {}
    nodes = [*_at(composition, _ELEMENTS), *_in_sections(composition.get("section"))]
    for node in nodes:
        reference = node.get("reference") if isinstance(node, dict) else None
        if isinstance(reference, str):
            kind, _, identity = relative(reference, base).partition("/_history/")[0].partition("/")
            if identity and "/" not in identity and kind[:1].isupper():
                named[kind, identity] = None
    return list(named)


def _at(node: Any, paths: Sequence[str]) -> Iterator[Any]:
    for path in paths:
        places: list[Any] = [node]
        for name in path.split("."):
            values = [place.get(name) for place in places if isinstance(place, dict)]
            places = [item for value in values for item in (value if isinstance(value, list) else [value])]
        yield from places


def _in_sections(sections: Any) -> Iterator[Any]:
    waiting = [sections]
    while waiting:
        some = waiting.pop(0)
        for section in some if isinstance(some, list) else ():
            if isinstance(section, dict):
                yield from _at(section, _OF_SECTION)
                waiting.append(section.get("section"))
