# ruff: noqa: E501 - questions are written as they come out
"""The text of a first mapping: YAML with the evidence of each guess as a comment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.medicines import names_drug
from fhir_bridge.workshop.first_mapping.people import depends_on
from fhir_bridge.workshop.first_mapping.rules import Rules
from fhir_bridge.workshop.first_mapping.sentinels import is_empty_cell
from fhir_bridge.workshop.first_mapping.table import Sample, SampleError
from fhir_bridge.workshop.first_mapping.tables import Plan
from fhir_bridge.workshop.first_mapping.units import UNIT_ROLES

__all__ = ["mapping_text", "name_of"]

_WIDTH: Final = 118
_NAMED: Final = 30
"""So many columns are named in one question."""


def name_of(sample: Sample) -> str:
    """A name for the mapping, from the file's."""
    return re.sub(r"[^a-z0-9]+", "-", sample.path.stem.casefold()).strip("-") or "table"


def mapping_text(sample: Sample, guesses: list[Guess], plan: Plan, name: str) -> str:
    """The document."""
    rules = Rules(name, sample, guesses, plan)
    list(rules.lines())
    written = frozenset(guess.column for guess in guesses if set(guess.uses) - {"key"})
    for guess in guesses:
        guess.uses = [use for use in guess.uses if guess.role in UNIT_ROLES and use.endswith("its unit")]
    rules = Rules(name, sample, guesses, plan, written)
    body = list(rules.lines())
    if not body:
        why = plan.questions[0] if plan.dropped else "no column is known or measured"
        raise SampleError(f"{sample.path.name}: nothing in it can be mapped; {why}")
    questions = _all_questions(sample, guesses, plan, rules)
    for guess in guesses:
        first = next((g for g in guesses if g.column == guess.of), guess)
        if guess.role == "again" and first.uses:
            guess.uses = [f"{use} (by {first.column})" for use in first.uses]
    lines = [
        f"# A first mapping of {sample.path.name}, made from {len(sample.rows):,} rows"
        + ("." if sample.complete else " (its beginning)."),
        "# Each line below says what a column is taken for and why. Answer the questions, then delete these comments.",
        "#",
        *_columns(guesses),
        "#",
        *(f"# - {text}" for text in _wrapped(plan.evidence)),
        *_questions(questions),
        f"mapping: {_quoted(name)}",
        "version: 0.1.0",
        f"title: {_quoted(f'First mapping of {sample.path.name}')}",
        *_source(sample, guesses, rules),
        "rules:",
        *body,
    ]
    return "\n".join(lines) + "\n"


def _all_questions(sample: Sample, guesses: list[Guess], plan: Plan, rules: Rules) -> list[str]:
    """What a person has to answer: what rules assume, what columns leave open, where the others belong."""
    read = {guess.column for guess in guesses if guess.uses}
    read |= {guess.column for guess in guesses if guess.role == "again" and guess.of in read}
    questions = list(rules.questions)
    suggested: list[str] = []
    alike: dict[str, list[str]] = {}
    left: dict[str, list[str]] = {}
    for guess in guesses:
        if guess.column in read:
            for question in guess.questions:
                start = f"{guess.column}: "
                match = _SUGGESTED.search(question)
                if match is not None:
                    suggested.append(f"{guess.column} {match[1]}")
                elif question.startswith(start):
                    alike.setdefault(question.removeprefix(start), []).append(guess.column)
                else:
                    questions.append(question)
            words = [word for word in _words_for_nothing(guess) if any(c.isalnum() for c in word)]
            words = [word for word in words if not any(word in question for question in guess.questions)]
            if words:
                alike.setdefault(
                    f"{', '.join(words)} is taken for no value, not for a finding: is it?", []
                ).append(guess.column)
            if guess.uses == ["key"]:
                questions.append(
                    f"{guess.column}: looks like {guess.what}; it is part of the key alone: {_ways(guess)}?"
                )
        elif guess.role == "empty":
            questions += guess.questions
        elif guess.column in plan.varying:
            key = plan.varying[guess.column]
            keys = [g for g in guesses if g.column in key.split(" and ")]
            several = not keys or len(keys) > 1 or not depends_on(sample, guess, keys[0], blanks=False)
            why = "has several of it" if several else "has it in some rows and lacks it in others"
            questions.append(
                f"{guess.column}: looks like {guess.what}, but one {key} {why}, so it is under `ignore`: which counts?"
            )
        else:
            left.setdefault(_left_out(guess), []).append(guess.column)
    questions += [f"{', '.join(dict.fromkeys(columns))}: {text}" for text, columns in alike.items()]
    if suggested:
        questions.append(f"are the codes right that are suggested: {'; '.join(suggested)}?")
    uncoded = [
        g.column
        for g in plan.measures
        if g.coding is None
        and g.column in read
        and g.role not in ("blood-pressure", "finding-date", "note", "text")
    ]
    if uncoded:
        more = f" and {len(uncoded) - _NAMED} more" if len(uncoded) > _NAMED else ""
        questions.append(
            f"{', '.join(uncoded[:_NAMED])}{more}: no code is known of what is measured: which has it?"
        )
    questions += [f"{', '.join(columns)}: {text}" for text, columns in left.items()]
    return [*questions, *plan.questions]


