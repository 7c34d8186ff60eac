"""A coded term of an annotation, in the shape that the mapping's `concept()` takes."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Term"]


class Term(NamedTuple):
    """System, code and display; text alone where there is no code.

    `stated`: what the source says, where that is another name than the display.
    """

    system: str | None
    code: str | None
    display: str
    stated: str | None = None

    def codings(self) -> list[tuple[str | None, str | None, str | None, str | None]]:
        """The coding, as `(system, code, display, version)`; none where there is text alone."""
        return [(self.system, self.code, self.display, None)] if self.code else []

    @property
    def text(self) -> str:
        """What people read."""
        return self.stated or self.display
