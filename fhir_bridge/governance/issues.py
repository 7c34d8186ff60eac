"""Issue codes of governance."""

from __future__ import annotations

from fhir_bridge.fhir.issues import IssueCode, declare

__all__ = ["CODES"]

CODES = declare(
    IssueCode(
        "FB-GOV-001",
        "error",
        "A purpose of use is not one that this server knows",
        "Use a code of http://terminology.hl7.org/CodeSystem/v3-ActReason: TREAT, HPAYMT, HOPERAT, HRESCH, ETREAT, "
        "BTG or PATRQT.",
        "code-invalid",
    ),
)
