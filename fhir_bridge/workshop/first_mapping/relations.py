# ruff: noqa: E501 - lists of words and patterns are written as they come out
"""What the columns of a table say of one another: keys, clocks, displays of codes, units of values, words for nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping import headers
from fhir_bridge.workshop.first_mapping.codes import CVX, RXNORM, TITLES, icd_edition
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.values import ATC, ICD10, LOINC, NDC, share

__all__ = ["DATES", "depends_on", "relate"]

DATES: Final = frozenset(
    """admitted discharged collected received issued ordered recorded updated expires administered performed diagnosed
    scheduled dispensed vis-date start end date other-date""".split()
)
_PEOPLE: Final = frozenset("birth-date sex age given family name".split())
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
    _numbering_codes(sample, guesses)
    _patients(sample, guesses)
    _encounters(sample, guesses)
    _names(guesses)
    _clocks(guesses)
    _codes(sample, guesses)
    _doses(guesses)
    _units(guesses)
    _units_of(sample, guesses)
    _duplicates(guesses)


def depends_on(sample: Sample, column: Guess, key: Guess) -> bool:
    """Whether a column has one value for each value of a key."""
    one, other = sample.columns.index(key.column), sample.columns.index(column.column)
    seen: dict[str, set[str]] = {}
    for row in sample.rows:
        if row[one].strip():
            seen.setdefault(row[one].strip(), set()).add(row[other].strip())
    return all(len(values) == 1 for values in seen.values())


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
    """Which of a column's words for no value stand for a value in another: these are its own."""
    cells = [set(sample.values(number)) for number in range(len(guesses))]
    for guess in guesses:
        guess.local = tuple(
            word
            for word in guess.missing
            if any(word in cells[n] and word not in other.missing for n, other in enumerate(guesses))
        )


def _by_role(guesses: Sequence[Guess], *roles: str) -> list[Guess]:
    return [guess for guess in guesses if guess.role in roles]


def _numbering_codes(sample: Sample, guesses: list[Guess]) -> None:
    """Codes of no known system that no row shares with another are numbers of the rows."""
    rows = len(sample.rows)
    for guess in _by_role(guesses, "code"):
        if not guess.system and guess.distinct == guess.filled == rows > 5:
            guess.role = "event-id"
            guess.evidence.append("each row has its own")
            guess.questions = [
                f"{guess.column}: is it the number of the row's event, as is assumed, or a code?"
            ]


def _patients(sample: Sample, guesses: list[Guess]) -> None:
    """The column that identifies the patient; the others that do are further identifiers of the patient."""
    candidates = _by_role(guesses, "patient-id")
    people = {guess.role for guess in guesses} & _PEOPLE
    rows = len(sample.rows)
    if not candidates:
        others = _by_role(guesses, "person-id")
        if not others and len(people) > 1 and (same := _of_people(sample, guesses)) is not None:
            same.role = "patient-id"
            same.evidence.append("one value for each name and birth date")
            same.questions = [f"{same.column}: does it identify the patient, as is assumed?"]
            return
        keys = [
            g
            for g in _by_role(guesses, "id")
            if g.distinct == g.filled == rows and g.header in ("row-id", "id")
        ]
        if others and not (people and keys and keys[0] is guesses[0]):
            others[0].role = "patient-id"
            others[0].evidence.append("the only identifier of the patient")
        elif people and keys and not _by_role(guesses, "encounter-id", "order-id", "event-id"):
            keys[0].role = "patient-id"
            keys[0].evidence.append("the key of a table that has " + " and ".join(sorted(people)))
            keys[0].questions.append(f"{keys[0].column}: does it identify the patient, or only the row?")
        return
    first = max(candidates, key=lambda g: (g.filled, _is_plain(g), -guesses.index(g)))
    for other in candidates:
        if other is first:
            continue
        if depends_on(sample, other, first) and other.distinct >= 0.9 * first.distinct:
            other.role = "person-id"
            other.questions.append(
                f"{other.column}: another identifier of the patient beside {first.column}?"
            )
        else:
            other.role = "event-id" if other.distinct == other.filled == rows else "id"


