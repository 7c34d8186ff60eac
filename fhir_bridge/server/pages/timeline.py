"""The three modalities of one patient on one axis of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from markupsafe import Markup, escape

from fhir_bridge.predictions.record import Modality, modality_of, parse_time
from fhir_bridge.server.pages.reading import is_prediction, label_of, time_of

__all__ = ["Event", "draw", "events_of"]

LANES: Final[tuple[tuple[str, str], ...]] = (
    ("ehr", "EHR"),
    ("imaging", "Imaging"),
    ("genomics", "Genomics"),
    ("prediction", "Predictions"),
)
_SHOWN: Final = frozenset(
    {
        "AllergyIntolerance",
        "Condition",
        "DiagnosticReport",
        "Encounter",
        "ImagingStudy",
        "Immunization",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
        "Procedure",
    }
)
_WIDTH: Final = 1000
_LEFT: Final = 90
_RIGHT: Final = 20
_LANE: Final = 30


@dataclass(frozen=True, slots=True)
class Event:
    """One or several resources of a kind at one time."""

    lane: str
    time: str
    label: str
    count: int = 1


def events_of(resources: Sequence[dict[str, Any]]) -> list[Event]:
    """Events of a patient's resources, oldest first; equal ones at one time are counted together."""
    counted: dict[tuple[str, str, str], int] = {}
    for resource in resources:
        time = time_of(resource)
        if resource["resourceType"] not in _SHOWN or not time:
            continue
        lane: Modality | str = "prediction" if is_prediction(resource) else modality_of(resource)
        key = (lane, time, label_of(resource))
        counted[key] = counted.get(key, 0) + 1
    events = [Event(lane, time, label, count) for (lane, time, label), count in counted.items()]
    return sorted(events, key=lambda event: (parse_time(event.time), event.label))


def draw(events: Sequence[Event]) -> Markup | None:
    """The timeline as SVG: a lane a modality, a mark an event, years below; None where nothing has a time."""
    if not events:
        return None
    times = [parse_time(event.time) for event in events]
    first, last = times[0], times[-1]
    span = max((last - first).total_seconds(), 86400.0)
    height = _LANE * len(LANES) + 36

    def across(moment: datetime) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (moment - first).total_seconds() / span

    parts = [
        f'<svg class="timeline" viewBox="0 0 {_WIDTH} {height}" role="img" '
        f'aria-label="Timeline from {first.date()} to {last.date()}">'
    ]
    for number, (_, name) in enumerate(LANES):
        middle = _LANE * number + _LANE / 2
        parts.append(f'<text class="lane" x="4" y="{middle + 4:g}">{name}</text>')
        parts.append(f'<path class="axis" d="M{_LEFT} {middle:g}H{_WIDTH - _RIGHT}"/>')
    parts += _years(first, last, across, _LANE * len(LANES))
    rows = {lane: number for number, (lane, _) in enumerate(LANES)}
    for event, moment in zip(events, times, strict=True):
        middle = _LANE * rows[event.lane] + _LANE / 2
        title = escape(
            f"{event.time[:16].replace('T', ' ')} {event.label}{f' ({event.count})' if event.count > 1 else ''}"
        )
        radius = min(4 + event.count // 4, 9)
        parts.append(
            f'<circle class="{event.lane}" cx="{across(moment):.1f}" cy="{middle:g}" r="{radius}">'
            f"<title>{title}</title></circle>"
        )
    parts.append("</svg>")
    return Markup("".join(parts))  # noqa: S704 - every text from a record went through escape


def _years(first: datetime, last: datetime, across: Any, top: float) -> list[str]:
    """Marks of the axis: years, or first and last day where the record is shorter than a year."""
    marks = [
        (datetime(year, 1, 1, tzinfo=first.tzinfo), str(year))
        for year in range(first.year + 1, last.year + 1)
    ]
    if len(marks) < 2:
        marks = [(first, first.date().isoformat()), (last, last.date().isoformat())]
    every = -(-len(marks) // 14)
    return [
        f'<path class="tick" d="M{across(moment):.1f} 0V{top + 6:g}"/>'
        f'<text class="year" x="{across(moment):.1f}" y="{top + 20:g}">{text}</text>'
        for moment, text in marks[::every]
    ]
