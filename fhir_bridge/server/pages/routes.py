"""Routes of the pages. Nobody sees one without signing in, and each shows what the person may see and no more."""

from __future__ import annotations

from importlib import resources as package_files
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_bridge.fhir.serialization import loads
from fhir_bridge.server.pages import cohort, ecg, predictions, rendering, results, timeline, variants
from fhir_bridge.server.pages.reading import label_of, name_of, time_of
from fhir_bridge.server.services import services_of
from fhir_bridge.server.session import access_for_user, csrf_token, current_user, login_redirect
from fhir_bridge.server.smart.launch import launchable
from fhir_bridge.storage.errors import StorageError

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/pages/pages.css")
async def stylesheet() -> Response:
    """The style of all pages."""
    text = package_files.files("fhir_bridge.server.pages").joinpath("templates/pages.css").read_text("utf-8")
    return Response(text, media_type="text/css", headers={"Cache-Control": "max-age=300"})


@router.get("/")
async def cohort_page(request: Request) -> Response:
    """The patients that the signed-in person may see."""
    user = await current_user(request)
    if user is None:
        return login_redirect(request)
    services = services_of(request)
    access = access_for_user(user)
    cursor = request.query_params.get("page") or None
    try:
        rows, following = await cohort.rows(services.store, access, cursor)
    except StorageError as error:
        return rendering.refused(services, user, str(error.issue.message), error.status)
    await rendering.audit_read(request, user, *(row.id for row in rows))
    return rendering.page(
        "cohort.html", services, user, csrf=await csrf_token(request), rows=rows, following=following
    )


@router.get("/patients/{patient_id}")
async def patient_page(request: Request, patient_id: str) -> Response:
    """One patient: timeline, ECG, variants, predictions, results."""
    user = await current_user(request)
    if user is None:
        return login_redirect(request)
    services = services_of(request)
    access = access_for_user(user)
    try:
        patient = loads((await services.store.read("Patient", patient_id, access)).bytes)
        found = [loads(entry.bytes) async for entry in services.store.patient_record(patient_id, access)]
    except StorageError:
        return rendering.refused(services, user, "There is no such patient.", 404)
    await rendering.audit_read(request, user, patient_id)
    shown = [resource for resource in found if resource["resourceType"] != "Patient"]
    clients = await launchable(services)
    return rendering.page(
        "patient.html",
        services,
        user,
        form_targets=[client.launch_uri for client in clients if client.launch_uri],
        csrf=await csrf_token(request),
        patient=patient,
        name=name_of(patient),
        merged=[
            other for other in found if other["resourceType"] == "Patient" and other["id"] != patient["id"]
        ],
        timeline=timeline.draw(timeline.events_of(shown)),
        ecgs=_ecgs(shown),
        imaging=[_study(resource) for resource in shown if resource["resourceType"] == "ImagingStudy"],
        variants=variants.variants_of(shown),
        studied=variants.studied_of(shown),
        predictions=predictions.predictions_of(shown),
        results=await results.results_of(shown, services.store, access),
        conditions=[_entry(resource) for resource in shown if resource["resourceType"] == "Condition"],
        medications=[
            _entry(resource)
            for resource in shown
            if resource["resourceType"] in ("MedicationRequest", "MedicationStatement")
        ],
        clients=clients,
    )


def _ecgs(shown: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    drawn = [
        (time_of(resource), ecg.draw(ecg.leads_of(resource)))
        for resource in shown
        if resource["resourceType"] == "Observation" and ecg.ECG_CODE in ecg.codings(resource.get("code"))
    ]
    return sorted(
        ((time, svg) for time, svg in drawn if svg is not None), key=lambda item: item[0], reverse=True
    )


def _study(study: dict[str, Any]) -> dict[str, Any]:
    return {
        "time": time_of(study),
        "label": label_of(study),
        "series": study.get("numberOfSeries", ""),
        "instances": study.get("numberOfInstances", ""),
        "sites": sorted(
            {
                str(series["bodySite"].get("display") or series["bodySite"].get("code"))
                for series in study.get("series", ())
                if series.get("bodySite")
            }
        ),
    }


def _entry(resource: dict[str, Any]) -> dict[str, str]:
    refuted = any(
        coding.get("code") == "refuted" for coding in resource.get("verificationStatus", {}).get("coding", ())
    )
    dosages = resource.get("dosageInstruction") or resource.get("dosage") or []
    return {
        "time": time_of(resource),
        "label": label_of(resource),
        "refuted": "absent" if refuted else "",
        "dosage": next((str(item["text"]) for item in dosages if item.get("text")), ""),
    }
