"""The OpenAPI 3.1 document of the FHIR API, built from the registry as the CapabilityStatement is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from fhir_bridge import __version__
from fhir_bridge.fhir import definitions
from fhir_bridge.plugins import Operation
from fhir_bridge.server.rest.call import FHIR_JSON
from fhir_bridge.server.rest.call_operations import LEVELS
from fhir_bridge.server.rest.capability import COMPARTMENTS
from fhir_bridge.server.rest.operation_registry import Operations
from fhir_bridge.server.rest.registry import INTERACTIONS, Interaction
from fhir_bridge.server.rest.server_owned import READ_ONLY_TYPES
from fhir_bridge.server.settings import Settings
from fhir_bridge.storage import searchable

__all__ = ["openapi_document"]

Json = dict[str, Any]

_BODIES: Final = {
    "PATCH": ("application/json-patch+json", FHIR_JSON, "application/merge-patch+json"),
    "search": ("application/x-www-form-urlencoded",),
}
_SEARCHES: Final = frozenset({"Type", "Type/_search", "Type/id/Type", "Type/id/*", "_search", "base"})
"""Shapes that take search parameters where their interaction reads parameters."""

_RESULT: Final = {
    "_count": "Resources on a page.",
    "_sort": "Parameters to order by; `-` before one turns it round.",
    "_total": "`none`, `estimate` or `accurate`.",
    "_summary": "`true`, `text`, `data`, `count` or `false`.",
    "_elements": "Elements to give, divided by commas.",
    "_include": "`Type:parameter`: what the matches refer to comes with them.",
    "_revinclude": "`Type:parameter`: what refers to the matches comes with them.",
    "_has": "`_has:Type:parameter:parameter=value`: a condition on what refers to the match.",
}
"""Parameters of every search (R4 search.html), in a few words."""

_HEADERS: Final = {
    "If-Match": '`W/"version"`: only if this is the current version.',
    "If-None-Exist": "Search criteria: create only if nothing matches.",
    "Prefer": "`return=minimal|representation|OperationOutcome`, `handling=strict|lenient`.",
}
_OF_METHOD: Final = {
    "PUT": ("If-Match", "Prefer"),
    "PATCH": ("If-Match", "Prefer"),
    "DELETE": ("If-Match",),
    "POST": ("If-None-Exist", "Prefer"),
    "GET": (),
}


def openapi_document(
    settings: Settings, operations: Operations, known: definitions.Definitions = definitions.DEFAULT
) -> Json:
    """Every address that is served and every method that it takes, as OpenAPI 3.1.

    Each interaction of the registry is there once a type that takes it, each operation once a place; search parameters
    are those that the CapabilityStatement lists.
    """
    paths: Json = {
        "/metadata": {"get": _answer("capabilities", "What this server does", "CapabilityStatement")}
    }
    types = sorted(definitions.resource_types())
    for interaction in INTERACTIONS:
        for path, name in _addresses(interaction, types):
            paths.setdefault(path, {})[interaction.method.lower()] = _interaction(interaction, path, name)
    for name in ("", *types):
        for path, method, content in _operations(operations, name):
            paths.setdefault(path, {})[method] = content
    document: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": f"FHIR API of {settings.organization}",
            "version": __version__,
            "description": "FHIR R4 (4.0.1). Each answer that is not asked for is an OperationOutcome.",
        },
        "servers": [{"url": settings.fhir_base}],
        "paths": paths,
        "components": {
            "schemas": {name: _schema(name) for name in types} | {"Any": _schema(None)},
            "parameters": _parameters(types, known),
            "responses": {
                "problem": {
                    "description": "What was wrong, with the place",
                    "content": {FHIR_JSON: {"schema": _reference("schemas", "OperationOutcome")}},
                }
            },
        },
    }
    if settings.auth != "none":
        document["components"]["securitySchemes"] = {"smart": _security(settings)}
        document["security"] = [{"smart": []}]
        paths["/metadata"]["get"]["security"] = []
    return document


def _addresses(interaction: Interaction, types: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The paths of an interaction, each with the type that it is about; a type is empty where there is none."""
    shape = interaction.shape
    if not shape.startswith("Type"):
        address = shape.replace("/id", "/{id}").replace("/file", "/{file}")
        yield ("/" if shape == "base" else f"/{address}"), ""
    elif shape.startswith("Type/id/") and not shape.startswith("Type/id/_"):
        for name in COMPARTMENTS:
            yield f"/{name}/{{id}}/{'*' if shape.endswith('*') else '{type}'}", name
    else:
        rest = shape.removeprefix("Type").replace("/id", "/{id}").replace("/version", "/{version}")
        for name in types:
            if not (interaction.writes and name in READ_ONLY_TYPES):
                yield f"/{name}{rest}", name


def _interaction(interaction: Interaction, path: str, name: str) -> Json:
    code = interaction.codes[0] if interaction.codes else interaction.handler.__name__.replace("_", "-")
    parts = [part for part in ("id", "version", "type", "file") if f"{{{part}}}" in path]
    parameters = [_reference("parameters", part) for part in parts]
    parameters += [_reference("parameters", header) for header in _OF_METHOD[interaction.method]]
    searches = interaction.asks and interaction.shape in _SEARCHES
    if searches:
        # A compartment holds many types; what each takes stands at its own address.
        own = _reference("parameters", f"search-{name}") if name and path.count("/") < 3 else None
        parameters += [
            _reference("parameters", each) for each in ("_count", "_sort", "_total", "_summary", "_elements")
        ]
        if own:
            parameters.append(own)
    several = interaction.method in ("GET", "POST") and (searches or "_history" in path)
    result = "Bundle" if several or interaction.shape == "base" else name or "Any"
    content = _answer(f"{code}{path}", f"{code} {name}".strip(), result if "{version}" not in path else name)
    if name:
        content["tags"] = [name]
    if parameters:
        content["parameters"] = parameters
    if interaction.method in ("POST", "PUT", "PATCH"):
        kinds = (
            _BODIES["search"] if path.endswith("_search") else _BODIES.get(interaction.method, (FHIR_JSON,))
        )
        body = "Bundle" if interaction.shape == "base" else name
        content["requestBody"] = {
            "required": not path.endswith("_search"),
            "content": {kind: {"schema": _body(kind, body, interaction.method)} for kind in kinds},
        }
    if interaction.method in ("POST", "PUT") and not path.endswith("_search"):
        content["responses"]["201"] = {"description": "Created; Location names it"}
    if interaction.method == "DELETE":
        content["responses"] = {
            "204": {"description": "It is not there any more"},
            "default": _reference("responses", "problem"),
        }
    return content


