"""What a patient's Consent resources say together about a purpose of use: where several speak, a denial wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fhir_bridge.fhir.consent import Decision, about_code, decision

__all__ = ["Decision", "decide", "objects_to", "research_opted_out"]


def decide(
    consents: Iterable[Mapping[str, Any]], purpose: str, at: datetime | None = None
) -> Decision | None:
    """What the active consents of one patient say about a purpose; None where they say nothing.

    Args:
        consents: Consent resources; those not `active`, of another scope, or out of their period count for nothing.
        purpose: code of v3-ActReason.
        at: the moment to check; now where absent.
    """
    decisions = {decision(consent, purpose, at) for consent in consents}
    if "deny" in decisions:
        return "deny"
    return "permit" if "permit" in decisions else None


def research_opted_out(consents: Iterable[Mapping[str, Any]], at: datetime | None = None) -> bool:
    """Whether the patient opted out of research: an active Consent denies HRESCH."""
    return decide(consents, "HRESCH", at) == "deny"


def objects_to(
    consents: Iterable[Mapping[str, Any]],
    codes: frozenset[tuple[str, str]],
    purpose: str,
    at: datetime | None = None,
) -> bool:
    """Whether the patient refuses what one of these (system, code) names, for this purpose: a denial wins."""
    return any(about_code(consent, codes, purpose, at) == "deny" for consent in consents)
