"""Units as sources and FHIR write them, by what they mean in UCUM."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from fhir_bridge.fhir import ucum
from fhir_bridge.terminology import get_terminology
from fhir_bridge.workshop.normal_forms import folded, plain

__all__ = ["same_unit", "ucum_of"]

_ONE = Decimal(1)
_WORDS = {
    "hr": "h",
    "ann": "a",
    "hour": "h",
    "hours": "h",
    "minute": "min",
    "minutes": "min",
    "lbs": "[lb_av]",
    "lb": "[lb_av]",
}


@lru_cache(10_000)
def ucum_of(unit: str) -> str | None:
    """The UCUM code of a unit as it is written anywhere; None where it has none."""
    text = unit.strip()
    if ucum.is_valid(text):
        return text
    try:
        mapped = [item.code for item in get_terminology().translate_by_map("units", text) if item.code]
        mapped = mapped or [
            item.code for item in get_terminology().translate_by_map("units", text.lower()) if item.code
        ]
    except LookupError:
        mapped = []
    return mapped[0] if mapped else _WORDS.get(text.lower())


@lru_cache(10_000)
def same_unit(first: str, second: str) -> bool:
    """Whether two texts are one unit."""
    one, two = ucum_of(first), ucum_of(second)
    spelt = folded(first) == folded(second) or (plain(first) and plain(first) == plain(second))
    if spelt and (first == second or one is None or two is None or first.isupper() or second.isupper()):
        return True  # a sender of capitals writes `MG` for milligrams; `Mmol` is another unit than `mmol`
    if one is None or two is None:
        return False
    if one == two:
        return True
    try:
        return ucum.canonical(_ONE, one) == ucum.canonical(_ONE, two) and ucum.commensurable(one, two)
    except (ucum.UcumError, ArithmeticError):
        return False
