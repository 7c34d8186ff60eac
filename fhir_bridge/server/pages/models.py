"""The page of models: which run here, who approved them, and how they do, with plots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from fhir_bridge.predictions import PredictionError
from fhir_bridge.predictions.identity import content_hash_of
from fhir_bridge.predictions.monitoring import Drift, Group, Measured, evaluate
from fhir_bridge.predictions.registry import known_predictors
from fhir_bridge.predictions.shadow import Comparison
from fhir_bridge.predictions.site import site_settings
from fhir_bridge.server.services import Services
from fhir_bridge.storage.model_versions import ModelVersion, ModelVersions

__all__ = ["model_values"]

_SIZE: Final = 100.0


@dataclass(frozen=True, slots=True)
class ModelView:
    """A model of the site; calibration: a drawing for each version, of all its results."""

    name: str
    title: str
    version: str
    content: str
    state: str
    versions: tuple[ModelVersion, ...]
    measured: tuple[Measured, ...]
    drawings: Mapping[str, Markup]
    drifts: tuple[Drift, ...]
    shadows: tuple[Comparison, ...]
    problem: str


async def model_values(services: Services) -> dict[str, object]:
    """The values of the template `models.html`."""
    site = services.settings.site_file
    parameters = site_settings(site)[0].parameters
    try:
        known = known_predictors(parameters)
    except PredictionError as error:
        return {"models": [], "problem": str(error)}
    versions = ModelVersions(services.store.pool)
    views = []
    for name, block in sorted((parameters.get("predictions") or {}).items()):
        if not isinstance(block, Mapping) or name not in known:
            continue
        predictor = known[name]
        evaluated = await evaluate(services.store, parameters, name)
        state = "enabled" if block.get("enabled") is True else "off"
        if block.get("shadow_of"):
            state = f"shadow of {block['shadow_of']}: shown to nobody"
        views.append(
            ModelView(
                name,
                predictor.title,
                predictor.version,
                content_hash_of(predictor)[:12],
                state,
                tuple(await versions.all(name)),
                evaluated.measured,
                {item.version: _calibration(item.groups[0]) for item in evaluated.measured},
                evaluated.drifts,
                evaluated.shadows,
                evaluated.problem,
            )
        )
    return {"models": views, "problem": ""}


def _calibration(group: Group) -> Markup:
    """Mean risk against the share with the event, by tenths; on the diagonal the model is right."""
    if not group.calibration:
        return Markup("")
    most = max(max(risk, share) for risk, share, _ in group.calibration) or 1.0

    def place(value: float) -> Any:
        return round(value / most * _SIZE, 1)

    dots = Markup("").join(
        Markup('<circle cx="{}" cy="{}" r="2.5"><title>{}</title></circle>').format(
            place(risk), _SIZE - place(share), f"{risk:.1%} expected, {share:.1%} observed, {count} results"
        )
        for risk, share, count in group.calibration
    )
    label = f"Calibration up to {most:.0%}: expected risk to the right, observed share upwards"
    return Markup(
        '<svg class="calibration" viewBox="-4 -4 108 108" role="img" aria-label="{}">'
        '<path class="axis" d="M0 0V100H100M0 100L100 0"/>{}</svg>'
    ).format(label, dots)