def _of_people(sample: Sample, guesses: list[Guess]) -> Guess | None:
    """The column of numbers, or of letters with numbers, that has one value for each person, as names and birth dates say."""
    personal = [g for g in guesses if g.role in ("birth-date", "given", "family", "name", "sex")]
    places = [sample.columns.index(g.column) for g in personal]
    if not {"birth-date", "name", "family"} & {g.role for g in personal}:
        return None
    persons = {tuple(row[place] for place in places) for row in sample.rows}
    if len(persons) in (1, len(sample.rows)):
        return None
    for guess in guesses:
        place = sample.columns.index(guess.column)
        if (
            guess.role not in ("id", "category", "code", "text", "number", "account-id")
            or guess.measure
            or guess.filled < len(sample.rows)
        ):
            continue
        pairs = {(row[place], tuple(row[p] for p in places)) for row in sample.rows}
        if (
            len(pairs) == len(persons) == guess.distinct
            and share(sample.values(place), lambda v: re.search(r"\d{3}", v)) == 1.0
        ):
            return guess
    return None


def _is_plain(guess: Guess) -> bool:
    """Whether the header says patient or medical record, not study or record alone."""
    return not re.search(r"\b(record id|study|studien|enroll|pseudo)", tokens(guess.name))


def _encounters(sample: Sample, guesses: list[Guess]) -> None:
    """One column identifies the visit; another one that does, and is the row's alone, what the row is about."""
    candidates = _by_role(guesses, "encounter-id")
    if len(candidates) == 1 or any(_is_case(sample, guesses, guess) for guess in candidates):
        for guess in candidates:
            if _is_case(sample, guesses, guess):
                guess.role = "event-id"
                guess.questions.append(
                    f"{guess.column}: is it the number of the operation, as is assumed, or of the visit?"
                )
        candidates = _by_role(guesses, "encounter-id")
    if len(candidates) < 2:
        return
    rows = len(sample.rows)
    plain = [g for g in candidates if not re.search(r"\bcase\b", tokens(g.name))] or candidates
    for other in candidates:
        if other is not plain[0]:
            other.role = "event-id" if other.distinct == other.filled == rows else "account-id"


def _is_case(sample: Sample, guesses: list[Guess], guess: Guess) -> bool:
    """Whether `case` is an operation: each row its own, in a table of operations."""
    if guess.distinct != guess.filled or guess.filled < len(sample.rows):
        return False
    surgical = {g.role for g in guesses} & {"procedure", "laterality", "anesthesia"} or any(
        g.role == "code" and subject_of(g) == "procedure" for g in guesses
    )
    return bool(surgical) and bool(re.search(r"\b(case|op|surg\w*)\b", tokens(guess.name)))


def _names(guesses: list[Guess]) -> None:
    """`Name` beside a given name is the family's, and the whole where the table is of people."""
    bare = [g for g in guesses if g.role == "display" and tokens(g.name) in ("name", "names", "nm")]
    people = {guess.role for guess in guesses} & _PEOPLE
    for guess in [*bare, *_by_role(guesses, "name")]:
        if _by_role(guesses, "given") and not _by_role(guesses, "family"):
            guess.role = "family"
            guess.evidence.append("beside a column of given names")
        elif guess in bare and people and not _by_role(guesses, "family", "code"):
            guess.role = "name"
    given = _by_role(guesses, "given")
    if not _by_role(guesses, "family") and given and _by_role(guesses, "maiden"):
        given[0].evidence.append("beside a name at birth")


