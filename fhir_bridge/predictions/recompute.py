"""The job that computes a model for a patient again, after new data or a correction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_bridge.plugins import predictors
from fhir_bridge.predictions.contract import PredictorSettings
from fhir_bridge.predictions.registry import find_predictor
from fhir_bridge.predictions.run import PredictionRun
from fhir_bridge.predictions.site import site_settings
from fhir_bridge.storage import Gone, NotFound, Store
from fhir_bridge.storage.currency import job_kind_of

__all__ = ["job_kinds", "recompute"]


def job_kinds(site: str | None) -> list[str]:
    """Kinds of the jobs that this process can do: of the models that are installed, and that its site enables.

    The others wait for a process that can, and say meanwhile that the result is outdated.
    """
    parameters = site_settings(site)[0].parameters
    names = {*predictors(), *((parameters.get("predictions") or {}) if parameters else {})}
    return [job_kind_of(str(name)) for name in sorted(names) if _is_enabled(parameters, str(name))]


def _is_enabled(parameters: Mapping[str, Any], name: str) -> bool:
    try:
        return PredictorSettings.from_site(parameters, name).enabled
    except ValueError:  # wrong limits: the job says so
        return True


async def recompute(store: Store, payload: dict[str, Any], site: str | None) -> dict[str, Any]:
    """Compute, and say what came of it.

    Args:
        payload: `patient` and `model` of the job.
        site: path of the site file.

    Raises:
        PredictionError: the model can't be run here; it may be later.
    """
    settings, key = site_settings(site)
    try:
        run = PredictionRun(
            find_predictor(str(payload["model"]), settings.parameters), settings.parameters, key, store
        )
        done = await run.for_patient(str(payload["patient"]))
    except (NotFound, Gone):
        return {"skipped": "there is no such patient any more"}
    return {"outcome": done.outcome, "observation": done.observation_id}
