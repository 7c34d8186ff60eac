"""The project's own canonical URLs; their StructureDefinitions and CodeSystems ship in `terminology/`."""

from __future__ import annotations

__all__ = ["BASE", "DELIVERED", "PREDICTION_CODES", "PREDICTION_IDS", "SOURCE_EXTENSION"]

BASE = "https://fhir-bridge.org/fhir"

SOURCE_EXTENSION = f"{BASE}/StructureDefinition/source-record"
"""On `meta`: `time` (business time of the source record), `update` (`delta` where absent means unchanged),
`cleared` (elements the source deletes, repeats)."""

PREDICTION_CODES = f"{BASE}/CodeSystem/prediction"

PREDICTION_IDS = f"{BASE}/identifier/prediction"
"""System of the business identifier of a prediction: its id, a keyed hash that no other site has."""

DELIVERED = f"{BASE}/identifier/delivered"
"""System of the tag and identifier by which a resource that was sent elsewhere is recognized there."""
