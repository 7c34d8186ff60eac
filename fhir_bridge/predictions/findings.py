"""What a record states about diseases, procedures and drugs, decided by value sets (`value_sets`)."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Literal, NamedTuple

from fhir_bridge.predictions.drugs import decide
from fhir_bridge.predictions.inputs import LOINC, SNOMED, UnusableInput
from fhir_bridge.predictions.medications import MEDICATIONS, medications
from fhir_bridge.predictions.observed_pregnancy import PREGNANT, states_pregnancy
from fhir_bridge.predictions.record import (
    SETTLED,
    Evidence,
    PatientRecord,
    Statement,
    certainty_of,
    codings,
    concept_of,
    effective_of,
    moment_of,
)
from fhir_bridge.predictions.times import is_after, years_of
from fhir_bridge.predictions.value_sets import (
    ICD10,
    PROCEDURES,
    can_be_of,
    is_listed,
    is_member,
    value_set,
    wording,
)
from fhir_bridge.terminology import get_terminology

__all__ = [
    "Began",
    "Disease",
    "began",
    "find_certain",
    "find_disease",
    "find_uncoded_drug",
    "find_unconfirmed",
    "find_undecided_drug",
    "find_unreadable",
    "is_coded",
    "is_misdated",
    "is_misdated_statement",
    "is_refuted",
    "onset_of",
    "refuse_unreadable",
    "statements",
    "subsumption_caution",
]

_NOT_DONE = frozenset({"not-done", "entered-in-error", "preparation"})
_SUSPECTED = frozenset({"provisional", "differential", "unconfirmed"})
_ENDED = frozenset({"inactive", "remission", "resolved"})

_IMPORTED: Final = {
    SNOMED: "SNOMED CT",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "https://dmd.nhs.uk": "dm+d",
}
"""Code systems of drugs that name one where they are imported."""

_YES: Final = frozenset(
    {
        (LOINC, "LA33-6"),
        (LOINC, "LA9633-4"),
        (SNOMED, "52101004"),
        (SNOMED, "373066001"),
        ("http://terminology.hl7.org/CodeSystem/v2-0136", "Y"),
    }
)
"""Values of an Observation whose code is the finding: yes, present."""

_OF_FAMILY: Final = frozenset({(LOINC, "8670-2"), (LOINC, "10157-6"), (LOINC, "54114-4")})
"""Codes of Observations that speak of relatives."""

Extent = Literal["ever", "current"]


@dataclass(frozen=True, slots=True)
class Disease:
    """What a record may state, by a value set of `terminology/`.

    Attributes:
        value_set: name of it, after `prediction-`.
        extent: `ever` where a resolved one counts as well (an infarction), `current` where it has to be so now (a
            pregnancy, a drug that is taken).
        lasts: how long a current one can last at most; older statements do not count.
        drugs: it is a group of drugs; a medication is of it by its name as well, where its code is not known.
    """

    name: str
    value_set: str
    extent: Extent = "ever"
    lasts: timedelta | None = None
    drugs: bool = False

    @property
    def url(self) -> str:
        """Url of the value set."""
        return value_set(self.value_set)

    def states(self, concept: Any) -> bool:
        """Whether a CodeableConcept is of this disease."""
        return is_member(self.url, concept) == "yes"

    def stated_by(self, statement: Statement) -> bool:
        """Whether a statement is of this disease."""
        if self.drugs and statement.resource["resourceType"] in MEDICATIONS:
            return not statement.suspected and decide(self.url, statement.concept) == "yes"
        return self.states(statement.concept)


def statements(record: PatientRecord) -> Iterable[Statement]:
    """Everything coded that says what this patient has, had, or takes."""
    return record.statements(_read)


def _read(record: PatientRecord) -> Iterator[Statement]:
    for condition, present in record.conditions():
        status = {code for _, code in codings(condition.get("clinicalStatus"))}
        certainty = certainty_of(condition.get("code"))
        suspected = certainty == "V" or not _SUSPECTED.isdisjoint(
            code for _, code in codings(condition.get("verificationStatus"))
        )
        ended = (
            certainty == "Z"
            or bool(status & _ENDED)
            or any(name.startswith("abatement") for name in condition)
        )
        yield Statement(
            condition, concept_of(condition), "present" if present else "absent", suspected, not ended
        )
    for procedure in record.all("Procedure"):
        if procedure.get("status") not in _NOT_DONE:
            yield Statement(procedure, procedure.get("code"), "present", False, True)
    for device in record.all("Device"):
        # One that was explanted or has failed says that there was one.
        if device.get("status") != "entered-in-error":
            yield Statement(device, device.get("type"), "present", False, True)
    yield from medications(record)
    for observation in record.all("Observation"):
        if observation.get("status") in SETTLED:
            yield from _observed(observation)
            if states_pregnancy(observation, record.as_of):
                yield Statement(observation, PREGNANT, "present", False, True)


def find_undecided_drug(record: PatientRecord, drugs: Disease) -> tuple[str, Evidence] | None:
    """What is taken now and may be one of these drugs: what it is in words, and the resource.

    It refers to a Medication that is not here, has no code or one that no list knows, and its text names no known drug;
    or it is one, and may not be taken: its status is unknown, or its words say so ("Atorvastatin abgesetzt").
    """

    def may_be(statement: Statement) -> bool:
        answer = decide(drugs.url, statement.concept)
        return answer == "unknown" or (answer == "yes" and statement.suspected)

    return _of_list(record, may_be)


def find_uncoded_drug(record: PatientRecord, systems: frozenset[str]) -> tuple[str, Evidence] | None:
    """The same of what has no code of these systems: to a model that lists codes it may be any drug."""
    return _of_list(
        record,
        lambda statement: not any(system in systems and code for system, code in codings(statement.concept)),
    )


def _of_list(record: PatientRecord, is_one: Callable[[Statement], bool]) -> tuple[str, Evidence] | None:
    """The first that is taken now and is one, what it is in words, and the resource."""
    for statement in statements(record):
        resource = statement.resource
        if resource["resourceType"] not in MEDICATIONS or not statement.current or not is_one(statement):
            continue
        if statement.suspected:
            what = "medication of which status or words leave open whether it is taken"
        elif statement.concept is None and "medicationReference" in resource:
            what = "medication that is not here"
        elif any(system and code for system, code in codings(statement.concept)):
            what = "medication whose code is not known here"
        else:
            what = "medication without a code"
        return f"a {what}{_remedy(statement.concept)}", record.evidence(resource, what)
    return None


def _remedy(concept: Any) -> str:
    """What makes a medication known, by the code system of a code that is not."""
    for system, code in codings(concept):
        if system in _IMPORTED and code:
            name = _IMPORTED[system]
            if get_terminology().lookup(system, code) is not None:
                return f" (by its name in {name}; send the ingredient as text)"
            return f" (import {name} with `fhir-bridge terminology import`, or send its name as text)"
    return ""


def _observed(observation: dict[str, Any]) -> Iterator[Statement]:
    """A finding as the coded value of an Observation, or as its code with `yes` or without a value."""
    code, value = observation.get("code"), observation.get("valueCodeableConcept")
    if not _OF_FAMILY.isdisjoint(codings(code)):
        return
    if value is not None:
        yield Statement(observation, value, "present", False, True)
    if (
        observation.get("valueBoolean") is True
        or not _YES.isdisjoint(codings(value))
        or not any(
            name.startswith("value") or name in ("dataAbsentReason", "component", "hasMember")
            for name in observation
        )
    ):
        yield Statement(observation, code, "present", False, True)


def _counts(record: PatientRecord, statement: Statement, disease: Disease) -> bool:
    """Whether a statement is of the time that the question is about."""
    if disease.extent == "ever":
        return True
    moment = moment_of(effective_of(statement.resource))
    old = moment is not None and disease.lasts is not None and record.as_of - moment > disease.lasts
    return statement.current and not old


def is_misdated(record: PatientRecord, resource: Mapping[str, Any]) -> bool:
    """Whether what was so is dated after the run, or after it arrived: nobody could know it then."""
    arrival = moment_of(str(resource.get("meta", {}).get("lastUpdated") or "")) or record.as_of
    return is_after(resource, record.born, min(arrival, record.as_of), record.as_of)


def is_misdated_statement(record: PatientRecord, resource: Mapping[str, Any]) -> bool:
    """The same of a disease, procedure or drug; a drug may be meant for later (`medications`), but not be ordered."""
    if resource["resourceType"] in MEDICATIONS:
        return is_after(resource, record.born, None, record.as_of)
    return is_misdated(record, resource)


def _stated(record: PatientRecord, disease: Disease) -> Iterator[Statement]:
    """What states a disease as present, for the time that the question is about.

    Raises:
        UnusableInput: at the end, where something does that is dated after the run.
    """
    misdated: dict[str, Any] | None = None
    for statement in statements(record):
        if (
            statement.polarity == "present"
            and disease.stated_by(statement)
            and _counts(record, statement, disease)
        ):
            if is_misdated_statement(record, statement.resource):
                misdated = statement.resource
            else:
                yield statement
    if misdated is not None:
        raise UnusableInput(
            f"{disease.name} is dated after this run", record.evidence(misdated, disease.name)
        )


def find_disease(record: PatientRecord, disease: Disease) -> Evidence | None:
    """The first Condition, procedure, medication or Observation that states it as present.

    Raises:
        UnusableInput: only one that is dated after the run does.
    """
    statement = next(_stated(record, disease), None)
    return None if statement is None else record.evidence(statement.resource, disease.name)


def find_certain(record: PatientRecord, disease: Disease) -> Evidence | None:
    """As `find_disease`, of what is not merely suspected: where a disease is an input and not a reason to decline.

    Raises:
        UnusableInput: it is suspected alone (provisional, differential, unconfirmed), or dated after the run.
    """
    suspected: Evidence | None = None
    for statement in _stated(record, disease):
        evidence = record.evidence(statement.resource, disease.name)
        if not statement.suspected:
            return evidence
        suspected = suspected or evidence
    if suspected is not None:
        raise UnusableInput(f"{disease.name} is suspected, not confirmed", suspected)
    return None


def find_unconfirmed(record: PatientRecord, disease: Disease) -> Evidence | None:
    """A Condition of the disease that is suspected alone (provisional, differential, unconfirmed)."""
    for statement in statements(record):
        if statement.suspected and statement.polarity == "present" and disease.stated_by(statement):
            return record.evidence(statement.resource, disease.name)
    return None


def is_refuted(record: PatientRecord, disease: Disease) -> Evidence | None:
    """The Condition that says the disease was looked for and is absent."""
    for statement in statements(record):
        if (
            statement.polarity == "absent"
            and disease.stated_by(statement)
            and not is_misdated(record, statement.resource)
        ):
            return record.evidence(statement.resource, disease.name, "absent")
    return None


_DIAGNOSES: Final = ICD10 | {SNOMED}
"""Code systems of diagnoses of which the value sets list what counts."""
_DECIDED: Final = ICD10 | PROCEDURES | {SNOMED, LOINC, "http://dicom.nema.org/resources/ontology/DCM"}
"""Code systems of procedures of which the value sets list what counts."""


_DIAGNOSTIC: Final = frozenset(
    {
        ("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory"),
        ("http://terminology.hl7.org/CodeSystem/observation-category", "imaging"),
        (SNOMED, "103693007"),  # diagnostic procedure
        (SNOMED, "108252007"),  # laboratory procedure
        (SNOMED, "363679005"),  # imaging
    }
)
"""Categories of procedures that look, and treat nothing: the analysis of a genome is one."""


def is_coded(concept: Any, systems: Container[str]) -> bool:
    """Whether one of its codes is of these code systems, and of the form that their codes have (`UNK` is not)."""
    return any(system in systems and can_be_of(system, code) for system, code in codings(concept))


def find_unreadable(record: PatientRecord) -> tuple[str, Evidence] | None:
    """A Condition or Procedure that may be any, also one that excludes: what it is in a word, and the resource.

    It is, and has no code that can be one of ICD-10 or SNOMED CT (a Procedure: of `_DECIDED`, unless its category is
    one of `_DIAGNOSTIC`), or a modifier extension, which nobody here knows.
    """
    for condition, present in record.conditions():
        if "modifierExtension" in condition:
            return "condition", record.evidence(condition, "condition with an unknown modifier")
        if present and not is_coded(condition.get("code"), _DIAGNOSES):
            return "condition", record.evidence(condition, "condition without a code of ICD-10 or SNOMED CT")
    for procedure in record.all("Procedure"):
        if procedure.get("status") in _NOT_DONE:
            continue
        if "modifierExtension" in procedure:
            return "procedure", record.evidence(procedure, "procedure with an unknown modifier")
        if not _DIAGNOSTIC.isdisjoint(codings(procedure.get("category"))):
            continue
        if not is_coded(procedure.get("code"), _DECIDED):
            return "procedure", record.evidence(
                procedure, "procedure without a code of SNOMED CT, OPS, CPT, HCPCS or ICD-10-PCS"
            )
    return None


def refuse_unreadable(record: PatientRecord, may: str = "exclude") -> None:
    """Refuse where a Condition or Procedure can't be read; `may`: what it may do to the equation.

    Raises:
        UnusableInput: there is one.
    """
    unreadable = find_unreadable(record)
    if unreadable is not None:
        raise UnusableInput(f"a {unreadable[0]} that can't be read may {may}", unreadable[1])


def onset_of(record: PatientRecord, disease: Disease) -> tuple[Evidence, int | None] | None:
    """The Condition that states the disease with the earliest onset, and the age then; None without a Condition.

    Raises:
        UnusableInput: one is dated after the run.
    """
    onsets: list[tuple[int, dict[str, Any]]] = []
    undated: dict[str, Any] | None = None
    for statement in _stated(record, disease):
        condition = statement.resource
        if statement.suspected or condition["resourceType"] != "Condition":
            continue
        period = condition.get("onsetPeriod") or {}
        moment = moment_of(str(condition.get("onsetDateTime") or period.get("start") or ""))
        at = years_of(condition.get("onsetAge") or {})
        if at is None and moment is not None:
            at = record.age_on(moment.date())
        if at is None:
            undated = undated or condition
        else:
            onsets.append((at, condition))
    if onsets:
        age, condition = min(onsets, key=lambda item: (item[0], item[1]["id"]))
        return record.evidence(condition, disease.name, f"since the age of {age}"), age
    return None if undated is None else (record.evidence(undated, disease.name), None)


class Began(NamedTuple):
    """A disease that the record states for certain, and since when; `since` is None where nothing says that."""

    evidence: Evidence
    since: date | None


def began(record: PatientRecord, disease: Disease) -> Began | None:
    """The earliest dated statement of a disease, or of a procedure for it; one without a date where none is dated.

    Raises:
        UnusableInput: it is suspected alone (provisional, differential, unconfirmed), or dated after the run.
    """
    stated = list(_stated(record, disease))
    certain = [item for item in stated if not item.suspected]
    if not certain:
        if stated:
            suspected = record.evidence(stated[0].resource, disease.name)
            raise UnusableInput(f"{disease.name} is suspected, not confirmed", suspected)
        return None
    dated = [(day, item.resource) for item in certain if (day := _since(record, item.resource)) is not None]
    if not dated:
        return Began(record.evidence(certain[0].resource, disease.name), None)
    day, resource = min(dated, key=lambda item: (item[0], item[1]["id"]))
    return Began(record.evidence(resource, disease.name, f"since {day.isoformat()}"), day)


def _since(record: PatientRecord, resource: dict[str, Any]) -> date | None:
    """The day on which a Condition began, or a Procedure was done; a year or month means its first day."""
    kind = resource["resourceType"]
    names = {"Condition": "onset", "Procedure": "performed"}
    if kind not in names:
        return None
    name = names[kind]
    period = resource.get(f"{name}Period") or {}
    moment = moment_of(str(resource.get(f"{name}DateTime") or period.get("start") or ""))
    if moment is not None:
        return moment.date()
    age = years_of(resource.get(f"{name}Age") or {})
    born = moment_of(record.born)
    if age is None or born is None:
        return None
    return born.date() + timedelta(days=round(age * 365.25))


def subsumption_caution(record: PatientRecord, diseases: Iterable[Disease]) -> tuple[str, ...]:
    """What a result says where the hierarchy that would decide is not imported; empty where all was decided.

    A Condition that has no code of ICD-10 either, and none that any list has, is named: nobody here knows what it is.
    """
    unknown: set[str] = set()
    unlisted: set[str] = set()
    unsure: set[str] = set()
    for disease in diseases:
        for statement in statements(record):
            # An Observation's value may be any concept (a blood group), so most that are not decided are no diseases.
            if (
                statement.polarity == "present"
                and statement.resource["resourceType"] != "Observation"
                and is_member(disease.url, statement.concept) == "unknown"
            ):
                unknown.add(disease.name)
                if code := _unlisted(statement):
                    unlisted.add(code)
                    unsure.add(disease.name)
    if unlisted:
        return (wording(unsure, unlisted),)
    return (wording(unknown),) if unknown else ()


def _unlisted(statement: Statement) -> str:
    """The code of SNOMED CT of a Condition of which nothing here says what it is; empty for others."""
    coded = list(codings(statement.concept))
    if statement.resource["resourceType"] != "Condition" or any(
        (system in ICD10 and can_be_of(system, code)) or is_listed(system, code) for system, code in coded
    ):
        return ""
    return next((code for system, code in coded if system == SNOMED), "")
