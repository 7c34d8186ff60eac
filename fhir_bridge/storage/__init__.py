"""PostgreSQL: resources and their versions, the search index, records, the change feed; embedded or by URL."""

from fhir_bridge.storage.changes import Change
from fhir_bridge.storage.embedded import EmbeddedServer
from fhir_bridge.storage.errors import (
    BadCursor,
    BadReference,
    BadResource,
    BadSearch,
    DanglingReference,
    DatabaseUnavailable,
    Forbidden,
    Gone,
    MultipleMatches,
    NotFound,
    OtherSiteKey,
    Referred,
    SchemaAhead,
    StorageError,
    TransactionFailed,
    VersionConflict,
)
from fhir_bridge.storage.histories import HistoryEntry, HistoryPage
from fhir_bridge.storage.indexed import reference_targets, references_of, searchable
from fhir_bridge.storage.loading import LoadResult, RecordsResult
from fhir_bridge.storage.location import DatabaseLocation, database_url, default_data_dir
from fhir_bridge.storage.migration import upgrade
from fhir_bridge.storage.record_pages import RecordPart
from fhir_bridge.storage.records import RecordSet
from fhir_bridge.storage.searching import SearchOptions, SearchPage, UnknownParameter
from fhir_bridge.storage.store import Store
from fhir_bridge.storage.stored import Stored, Written

__all__ = [
    "BadCursor",
    "BadReference",
    "BadResource",
    "BadSearch",
    "Change",
    "DanglingReference",
    "DatabaseLocation",
    "DatabaseUnavailable",
    "EmbeddedServer",
    "Forbidden",
    "Gone",
    "HistoryEntry",
    "HistoryPage",
    "LoadResult",
    "MultipleMatches",
    "NotFound",
    "OtherSiteKey",
    "RecordPart",
    "RecordSet",
    "RecordsResult",
    "Referred",
    "SchemaAhead",
    "SearchOptions",
    "SearchPage",
    "StorageError",
    "Store",
    "Stored",
    "TransactionFailed",
    "UnknownParameter",
    "VersionConflict",
    "Written",
    "database_url",
    "default_data_dir",
    "reference_targets",
    "references_of",
    "searchable",
    "upgrade",
]

PUBLIC_MODULES = (
    "accounts",
    "attempts",
    "audit_contents",
    "audit_rows",
    "binaries",
    "blobs",
    "breathing",
    "bulk",
    "bundles",
    "cards",
    "changes",
    "consumers",
    "contributions",
    "currency",
    "deliveries",
    "entry_links",
    "errors",
    "exporting",
    "expunging",
    "gauges",
    "grants",
    "inbox",
    "issues",
    "jobs",
    "kept_files",
    "location",
    "migration",
    "model_versions",
    "origins",
    "outbox",
    "outlines",
    "parts",
    "preconditions",
    "received",
    "results",
    "retention",
    "settings",
    "stored",
    "study_patients",
    "subscriptions",
    "transactions",
    "watching",
    "writing",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""
