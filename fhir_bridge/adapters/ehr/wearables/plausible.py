"""What a body can have: the widest limits of measures, beyond which a value is a fault of the sensor or of the file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

__all__ = ["implausible"]

_HK: Final = "HKQuantityTypeIdentifier"


def _limits(unit: str, least: str, most: str, *names: str) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    return {(name, unit): (Decimal(least), Decimal(most)) for name in names}


_HEART: Final = (
    f"{_HK}HeartRate",
    f"{_HK}RestingHeartRate",
    f"{_HK}WalkingHeartRateAverage",
    "heart-rate",
    "resting-heart-rate",
)
_BREATH: Final = (f"{_HK}RespiratoryRate", "respiratory-rate")
_OXYGEN: Final = (f"{_HK}OxygenSaturation", "oxygen-saturation")
_HEAT: Final = (f"{_HK}BodyTemperature", f"{_HK}BasalBodyTemperature", "body-temperature")
_SUGAR: Final = (f"{_HK}BloodGlucose", "blood-glucose")
_WEIGHT: Final = (f"{_HK}BodyMass", "body-weight")
_HEIGHT: Final = (f"{_HK}Height", "body-height")
_VARIATION: Final = (f"{_HK}HeartRateVariabilitySDNN", "hrv-sdnn")
_STEPS: Final = (f"{_HK}StepCount", "step-count")
_SLEEP: Final = ("HKCategoryTypeIdentifierSleepAnalysis", "sleep-duration", "total-sleep-time")

_LIMITS: Final[Mapping[tuple[str, str], tuple[Decimal, Decimal]]] = {
    **_limits("/min", "15", "350", *_HEART),
    **_limits("/min", "2", "150", *_BREATH),
    **_limits("%", "20", "100", *_OXYGEN),
    **_limits("Cel", "12", "48", *_HEAT),
    **_limits("[degF]", "54", "118", *_HEAT),
    **_limits("mg/dL", "5", "3000", *_SUGAR),
    **_limits("mmol/L", "0.3", "170", *_SUGAR),
    **_limits("kg", "0.2", "700", *_WEIGHT),
    **_limits("[lb_av]", "0.5", "1550", *_WEIGHT),
    **_limits("cm", "15", "280", *_HEIGHT),
    **_limits("[in_i]", "6", "110", *_HEIGHT),
    **_limits("ms", "0", "2000", *_VARIATION),
    **_limits("ms", "100", "6000", "rr-interval"),
    **_limits("min", "0", "1440", *_SLEEP),
    **_limits("h", "0", "24", *_SLEEP),
    **_limits("s", "0", "86400", *_SLEEP),
    **_limits("mm[Hg]", "20", "400", "systolic"),
    **_limits("mm[Hg]", "5", "300", "diastolic"),
}
"""Name of the source and unit in UCUM -> the least and the most."""
_STEPS_A_MINUTE: Final = 400
_STEPS_A_DAY: Final = 250_000


def implausible(
    name: str, value: Decimal, unit: str | None, start: str = "", end: str | None = None
) -> str | None:
    """Why no body has a value of a measure; None where one may, and of measures without limits."""
    limits = _LIMITS.get((name, unit or ""))
    if limits is not None and not limits[0] <= value <= limits[1]:
        return f"it is outside of {limits[0]} to {limits[1]} {unit}, which a body can have"
    if name in _STEPS:
        if value > _STEPS_A_DAY:
            return f"it is above {_STEPS_A_DAY} steps"
        minutes = _minutes(start, end)
        if minutes is not None and value > _STEPS_A_MINUTE * max(minutes, 1):
            return f"it is above {_STEPS_A_MINUTE} steps a minute"
    return None


def _minutes(start: str, end: str | None) -> float | None:
    """How long a sample is of; None where its times do not say."""
    if end is None or len(start) <= 10 or len(end) <= 10:
        return None
    try:
        seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (ValueError, TypeError):
        return None
    return seconds / 60 if seconds > 0 else None  # a time of writing alone says nothing of how long
