# ruff: noqa: E501 - patterns and lines of YAML are written as they come out
"""What dates and times of day say of one another: clocks of dates, starts and ends of one thing, days within a stay."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from fhir_bridge.mapping.functions.times import parse
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.selecting import first_of, of_roles
from fhir_bridge.workshop.first_mapping.table import Sample

__all__ = ["DATES", "arrivals", "clocks", "concepts_of", "days_of", "latest", "spans", "within_stays"]

DATES: Final = frozenset(
    """admitted discharged collected received issued ordered recorded updated expires administered performed diagnosed
    scheduled dispensed vis-date start end date other-date""".split()
)
_VAGUE: Final = frozenset("other-date date start end admitted discharged administered performed".split())
"""Dates of which the words of a start and an end say more than what they are the dates of."""
_START: Final = re.compile(
    r"\b(start\w*|begin\w*|inn|anfang\w*|debut|inicio|inizio|aanvang|from|von|ab|de|desde|dal?|ein|in|on|einschalt\w*|commenc\w*)\b"
)
_END: Final = re.compile(
    r"\b(end\w*|stop\w*|ut|uit|fin|fine|einde?\w*|bis|to|until|hasta|al?|fino|out|off|aus|schluss|clos\w*|naht\w*|finish\w*|complet\w*|slut)\b"
)


def concepts_of(guess: Guess) -> frozenset[str]:
    """What a date's name says beside that it is one."""
    parts = slots(tokens(guess.name))
    return frozenset[str]().union(*(part.concepts for part in parts)) - {
        "date",
        "time",
        "id",
        "patient",
        "encounter",
    }


def clocks(sample: Sample, guesses: list[Guess]) -> None:
    """A time of day belongs to the date that its name speaks of, else to the one before it; a second one is its end."""
    of_day = [guess for guess in guesses if guess.role == "time-of-day" and "`" not in guess.column]
    spoken_of = frozenset[str]().union(*(concepts_of(g) for g in guesses if g.role in DATES))
    for clock in sorted(of_day, key=lambda clock: not concepts_of(clock) & spoken_of):
        place = guesses.index(clock)
        dates = [
            g for g in guesses
            if g.role in DATES and not g.timed and g.clock is None and g.role not in ("expires", "vis-date")
        ]  # fmt: skip
        spoken = concepts_of(clock)
        named = [g for g in dates if spoken & concepts_of(g)]
        before = [g for g in dates if guesses.index(g) == place - 1]
        chosen = named if len(named) == 1 else before or (dates if len(dates) == 1 else [])
        leaving = len(named) == 1 and "discharge" in spoken & concepts_of(named[0])
        if chosen and (leaving or not _END.search(tokens(clock.name))):
            date = chosen[0]
            clock.of, date.clock = date.column, clock
            date.evidence.append(f"its time of day is in {clock.column}")
            if not named and len(dates) > 1:
                clock.questions.append(f"{clock.column}: is it the time of {date.column}, as is assumed?")
    for clock in of_day:
        if not clock.of and not _ends(sample, guesses, clock):
            clock.questions.append(f"{clock.column}: of which date is this the time?")


def _ends(sample: Sample, guesses: list[Guess], clock: Guess) -> bool:
    """Whether a time of day is the end of what began at another one of the same day: by its name, or later in each row."""
    dates = [g for g in guesses if g.clock is not None and g.until is None]
    place = guesses.index(clock)
    dates.sort(key=lambda g: abs(guesses.index(g.clock or g) - place))
    for day in dates:
        assert day.clock is not None
        one, other = sample.columns.index(day.clock.column), sample.columns.index(clock.column)
        pairs = [(row[one].strip(), row[other].strip()) for row in sample.rows]
        pairs = [pair for pair in pairs if all(pair)]
        if clock.format != day.clock.format or not pairs:
            continue
        named = bool(_END.search(tokens(clock.name)))
        later = sum(1 for first, second in pairs if first <= second)
        if not named and (later < len(pairs) or not _START.search(tokens(day.clock.name))):
            continue
        clock.of, day.until = day.column, clock
        clock.evidence.append(f"when what began at {day.clock.column} ended")
        clock.questions.append(f"{clock.column}: is it on the day of {day.column}, as is assumed?")
        if later < len(pairs):
            clock.questions.append(
                f"{clock.column}: {len(pairs) - later} rows have it before {day.clock.column}, so on the day after: "
                "they have no end yet"
            )
        return True
    return False


def spans(guesses: list[Guess]) -> None:
    """What pairs of dates are, of which the name of one says what the other is."""
    if any(g.role == "admitted" and tokens(g.name).replace(" ", "") == "doa" for g in guesses):
        for guess in of_roles(guesses, "death-date"):
            if tokens(guess.name).replace(" ", "") == "dod" and not of_roles(guesses, "discharged"):
                guess.role = "discharged"
                guess.evidence.append("`D.O.D.` beside `D.O.A.`: the dates of admission and of discharge")
    _periods(guesses)


