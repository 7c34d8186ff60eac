"""Columns of dates and of times of day."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping.cells import first_role
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import role_named, slots, tokens
from fhir_bridge.workshop.first_mapping.measures import dated_measure
from fhir_bridge.workshop.first_mapping.sentinels import date_sentinels, words_for_nothing
from fhir_bridge.workshop.first_mapping.values import LOINC, DateForm, date_form, share

__all__ = ["as_clock", "as_date"]

_DATES: Final = frozenset(
    """birth-date death-date admitted discharged collected received issued ordered recorded updated expires administered
    performed diagnosed scheduled dispensed vis-date start end date""".split()
)


def as_date(
    guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], day_first: bool | None
) -> bool:
    """Dates, and words and days that stand for none."""
    named = any(name in _DATES for _, name in fits)
    nothing = words_for_nothing(values, numbers=True)
    known = [value for value in values if value not in nothing]
    never = date_sentinels(known)
    cells = [value for value in known if value not in never] or (known if named else [])
    form = date_form(cells, day_first=day_first, named=named) if cells else None
    if form is not None and not named and form.evidence.startswith("digits") and fits and not _dated(guess):
        return False
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
    guess.role = dated[0].name if dated else _by_word(guess)
    if guess.role in ("performed", "collected", "date", "start") and _by_word(guess) == "scheduled":
        guess.role = "scheduled"  # what is planned has not been
    finding = dated_measure(tokens(guess.name))
    if finding is not None:
        guess.role, guess.measure = "finding-date", True
        guess.coding = (LOINC, finding.code, finding.name, 1.0)
        guess.questions.append(
            f"{guess.column}: is it {finding.name} (LOINC {finding.code}), as is suggested?"
        )
    guess.format, guess.timed, guess.zoned = form.format, form.has_time, form.zoned
    guess.plain = form.format or ("yyyy-MM-dd" if "-" in cells[0] else "yyyyMMdd")
    guess.evidence.append(f"values are dates: {form.evidence}")
    if form.question:
        guess.questions.append(f"{guess.column}: {form.question}")
    if form.has_time and not form.zoned:
        guess.evidence.append("times state no zone: the site file's `zone` counts")
    return True


_BESIDE: Final = {
    "scheduled": "scheduled",
    "expire": "expires",
    "update": "updated",
    "record": "recorded",
    "ordered": "ordered",
}
"""What a date is by one word of its name, whatever else that says: never when the event of a row was."""


def _dated(guess: Guess) -> bool:
    """Whether a name has a word for a date."""
    return any("date" in part.concepts for part in slots(tokens(guess.name)))


def _by_word(guess: Guess) -> str:
    concepts = frozenset[str]().union(*(part.concepts for part in slots(tokens(guess.name))))
    roles = [role for concept, role in _BESIDE.items() if concept in concepts]
    return roles[0] if len(roles) == 1 else "other-date"


def as_clock(guess: Guess, fits: Sequence[tuple[float, str]], values: list[str], _: bool | None) -> bool:
    """Times of day."""
    role = first_role(fits, "clock", "date")
    concepts = frozenset[str]().union(*(part.concepts for part in slots(tokens(guess.name))))
    marks = (
        ":.h" if role is not None or "time" in concepts else ":h"
    )  # `06.30` is a time where the name says so
    if "time" in concepts and share(values, re.compile(r"([01]\d|2[0-3])[0-5]\d\Z").match) == 1.0:
        guess.role, guess.format = "time-of-day", "HHmm"
        guess.evidence.append("values are hour and minute")
        return True
    if "time" in concepts and share(values, re.compile(r"([01]\d|2[0-3])[0-5]\d[0-5]\d\Z").match) == 1.0:
        guess.role, guess.format = "time-of-day", "HHmmss"
        guess.evidence.append("values are hour, minute and second")
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
