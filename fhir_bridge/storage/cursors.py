"""Paging cursors: opaque, and good only for the caller and the search they were made for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Any

import orjson

from fhir_bridge.storage.errors import BadCursor

__all__ = ["Cursors"]

_MAC = 16  # 128 bits are beyond guessing, and links stay short


class Cursors:
    """Makes and reads cursors under the database's secret, so that any worker reads what another made."""

    def __init__(self, secret: bytes) -> None:
        # `person` makes it another key than the others that are derived from the same secret.
        self._key = hashlib.blake2b(secret, digest_size=32, person=b"fb-cursor").digest()

    def _mac(self, position: bytes, bound: tuple[Any, ...]) -> bytes:
        # JSON never holds NUL, so no bound and position can be shifted into one another.
        return hmac.digest(self._key, orjson.dumps(bound) + b"\0" + position, "sha256")[:_MAC]

    def make(self, position: list[Any], bound: tuple[Any, ...]) -> str:
        """A cursor that says where the next page begins.

        Args:
            position: sort values and key of the last entry seen.
            bound: what it is good for: the subject, and the search.
        """
        written = orjson.dumps(position)
        # Without padding, which would have to be escaped in a link.
        return base64.urlsafe_b64encode(self._mac(written, bound) + written).decode().rstrip("=")

    def read(self, cursor: str, bound: tuple[Any, ...]) -> list[Any]:
        """The position in a cursor.

        Raises:
            BadCursor: it is damaged, or was made for another caller or another search.
        """
        try:
            # The padding is put back. `validate` refuses what decoding would skip: a cursor has one form.
            text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadCursor("the paging cursor can't be read") from error
        mac, position = text[:_MAC], text[_MAC:]
        # Compared before anything of it is read, and in constant time: a position is input for SQL.
        if not hmac.compare_digest(mac, self._mac(position, bound)):
            raise BadCursor("the paging cursor was made for another caller or another search")
        results: list[Any] = orjson.loads(position)
        return results
