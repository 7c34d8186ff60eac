"""What sources measure: how their names, units and values are read, and what a summary of many samples states."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

__all__ = [
    "APPLE",
    "COLUMNS",
    "FREQUENT",
    "OPEN_MHEALTH",
    "SYSTEMS",
    "Measure",
    "event_name",
    "is_impossible",
    "number_of",
    "ucum_value",
]


class Measure(NamedTuple):
    """How samples of a measure are taken together.

    Attributes:
        statistic: `mean` of samples, `sum` of amounts, or `each`: every sample stands for itself.
        unit: where the source states none.
    """

    statistic: str
    unit: str | None = None


SYSTEMS: Final = {
    "apple": "http://developer.apple.com/documentation/healthkit",
    "omh": "http://www.openmhealth.org/schemas",
    "column": "https://fhir-bridge.org/fhir/CodeSystem/watch-column",
}
"""Systems of the names that sources use; the ConceptMap `wearable-measures` gives LOINC codes of them."""

_HK: Final = "HKQuantityTypeIdentifier"
APPLE: Final[Mapping[str, Measure]] = {
    **{
        f"{_HK}{name}": Measure("mean")
        for name in (
            "HeartRate WalkingHeartRateAverage RespiratoryRate OxygenSaturation HeartRateVariabilitySDNN "
            "EnvironmentalAudioExposure HeadphoneAudioExposure WalkingSpeed WalkingStepLength "
            "WalkingDoubleSupportPercentage WalkingAsymmetryPercentage StairAscentSpeed StairDescentSpeed "
            "PhysicalEffort "
            "RunningSpeed RunningPower RunningStrideLength AppleSleepingWristTemperature"
        ).split()
    },
    **{
        f"{_HK}{name}": Measure("sum")
        for name in (
            "StepCount DistanceWalkingRunning DistanceCycling DistanceSwimming ActiveEnergyBurned BasalEnergyBurned "
            "FlightsClimbed AppleExerciseTime AppleStandTime AppleMoveTime SwimmingStrokeCount PushCount TimeInDaylight"
        ).split()
    },
    "HKCategoryTypeIdentifierSleepAnalysis": Measure("sum", "min"),
}
"""Apple's identifiers that come in thousands; any other quantity stands for itself."""

FREQUENT: Final = frozenset(
    f"HKCategoryTypeIdentifier{name}"
    for name in "AppleStandHour HandwashingEvent ToothbrushingEvent MindfulSession".split()
)
"""Apple's categories that come in thousands and say nothing of health by themselves: listed, no event of its own."""


def event_name(identifier: str) -> str:
    """A category as people read it: `…IrregularHeartRhythmEvent` is an `Irregular heart rhythm`."""
    words = re.findall("[A-Z][a-z0-9]*", identifier.removeprefix("HKCategoryTypeIdentifier"))
    return " ".join(words[:-1] if len(words) > 1 and words[-1] == "Event" else words).capitalize()


OPEN_MHEALTH: Final[Mapping[str, tuple[str, Measure]]] = {
    "heart-rate": ("heart_rate", Measure("mean")),
    "rr-interval": ("rr_interval", Measure("mean")),
    "step-count": ("step_count", Measure("sum", "1")),
    "calories-burned": ("kcal_burned", Measure("sum")),
    "minutes-moderate-activity": ("minutes_moderate_activity", Measure("sum")),
    "oxygen-saturation": ("oxygen_saturation", Measure("mean")),
    "respiratory-rate": ("respiratory_rate", Measure("mean")),
    "sleep-duration": ("sleep_duration", Measure("each")),
    "total-sleep-time": ("total_sleep_time", Measure("each")),
    "body-temperature": ("body_temperature", Measure("each")),
    "body-weight": ("body_weight", Measure("each")),
    "body-height": ("body_height", Measure("each")),
    "body-mass-index": ("body_mass_index", Measure("each")),
    "blood-glucose": ("blood_glucose", Measure("each")),
    "body-fat-percentage": ("body_fat_percentage", Measure("each")),
    "blood-pressure": ("systolic_blood_pressure", Measure("each")),
    "systolic-blood-pressure": ("systolic_blood_pressure", Measure("each")),
    "diastolic-blood-pressure": ("diastolic_blood_pressure", Measure("each")),
}
"""Schema -> the member of its body that has the value, and how samples are taken together."""

