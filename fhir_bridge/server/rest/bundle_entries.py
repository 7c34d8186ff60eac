"""Entries of a transaction or batch, each with its address taken apart (R4 http.html#transaction)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.storage.outlines import Outline

__all__ = ["WRITES", "Entry", "EntryShape", "entry_of"]

EntryShape = Literal[
    "metadata",
    "base",
    "_history",
    "Type",
    "Type/_history",
    "Type/id",
    "Type/id/_history",
    "Type/id/_history/version",
    "Type/id/Type",
    "Type/id/*",
    "operation",
]
"""Kinds of addresses that an entry may have."""
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_METHODS = ("GET", "HEAD", *sorted(WRITES))
_TYPE = r"[A-Z][A-Za-z]{1,63}"
_ID = r"[A-Za-z0-9.-]{1,64}"
# Bounded parts, so that neither the expression nor an error text gets long.
_ADDRESSES: tuple[tuple[EntryShape, re.Pattern[str]], ...] = (
    ("Type/id", re.compile(rf"(?P<type>{_TYPE})/(?P<id>{_ID})")),
    ("Type", re.compile(rf"(?P<type>{_TYPE})")),
    ("Type/id/_history/version", re.compile(rf"(?P<type>{_TYPE})/(?P<id>{_ID})/_history/(?P<version>{_ID})")),
    ("Type/id/_history", re.compile(rf"(?P<type>{_TYPE})/(?P<id>{_ID})/_history")),
    ("Type/_history", re.compile(rf"(?P<type>{_TYPE})/_history")),
    ("_history", re.compile(r"_history")),
    ("metadata", re.compile(r"metadata")),
    ("base", re.compile(r"")),
    ("Type/id/*", re.compile(rf"(?P<holder>{_TYPE})/(?P<held>{_ID})/\*")),
    ("Type/id/Type", re.compile(rf"(?P<holder>{_TYPE})/(?P<held>{_ID})/(?P<type>{_TYPE})")),
    (
        "operation",
        re.compile(
            rf"(?:(?P<type>{_TYPE})/(?:(?P<id>{_ID})/)?)?\$(?P<operation>[A-Za-z][A-Za-z0-9-]{{0,63}})"
        ),
    ),
)
_WRITTEN = frozenset({"Type", "Type/id"})


@dataclass(slots=True)
class Entry:
    """An entry of a Bundle.

    Attributes:
        path: the address without its query, relative to the base.
        raw: the entry as storage takes it.
        compartment: type and id of the resource in whose compartment is searched.
        patch: the operations of a PATCH; `raw` is the update that it comes to.
        if_match: versions that the caller names.
        outline: of the resource that is written.
        warnings: what its writer has to know of it.
    """

    position: int
    method: str
    shape: EntryShape
    path: str
    query: str
    resource: dict[str, Any] | None
    raw: dict[str, Any]
    type: str = ""
    id: str = ""
    version: str = ""
    operation: str = ""
    compartment: tuple[str, str] | None = None
    patch: Any = None
    if_match: str | None = None
    outline: Outline | None = None
    warnings: list[Issue] = field(default_factory=list)

    @property
    def writes(self) -> bool:
        """Whether the store is changed; operations that change something are not taken in a Bundle."""
        return self.method in WRITES and not self.operation

    @property
    def if_none_match(self) -> str | None:
        """Versions that the caller has already."""
        value: str | None = self.raw["request"].get("ifNoneMatch")
        return value


def entry_of(call: Call, position: int, item: dict[str, Any]) -> Entry:
    """An entry, read.

    Raises:
        Refusal: 400; 404: no such resource type.
    """
    request = item.get("request")
    if not isinstance(request, dict):
        raise refuse(400, "FB-REST-010", "an entry needs a request")
    method, url = request.get("method"), request.get("url")
    if method not in _METHODS:
        raise refuse(400, "FB-REST-010", f"request.method is one of {', '.join(_METHODS)}")
    resource = item.get("resource")
    if resource is not None and not isinstance(resource, dict):
        raise refuse(400, "FB-REST-010", "resource is not an object")
    if url is None and resource is not None:
        url = _implied_url(method, resource)
    if not isinstance(url, str) or not url:
        raise refuse(400, "FB-REST-010", "request.url is missing")
    for name in ("ifMatch", "ifNoneExist", "ifNoneMatch", "ifModifiedSince"):
        if not isinstance(request.get(name, ""), str):
            raise refuse(400, "FB-REST-010", f"request.{name} is not a string")
    # An absolute address of this server is relative; any other is not ours to carry out. Some clients begin relative
    # ones with the slash after the base.
    path, mark, query = url.removeprefix(call.base).removeprefix("/").partition("?")
    if not path and not mark and url != call.base:
        path = url
    shape, parts = _taken_apart(path)
    if shape == "operation":
        if method not in ("GET", "HEAD", "POST"):
            raise refuse(400, "FB-REST-010", "an operation takes GET or POST")
    elif method in WRITES and shape not in _WRITTEN:
        raise refuse(400, "FB-REST-010", f"{method} takes Type, Type/id or Type?criteria")
    holder, held = parts.get("holder"), parts.get("held")
    compartment = (holder, held) if holder and held else None
    for name in filter(None, (parts.get("type"), parts.get("holder"))):
        if name not in definitions.resource_types():
            raise refuse(404, "FB-REST-005", f"there is no resource type {name[:40]}")
    # Storage knows no base.
    relative = {**item, "request": {**request, "url": path + mark + query}}
    return Entry(
        position,
        method,
        shape,
        path,
        query,
        resource,
        relative,
        type=parts.get("type") or "",
        id=parts.get("id") or "",
        version=parts.get("version") or "",
        operation=parts.get("operation") or "",
        compartment=compartment,
        if_match=request.get("ifMatch"),
    )


def _implied_url(method: str, resource: dict[str, Any]) -> str | None:
    """Where an entry without `request.url` goes. R4 requires it; HAPI's Java client leaves it out (`withResources`)."""
    kind, identity = resource.get("resourceType"), resource.get("id")
    if not isinstance(kind, str):
        return None
    if method == "PUT" and isinstance(identity, str):
        return f"{kind}/{identity}"
    return kind if method == "POST" else None


def _taken_apart(path: str) -> tuple[EntryShape, dict[str, str | None]]:
    """The kind of an address, and its parts.

    Raises:
        Refusal: 400.
    """
    for shape, pattern in _ADDRESSES:
        if (match := pattern.fullmatch(path)) is not None:
            return shape, match.groupdict()
    raise refuse(
        400,
        "FB-REST-010",
        "request.url is an address that this server has, relative to the base: Type, Type/id, Type?criteria, …",
    )


assert {shape for shape, _ in _ADDRESSES} == set(get_args(EntryShape))
