"""The key that signs id_tokens. It lives in the database, so that all workers and restarts share it."""

from __future__ import annotations

import time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwt
from joserfc.jwk import RSAKey

from fhir_bridge.storage.grants import Grants

__all__ = ["SigningKey"]


def _make() -> dict[str, Any]:
    key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, private=True)
    key.ensure_kid()
    return dict(key.as_dict(private=True))


def _imported(jwk: dict[str, Any]) -> RSAKey:
    return RSAKey.import_key(jwk)


class SigningKey:
    """RS256 (SMART 2.2 scopes-and-launch-context.html: id_tokens are signed with RSA SHA-256)."""

    def __init__(self, jwk: dict[str, Any]) -> None:
        self._key = _imported(jwk)

    @classmethod
    async def load(cls, grants: Grants) -> SigningKey:
        """The key of this database; made at the first start."""
        return cls(await grants.signing_key(_make))

    def public(self) -> dict[str, Any]:
        """The JWK Set that clients fetch."""
        return {"keys": [self._key.as_dict(private=False)]}

    def secret(self, use: bytes) -> bytes:
        """32 bytes for one use, derived from the key: the same in all processes of this database."""
        private = self._key.as_bytes(encoding="DER", private=True)
        return HKDF(hashes.SHA256(), 32, salt=None, info=use).derive(private)

    def sign(self, claims: dict[str, Any], seconds: int) -> str:
        """A compact JWS of these claims with `iat` and `exp`."""
        now = int(time.time())
        header = {"alg": "RS256", "kid": str(self._key.kid)}
        return jwt.encode(
            header, {**claims, "iat": now, "exp": now + seconds}, self._key, algorithms=["RS256"]
        )
