"""Vital signs among measurements: R4 holds every Observation with their LOINC codes to the profiles of vital signs."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from fhir_bridge.adapters.imaging.codes import Code

__all__ = ["in_profile_unit", "is_vital_sign"]

_CODES: Final = frozenset(
    "8867-4 9279-1 8310-5 8302-2 9843-4 29463-7 39156-5 85354-9 8480-6 8462-4 2708-6".split()
)
_RATES: Final = frozenset({"8867-4", "9279-1"})
_PER_MINUTE: Final = re.compile(r"(\{[^{}]*\}|1)?/min")
_CENTIMETRES: Final = {"m": Decimal(100), "mm": Decimal("0.1"), "cm": Decimal(1)}


def is_vital_sign(code: Code) -> bool:
    """Whether R4 has a vital signs profile for this code (observation-vitalsigns.html)."""
    return code.scheme == "LN" and code.value in _CODES


def in_profile_unit(
    code: Code, value: Decimal | None, unit: Code | None
) -> tuple[Decimal | None, Code | None]:
    """The same quantity in the unit that the profile fixes: rates in `/min`, heights in `cm`.

    DICOM writes `{H.B.}/min` and height in metres; a unit that is neither comes back as it is.
    """
    if not is_vital_sign(code) or unit is None or unit.scheme != "UCUM" or unit.value is None:
        return value, unit
    if code.value in _RATES and _PER_MINUTE.fullmatch(unit.value):
        return value, Code("/min", "UCUM", "/min")
    if code.value in ("8302-2", "9843-4") and unit.value in _CENTIMETRES and unit.value != "cm":
        scaled = None if value is None else value * _CENTIMETRES[unit.value]
        return scaled, Code("cm", "UCUM", "cm")
    return value, unit
