"""Processes that end with the one that started them, also where that is killed and can signal nobody (Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["end_with_parent_thread"]

_PR_SET_PDEATHSIG = 1


def end_with_parent_thread(number: signal.Signals, parent: int | None = None) -> None:
    """Send this process a signal once the thread that started it is gone, even in the middle of a call.

    Args:
        parent: the process that started this one, where it may have ended by now: then the signal comes at once.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), number)
