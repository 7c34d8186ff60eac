# ruff: noqa: E501 - patterns are written as they come out
"""Whose the rows are: the column that identifies the patient, further numbers of theirs, and how names are written."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.national import numbering_of
from fhir_bridge.workshop.first_mapping.selecting import cells_of, of_roles
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.values import share

__all__ = ["depends_on", "initials", "names", "national_numbers", "particles", "patients"]

_PEOPLE: Final = frozenset("birth-date birth-year death-date sex age given family name".split())
_NAMES: Final = frozenset("given family name maiden middle".split())
_NOT_PEOPLE: Final = frozenset(
    """encounter order account specimen test study provider organization device drug vaccine procedure diagnosis lot
    postal phone mobile admission insurer ward date year value unit money drg row codesystem""".split()
)
"""Concepts of names whose numbers are not those of people."""


def depends_on(sample: Sample, column: Guess, key: Guess, *, blanks: bool = True) -> bool:
    """Whether a column has one value for each value of a key; without `blanks` a blank is no value."""
    one, other = sample.columns.index(key.column), sample.columns.index(column.column)
    seen: dict[str, set[str]] = {}
    for row in sample.rows:
        if row[one].strip() and (blanks or row[other].strip()):
            seen.setdefault(row[one].strip(), set()).add(row[other].strip())
    return all(len(values) == 1 for values in seen.values())


def national_numbers(sample: Sample, guesses: list[Guess]) -> None:
    """Numbers that a country gives persons: by form and check digit, or by name and form."""
    for number, guess in enumerate(guesses):
        letters = share(sample.values(number), re.compile(r"[A-Z]{2,4}\d{8,12}\Z").match) >= 0.9
        personal = letters or not any(g.role in ("drug", "dose", "quantity", "form") for g in guesses)
        if guess.role == "code" and personal and tokens(guess.name) in ("cip", "cipa"):
            guess.role, guess.system, guess.questions = (
                "person-id",
                "",
                [],
            )  # the code of a Spanish health service
            guess.evidence.append("as health services of Spain number people, and nothing is about drugs")
        if guess.role not in (
            "patient-id", "person-id", "id", "row-id", "number", "category", "text", "code", "event-id", "insurer",
            "organization-id", "organization", "gp", "provider-id", "ward", "account-id",
        ):  # fmt: skip
            continue
        if guess.measure or guess.unit or (guess.role == "code" and guess.system):
            continue
        values = [v for v in sample.values(number) if v not in guess.missing]
        numbering, named = numbering_of(values, tokens(guess.name))
        if numbering is None:
            continue
        of_institution = guess.role in (
            "organization-id",
            "organization",
            "gp",
            "provider-id",
            "ward",
            "insurer",
        )
        if of_institution != numbering.institution and guess.role != "patient-id":
            if not numbering.institution or guess.role in ("patient-id", "person-id"):
                continue
            guess.role = "organization-id"
        guess.system = numbering.system
        guess.marks = "".join(mark for mark in " .-/" if any(mark in value for value in values))
        if not numbering.institution and guess.role != "patient-id":
            guess.role = "person-id"
        why = "form and name say" if named else "form and check digits say"
        guess.evidence.append(f"{why} {numbering.title}")
        guess.questions = [q for q in guess.questions if "whole numbers" not in q]


def patients(sample: Sample, guesses: list[Guess]) -> None:
    """The column that identifies the patient; the others that do are further identifiers of the patient."""
    candidates = _without_records(sample, guesses, of_roles(guesses, "patient-id"))
    if not candidates:
        _without_number(sample, guesses)
        return
    rows = len(sample.rows)
    whole = [g for g in candidates if not any(_is_within(sample, g, other) for other in candidates)]
    first = max(whole or candidates, key=lambda g: (g.filled, _is_plain(g), not g.system, -guesses.index(g)))
    for other in candidates:
        if other is first:
            continue
        named = other.filled < rows and 2 * other.distinct >= other.filled
        several = other.distinct >= 0.9 * first.distinct
        if other.system or (depends_on(sample, other, first) and (several or named)):
            other.role = "person-id"
            if not other.system:
                other.questions.append(
                    f"{other.column}: another identifier of the patient beside {first.column}?"
                )
        else:
            other.role = "event-id" if other.distinct == other.filled == rows else "id"


def _without_records(sample: Sample, guesses: list[Guess], candidates: list[Guess]) -> list[Guess]:
    """The columns that may be the patient's without records begun at each visit, where a national number says who is who."""
    national = [g for g in of_roles(guesses, "person-id") if g.system and g.filled == len(sample.rows)]
    records = [g for g in candidates if any(_is_within(sample, g, other) for other in national)]
    if not records or len(records) < len(candidates):
        return candidates
    stays = bool(of_roles(guesses, "admitted", "discharged")) and not of_roles(guesses, "encounter-id")
    for guess in records:
        guess.role = "encounter-id" if stays else "account-id"
        guess.evidence.append(f"one {national[0].column} has several: a record that is begun at each visit")
        guess.questions.append(f"{guess.column}: is it the number of the visit, as is assumed?")
    national[0].role = "patient-id"
    return national[:1]


