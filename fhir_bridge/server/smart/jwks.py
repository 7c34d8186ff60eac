"""Public keys of registered applications, fetched from their registered address and kept as long as it says."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from fhir_bridge.egress import EgressRefused
from fhir_bridge.fhir.serialization import JsonError, loads
from fhir_bridge.storage.accounts import Client

__all__ = ["JwksCache", "JwksUnavailable", "usable_keys"]

JWKS_BYTES = 256 * 1024
LONGEST_SECONDS = 3600
DEFAULT_SECONDS = 300
"""Where the answer says nothing about caching."""
REFETCH_SECONDS = 60
"""Between two fetches of a set that may still be kept, for key ids that it does not hold."""
FETCH_SECONDS = 1.0
"""Between two fetches of a set that must not be kept."""
TOTAL_SECONDS = 4.0
"""How long a fetch may take as a whole, however slowly the set comes."""
FAILURE_SECONDS = 10.0
"""How long the failure of an address is the answer to who asks for its keys."""
MOST_WAITING = 10
"""Callers who wait for the keys of one address at once: each holds a place that requests of others need."""
MOST_WAITING_IN_ALL = 40


class JwksUnavailable(Exception):
    """The key set can't be fetched or read.

    Attributes:
        retry: seconds after which to come again, where too many wait for it already.
    """

    def __init__(self, message: str, *, retry: int = 0) -> None:
        super().__init__(message)
        self.retry = retry


def usable_keys(jwks: Any) -> KeySet:
    """The keys that may verify RS384 or ES384: RSA, and EC on P-384, public part only; others are left aside.

    Raises:
        JwksUnavailable: it is no JWK Set, or holds none that fits.
    """
    entries = jwks.get("keys") if isinstance(jwks, dict) else None
    keys: list[Key] = []
    # Bounded: every key is tried where an assertion names none.
    for entry in entries[:100] if isinstance(entries, list) else ():
        if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
            continue
        try:
            # 2048 bits are 342 characters of base64url; RFC 7518 §3.3 forbids shorter keys.
            if entry.get("kty") == "RSA" and len(str(entry.get("n", ""))) >= 342:  # 2048 bits
                # Field by field: a private part, or a stranger's `alg`, must not get in.
                keys.append(
                    RSAKey.import_key(
                        {name: entry[name] for name in ("kty", "n", "e", "kid") if name in entry}
                    )
                )
            elif entry.get("kty") == "EC" and entry.get("crv") == "P-384":
                fields = ("kty", "crv", "x", "y", "kid")
                keys.append(ECKey.import_key({name: entry[name] for name in fields if name in entry}))
        except (JoseError, ValueError, TypeError, KeyError):
            continue  # a key that can't be read verifies nothing; the others may
    if not keys:
        raise JwksUnavailable("the JWK Set holds no RSA key of 2048 bits or P-384 key for signatures")
    return KeySet(keys)


@dataclass(slots=True)
class _Address:
    """What is known of one address. began, ended: of the latest fetch that began, and that ended with an outcome.

    waiting: callers who wait for it.
    """

    keys: KeySet | None = None
    until: float = -math.inf
    began: float = -math.inf
    ended: float = -math.inf
    error: str | None = None
    waiting: int = 0
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)


class JwksCache:
    """Key sets by address (SMART 2.2 client-confidential-asymmetric.html#response: never longer than Cache-Control).

    An address is fetched at the request of whoever names its client, before anything is proven. So callers who come
    while it is fetched share the answer, and the next fetch waits `FETCH_SECONDS`, `REFETCH_SECONDS` where only a
    key id is not known, or `FAILURE_SECONDS` after a failure. Few may wait at once. In each worker.

    Args:
        http: client that follows no redirects, and goes to permitted addresses alone.
        clock: seconds.
    """

    def __init__(self, http: httpx.AsyncClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._http = http
        self._clock = clock
        # As many as there are registered addresses: what a request says of itself is never fetched.
        self._addresses: defaultdict[str, _Address] = defaultdict(_Address)
        self._waiting = 0

    async def of(self, client: Client) -> KeySet:
        """The keys of a client: from its registered address, else as registered.

        Raises:
            JwksUnavailable: the address does not answer with a key set.
        """
        if client.jwks_uri is None:
            return usable_keys(client.jwks)
        address = self._addresses[client.jwks_uri]
        if address.keys is not None and address.until > self._clock():
            return address.keys
        return await self._shared(client.jwks_uri, address)

    async def newer(self, client: Client) -> KeySet | None:
        """The keys as they are now, for a key id that is new; None where they were fetched within the last minute.

        Raises:
            JwksUnavailable: as `of`.
        """
        if client.jwks_uri is None:
            return None
        address = self._addresses[client.jwks_uri]
        if not address.fetching.locked() and self._clock() < address.began + REFETCH_SECONDS:
            return None
        return await self._shared(client.jwks_uri, address)

    async def _shared(self, uri: str, address: _Address) -> KeySet:
        """What the address answers to this caller and to those who wait with it."""
        asked = self._clock()
        if address.error is not None and asked < address.ended + FAILURE_SECONDS:
            raise JwksUnavailable(address.error)
        if address.waiting >= MOST_WAITING or self._waiting >= MOST_WAITING_IN_ALL:
            raise JwksUnavailable(
                "too many wait for keys that are fetched now", retry=math.ceil(TOTAL_SECONDS)
            )
        address.waiting += 1
        self._waiting += 1
        try:
            async with address.fetching:
                if address.ended <= asked:
                    await asyncio.sleep(max(0.0, address.began + FETCH_SECONDS - self._clock()))
                    await self._renew(uri, address)
                if address.error is not None:
                    raise JwksUnavailable(address.error)
                assert address.keys is not None
                return address.keys
        finally:
            address.waiting -= 1
            self._waiting -= 1

    async def _renew(self, uri: str, address: _Address) -> None:
        # Before the fetch: one that is cancelled, since its caller is gone, counts as well.
        address.began = self._clock()
        try:
            answer, body = await self._fetch(uri)
            keys = usable_keys(body)
        except JwksUnavailable as error:
            # A set that is kept stays: its time is not over.
            address.error, address.ended = str(error), self._clock()
            return
        # Never longer than an hour, whatever it says: a compromised key must end some day.
        # 0 where it must not be kept: only those who waited for it get it.
        seconds = _seconds(answer.headers.get("cache-control", ""))
        address.keys, address.error, address.ended = keys, None, self._clock()
        address.until = address.ended + seconds

    async def _fetch(self, uri: str) -> tuple[httpx.Response, Any]:
        try:
            # As a whole: the time limits of the transport are for each piece, and pieces may come without end.
            async with (
                asyncio.timeout(TOTAL_SECONDS),
                self._http.stream("GET", uri, headers={"Accept": "application/json"}) as answer,
            ):
                if answer.status_code != 200:
                    raise JwksUnavailable(f"the JWKS address answers {answer.status_code}")
                content = b""
                async for chunk in answer.aiter_bytes():
                    # Piece by piece: the address belongs to somebody else, and may send without end.
                    content += chunk
                    if len(content) > JWKS_BYTES:
                        raise JwksUnavailable("the JWK Set is too large")
                return answer, loads(content)
        except EgressRefused as error:
            raise JwksUnavailable(f"the JWKS address may not be asked: {error}") from error
        except TimeoutError as error:
            raise JwksUnavailable(f"the JWKS address takes longer than {TOTAL_SECONDS:g} seconds") from error
        except httpx.HTTPError as error:
            raise JwksUnavailable(f"the JWKS address does not answer ({type(error).__name__})") from error
        except JsonError as error:
            raise JwksUnavailable("the JWKS address does not answer with JSON") from error


def _seconds(cache_control: str) -> int:
    directives = cache_control.lower()
    if "no-store" in directives or "no-cache" in directives:
        return 0
    match = re.search(r"max-age\s*=\s*(\d{1,9})", directives)
    return min(int(match.group(1)), LONGEST_SECONDS) if match else DEFAULT_SECONDS
