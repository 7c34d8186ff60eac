"""People who sign in, their sessions, and the applications registered with this server.

Secrets are never stored: passwords as argon2id hashes, random tokens (sessions, links, client secrets) as
SHA-256 hashes, which is enough for 256 random bits.
"""

# ruff: noqa: S608 - statements are joined from constants of this file; values go as parameters

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import argon2
from psycopg.errors import UniqueViolation
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = [
    "SESSION_HOURS",
    "USER_COLUMNS",
    "AccountError",
    "Accounts",
    "Authentication",
    "Client",
    "Role",
    "Session",
    "User",
    "check_client_uri",
    "digest",
    "is_storable",
    "user_of",
]

Role = Literal["clinician", "patient", "admin"]
Authentication = Literal["none", "secret", "key"]

SESSION_HOURS = 8
LINK_MINUTES = 15
# Beyond what the machine can hold in memory at once, a burst of sign-ins would end the process.
MOST_HASHING = 2
"""Passwords checked at once; argon2 needs 64 MB for each."""


class AccountError(ValueError):
    """An account or client that can't be made or found; the message is for the person who asked."""


@dataclass(frozen=True, slots=True)
class User:
    """Someone who signs in.

    Attributes:
        id: opaque and stable; the `sub` of an id_token.
        fhir_user: the resource that represents the person (`Practitioner/…`, `Patient/…`); None: no `fhirUser`.
        patient: id of the own Patient, for the role `patient`.
    """

    id: str
    username: str
    display: str
    role: Role
    fhir_user: str | None
    patient: str | None


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that signed in. `csrf` is in every form; `hash` names the session in grants."""

    user: User
    csrf: str
    hash: bytes
    signed_in: float


@dataclass(frozen=True, slots=True)
class Client:
    """A registered application (SMART App Launch 2.2, app-launch.html#register-app-with-ehr).

    Attributes:
        authentication: `none` (public), `secret` (confidential, symmetric) or `key` (confidential, asymmetric).
        scope: the scopes it may be granted, at most.
        purpose: purpose of use (v3-ActReason) of a backend service; the server asserts it, never the caller.
        may_introspect: whether it may ask about tokens of other clients (a resource server).
    """

    id: str
    name: str
    authentication: Authentication
    redirect_uris: tuple[str, ...] = ()
    launch_uri: str | None = None
    scope: str = ""
    jwks_uri: str | None = None
    jwks: dict[str, Any] | None = None
    origins: tuple[str, ...] = ()
    purpose: str | None = None
    may_introspect: bool = False
    secret_hash: bytes | None = None


def digest(secret: str) -> bytes:
    """What is stored of a random secret."""
    return hashlib.sha256(secret.encode()).digest()


def is_storable(text: str) -> bool:
    """Whether PostgreSQL has a text for it: no NUL, and no half of a surrogate pair, which UTF-8 lacks."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def check_client_uri(uri: str, what: str) -> None:
    """Refuse addresses that a browser or this server should never be sent to.

    Raises:
        AccountError: not https (http only on this machine), with user info or a fragment, or without a host.
            A native application may register a private scheme with a dot in it (RFC 8252 §7.1).
    """
    parts = urlsplit(uri)
    # RFC 8252 §7.1: the dot is that of a reversed domain name, which keeps `javascript:` and `data:` out.
    if "." in parts.scheme and what == "redirect URI" and not parts.fragment:
        return
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise AccountError(f"{what} {uri}: use https (http only for this machine)")
    if not parts.hostname or parts.username or parts.password or "#" in uri or any(c.isspace() for c in uri):
        raise AccountError(f"{what} {uri}: give scheme, host and path, without user info or fragment")


@lru_cache(maxsize=1)
def _hasher() -> argon2.PasswordHasher:
    # Default parameters, so that a newer argon2-cffi hashes new passwords more
    # strongly; a hash carries its own.
    return argon2.PasswordHasher()


@lru_cache(maxsize=1)
def _nobody() -> str:
    """A hash to check against where there is no such account, so that both answers take the same time."""
    return _hasher().hash(secrets.token_hex(16))


# In a thread of its own for each check (`asyncio.to_thread`): argon2 releases the interpreter lock meanwhile.
def _check(stored: str | None, password: str) -> bool:
    """Blocking for some tens of milliseconds, and needing 64 MB."""
    try:
        return _hasher().verify(stored or _nobody(), password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        # A hash that can't be read is a wrong password, not an error: an error
        # would show that the account exists.
        return False


USER_COLUMNS = "a.id::text AS id, a.username, a.display, a.role, a.fhir_user, a.patient"
"""Of an account `a`, as `user_of` reads them."""


def user_of(row: dict[str, Any]) -> User:
    """The person of a row with `USER_COLUMNS`."""
    return User(row["id"], row["username"], row["display"], row["role"], row["fhir_user"], row["patient"])


def _client(row: dict[str, Any]) -> Client:
    return Client(
        id=row["id"],
        name=row["name"],
        authentication=row["authentication"],
        redirect_uris=tuple(row["redirect_uris"]),
        launch_uri=row["launch_uri"],
        scope=row["scope"],
        jwks_uri=row["jwks_uri"],
        jwks=row["jwks"],
        origins=tuple(row["origins"]),
        purpose=row["purpose"],
        may_introspect=row["may_introspect"],
        secret_hash=bytes(row["secret_hash"]) if row["secret_hash"] is not None else None,
    )


class Accounts:
    """Users, sessions and clients in PostgreSQL.

    Args:
        store: the open store, whose database they live in.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hashing = asyncio.Semaphore(MOST_HASHING)

    async def _rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        async with self._store.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            # Bytes, here and below: psycopg's types take a `str` only where it is a literal.
            await cursor.execute(sql.encode(), values)
            return await cursor.fetchall() if cursor.description else []

    # users

    async def add_user(
        self,
        username: str,
        password: str | None,
        role: Role,
        *,
        display: str | None = None,
        fhir_user: str | None = None,
        patient: str | None = None,
    ) -> User:
        """Create an account. Without a password it can sign in by a link only.

        Raises:
            AccountError: the name is taken or empty, the password has fewer than 8 characters, or a patient's
                account names no Patient.
        """
        if not username.strip():
            raise AccountError("a user name is needed")
        if password is not None and len(password) < 8:
            raise AccountError("a password has at least 8 characters")
        if role == "patient" and not patient:
            raise AccountError("an account of the role patient names its Patient (--patient ID)")
        if role == "patient" and fhir_user is None:
            fhir_user = f"Patient/{patient}"
        # Before the connection is taken: hashing takes tens of milliseconds, and connections are few.
        hashed = await asyncio.to_thread(_hasher().hash, password) if password is not None else None
        try:
            rows = await self._rows(
                "INSERT INTO account AS a (username, display, password_hash, role, fhir_user, patient) "
                f"VALUES (%s, %s, %s, %s, %s, %s) RETURNING {USER_COLUMNS}",
                username.strip(), display or username, hashed, role, fhir_user, patient,
            )  # fmt: skip
        except UniqueViolation as error:
            raise AccountError(f'the user name "{username}" is taken') from error
        return user_of(rows[0])

    async def unknown_people(self, references: Iterable[str]) -> list[str]:
        """Those of the relative references to people of whom nothing is stored here, each once."""
        wanted = [name for name in dict.fromkeys(references) if name.count("/") == 1]
        rows = await self._rows(
            "SELECT n AS name FROM unnest(%s::text[]) AS n WHERE NOT EXISTS (SELECT FROM resource r "
            "WHERE r.type = split_part(n, '/', 1) AND r.id = split_part(n, '/', 2) AND NOT r.deleted)",
            wanted,
        )
        return [row["name"] for row in rows]

    async def users(self) -> list[User]:
        """All accounts by name."""
        return [
            user_of(row)
            for row in await self._rows(f"SELECT {USER_COLUMNS} FROM account a ORDER BY a.username")
        ]

    async def find_user(self, username: str) -> User | None:
        """The account of this name, whatever the case."""
        rows = await self._rows(
            f"SELECT {USER_COLUMNS} FROM account a WHERE lower(username) = lower(%s)", username
        )
        return user_of(rows[0]) if rows else None

    async def set_password(self, username: str, password: str) -> None:
        """Give an account a new password and end its sessions."""
        if len(password) < 8:
            raise AccountError("a password has at least 8 characters")
        hashed = await asyncio.to_thread(_hasher().hash, password)
        # Who had the old password must not stay signed in: one statement, so that neither happens alone.
        # Applications keep what they were granted, but for online_access, which ends with the session.
        rows = await self._rows(
            "WITH a AS (UPDATE account SET password_hash = %s WHERE lower(username) = lower(%s) RETURNING id), "
            "s AS (DELETE FROM account_session WHERE account IN (SELECT id FROM a)) SELECT id FROM a",
            hashed,
            username,
        )
        if not rows:
            raise AccountError(f'there is no user "{username}"')

    async def remove_user(self, username: str) -> None:
        """Remove an account with its sessions and grants.

        Raises:
            AccountError: there is none of this name.
        """
        # Sessions, links and grants go by ON DELETE CASCADE (migration 0002).
        if not await self._rows(
            "DELETE FROM account WHERE lower(username) = lower(%s) RETURNING id", username
        ):
            raise AccountError(f'there is no user "{username}"')

    # signing in

    async def check_password(self, username: str, password: str) -> User | None:
        """The user, where name and password are right. Who asks limits how often (`storage.attempts`)."""
        rows = await self._rows(
            f"SELECT {USER_COLUMNS}, a.password_hash FROM account a WHERE lower(username) = lower(%s) AND NOT disabled",
            username.strip(),
        )
        # A name that is not there costs the same hashing as one that is: time must not show which names exist.
        stored = rows[0]["password_hash"] if rows else None
        async with self._hashing:
            right = await asyncio.to_thread(_check, stored, password)
        # The hash of nobody is of a random text, but must not sign anyone in even if that were guessed.
        return user_of(rows[0]) if right and stored is not None else None

    async def open_session(self, user: User) -> tuple[str, Session]:
        """Begin a session; gives the cookie's value, which is not stored."""
        # The CSRF token is another secret than the cookie: it is written into pages,
        # the cookie is not readable there.
        cookie, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        rows = await self._rows(
            "INSERT INTO account_session (hash, account, csrf, expires) "
            "VALUES (%s, %s, %s, now() + make_interval(hours => %s)) "
            "RETURNING extract(epoch FROM created)::float8 AS at",
            digest(cookie), user.id, csrf, SESSION_HOURS,
        )  # fmt: skip
        return cookie, Session(user, csrf, digest(cookie), rows[0]["at"])

    async def session(self, cookie: str) -> Session | None:
        """The session of a cookie, unless it ended or the account was disabled."""
        rows = await self._rows(
            f"SELECT {USER_COLUMNS}, s.csrf, s.hash, extract(epoch FROM s.created)::float8 AS at "
            "FROM account_session s JOIN account a ON a.id = s.account "
            "WHERE s.hash = %s AND s.expires > now() AND NOT a.disabled",
            digest(cookie),
        )
        if not rows:
            return None
        return Session(user_of(rows[0]), rows[0]["csrf"], bytes(rows[0]["hash"]), rows[0]["at"])

    async def close_session(self, cookie: str) -> None:
        """Sign out."""
        await self._rows("DELETE FROM account_session WHERE hash = %s", digest(cookie))

    async def create_login_link(self, user: User) -> str:
        """A token that signs this user in once, from this machine, within 15 minutes."""
        token = secrets.token_urlsafe(32)
        await self._rows(
            "INSERT INTO login_link (hash, account, expires) VALUES (%s, %s, now() + make_interval(mins => %s))",
            digest(token), user.id, LINK_MINUTES,
        )  # fmt: skip
        return token

    async def use_login_link(self, token: str) -> User | None:
        """Whom the link signs in; it is spent by this."""
        # DELETE … RETURNING spends the link in one statement: of two uses at the same moment one gets the row.
        rows = await self._rows(
            "DELETE FROM login_link l USING account a WHERE l.hash = %s AND a.id = l.account "
            f"AND l.expires > now() AND NOT a.disabled RETURNING {USER_COLUMNS}", digest(token),
        )  # fmt: skip
        return user_of(rows[0]) if rows else None

    # clients

    async def add_client(
        self,
        client_id: str,
        name: str,
        authentication: Authentication,
        scope: str,
        *,
        redirect_uris: Sequence[str] = (),
        launch_uri: str | None = None,
        jwks_uri: str | None = None,
        jwks: dict[str, Any] | None = None,
        origins: Sequence[str] = (),
        purpose: str | None = None,
        may_introspect: bool = False,
    ) -> tuple[Client, str | None]:
        """Register an application; gives it with its secret (shown once), where it has one.

        The origins of its http(s) redirect URIs may call the API from a browser; `origins` adds more.

        Raises:
            AccountError: the id is taken, an address is unsafe, or a `key` client brings no key.
        """
        # A colon separates id and secret in HTTP Basic (RFC 7617 §2), by which the client authenticates.
        if not client_id or any(c.isspace() or c == ":" for c in client_id):
            raise AccountError("a client id has no spaces and no colon")
        for uri in redirect_uris:
            check_client_uri(uri, "redirect URI")
        for address, what in ((launch_uri, "launch URI"), (jwks_uri, "JWKS URI")):
            if address:
                check_client_uri(address, what)
        if authentication == "key" and not (jwks_uri or jwks):
            raise AccountError("a client that authenticates by key brings its JWKS or the address of it")
        secret = secrets.token_urlsafe(32) if authentication == "secret" else None
        # A private scheme has no origin, and its application no browser that would send one.
        of_redirects = {
            f"{parts.scheme}://{parts.netloc}"
            for parts in map(urlsplit, redirect_uris)
            if parts.scheme in ("http", "https")
        }
        try:
            rows = await self._rows(
                "INSERT INTO oauth_client (id, name, authentication, secret_hash, redirect_uris, launch_uri, scope, "
                "jwks_uri, jwks, origins, purpose, may_introspect) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING *",
                client_id, name, authentication, digest(secret) if secret else None, list(redirect_uris), launch_uri,
                " ".join(scope.split()), jwks_uri, Jsonb(jwks) if jwks else None,
                sorted(of_redirects | set(origins)), purpose, may_introspect,
            )  # fmt: skip
        except UniqueViolation as error:
            raise AccountError(f'the client id "{client_id}" is taken') from error
        return _client(rows[0]), secret

    async def clients(self) -> list[Client]:
        """All registered applications by id."""
        return [_client(row) for row in await self._rows("SELECT * FROM oauth_client ORDER BY id")]

    async def find_client(self, client_id: str) -> Client | None:
        """The application of this id."""
        if not is_storable(client_id):
            return None
        rows = await self._rows("SELECT * FROM oauth_client WHERE id = %s", client_id)
        return _client(rows[0]) if rows else None

    async def remove_client(self, client_id: str) -> None:
        """Remove an application; all it was granted ends.

        Raises:
            AccountError: there is none of this id.
        """
        # Its grants, codes and tokens go by ON DELETE CASCADE (migration 0002).
        if not await self._rows("DELETE FROM oauth_client WHERE id = %s RETURNING id", client_id):
            raise AccountError(f'there is no client "{client_id}"')
