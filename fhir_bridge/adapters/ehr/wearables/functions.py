"""Functions that the `wearables` adapter adds to the mapping language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from fhir_bridge.adapters.ehr.vital_units import is_vital, vital_quantity
from fhir_bridge.adapters.ehr.wearables.readings import Channel, Coded
from fhir_bridge.fhir.datatypes import CodeableConcept, Coding
from fhir_bridge.fhir.ecg_leads import lead_coding
from fhir_bridge.mapping import Context, function
from fhir_bridge.mapping.functions.times import datetime as date_time
from fhir_bridge.mapping.functions.times import period

__all__ = ["FUNCTIONS"]

_LOINC: Final = "http://loinc.org"
_PRESSURES: Final = frozenset(("HKCorrelationTypeIdentifierBloodPressure", "blood-pressure"))
_BESIDE: Final = {
    "59408-5": Coding(system=_LOINC, code="2708-6", display="Oxygen saturation in Arterial blood"),
    "55423-8": Coding(system=_LOINC, code="41950-7", display="Number of steps in 24 hour Measured"),
}
"""Codes that stand beside: of the vital sign's profile, and of a whole day's steps."""
_OF_A_DAY: Final = "55423-8"


@function(returns="boolean")
def is_pressure(code: Any) -> bool:
    """Whether a measure is the pair of blood pressures."""
    return isinstance(code, Coded) and code.code in _PRESSURES


@function(returns="code")
def loinc_of(concept: Any) -> str | None:
    """The LOINC code of a concept."""
    codings = (concept or {}).get("coding", ())
    return next(
        (coding["code"] for coding in codings if coding.get("system") == _LOINC and "code" in coding), None
    )


@function(returns="CodeableConcept")
def measure_code(concept: Any, loinc: Any, daily: Any) -> Any:
    """The concept of a measure, with the code that its profile, or a whole day, asks for beside it."""
    beside = _BESIDE.get(str(loinc)) if loinc is not None else None
    if beside is None or (loinc == _OF_A_DAY and not daily):
        return concept
    return CodeableConcept({**concept, "coding": [concept["coding"][0], beside, *concept["coding"][1:]]})


@function(returns="CodeableConcept")
def channel_code(channel: Any) -> CodeableConcept | None:
    """What a channel of a recording holds: the potential of a lead, else its name alone."""
    if not isinstance(channel, Channel):
        return None
    concept = CodeableConcept()
    if channel.lead:
        concept["coding"] = [lead_coding(channel.lead)]
    concept["text"] = channel.name
    return concept


@function(context=True)
def recorded(ctx: Context, start: Any, seconds: Any) -> Any:
    """When a recording was made: the period of its length from its start; the day alone where no zone is known."""
    first = date_time(ctx, start) if start else None
    if first is None or seconds is None or "T" not in str(first):
        return first
    end = datetime.fromisoformat(str(start)) + timedelta(seconds=float(Decimal(seconds)))
    return period(ctx, start, end.isoformat(timespec="milliseconds" if end.microsecond else "seconds"))


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "channel_code": channel_code,
    "is_pressure": is_pressure,
    "is_vital": is_vital,
    "loinc_of": loinc_of,
    "measure_code": measure_code,
    "recorded": recorded,
    "vital_quantity": vital_quantity,
}
