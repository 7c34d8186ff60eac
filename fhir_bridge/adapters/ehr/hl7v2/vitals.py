"""Vital signs among results, whose LOINC codes R4 binds to profiles (R4 observation-vitalsigns.html).

The profiles take few units, want a Quantity or the reason for its absence, and know blood pressure only as a panel
with both components.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.ehr.hl7v2.composites import Components, reader
from fhir_bridge.adapters.ehr.hl7v2.fields import Field
from fhir_bridge.adapters.ehr.hl7v2.groups import Group
from fhir_bridge.adapters.ehr.hl7v2.numbers import structured
from fhir_bridge.adapters.ehr.vital_units import VITAL_UNITS
from fhir_bridge.fhir import ucum
from fhir_bridge.fhir.datatypes import CodeableConcept, Quantity
from fhir_bridge.mapping import Context, function
from fhir_bridge.mapping.functions.quantities import quantity

__all__ = ["FUNCTIONS", "PROFILED", "UNITS", "Fit", "fitted"]

_LOINC: Final = "http://loinc.org"
_UCUM: Final = "http://unitsofmeasure.org"
_DESIGNATORS: Final = frozenset(("LN", "LOINC", "LNC", _LOINC, "2.16.840.1.113883.6.1"))

UNITS: Final[Mapping[str, tuple[str, ...]]] = {
    code: units for code, units in VITAL_UNITS.items() if code != "8287-5"
}
"""The units that each profile takes, the one to convert to first. Head circumference is an ordinary result here."""

_USUAL: Final[Mapping[str, tuple[int, int]]] = {
    "8867-4": (5, 400),
    "9279-1": (2, 200),
    "39156-5": (5, 200),
    "2708-6": (10, 100),
    "59408-5": (10, 100),
    "8480-6": (40, 400),
    "8462-4": (25, 300),
}
"""What a value without unit is within, to be one of the only unit of its profile: 0.97 is no per cent, 16 no mm[Hg]."""

_SYSTOLIC, _DIASTOLIC, _PANEL = "8480-6", "8462-4", "85354-9"
PROFILED: Final[dict[str, dict[str, str]]] = {
    "8480-6": {
        "system": _LOINC,
        "code": "85354-9",
        "display": "Blood pressure panel with all children optional",
    },
    "59408-5": {"system": _LOINC, "code": "2708-6", "display": "Oxygen saturation in Arterial blood"},
}
"""Codes that a profile asks for beside a narrower one."""

_KEPT: Final = -2
"""Where a segment keeps what was built from it, beside its fields."""

_PAIR: Final = re.compile(r"\s*(\d{1,3}(?:\.\d+)?)\s*/\s*(\d{1,3}(?:\.\d+)?)\s*([A-Za-z][A-Za-z\[\] ]*)?")
"""Systolic and diastolic pressure as one text, perhaps with their unit."""


_MEASUREMENT: Final = (("OBX-5", "measurement"), ("OBX-6", "unit"))
"""What the quantity of a vital sign, and the note beside it, are built from."""
_FITTED: Final = ("OBX-2", "OBX-3", "OBX[*]-5")
"""What decides these besides."""


@reader("measurement")
def _number(c: Components) -> str | None:
    """A number or text; all of what is in a note where it is no quantity."""
    c.taken.update(c.populated())
    return c.raw


def _code(s: Group) -> str | None:
    segment = s.first.get("OBX")
    name = segment.field(3) if segment is not None else None
    name = name[0] if isinstance(name, list) else name
    if not isinstance(name, Field):
        return None
    for scheme, code, _, _ in name.codings():
        if code in UNITS and scheme in _DESIGNATORS:
            return code
    return None


@function(scope=True, returns="string", selects=(("OBX-3", "coded"),), pure=True)
def vital_sign(s: Group) -> str | None:
    """The LOINC code by which the result in hand is a vital sign; null for other results."""
    return _code(s)


class Fit(NamedTuple):
    """A measurement as its profile takes it, and its text where that says more."""

    quantity: Quantity | None
    text: str | None


def _fit(ctx: Context, s: Group, code: str) -> Fit:
    """The OBX in hand as a vital sign; worked out once a conversion, as it reports what it finds."""
    segment = s.first["OBX"]
    kept = segment.read.get(_KEPT)
    if kept is None or kept[0] is not ctx.issues:
        kept = segment.read[_KEPT] = (ctx.issues, fitted(ctx, code, _measured(ctx, s), _as_sent(s)))
    return kept[1]


@function(scope=True, returns="string", selects=(("OBX[*]-5", "whole"), ("OBX-6", "text")), pure=True)
def sent_text(s: Group) -> str | None:
    """The value of the result in hand as it was sent, with its unit: for a note beside what can't be read."""
    return _as_sent(s)


