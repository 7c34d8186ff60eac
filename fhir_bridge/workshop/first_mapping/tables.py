# ruff: noqa: E501 - lists of words and patterns are written as they come out
"""What a table is about, and so which resources its rows become."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fhir_bridge.workshop.first_mapping.allergies import weigh_allergies
from fhir_bridge.workshop.first_mapping.codes import (
    CCAM,
    CPT,
    CVX,
    ICD9_CM,
    ICD10_CM,
    ICD10_GM,
    OPS,
    PCS,
    PZN,
    RXNORM,
    subject_of,
)
from fhir_bridge.workshop.first_mapping.findings import LARGE, is_finding, is_finding_beside, is_other_number
from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.headers import is_bracketed
from fhir_bridge.workshop.first_mapping.keys import depends_on_all
from fhir_bridge.workshop.first_mapping.lexicon import role_named, tokens
from fhir_bridge.workshop.first_mapping.named import DOCTORS
from fhir_bridge.workshop.first_mapping.parts import ASKED, part_of
from fhir_bridge.workshop.first_mapping.people import depends_on
from fhir_bridge.workshop.first_mapping.selecting import first_of
from fhir_bridge.workshop.first_mapping.spans import concepts_of, days_of
from fhir_bridge.workshop.first_mapping.statuses import is_urgency, speaks_of_giving
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.values import ATC, ICD10, LOINC, NDC, SNOMED
from fhir_bridge.workshop.first_mapping.whose import are_relatives
from fhir_bridge.workshop.first_mapping.within import procedure_of

__all__ = ["Plan", "is_susceptibility", "main_code", "plan_of", "requester"]

_WORDS: Final = (
    ("AllergyIntolerance", r"allerg"),
    ("Immunization", r"immuni[sz]|vaccin|impf"),
    (
        "MedicationRequest",
        r"medic|drug|prescri|medikation|farmac|ordonnance|rezept|verordnung|\brx\b|\bmar\b",
    ),
    ("Procedure", r"procedure|operation|eingriff|intervention|surg|\bops\b|acte"),
    ("Condition", r"condition|diagnos|problem|maladie|antecedent"),
    (
        "Encounter",
        r"encounter|visit|aufenthalt|sejour|admission|ricover|episod|faelle|stays?\b|consult|appointment|\bcitas?\b|termine?\b|spells?\b|ingresos?\b|entlass|discharge",
    ),
    ("Observation", r"observ|lab|measure|vital|result|befund|messung|esami|analys"),
)
_SYSTEMS: Final = {
    ATC: ("MedicationRequest", 2.5), RXNORM: ("MedicationRequest", 2.5), NDC: ("MedicationRequest", 2.0),
    PZN: ("MedicationRequest", 2.0), CVX: ("Immunization", 3.0), ICD10: ("Condition", 1.5), ICD10_CM: ("Condition", 1.5),
    ICD10_GM: ("Condition", 1.5), LOINC: ("Observation", 2.0), CPT: ("Procedure", 2.0), OPS: ("Procedure", 2.5),
    CCAM: ("Procedure", 2.5), PCS: ("Procedure", 2.5),
}  # fmt: skip
_SUBJECT: Final = {
    "test": "Observation", "drug": "MedicationRequest", "vaccine": "Immunization", "procedure": "Procedure",
    "diagnosis": "Condition", "allergy": "AllergyIntolerance",
}  # fmt: skip
_OF_ENCOUNTERS: Final = frozenset(
    "admitted discharged class encounter-type admit-source disposition complaint los specialty ward".split()
)
_MAKES_ENCOUNTERS: Final = _OF_ENCOUNTERS - {"complaint"}
_ABOUT_VISITS: Final = _OF_ENCOUNTERS | {"provider", "provider-id", "duration", "arrival-mode", "triage"}
_OF_ROWS: Final = frozenset("value performed procedure test diagnosed drug vaccine allergy organism".split())
"""Roles of what rows are about that are no visits."""
_ENOUGH: Final = 2
"""More than so many roles of columns about visits tell that the rows are visits."""
FINDINGS: Final = frozenset(
    "code-status severity complication diagnosis quality anesthesia reaction diet isolation triage stage fasting".split()
)
"""Roles that are findings where no resource of the rows has an element for them."""
_FINDINGS_OF: Final = {
    "Procedure": frozenset(("anesthesia",)),
    "Encounter": frozenset(("code-status",)),
    "MedicationAdministration": frozenset(("reaction",)),
}
"""Roles that are findings beside an event, by its type."""
LEAST: Final = 2.6
_NEAR: Final = 0.85
"""From this share of the votes for one resource type those for another are as good."""


@dataclass(slots=True)
class Plan:
    """The resources that rows become.

    Attributes:
        patient: whether the rows say enough about a person for a Patient.
        event: type of the resource of what a row is about; empty for none.
        procedure: what was done while the measurements were made, in words; empty where nothing says that.
        encounter: whether the rows' visits become Encounters beside that.
        request: whether the orders of results become ServiceRequests.
        measures: columns that become an Observation each.
        partly: columns that only some rows of a patient have, which make the Patient; what the others lack is not taken away.
        ordered: columns that only some rows of an order have, which make the ServiceRequest.
        varying: columns that have several values for one patient or visit, so that no Patient or Encounter has them.
        dropped: whether the rows are about something that can't be without a patient, whom nothing names.
        evidence: why.
    """

    patient: bool = False
    event: str = ""
    procedure: str = ""
    encounter: bool = False
    request: bool = False
    dropped: bool = False
    measures: list[Guess] = field(default_factory=list)
    partly: list[Guess] = field(default_factory=list)
    ordered: list[Guess] = field(default_factory=list)
    varying: dict[str, str] = field(default_factory=dict)
    evidence: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)


_OF_CONTACTS: Final = frozenset("contact-name contact-phone phone address".split())
"""Roles of columns about whom to call, who is a relative as well."""


def plan_of(path: Path, sample: Sample, guesses: list[Guess]) -> Plan:
    """What a table's rows become."""
    roles = {guess.role for guess in guesses}
    plan = Plan()
    who = {"given", "family", "birth-date", "maiden"} & roles or {"name", "sex", "person-id"} & roles
    if "patient-id" in roles and who:
        plan.patient = True
        plan.evidence.append(f"Patient: the rows have {', '.join(sorted(who))}")
    plan.event = _event(path, sample, guesses, plan)
    _medication(path, sample, guesses, plan)
    if plan.event in ("Condition", "Procedure") and not roles & _OF_CONTACTS:
        relative = are_relatives(sample, guesses)
        if relative is not None:
            plan.questions.append(
                f"{relative.column}: its rows are of relatives of the patient, as their words say, so that what they had is none of the "
                "patient's: are they family histories (FamilyMemberHistory)? No rule is written for them"
            )
            plan.event = ""
    if plan.event not in ("", "Observation", "Encounter") and "patient-id" not in roles:
        plan.questions.append(
            f"whose are the rows? Without a patient they can't be {plan.event}s; only what is measured is kept"
        )
        plan.event, plan.dropped = "", True
    _measures(sample, guesses, plan)
    if not plan.event and plan.measures and "patient-id" in roles:
        plan.procedure = procedure_of(guesses)
    if plan.procedure:
        plan.measures = [g for g in plan.measures if g.role != "complication" or g.words]
        plan.evidence.append(
            f"Procedure: the measurements were made in it, as the name of its date says ({plan.procedure})"
        )
    key = first_of(guesses, "encounter-id")
    if (
        key is not None
        and plan.event != "Encounter"
        and "patient-id" in roles
        and (plan.event or plan.measures)
    ):
        about = [g.column for g in guesses if g.role in _MAKES_ENCOUNTERS and depends_on(sample, g, key)]
        if about:
            plan.encounter = True
            plan.evidence.append(
                f"Encounter: {key.column} identifies the visit, and {', '.join(about)} are about it"
            )
    _request(sample, guesses, plan)
    others = [g.column for g in guesses if g.role == "other-person"]
    if others and plan.measures:
        plan.questions.append(
            f"{', '.join(others)} speak of another person: are all other measurements those of the patient, as is assumed?"
        )
    if "patient-id" in roles and not plan.patient:
        plan.patient = True
        plan.evidence.append("Patient: the rows have its identifier")
    _vary(sample, guesses, plan)
    return plan


