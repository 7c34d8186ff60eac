"""Arguments of built-in functions that a mapping writes out, checked when it is compiled: a slip shows at once, not in
the first record."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import available_timezones

from fhir_bridge.fhir import ucum
from fhir_bridge.mapping.errors import nearest
from fhir_bridge.mapping.functions.times import format_problem
from fhir_bridge.terminology.concept_maps import EQUIVALENCES

__all__ = ["Problem", "problem_of"]

_WITHOUT_TARGET = ("keep", "keep+flag", "reject", "drop")
_ELSE = {
    "concept": _WITHOUT_TARGET,
    "coding": _WITHOUT_TARGET,
    "quantity": _WITHOUT_TARGET,
    "in_unit": _WITHOUT_TARGET,
    "one": ("flag", "first", "reject"),
}
"""What `else=` of a function may be."""


class Problem(NamedTuple):
    """What is wrong with an argument, and what to write instead."""

    message: str
    advice: str


def problem_of(function: str, argument: str, value: Any) -> Problem | None:
    """What is wrong with a literal argument of a built-in function; None where nothing is known to be."""
    if argument == "else":
        allowed = _ELSE.get(function)
        return None if allowed is None else _allowed_value(f"{function} has no else=", value, allowed)
    check = _CHECKS.get((function, argument))
    return None if check is None or value is None else check(value)


def _allowed_value(message: str, value: Any, allowed: tuple[str, ...]) -> Problem | None:
    if value in allowed:
        return None
    return Problem(f"{message}{value!r}", nearest(str(value), allowed) or f"one of {', '.join(allowed)}")


def _equivalences(value: Any) -> Problem | None:
    """A wrong one would leave every code unmapped."""
    for item in value if isinstance(value, list | tuple) else [value]:
        allowed_value = _allowed_value("there is no equivalence ", item, tuple(EQUIVALENCES))
        if allowed_value is not None:
            return allowed_value
    return None


def _unit(value: Any) -> Problem | None:
    if ucum.is_valid(str(value)):
        return None
    return Problem(f"{value!r} is not UCUM", "a code such as mmol/L or mm[Hg]")


def _molar_mass(value: Any) -> Problem | None:
    if isinstance(value, int | Decimal) and value > 0:
        return None
    return Problem(f"a molar mass is a number above 0, not {value}", "g/mol, such as 113.12")


def _format(value: Any) -> Problem | None:
    problem = format_problem(value)
    return None if problem is None else Problem(*problem)


def _zone(value: Any) -> Problem | None:
    names = available_timezones()
    if value in names:
        return None
    return Problem(f'"{value}" is not an IANA time zone', nearest(str(value), names) or "such as Europe/Rome")


def _pattern(value: Any) -> Problem | None:
    try:
        re.compile(str(value))
    except re.error as error:
        return Problem(f"{value!r} is no regular expression: {error}", "see Python's `re`")
    return None


_CHECKS: dict[tuple[str, str], Callable[[Any], Problem | None]] = {
    ("concept", "equivalence"): _equivalences,
    ("coding", "equivalence"): _equivalences,
    ("in_unit", "unit"): _unit,
    ("in_unit", "molar_mass"): _molar_mass,
    ("matches", "pattern"): _pattern,
    **{(name, "format"): _format for name in ("date", "datetime", "instant")},
    **{(name, "zone"): _zone for name in ("datetime", "instant")},
}
