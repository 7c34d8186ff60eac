"""Vital signs as the profiles that R4 binds to their LOINC codes take them: category, code, unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from fhir_bridge.adapters.ehr.vital_units import VITAL_UNITS
from fhir_bridge.mapping import Context, function
from fhir_bridge.mapping.functions.conversions import in_unit

__all__ = ["ACCEPTED", "VITALS"]

ACCEPTED: Final = ("equal", "equivalent", "wider", "subsumes", "relatedto")
"""Equivalences of a ConceptMap by which a code is bound."""
_UCUM: Final = "http://unitsofmeasure.org"
_CATEGORY: Final = {
    "coding": [
        {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    ]
}
_SATURATION: Final = {
    "system": "http://loinc.org", "code": "2708-6", "display": "Oxygen saturation in Arterial blood",
}  # fmt: skip
"""The profile of oxygen saturations takes this code alone, beside that of how it was measured."""
_SPELLINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "kg": {
        **dict.fromkeys(("lb", "lbs", "pound", "pounds"), "[lb_av]"),
        **dict.fromkeys(("kgs", "kilogram", "kilograms"), "kg"),
    },
    "Cel": {
        **dict.fromkeys(("f", "deg f", "degf", "°f", "fahrenheit"), "[degF]"),
        **dict.fromkeys(("c", "deg c", "degc", "°c", "celsius"), "Cel"),
    },
    "cm": {
        **dict.fromkeys(("in", "inch", "inches", '"'), "[in_i]"),
        **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), "m"),
    },
    "/min": dict.fromkeys(
        ("bpm", "beats/min", "beats/minute", "breaths/min", "/minute", "per minute"), "/min"
    ),
    "%": dict.fromkeys(("percent", "pct"), "%"),
    "mm[Hg]": dict.fromkeys(("mmhg", "mm hg", "torr"), "mm[Hg]"),
}
"""The first unit of a profile -> units as people write them -> what is meant beside it: F is no farad there."""


@function(context=True, returns="CodeableConcept", reads=("text", "none"))
def vital_code(ctx: Context, value: Any) -> Any:
    """The code of a measurement; a saturation by pulse oximetry has that of saturations too."""
    if not isinstance(value, Mapping):
        return value
    codes = set(_loinc_codes(ctx, value))
    if "59408-5" not in codes or "2708-6" in codes:
        return value
    return {**value, "coding": [_SATURATION, *value["coding"]]}


@function(context=True, returns="CodeableConcept", reads=("text", "none"))
def vital_category(ctx: Context, value: Any, code: Any) -> Any:
    """The categories of a measurement, that of vital signs among them where its code is one of theirs."""
    if not isinstance(code, Mapping) or not any(one in VITAL_UNITS for one in _loinc_codes(ctx, code)):
        return value
    listed = value if isinstance(value, list) else []
    codes = [coding.get("code") for one in listed for coding in one.get("coding") or ()]
    return value if "vital-signs" in codes else [*listed, _CATEGORY]


_LOINC: Final = "http://loinc.org"


@function(context=True, returns="Quantity", reads=("text", "none"))
def vital_unit(ctx: Context, value: Any, code: Any) -> Any:
    """A measured quantity; of a vital sign whose R4 profile does not take its unit (a blood pressure in kPa), in one
    that it takes, with the vendor's value and unit beside it. One that can't be converted stays as it is."""
    if not isinstance(value, Mapping) or not isinstance(code, Mapping):
        return value
    units = next((VITAL_UNITS[loinc] for loinc in _loinc_codes(ctx, code) if loinc in VITAL_UNITS), None)
    if units is None or value.get("code") in units:
        return value
    written = str(value.get("unit") or value.get("code") or "").strip().rstrip(".").lower()
    if code_meant := _SPELLINGS.get(units[0], {}).get(written):
        value = {**value, "system": _UCUM, "code": code_meant}
        if code_meant in units:
            return value
    number = value.get("value")
    measured = {**value, "value": Decimal(number)} if type(number) is int else value
    return in_unit(ctx, measured, units[0], else_="keep")


@function(context=True, returns="BackboneElement", reads=("text", "none"))
def vital_parts(ctx: Context, value: Any) -> Any:
    """Components, the quantity of each as `vital_unit` has it."""
    if not isinstance(value, list):
        return value
    return [
        {**part, "valueQuantity": vital_unit(ctx, part["valueQuantity"], part.get("code"))}
        if isinstance(part, Mapping) and "valueQuantity" in part
        else part
        for part in value
    ]


def _loinc_codes(ctx: Context, concept: Mapping[str, Any]) -> Iterator[str]:
    """The LOINC codes of a concept, its own and those of the ConceptMaps (`bound`)."""
    codings = concept.get("coding")
    for coding in codings if isinstance(codings, list) else ():
        if coding.get("system") == _LOINC:
            yield str(coding.get("code"))
        elif coding.get("code"):
            for target in ctx.terminology.translate(coding.get("system"), coding["code"], (_LOINC,)):
                if target.equivalence in ACCEPTED:
                    yield target.code


VITALS: Final[Mapping[str, Callable[..., Any]]] = {
    "vital_category": vital_category,
    "vital_code": vital_code,
    "vital_parts": vital_parts,
    "vital_unit": vital_unit,
}
