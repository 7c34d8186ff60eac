"""Hook specifications, the protocols that plug-ins satisfy, and the manager."""

from fhir_bridge.plugins.hookspecs import hookimpl
from fhir_bridge.plugins.manager import (
    Loaded,
    PluginError,
    adapters,
    get_manager,
    loaded,
    new_manager,
    predictors,
    shipped,
    sinks,
)
from fhir_bridge.plugins.protocols import (
    Adapter,
    AssigningAdapter,
    ComposingSink,
    CompositeAdapter,
    CompositeRecord,
    IssueLike,
    Operation,
    Pages,
    Predictor,
    ReadContext,
    RecordOutcome,
    RecordPart,
    ScopeSpec,
    ServerContext,
    Sink,
    SinkFactory,
    SourceModel,
    SourceRecord,
)

__all__ = [
    "Adapter",
    "AssigningAdapter",
    "ComposingSink",
    "CompositeAdapter",
    "CompositeRecord",
    "IssueLike",
    "Loaded",
    "Operation",
    "Pages",
    "PluginError",
    "Predictor",
    "ReadContext",
    "RecordOutcome",
    "RecordPart",
    "ScopeSpec",
    "ServerContext",
    "Sink",
    "SinkFactory",
    "SourceModel",
    "SourceRecord",
    "adapters",
    "get_manager",
    "hookimpl",
    "loaded",
    "new_manager",
    "predictors",
    "shipped",
    "sinks",
]

PUBLIC_MODULES = (
    "extras",
    "protocols",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""
