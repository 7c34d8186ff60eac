"""The Binaries here that a resource names as its attachments (R4 datatypes.html#Attachment)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

__all__ = ["ATTACHING", "attached_binaries", "has_attachment", "local_attachments"]

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
_LOCAL = re.compile(r"Binary/([A-Za-z0-9.-]{1,64})(/_history/[A-Za-z0-9.-]{1,64})?")


def attached_binaries(resource: dict[str, Any], *, versions: bool = True) -> tuple[str, ...]:
    """Ids of the Binaries whose relative address stands in an attachment, each once.

    Args:
        versions: whether an address of one version counts as well.
    """
    path = _ELEMENTS.get(resource.get("resourceType", ""))
    if path is None:
        return ()
    urls = (attachment.get("url") for attachment in _at(resource, path.split(".")))
    matches = (_LOCAL.fullmatch(url) for url in urls if isinstance(url, str))
    return tuple(dict.fromkeys(match[1] for match in matches if match and (versions or match[2] is None)))


def has_attachment(resource: dict[str, Any]) -> bool:
    """Whether the resource has the elements in which attachments are looked for."""
    path = _ELEMENTS.get(resource.get("resourceType", ""))
    return path is not None and path.partition(".")[0] in resource


def local_attachments(resource: dict[str, Any], relative: Callable[[str], str]) -> dict[str, Any]:
    """The resource with the addresses of Binaries here written as `Binary/id`; itself where there are none.

    Args:
        relative: an address without this server's own in front.
    """
    path = _ELEMENTS.get(resource.get("resourceType", ""))
    if path is None:
        return resource
    shortened = {}
    for attachment in _at(resource, path.split(".")):
        url = attachment.get("url")
        if isinstance(url, str) and (local := relative(url)) != url and _LOCAL.fullmatch(local):
            shortened[url] = local
    return _with(resource, path.split("."), shortened) if shortened else resource


def _with(node: Any, steps: list[str], urls: dict[str, str]) -> Any:
    """A copy in which attachments at a path have other addresses."""
    if isinstance(node, list):
        return [_with(item, steps, urls) for item in node]
    if not isinstance(node, dict):
        return node
    if steps:
        return {**node, steps[0]: _with(node[steps[0]], steps[1:], urls)} if steps[0] in node else node
    return {**node, "url": urls[node["url"]]} if node.get("url") in urls else node


def _at(node: Any, steps: list[str]) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from _at(item, steps)
    elif isinstance(node, dict):
        if steps:
            yield from _at(node.get(steps[0]), steps[1:])
        else:
            yield node
