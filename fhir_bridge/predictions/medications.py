"""What is taken now, was taken, or perhaps is not: by the status of a medication, its times and its words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from fhir_bridge.fhir.ucum import UcumError, convert
from fhir_bridge.predictions.record import AHEAD, PatientRecord, Statement, moment_of

__all__ = ["GIVEN", "LISTED", "MEDICATIONS", "is_of_list", "medications"]

LISTED: Final = ("MedicationRequest", "MedicationStatement")
"""A list of what is taken: what it does not have is not taken."""

GIVEN: Final = ("MedicationDispense", "MedicationAdministration")
"""Single events: what was handed over or given is taken for a time; that nothing was says nothing."""

MEDICATIONS: Final = (*LISTED, *GIVEN)

SUPPLY: Final = timedelta(days=100)
"""So long lasts what was handed over, where its supply is not stated."""

DOSE: Final = timedelta(days=7)
"""So long after it was given a drug counts as taken."""

_MEANT: Final = frozenset({"proposal", "plan", "directive", "option"})
"""Intents of a MedicationRequest that are no order yet."""

_NOT_TAKEN: Final = frozenset(
    {"entered-in-error", "not-taken", "not-done", "cancelled", "declined", "draft", "intended", "preparation"}
)
_STOPPED: Final = frozenset({"stopped", "completed", "on-hold", "ended"})
"""Of a list. What was dispensed or administered is `completed` where it was."""

_NOT: Final = re.compile(
    r"\b(?:abgesetzt|absetzen|pausier\w*|gestoppt|stop(?:p|ped)?|discontinu\w+|paused|withheld|on hold|nicht mehr|"
    r"no longer|nicht (?:ein)?genommen|nimmt (?:\w+ )?nicht|not tak(?:en|ing)|never tak(?:en|ing)|declin\w+|refus\w+|"
    r"abgelehnt|verweiger\w+|intoleran\w+|unvertr[aä]glich\w*|nicht vertragen|not tolerated|allerg\w+|kontraindizi\w+|"
    r"contraindicat\w+|placebo|arr[eê]t\w*|suspendu\w*|suspendid\w+|sospes\w+|interrott\w+|gestopt)\b"
    r"|^\W*(?:no|not|never|without|hold|kein\w*|nicht|nie|ohne|sans|pas de|sin|senza|geen|niet)\b"
    r"|[:(–-]\s*(?:no|nein|non)\W*$",
    re.IGNORECASE,
)
"""Words by which people say in a text that a drug is not taken."""


def medications(record: PatientRecord) -> Iterator[Statement]:
    """Each that is taken, was, or may be: `suspected` where its status is unknown or its words say that it is not."""
    for kind in MEDICATIONS:
        for medication in record.all(kind):
            status = medication.get("status")
            if not is_of_list(medication) or status in _NOT_TAKEN or not _begun(record, medication):
                continue
            if kind in GIVEN:
                current = _lasts(record, medication)
            else:
                current = status not in _STOPPED and not _over(record, medication)
            concept = _drug_of(record, medication)
            doubtful = status == "unknown" or (current and any(map(_NOT.search, _words(concept, medication))))
            yield Statement(medication, concept, "present", doubtful, current)


def is_of_list(medication: Mapping[str, Any]) -> bool:
    """Whether a resource belongs to what is taken or was: no proposal, plan or option, and nothing to avoid."""
    return medication.get("intent") not in _MEANT and not medication.get("doNotPerform")


def _drug_of(record: PatientRecord, medication: dict[str, Any]) -> Any:
    """The concept of what is taken; that of the Medication where one is referred to.

    None where it is not here, or in error.
    """
    concept = medication.get("medicationCodeableConcept")
    if concept is not None:
        return concept
    reference = str((medication.get("medicationReference") or {}).get("reference", ""))
    for contained in medication.get("contained", ()):
        if reference == f"#{contained.get('id')}":
            return contained.get("code")
    # As it is: of an address elsewhere the id is another drug's, whatever has that id here.
    name = reference.partition("/_history/")[0]
    for item in record.all("Medication"):
        if f"Medication/{item['id']}" == name and item.get("status") != "entered-in-error":
            return item.get("code")
    return None


def _words(concept: Any, medication: Mapping[str, Any]) -> Iterator[str]:
    """What a person wrote of the drug and how it is taken."""
    if isinstance(concept, dict):
        yield str(concept.get("text") or "")
        yield from (str(coding.get("display") or "") for coding in concept.get("coding", ()))
    for name in ("dosage", "dosageInstruction"):
        dosages = medication.get(name) or ()
        for dosage in (dosages,) if isinstance(dosages, dict) else dosages:
            yield str(dosage.get("text") or "")


def _when(medication: Mapping[str, Any]) -> datetime | None:
    period = medication.get("effectivePeriod") or {}
    names = ("whenHandedOver", "whenPrepared", "effectiveDateTime")
    text = next((medication[name] for name in names if medication.get(name)), period.get("start"))
    return moment_of(str(text or ""))


def _begun(record: PatientRecord, medication: Mapping[str, Any]) -> bool:
    """Whether it is taken by now, or was: it does not begin later."""
    start = _when(medication)
    return start is None or start <= record.as_of + AHEAD


def _over(record: PatientRecord, medication: Mapping[str, Any]) -> bool:
    """Whether its period has ended, whatever its status says; a day, month or year ends with its last moment."""
    end = _end(medication)
    return end is not None and end < record.as_of


def _end(medication: Mapping[str, Any]) -> datetime | None:
    text = str((medication.get("effectivePeriod") or {}).get("end") or "")
    end = moment_of(text)
    if end is None:
        return None
    return end + {4: timedelta(days=366), 7: timedelta(days=31), 10: timedelta(days=1)}.get(
        len(text), timedelta(0)
    )


def _lasts(record: PatientRecord, medication: Mapping[str, Any]) -> bool:
    """Whether what was handed over or given is still taken; what has no time is of any."""
    begun = _when(medication)
    if begun is None:
        return False
    if medication["resourceType"] == "MedicationAdministration":
        return record.as_of - max(begun, _end(medication) or begun) <= DOSE
    return record.as_of - begun <= _supply(medication.get("daysSupply") or {})


def _supply(supply: Mapping[str, Any]) -> timedelta:
    try:
        days = convert(Decimal(str(supply["value"])), str(supply.get("code") or "d"), "d")
    except (KeyError, UcumError, ArithmeticError):
        return SUPPLY
    return timedelta(days=min(max(float(days), 0), 3650))
