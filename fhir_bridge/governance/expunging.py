"""The certificate of an expunction: a Provenance that lists what went, and holds nothing of it.

Resources that went are named by identifier, not by reference: they are not there any more, and a reference would put
the certificate into a record that is gone.
"""

from __future__ import annotations

from typing import Any

from fhir_bridge.storage.expunging import Expunged
from fhir_bridge.storage.stored import new_id, now

__all__ = ["ACTIVITY", "certificate", "is_certificate"]

ACTIVITY = ("https://fhir-bridge.org/fhir/CodeSystem/activity", "expunge")
"""What the certificate of this server is about, beside the code of ISO 21089."""
_DESTROY = ("http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "destroy")
_HASH = "urn:ietf:rfc:3986"


def certificate(expunged: Expunged, *, base: str, who: dict[str, Any], reason: str) -> dict[str, Any]:
    """The Provenance of an expunction, with an id.

    Args:
        base: of this server, the system of the identifiers.
        who: a Reference to the person, or application, that asked for it.
        reason: in the person's own words.
    """
    targets = [
        {"type": gone.type, "identifier": {"system": base, "value": f"{gone.type}/{gone.id}"}}
        for gone in expunged.resources
        if gone.cause == "named"
    ]
    entities: list[dict[str, Any]] = []
    for gone in expunged.resources:
        described = f"{gone.versions} version{'s' if gone.versions > 1 else ''} ({gone.cause})"
        if gone.stays:
            described += ", the current one stays"
        if gone.digest:
            described += f"; SHA-256 of the last: {gone.digest}"
        entities.append(_removed(base, f"{gone.type}/{gone.id}", described, gone.type))
    entities += [
        _removed(_HASH, f"urn:sha256:{digest}", "content outside the database")
        for digest in expunged.contents
    ]
    for source in expunged.sources:
        waited = f"; {source.entries} entries of the inbox waited on it" if source.entries else ""
        name = ", ".join(source.names) or "without a name"
        entities.append(_removed(base, f"kept-source/{source.hash}", f"kept source {name}{waited}"))
    entities += [
        _removed(base, f"_bulk/{identity}", "export that may have held it") for identity in expunged.exports
    ]
    activity = [{"system": system, "code": code} for system, code in (_DESTROY, ACTIVITY)]
    return {
        "resourceType": "Provenance",
        "id": new_id(),
        "target": targets,
        "recorded": now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "reason": [{"text": reason}],
        "activity": {"coding": activity},
        "agent": [{"who": who}],
        "entity": entities,
    }


def _removed(system: str, value: str, display: str, kind: str = "") -> dict[str, Any]:
    what: dict[str, Any] = {"identifier": {"system": system, "value": value}, "display": display}
    return {"role": "removal", "what": {"type": kind, **what} if kind else what}


def is_certificate(resource: dict[str, Any]) -> bool:
    """Whether a resource says that it is the certificate of an expunction."""
    activity = resource.get("activity") if resource.get("resourceType") == "Provenance" else None
    codings = activity.get("coding") if isinstance(activity, dict) else None
    return isinstance(codings, list) and any(
        isinstance(coding, dict) and (coding.get("system"), coding.get("code")) == ACTIVITY
        for coding in codings
    )
