"""The timeline as SVG: a lane a source, marks that never overlap, each a link to its part of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from fhir_bridge.server.pages.timeline import LANES, Event, Lane, Timeline
from fhir_bridge.server.pages.timeline_axis import Axis

__all__ = ["draw"]

_WIDTH: Final = 1000.0
_LEFT: Final = 160.0
_RIGHT: Final = 136.0
"""Room for the short text beside the newest marks."""

_LANE: Final = 30.0
_TOP: Final = 6.0
_RADIUS: Final = 6.0
_MARK: Final = 26.0
"""Width of a mark that stands for several events."""

_BAND: Final = 24.0
"""Half the width that is drawn for a stretch that was cut out."""

_LETTER: Final = 7.0
_NAMED: Final = 12
"""Labels that a mark's title lists."""

_EMPTY: Final = {"imaging": "no study", "genomics": "not studied"}


@dataclass(slots=True)
class _Mark:
    events: list[Event]
    left: float
    right: float

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2


@dataclass(frozen=True, slots=True)
class _Band:
    middle: float
    text: str

    @property
    def left(self) -> float:
        return self.middle - _BAND

    @property
    def right(self) -> float:
        return self.middle + _BAND


def draw(timeline: Timeline) -> Markup | None:
    """The drawing; None where nothing has a time."""
    if not timeline.events:
        return None
    axis = Axis([event.moment for event in timeline.events], _LEFT + 14, _WIDTH - _RIGHT)
    lanes = [
        lane
        for lane in LANES
        if lane.code in _EMPTY or any(event.lane == lane.code for event in timeline.events)
    ]
    bottom = _TOP + _LANE * len(lanes)
    height = bottom + 26
    label = f"Timeline from {axis.first} to {axis.last}"
    parts = [
        f'<svg class="timeline" viewBox="0 0 {_WIDTH:g} {height:g}" role="group" aria-label="{label}">',
        *(
            f'<path class="tick" d="M{tick.x:.1f} {_TOP:g}V{bottom:g}"/>'
            f'<text class="date" x="{tick.x:.1f}" y="{bottom + 17:g}">{escape(tick.text)}</text>'
            for tick in axis.ticks
        ),
    ]
    rows = [(lane, _TOP + _LANE * (number + 0.5)) for number, lane in enumerate(lanes)]
    by_lane = {lane.code: [event for event in timeline.events if event.lane == lane.code] for lane in lanes}
    parts += [_ground(lane, middle, bool(by_lane[lane.code])) for lane, middle in rows]
    bands = [_Band((cut.left + cut.right) / 2, cut.text) for cut in axis.cuts]
    parts += [_cut(band, bottom) for band in bands]
    for lane, middle in rows:
        marks = _marks(by_lane[lane.code], axis)
        edges = [_LEFT, *(edge for mark in marks for edge in (mark.left, mark.right)), _WIDTH]
        edges += [edge for band in bands for edge in (band.left, band.right)]
        parts += [_mark(mark, lane, middle, edges) for mark in marks]
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - every text from a record went through escape


def _ground(lane: Lane, middle: float, filled: bool) -> str:
    """Name and line of a lane."""
    name = lane.name if filled else f"{lane.name}: {_EMPTY.get(lane.code, '')}"
    return (
        f'<rect class="{lane.group}" x="0" y="{middle - 11:g}" width="4" height="22" rx="2"/>'
        f'<text class="lane" x="12" y="{middle + 4.5:g}">{escape(name)}</text>'
        f'<path class="axis" d="M{_LEFT + 4:g} {middle:g}H{_WIDTH - 6:g}"/>'
    )


def _cut(band: _Band, bottom: float) -> str:
    """A stretch that was cut out, with its length written upwards."""
    x, y = band.middle + 4, (_TOP + bottom) / 2
    return (
        f'<rect class="cut" x="{band.left:.1f}" y="{_TOP:g}" width="{2 * _BAND:g}" height="{bottom - _TOP:g}"/>'
        f'<path class="edge" d="M{band.left:.1f} {_TOP:g}V{bottom:g}M{band.right:.1f} {_TOP:g}V{bottom:g}"/>'
        f'<text class="date" x="{x:.1f}" y="{y:g}" transform="rotate(-90 {x:.1f} {y:g})">{escape(band.text)}</text>'
    )


