# ruff: noqa: E501 - lists of words and patterns are written as they come out
"""What each column of a sample is: role, type, format, unit, code system, with the evidence for it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping import headers
from fhir_bridge.workshop.first_mapping.codes import code_of
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import Role, fitting_roles, role_named, slots, tokens
from fhir_bridge.workshop.first_mapping.measures import TEXT, Measure, measures_of, variant_of
from fhir_bridge.workshop.first_mapping.relations import relate
from fhir_bridge.workshop.first_mapping.sentinels import (
    NOTHING,
    date_sentinels,
    number_of,
    sentinels,
    words_for_nothing,
)
from fhir_bridge.workshop.first_mapping.sexes import sexes
from fhir_bridge.workshop.first_mapping.spoken import spoken
from fhir_bridge.workshop.first_mapping.statuses import is_status
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.values import (
    DateForm,
    NumberForm,
    booleans,
    date_form,
    number_form,
    share,
)

__all__ = ["Guess", "guess_columns", "one_guess"]


_DATES: Final = frozenset(
    """birth-date death-date admitted discharged collected received issued ordered recorded updated expires administered
    performed diagnosed scheduled dispensed vis-date start end date""".split()
)
_CODES: Final = frozenset("loinc snomed icd atc rxnorm ndc cvx cpt test-code code concept".split())
_YEARS: Final = (1900, 2100)
"""Between these a whole number of years is a year, not a duration."""
_FEW: Final = 60
_IDENTIFIERS: Final = frozenset(
    """patient-id person-id encounter-id account-id order-id provider-id organization-id study-id event-id row-id id
    lot-number insurer device""".split()
)


def guess_columns(sample: Sample) -> list[Guess]:
    """A guess for each column, in order."""
    day_first = None if headers.language_of(sample.columns) == "en" else True
    guesses = [one_guess(sample, number, day_first) for number in range(len(sample.columns))]
    _order_of_days(sample, guesses)
    relate(sample, guesses)
    return guesses


_OPEN: Final = "tells day from month"
_DAY_OR_MONTH: Final = re.compile(r"(dd?|MM?)/(dd?|MM?)/")


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
        guess = guesses[number] = one_guess(sample, number, day_first)
        guess.evidence.append(f"as in {column}")
        guess.questions = [question for question in guess.questions if _OPEN not in question]


def one_guess(sample: Sample, number: int, day_first: bool | None) -> Guess:
    """A guess from the column alone."""
    column = sample.columns[number]
    cells = sample.values(number)
    guess = Guess(column, "text", name=spoken(sample.columns)[number])
    plain = words_for_nothing(cells, numbers=False)
    values = [cell for cell in cells if cell not in plain]
    guess.missing = plain
    guess.filled, guess.distinct = len(values), len(set(values))
    if not values:
        guess.role = "empty"
        guess.evidence = ["no cell holds anything"]
        guess.questions = [f"what is {column!r}? The sample has no value of it"]
        return guess
    fits = _fits(guess.name)
    for test in (_as_date, _as_clock, _as_sex, _as_code, _as_amount, _as_measure, _as_boolean, _as_role):
        if test(guess, fits, values, day_first):
            break
    else:
        _as_anything(guess, values)
    if guess.role == "status":
        guess.missing = tuple(word for word in guess.missing if not _DENIAL.match(word))
    names = role_named(fits[0][1]) if fits else None
    guess.header = fits[0][1] if fits else ""
    guess.evidence.insert(0, f"name speaks of {names.what}" if names else "name says nothing known")
    return guess


_DENIAL: Final = re.compile(r"(?i)(not|nicht|non|no) ")
"""How words begin that say of an event that it was not."""


def _fits(column: str) -> tuple[tuple[float, str], ...]:
    whole = fitting_roles(tokens(column))
    bare = fitting_roles(tokens(headers.bare(column)))
    return whole if whole and (not bare or whole[0][0] >= bare[0][0]) else bare


def _first(fits: Sequence[tuple[float, str]], *kinds: str) -> Role | None:
    """The best role that may have cells of one of the kinds."""
    for _, name in fits:
        role = role_named(name)
        if role is not None and ("any" in role.kinds or role.kinds & set(kinds)):
            return role
    return None


def _as_date(
    guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], day_first: bool | None
) -> bool:
    named = any(name in _DATES for _, name in fits)
    nothing = words_for_nothing(values, numbers=True)
    known = [value for value in values if value not in nothing]
    never = date_sentinels(known)
    cells = [value for value in known if value not in never] or (known if named else [])
    form = date_form(cells, day_first=day_first, named=named) if cells else None
    if form is None and cells and len(never) == 1 and set(cells) <= set(never):
        form = DateForm("", False, False, "each is one that systems write for none")
    if form is None:
        return False
    guess.missing = words_for_nothing([*values, *guess.missing], numbers=True)
    if never:
        guess.missing = tuple(dict.fromkeys((*guess.missing, *never)))
        guess.questions.append(
            f"{guess.column}: {', '.join(never)} is taken for no value, not for a date: is it?"
        )
    dated = [role for _, name in fits if (role := role_named(name)) is not None and "date" in role.kinds]
    guess.role = dated[0].name if dated else "other-date"
    guess.format, guess.timed, guess.zoned = form.format, form.has_time, form.zoned
    guess.plain = form.format or ("yyyy-MM-dd" if "-" in cells[0] else "yyyyMMdd")
    guess.evidence.append(f"values are dates: {form.evidence}")
    if form.question:
        guess.questions.append(f"{guess.column}: {form.question}")
    if form.has_time and not form.zoned:
        guess.evidence.append("times state no zone: the site file's `zone` counts")
    return True


def _as_clock(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    role = _first(fits, "clock", "date")
    marks = ":.h" if role is not None else ":"  # `06.30` is a time where the name says so
    concepts = frozenset[str]().union(*(part.concepts for part in slots(tokens(guess.name))))
    if "time" in concepts and share(values, re.compile(r"([01]\d|2[0-3])[0-5]\d\Z").match) == 1.0:
        guess.role, guess.format = "time-of-day", "HHmm"
        guess.evidence.append("values are hour and minute")
        return True
    clock = rf"([01]?\d|2[0-3])([{marks}])[0-5]\d(:[0-5]\d)?( ?[AaPp][Mm])?"
    known = [match for value in values if (match := re.fullmatch(clock, value))]
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


def _all_whole(values: Sequence[str]) -> bool:
    return all(value.lstrip("-").isdigit() for value in values)


def _as_sex(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    best = fits[0][1] if fits else ""
    words, question = sexes(values, spanish=_is_spanish(guess.name))
    if words and (
        best == "sex" or (set(words.values()) >= {"male", "female"} and best in ("", "code", "category"))
    ):
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


def _is_spanish(column: str) -> bool:
    return bool(re.search(r"\b(sexo|genero)\b", tokens(column)))


def _as_code(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    if fits and fits[0][1] == "concept":
        guess.role, guess.system = "code", "OMOP"
        guess.evidence.append("identifiers of OMOP concepts")
        guess.questions.append(f"{guess.column}: OMOP concept ids need the OMOP vocabulary to become codes")
        return True
    concepts = frozenset[str]().union(*(slot.concepts for slot in slots(tokens(guess.name))))
    code = code_of(values, concepts, [name for _, name in fits])
    if code is None:
        return False
    guess.role, guess.system, guess.separator = "code", code.system, code.separator
    guess.evidence.extend(code.evidence)
    guess.questions.extend(f"{guess.column}: {question}" for question in code.questions)
    return True


def _as_amount(guess: Guess, _fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """Values that are two numbers of one measurement: `126/83`."""
    if share(values, _pressure) < 0.95:
        return False
    guess.role, guess.unit = "blood-pressure", "mm[Hg]"
    guess.evidence.append("two numbers with a slash between, the first above the second")
    return True


def _pressure(value: str) -> bool:
    parts = value.split("/")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        return False
    upper, lower = (int(part) for part in parts)
    return 20 <= lower < upper <= 300


def _numbers(guess: Guess, values: list[str], least: float) -> tuple[list[str], NumberForm] | None:
    """The cells that are numbers, and their form; the column's words for no value and its sentinels are noted."""
    words = words_for_nothing(values, numbers=guess.role != "value")
    cells = [value for value in values if value not in words]
    form = number_form(cells, least=least)
    if form is None:
        return None
    doubtful = [word for word in words if word.casefold() not in NOTHING]
    if doubtful:
        shown = ", ".join(doubtful)
        guess.questions.append(f"{guess.column}: {shown} is taken for no value, not for a finding: is it?")
    guess.missing = tuple(dict.fromkeys((*guess.missing, *words)))
    return cells, form


