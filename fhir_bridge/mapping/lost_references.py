"""Takes references to lost outputs out of a resource."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.mapping.runtime import Output

__all__ = ["remove_references"]


def remove_references(
    output: Output, gone: set[str], required: Sequence[tuple[str, ...]]
) -> tuple[list[tuple[str, str]], str]:
    """Remove references to `gone` (`Type/id`) from an output.

    A part that needs the reference (`List.entry.item`) goes with it.

    Args:
        output: changed in place.
        gone: references to remove.
        required: JSON names of the resource's required elements; one of each tuple must be there.

    Returns:
        What was removed, as (element path, reference); and the path of a required element that is missing now.
        Containers are rebuilt, not changed: constants are shared between outputs.
    """
    removed: list[tuple[str, str]] = []
    resource = _without(output.resource, gone, output.type, removed)
    if not removed:
        return [], ""
    output.resource = resource
    for names in required:
        if not any(name in resource for name in names):
            return removed, f"{output.type}.{names[0]}"
    return removed, ""


def _needed(path: str) -> bool:
    """Whether R4 requires the element at this path of a resource."""
    element = definitions.type_definition(path.partition(".")[0]).element(path)
    return element is not None and element.min > 0


def _without(value: Any, gone: set[str], path: str, removed: list[tuple[str, str]]) -> Any:
    if isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str) and reference in gone:
            removed.append((path, reference))
            return None
        kept = {}
        changed = False
        for key, item in value.items():
            if isinstance(item, dict | list):
                result = _without(item, gone, f"{path}.{key}", removed)
                changed = changed or result is not item
                if result is None:
                    if "." in path and _needed(f"{path}.{key}"):
                        return None
                    continue
                kept[key] = result
            else:
                kept[key] = item
        if not changed:
            return value
        return kept or None
    kept_items = [
        result
        for result in (
            _without(item, gone, path, removed) if isinstance(item, dict | list) else item for item in value
        )
        if result is not None
    ]
    if len(kept_items) == len(value) and all(a is b for a, b in zip(kept_items, value, strict=True)):
        return value
    return kept_items or None
