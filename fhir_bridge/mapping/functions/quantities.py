"""Numbers and quantities: digits are kept, units are UCUM where they can be."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from fhir_bridge.fhir import ucum, ucum_grammar
from fhir_bridge.fhir.datatypes import Quantity
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping.functions.coded import source_codings
from fhir_bridge.mapping.functions.schemes import UCUM, system_uri
from fhir_bridge.mapping.record import CLEARED
from fhir_bridge.mapping.registry import builtin
from fhir_bridge.mapping.runtime import Context, Reject

__all__ = ["UNITS_MAP", "in_range", "number", "quantity", "unit_code"]

UNITS_MAP = "units-ucum"
"""The ConceptMap from unit texts to UCUM, by its id."""

_NUMBER = re.compile(
    r"\s*([<>]=?|≤|≥)?\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*", re.DOTALL
)
_POINT = re.compile(r"[\s<>=≤≥+-]*\d*\.\d")
_COMPARATORS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "≤": "<=", "≥": ">="}
_FLAGS = frozenset(("H", "HH", "L", "LL", "N", "A", "AA", "R", "S", "I"))
"""Marks of abnormal or susceptible results (HL7 table 0078) that UCUM would read as units."""

_NEVER_WRITTEN = frozenset({"u", "t", "ar", "st", "b", "G", "Wb"})
"""Atoms of UCUM that no text of a record means: `ft` are feet, `pt` pints, `u` units."""
_NEVER_ALONE = frozenset({"A", "B", "F", "H", "P", "R", "S"})
"""Atoms that are something else without a prefix: hours, seconds, marks."""
_NEVER_BEFORE = frozenset({"Y", "Z", "E", "P", "y", "z"})
"""Prefixes that no measurement of a body needs."""

_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
_TOO_LARGE = 308


def in_range(value: Decimal) -> bool:
    """Whether a number is one for those who read JSON's numbers as doubles, as most do: `1e400` is infinite there."""
    return value.is_finite() and value.adjusted() < _TOO_LARGE


def number(ctx: Context, text: str) -> tuple[str | None, Decimal, str] | None:
    """Comparator, number and what follows it in a text written in the source's own marks; None if it is none."""
    if ctx.group_mark:
        text = re.sub(rf"(?<=\d){re.escape(ctx.group_mark)}(?=\d{{3}}(?!\d))", "", text)
    if ctx.decimal_mark != ".":
        if _POINT.match(text):
            return None  # 1.234 in a source with decimal commas: one, or a thousand?
        text = text.replace(ctx.decimal_mark, ".")
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, digits, rest = match.groups()
    if rest[:1].isdigit() or rest[:1] in (".", ","):
        return None
    try:
        value = Decimal(digits.removesuffix(".").removeprefix("+"))
    except InvalidOperation:
        return None
    if not in_range(value):
        return None
    return _COMPARATORS[sign] if sign else None, value, rest


def unit_code(ctx: Context, text: str, *, declared: bool = False) -> tuple[str, str] | None:
    """UCUM code and printable unit of a unit text, or None where neither the map nor UCUM knows it.

    Args:
        declared: the source says that it is UCUM. Other text is taken for the UCUM code that is written like it only
            where people write that unit so: `ft` is no femtotonne, and `H` no henry.
    """
    key = (text, declared)
    if key in ctx.units:
        return ctx.units[key]  # type: ignore[no-any-return]
    results: tuple[str, str] | None = None
    for target in ctx.terminology.translate(None, text, (UCUM,)):
        if target.equivalence in ("equal", "equivalent"):
            results = (target.code, text)
            break
    if (
        results is None
        and ctx.terminology.lookup(UCUM, text) is not None
        and (declared or is_written_so(text))
    ):
        results = (text, text)
    if len(ctx.units) > 10_000:
        ctx.units.clear()
    ctx.units[key] = results
    return results


def is_written_so(text: str) -> bool:
    """Whether people mean a UCUM code by a text that is one: in capitals, `M` may be mega or milli."""
    return _is_written_so(ucum.parse(text), text.isupper())


def _is_written_so(term: ucum_grammar.Term, capitals: bool) -> bool:
    if isinstance(term, ucum_grammar.Product):
        return all(_is_written_so(part, capitals) for part, _ in term.terms)
    if isinstance(term, ucum_grammar.Factor):
        return True
    if term.atom in _NEVER_WRITTEN or term.prefix in _NEVER_BEFORE:
        return False
    return not (term.atom in _NEVER_ALONE and not term.prefix) and not (capitals and term.prefix == "M")


def _unit(ctx: Context, unit: Any, system: str, otherwise: str) -> dict[str, str] | None:
    """`unit`, `system`, `code` of a Quantity; None to drop it."""
    if unit is None or unit is CLEARED or unit == "":
        return {}
    if unit.__class__ is list:
        unit = _of_several(ctx, unit)
    unit = getattr(unit, "as_unit", unit)  # a field of a message, read as a unit
    scheme, code, display, declared = system, None, None, False
    coded = getattr(unit, "codings", None)
    key: Any = None
    if coded is not None:
        key = (tuple(coded()), unit.text, system, ctx.source)
        known_unit = ctx.units.get(key)
        if known_unit is not None:
            return known_unit  # type: ignore[no-any-return]
    if coded is not None or not isinstance(unit, str):
        codings, text = source_codings(unit)
        match = next((item for item in codings if item[1] or item[2]), None)
        if match is None:
            return {"unit": text} if text else {}
        scheme = system_uri(match[0], ctx.site.schemes, ctx.source) or system
        code, display = match[1], match[2] or text
        declared = scheme == UCUM and bool(match[0])
        if scheme != UCUM and scheme.startswith("urn:fhir-bridge:scheme:"):
            scheme = UCUM  # a local designator: its codes may still be unit texts that the map knows
    else:
        code = unit.strip()
    if scheme != UCUM:
        return {"unit": display or code or "", "system": scheme, **({"code": code} if code else {})}
    known = unit_code(ctx, code, declared=declared) if code else None
    if known is None and display:
        known = unit_code(ctx, display)
    if known is not None:
        results = {"unit": display or known[1], "system": UCUM, "code": known[0]}
        if key is not None:
            ctx.units[key] = results
        return results
    ctx.unmapped[("unit", code or "", display or "")] += 1
    message = f'the unit "{code or display}" is not known in UCUM'
    if otherwise == "reject":
        raise Reject(Issue("error", "FB-MAP-203", message))
    if otherwise == "drop":
        ctx.flag("FB-MAP-205", f"{message}; the quantity was left out")
        return None
    if otherwise == "keep+flag":
        ctx.flag("FB-MAP-206", f"{message}; its text is kept")
    return {"unit": display or code or ""}


