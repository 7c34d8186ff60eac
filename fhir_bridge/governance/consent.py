"""What a patient's Consent resources say about a purpose of use (IHE PCF basic; R4 consent.html).

A provision that names no actor, action, class, code, period of data or data is about the whole record; only such
ones decide here whether a purpose may see a patient at all. Where several consents speak, a denial wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from fhir_bridge.governance.purposes import SYSTEM, covers

__all__ = ["Decision", "decide", "research_opted_out"]

Decision = Literal["permit", "deny"]

_SCOPES = {"patient-privacy", "research"}
_NARROWING = ("actor", "action", "securityLabel", "class", "code", "dataPeriod", "data")


def _scopes(consent: Mapping[str, Any]) -> set[str]:
    return {coding.get("code", "") for coding in consent.get("scope", {}).get("coding", ())}


def _within(period: Mapping[str, Any] | None, at: datetime | None) -> bool:
    """Whether the moment, or now where none is given, lies in the period; always where there is none."""
    if not period:
        return True
    moment = (at or datetime.now(UTC)).astimezone(UTC).isoformat()
    start, end = str(period.get("start", "")), str(period.get("end", ""))
    # Dates of any precision compare as text up to their own length: 2026-03 holds all of March.
    return (not start or moment[: len(_utc(start))] >= _utc(start)) and (
        not end or moment[: len(_utc(end))] <= _utc(end)
    )


def _utc(text: str) -> str:
    """A FHIR dateTime as text that compares with an ISO moment in UTC."""
    if "T" not in text:
        return text
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC).isoformat()[:19]
    except ValueError:
        return text[:10]


def _applies(provision: Mapping[str, Any], purpose: str, at: datetime | None) -> bool:
    if any(provision.get(name) for name in _NARROWING) or not _within(provision.get("period"), at):
        return False
    purposes = provision.get("purpose", ())
    return not purposes or any(
        coding.get("system") == SYSTEM and covers(str(coding.get("code", "")), purpose) for coding in purposes
    )


def _of_one(consent: Mapping[str, Any], purpose: str, at: datetime | None) -> Decision | None:
    """The root provision, unless one nested level takes an exception for this purpose."""
    root = consent.get("provision")
    if consent.get("status") != "active" or not isinstance(root, Mapping) or not _scopes(consent) & _SCOPES:
        return None
    if not _within(root.get("period"), at):
        return None
    exceptions = {
        provision.get("type")
        for provision in root.get("provision", ())
        if provision.get("purpose") and _applies(provision, purpose, at)
    }
    # Of two exceptions for one purpose the denial wins, as between consents.
    if "deny" in exceptions:
        return "deny"
    if "permit" in exceptions:
        return "permit"
    kind = root.get("type")
    return kind if kind in ("permit", "deny") and _applies(root, purpose, at) else None


def decide(
    consents: Iterable[Mapping[str, Any]], purpose: str, at: datetime | None = None
) -> Decision | None:
    """What the active consents of one patient say about a purpose; None where they say nothing.

    Args:
        consents: Consent resources; those not `active`, of another scope, or out of their period count for nothing.
        purpose: code of v3-ActReason.
        at: the moment to check; now where absent.
    """
    decisions = {_of_one(consent, purpose, at) for consent in consents}
    if "deny" in decisions:
        return "deny"
    return "permit" if "permit" in decisions else None


def research_opted_out(consents: Iterable[Mapping[str, Any]], at: datetime | None = None) -> bool:
    """Whether the patient opted out of research: an active Consent denies HRESCH."""
    return decide(consents, "HRESCH", at) == "deny"
