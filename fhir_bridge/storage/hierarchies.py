"""What is above or below a resource, by the reference to what it is part of (R4 search.html#reference)."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.definitions import Definitions
from fhir_bridge.storage.conditions import FALSE, Condition, all_of, any_of, live
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.indexed import find_reference, reference_targets
from fhir_bridge.storage.permission import compile_access

__all__ = ["has_parts", "related_keys"]


def _parent(resource_type: str, known: Definitions) -> str | None:
    """The search parameter that leads to what a resource is part of, where that is of the same type."""
    for code in ("partof", "part-of"):
        parameter = find_reference(resource_type, code, known)
        if parameter is not None and resource_type in reference_targets(parameter):
            return code
    return None


def has_parts(resource_type: str, known: Definitions) -> bool:
    """Whether resources of the type are parts of others of it: Location, Organization, Encounter."""
    return _parent(resource_type, known) is not None


async def related_keys(
    types: Sequence[str], identity: str, dictionaries: Dictionaries, access: AccessFilter, *, below: bool
) -> Condition:
    """The keys of the resources with this id and of all below (or above) them, as an array (not a boolean).

    Only what the caller may find counts, and leads on.
    """
    ways: list[Condition] = []
    for kind in types:
        code = _parent(kind, dictionaries.definitions)
        permitted = await compile_access(access, kind, "s", dictionaries)
        if code is not None and permitted is not FALSE:
            number = await dictionaries.find_parameter(kind, code)
            ways.append(all_of([Condition(f"c.parameter = {number:d}"), live(kind), permitted]))
    start = Condition(
        "SELECT p.key FROM resource p WHERE p.type = ANY(%s) AND p.id = %s", (list(types), identity)
    )
    allowed = any_of(ways)
    known, met = ("c.target", "c.resource") if below else ("c.resource", "c.target")
    # UNION, not UNION ALL: a circle ends.
    step = (
        f"SELECT {met} FROM family f JOIN reference c ON {known} = f.key "  # noqa: S608
        f"JOIN resource r ON r.key = {met} WHERE {allowed.text}"
    )
    return Condition(
        f"ARRAY(WITH RECURSIVE family (key) AS ({start.text} UNION {step}) SELECT key FROM family)",  # noqa: S608
        (*start.values, *allowed.values),
    )
