"""Values meet elements: a value goes in as its element's type, is changed where nothing is lost, or is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import cache
from types import FunctionType
from typing import Any

from fhir_bridge.fhir import datatypes, definitions
from fhir_bridge.fhir.datatypes import (
    Code,
    CodeableConcept,
    Date,
    DateTime,
    Instant,
    Time,
    Uri,
    fhir_type,
)
from fhir_bridge.fhir.models import is_model, model_type, plain
from fhir_bridge.mapping.record import CLEARED
from fhir_bridge.mapping.runtime import Context, ElementTarget

__all__ = [
    "PRIMITIVES",
    "ChoiceTable",
    "Coercer",
    "choose",
    "coercer",
    "convertible",
    "is_cleared",
    "many",
    "preferred",
    "single",
    "type_name",
]

Coercer = Callable[[Context, Any, ElementTarget], Any]
ChoiceTable = dict[str, tuple[str, Coercer]]

_TEXT = ("string", "code", "id", "uri", "url", "canonical", "oid", "uuid", "markdown")
_QUANTITIES = ("Quantity", "SimpleQuantity", "MoneyQuantity", "Age", "Duration", "Count", "Distance")
_INTEGERS = ("integer", "positiveInt", "unsignedInt")

_SOURCES: dict[str, tuple[str, ...]] = {
    "string": (*_TEXT, "date", "dateTime", "instant", "time", "base64Binary"),
    "markdown": (*_TEXT, "date", "dateTime", "instant", "time"),
    "code": ("code", "string", "id"),
    "id": ("id", "code", "string"),
    **dict.fromkeys(
        ("uri", "url", "canonical", "oid", "uuid"), ("uri", "url", "canonical", "oid", "uuid", "string")
    ),
    "date": ("date", "dateTime", "instant", "string"),
    "dateTime": ("dateTime", "date", "instant", "string"),
    "instant": ("instant", "dateTime", "string"),
    "time": ("time", "string"),
    "base64Binary": ("base64Binary", "string"),
    "decimal": ("decimal", *_INTEGERS),
    **dict.fromkeys(_INTEGERS, (*_INTEGERS, "decimal")),
    "boolean": ("boolean",),
    "CodeableConcept": ("CodeableConcept", "Coding"),
    **dict.fromkeys(_QUANTITIES, _QUANTITIES),
    "xhtml": ("xhtml", "string"),
}
"""Type of an element -> types of values that it takes, perhaps after a check."""

PRIMITIVES = frozenset(
    {
        "base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id", "instant", "integer",
        "markdown", "oid", "positiveInt", "string", "time", "unsignedInt", "uri", "url", "uuid", "xhtml",
    }
)  # fmt: skip

_PREFERRED: dict[str, tuple[str, ...]] = {
    "string": ("string", "markdown"),
    "code": ("code", "string"),
    "uri": ("uri", "url", "canonical", "string"),
    "integer": ("integer", "decimal", "positiveInt", "unsignedInt"),
    "decimal": ("decimal",),
    "date": ("date", "dateTime"),
    "dateTime": ("dateTime", "date"),
    "instant": ("instant", "dateTime"),
    "Coding": ("Coding", "CodeableConcept"),
    "Quantity": ("Quantity", "Age", "Duration", "Count", "Distance"),
}
"""Where an element has a choice of types: which of them a value takes, first that is allowed."""

_BAD_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_CODE = re.compile(r"\S+(\s\S+)*")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_FULL_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_DATE_TIME = re.compile(
    r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])"
    r"(T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00)))?)?)?"
)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?")
_BASE64 = re.compile(r"(\s*[0-9a-zA-Z+/=]{4}\s*)+")


def convertible(source: str, target: str) -> bool:
    """Whether a value of type `source` may go into an element of type `target`."""
    return source == target or source in _SOURCES.get(target, ())


def type_name(value: object) -> str:
    """The FHIR type of a value, or a plain word for what has none."""
    try:
        return fhir_type(value)
    except TypeError:
        return "object" if isinstance(value, dict) else type(value).__name__


def _wrong(ctx: Context, value: object, element_target: ElementTarget, target: str, hint: str = "") -> None:
    ctx.lost(
        element_target,
        "FB-MAP-102",
        f"{element_target.path} takes {target}, not {type_name(value)}{hint}; it was left out",
    )


def single(ctx: Context, values: list[Any], target: ElementTarget) -> Any:
    """The value that a list agrees on; with several different ones None and an issue."""
    kept = [value for value in values if value is not None and value is not CLEARED and value != ""]
    if len(kept) > 1 and any(value != kept[0] for value in kept):
        ctx.lost(
            target, "FB-MAP-103", f"{target.path} takes one value and was given {len(kept)}; it was left out"
        )
        return None
    return kept[0] if kept else None


def _text(ctx: Context, value: Any, target: ElementTarget) -> Any:
    if value.__class__ is list:
        value = single(ctx, value, target)
        if value is None:
            return None
    if not isinstance(value, str):
        text = getattr(value, "text", None)
        if not isinstance(text, str) or is_model(value):  # HumanName.text of an object is not the name's text
            _wrong(ctx, value, target, "string", " (string(x) makes one)")
            return None
        value = text
    if value is CLEARED:
        return value
    if value.__class__ is not str:
        value = str(value)  # a field of a message would hold the whole of it
    if value.isprintable():
        return value if value and not value.isspace() else None
    if _BAD_CONTROL.search(value):
        ctx.lost(
            target,
            "FB-MAP-102",
            f"{target.path} has control characters, which FHIR text can't hold; it was left out",
        )
        return None
    return None if value.isspace() else value


def _pattern(target: str, pattern: re.Pattern[str], make: Callable[[str], Any], hint: str = "") -> Coercer:
    def coerce(ctx: Context, value: Any, element_target: ElementTarget) -> Any:
        if value.__class__ is make and value:
            return value
        value = _text(ctx, value, element_target)
        if not value:
            return value
        value = value.strip()
        if pattern.fullmatch(value):
            return make(value)
        ctx.lost(
            element_target,
            "FB-MAP-102",
            f"{element_target.path} was given text that is no {target}{hint}; it was left out",
        )
        return None

    return coerce


def _calendar(target: str, pattern: re.Pattern[str], make: Callable[[str], Any], hint: str) -> Coercer:
    check = _pattern(target, pattern, make, hint)

    def coerce(ctx: Context, value: Any, element_target: ElementTarget) -> Any:
        if value.__class__ is make:
            return value
        result = check(ctx, value, element_target)
        if result and len(result) >= 10:
            try:
                date.fromisoformat(result[:10])
            except ValueError:
                ctx.lost(
                    element_target,
                    "FB-MAP-102",
                    f"{element_target.path} was given a day that does not exist; it was left out",
                )
                return None
        return result

    return coerce


def _date(ctx: Context, value: Any, target: ElementTarget) -> Any:
    if value.__class__ is Date:
        return value
    if value.__class__ in (DateTime, Instant) and len(value) > 10:
        ctx.lost(
            target,
            "FB-MAP-102",
            f"{target.path} takes a date, and the value has a time (date(x) takes its day); it was left out",
        )
        return None
    return _DATE(ctx, Date(value) if value.__class__ is DateTime else value, target)


_DATE = _calendar(
    "date", re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?"), Date, " (date(x) makes one)"
)


def _boolean(ctx: Context, value: Any, target: ElementTarget) -> Any:
    if value is True or value is False or value is CLEARED:
        return value
    if value.__class__ is list:
        value = single(ctx, value, target)
        if value is None or value is True or value is False:
            return value
    _wrong(ctx, value, target, "boolean", " (boolean(x) makes one)")
    return None


def _decimal(ctx: Context, value: Any, target: ElementTarget) -> Any:
    if value.__class__ is Decimal:
        if value.is_finite():
            return value
    elif value.__class__ is int or value is CLEARED:
        return value
    elif value.__class__ is float:
        return Decimal(repr(value))
    elif value.__class__ is list:
        value = single(ctx, value, target)
        return None if value is None else _decimal(ctx, value, target)
    _wrong(ctx, value, target, "decimal", " (decimal(x) makes one)")
    return None


def _integer(target: str, low: int) -> Coercer:
    def coerce(ctx: Context, value: Any, element_target: ElementTarget) -> Any:
        if value is CLEARED:
            return value
        if value.__class__ is list:
            value = single(ctx, value, element_target)
            if value is None:
                return None
        if value.__class__ is Decimal and value.is_finite() and value == value.to_integral_value():
            value = int(value)
        if value.__class__ is int and low <= value <= 2147483647:
            return value
        _wrong(
            ctx,
            value,
            element_target,
            target,
            " in its range" if value.__class__ is int else " (integer(x) makes one)",
        )
        return None

    return coerce


def _complex(target: str) -> Coercer:
    accepted = frozenset(_SOURCES.get(target, (target,)))

    def coerce(ctx: Context, value: Any, element_target: ElementTarget) -> Any:
        named = getattr(value, "fhir_type", None)
        if named == target or (named is None and value.__class__ is dict):
            return value or None
        if value is CLEARED:
            return value
        if value.__class__ is list:
            value = single(ctx, value, element_target)
            return None if value is None else coerce(ctx, value, element_target)
        if named is None and is_model(value):
            named, value = model_type(value), plain(value)
            if named == target:
                return value or None
        if named in accepted:
            return CodeableConcept(coding=[value]) if named == "Coding" else value
        _wrong(ctx, value, element_target, target)
        return None

    kind = getattr(datatypes, target, None)
    if isinstance(kind, type) and getattr(kind, "fhir_type", None) == target:
        _KINDS[coerce] = kind
    return coerce


def _resource(ctx: Context, value: Any, target: ElementTarget) -> Any:
    value = plain(value)
    if value.__class__ is dict and "resourceType" in value:
        return value
    _wrong(ctx, value, target, "a resource")
    return None


def target_of(function: Any) -> str | None:
    """The type that a function of `coercer` fits values to, where the function has no name of its own."""
    return _targets.get(function) if function.__class__ is FunctionType else None


_targets: dict[Any, str] = {}


@cache
def coercer(target: str) -> Coercer:
    """The function that fits a value to an element of this type: `(ctx, value, target) -> value | None`.

    None comes with an issue where something was lost. A list of one stands for its item.
    """
    result = _coercer(target)
    if "<locals>" in getattr(result, "__qualname__", ""):
        _targets[result] = target
    return result


def _coercer(target: str) -> Coercer:
    if target in ("string", "markdown", "xhtml"):
        return _text
    if target == "code":
        return _pattern("code", _CODE, Code)
    if target == "id":
        return _pattern("id", _ID, str)
    if target in ("uri", "url", "canonical", "oid", "uuid"):
        return _pattern(
            target,
            re.compile(definitions.primitive_regex(target))
            if target in ("oid", "uuid")
            else re.compile(r"\S+"),
            Uri,
        )
    if target == "date":
        return _date
    if target == "dateTime":
        return _calendar("dateTime", _DATE_TIME, DateTime, " (datetime(x) makes one)")
    if target == "instant":
        return _calendar("instant", _FULL_INSTANT, Instant, " (instant(x) makes one)")
    if target == "time":
        return _pattern("time", _TIME, Time, " (time_of_day(x) makes one)")
    if target == "base64Binary":
        return _pattern("base64Binary", _BASE64, str)
    if target == "boolean":
        return _boolean
    if target == "decimal":
        return _decimal
    if target in _INTEGERS:
        return _integer(target, {"integer": -2147483648, "unsignedInt": 0, "positiveInt": 1}[target])
    if target == "Resource":
        return _resource
    return _complex(target)


_KINDS: dict[Coercer | None, type] = {}
"""Of coercers of complex types: the class whose objects they take as they are."""


def is_cleared(content: dict[str, Any], name: str) -> bool:
    """Whether an element that a source deletes (`code`), a member of it (`period.end`) or a note of it by its label
    (`note:Call back`) is not stated otherwise.

    Of a list of several fields one may be deleted and another stated: then it is all that there is.
    """
    element, _, member = name.partition(".")
    value = content.get(element)
    if value.__class__ is dict:
        return bool(member) and member not in value
    return value is None or value.__class__ is list


def many(ctx: Context, value: Any, coerce: Coercer | None, target: ElementTarget) -> list[Any] | None:
    """The values for an element that repeats; one is wrapped, empty ones are dropped."""
    if value is None or value is CLEARED:
        return None
    if value.__class__ is list or value.__class__ is tuple:
        kind = _KINDS.get(coerce)
        if kind is not None and all(value) and set(map(type, value)) == {kind}:
            return list(value)
        kept: list[Any] = []
        for item in value:
            if item is None or item is CLEARED:
                continue
            if item.__class__ is list:
                kept += many(ctx, item, coerce, target) or ()
                continue
            coerced = coerce(ctx, item, target) if coerce is not None else item
            if coerced is not None and coerced is not CLEARED:
                kept.append(coerced)
        return kept or None
    if coerce is not None:
        value = coerce(ctx, value, target)
    return None if value is None or value is CLEARED else [value]


def choose(ctx: Context, value: Any, table: ChoiceTable, target: ElementTarget) -> tuple[str, Any] | None:
    """The JSON name and value that a typed value takes in an element with a choice of types."""
    if value.__class__ is list:
        value = single(ctx, value, target)
    if value is None or value is CLEARED or value == "":
        return None
    name = type_name(value)
    for candidate in _PREFERRED.get(name, (name,)):
        entry = table.get(candidate)
        if entry is not None:
            result = entry[1](ctx, value, target)
            return None if result is None else (entry[0], result)
    _wrong(ctx, value, target, f"one of {', '.join(sorted(table)[:6])}{', …' if len(table) > 6 else ''}")
    return None


def preferred(source: str, targets: dict[str, str]) -> tuple[str, str] | None:
    """JSON name and type that a value of a known type takes among `targets` (type -> JSON name)."""
    for candidate in _PREFERRED.get(source, (source,)):
        if candidate in targets:
            return targets[candidate], candidate
    return None
