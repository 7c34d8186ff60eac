"""Resource ids: keyed hashes, so that one source gives one id for ever and an id gives nothing away."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["DEMO_KEY", "IdKey", "MissingPart"]

DEMO_KEY = hashlib.blake2b(b"fhir-bridge demonstration key, public on purpose", digest_size=32).digest()
"""The demo's key: fixed and public, so that anyone gets the same cohort. Never for real patients."""


_LENGTHS = [length.to_bytes(4, "big") for length in range(256)]
"""By their lengths, (`ab`, `c`) and (`a`, `bc`) differ."""

_EMPTY = b"\xff\xff\xff\xff"
"""A length that no part can have, so that an empty part is like no other."""


_FIRST = 1000
"""First parts of ids that are remembered: of the samples of a file, of the last patients of a feed."""


class MissingPart(ValueError):
    """A required part of an id is empty. An id made of less than its key would join what is not one thing."""

    def __init__(self, position: int) -> None:
        super().__init__(f"part {position} of the key is empty")
        self.position = position


def _content(parts: Sequence[str | None], first: int, optional: frozenset[int]) -> bytes:
    """What is hashed of parts, each with its length before it; `first` is the position of the first of them."""
    if len(parts) == 1 and (only := parts[0]):
        encoded = only.encode()
        length = len(encoded)
        return (_LENGTHS[length] if length < 256 else length.to_bytes(4, "big")) + encoded
    content: list[bytes] = []
    for position, part in enumerate(parts, first):
        if part:
            encoded = part.encode()
            length = len(encoded)
            content += (_LENGTHS[length] if length < 256 else length.to_bytes(4, "big"), encoded)
        elif position in optional:
            content.append(_EMPTY)
        else:
            raise MissingPart(position)
    return b"".join(content)


class IdKey:
    """The site's secret, and the ids made with it.

    An id is the blake2b hash (128 bits) of the length-prefixed parts under the site key, in hexadecimal:
    32 characters of the FHIR id alphabet (R4 datatypes.html#id).
    """

    __slots__ = ("_begun", "_keyed", "fingerprint")

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("a site key has at least 16 bytes")
        # Keyed once and copied for each id: the key itself is hashed no more.
        self._keyed = hashlib.blake2b(key=key, digest_size=16)
        self._begun: dict[tuple[str | None, ...], tuple[frozenset[int], tuple[Any, int]]] = {}
        self.fingerprint = hashlib.blake2b(key, digest_size=6, person=b"fb-fingerprint").hexdigest()

    def id(self, *parts: str | None, optional: frozenset[int] = frozenset()) -> str:
        """The id of these parts.

        Args:
            parts: resource type, rule and key values, in this order and no other.
            optional: positions (from 0) that may be empty; an empty one still takes part, as empty.

        Raises:
            MissingPart: a part that is not optional is None or empty.
        """
        # Of one rule the first parts are often those of an id before.
        first = parts[:-1]
        known = self._begun.get(first)
        if known is None or known[0] != optional:
            if len(self._begun) >= _FIRST:
                self._begun.clear()
            known = self._begun[first] = optional, self.begun(*first, optional=optional)
        return self.id_after(known[1], parts[-1], optional=optional)

    def begun(self, *parts: str | None, optional: frozenset[int] = frozenset()) -> tuple[Any, int]:
        """The first parts of ids that have these in common, for `id_after`; `optional` as in `id`.

        Raises:
            MissingPart: a part that is not optional is None or empty.
        """
        digest = self._keyed.copy()
        digest.update(_content(parts, 0, optional))
        return digest, len(parts)

    @staticmethod
    def content(begun: tuple[Any, int], *parts: str | None, optional: frozenset[int] = frozenset()) -> bytes:
        """What `id_after` adds to the parts that `begun` has taken.

        Raises:
            MissingPart: a part that is not optional is None or empty.
        """
        return _content(parts, begun[1], optional)

    @staticmethod
    def id_after(begun: tuple[Any, int], *parts: str | None, optional: frozenset[int] = frozenset()) -> str:
        """The id of the parts that `begun` has taken and these; positions in `optional` are those of `id`.

        Raises:
            MissingPart: a part that is not optional is None or empty.
        """
        digest = begun[0].copy()
        digest.update(_content(parts, begun[1], optional))
        identity: str = digest.hexdigest()
        return identity

    @classmethod
    def load_or_make(cls, path: Path) -> IdKey:
        """Read the site's key, or make it once with mode 0600.

        Raises:
            PermissionError: the file can be read by others than its owner.
        """
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            except FileExistsError:
                pass  # another process made it between the look and the open: its key is the key
            else:
                with os.fdopen(handle, "w") as file:
                    file.write(secrets.token_hex(32) + "\n")
        if path.stat().st_mode & 0o077:
            raise PermissionError(f"{path} must be readable by its owner only (chmod 600 {path})")
        return cls(bytes.fromhex(path.read_text().strip()))
