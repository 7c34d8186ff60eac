"""Contents of resources as they are stored: what most of them have in common takes one byte each.

JSON has no control characters but between its parts, where none is written here (RFC 8259 §7), so one of them can stand
for a text. A content is `\\x01`, the length of its JSON, `\\x02`, and what follows `{"resourceType":"`, with marks;
what begins otherwise is stored as it is. `resource_text` and `resource_size` of the database read the same way
(migration 0038): a mark keeps its meaning for ever.

In the database contents are the only columns of the type `varchar`, by which the driver knows them: whoever reads one
over a connection of the store gets its JSON, in bytes.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Sequence

from psycopg import AsyncConnection
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format

__all__ = ["MARKS", "know_contents", "shortened", "whole"]

MARKS: dict[bytes, bytes] = {
    b"\x03": b'"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"',
    b"\x04": b'"code":{"coding":[{"system":"http://loinc.org","code":"',
    b"\x05": b'"meta":{"versionId":"1","lastUpdated":"',
    b"\x06": b'"system":"http://terminology.hl7.org/CodeSystem/',
    b"\x07": b'"system":"http://unitsofmeasure.org","code":"',
    b"\x08": b'"encounter":{"reference":"Encounter/',
    b"\x0b": b'"system":"http://snomed.info/sct","code":"',
    b"\x0c": b'"versionId":"1","lastUpdated":"',
    b"\x0e": b'"subject":{"reference":"Patient/',
    b"\x0f": b'"system":"http://loinc.org","code":"',
    b"\x10": b'"valueQuantity":{"value":',
    b"\x11": b'"identifier":[{"system":"',
    b"\x12": b'"effectiveDateTime":"',
    b"\x13": b'"extension":[{"url":"',
    b"\x14": b'"http://hl7.org/fhir/',
    b"\x15": b'"meta":{"source":"',
    b"\x16": b'"status":"final",',
    b"\x17": b'"reference":"',
    b"\x18": b'"coding":[{',
    b"\x19": b'"display":"',
    b"\x1a": b'"system":"',
    b"\x1b": b'"value":"',
    b"\x1c": b'"code":"',
    b"\x1d": b'"text":"',
    b"\x1e": b'"unit":"',
    b"\x1f": b'"}]}',
}
"""Marks and what they stand for."""

_HEAD = b'{"resourceType":"'


def _pattern(texts: Sequence[str]) -> str:
    """A regular expression of any of these, the longest first, that looks at no letter twice."""
    start = os.path.commonprefix(list(texts))  # noqa: RUF071 - no paths, letters
    endings: dict[str, list[str]] = {}
    for text in texts:
        endings.setdefault(text[len(start) :][:1], []).append(text[len(start) :])
    if len(endings) < 2:
        return re.escape(start)
    optional = "?" if endings.pop("", None) else ""
    return f"{re.escape(start)}(?:{'|'.join(map(_pattern, endings.values()))}){optional}"


_MARK_OF = {text: mark for mark, text in MARKS.items()}
_TEXTS = re.compile(_pattern([text.decode() for text in MARKS.values()]).encode())
_AT_MARKS = re.compile(rb"([\x03-\x1f])")


def _mark(match: re.Match[bytes]) -> bytes:
    return _MARK_OF[match[0]]


def shortened(content: bytes) -> bytes:
    """A content as it is stored."""
    if not content.startswith(_HEAD):
        return content
    return b"\x01%d\x02%b" % (len(content), _TEXTS.sub(_mark, content[len(_HEAD) :]))


def whole(stored: bytes) -> bytes:
    """The JSON of a content."""
    if stored[:1] != b"\x01":
        return stored
    parts = _AT_MARKS.split(stored.partition(b"\x02")[2])
    parts[1::2] = [MARKS[mark] for mark in parts[1::2]]
    return _HEAD + b"".join(parts)


class _ContentLoader(Loader):
    def load(self, data: Buffer) -> bytes:
        return whole(bytes(data))


class _BinaryContentLoader(_ContentLoader):
    format = Format.BINARY


def know_contents(connection: AsyncConnection) -> None:
    """See that contents which are read over a connection are whole."""
    connection.adapters.register_loader("varchar", _ContentLoader)
    connection.adapters.register_loader("varchar", _BinaryContentLoader)
