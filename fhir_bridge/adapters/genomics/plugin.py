"""Registers the genomics adapters."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.adapters.genomics.adapter import VcfAdapter
from fhir_bridge.adapters.genomics.pgs import PgsAdapter
from fhir_bridge.adapters.genomics.pharmcat import PharmcatAdapter
from fhir_bridge.plugins import Adapter, hookimpl

__all__ = ["fhir_bridge_adapters"]


@hookimpl
def fhir_bridge_adapters() -> Iterable[Adapter]:
    """`vcf`, `pgs` and `pharmcat`."""
    return [VcfAdapter(), PgsAdapter(), PharmcatAdapter()]
