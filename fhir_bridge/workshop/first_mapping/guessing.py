"""What each column of a sample is: role, type, format, unit, code system, with the evidence for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from fhir_bridge.workshop.first_mapping import headers
from fhir_bridge.workshop.first_mapping.quantities import measured
from fhir_bridge.workshop.first_mapping.statuses import is_status
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.values import (
    ATC,
    ICD10,
    LOINC,
    NDC,
    SNOMED,
    booleans,
    code_system,
    date_form,
    number_form,
    sexes,
    share,
)

__all__ = ["Guess", "guess_columns"]

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"


@dataclass(slots=True)
class Guess:
    """What a column is taken for.

    Attributes:
        role: `patient-id`, `birth-date`, `number`, `code`, … (docs/new.md lists them).
        format: of dates, as the mapping language writes it; empty for what it reads without.
        unit: in UCUM; empty without.
        system: of codes.
        of: the column that this one belongs to: the code of a display, the value of a unit, the date of a time of day.
        clock: of a date, the time of day that stands in a column of its own.
        plain: of a date that the language reads without, its format, which it takes with a time of day.
        words: of truth values yes and no, of a sex the code of each.
        evidence: what the guess is made from.
        questions: what is to be answered by a person.
        filled, distinct: how many cells hold something, and how many different things.
    """

    column: str
    role: str
    evidence: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    format: str = ""
    timed: bool = False
    zoned: bool = False
    unit: str = ""
    decimal: str = ""
    group: str = ""
    system: str = ""
    of: str = ""
    clock: Guess | None = None
    plain: str = ""
    words: dict[str, str] = field(default_factory=dict)
    filled: int = 0
    distinct: int = 0
    low: float = 0.0
    high: float = 0.0
    coding: tuple[str, str, str, float] | None = None
    near: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Role with what belongs to it, for the table of columns."""
        more = [
            part for part in (self.format, self.unit, self.system, f"of {self.of}" if self.of else "") if part
        ]
        return " ".join([self.role, *more])


_DATES = frozenset(("birth-date", "death-date", "start", "end", "date"))
_IDS = frozenset(("patient-id", "encounter-id", "order-id", "provider-id", "organization-id", "id", "row-id"))
_TEXTS = frozenset(
    """given middle family maiden prefix suffix name address city state county country postal-code phone email text
    birth-place authority""".split()
)
_LISTS = frozenset(("race", "ethnicity", "marital", "language", "status", "category", "flag"))
_YEARS = (1900, 2100)
"""Between these a whole number of years is a year, not a duration."""


def guess_columns(sample: Sample) -> list[Guess]:
    """A guess for each column, in order."""
    language = headers.language_of(sample.columns)
    day_first = None if language == "en" else True
    guesses = [_guess(sample, number, day_first) for number in range(len(sample.columns))]
    _order_of_days(sample, guesses)
    if any(guess.decimal == "," for guess in guesses):
        for number, guess in enumerate(guesses):
            _thousands(guess, sample.values(number))
    _relate(sample, guesses)
    return guesses


_OPEN = "tells day from month"
_DAY_OR_MONTH = re.compile(r"(dd?|MM?)/(dd?|MM?)/")


def _order_of_days(sample: Sample, guesses: list[Guess]) -> None:
    """Day or month first, where no cell of a column tells: as in the columns of the table that do tell."""
    decided, open_ones = {}, []
    for number, guess in enumerate(guesses):
        if not _DAY_OR_MONTH.match(guess.format):
            continue
        if any(_OPEN in question for question in guess.questions):
            open_ones.append(number)
        else:
            decided[guess.format[0] == "d"] = guess.column
    if len(decided) != 1:
        return
    [(day_first, column)] = decided.items()
    for number in open_ones:
        guess = guesses[number] = _guess(sample, number, day_first)
        guess.evidence.append(f"as in {column}")
        guess.questions = [question for question in guess.questions if _OPEN not in question]


