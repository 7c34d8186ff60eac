"""Which AuditEvents a request leaves. Reads and searches are looked at later, off the way of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fhir_bridge.fhir.serialization import loads
from fhir_bridge.governance import audit
from fhir_bridge.server.rest.call import Call
from fhir_bridge.storage import Stored

__all__ = ["MANY", "audit_operation", "audit_read", "audit_search", "audit_write", "patient_of"]

MANY = 20
"""Entries of a page that are looked at off the event loop."""
_SUBJECTS = ("subject", "patient", "individual", "beneficiary", "for")


def patient_of(resource: dict[str, Any]) -> str | None:
    """Id of the patient a resource is about, by its subject element."""
    if resource.get("resourceType") == "Patient":
        return resource.get("id")
    for name in _SUBJECTS:
        subject = resource.get(name)
        reference = subject.get("reference", "") if isinstance(subject, dict) else ""
        if isinstance(reference, str) and reference.startswith("Patient/"):
            return reference.split("/")[1]
    return None


def _patients(entries: Iterable[Stored]) -> Iterable[str]:
    for stored in entries:
        patient = patient_of(loads(stored.bytes)) if stored.bytes else None
        if patient:
            yield patient


async def audit_read(call: Call, stored: Stored, interaction: str) -> None:
    """A resource went out."""
    context = call.audit_context()

    def events() -> list[dict[str, Any]]:
        patient = next(iter(_patients([stored])), None)
        return [audit.read(context, f"{stored.type}/{stored.id}", patient=patient, interaction=interaction)]

    await call.services.audit.later(events)


async def audit_search(call: Call, query: str, entries: Sequence[Stored], interaction: str) -> None:
    """A page of a search or history went out."""
    context = call.audit_context()

    def events() -> list[dict[str, Any]]:
        return audit.search(context, query, _patients(entries), interaction=interaction)

    await call.services.audit.later(events, heavy=len(entries) if len(entries) > MANY else 0)


async def audit_operation(call: Call) -> None:
    """An operation ran."""
    reference = "/".join(filter(None, (call.type, call.id)))
    patient = call.id if call.type == "Patient" and call.id else call.caller.patient
    await call.services.audit.now(
        audit.operation(call.audit_context(), call.operation, reference, patient=patient)
    )


async def audit_write(
    call: Call, interaction: audit.Write, reference: str, resource: dict[str, Any] | None
) -> None:
    """Something was stored; recorded before the answer goes out."""
    patient = patient_of(resource) if resource else call.caller.patient
    await call.services.audit.now(audit.write(call.audit_context(), interaction, reference, patient=patient))
