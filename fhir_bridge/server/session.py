"""The signed-in person behind a browser's request, for the pages."""

from __future__ import annotations

import hmac
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_bridge.fhir.access import NOTHING, AccessFilter
from fhir_bridge.server.services import services_of
from fhir_bridge.server.smart.scopes import user_access
from fhir_bridge.storage.accounts import SESSION_HOURS, Session, User

__all__ = [
    "access_for_user",
    "check_csrf",
    "cookie_name",
    "csrf_token",
    "current_session",
    "current_user",
    "login_address",
    "login_redirect",
    "safe_next",
    "set_session_cookie",
]


def cookie_name(secure: bool) -> str:
    """Name of the session cookie; under https the `__Host-` prefix keeps other hosts from setting it."""
    # `__Host-` needs https; on plain http (this machine) browsers would refuse the cookie.
    return "__Host-fhir_bridge_session" if secure else "fhir_bridge_session"


async def current_session(request: Request) -> Session | None:
    """The session of this request's cookie; looked up once a request."""
    # On `request.state`, which lives as long as the request: several dependencies ask for the session.
    if not hasattr(request.state, "fhir_bridge_session"):
        services = services_of(request)
        cookie = request.cookies.get(cookie_name(services.settings.secure))
        request.state.fhir_bridge_session = await services.accounts.session(cookie) if cookie else None
    session: Session | None = request.state.fhir_bridge_session
    return session


async def current_user(request: Request) -> User | None:
    """Who is signed in, or None."""
    session = await current_session(request)
    return session.user if session else None


async def csrf_token(request: Request) -> str:
    """What a form of a signed-in page carries in its hidden field `csrf`; empty where nobody is signed in."""
    session = await current_session(request)
    return session.csrf if session else ""


async def check_csrf(request: Request, given: str | None) -> bool:
    """Whether a form came from one of our own pages in this session."""
    session = await current_session(request)
    # compare_digest: the time must not show how much of the token was right.
    return session is not None and hmac.compare_digest(session.csrf.encode(), (given or "").encode())


def access_for_user(user: User | None) -> AccessFilter:
    """What the pages may show this person: a clinician all patients, a patient the own record, nobody nothing."""
    return user_access(user) if user is not None else NOTHING


def login_address(request: Request) -> str:
    """Of the sign-in page, which leads back to this request's address."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return f"/login?next={quote(here, safe='')}"


def login_redirect(request: Request) -> Response:
    """To the sign-in page, and back to this address afterwards."""
    return RedirectResponse(login_address(request), 303, headers={"Cache-Control": "no-store"})


def safe_next(target: str | None) -> str:
    """A path of this server to go on to; anything that leads elsewhere becomes `/`."""
    # `//host` and `/\host` are addresses of other servers to a browser, which takes a backslash for a slash.
    if not target or not target.startswith("/") or target[1:2] in ("/", "\\") or "\\" in target:
        return "/"
    # Browsers drop tabs and line ends out of addresses: `/<tab>/host` would become `//host`.
    if any(ord(character) < 32 for character in target):
        return "/"
    parts = urlsplit(target)
    return target if not parts.scheme and not parts.netloc else "/"


def set_session_cookie(response: Response, cookie: str, *, secure: bool) -> None:
    """Put the session into the browser: not for scripts, not for other sites' forms, only by https where there is."""
    # Lax: a link from elsewhere (an application that sends the person to authorize) must arrive signed in.
    response.set_cookie(
        cookie_name(secure),
        cookie,
        max_age=SESSION_HOURS * 3600,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )
