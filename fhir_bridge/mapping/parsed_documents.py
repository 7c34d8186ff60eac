"""Documents that were parsed before, kept in the user's cache folder: parsing YAML takes a good part of each start.

An entry is named by the hash of its text, of what reads it and of the form of the cache. It holds no code, but nodes
as JSON. A folder that others may write to is not used, and what can't be read or written is parsed.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import orjson

from fhir_bridge.mapping.document import Document, Mapping, Node, Scalar, Sequence, parse
from fhir_bridge.mapping.errors import Position
from fhir_bridge.mapping.user_cache import read_entry, write_entry

__all__ = ["read_document"]

_FOLDER: Final = "mappings"
_FORM: Final = 1
_LEAST: Final = 512
"""Characters of a text that is worth an entry."""
_MOST: Final = 1000
"""Entries; those of earlier versions, that nobody reads any more, are removed first."""


@lru_cache(maxsize=128)
def read_document(text: str, file: str | Path) -> Document:
    """A document, parsed now or before; `parse` says what is raised."""
    text, name = text.removeprefix("\ufeff"), str(file)
    document = _kept(text, name)
    if document is None:
        document = parse(text, name)
        _keep(document)
    return document


def _kept(text: str, file: str) -> Document | None:
    """The document of a text, where it was kept."""
    content = read_entry(_FOLDER, _name(text)) if len(text) >= _LEAST else None
    if content is None:
        return None
    try:
        root = _node(orjson.loads(content), file)
    except (ValueError, TypeError, KeyError, IndexError, ArithmeticError):
        return None
    return Document(file, text, root, frozenset((file,))) if isinstance(root, Mapping) else None


def _keep(document: Document) -> None:
    """Keep a document."""
    if len(document.text) < _LEAST:
        return
    try:
        content = orjson.dumps(_plain(document.root))
    except (TypeError, ValueError):  # a number too large for JSON, half a character
        return
    write_entry(_FOLDER, _name(document.text), content, most=_MOST)


def _name(text: str) -> str:
    reader = Path(__file__).with_name("document.py").stat()
    parts = f"{_FORM}\n{reader.st_size}\n{reader.st_mtime_ns}\n{text}"
    return f"{hashlib.sha256(parts.encode('utf-8', 'surrogatepass')).hexdigest()}.json"


def _plain(node: Node) -> list[Any]:
    at = [node.position.line, node.position.column]
    if isinstance(node, Scalar):
        value = node.value
        if value == node.text and isinstance(value, str):
            return [*at, 0, node.text, node.raw if node.raw != node.text else 0]
        written = ["d", str(value)] if isinstance(value, Decimal) else ["v", value]
        return [*at, 1, node.text, node.raw, written]
    if isinstance(node, Sequence):
        return [*at, 2, [_plain(item) for item in node.items]]
    assert isinstance(node, Mapping)
    return [*at, 3, [[_plain(key), _plain(value)] for key, value in node.entries]]


def _node(read: list[Any], file: str) -> Node:
    position = Position(file, read[0], read[1])
    form, content = read[2], read[3]
    if form == 0:
        return Scalar(position, content, content, content if read[4] == 0 else read[4])
    if form == 1:
        kind, value = read[5]
        return Scalar(position, Decimal(value) if kind == "d" else value, content, read[4])
    if form == 2:
        return Sequence(position, [_node(item, file) for item in content])
    entries: list[tuple[Scalar, Node]] = []
    for key, value in content:
        name = _node(key, file)
        if not isinstance(name, Scalar):
            raise TypeError("a key is a scalar")
        entries.append((name, _node(value, file)))
    return Mapping(position, entries)
