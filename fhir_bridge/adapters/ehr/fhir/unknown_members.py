"""Members within the elements of a resource that R4 does not have there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fhir_bridge.adapters.ehr.fhir.members import Member, member_of
from fhir_bridge.fhir.definitions import find_type

__all__ = ["without_unknown"]

_ANYWHERE: Final = frozenset(("id", "extension", "modifierExtension", "resourceType"))
_LEFT: Final = frozenset(("Narrative", "xhtml"))


def without_unknown(resource: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """The resource without them, and their paths; the very same where there are none. Its own members are left."""
    unknown: list[str] = []
    kind = str(resource.get("resourceType"))
    built = {}
    for name, value in resource.items():
        member = member_of(kind, None, name) if isinstance(name, str) else None
        built[name] = value if member is None else _walk(value, member, name, unknown)
    return (built, sorted(set(unknown))) if unknown else (resource, [])


def _walk(value: Any, member: Member, where: str, unknown: list[str]) -> Any:
    if isinstance(value, list):
        return [_walk(item, member, where, unknown) for item in value]
    if not isinstance(value, Mapping) or member.kind in _LEFT or find_type(member.kind) is None:
        return value
    kind, path = member.kind, member.path
    if path is None and isinstance(value.get("resourceType"), str):
        kind = value["resourceType"]
        if find_type(kind) is None:
            return value
    built = {}
    for name, item in value.items():
        if name in _ANYWHERE and name != "extension":
            built[name] = item
            continue
        child = member_of(kind, path, str(name).removeprefix("_"))
        if child is None:
            unknown.append(f"{where}.{name}")
        else:
            built[name] = (
                item if str(name).startswith("_") else _walk(item, child, f"{where}.{name}", unknown)
            )
    return built