def _clocks(guesses: list[Guess]) -> None:
    """A time of day belongs to the date that its name speaks of, else to the one before it."""
    clocks = [guess for guess in guesses if guess.role == "time-of-day" and "`" not in guess.column]
    spoken_of = frozenset[str]().union(*(_concepts(g) for g in guesses if g.role in DATES))
    for clock in sorted(clocks, key=lambda clock: not _concepts(clock) & spoken_of):
        place = guesses.index(clock)
        dates = [
            g for g in guesses
            if g.role in DATES and not g.timed and g.clock is None and g.role not in ("expires", "vis-date")
        ]  # fmt: skip
        spoken = _concepts(clock)
        named = [g for g in dates if spoken & _concepts(g)]
        before = [g for g in dates if guesses.index(g) == place - 1]
        chosen = named if len(named) == 1 else before or (dates if len(dates) == 1 else [])
        if chosen:
            date = chosen[0]
            clock.of, date.clock = date.column, clock
            date.evidence.append(f"its time of day is in {clock.column}")
            if not named and len(dates) > 1:
                clock.questions.append(f"{clock.column}: is it the time of {date.column}, as is assumed?")
        else:
            clock.questions.append(f"{clock.column}: of which date is this the time?")


def _concepts(guess: Guess) -> frozenset[str]:
    parts = slots(tokens(guess.name))
    return frozenset[str]().union(*(part.concepts for part in parts)) - {
        "date",
        "time",
        "id",
        "patient",
        "encounter",
    }


_SUBJECTS: Final = (
    ("test", frozenset("loinc test".split())),
    ("drug", frozenset("atc rxnorm ndc drug".split())),
    ("vaccine", frozenset("cvx vaccine".split())),
    ("procedure", frozenset("cpt procedure perform".split())),
    ("diagnosis", frozenset("icd diagnosis".split())),
    ("allergy", frozenset("allergy".split())),
    ("indication", frozenset("indication reason complaint".split())),
)


def subject_of(guess: Guess) -> str:
    """What a code's header says that it is a code of: `drug`, `diagnosis`, …; nothing where it does not."""
    parts = slots(tokens(guess.name))
    concepts = frozenset[str]().union(*(part.concepts for part in parts))
    by_system = {LOINC: "test", ATC: "drug", RXNORM: "drug", NDC: "drug", CVX: "vaccine"}
    for subject, words in reversed(_SUBJECTS):
        if concepts & words:
            return subject
    return by_system.get(guess.system, "diagnosis" if "icd-10" in guess.system else "")


def _codes(sample: Sample, guesses: list[Guess]) -> None:
    """The text of each code, the edition of ICD-10, and the system of bare numbers by what their texts speak of."""
    language = headers.language_of(sample.columns)
    month_first = any(re.match(r"MM?/dd?/", guess.format) for guess in guesses)
    if language == "en" and any(re.match(r"dd?\.MM?\.", guess.format) for guess in guesses):
        language = "de"
    for code in _by_role(guesses, "code"):
        text = None if code.separator else _display_of(sample, guesses, code)
        if text is not None:
            text.of = code.column
            if text.role in ("text", "category"):
                text.role = "display"
            text.evidence.append(f"one text for each code of {code.column}")
        if not code.system:
            _system_by_context(sample, code, text)
        if code.system == ICD10:
            values = sample.values(sample.columns.index(code.column))
            code.system, question = icd_edition(code.column, values, language, month_first=month_first)
            if question:
                code.questions.append(question)


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
    others.sort(key=lambda n: (guesses[n].role != subject, abs(n - place), n < place))
    for number in others:
        other = guesses[number]
        same = (other.role == subject or (subject == "indication" and other.role == "complaint")) or (
            other.role == "display" and abs(number - place) <= 3
        )
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
        if not codes or len(pairs) > len(codes) * (1.1 if same else 1.02):
            continue
        if same or (
            _is_display(sample, place, number) and len({t for _, t in pairs}) >= 0.7 * len(codes) > 0.7
        ):
            return other
    return None


def _is_display(sample: Sample, code: int, text: int) -> bool:
    """Whether one text for each code says anything: codes recur, or the text is right beside and of some length."""
    rows = [(row[code].strip(), row[text].strip()) for row in sample.rows if row[code].strip()]
    if len({first for first, _ in rows}) < len(rows):
        return sum(len(second) for _, second in rows) >= 5 * len(rows)
    return abs(code - text) == 1 and sum(len(second) for _, second in rows) >= 8 * len(rows)


