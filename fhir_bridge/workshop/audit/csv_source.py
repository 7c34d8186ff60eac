"""Tables as source records: each cell of a row, with what its form and its column's name say it means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from fhir_bridge.adapters.ehr import CsvAdapter
from fhir_bridge.mapping.functions.times import parse
from fhir_bridge.workshop.audit.leaves import (
    AUTHORITIES,
    HEADER,
    RANGE,
    STATUS_WORDS,
    ReadOptions,
    Role,
    SourceLeaf,
    SourceRecord,
    SourceUnit,
)
from fhir_bridge.workshop.audit.moments import moment
from fhir_bridge.workshop.first_mapping.guessing import Guess, guess_columns
from fhir_bridge.workshop.first_mapping.headers import role_in, unit_in
from fhir_bridge.workshop.first_mapping.statuses import STATUS_KINDS, status_codes
from fhir_bridge.workshop.first_mapping.table import SampleError, read_sample
from fhir_bridge.workshop.normal_forms import number

__all__ = ["read_rows"]

_NOTHING: Final = frozenset(("-", "--", "n/a", "na", "null", "none", "nan", "n.b.", "k.a.", "?", "\\n"))
_AUTHORITY: Final = re.compile(r"(?i)(authority|issuer|aussteller)")
_SEX: Final = re.compile(r"(?i)(^|[_ ])(sex|gender|geschlecht|sexe|sexo|sesso)$")
_UNIT: Final = re.compile(r"(?i)(^|[_ ])(units?|einheit|unité|unidad|unità)s?$")
_CODE: Final = re.compile(r"(?i)(code|status|type|class|gender|sex|race|ethnicity|marital|geschlecht)s?$")
_ID: Final = re.compile(
    r"(?i)(^|[_ ])(id|nr|no|number|num|mrn|patient|encounter|provider|organization|payer|ssn)$|nr$|id$"
)
_NAME: Final = re.compile(r"(?i)(name|first|last|maiden|vorname|nachname|prefix|suffix)$")
_TELEPHONE: Final = re.compile(r"(?i)(phone|telefon|tel|mobile|fax)$")
_ADDRESS: Final = re.compile(r"(?i)(address|street|straße|city|ort|state|county|zip|plz|postal)")


def read_rows(path: Path, relative: str) -> Iterator[SourceRecord]:
    """The rows of a table, in the encoding, with the dates and numbers, that a sample of it shows."""
    try:
        sample = read_sample(path)
    except SampleError as error:
        yield SourceRecord(relative, str(error))
        return
    guesses = guess_columns(sample)
    written = {guess.column: _Written(guess) for guess in guesses}
    clocks = {guess.clock.column: guess.column for guess in guesses if guess.clock is not None}
    together = {guess.column: guess.of for guess in guesses if guess.role == "unit" and guess.of}
    options = {"encoding": sample.encoding, "delimiter": sample.delimiter, "header": sample.header}
    for number_, row in enumerate(CsvAdapter().read([path], ReadOptions(options)), 1):
        columns = row.columns
        if row.outcome == "rejected" or not columns:
            for issue in row.issues:
                yield SourceRecord(relative, f"{row.locator}: {issue.message}")
            continue
        record = SourceRecord(relative, row.locator)
        unit = SourceUnit("row", f"row {number_}", family=0)
        cells: list[str] = []
        for position, column in enumerate(columns):
            cell = str(row.cell(column) or "").strip()
            if clocks.get(column) in columns and str(row.cell(clocks[column]) or "").strip():
                continue  # it is part of its date's value
            if cell and cell.casefold() not in _NOTHING:
                form = written.get(column)
                value = form.value(cell) if form else cell
                if form and form.clock in columns:
                    value = _at(value, str(row.cell(form.clock) or "").strip())
                role, table = role_of(column, value), ""
                if form and form.is_status(value):
                    role, table = Role.STATUS, STATUS_WORDS
                elif form and form.is_range:
                    table = RANGE
                cells.append(f"{column}={cell}")
                part = position
                measured = together.get(column) or (_measured(column, columns) if role is Role.UNIT else None)
                if measured in columns:
                    part = columns.index(measured)  # a unit belongs to the value of its row
                unit.leaves.append(
                    SourceLeaf(
                        column,
                        column,
                        0,
                        part,
                        value,
                        role,
                        table or table_of(column, role),
                        len(unit.leaves),
                    )
                )
                if form and form.unit and number(value.lstrip("<>=≤≥ ")) is not None:
                    unit.leaves.append(
                        SourceLeaf(column, column, 0, part, form.unit, Role.UNIT, HEADER, len(unit.leaves))
                    )
        record.units.append(unit)
        record.patients = tuple(
            leaf.value
            for leaf in unit.leaves
            if re.search(r"(?i)patient|patnr|mrn|^id$", leaf.field) and leaf.role is Role.ID
        )
        record.text = {0: "  ".join(cells)}
        yield record


def _measured(column: str, columns: Sequence[str]) -> str | None:
    """The column whose unit another has by its name: `CRP` of `CRP unit`."""
    names = [other for other in columns if other != column and column.casefold().startswith(other.casefold())]
    return max(names, key=len, default=None)


class _Written:
    """How a column writes its values."""

    def __init__(self, guess: Guess) -> None:
        self._format = "" if guess.role == "time-of-day" else guess.format
        self.clock = guess.clock.column if guess.clock is not None else ""
        self._marks = (guess.decimal, guess.group) if guess.decimal else ("", "")
        stated = unit_in(guess.column) if guess.role == "number" else None
        self.unit = guess.unit if stated is not None and stated[1] else ""
        self._status = guess.role == "status"
        self.is_range = role_in(guess.column).startswith("range")

    def is_status(self, value: str) -> bool:
        """Whether a cell is a word for the status of what the row is about."""
        return self._status and any(status_codes(kind, [value])[value.casefold()] for kind in STATUS_KINDS)

    def value(self, cell: str) -> str:
        """A cell as ISO 8601 and JSON would write it, where the column's form says how; else as it is."""
        if self._format:
            parts = parse(cell, self._format)
            if parts is None:
                return cell
            clock = ":".join(part for part in (parts.hour, parts.minute, parts.second) if part)
            return f"{parts.date}T{clock}{parts.offset or ''}" if clock else parts.date
        decimal, group = self._marks
        plain = cell.replace(group, "") if group else cell
        if decimal and decimal != ".":
            plain = plain.replace(decimal, ".")
        return plain if number(plain.lstrip("<>=≤≥ ")) is not None else cell