def _marks(events: Sequence[Event], axis: Axis) -> list[_Mark]:
    """Events whose marks would touch become one; where that creates a long row of them, one for each mark's width."""
    marks: list[_Mark] = []
    for event in events:
        x = axis.x(event.moment)
        last = marks[-1] if marks else None
        # Two pixels apart, else they can't be clicked apart.
        if last is not None and x - _MARK / 2 < last.right + 2:
            last.events.append(event)
            last.left, last.right = min(last.left, x - _MARK / 2), max(last.right, x + _MARK / 2)
        else:
            marks.append(_Mark([event], x - _MARK / 2, x + _MARK / 2))
    return [part for mark in marks for part in _split(mark, axis)]


def _split(mark: _Mark, axis: Axis) -> list[_Mark]:
    width = mark.right - mark.left
    if width <= 2 * _MARK:
        middle = mark.middle
        return [_Mark(mark.events, middle - _MARK / 2, middle + _MARK / 2)]
    # One mark each 28 pixels in place of one mark for all.
    size = width / int(width // (_MARK + 2))
    bins: dict[int, list[Event]] = {}
    for event in mark.events:
        bins.setdefault(int((axis.x(event.moment) - mark.left) // size), []).append(event)
    return [
        _Mark(events, middle - _MARK / 2, middle + _MARK / 2)
        for number, events in sorted(bins.items())
        for middle in [mark.left + (number + 0.5) * size]
    ]


def _mark(mark: _Mark, lane: Lane, middle: float, edges: Sequence[float]) -> str:
    count, x = len(mark.events), mark.middle
    title = escape(_title(mark.events, lane))
    if count == 1:
        shape = f'<circle class="{lane.group}" cx="{x:.1f}" cy="{middle:g}" r="{_RADIUS:g}"/>'
    else:
        number = str(count) if count < 1000 else f"{count // 1000}k"
        shape = (
            f'<rect class="{lane.group}" x="{x - _MARK / 2:.1f}" y="{middle - 9:g}" width="{_MARK:g}" height="18" '
            f'rx="9"/><text class="count" x="{x:.1f}" y="{middle + 4:g}">{number}</text>'
        )
    text = _beside(mark, middle, edges)
    return f'<a href="#{escape(mark.events[-1].anchor)}" aria-label="{title}"><title>{title}</title>{shape}{text}</a>'


def _beside(mark: _Mark, middle: float, edges: Sequence[float]) -> str:
    """The short text right of the mark, else left of it, else none."""
    brief = ", ".join(dict.fromkeys(event.short for event in mark.events if event.short))
    width = len(brief) * _LETTER + 6
    inner = _RADIUS + 3 if len(mark.events) == 1 else _MARK / 2 + 3
    if not brief:
        return ""
    right = min((edge for edge in edges if edge > mark.middle + _MARK / 2 + 0.1), default=_WIDTH)
    left = max((edge for edge in edges if edge < mark.middle - _MARK / 2 - 0.1), default=_LEFT)
    if mark.middle + inner + width < right:
        return f'<text class="brief" x="{mark.middle + inner:.1f}" y="{middle + 4:g}">{escape(brief)}</text>'
    if mark.middle - inner - width > left + 2:
        return (
            f'<text class="brief end" x="{mark.middle - inner:.1f}" y="{middle + 4:g}">{escape(brief)}</text>'
        )
    return ""


def _title(events: Sequence[Event], lane: Lane) -> str:
    first, last = events[0].time[:10], events[-1].time[:10]
    when = first if first == last else f"{first} to {last}"
    counted = Counter(event.label for event in events)
    names = [f"{label} (×{count})" if count > 1 else label for label, count in counted.most_common(_NAMED)]
    more = f" and {len(counted) - _NAMED} more" if len(counted) > _NAMED else ""
    return f"{lane.name}, {when}: {', '.join(names)}{more}"
