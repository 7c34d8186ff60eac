"""Transaction and batch Bundles (R4 http.html#transaction): what the entries ask, and references between them."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from fhir_bridge.storage.errors import BadResource
from fhir_bridge.storage.outlines import Outline

__all__ = [
    "Entry",
    "conditional_references",
    "read_entries",
    "references_in",
    "relative",
    "with_references",
]

# R4 http.html#trules; reads come last, so that they see what the transaction wrote.
METHODS = ("DELETE", "POST", "PUT", "GET", "HEAD")
"""In the order in which a transaction carries them out."""

_READ = re.compile(
    r"(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?"
)


@dataclass(slots=True)
class Entry:
    """An entry of a Bundle, read.

    Attributes:
        id: of the resource, where the URL names one, or once it is decided.
        parameters: criteria in the URL (`PUT Patient?identifier=…`, `GET Observation?patient=…`).
        if_none_exist: criteria of a conditional create.
        absent: an update is made only where nothing is.
        outline: of the resource.
    """

    position: int
    method: str
    type: str
    id: str | None
    version: str | None
    parameters: list[tuple[str, str]]
    full_url: str | None
    resource: dict[str, Any] | None
    if_match: str | None
    if_none_exist: list[tuple[str, str]] | None
    absent: bool = False
    outline: Outline | None = None


def read_entries(bundle: Mapping[str, Any]) -> list[Entry]:
    """The entries of a transaction or batch.

    Raises:
        BadResource: an entry has no request, a method that is not supported here, or no resource where one is needed.
    """
    entries = bundle.get("entry")
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise BadResource("Bundle.entry is not a list")
    return [_entry(entry, position) for position, entry in enumerate(entries)]


def _entry(entry: Any, position: int) -> Entry:
    where = f"Bundle.entry[{position}]"
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict):
        raise BadResource(f"{where} has no request", source=where)
    method, url = request.get("method"), request.get("url")
    if method not in METHODS or not isinstance(url, str):
        raise BadResource(f"{where}.request: {method!r} is not supported in a Bundle", source=where)
    path, _, query = url.partition("?")
    match = _READ.fullmatch(path.strip("/"))
    resource = entry.get("resource")
    if method in ("POST", "PUT") and (
        not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str)
    ):
        raise BadResource(f"{where} has no resource", source=where)
    if match is not None:
        resource_type, identity, version = match["type"], match["id"], match["version"]
    else:
        resource_type, identity, version = path.strip("/"), None, None
        if not resource_type.isalpha():
            raise BadResource(f"{where}.request.url {path!r} names no resource or type", source=where)
    if resource is not None and method in ("POST", "PUT"):
        if resource["resourceType"] != resource_type:
            raise BadResource(f"{where} puts a {resource['resourceType']} to {resource_type}", source=where)
        if method == "PUT" and identity is not None and resource.get("id") != identity:
            raise BadResource(f"{where}: the id of the resource is not that of the URL", source=where)
    if (method == "POST" and identity is not None) or (version is not None and method not in ("GET", "HEAD")):
        raise BadResource(f"{where}.request.url {url!r} does not fit {method}", source=where)
    criteria, known = request.get("ifNoneExist"), request.get("ifNoneMatch")
    full_url = entry.get("fullUrl")
    # Blank values stay: a criterion without a value must refuse the entry, not be left
    # out (it would match too much).
    return Entry(
        position,
        method,
        resource_type,
        identity,
        version,
        parse_qsl(query, keep_blank_values=True) if query else [],
        full_url if isinstance(full_url, str) else None,
        resource if isinstance(resource, dict) else None,
        request.get("ifMatch"),
        parse_qsl(criteria, keep_blank_values=True) if isinstance(criteria, str) and criteria else None,
        # RFC 9110 §13.1.2, as of a PUT alone.
        absent=method == "PUT" and isinstance(known, str) and known.strip() == "*",
    )


_BELOW = re.compile(r"[A-Z][A-Za-z]+(?:/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?|\?.*)", re.S)
"""What an address of this server names below its base: a resource, a version, or a search."""


def relative(reference: str, base: str) -> str:
    """A reference without this server's own address in front; any other as it is.

    Scheme and host compare without case (RFC 3986 §6.2.2.1). Only the relative form is one by which access, search and
    labels know the resource.
    """
    start = base.rstrip("/") + "/"
    # Without a base `start` is "/", with which an absolute path would begin.
    if len(start) > 1 and reference[: len(start)].lower() == start.lower():
        rest = reference[len(start) :]
        if _BELOW.fullmatch(rest):
            return rest
    return reference


def with_references(value: Any, new: Callable[[str], str]) -> Any:
    """The value with the text of each Reference replaced, and nothing else; what holds no other text is not copied."""
    if isinstance(value, dict):
        changed: dict[str, Any] = {}
        for key, item in value.items():
            if key == "reference" and isinstance(item, str):
                replaced: Any = new(item)
            elif isinstance(item, dict | list):
                replaced = with_references(item, new)
            else:
                continue
            if replaced is not item:
                changed[key] = replaced
        return {**value, **changed} if changed else value
    if isinstance(value, list):
        items = [with_references(item, new) if isinstance(item, dict | list) else item for item in value]
        return items if any(map(operator.is_not, items, value)) else value
    return value


def references_in(value: Any) -> list[str]:
    """The texts of all References in a resource, in no order."""
    results: list[str] = []
    ahead = [value] if isinstance(value, dict | list) else []
    while ahead:
        inner: Any = ahead.pop()
        if type(inner) is list:
            ahead += [item for item in inner if type(item) is dict or type(item) is list]
            continue
        for name, item in inner.items():
            kind = type(item)
            if kind is dict or kind is list:
                ahead.append(item)
            elif kind is str and name == "reference":
                results.append(item)
    return results


def conditional_references(references: Iterable[str], base: str = "") -> set[str]:
    """Those of the References of a resource that are searches (`Patient?identifier=…`), as they are written.

    Args:
        base: this server's base URL, which may be in front.
    """
    return {
        reference
        for reference in references
        if "?" in reference and re.match(r"[A-Z][A-Za-z]+\?", relative(reference, base))
    }
