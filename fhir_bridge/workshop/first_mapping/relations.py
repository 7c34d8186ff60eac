# ruff: noqa: E501 - lists of words and patterns are written as they come out
"""What the columns of a table say of one another: keys, clocks, displays of codes, units of values, words for nothing."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from fhir_bridge.workshop.first_mapping import headers
from fhir_bridge.workshop.first_mapping.bookings import bookings
from fhir_bridge.workshop.first_mapping.by_cells import by_cells
from fhir_bridge.workshop.first_mapping.cells import all_whole
from fhir_bridge.workshop.first_mapping.codes import (
    CCAM,
    CPT,
    CVX,
    DECLARED,
    ICD9_CM,
    ICD10_CM,
    ICD10_GM,
    OPS,
    PCS,
    RXNORM,
    TITLES,
    has_form,
    icd_edition,
    subject_of,
)  # fmt: skip
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.medicines import (
    codes_of_medicines,
    drugs,
    numbers_of_medicines,
    packages,
    vaccines,
)
from fhir_bridge.workshop.first_mapping.nobody import kinds_of_cover, nobody
from fhir_bridge.workshop.first_mapping.pairs import codes_of_names, codes_of_things
from fhir_bridge.workshop.first_mapping.people import (
    depends_on,
    initials,
    names,
    national_numbers,
    particles,
    patients,
)
from fhir_bridge.workshop.first_mapping.pressures import pressures
from fhir_bridge.workshop.first_mapping.qualifiers import qualifiers
from fhir_bridge.workshop.first_mapping.repeats import repeats
from fhir_bridge.workshop.first_mapping.rows_of_results import rows_of_results
from fhir_bridge.workshop.first_mapping.second_readings import (
    amounts_of_drugs,
    constants,
    days_of_visits,
    expected_discharges,
    lone_limits,
    referrers,
)
from fhir_bridge.workshop.first_mapping.selecting import cells_of, of_roles, stated_in
from fhir_bridge.workshop.first_mapping.sentinels import is_empty_cell
from fhir_bridge.workshop.first_mapping.spans import arrivals, clocks, concepts_of, spans, within_stays
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.unit_systems import one_system
from fhir_bridge.workshop.first_mapping.units import units, units_of_siblings
from fhir_bridge.workshop.first_mapping.values import ATC, ICD10, LOINC, NDC, SNOMED, share
from fhir_bridge.workshop.first_mapping.visits import numbers_of_visits
from fhir_bridge.workshop.first_mapping.whose import other_persons

__all__ = ["relate"]

TEXTS: Final = frozenset(
    "complaint test drug vaccine procedure diagnosis allergy display text category indication".split()
)
"""Roles of columns that may be the text of a code."""


def relate(sample: Sample, guesses: list[Guess]) -> None:
    """Complete guesses by what the other columns say."""
    if any(guess.decimal == "," for guess in guesses):
        for number, guess in enumerate(guesses):
            _thousands(guess, sample.values(number))
    _words_for_nothing(sample, guesses)
    vaccines(sample, guesses)
    amounts_of_drugs(sample, guesses)
    drugs(sample, guesses)
    packages(guesses)
    _numbering_codes(sample, guesses)
    _codes_by_number(sample, guesses)
    _beside_declared(sample, guesses)
    codes_of_medicines(sample, guesses)
    numbers_of_medicines(sample, guesses)
    other_persons(sample, guesses)
    names(sample, guesses)
    initials(sample, guesses)
    particles(sample, guesses)
    national_numbers(sample, guesses)
    patients(sample, guesses)
    _numbers_of_people(sample, guesses)
    numbers_of_visits(sample, guesses)
    constants(guesses)
    lone_limits(sample, guesses)
    expected_discharges(guesses)
    days_of_visits(guesses)
    spans(guesses)
    clocks(sample, guesses)
    arrivals(sample, guesses)
    within_stays(sample, guesses)
    rows_of_results(sample, guesses)
    codes_of_things(sample, guesses)
    _codes_of_texts(sample, guesses)
    _codes(sample, guesses)
    codes_of_names(sample, guesses)
    _siblings(sample, guesses)
    _systems(sample, guesses)
    _kinds_of_concepts(sample, guesses)
    _doses(guesses)
    units(sample, guesses)
    pressures(sample, guesses)
    units_of_siblings(guesses)
    _duplicates(guesses)
    _orders(sample, guesses)
    _numbers_of_samples(sample, guesses)
    _vaccinations(sample, guesses)
    _departments(guesses)
    kinds_of_cover(sample, guesses)
    referrers(guesses)
    nobody(sample, guesses)
    by_cells(sample, guesses)
    bookings(sample, guesses)
    one_system(guesses)
    repeats(sample, guesses)
    qualifiers(sample, guesses)


def _thousands(guess: Guess, values: list[str]) -> None:
    """In a table with decimal commas `1.100` is eleven hundred."""
    pointed = [value for value in values if "." in value]
    if guess.decimal != "." or not pointed:
        return
    if not all(re.fullmatch(r"[<>]?=? ?[+-]?\d{1,3}(\.\d{3})+", value) for value in pointed):
        return
    numbers = [
        float(value.lstrip("<>= ").replace(".", ""))
        for value in values
        if re.fullmatch(r"[<>]?=? ?[+-]?\d+(\.\d{3})*", value)
    ]
    guess.decimal, guess.group, guess.low, guess.high = ",", ".", min(numbers), max(numbers)
    guess.evidence.append("a point stands between thousands, as other columns have decimal commas")


def _words_for_nothing(sample: Sample, guesses: list[Guess]) -> None:
    """Which of a column's words for no value are its own: all but what programs write into empty cells of any column."""
    cells = [set(sample.values(number)) for number in range(len(guesses))]
    for guess in guesses:
        guess.local = tuple(
            word
            for word in guess.missing
            if not is_empty_cell(word)
            or any(word in cells[n] and word not in other.missing for n, other in enumerate(guesses))
        )


