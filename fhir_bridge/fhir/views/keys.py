"""getReferenceKey() of a Reference's JSON as the FHIRPath engine gives it: `Type/id`, as getResourceKey() there."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir import definitions

__all__ = ["reference_key"]


def reference_key(reference: dict[str, Any], wanted: str | None) -> str | None:
    """The key of the resource that a Reference names by type and id; None where it names none, or another type."""
    text = reference.get("reference")
    if not isinstance(text, str) or text.startswith(("#", "urn:")):
        return None
    parts = text.partition("/_history/")[0].split("|")[0].split("/")
    if len(parts) < 2 or parts[-2] not in definitions.resource_types() or wanted not in (None, parts[-2]):
        return None
    return f"{parts[-2]}/{parts[-1]}"
