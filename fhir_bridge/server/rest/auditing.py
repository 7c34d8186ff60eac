"""Which AuditEvents a request leaves. Reads and searches are looked at later, off the way of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from fhir_bridge.fhir.record import OTHER_PERSON, owners_of
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.governance import audit
from fhir_bridge.server.audit_log import BATCH
from fhir_bridge.server.rest.call import Call
from fhir_bridge.storage import Stored
from fhir_bridge.storage.breathing import LARGE_BYTES, beside, is_large

__all__ = [
    "MANY",
    "audit_operation",
    "audit_read",
    "audit_search",
    "audit_write",
    "patients_of",
]

MANY = 20
"""Entries of a page that are looked at off the event loop."""


def patients_of(resource: dict[str, Any]) -> list[str]:
    """Ids of the patients whom a resource is about in its own words."""
    return [patient for patient in owners_of(resource).patients if patient != OTHER_PERSON]


def _patients(entries: Iterable[Stored]) -> Iterable[str]:
    for stored in entries:
        if stored.bytes:
            yield from patients_of(loads(stored.bytes))


async def audit_read(call: Call, stored: Stored, interaction: str) -> None:
    """A resource went out."""
    context = call.audit_context()

    def events() -> list[dict[str, Any]]:
        reference = f"{stored.type}/{stored.id}"
        return [
            audit.read(context, reference, patient=patient, interaction=interaction)
            for patient in audit.shared(patients_of(loads(stored.bytes)))
        ]

    # Parsed when it is written; a large one in a thread, so that reading it twice holds up nobody.
    await call.services.audit.later(events, heavy=MANY if len(stored.bytes) > LARGE_BYTES else 0)


async def audit_search(call: Call, query: str, entries: Sequence[Stored], interaction: str) -> None:
    """A page of a search or history went out."""
    context = call.audit_context()

    def events() -> list[dict[str, Any]]:
        return audit.search(context, query, _patients(entries), interaction=interaction)

    large = len(entries) > MANY or sum(len(stored.bytes) for stored in entries) > LARGE_BYTES
    await call.services.audit.later(events, heavy=max(MANY, len(entries)) if large else 0)


async def audit_operation(call: Call) -> None:
    """An operation ran."""
    reference = "/".join(filter(None, (call.type, call.id)))
    patient = call.id if call.type == "Patient" and call.id else call.caller.patient
    # Before the answer: an operation may show, or compute, whatever it likes.
    await call.services.audit.now(
        audit.operation(call.audit_context(), call.operation, reference, patient=patient)
    )


async def audit_write(
    call: Call, interaction: audit.Write, reference: str, resource: dict[str, Any] | None
) -> None:
    """Something was stored; recorded before the answer goes out.

    One event for each patient whom the write is about (`audit.shared`); a deletion goes by what it took away.
    """
    context = call.audit_context()
    kind, _, identity = reference.partition("/")
    if resource is None:
        patients = [*await call.services.store.owners(kind, identity)]
    else:
        patients = await beside(is_large(resource), partial(patients_of, {**resource, "id": identity}))
    groups = audit.shared(patients)
    # Parts of a batch each: a Group of 100,000 patients must not take one enormous transaction.
    for start in range(0, len(groups), BATCH):
        some = groups[start : start + BATCH]
        build = partial(_written, context, interaction, reference, some)
        await call.services.audit.first(build, heavy=len(some) if len(groups) > MANY else 0)


def _written(
    context: audit.Context, interaction: audit.Write, reference: str, groups: Sequence[audit.Patients]
) -> list[dict[str, Any]]:
    return [audit.write(context, interaction, reference, patient=some) for some in groups]
