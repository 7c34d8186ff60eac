# ruff: noqa: E501 - patterns are written as they come out
"""Columns by what their names say, where the cells may be that: sex, codes, truth values, roles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping.cells import (
    CODES,
    IDENTIFIERS,
    all_whole,
    first_role,
    is_site,
    texts,
    zero_led,
)
from fhir_bridge.workshop.first_mapping.classes import STAY
from fhir_bridge.workshop.first_mapping.codes import PROCEDURE_FORM, Code, code_of
from fhir_bridge.workshop.first_mapping.grades import is_graded
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.measures import measures_of
from fhir_bridge.workshop.first_mapping.numbers import as_quantity
from fhir_bridge.workshop.first_mapping.sexes import sexes
from fhir_bridge.workshop.first_mapping.values import NumberForm, booleans, number_form, share
from fhir_bridge.workshop.units import ucum_of

__all__ = [
    "DOCTORS",
    "DURATIONS",
    "QUANTITIES",
    "as_blood_group",
    "as_boolean",
    "as_code",
    "as_gestation",
    "as_person",
    "as_role",
    "as_sex",
    "as_stage",
]


_SEXES: Final = {
    **dict.fromkeys(
        "male man men maennlich mann homme masculin maschio uomo hombre varon".split(), ("male", "female")
    ),
    **dict.fromkeys(
        "female woman women weiblich frau femme feminin femmina donna mujer".split(), ("female", "male")
    ),
}
"""Names of columns that say yes or no to one sex."""


def as_sex(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """Words for the sex."""
    best = fits[0][1] if fits else ""
    if not best and _of_others(guess):
        return False
    named = _SEXES.get(tokens(guess.name).removeprefix("is ").removeprefix("sex ").removeprefix("gender "))
    pair = booleans(values)
    if named is not None and pair is not None:
        guess.role, guess.words = "sex", dict(zip(pair, named, strict=True))
        guess.evidence.append(
            "yes and no of one sex: " + ", ".join(f"{w} → {c}" for w, c in guess.words.items())
        )
        guess.questions.append(
            f"{guess.column}: do {' and '.join(pair)} mean {' and '.join(named)}, as is assumed?"
        )
        return True
    words, question = sexes(values, tokens(guess.name))
    spelt = set(words.values()) >= {"male", "female"} and not any(word.isdigit() for word in words)
    if words and (best == "sex" or (spelt and best in ("", "code", "category"))):
        guess.role, guess.words = "sex", words
        guess.evidence.append(
            "values are words for the sex: " + ", ".join(f"{w} → {c}" for w, c in words.items())
        )
        if question:
            guess.questions.append(f"{guess.column}: {question}")
        return True
    if (
        best == "sex"
        and len(set(values)) <= 8
        and max(map(len, values)) <= 20
        and not any(v.isdigit() and len(v) > 1 for v in values)
    ):
        guess.role = "sex"
        shown = ", ".join(sorted(set(values))[:6])
        guess.evidence.append("values are no words for a sex")
        guess.questions.append(f"{guess.column}: which sex does each of these mean: {shown}?")
        return True
    return False


def _of_others(guess: Guess) -> bool:
    """Whether a name speaks of somebody at work or to be told: the sex of a doctor is not the patient's."""
    concepts = frozenset[str]().union(*(slot.concepts for slot in slots(tokens(guess.name))))
    return bool(concepts & {"provider", "gp", "contact"})


_NUMBERED: Final = frozenset(
    "patient-id person-id encounter-id order-id account-id event-id study-id id row-id".split()
)
"""Roles whose cells have digits: `CC` and `TI` are kinds of documents, not their numbers."""
_SIMPLE: Final = frozenset(
    "quantity dose strength rate duration refills refills-left dose-number los".split()
)
"""Roles of amounts, which have no comparator."""
_OWN_NUMBERS: Final = frozenset("event-id order-id account-id".split())
"""Roles of numbers that one thing has alone."""
_COUNTS: Final = frozenset("refills quantity dose dose-number los age duration rate money".split())
"""Roles whose cells are numbers: `true` and `false` are none."""
_PLACES: Final = frozenset("ward organization specialty device provider provider-id".split())
"""Roles whose cells are names of places and people, not how much of something there is."""
_AMOUNTS: Final = frozenset(
    """value value-number refills quantity dose dose-number los age status severity duration rate strength number money
    drg series range-low range-high age-group code-system""".split()
)
"""Roles whose cells may be 0 and 1 and are not no and yes."""


