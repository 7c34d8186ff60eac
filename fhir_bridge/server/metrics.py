"""`/metrics` as OpenMetrics text (1.0.0): how far what follows writes is, and how the models do.

By the token of the settings; to all others it is not there. Names of consumers, of targets (the site's own), of models
and of states, and numbers: nothing of a patient.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fhir_bridge.predictions.metrics import openmetrics
from fhir_bridge.predictions.monitoring import enabled_models, evaluate
from fhir_bridge.server.reviewing import parameters_of
from fhir_bridge.server.services import Services, services_of
from fhir_bridge.storage.gauges import Gauge, read_gauges

__all__ = ["exposition", "router"]

router = APIRouter(include_in_schema=False)

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
KEPT_SECONDS: Final = 300.0
"""How long an answer on models serves: it is made of all results of all models."""


class _Kept:
    """What a worker knows of the models."""

    def __init__(self) -> None:
        self.text = ""
        self.until = 0.0
        self.lock = asyncio.Lock()


def exposition(gauges: Sequence[Gauge]) -> str:
    """Of each name its samples together, behind what they mean."""
    by_name: dict[str, list[Gauge]] = {}
    for gauge in gauges:
        by_name.setdefault(f"fhir_bridge_{gauge.name}", []).append(gauge)
    lines: list[str] = []
    for name, samples in by_name.items():
        lines += [f"# TYPE {name} gauge", f"# HELP {name} {samples[0].meaning}"]
        for sample in samples:
            labels = ",".join(f'{label}="{_escaped(text)}"' for label, text in sample.labels.items())
            lines.append(f"{name}{{{labels}}} {sample.value:g}" if labels else f"{name} {sample.value:g}")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Numbers of this moment on what follows writes, and of the last minutes on the models."""
    services = services_of(request)
    token = services.settings.metrics_token
    given = request.headers.get("authorization", "")
    if token is None or not hmac.compare_digest(
        given.encode(), f"Bearer {token.get_secret_value()}".encode()
    ):
        # As of an address that does not exist.
        return JSONResponse({"detail": "Not Found"}, 404)
    kept: _Kept | None = getattr(request.app.state, "metrics", None)
    if kept is None:
        kept = request.app.state.metrics = _Kept()
    text = exposition(await read_gauges(services.store.pool)) + await _of_models(services, kept)
    return Response(text, media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


async def _of_models(services: Services, kept: _Kept) -> str:
    async with kept.lock:
        if time.monotonic() >= kept.until:
            parameters = parameters_of(services)
            models = {
                name: await evaluate(services.store, parameters, name) for name in enabled_models(parameters)
            }
            kept.text = openmetrics(models)
            kept.until = time.monotonic() + KEPT_SECONDS
        return kept.text