_CLOCK: Final = re.compile(r"(\d{1,2})[:.h](\d\d)(:\d\d)?(?: ?([AaPp])[Mm])?")


def _at(day: str, clock: str) -> str:
    """A day with the time of day that stands in a cell of its own."""
    match = _CLOCK.fullmatch(clock)
    if match is None:
        return day
    hour = int(match[1])
    if match[4]:
        hour = hour % 12 + (12 if match[4] in "Pp" else 0)
    if re.fullmatch(r"\d{8}", day):
        day = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return f"{day}T{hour:02}:{match[2]}{match[3] or ''}"


def table_of(column: str, role: Role) -> str:
    """The HL7 table that has what a column's codes may be translated to."""
    if role is Role.AUTHORITY:
        return AUTHORITIES
    return "sex" if role is Role.CODE and _SEX.search(column) else ""


def role_of(column: str, value: str) -> Role:
    """What a cell means."""
    if moment(value) is not None and not (value.isdigit() and len(value) < 8):
        return Role.TIME
    for pattern, role in (
        (_AUTHORITY, Role.AUTHORITY),
        (_UNIT, Role.UNIT),
        (_TELEPHONE, Role.PHONE),
        (_NAME, Role.NAME),
        (_ADDRESS, Role.ADDRESS),
        (_CODE, Role.CODE),
        (_ID, Role.ID),
    ):
        if pattern.search(column):
            return role
    if number(value) is not None:
        return Role.NUMBER
    return Role.TEXT
