"""From a FHIR value to index entries, by search type and data type (R4 search.html#ptypes)."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from fhir_bridge.fhir.search_entries import (
    DateEntry,
    IndexEntry,
    NumberEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    UriEntry,
    indexable,
    normalise,
)

__all__ = ["Converter", "canonical_quantity", "converter", "date_range", "split_reference"]

Append = Callable[[IndexEntry], object]
Converter = Callable[[str, Any, Append], None]
"""Takes the parameter's code, a value and where to put its entries. A value of a wrong shape gives none: judging is
validation's work, and what can't be searched can still be stored."""

_LARGEST_EXPONENT = 1000
"""A number beyond 10 to this power measures nothing, and would not fit an index."""

UCUM = "http://unitsofmeasure.org"

_canonical_ucum: Callable[[Decimal, str], tuple[Decimal, str] | None] | None = None
if importlib.util.find_spec("fhir_bridge.fhir.ucum") is not None:
    _canonical_ucum = importlib.import_module("fhir_bridge.fhir.ucum").canonical

_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?"
)


def date_range(text: str) -> tuple[datetime, datetime | None]:
    """The time that a date or dateTime covers at its precision; without a zone it is taken as UTC.

    Returns:
        Start (inclusive) and end (exclusive; None beyond the last year a calendar here can hold).

    Raises:
        ValueError: not a FHIR date, dateTime or instant.
    """
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a date")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if hour is None:
        low = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
        try:
            if day is not None:
                return low, low + timedelta(days=1)
            if month is not None:
                return low, low.replace(year=low.year + low.month // 12, month=low.month % 12 + 1)
            return low, low.replace(year=low.year + 1)
        except (OverflowError, ValueError):
            return low, None
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    leap = second == "60"
    low = datetime(
        int(year), int(month), int(day), int(hour), int(minute), 59 if leap else int(second or 0), micro, UTC
    )
    try:
        if zone and zone != "Z":
            offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:]))
            low = low - offset if zone[0] == "+" else low + offset
        if second is None:
            return low, low + timedelta(minutes=1)
        if fraction is None:
            return low, low + timedelta(seconds=1)
        return low, low + timedelta(microseconds=10 ** (6 - min(len(fraction), 6)))
    except OverflowError:
        return low, None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float | str):
        return None
    try:
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) <= _LARGEST_EXPONENT else None


def split_reference(reference: str) -> tuple[str | None, str | None, str | None]:
    """`Type/id` (perhaps with a version) as type, id, None; anything else as None, None, url without version."""
    reference = reference.partition("/_history/")[0]
    resource_type, slash, identity = reference.partition("/")
    if slash and "/" not in identity and identity and resource_type[:1].isupper() and resource_type.isalpha():
        return resource_type, identity, None
    return None, None, reference


def _token_code(system: str | None) -> Converter:
    def convert(parameter: str, value: Any, append: Append) -> None:
        if isinstance(value, str):
            append(TokenEntry(parameter, system, indexable(value)))

    return convert


def _token_boolean(parameter: str, value: Any, append: Append) -> None:
    if isinstance(value, bool):
        append(
            TokenEntry(parameter, "http://terminology.hl7.org/CodeSystem/special-values", str(value).lower())
        )


def _token_coding(parameter: str, value: Any, append: Append) -> None:
    if isinstance(value, dict):
        code, system = value.get("code"), value.get("system")
        if isinstance(code, str):
            append(TokenEntry(parameter, system if isinstance(system, str) else None, indexable(code)))


def _token_concept(parameter: str, value: Any, append: Append) -> None:
    codings = value.get("coding") if isinstance(value, dict) else None
    for coding in codings if isinstance(codings, list) else ():
        _token_coding(parameter, coding, append)


def _token_identifier(parameter: str, value: Any, append: Append) -> None:
    if isinstance(value, dict):
        text, system = value.get("value"), value.get("system")
        if isinstance(text, str):
            append(TokenEntry(parameter, system if isinstance(system, str) else None, indexable(text)))


def _token_contact(parameter: str, value: Any, append: Append) -> None:
    if isinstance(value, dict) and isinstance(value.get("value"), str):
        append(TokenEntry(parameter, None, indexable(value["value"])))


def _string(parameter: str, value: Any, append: Append) -> None:
    if isinstance(value, str):
        normal = normalise(value)
        if normal:
            append(StringEntry(parameter, indexable(normal), value))


def _string_parts(*names: str) -> Converter:
    def convert(parameter: str, value: Any, append: Append) -> None:
        if not isinstance(value, dict):
            return
        for name in names:
            part = value.get(name)
            for text in part if isinstance(part, list) else (part,):
                _string(parameter, text, append)

    return convert


def _date(parameter: str, value: Any, append: Append) -> None:
    if isinstance(value, str):
        try:
            low, high = date_range(value)
        except ValueError:
            return
        append(DateEntry(parameter, low, high))


def _period(parameter: str, value: Any, append: Append) -> None:
    if not isinstance(value, dict):
        return
    start, end = value.get("start"), value.get("end")
    try:
        low = date_range(start)[0] if isinstance(start, str) else None
        high = date_range(end)[1] if isinstance(end, str) else None
    except ValueError:
        return
    if low is not None or high is not None:
        append(DateEntry(parameter, low, high))


def _timing(parameter: str, value: Any, append: Append) -> None:
    if not isinstance(value, dict):
        return
    events = value.get("event")
    for event in events if isinstance(events, list) else ():
        _date(parameter, event, append)
    repeat = value.get("repeat")
    if isinstance(repeat, dict):
        _period(parameter, repeat.get("boundsPeriod"), append)


def canonical_quantity(value: Decimal, code: str) -> tuple[Decimal, str] | None:
    """The value in UCUM base units, where the unit can be converted."""
    return _canonical_ucum(value, code) if _canonical_ucum is not None else None


def _interval(
    low: Decimal | None, high: Decimal | None, comparator: Any
) -> tuple[Decimal | None, Decimal | None]:
    if comparator in ("<", "<="):
        return None, high
    if comparator in (">", ">="):
        return low, None
    return low, high


def _quantity_entry(
    parameter: str, unit: dict[str, Any], low: Decimal | None, high: Decimal | None, append: Append
) -> None:
    system, code, text = unit.get("system"), unit.get("code"), unit.get("unit")
    system = system if isinstance(system, str) else None
    code = code if isinstance(code, str) else None
    text = text if isinstance(text, str) else None
    base: str | None = None
    base_low: Decimal | None = None
    base_high: Decimal | None = None
    if system == UCUM and code is not None:
        ends = [None if end is None else canonical_quantity(end, code) for end in (low, high)]
        base_low, base_high = (None if end is None else end[0] for end in ends)
        base = next((end[1] for end in ends if end is not None), None)
    append(QuantityEntry(parameter, system, code, text, low, high, base, base_low, base_high))


def _quantity(parameter: str, value: Any, append: Append) -> None:
    if isinstance(value, dict):
        number = _decimal(value.get("value"))
        if number is not None:
            _quantity_entry(parameter, value, *_interval(number, number, value.get("comparator")), append)


def _money(parameter: str, value: Any, append: Append) -> None:
    if isinstance(value, dict):
        number, currency = _decimal(value.get("value")), value.get("currency")
        if number is not None:
            _quantity_entry(
                parameter, {"system": "urn:iso:std:iso:4217", "code": currency}, number, number, append
            )


def _quantity_range(parameter: str, value: Any, append: Append) -> None:
    if isinstance(value, dict):
        low, high = value.get("low"), value.get("high")
        low, high = (end if isinstance(end, dict) else {} for end in (low, high))
        numbers = _decimal(low.get("value")), _decimal(high.get("value"))
        if numbers != (None, None):
            _quantity_entry(parameter, low or high, *numbers, append)


def _number(parameter: str, value: Any, append: Append) -> None:
    number = _decimal(value)
    if number is not None:
        append(NumberEntry(parameter, number, number))


def _number_range(parameter: str, value: Any, append: Append) -> None:
    if isinstance(value, dict):
        ends = [_decimal(end.get("value")) for end in (value.get("low") or {}, value.get("high") or {})]
        if ends != [None, None]:
            append(NumberEntry(parameter, ends[0], ends[1]))


def _reference(parameter: str, value: Any, append: Append) -> None:
    if not isinstance(value, dict):
        return
    reference = value.get("reference")
    if isinstance(reference, str) and not reference.startswith("#"):
        resource_type, identity, url = split_reference(reference)
        append(ReferenceEntry(parameter, resource_type, identity, None if url is None else indexable(url)))
    identifier = value.get("identifier")
    if identifier is not None:
        _token_identifier(f"{parameter}:identifier", identifier, append)


def _canonical(parameter: str, value: Any, append: Append) -> None:
    if isinstance(value, str) and not value.startswith("#"):
        append(ReferenceEntry(parameter, None, None, indexable(value)))


def _uri(parameter: str, value: Any, append: Append) -> None:
    if isinstance(value, str):
        append(UriEntry(parameter, indexable(value)))


_CONVERTERS: dict[tuple[str, str], Converter] = {
    ("token", "boolean"): _token_boolean,
    ("token", "Coding"): _token_coding,
    ("token", "CodeableConcept"): _token_concept,
    ("token", "Identifier"): _token_identifier,
    ("token", "ContactPoint"): _token_contact,
    ("string", "HumanName"): _string_parts("text", "family", "given", "prefix", "suffix"),
    ("string", "Address"): _string_parts(
        "text", "line", "city", "district", "state", "postalCode", "country"
    ),
    ("string", "CodeableConcept"): _string_parts("text"),
    ("date", "Period"): _period,
    ("date", "Timing"): _timing,
    ("quantity", "Money"): _money,
    ("quantity", "Range"): _quantity_range,
    ("number", "Range"): _number_range,
    ("reference", "Reference"): _reference,
}
for _type in ("string", "markdown", "code", "id"):
    _CONVERTERS["string", _type] = _string
for _type in ("string", "code", "id", "uri", "url", "canonical", "oid", "uuid"):
    _CONVERTERS["token", _type] = _token_code(None)
for _type in ("uri", "url", "canonical", "oid", "uuid"):
    _CONVERTERS["uri", _type] = _uri
    _CONVERTERS["reference", _type] = _canonical
for _type in ("date", "dateTime", "instant"):
    _CONVERTERS["date", _type] = _date
for _type in ("Quantity", "SimpleQuantity", "Age", "Duration", "Distance", "Count"):
    _CONVERTERS["quantity", _type] = _quantity
for _type in ("decimal", "integer", "positiveInt", "unsignedInt"):
    _CONVERTERS["number", _type] = _number


def converter(search_type: str, fhir_type: str, system: str | None = None) -> Converter | None:
    """How values of a FHIR type become entries of a search type; None where they can't.

    Args:
        search_type: `token`, `string`, `date`, `quantity`, `number`, `reference` or `uri`.
        fhir_type: type of the value.
        system: for a `code`: the code system that its required binding implies.
    """
    if system is not None and (search_type, fhir_type) == ("token", "code"):
        return _token_code(system)
    return _CONVERTERS.get((search_type, fhir_type))
