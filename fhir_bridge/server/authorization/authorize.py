"""The authorization endpoint: request, sign-in, patient, approval, code.

Between the pages nothing is kept: the form carries the request along, and it is checked anew with every step.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_bridge.governance import audit
from fhir_bridge.server import guesses
from fhir_bridge.server.authorization.patients import PatientChoice, may_see_patient, named_patient, patients
from fhir_bridge.server.authorization.refused import refused
from fhir_bridge.server.authorization.request import (
    PARAMETERS,
    AuthorizationRequest,
    check,
    for_user,
    redirect_target,
    trusted,
)
from fhir_bridge.server.forms import Form, FormError, parse_form, read_form
from fhir_bridge.server.html import page
from fhir_bridge.server.login import client_address
from fhir_bridge.server.services import Services, services_of
from fhir_bridge.server.session import check_csrf, current_session, login_redirect
from fhir_bridge.server.smart.errors import NO_STORE, PageError, RedirectError, too_many
from fhir_bridge.server.smart.scopes import parse_all, user_access
from fhir_bridge.server.smart.wording import meaning
from fhir_bridge.storage.accounts import Session, User
from fhir_bridge.storage.grants import Grant, Launch

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


def _error_page(services: Services, message: str, status: int = 400, *, retry: int = 0) -> Response:
    response = page(
        "error.html",
        429 if retry else status,
        title="This can't be authorized",
        organization=services.settings.organization,
        message=message,
    )
    if retry:
        response.headers["Retry-After"] = str(retry)
    return response


async def _too_many(request: Request, services: Services, error: PageError) -> Response:
    """Launches were guessed at too often."""
    await refused(request, services, too_many(error.retry))
    return _error_page(services, str(error), retry=error.retry)


@router.get("/oauth/authorize")
async def authorize(request: Request) -> Response:
    """Check the request, have the person sign in, and ask."""
    services = services_of(request)
    try:
        parameters = parse_form(request.url.query)
        # Client and address first: with either of them wrong, nothing may be sent to
        # that address (RFC 6749 §4.1.2.1).
        client, redirect_uri = await trusted(parameters, services)
    except (FormError, PageError) as error:
        return _error_page(services, str(error))
    address = client_address(request)
    try:
        requested = check(parameters, client, redirect_uri, services)
        session = await current_session(request)
        # OpenID Connect Core §3.1.2.1: with `none` no page may be shown.
        if requested.prompt == "none":
            # Nobody's consent is remembered, so nothing can be granted without a page.
            needed = "login_required" if session is None else "interaction_required"
            raise RedirectError(needed, "the user has to be asked")
        # After the request was checked: a request that is wrong asks nobody to sign in.
        if session is None:
            return login_redirect(request)
        return await _ask(requested, parameters, session, services, address)
    except PageError as error:
        return await _too_many(request, services, error)
    except RedirectError as error:
        return _send_back(redirect_uri, services, parameters.get("state"), error)


@router.post("/oauth/authorize")
async def authorize_by_post(request: Request) -> Response:
    """The same by POST (`authorize-post`); goes on by GET, with the browser's own cookie."""
    services = services_of(request)
    try:
        form = await read_form(request)
    except FormError as error:
        return _error_page(services, str(error), error.status)
    # By redirect: a form posted from another site brings no SameSite=Lax cookie, a navigation by GET does.
    return RedirectResponse(f"/oauth/authorize?{urlencode(form)}", 303, headers=NO_STORE)


def _send_back(redirect_uri: str, services: Services, state: str | None, error: RedirectError) -> Response:
    target = redirect_target(
        redirect_uri, services, state, error=error.error, error_description=error.description
    )
    return RedirectResponse(target, 302, headers=NO_STORE)


async def _launch(
    request: AuthorizationRequest, user: User, services: Services, address: str, *, spend: bool = False
) -> Launch | None:
    if request.launch is None:
        return None
    subject = guesses.launch(user.id, address)
    # In turn, so that parallel guesses count each (`one_at_a_time`).
    async with services.attempts.one_at_a_time(subject):
        if wait := await services.attempts.wait(subject):
            raise PageError(f"Too many launches that are unknown. Try again in {wait} seconds.", retry=wait)
        launch = await services.grants.launch(request.launch, request.client.id, user.id, spend=spend)
        if launch is None:
            await services.attempts.failed(subject)
    # A launch whose patient the person may not see is as unknown as one that never was.
    if launch is None or not await may_see_patient(services.store, user_access(user), launch.patient):
        raise RedirectError(
            "invalid_request", "the launch is unknown, over, or of another user or application"
        )
    return launch


async def _choices(user: User, name: str, services: Services) -> list[PatientChoice]:
    """The patients to choose from; a patient has only the own record to give."""
    return await patients(services.store, user_access(user), "" if user.role == "patient" else name)