def _body(kind: str, name: str, method: str) -> Json:
    if kind == "application/x-www-form-urlencoded":
        return {"type": "object", "additionalProperties": {"type": "string"}}
    if kind == "application/json-patch+json":
        return {"type": "array", "items": {"type": "object", "required": ["op", "path"]}}
    if kind == "application/merge-patch+json":
        return {"type": "object"}
    return _reference("schemas", "Parameters" if method == "PATCH" else name)


def _operations(operations: Operations, name: str) -> Iterator[tuple[str, str, Json]]:
    """Path, method and content of the operations at a type (or at the base)."""
    for operation_name in operations.names(name):
        operation = operations.find(name, operation_name)
        changes = bool(set(operation.access if operation else "") & set("cud"))
        if changes and name in READ_ONLY_TYPES:
            continue
        levels = _levels(operation, name)
        places = (
            [
                path
                for level, path in (
                    ("type", f"/{name}/${operation_name}"),
                    ("instance", f"/{name}/{{id}}/${operation_name}"),
                )
                if level in levels
            ]
            if name
            else [f"/${operation_name}"]
        )
        for path in places:
            for method in ("post",) if changes or getattr(operation, "sent", False) else ("get", "post"):
                content = _answer(f"{method}{path}", f"${operation_name} {name}".strip(), "Any")
                if name:
                    content["tags"] = [name]
                if "{id}" in path:
                    content["parameters"] = [_reference("parameters", "id")]
                if method == "post":
                    schema = {"anyOf": [_reference("schemas", "Parameters"), _reference("schemas", "Any")]}
                    content["requestBody"] = {"content": {FHIR_JSON: {"schema": schema}}}
                yield path, method, content


def _levels(operation: Operation | None, name: str) -> frozenset[str]:
    """Where an operation is asked for: of a type, of an instance."""
    own: Mapping[str, frozenset[str]] = getattr(operation, "levels_of", {})
    levels: frozenset[str] = getattr(operation, "levels", LEVELS)
    return own.get(name, levels)


def _answer(identity: str, summary: str, result: str) -> Json:
    return {
        "operationId": identity,
        "summary": summary,
        "responses": {
            "200": {
                "description": "What was asked for",
                "content": {FHIR_JSON: {"schema": _reference("schemas", result)}},
            },
            "default": _reference("responses", "problem"),
        },
    }


def _parameters(types: Iterable[str], known: definitions.Definitions) -> Json:
    identity = {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$"}
    results: Json = {
        "id": _parameter("id", "path", "Of the resource.", identity),
        "version": _parameter("version", "path", "Of the version.", identity),
        "file": _parameter("file", "path", "Number of a file.", {"type": "integer", "minimum": 1}),
        "type": _parameter("type", "path", "Of what is searched.", {"enum": [*types]}),
    }
    for name, text in _HEADERS.items():
        results[name] = _parameter(name, "header", text)
    for name, text in _RESULT.items():
        results[name] = _parameter(name, "query", text)
    for name in types:
        # One object whose properties are the parameters: OpenAPI spreads them over the address.
        properties = {
            each.code: {"type": "array", "items": {"type": "string"}, "description": each.type}
            for each in searchable(name, known)
        }
        properties |= {
            each: {"type": "array", "items": {"type": "string"}} for each in ("_include", "_revinclude")
        }
        results[f"search-{name}"] = {
            "name": "search",
            "in": "query",
            "style": "form",
            "explode": True,
            "schema": {"type": "object", "properties": properties},
        }
    return results


def _parameter(name: str, place: str, text: str, schema: Json | None = None) -> Json:
    return {
        "name": name,
        "in": place,
        "description": text,
        "schema": schema or {"type": "string"},
        **({"required": True} if place == "path" else {}),
    }


def _schema(name: str | None) -> Json:
    """A resource; what else is in it, its StructureDefinition says."""
    kind: Json = {"type": "string"} if name is None else {"const": name}
    schema: Json = {"type": "object", "required": ["resourceType"], "properties": {"resourceType": kind}}
    if name:
        schema["externalDocs"] = {"url": f"http://hl7.org/fhir/R4/{name.lower()}.html"}
    return schema


def _reference(place: str, name: str) -> Json:
    return {"$ref": f"#/components/{place}/{name}"}


def _security(settings: Settings) -> Json:
    root = settings.root
    scopes = {"patient/*.rs": "Read one patient's record", "user/*.cruds": "What the person may do"}
    return {
        "type": "oauth2",
        "description": "SMART App Launch 2.2; scopes as it defines them",
        "flows": {
            "authorizationCode": {
                "authorizationUrl": f"{root}/oauth/authorize",
                "tokenUrl": f"{root}/oauth/token",
                "scopes": scopes,
            },
            "clientCredentials": {
                "tokenUrl": f"{root}/oauth/token",
                "scopes": {"system/*.rs": "Read as a system"},
            },
        },
    }