_DIGITS: Final = 3
"""So long codes of vaccines are at most."""


def _numbering_codes(sample: Sample, guesses: list[Guess]) -> None:
    """Codes of no known system that no row shares with another are numbers of the rows."""
    rows = len(sample.rows)
    given = of_roles(guesses, "vaccine")
    for guess in of_roles(guesses, "code"):
        if given and all(len(value) <= _DIGITS for value in cells_of(sample, guess)):
            continue  # codes of vaccines, each of which the sample happens to have once
        if not guess.system and guess.distinct == guess.filled == rows > 5:
            guess.role = "event-id"
            guess.evidence.append("each row has its own")
            guess.questions = [
                f"{guess.column}: is it the number of the row's event, as is assumed, or a code?"
            ]


def _beside_declared(sample: Sample, guesses: list[Guess]) -> None:
    """Digits with the form of a system that another column's name states are this site's own codes."""
    codes = of_roles(guesses, "code")
    stated = {g.system: g for g in codes if concepts_of(g) & DECLARED}
    for guess in codes:
        other = stated.get(guess.system)
        if other is None or guess.system not in _OF_DIGITS or concepts_of(guess) & DECLARED:
            continue
        if subject_of(guess) != subject_of(other) or not all_whole(cells_of(sample, guess)):
            continue
        guess.system, guess.subject = "", subject_of(guess)
        guess.evidence.append(f"{other.column} has the codes of {TITLES[other.system]}: local codes")
        guess.questions = [
            f"{guess.column}: which code system are these codes of? They are kept as local codes"
        ]


_OF_DIGITS: Final = frozenset((ICD9_CM, RXNORM, CVX, NDC, CPT))
"""Systems whose codes may be any digits."""
_THINGS: Final = frozenset("drug vaccine procedure test diagnosis".split())


def _codes_by_number(sample: Sample, guesses: list[Guess]) -> None:
    """A number named after a drug, test or procedure that rows share, each with one name, is a code of that, not of the row."""
    for guess in of_roles(guesses, "event-id", "number", "id"):
        subject = subject_of(guess)
        if guess.distinct == guess.filled or subject not in _THINGS:
            continue
        texts = [g for g in guesses if g.role in (subject, "display")]
        if guess.role == "number":  # a count has the same value for different texts
            plain = guess.whole and not guess.measure and not guess.unit and guess.distinct >= _SEVERAL
            texts = [g for g in texts if plain and depends_on(sample, guess, g)]
        if any(depends_on(sample, text, guess) for text in texts):
            guess.role, guess.decimal = "code", ""
            guess.evidence.append(
                f"rows share it, each with one {subject}: a local code, not the number of the row"
            )
            guess.questions = [
                f"{guess.column}: which code system are these codes of? They are kept as local codes"
            ]


