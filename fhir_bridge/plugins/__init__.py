"""Hook specifications, the protocols that plug-ins satisfy, and the manager."""

from fhir_bridge.plugins.hookspecs import hookimpl
from fhir_bridge.plugins.manager import (
    Loaded,
    PluginError,
    adapters,
    get_manager,
    loaded,
    new_manager,
    shipped,
    sinks,
)
from fhir_bridge.plugins.protocols import (
    Adapter,
    AssigningAdapter,
    IssueLike,
    Operation,
    Predictor,
    ReadContext,
    RecordOutcome,
    ScopeSpec,
    Sink,
    SinkFactory,
    SourceModel,
    SourceRecord,
)

__all__ = [
    "Adapter",
    "AssigningAdapter",
    "IssueLike",
    "Loaded",
    "Operation",
    "PluginError",
    "Predictor",
    "ReadContext",
    "RecordOutcome",
    "ScopeSpec",
    "Sink",
    "SinkFactory",
    "SourceModel",
    "SourceRecord",
    "adapters",
    "get_manager",
    "hookimpl",
    "loaded",
    "new_manager",
    "shipped",
    "sinks",
]
