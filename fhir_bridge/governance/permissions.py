"""What accounts may do beside what scopes say: permissions by name, granted to roles. Nothing asks for a role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fhir_bridge.storage.accounts import Role, User

__all__ = ["Permission", "may"]

Permission = Literal["expunge", "review-prediction", "withdraw-model", "approve-model"]

_OF_ROLE: Mapping[Role, frozenset[Permission]] = {
    "admin": frozenset({"expunge", "review-prediction", "withdraw-model", "approve-model"}),
    "clinician": frozenset({"review-prediction"}),
    "patient": frozenset(),
}


def may(user: User | None, permission: Permission) -> bool:
    """Whether the account has the permission; an application without a person has none."""
    return user is not None and permission in _OF_ROLE[user.role]