def _guess(sample: Sample, number: int, day_first: bool | None) -> Guess:
    column = sample.columns[number]
    values = sample.values(number)
    role = headers.role_in(column)
    guess = Guess(column, "text", filled=len(values), distinct=len(set(values)))
    if not values:
        guess.role = "empty"
        guess.evidence = ["no cell holds anything"]
        guess.questions = [f"what is {column!r}? The sample has no value of it"]
        return guess
    named = f"name speaks of {role}" if role else "name says nothing"
    for test in (_as_date, _as_clock, _as_identifier, _as_sex, _as_code, _as_amount, _as_number, _as_words):
        if test(guess, role, values, day_first):
            break
    guess.evidence.insert(0, named)
    return guess


def _as_date(guess: Guess, role: str, values: list[str], day_first: bool | None) -> bool:
    form = date_form(values, day_first=day_first, named=role in _DATES)
    if form is None:
        return False
    guess.role = role if role in _DATES else "date"
    if guess.role == "date" and form.has_time:
        guess.role = "date-time"
    guess.format, guess.timed, guess.zoned = form.format, form.has_time, form.zoned
    guess.plain = form.format or ("yyyy-MM-dd" if "-" in values[0] else "yyyyMMdd")
    guess.evidence.append(f"values are dates: {form.evidence}")
    if form.question:
        guess.questions.append(f"{guess.column}: {form.question}")
    if form.has_time and not form.zoned:
        guess.evidence.append("times state no zone: the site file's `zone` counts")
    return True


def _as_clock(guess: Guess, role: str, values: list[str], _: bool | None) -> bool:
    marks = ":.h" if role == "date" else ":"  # `06.30` is a time where the name says so
    clock = rf"([01]?\d|2[0-3])([{marks}])[0-5]\d(:[0-5]\d)?( ?[AaPp][Mm])?"
    matches = [re.fullmatch(clock, value) for value in values]
    known = [match for match in matches if match]
    if len(known) < 0.95 * len(values):
        return False
    mark = known[0][2]
    hour = "H" if any(len(match[1]) == 1 for match in known) else "HH"
    guess.role = "time-of-day"
    guess.format = f"{hour}{chr(39) + mark + chr(39) if mark == 'h' else mark}mm" + (
        ":ss" if any(match[3] for match in known) else ""
    )
    if known[0][4]:
        guess.format += " a" if known[0][4].startswith(" ") else "a"
    guess.evidence.append("values are times of day")
    return True


def _as_identifier(guess: Guess, role: str, values: list[str], _: bool | None) -> bool:
    if (
        not role
        and _counts(values)
        and re.fullmatch(r"column \d+|unnamed.*|index|x", guess.column.casefold())
    ):
        guess.role = "id"
        guess.evidence.append("counts the rows")
        return True
    if role not in _IDS:
        return False
    if role in ("row-id", "id") and number_form(values) and not _all_whole(values):
        return False
    guess.role = "id" if role == "row-id" else role
    guess.evidence.append(f"{guess.distinct} different values in {guess.filled} cells")
    return True


def _counts(values: Sequence[str]) -> bool:
    """Whether values are consecutive numbers."""
    return _all_whole(values) and [int(value) for value in values] == list(
        range(int(values[0]), int(values[0]) + len(values))
    )


def _all_whole(values: Sequence[str]) -> bool:
    return all(value.lstrip("-").isdigit() for value in values)


def _as_sex(guess: Guess, role: str, values: list[str], _: bool | None) -> bool:
    words = sexes(values)
    if (
        words
        and (role == "sex" or set(words.values()) >= {"male", "female"})
        and role in ("sex", "", "code", "category")
    ):
        guess.role, guess.words = "sex", words
        guess.evidence.append(
            "values are words for the sex: " + ", ".join(f"{w} → {c}" for w, c in words.items())
        )
        return True
    if role == "sex":
        guess.role = "sex"
        shown = ", ".join(sorted(set(values))[:6])
        guess.evidence.append("values are no words for a sex")
        guess.questions.append(f"{guess.column}: which sex does each of these mean: {shown}?")
        return True
    return False


