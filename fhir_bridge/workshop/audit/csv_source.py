"""Tables as source records: each cell of a row, with what its form and its column's name say it means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fhir_bridge.adapters.ehr import CsvAdapter
from fhir_bridge.mapping.functions.times import parse
from fhir_bridge.workshop.audit.leaves import (
    AUTHORITIES,
    ReadOptions,
    Role,
    SourceLeaf,
    SourceRecord,
    SourceUnit,
)
from fhir_bridge.workshop.audit.moments import moment
from fhir_bridge.workshop.first_mapping.guessing import Guess, guess_columns
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
    written = {guess.column: _Written(guess) for guess in guess_columns(sample)}
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
            if cell and cell.casefold() not in _NOTHING:
                value = written[column].value(cell) if column in written else cell
                role = role_of(column, value)
                cells.append(f"{column}={cell}")
                unit.leaves.append(
                    SourceLeaf(
                        column, column, 0, position, value, role, table_of(column, role), len(unit.leaves)
                    )
                )
        record.units.append(unit)
        record.patients = tuple(
            leaf.value
            for leaf in unit.leaves
            if re.search(r"(?i)patient|patnr|mrn|^id$", leaf.field) and leaf.role is Role.ID
        )
        record.text = {0: "  ".join(cells)}
        yield record


class _Written:
    """How a column writes its values."""

    def __init__(self, guess: Guess) -> None:
        self._format = guess.format
        self._marks = (guess.decimal, guess.group) if guess.role == "number" else ("", "")

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