_SUGGESTED: Final = re.compile(r": is it (.* \(LOINC .*\)|LOINC .*), as is suggested\?$")


def _left_out(guess: Guess) -> str:
    """The question about a column that no rule reads: what it may be."""
    what = "" if guess.role in ("category", "text", "number", "boolean") else f"looks like {guess.what}; "
    if guess.role == "sex" and guess.words:
        return f"{what}no rule reads it, it is under `ignore`: whose is it: the patient's (Patient.gender), whom no column identifies?"
    if guess.role in ("boolean", "category") and names_drug(guess):
        return (
            "its name is a drug's; no rule reads it, it is under `ignore`: does it say whether the patient takes the drug or how its "
            "dose changed (MedicationStatement), or is it a result (Observation)?"
        )
    return f"{what}no rule reads it, it is under `ignore`: {_ways(guess)}?"


def _ways(guess: Guess) -> str:
    return next(
        (ways for roles, ways in _WAYS if guess.role in roles), "where does it belong, or is it not wanted"
    )


_WAYS: Final = (
    (
        ("number",),
        "is it measured (an Observation: what, in which unit), a number of something else, or not wanted",
    ),
    (("count",), "is it how many there were of it (an Observation), or not wanted"),
    (
        ("boolean",),
        "is it a finding of the patient (Observation), does it mark the record (deleted, checked), or is it not wanted",
    ),
    (
        ("category", "text", "status-of"),
        "is it a finding (Observation), a code of something (of what), about the record, or not wanted",
    ),
    (
        ("id", "event-id", "account-id", "order-id", "row-id"),
        "whose number is it: the patient's (Patient.identifier), the visit's (Encounter.identifier), the order's "
        "(ServiceRequest.identifier), the procedure's or examination's (Procedure.identifier, DiagnosticReport.identifier), the row's",
    ),
    (
        ("provider", "provider-id"),
        "what was this person's part: did it (performer), asked for it (ServiceRequest.requester), recorded it (recorder), stated it (asserter), "
        "looked at it again, was responsible for the visit (Encounter.participant)",
    ),
    (
        ("ward", "specialty", "organization", "organization-id"),
        "is it where it was done (Procedure.location), who asked for it (ServiceRequest.requester), where the patient lay "
        "(Encounter.location), or whose visit it was (Encounter.serviceProvider, Encounter.serviceType)",
    ),
    (
        ("updated",),
        "is it when the record was last changed, which has no element of its own (Provenance), or when something was done",
    ),
    (
        ("other-date", "date", "recorded", "scheduled"),
        "of what is it the date: of what was done (effective, performed), of its report (Observation.issued), of the record "
        "(Provenance.recorded, recordedDate), or is it not wanted",
    ),
    (("display", "name-of", "test", "panel"), "of which other column is it the text, or is it not wanted"),
    (
        ("unit-of", "unit", "dose-unit", "rate-unit", "strength-unit", "quantity-unit", "duration-unit"),
        "of which number is it the unit",
    ),
    (
        ("complaint", "indication", "status-reason"),
        "is it why it was done or asked for (reasonCode of a Procedure or ServiceRequest), why it was not (statusReason), or why the "
        "patient came (Encounter.reasonCode)",
    ),
    (
        ("other-person",),
        "it is not written to the patient of the row; is it about another person, who is a Patient of their own "
        "(identifier, gender, birthDate; what is measured an Observation with that subject)",
    ),
    (
        ("product-group",),
        "is it a property of the product (BiologicallyDerivedProduct), and never the patient's blood group",
    ),
    (("manufacturer",), "whose maker is it: of a device (Device.manufacturer), a product, a vaccine"),
    (
        ("class", "encounter-type"),
        "is it the class or type of the visit (Encounter.class, Encounter.type), which has no number or time here",
    ),
    (
        ("admit-source", "disposition"),
        "is it where the patient came from or went, or how (Encounter.hospitalization.admitSource, dischargeDisposition), of which "
        "list, or an outcome (Procedure.outcome)",
    ),
    (
        ("eligibility", "insurer"),
        "is it who pays (Coverage.payor), or by what kind of cover (Coverage.type)",
    ),
    (
        ("exemption",),
        "is it what exempts the patient from paying (Coverage.costToBeneficiary.exception), who pays (Coverage.payor), or not wanted",
    ),
    (("coverage-type",), "is it the kind of an insurance (Coverage.type), whose payor no column names"),
    (
        ("historical",),
        "is it who or what the information is from (AllergyIntolerance.asserter, MedicationStatement.informationSource, "
        "Condition.asserter, Immunization.primarySource), how or with what it was measured (Observation.method, "
        "Observation.device), or a finding (Observation)",
    ),
    (("product-id",), "is it the number of the product (BiologicallyDerivedProduct.identifier), or a lot"),
    (
        ("expires",),
        "is it when the product expires (expirationDate of an Immunization, BiologicallyDerivedProduct or Medication), or until when a "
        "prescription is good (MedicationRequest.dispenseRequest.validityPeriod)",
    ),
    (
        ("dispensed",),
        "is it when it was handed out (MedicationDispense.whenHandedOver), not when it was given",
    ),
    (("ordered",), "is it when it was ordered (authoredOn of a ServiceRequest or MedicationRequest)"),
    (("received",), "is it when the sample was received (Specimen.receivedTime)"),
    (
        ("reviewed",),
        "is it when the record was last looked at, which has no element of its own (an extension, or Provenance), or when the "
        "result was reported (Observation.issued)",
    ),
    (
        ("collected",),
        "is it when something was measured or taken (Observation.effective), or when the visit was (Encounter.period)",
    ),
    (("issued",), "is it when the result was reported (Observation.issued, DiagnosticReport.issued)"),
    (
        ("priority",),
        "is it how urgent the order was (ServiceRequest.priority), or the visit (Encounter.priority)",
    ),
    (("booked",), "is it when the appointment was booked (Appointment.created), and not when it is"),
    (("scheduled",), "is it when an appointment is (Appointment.start), or when something is due"),
    (
        ("treatment",),
        "is it what was done (Procedure), given (MedicationStatement, MedicationRequest) or planned (CarePlan)",
    ),
    (
        ("calendar",),
        "of which calendar (Schedule), clinic or service (HealthcareService, Encounter.serviceType) is it, or is it not wanted",
    ),
    (
        ("copies",),
        "who gets a copy of the report (no element of its own: a Communication), and neither who asked nor who did it",
    ),
    (("interpreter",), "does it say that an interpreter is needed (extension patient-interpreterRequired)"),
    (("procedure",), "is it what was done (Procedure.code), or what was asked for (ServiceRequest.code)"),
    (("diagnosis",), "is it a Condition of the patient, or why something was done (reasonCode)"),
    (
        ("drug",),
        "is it what was given, ordered or taken (MedicationAdministration, MedicationRequest, MedicationStatement)",
    ),
    (("note", "note-of"), "of what is it a note (Observation.note, Procedure.note), or is it not wanted"),
    (("time-of-day",), "of which date is it the time, of the start or of the end"),
    (
        ("triage",),
        "is it how urgent the visit was (Encounter.priority), or a finding of its own (Observation)",
    ),
    (
        ("diet",),
        "is it what the patient is to eat (NutritionOrder), wants to eat (Encounter.hospitalization.dietPreference), or a finding (Observation)",
    ),
    (
        ("isolation",),
        "is it a precaution (Flag, Encounter.hospitalization.specialArrangement), or a finding (Observation)",
    ),
    (("fasting",), "is it of the sample (Specimen.collection.fastingStatus), or a finding (Observation)"),
    (("stage",), "is it the stage of the disease (Condition.stage.summary)"),
    (("risk",), "is it a warning about the patient or the drug (Flag, DetectedIssue)"),
    (
        ("formulary",),
        "is it about the drug and not the patient (MedicationKnowledge), so that it is not wanted",
    ),
    (("reagent-lot",), "is it of the device or the reagent (Device.lotNumber), and of no drug or vaccine"),
    (
        ("lot-number",),
        "is it the lot of the drug (Medication.batch.lotNumber) or of something used (Device.lotNumber)",
    ),
    (("arrival-mode",), "is it how the patient came (extension encounter-modeOfArrival), and not from where"),
    (
        ("diagnosis-rank",),
        "which of the diagnoses of a visit is the principal one (Encounter.diagnosis.rank or use)",
    ),
    (("diagnosis-chronic",), "is it chronic (an extension or Condition.category; R4 has no element)"),
    (
        ("on-admission",),
        "was it present on admission (an extension, Claim.diagnosis.onAdmission; R4's Condition has no element)",
    ),
    (
        ("start", "end"),
        "of what is it the start or the end: of the treatment, the order, the visit, the condition",
    ),
    (("strength",), "is it how strong the drug is (Medication.ingredient.strength), which is never its dose"),
    (("form",), "is it the form of the drug (Medication.form)"),
    (("route",), "is it the way that the drug is given (dosage.route)"),
    (("frequency",), "is it how often the drug is taken (dosage.timing)"),
    (("container",), "is it what the sample is in (Specimen.container.type)"),
    (("specimen",), "is it what was sampled (Specimen.type), or the number or container of a sample"),
    (("specimen-id",), "is it the number of a sample (Specimen.identifier)"),
    (("body-site", "laterality"), "is it where it was done or measured (bodySite)"),
    (("device",), "is it the device used (Device, Observation.device, Procedure.usedReference)"),
    (("sex",), "which code of Patient.gender has each word"),
    (("status",), "of what does it say the status, and which code of `status` has each word"),
    (
        ("alarm-limit",),
        "is it a limit at which a device or a laboratory alarms, as is assumed (not wanted, or a referenceRange whose type says so), "
        "or of what is normal (Observation.referenceRange)",
    ),
    (("money",), "is it what the patient pays (Coverage.costToBeneficiary), a price, or not wanted in FHIR"),
    (
        ("inactive",),
        "does it mark rows that were cancelled or deleted (status entered-in-error, or not to be made at all), or what is no "
        "longer active (status, clinicalStatus)",
    ),
    (
        ("verified",),
        "does it say that it was checked (status, verificationStatus, or a Provenance), or is it not wanted",
    ),
    (
        ("previous", "previous-date"),
        "is it of an earlier result, another moment than this row's (an Observation of its own with its own effective time), a note "
        "on this one (Observation.note), or not wanted, since the earlier result has its own row",
    ),
    (
        ("limit-of",),
        "is it a limit of what is normal (Observation.referenceRange), or of an alarm or a target, which is none",
    ),
    (("admitted",), "is it when the visit began (Encounter.period.start)"),
    (("discharged",), "is it when the visit ended (Encounter.period.end)"),
    (("los",), "is it how long the visit was (Encounter.length)"),
    (("readmission",), "does it say that the patient came back (Encounter.hospitalization.reAdmission)"),
    (("encounter-id",), "is it the number of the visit (Encounter.identifier)"),
    (("gp",), "is it the general practitioner or their practice (Patient.generalPractitioner)"),
    (
        ("age", "age-group"),
        "is it the age at the time of the row (an Observation), which Patient.birthDate says better where it is known",
    ),
    (("vis-date",), "is it when an information sheet was published or handed out (Immunization.education)"),
    (("performed",), "is it when something was done (Procedure.performed, Observation.effective)"),
    (
        ("administered",),
        "is it when something was given (Immunization.occurrence, MedicationAdministration.effective)",
    ),
    (
        ("diagnosed", "onset-year"),
        "is it when a disease began or was found (Condition.onset, Condition.recordedDate)",
    ),
    (("deceased", "death-date"), "does it say that or when the patient died (Patient.deceased[x])"),
    (("birth-date", "birth-year", "birth-part"), "is it the date of birth (Patient.birthDate), and whose"),
    (("birth-place",), "is it where the patient was born (extension patient-birthPlace)"),
    (
        ("maiden", "mothers-maiden"),
        "whose name at birth is it: the patient's (Patient.name, use maiden), or the mother's (extension patient-mothersMaidenName)",
    ),
    (
        ("name", "given", "family", "middle", "prefix", "suffix", "family-prefix", "nickname"),
        "whose name is it: the patient's (Patient.name), or another person's",
    ),
    (
        ("contact-name", "contact-phone", "contact-relationship"),
        "is it of a person to turn to (Patient.contact)",
    ),
    (
        ("phone", "phone-home", "phone-work", "phone-mobile", "fax", "email"),
        "whose is it: the patient's (Patient.telecom), or another person's (Patient.contact)",
    ),
    (
        ("address", "address-of", "city", "state", "county", "country", "postal-code"),
        "whose address is it: the patient's (Patient.address), or another's",
    ),
    (
        ("race", "ethnicity", "occupation"),
        "is it known of the patient (an Observation of social history, or the extension of a country's profiles)",
    ),
    (
        ("religion", "nationality", "marital", "language"),
        "is it the patient's (Patient.maritalStatus, Patient.communication, extensions patient-religion and patient-nationality)",
    ),
    (
        ("patient-id", "person-id"),
        "is it a number of the patient (Patient.identifier), and whose authority gave it",
    ),
    (
        ("study-id",),
        "is it the number of an examination or a study (DiagnosticReport.identifier, ImagingStudy.identifier, ResearchStudy)",
    ),
    (("value", "value-number"), "is it the result (Observation.value[x]), and of which test"),
    (
        ("range-low", "range-high", "range"),
        "is it what is normal (Observation.referenceRange), and of which result",
    ),
    (
        ("flag", "flag-of"),
        "is it how far a result is from normal (Observation.interpretation), and of which result",
    ),
    (("method",), "is it how something was measured or done (Observation.method, Procedure.code)"),
    (
        ("code", "code-system"),
        "of what is it the code: what was measured (Observation.code), done (Procedure.code), found (Condition.code), or given",
    ),
    (("loinc", "test-code"), "is it the code of what was measured (Observation.code)"),
    (
        ("certainty", "clinical-status"),
        "is it how sure or how active a disease is (Condition.verificationStatus, Condition.clinicalStatus)",
    ),
    (
        ("severity",),
        "is it how severe a disease or reaction is (Condition.severity, AllergyIntolerance.reaction.severity)",
    ),
    (("diagnosis-kind",), "is it what kind of diagnosis it is (Encounter.diagnosis.use, Condition.category)"),
    (
        ("dose", "dose-part", "dose-ordered", "dose-number", "series"),
        "is it the dose of a drug (dosage.doseAndRate), or which dose of a vaccine it is (Immunization.protocolApplied)",
    ),
    (("rate",), "is it how fast something was given (dosage.doseAndRate.rateQuantity)"),
    (
        ("quantity", "refills", "refills-left", "fill-number", "duration"),
        "is it how much or how often was supplied (MedicationRequest.dispenseRequest, MedicationDispense.quantity), or how long something lasted",
    ),
    (("sig", "prn", "prn-reason"), "is it how a drug is taken (dosage.text, dosage.asNeeded)"),
    (("substitution",), "may another product be given (MedicationRequest.substitution)"),
    (("drug-class",), "is it the class of a drug, which its code says better (Medication.code)"),
    (
        ("vaccine",),
        "is it the vaccine (Immunization.vaccineCode), or against what it is (protocolApplied.targetDisease)",
    ),
    (("refused",), "was it refused (Immunization.status not-done, statusReason)"),
    (
        ("allergy", "allergy-kind", "reaction"),
        "is it an allergy or its reaction (AllergyIntolerance), or an adverse event of what was given (Immunization.reaction, AdverseEvent)",
    ),
    (
        ("complication",),
        "is it a complication (Procedure.complication, a Condition), or a finding (Observation)",
    ),
    (("anesthesia",), "is it the anaesthesia of a procedure (a Procedure of its own, or Procedure.usedCode)"),
    (("code-status",), "is it what is to be done at the end of life (an Observation, a Consent)"),
    (("blood-group", "organism", "antibiotic"), "is it a result (Observation)"),
    (
        ("body-position", "quality"),
        "is it how it was measured (extension observation-bodyPosition, Observation.note)",
    ),
    (("authority",), "of which number is it the authority (Identifier.system, Identifier.assigner)"),
    (("concept",), "is it an identifier of OMOP, whose vocabulary says the code"),
    (("drg", "coordinate", "administrative"), "is it wanted in FHIR at all"),
)
"""What a column that no rule reads may be, by its role: the elements that it may go to."""


