"""The terminology content store: what a site is licensed for, imported once, read memory-mapped from files."""

from fhir_bridge.terminology.store.catalogue import ContentStore, SystemInfo, open_store
from fhir_bridge.terminology.store.concept_map import MapSource, MapTarget, StoredMap
from fhir_bridge.terminology.store.errors import ImportProblem, StoreError, StoreNotWritten
from fhir_bridge.terminology.store.location import STORE_VARIABLE, default_store, store_path
from fhir_bridge.terminology.store.resource import code_system_resource
from fhir_bridge.terminology.store.system import Candidate, StoredSystem

__all__ = [
    "STORE_VARIABLE",
    "Candidate",
    "ContentStore",
    "ImportProblem",
    "MapSource",
    "MapTarget",
    "StoreError",
    "StoreNotWritten",
    "StoredMap",
    "StoredSystem",
    "SystemInfo",
    "code_system_resource",
    "default_store",
    "open_store",
    "store_path",
]
