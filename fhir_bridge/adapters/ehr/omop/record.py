"""A row of an OMOP table as a source record."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, Final

from fhir_bridge.adapters.ehr.csv.record import Row, Table
from fhir_bridge.adapters.ehr.omop.columns import SIMPLE, TABLES
from fhir_bridge.adapters.ehr.omop.lookups import Coded, Lookups, Person
from fhir_bridge.adapters.ehr.vital_units import is_vital, vital_quantity
from fhir_bridge.fhir.datatypes import Address, Quantity
from fhir_bridge.mapping import Context, function

__all__ = ["FUNCTIONS", "OmopRow", "OmopTable", "is_below_zero"]


class OmopTable(Table):
    """What the rows of a table share.

    Attributes:
        kind: its name in the model.
        lookups: what they refer to.
    """

    __slots__ = ("kind", "lookups")
    kind: str
    lookups: Lookups

    def absent(self, column: str) -> None:
        """A column of the model that the data set lacks is empty: earlier versions of the model have fewer."""


class OmopRow(Row):
    """A row; the only object of the scope that is named as its table."""

    __slots__ = ()
    _table: OmopTable

    @property
    def dataset(self) -> str:
        """The name of the data set, within which its numbers are unique."""
        return self._table.lookups.dataset

    @property
    def bounds(self) -> str:
        """Within what a person without a known authority is one: all tables of the data set."""
        return self.dataset

    def coded(self, name: str) -> Coded | None:
        """A coded value by the stem of its columns' names."""
        known = TABLES[self._table.kind]
        columns = SIMPLE.get(
            name, (f"{name}_concept_id", f"{name}_source_concept_id", f"{name}_source_value")
        )
        cells = [self.cell(column) if column in known else None for column in columns if column is not None]
        concept, text = cells[0], cells[-1]
        source = cells[1] if len(cells) == 3 else None
        return self._table.lookups.coded(concept, source, text)

    def at(self, name: str) -> str | None:
        """A time, or the day where only that is known: midnight is how the model writes a day."""
        return _moment(self.cell(f"{name}_datetime"), self.cell(f"{name}_date"))

    @property
    def patient(self) -> Person | None:
        """Whose the row is."""
        number = self.cell("person_id")
        return self._table.lookups.person(number) if number else None

    @property
    def birth_date(self) -> str | None:
        """Year, month and day as far as they are known."""
        year = self.cell("year_of_birth")
        if year is None:
            moment = self.cell("birth_datetime")
            return moment[:10] if moment else None
        parts = [year]
        for column in ("month_of_birth", "day_of_birth"):
            cell = self.cell(column)
            if cell is None:
                break
            parts.append(cell.zfill(2))
        stated = "-".join(parts)
        moment = self.cell("birth_datetime") or ""
        fuller = len(parts) < 3 and moment.startswith(f"{stated}-") and _is_day(moment[:10])
        return moment[:10] if fuller and moment[:10].removeprefix(f"{stated}-") not in _FILLERS else stated

    @property
    def death_at(self) -> str | None:
        """When the person died, by the table of deaths."""
        number = self.cell("person_id")
        cells = self._table.lookups.death(number) if number else None
        return _moment(*cells) if cells else None

    @property
    def address(self) -> Address | None:
        """The address of the row's location."""
        number = self.cell("location_id")
        cells = self._table.lookups.location(number) if number else None
        if cells is None:
            return None
        first, second, city, state, postal, county, country, concept = cells
        if not country and concept not in ("", "0") and (known := self._table.lookups.concept(concept)):
            country = known.name
        address = Address()
        if lines := [line for line in (first, second) if line]:
            address["line"] = lines
        named = {"city": city, "district": county, "state": state, "postalCode": postal, "country": country}
        address |= {name: text for name, text in named.items() if text}
        return address or None

    @property
    def unit_code(self) -> str | None:
        """The code of the unit's concept where that is of UCUM, else the source's text."""
        number = self.cell("unit_concept_id")
        concept = self._table.lookups.concept(number) if number and number != "0" else None
        if concept is not None and concept.system == "http://unitsofmeasure.org":
            return concept.code
        return self.cell("unit_source_value")

    def scope(self, name: str) -> Iterable[OmopRow]:
        """The row, in the scope of its table."""
        return (self,) if name in (self._table.kind, "row") else ()


_FILLERS: Final = frozenset(("01-01", "06-15", "07-01", "01", "15"))
"""Days that data sets write in `birth_datetime` where only the year, or year and month, are known."""


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _moment(time: str | None, day: str | None) -> str | None:
    if not time:
        return day or None
    date, _, clock = time.strip().partition("T" if "T" in time else " ")
    if not clock or clock.startswith("00:00:00") or clock == "00:00":
        return day or date
    return f"{date}T{clock}"


@function(returns="base64Binary", pure=True)
def base64_text(text: Any) -> str | None:
    """A text as the data of an Attachment."""
    return base64.b64encode(str(text).encode("utf-8", "replace")).decode() if text else None


_CVX: Final = "http://hl7.org/fhir/sid/cvx"
_OPERATORS: Final = {"4171756": "<", "4171754": "<=", "4172704": ">", "4171755": ">="}
_EQUAL: Final = "4172703"
"""Concepts of the domain Meas Value Operator."""


@function(returns="boolean", pure=True)
def immunizes(drug: Coded | None) -> bool:
    """Whether a drug is a vaccine: one of its concepts is of CVX."""
    return drug is not None and any(coding[0] == _CVX for coding in drug.codings())


@function(returns="code", pure=True)
def first_code(value: Coded | None, system: str) -> str | None:
    """The first code of a system that a coded value has."""
    if value is None:
        return None
    return next((coding[1] for coding in value.codings() if coding[0] == system), None)


@function(returns="Quantity", context=True, pure=True)
def compared(ctx: Context, value: Any, operator: Any) -> Any:
    """A quantity with the comparator of an operator's concept; null where that is none that is known."""
    if not value or operator in (None, "0", _EQUAL):
        return value
    comparator = _OPERATORS.get(str(operator))
    if comparator is None:
        ctx.flag("FB-OMOP-008", "the operator's concept is none that is known: the value is in a note alone")
        return None
    return Quantity({**value, "comparator": comparator})


@function(returns="boolean", pure=True)
def is_below_zero(text: Any) -> bool:
    """Whether a cell is a number below zero."""
    return isinstance(text, str) and text[:1] == "-" and any(digit in text for digit in "123456789")


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "base64_text": base64_text,
    "compared": compared,
    "first_code": first_code,
    "immunizes": immunizes,
    "is_below_zero": is_below_zero,
    "is_vital": is_vital,
    "vital_quantity": vital_quantity,
}
