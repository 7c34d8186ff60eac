"""What a clinical statement is: by its templates (C-CDA R2.1 §3), else by its element and mood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fhir_bridge.adapters.ehr.ccda.node import NOTHING, Node

__all__ = ["DIASTOLIC", "KINDS", "PARTS", "WRAPPERS", "kind_of"]

DIASTOLIC: Final = "DiastolicPressure"
"""A diastolic pressure that is a part of the systolic one (`pressures.py`)."""
_ENTRY: Final = "2.16.840.1.113883.10.20.22.4."

_TEMPLATES: Final[Mapping[str, str]] = {
    number: kind
    for kind, numbers in {
        "ProblemConcern": "3",
        "AllergyConcern": "30",
        "HealthConcern": "132 136",
        "EncounterDiagnosis": "80",
        "DischargeDiagnosis": "33",
        "AdmissionDiagnosis": "34",
        "PreoperativeDiagnosis": "65",
        "PostprocedureDiagnosis": "51",
        "Problem": "4",
        "Allergy": "7",
        "Reaction": "9",
        "Severity": "8",
        "Criticality": "145",
        "ProblemStatus": "6",
        "AllergyStatus": "28",
        "HealthStatus": "5",
        "AgeAtOnset": "31",
        "Indication": "19",
        "Instruction": "20",
        "Comment": "64",
        "PriorityPreference": "143",
        "EntryReference": "122",
        "AdministeredAct": "118",
        "FreeTextSig": "147",
        "SubstanceSubstitution": "54.1",
        "Medication": "16",
        "PlannedMedication": "42",
        "MedicationSupplyOrder": "17",
        "MedicationDispense": "18",
        "Immunization": "52",
        "PlannedImmunization": "120",
        "ImmunizationRefusal": "53",
        "Procedure": "12 13 14",
        "Plan": "39 41 44 40 43 129 130 140 123 109.1",
        "Panel": "1 26 66 75 108 135",
        "Observation": "2 27 78 85 38 67 74 200 48 111 109 72 69 114 76 77 138 128 124 133 113 134",
        "Encounter": "49",
        "FamilyHistory": "45",
        "FamilyObservation": "46",
        "FamilyDeath": "47",
        "CoverageActivity": "60",
        "Policy": "61",
        "Goal": "121",
        "Note": "202",
        "CareTeam": "500",
        "CareTeamMember": "500.1",
        "DischargeMedication": "35",
        "AdmissionMedication": "36",
        "ImagingSeries": "63",
    }.items()
    for number in numbers.split()
}
_OTHERS: Final = {
    "2.16.840.1.113883.10.20.1.19": "Authorization",
    "2.16.840.1.113883.10.20.24.3.90": "Allergy",
    "2.16.840.1.113883.10.20.6.2.6": "ImagingStudy",
    "2.16.840.1.113883.10.20.6.2.8": "ImagingInstance",
}

PARTS: Final[Mapping[str, frozenset[str]]] = {
    kind: frozenset(containers.split())
    for kind, containers in {
        "Reaction": "Allergy",
        "Severity": "Allergy Reaction",
        "Criticality": "Allergy",
        "ProblemStatus": "Problem",
        "AllergyStatus": "Allergy",
        "HealthStatus": "Problem",
        "AgeAtOnset": "Problem FamilyObservation",
        "FamilyObservation": "FamilyHistory",
        "FamilyDeath": "FamilyObservation",
        "AdministeredAct": "Immunization PlannedImmunization",
        "ImmunizationRefusal": "Immunization PlannedImmunization",
        "CareTeamMember": "CareTeam",
        "Authorization": "Policy",
        "CoveragePlan": "Policy",
        "ImagingSeries": "ImagingStudy",
        "ImagingInstance": "ImagingSeries",
        "Indication": "*",
        "Instruction": "*",
        "Comment": "*",
        "PriorityPreference": "*",
        "EntryReference": "*",
        "FreeTextSig": "*",
        DIASTOLIC: "Observation",
    }.items()
}
"""Statements that say something of the one they are in, by where they do."""

WRAPPERS: Final = frozenset(
    """ProblemConcern AllergyConcern EncounterDiagnosis DischargeDiagnosis AdmissionDiagnosis PreoperativeDiagnosis
    PostprocedureDiagnosis CoverageActivity DischargeMedication AdmissionMedication""".split()
)
"""Statements that hold those they are about."""

_PROBLEMS: Final = frozenset(("Problem", "Risk", "Plan"))
_MEDICATIONS: Final = frozenset(("Medication", "MedicationRequest", "Immunization", "Plan"))
_HELD: Final = {
    "ProblemConcern": _PROBLEMS,
    "AllergyConcern": frozenset(("Allergy", "Risk", "Plan")),
    "EncounterDiagnosis": _PROBLEMS,
    "DischargeDiagnosis": _PROBLEMS,
    "AdmissionDiagnosis": _PROBLEMS,
    "PreoperativeDiagnosis": _PROBLEMS,
    "PostprocedureDiagnosis": _PROBLEMS,
    "CoverageActivity": frozenset(("Policy",)),
    "DischargeMedication": _MEDICATIONS,
    "AdmissionMedication": _MEDICATIONS,
}

_BY_ELEMENT: Final = {
    "observation": "Observation",
    "act": "Act",
    "organizer": "Panel",
    "substanceAdministration": "Medication",
    "supply": "Supply",
    "encounter": "Encounter",
    "procedure": "Procedure",
    "observationMedia": "Media",
    "regionOfInterest": "Observation",
}
_ORDERED: Final = {
    "Medication": "MedicationRequest",
    "PlannedMedication": "MedicationRequest",
    "MedicationSupplyOrder": "MedicationRequest",
    "Immunization": "Plan",
    "PlannedImmunization": "Plan",
    "Procedure": "Plan",
    "Act": "Plan",
    "Observation": "Plan",
    "Encounter": "Plan",
    "Supply": "Plan",
    "Panel": "Plan",
    "Problem": "Plan",
    "Allergy": "Plan",
    "HealthConcern": "Plan",
    "FamilyHistory": "Plan",
    "MedicationDispense": "MedicationRequest",
}
_RISKS: Final = frozenset(("RSK", "EXPEC"))
"""Moods of what may come."""
_NO_STATEMENTS: Final = frozenset(("DEF", "CRT", "OPT", "PERM", "PERMRQ", "SLOT"))
"""Moods of what says nothing of the patient: definitions, criteria, options."""
_GENERAL: Final = {"PlannedMedication": "Medication", "PlannedImmunization": "Immunization"}

KINDS: Final = frozenset(
    """Problem HealthConcern Allergy Medication MedicationRequest MedicationDispense Immunization Procedure Plan Panel
    Observation Encounter FamilyHistory Goal Policy Note CareTeam Supply Act Media Risk ImagingStudy Image""".split()
)
"""Kinds of statements that a rule is written for."""


def kind_of(statement: Node, container: Node) -> str:
    """The kind of a statement within the one that it is in (`NOTHING` for an entry)."""
    if statement.kind == DIASTOLIC:
        return DIASTOLIC
    kind = ""
    for template in statement.children:
        if template.tag == "templateId":
            root = template.attributes.get("root", "")
            kind = (
                _TEMPLATES.get(root.removeprefix(_ENTRY), "")
                if root.startswith(_ENTRY)
                else _OTHERS.get(root, "")
            )
            if kind:
                break
    mood = statement.attributes.get("moodCode", "EVN")
    if mood in _NO_STATEMENTS or mood.endswith(".CRT"):
        return "CoveragePlan" if container.kind == "Policy" else ""
    if mood in _RISKS:
        return "Risk" if statement.tag == "observation" else ""
    if kind in PARTS and container is not NOTHING and PARTS[kind] & {"*", container.kind}:
        return kind
    if kind in WRAPPERS and _HELD[kind].isdisjoint(_held(statement)):
        kind = ""
    if kind in PARTS:
        kind = "Image" if kind == "ImagingInstance" else ""
    kind = kind or _BY_ELEMENT[statement.tag]
    if mood == "GOL":
        return "Goal"
    if kind == "Supply" and container.tag == "substanceAdministration":
        kind = "MedicationDispense" if mood == "EVN" else "MedicationSupplyOrder"
    if kind == "Medication" and statement.tag == "substanceAdministration" and _vaccine(statement):
        kind = "Immunization"
    if mood != "EVN":
        return _ORDERED.get(kind, kind)
    return _GENERAL.get(kind, "MedicationDispense" if kind == "MedicationSupplyOrder" else kind)


def _vaccine(statement: Node) -> bool:
    material = statement.path(
        "consumable", "manufacturedProduct", "manufacturedMaterial", "code", "codeSystem"
    )
    return bool(material == "2.16.840.1.113883.12.292")


def _held(statement: Node) -> list[str]:
    """The kinds by template of the statements in one."""
    return [kind_of(inner, NOTHING) for inner in statement.contained()]
