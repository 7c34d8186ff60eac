"""EHR sources: `ccda`, tables (`csv`), `fhir`, HL7 v2 (`hl7v2`), `notes`, `omop`, databases (`sql`) and `wearables`.

The names are loaded when asked for: a server reads none of these before a message comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_bridge.deferred import deferred

if TYPE_CHECKING:
    from fhir_bridge.adapters.ehr.ccda import CcdaAdapter
    from fhir_bridge.adapters.ehr.csv import CsvAdapter
    from fhir_bridge.adapters.ehr.fhir import FhirAdapter
    from fhir_bridge.adapters.ehr.hl7v2 import Hl7v2Adapter
    from fhir_bridge.adapters.ehr.notes import Fact, NotesAdapter, RuleExtractor
    from fhir_bridge.adapters.ehr.omop import OmopAdapter
    from fhir_bridge.adapters.ehr.sql import SqlAdapter
    from fhir_bridge.adapters.ehr.wearables import WearablesAdapter

__all__ = [
    "CcdaAdapter",
    "CsvAdapter",
    "Fact",
    "FhirAdapter",
    "Hl7v2Adapter",
    "NotesAdapter",
    "OmopAdapter",
    "RuleExtractor",
    "SqlAdapter",
    "WearablesAdapter",
]

PUBLIC_MODULES = (
    "csv.dialect",
    "hl7v2.acknowledgment",
    "hl7v2.definitions",
    "hl7v2.delimiters",
    "hl7v2.mllp",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""

__getattr__ = deferred(
    __name__,
    {
        "CcdaAdapter": "ccda",
        "CsvAdapter": "csv",
        "Fact": "notes",
        "FhirAdapter": "fhir",
        "Hl7v2Adapter": "hl7v2",
        "NotesAdapter": "notes",
        "OmopAdapter": "omop",
        "RuleExtractor": "notes",
        "SqlAdapter": "sql",
        "WearablesAdapter": "wearables",
    },
)
