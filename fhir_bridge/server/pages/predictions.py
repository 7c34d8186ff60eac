"""Predictions as a clinician reads them: value, horizon, inputs with dates, what decided, why refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.predictions.record import codings
from fhir_bridge.server.pages.reading import concept_text, is_prediction, quantity_text, value_text

__all__ = ["Input", "PredictionView", "predictions_of"]

_DECIDING: Final = (PREDICTION_CODES, "deciding-modality")


@dataclass(frozen=True, slots=True)
class Input:
    """One input: what, its value, when, in which version."""

    label: str
    reference: str
    time: str


@dataclass(frozen=True, slots=True)
class PredictionView:
    """One Observation of a model."""

    title: str
    value: str
    horizon: str
    category: str
    refused: str
    modality: str
    status: str
    issued: str
    method: str
    inputs: tuple[Input, ...]
    contributions: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]

    @property
    def largest(self) -> float:
        """The largest contribution in absolute terms, to scale bars by; never 0."""
        return max((abs(value) for _, value in self.contributions), default=1.0) or 1.0


def predictions_of(resources: Sequence[dict[str, Any]]) -> list[PredictionView]:
    """What models say of this patient, newest run first; a result that a newer run replaced is left out."""
    times = {f"{item['resourceType']}/{item['id']}": item for item in resources}
    horizons = _horizons(resources)
    sources = _sources(resources)
    newest: dict[str, dict[str, Any]] = {}
    for resource in resources:
        if resource["resourceType"] == "Observation" and is_prediction(resource):
            model = str(resource.get("device", {}).get("reference", ""))
            if model not in newest or str(newest[model].get("issued", "")) < str(resource.get("issued", "")):
                newest[model] = resource
    views = [
        _view(resource, horizons, sources.get(f"Observation/{resource['id']}", ()), times)
        for resource in newest.values()
    ]
    return sorted(views, key=lambda view: view.title)


def _horizons(resources: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Observation to the horizon that its RiskAssessment gives."""
    found: dict[str, str] = {}
    for resource in resources:
        if resource["resourceType"] != "RiskAssessment":
            continue
        for prediction in resource.get("prediction", ()):
            text = quantity_text(prediction.get("whenRange", {}).get("high", {}))
            for basis in resource.get("basis", ()):
                found.setdefault(str(basis.get("reference", "")), text)
    return found


def _sources(resources: Sequence[dict[str, Any]]) -> dict[str, Sequence[dict[str, Any]]]:
    """Observation to the references its Provenance names as inputs."""
    found: dict[str, Sequence[dict[str, Any]]] = {}
    for resource in resources:
        if resource["resourceType"] == "Provenance":
            inputs = [entity["what"] for entity in resource.get("entity", ()) if "what" in entity]
            for target in resource.get("target", ()):
                found[str(target.get("reference", "")).partition("/_history")[0]] = inputs
    return found


def _view(
    resource: dict[str, Any],
    horizons: dict[str, str],
    sources: Sequence[dict[str, Any]],
    by_reference: dict[str, dict[str, Any]],
) -> PredictionView:
    contributions, modality = [], ""
    for component in resource.get("component", ()):
        if _DECIDING in codings(component.get("code")):
            modality = value_text(component)
        elif "valueQuantity" in component:
            contributions.append(
                (concept_text(component["code"]), float(component["valueQuantity"]["value"]))
            )
    references = [*sources] or list(resource.get("derivedFrom", ()))
    return PredictionView(
        title=concept_text(resource.get("code")),
        value=value_text(resource) if "valueQuantity" in resource else "",
        horizon=horizons.get(f"Observation/{resource['id']}", ""),
        category=", ".join(concept_text(concept) for concept in resource.get("interpretation", ())),
        refused=concept_text(resource.get("dataAbsentReason")),
        modality=modality,
        status=str(resource.get("status", "")),
        issued=str(resource.get("issued", "")),
        method=concept_text(resource.get("method")),
        inputs=tuple(_input(reference, by_reference) for reference in references if _is_input(reference)),
        contributions=tuple(contributions),
        notes=tuple(str(note["text"]) for note in resource.get("note", ()) if note.get("text")),
    )


def _is_input(reference: dict[str, Any]) -> bool:
    return not str(reference.get("reference", "")).startswith("DocumentReference/")


def _input(reference: dict[str, Any], by_reference: dict[str, dict[str, Any]]) -> Input:
    target = str(reference.get("reference", ""))
    resource = by_reference.get(target.partition("/_history")[0], {})
    time = (
        resource.get("effectiveDateTime")
        or resource.get("onsetDateTime")
        or resource.get("recordedDate")
        or ""
    )
    return Input(str(reference.get("display") or target), target, str(time))