def _periods(guesses: list[Guess]) -> None:
    """Two dates whose names are one but for the words of a start and an end are the period of that: `Transf.-Beginn`."""
    stems: dict[str, dict[str, Guess]] = {}
    for guess in guesses:
        if guess.role not in _VAGUE or not guess.plain:
            continue
        words = tokens(guess.name)
        for side, pattern in (("start", _START), ("end", _END)):
            if pattern.search(words):
                stem = " ".join(pattern.sub(" ", words).split())
                stems.setdefault(stem, {})[side] = guess
    pairs = {stem: pair for stem, pair in stems.items() if stem and len(pair) == 2}
    pairs = {
        stem: pair for stem, pair in pairs.items()
        if {g.role for g in pair.values()} != {"admitted", "discharged"} and pair["start"] is not pair["end"]
    }  # fmt: skip
    if len(pairs) != 1 or any(
        g.role in ("start", "end") for g in guesses if g not in next(iter(pairs.values())).values()
    ):
        return
    for side, guess in next(iter(pairs.values())).items():
        guess.role = side
        guess.evidence.append(
            f"the {side} of what another column has the {'end' if side == 'start' else 'start'} of"
        )


def _moments(sample: Sample, guess: Guess) -> list[str]:
    """The cells of a date as texts that sort; empty where one is none."""
    place = sample.columns.index(guess.column)
    cells = []
    for row in sample.rows:
        cell = "" if row[place].strip() in guess.missing else row[place].strip()
        parts = parse(cell, guess.format or None) if cell else None
        cells.append(f"{parts.year}-{parts.month or '01'}-{parts.day or '01'}" if parts is not None else "")
    return cells


def days_of(sample: Sample, guess: Guess) -> list[int]:
    """The day of each cell of a date, counted; 0 where there is none."""
    return [date.fromisoformat(day).toordinal() if day else 0 for day in _moments(sample, guess)]


def latest(sample: Sample, dates: list[Guess]) -> Guess | None:
    """The date that is none of the others' before in nearly every row: what was measured then looks back on them."""
    days = {guess.column: days_of(sample, guess) for guess in dates}
    for guess in dates:
        rows = [
            (day, others)
            for day, *others in zip(
                days[guess.column], *(days[g.column] for g in dates if g is not guess), strict=True
            )
            if day
        ]
        if len(rows) > 3 and sum(1 for day, others in rows if day >= max(others)) >= 0.95 * len(rows):
            return guess
    return None


def arrivals(sample: Sample, guesses: list[Guess]) -> None:
    """In a table of results the time at which something checked in after it was taken is the sample's and not the patient's."""
    admitted, collected = of_roles(guesses, "admitted"), first_of(guesses, "collected")
    if collected is None or not of_roles(guesses, "value", "specimen", "specimen-id"):
        return
    if of_roles(guesses, "discharged", "received"):
        return
    taken = _times(sample, collected)
    for guess in admitted:
        pairs = [(t, a) for t, a in zip(taken, _times(sample, guess), strict=True) if t and a]
        later = sum(1 for t, a in pairs if t <= a)
        if len(pairs) > _PAIRS and later >= _NEARLY * len(pairs) and any(t < a for t, a in pairs):
            guess.role = "received"
            guess.evidence.append(f"it is after {collected.column}: the sample arrived, not the patient")
            guess.questions.append(
                f"{guess.column}: is it when the sample was received (Specimen.receivedTime), as is assumed, since it is after "
                f"{collected.column}, or when the patient was admitted (Encounter.period)?"
            )
            return


def _times(sample: Sample, guess: Guess) -> list[str]:
    """The cells of a date with their time of day as texts that sort; empty where one is none."""
    place = sample.columns.index(guess.column)
    cells = []
    for day, row in zip(_moments(sample, guess), sample.rows, strict=True):
        clock = re.search(r"\b(\d?\d):(\d\d)", row[place])
        cells.append(f"{day} {int(clock[1]):02}:{clock[2]}" if day and clock else day)
    return cells


_PAIRS: Final = 3
_NEARLY: Final = 0.95


def within_stays(sample: Sample, guesses: list[Guess]) -> None:
    """A date of unknown meaning that lies between admission and discharge in each row is when the event of the row was."""
    admitted = first_of(guesses, "admitted")
    discharged = first_of(guesses, "discharged")
    unknown = [g for g in guesses if g.role == "other-date"]
    if admitted is None or discharged is None or not unknown:
        return
    first, last = _moments(sample, admitted), _moments(sample, discharged)
    within = []
    for guess in unknown:
        days = _moments(sample, guess)
        rows = [(a, d, b) for a, d, b in zip(first, days, last, strict=True) if a and d and b]
        if len(rows) > 3 and all(a <= d <= b for a, d, b in rows):
            within.append(guess)
    if len(within) == 1:
        within[0].role = "performed"
        within[0].evidence.append(f"it is between {admitted.column} and {discharged.column}")
        within[0].questions.append(
            f"{within[0].column}: is it when the event of the row was, as is assumed, since it is within the stay?"
        )
