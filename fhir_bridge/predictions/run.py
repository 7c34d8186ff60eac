"""Running a predictor over stored patients: one code path for `predict`, `$predict` and events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.fhir.ids import IdKey
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.plugins import get_manager
from fhir_bridge.predictions import resources
from fhir_bridge.predictions.contract import Prediction, Predictor, PredictorSettings, Refusal
from fhir_bridge.predictions.record import RECORD_TYPES, PatientRecord
from fhir_bridge.storage import Store
from fhir_bridge.storage.errors import StorageError
from fhir_bridge.terminology import get_terminology

__all__ = ["Predicted", "PredictionError", "PredictionRun", "find_predictor", "predictors"]

Outcome = Literal["written", "unchanged"]


class PredictionError(Exception):
    """A prediction that can't be made or stored; `code` is the issue code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a run left for one patient."""

    patient_id: str
    observation_id: str
    result: Prediction | Refusal
    outcome: Outcome


def predictors() -> dict[str, Predictor]:
    """All predictors by name, built-in and plugged in."""
    return {p.name: p for group in get_manager().hook.fhir_bridge_predictors() for p in group}


def find_predictor(name: str) -> Predictor:
    """The predictor of this name.

    Raises:
        PredictionError: FB-PRED-002, there is none.
    """
    known = predictors()
    if name not in known:
        raise PredictionError(
            "FB-PRED-002", f'there is no predictor "{name}"; there are {", ".join(sorted(known))}'
        )
    return known[name]


class PredictionRun:
    """A predictor, a site's decision about it, and a store.

    The id of a result hashes predictor, version, subject, settings and the exact input versions, so a run that sees
    nothing new writes nothing.
    """

    def __init__(self, predictor: Predictor, parameters: Mapping[str, Any], key: IdKey, store: Store) -> None:
        self._predictor = predictor
        self._settings = PredictorSettings.from_site(parameters, predictor.name)
        if not self._settings.enabled:
            raise PredictionError(
                "FB-PRED-001",
                f'"{predictor.name}" is not enabled at this site; enable it in the site file: '
                f"parameters: {{predictions: {{{predictor.name}: {{enabled: true}}}}}}",
            )
        self._key = key
        self._store = store
        self._validator = Validator(
            get_terminology(definitions=store.definitions), definitions=store.definitions
        )
        self._device_id = key.id("Device", predictor.name, predictor.version)
        self._card_id = key.id("DocumentReference", predictor.name, predictor.version)

    async def for_patient(self, patient_id: str, access: AccessFilter = EVERYTHING) -> Predicted:
        """Predict for one patient, of what `access` lets be read, and attach the result.

        Raises:
            StorageError: there is no such patient for this caller.
            PredictionError: FB-PRED-004, the result is not valid FHIR.
        """
        record = await self._record(patient_id, access)
        result = self._predict(record)
        if isinstance(result, Refusal) and result.effective is None:
            result = replace(result, effective=record.newest)
        evidence = "\n".join(sorted({item.reference for item in result.evidence}))
        text = str(result.percent) if isinstance(result, Prediction) else result.text
        parts = (self._predictor.name, self._predictor.version, patient_id, result.code, text, evidence)
        observation_id = self._key.id("Observation", *parts, optional=frozenset({4, 6}))
        if await self._exists("Observation", observation_id):
            return Predicted(patient_id, observation_id, result, "unchanged")
        await self._attach(patient_id, observation_id, result)
        return Predicted(patient_id, observation_id, result, "written")

    async def for_all(self, access: AccessFilter = EVERYTHING) -> AsyncIterator[Predicted]:
        """Predict for every patient that is current (a record merged into another one is left out)."""
        cursor = None
        while True:
            page = await self._store.search("Patient", [("_sort", "_id")], access, count=200, cursor=cursor)
            for entry in page.entries:
                patient = loads_exact(entry.bytes)
                if not any(link.get("type") == "replaced-by" for link in patient.get("link", ())):
                    yield await self.for_patient(entry.id, access)
            cursor = page.next
            if cursor is None:
                return

    async def members(self, group_id: str, access: AccessFilter = EVERYTHING) -> list[str]:
        """Ids of the Patients that are active members of a Group."""
        group = loads_exact((await self._store.read("Group", group_id, access)).bytes)
        references = [
            member["entity"].get("reference", "")
            for member in group.get("member", ())
            if not member.get("inactive")
        ]
        return [text.removeprefix("Patient/") for text in references if text.startswith("Patient/")]

    async def _record(self, patient_id: str, access: AccessFilter) -> PatientRecord:
        patient = loads_exact((await self._store.read("Patient", patient_id, access)).bytes)
        found = [
            loads_exact(entry.bytes)
            async for entry in self._store.patient_record(patient_id, access, types=RECORD_TYPES)
        ]
        return PatientRecord(patient, (item for item in found if item["resourceType"] != "Patient"))

    def _predict(self, record: PatientRecord) -> Prediction | Refusal:
        try:
            return self._predictor.predict(record, self._settings)
        except Exception as error:  # noqa: BLE001 - a plug-in's model may fail in any way; the failure is recorded
            text = f"the model failed: {type(error).__name__}"
            return Refusal("", self._predictor.title, "failed", text, "ehr", None)

    async def _exists(self, resource_type: str, resource_id: str) -> bool:
        try:
            await self._store.read(resource_type, resource_id, EVERYTHING)
        except StorageError:
            return False
        return True

    async def _attach(self, patient_id: str, observation_id: str, result: Prediction | Refusal) -> None:
        now = datetime.now(UTC)
        predictor, settings = self._predictor, self._settings
        written = [
            resources.observation(
                observation_id, patient_id, predictor, settings, result, self._device_id, now
            )
        ]
        if isinstance(result, Prediction):
            risk_id = self._key.id("RiskAssessment", observation_id)
            written.append(
                resources.risk_assessment(
                    risk_id, patient_id, predictor, result, self._device_id, observation_id
                )
            )
        targets = [f"{resource['resourceType']}/{resource['id']}" for resource in written]
        provenance_id = self._key.id("Provenance", observation_id)
        written.append(
            resources.provenance(provenance_id, targets, result, self._device_id, self._card_id, now)
        )
        shared = [
            resources.device(self._device_id, predictor),
            resources.model_card(self._card_id, predictor, settings, self._device_id),
        ]
        entries = [
            resource
            for resource in shared
            if not await self._exists(resource["resourceType"], resource["id"])
        ]
        entries += written
        for resource in entries:
            for issue in self._validator.validate(resource):
                if issue.severity in ("error", "fatal"):
                    raise PredictionError(
                        "FB-PRED-004", f"{predictor.name}: {issue.expression}: {issue.message}"
                    )
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {
                    "resource": resource,
                    "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
                }
                for resource in entries
            ],
        }
        await self._store.transaction(bundle, EVERYTHING)
