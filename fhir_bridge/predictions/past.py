"""A record as it was known at a moment: what a model would have said then."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from orjson import loads

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.predictions.record import is_declared
from fhir_bridge.predictions.subject import Codes, Subject, read_subjects
from fhir_bridge.storage import Store, Stored
from fhir_bridge.storage.currency import RECORD_TYPES
from fhir_bridge.storage.errors import BadResource, NotFound, StorageError

__all__ = ["moment_asked", "subject_at"]


def moment_asked(text: str) -> datetime:
    """An `as_of` as a moment: a day means its end, in UTC; today means now.

    Raises:
        BadResource: it is none, has no zone, or is in the future.
    """
    now = datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
        if len(text) == 10:
            moment = moment.replace(hour=23, minute=59, second=59, microsecond=999999, tzinfo=UTC)
            moment = min(moment, now) if moment.date() == now.date() else moment
    except ValueError as error:
        raise BadResource("as_of is a date, or a time with its zone: 2026-03-01T12:00:00Z") from error
    if moment.tzinfo is None:
        raise BadResource("as_of has no zone: write 2026-03-01T12:00:00Z, or the date alone")
    if moment > now:
        raise BadResource("as_of is in the future: nobody knows the record of then")
    return moment


async def subject_at(
    store: Store, patient_id: str, access: AccessFilter, moment: datetime, codes: Codes | None = None
) -> Subject:
    """The patient as of a moment: what had arrived by then, in the version of then, as far as `access` allows.

    codes: see `read_subjects`. Consents are those of now: they decide about the run, which is now.

    Raises:
        StorageError: there is no such patient for this caller, or none was known then.
    """
    (subject,) = [item async for item in read_subjects(store, [patient_id], access, codes=codes)]
    then = (await store.results.as_of([subject.id], ("Patient", *RECORD_TYPES), moment))[subject.id]
    if codes is not None:  # by the content of then, of which no index knows
        then = [item for item in then if item.type != "Observation" or is_declared(loads(item.bytes), codes)]
    seen = {(item.type, item.id) for item in (subject.patient, *subject.linked, *subject.named)}
    seen |= {(item.type, item.id) for item in subject.resources.values()}
    known = [item for item in then if (item.type, item.id) in seen or await _may_see(store, item, access)]
    patients = {item.id: item for item in known if item.type == "Patient"}
    if subject.id not in patients:
        raise NotFound("the patient was not known here at this as_of")
    return replace(
        subject,
        patient=patients.pop(subject.id),
        linked=tuple(stored for _, stored in sorted(patients.items())),
        resources={
            f"{item.type}/{item.id}": item for item in known if item.type not in ("Patient", "Medication")
        },
        as_of=moment,
        seen=None,
        named=tuple(
            [item for item in subject.named if item.type != "Medication"]
            + [item for item in known if item.type == "Medication"]
        ),
    )


async def _may_see(store: Store, item: Stored, access: AccessFilter) -> bool:
    """Whether the caller may read what was there then, and is deleted or in another record by now."""
    if access is EVERYTHING:
        return True
    try:
        await store.vread(item.type, item.id, str(item.version), access)
    except StorageError:
        return False
    return True