def _event(path: Path, sample: Sample, guesses: list[Guess], plan: Plan) -> str:
    votes: dict[str, float] = {}
    why: dict[str, list[str]] = {}

    def vote(kind: str, weight: float, reason: str) -> None:
        votes[kind] = votes.get(kind, 0.0) + weight
        why.setdefault(kind, []).append(reason)

    numbered_alike = {_unnumbered(g): g for g in reversed(guesses) if g.role == "code"}
    for guess in guesses:
        role = role_named(guess.role)
        for kind, weight in (role.votes if role is not None else {}).items():
            vote(kind, weight, guess.column)
        if guess.role == "code":
            subject = subject_of(guess)
            kind, weight = _SYSTEMS.get(guess.system, (_SUBJECT.get(subject, ""), 1.5))
            if subject == "indication":
                continue
            counted = kind != "Condition" or numbered_alike.get(_unnumbered(guess)) is guess
            if kind and not guess.separator and counted:  # the diagnoses of a row are one thing that it says
                vote(kind, weight, guess.column)
    roles = {guess.role for guess in guesses}
    if any(guess.until is not None for guess in guesses):
        roles.add("start")  # a second time of day, at which what began at the first ended
    if (
        {"start", "end"} <= roles
        and not any(
            g.role in ("drug", "procedure", "diagnosis") and 2 * g.filled > len(sample.rows) for g in guesses
        )
        and _unique_visit(guesses)
        and not _named_after(path, guesses)
    ):
        vote("Encounter", 2.0, "start and end of each visit")
    if (
        {"admitted", "patient-id"} <= roles
        and len(roles & _ABOUT_VISITS) > _ENOUGH + 1
        and not roles & _OF_ROWS
    ):
        vote("Encounter", 1.0, "what is known of each stay")
    for kind, weight, why_so, first, second in _TOGETHER:
        if roles & first and roles & second:
            vote(kind, weight, why_so)
    for text in (tokens(path.stem), " ".join(tokens(g.name) for g in guesses)):
        for kind, pattern in _WORDS:
            match = re.search(pattern, text)
            if kind == _named_after(path, guesses) and text == tokens(path.stem):
                vote(kind, LEAST, f"{match[0] if match else kind!r} in names")
                break
            if match and (votes.get(kind) or main_code(guesses) is not None or _keyed(guesses, kind)):
                vote(kind, 1.5 if text == tokens(path.stem) else 0.5, f"{match[0]!r} in names")
                break
    if "Observation" in votes:
        many = "value" in roles and (roles & {"test", "display"} or main_code(guesses) is not None)
        many = many or is_susceptibility(guesses)
        if not many and not any(g.system == LOINC for g in guesses):
            del votes["Observation"]
        elif many:
            vote("Observation", 1.0, "a result in each row")
            if any(2 * g.distinct <= g.filled for g in guesses if g.role in ("encounter-id", "admitted")):
                votes.pop("Encounter", None)  # a visit has many rows, which are of its results
    for kind, (needed, subject) in _NEEDED.items():
        if kind == _named_after(path, guesses):
            continue
        if kind in votes and not roles & needed and not _has(guesses, subject):
            del votes[kind]
    visit = first_of(guesses, "encounter-id")
    own = visit is not None and visit.distinct == visit.filled == len(sample.rows) > 3
    dated = bool(roles & {"date", "start", "collected", "scheduled"})
    about = roles & _ABOUT_VISITS
    if {"test", "ordered"} <= roles:
        own = False  # an examination that was asked for, whatever visit it has
    if own and "Encounter" in votes and (dated or len(about) > 1) and not many_measures(guesses, len(about)):
        others = roles & {"performed", "procedure", "test", "diagnosed"} or main_code(guesses) is not None
        vote(
            "Encounter",
            2.1 if dated and visit is guesses[0] and not others else 1.0,
            "each row has its own visit",
        )
        if dated and len(about) > _ENOUGH and not roles & {"performed", "procedure", "test"}:
            vote("Encounter", 1.5, "what is known of each visit")
    elif "Encounter" in votes and not (roles & {"admitted", "discharged", "start"}):
        del votes["Encounter"]
    measured = sum(1 for g in guesses if g.measure)
    if "Encounter" in votes and measured > 5 and votes["Encounter"] < 4:
        del votes["Encounter"]
    if "AllergyIntolerance" in votes and measured > 2 and "reaction" not in roles:
        del votes["AllergyIntolerance"]
    if votes.get("Condition", 0) and measured > 4 and main_code(guesses) is None:
        del votes["Condition"]
    votes.pop("MedicationAdministration", None)
    doubt = weigh_allergies(tokens(path.stem), guesses, votes, why)
    if doubt:
        plan.questions.append(doubt)
        return ""
    if "scheduled" in roles and not roles & {"performed", "start"}:
        votes.pop("Procedure", None)  # what is planned was not done
    if _is_order(path, guesses, votes):
        plan.evidence.append("ServiceRequest: what was asked for, and nothing says that it was done")
        return "ServiceRequest"
    if not votes or max(votes.values()) < (LEAST if main_code(guesses) is None else 1.0):
        code = main_code(guesses)
        if (
            code is not None
            and measured < 3
            and (subject_of(code) == "diagnosis" or code.system in _DIAGNOSES)
        ):
            plan.questions.append("what are the rows about? Condition is assumed")
            return "Condition"
        if _are_patients_with(guesses, votes):
            plan.questions.append(
                "what are the rows about? That each patient has the diagnosis (Condition) is assumed"
            )
            return "Condition"
        return ""
    best = max(votes, key=lambda kind: votes[kind])
    close = [kind for kind, weight in votes.items() if kind != best and weight >= _NEAR * votes[best]]
    if own and {best, *close} == {"Condition", "Encounter"}:
        best, close = "Encounter", []  # which has its diagnoses
    if close:
        plan.questions.append(
            f"what are the rows about: {' or '.join((best, *close))}? Their columns speak nearly as much for each, so neither is made"
        )
        return ""
    plan.evidence.append(f"{best}: {', '.join(dict.fromkeys(why[best]))} speak for it")
    return best


