"""Blood pressures: two values of one measurement, in a unit of pressure each."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from fhir_bridge.adapters.ehr.wearables.measures import number_of, ucum_value
from fhir_bridge.adapters.ehr.wearables.plausible import implausible
from fhir_bridge.adapters.ehr.wearables.points import Point
from fhir_bridge.fhir import ucum

__all__ = ["MILLIMETRES", "TURNED", "in_millimetres", "pressure_problem"]

MILLIMETRES: Final = "mm[Hg]"
TURNED: Final = (
    "the systolic value of a blood pressure is below the diastolic; both are in the original alone"
)


def in_millimetres(value: Decimal, unit: str | None) -> Decimal | None:
    """A pressure in mm[Hg], the unit where none is stated; None where the unit is none of pressure."""
    if unit in (None, MILLIMETRES):
        return value
    try:
        return ucum.convert(value, str(unit), MILLIMETRES)
    except ValueError:
        return None


def pressure_problem(point: Point) -> str | None:
    """Why a pair of blood pressures can't be taken."""
    values: list[Decimal] = []
    for name, text, unit in (
        ("systolic", point.value, point.unit),
        ("diastolic", point.low, point.low_unit or point.unit),
    ):
        number = number_of(text)
        if text is not None and number is None:
            return "a blood pressure is no number"
        code = ucum_value(Decimal(0), unit, point.code.code)[1]
        if in_millimetres(Decimal(0), code) is None:
            return f"a blood pressure in {code}, which is no unit of pressure"
        if number is None:
            continue
        value = in_millimetres(number, code)
        assert value is not None
        if (why := implausible(name, value, MILLIMETRES)) is not None:
            return f"the {name} value of a blood pressure is implausible: {why}"
        values.append(value)
    return TURNED if len(values) == 2 and values[0] < values[1] else None
