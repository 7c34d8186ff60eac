"""An audit as data for JSON. Values of patients are in it only where they are asked for."""

from __future__ import annotations

from typing import Any

from fhir_bridge.workshop.audit.auditing import Audit
from fhir_bridge.workshop.audit.record_audit import Finding

__all__ = ["as_data"]


def as_data(audit: Audit, *, with_values: bool) -> dict[str, Any]:
    """The whole audit."""
    return {
        "summary": {
            "records": len(audit.records),
            "values": audit.leaves,
            "arrived": audit.arrived,
            "findings": audit.by_kind(),
        },
        "fields": [
            {"field": field, "kind": kind.value, "detail": detail, "count": count, "first": first}
            for field, kind, detail, count, first in audit.by_field()
        ],
        "findings": [
            {"file": record.file, "record": record.locator, **_finding(finding, with_values=with_values)}
            for record, finding in audit.findings
        ],
        "invented": [
            {"resource": each.place, "fhir": each.element, "what": each.what}
            | ({"found": each.value} if with_values else {})
            for each in audit.invented
        ],
        "same_id": [{"resource": name, "places": [first, second]} for name, first, second in audit.twins],
        "structure": audit.structure,
        "unpaired": audit.unpaired,
        "problems": [{"place": problem.place, "reason": problem.reason} for problem in audit.problems],
    }


def _finding(finding: Finding, *, with_values: bool) -> dict[str, Any]:
    data: dict[str, Any] = {
        "field": finding.field,
        "locator": finding.locator,
        "kind": finding.kind.value,
        "detail": finding.detail,
        "fhir": finding.place,
    }
    if with_values:
        data |= {"value": finding.value, "found": finding.seen}
    return data