def _unnumbered(guess: Guess) -> str:
    """A name without its number: `DX_1` and `DX_2` are alike."""
    return re.sub(r"\d+", "", tokens(guess.column))


_AFTER: Final = (
    ("Condition", r"conditions?|diagnos(is|es|en|tics?|i|ticos?)|problems?|problem ?list"),
    ("Procedure", r"procedures?|prozeduren|actes"),
)
"""Names of files that are those of a resource type, of lists that have times of a start and an end as visits have."""


def _named_after(path: Path, guesses: list[Guess]) -> str:
    """The resource type that the last word of a file's name is, in a table of codes beside which no other type is likelier."""
    if main_code(guesses) is None:
        return ""
    words = tokens(path.stem)
    return next((kind for kind, names in _AFTER if re.search(rf"(^|[a-z] )({names})$", words)), "")


def _are_patients_with(guesses: list[Guess], votes: dict[str, float]) -> bool:
    """Whether rows are patients with a diagnosis in words, and nothing else that was measured or done."""
    roles = {guess.role for guess in guesses}
    if roles & _DONE - {"start", "end"} or roles & {
        "test",
        "procedure",
        "order-id",
        "allergy",
        "encounter-id",
    }:
        return False
    stated = any(g.role == "diagnosis" and 2 * g.filled > max(x.filled for x in guesses) for g in guesses)
    only = max(votes, key=lambda kind: votes[kind], default="") == "Condition"
    return stated and only and "patient-id" in roles and not any(g.measure for g in guesses)