def _numbers_of_people(sample: Sample, guesses: list[Guess]) -> None:
    """A number that rows share, right of a person at work and one for each, is the person's and not the row's."""
    for person, guess in pairwise(guesses):
        if person.role != "provider" or guess.role not in (
            "id",
            "row-id",
            "account-id",
            "number",
            "event-id",
        ):
            continue
        if guess.measure or guess.unit or guess.distinct == guess.filled or guess.distinct < _SEVERAL:
            continue
        values = [v for v in sample.values(guesses.index(guess)) if v not in guess.missing]
        if share(values, lambda v: re.fullmatch(r"[A-Za-z]{0,4}[-./ ]?\d{4,12}", v)) < 1.0:
            continue
        if depends_on(sample, guess, person) and depends_on(sample, person, guess):
            guess.role, guess.questions = "provider-id", []
            guess.evidence.append(f"rows share it, one for each of {person.column}")


def _codes_of_texts(sample: Sample, guesses: list[Guess]) -> None:
    """Local codes whose name says not of what they are: of the drug, test or procedure that has one text for each of them."""
    for code in of_roles(guesses, "code", "id", "specimen"):
        if code.role == "specimen" and not all_whole(cells_of(sample, code)):
            continue
        if code.system not in ("", SNOMED) or code.separator or subject_of(code) or code.distinct < _SEVERAL:
            continue
        numbers = code.role != "code"
        if numbers and code.distinct == code.filled:
            continue
        for text in of_roles(guesses, *_THINGS, "allergy"):
            if text.of == code.column or text.distinct < _SEVERAL or not depends_on(sample, text, code):
                continue
            if numbers and not depends_on(sample, code, text):
                continue
            code.role, code.subject = "code", text.role
            code.evidence.append(f"one {text.column} for each: codes of the {text.role}")
            code.questions = (
                code.questions
                if code.system
                else [
                    f"{code.column}: which code system are these codes of the {text.role} of? They are kept as local codes"
                ]
            )
            break


_MOSTLY: Final = 0.8
_SEVERAL: Final = 3
"""From so many values it is no accident that each has one of another column."""


def _codes(sample: Sample, guesses: list[Guess]) -> None:
    """The text of each code, the edition of ICD-10, and the system of bare numbers by what their texts speak of."""
    language = headers.language_of(sample.columns)
    month_first = any(re.match(r"MM?/dd?/", guess.format) for guess in guesses)
    if language == "en" and any(re.match(r"dd?\.MM?\.", guess.format) for guess in guesses):
        language = "de"
    for code in of_roles(guesses, "code"):
        text = None if code.separator else _display_of(sample, guesses, code)
        if text is not None:
            text.of = code.column
            if text.role in ("text", "category"):
                text.role = "display"
            text.evidence.append(
                f"one text for each code of {code.column}"
                if depends_on(sample, text, code, blanks=False)
                else f"nearly one text for each code of {code.column}"
            )
        if not code.system and code.subject in ("", "vaccine"):
            taken = {other.system for other in guesses if other is not code and other.of == code.of}
            _system_by_context(sample, code, text, taken)
        if code.system == ICD10:
            values = cells_of(sample, code)
            if code.separator:
                values = [piece.strip() for value in values for piece in value.split(code.separator)]
            code.system, question = icd_edition(code.column, values, language, month_first=month_first)
            if question:
                code.questions.append(question)


def _siblings(sample: Sample, guesses: list[Guess]) -> None:
    """Columns numbered alike (`D1`, `D2`) have codes of one system, where their cells have its form."""
    known = {_unnumbered(g): g for g in reversed(of_roles(guesses, "code")) if g.system}
    for number, guess in enumerate(guesses):
        first = known.get(_unnumbered(guess))
        if first is None and subject_of(guess) == "diagnosis":
            bare = all(value.isdigit() for value in sample.values(number))
            alike = [g for g in known.values() if subject_of(g) == "diagnosis"]
            first = next(
                (g for g in alike if not (bare and g.system in _OF_DIGITS) or all_whole(cells_of(sample, g))),
                None,
            )
        if (
            first is None
            or first is guess
            or guess.role not in ("category", "text", "number", "boolean", "display")
        ):
            continue
        if share(sample.values(number), lambda v, system=first.system: has_form(system, v)) >= 0.8:  # type: ignore[misc]
            guess.role, guess.system, guess.measure = "code", first.system, False
            guess.words, guess.questions = {}, []
            guess.evidence.append(
                f"named as {first.column}, and its cells have the form of {TITLES[first.system]}"
            )