def _as_code(guess: Guess, role: str, values: list[str], _: bool | None) -> bool:
    if role == "concept":
        guess.role, guess.system = "code", "OMOP"
        guess.evidence.append("identifiers of OMOP concepts")
        guess.questions.append(f"{guess.column}: OMOP concept ids need the OMOP vocabulary to become codes")
        return True
    if role not in ("code", "", "display", "category", "text"):
        return False
    system = code_system(values)
    if system is not None and (role == "code" or _is_typical(*system, values)):
        guess.role, guess.system = "code", system[0]
        guess.evidence.append(
            f"{system[1]:.0%} of the different values have the form of {_TITLES[system[0]]}"
        )
        if system[1] < 0.99:
            others = f"{1 - system[1]:.0%} of the codes are not of {_TITLES[system[0]]}"
            guess.questions.append(f"{guess.column}: {others}: what system are they of?")
        return True
    if role != "code":
        return False
    if number_form(values, least=0.98) and not _all_whole(values):
        return False
    guess.role = "code"
    guess.system = _named_system(guess.column)
    guess.evidence.append(
        "values are of no code system known by form" if not guess.system else "name states the system"
    )
    if not guess.system:
        guess.questions.append(
            f"{guess.column}: which code system are these codes of? They are kept as local codes"
        )
    return True


def _named_system(column: str) -> str:
    words = headers.tokens(column)
    for word, system in (
        ("rxnorm", RXNORM),
        ("rxcui", RXNORM),
        ("cvx", CVX),
        ("atc", ATC),
        ("loinc", LOINC),
        ("snomed", SNOMED),
        ("ndc", NDC),
        ("icd", ICD10),
    ):
        if word in words:
            return system
    return ""


_TITLES = {
    LOINC: "LOINC",
    SNOMED: "SNOMED CT",
    ICD10: "ICD-10",
    ATC: "ATC",
    NDC: "NDC",
    RXNORM: "RxNorm",
    CVX: "CVX",
}


def _is_typical(system: str, part: float, values: list[str]) -> bool:
    """Whether values have the form of a system so that no name need say so: a check digit fits one number in ten."""
    distinct = len(set(values))
    if _is_running(values):
        return False
    if system == SNOMED:
        return part >= 0.95 and distinct >= 5
    if system == NDC:
        return part >= 0.95 and all("-" in value for value in values)
    return part >= 0.9 and distinct >= 3 and share(values, lambda v: len(v) >= 3) == 1.0


def _is_running(values: list[str]) -> bool:
    """Whether values are running numbers behind one letter: `E9001`, `E9002`."""
    matches = [re.fullmatch(r"([A-Za-z]+)(\d+)", value) for value in values]
    numbers = sorted(int(match[2]) for match in matches if match)
    return (
        len(numbers) == len(values) == len(set(values)) > 5
        and len({match[1] for match in matches if match}) == 1
        and numbers[-1] - numbers[0] < 2 * len(numbers)
    )


def _as_amount(guess: Guess, _role: str, values: list[str], _: bool | None) -> bool:
    """Values that are two numbers of one measurement: `126/83`."""
    if share(values, lambda v: _pressure(v)) < 0.95:
        return False
    guess.role, guess.unit = "blood-pressure", "mm[Hg]"
    guess.evidence.append("two numbers with a slash between, the first above the second")
    return True


def _pressure(value: str) -> bool:
    parts = value.split("/")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        return False
    upper, lower = (int(part) for part in parts)
    return 50 <= lower < upper <= 300


