"""Audit of anyone's FHIR against the sources it was made of: what never arrived, changed or collided."""

from fhir_bridge.workshop.audit.auditing import Audit, audit_folders, source_files
from fhir_bridge.workshop.audit.outcomes import Kind
from fhir_bridge.workshop.audit.page import as_page
from fhir_bridge.workshop.audit.record_audit import Finding, RecordAudit
from fhir_bridge.workshop.audit.report import as_data

__all__ = ["Audit", "Finding", "Kind", "RecordAudit", "as_data", "as_page", "audit_folders", "source_files"]