def _as_sent(s: Group) -> str | None:
    stated = s.field("OBX", 6)
    unit = "~".join(
        str(field.as_unit.part(1) or field.as_unit.part(2))
        for field in (stated if isinstance(stated, list) else [stated])
        if isinstance(field, Field)
    )
    text = (s.text or "").strip()
    return " ".join(str(part) for part in (text, unit) if part) if text else None


def fitted(ctx: Context, code: str, measured: Quantity | None, sent: str | None) -> Fit:
    """A measurement as the profile of its LOINC code takes it; `sent`: as the source writes it."""
    if not measured or "value" not in measured:
        return Fit(None, sent)
    units = UNITS[code]
    unit = measured.get("code") if measured.get("system") == _UCUM else None
    if unit in units:
        return Fit(measured, None)
    result = Quantity(measured)
    if unit is None and "unit" not in measured and not _is_usual(code, measured["value"]):
        text = f"the vital sign {code} has no unit, and a value that is unusual in {units[0]}; its text is in a note"
        ctx.flag("FB-HL7-015", text)
        return Fit(None, sent)
    if unit is None and "unit" not in measured and len(units) == 1:
        ctx.flag("FB-HL7-014", f"the vital sign {code} has no unit: it can only be {units[0]}")
        result.update({"unit": units[0], "system": _UCUM, "code": units[0]})
        return Fit(result, None)
    if unit is None:
        ctx.flag("FB-HL7-015", f"the vital sign {code} has no unit that UCUM knows; its text is in a note")
        return Fit(None, sent)
    try:
        value = ucum.convert(Decimal(measured["value"]), unit, units[0])
    except ValueError:
        ctx.flag("FB-HL7-015", f"the unit {unit} is none of the vital sign {code}; its text is in a note")
        return Fit(None, sent)
    figures = max(len(Decimal(measured["value"]).as_tuple().digits) + 1, 3)
    rounded = Decimal(format(Decimal(format(value, f".{figures}g")), "f"))
    result.update({"value": rounded, "unit": units[0], "system": _UCUM, "code": units[0]})
    return Fit(result, sent)


def _is_usual(code: str, value: Any) -> bool:
    """Whether a value may be one of the unit of a vital sign; nothing is nothing in any unit."""
    low, high = _USUAL.get(code, (0, 0))
    number = Decimal(value)
    return code not in _USUAL or not number or low <= number <= high


def _measured(ctx: Context, s: Group) -> Quantity | None:
    if s.part("OBX", 2, 1) == "SN":
        result = structured(ctx, s.field("OBX", 5), s.field("OBX", 6))
    else:
        value = s.field("OBX", 5)
        result = None if isinstance(value, list) else quantity(ctx, value, s.field("OBX", 6), else_="keep")
    return result if isinstance(result, Quantity) else None


@function(scope=True, context=True, returns="Quantity", selects=_MEASUREMENT, pure=_FITTED)
def vital_quantity(s: Group, ctx: Context) -> Quantity | None:
    """The vital sign in hand (no blood pressure panel) as its profile takes it; null where it can't be."""
    code = _code(s)
    return None if code in (None, _SYSTOLIC, _PANEL) else _fit(ctx, s, str(code)).quantity