def _unnumbered(guess: Guess) -> str:
    return re.sub(r"\d+", "0", tokens(guess.column))


_SYSTEMS: Final = {
    "icd9": ICD9_CM, "icd9cm": ICD9_CM, "9": ICD9_CM, "icd10": ICD10, "10": ICD10, "icd10cm": ICD10_CM, "icd10gm": ICD10_GM,
    "icd10who": ICD10, "icd10pcs": PCS, "snomed": SNOMED, "snomedct": SNOMED, "sct": SNOMED, "loinc": LOINC, "ln": LOINC,
    "cpt": CPT, "cpt4": CPT, "rxnorm": RXNORM, "ndc": NDC, "cvx": CVX, "atc": ATC, "ops": OPS, "ccam": CCAM, "cim10": ICD10,
    "cie10": ICD10, "icd9diagnosis": ICD9_CM, "icd10diagnosis": ICD10_CM,
}  # fmt: skip
"""Code systems by what columns of systems and versions say, without marks."""


_KINDS: Final = {
    "disorder": "diagnosis", "finding": "diagnosis", "situation": "diagnosis", "procedure": "procedure", "regime/therapy": "procedure",
    "substance": "drug", "product": "drug", "medicinal product": "drug", "clinical drug": "drug", "observable entity": "test",
}  # fmt: skip
"""What codes of SNOMED CT are of by the words in brackets at the end of their names."""


def _kinds_of_concepts(sample: Sample, guesses: list[Guess]) -> None:
    """Codes of SNOMED CT are of what the names beside them say in brackets: `Viral sinusitis (disorder)`."""
    for code in of_roles(guesses, "code"):
        if code.subject or subject_of(code) or SNOMED not in (code.system, *code.systems.values()):
            continue
        texts = [cell for g in guesses if g.of == code.column for cell in stated_in(sample, g)]
        spoken_of = [
            _KINDS.get(match[1], "") for text in texts if (match := re.search(r"\(([a-z /]+)\)$", text))
        ]
        kinds = {kind for kind in spoken_of if kind}
        if len(kinds) == 1 and 4 * len(spoken_of) >= len(texts):
            code.subject = kinds.pop()
            code.evidence.append(f"the names beside it say that they are of the {code.subject}")


def _name_systems(sample: Sample, guesses: list[Guess]) -> None:
    """A column that has nothing but the names of code systems says of what system codes are, whatever it is called."""
    for guess in of_roles(guesses, "category", "text", "display", "administrative", "device"):
        words = {re.sub(r"[^a-z0-9]", "", cell.casefold()) for cell in stated_in(sample, guess)}
        if words and not guess.of and all(word in _SYSTEMS and not word.isdigit() for word in words):
            guess.role, guess.questions = "code-system", []
            guess.evidence.append("its cells are names of code systems")


def _systems(sample: Sample, guesses: list[Guess]) -> None:
    """Which column says of what system the codes of another are: that of the same thing, or beside it."""
    _name_systems(sample, guesses)
    for guess in of_roles(guesses, "code-system"):
        place = guesses.index(guess)
        codes = [
            g
            for g in of_roles(guesses, "code", "number", "category", "text")
            if g is not guess and not g.measure
        ]
        shared = [g for g in codes if concepts_of(g) & concepts_of(guess) - {"codesystem"}]
        beside = [g for g in codes if abs(guesses.index(g) - place) == 1]
        code = next(
            iter(
                [g for g in shared if g.role == "code"] or shared or [g for g in beside if g.role == "code"]
            ),
            None,
        )
        words = {v for v in sample.values(place) if v not in guess.missing}
        known = {word: _SYSTEMS.get(re.sub(r"[^a-z0-9]", "", word.casefold()), "") for word in words}
        if code is None or not any(known.values()):
            continue
        code.role, guess.of = "code", code.column
        code.systems = {word: system for word, system in sorted(known.items()) if system}
        code.system = next(iter(code.systems.values()))
        code.evidence.append(f"of what system they are is in {guess.column}")
        code.questions = []
        lacking = sorted(word for word, system in known.items() if not system)
        if lacking:
            guess.questions.append(f"{guess.column}: which code systems are {', '.join(lacking)}?")


