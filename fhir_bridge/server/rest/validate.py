"""`$validate` (R4 resource-operation-validate.html): the findings on a resource, nothing stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_bridge.fhir.issues import Issue, operation_outcome
from fhir_bridge.server.rest.operations import OperationRequest
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.terminology import ServedTerminology
from fhir_bridge.server.validation import Judge

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
        profile = parameters.get("profile")
        profiles = [profile] if isinstance(profile, str) else []
        if resource.get("resourceType") != request.type:
            message = f"resourceType must be {request.type}"
            return operation_outcome([Issue("error", "FB-REST-002", message, expression="resourceType")])
        judge = Judge(self._terminology, request.store)
        return operation_outcome(await judge.issues(resource, profiles))
