"""Smaller inputs that still show something: pieces are taken away while it stays (delta debugging, Zeller 2002)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

__all__ = ["smallest"]

T = TypeVar("T")


def smallest(pieces: Sequence[T], shows: Callable[[list[T]], bool]) -> list[T]:
    """The fewest pieces, in order, that still show it: none of them can be left out alone.

    Args:
        shows: whether some pieces show it; all of them must.
    """
    kept = list(pieces)
    size = max(len(kept) // 2, 1)
    while kept:
        reduced = False
        start = 0
        while start < len(kept):
            rest = kept[:start] + kept[start + size :]
            if shows(rest):
                kept, reduced = rest, True
            else:
                start += size
        if size > 1:
            size = max(size // 2, 1)
        elif not reduced:
            break
    return kept
