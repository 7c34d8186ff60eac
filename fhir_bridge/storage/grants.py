"""What applications were granted: launches, codes, access and refresh tokens, and the keys that sign id_tokens.

Tokens are opaque random text, stored as SHA-256 hashes, so that a revocation counts at once and a copy of the
database opens nothing. Codes, launches and refresh tokens are spent by one atomic statement each.
"""

# ruff: noqa: S608 - statements are joined from constants of this file; values go as parameters

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from fhir_bridge.storage.accounts import USER_COLUMNS, User, digest, user_of

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["CodeRedeemed", "Grant", "Grants", "Issued", "Launch", "Standing", "TokenInfo"]

# RFC 6749 §4.1.2 recommends ten minutes at most; the redirect back takes seconds.
CODE_SECONDS = 60
LAUNCH_SECONDS = 300
ACCESS_SECONDS = 3600
"""SMART 2.2: access tokens no longer than one hour."""
BACKEND_SECONDS = 300
"""SMART 2.2 backend-services.html: no longer than five minutes."""
# The life of the grant itself: a refresh token never outlives it, however often it is renewed.
REFRESH_DAYS = 90


@dataclass(frozen=True, slots=True)
class Launch:
    """What an EHR launch brings: who launched which application for whom."""

    client_id: str
    account: str
    patient: str
    encounter: str | None
    intent: str | None


@dataclass(frozen=True, slots=True)
class Grant:
    """An authorization, before tokens are built from it.

    Attributes:
        audience: the FHIR base the tokens are for.
        purpose: purpose of use (v3-ActReason) as this server asserts it.
        context: further parameters of the token response (`need_patient_banner`, `intent`, …).
        session: the browser session it came from; an `online_access` refresh token ends with it.
    """

    client_id: str
    scope: str
    audience: str
    account: str | None = None
    purpose: str | None = None
    patient: str | None = None
    encounter: str | None = None
    nonce: str | None = None
    session: bytes | None = None
    signed_in: float | None = None
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Standing:
    """An authorization that still stands. scope: what the client is registered for by now."""

    scope: str
    user: User | None


@dataclass(frozen=True, slots=True)
class CodeRedeemed:
    """A code that was spent now, with what the token endpoint has still to compare."""

    grant_id: str
    client_id: str
    redirect_uri: str
    challenge: str | None
    scope: str


@dataclass(frozen=True, slots=True)
class Issued:
    """Tokens, as they leave for the client; only their hashes stay."""

    access: str
    seconds: int
    scope: str
    refresh: str | None


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A valid token and the grant behind it."""

    kind: Literal["access", "refresh"]
    grant_id: str
    client_id: str
    user: User | None
    scope: str
    audience: str
    purpose: str | None
    patient: str | None
    encounter: str | None
    nonce: str | None
    context: dict[str, Any]
    signed_in: float | None
    expires: float
    may_introspect: bool


# `used` is of refresh tokens: one that was spent is no token any more, whatever its time. Everything is looked
# up at each request, so that a revocation, a disabled account or a removed client counts at once.
_INFO = f"""
SELECT t.kind, g.id::text AS grant_id, g.client, t.scope, g.audience, g.purpose, g.patient AS in_context,
       g.encounter, g.nonce, g.context, extract(epoch FROM g.signed_in)::float8 AS signed_in,
       extract(epoch FROM t.expires)::float8 AS expires, c.may_introspect,
       {USER_COLUMNS}
FROM oauth_token t JOIN oauth_grant g ON g.id = t.grant_id JOIN oauth_client c ON c.id = g.client
LEFT JOIN account a ON a.id = g.account
WHERE t.hash = %s AND t.expires > now() AND t.revoked IS NULL AND t.used IS NULL
  AND g.revoked IS NULL AND g.expires > now() AND a.disabled IS NOT TRUE
