"""Public keys of registered applications, fetched from their registered address and kept as long as it says."""

from __future__ import annotations

import re
import time
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from fhir_bridge.fhir.serialization import JsonError, loads
from fhir_bridge.storage.accounts import Client

__all__ = ["JwksCache", "JwksUnavailable", "usable_keys"]

JWKS_BYTES = 256 * 1024
LONGEST_SECONDS = 3600
DEFAULT_SECONDS = 300
"""Where the answer says nothing about caching."""


class JwksUnavailable(Exception):
    """The key set can't be fetched or read."""


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


class JwksCache:
    """Key sets by address (SMART 2.2 client-confidential-asymmetric.html#response: never longer than Cache-Control).

    Args:
        http: client that follows no redirects.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._kept: dict[str, tuple[float, KeySet]] = {}

    async def of(self, client: Client, *, fresh: bool = False) -> KeySet:
        """The keys of a client: from its registered address, else as registered. `fresh` asks again.

        Raises:
            JwksUnavailable: the address does not answer with a key set.
        """
        if client.jwks_uri is None:
            return usable_keys(client.jwks)
        kept = self._kept.get(client.jwks_uri)
        if kept is not None and kept[0] > time.monotonic() and not fresh:
            return kept[1]
        answer, body = await self._fetch(client.jwks_uri)
        keys = usable_keys(body)
        seconds = _seconds(answer.headers.get("cache-control", ""))
        if seconds:
            # Never longer than an hour, whatever it says: a compromised key must end some day.
            self._kept[client.jwks_uri] = (time.monotonic() + seconds, keys)
        else:
            self._kept.pop(client.jwks_uri, None)
        return keys

    async def _fetch(self, uri: str) -> tuple[httpx.Response, Any]:
        try:
            async with self._http.stream("GET", uri, headers={"Accept": "application/json"}) as answer:
                if answer.status_code != 200:
                    raise JwksUnavailable(f"the JWKS address answers {answer.status_code}")
                content = b""
                async for chunk in answer.aiter_bytes():
                    # Piece by piece: the address belongs to somebody else, and may send without end.
                    content += chunk
                    if len(content) > JWKS_BYTES:
                        raise JwksUnavailable("the JWK Set is too large")
                return answer, loads(content)
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
