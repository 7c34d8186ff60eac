"""JSON Merge Patch (RFC 7396): a partial resource, of which `null` takes away."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.patch.documents import check_depth, identity
from fhir_bridge.fhir.patch.errors import PatchError

__all__ = ["merge_patch"]


def merge_patch(resource: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The resource after a JSON Merge Patch; the one given is not touched.

    Args:
        resource: its JSON, from `loads_exact` where decimals must keep their digits.
        changes: members that replace those of the resource; objects are merged, lists replaced, `null` removes.

    The outcome is JSON, not yet valid FHIR. Validate it.

    Raises:
        PatchError: the changes change `resourceType` or `id`, or nest too deeply.
    """
    check_depth(changes)
    merged = _merged(resource, changes)
    if not isinstance(merged, dict) or identity(merged) != identity(resource):
        raise PatchError("a patch may not change resourceType or id")
    return merged


def _merged(target: Any, changes: Any) -> Any:
    """RFC 7396 §2."""
    if not isinstance(changes, dict):
        return changes
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result