_DONE: Final = frozenset(
    "performed start end value collected administered admitted discharged dispensed complication anesthesia vaccine drug organism".split()
)
"""Roles of columns that only what was done has."""


def _is_order(path: Path, guesses: list[Guess], votes: dict[str, float]) -> bool:
    """Whether rows are orders, referrals or appointments for something, of which nothing says that it was done."""
    roles = {guess.role for guess in guesses}
    if roles & _DONE or "patient-id" not in roles or not roles & {"ordered", "scheduled", "received"}:
        return False
    if sum(1 for g in guesses if g.measure) > 2 or votes.get("Encounter", 0) >= LEAST:
        return False
    what = (
        roles & {"procedure", "test"}
        or _has(guesses, "procedure")
        or {"order-id", "ordered", "scheduled"} <= roles
    )
    referred = any("referral" in concepts_of(g) for g in guesses) or re.search(
        r"referral|ueberweis|verwijz|derivac", tokens(path.stem)
    )
    return bool(
        (what and roles & {"ordered", "scheduled"})
        or (referred and roles & {"specialty", "indication", "diagnosis", "priority"})
    )


_SUSCEPTIBLE: Final = frozenset(("antibiotic", "value", "flag"))
"""Roles of what an organism is susceptible to, or how far."""
_TOGETHER: Final = (
    ("MedicationRequest", 1.0, "a drug, and how fast or how much of it", {"drug"}, {"rate", "dose"}),
    ("Procedure", 1.2, "what was done, and when", {"procedure"}, {"performed", "start"}),
    ("Observation", 3.0, "organisms and what they were tested against", {"organism"}, _SUSCEPTIBLE),
)
"""What columns say together: resource type, weight, words, and the roles of each of which one must be there."""
_DIAGNOSES: Final = frozenset((ICD10, ICD10_CM, ICD10_GM, ICD9_CM, SNOMED))
_NEEDED: Final = {
    "MedicationRequest": ({"drug"}, "drug"), "Immunization": ({"vaccine"}, "vaccine"), "Procedure": ({"procedure"}, "procedure"),
    "Condition": ({"diagnosis"}, "diagnosis"), "AllergyIntolerance": ({"allergy", "drug"}, "allergy"),
}  # fmt: skip
"""Roles, or a code of a subject, without which rows are not about something."""