_DRUG: Final = ("mg", "tablet", "capsule", "injection", "oral", "ml", "tabl", "kaps", "comprim")
_VACCINE: Final = tuple(
    "vaccin influenza mmr dtap varicella ipv tdap hpv mening zoster pneumo covid hepat".split()
)


def _system_by_context(sample: Sample, code: Guess, text: Guess | None) -> None:
    """The system of bare numbers by what their texts speak of."""
    values = sample.values(sample.columns.index(code.column))
    if text is None or not all(value.isdigit() for value in values):
        return
    texts = [t.casefold() for t in set(sample.values(sample.columns.index(text.column)))]
    if share(texts, lambda t: any(word in t for word in _VACCINE)) >= 0.4 and max(map(len, values)) <= 3:
        code.system, what = CVX, "vaccines"
    elif share(texts, lambda t: any(word in t for word in _DRUG)) >= 0.5 and max(map(len, values)) <= 8:
        code.system, what = RXNORM, "medications"
    else:
        return
    code.evidence.append(f"numbers beside texts of {what}: {TITLES[code.system]}")
    code.questions = [f"{code.column}: are these codes of {TITLES[code.system]}, as is assumed?"]


_GIVEN: Final = re.compile(
    r"\b(administered|administration|admin|given|gegeben|verabreicht\w*|gabe|administree?|administrad[ao]|somministrat[ao]|actual)\b"
)
"""Names of columns of the dose that was given, not of the one that was ordered."""


def _doses(guesses: list[Guess]) -> None:
    """Of a dose that was ordered and one that was given, the one given is the dose."""
    doses = _by_role(guesses, "dose")
    given = [g for g in doses if _GIVEN.search(tokens(g.name))]
    if not given or len(given) == len(doses):
        return
    for other in doses:
        if other not in given:
            other.role = "dose-ordered"
            other.evidence.append(f"what was given is in {given[0].column}")


def _units(guesses: list[Guess]) -> None:
    """Which column's unit a column of units is."""
    pairs = (("unit", ("value", "value-number")), ("dose-unit", ("dose",)), ("quantity-unit", ("quantity",)),
             ("duration-unit", ("duration",)), ("rate-unit", ("rate",)), ("strength-unit", ("strength",)))  # fmt: skip
    for unit, amounts in pairs:
        for guess in _by_role(guesses, unit)[:1]:
            amount = next(iter(_by_role(guesses, *amounts)), None)
            if amount is None and unit == "unit":
                amount = next(iter(_by_role(guesses, "dose", "quantity")), None)
                if amount is not None:
                    guess.role = f"{amount.role}-unit"
            if amount is not None:
                guess.of = amount.column


def _units_of(sample: Sample, guesses: list[Guess]) -> None:
    """A column of units beside one measurement (`glucose`, `glucose_unit`) is its unit, where it is one."""
    for guess in _by_role(guesses, "unit-of"):
        words = set(tokens(guess.name).split())
        of = [g for g in guesses if g.role == "number" and set(tokens(headers.bare(g.name)).split()) < words]
        units = {v for v in sample.values(sample.columns.index(guess.column)) if v not in guess.missing}
        if len(of) == 1:
            guess.of = of[0].column
            code = headers.ucum(next(iter(units))) if len(units) == 1 else ""
            if code:
                of[0].unit, guess.uses = code, [f"Observation ({of[0].column}), its unit"]
                of[0].questions = [q for q in of[0].questions if "unit" not in q]
                of[0].evidence.append(f"unit {code} is in {guess.column}")


def _duplicates(guesses: list[Guess]) -> None:
    """A second value beside the result is the result again, as a number or a text."""
    values = _by_role(guesses, "value")
    if len(values) > 1:
        best = max(values, key=lambda g: (g.filled, -guesses.index(g)))
        for other in values:
            if other is not best:
                other.role = "value-number"
    numbers = _by_role(guesses, "value-number")
    if not _by_role(guesses, "value") and numbers:
        numbers[0].role = "value"
    counts = Counter(guess.role for guess in guesses)
    for role in ("value-number",):
        if counts[role]:
            for guess in _by_role(guesses, role):
                guess.evidence.append("the result again")
