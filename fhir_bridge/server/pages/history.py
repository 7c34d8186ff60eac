"""Conditions, allergies, medication and visits; what was looked for and is absent is apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.predictions.record import certainty_of, modality_of
from fhir_bridge.server.pages.absence import KINDS, Statement, empty_text, is_statement, statements_of
from fhir_bridge.server.pages.imaging import study_of
from fhir_bridge.server.pages.reading import (
    LONGEST_TEXT,
    bounded,
    codes_of,
    concept_text,
    label_of,
    local_code,
    time_of,
)
from fhir_bridge.server.pages.results import is_genomic

__all__ = ["Entry", "History", "history_of"]

_MEDICATION: Final = frozenset(
    {"Immunization", "MedicationAdministration", "MedicationRequest", "MedicationStatement"}
)
_SHOWN: Final = frozenset(
    {
        "DiagnosticReport",
        "ImagingStudy",
        "Observation",
        "Patient",
        "RiskAssessment",
    }
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: what, since when, until when, and what else must be said of it."""

    id: str
    kind: str
    label: str
    start: str
    end: str
    status: str
    detail: str
    local: str | None


@dataclass(frozen=True, slots=True)
class History:
    """The lines of this part of the page.

    Attributes:
        others: what the page does not show, counted by type.
        stated: what sources state of the whole list of allergies, conditions, medications.
        empty: what each list says where it has no line.
        refuted: allergies that were looked for and are absent.
    """

    present: tuple[Entry, ...]
    absent: tuple[Entry, ...]
    withdrawn: tuple[Entry, ...]
    allergies: tuple[Entry, ...]
    medications: tuple[Entry, ...]
    visits: tuple[Entry, ...]
    reports: tuple[Entry, ...]
    others: tuple[tuple[str, int], ...]
    stated: Mapping[str, tuple[Statement, ...]]
    empty: Mapping[str, str]
    refuted: tuple[Entry, ...] = ()


def history_of(resources: Sequence[dict[str, Any]], access: AccessFilter = EVERYTHING) -> History:
    """Sort a record into lines, newest first; `access` is the reader's."""
    lines: dict[str, list[Entry]] = {}
    others: Counter[str] = Counter()
    studies = {resource["id"] for resource in resources if resource["resourceType"] == "ImagingStudy"}
    for resource in resources:
        location = _place(resource, studies)
        if location is not None:
            lines.setdefault(location, []).append(_entry(resource))
        elif (
            not is_statement(resource)
            and resource["resourceType"] not in _SHOWN
            and modality_of(resource) != "genomics"
        ):
            others[resource["resourceType"]] += 1
    for entries in lines.values():
        entries.sort(key=lambda entry: (entry.start, entry.label), reverse=True)
    names = ("present", "absent", "withdrawn", "allergies", "refuted", "medications", "visits", "reports")
    sorted_lines = {name: tuple(lines.get(name, ())) for name in names}
    return History(
        others=tuple(sorted(others.items())),
        stated=statements_of(resources),
        empty={kind: empty_text(*named, access) for kind, named in KINDS.items()},
        **sorted_lines,
    )


_CERTAINTIES: Final = {"V": "suspected", "Z": "history of"}
"""Certainties of ICD-10-GM that are said with a diagnosis; an excluded one is among the absent."""


def _place(resource: dict[str, Any], studies: Container[str]) -> str | None:
    kind = resource["resourceType"]
    verification = codes_of(resource.get("verificationStatus"))
    if is_statement(resource):
        void = "entered-in-error" in verification or resource.get("status") == "entered-in-error"
        return "withdrawn" if void else None
    if kind == "Condition":
        if "entered-in-error" in verification:
            return "withdrawn"
        excluded = "refuted" in verification or certainty_of(resource.get("code")) == "A"
        return "absent" if excluded else "present"
    if kind == "AllergyIntolerance":
        if "entered-in-error" in verification:
            return "withdrawn"
        return "refuted" if "refuted" in verification else "allergies"
    if kind in _MEDICATION:
        return "withdrawn" if resource.get("status") == "entered-in-error" else "medications"
    if kind == "Encounter":
        return "withdrawn" if resource.get("status") == "entered-in-error" else "visits"
    # A report of an imaging study is with the study, a genomic one with the variants.
    if kind == "DiagnosticReport" and study_of(resource) not in studies and not is_genomic(resource):
        return "reports"
    return None


def _entry(resource: dict[str, Any]) -> Entry:
    period = resource.get("period") or resource.get("effectivePeriod") or {}
    dosages = resource.get("dosageInstruction") or resource.get("dosage") or []
    concept = resource.get("code") or resource.get("medicationCodeableConcept") or resource.get("vaccineCode")
    detail = [bounded(str(item["text"])) for item in dosages if isinstance(item, dict) and item.get("text")]
    if resource["resourceType"] == "AllergyIntolerance":
        detail += [
            concept_text(manifestation)
            for reaction in resource.get("reaction", ())
            for manifestation in reaction.get("manifestation", ())
        ]
        detail += [f"criticality {resource['criticality']}"] if resource.get("criticality") else []
    if resource.get("conclusion"):
        detail.append(bounded(str(resource["conclusion"]), LONGEST_TEXT))
    clinical = concept_text(resource.get("clinicalStatus"))
    verification = concept_text(resource.get("verificationStatus"))
    # `confirmed` is what a reader expects, and `refuted` is said by the list itself.
    status = [str(resource.get("status") or clinical)]
    if verification not in ("", "confirmed", "refuted"):
        status.append(verification)
    status.append(_CERTAINTIES.get(certainty_of(concept), ""))
    return Entry(
        resource["id"],
        resource["resourceType"],
        label_of(resource),
        time_of(resource),
        str(period.get("end") or resource.get("abatementDateTime") or ""),
        ", ".join(filter(None, status)),
        "; ".join(filter(None, detail)),
        local_code(concept) if concept else None,
    )
