"""`/metrics` in the text format of Prometheus, by the token of the settings; to all others it is not there.

Names of consumers, of targets (the site's own) and of states, and numbers: nothing of a patient.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from fhir_bridge.server.services import services_of
from fhir_bridge.storage.gauges import Gauge, read_gauges

__all__ = ["exposition", "router"]

router = APIRouter(include_in_schema=False)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(gauges: Sequence[Gauge]) -> str:
    """The text format 0.0.4: of each name its samples together, behind what they mean."""
    by_name: dict[str, list[Gauge]] = {}
    for gauge in gauges:
        by_name.setdefault(f"fhir_bridge_{gauge.name}", []).append(gauge)
    lines: list[str] = []
    for name, samples in by_name.items():
        lines += [f"# HELP {name} {samples[0].meaning}", f"# TYPE {name} gauge"]
        for sample in samples:
            labels = ",".join(f'{label}="{_escaped(text)}"' for label, text in sample.labels.items())
            lines.append(f"{name}{{{labels}}} {sample.value:g}" if labels else f"{name} {sample.value:g}")
    return "\n".join([*lines, ""])


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """What follows writes, and how far it is."""
    services = services_of(request)
    token = services.settings.metrics_token
    given = request.headers.get("authorization", "")
    if token is None or not hmac.compare_digest(
        given.encode(), f"Bearer {token.get_secret_value()}".encode()
    ):
        # As of an address that does not exist.
        return JSONResponse({"detail": "Not Found"}, 404)
    text = exposition(await read_gauges(services.store.pool))
    return PlainTextResponse(text, media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})
