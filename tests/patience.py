"""How long tests wait for what must happen. It ends what hangs; it is no measure of speed on any machine."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["PATIENCE", "until"]

PATIENCE = 240.0
"""Seconds: many times of what anything here takes beside four busy processes."""


def until(condition: Callable[[], object], what: str, pause: float = 0.02) -> None:
    """Wait until the condition holds.

    Raises:
        AssertionError: it does not come to hold.
    """
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(pause)
