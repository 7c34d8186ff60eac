"""Predictions as a clinician reads them: value, horizon, inputs with dates, what decided, why refused."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from markupsafe import Markup

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.predictions.record import codings
from fhir_bridge.predictions.resources import MODELS
from fhir_bridge.predictions.values import MENTIONED, UNDECIDED
from fhir_bridge.server.pages.reading import (
    concept_text,
    is_prediction,
    moment_of,
    quantity_text,
    target_of,
    time_of,
    value_text,
    version_of,
)
from fhir_bridge.server.pages.trend_drawing import draw
from fhir_bridge.server.pages.trends import MOST_POINTS, Point, Trend
from fhir_bridge.storage import Store
from fhir_bridge.storage.results import SUPERSEDED

__all__ = [
    "Bar",
    "Earlier",
    "Input",
    "PredictionView",
    "counts",
    "has_value",
    "is_elsewhere",
    "is_predicted",
    "marked_short",
    "model_name",
    "model_of",
    "predictions_of",
    "short",
    "sources_of",
]

_DECIDING: Final = (PREDICTION_CODES, "deciding-modality")
_NULLIFY: Final = ("http://terminology.hl7.org/CodeSystem/v3-DataOperation", "NULLIFY")
_SUPERSEDED: Final = (SUPERSEDED["system"], SUPERSEDED["code"])
_FAILED: Final = ("http://terminology.hl7.org/CodeSystem/data-absent-reason", "error")
_RESEARCH: Final = "Research use"
"""A note that begins so says that nobody approved the model at this site."""
_PAGE: Final = 1000
# Of a reason: "…, Observation/x/_history/2" or "(Observation/x)" at its end.
_REFERENCE: Final = re.compile(r",? ?\(?\b[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}(/_history/[0-9]+)?\)?")
_HALF: Final = 60.0
"""Length of the longest bar, to either side of the middle."""

Sources = Mapping[str, Sequence[dict[str, Any]]]
"""Observation to the references that its Provenance names as inputs."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input: what and its value, when it was true, the resource, its version, and whether a newer one is."""

    label: str
    target: str
    version: str
    time: str
    known: bool
    newer: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A contribution; `x` and `width` place its bar in a drawing 120 wide with 0 in the middle."""

    label: str
    value: float
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Earlier:
    """A result of an earlier run; `withdrawn` where an input of it was wrong."""

    issued: str
    text: str
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class PredictionView:
    """What one model says now.

    Attributes:
        current: whether it has a result that counts; else `value` and `refused` are empty.
        outdated: what changed since its last result.
        facts: interval, population, guideline of the category: always to be seen.
        research: no regulatory status and approver are named at this site.
        version: of the Observation that is shown; a review is of it.
        amendable: whether a person may put another number in its place.
        failed: whether there is no result since the run failed.
        elsewhere: no model of this server wrote it: what it says was checked by nothing here.
        trend: drawing of all results that count or counted; empty where there is one alone.
        undecided: of the notes, what has to be seen beside the value.
        mentioned: of the notes, what has to be seen and decided nothing.
    """

    id: str
    title: str
    current: bool
    outdated: str
    value: str
    horizon: str
    category: str
    category_code: str
    refused: str
    modality: str
    modality_code: str
    status: str
    effective: str
    issued: str
    method: str
    inputs: tuple[Input, ...]
    bars: tuple[Bar, ...]
    facts: tuple[tuple[str, str], ...]
    research: bool
    demonstration: bool
    version: str
    model: str
    amendable: bool
    failed: bool
    elsewhere: bool
    trend: Markup
    undecided: tuple[str, ...]
    mentioned: tuple[str, ...]
    notes: tuple[str, ...]
    earlier: tuple[Earlier, ...]


def is_predicted(resource: dict[str, Any]) -> bool:
    """Whether a resource is an Observation that a model asserts."""
    return resource["resourceType"] == "Observation" and is_prediction(resource)


def is_elsewhere(resource: dict[str, Any], ours: Container[str]) -> bool:
    """Whether a resource calls itself a prediction, and no model of this server wrote it (`ours`: ids of those)."""
    return is_predicted(resource) and resource["id"] not in ours


def short(observation: dict[str, Any]) -> str:
    """A prediction in two words: the model's short name and the value, or `declined`, or `failed`."""
    value = (
        value_text(observation)
        if has_value(observation)
        else "failed"
        if has_failed(observation)
        else "declined"
    )
    return f"{model_name(observation)} {value}"


