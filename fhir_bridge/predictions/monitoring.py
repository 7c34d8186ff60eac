"""How a model does here: drift of its inputs, and its results against what came after, by version and subgroup."""

from __future__ import annotations

import asyncio
import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.fhir.views import View, compile_view
from fhir_bridge.predictions.batches import read_many
from fhir_bridge.predictions.outcomes import Course, death_of, observe
from fhir_bridge.predictions.record import moment_of
from fhir_bridge.predictions.shadow import Comparison, compare
from fhir_bridge.storage import Store
from fhir_bridge.storage.model_versions import ModelVersions

__all__ = [
    "FEWEST",
    "Drift",
    "Evaluated",
    "Group",
    "Measured",
    "Outcome",
    "Point",
    "auroc",
    "drift_of",
    "enabled_models",
    "evaluate",
    "measure",
    "points_of",
    "psi",
]

_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
BINS: Final = 10
FEWEST: Final = 20
"""Values on either side below which a drift says nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came after, as a site's block of the model has it: `outcome: {view, time, within_days}`."""

    view: Path
    time: str
    within_days: int

    @classmethod
    def of_site(cls, parameters: Mapping[str, Any], model: str) -> Outcome | None:
        """Of a site; None where it names none.

        Raises:
            ValueError: the block lacks something.
        """
        block = ((parameters.get("predictions") or {}).get(model) or {}).get("outcome")
        if block is None:
            return None
        if not isinstance(block, Mapping) or set(block) != {"view", "time", "within_days"}:
            raise ValueError(f"the outcome of {model} is not {{view, time, within_days}}")
        return cls(Path(str(block["view"])), str(block["time"]), int(block["within_days"]))


@dataclass(frozen=True, slots=True)
class Point:
    """A result and what came after. risk: 0 to 1. event: None where it is not known (`outcomes`)."""

    patient: str
    version: str
    risk: float
    event: bool | None
    sex: str
    age: str
    site: str


