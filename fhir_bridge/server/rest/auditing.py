"""Which AuditEvents a request leaves. Reads and searches are looked at later, off the way of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fhir_bridge.fhir.record import OTHER_PERSON, owners_of
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.governance import audit
from fhir_bridge.server.rest.call import Call
from fhir_bridge.storage import Stored

__all__ = [
    "MANY",
    "audit_operation",
    "audit_read",
    "audit_search",
    "audit_write",
    "patients_of",
    "write_events",
]

MANY = 20
"""Entries of a page that are looked at off the event loop."""


def patients_of(resource: dict[str, Any]) -> list[str | None]:
    """Ids of the patients whom a resource is about in its own words; one None where there are none."""
    patients: list[str | None] = [
        patient for patient in owners_of(resource).patients if patient != OTHER_PERSON
    ]
    return patients or [None]


def _patients(entries: Iterable[Stored]) -> Iterable[str]:
    for stored in entries:
        if stored.bytes:
            yield from filter(None, patients_of(loads(stored.bytes)))


async def audit_read(call: Call, stored: Stored, interaction: str) -> None:
    """A resource went out."""
    context = call.audit_context()

    def events() -> list[dict[str, Any]]:
        reference = f"{stored.type}/{stored.id}"
        return [
            audit.read(context, reference, patient=patient, interaction=interaction)
            for patient in patients_of(loads(stored.bytes))
        ]

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
    events = await write_events(call, call.audit_context(), interaction, reference, resource)
    await call.services.audit.now(*events)


async def write_events(
    call: Call,
    context: audit.Context,
    interaction: audit.Write,
    reference: str,
    resource: dict[str, Any] | None,
) -> list[dict[str, Any]]:
    """One event for each patient whom a write is about; a deletion goes by what it took away."""
    kind, _, identity = reference.partition("/")
    if resource is None:
        patients: list[str | None] = [*await call.services.store.owners(kind, identity)] or [None]
    else:
        patients = patients_of({**resource, "id": identity})
    return [audit.write(context, interaction, reference, patient=patient) for patient in patients]
