"""Walking a definition whose shape is not yet known to be right: what has another shape is passed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_bridge.fhir.validation.run import Path

__all__ = ["elements", "objects", "text"]


def objects(owner: dict[str, Any], name: str, path: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """The objects in a repeating element, each with its path."""
    items = owner.get(name)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield item, (path, name, index)


def elements(structure: dict[str, Any], view: str, path: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """The elements of a StructureDefinition's `snapshot` or `differential`, each with its path."""
    owner = structure.get(view)
    if isinstance(owner, dict):
        yield from objects(owner, "element", (path, view, -1))


def text(owner: dict[str, Any], name: str) -> str:
    """The string that is there; empty where there is none."""
    entry = owner.get(name)
    return entry if isinstance(entry, str) else ""
