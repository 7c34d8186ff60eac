"""`$validate` (R4 resource-operation-validate.html): reports what `fhir-bridge validate` does; nothing is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_bridge.fhir.definitions import resource_types
from fhir_bridge.fhir.issues import Issue, operation_outcome
from fhir_bridge.server.rest.operation_registry import OperationRequest
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.terminology import ServedTerminology
from fhir_bridge.server.validation import ServedValidator

__all__ = ["Validate"]


class Validate:
    """Checks the resource of the body against R4, its declared profiles, the one asked for and the terminology."""

    name = "validate"
    types: tuple[str, ...] = ("*",)
    access = "r"
    definition = "http://hl7.org/fhir/OperationDefinition/Resource-validate"

    def __init__(self, terminology: ServedTerminology) -> None:
        self._terminology = terminology

    async def __call__(self, request: OperationRequest, parameters: Mapping[str, Any]) -> dict[str, Any]:
        resource = parameters.get("resource")
        if not isinstance(resource, dict):
            raise refuse(
                400, "FB-REST-002", "send the resource as body, or as parameter `resource` of a Parameters"
            )
        parameter = parameters.get("profile", [])
        profiles = parameter if isinstance(parameter, list) else [parameter]
        if not all(isinstance(profile, str) for profile in profiles):
            raise refuse(400, "FB-REST-002", "the parameter `profile` is a canonical")
        kind = resource.get("resourceType")
        # A finding, not a refusal: R4 resource-operation-validate answers 200 with what is wrong.
        if isinstance(kind, str) and kind in resource_types() and kind != request.type:
            message = f"resourceType must be {request.type}"
            return operation_outcome([Issue("error", "FB-REST-002", message, expression="resourceType")])
        validator = ServedValidator(self._terminology, request.store, unknown_extensions="error")
        return operation_outcome(await validator.issues(resource, profiles))
