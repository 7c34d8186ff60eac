"""`$predict` of a Group and of everybody: asynchronous, with progress; a background job (`server.bulk`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from fhir_bridge.predictions.operation import check_may_predict, check_parameters
from fhir_bridge.predictions.registry import PredictionError, find_predictor
from fhir_bridge.predictions.site import site_settings
from fhir_bridge.server.rest.export import begin, check_async
from fhir_bridge.server.rest.group_members import for_groups, members
from fhir_bridge.server.rest.operation_registry import OperationRequest
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.settings import Settings
from fhir_bridge.storage.bulk import packed

__all__ = ["PredictMany"]


class PredictMany:
    """Begins a run over a Group, or over every patient that the caller may read."""

    name = "predict"
    types: tuple[str, ...] = ("", "Group")
    access = "c"
    decides_access = True
    levels_of: Mapping[str, frozenset[str]] = {"Group": frozenset({"instance"})}
    definition = "https://fhir-bridge.org/fhir/OperationDefinition/predict"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self, request: OperationRequest, parameters: Mapping[str, Any]) -> Response:
        """See `fhir_bridge.plugins.Operation`."""
        if request.method != "POST":
            raise refuse(405, "FB-REST-006", "running a model takes POST", headers={"Allow": "POST"})
        check_async(request)
        if bool(request.id) != (request.type == "Group"):
            raise refuse(404, "FB-REST-005", "$predict is of a Patient, of a Group and of the base")
        check_parameters(parameters, request.headers, ("predictor",))
        name = str(parameters.get("predictor", ""))
        site = site_settings(self._settings.site_file)[0]
        try:
            predictor = find_predictor(name, site.parameters)
        except PredictionError as error:
            raise refuse(400, "FB-REST-008", f"{error} ({error.code})") from error
        check_may_predict(request.access, predictor)
        if request.type == "Group":
            await members(request.store, request.id, for_groups(request.access))
        payload = {"access": packed(request.access), "group": request.id, "predictor": name}
        return await begin(self._settings, request, "predict", payload)
