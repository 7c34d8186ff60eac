"""Terminology as a plug-in: what ships in `terminology/`, and the importers."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.ports import TerminologyPort, provide_terminology
from fhir_bridge.plugins import Importer, hookimpl, shipped

__all__ = ["fhir_bridge_importers", "fhir_bridge_terminology"]


@hookimpl
def fhir_bridge_importers() -> Iterable[Importer]:
    """The official download forms."""
    from fhir_bridge.terminology.imports.formats import BUILTIN

    return BUILTIN


@hookimpl
def fhir_bridge_terminology() -> Iterable[Path]:
    """The shipped folder of CodeSystem, ValueSet and ConceptMap JSON."""
    return [shipped("terminology")]


def _terminology(definitions: Any) -> TerminologyPort:
    from fhir_bridge.terminology import get_terminology  # read when it is first asked for

    return get_terminology(definitions=definitions)


provide_terminology(_terminology)
