"""The EHR adapters as a plug-in."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.adapters.ehr import (
    CcdaAdapter,
    CsvAdapter,
    FhirAdapter,
    Hl7v2Adapter,
    NotesAdapter,
    OmopAdapter,
    RuleExtractor,
    SqlAdapter,
    WearablesAdapter,
)
from fhir_bridge.plugins import Adapter, Extractor, hookimpl

__all__ = ["fhir_bridge_adapters", "fhir_bridge_extractors"]


@hookimpl
def fhir_bridge_adapters() -> Iterable[Adapter]:
    """`ccda`, `csv`, `sql`, `omop`, `wearables`, `fhir`, `hl7v2` and `notes`."""
    return [
        CcdaAdapter(),
        CsvAdapter(),
        SqlAdapter(),
        OmopAdapter(),
        WearablesAdapter(),
        FhirAdapter(),
        Hl7v2Adapter(),
        NotesAdapter(),
    ]


@hookimpl
def fhir_bridge_extractors() -> Iterable[Extractor]:
    """LVEF, NYHA class, smoking and family history, by rules."""
    return [RuleExtractor()]
