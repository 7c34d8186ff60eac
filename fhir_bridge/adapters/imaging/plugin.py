"""Registers the imaging adapters."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_bridge.adapters.imaging.adapter import DicomAdapter, DicomWebAdapter
from fhir_bridge.plugins import Adapter, hookimpl

__all__ = ["fhir_bridge_adapters"]


@hookimpl
def fhir_bridge_adapters() -> Iterable[Adapter]:
    """The `dicom` and `dicomweb` adapters."""
    return [DicomAdapter(), DicomWebAdapter()]
