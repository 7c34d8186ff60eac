"""The EHR adapters as a plug-in."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.adapters import ehr  # its names are loaded when asked for: a server starts without them
from fhir_bridge.plugins import AdapterFactory, Extractor, hookimpl

__all__ = ["fhir_bridge_adapters", "fhir_bridge_extractors"]


@hookimpl
def fhir_bridge_adapters() -> Iterable[AdapterFactory]:
    """`ccda`, `csv`, `sql`, `omop`, `wearables`, `fhir`, `hl7v2` and `notes`."""
    return [
        AdapterFactory("ccda", lambda: ehr.CcdaAdapter()),
        AdapterFactory("csv", lambda: ehr.CsvAdapter()),
        AdapterFactory("sql", lambda: ehr.SqlAdapter()),
        AdapterFactory("omop", lambda: ehr.OmopAdapter()),
        AdapterFactory("wearables", lambda: ehr.WearablesAdapter()),
        AdapterFactory("fhir", lambda: ehr.FhirAdapter()),
        AdapterFactory("hl7v2", lambda: ehr.Hl7v2Adapter()),
        AdapterFactory("notes", lambda: ehr.NotesAdapter()),
    ]


@hookimpl
def fhir_bridge_extractors() -> Iterable[Extractor]:
    """LVEF, NYHA class, smoking and family history, by rules."""
    return [ehr.RuleExtractor()]
