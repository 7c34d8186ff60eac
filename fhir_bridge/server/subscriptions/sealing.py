"""Headers of a channel hold passwords: they are kept encrypted in the resource, and sent to its endpoint alone."""

from __future__ import annotations

import base64
import re
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_bridge.egress import origin_of

__all__ = ["SEAL", "Seal", "SealError"]

SEAL: Final = b"subscription headers"
"""What the key is derived for."""

LONGEST: Final = 8_000
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_RESERVED: Final = frozenset(
    "connection content-encoding content-length content-type date expect host keep-alive te trailer "
    "transfer-encoding upgrade via".split()
)
"""Headers that frame or route a message: set by a subscriber they could smuggle a second one, or reach another host."""
_PREFIX: Final = "sealed:"
_NONCE: Final = 12


class SealError(ValueError):
    """A sealed header that was sealed for another client or endpoint, or by another key."""


class Seal:
    """Encrypts header values (AES-GCM), each bound to its client, endpoint and name.

    Bound: else a client that may read another's Subscription could copy the value into its own, and have it sent to
    itself.

    Args:
        key: 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def closed(self, header: str, client: str, endpoint: str) -> str:
        """`Name: value` with its value sealed; one that is sealed already stays, if it was sealed for the same.

        Raises:
            SealError: it was sealed for others.
            ValueError: it is no header.
        """
        name, value = _parts(header)
        if value.startswith(_PREFIX):
            self.opened(header, client, endpoint)
            return header
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher.encrypt(nonce, value.encode(), _bound(name, client, endpoint))
        return f"{name}: {_PREFIX}{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def opened(self, header: str, client: str, endpoint: str) -> tuple[str, str]:
        """Name and value of a sealed header.

        Raises:
            SealError: it was sealed for others, or by another key.
        """
        name, value = _parts(header)
        try:
            content = base64.urlsafe_b64decode(value.removeprefix(_PREFIX))
            return name, self._cipher.decrypt(
                content[:_NONCE], content[_NONCE:], _bound(name, client, endpoint)
            ).decode()
        except (ValueError, InvalidTag) as error:
            raise SealError(
                f"the header {name} was sealed for another client or endpoint: write its value"
            ) from error


def _parts(header: str) -> tuple[str, str]:
    name, colon, value = (part.strip() for part in header.partition(":"))
    if (
        not colon
        or not value
        or not (header.isascii() and header.isprintable())
        or not _TOKEN.fullmatch(name)
    ):
        raise ValueError("a header is `Name: value` in printable ASCII, its name a token (RFC 9110 §5.6.2)")
    if len(header) > LONGEST:
        raise ValueError(f"a header has at most {LONGEST} characters")
    if name.lower() in _RESERVED or name.lower().startswith("proxy-"):
        raise ValueError(
            f"the header {name} says how a message is sent, which is not for a subscriber to say"
        )
    return name, value


def _bound(name: str, client: str, endpoint: str) -> bytes:
    return "\n".join((client, origin_of(endpoint), name.lower())).encode()