_RECORD: Final = re.compile(
    r"((id|no|nr|num|cod) )?(historia( clinica)?|record|file|chart|dossier|expediente|prontuario|folio|cartella|processo)( (id|no|nr|num|n))?"
)
"""Names of numbers of a record: a patient's, or one that is begun at each visit."""
_RECUR: Final = 2


def _is_within(sample: Sample, guess: Guess, other: Guess) -> bool:
    """Whether another number of patients stays where the record's changes: a record of which one patient has several."""
    if other is guess or other.filled < guess.filled or other.distinct < _RECUR:
        return False
    if not _RECORD.fullmatch(tokens(guess.name)) or _RECORD.fullmatch(tokens(other.name)):
        return False
    return (
        guess.distinct > other.distinct
        and depends_on(sample, other, guess)
        and not depends_on(sample, guess, other)
    )


def _is_plain(guess: Guess) -> bool:
    """Whether the header says patient or medical record, not study or record alone."""
    return not re.search(r"\b(record id|study|studien|enroll|pseudo)", tokens(guess.name))


def _without_number(sample: Sample, guesses: list[Guess]) -> None:
    """Where no name says patient: name, birth date, sex and a number make one."""
    people = {guess.role for guess in guesses} & _PEOPLE
    national = [g for g in of_roles(guesses, "person-id") if g.filled == len(sample.rows)]
    described = bool(people & _NAMES or people & {"birth-date", "birth-year"}) and len(people) > 1
    if described:
        chosen, why = _of_people(sample, guesses), "one value for each name and birth date"
        if chosen is None and not _visits(guesses):
            chosen, why = (
                _number_of_people(sample, guesses),
                f"a number beside {' and '.join(sorted(people))}",
            )
        if chosen is not None and not (national and _counts(sample, chosen)):
            chosen.role = "patient-id"
            chosen.evidence.append(why)
            chosen.questions = [
                f"{chosen.column}: does it identify the patient, as is assumed, or only the row?"
            ]
            return
    sexes = of_roles(guesses, "sex")
    recurring = [
        g
        for g in of_roles(guesses, "id", "row-id")
        if 3 < g.distinct < g.filled == len(sample.rows) and sexes and depends_on(sample, sexes[0], g)
    ]
    if recurring and not national:
        recurring[0].role = "patient-id"
        recurring[0].evidence.append(f"rows share it, and each has one {sexes[0].column}")
        recurring[0].questions = [f"{recurring[0].column}: does it identify the patient, as is assumed?"]
        return
    keys = [
        g
        for g in of_roles(guesses, "id", "row-id")
        if g.distinct == g.filled == len(sample.rows)
        and (g.header in ("row-id", "id") or (g is guesses[0] and g.role == "id" and not g.header))
    ]
    keys.sort(key=lambda g: _numbers_rows(g))  # a number of the row is the last that may be a person's
    others = national or of_roles(guesses, "person-id")
    if others and not (people and keys and keys[0] in guesses[:2] and not _counts(sample, keys[0])):
        others[0].role = "patient-id"
        others[0].evidence.append("the only identifier of the patient")
    elif people and keys and not of_roles(guesses, "encounter-id", "order-id", "event-id"):
        keys[0].role = "patient-id"
        keys[0].evidence.append("the key of a table that has " + " and ".join(sorted(people)))
        keys[0].questions.append(f"{keys[0].column}: does it identify the patient, or only the row?")
    else:
        _recurring_number(sample, guesses)


_NUMBERS: Final = frozenset("id row-id account-id text category number".split())
_IDENTIFIER: Final = re.compile(r"(?=.*\d)[\w./-]{3,40}")
_ONE_FOR_EACH: Final = frozenset(
    "sex birth-date birth-year death-date given family name race ethnicity".split()
)
_FINER: Final = frozenset("encounter-id order-id event-id account-id id".split())


