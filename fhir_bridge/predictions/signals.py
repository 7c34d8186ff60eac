"""A recorded signal (SampledData) as numbers: chosen leads, in millivolt, at a chosen rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

__all__ = ["read_signal"]

_MILLIVOLTS: Final = {"mV": 1.0, "uV": 0.001, "V": 1000.0, "nV": 0.000001}
_LOST: Final = frozenset({"E", "U", "L"})
"""No value, above, below the limits of the recorder (R4 datatypes.html#SampledData)."""


def read_signal(
    observation: dict[str, Any], leads: Sequence[str], hz: float, samples: int
) -> list[float] | str:
    """The leads one after another, each resampled (linear) to `hz` and `samples` long; or what is wrong, as a text.

    A recording that is too short, lacks a lead, has lost samples in what is used, or has a unit that is not known is
    not used: an ECG out of scale would give a result that looks like any other.
    """
    known = {_name(component): component["valueSampledData"] for component in _components(observation)}
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
        part
        for part in reversed(observation.get("component", ()))
        if isinstance(part.get("valueSampledData"), dict)
    ]


def _name(component: dict[str, Any]) -> str:
    concept = component.get("code", {})
    text = str(concept.get("text", "")).removeprefix("Lead ").strip()
    for coding in concept.get("coding", ()):
        display = str(coding.get("display", ""))
        if display.startswith("MDC_ECG_ELEC_POTL_"):
            return display.removeprefix("MDC_ECG_ELEC_POTL_").lower()
    return text.lower()


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
    result = []
    for index in range(samples):
        place = index * step
        before = min(int(place), len(numbers) - 1)
        after = min(before + 1, len(numbers) - 1)
        share = place - before
        result.append(numbers[before] * (1 - share) + numbers[after] * share)
    return result
