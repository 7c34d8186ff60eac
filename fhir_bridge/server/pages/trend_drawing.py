"""A trend as SVG: a line with a point a result, each a link to its row, and the words for who can't see it."""

from __future__ import annotations

from collections.abc import Container
from decimal import Decimal
from typing import Final

from markupsafe import Markup, escape

from fhir_bridge.server.pages.trends import Point, Trend

__all__ = ["draw"]

_WIDTH: Final = 340.0
_HEIGHT: Final = 130.0
_LEFT: Final = 62.0
_RIGHT: Final = 14.0
_TOP: Final = 12.0
_BOTTOM: Final = 26.0
_RADIUS: Final = 4.0
_DIGITS: Final = 9
"""Characters of a number at the axis."""


def draw(trend: Trend, rows: Container[str]) -> Markup:
    """The drawing.

    Args:
        rows: ids of the Observations that have a row on the page, to which a point leads.
    """
    low, high = min(point.value for point in trend.points), max(point.value for point in trend.points)
    first, last = trend.points[0], trend.points[-1]
    span = (last.moment - first.moment).total_seconds() or 1.0
    places = [
        (
            _LEFT + (_WIDTH - _LEFT - _RIGHT) * ((point.moment - first.moment).total_seconds() / span),
            _height(point.value, low, high),
        )
        for point in trend.points
    ]
    label = (
        f"{trend.label}: {len(trend.points)} results from {first.time[:10]} to {last.time[:10]}, "
        f"lowest {_short(low)}, highest {_short(high)}, newest {last.text}"
    )
    line = " ".join(f"{'L' if number else 'M'}{x:.1f} {y:.1f}" for number, (x, y) in enumerate(places))
    ends = [(high, _TOP)] if low == high else [(high, _TOP), (low, _HEIGHT - _BOTTOM)]
    parts = [
        f'<svg class="trend" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="group" aria-label="{escape(label)}">',
        f'<path class="axis" d="M{_LEFT - 6:g} {_TOP:g}V{_HEIGHT - _BOTTOM + 6:g}H{_WIDTH - _RIGHT + 6:g}"/>',
        *(
            f'<text class="end" x="{_LEFT - 10:g}" y="{_height(value, low, high) + 4:.1f}">{_short(value)}</text>'
            for value, _ in ends
        ),
        f'<text x="{_LEFT - 6:g}" y="{_HEIGHT - 6:g}">{escape(first.time[:10])}</text>',
        f'<text class="end" x="{_WIDTH - _RIGHT + 6:g}" y="{_HEIGHT - 6:g}">{escape(last.time[:10])}</text>',
        f'<path class="line" d="{line}"/>',
        *(
            _point(point, x, y, linked=point.id in rows)
            for point, (x, y) in zip(trend.points, places, strict=True)
        ),
        "</svg>",
    ]
    return Markup("".join(parts))  # noqa: S704 - every text from a record went through escape


def _height(value: Decimal, low: Decimal, high: Decimal) -> float:
    """Where a value is drawn; in the middle where all are equal."""
    share = float((value - low) / (high - low)) if high > low else 0.5
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def _point(point: Point, x: float, y: float, *, linked: bool) -> str:
    words = ", ".join([f"{point.text}, {point.time[:10]}", *(mark.word for mark in point.marks)])
    style = f" {point.marks[0].style}" if point.marks else ""
    # A mark is a shape as well as a colour: who sees no colours sees a square.
    if point.marks:
        shape = f'<rect class="point{style}" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8">'
        shape += f"<title>{escape(words)}</title></rect>"
    else:
        shape = f'<circle class="point" cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS:g}">'
        shape += f"<title>{escape(words)}</title></circle>"
    if not linked:
        return shape
    return f'<a href="#Observation-{escape(point.id)}" aria-label="{escape(words)}">{shape}</a>'


def _short(value: Decimal) -> str:
    """A number that fits beside the axis."""
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if len(text) <= _DIGITS else f"{value:.4g}"
