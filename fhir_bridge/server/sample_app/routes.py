"""The files of the sample application, with a policy that lets its script talk to this server only."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

__all__ = ["CLIENT_ID", "LAUNCH_PATH", "REDIRECT_PATH", "SCOPE", "router"]

CLIENT_ID = "sample-app"
"""What the application calls itself; it has to be registered under this id (docs/rest.md)."""
LAUNCH_PATH = "/sample-app/launch.html"
REDIRECT_PATH = "/sample-app/index.html"
SCOPE = "launch launch/patient patient/Patient.rs patient/Observation.rs"
"""What it may ask for; an EHR launch leaves out `launch/patient`, a standalone one `launch`."""

router = APIRouter(include_in_schema=False)

_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "launch.html": "text/html; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
    "app.css": "text/css; charset=utf-8",
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address holds a code
    "Cache-Control": "no-store",
}


@lru_cache(maxsize=len(_TYPES))
def _content(name: str) -> bytes:
    return (files("fhir_bridge.server.sample_app") / "files" / name).read_bytes()


@router.api_route("/sample-app", methods=["GET", "HEAD"])
async def without_slash(request: Request) -> Response:  # noqa: ARG001 - the framework gives it
    """To the folder, where relative addresses are right."""
    return RedirectResponse("/sample-app/", 308, headers=_HEADERS)  # 308 keeps the method


@router.api_route("/sample-app/", methods=["GET", "HEAD"])
async def start(request: Request) -> Response:
    """The page that begins a standalone launch."""
    return await file(request, "index.html")


@router.api_route("/sample-app/{name}", methods=["GET", "HEAD"])
async def file(request: Request, name: str) -> Response:  # noqa: ARG001 - the framework gives it
    """One of the application's files; there are no others."""
    kind = _TYPES.get(name)
    if kind is None:
        return Response("not found", 404, headers=_HEADERS, media_type="text/plain")
    return Response(_content(name), headers=_HEADERS, media_type=kind)
