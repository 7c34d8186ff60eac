"""What callers may not write: audit entries, predictions, and labels that the server set."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.storage.errors import Gone, NotFound

__all__ = ["AI_LABEL", "READ_ONLY_TYPES", "check_new", "keep_labels"]

READ_ONLY_TYPES = frozenset({"AuditEvent"})
AI_LABEL = "AIAST"
"""v3-ObservationValue: made by artificial intelligence; only the server's own predictors set it."""


def _labels(resource: dict[str, Any]) -> list[dict[str, Any]]:
    meta = resource.get("meta")
    labels = meta.get("security") if isinstance(meta, dict) else None
    return [label for label in labels if isinstance(label, dict)] if isinstance(labels, list) else []


def _is_prediction(resource: dict[str, Any]) -> bool:
    return any(label.get("code") == AI_LABEL for label in _labels(resource))


def check_new(resource: dict[str, Any]) -> None:
    """Refuse a resource that only the server may make.

    Raises:
        Refusal: 403.
    """
    if resource.get("resourceType") in READ_ONLY_TYPES:
        raise refuse(403, "FB-REST-012", f"{resource['resourceType']} is written by the server only")
    if _is_prediction(resource):
        raise refuse(
            403, "FB-REST-012", f"the label {AI_LABEL} is set by the server only", source="meta.security"
        )


async def keep_labels(
    call: Call, resource_type: str, resource_id: str, resource: dict[str, Any] | None
) -> None:
    """Before an update or delete: refuse it on a prediction, and carry security labels over into the new version.

    R4 resource.html#meta: labels stay unless the server takes them off.

    Raises:
        Refusal: 403, where the caller may know of the resource.
    """
    try:
        stored = await call.services.store.read(resource_type, resource_id, EVERYTHING)
    except (NotFound, Gone):
        return
    if b'"security"' not in stored.bytes:
        return
    current = loads(stored.bytes)
    if _is_prediction(current):
        await call.services.store.read(resource_type, resource_id, call.access)  # 404 comes before 403
        raise refuse(403, "FB-REST-012", "a prediction can't be changed or deleted over the API")
    if resource is None:
        return
    has = {(label.get("system"), label.get("code")) for label in _labels(resource)}
    missing = [label for label in _labels(current) if (label.get("system"), label.get("code")) not in has]
    if missing:
        meta = resource.setdefault("meta", {})
        meta["security"] = [*_labels(resource), *missing]
