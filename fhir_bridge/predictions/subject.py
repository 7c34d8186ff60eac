"""A patient whom a model is asked about: the stored record, and what of it a result may rest on."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.fhir.purposes import PURPOSES
from fhir_bridge.governance.consent import decide, objects_to
from fhir_bridge.predictions.contract import Prediction, PredictorSettings, Refusal
from fhir_bridge.predictions.model_workers import ModelRecord
from fhir_bridge.predictions.objections import strictly
from fhir_bridge.predictions.record import (
    LONG_AGO,
    Evidence,
    codings,
    effective_of,
    is_asserted,
    modality_of,
    moment_of,
)
from fhir_bridge.predictions.resources import MODELS
from fhir_bridge.storage import Store, Stored
from fhir_bridge.storage.currency import RECORD_TYPES, used_hash
from fhir_bridge.storage.errors import StorageError
from fhir_bridge.storage.results import UsedInput
from fhir_bridge.storage.stored import parse

__all__ = ["Codes", "Subject", "UnknownInput", "read_subjects"]

_OF_PATIENT: Final = ("birthDate", "gender", "deceased[x]", "link")
_OF_LINKED: Final = ("link", "deceased[x]")
_OF_MEDICATION: Final = ("code", "status", "ingredient")
_WHOLE: Final = frozenset({"DiagnosticReport", "DocumentReference", "ImagingStudy"})
"""Types of which one resource is an input of a model that reads them."""
_IN_ERROR: Final = frozenset({"entered-in-error", "cancelled"})
MOST_GIVEN: Final = 50
"""Inputs that a failed run names at most."""
_LABEL: Final = "birth date, sex, whether deceased"


Codes = frozenset[tuple[str, str]]


class UnknownInput(Exception):
    """A model names an input that it was not given."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A patient's record as it was read.

    Attributes:
        linked: Patients that are the same person (ADT A40).
        resources: by reference (`Observation/x`): what the model sees.
        named: where its imaging studies are (Endpoint), and what is taken (Medication): of no patient. A Medication is
            an input of what rests on the order that refers to it.
        consents: whatever the caller may read: they decide about the run, and no model sees them.
        as_of: the moment of the question; nothing that was true or arrived later is in it.
        seen: hash of all that decides the result (`Identities.seen`); None where that is not known.
    """

    patient: Stored
    linked: tuple[Stored, ...]
    resources: Mapping[str, Stored]
    consents: tuple[Stored, ...]
    as_of: datetime
    seen: bytes | None = None
    named: tuple[Stored, ...] = ()

    @property
    def id(self) -> str:
        """The Patient's id."""
        return self.patient.id

    @property
    def size(self) -> int:
        """Bytes of the record."""
        return sum(len(stored.bytes) for stored in self.resources.values())

    def for_model(self) -> ModelRecord:
        """What goes to the model's process."""
        others = (*self.linked, *self.named, *self.resources.values())
        return ModelRecord(self.patient.bytes, [stored.bytes for stored in others], self.as_of)

    def refused_use(
        self,
        settings: PredictorSettings,
        code: tuple[str, str],
        model: str = "",
        known: Collection[str] = (),
    ) -> Refusal | None:
        """The refusal that takes the place of a run, by the patient's Consents.

        The purpose is asked first: research where the site has not approved the model, else the treatment that the
        site names it for. Then the model: a patient may object to one (`provision.code` with its name), or to all.

        Args:
            known: names of all models here; a name that none has is taken for those that are called alike.
        """
        purpose = "HRESCH" if settings.research_use else str(settings.options.get("purpose") or "TREAT")
        named = frozenset({(MODELS, model), (PREDICTION_CODES, "prediction")})
        consents = [(stored, stored.resource()) for stored in self.consents]
        for stored, consent in consents:
            if decide([consent], purpose) == "deny":
                what = "research" if purpose == "HRESCH" else PURPOSES.get(purpose, purpose)
                reason = (
                    "the patient opted out of research, and the model is for research use only"
                    if purpose == "HRESCH"
                    else f"the patient refuses {what}, for which the model runs"
                )
                return self._refusal(stored, code, f"{what}: denied", reason)
        for stored, consent in consents:
            if objects_to([strictly(consent, model, known)], named, purpose):
                return self._refusal(
                    stored, code, "prediction: denied", "the patient objects to this model's use"
                )
        return None

    @staticmethod
    def _refusal(stored: Stored, code: tuple[str, str], value: str, reason: str) -> Refusal:
        evidence = Evidence(_versioned(stored), "consent", value, "", "ehr")
        return Refusal(*code, "opted-out", f"{reason}: {evidence.reference}", "ehr", None, (evidence,))

    def given(
        self, codes: Codes | None, types: Collection[str], names: Mapping[tuple[str, str], str]
    ) -> tuple[Evidence, ...]:
        """What a run that failed was about: the newest resource of each input that the model declares.

        Args:
            codes: of its Observations; None: it declares none, so what it looked at is not known.
            types: that it reads beside them, of which studies and documents are inputs.
            names: what the model calls the inputs, by their codes.
        """
        newest: dict[object, tuple[datetime, Evidence]] = {}
        for stored in self.resources.values():
            for name, evidence in _given(stored, codes or frozenset(), types, names):
                moment = moment_of(evidence.time) or LONG_AGO
                if name not in newest or newest[name][0] <= moment:
                    newest[name] = (moment, evidence)
        inputs = {evidence.reference: evidence for _, evidence in newest.values()}
        return tuple(inputs[name] for name in sorted(inputs)[:MOST_GIVEN])

    def evidence_of(self, result: Prediction | Refusal) -> tuple[Evidence, ...]:
        """What the result rests on, the Patient first."""
        people = (self.patient, *self.linked)
        patients = tuple(Evidence(_versioned(stored), _LABEL, "", "", "ehr") for stored in people)
        named = {item.reference for item in patients}
        used = [item for item in result.evidence if item.reference not in named]
        return (*patients, *used, *self._medications(used))

    def _medications(self, used: Iterable[Evidence]) -> Iterator[Evidence]:
        """The Medications that used orders and statements refer to, each once."""
        known = {stored.id: stored for stored in self.named if stored.type == "Medication"}
        for item in used if known else ():
            stored = self.resources.get(item.reference.partition("/_history/")[0])
            name = None if stored is None else _medication_of(stored)
            if name is not None and (medication := known.pop(name, None)) is not None:
                yield Evidence(_versioned(medication), f"medication of {item.label}", "", "", "ehr")

    def inputs_of(self, result: Prediction | Refusal) -> tuple[UsedInput, ...]:
        """The same as what storage watches.

        Raises:
            UnknownInput: the result names something that is not in the record, or in another version.
        """
        others = (*self.resources.values(), *self.consents, *self.named)
        known = {_versioned(stored): stored for stored in others}
        inputs = [_used(self.patient, _OF_PATIENT, _LABEL, "")]
        inputs += [_used(stored, _OF_LINKED, "linked record", "") for stored in self.linked]
        seen = {entry.identity for entry in inputs}
        for item in self.evidence_of(result)[len(inputs) :]:
            stored = known.get(item.reference)
            if stored is None:
                raise UnknownInput
            if (stored.type, stored.id) not in seen:
                seen.add((stored.type, stored.id))
                elements = _OF_MEDICATION if stored.type == "Medication" else None
                inputs.append(_used(stored, elements, item.label, item.value))
        return tuple(inputs)


