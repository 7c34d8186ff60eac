"""Purposes of use: why somebody looks at a record (v3-ActReason, as IHE PCF uses them)."""

from __future__ import annotations

__all__ = ["OF_OTHERS", "PURPOSES", "SYSTEM", "SYSTEMS", "UnknownPurpose", "coding", "covers", "require"]

SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
SYSTEMS = frozenset({SYSTEM, "urn:oid:2.16.840.1.113883.5.8"})
"""The names of v3-ActReason: its canonical address, and its OID as V3 documents give it."""

PURPOSES: dict[str, str] = {
    "TREAT": "treatment",
    "ETREAT": "Emergency Treatment",
    "BTG": "break the glass",
    "HPAYMT": "healthcare payment",
    "HOPERAT": "healthcare operations",
    "HRESCH": "healthcare research",
    "CLINTRCH": "clinical trial research",
    "PATRQT": "patient requested",
}
"""Code and display of the purposes that this server asserts."""

OF_OTHERS = frozenset({"HRESCH", "CLINTRCH", "HPAYMT"})
"""Purposes of those who do not run the hospital. Who cares for patients chooses ids, as do the systems that feed their
records: one patient's denial must not end that."""

_PARENTS = {"ETREAT": "TREAT", "CLINTRCH": "HRESCH"}
_EVERY = "PurposeOfUse"
"""The concept of v3-ActReason that all purposes are under."""


class UnknownPurpose(ValueError):
    """FB-GOV-001: not a purpose of use that this server knows."""


def require(code: str) -> str:
    """The code, where it is known.

    Raises:
        UnknownPurpose: it is not.
    """
    if code not in PURPOSES:
        raise UnknownPurpose(f'"{code}" is no purpose of use; use one of {", ".join(PURPOSES)}')
    return code


def coding(code: str) -> dict[str, str]:
    """The purpose as a Coding."""
    return {"system": SYSTEM, "code": require(code), "display": PURPOSES[code]}


def covers(general: str, purpose: str) -> bool:
    """Whether a rule about `general` is also about `purpose`: the same, or one under it (CLINTRCH under HRESCH)."""
    if general == _EVERY:
        return True
    current: str | None = purpose
    while current is not None:
        if current == general:
            return True
        current = _PARENTS.get(current)
    return False
