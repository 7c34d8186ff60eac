"""Purposes of use: why somebody looks at a record (v3-ActReason, as IHE PCF uses them)."""

from __future__ import annotations

__all__ = ["PURPOSES", "SYSTEM", "UnknownPurpose", "coding", "covers", "require"]

SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ActReason"

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

_PARENTS = {"ETREAT": "TREAT", "CLINTRCH": "HRESCH"}


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
    current: str | None = purpose
    while current is not None:
        if current == general:
            return True
        current = _PARENTS.get(current)
    return False
