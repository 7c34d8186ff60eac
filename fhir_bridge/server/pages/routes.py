"""Routes of the pages. Nobody sees one without signing in, and each shows what the person may see and no more."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from importlib import resources as package_files
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhir_bridge.server.authorization.launch import launchable
from fhir_bridge.server.forms import FormError, read_form
from fhir_bridge.server.pages import acting, cohort, models, predicted, rendering
from fhir_bridge.server.pages.inbox import inbox_values
from fhir_bridge.server.pages.language import CHOICES, language_for, names_in, reader
from fhir_bridge.server.pages.messages import message_values, shown_message
from fhir_bridge.server.pages.patient import patient_values
from fhir_bridge.server.pages.pictures import picture
from fhir_bridge.server.rest.refusal import Refusal
from fhir_bridge.server.routes import SignedIn
from fhir_bridge.server.services import Services, services_of
from fhir_bridge.server.session import access_for_user, check_csrf, csrf_token
from fhir_bridge.storage.errors import StorageError
from fhir_bridge.terminology.naming import Names

__all__ = ["router", "style"]

router = APIRouter(include_in_schema=False)
style = APIRouter(include_in_schema=False)

_NO_PATIENT = "There is no such patient."


@lru_cache(maxsize=1)
def _style() -> str:
    return package_files.files("fhir_bridge.server.pages").joinpath("templates/pages.css").read_text("utf-8")


@style.get("/pages/pages.css")
async def stylesheet() -> Response:
    """The style of all pages."""
    headers = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response(_style(), media_type="text/css", headers=headers)


@router.get("/")
async def cohort_page(request: Request, user: SignedIn) -> Response:
    """The patients that the signed-in person may see."""
    services, csrf = services_of(request), await csrf_token(request)
    cursor, name = (
        request.query_params.get("page") or None,
        request.query_params.get("name", "").strip()[:100],
    )
    # Before the database sees it, which takes no NUL.
    if "\x00" in name or "\x00" in (cursor or ""):
        return rendering.refused(services, user, "The address holds a character that no name has.", 400, csrf)
    order = request.query_params.get("order", "")
    try:
        if order in predicted.ORDERS and user.role != "patient":
            result = await predicted.predicted_cohort(
                services.store, access_for_user(user), order, services.settings.site_file
            )
        else:
            result = await cohort.cohort_of(
                services.store, access_for_user(user), cursor, name, services.settings.site_file
            )
    except StorageError as error:
        return rendering.refused(services, user, str(error.issue.message), error.status, csrf)
    await rendering.audit_list(request, user, (row.id for row in result.rows))
    values = {"csrf": csrf, "cohort": result, "name": name, "order": order, "orders": predicted.ORDERS}
    return rendering.page("cohort.html", services, user, values)


@router.get("/inbox")
async def inbox_page(request: Request, user: SignedIn) -> Response:
    """What waits for the people who look after the data; a patient has no business there."""
    services, csrf = services_of(request), await csrf_token(request)
    if user.role == "patient":
        return rendering.refused(services, user, "There is no such page.", 404, csrf)
    query = request.query_params
    values = await inbox_values(services.store, query.get("kind", ""), query.get("after", ""))
    return rendering.page("inbox.html", services, user, {"csrf": csrf, **values})


@router.get("/inbox/messages")
async def messages_page(request: Request, user: SignedIn) -> Response:
    """Received messages, to find one by id, patient and time; their list names no patients."""
    services, csrf = services_of(request), await csrf_token(request)
    if user.role == "patient":
        return rendering.refused(services, user, "There is no such page.", 404, csrf)
    values = await message_values(services.store, request.query_params)
    return rendering.page("messages.html", services, user, {"csrf": csrf, **values})


@router.get("/inbox/messages/{key}")
async def message_page(request: Request, key: str, user: SignedIn) -> Response:
    """A received message: source, mapping and result side by side."""
    services, csrf = services_of(request), await csrf_token(request)
    shown = None
    if user.role != "patient" and key.isdecimal() and len(key) < 19:
        shown = await shown_message(services, access_for_user(user), int(key))
    if shown is None:
        return rendering.refused(services, user, "There is no such message.", 404, csrf)
    for patient in shown.patients:
        await rendering.audit_read(request, user, patient)
    return rendering.page("message.html", services, user, {"csrf": csrf, "shown": shown})


@router.post("/inbox/messages")
async def replay_messages(request: Request, user: SignedIn) -> Response:
    """Process the messages that a form names again, and show the list anew."""
    services = services_of(request)
    try:
        form = await read_form(request, ("message",))
    except FormError as error:
        return Response(str(error), error.status)
    if user.role == "patient" or not await check_csrf(request, form.get("csrf")):
        return rendering.refused(services, user, "There is no such page.", 404, await csrf_token(request))
    keys = [int(text) for text in form.lists["message"] if text.isdecimal() and len(text) < 19]
    if keys:
        intake = await request.app.state.intake.get()
        await intake.replay(keys)
    target = f"/inbox/messages/{keys[0]}" if len(keys) == 1 else "/inbox/messages"
    return RedirectResponse(target, 303, headers={"Cache-Control": "no-store"})


@router.get("/patients/{patient_id}")
async def patient_page(request: Request, patient_id: str, user: SignedIn) -> Response:
    """One patient: predictions, timeline, ECG, variants, imaging, results, history."""
    services, csrf = services_of(request), await csrf_token(request)
    if "\x00" in patient_id:
        return rendering.refused(services, user, _NO_PATIENT, 404, csrf)
    names = await _names(services, language_for(request))
    # Set before the values are computed, in the context that their threads copy.
    reader.set(names)
    try:
        values = await patient_values(
            services.store,
            access_for_user(user),
            patient_id,
            request.query_params.get("ecg"),
            services.settings.site_file,
        )
    except StorageError as error:
        # What went wrong in the server is no missing patient.
        if error.status >= 500:
            raise
        return rendering.refused(services, user, _NO_PATIENT, 404, csrf)
    await rendering.audit_read(request, user, patient_id)
    # A launch is a clinician's act: an application opened by a patient begins by itself.
    clients = await launchable(services) if user.role != "patient" else []
    targets = [client.launch_uri for client in clients if client.launch_uri]
    values |= {"csrf": csrf, "clients": clients, "patient_id": patient_id}
    values["pictures"] = services.settings.dicomweb_archive is not None
    values |= acting.offered(services, user, values)
    values |= {"languages": CHOICES, "language": names.language.split("-")[0] if names else "en"}
    return await asyncio.to_thread(
        rendering.page, "patient.html", services, user, values, form_targets=targets
    )


@router.get("/patients/{patient_id}/studies/{study_id}/picture")
async def study_picture(request: Request, patient_id: str, study_id: str, user: SignedIn) -> Response:
    """The small picture of a study, which the page shows beside it."""
    services = services_of(request)
    nothing = Response(status_code=404, headers={"Cache-Control": "no-store"})
    if "\x00" in patient_id + study_id:
        return nothing
    try:
        shown = await picture(services, access_for_user(user), patient_id, study_id)
    except (StorageError, Refusal) as error:
        if error.status >= 500 and isinstance(error, StorageError):
            raise
        return nothing
    if shown is None:
        return nothing
    await rendering.audit_read(request, user, patient_id)
    return shown


@router.post("/patients/{patient_id}/predictions")
async def act_on_prediction(request: Request, patient_id: str, user: SignedIn) -> Response:
    """A person confirms, amends or rejects a result, notes what followed, or has a model run."""
    services = services_of(request)
    try:
        form = await read_form(request)
    except FormError as error:
        return Response(str(error), error.status)
    csrf = await csrf_token(request)
    if not await check_csrf(request, form.get("csrf")) or "\x00" in patient_id:
        return rendering.refused(services, user, _NO_PATIENT, 404, csrf)
    try:
        await acting.act(services, user, patient_id, form, rendering.context(request, user))
    except acting.NotDone as error:
        return rendering.refused(services, user, str(error), error.status, csrf)
    target = f"/patients/{quote(patient_id)}#predictions"
    return RedirectResponse(target, 303, headers={"Cache-Control": "no-store"})


@router.get("/models")
async def models_page(request: Request, user: SignedIn) -> Response:
    """Which models run here, who approved them, and how they do."""
    services, csrf = services_of(request), await csrf_token(request)
    if user.role == "patient":
        return rendering.refused(services, user, "There is no such page.", 404, csrf)
    values = await models.model_values(services)
    return rendering.page("models.html", services, user, {"csrf": csrf, **values})


async def _names(services: Services, language: str | None) -> Names | None:
    """Names in the reader's language, of all terminology that is available, what was written over REST included."""
    if language is None:
        return None
    await services.terminology.refresh(services.store)
    terminology = services.terminology.validation_terminology
    return None if terminology is None else names_in(terminology, language)
