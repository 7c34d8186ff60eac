"""What a person does with a result on the patient's page: confirm, amend, reject, note what followed, run a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from fhir_bridge.governance import audit
from fhir_bridge.governance.event_rows import write_records
from fhir_bridge.governance.permissions import may
from fhir_bridge.predictions import PredictionError, PredictionRun, find_predictor
from fhir_bridge.predictions.categories import categories_of_model
from fhir_bridge.predictions.operation import check_may_predict
from fhir_bridge.predictions.reviewing import Decision
from fhir_bridge.predictions.site import site_settings
from fhir_bridge.server.reviewing import parameters_of, person, review_result, verdict_of
from fhir_bridge.server.services import Services
from fhir_bridge.server.session import access_for_user
from fhir_bridge.storage.accounts import User
from fhir_bridge.storage.errors import StorageError

__all__ = ["NotDone", "act", "offered"]


class NotDone(Exception):
    """It was not done; the message is for the person."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def offered(services: Services, user: User, values: Mapping[str, Any]) -> dict[str, object]:
    """Whether the person may review, which categories each model has, and which models have said nothing yet."""
    if not may(user, "review-prediction"):
        return {"may_review": False, "runnable": [], "categories": {}}
    known = {view.model for view in values["predictions"] if not view.elsewhere}
    parameters = parameters_of(services)
    return {
        "may_review": True,
        "runnable": [name for name in _models(services) if name not in known],
        "categories": {name: categories_of_model(name, parameters) for name in known},
    }


def _models(services: Services) -> list[str]:
    blocks = parameters_of(services).get("predictions") or {}
    return sorted(
        str(name)
        for name, block in blocks.items()
        if isinstance(block, Mapping) and block.get("enabled") is True and not block.get("shadow_of")
    )


async def act(
    services: Services, user: User, patient: str, form: Mapping[str, str], context: audit.Context
) -> None:
    """Do what the form says.

    Raises:
        NotDone: it can't be done, or the person may not do it.
    """
    if not may(user, "review-prediction"):
        raise NotDone("There is no such patient.", 404)
    act = form.get("act", "")
    try:
        if act == "run":
            await _run(services, user, patient, form.get("model", ""), context)
        elif act in get_args(Decision):
            await _review(services, user, patient, form, context)
        else:
            raise NotDone("There is no such action.")
    except StorageError as error:
        raise NotDone(error.issue.message, error.status) from error


async def _run(services: Services, user: User, patient: str, model: str, context: audit.Context) -> None:
    if model not in _models(services):
        raise NotDone("This model does not run here.")
    site = services.settings.site_file
    settings, key = site_settings(site)
    access = access_for_user(user)
    await services.store.read("Patient", patient, access)
    try:
        predictor = find_predictor(model, settings.parameters)
        check_may_predict(access, predictor)
        run = PredictionRun(predictor, settings.parameters, key, services.store)
        done = await run.for_patient(patient, access)
    except PredictionError as error:
        raise NotDone(f"{error} ({error.code})") from error
    if done.outcome == "withdrawn":
        raise NotDone(
            "A person withdrew this result: the model says nothing here until an input changes.", 422
        )
    await services.audit.now(audit.operation(context, "predict", f"Patient/{patient}", patient=patient))


async def _review(
    services: Services, user: User, patient: str, form: Mapping[str, str], context: audit.Context
) -> None:
    stored = await services.store.read("Observation", form.get("observation", ""), access_for_user(user))
    if patient not in await services.store.owners(("Observation", stored.id)):
        raise NotDone("There is no such patient.", 404)
    if form.get("version", "") != str(stored.version):
        raise NotDone("The result has changed since you looked at it: look again.", 409)
    decision, values = form.get("act", ""), {"decision": form.get("act", "")}
    values["followed" if decision == "followed" else "reason"] = form.get("reason", "")
    if decision == "amend":
        values["value"] = form.get("value", "").replace(",", ".")
        values["category"] = form.get("category", "")
    await review_result(services, stored, verdict_of(values, person(user)), write_records(context))
