"""Models that are started ahead: the first person who asks waits for no process, and for nothing that it reads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from fhir_bridge.predictions.contract import PredictorSettings
from fhir_bridge.predictions.identity import content_hash_of
from fhir_bridge.predictions.model_workers import (
    MOST_PROCESSES,
    ModelUnavailable,
    ModelWorkers,
    model_workers,
)
from fhir_bridge.predictions.registry import PredictionError, find_predictor
from fhir_bridge.predictions.site import site_settings

__all__ = ["keep_warm", "warm"]

SECONDS: Final = 5.0
"""Between two looks: a model that was altered, promoted or crashed meanwhile is started then."""

_log = logging.getLogger("fhir_bridge.server")


async def keep_warm(site: str | None) -> None:
    """Start a site's models, and again those that have another content later or have ended; until cancelled."""
    parameters = site_settings(site)[0].parameters
    logged: dict[str, str] = {}
    while True:
        failed = await warm(parameters, model_workers())
        for name, reason in failed.items():
            if logged.get(name) != reason:
                _log.warning("%s was not started ahead: %s", name, reason)
        logged = failed
        await asyncio.sleep(SECONDS)


async def warm(parameters: Mapping[str, Any], workers: ModelWorkers) -> dict[str, str]:
    """Start the process of each enabled model, shadows too, as many as are kept; those that can't be, and why."""
    failed: dict[str, str] = {}
    blocks = parameters.get("predictions") or {}
    names = [
        str(name)
        for name, block in blocks.items()
        if isinstance(block, Mapping) and block.get("enabled") is True
    ]
    # One after another: requests have the machine meanwhile.
    for name in names[:MOST_PROCESSES]:
        try:
            predictor = find_predictor(name, parameters)
            settings = PredictorSettings.from_site(parameters, name)
            content = await asyncio.to_thread(content_hash_of, predictor)
            await workers.start(predictor, settings, content)
        except (PredictionError, ModelUnavailable, ValueError, OSError) as error:
            failed[name] = f"{type(error).__name__}: {error}"
    return failed