_QUALIFIERS: Final = re.compile(
    r"\b(pre|post|adm|admission|aufnahme|entree|ingreso|disch|discharge|entlass|entlassung|sortie|alta|prim|primary|main|haupt|"
    r"principal|sec|secondary|neben|associe)(?:op|operative?|operativ|operatoire|operatorio)?(?=dx|diag|\b)"
)


def _qualifiers(guess: Guess) -> frozenset[str]:
    """What a name says of which diagnosis it is: before or after, the first or another, its number."""
    words = re.sub(r"\b(icd|cie|cim) ?(9|10|11)\b", "", tokens(guess.name))
    return frozenset((*_QUALIFIERS.findall(words), *re.findall(r"\b[1-9]\b", words)))


def _display_of(sample: Sample, guesses: list[Guess], code: Guess) -> Guess | None:
    """The text column that has one text for each code: of the same subject, or near the code's."""
    place = sample.columns.index(code.column)
    subject = subject_of(code)
    others = [n for n in range(len(guesses)) if n != place and guesses[n].role in TEXTS and not guesses[n].of]
    nouns = _nouns(code)
    others.sort(
        key=lambda n: (not nouns & _nouns(guesses[n]), guesses[n].role != subject, abs(n - place), n < place)
    )
    for number in others:
        other = guesses[number]
        if not nouns & _nouns(other) and any(
            g is not code and _nouns(g) & _nouns(other) for g in of_roles(guesses, "code")
        ):
            continue  # it is the text of the code that shares its noun
        same = (other.role == subject or (subject == "indication" and other.role == "complaint")) or (
            other.role == "display" and abs(number - place) <= 3
        )
        if not same and share(cells_of(sample, other), _KEYLIKE.fullmatch) > _MOSTLY:
            continue  # codes are no text of others
        if not same and (abs(number - place) > 2 or other.role not in ("display", "text", "category")):
            continue
        pairs = {
            (row[place].strip(), row[number].strip())
            for row in sample.rows
            if row[place].strip() and row[number].strip()
        }
        codes = {first for first, _ in pairs}
        if _qualifiers(other) - _qualifiers(code):
            continue
        alike = bool(nouns & _nouns(other)) and other.role == subject
        if not codes or len(pairs) > len(codes) * (_WRITINGS if alike else 1.1 if same else 1.02):
            continue
        if same or (
            _is_display(sample, place, number) and len({t for _, t in pairs}) >= 0.7 * len(codes) > 0.7
        ):
            return other
    return None


_KEYLIKE: Final = re.compile(r"(?=.*\d.*\d)[A-Z0-9./-]{5,}")


def _is_display(sample: Sample, code: int, text: int) -> bool:
    """Whether one text for each code says anything: codes recur, or the text is right beside and of some length."""
    rows = [(row[code].strip(), row[text].strip()) for row in sample.rows if row[code].strip()]
    if len({first for first, _ in rows}) < len(rows):
        return sum(len(second) for _, second in rows) >= 5 * len(rows)
    return abs(code - text) == 1 and sum(len(second) for _, second in rows) >= 8 * len(rows)


_WRITINGS: Final = 2
"""So many ways to write the text of a code there may be where both have one name."""
_LABELS: Final = frozenset(
    "descr desc description descripcion descrizione bezeichnung bez text texte libelle lib nombre nome nom name omschrijving code cod codice codigo "
    "kode kodes cd nr no num id denominazione label icd cm gm de der des del di da van la le".split()
)
"""Words of names of a code and its text that say no more than that they are one."""


def _nouns(guess: Guess) -> frozenset[str]:
    """What the names of a code and of its text share: `diagnosi` of `Cod. diagnosi` and `Descr. diagnosi`."""
    words = tokens(headers.bare(guess.name)).split()
    return frozenset(word for word in words if len(word) > 3 and word not in _LABELS)


_DRUG: Final = ("mg", "tablet", "capsule", "injection", "oral", "ml", "tabl", "kaps", "comprim")
_VACCINE: Final = tuple(
    "vaccin influenza mmr dtap varicella ipv tdap hpv mening zoster pneumo covid hepat".split()
)