def _of_several(ctx: Context, units: list[Any]) -> Any:
    """The unit of a value that has several: the one that all are, else their text as sent, flagged."""
    texts = list(dict.fromkeys(getattr(unit, "whole", None) or str(unit) for unit in units))
    if len(texts) == 1:
        return units[0]
    ctx.flag("FB-MAP-206", "a unit repeats, where there is one of a value; its text is kept")
    return {"text": "~".join(texts)}


@builtin("quantity", returns="Quantity", context=True, reads=("text", "unit"))
def quantity(
    ctx: Context,
    value: Any,
    unit: Any = None,
    comparator: str | None = None,
    *,
    system: str = UCUM,
    else_: str = "keep+flag",
) -> Any:
    """A Quantity. The value keeps its digits; `<5` gives a comparator; the unit becomes UCUM through the units map.

    Args:
        ctx: the run.
        value: a number, or text in the source's marks (`decimal:`, `group:` of `source:`), perhaps with a unit
            after it, which counts where `unit` is null and UCUM or the units map knows it. `5 H` is a high value,
            not five henry.
        unit: text, UCUM code or coded value.
        comparator: `<`, `<=`, `>=`, `>`; the text's own goes first.
        system: the unit's system.
        else_: a unit that UCUM does not know: `keep` its text, `keep+flag`, `drop` the quantity, `reject` the output.
    """
    if value is None or value is CLEARED or value == "":
        return value if value is CLEARED else None
    if value.__class__ is list:
        quantities = [quantity(ctx, item, unit, comparator, system=system, else_=else_) for item in value]
        return [item for item in quantities if item] or None
    result = Quantity()
    if isinstance(value, str):
        if value.isspace():
            return None
        outcome = number(ctx, value)
        if outcome is None:
            ctx.flag("FB-MAP-207", "a quantity's value is no number; the element was left out")
            return None
        sign, digits, rest = outcome
        if rest and unit is None and rest not in _FLAGS and unit_code(ctx, rest) is not None:
            unit = rest
        elif rest:
            ctx.flag("FB-MAP-207", "a quantity's value has text after its number; the element was left out")
            return None
        comparator = sign or comparator
    elif isinstance(value, Decimal | int) and not isinstance(value, bool):
        digits = value if isinstance(value, Decimal) else Decimal(value)
    elif isinstance(value, float):
        digits = Decimal(repr(value))
    elif isinstance(value, dict) and getattr(value, "fhir_type", "") == "Quantity":
        return value
    else:
        raise ValueError(f"{type(value).__name__} is no number")
    if not in_range(digits):
        ctx.flag("FB-MAP-207", "a quantity's value is no number; the element was left out")
        return None
    units = _unit(ctx, unit, system, else_)
    if units is None:
        return None
    result["value"] = digits
    if comparator:
        result["comparator"] = comparator
    result.update(units)
    return result


@builtin("decimal", returns="decimal", context=True)
def decimal(ctx: Context, x: Any) -> Any:
    """A decimal with the digits as written; text in the source's marks."""
    if x is None or x is CLEARED or x == "" or isinstance(x, Decimal):
        return x if x is CLEARED or isinstance(x, Decimal) else None
    if x.__class__ is list:
        return [item for item in (decimal(ctx, i) for i in x) if item is not None] or None
    if isinstance(x, int) and not isinstance(x, bool):
        return Decimal(x)
    if isinstance(x, float):
        return Decimal(repr(x))
    if isinstance(x, str):
        result = number(ctx, x)
        if result is not None and result[0] is None and not result[2]:
            return result[1]
    ctx.flag("FB-MAP-207", "a value is no number; it was left out")
    return None


@builtin("integer", returns="integer", context=True)
def integer(ctx: Context, x: Any) -> Any:
    """A whole number; one with a fraction is refused, flagged."""
    if x.__class__ is list:
        return [item for item in (integer(ctx, i) for i in x) if item is not None] or None
    result = x if isinstance(x, int) and not isinstance(x, bool) else decimal(ctx, x)
    if result is None or result is CLEARED or isinstance(result, int):
        return result
    if result != result.to_integral_value():
        ctx.flag("FB-MAP-207", "a value is no whole number; it was left out")
        return None
    return int(result)


@builtin("boolean", returns="boolean", context=True)
def boolean(ctx: Context, x: Any) -> Any:
    """A truth value of `Y`, `N`, `true`, `false`, `1`, `0`, `yes`, `no`; anything else is left out, flagged."""
    if x is None or x is CLEARED or x == "":
        return x if x is CLEARED else None
    if x is True or x is False:
        return x
    if x.__class__ is list:
        return [item for item in (boolean(ctx, i) for i in x) if item is not None] or None
    word = str(x).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    ctx.flag("FB-MAP-211", "a value is no truth value; it was left out")
    return None
