"""An EHR launch, simulated: a signed-in clinician opens an application for a patient.

The page of a patient carries a form `POST /smart/launch` with `csrf`, `client_id`, `patient` and, where there is
one, `encounter` and `intent`.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit, urlunsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_bridge.server.authorization.patients import may_see_encounter, may_see_patient, patients
from fhir_bridge.server.forms import FormError, read_form
from fhir_bridge.server.html import page
from fhir_bridge.server.services import Services, services_of
from fhir_bridge.server.session import check_csrf, current_session, login_redirect
from fhir_bridge.server.smart.errors import NO_STORE
from fhir_bridge.server.smart.scopes import user_access
from fhir_bridge.storage.accounts import Client
from fhir_bridge.storage.grants import Launch

__all__ = ["launchable", "router"]

router = APIRouter(include_in_schema=False)


async def launchable(services: Services) -> list[Client]:
    """The registered applications that an EHR can open."""
    return [client for client in await services.accounts.clients() if client.launch_uri]


def _refused(services: Services, message: str, status: int) -> Response:
    organization = services.settings.organization
    return page("error.html", status, title="Not opened", organization=organization, message=message)


@router.get("/smart/launch")
async def choose(request: Request) -> Response:
    """Choose an application and a patient."""
    services = services_of(request)
    session = await current_session(request)
    if session is None:
        return login_redirect(request)
    clients = await launchable(services)
    return page(
        "launch.html",
        form_targets=[client.launch_uri for client in clients if client.launch_uri],
        title="Open an application",
        organization=services.settings.organization,
        clients=clients,
        patients=await patients(services.store, user_access(session.user)),
        chosen=request.query_params.get("patient", ""),
        csrf=session.csrf,
    )


@router.post("/smart/launch")
async def launch(request: Request) -> Response:
    """Create a launch handle and send the browser to the application with it (`iss`, `launch`)."""
    services = services_of(request)
    try:
        form = await read_form(request)
    except FormError as error:
        return _refused(services, str(error), error.status)
    session = await current_session(request)
    # A launch creates a handle in the name of the person: not by a form of another site.
    if session is None or not await check_csrf(request, form.get("csrf")):
        return _refused(services, "The form was too old. Reload the page and try again.", 403)
    client = await services.accounts.find_client(form.get("client_id", ""))
    if client is None or not client.launch_uri:
        return _refused(services, "This application has no launch address.", 404)
    access = user_access(session.user)
    patient, encounter = form.get("patient", ""), form.get("encounter") or None
    if not await may_see_patient(services.store, access, patient):
        return _refused(services, "There is no such patient.", 404)
    if encounter is not None and not await may_see_encounter(services.store, access, encounter, patient):
        return _refused(services, "The patient has no such encounter.", 404)
    intent = form.get("intent", "")[:100] or None
    handle = await services.grants.create_launch(
        Launch(client.id, session.user.id, patient, encounter, intent)
    )
    parts = urlsplit(client.launch_uri)
    # SMART 2.2 app-launch.html: `iss` and `launch` are added to whatever query the address has.
    answer = urlencode({"iss": services.settings.fhir_base, "launch": handle})
    query = "&".join(filter(None, (parts.query, answer)))
    # Without a fragment, of which the query would be a part (RFC 3986 §3).
    target = urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
    return RedirectResponse(target, 303, headers=NO_STORE)
