"""What a text states holds no longer than its document: facts of one that was replaced or withdrawn are in error."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from psycopg import AsyncConnection

from fhir_bridge.fhir.canonical import BASE
from fhir_bridge.storage.stored import parse

__all__ = ["documents_of_fact", "ended_documents", "facts_of_documents", "is_ended", "is_fact"]

_SPAN: Final = f"{BASE}/StructureDefinition/text-span"
"""The extension of an Observation that was found in a text."""
_SPAN_BYTES: Final = _SPAN.encode()
_ENDED: Final = frozenset(("superseded", "entered-in-error"))


def is_ended(document: Mapping[str, Any] | None) -> bool:
    """Whether a DocumentReference counts no more."""
    return document is not None and document.get("status") in _ENDED


def is_fact(text: bytes | memoryview | None) -> bool:
    """Whether the bytes of a resource are perhaps those of a fact; to parse each would cost more."""
    return text is not None and _SPAN_BYTES in bytes(text)


def documents_of_fact(resource: Mapping[str, Any]) -> list[str]:
    """Ids of the documents that an Observation was found in; none where it was found in no text."""
    if resource.get("resourceType") != "Observation":
        return []
    extensions = resource.get("extension")
    if not isinstance(extensions, list) or not any(item.get("url") == _SPAN for item in extensions):
        return []
    references = (str(item.get("reference")) for item in resource.get("derivedFrom") or ())
    return [
        name.removeprefix("DocumentReference/")
        for name in references
        if name.startswith("DocumentReference/")
    ]


async def ended_documents(connection: AsyncConnection, ids: Collection[str]) -> set[str]:
    """Which of these stored documents count no more."""
    rows = await connection.execute(
        "SELECT id, bytes FROM resource WHERE type = 'DocumentReference' AND id = ANY(%s) AND NOT deleted",
        (sorted(ids),),
    )
    return {name for name, text in await rows.fetchall() if text is not None and is_ended(parse(bytes(text)))}


async def facts_of_documents(connection: AsyncConnection, documents: Collection[int]) -> set[int]:
    """The stored Observations that refer to these documents."""
    rows = await connection.execute(
        "SELECT DISTINCT f.resource FROM reference f JOIN resource r ON r.key = f.resource "
        "WHERE f.target = ANY(%s) AND r.type = 'Observation' AND NOT r.deleted",
        (sorted(documents),),
    )
    return {row[0] for row in await rows.fetchall()}