async def _ask(
    request: AuthorizationRequest,
    parameters: Mapping[str, str],
    session: Session,
    services: Services,
    address: str,
) -> Response:
    user = session.user
    launch = await _launch(request, user, services, address)
    # Asked for what the person may give, so that nobody approves what would be taken out afterwards.
    scope = for_user(request.scope, user)
    if not scope:
        raise RedirectError("invalid_scope", "none of the requested scopes can be granted to this user")
    picker = request.needs_patient and launch is None
    name = parameters.get("patient_name", "")
    about = await named_patient(services.store, user_access(user), launch.patient) if launch else None
    parts = urlsplit(request.redirect_uri)
    # Only those that we know: the form is built of what a stranger sent.
    return page(
        "approve.html",
        form_targets=[request.redirect_uri],
        title="Allow access?",
        organization=services.settings.organization,
        client=request.client,
        user=user,
        destination=f"{parts.scheme}://{parts.netloc}",
        csrf=session.csrf,
        parameters=[(key, parameters[key]) for key in PARAMETERS if key in parameters],
        about=about,
        needs_patient=picker,
        searchable=picker and user.role != "patient",
        query=name,
        patients=await _choices(user, name, services) if picker else [],
        scopes=[{"text": text, "meaning": meaning(text)} for text in scope.split()],
    )


@router.post("/oauth/approve")
async def approve(request: Request) -> Response:
    """The person's answer: a code for the application, or `access_denied`."""
    services = services_of(request)
    try:
        form = await read_form(request, lists=("granted",))
        # Checked again from the start: the form comes from the browser, and nothing of it is trusted.
        client, redirect_uri = await trusted(form, services)
    except FormError as error:
        return _error_page(services, str(error), error.status)
    except PageError as error:
        return _error_page(services, str(error))
    session = await current_session(request)
    # Without it another site could approve in the name of whoever is signed in.
    if session is None or not await check_csrf(request, form.get("csrf")):
        return _error_page(services, "The form was too old. Go back to the application and start again.", 403)
    try:
        requested = check(form, client, redirect_uri, services)
        if form.get("decision") != "allow":
            raise RedirectError("access_denied", "the user did not allow it")
        grant = await _grant(requested, form, session, services, client_address(request))
    except PageError as error:
        return await _too_many(request, services, error)
    except RedirectError as error:
        return _send_back(redirect_uri, services, form.get("state"), error)
    code = await services.grants.create_code(grant, redirect_uri, requested.challenge)
    who = audit.Agent(session.user.id, session.user.display, session.user.fhir_user)
    await services.audit.now(
        audit.authorization(
            who, client.id, grant.scope, patient=grant.patient, address=client_address(request)
        )
    )
    target = redirect_target(redirect_uri, services, requested.state, code=code)
    return RedirectResponse(target, 303, headers=NO_STORE)


async def _grant(
    request: AuthorizationRequest, form: Form, session: Session, services: Services, address: str
) -> Grant:
    user = session.user
    # In the order of the request, and never more than was ticked, requested, registered and allowed.
    chosen = set(form.lists["granted"])
    scope = " ".join(text for text in for_user(request.scope, user).split() if text in chosen)
    if not scope:
        raise RedirectError("access_denied", "the user allowed nothing")
    resource, context_scopes = parse_all(scope)
    # Spent here, not when the page was shown: a person may go back to the page.
    launch = await _launch(request, user, services, address, spend=True)
    patient = encounter = None
    context: dict[str, object] = {}
    if launch is not None:
        patient, encounter = launch.patient, launch.encounter
        context["need_patient_banner"] = True
        context["smart_style_url"] = services.settings.root + "/smart/style.json"
        if launch.intent:
            context["intent"] = launch.intent
    elif "launch/patient" in context_scopes or any(item.level == "patient" for item in resource):
        patient = form.get("patient", "")
        # The chosen id comes from the form: a person may give away only what they may see.
        if not await may_see_patient(services.store, user_access(user), patient):
            raise RedirectError("access_denied", "no patient was chosen")
        context["need_patient_banner"] = True
        context["smart_style_url"] = services.settings.root + "/smart/style.json"
    # offline_access goes before: it outlives the session, and includes what
    # online_access gives (SMART 2.2 scopes).
    online = "online_access" in context_scopes and "offline_access" not in context_scopes
    # v3-ActReason: what this server asserts is not for the application to choose.
    return Grant(
        client_id=request.client.id,
        scope=scope,
        audience=services.settings.fhir_base,
        account=user.id,
        purpose="PATRQT" if user.role == "patient" else "TREAT",
        patient=patient,
        encounter=encounter,
        nonce=request.nonce,
        session=session.hash if online else None,
        signed_in=session.signed_in,
        context=context,
    )