def is_susceptibility(guesses: Sequence[Guess]) -> bool:
    """Whether rows are what an organism of a sample is susceptible to."""
    roles = {guess.role for guess in guesses}
    return "organism" in roles and bool(roles & _SUSCEPTIBLE)


def many_measures(guesses: list[Guess], about: int) -> bool:
    """Whether a table has measurements, of which visits are no more than the time.

    Args:
        about: how many different things its columns say of visits.
    """
    if any(g.role in ("value", "drug", "vaccine", "allergy") for g in guesses):
        return True
    measured = sum(1 for g in guesses if g.measure)
    return measured > (about if about > _ENOUGH else 0)


def _keyed(guesses: list[Guess], kind: str) -> bool:
    return kind == "Encounter" and any(g.role == "encounter-id" for g in guesses)


def _unique_visit(guesses: list[Guess]) -> bool:
    first = guesses[0]
    return any(
        (g.role == "encounter-id" and 2 * g.distinct > g.filled) or (g is first and g.role == "id")
        for g in guesses
    ) and any(g.role == "patient-id" for g in guesses)


def _has(guesses: list[Guess], subject: str) -> bool:
    return any(g.role == "code" and subject_of(g) == subject for g in guesses)


_REQUESTS: Final = frozenset(
    "quantity refills prn ordered dispensed sig duration frequency status-reason".split()
)


def _medication(path: Path, sample: Sample, guesses: list[Guess], plan: Plan) -> None:
    """Whether medication was ordered, given, or is what the patient takes."""
    if plan.event != "MedicationRequest":
        return
    roles = {guess.role for guess in guesses}
    words = tokens(path.stem)
    if _is_giving(sample, guesses):
        plan.event, why = "MedicationAdministration", "what was given, from start to end"
    elif any(g.role == "dispensed" and 2 * g.filled >= len(sample.rows) for g in guesses):
        plan.event, why = "MedicationDispense", "what was handed over"
    else:
        why = _of_medication(roles, words, sample, guesses, plan)
    if plan.event == "MedicationRequest":
        return
    if plan.event == "MedicationAdministration" and "dose" not in roles:
        for guess in guesses:
            if guess.role == "quantity" and guess.unit:
                guess.role = "dose"
                guess.evidence.append("how much of it was given")
    plan.evidence = [
        f"{text.replace('MedicationRequest', plan.event, 1)}; it is about {why}"
        if text.startswith("MedicationRequest:")
        else text
        for text in plan.evidence
    ]


