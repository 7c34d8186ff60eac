"""The CapabilityStatement, built from the registry, search parameters and operations: it states what is served."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fhir_bridge import __released__, __version__
from fhir_bridge.fhir import definitions
from fhir_bridge.server.rest.operation_registry import Operations
from fhir_bridge.server.rest.registry import INTERACTIONS
from fhir_bridge.server.rest.server_owned import READ_ONLY_TYPES
from fhir_bridge.server.rest.websocket import websocket_url
from fhir_bridge.server.settings import Settings
from fhir_bridge.storage import reference_targets, references_of, searchable

__all__ = ["capability_statement"]

# The extension of SMART 1, for clients that look here and not at smart-configuration.
_WEBSOCKET = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket"
_SMART = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_TESTED = "http://hl7.org/fhir/uv/tx-tests/FeatureDefinition/test-version"
TESTED = "1.9.0"
"""Version of the terminology ecosystem's tests that the terminology service is tested with."""
_GIVEN = "http://hl7.org/fhir/uv/tx-ecosystem/FeatureDefinition/CodeSystemAsParameter"
_SERVICE = "http://terminology.hl7.org/CodeSystem/restful-security-service"


COMPARTMENTS = ("Device", "Encounter", "Patient", "Practitioner", "RelatedPerson")
"""R4's compartments, each searched by `Type/id/Type`."""


def capability_statement(
    settings: Settings, operations: Operations, known: definitions.Definitions = definitions.DEFAULT
) -> dict[str, Any]:
    """What this server does (R4 capabilitystatement.html)."""
    rest: dict[str, Any] = {"mode": "server", "security": _security(settings)}
    rest["resource"] = [
        _resource(settings, name, operations, known) for name in sorted(definitions.resource_types())
    ]
    rest["interaction"] = [
        {"code": code}
        for interaction in INTERACTIONS
        if not interaction.shape.startswith("Type")
        for code in interaction.codes
    ]
    base = "http://hl7.org/fhir/CompartmentDefinition"
    rest["compartment"] = [f"{base}/{name.lower()}" for name in COMPARTMENTS]
    if system := _operations(settings, operations, ""):
        rest["operation"] = system
    return {
        "resourceType": "CapabilityStatement",
        "extension": [_feature(_TESTED, {"valueCode": TESTED}), _feature(_GIVEN, {"valueBoolean": True})],
        "url": f"{settings.fhir_base}/metadata",
        "version": __version__,
        "name": "FhirBridge",
        "title": "FHIR Bridge",
        "status": "active",
        "date": datetime.now(UTC).date().isoformat(),
        "kind": "instance",
        "instantiates": ["http://hl7.org/fhir/CapabilityStatement/terminology-server"],
        "software": {"name": "fhir-bridge", "version": __version__, "releaseDate": __released__},
        "implementation": {"description": settings.organization, "url": settings.fhir_base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json", "application/fhir+xml", "xml"],
        "patchFormat": [
            "application/json-patch+json",
            "application/fhir+json",
            "application/merge-patch+json",
        ],
        "rest": [{"extension": [{"url": _WEBSOCKET, "valueUri": websocket_url(settings)}], **rest}],
    }


def _feature(definition: str, value: dict[str, Any]) -> dict[str, Any]:
    """A feature as the terminology ecosystem asks servers to declare it."""
    return {
        "url": "http://hl7.org/fhir/uv/application-feature/StructureDefinition/feature",
        "extension": [{"url": "definition", "valueCanonical": definition}, {"url": "value", **value}],
    }


def _security(settings: Settings) -> dict[str, Any]:
    if settings.auth == "none":
        return {"cors": False, "description": "No authorization: for this machine only."}
    root = settings.root
    uris = {
        "authorize": f"{root}/oauth/authorize",
        "token": f"{root}/oauth/token",
        "introspect": f"{root}/oauth/introspect",
        "revoke": f"{root}/oauth/revoke",
    }
    return {
        "extension": [
            {"url": _SMART, "extension": [{"url": name, "valueUri": uri} for name, uri in uris.items()]}
        ],
        "cors": True,
        "service": [{"coding": [{"system": _SERVICE, "code": "SMART-on-FHIR"}]}],
    }


def _operations(settings: Settings, operations: Operations, location: str) -> list[dict[str, str]]:
    results = ((name, operations.find(location, name)) for name in operations.names(location))
    own = f"{settings.fhir_base}/OperationDefinition"
    # What a plug-in does not publish is named below our own base.
    return [
        {"name": name, "definition": getattr(operation, "definition", f"{own}/{name}")}
        for name, operation in results
        if location not in READ_ONLY_TYPES or not set(getattr(operation, "access", "")) & set("cud")
    ]


def _resource(
    settings: Settings, name: str, operations: Operations, known: definitions.Definitions
) -> dict[str, Any]:
    read_only = name in READ_ONLY_TYPES
    result: dict[str, Any] = {
        "type": name,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{name}",
        "interaction": [
            {"code": code}
            for interaction in INTERACTIONS
            if interaction.shape.startswith("Type") and not (read_only and interaction.writes)
            for code in interaction.codes
        ],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": not read_only,
        "conditionalCreate": not read_only,
        "conditionalRead": "full-support",
        "conditionalUpdate": not read_only,
        "conditionalDelete": "not-supported" if read_only else "single",
        "searchParam": [
            {"name": parameter.code, "definition": parameter.url, "type": parameter.type}
            for parameter in searchable(name, known)
        ],
    }
    if followed := _includes(name, known):
        result["searchInclude"] = followed
    if referring := _referring(known).get(name):
        result["searchRevInclude"] = referring
    if own := _operations(settings, operations, name):
        result["operation"] = own
    return result


def _includes(resource_type: str, known: definitions.Definitions) -> list[str]:
    """What `_include` takes of a type."""
    codes = [parameter.code for parameter in references_of(resource_type, known)]
    return ["*", *(f"{resource_type}:{code}" for code in codes)] if codes else []


def _referring(known: definitions.Definitions) -> dict[str, list[str]]:
    """For each type, what `_revinclude` takes: the references that may point to it."""
    return known.derived(_work_out_referring)


def _work_out_referring(known: definitions.Definitions) -> dict[str, list[str]]:
    result: dict[str, list[str]] = {}
    for source in sorted(definitions.resource_types()):
        for parameter in references_of(source, known):
            # Without targets a parameter points to all types: it would be listed 148 times.
            if parameter.targets:
                for target in reference_targets(parameter):
                    result.setdefault(target, []).append(f"{source}:{parameter.code}")
    return result
