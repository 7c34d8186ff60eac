"""The EHR adapters as a plug-in."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.adapters.ehr import (
    CsvAdapter,
    FhirAdapter,
    Hl7v2Adapter,
    OmopAdapter,
    SqlAdapter,
    WearablesAdapter,
)
from fhir_bridge.plugins import Adapter, hookimpl

__all__ = ["fhir_bridge_adapters"]


@hookimpl
def fhir_bridge_adapters() -> Iterable[Adapter]:
    """`csv`, `sql`, `omop`, `wearables`, `fhir` and `hl7v2`."""
    return [CsvAdapter(), SqlAdapter(), OmopAdapter(), WearablesAdapter(), FhirAdapter(), Hl7v2Adapter()]
