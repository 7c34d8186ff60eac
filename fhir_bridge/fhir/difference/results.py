"""What a comparison finds: places where two sides differ, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir.serialization import dumps

__all__ = ["ABSENT", "Difference", "render"]

_LONGEST = 200
"""Characters of a value that are shown."""


class _Absent:
    """Stands for a value that one side doesn't have."""

    def __repr__(self) -> str:
        return "absent"


ABSENT: Any = _Absent()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two resources differ; `ABSENT` where a side has nothing.

    Attributes:
        path: FHIRPath-like, with the left side's list positions where it has the item, else the right side's.
    """

    path: str
    left: Any
    right: Any

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`, seen from the left."""
        if self.left is ABSENT:
            return "added"
        return "removed" if self.right is ABSENT else "changed"

    def to_json(self) -> dict[str, Any]:
        """For programs: `kind`, `path`, and `left` and `right` where that side has a value."""
        results = {"kind": self.kind, "path": self.path}
        return results | {
            side: value for side, value in (("left", self.left), ("right", self.right)) if value is not ABSENT
        }

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.left)} ≠ {_shown(self.right)}"


def render(differences: Iterable[Difference]) -> str:
    """For people: a line for each place, `+` and `-` for what only the right or the left has, and the count."""
    lines = []
    for difference in differences:
        if difference.kind == "changed":
            lines.append(f"~ {difference.path}: {_shown(difference.left)} → {_shown(difference.right)}")
        elif difference.kind == "added":
            lines.append(f"+ {difference.path}: {_shown(difference.right)}")
        else:
            lines.append(f"- {difference.path}: {_shown(difference.left)}")
    count = len(lines)
    lines.append("no differences" if not count else f"{count} difference{'s' if count > 1 else ''}")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "absent"
    text = dumps(value).decode()
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