def _is_giving(sample: Sample, guesses: list[Guess]) -> bool:
    """Whether a start and an end with times of day are of one giving: on one day, or the night after."""
    start, end = (first_of(guesses, role) for role in ("start", "end"))
    if any(g.until is not None for g in guesses):
        return True
    if start is None or end is None or not (start.timed or start.clock) or not (end.timed or end.clock):
        return False
    days = list(zip(days_of(sample, start), days_of(sample, end), strict=True))
    known = [(first, last) for first, last in days if first and last]
    near = sum(1 for first, last in known if 0 <= last - first <= 1)
    return bool(known) and near >= 0.9 * len(known)


_AT_HOME: Final = re.compile(
    r"\b(home|reconcil\w*|hausmedikation|dauermedikation|vormedikation|thuismedicatie|domiciliar\w*|prior to admission|pta|medicamentos habituales|medicacion habitual)\b"
)
"""Names of medication that patients take at home."""


def _of_medication(roles: set[str], words: str, sample: Sample, guesses: list[Guess], plan: Plan) -> str:
    """Whether words say that medication was given or ordered; else it is what the patient takes."""
    has_words = any(
        speaks_of_giving(
            "MedicationAdministration", g.role if g.role != "status" else "category", sample.values(n)
        )
        for n, g in enumerate(guesses)
    )
    if (
        has_words
        or {"administered", "dose-ordered"} & roles
        or {"rate", "collected"} <= roles
        or re.search(r"\bmar\b|administ|gabe|toedien|somministr", words)
    ):
        plan.event = "MedicationAdministration"
        return "what was given"
    names = " ".join([words, *(tokens(g.name) for g in guesses)])
    if _AT_HOME.search(names) and not roles & {"ordered", "refills", "dispensed", "order-id"}:
        plan.event = "MedicationStatement"
        return "what is taken at home, as a name says"
    if not (roles & _REQUESTS or re.search(r"prescri|order|rezept|verordn|ordonn|\brx\b|request", words)):
        plan.event = "MedicationStatement"
        return "what is taken, as nothing says that it was ordered or given"
    return ""


def requester(guesses: Sequence[Guess]) -> Guess | None:
    """The column of who asked for a result; a person before a place."""
    for role in ("provider", "provider-id", "ward", "specialty", "organization"):
        asking = [guess for guess in guesses if guess.role == role and part_of(guess) == ASKED]
        if asking:  # of two, the one with names of doctors
            return min(asking, key=lambda guess: DOCTORS not in guess.evidence)
    return None


def _request(sample: Sample, guesses: list[Guess], plan: Plan) -> None:
    """Whether something is known of the orders that results are of: who asked for them, when, for what."""
    order = first_of(guesses, "order-id") or _examination(sample, guesses, plan)
    results = plan.event == "Observation" or (not plan.event and plan.measures)
    if not plan.event and any(g.role in ("test", "procedure") for g in guesses):
        results = True  # what was ordered, without a result
    if order is None or not results or not any(g.role == "patient-id" for g in guesses):
        return
    about = [requester(guesses), *(g for g in guesses if g.role in ("ordered", "panel"))]
    about += [g for g in guesses if g.role == "priority" and is_urgency(sample.values(guesses.index(g)))]
    if not plan.event and not plan.measures:
        about += [g for g in guesses if g.role in ("test", "procedure")]
    known = [g.column for g in about if g is not None and depends_on(sample, g, order)]
    for guess in about:  # an empty cell is not a second value
        partly = guess is not None and guess.column not in known and guess is about[0]
        if partly and guess is not None and _in_some_row(sample, guess, order):
            known.append(guess.column)
            plan.ordered.append(guess)
    for guess in about:
        if guess is not None and guess.column not in known:
            plan.varying[guess.column] = order.column
    if known:
        plan.request = True
        plan.evidence.append(
            f"ServiceRequest: {order.column} identifies the order, and {', '.join(known)} are about it"
        )


def _in_some_row(sample: Sample, guess: Guess, order: Guess) -> bool:
    """Whether a column has one value for each order, in some of its rows."""
    one, other = sample.columns.index(order.column), sample.columns.index(guess.column)
    orders = {row[one].strip() for row in sample.rows if row[one].strip()}
    stated = {row[one].strip() for row in sample.rows if row[other].strip()}
    return orders <= stated and depends_on(sample, guess, order, blanks=False)


