"""Registers the imaging adapter."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fhir_bridge.adapters.imaging.adapter import DicomAdapter
from fhir_bridge.plugins import Adapter, hookimpl

__all__ = ["fhir_bridge_adapters", "fhir_bridge_mappings"]


@hookimpl
def fhir_bridge_adapters() -> Iterable[Adapter]:
    """The `dicom` adapter."""
    return [DicomAdapter()]


@hookimpl
def fhir_bridge_mappings() -> Iterable[Path]:
    """None beside those that ship with the project."""
    return []
