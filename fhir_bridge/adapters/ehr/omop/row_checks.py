"""What of a row can't be, or is not there: numbers of rows that do not exist, or below zero; dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.adapters.ehr.omop.columns import TABLES
from fhir_bridge.adapters.ehr.omop.lookups import Lookups
from fhir_bridge.adapters.ehr.omop.record import OmopRow, is_below_zero
from fhir_bridge.fhir.issues import Issue

__all__ = ["REFERRED", "RowChecks"]

REFERRED: Final = frozenset(("person", "visit_occurrence", "provider", "care_site", "location"))
"""Tables that rows of others refer to; each is read before those."""
_NUMBERS: Final = frozenset("value_as_number quantity days_supply refills range_low range_high".split())
_NOTHING: Final = frozenset(("0",))
_GENDERS: Final = frozenset("0 8507 8532 8551 8521".split())
_UNDERSTOOD: Final = {
    "gender_concept_id": _GENDERS,
    "gender_source_concept_id": _GENDERS,
    "race_concept_id": frozenset("0 8527 8516 8515 8657 8557".split()),
    "ethnicity_concept_id": frozenset("0 38003563 38003564".split()),
    "drug_type_concept_id": frozenset("0 38000177 32838 38000180 32818".split()),
    "operator_concept_id": frozenset("0 4171756 4171754 4172703 4172704 4171755".split()),
    "language_concept_id": frozenset("0 4180186".split()),
}
"""Concepts that rules name: they need no table of concepts."""
_OPPOSITES: Final = (("_start_date", "_end_date"), ("_start_datetime", "_end_datetime"))


_REQUIRED: Final = {
    "person": ("year_of_birth",),
    "death": ("death_date",),
    "visit_occurrence": ("visit_start_date", "visit_end_date"),
    "condition_occurrence": ("condition_start_date",),
    "drug_exposure": ("drug_exposure_start_date", "drug_exposure_end_date"),
    "procedure_occurrence": ("procedure_date",),
    "measurement": ("measurement_date",),
    "observation": ("observation_date",),
    "device_exposure": ("device_exposure_start_date",),
    "note": ("note_date",),
}
"""Dates that CDM 5.4 requires."""
_FULLER: Final = {"year_of_birth": "birth_datetime"}
"""Where the same may be, beside the time of a day."""


class RowChecks:
    """Checks the rows of one table.

    Args:
        kind: its name in the model.
        tables: those that the data set has.
        ignored: columns that the mapping leaves out.
    """

    def __init__(
        self,
        kind: str,
        names: tuple[str, ...],
        tables: frozenset[str],
        lookups: Lookups,
        ignored: frozenset[str],
    ) -> None:
        there = [name for name in TABLES[kind] if name in names and name not in ignored]
        self._lookups = lookups
        self._key = f"{kind}_id" if kind in REFERRED else None
        self._kind = kind
        self._references = [
            (column, table)
            for column in there
            if (table := column.removesuffix("_id")) in REFERRED & tables and table != kind
        ]
        self._concepts = [column for column in there if column.endswith("_concept_id")]
        self._numbers = [column for column in there if column in _NUMBERS]
        self._pairs = list(_pairs(there))
        known = TABLES[kind]
        self._required = [
            (column, (column, other) if (other := _fuller(column)) in known else (column,))
            for column in _REQUIRED.get(kind, ())
            if column not in ignored
        ]
        # A day more: it is tomorrow somewhere.
        self._today = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()

    def issues(self, row: OmopRow) -> list[Issue]:
        """What is invalid in a row, which is converted all the same."""
        cell, lookups = row.cell, self._lookups
        if self._key is not None and (number := cell(self._key)):
            lookups.note(self._kind, number)
        for column in self._concepts:
            number = cell(column)
            if number and number not in _UNDERSTOOD.get(column, _NOTHING) and lookups.concept(number) is None:
                lookups.unknown[number] = lookups.unknown.get(number, 0) + 1
        lost = [
            f"{column} names no row of {table}"
            for column, table in self._references
            if (number := cell(column)) and not lookups.has(table, number)
        ]
        below = [f"{column} is below zero" for column in self._numbers if is_below_zero(cell(column))]
        turned = [
            f"{last} is before {first}"
            for first, last in self._pairs
            if (begin := cell(first)) and (end := cell(last)) and _is_less(end, begin)
        ]
        if self._kind == "person" and (died := row.death_at) and (born := row.birth_date):
            length = min(len(died), len(born))
            if died[:length] < born[:length]:
                turned.append("the day of death is before that of birth")
        missing = [
            f"{column} is missing"
            for column, columns in self._required
            if not any(cell(name) for name in columns)
        ]
        future = [f"{column} is in the future" for column in self._future(row)]
        return [
            new_issue(code, message, row.locator)
            for code, messages in (
                ("FB-OMOP-005", lost),
                ("FB-OMOP-006", below),
                ("FB-OMOP-007", turned),
                ("FB-OMOP-009", missing),
                ("FB-OMOP-010", future),
                ("FB-OMOP-011", self._birth(row)),
            )
            for message in messages
        ]

    def _birth(self, row: OmopRow) -> list[str]:
        """Why a `birth_datetime` is not the day of birth."""
        moment = row.cell("birth_datetime") if self._kind == "person" else None
        born = row.birth_date if moment else None
        if not moment or not born or moment[:10] == born:
            return []
        if moment.startswith(f"{born}-"):
            return ["birth_datetime may stand for an unknown day: month or day of birth is empty"]
        return ["birth_datetime is another day than year, month and day of birth, which count"]

    def _future(self, row: OmopRow) -> Iterator[str]:
        """Columns by which somebody is born, or died, after today."""
        if self._kind == "person":
            born = row.birth_date
            if row.cell("year_of_birth") and born and _is_later(born, self._today):
                parts = ("year_of_birth", "month_of_birth", "day_of_birth")
                yield parts[next(n for n in range(3) if _is_later(born[: (4, 7, 10)[n]], self._today))]
            if (moment := row.cell("birth_datetime")) and _is_later(moment[:10], self._today):
                yield "birth_datetime"
        elif self._kind == "death":
            for column in ("death_date", "death_datetime"):
                if (moment := row.cell(column)) and _is_later(moment[:10], self._today):
                    yield column


def _fuller(column: str) -> str:
    return _FULLER.get(column, column.replace("_date", "_datetime"))


def _is_later(day: str, today: str) -> bool:
    """Whether a day, month or year is after today; False of what is none, which is reported elsewhere."""
    return day[:4].isdigit() and len(day) in (4, 7, 10) and day > today[: len(day)]


def _pairs(names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        for first, last in _OPPOSITES:
            if name.endswith(first) and (end := name.removesuffix(first) + last) in names:
                yield name, end
        if name in ("procedure_date", "procedure_datetime") and (end := name.replace("_", "_end_")) in names:
            yield name, end
        if name == "range_low" and "range_high" in names:
            yield name, "range_high"


def _is_less(end: str, begin: str) -> bool:
    """Whether a day, time or number is before another one; False of what is neither, which is reported elsewhere."""
    if "-" in begin[1:] and "-" in end[1:] and begin[:4].isdigit() and end[:4].isdigit():
        length = min(len(begin), len(end))
        return end[:length].replace("T", " ") < begin[:length].replace("T", " ")
    try:
        return float(end) < float(begin)
    except ValueError:
        return False
