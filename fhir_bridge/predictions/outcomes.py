"""What came after a moment: an event within a window, none, or that it can't be known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from fhir_bridge.fhir.views import RecordError, View
from fhir_bridge.predictions.record import certainty_of, codings, is_asserted, moment_of
from fhir_bridge.predictions.times import Span, span_of

__all__ = ["ALWAYS", "Course", "Observed", "born_later", "death_of", "last_contact", "observe"]

ALWAYS: Final[Span] = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_NOT_SO: Final = frozenset({"entered-in-error", "refuted"})
_SUSPECTED: Final = frozenset({"provisional", "differential", "unconfirmed"})
_TIMES: Final = (
    "authoredOn",
    "date",
    "dateAsserted",
    "effectiveDateTime",
    "effectiveInstant",
    "issued",
    "occurrenceDateTime",
    "performedDateTime",
    "recordedDate",
    "started",
)
_PERIODS: Final = ("effectivePeriod", "performedPeriod", "period")


@dataclass(frozen=True, slots=True)
class Course:
    """How long a patient was observed after a moment.

    Attributes:
        until: of when something is known of the patient, at the latest.
        reason: why not longer, as it is stated of an outcome that is not known.
    """

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Observed:
    """An outcome.

    Attributes:
        value: 1, 0, or the value of a column; None where it is not known.
        days: from the moment to the event, else for how long the patient was observed within the window.
        censored: why it is not known; empty where it is.
    """

    value: float | None
    days: float
    censored: str = ""


def death_of(patients: Iterable[Mapping[str, Any]]) -> Span | None:
    """When a person died, by all records of it; any time where that is not stated, None where nothing says so."""
    stated = [
        span_of(str(patient.get("deceasedDateTime") or ""))
        for patient in patients
        if patient.get("deceasedBoolean") is True or patient.get("deceasedDateTime")
    ]
    spans = [span for span in stated if span is not None]
    if spans:
        return min(first for first, _ in spans), max(last for _, last in spans)
    return ALWAYS if stated else None


def counts(resource: Mapping[str, Any]) -> bool:
    """Whether what a resource says is so: not in error, not refuted, and of no model."""
    status = {str(resource.get("status")), *(code for _, code in codings(resource.get("verificationStatus")))}
    refuted = status & _NOT_SO or certainty_of(resource.get("code")) == "A"
    return not refuted and not is_asserted(resource)


def is_suspected(resource: Mapping[str, Any]) -> bool:
    """Whether what a resource says is not confirmed: it is no event, and no sign that there was none."""
    return certainty_of(resource.get("code")) == "V" or any(
        code in _SUSPECTED for _, code in codings(resource.get("verificationStatus"))
    )


def last_contact(resources: Iterable[Mapping[str, Any]], now: datetime) -> datetime | None:
    """The newest time in a record, of what models wrote aside; None where nothing has a time."""
    newest: datetime | None = None
    for resource in resources:
        if not counts(resource):
            continue
        periods = [resource.get(name) for name in _PERIODS]
        texts = [resource.get(name) for name in _TIMES]
        texts += [
            period.get(end) for period in periods if isinstance(period, dict) for end in ("start", "end")
        ]
        for text in texts:
            moment = moment_of(text) if isinstance(text, str) and text else None
            if moment is not None and moment <= now and (newest is None or moment > newest):
                newest = moment
    return newest


def observe(
    view: View,
    time: str,
    column: str | None,
    resources: Sequence[Mapping[str, Any]],
    moment: datetime,
    within: timedelta,
    course: Course,
) -> Observed:
    """The first event after the moment and within the window.

    That there was none is known only of who was observed to the end of the window, and where no event may have been in
    it whose time is not known well enough, or that is only suspected.

    Args:
        time, column: of the view: when it was, and what is the value in place of 1.
    """
    end = moment + within
    events: list[tuple[datetime, Any]] = []
    unclear = suspected = False
    for resource in resources:
        if resource.get("resourceType") != view.resource or not counts(resource):
            continue
        try:
            rows = list(view.dicts(dict(resource)))
        except RecordError:
            unclear = True
            continue
        for row in rows:
            # There is one row of a Patient, whatever happened.
            if view.resource == "Patient" and not row.get(time):
                continue
            first, last = span_of(str(row.get(time) or "")) or ALWAYS
            if is_suspected(resource):
                suspected |= first <= end and last > moment
            elif moment < first and last <= end:
                events.append((first, row.get(column) if column else 1))
            elif first <= end and last > moment:
                unclear = True
    # With a column it matters which of the events is the first.
    if unclear and (column or not events):
        return Observed(None, _days(moment, min(end, course.until)), "an event whose time is not known")
    if events:
        when, value = min(events, key=lambda event: event[0])
        try:
            return Observed(float(value), _days(moment, when))
        except (TypeError, ValueError):
            return Observed(None, _days(moment, when), "no number")
    if suspected:
        return Observed(None, _days(moment, min(end, course.until)), "an event that is only suspected")
    if course.until < end:
        return Observed(None, _days(moment, course.until), course.reason)
    days = _days(moment, end)
    return Observed(0.0, days) if column is None else Observed(None, days, "no event")


def _days(start: datetime, end: datetime) -> float:
    return round(max((end - start).total_seconds(), 0.0) / timedelta(days=1).total_seconds(), 3)


def born_later(patient: Mapping[str, Any], day: date) -> bool:
    """Whether a patient was not born on a day, or may not have been."""
    span = span_of(str(patient.get("birthDate") or ""))
    return span is not None and span[1].date() > day
