"""Who is in a Group now: its members that are Patients, those of Groups within it included."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fhir_bridge.fhir.access import AccessFilter, AccessRule
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.storage.errors import Gone, NotFound

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["for_groups", "members"]

MOST_GROUPS = 100
"""Groups within groups that are looked into."""


def for_groups(access: AccessFilter) -> AccessFilter:
    """The access by which a Group is looked into as the address of an export.

    Clients ask for scopes of what they want to have, and not of the Group (smart-fetch). A backend service that may
    read every Patient is told nothing of a patient by it, but that some are in a Group whose id it knows.

    A member who denies the purpose hides the Group, which names this member too. The others are exported all the same:
    what is given of each is decided by the caller's own access.
    """
    access = replace(access, purpose="PATRQT")
    unbounded = [
        rule.patient is None and not rule.criteria and {"r", "s"} <= rule.interactions
        for rule in access.rules
        if rule.type in ("*", "Patient")
    ]
    if access.permits("Group", "r") or not any(unbounded) or "/user:" in access.subject:
        return access
    return replace(access, rules=(*access.rules, AccessRule("Group", frozenset("r"))))


async def members(store: Store, group: str, access: AccessFilter) -> list[str]:
    """Ids of the Patients who are members, as the caller may read the Groups.

    Raises:
        NotFound, Gone: the Group itself is not there for this caller. A Group within it that is not has no members.
    """
    results: dict[str, None] = {}
    waiting, seen = [group], {group}
    while waiting:
        name = waiting.pop()
        try:
            content = loads((await store.read("Group", name, access)).bytes)
        except (NotFound, Gone):
            if name == group:
                raise
            continue
        for kind, identity in _current(content):
            if kind == "Patient":
                results[identity] = None
            elif kind == "Group" and identity not in seen and len(seen) < MOST_GROUPS:
                seen.add(identity)
                waiting.append(identity)
    return list(results)


def _current(group: dict[str, Any]) -> list[tuple[str, str]]:
    """Type and id of the members who have not left (R4 group-definitions.html#Group.member.inactive)."""
    results = []
    now = datetime.now(UTC).isoformat()
    for member in group.get("member", ()):
        if member.get("inactive") is True:
            continue
        end = str(member.get("period", {}).get("end", ""))
        # By as many characters as the end has: a member until 2026-03 is one for all of March.
        if end and now[: len(end)] > end:
            continue
        parts = str(member.get("entity", {}).get("reference", "")).split("/")
        if len(parts) >= 2:
            results.append((parts[0], parts[1]))
    return results
