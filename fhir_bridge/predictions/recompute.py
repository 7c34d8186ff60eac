"""The job that computes a model for a patient again, after new data or a correction."""

from __future__ import annotations

from typing import Any

from fhir_bridge.predictions.registry import PredictionError, find_predictor
from fhir_bridge.predictions.run import PredictionRun
from fhir_bridge.predictions.site import site_settings
from fhir_bridge.storage import Gone, NotFound, Store
from fhir_bridge.storage.currency import PREDICT_JOB

__all__ = ["PREDICT_JOB", "recompute"]

_NOT_HERE = frozenset({"FB-PRED-001", "FB-PRED-002"})
"""The model is not enabled, or not installed, at the site that this process serves."""


async def recompute(store: Store, payload: dict[str, Any], site: str | None) -> dict[str, Any]:
    """Compute, and say what came of it.

    Args:
        payload: `patient` and `model` of the job.
        site: path of the site file.

    Raises:
        PredictionError: the model can't be run; it may be later.
    """
    settings, key = site_settings(site)
    try:
        run = PredictionRun(find_predictor(str(payload["model"])), settings.parameters, key, store)
        done = await run.for_patient(str(payload["patient"]))
    except (NotFound, Gone):
        return {"skipped": "there is no such patient any more"}
    except PredictionError as error:
        if error.code in _NOT_HERE:
            return {"skipped": str(error)}
        raise
    return {"outcome": done.outcome, "observation": done.observation_id}