def _examination(sample: Sample, guesses: list[Guess], plan: Plan) -> Guess | None:
    """In a chart the number of an examination that someone asked for, each row's own: that of the order, too."""
    number = first_of(guesses, "event-id")
    asked = requester(guesses) or first_of(guesses, "ordered")
    if number is None or asked is None or plan.event or not plan.measures:
        return None
    if number.distinct < len(sample.rows) or "procedure" not in concepts_of(number):
        return None
    number.role = "order-id"
    number.evidence.append(f"each row has its own, and {asked.column} is who or when it was asked for")
    number.questions = [f"{number.column}: is it the number of the order of its row, as is assumed?"]
    return number


def _measures(sample: Sample, guesses: list[Guess], plan: Plan) -> None:
    """The columns that become an Observation each."""
    numbers = ("number", "boolean", "category", "age", "blood-pressure")
    if plan.event == "Observation":
        return
    if plan.event:
        also = _FINDINGS_OF.get(plan.event, frozenset()) | {"blood-group", "finding-date"}
        chart = sum(1 for g in guesses if g.measure or _has_stated_unit(g)) >= _BESIDE
        plan.measures = [
            g
            for g in guesses
            if g.role in also
            or g.role == "blood-pressure"
            or (g.role in numbers and g.role != "age" and (g.measure or _has_stated_unit(g)))
            or (
                is_finding_beside(sample, g, LARGE if chart else 0)
                and not _is_beside(guesses, g, "disposition")
            )
            or (is_other_number(g) and not g.of and (chart or _SCORED.search(tokens(g.name))))
        ]
    else:
        known = sum(1 for g in guesses if _is_measurement(g) and g.role != "age")
        findings = sum(1 for g in guesses if g.role == "boolean" and not g.of)
        if findings >= _REGISTER and not plan.dropped:
            known += 2  # a register of what patients have
        plan.measures = [
            g
            for g in guesses
            if _is_measurement(g)
            or (
                known >= _CHART and (is_other_number(g) or g.role in FINDINGS or is_finding(sample, g, known))
            )
            or (not plan.patient and known < _CHART and g.role == "number" and not g.whole and not g.header)
            or (g.role == "age" and bool(g.decimal))
            or (g.role in ("note", "text") and _is_report(g))
        ]
        if all(g.role == "age" for g in plan.measures) and plan.patient:
            plan.measures = []
    if plan.dropped:
        plan.measures = [g for g in plan.measures if g.measure]
    for guess in plan.measures:
        if guess.role == "count":
            guess.role = "number"
    if plan.measures:
        plan.evidence.append(
            f"Observation: {len(plan.measures)} columns are measurements or findings, a result each (a wide table)"
        )
    if not plan.event and not plan.patient and not plan.measures:
        plan.questions.append("what are the rows about?")


_SCORED: Final = re.compile(
    r"\b(score|scores|scale|index|skala|scala|escala|echelle|punteggio|puntuacion|punkte|punktzahl|schaal)\b"
)
"""Names of numbers that are findings whatever they are beside."""
_BESIDE: Final = 3
"""From so many measurements beside an event a table is also a chart of them."""
_CHART: Final = 2
"""From so many measurements a table is a chart of them, in which other numbers are measurements as well."""


_REGISTER: Final = 4
"""From so many columns of yes and no a table of patients is a register of what they have."""


def _is_beside(guesses: list[Guess], guess: Guess, role: str) -> bool:
    """Whether the column before is of a role: what follows where the patient went says more of that."""
    place = guesses.index(guess)
    return place > 0 and guesses[place - 1].role == role


def _has_stated_unit(guess: Guess) -> bool:
    return guess.role == "number" and bool(guess.unit) and is_bracketed(guess.name)


def _is_measurement(guess: Guess) -> bool:
    """Whether the vocabulary knows a column as a measurement, or it has a unit."""
    known = guess.role in ("blood-pressure", "blood-group", "finding-date")
    return known or guess.measure or (guess.role == "number" and bool(guess.unit))


def _is_report(guess: Guess) -> bool:
    """Whether a text is a finding of its own, not a remark on the others."""
    return bool(
        re.search(
            r"report|conclusi|impression|samenvatting|oordeel|beurteilung|finding|interpret|befund|compte rendu|summary|referto|statement|epikrise|informe",
            tokens(guess.name),
        )
    )


