"""A run: source, adapter, identity, checks, sink; with a manifest, a report and an exit code.

The names are loaded when they are asked for: `export_store` needs the database driver (extra `server`), converting to
files does not; and a process that a model runs in has the plug-in of this package alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_bridge.deferred import deferred

if TYPE_CHECKING:
    from fhir_bridge.pipeline.account import Account
    from fhir_bridge.pipeline.context import ConversionContext, mapping_hash, site_key
    from fhir_bridge.pipeline.convert import RejectionLimit, RunResult, convert, exit_code, write_report
    from fhir_bridge.pipeline.converting_again import load_again, record_converter
    from fhir_bridge.pipeline.engine import RunIncomplete
    from fhir_bridge.pipeline.export import export_store
    from fhir_bridge.pipeline.load import check_syntax, load_sources
    from fhir_bridge.pipeline.load_fhir import load_fhir
    from fhir_bridge.pipeline.manifest import ManifestError
    from fhir_bridge.pipeline.ndjson import OutputFolderError
    from fhir_bridge.pipeline.plan import RunRequest
    from fhir_bridge.pipeline.shard import Selection
    from fhir_bridge.pipeline.sink_run import SinkRun
    from fhir_bridge.pipeline.sources import SourceError, expand
    from fhir_bridge.pipeline.validate import (
        Checks,
        Validated,
        ValidationSummary,
        use_packages,
        validate_files,
    )

__all__ = [
    "Account",
    "Checks",
    "ConversionContext",
    "ManifestError",
    "OutputFolderError",
    "RejectionLimit",
    "RunIncomplete",
    "RunRequest",
    "RunResult",
    "Selection",
    "SinkRun",
    "SourceError",
    "Validated",
    "ValidationSummary",
    "check_syntax",
    "convert",
    "converting",
    "exit_code",
    "expand",
    "export_store",
    "load_again",
    "load_fhir",
    "load_sources",
    "mapping_hash",
    "record_converter",
    "site_key",
    "use_packages",
    "validate_files",
    "write_report",
]

PUBLIC_MODULES = (
    "convert",
    "converting",
    "inbox",
    "instances",
    "load_fhir",
    "ndjson",
    "merged_numbers",
    "numbered_orders",
    "part_sink",
    "read_fhir",
    "receiving",
    "shard",
    "sources",
    "study_orders",
    "validate",
    "validation_reports",
    "views",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""

__getattr__ = deferred(
    __name__,
    {
        "Account": "account",
        "Checks": "validate",
        "ConversionContext": "context",
        "ManifestError": "manifest",
        "OutputFolderError": "ndjson",
        "RejectionLimit": "convert",
        "RunIncomplete": "engine",
        "RunRequest": "plan",
        "RunResult": "convert",
        "Selection": "shard",
        "SinkRun": "sink_run",
        "SourceError": "sources",
        "Validated": "validate",
        "ValidationSummary": "validate",
        "check_syntax": "load",
        "convert": "convert",
        "exit_code": "convert",
        "expand": "sources",
        "export_store": "export",
        "load_again": "converting_again",
        "load_fhir": "load_fhir",
        "load_sources": "load",
        "mapping_hash": "context",
        "record_converter": "converting_again",
        "site_key": "context",
        "use_packages": "validate",
        "validate_files": "validate",
        "write_report": "convert",
    },
)