def marked_short(observation: dict[str, Any]) -> str:
    """As `short`; a value with the day of its data, and what a reader of a list has to know of it."""
    if not has_value(observation):
        return short(observation)
    notes = [str(note.get("text", "")) for note in observation.get("note", ())]
    marks = [time_of(observation)[:10]]
    if any(note.startswith(UNDECIDED) for note in notes):
        marks.append("not all decided")
    if any(note.startswith(_RESEARCH) for note in notes):
        marks.append("research use")
    return f"{short(observation)} ({', '.join(mark for mark in marks if mark)})"


def has_value(observation: dict[str, Any]) -> bool:
    """Whether a model gave an answer: a number, a class, a text."""
    return any(name.startswith("value") for name in observation)


def has_failed(observation: Mapping[str, Any]) -> bool:
    """Whether the run failed: that says nothing about the patient, as a refusal does."""
    return _FAILED in codings(observation.get("dataAbsentReason"))


def model_name(observation: dict[str, Any]) -> str:
    """The short name of the model behind a prediction."""
    # Titles end in the horizon, which the page shows beside.
    return concept_text(observation.get("code")).partition(" 10-year")[0].partition(" 5-year")[0][:24]


async def sources_of(
    resources: Sequence[dict[str, Any]], store: Store, access: AccessFilter
) -> dict[str, list[dict[str, Any]]]:
    """What each prediction was built from, by its Provenance: one query for a thousand of them."""
    # By Provenance: it names all inputs (Patient, Conditions), derivedFrom only those that R4 allows there.
    names = [f"Observation/{resource['id']}" for resource in resources if is_predicted(resource)]
    if not names or not access.permits("Provenance", "s"):
        return {}
    results: dict[str, list[dict[str, Any]]] = {}
    parameters, cursor = [("target", ",".join(names))], None
    while True:
        page = await store.search("Provenance", parameters, access, count=_PAGE, cursor=cursor)
        for entry in page.entries:
            provenance = loads_exact(entry.bytes)
            if _NULLIFY in codings(provenance.get("activity")):
                continue  # says why the result was withdrawn, not what it was built from
            inputs = [
                entity["what"]
                for entity in provenance.get("entity", ())
                if "what" in entity and entity.get("role") != "revision"
            ]
            if not inputs:
                continue  # a review: its one entity is the version that was reviewed
            for target in provenance.get("target", ()):
                results[target_of(target)[0]] = inputs
        cursor = page.next
        if cursor is None:
            return results


def counts(resource: dict[str, Any]) -> bool:
    """Whether a result is neither withdrawn nor superseded by a newer one."""
    tags = resource.get("meta", {}).get("tag", ())
    return resource.get("status") not in ("entered-in-error", "cancelled") and not any(
        (tag.get("system"), tag.get("code")) == _SUPERSEDED for tag in tags
    )


def model_of(resource: dict[str, Any]) -> str:
    """The logical model behind a result, whatever its version."""
    for system, code in codings(resource.get("method")):
        if system == MODELS:
            return code
    return target_of(resource.get("device", {}))[0] or concept_text(resource.get("code"))