@function(scope=True, context=True, returns="string", selects=_MEASUREMENT, pure=_FITTED)
def vital_text(s: Group, ctx: Context) -> str | None:
    """The vital sign in hand as it was sent, where its quantity does not say that."""
    code = _code(s)
    if code is None:
        return None
    if code == _PANEL:
        with _silence(ctx):
            half = _half(ctx, s, _SYSTOLIC)
        return None if half is not None and half.text is None else _as_sent(s)
    return _silently(ctx, s, code).text


def _silently(ctx: Context, s: Group, code: str) -> Fit:
    """The same without its reports, which are the quantity's: the two may be made apart."""
    kept = s.first["OBX"].read.get(_KEPT)
    if kept is not None and kept[0] is ctx.issues:
        fit: Fit = kept[1]
        return fit
    with _silence(ctx):
        return fitted(ctx, code, _measured(ctx, s), _as_sent(s))


@contextmanager
def _silence(ctx: Context) -> Iterator[None]:
    """What is worked out in it reports nothing."""
    issues, unmapped = ctx.issues, ctx.unmapped
    ctx.issues, ctx.unmapped = [], Counter()
    try:
        yield
    finally:
        ctx.issues, ctx.unmapped = issues, unmapped


@function(scope=True, context=True, returns="Quantity", selects=_MEASUREMENT)
def pressure(s: Group, ctx: Context, wanted: str) -> Quantity | None:
    """Systolic (`8480-6`) or diastolic (`8462-4`) pressure of the measurement in hand.

    The result's own; of a panel, a half of `120/80`; else that of the result beside it with the same OBX-4.
    """
    own = _code(s)
    if own == wanted:
        return _fit(ctx, s, wanted).quantity
    if own == _PANEL and (half := _half(ctx, s, wanted)) is not None:
        return half.quantity
    if s.outer is None:
        return None
    mark = s.part("OBX", 4, 1)
    for groups in s.outer.groups.values():
        if s in groups:
            for other in groups:
                same = other.part("OBX", 4, 1) == mark and other.ordinal == s.ordinal
                if same and _code(other) == wanted:
                    return _silently(ctx, other, wanted).quantity  # it reports itself, in its own result
    return None


def _half(ctx: Context, s: Group, wanted: str) -> Fit | None:
    """A half of `120/80`, in the unit beside it, else that of OBX-6, else mm[Hg]; None where it is no such text."""
    pair = _PAIR.fullmatch(str(s.field("OBX", 5) or ""))
    if pair is None:
        return None
    unit = pair[3].strip() if pair[3] else s.field("OBX", 6) or None
    if unit is None and _is_usual(wanted, pair[1 if wanted == _SYSTOLIC else 2]):
        unit = "mm[Hg]"
    measured = quantity(ctx, pair[1 if wanted == _SYSTOLIC else 2], unit, else_="keep")
    return fitted(ctx, wanted, measured, _as_sent(s)) if isinstance(measured, Quantity) else None


@function(nulls=True, returns="CodeableConcept", pure=True)
def vital_code(x: CodeableConcept, code: str | None) -> CodeableConcept:
    """A vital sign's code with the one that its profile asks for before it."""
    wanted = PROFILED.get(code or "")
    codings = list(x.get("coding", ()))
    if wanted is None or any(item.get("code") == wanted["code"] for item in codings):
        return x
    return CodeableConcept({**x, "coding": [wanted, *codings]})


@function(returns="Quantity", pure=True)
def absent_quantity(code: str, reason: str) -> Quantity:
    """A vital sign's Quantity that says in place of its value why there is none.

    For profiles that ask for a Quantity where `dataAbsentReason` does for others: that of the BMI.
    """
    unit = UNITS[code][0]
    why = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": reason}
    return Quantity({"_value": {"extension": [why]}, "unit": unit, "system": _UCUM, "code": unit})


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "absent_quantity": absent_quantity,
    "vital_sign": vital_sign,
    "vital_code": vital_code,
    "vital_quantity": vital_quantity,
    "vital_text": vital_text,
    "pressure": pressure,
    "sent_text": sent_text,
}
"""Functions that `hl7v2` adds to the expression language."""
