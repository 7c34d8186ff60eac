"""What a table is about, and so which resources its rows become."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from fhir_bridge.workshop.first_mapping.guessing import CVX, RXNORM, Guess
from fhir_bridge.workshop.first_mapping.headers import tokens
from fhir_bridge.workshop.first_mapping.values import ATC, ICD10, LOINC, NDC

__all__ = ["Plan", "plan_of"]

_WORDS = (
    ("AllergyIntolerance", r"allerg"),
    ("Immunization", r"immuni[sz]|vaccin|impf"),
    ("MedicationStatement", r"medic|drug|prescri|medikation|farmac|ordonnance"),
    ("Procedure", r"procedure|operation|eingriff|intervention|surg"),
    ("Condition", r"condition|diagnos|problem|diagnose|maladie"),
    ("Encounter", r"encounter|visit|aufenthalt|sejour|admission|ricover|episod"),
    ("Observation", r"observ|lab|measure|vital|result|befund|messung|esami|analys"),
)
_SYSTEMS = {
    ATC: "MedicationStatement",
    RXNORM: "MedicationStatement",
    NDC: "MedicationStatement",
    CVX: "Immunization",
    ICD10: "Condition",
    LOINC: "Observation",
}


@dataclass(slots=True)
class Plan:
    """The resources that rows become.

    Attributes:
        patient: whether each row says enough about a person for a Patient.
        event: type of the resource of the row's main code, or of its visit; empty for none.
        measures: columns that become an Observation each.
        evidence: why.
    """

    patient: bool = False
    event: str = ""
    measures: list[Guess] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)


def plan_of(path: Path, guesses: list[Guess]) -> Plan:
    """What a table's rows become."""
    roles = {guess.role for guess in guesses}
    plan = Plan()
    who = {"given", "family", "birth-date"} & roles or (
        {"name", "sex"} & roles if "patient-id" in roles else set()
    )
    if "patient-id" in roles and who:
        plan.patient = True
        plan.evidence.append(f"Patient: the rows have {', '.join(sorted(who))}")
    main = main_code(guesses)
    measures = [
        guess
        for guess in guesses
        if guess.role in ("number", "boolean", "category", "age", "blood-pressure")
        and not re.search(r"^(lat|lon|lng|latitude|longitude)$", tokens(guess.column))
    ]
    if main is not None:
        plan.event, why = _of_code(path, guesses, main, roles)
        plan.evidence.append(f"{plan.event}: {why}")
        if "assumed" in why:
            plan.questions.append(f"what are the rows about? {plan.event} is assumed")
    elif {"display", "value"} <= roles:
        plan.event = "Observation"
        plan.evidence.append("Observation: rows have the name of a test and its value")
    elif "start" in roles and ("end" in roles or "encounter-id" in roles) and "patient-id" in roles:
        plan.event = "Encounter"
        plan.evidence.append("Encounter: rows have a patient, a start and an end, and no code")
    if plan.event not in ("", "Observation", "Encounter") and "patient-id" not in roles:
        plan.questions.append(
            f"whose are the rows? Without a patient they can't be {plan.event}s; each column is kept"
        )
        plan.event, measures = "", [g for g in guesses if g.role not in ("empty", "id")][:50]
    if not plan.event and measures:
        plan.measures = measures
        plan.evidence.append(
            f"Observation: {len(measures)} columns are measurements, a result each (a wide table)"
        )
    if not plan.event and not plan.patient and not plan.measures:
        plan.measures = [g for g in guesses if g.role not in ("empty", "id", "patient-id")][:50]
        plan.evidence.append(
            "Observation: nothing says what the rows are, so each column is kept as a finding"
        )
        plan.questions.append("what are the rows about?")
    return plan


def main_code(guesses: list[Guess]) -> Guess | None:
    """The column of codes that the rows are about: the first that no other column's name makes a reason."""
    codes = [
        guess
        for guess in guesses
        if guess.role == "code"
        and not re.search(r"reason|grund|type|status|unit|reaction", tokens(guess.column))
    ]
    known = [guess for guess in codes if guess.system and guess.system != "OMOP"]
    named = [
        guess
        for guess in codes
        if guess.system == "OMOP" and not re.search(r"gender|race|ethnicity", guess.column)
    ]
    return next(iter(known or [c for c in codes if not c.system] or named), None)


def _of_code(path: Path, guesses: list[Guess], main: Guess, roles: set[str]) -> tuple[str, str]:
    first = guesses[0]
    if (
        first.role == "encounter-id"
        and first.distinct == first.filled > 1
        and {"patient-id", "start", "end"} <= roles
        and main.system == ICD10
    ):
        return "Encounter", f"{first.column} is the key, and rows have a patient, a start and an end"
    if "value" in roles:
        return "Observation", f"{main.column} has codes, and there is a value"
    if main.system in _SYSTEMS:
        return _SYSTEMS[main.system], f"{main.column} has codes of {main.system}"
    for text, what in (
        (tokens(path.stem), "the file's name"),
        (" ".join(tokens(g.column) for g in guesses), "columns"),
    ):
        for kind, pattern in _WORDS:
            match = re.search(pattern, text)
            if match:
                return kind, f"{what} speak{'s' if what != 'columns' else ''} of {match[0]!r}"
    return "Condition", f"{main.column} has codes and nothing else says more; assumed"