_GROUPS: Final = re.compile(
    r"\b(project|cohort|cluster|household|region|zone|campaign|group|batch|practice|site|area|team|programme?|projekt|gruppe|groupe|grupo|gruppo|haushalt|foyer|hogar|lot|"
    r"setting|source|parent|family|tenant|network|district|school|company)\b"
)
"""Names of numbers that several people share."""
_ROWS_EACH: Final = 12
"""More rows than so many have the same person's number seldom in a sample of which nothing says so."""


def _recurring_number(sample: Sample, guesses: list[Guess]) -> None:
    """A number that rows share and of which each person, or each number of a visit or an order, has one: the patient's."""
    known = [g for g in guesses if g.role in _ONE_FOR_EACH]
    finer = [g for g in guesses if g.role in _FINER]
    for guess in guesses:
        if guess.role not in _NUMBERS or not _is_shared_number(sample, guess):
            continue
        concepts = frozenset[str]().union(*(part.concepts for part in slots(tokens(guess.name))))
        named = "patient" in concepts
        if not named and (concepts & _NOT_PEOPLE or _GROUPS.search(tokens(guess.name))):
            continue
        if guess.role in ("text", "category", "number") and (
            concepts - {"id", "patient"} or not (known or named)
        ):
            continue
        of_people = bool(known) and all(depends_on(sample, g, guess, blanks=False) for g in known)
        above = [
            g
            for g in finer
            if g is not guess and g.distinct > guess.distinct and depends_on(sample, guess, g)
        ]
        if named or of_people or (not known and above and guess.role in ("id", "row-id")):
            why = (
                "its name says patient"
                if named
                else f"rows share it, and each {(above or known)[0].column} has one"
            )
            if of_people and not named:
                why = f"rows share it, and each has one {known[0].column}"
            guess.role, guess.measure = "patient-id", False
            guess.evidence.append(why)
            guess.questions = [f"{guess.column}: does it identify the patient, as is assumed?"]
            return


def _is_shared_number(sample: Sample, guess: Guess) -> bool:
    """Whether a column may number people of whom some have several rows."""
    if guess.measure or guess.unit or guess.of or guess.system or guess.filled < len(sample.rows):
        return False
    if not max(_RECUR, len(sample.rows) // _ROWS_EACH) < guess.distinct < guess.filled or (
        guess.role == "number" and not guess.whole
    ):
        return False
    return share(cells_of(sample, guess), _IDENTIFIER.fullmatch) >= 0.95 and (
        guess.role != "number" or guess.low >= 1_000
    )


def _numbers_rows(guess: Guess) -> bool:
    return any("row" in part.concepts for part in slots(tokens(guess.name)))


def _visits(guesses: list[Guess]) -> bool:
    return bool({guess.role for guess in guesses} & {"encounter-id", "order-id"})


def _counts(sample: Sample, guess: Guess) -> bool:
    """Whether values count the rows, whatever the name is, unless it says so."""
    values = cells_of(sample, guess)
    if tokens(guess.name) == "id" or not all(value.isdigit() for value in values):
        return False
    numbers = [int(value) for value in values]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers))) and numbers[0] <= 1


def _may_number(sample: Sample, guess: Guess) -> bool:
    """Whether a column may be the number of a person: complete, no measurement, of digits or letters with digits."""
    if guess.measure or guess.unit or guess.of or guess.filled < len(sample.rows):
        return False
    if guess.role not in ("id", "row-id", "category", "code", "text", "number", "account-id", "event-id"):
        return False
    if guess.system or (guess.role == "number" and not guess.whole):
        return False
    concepts = frozenset[str]().union(*(part.concepts for part in slots(tokens(guess.name))))
    return not concepts & _NOT_PEOPLE


def _of_people(sample: Sample, guesses: list[Guess]) -> Guess | None:
    """The column that has one value for each person, where persons recur, as names and birth dates say."""
    personal = [
        g for g in guesses if g.role in ("birth-date", "birth-year", "given", "family", "name", "sex")
    ]
    places = [sample.columns.index(g.column) for g in personal]
    if not {"birth-date", "birth-year", "name", "family"} & {g.role for g in personal}:
        return None
    persons = {tuple(row[place] for place in places) for row in sample.rows}
    if len(persons) in (1, len(sample.rows)):
        return None
    for guess in guesses:
        place = sample.columns.index(guess.column)
        if not _may_number(sample, guess):
            continue
        pairs = {(row[place], tuple(row[p] for p in places)) for row in sample.rows}
        if (
            len(pairs) == len(persons) == guess.distinct
            and share(sample.values(place), lambda v: re.search(r"\d", v)) == 1.0
        ):
            return guess
    return None


