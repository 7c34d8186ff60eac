"""FHIR operations over HTTP: who may ask for one, with which parameters, and its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from starlette.responses import Response

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.plugins import Operation
from fhir_bridge.server.rest.auditing import audit_operation
from fhir_bridge.server.rest.body import FORM, content_type, parsed, read_body, read_form
from fhir_bridge.server.rest.call import FHIR_JSON, Call, query_of
from fhir_bridge.server.rest.call_operations import CallOperation
from fhir_bridge.server.rest.operation_registry import OperationRequest, Operations
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.rest.search import decoded

__all__ = ["answer", "operate", "permitted"]


async def operate(call: Call, operations: Operations) -> Response:
    """GET or POST [base]/$name, [base]/Type/$name, [base]/Type/id/$name"""
    method = "POST" if call.request.method == "POST" else "GET"  # HEAD is answered as GET, without its body
    operation = await permitted(call, operations, method)
    query = decoded(query_of(call.request))
    body = None
    if method == "POST" and _has_body(call):
        if content_type(call) == FORM:
            query += decoded(await read_form(call))
        else:
            body = await parsed(await read_body(call))
    async with call.work(), call.budget.limited():
        return await answer(call, operation, method, query, body)


def _has_body(call: Call) -> bool:
    """Whether a body comes with the request (RFC 9112 §6.3); without one, all parameters are in the address."""
    headers = call.request.headers
    # Chunked bodies have no length.
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


async def permitted(call: Call, operations: Operations, method: str) -> Operation:
    """The operation of a call.

    Raises:
        Refusal: there is none, the caller may not ask for it, or not by this method.
        StorageError: the resource that it is asked of can't be read.
    """
    operation = operations.find(call.type, call.operation)
    if operation is None:
        raise refuse(404, "FB-REST-005", f"there is no operation ${call.operation[:40]} here")
    if isinstance(operation, CallOperation):
        operation.check_place(call, method)
    # An address that gives nothing of the resource itself: only ours say so of themselves.
    if getattr(operation, "decides_access", False):
        return operation
    # Where no type is named, some grant must have each letter; the operation itself
    # reads with the caller's access.
    for letter in operation.access:
        if call.type:
            call.require(letter)
        elif not any(letter in rule.interactions for rule in call.access.rules):
            call.require(letter, "*")
    if method == "GET" and set(operation.access) & set("cud"):
        raise refuse(
            405, "FB-REST-006", "an operation that changes something takes POST", headers={"Allow": "POST"}
        )
    # Whoever may not read the instance may not ask of it either, and gets the same 404.
    if call.id:
        await call.services.store.read(call.type, call.id, call.access)
    return operation


async def answer(
    call: Call,
    operation: Operation,
    method: str,
    query: Sequence[tuple[str, str]],
    body: dict[str, Any] | None,
) -> Response:
    """Carry out an operation that the caller may ask for."""
    if isinstance(operation, CallOperation):
        return await operation.serve(call, [*query, *_pairs(body)], body)
    # Credentials are for the server: a plug-in must not be able to send them anywhere.
    request = OperationRequest(
        method=method,
        type=call.type,
        id=call.id,
        body=body,
        access=call.access,
        store=call.services.store,
        base=call.base,
        purpose=call.caller.token.purpose if call.caller.token else None,
        headers={
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in call.request.scope["headers"]
            if name not in (b"authorization", b"cookie")
        },
        query=query,
        seconds=call.budget.seconds,
    )
    result = await operation(request, _parameters(query, body))
    # The terminology operations read nothing of patients, and would leave an event for each code.
    if getattr(operation, "audited", True):
        await audit_operation(call)
    if isinstance(result, Response):
        return result
    return Response(result if isinstance(result, bytes) else dumps(result), media_type=FHIR_JSON)


def _pairs(body: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The primitive parameters of a Parameters resource as an address would have them."""
    if body is None or body.get("resourceType") != "Parameters":
        return []
    entry = body.get("parameter", [])
    entries = [
        parameter for parameter in (entry if isinstance(entry, list) else []) if isinstance(parameter, dict)
    ]
    values = [(parameter.get("name"), _value(parameter)) for parameter in entries]
    return [
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in values
        if isinstance(name, str) and isinstance(value, str | bool | int | float | Decimal)
    ]


def _parameters(query: Sequence[tuple[str, str]], body: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parameters by name: of the address, then of a Parameters resource; one that repeats gives a list."""
    results: dict[str, list[Any]] = {}
    for name, value in query:
        results.setdefault(name, []).append(value)
    if body is not None and body.get("resourceType") == "Parameters":
        entry = body.get("parameter", [])
        for parameter in entry if isinstance(entry, list) else []:
            if isinstance(parameter, dict) and isinstance(parameter.get("name"), str):
                results.setdefault(parameter["name"], []).append(_value(parameter))
    elif body is not None:
        results["resource"] = [body]
    results.pop("_format", None)
    return {name: values[0] if len(values) == 1 else values for name, values in results.items()}


def _value(parameter: Mapping[str, Any]) -> Any:
    """`value[x]`, `resource` or the parts of a parameter (R4 parameters.html)."""
    if "resource" in parameter:
        return parameter["resource"]
    if "part" in parameter:
        return {part.get("name"): _value(part) for part in parameter["part"] if isinstance(part, Mapping)}
    return next((value for name, value in parameter.items() if name.startswith("value")), None)
