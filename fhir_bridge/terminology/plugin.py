"""The terminology room as a plug-in: it adds what ships in `terminology/`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fhir_bridge.plugins import hookimpl, shipped

__all__ = ["fhir_bridge_terminology"]


@hookimpl
def fhir_bridge_terminology() -> Iterable[Path]:
    """The shipped folder of CodeSystem, ValueSet and ConceptMap JSON."""
    return [shipped("terminology")]
