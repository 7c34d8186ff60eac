"""The EHR adapters as a plug-in."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.adapters.ehr import CcdaAdapter, CsvAdapter, Hl7v2Adapter, OmopAdapter, SqlAdapter
from fhir_bridge.plugins import Adapter, hookimpl

__all__ = ["fhir_bridge_adapters"]


@hookimpl
def fhir_bridge_adapters() -> Iterable[Adapter]:
    """`ccda`, `csv`, `sql`, `omop` and `hl7v2`."""
    return [CcdaAdapter(), CsvAdapter(), SqlAdapter(), OmopAdapter(), Hl7v2Adapter()]
