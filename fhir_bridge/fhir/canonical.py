"""The project's own canonical URLs; their StructureDefinitions and CodeSystems ship in `terminology/`."""

from __future__ import annotations

__all__ = ["BASE", "PREDICTION_CODES", "SOURCE_EXTENSION"]

BASE = "https://fhir-bridge.org/fhir"

SOURCE_EXTENSION = f"{BASE}/StructureDefinition/source-record"
"""On `meta`: `time` (business time of the source record), `update` (`delta` where absent means unchanged),
`cleared` (elements the source deletes, repeats)."""

PREDICTION_CODES = f"{BASE}/CodeSystem/prediction"
