"""Registers the genomics adapters."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fhir_bridge.adapters.genomics.adapter import VcfAdapter
from fhir_bridge.plugins import Adapter, hookimpl

__all__ = ["fhir_bridge_adapters", "fhir_bridge_mappings"]


@hookimpl
def fhir_bridge_adapters() -> Iterable[Adapter]:
    """The adapter `vcf`."""
    return [VcfAdapter()]


@hookimpl
def fhir_bridge_mappings() -> Iterable[Path]:
    """None of its own: what ships in `mappings/` is always searched."""
    return []
