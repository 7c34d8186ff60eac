"""Quantities in another unit: by UCUM, and between mass and amount of substance by the analyte."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from decimal import Context as Arithmetic
from typing import Any, TypeVar

from fhir_bridge.fhir import molar_masses, ucum
from fhir_bridge.fhir.datatypes import Quantity
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping.functions.schemes import UCUM
from fhir_bridge.mapping.record import CLEARED
from fhir_bridge.mapping.registry import builtin
from fhir_bridge.mapping.runtime import Context, Reject

__all__ = ["TRANSLATION", "in_unit"]

TRANSLATION = "http://hl7.org/fhir/StructureDefinition/iso21090-PQ-translation"
"""R4's extension for the same quantity in another unit: it keeps the value as the source has it."""

_FEWEST_DIGITS = 3
_WIDE = Arithmetic(prec=60)

_Known = TypeVar("_Known")


@builtin("in_unit", returns="Quantity", context=True)
def in_unit(
    ctx: Context,
    x: Any,
    unit: str,
    *,
    analyte: Any = None,
    molar_mass: Any = None,
    else_: str = "keep+flag",
) -> Any:
    """A Quantity in another UCUM unit; the source's value and unit stay beside it, as a translation.

    The result has as many significant digits as the source, at least three.

    Args:
        ctx: the run.
        x: a Quantity, as `quantity` gives it.
        unit: UCUM code of the wanted unit.
        analyte: the CodeableConcept or Coding of what is measured, whose LOINC code states the molar mass: for mg/dL
            to mmol/L and the like.
        molar_mass: g/mol, for an analyte that is not known.
        else_: where it can't be converted: `keep` it as it is, `keep+flag`, `drop` it, `reject` the output.
    """
    if x is None or x is CLEARED:
        return x
    if x.__class__ is list:
        each = [in_unit(ctx, i, unit, analyte=analyte, molar_mass=molar_mass, else_=else_) for i in x]
        return [item for item in each if item] or None
    if not ucum.is_valid(unit):
        raise ValueError(f"{unit!r} is not UCUM")
    if x.get("system") == UCUM and x.get("code") == unit:
        return x
    mass = (
        Decimal(str(molar_mass)) if molar_mass is not None else _first_known(analyte, molar_masses.molar_mass)
    )
    if mass is not None and mass <= 0:
        raise ValueError("a molar mass is above 0")
    value = _converted(x, unit, mass, _first_known(analyte, molar_masses.charge))
    if value is None:
        return _kept(ctx, x, unit, else_)
    extensions = [*x.get("extension", ()), {"url": TRANSLATION, "valueQuantity": _bare(x)}]
    quantity = Quantity(extension=extensions, value=value)
    if "comparator" in x:
        quantity["comparator"] = x["comparator"]
    quantity.update(unit=unit, system=UCUM, code=unit)
    return quantity


def _converted(x: dict[str, Any], unit: str, mass: Decimal | None, charge: int | None) -> Decimal | None:
    value, code = x.get("value"), x.get("code")
    if not isinstance(value, Decimal) or x.get("system") != UCUM or not isinstance(code, str):
        return None
    digits = max(len(value.as_tuple().digits), _FEWEST_DIGITS)
    counted = molar_masses.counts_equivalents(code)
    if counted != molar_masses.counts_equivalents(unit):
        if charge is None:
            return None  # UCUM takes an equivalent for a mole, whatever the charge
        value = value / charge if counted else value * charge
    try:
        result = ucum.convert(value, code, unit)
    except ValueError:
        if mass is None:
            return None
        try:
            result = molar_masses.convert_by_mass(value, code, unit, mass)
        except ValueError:
            return None
    if not result:
        return Decimal(0)
    rounded = result.quantize(Decimal(1).scaleb(result.adjusted() - digits + 1), ROUND_HALF_EVEN, _WIDE)
    return Decimal(f"{rounded:f}")  # no exponent: FHIR's decimals are read more easily without


def _first_known(analyte: Any, known: Callable[[str], _Known | None]) -> _Known | None:
    """What is known by the first LOINC code of which it is."""
    codings = analyte.get("coding", [analyte]) if isinstance(analyte, dict) else ()
    results = (known(c["code"]) for c in codings if c.get("system") == "http://loinc.org" and "code" in c)
    return next((result for result in results if result is not None), None)


def _bare(x: dict[str, Any]) -> dict[str, Any]:
    return {name: x[name] for name in ("value", "comparator", "unit", "system", "code") if name in x}


def _kept(ctx: Context, x: dict[str, Any], unit: str, otherwise: str) -> Any:
    message = f"a quantity in {x.get('code') or x.get('unit') or 'no unit'} can't be expressed in {unit}"
    if otherwise == "reject":
        raise Reject(Issue("error", "FB-MAP-203", message))
    if otherwise == "drop":
        ctx.flag("FB-MAP-205", f"{message}; it was left out")
        return None
    if otherwise == "keep+flag":
        ctx.flag("FB-MAP-206", f"{message}; it is kept as it is")
    return x
