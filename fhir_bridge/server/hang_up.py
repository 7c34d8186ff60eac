"""What a connection and the work for its requests know of each other."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["HANGUP", "HangUp"]

HANGUP = "fhir_bridge.hangup"
"""The ASGI extension by which a request learns that its client is gone, and whether all of it is there."""


class HangUp:
    """What stops when the client of a request is gone.

    Attributes:
        whole: whether all of the request has arrived.
    """

    __slots__ = ("gone", "task", "whole")

    def __init__(self) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.gone = self.whole = False

    def now(self) -> None:
        """The client hung up."""
        self.gone = True
        if self.task is not None:
            self.task.cancel()
