"""Signing in and out: name and password, or a one-time link from this machine."""

from __future__ import annotations

import hmac
import secrets

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_bridge.governance import audit
from fhir_bridge.server import guesses
from fhir_bridge.server.forms import FormError, read_form
from fhir_bridge.server.html import page
from fhir_bridge.server.refusals import Refused
from fhir_bridge.server.services import Services, services_of
from fhir_bridge.server.session import (
    check_csrf,
    cookie_name,
    current_user,
    safe_next,
    set_session_cookie,
)
from fhir_bridge.server.settings import is_loopback
from fhir_bridge.storage.accounts import User

__all__ = ["client_address", "router"]

router = APIRouter(include_in_schema=False)

_NO_STORE = {"Cache-Control": "no-store"}


def client_address(request: Request) -> str:
    """The address of who calls; `unknown` behind a Unix socket."""
    return request.client.host if request.client else "unknown"


def _csrf_cookie(secure: bool) -> str:
    return "__Host-fhir_bridge_login" if secure else "fhir_bridge_login"


def _form(request: Request, target: str, message: str = "", status: int = 200) -> Response:
    """The sign-in page. Before there is a session, the form is tied to the browser by a cookie of its own."""
    settings = services_of(request).settings
    name = _csrf_cookie(settings.secure)
    # Kept where it is there: a second tab must not make the form of the first too old.
    csrf = request.cookies.get(name) or secrets.token_urlsafe(24)
    response = page(
        "login.html",
        status,
        title="Sign in",
        organization=settings.organization,
        message=message,
        csrf=csrf,
        next=target,
    )
    # Double submit: another site can make the browser send the form, and knows neither cookie nor field. Strict
    # is enough: the form is posted from our own page.
    response.set_cookie(name, csrf, path="/", secure=settings.secure, httponly=True, samesite="strict")
    return response


@router.get("/login")
async def login_page(request: Request) -> Response:
    """Ask for name and password; who is signed in already goes on."""
    target = safe_next(request.query_params.get("next"))
    if await current_user(request) is not None:
        return RedirectResponse(target, 303, headers=_NO_STORE)
    return _form(request, target)


@router.post("/login")
async def login(request: Request) -> Response:
    """Check name and password; after five wrong ones the name waits, ever longer."""
    services = services_of(request)
    try:
        form = await read_form(request)
    except FormError as error:
        return _form(request, "/", str(error), error.status)
    target = safe_next(form.get("next"))
    expected = request.cookies.get(_csrf_cookie(services.settings.secure), "")
    # Bytes: `compare_digest` takes texts only where they are ASCII.
    if not expected or not hmac.compare_digest(expected.encode(), form.get("csrf", "").encode()):
        return _form(request, target, "The form was too old. Please try again.", 403)
    # Bounded before they are hashed or counted: argon2 reads the whole password.
    username, address = form.get("username", "")[:200], client_address(request)
    named, addressed = guesses.password(username, address)
    # In turn: parallel guesses would all be looked at before the first failure counts.
    async with services.attempts.one_at_a_time(named):
        if wait := await services.attempts.wait(named, addressed):
            response = _form(request, target, f"Too many attempts. Try again in {wait} seconds.", 429)
            response.headers["Retry-After"] = str(wait)
            await _record_failure(services, address, 429)
            return response
        user = await services.accounts.check_password(username, form.get("password", "")[:1000])
        if user is None:
            await services.attempts.failed(named, addressed)
        else:
            # Only the name is forgiven: an attacker with one account of his own must
            # not clear the network's count.
            await services.attempts.succeeded(named)
    if user is None:
        await _record_failure(services, address, 401)
        return _form(request, target, "User name or password is wrong.", 401)
    return await _signed_in(request, user, target)


async def _record_failure(services: Services, address: str, status: int) -> None:
    """A failed sign-in names nobody: a mistyped name may be a password."""
    context = audit.Context(server=services.settings.root, address=address)
    await services.refusals.record(
        Refused(context, "login", status, "FB-SMART-005" if status == 429 else "login")
    )


async def _signed_in(request: Request, user: User, target: str) -> Response:
    services = services_of(request)
    old = request.cookies.get(cookie_name(services.settings.secure))
    if old:
        # A new session at each sign-in (no fixation); the old one of this browser ends.
        await services.accounts.close_session(old)
    cookie, _ = await services.accounts.open_session(user)
    await services.audit.now(
        audit.login(audit.Agent(user.id, user.display, user.fhir_user), address=client_address(request))
    )
    response = RedirectResponse(target, 303, headers=_NO_STORE)
    set_session_cookie(response, cookie, secure=services.settings.secure)
    return response


@router.get("/login/link/{token}")
async def login_link(request: Request, token: str) -> Response:
    """Sign in by a one-time link, from this machine only; a forwarded request is not from this machine."""
    services = services_of(request)
    # A proxy on this machine makes every client look local; a proxy that says whom it
    # forwards for gives itself away.
    forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
    # The name too: a page elsewhere whose name resolves to 127.0.0.1 (DNS
    # rebinding) would reach us by that name.
    local_name = is_loopback((request.url.hostname or "").lower())
    if forwarded or not local_name or not is_loopback(client_address(request)):
        return page(
            "error.html",
            403,
            title="Not from here",
            organization=services.settings.organization,
            message="A sign-in link works only in a browser on the machine that serves.",
        )
    user = await services.accounts.use_login_link(token) if "\x00" not in token else None
    if user is None:
        if wait := await services.attempts.failed(guesses.link(client_address(request))):
            response = page(
                "error.html",
                429,
                title="Too many attempts",
                organization=services.settings.organization,
                message=f"Try again in {wait} seconds.",
            )
            response.headers["Retry-After"] = str(wait)
            return response
        return page(
            "error.html",
            403,
            title="The link is spent",
            organization=services.settings.organization,
            message="This sign-in link was used before or is older than 15 minutes. Sign in with a password at /login.",
        )
    return await _signed_in(request, user, "/")


@router.post("/logout")
async def logout(request: Request) -> Response:
    """End the session; the form carries `csrf`."""
    services = services_of(request)
    try:
        form = await read_form(request)
    except FormError as error:
        return Response(str(error), error.status)
    if not await check_csrf(request, form.get("csrf")):
        return RedirectResponse("/", 303, headers=_NO_STORE)
    name = cookie_name(services.settings.secure)
    await services.accounts.close_session(request.cookies.get(name, ""))
    response = RedirectResponse("/login", 303, headers=_NO_STORE)
    response.delete_cookie(name, path="/", secure=services.settings.secure, httponly=True, samesite="lax")
    return response