def _columns(guesses: list[Guess]) -> Iterator[str]:
    width = min(max(len(guess.column) for guess in guesses), 30)
    yield f"# {'column'.ljust(width)}  taken for"
    for guess in guesses:
        uses = [use for use in dict.fromkeys(guess.uses) if use != "key"] or guess.uses[:1]
        goes = f" → {_one_line(', '.join(uses))}" if uses else "" if guess.role == "empty" else " (ignored)"
        head = f"# {_one_line(guess.column).ljust(width)}  {_one_line(guess.label)}{goes}"
        words = _words_for_nothing(guess)
        nothing = [f"for no value stands {', '.join(words)}"] if words else []
        yield f"{head}: {_one_line('; '.join([*guess.evidence, *nothing]))}"


def _words_for_nothing(guess: Guess) -> list[str]:
    """A column's words for no value that are not what programs write into empty cells."""
    return sorted(word for word in guess.missing if not is_empty_cell(word))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _questions(questions: list[str]) -> Iterator[str]:
    yield "#"
    if not questions:
        yield "# Nothing is to be answered."
    else:
        yield "# To be answered:"
    for number, text in enumerate(dict.fromkeys(questions), 1):
        yield f"# {number}. {_one_line(text)}"


def _wrapped(texts: Iterable[str]) -> Iterator[str]:
    return (_one_line(text)[: _WIDTH * 3] for text in texts)


def _source(sample: Sample, guesses: list[Guess], rules: Rules) -> Iterator[str]:
    used = rules.used
    needed = [guess.column for guess in guesses if guess.column in used]
    others = [guess.column for guess in guesses if guess.column not in used]
    yield "source:"
    yield "  adapter: csv"
    yield f"  delimiter: {_quoted(sample.delimiter)}  # {sample.evidence[1]}"
    if sample.header > 1:
        yield f"  header: {sample.header}  # below the lines that are no table"
    elif not sample.header:
        yield "  header: false  # its first row looks like values"
        yield f"  names: [{', '.join(map(_quoted, sample.columns))}]"
    if sample.encoding != "utf-8":
        yield f"  encoding: {sample.encoding}  # {sample.evidence[0]}"
    decimal = next((guess.decimal for guess in guesses if guess.decimal == ","), "")
    group = next((guess.group for guess in guesses if guess.group), "")
    if decimal:
        yield '  decimal: ","  # numbers are written with a comma'
    if group:
        yield f"  group: {_quoted(group)}  # between thousands"
    if rules.date_format:
        yield f"  date: {_quoted(rules.date_format)}"
    missing = dict.fromkeys(word for guess in guesses for word in guess.missing if word not in guess.local)
    if missing:
        yield f"  missing: [{', '.join(map(_quoted, missing))}]  # what programs write into empty cells"
    yield f"  columns: [{', '.join(map(_quoted, needed))}]"
    if others:
        yield f"  ignore: [{', '.join(map(_quoted, others))}]  # read by no rule yet"


def _quoted(text: str) -> str:
    """A scalar that YAML reads as this text."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", text) and text.casefold() not in (
        "true",
        "false",
        "null",
        "yes",
        "no",
        "on",
        "off",
    ):
        return text
    return json.dumps(text, ensure_ascii=False)
