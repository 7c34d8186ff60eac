"""When what a resource states began, when it ended, and what of it was known at a moment by these times alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from fhir_bridge.fhir.ucum import UcumError, convert

__all__ = [
    "AHEAD",
    "CLOCKS",
    "Span",
    "as_known_at",
    "has_time",
    "is_after",
    "is_fact",
    "moment_of",
    "parse_time",
    "span_of",
    "starts_of",
    "years_of",
]

AHEAD: Final = timedelta(hours=14)
"""How far ahead of the run a day without time may be: so far ahead of UTC is the earliest zone."""

CLOCKS: Final = timedelta(hours=1)
"""How far ahead a time may be: clocks differ."""

Span = tuple[datetime, datetime]
"""The first and the last moment that a date, an age or a range may mean."""

_INSTANT: Final = timedelta(0)
_LEAST: Final = timedelta(microseconds=1)

_STARTS: Final = (
    *("effectiveDateTime", "effectiveInstant", "onsetDateTime", "performedDateTime", "identifiedDateTime"),
    *("started", "whenPrepared", "whenHandedOver"),
)
_PERIODS: Final = (
    *("effectivePeriod", "onsetPeriod", "performedPeriod", "identifiedPeriod", "period", "billablePeriod"),
    *("servicedPeriod",),
)
_WRITTEN: Final = (
    *("recordedDate", "assertedDate", "authoredOn", "authored", "dateAsserted", "date", "recorded"),
    *("created", "receivedTime", "sent", "received"),
)
"""When it was written down: nobody knew it before."""

_AGES: Final = ("onset", "performed")
_RESULTS: Final = frozenset({"Observation", "DiagnosticReport"})
"""Known at the end of their period: until then there is no result."""

_FACTS: Final = frozenset(
    "Observation Condition Procedure Encounter DiagnosticReport DocumentReference ImagingStudy Immunization "
    "MedicationAdministration MedicationDispense MedicationRequest AllergyIntolerance FamilyMemberHistory "
    "QuestionnaireResponse Specimen".split()
)
"""Of these a time to come is a wrong one; of others (a visit that is booked, a plan, an insurance) it may be right."""

_TO_COME: Final = frozenset(
    "planned preparation draft proposed pending booked not-done cancelled on-hold intended".split()
)

_OVER: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "Encounter": (frozenset({"finished"}), "in-progress"),
    "EpisodeOfCare": (frozenset({"finished"}), "active"),
    "Procedure": (frozenset({"completed", "stopped"}), "in-progress"),
    "MedicationStatement": (frozenset({"completed", "stopped"}), "active"),
    "MedicationAdministration": (frozenset({"completed", "stopped"}), "in-progress"),
}
"""Statuses of what is over, and that of what is not yet."""

_ENDED: Final = frozenset({"inactive", "remission", "resolved"})

_YEARS: Final = frozenset({"a", "y", "yr", "yrs", "year", "years", "Jahr", "Jahre"})
"""Words for years, where an Age has no code."""


def parse_time(text: str) -> datetime:
    """The earliest moment a FHIR date or dateTime may mean; a date without zone is taken in UTC, for ordering only."""
    if len(text) <= 10:
        year, month, day = (*(int(part) for part in text.split("-")), 1, 1)[:3]
        return datetime.combine(date(year, month, day), time(), UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@lru_cache(maxsize=8192)
def moment_of(text: str) -> datetime | None:
    """As `parse_time`; None where the text is empty or no date."""
    try:
        return parse_time(text)
    except ValueError:
        return None


def span_of(text: str) -> Span | None:
    """The moments that a FHIR date or dateTime may mean; None where it is none. A day is in UTC, for ordering only."""
    first = moment_of(text)
    if first is None or len(text) > 10:
        return None if first is None else (first, first)
    if len(text) == 10:
        after = first + timedelta(days=1)
    elif len(text) == 7:
        after = (first + timedelta(days=31)).replace(day=1)
    else:
        after = first.replace(year=first.year + 1)
    return first, after - _LEAST


def years_of(age: Mapping[str, Any]) -> int | None:
    """Completed years of an Age, which may be stated in months or weeks; None where it is not known."""
    value, code = age.get("value"), age.get("code")
    if value is None or age.get("comparator"):
        return None
    try:
        if code is None:
            return int(value) if age.get("unit", "a") in _YEARS else None
        return int(convert(Decimal(str(value)), code, "a"))
    except (ArithmeticError, TypeError, UcumError, ValueError):
        return None


def starts_of(resource: Mapping[str, Any], born: str) -> Iterator[Span]:
    """When what a resource states began, by each of its times that says so.

    Args:
        born: birth date of the patient, from which ages are counted.
    """
    for name in _STARTS:
        yield from _spans(resource.get(name))
    for name in _PERIODS:
        yield from _spans((resource.get(name) or {}).get("start"))
    if resource.get("resourceType") in _RESULTS:
        yield from _spans((resource.get("effectivePeriod") or {}).get("end"))
    if "authoredOn" not in resource:  # of a request, it is when something shall be
        yield from _spans(resource.get("occurrenceDateTime"))
        yield from _spans((resource.get("occurrencePeriod") or {}).get("start"))
    for name in _AGES:
        yield from _at_age(resource, name, born)


def _written(resource: Mapping[str, Any]) -> Iterator[Span]:
    for name in _WRITTEN:
        yield from _spans(resource.get(name))


def _ends(resource: Mapping[str, Any], born: str) -> Iterator[Span]:
    for name in _PERIODS:
        yield from _spans((resource.get(name) or {}).get("end"))
    yield from _spans(resource.get("abatementDateTime"))
    yield from _spans((resource.get("abatementPeriod") or {}).get("start"))
    yield from _at_age(resource, "abatement", born)


def _spans(text: Any) -> Iterator[Span]:
    span = span_of(text) if isinstance(text, str) and text else None
    if span is not None:
        yield span


def _at_age(resource: Mapping[str, Any], name: str, born: str) -> Iterator[Span]:
    age = resource.get(f"{name}Age")
    ages = resource.get(f"{name}Range") or {}
    low, high = (age, age) if age else (ages.get("low"), ages.get("high"))
    born_in = span_of(born)
    years = years_of(low or {})
    if born_in is None or years is None:
        return
    last = years_of(high or {})
    first = _birthday(born_in[0], years)
    if first is not None:
        until = _birthday(born_in[1], (years if last is None else max(last, years)) + 1) or first
        yield first, until - _LEAST


def _birthday(born: datetime, years: int) -> datetime | None:
    try:
        return born.replace(year=born.year + years)
    except ValueError:  # the 29th of February, or an age that nobody has
        return None if born.year + years > 9998 else born.replace(year=born.year + years, month=3, day=1)


def has_time(resource: Mapping[str, Any], born: str) -> bool:
    """Whether any of its times can be read."""
    several = (*starts_of(resource, born), *_written(resource), *_spans(resource.get("issued")))
    return bool(several)


def is_after(resource: Mapping[str, Any], born: str, began: datetime | None, written: datetime) -> bool:
    """Whether what it states surely began after one moment, or was written down after another.

    A day may be ahead by `AHEAD`, a time by `CLOCKS`. began: None where it may begin at any time.
    """
    return any(began is not None and _is_beyond(span, began) for span in starts_of(resource, born)) or any(
        _is_beyond(span, written) for span in _written(resource)
    )


def _is_beyond(span: Span, limit: datetime) -> bool:
    return span[0] > limit + (CLOCKS if span[1] - span[0] == _INSTANT else AHEAD)


def is_fact(resource: Mapping[str, Any]) -> bool:
    """Whether it states what was, so that a time to come is a wrong one."""
    return resource["resourceType"] in _FACTS and resource.get("status") not in _TO_COME


def as_known_at(resource: dict[str, Any], born: str, as_of: datetime, now: datetime) -> dict[str, Any] | None:
    """A resource as it could be known at a past moment, by its own times; None where it could not.

    What began, or was written down, after the moment is not known, nor what may have been: a year in which the moment
    is. What ends after it had begun and was going on: its end is taken away, and what says that it is over. A time
    after the present is a wrong one, for whoever uses the resource to refuse.
    """
    if now - as_of <= CLOCKS:
        return resource

    def is_later(span: Span) -> bool:
        return span[0] <= now and span[1] > as_of + (_INSTANT if span[0] == span[1] else _SECOND)

    times = [*starts_of(resource, born), *_written(resource)] or list(_spans(resource.get("issued")))
    if any(map(is_later, times)):
        return None
    return _going_on(resource) if any(map(is_later, _ends(resource, born))) else resource


_SECOND: Final = timedelta(seconds=1)
"""A day ends with its last second, whatever fractions a moment has."""


def _going_on(resource: dict[str, Any]) -> dict[str, Any]:
    """Without its end."""
    result = {name: value for name, value in resource.items() if not name.startswith("abatement")}
    for name in _PERIODS:
        if name in result:
            result[name] = {key: value for key, value in result[name].items() if key != "end"}
    clinical = (result.get("clinicalStatus") or {}).get("coding", ())
    if any(coding.get("code") in _ENDED for coding in clinical):
        del result["clinicalStatus"]
    over, before = _OVER.get(resource["resourceType"], (frozenset(), ""))
    if resource.get("status") in over:
        result["status"] = before
    if resource["resourceType"] == "Encounter":
        for name in ("length", "statusHistory"):
            result.pop(name, None)
        if "hospitalization" in result:
            stay = result["hospitalization"].items()
            result["hospitalization"] = {
                key: value for key, value in stay if key not in ("dischargeDisposition", "destination")
            }
    return result
