"""What a subscriber may read now: less than when it subscribed, once an account or a client is gone."""

from __future__ import annotations

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.server.smart.scopes import access_of, grant
from fhir_bridge.server.smart.tokens import Caller
from fhir_bridge.server.subscriptions.model import Owner
from fhir_bridge.storage.grants import Grants

__all__ = ["Owners", "owner_of"]

_ANYONE = "nobody asked"
"""The client of a Subscription that was made while authorization was off."""


def owner_of(caller: Caller) -> Owner:
    """Who makes a Subscription with this token."""
    token = caller.token
    if token is None:
        return Owner(_ANYONE)
    account = token.user.id if token.user else ""
    return Owner(
        token.client_id, account, token.grant_id, token.scope, token.patient or "", token.purpose or ""
    )


class Owners:
    """Looks up what owners may read.

    Args:
        open_: whether the server runs without authorization.
    """

    def __init__(self, grants: Grants, *, open_: bool) -> None:
        self._grants = grants
        self._open = open_

    async def access(self, owner: Owner) -> AccessFilter | None:
        """The access; None: the client, the person or what they granted is no more."""
        if owner.client == _ANYONE:
            return EVERYTHING if self._open else None
        standing = await self._grants.standing(owner.client, owner.account, owner.grant)
        if standing is None:
            return None
        return access_of(
            # What the client may do by now, if that became less.
            grant(owner.scope, standing.scope),
            user=standing.user,
            patient=owner.patient or None,
            purpose=owner.purpose or None,
            subject=f"client:{owner.client}" + (f"/user:{owner.account}" if owner.account else ""),
        )