def _as_number(guess: Guess, role: str, values: list[str], _: bool | None) -> bool:
    pair = booleans(values)
    if pair and set(values) <= {"0", "1"} and len(set(values)) == 1 and role not in ("", "status"):
        pair = None
    if pair and role == "status" and set(values) <= {"F", "T"}:
        pair = None  # `F` is final
    if pair and role not in _TEXTS and role not in ("value", "age", "money"):
        guess.role, guess.words = "boolean", {"true": pair[0], "false": pair[1]}
        guess.evidence.append("values are " + " and ".join(sorted(set(values))[:2]))
        if set(values) <= {"0", "1"}:
            guess.questions.append(f"{guess.column}: does 1 mean yes, as is assumed?")
        return True
    form = number_form(values, least=0.95 if role != "value" else 0.5)
    if form is None or role in _TEXTS:
        return False
    guess.decimal, guess.group, guess.low, guess.high = form.decimal, form.group, form.low, form.high
    whole = (
        "whole numbers"
        if form.whole
        else f"numbers with decimal {'comma' if form.decimal == ',' else 'point'}"
    )
    guess.evidence.append(f"{whole} from {form.low:g} to {form.high:g}")
    if role in ("value", "range-low", "range-high", "money", "age"):
        guess.role = role
    elif role in _LISTS and guess.distinct <= 10:
        guess.role = role if role != "flag" else "category"
        guess.questions.append(f"{guess.column}: what does each of its {guess.distinct} numbers mean?")
        return True
    else:
        guess.role = "number"
    if guess.role == "age":
        guess.unit = "a"
        guess.evidence.append("unit: years, as nothing else is stated")
    stated = headers.unit_in(guess.column)
    if stated is not None:
        if stated[1] == "a" and _YEARS[0] <= form.low <= form.high <= _YEARS[1]:
            guess.evidence.append("years of the calendar")
            return True
        guess.unit = stated[1]
        guess.evidence.append(f"unit {stated[0]} is in the name")
        if not stated[1]:
            guess.questions.append(f"{guess.column}: what is {stated[0]!r} in UCUM?")
    elif guess.role == "number":
        unit = measured(headers.tokens(guess.column), form.low, form.high)
        if unit is not None:
            guess.unit = unit.unit
            guess.evidence.append(unit.evidence)
            if unit.question:
                guess.questions.append(f"{guess.column}: {unit.question}")
    if guess.role == "number" and form.whole and guess.distinct <= 5 and not guess.unit and guess.filled > 10:
        guess.questions.append(
            f"{guess.column}: {guess.distinct} different whole numbers: a count or scale, or codes for something?"
        )
    return True


def _thousands(guess: Guess, values: list[str]) -> None:
    """In a table with decimal commas `1.100` is eleven hundred."""
    pointed = [value for value in values if "." in value]
    if guess.decimal != "." or not pointed:
        return
    if not all(re.fullmatch(r"[<>]?=? ?[+-]?\d{1,3}(\.\d{3})+", value) for value in pointed):
        return
    numbers = [float(value.lstrip("<>= ").replace(".", "")) for value in values]
    guess.decimal, guess.group, guess.low, guess.high = ",", ".", min(numbers), max(numbers)
    guess.evidence.append("a point stands between thousands, as other columns have decimal commas")


