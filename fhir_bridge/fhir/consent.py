"""What one Consent says about a purpose of use, and when (IHE PCF basic; R4 consent.html).

A provision that names no actor, action, class, code, period of data or data is about the whole record; such ones
decide here whether a purpose may see a patient at all. A denial of a part of the data or of an action can't be kept
to that part here: it hides the whole record from a purpose that is not care, and decides nothing for care, where
hiding would harm. The base policy is the Consent's `policyRule`: OPTIN and OPTOUT of v3-ActCode; no other policy is
known here (`uninterpreted`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from fhir_bridge.fhir.purposes import PURPOSES, SYSTEMS, covers
from fhir_bridge.fhir.record import owners_of

__all__ = ["UNASSERTED", "Decision", "Denial", "about_code", "decision", "denials", "uninterpreted"]

Decision = Literal["permit", "deny"]

UNASSERTED = ""
"""The purpose of a caller for whom none is asserted: what denies every purpose denies it, too."""

_SCOPES = {"patient-privacy", "research"}
_OF_CARE = {"treatment", "adr"}
"""The other scopes of R4: what such a Consent denies is care, unless it names a purpose of use."""
_CARE = {"TREAT", "ETREAT", "BTG"}
_OF_A_PART = frozenset({"action", "securityLabel", "class", "dataPeriod", "data"})
_NARROWING = _OF_A_PART | {"actor", "code"}
_ACTS = {"http://terminology.hl7.org/CodeSystem/v3-ActCode", "urn:oid:2.16.840.1.113883.5.4"}
_RULES: Mapping[str, Decision] = {"OPTIN": "permit", "OPTOUT": "deny"}
_FIRST = datetime(1, 1, 2, tzinfo=UTC)
_LAST = datetime(9999, 12, 30, tzinfo=UTC)


class Denial(NamedTuple):
    """A time in which a Consent denies a purpose: from `low` until before `high`, None where it has no end there."""

    purpose: str
    low: datetime | None
    high: datetime | None


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def _scopes(consent: Mapping[str, Any]) -> set[str]:
    scope = consent.get("scope")
    return {
        str(coding.get("code", ""))
        for coding in _dicts(scope.get("coding") if isinstance(scope, Mapping) else None)
    }


def _within(period: Any, at: datetime | None) -> bool:
    """Whether the moment, or now where none is given, lies in the period; always where there is none."""
    if not period or not isinstance(period, Mapping):
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
    except (ValueError, OverflowError):
        return text[:10]


def _applies(provision: Mapping[str, Any], purpose: str, at: datetime | None) -> bool:
    denies = provision.get("type") == "deny"
    narrowed = {name for name in _NARROWING if provision.get(name)}
    if narrowed and not (denies and narrowed <= _OF_A_PART and purpose not in {*_CARE, UNASSERTED}):
        return False
    if not _within(provision.get("period"), at):
        return False
    purposes = _dicts(provision.get("purpose"))
    return not purposes or any(
        _is_purpose(coding, denies=denies) and covers(str(coding.get("code", "")), purpose)
        for coding in purposes
    )


def _is_purpose(coding: Mapping[str, Any], *, denies: bool) -> bool:
    """Whether it is a code of v3-ActReason.

    A denial counts where its code is meant without doubt, though the system was left out; a permission does not.
    """
    system = coding.get("system")
    return bool(coding.get("code")) and (system in SYSTEMS or (denies and system is None))


def _base(consent: Mapping[str, Any]) -> Decision | None:
    """What `policyRule` says, where it is one of those that are known here."""
    rule = consent.get("policyRule")
    codings = _dicts(rule.get("coding") if isinstance(rule, Mapping) else None)
    known = {_RULES.get(str(coding.get("code"))) for coding in codings if coding.get("system") in _ACTS}
    # A denial goes before a permission, here as elsewhere.
    return "deny" if "deny" in known else "permit" if "permit" in known else None


def _root(consent: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The provision that exceptions are taken from; None where the Consent has none that is known here."""
    provision = consent.get("provision")
    root = provision if isinstance(provision, Mapping) else {}
    base = _base(consent)
    if base == "deny" and root.get("type") == "permit":
        # What is permitted is the exception, and nothing beside it: a permit of treatment alone is none of research.
        return {"type": base, "provision": [root]}
    if root.get("type") is None and base is not None:
        # R4 consent-definitions.html#Consent.provision: such a root holds exceptions of the base policy. For whom and
        # for what they are is of no consequence to an opt-out, which is of the whole.
        kept = root if base == "permit" else {n: v for n, v in root.items() if n not in _NARROWING}
        return {**kept, "type": base}
    return root or None


