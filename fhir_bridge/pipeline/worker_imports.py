"""What worker processes need, imported once for all of them (`engine.py`)."""

from __future__ import annotations

from fhir_bridge.pipeline import engine
from fhir_bridge.plugins import adapters

__all__: list[str] = []

adapters()
engine.compile_ahead()
