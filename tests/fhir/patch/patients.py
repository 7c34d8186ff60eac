"""A Patient to be patched, and the Parameters of operations on it."""

from __future__ import annotations

import copy
from typing import Any

from fhir_bridge.fhir.patch import fhirpath_patch

ABSENT = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    ]
}

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "contained": [{"resourceType": "Organization", "id": "o", "name": "X"}],
    "name": [
        {"use": "official", "family": "A", "given": ["B", "C"], "_given": [None, {"id": "c"}]},
        {"use": "usual", "given": ["D"]},
    ],
    "birthDate": "1970-01-01",
    "_birthDate": {"extension": [{"url": "http://example.org/x", "valueString": "y"}]},
    "deceasedBoolean": False,
    "contact": [{"name": {"text": "E"}}],
    "managingOrganization": {"reference": "#o"},
}


def operation(kind: str, path: str, name: str | None = None, **parts: Any) -> dict[str, Any]:
    """An operation; `value` is the content of the value's part, numbers are index, source and destination."""
    results: list[dict[str, Any]] = [
        {"name": "type", "valueCode": kind},
        {"name": "path", "valueString": path},
    ]
    if name is not None:
        results.append({"name": "name", "valueString": name})
    for key, value in parts.items():
        results.append({"name": key, **value} if key == "value" else {"name": key, "valueInteger": value})
    return {"name": "operation", "part": results}


def patched(*operations: dict[str, Any], resource: dict[str, Any] | None = None) -> dict[str, Any]:
    value = copy.deepcopy(resource or PATIENT)
    before = copy.deepcopy(value)
    parameters = {"resourceType": "Parameters", "parameter": list(operations)}
    after = fhirpath_patch(value, parameters)
    assert value == before
    return after


def changed(*operations: dict[str, Any], resource: dict[str, Any] | None = None) -> dict[str, Any]:
    """What is other after the patch, by element; None for what is gone."""
    before = resource or PATIENT
    after = patched(*operations, resource=resource)
    return {key: after.get(key) for key in {**before, **after} if before.get(key) != after.get(key)}
