"""Answers compressed for clients that take it (RFC 9110 §12.5.3)."""

from __future__ import annotations

import gzip
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest.answers import InPieces
from fhir_bridge.server.rest.blob_answers import Streamed

__all__ = ["accepts_gzip", "compress"]

LEAST: Final = 1_400
"""Bytes from which it pays: what is shorter goes out in one packet anyhow."""
_LONG: Final = 64_000
"""Bytes from which it is done in a thread, so that other requests are not kept waiting."""
_LEVEL: Final = 4
_KINDS: Final = (b"json", b"xml", b"html", b"text/")


def accepts_gzip(header: str | None) -> bool:
    """Whether an Accept-Encoding takes gzip: named, or by `*`, with a weight above zero."""
    weights: dict[str, str] = {}
    for part in (header or "").lower().split(","):
        name, _, parameters = part.partition(";")
        weights[name.strip()] = parameters.strip().removeprefix("q=").strip() or "1"
    weight = weights.get("gzip", weights.get("*", "0"))
    try:
        return float(weight) > 0
    except ValueError:
        return False


async def compress(request: Request, response: Response) -> None:
    """Compress the body of a finished answer where the client takes it and it pays."""
    # A file of its own has no body here, and goes out as it is.
    in_pieces = isinstance(response, (InPieces, Streamed))
    if not in_pieces and len(getattr(response, "body", b"")) < LEAST:
        return
    # On raw headers, looked at once, as in the endpoint.
    named = dict(response.raw_headers)
    if not any(kind in named.get(b"content-type", b"") for kind in _KINDS):
        return
    if b"vary" in named:
        response.headers.add_vary_header("Accept-Encoding")
    else:
        response.raw_headers.append((b"vary", b"Accept-Encoding"))
    accepted = request.headers.get("accept-encoding")
    if not accepted or b"content-encoding" in named or not accepts_gzip(accepted):
        return
    if isinstance(response, InPieces | Streamed):
        response.compress(_LEVEL)
        return
    body = bytes(response.body)
    # Without a time in it, so that equal bodies stay equal.
    if len(body) > _LONG:
        packed = await offloaded(gzip.compress, body, _LEVEL, mtime=0)
    else:
        packed = gzip.compress(body, _LEVEL, mtime=0)
    response.body = packed
    response.headers["Content-Encoding"] = "gzip"
    response.headers["Content-Length"] = str(len(packed))
