"""Registers the built-in sinks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fhir_bridge.plugins import hookimpl

if TYPE_CHECKING:
    from fhir_bridge.plugins import SinkFactory

__all__ = ["fhir_bridge_sinks"]


@hookimpl
def fhir_bridge_sinks() -> Iterable[SinkFactory]:
    """A folder's parts, the store, and nothing."""
    from fhir_bridge.pipeline.sinks import NoSinkFactory, PartSinkFactory, StoreSinkFactory

    return [PartSinkFactory(), StoreSinkFactory(), NoSinkFactory()]
