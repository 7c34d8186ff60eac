"""SQL on FHIR v2: a ViewDefinition compiled, and a resource's rows. Where resources and rows live is for others."""

from fhir_bridge.fhir.views.columns import Column
from fhir_bridge.fhir.views.compiled import View, check_view, compile_view
from fhir_bridge.fhir.views.issues import RecordError, ViewError
from fhir_bridge.fhir.views.model import ViewDefinition
from fhir_bridge.fhir.views.rows import Row
from fhir_bridge.fhir.views.sql_types import SqlType, sql_type
from fhir_bridge.fhir.views.types import ColumnType

__all__ = [
    "Column",
    "ColumnType",
    "RecordError",
    "Row",
    "SqlType",
    "View",
    "ViewDefinition",
    "ViewError",
    "check_view",
    "compile_view",
    "sql_type",
]