def predictions_of(
    resources: Sequence[dict[str, Any]],
    sources: Sources,
    outdated: Mapping[str, str] = MappingProxyType({}),
    ours: Container[str] | None = None,
) -> list[PredictionView]:
    """What models say of this patient, one view a model; what a newer run replaced is below it.

    Args:
        outdated: model to what changed since its last result (`predictions.changes`).
        ours: ids of what models of this server wrote; None: of all.
    """
    by_reference = {f"{item['resourceType']}/{item['id']}": item for item in resources}
    horizons = _horizons(resources)
    runs: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    for resource in resources:
        if is_predicted(resource):
            elsewhere = ours is not None and is_elsewhere(resource, ours)
            runs.setdefault((model_of(resource), elsewhere), []).append(resource)
    views = []
    for (model, elsewhere), results in runs.items():
        results.sort(key=lambda resource: (str(resource.get("issued", "")), resource["id"]), reverse=True)
        # Stable: among those that count, and among the others, the newest stays first.
        results.sort(key=counts, reverse=True)
        view = _view(results, horizons, sources, by_reference)
        if not counts(results[0]):
            earlier = (_earlier(results[0]), *view.earlier)
            view = replace(
                view,
                current=False,
                value="",
                refused="",
                category="",
                inputs=(),
                bars=(),
                facts=(),
                undecided=(),
                mentioned=(),
                notes=(),
                earlier=earlier,
            )
        if elsewhere:
            view = replace(
                view,
                elsewhere=True,
                category="",
                category_code="",
                modality="",
                trend=Markup(),
                bars=(),
                facts=(),
            )
        views.append(replace(view, outdated="" if elsewhere else outdated.get(model, "")))
    return sorted(views, key=lambda view: (view.elsewhere, not view.value, view.title))