def _system_by_context(sample: Sample, code: Guess, text: Guess | None, taken: set[str]) -> None:
    """The system of bare numbers by what their texts speak of."""
    values = cells_of(sample, code)
    if text is None or not all(value.isdigit() for value in values):
        return
    if not {"code", "rxnorm", "cvx"} & frozenset[str]().union(
        *(p.concepts for p in slots(tokens(code.name)))
    ):
        return  # a number of the system's own
    texts = [t.casefold() for t in set(cells_of(sample, text))]
    if share(texts, lambda t: any(word in t for word in _VACCINE)) >= 0.4 and max(map(len, values)) <= 3:
        code.system, what = CVX, "vaccines"
    elif share(texts, lambda t: any(word in t for word in _DRUG)) >= 0.5 and max(map(len, values)) <= 8:
        code.system, what = RXNORM, "medications"
    else:
        return
    if code.system in taken:
        code.system = ""
        return
    code.evidence.append(f"numbers beside texts of {what}: {TITLES[code.system]}")
    code.questions = [f"{code.column}: are these codes of {TITLES[code.system]}, as is assumed?"]


_GIVEN: Final = re.compile(
    r"\b(administered|administration|admin|given|gegeben|verabreicht\w*|gabe|administree?|administrad[ao]|somministrat[ao]|actual)\b"
)
"""Names of columns of the dose that was given, not of the one that was ordered."""


def _doses(guesses: list[Guess]) -> None:
    """Of a dose that was ordered and one that was given, the one given is the dose."""
    doses = of_roles(guesses, "dose")
    given = [g for g in doses if _GIVEN.search(tokens(g.name))]
    if not given or len(given) == len(doses):
        return
    for other in doses:
        if other not in given and other.unit and not re.search(r"dos", tokens(other.name)):
            other.role, other.header = "number", ""  # a volume beside the dose
        elif other not in given:
            other.role = "dose-ordered"
            other.evidence.append(f"what was given is in {given[0].column}")


def _orders(sample: Sample, guesses: list[Guess]) -> None:
    """In a table of results a number that several results of one patient share is that of their order."""
    roles = {guess.role for guess in guesses}
    patient = next(iter(of_roles(guesses, "patient-id")), None)
    if (
        "order-id" in roles
        or patient is None
        or "value" not in roles
        or not roles & {"test", "display", "code"}
    ):
        return
    for guess in of_roles(guesses, "id"):
        if (
            1 < guess.distinct < guess.filled
            and guess.distinct > patient.distinct
            and depends_on(sample, patient, guess)
        ):
            guess.role = "order-id"
            guess.questions = [
                f"{guess.column}: is it the number of the order that results share, as is assumed?"
            ]
            return


def _numbers_of_samples(sample: Sample, guesses: list[Guess]) -> None:
    """A specimen in digits is the number of a sample and not what was taken; beside the number of an order it is its own."""
    orders = of_roles(guesses, "order-id")
    for guess in [*of_roles(guesses, "specimen"), *orders]:
        spoken = concepts_of(guess)
        if guess.role == "order-id" and (
            "specimen" not in spoken or "order" in spoken or len(of_roles(guesses, "order-id")) < 2
        ):
            continue
        values = stated_in(sample, guess)
        if share(values, lambda v: re.fullmatch(r"[\w./-]*\d[\w./-]*", v)) < 0.9 or guess.distinct < _SEVERAL:
            continue
        guess.role, guess.questions = "specimen-id", []
        guess.evidence.append("its cells number samples")


_WHICH_DOSE: Final = re.compile(
    r"(\d|i{1,3}|first|second|third|fourth|prim(era|eira|a|o)|segunda|seconda|tercera|terceira|terza|erste|zweite|dritte|premi[eè]re|deuxi[eè]me|troisi[eè]me|eerste|tweede|derde)"
    r"[ªº°a-z.]{0,3} ?(dosis|dose|doses|dosi|dos|dosering|impfung|injection)|(\d[ªº°.]? ?)?(refuerzo|booster|rappel|richiamo|refor[cç]o|auffrischung|boosterdos|herhaling)( \d)?|"
    r"([uú]nica|unique|einmalig|single|enkelt?)( ?dos\w*)?|dosis [uú]nica|dose [uú]nica"
)
"""Which dose of a series, in words and small letters."""


