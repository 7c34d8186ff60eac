"""A recorded signal (SampledData) as numbers: chosen leads, in millivolt, at a chosen rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from fhir_bridge.fhir.ecg_leads import ECG_POTENTIAL, MDC, lead_name

__all__ = ["read_signal"]

_MILLIVOLTS: Final = {"mV": 1.0, "uV": 0.001, "V": 1000.0, "nV": 0.000001}
_MOST: Final = 330.0
"""mV. No electrode on the skin gives more: recorders take offsets of 300 (IEC 60601-2-25), the signal is below 30."""
_LOST: Final = frozenset({"E", "U", "L"})
"""No value, above, below the limits of the recorder (R4 datatypes.html#SampledData)."""


def read_signal(
    observation: dict[str, Any], leads: Sequence[str], hz: float, samples: int
) -> list[float] | str:
    """The leads one after another, each resampled to `hz` and `samples` long; or what is wrong, as a text.

    Between samples it is linear. At a lower rate than that of the recording each value is the mean of the time that it
    stands for, since what is faster than half the rate would else come out as a slower wave that nobody recorded.

    A recording that is too short, lacks a lead or has it twice, has lost samples in what is used, or has a unit that is
    not known is not used: an ECG out of scale would give a result that looks like any other.
    """
    known: dict[str, Any] = {}
    for component in _components(observation):
        name, sampled = _name(component), component["valueSampledData"]
        if name in known and known[name] != sampled and name in {lead.lower() for lead in leads}:
            return f"has two recordings of lead {name}"
        known[name] = sampled
    values: list[float] = []
    for lead in leads:
        sampled = known.get(lead.lower())
        if sampled is None:
            return f"has no lead {lead}"
        read = _lead(sampled, hz, samples)
        if isinstance(read, str):
            return f"{read} in lead {lead}"
        values += read
    return values


def _components(observation: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        part for part in observation.get("component", ()) if isinstance(part.get("valueSampledData"), dict)
    ]


def _name(component: dict[str, Any]) -> str:
    """The lead by the display of its code, else by the text, else by the code alone."""
    concept = component.get("code", {})
    for coding in concept.get("coding", ()):
        display = str(coding.get("display", ""))
        if display.startswith("MDC_ECG_ELEC_POTL_"):
            return display.removeprefix("MDC_ECG_ELEC_POTL_").lower()
    if text := str(concept.get("text", "")).removeprefix("Lead ").strip():
        return text.lower()
    codes = (
        str(coding.get("code", "")) for coding in concept.get("coding", ()) if coding.get("system") == MDC
    )
    names = (lead_name(int(code) - ECG_POTENTIAL) for code in codes if code.isdecimal())
    return next((name.lower() for name in names if name), "")


def _lead(sampled: dict[str, Any], hz: float, samples: int) -> list[float] | str:
    origin = sampled.get("origin", {})
    scale = _MILLIVOLTS.get(str(origin.get("code") or origin.get("unit")))
    if scale is None:
        return "has no unit that is known"
    try:
        period = float(sampled.get("period", 0))
        factor, zero = float(sampled.get("factor", 1)), float(origin.get("value", 0))
        texts = str(sampled.get("data", "")).split()
        if not 0 < period < math.inf or sampled.get("dimensions", 1) != 1:
            return "has no period, or several dimensions"
        step = 1000 / hz / period
        last = (samples - 1) * step
        if last > len(texts) - 1 + 1e-6:
            return f"is shorter than {samples / hz:g} s"
        needed = texts[: min(len(texts), math.ceil(last) + 1)]
        if _LOST.intersection(needed):
            return "has lost samples"
        numbers = [(float(text) * factor + zero) * scale for text in needed]
    except ValueError:
        return "has a sample that is no number"
    if not all(map(math.isfinite, numbers)):
        return "has a sample that is no number"
    if max(map(abs, numbers)) > _MOST:
        return f"has a value beyond {_MOST:g} mV"
    weights = _weights(step)
    result = []
    for index in range(samples):
        place = index * step
        before = min(int(place), len(numbers) - 1)
        after = min(before + 1, len(numbers) - 1)
        share = place - before
        first, second = (_mean(numbers, position, weights) for position in (before, after))
        result.append(first * (1 - share) + second * share)
    return result


def _weights(step: float) -> list[float]:
    """How much a sample counts by its distance from the middle of a mean over `step` samples."""
    reach = step / 2
    return [1.0, *(min(1.0, reach + 0.5 - distance) for distance in range(1, math.ceil(reach + 0.5)))]


def _mean(numbers: Sequence[float], position: int, weights: Sequence[float]) -> float:
    """The mean around a sample; near an end of what is used over fewer samples, as many on both sides."""
    reach = min(len(weights) - 1, position, len(numbers) - 1 - position)
    total, weight = numbers[position], 1.0
    for distance in range(1, reach + 1):
        share = weights[distance]
        total += share * (numbers[position - distance] + numbers[position + distance])
        weight += 2 * share
    return total / weight