QUANTITIES: Final = frozenset(
    """value value-number range-low range-high dose quantity strength rate los duration age birth-date""".split()
)
"""Roles of numbers that have a unit."""
DURATIONS: Final = frozenset("duration los age".split())
"""Those of which it is one of time."""
_DOCTORS: Final = re.compile(r"(?i)(dr|dra|prof|pd|dott|dott\.ssa|pr)(\. *|\.?ssa\.? *| +)[^\W\d_]+")
"""How the names of doctors are written; other titles have patients as well."""
DOCTORS: Final = "values are names of doctors"
"""The evidence for names of doctors."""
_WHOLE: Final = 0.99
_GROUP: Final = re.compile(
    r"(?i)(a|b|ab|0|o)[ ,/]*(rh)?[ ,/(]*(d)?[ ,/(]*(pos(itiv[eo]?)?|neg(ativ[eo]?)?|\+|-)[ )]*(ccdd?ee|[+-])*\.?"
)


def as_person(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """Names of doctors, whatever the column is called, unless that is a remark or a name for the patient."""
    best = fits[0][1] if fits else ""
    if best in ("note", "name", "prefix", "gp", "contact-name", "family", "given"):
        return False
    if share(values, lambda v: _DOCTORS.fullmatch(v) or (_DOCTORS.match(v) and len(v.split()) <= 4)) < 0.7:
        return False
    guess.role = "provider"
    guess.evidence.append(DOCTORS)
    return True


_STAGE: Final = re.compile(
    r"(?i)[cpyra]*(t|n|m)(is|x|a|[0-4][a-d]?)( ?\(.*\))?([ ,]*[cpyra]*[nm][x0-3][a-c]?)*|[lvrg] ?[0-3x][a-c]?|i{1,3}[abc]?|iv[abc]?"
)
"""How tumours are staged and graded: `pT2`, `N0`, `G3`, `R1`, `IIIb`."""


def as_stage(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """Stages and grades of tumours, whatever the column is called, where all cells are some."""
    if (
        guess.distinct > 15
        or share(values, _STAGE.fullmatch) < 1.0
        or not any(re.search(r"\d|is|x", v) for v in values)
    ):
        return False
    if (
        fits
        and fits[0][0] >= _WHOLE
        and fits[0][1] not in ("patient-id", "status", "category", "severity", "prn")
    ):
        return False
    if fits and fits[0][1] == "patient-id" and re.search(r"[a-z]{2} ", tokens(guess.name)):
        return False  # `PAT1` in `patient_id`
    guess.role, guess.measure = "category", True
    guess.evidence.append("values are stages or grades of tumours")
    guess.questions.append(f"{guess.column}: which code has this stage or grade? It is kept as text")
    return True


_WEEKS: Final = re.compile(r"[1-4]?\d ?(\+|w|sa|s) ?[0-6](/7|d|j|t)?")


def as_gestation(guess: Guess, _fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """Weeks and days of a pregnancy: `39+4`, whatever the column is called; `1+0` is a parity."""
    if share(values, _WEEKS.fullmatch) < 0.9 or share(values, lambda v: v[:2].isdigit()) < 0.6:
        return False
    guess.role, guess.measure = "category", True
    guess.evidence.append("values are weeks and days of a pregnancy")
    guess.questions.append(
        f"{guess.column}: is it the gestational age in weeks and days, as is assumed? It is kept as text"
    )
    return True


def as_blood_group(
    guess: Guess, _fits: Sequence[tuple[float, str]], values: list[str], _: bool | None
) -> bool:
    """Blood groups with their Rhesus factor, whatever the column is called: of the patient, or of a product."""
    if share(values, _GROUP.fullmatch) < 0.9:
        return False
    concepts = frozenset[str]().union(*(slot.concepts for slot in slots(tokens(guess.name))))
    guess.role = "product-group" if concepts & {"unitofblood", "drug", "unit"} else "blood-group"
    guess.measure = guess.role == "blood-group"
    guess.evidence.append("values are blood groups")
    return True


def _is_year(value: str) -> bool:
    """Whether a cell is a bare year, which has the form of some codes of ICD-9-CM and CPT."""
    return bool(re.fullmatch(r"(19|20)\d\d|2100", value))


def as_code(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """Codes of a system, or of none that is known."""
    if fits and fits[0][1] == "concept":
        guess.role, guess.system = "code", "OMOP"
        guess.evidence.append("identifiers of OMOP concepts")
        guess.questions.append(f"{guess.column}: OMOP concept ids need the OMOP vocabulary to become codes")
        return True
    concepts = frozenset[str]().union(*(slot.concepts for slot in slots(tokens(guess.name))))
    if concepts & {"year", "diagnosis", "diagnosed", "procedure"} and share(values, _is_year) == 1.0:
        return False
    code = code_of(values, concepts, [name for _, name in fits])
    if code is None and _of_procedures(guess, values):
        code = Code(
            "",
            ("cells are written as codes of procedures are",),
            ("which code system are these codes of procedures of? They are kept as local codes",),
            subject="procedure",
        )
    if code is None or (not code.system and not code.subject and _is_measurement(guess, values)):
        return False
    guess.role, guess.system, guess.separator = "code", code.system, code.separator
    guess.subject = code.subject
    guess.evidence.extend(code.evidence)
    guess.questions.extend(f"{guess.column}: {question}" for question in code.questions)
    return True


def _is_measurement(guess: Guess, values: list[str]) -> bool:
    """Whether a name is that of a measurement alone, and its cells are numbers: `CD4`."""
    named, explained = measures_of(tokens(guess.name))
    return bool(named) and explained >= _WHOLE and number_form(values, least=_WHOLE) is not None


_PROCEDURES: Final = re.compile(
    r"(op|opr|oper|opertn|proc|proz|prozedur|prcdr|procedure|interv|intervention|intervento|intervencion|ingreep|verrichting|aatgaerd|atgard|acte|"
    r"procedimento|procedimiento|eingriff|ncmp|ncsp|kva|zorgactiviteit|prestatie)( (princip\w*|haupt|main|primary|sec\w*|code|kode|cod|cd|koder|rea|realizado|performed|\d+))*"
)
"""Names of columns of what was done, and nothing else."""


def _of_procedures(guess: Guess, values: list[str]) -> bool:
    """Whether a column of what was done has codes, of whatever list."""
    if not _PROCEDURES.fullmatch(tokens(guess.name)):
        return False
    cells = [value for value in values if value.strip("-")]
    return len(set(cells)) > 2 and share(cells, PROCEDURE_FORM.fullmatch) >= 0.95


def as_boolean(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """Yes and no."""
    pair = booleans(values)
    if pair is None:
        return False
    if set(values) <= {"0", "1"} and len(set(values)) == 1 and fits:
        return False
    role = first_role(fits, "bool") if fits else None
    best = fits[0][1] if fits else ""
    of_words = set(values) == {"0", "1"} and best not in _AMOUNTS | IDENTIFIERS | CODES
    of_words |= not set(values) & {"0", "1"} and (best in _COUNTS or _is_yes_and_no(values))
    if role is None and best and fits[0][0] >= 0.99 and not of_words:
        return False
    if role is not None and role.name == "status" and set(values) <= {"F", "T"}:
        return False  # `F` is final
    if role is not None and role.name in _QUALIFYING and _share_of(fits, role.name) < _WHOLE:
        role = None  # `chronic kidney disease` is a disease, not whether another is chronic
    if role is not None and role.name in ("value", "sex", "status", "category", "flag"):
        return False
    guess.role = role.name if role is not None else "boolean"
    guess.words = {"true": pair[0], "false": pair[1]}
    guess.evidence.append("values are " + " and ".join(sorted(set(values))[:2]))
    if set(values) <= {"0", "1"}:
        guess.questions.append(f"{guess.column}: does 1 mean yes, as is assumed?")
    return True


def _share_of(fits: Sequence[tuple[float, str]], role: str) -> float:
    """How much of a name a role explains."""
    return next((share for share, name in fits if name == role), 0.0)


_QUALIFYING: Final = frozenset("diagnosis-chronic complication risk".split())
"""Roles of yes and no about something else, which a name that says more is not of."""
_BED: Final = re.compile(
    r"\b(bed|bett|bettnr|bettplatz|lit|cama|letto|zimmer|room|chambre|habitacion|kamer|camera|stanza)\b"
)
"""Names of columns of beds and rooms, which have small numbers."""
_WORD: Final = re.compile(r"[^\W\d_]{4,}.*[^\W\d_]{4,}|[^\W\d_]{3,} [^\W\d_]{3,}")
"""What a number of a person has not: two words."""
_PLACE: Final = re.compile(
    r"(?i)\b(\w{3,}o?log(ie|y|ia|ía)|\w*chirurgi\w*|innere|\w*medizin|medicine|médecine|medecine|medicina|\w*pädiatrie|p(a|ae)ediatrics|p[eé]diatrie|geriatri\w*|\w*klinik|\w*station|stat\b|\w*ambulanz|\w*praxis|abteilung|abt\b|clinic|ward|unit|department|dept|hospital|hôpital|hopital|hospitalier|"
    r"reparto|ambulatorio|afdeling|poli\w*|krankenhaus|ospedale|ziekenhuis|centre|center|zentrum|centro|notaufnahme|pharmacy|apotheke|pharmacie|farmacia|apotheek|"
    r"urgences|surgery|practice|labor|laboratory|laboratoire|laboratorio|vårdcentral\w*|mottagning\w*|avdelning\w*|sjukhus\w*|sykehus\w*|sygehus\w*|afdeling\w*|posto|unidade|unidad)\b"
)
"""Words for places where people work."""


def _is_yes_and_no(values: Sequence[str]) -> bool:
    """Whether values are both the words for yes and for no, which are no names of things: `Y`, `N`."""
    words = {value.casefold() for value in values}
    return len(words) == 2 and not words & {"positive", "negative", "t", "f"}


def as_role(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """What the name says, where its cells may be that."""
    numbers = number_form(values, least=0.95)
    kinds: tuple[str, ...]
    if zero_led(values):
        kinds = ("id", "str", "num")
    elif numbers is not None and not (numbers.whole and all_whole(values)):
        kinds = ("num",)
    elif numbers is not None:
        kinds = ("num", "id")
    elif share(values, lambda v: any(c.isdigit() for c in v) and " " not in v) >= 0.8:
        kinds = ("id", "str")
    else:
        kinds = (
            ("str", "id") if share(values, lambda v: len(v) <= 24 and v.count(" ") <= 1) >= 0.9 else ("str",)
        )
    role = first_role(fits, *kinds)
    if role is None or role.name in CODES or role.name in ("category", "boolean"):
        return False
    if role.name == "patient-id" and _are_names(values):
        guess.role = "name"
        guess.evidence.append("values are names of people")
        return True
    if (
        role.name == "insurer"
        and share(values, lambda v: STAY.fullmatch(v.casefold())) >= _MOSTLY
        and guess.distinct > 1
    ):
        guess.role = "class"
        guess.evidence.append("values are kinds of stays, not of who pays")
        return True
    if role.name == "ward" and share(values, _is_unit) >= _UNITS:
        guess.role = "unit"
        guess.evidence.append("values are units")
        return True
    if role.name == "unit" and share(values, _is_place) >= _MOSTLY:
        guess.role = "ward"
        guess.evidence.append("values are names of places, not units")
        return True
    if role.name == "body-site" and tokens(guess.name) == "site" and not is_site(values):
        guess.role = "organization"
        guess.evidence.append("values are no places of the body")
        return True
    if (
        role.name == "organization"
        and guess.distinct == guess.filled > _FEW_ROWS
        and _is_lab_number(guess, values)
    ):
        guess.role = "event-id"
        guess.evidence.append("each row has its own: a number of the laboratory")
        return True
    if (
        role.name in ("organization", "organization-id")
        and _FEW_ROWS < guess.distinct < guess.filled
        and _is_lab_number(guess, values)
    ):
        guess.role = "order-id"
        guess.evidence.append("results share it: a number that the laboratory gives to an order")
        return True
    if role.name in ("admit-source", "ward", "state") and is_site(values):
        guess.role = "body-site"
        guess.evidence.append("values are places of the body")
        return True
    if _contradicts(role.name, guess, values, numbers, whole=fits[0][0] >= _WHOLE):
        return False
    guess.role = (
        "id"
        if role.name == "row-id" and guess.distinct == guess.filled and _counts_as_id(fits)
        else role.name
    )
    if role.name in ("provider-id", "provider"):
        numbered = share(values, lambda v: any(c.isdigit() for c in v) and not _WORD.search(v))
        guess.role = "provider-id" if numbered > 0.5 else "provider"
        if share(values, _PLACE.search) >= 0.5:
            guess.role = "organization"
            guess.evidence.append("values are names of places, not of people")
    if (
        role.name in ("organization-id", "organization")
        and share(values, lambda v: any(c.isdigit() for c in v)) < 0.5
    ):
        guess.role = "organization"
    if role.name in ("value", "value-number", "range-low", "range-high", "dose", "quantity", "strength", "rate", "los",
                     "duration", "age", "money", "dose-number", "refills"):  # fmt: skip
        as_quantity(guess, values)
    elif role.name in ("phone", "phone-home", "phone-mobile", "phone-work", "fax", "contact-phone"):
        guess.evidence.append(texts(guess))
        never = tuple(sorted({value for value in values if re.fullmatch(r"(\d)\1{5,}", value)}))
        if never:
            guess.missing = (*guess.missing, *never)
            guess.questions.append(f"{guess.column}: {', '.join(never)} is taken for no number: is it?")
    elif role.name in IDENTIFIERS:
        guess.evidence.append(f"{guess.distinct} different values in {guess.filled} cells")
    else:
        guess.evidence.append(texts(guess))
    return True


def _is_unit(value: str) -> bool:
    """Whether a cell is a unit and no letter, which wards have as well."""
    return len(value) > 1 and bool(re.fullmatch(r"[^\d]*[a-zµ%][^\d]*", value)) and bool(ucum_of(value))


def _is_place(value: str) -> bool:
    """Whether a cell is the name of a place, which no unit is."""
    return bool(_PLACE.search(value) or _PLACES_SHORT.match(value))


_PLACES_SHORT: Final = re.compile(
    r"(?i)(vc|avd|bvc|mvc|mott|poli|abt|stn|usf|ucsp|ubs|hc|cap|cs)\.? [^\W\d_]{3,}"
)
"""How names of places begin where people work, shortened."""


def _is_lab_number(guess: Guess, values: Sequence[str]) -> bool:
    """Whether a name is of the number of a laboratory, and its cells are numbers."""
    concepts = frozenset[str]().union(*(slot.concepts for slot in slots(tokens(guess.name))))
    return {"laboratory", "id"} <= concepts and share(values, lambda v: any(c.isdigit() for c in v)) == 1.0


_FEW_ROWS: Final = 3
_UNITS: Final = 0.8
_MOSTLY: Final = 0.6


def _contradicts(
    role: str, guess: Guess, values: list[str], numbers: NumberForm | None, *, whole: bool
) -> bool:
    """Whether cells say that a column is not what its name does.

    Args:
        whole: whether the name says nothing else.
    """
    digits = share(values, lambda v: any(c.isdigit() for c in v))
    if role in _NUMBERED and digits < 0.5 and (not whole or role in _OWN_NUMBERS):
        return True
    if role in _OWN_NUMBERS and _recurs(guess, values):
        guess.evidence.append(f"{guess.distinct} values in {guess.filled} cells identify nothing")
        return True
    if role in ("id", "row-id") and numbers is not None and not all_whole(values):
        return True
    if role in _SIMPLE and numbers is not None and numbers.marked:
        return True
    if role in ("refills", "refills-left") and numbers is not None and not numbers.whole:
        return True
    if role == "dose-number" and numbers is not None and numbers.low > _DOSES:
        return True
    if role == "age" and numbers is not None and numbers.low > _OLDEST:
        return True
    if role == "duration" and numbers is None:
        return share(values, lambda v: re.fullmatch(r"[\d.,:]+ ?\D*", v)) < 0.5
    if role in _PLACES and share(values, _is_year) == 1.0:
        return True  # `hospitaldischargeyear`
    if role in _PLACES:
        return is_graded(values) or (_measures(guess, values) and not _BED.search(tokens(guess.name)))
    return role == "birth-date" and share(values, _is_year) < 1.0


_DOSES: Final = 100
_OLDEST: Final = 130
"""More doses are in no series, and no age in years is above."""


def _are_names(values: list[str]) -> bool:
    """Whether cells are family and given names: two words or more, none of digits, with a comma or a caret perhaps."""
    return share(values, lambda v: re.fullmatch(r"[^\W\d_][^\d]*[ ,^]+[^\d]*[^\W\d_]\.?", v)) >= 0.9


def _measures(guess: Guess, values: list[str]) -> bool:
    """Whether many different small numbers are no numbers of people or places: `ARTs` from 92 to 155."""
    return guess.distinct > 12 and share(values, lambda v: re.fullmatch(r"-?[1-9]\d{0,2}", v)) >= 0.9


def _recurs(guess: Guess, values: list[str]) -> bool:
    """Whether few short values recur all the time: a count or a kind, and no number of one thing."""
    return guess.distinct <= 12 and guess.filled >= 5 * guess.distinct > 0 and max(map(len, values)) <= 3


def _counts_as_id(fits: Sequence[tuple[float, str]]) -> bool:
    return False if not fits else fits[0][1] in ("row-id", "id")