def _number_of_people(sample: Sample, guesses: list[Guess]) -> Guess | None:
    """The first number of a table whose rows are a person each, that nothing says is another thing's."""
    for guess in guesses:
        place = sample.columns.index(guess.column)
        if not _may_number(sample, guess) or guess.distinct < guess.filled:
            continue
        values = sample.values(place)
        digits = share(values, lambda v: re.fullmatch(r"[A-Za-z]{0,8}[-_./]?\d[\w./-]*", v)) == 1.0
        named = "id" in guess.role or guess.header in ("id", "row-id", "code")
        long = share(values, lambda v: re.search(r"\d{3}", v)) == 1.0 and guess is guesses[0]
        if digits and (named or long or guesses.index(guess) == 0):
            return guess
    return None


_COMMA: Final = re.compile(r"[^,]{2,},\s*[^,]+\Z")
_INITIALS: Final = re.compile(r"([A-Z][a-z]?\.[ -]?){1,5}|[A-Z]{1,3}")


def initials(sample: Sample, guesses: list[Guess]) -> None:
    """Initials beside a family name stand for the given names."""
    for number, guess in enumerate(guesses):
        beside = [g.role for g in guesses[max(0, number - 1) : number + 2] if g is not guess]
        if (
            guess.role not in ("category", "text", "display")
            or "family" not in beside
            or of_roles(guesses, "given")
        ):
            continue
        values = sample.values(number)
        if share(values, _INITIALS.fullmatch) >= 0.9 and share(values, lambda v: "." in v) > 0.5:
            guess.role = "given"
            guess.evidence.append("initials beside a family name")


_PARTICLES: Final = frozenset(
    """de den der het van von vom zu zum zur zu und ter ten te op in 't 's d' l' da das do dos du di del della dello dei degli la le les lo
    el al y aan bij uit over onder voor af auf mc mac o' ver""".split()
)
"""Words before a family name, in small letters."""


def particles(sample: Sample, guesses: list[Guess]) -> None:
    """Words before a family name beside it, whatever their column is called: `van den`."""
    for number, guess in enumerate(guesses):
        beside = [g.role for g in guesses[max(0, number - 1) : number + 2] if g is not guess]
        if guess.role not in ("category", "text", "display", "prefix") or "family" not in beside:
            continue
        values = [value.casefold().replace("’", "'") for value in sample.values(number)]
        if values and share(values, lambda v: set(v.split()) <= _PARTICLES) >= 0.9:
            guess.role, guess.questions = "family-prefix", []
            guess.evidence.append("its cells are words before a family name, beside it")


def names(sample: Sample, guesses: list[Guess]) -> None:
    """`Name` beside a given name is the family's, and the whole where the table is of people; `LAST, FIRST` is divided."""
    bare = [g for g in guesses if g.role == "display" and tokens(g.name) in ("name", "names", "nm")]
    people = {guess.role for guess in guesses} & _PEOPLE
    for guess in [*bare, *of_roles(guesses, "name")]:
        if of_roles(guesses, "given") and not of_roles(guesses, "family"):
            guess.role = "family"
            guess.evidence.append("beside a column of given names")
        elif guess in bare and people and not of_roles(guesses, "family"):
            values = cells_of(sample, guess)
            if not of_roles(guesses, "code") or share(values, _COMMA.match) >= 0.95:
                guess.role = "name"
    given = of_roles(guesses, "given")
    if not of_roles(guesses, "family") and given and of_roles(guesses, "maiden"):
        given[0].evidence.append("beside a name at birth")
    elif not of_roles(guesses, "family", "name") and given:
        values = cells_of(sample, given[0])
        if share(values, lambda v: re.search(r"\w[ ,]+\w", v)) >= 0.6:
            given[0].role = "name"
            given[0].evidence.append("values are of several words, and no column has family names")
    for guess in of_roles(guesses, "name"):
        values = cells_of(sample, guess)
        if share(values, _COMMA.match) >= 0.95:
            guess.separator = ","
            guess.evidence.append("family name before the comma, given names after it")
