"""A store with a patient for whom SCORE2 is meant, and what the tests do to the record."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.serialization import loads, loads_exact
from fhir_bridge.predictions import Predicted, PredictionRun
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.storage import Store
from fhir_bridge.storage.results import SUPERSEDED, Standing
from tests.predictions.records import blood_pressure, quantity, record, smoking

T = TypeVar("T")

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
ENABLED: dict[str, Any] = {"predictions": {"score2": {"enabled": True, "region": "moderate"}}}
APPROVED: dict[str, Any] = {
    "predictions": {
        "score2": {
            "enabled": True,
            "region": "moderate",
            "intended_use": "prevention clinic",
            "regulatory_status": "in-house",
            "approver": "Medical director",
        }
    }
}
SBP, CHOLESTEROL, HDL, SMOKING = "85354-9-0", "14647-2-6-3", "14646-4-1-4", "72166-2-0"


def of_patient(resource: dict[str, Any], patient: str = "p") -> dict[str, Any]:
    """The resource as a source sends it, of a patient."""
    found = {**resource, "meta": {"source": "urn:fhir-bridge:csv:lab"}}
    found["subject"] = {"reference": f"Patient/{patient}"}
    if found["resourceType"] == "Observation":
        kind = "vital-signs" if found["id"].startswith("85354") else "laboratory"
        found["category"] = [{"coding": [{"system": CATEGORY, "code": kind}]}]
    else:
        system = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
        for coding in found["verificationStatus"]["coding"]:
            coding["system"] = system
    return found


def pressure(systolic: float, **more: Any) -> dict[str, Any]:
    """The patient's blood pressure."""
    return of_patient(blood_pressure(systolic)) | more


def records() -> list[dict[str, Any]]:
    """The patient and SCORE2's inputs."""
    inputs = [quantity("14647-2", 6.3, "mmol/L"), quantity("14646-4", 1.4, "mmol/L"), smoking("266919005")]
    return [record().patient, pressure(137), *(of_patient(item) for item in inputs)]


def consent(status: str = "active") -> dict[str, Any]:
    """The patient's refusal of research."""
    return {
        "resourceType": "Consent",
        "id": "no-research",
        "status": status,
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/p"},
        "dateTime": "2026-01-01",
        "provision": {
            "type": "deny",
            "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}],
        },
    }


class Clinic:
    """What the tests do."""

    def __init__(self, store: Store) -> None:
        self.store = store

    async def predict(
        self, parameters: dict[str, Any] = ENABLED, patient: str = "p", model: Any = None
    ) -> Predicted:
        run = PredictionRun(model or Score2(), parameters, IdKey(DEMO_KEY), self.store)
        return await run.for_patient(patient)

    async def write(self, resource: dict[str, Any]) -> None:
        await self.store.update(resource["resourceType"], resource["id"], resource, EVERYTHING)

    async def read(self, kind: str, identity: str) -> Any:
        return loads((await self.store.read(kind, identity, EVERYTHING)).bytes)

    async def find(self, kind: str, *parameters: tuple[str, str]) -> list[Any]:
        page = await self.store.search(kind, list(parameters), EVERYTHING, count=500)
        return [loads_exact(entry.bytes) for entry in page.entries]

    async def results(self) -> list[Any]:
        """All Observations of models."""
        return await self.find("Observation", ("_security", "AIAST"))

    async def standings(self, patient: str = "p") -> list[Standing]:
        return await self.store.results.of_patient(patient)

    async def current(self, patient: str = "p") -> list[str]:
        return [one.id for one in await self.standings(patient) if one.state == "current"]

    async def jobs(self) -> list[dict[str, Any]]:
        """Payloads of the jobs that wait."""
        async with self.store.connection() as connection:
            rows = await connection.execute("SELECT payload FROM job WHERE state = 'ready' ORDER BY key")
            return [row[0] for row in await rows.fetchall()]


def is_superseded(resource: dict[str, Any]) -> bool:
    """Whether it has the tag."""
    return any(tag["code"] == SUPERSEDED["code"] for tag in resource["meta"].get("tag", ()))


def in_clinic(url: str, work: Callable[[Clinic], Awaitable[T]]) -> T:
    """Do it in a store that holds the patient."""

    async def run() -> T:
        async with await Store.open(url) as store:
            await store.load(records(), adapter="test")
            return await work(Clinic(store))

    return asyncio.run(run())
