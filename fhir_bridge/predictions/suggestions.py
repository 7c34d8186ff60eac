"""What a person perhaps meant who wrote something that there is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["near"]


def near(text: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, where something known is like the text; else nothing."""
    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(text.lower(), names, 1, 0.7)
    return f"; did you mean {names[close[0]]}?" if close else ""
