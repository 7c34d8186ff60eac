"""Files of a document (ED, ISO 21090 §7.4.5): in it, compressed or not, or where they are."""

from __future__ import annotations

import base64
import re
import zlib
from typing import Final, NamedTuple

from fhir_bridge.adapters.ehr.ccda.node import Node

__all__ = ["File", "file_of", "suffix_of"]

MOST_BYTES: Final = 64 << 20
"""What a compressed file may grow to."""
_WINDOWS: Final = {"DF": (47, -15), "ZL": (47, -15), "GZ": (47,)}
"""By `compression`, what zlib may find: zlib or gzip, or no header at all, as some write `DF`."""
_COMPRESSED_TYPES: Final = {"GZ": "application/gzip", "ZL": "application/zlib", "DF": "application/zlib"}
_PLAIN: Final = "text/plain; charset=utf-8"
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:\S")
_UNINFLATED: Final = "it can't be inflated"
_SUFFIXES: Final = {
    "text/plain": ".txt",
    "text/rtf": ".rtf",
    "application/rtf": ".rtf",
    "application/pdf": ".pdf",
}


class File(NamedTuple):
    """A file.

    Attributes:
        content: its bytes; None where they are not in the document, or can't be read.
        url: where it is.
        title: what it should be, or how it is named, for people.
        why: why it is not what the document says it is, without a value; empty where it is.
    """

    media_type: str
    content: bytes | None = None
    url: str | None = None
    title: str | None = None
    why: str = ""


def file_of(node: Node) -> File | None:
    """The file that an element holds or refers to; None where it does neither."""
    kind = node.attributes.get("mediaType", "text/plain")
    url = node.path("reference", "value")
    if isinstance(url, str) and not url.startswith("#"):
        if _ABSOLUTE.match(url):
            return File(kind, url=url)
        return File(kind, title=url, why="its reference is relative, and it is not in the document")
    if node.attributes.get("representation") != "B64":
        text = "\n".join(node.words()) or node.text
        return File(f"{kind}; charset=utf-8", text.encode()) if text else None
    data = "".join(node.content.split())
    if not data:
        return None
    try:
        content = base64.b64decode(data, validate=True)
    except ValueError:
        sent = node.content.encode()
        return File(
            _PLAIN, sent, title=f"{kind} in what is no base64", why="it is no base64; it is kept as text"
        )
    compression = node.attributes.get("compression")
    return File(kind, content) if compression is None else _inflated(kind, content, compression)


def _inflated(kind: str, content: bytes, compression: str) -> File:
    why = "its compression is not supported"
    for window in _WINDOWS.get(compression, ()):
        inflater = zlib.decompressobj(window)
        try:
            whole = inflater.decompress(content, MOST_BYTES)
        except zlib.error:
            why = _UNINFLATED
            continue
        if inflater.eof:
            return File(kind, whole)
        why = f"it is cut, or larger than {MOST_BYTES >> 20} MB"
        break
    known = "" if why == _UNINFLATED else _COMPRESSED_TYPES.get(compression)
    return File(
        known or "application/octet-stream", content, title=f"{kind}, compressed ({compression})", why=why
    )


def suffix_of(media_type: str) -> str | None:
    """The suffix of files whose text can be read; None for others."""
    return _SUFFIXES.get(media_type.partition(";")[0].strip().lower())
