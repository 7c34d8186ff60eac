"""Which type a reference refers to, checked by the reference itself: search never goes and looks (R4 search.html)."""

from __future__ import annotations

from typing import Any

__all__ = ["target_type"]

_STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"


def target_type(reference: dict[str, Any], resource: dict[str, Any]) -> str | None:
    """The type of a Reference's target; None where neither its text, nor a contained resource, nor its `type` says it.

    Args:
        reference: the Reference, of any shape.
        resource: where it is; its `contained` are looked up.
    """
    text = reference.get("reference")
    if isinstance(text, str):
        if text.startswith("#"):
            return _contained(text[1:], resource)
        path, _, _ = text.partition("/_history/")
        parts = path.rsplit("/", 2)
        if len(parts) > 1 and parts[-2][:1].isupper() and parts[-2].isalpha():
            return parts[-2]
    stated = reference.get("type")
    return stated.removeprefix(_STRUCTURE) if isinstance(stated, str) else None


def _contained(identity: str, resource: dict[str, Any]) -> str | None:
    """The type of a contained resource; of the resource itself where there is no id (`#`)."""
    if not identity:
        resource_type = resource.get("resourceType")
        return resource_type if isinstance(resource_type, str) else None
    contained = resource.get("contained")
    for inner in contained if isinstance(contained, list) else ():
        if isinstance(inner, dict) and inner.get("id") == identity:
            resource_type = inner.get("resourceType")
            return resource_type if isinstance(resource_type, str) else None
    return None