def _horizons(resources: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Observation to the horizon that its RiskAssessment gives."""
    results: dict[str, str] = {}
    for resource in resources:
        if resource["resourceType"] != "RiskAssessment":
            continue
        for prediction in resource.get("prediction", ()):
            text = quantity_text(prediction.get("whenRange", {}).get("high", {}))
            for basis in resource.get("basis", ()):
                results.setdefault(target_of(basis)[0], text)
    return results


def _view(
    results: Sequence[dict[str, Any]],
    horizons: Mapping[str, str],
    sources: Sources,
    by_reference: Mapping[str, dict[str, Any]],
) -> PredictionView:
    resource, name = results[0], f"Observation/{results[0]['id']}"
    deciding: dict[str, Any] = {}
    contributions: list[tuple[str, float]] = []
    facts: list[tuple[str, str]] = []
    for component in resource.get("component", ()):
        if _DECIDING in codings(component.get("code")):
            deciding = component
        elif _is_fact(component):
            facts.append((concept_text(component["code"]), _fact(component)))
        elif "value" in component.get("valueQuantity", {}):
            contributions.append(
                (concept_text(component["code"]), float(component["valueQuantity"]["value"]))
            )
    refused = concept_text(resource.get("dataAbsentReason"))
    # Beside a refusal's or a horizon's own line, the note that repeats it says nothing more.
    horizon = horizons.get(name, "")
    repeated = {f"No result: {refused}", f"Over {horizon}."}
    references = [*sources.get(name, ())] or list(resource.get("derivedFrom", ()))
    category: dict[str, Any] = next(iter(resource.get("interpretation", ())), {})
    notes = [str(note["text"]) for note in resource.get("note", ()) if note.get("text")]
    return PredictionView(
        facts=tuple(facts),
        research=any(note.startswith(_RESEARCH) for note in notes),
        demonstration=any(note.startswith("Demonstration") for note in notes)
        or concept_text(resource.get("method")).startswith("Demonstration"),
        version=version_of(resource),
        model=model_of(resource),
        amendable="valueQuantity" in resource,
        failed=has_failed(resource),
        elsewhere=False,
        trend=_trend(results),
        id=resource["id"],
        title=concept_text(resource.get("code")),
        current=True,
        outdated="",
        value=value_text(resource) if has_value(resource) else "",
        horizon=horizon,
        category=concept_text(category),
        category_code=next((code for _, code in codings(category)), ""),
        refused=_plain(refused),
        modality="" if has_failed(resource) else value_text(deciding),
        modality_code=next((code for _, code in codings(deciding.get("valueCodeableConcept"))), ""),
        status=str(resource.get("status", "")),
        effective=time_of(resource),
        issued=str(resource.get("issued", "")),
        method=concept_text(resource.get("method")),
        inputs=tuple(_input(item, by_reference) for item in references if _is_input(item)),
        bars=_bars(contributions),
        undecided=tuple(note for note in notes if note.startswith(UNDECIDED)),
        mentioned=tuple(note for note in notes if MENTIONED in note),
        notes=tuple(
            note
            for note in notes
            if note not in repeated and not note.startswith(UNDECIDED) and MENTIONED not in note
        ),
        earlier=tuple(_earlier(item) for item in results[1:]),
    )


_FACTS: Final = frozenset(
    {"interval", "population", "guideline", "class-probability", "survival", "model-value"}
)


def _is_fact(component: Mapping[str, Any]) -> bool:
    return any(
        system == PREDICTION_CODES and code in _FACTS for system, code in codings(component.get("code"))
    )


def _fact(component: Mapping[str, Any]) -> str:
    ends = component.get("valueRange")
    if isinstance(ends, dict):
        return f"{quantity_text(ends.get('low', {}))} to {quantity_text(ends.get('high', {}))}"
    quantity = component.get("valueQuantity")
    return quantity_text(quantity) if isinstance(quantity, dict) else str(component.get("valueString", ""))


def _trend(results: Sequence[Mapping[str, Any]]) -> Markup:
    """Numbers over time, but those that were withdrawn."""
    points = [
        Point(
            str(item["id"]),
            moment,
            time,
            Decimal(str(item["valueQuantity"]["value"])),
            value_text(dict(item)),
            (),
        )
        for item in results
        if item.get("status") not in ("entered-in-error", "cancelled")
        and "value" in item.get("valueQuantity", {})
        and (moment := moment_of(time := str(item.get("effectiveDateTime") or item.get("issued", ""))))
    ]
    if len(points) < 2:
        return Markup()
    points.sort(key=lambda point: point.moment)
    newest = results[0]
    unit = str(newest.get("valueQuantity", {}).get("unit", ""))
    trend = Trend(concept_text(newest.get("code")), unit, tuple(points[-MOST_POINTS:]), 0, 0)
    return draw(trend, {str(newest["id"])})


def _plain(reason: str) -> str:
    """A reason without the reference that it ends in: the input is in the table below, with a link."""
    return _REFERENCE.sub("", reason).strip()


def _earlier(resource: dict[str, Any]) -> Earlier:
    refused = concept_text(resource.get("dataAbsentReason"))
    text = value_text(resource) if has_value(resource) else f"no result: {_plain(refused)}"
    return Earlier(str(resource.get("issued", "")), text, resource.get("status") == "entered-in-error")


def _bars(contributions: Sequence[tuple[str, float]]) -> tuple[Bar, ...]:
    largest = max((abs(value) for _, value in contributions), default=0.0) or 1.0
    ordered = sorted(contributions, key=lambda item: -abs(item[1]))
    return tuple(
        Bar(
            label,
            value,
            round(_HALF + min(value, 0.0) / largest * _HALF, 1),
            round(abs(value) / largest * _HALF, 1),
        )
        for label, value in ordered
    )


def _is_input(reference: dict[str, Any]) -> bool:
    return not str(reference.get("reference", "")).startswith("DocumentReference/")


def _input(reference: dict[str, Any], by_reference: Mapping[str, dict[str, Any]]) -> Input:
    target, version = target_of(reference)
    resource = by_reference.get(target)
    now = version_of(resource) if resource else ""
    return Input(
        label=str(reference.get("display") or target),
        target=target,
        version=version,
        time=time_of(resource) if resource else "",
        known=resource is not None,
        newer=now if version and now not in ("", version) else "",
    )
