"""Which AuditEvents a request leaves. Reads and searches are looked at later, off the way of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from fhir_bridge.fhir.record import OTHER_PERSON, is_followed, owners_of
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.governance import audit
from fhir_bridge.governance.event_rows import read_row, search_row, write_records
from fhir_bridge.server.rest.call import Call
from fhir_bridge.storage import Stored, Written
from fhir_bridge.storage.audit_rows import AuditOf, AuditRecord
from fhir_bridge.storage.breathing import LARGE_BYTES

__all__ = [
    "MANY",
    "audit_of",
    "audit_operation",
    "audit_read",
    "audit_search",
    "audit_written",
]

MANY = 20
"""Entries of a page that are looked at off the event loop."""


def _patients(entries: Iterable[Stored]) -> Iterable[str]:
    """Ids of the patients whom resources are about in their own words."""
    for stored in entries:
        if stored.bytes:
            yield from (
                patient for patient in owners_of(loads(stored.bytes)).patients if patient != OTHER_PERSON
            )


async def _through(call: Call, entries: Sequence[Stored]) -> list[str]:
    """Ids of the patients who are known by what is followed: whose document has a content, what has a Provenance."""
    named = [
        (stored.type, stored.id)
        for stored in entries
        if stored.type != "AuditEvent" and is_followed(stored.type)
    ]
    return await call.services.store.owners(*named) if named else []


async def audit_read(call: Call, stored: Stored, interaction: str) -> None:
    """A resource went out."""
    row = read_row(call.audit_context(), f"{stored.type}/{stored.id}", interaction)
    through = await _through(call, [stored])

    def records() -> list[AuditRecord]:
        return audit.records(None, [*_patients([stored]), *through], row)

    # Parsed when it is written; a large one in a thread, so that reading it twice holds up nobody.
    await call.services.audit.later(records, heavy=MANY if len(stored.bytes) > LARGE_BYTES else 0)


async def audit_written(call: Call, result: Written) -> None:
    """A write was answered. One that changed nothing left no record of its own, and may show what is stored.

    Without it, a patch without operations or a conditional create would be a way to read that nobody sees.
    """
    if result.outcome == "unchanged" and call.preference not in ("minimal", "OperationOutcome"):
        await audit_read(call, result.stored, "read")


async def audit_search(call: Call, query: str, entries: Sequence[Stored], interaction: str) -> None:
    """A page of a search or history went out."""
    row = search_row(call.audit_context(), query, interaction)
    through = await _through(call, entries)

    def records() -> list[AuditRecord]:
        return audit.records(None, chain(_patients(entries), through), row)

    large = len(entries) > MANY or sum(len(stored.bytes) for stored in entries) > LARGE_BYTES
    await call.services.audit.later(records, heavy=max(MANY, len(entries)) if large else 0)


async def audit_operation(call: Call) -> None:
    """An operation ran."""
    reference = "/".join(filter(None, (call.type, call.id)))
    patient = call.id if call.type == "Patient" and call.id else call.caller.patient
    # Before the answer: an operation may show, or compute, whatever it likes.
    await call.services.audit.now(
        audit.operation(call.audit_context(), call.operation, reference, patient=patient)
    )


def audit_of(call: Call) -> AuditOf:
    """Makes what is recorded of the request's writes, with which it is stored.

    One event for each patient whom a write is about (`audit.records`); a deletion goes by what it took away.
    """
    return write_records(call.audit_context())