def _vaccinations(sample: Sample, guesses: list[Guess]) -> None:
    """Beside a vaccine a dose of 1, 2 or booster is a number in the series, and a volume is the dose."""
    if not of_roles(guesses, "vaccine"):
        return
    _makers(guesses)
    _reasons_why_not(sample, guesses)
    if of_roles(guesses, "dose-number"):
        return
    for guess in of_roles(guesses, "dose", "row-id", "category"):
        values = set(stated_in(sample, guess))
        if len(values) > 1 and all(_WHICH_DOSE.fullmatch(value.casefold()) for value in values):
            guess.role, guess.decimal, guess.questions = "dose-number", "", []
            guess.evidence.append("its cells say which dose of a series it is")
            return
        counted = [v for v in values if re.fullmatch(r"[1-9]", v)]
        if guess.role == "category" and len(counted) < 2:
            continue
        if (
            counted
            and len(values) <= 8
            and all(len(value) <= 3 and not re.search(r"[.,]", value) for value in values)
        ):
            guess.role, guess.decimal, guess.questions = (
                "dose-number",
                "." if len(counted) == len(values) else "",
                [],
            )
            guess.evidence.append("small numbers beside a vaccine: which dose of the series")
    volume = next((g for g in of_roles(guesses, "number") if g.unit.casefold() == "ml"), None)
    if volume is not None and not of_roles(guesses, "dose"):
        volume.role, volume.measure = "dose", False
        volume.evidence.append("a volume beside a vaccine is its dose")


_WHY_NOT: Final = re.compile(
    r"(?i)refus|declin|exempt|contra-?ind|kontraind|controind|objecti|parental|not (given|done|administered)|ablehn|abgelehnt|verweiger|rifiut|rechaz|geweiger|"
    r"esenzion|exenci|opposition"
)
"""Words for why a vaccine was not given."""


def _reasons_why_not(sample: Sample, guesses: list[Guess]) -> None:
    """A column that few rows fill, mostly with words for a refusal, is why they were not vaccinated, whatever it is called."""
    if of_roles(guesses, "status-reason", "refused"):
        return
    for guess in of_roles(
        guesses, "category", "text", "code", "display", "complaint", "indication", "exemption"
    ):
        cells = [] if guess.of or guess.measure or guess.system else stated_in(sample, guess)
        if 0 < 2 * len(cells) < len(sample.rows) and share(cells, _WHY_NOT.search) >= _MOSTLY:
            guess.role, guess.questions = "status-reason", []
            guess.evidence.append("its cells say why a vaccine was not given")
            return


def _makers(guesses: list[Guess]) -> None:
    """A laboratory beside a vaccine and its lot is who made it."""
    if of_roles(guesses, "manufacturer") or not of_roles(guesses, "lot-number"):
        return
    for guess in of_roles(guesses, "organization"):
        words = concepts_of(guess)
        if words & {"laboratory", "manufacturer"} and words <= {"laboratory", "manufacturer", "organization"}:
            guess.role = "manufacturer"
            guess.evidence.append("a laboratory beside a vaccine and its lot is who made it")
            guess.questions = [f"{guess.column}: is it who made the vaccine, as is assumed?"]
            return


_DEPARTMENT: Final = re.compile(
    r"\b(fach ?abt\w*|fachrichtung|fachgebiet|fachliche oe|specialisme|disciplina?)\b"
)


def _departments(guesses: list[Guess]) -> None:
    """A column of the specialty beside one of the ward is the service that the patient is in, not where."""
    wards = of_roles(guesses, "ward")
    named = [g for g in wards if _DEPARTMENT.search(tokens(g.name))]
    if len(named) == len(wards) or of_roles(guesses, "specialty"):
        return
    for guess in named[:1]:
        guess.role = "specialty"
        guess.evidence.append("a specialty beside a ward")


def _duplicates(guesses: list[Guess]) -> None:
    """A second value beside the result is the result again, as a number or a text."""
    values = of_roles(guesses, "value")
    if len(values) > 1:
        best = max(values, key=lambda g: (g.filled, -guesses.index(g)))
        for other in values:
            if other is not best:
                other.role = "value-number"
    numbers = of_roles(guesses, "value-number")
    if not of_roles(guesses, "value") and numbers:
        numbers[0].role = "value"
    for guess in of_roles(guesses, "value-number"):
        guess.evidence.append("the result again")
