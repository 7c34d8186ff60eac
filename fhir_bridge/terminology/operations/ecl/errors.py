"""What is wrong with an expression, and where."""

from __future__ import annotations

__all__ = ["EclError"]


class EclError(ValueError):
    """Text that is not ECL, or asks what the code system can't decide; the message says where and what was expected.

    Attributes:
        offset: characters before the place; None where it is the whole.
    """

    def __init__(self, problem: str, offset: int | None = None) -> None:
        super().__init__(problem if offset is None else f"{problem} at character {offset + 1}")
        self.offset = offset
