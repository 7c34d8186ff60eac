"""What R4 has as a JSON member of a type, on the way through a resource."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from fhir_bridge.fhir.definitions import Element, find_type

__all__ = ["Member", "member_of"]


class Member(NamedTuple):
    """A member.

    Attributes:
        element: its definition. type: its own type.
        kind: the type that has its members. path: theirs within it; None where `kind` is its own type.
    """

    element: Element
    type: str
    kind: str
    path: str | None


@cache
def member_of(kind: str, path: str | None, name: str) -> Member | None:
    """The member of this name of a type, or of what is at a path in it; None where R4 has none."""
    definition = find_type(kind)
    child = definition.child(path or definition.root.id, name) if definition is not None else None
    if definition is None or child is None:
        return None
    element, own = child
    inside = element.id if definition.children(element.id) else None
    return Member(element, own, own if inside is None else kind, inside)