def uninterpreted(consent: Mapping[str, Any]) -> str | None:
    """Why an active Consent would decide nothing, though its author meant it to; else None.

    A policy that is only named (`policy`) beside a root provision of a type explains that provision, and does not
    replace it (IHE PCF); a `policyRule` that is not known here may deny what the provision permits. A denial whose
    scope, purpose, depth or patient is not understood would be none.
    """
    if consent.get("status") != "active":
        return None
    scopes = _scopes(consent)
    if not scopes & _SCOPES:
        return _of_another_scope(consent, scopes)
    if consent.get("policyRule") is not None and _base(consent) is None:
        return "policyRule is not OPTIN or OPTOUT of v3-ActCode, and no other rule is known here"
    root = _root(consent)
    if root is None or root.get("type") not in ("permit", "deny"):
        return "provision has no type permit or deny, and what the policy says is not known here"
    nested = _dicts(root.get("provision"))
    for provision in (root, *nested):
        purposes = _dicts(provision.get("purpose"))
        if (
            provision.get("type") == "deny"
            and purposes
            and not any(_is_purpose(coding, denies=True) for coding in purposes)
        ):
            return (
                "provision.purpose of a denial is no code of v3-ActReason, and no other purpose is known here"
            )
    deeper = (inner for provision in nested for inner in _dicts(provision.get("provision")))
    if any(
        inner.get("type") == "deny" and not any(inner.get(name) for name in _NARROWING) for inner in deeper
    ):
        return "a denial is nested deeper than one level of exceptions, which is not looked at here"
    if any(provision.get("type") == "deny" for provision in (root, *nested)):
        return _of_nobody(consent)
    return None


def _of_another_scope(consent: Mapping[str, Any], scopes: set[str]) -> str | None:
    """Why a Consent that is not to privacy or research would decide nothing, though it denies purposes of use."""
    denied = {denial.purpose for denial in denials({**consent, "scope": _PRIVACY})}
    # To a treatment or in advance, a denial without a purpose is of care, and of nothing that is decided here.
    if scopes & _OF_CARE and (UNASSERTED in denied or denied <= _CARE):
        return None
    if denied:
        return "a denial of purposes of use counts in a Consent of the scope patient-privacy or research"
    return None


_PRIVACY = {"coding": [{"code": "patient-privacy"}]}


def _of_nobody(consent: Mapping[str, Any]) -> str | None:
    """Why a denial is of no Patient here; None where it is of one."""
    if any(owners_of({**consent, "resourceType": "Consent"}).patients):
        return None
    return "patient is no reference to a Patient here (Patient/ID), so that it is not known who denies"


def decision(consent: Mapping[str, Any], purpose: str, at: datetime | None = None) -> Decision | None:
    """The root provision, unless one nested level takes an exception for this purpose; None: it says nothing.

    Args:
        consent: one that is not `active`, of another scope, or out of its period says nothing.
        purpose: code of v3-ActReason.
        at: the moment to check; now where absent.
    """
    root = _root(consent)
    if consent.get("status") != "active" or root is None or not _scopes(consent) & _SCOPES:
        return None
    if not _within(root.get("period"), at):
        return None
    exceptions = {
        provision.get("type")
        for provision in _dicts(root.get("provision"))
        if provision.get("purpose") and _applies(provision, purpose, at)
    }
    # Of two exceptions for one purpose the denial wins, as between consents.
    if "deny" in exceptions:
        return "deny"
    if "permit" in exceptions:
        return "permit"
    kind = root.get("type")
    return kind if kind in ("permit", "deny") and _applies(root, purpose, at) else None


