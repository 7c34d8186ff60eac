"""Members within the elements of a resource that R4 does not have there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from fhir_bridge.fhir.definitions import find_type

__all__ = ["without_unknown"]

_ANYWHERE: Final = frozenset(("id", "extension", "modifierExtension", "resourceType"))
_LEFT: Final = frozenset(("Narrative", "xhtml"))


class _Member(NamedTuple):
    """What a member is: its type, and the path of its own members where the type of the resource has these."""

    kind: str
    path: str | None


def without_unknown(resource: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """The resource without them, and their paths; the very same where there are none. Its own members are left."""
    unknown: list[str] = []
    kind = str(resource.get("resourceType"))
    built = {}
    for name, value in resource.items():
        member = _member(kind, None, name) if isinstance(name, str) else None
        built[name] = value if member is None else _walk(value, member, name, unknown)
    return (built, sorted(set(unknown))) if unknown else (resource, [])


def _walk(value: Any, member: _Member, where: str, unknown: list[str]) -> Any:
    if isinstance(value, list):
        return [_walk(item, member, where, unknown) for item in value]
    if not isinstance(value, Mapping) or member.kind in _LEFT or find_type(member.kind) is None:
        return value
    kind, path = member
    if member.path is None and isinstance(value.get("resourceType"), str):
        kind = value["resourceType"]
        if find_type(kind) is None:
            return value
    built = {}
    for name, item in value.items():
        if name in _ANYWHERE and name != "extension":
            built[name] = item
            continue
        child = _member(kind, path, str(name).removeprefix("_"))
        if child is None:
            unknown.append(f"{where}.{name}")
        else:
            built[name] = (
                item if str(name).startswith("_") else _walk(item, child, f"{where}.{name}", unknown)
            )
    return built


@cache
def _member(kind: str, path: str | None, name: str) -> _Member | None:
    definition = find_type(kind)
    child = definition.child(path or definition.root.id, name) if definition is not None else None
    if definition is None or child is None:
        return None
    element, of = child
    inside = element.id if definition.children(element.id) else None
    return _Member(kind if inside is not None else of, inside)
