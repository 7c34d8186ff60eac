"""Lines among the records that are none of any form: empty ones, text without columns."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["Fragments"]

_COLUMNS = 2
"""Tabs that a line has at least that may be a record."""


class Fragments:
    """Such lines that follow on each other. They are one record, as a small compressed file may hold millions.

    Attributes:
        lines: how many; filled: how many of them are not empty.
    """

    __slots__ = ("_digest", "filled", "lines")

    def __init__(self) -> None:
        self.lines = self.filled = 0
        self._digest = blake2b(digest_size=16)

    @property
    def content(self) -> bytes:
        """A hash of them, which stands for what they are."""
        return self._digest.digest()

    def take(self, line: bytes) -> bool:
        """Count a line; False of one that may be something."""
        if (
            line.count(b"\t", 0, 1_000) >= _COLUMNS
            or len(line) > 1_000
            or line[:1] == b"#"
            or not line.isascii()
        ):
            return False
        self.lines += 1
        self._digest.update(line + b"\n")
        self.filled += not line.isspace() and line != b""
        return True
