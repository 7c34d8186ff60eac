"""The operations of the terminology service over HTTP (R4 terminology-service.html), for the registry of operations.

A caller needs `r` on the type that the operation is asked of. The answers are built from all terminology available,
which says nothing of patients; so they leave no AuditEvent, but for those that the resources they name would leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from fhir_bridge.fhir.serialization import dumps, loads_exact
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest.call import FHIR_JSON
from fhir_bridge.server.rest.operation_registry import OperationRequest
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.terminology import ServedTerminology
from fhir_bridge.terminology.operations.options import Deadline
from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.parameters import from_query
from fhir_bridge.terminology.operations.r4 import as_r4
from fhir_bridge.terminology.operations.service import OPERATIONS, Request, TerminologyService

__all__ = ["TerminologyOperation", "Versions", "terminology_operations"]

_BODIES = {
    ("ValueSet", "expand"): "valueSet",
    ("ValueSet", "validate-code"): "valueSet",
    ("ValueSet", "related"): "thisValueSet",
    ("CodeSystem", "validate-code"): "codeSystem",
    ("ConceptMap", "translate"): "conceptMap",
}
"""Operations that take a resource of their type as body, and the parameter that it stands for."""

_QUICK = frozenset({("CodeSystem", "lookup"), ("CodeSystem", "subsumes"), ("CodeSystem", "validate-code")})
"""Operations that are over in microseconds, so that another thread would cost more than it spares: unless they are
asked with resources or of an instance.
"""

_DEFINED = frozenset({"lookup", "validate-code", "subsumes", "expand", "translate"})
"""Operations that R4 itself defines."""


class TerminologyOperation:
    """One operation of the service at one type."""

    # The types' own letter: the content is the same for everybody.
    access = "r"
    audited = False

    def __init__(self, served: ServedTerminology, resource_type: str, name: str) -> None:
        self.name = name
        self.types: tuple[str, ...] = (resource_type,)
        base = "http://hl7.org/fhir" if name in _DEFINED else "http://hl7.org/fhir/uv/tx-ecosystem"
        self.definition = f"{base}/OperationDefinition/{resource_type}-{name}"
        self._served = served
        self._run = OPERATIONS[resource_type, name]

    async def __call__(self, request: OperationRequest, parameters: Mapping[str, Any]) -> Response:
        """Answer; what is wrong is an OperationOutcome with the issue codes of the terminology ecosystem."""
        service = await self._served.refresh(request.store)
        parameters = self._parameters(request)
        deadline = Deadline(request.seconds)
        requested = Request(parameters, request.headers.get("accept-language"), deadline=deadline)
        try:
            return await self._asked(request, service, requested)
        except asyncio.CancelledError:  # nobody waits any more: the thread that computes ends soon, too
            deadline.stop()
            raise

    async def _asked(
        self, request: OperationRequest, service: TerminologyService, requested: Request
    ) -> Response:
        parameters = requested.parameters
        if request.id:
            stored = await request.store.read(request.type, request.id, request.access)
            return await offloaded(self._of_instance, service, requested, stored.bytes or b"{}")
        if _is_small(parameters) and (
            (self.types[0], self.name) in _QUICK
            or (self.name == "validate-code" and _is_simple(service, parameters))
        ):
            return self._answer(service, requested)
        return await offloaded(self._answer, service, requested)

    def _of_instance(self, service: TerminologyService, request: Request, instance: bytes) -> Response:
        return self._answer(service, replace(request, instance=loads_exact(instance)))

    def _answer(self, service: TerminologyService, request: Request) -> Response:
        # In R4's shape: the operations are written to the newer terms of the ecosystem.
        try:
            return Response(dumps(as_r4(self._run(service, request))), media_type=FHIR_JSON)
        except OperationError as error:
            return Response(dumps(error.json()), error.status, media_type=FHIR_JSON)

    def _parameters(self, request: OperationRequest) -> Mapping[str, Any]:
        """The parameters of the body, then those of the address."""
        input_value = from_query((name, value) for name, value in request.query if name != "_format")
        body = request.body
        if body is None:
            return input_value
        kind = body.get("resourceType")
        if kind == "Parameters":
            entries = body.get("parameter", [])
            # R4 operations.html#request: parameters of the address count besides those of the body.
            if isinstance(entries, list) and input_value["parameter"]:
                return {**body, "parameter": [*entries, *input_value["parameter"]]}
            return body
        name = _BODIES.get((self.types[0], self.name))
        if name is None or kind != self.types[0]:
            wanted = "Parameters" if name is None else f"Parameters or a {self.types[0]}"
            raise refuse(400, "FB-REST-002", f"${self.name} takes {wanted} as body", source="resourceType")
        return {**input_value, "parameter": [{"name": name, "resource": body}, *input_value["parameter"]]}


def _is_small(parameters: Mapping[str, Any]) -> bool:
    """Whether few parameters come, and no resource among them, which would have to be made ready first."""
    entries = parameters.get("parameter", [])
    return (
        isinstance(entries, list)
        and len(entries) <= _FEW
        and all(isinstance(entry, Mapping) and "resource" not in entry for entry in entries)
    )


def _is_simple(service: TerminologyService, parameters: Mapping[str, Any]) -> bool:
    """Whether a validation is as quick as a look-up: of an available value set that imports none, with filters that are
    decided by the code and the hierarchy alone."""
    url = None
    for entry in parameters.get("parameter", ()):
        if entry.get("name") == "url":
            url = entry.get("valueUri") or entry.get("valueString")
    value_set = service.library().value_set(url) if isinstance(url, str) else None
    return value_set is not None and all(
        not part.value_sets
        and all(item.op in _DIRECT and item.property in ("concept", "code") for item in part.filters)
        for part in (*value_set.includes, *value_set.excludes)
    )


_FEW = 20
_DIRECT = frozenset({"=", "is-a", "descendent-of", "is-not-a", "child-of"})


class Versions:
    """`$versions` (R4 capabilitystatement-operation-versions.html): which FHIR versions are served."""

    name = "versions"
    types: tuple[str, ...] = ()
    access = "r"
    audited = False
    definition = "http://hl7.org/fhir/OperationDefinition/CapabilityStatement-versions"

    async def __call__(self, request: OperationRequest, parameters: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """R4 alone."""
        return {
            "resourceType": "Parameters",
            "parameter": [{"name": "version", "valueCode": "4.0"}, {"name": "default", "valueCode": "4.0"}],
        }


def terminology_operations(served: ServedTerminology) -> Sequence[TerminologyOperation]:
    """All of them."""
    return [TerminologyOperation(served, kind, name) for kind, name in OPERATIONS]
