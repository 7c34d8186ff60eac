"""Functions for HL7's composite types (HL7 v2.5.1 chapter 2A): names, addresses, telecoms, SN and ranges."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from fhir_bridge.adapters.ehr.hl7v2.fields import Component, Field
from fhir_bridge.fhir.datatypes import Address, ContactPoint, HumanName, Quantity, Range, Ratio
from fhir_bridge.mapping import CLEARED, function

__all__ = ["FUNCTIONS"]

_NAME_USE: Final = {
    "L": "official",
    "D": "usual",
    "M": "maiden",
    "N": "nickname",
    "S": "anonymous",
    "T": "temp",
    "TEMP": "temp",
    "BAD": "old",
    "NOUSE": "old",
}
"""Table 0200 where R4 name-use has the same meaning; other types leave `use` out."""

_ADDRESS_USE: Final = {"H": "home", "P": "home", "B": "work", "O": "work", "C": "temp", "BA": "old"}
_TELECOM_USE: Final = {"PRN": "home", "ORN": "home", "VHN": "temp", "WPN": "work", "PRS": "mobile"}
_TELECOM_SYSTEM: Final = {
    "PH": "phone",
    "CP": "phone",
    "SAT": "phone",
    "FX": "fax",
    "BP": "pager",
    "INTERNET": "email",
    "TDD": "other",
    "TTY": "other",
    "MD": "other",
}


def _values(x: Any) -> list[Field]:
    """The repetitions of a field, whatever form it came in."""
    if isinstance(x, Field):
        return [x]
    if isinstance(x, list):
        return [item for item in x if isinstance(item, Field)]
    return []


def _one(values: list[Any], given: Any) -> Any:
    """The values made of a field; `CLEARED` stays what it is."""
    if not values:
        return given if given is CLEARED else None
    return values[0] if len(values) == 1 else values


def _text(value: Field, number: int) -> str | None:
    return value.component(number) or None


@function(nulls=True)
def human_name(x: Any, kind: str = "XPN") -> Any:
    """HumanName of each XPN (or, with `kind='XCN'`, of each XCN); own surname prefix stays in the family name.

    A repetition without family, given name or text gives nothing.
    """
    shift = 1 if kind == "XCN" else 0
    names = []
    for value in _values(x):
        name = HumanName()
        kind_code = _text(value, 10 if kind == "XCN" else 7)
        if use := _NAME_USE.get((kind_code or "").upper()):
            name["use"] = use
        if family := _family(value.component(1 + shift)):
            name["family"] = family
        given = [part for number in (2, 3) if (part := _text(value, number + shift))]
        if given:
            name["given"] = given
        if prefix := _text(value, 5 + shift):
            name["prefix"] = [prefix]
        suffix = [part for number in (4, 6) if (part := _text(value, number + shift))]
        if suffix:
            name["suffix"] = suffix
        if family or given:
            names.append(name)
    return _one(names, x)


def _family(component: Component | None) -> str | None:
    """FN: the surname as it is used (FN.1), which carries its own prefix already (FN.2 only repeats it)."""
    if component is None:
        return None
    return str(component) or component.component(3) or None


@function(nulls=True)
def person_display(x: Any) -> str | None:
    """The name of the first XCN as people read it: `Dr. Ada Keller`; its id where there is no name."""
    for value in _values(x):
        parts = [
            _text(value, 6),
            _text(value, 3),
            _text(value, 4),
            _family(value.component(2)),
            _text(value, 5),
        ]
        if shown := " ".join(part for part in parts if part):
            return shown
        if identifier := _text(value, 1):
            return identifier
    return None


@function(nulls=True)
def address(x: Any) -> Any:
    """Address of each XAD; a birth place (type N) or bad address is marked, not mixed in."""
    addresses = []
    for value in _values(x):
        found = Address()
        kind = (_text(value, 7) or "").upper()
        if use := _ADDRESS_USE.get(kind):
            found["use"] = use
        if kind == "M":
            found["type"] = "postal"
        lines = [part for number in (1, 2, 8) if (part := _text(value, number))]
        if lines:
            found["line"] = lines
        for element, number in (
            ("city", 3),
            ("district", 9),
            ("state", 4),
            ("postalCode", 5),
            ("country", 6),
        ):
            if part := _text(value, number):
                found[element] = part
        if set(found) - {"use", "type"}:
            addresses.append(found)
    return _one(addresses, x)


@function(nulls=True)
def contact_point(x: Any, use: str | None = None) -> Any:
    """ContactPoint of each XTN: an e-mail address from XTN.4, else the number as written, else put together.

    Args:
        x: the field.
        use: where XTN.2 states none (`home` for PID-13, `work` for PID-14).
    """
    points = []
    for value in _values(x):
        kind, equipment = (_text(value, 2) or "").upper(), (_text(value, 3) or "").upper()
        mail = _text(value, 4)
        number = _text(value, 12) or _text(value, 1) or _number(value)
        stated = _TELECOM_USE.get(kind, use)
        if equipment == "CP":
            stated = "mobile"
        if number and not (mail and (kind == "NET" or equipment == "INTERNET")):
            system = "email" if "@" in number else _TELECOM_SYSTEM.get(equipment, "phone")
            points.append(_point(system, number, stated))
        if mail:
            points.append(_point("email", mail, _TELECOM_USE.get(kind, use)))
    return _one(points, x)


def _number(value: Field) -> str | None:
    country, area, local, extension = (_text(value, number) for number in (5, 6, 7, 8))
    if not local:
        return None
    number = f"({area}) {local}" if area else local
    number = f"+{country.lstrip('+')} {number}" if country else number
    return f"{number} ext. {extension}" if extension else number


def _point(system: str, value: str, use: str | None) -> ContactPoint:
    point = ContactPoint(system=system, value=value)
    if use:
        point["use"] = use
    return point


@function(nulls=True)
def structured_numeric(x: Any, first: Any = None, second: Any = None) -> Any:
    """SN as Quantity (with comparator), Range (`^2^-^4`), Ratio (`^1^:^128`) or text (`^2^+`).

    Args:
        x: the SN field.
        first: Quantity of SN.2, made by the mapping so that units are its matter.
        second: Quantity of SN.4.
    """
    for value in _values(x):
        comparator, separator = _text(value, 1), _text(value, 3)
        if separator in ("-", "–") and isinstance(first, Quantity) and isinstance(second, Quantity):
            return Range(low=first, high=second)
        if separator in (":", "/") and isinstance(first, Quantity) and isinstance(second, Quantity):
            return Ratio(numerator=first, denominator=second)
        plain = not separator and comparator in (None, "=", "<", "<=", ">", ">=")
        if plain and isinstance(first, Quantity):
            quantity = Quantity(first)
            if comparator not in (None, "="):
                quantity["comparator"] = comparator
            return quantity
        parts = [_text(value, number) for number in (1, 2, 3, 4)]
        return "".join(part for part in parts if part) or None
    return None


_BOUND = r"([-+]?\d+(?:\.\d+)?)"
_BETWEEN = re.compile(rf"\s*{_BOUND}\s*(?:-|–|to|\.\.)\s*{_BOUND}\s*", re.IGNORECASE)
_BELOW = re.compile(rf"\s*(?:<=?|≤|up to)\s*{_BOUND}\s*", re.IGNORECASE)
_ABOVE = re.compile(rf"\s*(?:>=?|≥)\s*{_BOUND}\s*")


@function(nulls=True)
def range_low(x: Any) -> str | None:
    """The lower bound that OBX-7 states (`3.5-5.1`, `>= 60`); None where it reads otherwise."""
    if not isinstance(x, str):
        return None
    found = _BETWEEN.fullmatch(x) or _ABOVE.fullmatch(x)
    return found.group(1) if found else None


@function(nulls=True)
def range_high(x: Any) -> str | None:
    """The upper bound that OBX-7 states (`3.5-5.1`, `< 14`); None where it reads otherwise."""
    if not isinstance(x, str):
        return None
    if found := _BETWEEN.fullmatch(x):
        return found.group(2)
    found = _BELOW.fullmatch(x)
    return found.group(1) if found else None


@function(nulls=True)
def whole(x: Any) -> str | None:
    """A field's text with its separators as written, repetitions on lines of their own."""
    if isinstance(x, list):
        return "\n".join(item.whole if isinstance(item, Field) else str(item) for item in x) or None
    if isinstance(x, Field | Component):
        return x.whole or None
    return x if isinstance(x, str) else None


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "human_name": human_name,
    "person_display": person_display,
    "address": address,
    "contact_point": contact_point,
    "structured_numeric": structured_numeric,
    "range_low": range_low,
    "range_high": range_high,
    "whole": whole,
}
"""Functions that `hl7v2` adds to the expression language."""
