"""Nothing recorded, none known, not asked, and not shown: four things that an empty list would make look alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.predictions.record import codings
from fhir_bridge.server.pages.reading import codes_of, time_of

__all__ = ["KINDS", "Statement", "empty_text", "is_statement", "statements_of"]

SNOMED: Final = "http://snomed.info/sct"
_LOINC: Final = "http://loinc.org"
_IPS: Final = "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips"
_LISTS: Final = "http://terminology.hl7.org/CodeSystem/list-example-codes"

KINDS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "allergies": ("allergies", ("AllergyIntolerance",)),
    "conditions": ("conditions", ("Condition",)),
    "medications": (
        "medication",
        ("Immunization", "MedicationAdministration", "MedicationRequest", "MedicationStatement"),
    ),
}
"""Name in texts and resource types of each list of the page."""

_STATED: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    (SNOMED, "716186003"): ("allergies", "no known allergies"),
    (SNOMED, "160244002"): ("allergies", "no known allergies"),
    (SNOMED, "409137002"): ("allergies", "no known drug allergies"),
    (SNOMED, "428607008"): ("allergies", "no known environmental allergies"),
    (SNOMED, "429625007"): ("allergies", "no known food allergies"),
    (SNOMED, "716184000"): ("allergies", "no known latex allergy"),
    (SNOMED, "1003774007"): ("allergies", "no known latex allergy"),
    (_IPS, "no-known-allergies"): ("allergies", "no known allergies"),
    (_IPS, "no-known-medication-allergies"): ("allergies", "no known medication allergies"),
    (_IPS, "no-known-environmental-allergies"): ("allergies", "no known environmental allergies"),
    (_IPS, "no-known-food-allergies"): ("allergies", "no known food allergies"),
    (_IPS, "no-allergy-info"): ("allergies", "no information about allergies is available"),
    (SNOMED, "160245001"): ("conditions", "no current problems or disability"),
    (_IPS, "no-known-problems"): ("conditions", "no known problems"),
    (_IPS, "no-problem-info"): ("conditions", "no information about problems is available"),
    (SNOMED, "787481004"): ("medications", "no known medications"),
    (SNOMED, "182904002"): ("medications", "it is unknown whether there is medication"),
    (_IPS, "no-known-medications"): ("medications", "no known medications"),
    (_IPS, "no-medication-info"): ("medications", "no information about medication is available"),
}
"""Codes that state an absence, where an entry would have a substance or a condition."""

_SUBJECTS: Final[Mapping[tuple[str, str], str]] = {
    (_LOINC, "48765-2"): "allergies",
    (_LOINC, "52472-8"): "allergies",
    (_LISTS, "allergies"): "allergies",
    (_LOINC, "11450-4"): "conditions",
    (_LOINC, "11348-0"): "conditions",
    (_LISTS, "problems"): "conditions",
    (_LOINC, "10160-0"): "medications",
    (_LISTS, "medications"): "medications",
}
"""What a List or a section of a document is about."""

_REASONS: Final[Mapping[str, str]] = {
    "nilknown": "no known {}",
    "notasked": "nobody asked about {}",
    "withheld": "information about {} was withheld",
    "unavailable": "no information about {} was available",
    "notstarted": "the list of {} is not begun",
    "closed": "the list of {} is closed",
}
"""list-empty-reason: why a list is empty."""

# What does not hold says nothing of the list either; `inactive` and `resolved` are clinical statuses.
_VOID: Final = frozenset({"entered-in-error", "refuted", "inactive", "resolved", "retired"})


@dataclass(frozen=True, slots=True)
class Statement:
    """What a source states of a list as a whole, and when."""

    text: str
    time: str


def is_statement(resource: Mapping[str, Any]) -> bool:
    """Whether an entry states an absence, so that it is no allergy, condition or medicine of the patient."""
    return _stated(resource) is not None


def statements_of(resources: Sequence[dict[str, Any]]) -> dict[str, tuple[Statement, ...]]:
    """What is stated of allergies, conditions and medications, the newest first, each once."""
    results: dict[str, list[Statement]] = {name: [] for name in KINDS}
    for resource in resources:
        for kind, statement in _statements(resource):
            results[kind].append(statement)
    for statements in results.values():
        statements.sort(key=lambda statement: statement.time, reverse=True)
    return {kind: tuple(dict.fromkeys(statements)) for kind, statements in results.items()}


def _statements(resource: dict[str, Any]) -> Iterator[tuple[str, Statement]]:
    status = {str(resource.get("status", ""))}
    for element in ("verificationStatus", "clinicalStatus"):
        status |= codes_of(resource.get(element))
    if status & _VOID:
        return
    stated = _stated(resource)
    if stated is not None:
        yield stated[0], Statement(stated[1], time_of(resource))
    elif resource.get("resourceType") == "List" and not resource.get("entry"):
        yield from _emptied(resource, str(resource.get("date", "")))
    elif resource.get("resourceType") == "Composition":
        for section in _sections(resource.get("section", ())):
            if not section.get("entry"):
                yield from _emptied(section, str(resource.get("date", "")))


def _stated(resource: Mapping[str, Any]) -> tuple[str, str] | None:
    # Only the types of the lists: a code of SNOMED CT in an Observation is a finding, not an entry of a list.
    concept = resource.get("code") or resource.get("medicationCodeableConcept")
    types = next((types for _, types in KINDS.values() if resource.get("resourceType") in types), ())
    for coding in codings(concept) if types else ():
        stated = _STATED.get(coding)
        if stated is not None and resource.get("resourceType") in KINDS[stated[0]][1]:
            return stated
    return None


def _sections(sections: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for section in sections:
        yield section
        yield from _sections(section.get("section", ()))


def _emptied(holder: Mapping[str, Any], time: str) -> Iterator[tuple[str, Statement]]:
    """What an empty List or section states by its reason."""
    kind = next((_SUBJECTS[coding] for coding in codings(holder.get("code")) if coding in _SUBJECTS), None)
    text = next((_REASONS[code] for code in codes_of(holder.get("emptyReason")) if code in _REASONS), None)
    if kind is not None and text is not None:
        yield kind, Statement(text.format(KINDS[kind][0]), time)


def empty_text(name: str, types: Sequence[str], access: AccessFilter) -> str:
    """What is in the place of an empty list: nothing recorded, or that the reader may not see all or any."""
    rules = [access.rules_for(item, "r") for item in types]
    if not any(rules):
        return f"Not shown: this account has no access to {name}."
    # Criteria or withheld labels may hide entries, so that an empty list proves nothing.
    whole = all(any(not rule.criteria for rule in item) for item in rules) and not access.withheld_labels
    if not whole:
        return f"No {name} among what this account may see; it may not see all."
    return f"No {name} recorded. That does not mean that there are none."
