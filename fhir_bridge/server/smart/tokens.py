"""From a bearer token to what its holder may do, kept for a few seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.governance import audit
from fhir_bridge.server.smart.scopes import access_of
from fhir_bridge.storage.accounts import digest
from fhir_bridge.storage.grants import Grants, TokenInfo

__all__ = ["ANYONE", "Caller", "TokenReader", "agent_of"]

# Long enough to spare a burst of requests the query, short enough for a revocation to count.
KEPT_SECONDS = 5.0
"""How long a worker may still take a token that another worker saw revoked."""
MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the access, and the token it comes from (None where authorization is off)."""

    access: AccessFilter
    token: TokenInfo | None

    @property
    def patient(self) -> str | None:
        """The patient in context."""
        return self.token.patient if self.token else None


def agent_of(token: TokenInfo | None) -> audit.Agent | None:
    """The person behind a token, as AuditEvents name one."""
    user = token.user if token else None
    return audit.Agent(user.id, user.display, user.fhir_user) if user else None


ANYONE = Caller(EVERYTHING, None)
"""Whoever calls a server without authorization."""


class TokenReader:
    """Access tokens of one audience.

    Args:
        grants: where tokens are looked up.
        audience: the FHIR base URL; a token for another one is none.
    """

    def __init__(self, grants: Grants, audience: str) -> None:
        self._grants = grants
        self._audience = audience
        self._kept: dict[bytes, tuple[float, Caller]] = {}

    async def caller(self, token: str) -> Caller | None:
        """The caller of a valid access token; a refresh or id token, or one of another server, is none."""
        # By hash: the tokens themselves are kept nowhere.
        key = digest(token)
        kept = self._kept.get(key)
        now = time.monotonic()
        if kept is not None and kept[0] > now:
            return kept[1]
        info = await self._grants.info(token)
        if info is None or info.kind != "access" or info.audience != self._audience:
            self._kept.pop(key, None)
            return None
        # For counting turns (`Slots`) and binding cursors: client and person, not the token, which is renewed.
        subject = f"client:{info.client_id}" + (f"/user:{info.user.id}" if info.user else "")
        access = access_of(
            info.scope, user=info.user, patient=info.patient, purpose=info.purpose, subject=subject
        )
        caller = Caller(access, info)
        # Cleared whole: tokens that are in use are back with their next request.
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[key] = (now + min(KEPT_SECONDS, max(info.expires - time.time(), 0.0)), caller)
        return caller

    def forget(self) -> None:
        """Look up every token anew: something was revoked."""
        self._kept.clear()
