"""The project's own canonical URLs; their StructureDefinitions and CodeSystems ship in `terminology/`."""

from __future__ import annotations

__all__ = [
    "ASSUMED",
    "BASE",
    "DELIVERED",
    "MOVED_FROM",
    "PREDICTION_CODES",
    "PREDICTION_IDS",
    "SOURCE_EXTENSION",
]

BASE = "https://fhir-bridge.org/fhir"

SOURCE_EXTENSION = f"{BASE}/StructureDefinition/source-record"
"""On `meta`: `time` (business time of the source record), `update` (`delta` where absent means unchanged, `passing`
where the record is besides about something else), `cleared` (elements the source deletes, repeats)."""

ASSUMED = f"{BASE}/StructureDefinition/assumed"
"""On an element of a delta that FHIR asks for and the record does not state: it holds until a record states it."""

MOVED_FROM = f"{BASE}/StructureDefinition/moved-from"
"""On a resource of a delta: the Patient whose it was, by a record that says that it is another's from then on."""

PREDICTION_CODES = f"{BASE}/CodeSystem/prediction"

PREDICTION_IDS = f"{BASE}/identifier/prediction"
"""System of the business identifier of a prediction: its id, a keyed hash that no other site has."""

DELIVERED = f"{BASE}/identifier/delivered"
"""System of the tag and identifier by which a resource that was sent elsewhere is recognized there."""
