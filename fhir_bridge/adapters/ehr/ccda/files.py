"""Files of a document (ED, ISO 21090 §7.4.5): in it, compressed or not, or where they are."""

from __future__ import annotations

import base64
import re
import zlib
from typing import Final, NamedTuple

from fhir_bridge.adapters.ehr.ccda.node import Node
from fhir_bridge.adapters.ehr.notes.reading import is_cut

__all__ = ["File", "file_of", "suffix_of"]

MOST_BYTES: Final = 64 << 20
"""What a compressed file may grow to."""
_WINDOWS: Final = {"DF": (47, -15), "ZL": (47, -15), "GZ": (47,)}
"""By `compression`, what zlib may find: zlib or gzip, or no header at all, as some write `DF`."""
_MEMBER: Final = b"\x1f\x8b"
_COMPRESSED_TYPES: Final = {"GZ": "application/gzip", "ZL": "application/zlib", "DF": "application/zlib"}
_PLAIN: Final = "text/plain; charset=utf-8"
_ABSOLUTE: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):\S")
_ACTING: Final = frozenset(("javascript", "vbscript", "data"))
"""Schemes of what a browser would run, or show as a page of its own: no place of a file."""
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
        # A browser passes over controls and blanks in a scheme.
        absolute = _ABSOLUTE.match(re.sub(r"[\s\x00-\x1f]", "", url))
        if absolute and absolute[1].lower() in _ACTING:
            return File(
                kind, title=url, why=f"its reference is no place, but begins with {absolute[1].lower()}:"
            )
        if absolute:
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
    file = File(kind, content) if compression is None else _inflated(kind, content, compression)
    cut = not file.why and file.content is not None and is_cut(file.content)
    return file._replace(why="it is cut off") if cut else file


def _inflated(kind: str, content: bytes, compression: str) -> File:
    why = "its compression is not supported"
    for window in _WINDOWS.get(compression, ()):
        try:
            whole = _whole(content, window)
        except zlib.error:
            why = _UNINFLATED
            continue
        if whole is not None:
            return File(kind, whole)
        why = f"it is cut, or larger than {MOST_BYTES >> 20} MB"
        break
    known = "" if why == _UNINFLATED else _COMPRESSED_TYPES.get(compression)
    return File(
        known or "application/octet-stream", content, title=f"{kind}, compressed ({compression})", why=why
    )


def _whole(content: bytes, window: int) -> bytes | None:
    """What all members of a compressed file hold (RFC 1952 §2.2); None where it is cut, or too large.

    Raises:
        zlib.error: it can't be inflated.
    """
    pieces: list[bytes] = []
    most = MOST_BYTES
    while not pieces or content.startswith(_MEMBER):
        inflater = zlib.decompressobj(window)
        pieces.append(inflater.decompress(content, max(most, 1)))
        most -= len(pieces[-1])
        if not inflater.eof or most < 0:
            return None
        content = inflater.unused_data
    return b"".join(pieces)


def suffix_of(media_type: str) -> str | None:
    """The suffix of files whose text can be read; None for others."""
    return _SUFFIXES.get(media_type.partition(";")[0].strip().lower())