def main_code(guesses: list[Guess]) -> Guess | None:
    """The column of codes that the rows are about: the first that no other column's name makes a reason."""
    codes = [
        guess
        for guess in guesses
        if guess.role == "code"
        and not guess.separator
        and not re.search(
            r"reason|grund|type|status|unit|reaction|indication|gender|race|ethnicity|indik",
            tokens(guess.name),
        )
    ]
    known = [guess for guess in codes if guess.system and guess.system != "OMOP"]
    local = [
        guess
        for guess in codes
        if not guess.system and guess.header in ("test-code", "code", "cpt", "ndc", "icd", "")
    ]
    named = [guess for guess in codes if guess.system == "OMOP"]
    return next(iter(known or local or named), None)


_OF_PATIENTS: Final = frozenset(
    """person-id name given nickname middle family family-prefix maiden mothers-maiden prefix suffix sex birth-date death-date deceased marital address city county
    state postal-code country phone phone-home phone-work phone-mobile email language gp contact-name contact-phone
    contact-relationship nationality religion fax race ethnicity occupation birth-place birth-year""".split()
)


_OF_EVENTS: Final = {
    "Procedure": frozenset("ward disposition complaint".split()),
    "Immunization": frozenset("ward disposition complaint".split()),
    "MedicationAdministration": frozenset("ward complaint disposition".split()),
    "MedicationRequest": frozenset(("complaint",)),
    "MedicationStatement": frozenset(("complaint",)),
    "Observation": frozenset(("ward",)),
    "ServiceRequest": frozenset("ward complaint specialty class encounter-type disposition".split()),
    "": frozenset(("ward",)),
}
"""Roles of columns about visits that may be about the event of a row instead, by resource type."""


def _vary(sample: Sample, guesses: list[Guess], plan: Plan) -> None:
    """Columns that no one Patient or Encounter can have, since they have several values for it."""
    for key_role, roles, written in (
        ("patient-id", _OF_PATIENTS, plan.patient),
        ("encounter-id", _OF_ENCOUNTERS, plan.encounter or plan.event == "Encounter"),
    ):
        key = first_of(guesses, key_role)
        if key is None and key_role == "encounter-id":
            key = first_of(guesses, "account-id")
        if key is None or not written or key.distinct == key.filled:
            continue
        for guess in guesses:
            if guess.role in roles - _OF_EVENTS.get(plan.event, frozenset()) and not depends_on(
                sample, guess, key
            ):
                plan.varying[guess.column] = key.column
        if key_role == "patient-id":
            _partly(sample, guesses, plan, key)
    _vary_by_admission(sample, guesses, plan)


def _vary_by_admission(sample: Sample, guesses: list[Guess], plan: Plan) -> None:
    """What several rows of one patient and admission, which are one visit without a number, do not agree on."""
    keys = [first_of(guesses, role) for role in ("patient-id", "admitted")]
    key = [g for g in keys if g is not None]
    numbered = any(g.role in ("encounter-id", "account-id", "event-id") for g in guesses)
    if plan.event != "Encounter" or numbered or len(key) < 2:
        return
    for guess in guesses:
        about = guess.role in _OF_ENCOUNTERS | {"provider", "provider-id"} and guess not in key
        if about and not depends_on_all(sample, guess, key):
            plan.varying[guess.column] = f"{key[0].column} and {key[1].column}"


def _partly(sample: Sample, guesses: list[Guess], plan: Plan, key: Guess) -> None:
    """Of columns that vary, those that are blank in some rows of a patient and the same in all others, together."""
    once = [
        g for g in guesses
        if plan.varying.get(g.column) == key.column and depends_on(sample, g, key, blanks=False) and (g.role != "sex" or g.words)
    ]  # fmt: skip
    place, places = sample.columns.index(key.column), [sample.columns.index(g.column) for g in once]
    stated: dict[str, set[tuple[str, ...]]] = {}
    for row in sample.rows:
        cells = tuple(row[number].strip() for number in places)
        stated.setdefault(row[place].strip(), set()).update([cells] if any(cells) else [])
    if once and all(len(each) == 1 for each in stated.values()):
        plan.partly = once
        for guess in once:
            del plan.varying[guess.column]