def _given(
    stored: Stored, codes: Codes, types: Collection[str], names: Mapping[tuple[str, str], str]
) -> Iterator[tuple[str | tuple[str, str], Evidence]]:
    """The inputs that a resource may be, each by its code; a study or document by its type."""
    whole = stored.type in types and stored.type in _WHOLE
    if not whole and (stored.type != "Observation" or not codes):
        return
    resource = stored.resource()
    if is_asserted(resource) or resource.get("status") in _IN_ERROR:
        return
    time, modality = (
        str(resource.get("started") or resource.get("date") or effective_of(resource)),
        modality_of(resource),
    )
    if whole:
        yield stored.type, Evidence(_versioned(stored), stored.type, "", time, modality)
        return
    for node in (resource, *resource.get("component", ())):
        for code in codes.intersection(codings(node.get("code"))):
            # Without the value: as the source has it, it is none that the model used, and of no drift.
            yield code, Evidence(_versioned(stored), names.get(code) or _named_by(node), "", time, modality)


def _named_by(node: Mapping[str, Any]) -> str:
    """What an input is, in words."""
    concept = node.get("code") or {}
    first: Mapping[str, Any] = next(iter(concept.get("coding", ())), {})
    return str(concept.get("text") or first.get("display") or first.get("code") or "input")


def _versioned(stored: Stored) -> str:
    return f"{stored.type}/{stored.id}/_history/{stored.version}"


def _used(stored: Stored, elements: tuple[str, ...] | None, label: str, value: str) -> UsedInput:
    digest = used_hash(_content(stored.bytes), elements)
    return UsedInput(stored.type, stored.id, stored.version, elements, digest, label, value)


def _content(text: bytes) -> dict[str, Any]:
    """What a stored resource says, as it will be written again."""
    value: dict[str, Any] = orjson.loads(text)
    # The exact reader costs several times as much, and few resources need it.
    return value if orjson.dumps(value) == text else parse(text)


