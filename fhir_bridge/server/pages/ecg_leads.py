"""A lead of an ECG as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

__all__ = ["STANDARD", "Lead"]

STANDARD: Final = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The twelve leads."""


@dataclass(frozen=True, slots=True)
class Lead:
    """One lead: samples in millivolt at a fixed period; None where the recorder lost the signal."""

    name: str
    period_ms: float
    millivolts: tuple[float | None, ...]

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return len(self.millivolts) * self.period_ms / 1000

    def part(self, start: float, end: float) -> Sequence[float | None]:
        """Samples from `start` to `end`, in seconds from the beginning."""
        # One sample more, so that the line reaches the edge where the next column begins.
        return self.millivolts[round(start * 1000 / self.period_ms) : round(end * 1000 / self.period_ms) + 1]
