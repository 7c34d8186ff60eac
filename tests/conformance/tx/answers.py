"""Answers to the cases from the Python API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_bridge.server import Settings
from fhir_bridge.server.rest.capability import capability_statement
from fhir_bridge.server.rest.operation_registry import Operations
from fhir_bridge.server.rest.terminology import Versions, terminology_operations
from fhir_bridge.server.rest.terminology_capabilities import terminology_capabilities
from fhir_bridge.server.terminology import ServedTerminology, limits_of
from fhir_bridge.terminology.layers import base_layers
from fhir_bridge.terminology.library import Library
from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.service import Request, TerminologyService
from tests.conformance.tx.suite import Case, read

Answer = tuple[int, dict[str, Any]]
"""HTTP status and resource."""

OPERATIONS: dict[str, Callable[[TerminologyService, Request], dict[str, Any]]] = {
    "expand": TerminologyService.expand,
    "validate-code": TerminologyService.validate_value_set,
    "cs-validate-code": TerminologyService.validate_code_system,
    "lookup": TerminologyService.lookup,
    "translate": TerminologyService.translate,
    "subsumes": TerminologyService.subsumes,
    "compare": TerminologyService.related,
    "batch-validate": TerminologyService.batch_validate,
}


STATEMENTS = ("metadata", "term-caps")
"""Operations that read what the server says of itself."""


def service() -> TerminologyService:
    """A service over what is available without any folder: the definition tables and the grammars."""
    return TerminologyService(Library(base_layers()))


def statement(operation: str, terminology: TerminologyService) -> dict[str, Any]:
    """The CapabilityStatement or TerminologyCapabilities of a server."""
    settings = Settings(base_url="https://terminology.example.org")
    if operation == "term-caps":
        return terminology_capabilities(settings, terminology.library())
    served = ServedTerminology(None, limits_of(settings))
    return capability_statement(settings, Operations([Versions(), *terminology_operations(served)]))


def parameters(case: Case, *, setup: bool = True) -> dict[str, Any]:
    """The request: its own parameters, with `setup` the set-up resources as `tx-resource`, the profile's parameters."""
    assert case.request is not None
    requested = read(case.request)
    value = case.setup if setup else ()
    brought = [{"name": "tx-resource", "resource": read(path)} for path in value]
    profile = read(case.profile).get("parameter", [])
    return {**requested, "parameter": [*requested["parameter"], *brought, *profile]}


def answer(case: Case, terminology: TerminologyService) -> Answer:
    """What the API says to a case."""
    if case.operation in STATEMENTS:
        return 200, statement(case.operation, terminology)
    operation = OPERATIONS[case.operation]
    request = Request(parameters(case), case.accept_language)
    try:
        return 200, operation(terminology, request)
    except OperationError as error:
        return error.status, error.json()
