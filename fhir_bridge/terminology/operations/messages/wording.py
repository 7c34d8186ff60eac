"""What the texts of the issues have in common."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["at", "joined"]


def joined(items: Sequence[str], last: str) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def at(path: str, element: str) -> str:
    """FHIRPath of an element of a coding, whose own path may be empty."""
    return f"{path}.{element}" if path else element
