"""All hook specifications. A hook returns what it adds; interceptors are around a request.

docs/plugins.md documents each; a test fails where one is missing there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pluggy

from fhir_bridge.plugins.adapter_factories import AdapterFactory
from fhir_bridge.plugins.protocols import (
    Adapter,
    Extractor,
    Importer,
    Operation,
    Pages,
    Predictor,
    ServerContext,
    SinkFactory,
)

__all__ = ["hookimpl", "hookspec"]

hookspec = pluggy.HookspecMarker("fhir_bridge")
hookimpl = pluggy.HookimplMarker("fhir_bridge")


@hookspec
def fhir_bridge_adapters() -> Iterable[Adapter | AdapterFactory]:  # type: ignore[empty-body]
    """Adapters this plug-in adds; of one whose modules take long to load its `AdapterFactory`."""


@hookspec
def fhir_bridge_mappings() -> Iterable[Path]:  # type: ignore[empty-body]
    """Folders that hold `<domain>/<name>/mapping.yaml`."""


@hookspec
def fhir_bridge_functions() -> Mapping[str, Callable[..., Any]]:  # type: ignore[empty-body]
    """Functions of the mapping language by name, each marked by `fhir_bridge.mapping.function(returns=…)`."""


@hookspec
def fhir_bridge_terminology() -> Iterable[Path]:  # type: ignore[empty-body]
    """Folders of CodeSystem, ValueSet and ConceptMap JSON."""


@hookspec
def fhir_bridge_extractors() -> Iterable[Extractor]:  # type: ignore[empty-body]
    """Finders of facts in clinical texts this plug-in adds."""


@hookspec
def fhir_bridge_importers() -> Iterable[Importer]:  # type: ignore[empty-body]
    """Readers of terminologies' download forms this plug-in adds."""


@hookspec
def fhir_bridge_predictors() -> Iterable[Predictor]:  # type: ignore[empty-body]
    """Predictors this plug-in adds."""


@hookspec
def fhir_bridge_operations(context: ServerContext) -> Iterable[Operation]:  # type: ignore[empty-body]
    """FHIR operations this plug-in serves; `context` (which an implementation may leave out) is of the server."""


@hookspec
def fhir_bridge_pages() -> Iterable[Pages]:  # type: ignore[empty-body]
    """Pages and other routes beside the FHIR API."""


@hookspec
def fhir_bridge_middleware() -> Iterable[Callable[[Any], Any]]:  # type: ignore[empty-body]
    """Wrappers of the FHIR API: each takes an ASGI application and returns one. The first is the outermost."""


@hookspec
def fhir_bridge_sinks() -> Iterable[SinkFactory]:  # type: ignore[empty-body]
    """Targets that a run can write to."""


@hookspec
def fhir_bridge_authorize(access: Any, request: Mapping[str, Any]) -> Any:
    """Narrow a caller's `AccessFilter` before a request runs; return a filter, or None for no opinion."""


@hookspec
def fhir_bridge_before_write(resource: Mapping[str, Any], interaction: str) -> Iterable[Any] | None:
    """Look at a resource before it is stored; issues of severity `error` refuse the write."""


@hookspec
def fhir_bridge_after_commit(changes: Iterable[Any]) -> None:
    """Called with changes once they are durable, by the background worker; where it raises, they come again."""


@hookspec
def fhir_bridge_redact_response(resource: Mapping[str, Any], access: Any) -> Mapping[str, Any] | None:
    """Take elements out of a resource on its way to a caller; never drops the resource itself."""


@hookspec
def fhir_bridge_audit(event: Mapping[str, Any]) -> None:
    """Called with each AuditEvent that is recorded, by the background worker; where it raises, it comes again."""
