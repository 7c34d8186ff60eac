"""The ECG as paper shows it: 25 mm/s, 10 mm/mV, calibration pulse, three rows of four leads and a rhythm strip.

Everything is drawn in millimetres of paper: the SVG's viewBox is in millimetres, and so are its width and height, so
that a print without scaling can be measured with a ruler.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from fhir_bridge.server.pages.ecg_leads import STANDARD, Lead

__all__ = ["MM_PER_MILLIVOLT", "MM_PER_SECOND", "draw"]

MM_PER_SECOND: Final = 25.0
MM_PER_MILLIVOLT: Final = 10.0

_LAYOUT: Final = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
_RHYTHM: Final = ("II", "V1", "V5")
_ENOUGH: Final = 9
"""Of the twelve leads, how many make three rows of four worth drawing; with fewer, each lead has a row."""

# Four columns of 2.5 s are the ten seconds of a usual recording.
_COLUMN: Final = 2.5
_PAPER: Final = 4 * _COLUMN
"""Seconds that a row holds."""

_MARGIN: Final = 5.0
_PULSE: Final = 10.0
"""Room left of each row for the calibration pulse: 1 mV for 200 ms."""

_ABOVE: Final = 14.0  # millimetres that a row has at least
_BELOW: Final = 9.0
_FAR: Final = 60.0
"""The most room, in millimetres, that a row gets above or below its baseline; beyond is an artefact."""


@dataclass(frozen=True, slots=True)
class _Strip:
    """A stretch of one lead: which seconds of it, and at which second of the row it begins."""

    name: str
    lead: Lead | None
    start: float
    seconds: float
    at: float

    def samples(self) -> Iterable[float | None]:
        if self.lead is None:
            return ()
        return self.lead.part(self.start, min(self.start + self.seconds, self.lead.seconds))


def draw(leads: Mapping[str, Lead]) -> tuple[Markup | None, tuple[str, ...]]:
    """The SVG and what a reader must know of it; no SVG where there is no lead."""
    if not leads:
        return None, ("There are no samples that can be drawn.",)
    rows, remarks = _rows(leads)
    extents = [_extent(row) for row in rows]
    width = 2 * _MARGIN + _PULSE + _PAPER * MM_PER_SECOND
    height = 2 * _MARGIN + sum(above + below for above, below in extents)
    title = f"Electrocardiogram, leads {', '.join(leads)}; 25 mm/s, 10 mm/mV"
    parts = [
        f'<svg class="ecg" viewBox="0 0 {width:g} {height:g}" width="{width:g}mm" height="{height:g}mm" role="img" '
        f'aria-label="{escape(title)}">',
        '<defs><pattern id="mm" width="1" height="1" patternUnits="userSpaceOnUse">'
        '<path class="fine" d="M1 0H0V1"/></pattern>'
        '<pattern id="mm5" width="5" height="5" patternUnits="userSpaceOnUse">'
        '<rect width="5" height="5" fill="url(#mm)"/><path class="bold" d="M5 0H0V5"/></pattern></defs>',
        f'<rect class="paper" width="{width:g}" height="{height:g}"/>',
        f'<rect width="{width:g}" height="{height:g}" fill="url(#mm5)"/>',
    ]
    top = _MARGIN
    for row, (above, below) in zip(rows, extents, strict=True):
        # On a line of the grid, so that voltages can be read off.
        baseline = float(round(top + above))
        parts.append(_pulse(_MARGIN, baseline))
        parts += [_drawn(strip, baseline) for strip in row]
        top += above + below
    parts.append(f'<text class="scale" x="{_MARGIN:g}" y="{height - 1.5:g}">25 mm/s · 10 mm/mV</text></svg>')
    return Markup("".join(parts)), tuple(remarks)  # noqa: S704 - numbers, and names that went through escape


def _rows(leads: Mapping[str, Lead]) -> tuple[list[list[_Strip]], list[str]]:
    standard = [name for name in STANDARD if name in leads]
    others = [name for name in leads if name not in STANDARD]
    longest = max(lead.seconds for lead in leads.values())
    remarks = [f"The first 10 s of {longest:.4g} s are drawn."] if longest > _PAPER + 0.05 else []
    if len(standard) < _ENOUGH:
        rows = [[_Strip(name, leads[name], 0.0, _PAPER, 0.0)] for name in (*standard, *others)]
        return rows, remarks
    missing = [name for name in STANDARD if name not in leads]
    if missing:
        remarks.append(f"Not recorded: {', '.join(missing)}.")
    # Columns show consecutive stretches only where all leads have them.
    running = min(leads[name].seconds for name in standard) > _PAPER - _COLUMN
    if not running:
        remarks.append("All columns begin at the same moment, because the recording is shorter than 10 s.")
    rows = [
        [
            _Strip(name, leads.get(name), number * _COLUMN if running else 0.0, _COLUMN, number * _COLUMN)
            for number, name in enumerate(row)
        ]
        for row in _LAYOUT
    ]
    rhythm = next((name for name in (*_RHYTHM, *standard) if name in leads), standard[0])
    rows += [[_Strip(name, leads[name], 0.0, _PAPER, 0.0)] for name in (rhythm, *others)]
    return rows, remarks


def _extent(row: list[_Strip]) -> tuple[float, float]:
    """Room that a row needs above and below its baseline, in whole millimetres, so that rows do not overlap."""
    values = [value for strip in row for value in strip.samples() if value is not None]
    above = max(values, default=0.0) * MM_PER_MILLIVOLT + 2
    below = -min(values, default=0.0) * MM_PER_MILLIVOLT + 2
    # Rounded up to whole millimetres: the next row's baseline stays on the grid.
    return float(-(-min(max(above, _ABOVE), _FAR) // 1)), float(-(-min(max(below, _BELOW), _FAR) // 1))


def _pulse(left: float, baseline: float) -> str:
    """The calibration pulse: 1 mV for 200 ms, 10 mm high and 5 mm wide."""
    height, width = MM_PER_MILLIVOLT, 0.2 * MM_PER_SECOND
    return f'<path class="trace pulse" d="M{left:g} {baseline:g}h1v{-height:g}h{width:g}v{height:g}h1"/>'


def _drawn(strip: _Strip, baseline: float) -> str:
    left = _MARGIN + _PULSE + strip.at * MM_PER_SECOND
    name = escape(strip.name)
    label = f'<text class="lead" x="{left + 1:g}" y="{baseline - 10:g}">{name}</text>'
    mark = f'<path class="trace" d="M{left:g} {baseline - 2:g}v4"/>' if strip.at else ""
    if strip.lead is None:
        return (
            f'{mark}{label}<text class="absent" x="{left + 10:g}" y="{baseline - 10:g}">not recorded</text>'
        )
    step = strip.lead.period_ms / 1000 * MM_PER_SECOND
    lines = "".join(
        f'<polyline class="trace" points="{points}"/>'
        for points in _stretches(strip.samples(), step, left, baseline)
    )
    return f'{mark}<g data-lead="{name}">{lines}</g>{label}'


def _stretches(samples: Iterable[float | None], step: float, left: float, baseline: float) -> Iterator[str]:
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
