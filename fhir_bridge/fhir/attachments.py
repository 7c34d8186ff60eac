"""The Binaries here that a resource names as its attachments (R4 datatypes.html#Attachment)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["ATTACHING", "attached_binaries"]

_ELEMENTS: Final = {
    "Communication": "payload.contentAttachment",
    "CommunicationRequest": "payload.contentAttachment",
    "Consent": "sourceAttachment",
    "DiagnosticReport": "presentedForm",
    "DocumentReference": "content.attachment",
    "Media": "content",
    "Patient": "photo",
    "Person": "photo",
    "Practitioner": "photo",
    "RelatedPerson": "photo",
}
"""Where a type of resource that people keep documents with has its attachments."""
ATTACHING = frozenset(_ELEMENTS)
"""The types that are looked at."""
_LOCAL = re.compile(r"Binary/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?")


def attached_binaries(resource: dict[str, Any]) -> tuple[str, ...]:
    """Ids of the Binaries whose relative address stands in an attachment, each once."""
    path = _ELEMENTS.get(resource.get("resourceType", ""))
    if path is None:
        return ()
    urls = (attachment.get("url") for attachment in _at(resource, path.split(".")))
    matches = (_LOCAL.fullmatch(url) for url in urls if isinstance(url, str))
    return tuple(dict.fromkeys(match[1] for match in matches if match))


def _at(node: Any, steps: list[str]) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from _at(item, steps)
    elif isinstance(node, dict):
        if steps:
            yield from _at(node.get(steps[0]), steps[1:])
        else:
            yield node
