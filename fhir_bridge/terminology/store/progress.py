"""How an import indicates how far it is."""

from __future__ import annotations

__all__ = ["Progress"]


class Progress:
    """Hears how an import goes; this one does nothing with it."""

    def begin(self, what: str, total: int = 0, unit: str = "bytes") -> None:
        """A stretch of work begins.

        Args:
            what: what is done, in words.
            total: how much of it there is; 0 where that is not known.
            unit: of what: `bytes` or `concepts`.
        """

    def advance(self, count: int) -> None:
        """So much more is done."""
