"""Consent decisions, audit events, provenance."""

from fhir_bridge.governance import audit, consent, provenance
from fhir_bridge.governance.issues import CODES

__all__ = ["CODES", "audit", "consent", "provenance"]

PUBLIC_MODULES = (
    "audit",
    "consent",
    "expunging",
    "permissions",
    "event_rows",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""
