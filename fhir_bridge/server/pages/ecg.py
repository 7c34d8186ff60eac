"""The ECG as paper shows it: 25 mm/s, 10 mm/mV, calibration pulse, three rows of four leads and a rhythm strip.

Everything is drawn in millimetres of paper; the SVG's viewBox is in millimetres too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from fhir_bridge.predictions.record import codings

__all__ = ["ECG_CODE", "Lead", "draw", "leads_of"]

ECG_CODE: Final = ("urn:oid:2.16.840.1.113883.6.24", "131328")
MM_PER_SECOND: Final = 25.0
MM_PER_MILLIVOLT: Final = 10.0

_MDC: Final = "urn:oid:2.16.840.1.113883.6.24"
_LEADS: Final = {
    "131329": "I",
    "131330": "II",
    "131389": "III",
    "131390": "aVR",
    "131391": "aVL",
    "131392": "aVF",
    **{str(131330 + number): f"V{number}" for number in range(1, 7)},
}
_LAYOUT: Final = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
_RHYTHM: Final = "II"
_COLUMN_SECONDS: Final = 2.5
_ROW_MM: Final = 26.0
_MARGIN_MM: Final = 4.0
_PULSE_MM: Final = 10.0
"""Room left of each row for the calibration pulse: 1 mV for 200 ms."""


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
        return self.millivolts[round(start * 1000 / self.period_ms) : round(end * 1000 / self.period_ms) + 1]


def leads_of(observation: dict[str, Any]) -> dict[str, Lead]:
    """The leads of an ECG Observation by name; leads without usable SampledData are left out."""
    found: dict[str, Lead] = {}
    for component in observation.get("component", ()):
        name = next(
            (
                _LEADS[code]
                for system, code in codings(component.get("code"))
                if system == _MDC and code in _LEADS
            ),
            None,
        )
        sampled = component.get("valueSampledData")
        if name is None or not isinstance(sampled, dict) or not sampled.get("data"):
            continue
        lead = _lead(name, sampled)
        if lead is not None:
            found[name] = lead
    return found


def _lead(name: str, sampled: dict[str, Any]) -> Lead | None:
    origin = sampled.get("origin", {})
    unit = origin.get("code") or origin.get("unit")
    scale = {"mV": 1.0, "uV": 0.001, "V": 1000.0}.get(str(unit))
    period = float(sampled.get("period", 0))
    if scale is None or period <= 0:
        return None
    factor, zero = float(sampled.get("factor", 1)), float(origin.get("value", 0))
    samples = (_sample(text, factor, zero, scale) for text in str(sampled["data"]).split())
    return Lead(name, period, tuple(samples))


def _sample(text: str, factor: float, zero: float, scale: float) -> float | None:
    if text in ("E", "L", "U"):  # R4 datatypes.html#SampledData: error, below or above the detection limit
        return None
    return (float(text) * factor + zero) * scale


def draw(leads: dict[str, Lead]) -> Markup | None:
    """The SVG; None where none of the twelve leads is there."""
    if not any(name in leads for row in _LAYOUT for name in row):
        return None
    rows = [
        [(name, column * _COLUMN_SECONDS, (column + 1) * _COLUMN_SECONDS) for column, name in enumerate(row)]
        for row in _LAYOUT
    ]
    rows.append([(_RHYTHM, 0.0, 4 * _COLUMN_SECONDS)])
    width = 2 * _MARGIN_MM + _PULSE_MM + 4 * _COLUMN_SECONDS * MM_PER_SECOND
    height = 2 * _MARGIN_MM + _ROW_MM * len(rows)
    parts = [
        f'<svg class="ecg" viewBox="0 0 {width:g} {height:g}" role="img" '
        'aria-label="12-lead electrocardiogram, 25 mm/s, 10 mm/mV">',
        '<defs><pattern id="mm" width="1" height="1" patternUnits="userSpaceOnUse">'
        '<path class="fine" d="M1 0H0V1" fill="none"/></pattern>'
        '<pattern id="mm5" width="5" height="5" patternUnits="userSpaceOnUse">'
        '<rect width="5" height="5" fill="url(#mm)"/><path class="bold" d="M5 0H0V5" fill="none"/></pattern></defs>',
        f'<rect class="paper" width="{width:g}" height="{height:g}" fill="url(#mm5)"/>',
    ]
    for number, row in enumerate(rows):
        baseline = _MARGIN_MM + _ROW_MM * (number + 0.5)
        parts.append(_pulse(_MARGIN_MM, baseline))
        for name, start, end in row:
            if name in leads:
                left = _MARGIN_MM + _PULSE_MM + start * MM_PER_SECOND
                parts.append(_trace(leads[name], start, end, left, baseline))
    parts.append(f'<text class="scale" x="{_MARGIN_MM:g}" y="{height - 1:g}">25 mm/s, 10 mm/mV</text></svg>')
    return Markup("".join(parts))  # noqa: S704 - numbers and lead names of our own table only


def _pulse(left: float, baseline: float) -> str:
    """The calibration pulse: 1 mV for 200 ms, 10 mm high and 5 mm wide."""
    height, width = MM_PER_MILLIVOLT, 0.2 * MM_PER_SECOND
    return f'<path class="trace" d="M{left:g} {baseline:g}h1v{-height:g}h{width:g}v{height:g}h1"/>'


def _trace(lead: Lead, start: float, end: float, left: float, baseline: float) -> str:
    step = lead.period_ms / 1000 * MM_PER_SECOND
    lines = "".join(
        f'<polyline class="trace" points="{points}"/>'
        for points in _polylines(lead.part(start, min(end, lead.seconds)), step, left, baseline)
    )
    label = f'<text class="lead" x="{left + 1:g}" y="{baseline - 10:g}">{lead.name}</text>'
    separator = f'<path class="trace" d="M{left:g} {baseline - 2:g}v4"/>' if start else ""
    return lines + label + separator


def _polylines(samples: Iterable[float | None], step: float, left: float, baseline: float) -> Iterable[str]:
    """Points of unbroken stretches; a lost sample breaks the line instead of inventing a value."""
    stretch: list[str] = []
    for position, value in enumerate(samples):
        if value is None:
            if stretch:
                yield " ".join(stretch)
            stretch = []
        else:
            stretch.append(f"{left + position * step:.2f},{baseline - value * MM_PER_MILLIVOLT:.2f}")
    if stretch:
        yield " ".join(stretch)