async def read_subjects(
    store: Store,
    patient_ids: Sequence[str],
    access: AccessFilter,
    known: Mapping[str, Stored] | None = None,
    seen: Mapping[str, bytes] | None = None,
    codes: Codes | None = None,
) -> AsyncIterator[Subject]:
    """Read patients' records, as far as `access` lets them be read; of a record that was merged, the survivor's.

    Args:
        known: Patients that were read already.
        seen: of those of whom it is known (`Subject.seen`).
        codes: of the Observations that the models declare; of a long record others are not read. None: all are.

    Raises:
        StorageError: there is no such patient for this caller.
    """
    linked = await store.results.linked(patient_ids)
    records: Mapping[str, list[Stored]] = {}
    if access is EVERYTHING and len(patient_ids) > 1:
        alone = [name for name in patient_ids if name not in linked]
        records = await store.small_records(alone, ("Consent", *RECORD_TYPES))
    places: dict[tuple[str, str], Stored | None] = {}
    for patient_id in patient_ids:
        patient = (known or {}).get(patient_id) or await store.read("Patient", patient_id, access)
        people = {patient_id: patient}
        if patient_id in linked:
            people |= {item.id: item for item in await _linked(store, patient_id, access)}
        survivor = _survivor(patient_id, people)
        record = records.get(patient_id)
        if record is None:
            record = await store.results.record(patient_id, access, ("Consent", *RECORD_TYPES), _texts(codes))
        consents = [stored for stored in record if stored.type == "Consent"]
        if access is not EVERYTHING:
            consents = await store.results.record(patient_id, EVERYTHING, ("Consent",), ())
        yield Subject(
            people[survivor],
            tuple(stored for name, stored in sorted(people.items()) if name != survivor),
            {f"{stored.type}/{stored.id}": stored for stored in record if stored.type != "Consent"},
            tuple(consents),
            # The database's clock may be ahead of ours; what was read is known.
            max(datetime.now(UTC), *(stored.last_updated for stored in (patient, *record))),
            (seen or {}).get(patient_id),
            await _named(store, record, access, places),
        )


async def _named(
    store: Store, record: Sequence[Stored], access: AccessFilter, known: dict[tuple[str, str], Stored | None]
) -> tuple[Stored, ...]:
    """The Endpoints that imaging studies and the Medications that orders name, as far as they may be read."""
    names: dict[tuple[str, str], None] = {}
    for stored in record:
        if stored.type == "ImagingStudy" and b'"endpoint"' in stored.bytes:
            study = stored.resource()
            for owner in (study, *study.get("series", ())):
                for reference in owner.get("endpoint", ()):
                    if match := _ENDPOINT.search(str(reference.get("reference", ""))):
                        names["Endpoint", match[1]] = None
        elif (medication := _medication_of(stored)) is not None:
            names["Medication", medication] = None
    for name in names:
        if name not in known:
            try:
                known[name] = await store.read(*name, access)
            except StorageError:
                known[name] = None
    return tuple(entry for name in names if (entry := known[name]) is not None)


def _medication_of(stored: Stored) -> str | None:
    """Id of the Medication that an order or statement refers to."""
    if b'"medicationReference"' not in stored.bytes:
        return None
    reference = stored.resource().get("medicationReference") or {}
    match = _MEDICATION.search(str(reference.get("reference", "")))
    return match[1] if match else None


_ENDPOINT: Final = re.compile(r"(?:^|/)Endpoint/([A-Za-z0-9.-]{1,64})(?:/_history/|$)")
# Relative ones alone: of an address elsewhere the id is another drug's, whatever has that id here.
_MEDICATION: Final = re.compile(r"^Medication/([A-Za-z0-9.-]{1,64})(?:/_history/|$)")


async def _linked(store: Store, patient_id: str, access: AccessFilter) -> list[Stored]:
    return [stored async for stored in store.patient_record(patient_id, access, types=("Patient",))]


def _texts(codes: Codes | None) -> frozenset[str] | None:
    return None if codes is None else frozenset(code for _, code in codes)


def _survivor(patient_id: str, patients: Mapping[str, Stored]) -> str:
    """The record that this one was merged into, or itself."""
    seen = {patient_id}
    while True:
        if b'"replaced-by"' not in patients[patient_id].bytes:
            return patient_id
        links: list[dict[str, Any]] = patients[patient_id].resource().get("link", [])
        named = [
            str(link.get("other", {}).get("reference", "")).removeprefix("Patient/")
            for link in links
            if link.get("type") == "replaced-by"
        ]
        known = [name for name in named if name in patients and name not in seen]
        if not known:
            return patient_id
        patient_id = known[0]
        seen.add(patient_id)
