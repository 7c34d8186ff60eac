"""EHR sources: tables (`csv`), databases (`sql`), OMOP (`omop`), `wearables`, `fhir` and HL7 v2 (`hl7v2`)."""

from fhir_bridge.adapters.ehr.csv import CsvAdapter
from fhir_bridge.adapters.ehr.fhir import FhirAdapter
from fhir_bridge.adapters.ehr.hl7v2 import Hl7v2Adapter
from fhir_bridge.adapters.ehr.omop import OmopAdapter
from fhir_bridge.adapters.ehr.sql import SqlAdapter
from fhir_bridge.adapters.ehr.wearables import WearablesAdapter

__all__ = ["CsvAdapter", "FhirAdapter", "Hl7v2Adapter", "OmopAdapter", "SqlAdapter", "WearablesAdapter"]

PUBLIC_MODULES = (
    "csv.dialect",
    "hl7v2.acknowledgment",
    "hl7v2.definitions",
    "hl7v2.delimiters",
    "hl7v2.mllp",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""
