"""Laboratory and other results, newest first, a corrected one beside what it replaces."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.reference_ranges import Person
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.predictions.record import codings
from fhir_bridge.server.pages.ecg import is_ecg
from fhir_bridge.server.pages.marks import NOBODY, Marked, marked
from fhir_bridge.server.pages.reading import (
    LONGEST_TEXT,
    bounded,
    concept_text,
    is_prediction,
    local_code,
    moment_of,
    quantity_text,
    source_text,
    source_time,
    time_of,
    value_text,
    version_of,
)
from fhir_bridge.storage import Gone, NotFound, Store

__all__ = [
    "LIMIT",
    "Day",
    "Replaced",
    "Result",
    "days_of",
    "histories_of",
    "is_genomic",
    "is_result",
    "newest",
]

LIMIT: Final = 300
"""Results on a page; the page says how many more there are."""

_GENOMIC: Final = ("http://terminology.hl7.org/CodeSystem/v2-0074", "GE")
_CORRECTED: Final = frozenset({"corrected", "amended", "entered-in-error"})

Histories = Mapping[str, Sequence[dict[str, Any]]]
"""Observation id to its earlier versions."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """What stood in an earlier version of a result, and when its source said so."""

    value: str
    status: str
    time: str


@dataclass(frozen=True, slots=True)
class Result:
    """One result as it is now.

    Attributes:
        source_name: how the source names it, where the reader's language has another name.
        value: all of it as text.
        parts: its own value and those of its components, each with what marks it.
    """

    id: str
    time: str
    label: str
    source_name: str
    value: str
    parts: tuple[Marked, ...]
    reference: str
    status: str
    local: str | None
    notes: tuple[str, ...]
    replaced: tuple[Replaced, ...]

    @property
    def withdrawn(self) -> bool:
        """Whether the source took it back."""
        return self.status == "entered-in-error"


@dataclass(frozen=True, slots=True)
class Day:
    """The results of one day; `date` empty where they have none."""

    date: str
    results: tuple[Result, ...]


def is_result(resource: dict[str, Any]) -> bool:
    """Whether a resource is a result that belongs into this list: no prediction, variant or waveform."""
    if resource["resourceType"] != "Observation" or is_prediction(resource) or is_ecg(resource):
        return False
    if any("valueSampledData" in component for component in resource.get("component", ())):
        return False
    return not is_genomic(resource)


def is_genomic(resource: dict[str, Any]) -> bool:
    """Whether an Observation or DiagnosticReport is of the genetics laboratory, whoever stored it."""
    return resource["resourceType"] in ("DiagnosticReport", "Observation") and any(
        _GENOMIC in codings(category) for category in resource.get("category", ())
    )


def newest(resources: Sequence[dict[str, Any]], claimed: Container[str]) -> list[dict[str, Any]]:
    """All results, newest first; those in `claimed` are shown elsewhere."""
    results = [resource for resource in resources if is_result(resource) and resource["id"] not in claimed]
    # Two sorts, for the first key falls and the second rises.
    results.sort(key=lambda item: (_moment(item), concept_text(item.get("code")).casefold()))
    results.sort(key=_moment, reverse=True)
    return results


def _moment(resource: dict[str, Any]) -> float:
    moment = moment_of(time_of(resource))
    return moment.timestamp() if moment else float("-inf")


async def histories_of(
    observations: Sequence[dict[str, Any]], store: Store, access: AccessFilter
) -> dict[str, list[dict[str, Any]]]:
    """The other versions of those Observations that have any: one query each, none for a result that never changed."""
    results: dict[str, list[dict[str, Any]]] = {}
    for observation in observations:
        # Version 1 has no earlier one, unless its status says that the source corrected it before it came.
        if observation.get("status") not in _CORRECTED and version_of(observation) in ("", "1"):
            continue
        try:
            page = await store.history(access, "Observation", observation["id"])
        except (NotFound, Gone):  # deleted since the record was read
            continue
        versions = [loads_exact(entry.stored.bytes) for entry in page.entries if entry.stored.bytes]
        results[observation["id"]] = [
            version for version in versions if version_of(version) != version_of(observation)
        ]
    return results


def days_of(
    observations: Sequence[dict[str, Any]], histories: Histories, person: Person = NOBODY
) -> list[Day]:
    """Results by day; `observations` are in the order of `newest`, `person` decides which reference ranges count."""
    results = [_result(item, histories.get(item["id"], ()), person) for item in observations]
    # Consecutive: they are in the order of time already.
    return [Day(date, tuple(group)) for date, group in groupby(results, key=lambda result: result.time[:10])]


def _result(observation: dict[str, Any], others: Sequence[dict[str, Any]], person: Person) -> Result:
    label, text = concept_text(observation.get("code")), source_text(observation.get("code"))
    return Result(
        id=observation["id"],
        time=time_of(observation),
        label=label or "(no code)",
        source_name=text if text != label else "",
        value=_value(observation),
        parts=marked(observation, person),
        reference="; ".join(_references(observation)),
        status=str(observation.get("status", "")),
        local=local_code(observation.get("code")),
        notes=tuple(
            bounded(str(note["text"]), LONGEST_TEXT)
            for note in observation.get("note", ())
            if note.get("text")
        ),
        replaced=_replaced(observation, others),
    )


def _value(observation: dict[str, Any]) -> str:
    own = value_text(observation)
    parts = [
        f"{concept_text(component.get('code'))} {value_text(component)}"
        for component in observation.get("component", ())
    ]
    members = len(observation.get("hasMember", ()))
    panel = f"panel of {members}" if members and not own and not parts else ""
    return "; ".join(part for part in (own, *parts, panel) if part)


def _references(observation: dict[str, Any]) -> Iterator[str]:
    """The reference ranges in words: those of components by name, and whom each is for."""
    for interval in observation.get("referenceRange", ()):
        if text := _reference_text(interval):
            yield text
    for component in observation.get("component", ()):
        texts = ", ".join(filter(None, map(_reference_text, component.get("referenceRange", ()))))
        if texts:
            yield f"{concept_text(component.get('code'))}: {texts}"


def _reference_text(interval: dict[str, Any]) -> str:
    low, high = (quantity_text(interval.get(end, {})) for end in ("low", "high"))
    if interval.get("text"):
        result = bounded(str(interval["text"]))
    elif low and high:
        result = f"{low} to {high}"
    else:
        result = f"from {low}" if low else f"up to {high}" if high else ""
    age = interval.get("age", {})
    ages = " to ".join(filter(None, (quantity_text(age.get(end, {})) for end in ("low", "high"))))
    whom = [*map(concept_text, interval.get("appliesTo", ())), *([f"age {ages}"] if ages else [])]
    return f"{result} ({', '.join(filter(None, whom))})" if result and any(whom) else result


def _replaced(observation: dict[str, Any], others: Sequence[dict[str, Any]]) -> tuple[Replaced, ...]:
    """Other contents that differ in value, or were final before a correction; the newest first."""
    now = _value(observation)
    results: dict[tuple[str, str], Replaced] = {}
    for version in sorted(others, key=source_time, reverse=True):
        value, status = _value(version), str(version.get("status", ""))
        # A correction that left the value alone still replaced something: its status.
        changed = value != now or (
            observation.get("status") in _CORRECTED and status != observation.get("status")
        )
        if changed:
            results.setdefault((value, status), Replaced(value or "no value", status, source_time(version)))
    return tuple(results.values())
