"""How the models of a site do, as OpenMetrics text (https://openmetrics.io, 1.0.0)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from fhir_bridge.predictions.monitoring import FEWEST, Evaluated

__all__ = ["openmetrics"]

_HELP: Final = {
    "results": "Results that count or counted, one for each patient and version.",
    "outcomes": "Results of whom it is known what came after.",
    "events": "Results after which the event came.",
    "auroc": "Chance that who had the event had the greater risk.",
    "brier": "Mean square of risk less outcome.",
    "risk_expected": "Mean risk of those whose outcome is known, 0 to 1.",
    "risk_observed": "Share of them with the event, 0 to 1.",
    "input_psi": "Population stability index of an input: the last 30 days against before.",
    "shadow_patients": "Patients of whom a shadow said something beside the model.",
    "shadow_failed": "Patients on whom a shadow failed.",
    "shadow_difference": "Mean of the shadow's number less the model's.",
    "shadow_same_category": "Share with the same category, 0 to 1.",
}
_Sample = tuple[str, Mapping[str, str], float | None]


def openmetrics(models: Mapping[str, Evaluated]) -> str:
    """The text. A subgroup of fewer than 20 results is left out: what became of few people tells who they are."""
    samples: dict[str, list[str]] = {}
    for model, evaluated in sorted(models.items()):
        for name, labels, value in _samples(evaluated):
            if value is not None:
                shown = ",".join(
                    f'{key}="{_escaped(text)}"' for key, text in {"model": model, **labels}.items()
                )
                samples.setdefault(name, []).append(f"fhir_bridge_prediction_{name}{{{shown}}} {value:g}")
    lines = []
    for name, text in _HELP.items():
        lines += [
            f"# TYPE fhir_bridge_prediction_{name} gauge",
            f"# HELP fhir_bridge_prediction_{name} {text}",
        ]
        lines += samples.get(name, ())
    return "\n".join([*lines, "# EOF", ""])


def _samples(evaluated: Evaluated) -> Iterator[_Sample]:
    for measured in evaluated.measured:
        for group in measured.groups:
            if group.name != "all" and group.results < FEWEST:
                continue
            labels = {"version": measured.version, "group": group.name}
            yield "results", labels, group.results
            yield "outcomes", labels, group.known
            yield "events", labels, group.events
            if group.known >= FEWEST:
                yield "auroc", labels, group.auroc
                yield "brier", labels, group.brier
                yield "risk_expected", labels, group.expected
                yield "risk_observed", labels, group.observed
    for drift in evaluated.drifts:
        yield "input_psi", {"input": drift.label}, drift.psi
    for beside in evaluated.shadows:
        labels = {"shadow": beside.shadow, "shadow_version": beside.version}
        yield "shadow_patients", labels, beside.patients
        yield "shadow_failed", labels, beside.failed
        yield "shadow_difference", labels, beside.difference
        yield "shadow_same_category", labels, beside.same_category


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