"""


class Grants:
    """Launches, codes, tokens and keys in PostgreSQL."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def _rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        async with self._store.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(sql.encode(), values)
            return await cursor.fetchall() if cursor.description else []

    # launches

    async def create_launch(self, launch: Launch) -> str:
        """A handle for one EHR launch (SMART 2.2 app-launch.html#launch-app-ehr-launch); lives five minutes."""
        token = secrets.token_urlsafe(32)
        await self._rows(
            "INSERT INTO oauth_launch (hash, client, account, patient, encounter, intent, expires) "
            "VALUES (%s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s))",
            digest(token), launch.client_id, launch.account, launch.patient, launch.encounter, launch.intent,
            LAUNCH_SECONDS,
        )  # fmt: skip
        return token

    async def launch(self, token: str, client_id: str, account: str, *, spend: bool = False) -> Launch | None:
        """The launch of this handle, if it is this client's and user's and not over; `spend` ends it."""
        # Read without spending while the consent page is open; spent when the code is created, so that
        # going back to the page still works.
        columns = "client, account::text AS account, patient, encounter, intent"
        where = "WHERE hash = %s AND client = %s AND account = %s AND expires > now()"
        verb = (
            f"DELETE FROM oauth_launch {where} RETURNING {columns}"
            if spend
            else f"SELECT {columns} FROM oauth_launch {where}"
        )
        rows = await self._rows(verb, digest(token), client_id, account)
        if not rows:
            return None
        row = rows[0]
        return Launch(row["client"], row["account"], row["patient"], row["encounter"], row["intent"])

    # codes

    async def create_code(self, grant: Grant, redirect_uri: str, challenge: str | None) -> str:
        """Keep the grant and give a code for it: URL-safe, for one use, for a minute."""
        code = secrets.token_urlsafe(32)
        grant_id = await self._create_grant(grant)
        await self._rows(
            "INSERT INTO oauth_code (hash, grant_id, redirect_uri, challenge, expires) "
            "VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s))",
            digest(code), grant_id, redirect_uri, challenge, CODE_SECONDS,
        )  # fmt: skip
        return code

    async def _create_grant(self, grant: Grant) -> str:
        rows = await self._rows(
            "INSERT INTO oauth_grant (client, account, session, scope, audience, purpose, patient, encounter, nonce, "
            "context, signed_in, expires) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, to_timestamp(%s), "
            "now() + make_interval(days => %s)) RETURNING id::text AS id",
            grant.client_id, grant.account, grant.session, grant.scope, grant.audience, grant.purpose,
            grant.patient, grant.encounter, grant.nonce, Jsonb(grant.context), grant.signed_in, REFRESH_DAYS,
        )  # fmt: skip
        return str(rows[0]["id"])

    async def redeem_code(self, code: str, client_id: str) -> CodeRedeemed | None:
        """Spend a code. One that comes a second time ends all that was built from it (RFC 6749 §4.1.2)."""
        # Another client's code is not spent by trying it: a stolen code must not end
        # what its owner is about to redeem.
        rows = await self._rows(
            "UPDATE oauth_code c SET used = now() FROM oauth_grant g WHERE c.hash = %s AND g.id = c.grant_id "
            "AND g.client = %s AND c.used IS NULL AND c.expires > now() AND g.revoked IS NULL "
            "RETURNING g.id::text AS grant_id, g.client, c.redirect_uri, c.challenge, g.scope",
            digest(code), client_id,
        )  # fmt: skip
        if rows:
            row = rows[0]
            return CodeRedeemed(
                row["grant_id"], row["client"], row["redirect_uri"], row["challenge"], row["scope"]
            )
        await self._rows(
            "UPDATE oauth_grant g SET revoked = now() FROM oauth_code c WHERE c.hash = %s AND c.grant_id = g.id "
            "AND c.used IS NOT NULL AND g.client = %s", digest(code), client_id,
        )  # fmt: skip
        return None

    # tokens

    async def issue(
        self, grant_id: str, scope: str, *, refresh: bool, seconds: int = ACCESS_SECONDS
    ) -> Issued:
        """Create an access token for the grant, and perhaps a refresh token (which keeps the grant's scope)."""
        access = secrets.token_urlsafe(32)
        renewal = secrets.token_urlsafe(32) if refresh else None
        await self._rows(
            "INSERT INTO oauth_token (hash, grant_id, kind, scope, expires) "
            "VALUES (%s, %s, 'access', %s, now() + make_interval(secs => %s))",
            digest(access), grant_id, scope, seconds,
        )  # fmt: skip
        if renewal:
            # It expires with its grant, whose scope it keeps; the access token beside it may have less.
            await self._rows(
                "INSERT INTO oauth_token (hash, grant_id, kind, scope, expires) "
                "SELECT %s, id, 'refresh', scope, expires FROM oauth_grant WHERE id = %s",
                digest(renewal), grant_id,
            )  # fmt: skip
        return Issued(access, seconds, scope, renewal)

    async def issue_backend(self, grant: Grant) -> Issued:
        """Tokens of a backend service: five minutes, no refresh token."""
        return await self.issue(
            await self._create_grant(grant), grant.scope, refresh=False, seconds=BACKEND_SECONDS
        )

    async def info(self, token: str) -> TokenInfo | None:
        """The grant of a token that is valid now; None reveals nothing about why not."""
        rows = await self._rows(_INFO, digest(token))
        if not rows:
            return None
        row = rows[0]
        user = user_of(row) if row["id"] else None
        return TokenInfo(
            row["kind"], row["grant_id"], row["client"], user, row["scope"], row["audience"], row["purpose"],
            row["in_context"], row["encounter"], row["nonce"], row["context"], row["signed_in"], row["expires"],
            row["may_introspect"],
        )  # fmt: skip

    async def standing(self, client_id: str, account: str, grant_id: str) -> Standing | None:
        """What stands of an authorization long after its tokens: of a service its client, of a person the grant too.

        Args:
            account: the person's; empty for a backend service.
        """
        rows = await self._rows(
            f"SELECT c.scope, {USER_COLUMNS} "
            "FROM oauth_client c LEFT JOIN account a ON a.id = nullif(%s, '')::uuid AND NOT a.disabled "
            "WHERE c.id = %s AND (%s = '' OR (a.id IS NOT NULL AND EXISTS (SELECT FROM oauth_grant g "
            "WHERE g.id = nullif(%s, '')::uuid AND g.client = c.id AND g.account = a.id AND g.revoked IS NULL "
            "AND g.expires > now())))",
            account, client_id, account, grant_id,
        )  # fmt: skip
        if not rows:
            return None
        row = rows[0]
        user = user_of(row) if row["id"] else None
        return Standing(row["scope"], user)

    # Counted by no limit of guesses: a client that comes with its expired token has not guessed.
    async def knows_token(self, token: str) -> bool:
        """Whether this text was ever given out as a token: one that is over is no guess."""
        return bool(await self._rows("SELECT 1 FROM oauth_token WHERE hash = %s", digest(token)))

    async def knows_code(self, code: str) -> bool:
        """Whether this text was ever given out as an authorization code."""
        return bool(await self._rows("SELECT 1 FROM oauth_code WHERE hash = %s", digest(code)))

    async def owner(self, refresh_token: str) -> str | None:
        """The client a refresh token was made for, whether it still serves or not."""
        rows = await self._rows(
            "SELECT g.client FROM oauth_token t JOIN oauth_grant g ON g.id = t.grant_id "
            "WHERE t.hash = %s AND t.kind = 'refresh'", digest(refresh_token),
        )  # fmt: skip
        return str(rows[0]["client"]) if rows else None

    async def spend_refresh(self, token: str, client_id: str) -> TokenInfo | None:
        """Spend a refresh token of this client. One that comes again ends the whole grant (RFC 9700 §4.14.2)."""
        # Read before it is spent, since a spent one is none for `_INFO`. The UPDATE decides
        # alone: of two uses one gets it.
        info = await self.info(token)
        if info is not None and (info.kind != "refresh" or info.client_id != client_id):
            return None
        # online_access (SMART 2.2): usable while the user stays signed in. Other grants carry no session.
        spent = await self._rows(
            "UPDATE oauth_token t SET used = now() FROM oauth_grant g WHERE t.hash = %s AND t.kind = 'refresh' "
            "AND t.used IS NULL AND t.revoked IS NULL AND g.id = t.grant_id AND g.client = %s "
            "AND (g.session IS NULL OR EXISTS "
            "(SELECT FROM account_session s WHERE s.hash = g.session AND s.expires > now())) RETURNING 1",
            digest(token), client_id,
        )  # fmt: skip
        if spent and info is not None:
            return info
        # Also where it was merely expired or unknown: then no row is `used`, and nothing happens.
        await self._rows(
            "UPDATE oauth_grant g SET revoked = now() FROM oauth_token t WHERE t.hash = %s AND t.kind = 'refresh' "
            "AND t.used IS NOT NULL AND g.id = t.grant_id AND g.client = %s", digest(token), client_id,
        )  # fmt: skip
        return None

    async def revoke(self, token: str, client_id: str) -> None:
        """End a token of this client; a refresh token takes its whole grant along (RFC 7009 §2.1)."""
        await self._rows(
            "UPDATE oauth_token t SET revoked = now() FROM oauth_grant g "
            "WHERE t.hash = %s AND g.id = t.grant_id AND g.client = %s", digest(token), client_id,
        )  # fmt: skip
        await self._rows(
            "UPDATE oauth_grant g SET revoked = now() FROM oauth_token t WHERE t.hash = %s AND t.kind = 'refresh' "
            "AND g.id = t.grant_id AND g.client = %s", digest(token), client_id,
        )  # fmt: skip

    async def first_use(self, client_id: str, jti: str, expires: float) -> bool:
        """Whether this assertion is seen for the first time; it is remembered until after it expires."""
        # Longer than an expired assertion is accepted for a difference of clocks (LEEWAY in
        # server/authorization/clients.py).
        rows = await self._rows(
            "INSERT INTO oauth_assertion (client, jti, expires) VALUES (%s, %s, to_timestamp(%s)) "
            "ON CONFLICT DO NOTHING RETURNING 1", client_id, jti, expires + 600,
        )  # fmt: skip
        return bool(rows)

    # keys and housekeeping

    async def signing_key(self, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The private JWK that signs id_tokens; `make()` gives one where the database has none yet, in a thread."""
        rows = await self._rows("SELECT jwk FROM signing_key ORDER BY created DESC LIMIT 1")
        if not rows:
            # Outside the lock: generating a key takes long, and happens once in the life of a database.
            jwk = await asyncio.to_thread(make)
            async with self._store.connection() as connection:
                # NOT EXISTS alone does not see the uncommitted row of another worker: both would insert.
                await connection.execute("LOCK TABLE signing_key IN EXCLUSIVE MODE")
                await connection.execute(
                    "INSERT INTO signing_key (kid, jwk) SELECT %s, %s WHERE NOT EXISTS (SELECT FROM signing_key)",
                    (jwk["kid"], Jsonb(jwk)),
                )
            rows = await self._rows("SELECT jwk FROM signing_key ORDER BY created DESC LIMIT 1")
        return dict(rows[0]["jwk"])

    async def purge(self) -> None:
        """Forget what is over for a day: tokens, codes, launches, assertions, sessions, links."""
        for table in ("oauth_assertion", "oauth_launch", "account_session", "login_link"):
            await self._rows(f"DELETE FROM {table} WHERE expires < now() - interval '1 day'")
        # Spent and expired refresh tokens stay as long as their grant: one that comes
        # again must be recognised to end it.
        await self._rows(
            "DELETE FROM oauth_token WHERE kind = 'access' AND expires < now() - interval '1 day'"
        )
        await self._rows(
            "DELETE FROM oauth_grant g WHERE (g.expires < now() OR g.revoked IS NOT NULL OR g.account IS NULL) "
            "AND g.created < now() - interval '1 day' AND NOT EXISTS "
            "(SELECT FROM oauth_token t WHERE t.grant_id = g.id AND t.expires > now())"
        )