def _as_words(guess: Guess, role: str, values: list[str], _: bool | None) -> bool:
    if role == "unit" and share(values, lambda v: len(v) <= 20) > 0.95:
        guess.role = "unit"
        guess.evidence.append(", ".join(sorted(set(values))[:5]))
        return True
    if role in _TEXTS or role in ("value", "display", "range", "range-low", "range-high", "unit", "flag"):
        guess.role = {"flag": "category"}.get(role, role)
        guess.evidence.append("values are text")
        return True
    if role in _LISTS:
        guess.role = role
        guess.evidence.append(f"{guess.distinct} different texts")
        return True
    if is_status(values):
        guess.role = "status"
        guess.evidence.append("words for how far a result is: " + ", ".join(sorted(set(values))[:5]))
        return True
    longest = max(len(value) for value in values)
    few = guess.distinct <= max(12, min(60, guess.filled // 10))
    if few and longest <= 60:
        guess.role = "category"
        guess.evidence.append(f"{guess.distinct} different texts in {guess.filled} cells")
    else:
        guess.role = "text"
        guess.evidence.append("values are text of many kinds")
    return True


def _clocks(guesses: list[Guess]) -> None:
    """A time of day belongs to the only date without one."""
    clocks = [guess for guess in guesses if guess.role == "time-of-day" and "`" not in guess.column]
    dates = [guess for guess in guesses if guess.role in ("date", "start") and not guess.timed]
    if len(clocks) == len(dates) == 1:
        clock, date = clocks[0], dates[0]
        clock.of, date.clock = date.column, clock
        date.evidence.append(f"its time of day is in {clock.column}")
    for clock in clocks:
        if not clock.of:
            clock.questions.append(f"{clock.column}: of which date is this the time?")


def _relate(sample: Sample, guesses: list[Guess]) -> None:
    """What columns say of one another."""
    by_role: dict[str, list[Guess]] = {}
    for guess in guesses:
        by_role.setdefault(guess.role, []).append(guess)
    _patients(sample, by_role)
    _names(by_role)
    _clocks(guesses)
    for code in by_role.get("code", ()):
        text = _display_of(sample, guesses, code)
        if text is not None:
            text.role, text.of = "display", code.column
            text.evidence.append(f"one text for each code of {code.column}")
        if not code.system:
            _system_by_context(sample, code, text)
    value = next(iter(by_role.get("value", ())), None)
    unit = next(iter(by_role.get("unit", ())), None)
    if value is not None and unit is not None:
        unit.of = value.column
    for text in guesses:
        if text.role == "display" and not text.of and not by_role.get("code"):
            text.evidence.append("no column of codes is beside it")


def _patients(sample: Sample, by_role: dict[str, list[Guess]]) -> None:
    """The column that identifies the patient where none is called so: the key of a table of people."""
    if by_role.get("patient-id"):
        first, *others = by_role["patient-id"]
        for other in others:
            other.questions.append(
                f"{other.column}: another identifier of the patient beside {first.column}?"
            )
        return
    people = {"birth-date", "sex", "age", "given", "family", "name"} & set(by_role)
    keys = [
        guess
        for guess in by_role.get("id", ())
        if guess.distinct == guess.filled == len(sample.rows) and headers.role_in(guess.column) == "row-id"
    ]
    if people and keys:
        keys[0].role = "patient-id"
        keys[0].evidence.append("the key of a table that has " + " and ".join(sorted(people)))
        keys[0].questions.append(f"{keys[0].column}: does it identify the patient, or only the row?")


def _names(by_role: dict[str, list[Guess]]) -> None:
    """`Name` beside a given name is the family's."""
    if by_role.get("given") and not by_role.get("family") and by_role.get("name"):
        name = by_role["name"][0]
        name.role = "family"
        name.evidence.append("beside a column of given names")


def _display_of(sample: Sample, guesses: list[Guess], code: Guess) -> Guess | None:
    """The text column that has one text for each code, near the code's."""
    place = sample.columns.index(code.column)
    order = sorted(
        (number for number in range(len(guesses)) if number != place),
        key=lambda n: (abs(n - place), n < place),
    )
    for number in order:
        other = guesses[number]
        if other.role not in ("display", "text", "category") or other.of or abs(number - place) > 3:
            continue
        pairs = {(row[place].strip(), row[number].strip()) for row in sample.rows if row[place].strip()}
        codes = {first for first, _ in pairs}
        if other.role != "display" and not _is_display(sample, place, number):
            continue
        if (
            len(codes) > 1
            and len(pairs) <= len(codes) * 1.02
            and len({t for _, t in pairs}) >= 0.7 * len(codes)
        ):
            return other
        if other.role == "display" and len(pairs) <= len(codes) * 1.1:
            return other
    return None


def _is_display(sample: Sample, code: int, text: int) -> bool:
    """Whether one text for each code says anything: codes recur, or the text is right beside and of some length."""
    rows = [(row[code].strip(), row[text].strip()) for row in sample.rows if row[code].strip()]
    if len({first for first, _ in rows}) < len(rows):
        return True
    return abs(code - text) == 1 and sum(len(second) for _, second in rows) >= 8 * len(rows)


_DRUG = ("mg", "tablet", "capsule", "injection", "oral", "ml", "tabl", "kaps", "comprim")
_VACCINE = (
    "vaccin",
    "influenza",
    "mmr",
    "hep b",
    "dtap",
    "varicella",
    "ipv",
    "tdap",
    "hpv",
    "mening",
    "zoster",
    "pneumo",
)


def _system_by_context(sample: Sample, code: Guess, text: Guess | None) -> None:
    """The system of bare numbers by what their texts speak of."""
    values = sample.values(sample.columns.index(code.column))
    if text is None or not _all_whole(values):
        return
    texts = [t.casefold() for t in set(sample.values(sample.columns.index(text.column)))]
    if share(texts, lambda t: any(word in t for word in _VACCINE)) >= 0.4 and max(map(len, values)) <= 3:
        code.system, what = CVX, "vaccines"
    elif share(texts, lambda t: any(word in t for word in _DRUG)) >= 0.5 and max(map(len, values)) <= 8:
        code.system, what = RXNORM, "medications"
    else:
        return
    code.evidence.append(f"numbers beside texts of {what}: {_TITLES[code.system]}")
    code.questions = [f"{code.column}: are these codes of {_TITLES[code.system]}, as is assumed?"]
