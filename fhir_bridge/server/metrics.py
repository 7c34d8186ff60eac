"""`GET /metrics`: how the models do, for a monitoring system that has the token (FHIR_BRIDGE_METRICS_TOKEN)."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from fhir_bridge.predictions.metrics import openmetrics
from fhir_bridge.predictions.monitoring import enabled_models, evaluate
from fhir_bridge.server.reviewing import parameters_of
from fhir_bridge.server.services import services_of

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

KEPT_SECONDS: Final = 300.0
"""How long an answer serves: it is made of all results of all models."""
_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"


class _Kept:
    """The last answer of a worker."""

    def __init__(self) -> None:
        self.text = ""
        self.until = 0.0
        self.lock = asyncio.Lock()


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Numbers of groups, never of a patient. Without a token set there is nothing at this address."""
    services = services_of(request)
    expected = services.settings.metrics_token
    if not expected:
        return PlainTextResponse("Not Found", 404)
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secrets.compare_digest(sent.strip().encode(), expected.encode()):
        return PlainTextResponse("a token is needed", 401, {"WWW-Authenticate": "Bearer"})
    kept: _Kept | None = getattr(request.app.state, "metrics", None)
    if kept is None:
        kept = request.app.state.metrics = _Kept()
    async with kept.lock:
        if time.monotonic() >= kept.until:
            parameters = parameters_of(services)
            models = {
                name: await evaluate(services.store, parameters, name) for name in enabled_models(parameters)
            }
            kept.text = openmetrics(models)
            kept.until = time.monotonic() + KEPT_SECONDS
    return Response(kept.text, media_type=_TYPE, headers={"Cache-Control": "no-store"})