def about_code(
    consent: Mapping[str, Any],
    codes: frozenset[tuple[str, str]],
    purpose: str,
    at: datetime | None = None,
) -> Decision | None:
    """What a Consent says of the content that one of these codes names (`provision.code`), for a purpose.

    A nested provision is an exception from the one above it and goes before it; of two that say different things the
    denial wins. A provision that is narrowed by anything but code, purpose and period says nothing here.
    """
    root = _root(consent)
    if consent.get("status") != "active" or root is None or not _scopes(consent) & {*_SCOPES, "treatment"}:
        return None
    if not _within(root.get("period"), at):
        return None
    for provisions in (_dicts(root.get("provision")), [root]):
        types = {item.get("type") for item in provisions if _is_about(item, codes, purpose, at)}
        if "deny" in types:
            return "deny"
        if "permit" in types:
            return "permit"
    return None


def _is_about(
    provision: Mapping[str, Any], codes: frozenset[tuple[str, str]], purpose: str, at: datetime | None
) -> bool:
    named = {
        (str(coding.get("system", "")), str(coding.get("code", "")))
        for concept in _dicts(provision.get("code"))
        for coding in _dicts(concept.get("coding"))
    }
    if not named & codes:
        return False
    return _applies({name: value for name, value in provision.items() if name != "code"}, purpose, at)


def denials(consent: Mapping[str, Any]) -> list[Denial]:
    """When a Consent denies which purpose, as times that an index can hold."""
    root = _root(consent)
    if consent.get("status") != "active" or root is None:
        return []
    bounds = {_FIRST, _LAST}
    for provision in (root, *_dicts(root.get("provision"))):
        bounds.update(_bounds(provision.get("period")))
    # Between two bounds nothing changes, so any moment there decides for all of them.
    spans = list(pairwise(sorted(bounds)))
    results: list[Denial] = []
    for purpose in (UNASSERTED, *PURPOSES):
        for low, high in spans:
            if decision(consent, purpose, low + (high - low) / 2) != "deny":
                continue
            last = results[-1] if results else None
            begins = None if low == _FIRST else low
            ends = None if high == _LAST else high
            if last is not None and last.purpose == purpose and last.high == low:
                results[-1] = Denial(purpose, last.low, ends)
            else:
                results.append(Denial(purpose, begins, ends))
    return results


def _bounds(period: Any) -> set[datetime]:
    """The moments at which a period begins, and at which it is over."""
    results: set[datetime] = set()
    if not isinstance(period, Mapping):
        return results
    if (start := _first_moment(period.get("start"))) is not None:
        results.add(start)
    if (end := _first_moment(period.get("end"))) is not None:
        results.add(_after(end, str(period["end"])))
    return {bound for bound in results if _FIRST < bound < _LAST}


def _first_moment(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    text = _utc(value)
    # A year or a month begins with its first day.
    full = text + "0001-01-01"[len(text) :] if len(text) < 10 else text
    try:
        return datetime.fromisoformat(full).replace(tzinfo=UTC)
    except ValueError:
        return None


def _after(moment: datetime, text: str) -> datetime:
    """The first moment after what a dateTime of this precision names."""
    try:
        if "T" in text:
            return moment + timedelta(seconds=1)
        if len(text) >= 10:
            return moment + timedelta(days=1)
        if len(text) >= 7:
            return moment.replace(year=moment.year + moment.month // 12, month=moment.month % 12 + 1)
        return moment.replace(year=moment.year + 1)
    except (OverflowError, ValueError):
        return _LAST