@dataclass(frozen=True, slots=True)
class Group:
    """Measures of some results: all of a version, or of a subgroup.

    Attributes:
        auroc: chance that who had the event had the greater risk; None without both kinds.
        brier: mean square of risk less outcome.
        expected, observed: mean risk, and share with the event.
        calibration: (mean risk, share with the event, number) of tenths by risk.
    """

    name: str
    results: int
    known: int
    events: int
    auroc: float | None
    brier: float | None
    expected: float | None
    observed: float | None
    calibration: tuple[tuple[float, float, int], ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """Population stability index of an input: the last 30 days against what was before. Above 0.2: look at it."""

    label: str
    before: int
    after: int
    psi: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """A version of a model."""

    version: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """How a model does. problem: what keeps its results from being measured."""

    measured: tuple[Measured, ...]
    drifts: tuple[Drift, ...]
    shadows: tuple[Comparison, ...]
    problem: str = ""


def enabled_models(parameters: Mapping[str, Any]) -> list[str]:
    """Models that a site runs, its shadows left out."""
    return sorted(
        str(name)
        for name, block in (parameters.get("predictions") or {}).items()
        if isinstance(block, Mapping) and block.get("enabled") is True and not block.get("shadow_of")
    )


async def evaluate(store: Store, parameters: Mapping[str, Any], model: str) -> Evaluated:
    """Measure a model of a site."""
    problem, points = "", []
    try:
        points = await points_of(store, model, Outcome.of_site(parameters, model))
    except (ValueError, OSError) as error:
        problem = str(error)
    measured = await asyncio.to_thread(measure, points)
    shadows = await ModelVersions(store.pool).shadows(model)
    return Evaluated(tuple(measured), tuple(await drift_of(store, model)), tuple(compare(shadows)), problem)


async def points_of(store: Store, model: str, outcome: Outcome | None) -> list[Point]:
    """The results of a model that were given, reviewed or not, one for each patient and version: the first."""
    view = None if outcome is None else compile_view(outcome.view.read_bytes())
    points: dict[tuple[str, str], Point] = {}
    ids = await store.results.of_model(model)
    stored = await read_many(store, "Observation", ids)
    entries: list[dict[str, Any]] = [loads_exact(item.bytes) for item in stored.values()]
    entries.sort(key=lambda item: str(item.get("issued", "")))
    people = await read_many(store, "Patient", list({_patient_of(item) for item in entries}))
    for observation in entries:
        quantity = observation.get("valueQuantity", {})
        if quantity.get("code") != "%":
            continue
        patient = _patient_of(observation)
        coding: dict[str, Any] = next(iter(observation.get("method", {}).get("coding", ())), {})
        key = (patient, str(coding.get("version", "")))
        if key in points or patient not in people:
            continue
        person = loads_exact(people[patient].bytes)
        moment = moment_of(str(observation.get("effectiveDateTime", "")))
        event = None
        if view is not None and outcome is not None and moment is not None:
            event = await _event(store, person, view, outcome, moment)
        points[key] = Point(
            patient,
            key[1],
            float(_own(observation)) / 100,
            event,
            str(person.get("gender", "unknown")),
            _age(person, moment),
            str(person.get("managingOrganization", {}).get("display", "")) or "not stated",
        )
    return list(points.values())


def _patient_of(observation: Mapping[str, Any]) -> str:
    return str(observation["subject"]["reference"]).removeprefix("Patient/")


def _own(observation: Mapping[str, Any]) -> Any:
    """The model's own value, also where a person amended it."""
    for component in observation.get("component", ()):
        if any(item.get("code") == "model-value" for item in component.get("code", {}).get("coding", ())):
            return component["valueQuantity"]["value"]
    return observation["valueQuantity"]["value"]


def _age(person: Mapping[str, Any], moment: datetime | None) -> str:
    born = moment_of(str(person.get("birthDate", "")))
    if born is None or moment is None:
        return "unknown"
    years = int((moment - born).days / 365.25)
    low = years // 20 * 20
    return f"{low} to {low + 19}"


async def _event(
    store: Store, person: Mapping[str, Any], view: View, outcome: Outcome, moment: datetime
) -> bool | None:
    records = store.patient_record(person["id"], EVERYTHING, types=[view.resource])
    resources = [person, *[stored.resource() async for stored in records if stored.type != "Patient"]]
    death, now = death_of([person]), datetime.now(UTC)
    course = Course(now, "the window is not over") if death is None else Course(min(death[0], now), "died")
    within = timedelta(days=outcome.within_days)
    value = observe(view, outcome.time, None, resources, moment, within, course).value
    return None if value is None else bool(value)


def measure(points: Sequence[Point]) -> list[Measured]:
    """Measures by version, each as a whole and by sex, age and site."""
    result = []
    for version in sorted({point.version for point in points}):
        own = [point for point in points if point.version == version]
        groups = [_group("all", own)]
        for kind in ("sex", "age", "site"):
            for value in sorted({str(getattr(point, kind)) for point in own}):
                some = [point for point in own if getattr(point, kind) == value]
                groups.append(_group(f"{kind} {value}", some))
        result.append(Measured(version, tuple(groups)))
    return result


def _group(name: str, points: Sequence[Point]) -> Group:
    known = [(point.risk, point.event) for point in points if point.event is not None]
    events = sum(bool(event) for _, event in known)
    if not known:
        return Group(name, len(points), 0, 0, None, None, None, None, ())
    brier = sum((risk - bool(event)) ** 2 for risk, event in known) / len(known)
    expected = sum(risk for risk, _ in known) / len(known)
    return Group(
        name,
        len(points),
        len(known),
        events,
        auroc([(risk, bool(event)) for risk, event in known]),
        brier,
        expected,
        events / len(known),
        _calibration([(risk, bool(event)) for risk, event in known]),
    )


def auroc(known: Sequence[tuple[float, bool]]) -> float | None:
    """Mann-Whitney: the share of pairs in which who had the event had the greater risk, ties as half."""
    negatives = sorted(risk for risk, event in known if not event)
    positives = [risk for risk, event in known if event]
    if not positives or not negatives:
        return None
    total = 0.0
    for risk in positives:
        above = bisect_right(negatives, risk)
        ties = above - bisect_left(negatives, risk)
        total += above - ties / 2
    return total / (len(positives) * len(negatives))


def _calibration(known: Sequence[tuple[float, bool]]) -> tuple[tuple[float, float, int], ...]:
    ordered = sorted(known)
    size = max(1, math.ceil(len(ordered) / BINS))
    result = []
    for start in range(0, len(ordered), size):
        some = ordered[start : start + size]
        mean = sum(risk for risk, _ in some) / len(some)
        result.append((mean, sum(event for _, event in some) / len(some), len(some)))
    return tuple(result)


async def drift_of(store: Store, model: str, days: int = 30) -> list[Drift]:
    """How the inputs of a model moved: the results of the last days against those before."""
    async with store.connection() as connection:
        rows = await connection.execute(
            "SELECT d.label, d.value, r.last_updated > now() - make_interval(days => %s) "
            "FROM prediction p JOIN derived_input d ON d.result = p.result JOIN resource r ON r.key = p.result "
            "WHERE p.model = %s AND p.state <> 'w' AND d.value <> ''",
            (days, model),
        )
        entries = await rows.fetchall()
    values: dict[str, tuple[list[float], list[float]]] = {}
    for label, text, recent in entries:
        number = _NUMBER.match(text)
        if number is not None:
            values.setdefault(label, ([], []))[1 if recent else 0].append(float(number[0]))
    return [
        Drift(label, len(before), len(after), psi(before, after))
        for label, (before, after) in sorted(values.items())
    ]


def psi(before: Sequence[float], after: Sequence[float]) -> float | None:
    """Population stability index over tenths of what was before; None where either side is too small."""
    if len(before) < FEWEST or len(after) < FEWEST:
        return None
    ordered = sorted(before)
    edges = sorted({ordered[len(ordered) * number // BINS] for number in range(1, BINS)})

    def shares(values: Sequence[float]) -> list[float]:
        counts = [0] * (len(edges) + 1)
        for value in values:
            counts[bisect_right(edges, value)] += 1
        # Half a value in an empty tenth: the logarithm of none is none.
        return [max(count, 0.5) / len(values) for count in counts]

    return sum(
        (now - then) * math.log(now / then) for then, now in zip(shares(before), shares(after), strict=True)
    )
