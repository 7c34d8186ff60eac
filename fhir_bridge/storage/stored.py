"""Stored versions, and the stamp (versionId, lastUpdated) that is written into their bytes once.

These and the other values that a write makes of each resource are not frozen: to set the fields of a frozen one takes
several times as long, and there are dozens a resource. Nobody changes them.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal

import orjson

from fhir_bridge.fhir.serialization import JsonError, dumps, loads, loads_same, with_long_numbers
from fhir_bridge.storage.errors import BadResource

__all__ = [
    "Stored",
    "Written",
    "canonical",
    "content_hash",
    "digest",
    "instant",
    "new_id",
    "now",
    "parse",
    "parse_for_reading",
    "stamp",
]

Outcome = Literal["created", "updated", "unchanged", "deleted"]


@dataclass(slots=True)
class Stored:
    """A version of a resource as it is served.

    Attributes:
        bytes: UTF-8 JSON with meta.versionId and meta.lastUpdated; empty where the version is a deletion.
    """

    type: str
    id: str
    version: int
    last_updated: datetime
    bytes: bytes

    @property
    def etag(self) -> str:
        """The ETag header of this version (R4 http.html#concurrency)."""
        return f'W/"{self.version}"'

    def resource(self) -> dict[str, Any]:
        """The resource, parsed for reading (decimals as float)."""
        parsed: dict[str, Any] = loads(self.bytes)
        return parsed


@dataclass(slots=True)
class Written:
    """What a write came to. `unchanged`: the content was stored already, and no version was made."""

    stored: Stored
    outcome: Outcome


def now() -> datetime:
    """The present, to the millisecond, as meta.lastUpdated writes it."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def new_id() -> str:
    """An id for a resource that the server names: 128 random bits, in hexadecimal as all our ids."""
    return secrets.token_hex(16)


def parse(resource: Mapping[str, Any] | bytes, *, source: str = "") -> dict[str, Any]:
    """A resource to store, which `dumps` gives back to the digit. A dict is copied one level deep.

    Raises:
        BadResource: not a JSON object with a resourceType.
    """
    if isinstance(resource, bytes):
        try:
            parsed = loads_same(resource)
        except JsonError as error:
            raise BadResource(str(error), source=source) from error
    else:
        parsed = dict(resource)
    if not isinstance(parsed, dict) or not isinstance(parsed.get("resourceType"), str):
        raise BadResource("not a resource: a JSON object with resourceType is expected", source=source)
    return parsed


def parse_for_reading(text: bytes) -> dict[str, Any]:
    """A stored resource, decimals as float."""
    # For reading alone: a float that was read here must never be written back.
    parsed: dict[str, Any] = loads(text)
    return parsed


def stamp(resource: dict[str, Any], identity: str, version: int, moment: datetime) -> bytes:
    """The bytes to store: id, meta.versionId and meta.lastUpdated put in, everything else as it is."""
    meta = resource.get("meta")
    # Type, id and meta first, whatever came first: bytes of one content have one form.
    stamped = {"resourceType": "", "id": "", "meta": None, **resource}
    stamped["id"] = identity
    stamped["meta"] = {
        **(meta if isinstance(meta, dict) else {}),
        "versionId": str(version),
        "lastUpdated": instant(moment),
    }
    return dumps(stamped)


@lru_cache(64)
def instant(moment: datetime) -> str:
    """A moment as `meta.lastUpdated` writes it. What is written together has few of them."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: object) -> Any:
    if isinstance(value, Decimal):
        # Its digits as they are, which a float would lose (1.50 is not 1.5: R4 datatypes.html#decimal).
        return orjson.Fragment(dumps(value))
    raise TypeError(f"{type(value).__name__} has no FHIR JSON form")


def canonical(value: Any) -> bytes:
    """Bytes that are equal for equal content, whatever the order of names.

    Raises:
        BadResource: there is something in it that JSON can't say.
    """
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError as error:
        if "64-bit" in str(error):
            return canonical(with_long_numbers(value))
        # A lone surrogate, NaN as a Decimal, nesting without end.
        raise BadResource(f"can't be written as JSON: {error}") from error


def content_hash(resource: Mapping[str, Any]) -> bytes:
    """Hash of a resource without what the server puts in (id is content: it is part of the key anyway)."""
    meta = resource.get("meta")
    # A new version that differs in nothing but the stamp is no new version.
    if isinstance(meta, dict) and ("versionId" in meta or "lastUpdated" in meta):
        kept = {name: value for name, value in meta.items() if name not in ("versionId", "lastUpdated")}
        resource = {**resource, "meta": kept}
        if not kept:
            del resource["meta"]
    return digest(canonical(resource))


def digest(text: bytes) -> bytes:
    """The hash by which contents are distinguished."""
    return hashlib.blake2b(text, digest_size=16).digest()
