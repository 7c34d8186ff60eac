"""The EHR adapters as a plug-in."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.adapters import ehr  # its names are loaded when asked for: a server starts without them
from fhir_bridge.plugins import Adapter, Extractor, hookimpl

__all__ = ["fhir_bridge_adapters", "fhir_bridge_extractors"]


@hookimpl
def fhir_bridge_adapters() -> Iterable[Adapter]:
    """`ccda`, `csv`, `sql`, `omop`, `wearables`, `fhir`, `hl7v2` and `notes`."""
    return [
        ehr.CcdaAdapter(),
        ehr.CsvAdapter(),
        ehr.SqlAdapter(),
        ehr.OmopAdapter(),
        ehr.WearablesAdapter(),
        ehr.FhirAdapter(),
        ehr.Hl7v2Adapter(),
        ehr.NotesAdapter(),
    ]


@hookimpl
def fhir_bridge_extractors() -> Iterable[Extractor]:
    """LVEF, NYHA class, smoking and family history, by rules."""
    return [ehr.RuleExtractor()]