COLUMNS: Final[Mapping[str, tuple[str, Measure]]] = {
    **dict.fromkeys(
        ("heart_rate", "heartrate", "hr", "bpm", "pulse", "heart_rate_bpm"),
        ("heart-rate", Measure("mean", "/min")),
    ),
    **dict.fromkeys(("steps", "step_count", "stepcount"), ("step-count", Measure("sum", "1"))),
    **dict.fromkeys(
        ("spo2", "oxygen_saturation", "spo2_percent"), ("oxygen-saturation", Measure("mean", "%"))
    ),
    **dict.fromkeys(
        ("respiratory_rate", "respiration", "resp_rate"), ("respiratory-rate", Measure("mean", "/min"))
    ),
    **dict.fromkeys(("hrv", "hrv_sdnn", "sdnn"), ("hrv-sdnn", Measure("mean", "ms"))),
    **dict.fromkeys(("resting_heart_rate", "rhr"), ("resting-heart-rate", Measure("each", "/min"))),
    **dict.fromkeys(
        ("calories", "active_calories", "energy_burned"), ("calories-burned", Measure("sum", "kcal"))
    ),
    **dict.fromkeys(("weight_kg",), ("body-weight", Measure("each", "kg"))),
    **dict.fromkeys(("temperature_c", "body_temperature_c"), ("body-temperature", Measure("each", "Cel"))),
    **dict.fromkeys(("sleep_minutes", "minutes_asleep"), ("sleep-duration", Measure("each", "min"))),
    **dict.fromkeys(("systolic", "systolic_bp", "sys"), ("systolic", Measure("each", "mm[Hg]"))),
    **dict.fromkeys(("diastolic", "diastolic_bp", "dia"), ("diastolic", Measure("each", "mm[Hg]"))),
}
"""Names of columns, folded, that say what they hold and in which unit."""

_UNITS: Final[Mapping[str, tuple[str, Decimal]]] = {
    name: (code, Decimal(factor))
    for name, code, factor in (
        ("count/min", "/min", 1), ("beats/min", "/min", 1), ("breaths/min", "/min", 1), ("bpm", "/min", 1),
        ("count", "1", 1), ("steps", "1", 1), ("count/s", "/min", 60),
        ("mmHg", "mm[Hg]", 1), ("degC", "Cel", 1), ("C", "Cel", 1), ("degF", "[degF]", 1), ("F", "[degF]", 1),
        ("lb", "[lb_av]", 1), ("lbs", "[lb_av]", 1), ("st", "[lb_av]", 14), ("in", "[in_i]", 1), ("ft", "[in_i]", 12),
        ("m", "m", 1), ("mi", "[mi_i]", 1), ("mi/hr", "[mi_i]/h", 1), ("km/hr", "km/h", 1),
        ("Cal", "kcal", 1), ("cal", "cal", 1), ("kcal/hr·kg", "kcal/h/kg", 1), ("mL/min·kg", "mL/min/kg", 1),
        ("hr", "h", 1), ("sec", "s", 1), ("dBASPL", "dB[SPL]", 1), ("mmol<180.1558800000541>/L", "mmol/L", 1),
    )
}  # fmt: skip
"""Unit as sources write it -> UCUM, and the factor that its values take."""
_HEIGHT_IN_METRES: Final = "HKQuantityTypeIdentifierHeight"
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_MOST_DIGITS: Final = 12
"""Nothing that a watch or a scale measures has more of them before the point."""


def number_of(text: str | None) -> Decimal | None:
    """The number of a text; None of any other text, and of a number that nothing measures (`1e400`)."""
    if text is None or not _NUMBER.fullmatch(text.strip()):
        return None
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.adjusted() < _MOST_DIGITS else None


_NEVER_NEGATIVE: Final = frozenset(
    "/min /s 1 % ms s min h kg g [lb_av] cm m km [in_i] [mi_i] kcal cal kJ mm[Hg] mg/dL mmol/L".split()
)


def is_impossible(value: Decimal, unit: str | None) -> bool:
    """Whether no body has the value: one below zero of a count, rate, mass, length, time, energy or pressure."""
    return value < 0 and unit in _NEVER_NEGATIVE


def ucum_value(
    value: Decimal, unit: str | None, name: str, *, fraction: bool = False
) -> tuple[Decimal, str | None]:
    """A value and its unit in UCUM.

    Args:
        fraction: `%` stands for the fraction (HealthKit: 0.97 is 97 %).
    """
    if unit == "%" and fraction:
        value *= 100
    if unit == "m" and name == _HEIGHT_IN_METRES:
        return value * 100, "cm"
    code, factor = _UNITS.get(unit or "", (unit, Decimal(1)))
    return (value * factor if factor != 1 else value), code
