"""The patients a person may choose from, for the picker and the launch page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.storage.errors import StorageError

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["PatientChoice", "may_see_encounter", "may_see_patient", "named_patient", "patients"]

MOST = 50


@dataclass(frozen=True, slots=True)
class PatientChoice:
    """A patient in a list."""

    id: str
    name: str
    birth_date: str


def _name(patient: dict[str, Any]) -> str:
    names = [name for name in patient.get("name", ()) if isinstance(name, dict)]
    for name in names:
        # Of a part with extensions only the value is null.
        parts = [part for part in (*name.get("given", ()), name.get("family")) if part]
        text = name.get("text") or " ".join(parts)
        if text.strip():
            return str(text).strip()
    return f"Patient {patient.get('id', '')}"


def _choice(patient: dict[str, Any]) -> PatientChoice:
    return PatientChoice(patient["id"], _name(patient), patient.get("birthDate", ""))


async def patients(store: Store, access: AccessFilter, name: str = "") -> list[PatientChoice]:
    """Up to 50 patients whom this access may see, by name."""
    parameters = [("name", name[:100])] if name.strip() and "\x00" not in name else []
    try:
        page = await store.search("Patient", parameters, access, count=MOST)
    except StorageError:
        # Whatever the caller may not search is an empty list, not an error: the page says that there is nobody.
        return []
    choices = [_choice(loads(entry.bytes)) for entry in page.entries]
    return sorted(choices, key=lambda choice: choice.name.casefold())


async def may_see_patient(store: Store, access: AccessFilter, patient: str) -> bool:
    """Whether this access reads that Patient."""
    if not patient or "\x00" in patient:
        return False
    try:
        await store.read("Patient", patient, access)
    except StorageError:
        return False
    return True


async def named_patient(store: Store, access: AccessFilter, patient: str) -> PatientChoice | None:
    """That Patient, for a page that names whom something is about; None where this access does not read it."""
    if not await may_see_patient(store, access, patient):
        return None
    return _choice(loads((await store.read("Patient", patient, access)).bytes))


async def may_see_encounter(store: Store, access: AccessFilter, encounter: str, patient: str) -> bool:
    """Whether this access finds that Encounter, and it is the patient's."""
    if not encounter or "\x00" in encounter:
        return False
    parameters = [("_id", encounter), ("patient", f"Patient/{patient}")]
    try:
        page = await store.search("Encounter", parameters, access, count=1)
    except StorageError:
        return False
    # An unknown parameter would have been left out, and the encounter be another patient's.
    return len(page.entries) == 1 and not page.unknown
