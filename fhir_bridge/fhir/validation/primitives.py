"""Primitive values: JSON kind, R4's format, real calendar dates (R4 datatypes.html#primitive)."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_bridge.fhir.characters import NO_TEXT

__all__ = ["expected", "has_control_characters", "is_blank", "primitive_check"]

_ZONE = r"(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))"
# 60 is a leap second, which R4's regular expressions allow.
_TIME = r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?"
# Year 0 does not exist in R4's calendar.
_DATE = r"(?!0000)\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?"

# R4 datatypes.html#canonical: absolute, but for a fragment of the resource itself.
_FORMATS = {
    "date": (_DATE, "YYYY, YYYY-MM or YYYY-MM-DD"),
    "dateTime": (
        rf"(?!0000)\d{{4}}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T{_TIME}{_ZONE})?)?)?",
        "YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a zone",
    ),
    "instant": (
        rf"(?!0000)\d{{4}}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T{_TIME}{_ZONE}",
        "YYYY-MM-DDThh:mm:ss.sss with a zone",
    ),
    "time": (_TIME, "hh:mm:ss without zone"),
    "code": (r"[^\s]+( [^\s]+)*", "no white space at the ends, single spaces inside"),
    "id": (r"[A-Za-z0-9\-.]{1,64}", "1 to 64 letters, digits, - and ."),
    "oid": (r"urn:oid:[0-2](\.(0|[1-9]\d*))+", "urn:oid: and an OID"),
    "uuid": (
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "urn:uuid: and a UUID in lower case",
    ),
    "uri": (r"\S+", "no white space, and a whole OID or lower-case UUID behind urn:oid: or urn:uuid:"),
    "url": (r"\S+", "no white space"),
    "canonical": (r"#\S*|[A-Za-z][A-Za-z0-9+.-]*:\S+", "an absolute URL or #fragment"),
}
_DATED = frozenset({"date", "dateTime", "instant"})

_INTEGERS = {
    "integer": (-(2**31), 2**31 - 1, "a whole number of 32 bits"),
    "unsignedInt": (0, 2**31 - 1, "a whole number from 0"),
    "positiveInt": (1, 2**31 - 1, "a whole number from 1"),
}

_SURROGATE = re.compile("[\ud800-\udfff]")
"""Halves of surrogate pairs, which no UTF-8 can carry."""
_BASE64 = re.compile(r"[0-9A-Za-z+/]*={0,2}")
_SPACE = re.compile(r"\s+")
MAX_TEXT = 1_048_576
"""R4: strings SHALL NOT exceed 1 MB."""


def expected(name: str) -> str:
    """What a value of this primitive type looks like, for messages."""
    if name in _FORMATS:
        return _FORMATS[name][1]
    if name in _INTEGERS:
        return _INTEGERS[name][2]
    return {
        "boolean": "true or false",
        "decimal": "a number",
        "base64Binary": "base64 text",
        "xhtml": "a <div> of XHTML",
    }.get(name, "a text that is not empty and has no control characters")


def _integer(name: str) -> Callable[[Any], bool]:
    low, high, _ = _INTEGERS[name]

    def check(value: Any) -> bool:
        # type(), since bool is a subclass of int.
        return type(value) is int and low <= value <= high

    return check


def _dated(name: str) -> Callable[[Any], bool]:
    match = re.compile(_FORMATS[name][0]).fullmatch

    def check(value: Any) -> bool:
        # `\d` matches digits of every script.
        if not isinstance(value, str) or match(value) is None or not value.isascii():
            return False
        day = value[8:10]
        # As texts: only the days 29 to 31 need the calendar.
        return day < "29" or int(day) <= monthrange(int(value[:4]), int(value[5:7]))[1]

    return check


def _uri(name: str) -> Callable[[Any], bool]:
    """A URI; one that names an OID or UUID has that form, a UUID in lower case (R4 datatypes.html#uri)."""
    match = re.compile(_FORMATS[name][0]).fullmatch
    oid = re.compile(_FORMATS["oid"][0]).fullmatch
    uuid = re.compile(_FORMATS["uuid"][0]).fullmatch

    def check(value: Any) -> bool:
        if not isinstance(value, str) or match(value) is None:
            return False
        if value.startswith("urn:"):
            if value.startswith("urn:oid:"):
                return oid(value.partition("|")[0]) is not None
            if value.startswith("urn:uuid:"):
                return uuid(value.partition("|")[0].partition("#")[0]) is not None
        # `oid:` and `uuid:` are written with `urn:` in front (R4 datatypes.html#uri).
        return not value.startswith(("oid:", "uuid:"))

    return check


def _formatted(name: str) -> Callable[[Any], bool]:
    match = re.compile(_FORMATS[name][0]).fullmatch

    def check(value: Any) -> bool:
        return isinstance(value, str) and match(value) is not None

    return check


def _is_legible(text: str) -> bool:
    return NO_TEXT.search(text) is None and _SURROGATE.search(text) is None


def _text(value: Any) -> bool:
    # isprintable() is one fast test that most texts pass; only others are searched for control characters.
    return isinstance(value, str) and (
        (value != "" and value.isprintable() and not value.isspace() and len(value) <= MAX_TEXT)
        or (not value.isspace() and 0 < len(value) <= MAX_TEXT and _is_legible(value))
    )


def is_blank(value: object, name: str) -> bool:
    """Whether a text is white space alone: R4 advises against it and does not forbid it (datatypes.html#string)."""
    return (
        name in ("string", "markdown") and isinstance(value, str) and value.isspace() and _is_legible(value)
    )


def has_control_characters(value: object, name: str) -> bool:
    """Whether a string's only fault is control characters: R4 says it SHOULD have none (datatypes.html#string).

    Of markdown R4 says SHALL NOT, in the notes on that type.
    """
    return (
        name == "string"
        and isinstance(value, str)
        and len(value) <= MAX_TEXT
        and _SURROGATE.search(value) is None
        and NO_TEXT.search(value) is not None
    )


def _xhtml(value: Any) -> bool:
    return isinstance(value, str) and value != "" and not value.isspace()


def _boolean(value: Any) -> bool:
    return value is True or value is False


def _decimal(value: Any) -> bool:
    kind = type(value)
    # NaN and infinity minus themselves are NaN.
    return (
        kind is int
        or (kind is float and value - value == 0)
        or (isinstance(value, Decimal) and value.is_finite())
    )


def _base64(value: Any) -> bool:
    if not isinstance(value, str) or not value:
        return False
    text = _SPACE.sub("", value)
    # R4 datatypes.html#base64Binary allows white space; without it the length is a multiple of four.
    return bool(text) and len(text) % 4 == 0 and _BASE64.fullmatch(text) is not None


def primitive_check(name: str) -> Callable[[Any], bool]:
    """A predicate for values of this primitive type; types without a format of their own are texts."""
    if name in _INTEGERS:
        return _integer(name)
    if name in _DATED:
        return _dated(name)
    if name in ("uri", "url", "canonical"):
        return _uri(name)
    if name in _FORMATS:
        return _formatted(name)
    return {"boolean": _boolean, "decimal": _decimal, "base64Binary": _base64, "xhtml": _xhtml}.get(
        name, _text
    )
