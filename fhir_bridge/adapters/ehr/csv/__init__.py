"""Tables: dialects, rows with their physical lines, and the choice of a mapping by name and columns."""

from fhir_bridge.adapters.ehr.csv.adapter import CsvAdapter, CsvModel
from fhir_bridge.adapters.ehr.csv.dialect import Dialect, DialectError
from fhir_bridge.adapters.ehr.csv.reader import read_table
from fhir_bridge.adapters.ehr.csv.record import Row

__all__ = ["CsvAdapter", "CsvModel", "Dialect", "DialectError", "Row", "read_table"]
