"""A Binary whose content is a blob: stored without `data`, in whose place `_data` names the content.

The name alone opens nothing: a content is read as the blob of this very Binary (`Blobs.find`), which refers to it
since it was stored with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir.canonical import BASE

__all__ = ["CONTENT", "Split", "named", "split", "with_content", "without_content"]

CONTENT = f"{BASE}/StructureDefinition/binary-content"
"""On `Binary.data`, which is absent then: the content's hash, as `urn:sha256:HEX`."""

_URN = "urn:sha256:"
_PLACE = re.compile(
    rb',"_data":\{"extension":\[\{"url":"'
    + re.escape(CONTENT.encode())
    + rb'","valueUri":"urn:sha256:([0-9a-f]{64})"\}\]\}'
)


@dataclass(frozen=True, slots=True)
class Split:
    """The bytes of a Binary before and behind its content, and the content's hash."""

    head: bytes
    digest: bytes
    tail: bytes


def split(content: bytes) -> Split | None:
    """A stored Binary, taken apart; None where its content, if any, is in it."""
    matches = list(_PLACE.finditer(content))
    if len(matches) != 1:  # two are nothing that was written here
        return None
    match = matches[0]
    return Split(content[: match.start()], bytes.fromhex(match[1].decode()), content[match.end() :])


def with_content(binary: dict[str, Any], digest: bytes) -> dict[str, Any]:
    """The Binary with the name of its content in place of `data`."""
    rest = {name: value for name, value in binary.items() if name not in ("data", "_data")}
    return {**rest, "_data": {"extension": [{"url": CONTENT, "valueUri": f"{_URN}{digest.hex()}"}]}}


def named(binary: dict[str, Any]) -> bytes | None:
    """The hash of the content that a Binary names, as it came or as it is stored."""
    extra = binary.get("_data")
    extensions = extra.get("extension") if isinstance(extra, dict) else None
    for extension in extensions if isinstance(extensions, list) else ():
        value = extension.get("valueUri") if isinstance(extension, dict) else None
        if isinstance(value, str) and extension.get("url") == CONTENT and value.startswith(_URN):
            digits = value.removeprefix(_URN)
            return bytes.fromhex(digits) if re.fullmatch("[0-9a-f]{64}", digits) else None
    return None


def without_content(binary: dict[str, Any]) -> dict[str, Any]:
    """The Binary without content: what is said of it."""
    return {name: value for name, value in binary.items() if name not in ("data", "_data")}
