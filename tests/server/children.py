"""What small processes do, in a module that takes no time to import."""

from __future__ import annotations

import signal
import sys
from multiprocessing.connection import Connection

STARTUP_FAILURE = 3


def stays(ready: Connection) -> None:
    ready.send(True)
    ready.close()
    signal.pause()


def ignores_sigterm(ready: Connection) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready.send(True)
    while True:
        signal.pause()


def can_not_start(ready: Connection) -> None:
    sys.exit(STARTUP_FAILURE)


def fails_later(ready: Connection) -> None:
    ready.send(True)
    ready.close()
    sys.exit(STARTUP_FAILURE)
