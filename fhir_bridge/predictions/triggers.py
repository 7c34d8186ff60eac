"""Models that run by themselves when a record gets new data: `trigger: new-data` of a site's block.

A patient with a result is the business of the transaction that writes (`storage.currency`). A patient without one is
seen here, by a consumer of the change feed: it adds a job, one a patient and model, which waits for a moment in which
more data may come, and is there after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from zlib import crc32

from fhir_bridge.storage import Store
from fhir_bridge.storage.changes import Change
from fhir_bridge.storage.currency import RECORD_TYPES, dedupe_of, job_kind_of
from fhir_bridge.storage.errors import StorageError
from fhir_bridge.storage.jobs import Jobs

__all__ = ["CONSUMER", "TYPES", "add_trigger_jobs", "triggered_models"]

CONSUMER: Final = "prediction-triggers"
TYPES: Final = ("Patient", *RECORD_TYPES)
DEBOUNCE: Final = timedelta(seconds=2)


def triggered_models(parameters: Mapping[str, Any]) -> list[str]:
    """Enabled models that run on new data."""
    blocks = parameters.get("predictions") or {}
    return sorted(
        str(name)
        for name, block in blocks.items()
        if isinstance(block, Mapping)
        and block.get("enabled") is True
        and block.get("trigger") == "new-data"
        and not block.get("shadow_of")
    )


async def add_trigger_jobs(store: Store, changes: Sequence[Change], models: Iterable[str]) -> int:
    """Add a job for each patient of the changes and model; how many patients those were.

    What models wrote triggers nothing: a run would else ask for the next one, without end.
    """
    patients: dict[str, None] = {}
    observations = [change.id for change in changes if change.type == "Observation" and not change.deleted]
    predicted = await store.results.states(observations) if observations else {}
    for change in changes:
        if change.type == "Observation" and predicted.get(change.id, "untracked") != "untracked":
            continue
        if change.type == "Patient":
            if not change.deleted:
                patients[change.id] = None
            continue
        try:
            owners = await store.owners((change.type, change.id))
        except StorageError:
            continue
        patients.update(dict.fromkeys(owners))
    jobs = Jobs(store.pool, CONSUMER)
    for patient in patients:
        for model in models:
            # The queue of the patient, never 0, as those of `storage.currency`: one at a time.
            await jobs.add(
                job_kind_of(model),
                {"patient": patient, "model": model},
                queue=(crc32(patient.encode()) & 0x3FFFFFFF) | 1,
                delay=DEBOUNCE,
                dedupe=dedupe_of(model, patient),
            )
    return len(patients)
