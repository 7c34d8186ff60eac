"""Versions of a document: what a document is of, and which it replaces (CDA R2 §4.2.3.1, `relatedDocument`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from fhir_bridge.adapters.ehr.ccda.node import Node

__all__ = ["VERSIONED", "DocumentVersion", "replaced_documents", "version_of"]

VERSIONED: Final = "statements"
"""What of a document a version that replaces it replaces: its statements, and what its narrative states."""


@dataclass(slots=True)
class DocumentVersion:
    """A document among those of its set (a `SourceDelivery`): a later one that names it as replaced takes its place.

    Attributes:
        id: hash of its bytes.
        name: its own identifier.
        replaces: those of the documents that it replaces.
        assembly: the identifier of the set.
        whole: what it replaces of an older version, also where it says nothing itself.
    """

    id: str
    name: str
    replaces: tuple[str, ...]
    assembly: str
    time: datetime | None
    complete: bool = True
    whole: str = VERSIONED
    sexes: Mapping[str, str] = field(default_factory=dict)


def replaced_documents(related: Iterable[Node]) -> list[Node]:
    """The documents that `relatedDocument`s say are replaced."""
    return [
        parent
        for each in related
        if each.attributes.get("typeCode") == "RPLC"
        for parent in each.named.get("parentDocument", ())
    ]


def version_of(root: Node, key: str, time: datetime | None) -> DocumentVersion | None:
    """What a document is of its set; None where it names none, so that nothing says which documents are versions."""
    name = _identifier(root, "id")
    parents = replaced_documents(root.named.get("relatedDocument", ()))
    sets = [one for one in (_identifier(each, "setId") for each in (root, *parents)) if one]
    if not name or not sets:
        return None
    number = root.path("versionNumber", "value")
    if time is not None and isinstance(number, str) and number.isdecimal() and len(number) < 7:
        time += timedelta(microseconds=int(number))  # of two versions of one time the later counts
    replaces = tuple(one for each in parents if (one := _identifier(each, "id")))
    return DocumentVersion(key, name, replaces, sets[-1], time)


def _identifier(node: Node, name: str) -> str:
    given = next(iter(node.named.get(name, ())), None)
    if given is None or not given.attributes.get("root"):
        return ""
    return f"{given.attributes['root']}^{given.attributes.get('extension', '')}"
