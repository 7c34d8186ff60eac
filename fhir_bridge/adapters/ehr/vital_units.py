"""Vital signs whose LOINC codes R4 binds to profiles, and the units that these take (observation-vitalsigns)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fhir_bridge.mapping import Context, function
from fhir_bridge.mapping.functions.conversions import in_unit

__all__ = ["VITAL_UNITS", "is_vital", "vital_quantity"]

VITAL_UNITS: Final[Mapping[str, tuple[str, ...]]] = {
    "8867-4": ("/min",),
    "9279-1": ("/min",),
    "8310-5": ("Cel", "[degF]"),
    "8302-2": ("cm", "[in_i]"),
    "9843-4": ("cm", "[in_i]"),
    "8287-5": ("cm", "[in_i]"),
    "29463-7": ("kg", "g", "[lb_av]"),
    "39156-5": ("kg/m2",),
    "2708-6": ("%",),
    "59408-5": ("%",),
    "8480-6": ("mm[Hg]",),
    "8462-4": ("mm[Hg]",),
    "85354-9": ("mm[Hg]",),
}


@function(returns="boolean", pure=True)
def is_vital(code: Any) -> bool:
    """Whether a LOINC code is one of a vital sign."""
    return code is not None and str(code) in VITAL_UNITS


@function(returns="Quantity", context=True, pure=True)
def vital_quantity(ctx: Context, quantity: Any, code: Any) -> Any:
    """A quantity as it is, but of a vital sign in a unit that its profile takes; null where it can't be.

    One in another unit (a blood pressure in kPa) is converted, with what was measured beside it (`in_unit`).
    """
    units = VITAL_UNITS.get(str(code)) if code is not None else None
    if not quantity or units is None or quantity.get("code") in units:
        return quantity
    return in_unit(ctx, quantity, units[0], else_="drop")