def _as_measure(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """A measurement that the name is of."""
    whole, whole_share = measures_of(tokens(guess.name))
    bare, bare_share = measures_of(tokens(headers.bare(guess.name)))
    named, explained = (bare, bare_share) if bare_share >= whole_share and bare else (whole, whole_share)
    if not named or explained < 0.6 or (fits and fits[0][0] > explained):
        return False
    units = {variant.unit for group in named for variant in group}
    if TEXT in units and (units == {TEXT} or not _numbers(guess, values, 0.4)):
        return _as_finding(guess, named, values)
    numbers = _numbers(guess, values, 0.4)
    if numbers is None:
        return False
    cells, form = numbers
    stated = headers.unit_in(guess.name) if named is not whole or not whole_share > bare_share else None
    unit = stated[1] if stated else ""
    marks = [n for cell in cells if (n := number_of(cell)) is not None]
    if not marks:
        return False
    limit, _ = variant_of(named, unit, min(marks), min(marks))
    wide = [variant for group in named for variant in group if variant.unit != TEXT]
    none = sentinels(
        cells,
        limit.low if limit and limit.unit == unit else min(v.low for v in wide),
        limit.high if limit and limit.unit == unit else max(v.high for v in wide),
    )
    kept = [cell for cell in cells if cell not in none]
    form = number_form(kept, least=0.4) or form
    if not kept or (fits and fits[0][0] >= explained and not _is_measured(fits, kept, stated is not None)):
        return False
    variant, others = variant_of(named, unit, _low(kept, form), _high(kept, form))
    if variant is None and not (unit or _mostly_in(named, kept)):
        return False
    guess.role, guess.measure = ("age" if fits and fits[0][1] == "age" else "number"), True
    _note_numbers(guess, kept, form)
    _note_sentinels(guess, none)
    if unit:
        guess.unit = unit if variant is not None else ""
        guess.evidence.append(f"unit {stated[0] if stated else unit} is in the name")
        if variant is None:
            guess.questions.append(
                f"{guess.column}: {stated[0] if stated else unit!r} is no unit of {named[0][0].name}: what is it?"
            )
    elif stated is not None:
        guess.questions.append(f"{guess.column}: what is {stated[0]!r} in UCUM?")
    elif variant is not None and variant.unit:
        guess.unit = variant.unit
        guess.evidence.append(f"unit {variant.unit}: what such measurements have, and its values fit")
        more = ", others fit as well" if others else ""
        if variant.unit not in ("1", "{score}", "{INR}", "[pH]", "{#}"):
            guess.questions.append(
                f"{guess.column}: no unit is stated; is it {variant.unit}, as its values make likely{more}?"
            )
    if variant is None and not unit:
        guess.questions.append(
            f"{guess.column}: its values are no usual ones of {named[0][0].name}: what are they?"
        )
    if variant is not None:
        _note_code(guess, variant, explained, ambiguous=len(named) > 1)
    return True


def _is_measured(fits: Sequence[tuple[float, str]], cells: list[str], stated: bool) -> bool:
    """Whether numbers are measured, though the name may be of something else as well: they recur or have decimals."""
    if role_named(fits[0][1]) is None or "num" not in role_named(fits[0][1]).kinds:  # type: ignore[union-attr]
        return True
    return stated or not _all_whole(cells) or fits[0][1] not in _IDENTIFIERS


def _mostly_in(named: tuple[tuple[Measure, ...], ...], cells: list[str]) -> bool:
    numbers = [n for cell in cells if (n := number_of(cell)) is not None]
    return any(
        sum(1 for n in numbers if v.low <= n <= v.high) >= 0.8 * len(numbers)
        for group in named
        for v in group
    )


def _low(cells: list[str], form: NumberForm) -> float:
    return min((n for cell in cells if (n := number_of(cell)) is not None), default=form.low)


def _high(cells: list[str], form: NumberForm) -> float:
    return max((n for cell in cells if (n := number_of(cell)) is not None), default=form.high)


def _note_code(guess: Guess, variant: Measure, explained: float, *, ambiguous: bool) -> None:
    """The code of a measurement: written where the name says that and nothing else."""
    shown = f"{variant.name} (LOINC {variant.code})" if variant.code else variant.name
    if variant.code and explained >= 0.99 and not ambiguous:
        guess.coding = ("http://loinc.org", variant.code, variant.name, 1.0)
        guess.evidence.append(f"{shown} is suggested")
        guess.questions.append(f"{guess.column}: is it {shown}, as is suggested?")
    else:
        guess.evidence.append(f"name speaks of {variant.name}")
        if variant.code:
            guess.near = (f"{variant.code} {variant.name}",)


def _as_finding(guess: Guess, named: tuple[tuple[Measure, ...], ...], values: list[str]) -> bool:
    """A finding in words that the name is of."""
    variant = next(v for group in named for v in group if v.unit == TEXT)
    pair = booleans(values)
    guess.role, guess.measure = ("boolean" if pair else "category"), True
    if pair:
        guess.words = {"true": pair[0], "false": pair[1]}
        if set(values) <= {"0", "1"}:
            guess.questions.append(f"{guess.column}: does 1 mean yes, as is assumed?")
    elif _all_whole(values):
        guess.questions.append(f"{guess.column}: what does each of its {guess.distinct} numbers mean?")
    guess.evidence.append(f"{guess.distinct} different texts")
    _note_code(guess, variant, 1.0, ambiguous=False)
    return True


def _note_numbers(guess: Guess, cells: list[str], form: NumberForm) -> None:
    guess.decimal, guess.group, guess.low, guess.high = form.decimal, form.group, form.low, form.high
    guess.whole = form.whole
    if not form.whole or any("," in cell for cell in cells):
        kind = f"numbers with decimal {'comma' if form.decimal == ',' else 'point'}"
    else:
        kind = "whole numbers"
    guess.evidence.append(f"{kind} from {form.low:g} to {form.high:g}")
    others = sorted({cell for cell in cells if number_form([cell]) is None})
    guess.mixed = bool(others)
    if others:
        guess.questions.append(
            f"{guess.column}: some cells are no numbers ({', '.join(others[:6])}): they are kept as text; "
            "do any of them mean that there is no value?"
        )


def _note_sentinels(guess: Guess, none: tuple[str, ...]) -> None:
    if not none:
        return
    guess.missing = tuple(dict.fromkeys((*guess.missing, *none)))
    shown = ", ".join(none)
    guess.evidence.append(f"{shown} is apart from all other values")
    guess.questions.append(f"{guess.column}: {shown} is taken for no value, not for a measurement: is it?")


def _as_boolean(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    pair = booleans(values)
    if pair is None:
        return False
    if set(values) <= {"0", "1"} and len(set(values)) == 1 and fits:
        return False
    role = _first(fits, "bool") if fits else None
    best = fits[0][1] if fits else ""
    if role is None and best and fits[0][0] >= 0.99:
        return False
    if role is not None and role.name == "status" and set(values) <= {"F", "T"}:
        return False  # `F` is final
    if role is not None and role.name in ("value", "sex", "status", "category", "flag"):
        return False
    guess.role = role.name if role is not None else "boolean"
    guess.words = {"true": pair[0], "false": pair[1]}
    guess.evidence.append("values are " + " and ".join(sorted(set(values))[:2]))
    if set(values) <= {"0", "1"}:
        guess.questions.append(f"{guess.column}: does 1 mean yes, as is assumed?")
    return True


def _as_role(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """What the name says, where its cells may be that."""
    numbers = number_form(values, least=0.95)
    if numbers is not None and not (numbers.whole and _all_whole(values)):
        kinds: tuple[str, ...] = ("num",)
    elif numbers is not None:
        kinds = ("num", "id")
    elif share(values, lambda v: any(c.isdigit() for c in v) and " " not in v) >= 0.8:
        kinds = ("id", "str")
    else:
        kinds = (
            ("str", "id") if share(values, lambda v: len(v) <= 24 and v.count(" ") <= 1) >= 0.9 else ("str",)
        )
    role = _first(fits, *kinds)
    if role is None or role.name in _CODES or role.name == "category":
        return False
    if role.name == "boolean":
        return False
    if role.name in ("id", "row-id") and numbers is not None and not _all_whole(values):
        return False
    guess.role = (
        "id"
        if role.name == "row-id" and guess.distinct == guess.filled and _counts_as_id(fits)
        else role.name
    )
    if role.name in ("provider-id", "provider"):
        guess.role = (
            "provider-id" if share(values, lambda v: any(c.isdigit() for c in v)) > 0.5 else "provider"
        )
    if (
        role.name in ("organization-id", "organization")
        and share(values, lambda v: any(c.isdigit() for c in v)) < 0.5
    ):
        guess.role = "organization"
    if role.name in ("value", "value-number", "range-low", "range-high", "dose", "quantity", "strength", "rate", "los",
                     "duration", "age", "money", "dose-number", "refills"):  # fmt: skip
        _as_quantity(guess, values)
    elif role.name in ("phone", "phone-home", "phone-mobile", "phone-work", "fax", "contact-phone"):
        guess.evidence.append(_texts(guess))
        never = tuple(sorted({value for value in values if re.fullmatch(r"(\d)\1{5,}", value)}))
        if never:
            guess.missing = (*guess.missing, *never)
            guess.questions.append(f"{guess.column}: {', '.join(never)} is taken for no number: is it?")
    elif role.name in _IDENTIFIERS:
        guess.evidence.append(f"{guess.distinct} different values in {guess.filled} cells")
    else:
        guess.evidence.append(_texts(guess))
    return True


def _counts_as_id(fits: Sequence[tuple[float, str]]) -> bool:
    return False if not fits else fits[0][1] in ("row-id", "id")


def _as_quantity(guess: Guess, values: list[str]) -> None:
    numbers = _numbers(guess, values, 0.2 if guess.role == "value" else 0.8)
    if numbers is None:
        guess.evidence.append(_texts(guess))
        return
    cells, form = numbers
    none = sentinels(cells, 0 if guess.role == "age" else None, 130 if guess.role == "age" else None)
    kept = [cell for cell in cells if cell not in none] or cells
    form = number_form(kept, least=0.2) or form
    _note_numbers(guess, kept, form)
    _note_sentinels(guess, none)
    if guess.role == "value":
        guess.questions = [q for q in guess.questions if "no numbers" not in q]
    stated = headers.unit_in(guess.name)
    if stated is not None and stated[1]:
        guess.unit = stated[1]
    elif guess.role == "age":
        guess.unit = "a"
        guess.coding = ("http://loinc.org", "30525-0", "Age", 1.0)
        guess.evidence.append("unit: years, as nothing else is stated")
        guess.questions.append(f"{guess.column}: is the age in years, as is assumed?")


def _texts(guess: Guess) -> str:
    if guess.distinct <= max(12, min(_FEW, guess.filled // 10)):
        return f"{guess.distinct} different texts in {guess.filled} cells"
    return "values are text"


def _as_anything(guess: Guess, values: list[str]) -> None:
    """What the cells say, where the name says nothing."""
    if _of_patient(guess, values) or _numbers_things(guess, values) or _by_head(guess, values):
        return
    numbers = _numbers(guess, values, 0.6)
    if numbers is not None and _as_plain_number(guess, *numbers):
        return
    if numbers is None and share(values, lambda v: re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", v)) > 0.9:
        guess.role = "email"
        guess.evidence.append("values are addresses of mail")
        return
    if is_status(values):
        guess.role = "status"
        guess.evidence.append("words for how far a result is: " + ", ".join(sorted(set(values))[:5]))
        return
    finding = words_for_nothing(values, numbers=False, finding=True)
    guess.missing = tuple(dict.fromkeys((*guess.missing, *finding)))
    longest = max(len(value) for value in values)
    few = guess.distinct <= max(12, min(_FEW, guess.filled // 10))
    if (
        share(values, lambda v: re.fullmatch(r"[A-Za-z]{0,6}[-_ ]?\d{3,}[A-Za-z]?", v)) > 0.9
        and guess.distinct > 0.8 * guess.filled > 4
    ):
        guess.role = "id"
        guess.evidence.append("letters with a number, nearly all different")
    elif few and longest <= 60:
        guess.role = "category"
        guess.evidence.append(f"{guess.distinct} different texts in {guess.filled} cells")
    else:
        guess.role = "text"
        guess.evidence.append("values are text of many kinds")


_BY_HEAD: Final = {
    "provider": "provider", "ward": "ward", "organization": "organization", "insurer": "insurer", "device": "device",
    "phone": "phone", "money": "money", "specialty": "specialty", "unit": "unit-of", "flag": "flag-of", "role": "provider",
    "text": "note-of", "low": "limit-of", "high": "limit-of", "range": "limit-of", "address": "address-of", "status": "status-of",
    "account": "account-id", "form_admin": "administrative", "hash": "administrative", "deleted": "inactive", "name": "name-of",
}  # fmt: skip
"""What a column is by the head of its name alone; `-of` something that is not known."""


def _by_head(guess: Guess, values: list[str]) -> bool:
    """What the head of the name says, where the rest of the name is not known: its last word, or its first in French."""
    parts = slots(tokens(guess.name))
    if len(parts) < 2:
        return False
    for part in (parts[-1], parts[0]):
        role = next((_BY_HEAD[concept] for concept in part.concepts if concept in _BY_HEAD), "")
        if not role or (part is parts[0] and role.endswith("-of")):
            continue
        numbers = number_form(values, least=0.8)
        if numbers is not None and role not in (
            "limit-of",
            "ward",
            "device",
            "provider",
            "account-id",
            "money",
            "administrative",
        ):
            continue
        if role == "status-of" and guess.distinct <= 12:
            continue
        guess.role = "provider-id" if role == "provider" and numbers is not None else role
        guess.evidence.append(f"name ends as that of {guess.what}; {_texts(guess)}")
        return True
    return False


def _of_patient(guess: Guess, values: list[str]) -> bool:
    """Whether the name says patient and one unknown word, and the cells number things: the patient's identifier."""
    parts = slots(tokens(guess.name))
    named = [part for part in parts if "patient" in part.concepts]
    unknown = [part for part in parts if not part.concepts]
    if len(named) != 1 or len(parts) != 2 or len(unknown) != 1:
        return False
    if share(values, lambda v: re.fullmatch(r"[A-Za-z]{0,4}\d{4,}\w*", v)) < 0.95:
        return False
    guess.role = "patient-id"
    guess.evidence.append(f"name says patient; {guess.distinct} different values in {guess.filled} cells")
    guess.questions.append(f"{guess.column}: does it identify the patient, as is assumed?")
    return True


def _numbers_things(guess: Guess, values: list[str]) -> bool:
    """Whether the name ends in a word for an identifier, and its cells may be that."""
    parts = slots(tokens(guess.name))
    shortened = (
        len(parts) == 1 and re.search(r"[a-z]{2}(nr|nummer|num)$", parts[0].text) and not parts[0].concepts
    )
    if not shortened and (len(parts) < 2 or "id" not in parts[-1].concepts | parts[0].concepts):
        return False
    if (
        share(values, lambda v: re.fullmatch(r"[\w./-]+", v)) < 0.9
        or share(values, lambda v: re.search(r"\d", v)) < 0.8
    ):
        return False
    if share(values, lambda v: re.fullmatch(r"\d+[.,]\d+", v)) > 0.1:
        return False
    guess.role = "id"
    if any("patient" in part.concepts for part in parts):
        guess.role = "patient-id"
        guess.questions.append(f"{guess.column}: does it identify the patient, as is assumed?")
    guess.evidence.append(
        f"name ends as an identifier's; {guess.distinct} different values in {guess.filled} cells"
    )
    return True


def _as_plain_number(guess: Guess, cells: list[str], form: NumberForm) -> bool:
    if re.fullmatch(r"column \d+|unnamed.*|index|x|", guess.column.casefold()) and _counts(cells):
        guess.role = "row-id"
        guess.evidence.append("counts the rows")
        return True
    none = sentinels(cells, None, None)
    kept = [cell for cell in cells if cell not in none]
    form = number_form(kept, least=0.6) or form
    guess.role = "number"
    _note_numbers(guess, kept, form)
    _note_sentinels(guess, none)
    stated = headers.unit_in(guess.name)
    if stated is not None and stated[1] == "a" and _YEARS[0] <= form.low <= form.high <= _YEARS[1]:
        guess.evidence.append("years of the calendar")
        return True
    if stated is not None:
        guess.unit = stated[1]
        guess.evidence.append(f"unit {stated[0]} is in the name")
        if not stated[1]:
            guess.questions.append(f"{guess.column}: what is {stated[0]!r} in UCUM?")
        elif not headers.is_bracketed(guess.name):
            guess.questions.append(
                f"{guess.column}: is {stated[0]!r} at its end the unit {stated[1]}, as is assumed?"
            )
    elif form.whole and guess.distinct <= 5 and guess.filled > 10:
        guess.questions.append(
            f"{guess.column}: {guess.distinct} different whole numbers: a count or scale, or codes for something?"
        )
    return True


def _counts(values: Sequence[str]) -> bool:
    """Whether values are consecutive numbers."""
    return _all_whole(values) and [int(value) for value in values] == list(
        range(int(values[0]), int(values[0]) + len(values))
    )
