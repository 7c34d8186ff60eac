"""What one request may cost, whatever it nests: entries, bytes of the answer, time."""

from __future__ import annotations

import asyncio
import time
from copy import copy
from types import TracebackType

from fhir_bridge.server.rest.refusal import Refusal, refuse
from fhir_bridge.server.settings import Settings

__all__ = ["Budget"]


class Budget:
    """What is left. The parts of a request (the searches of a batch) share one.

    Attributes:
        entries: resources that may still be given, or entries carried out.
        bytes: of the answer.
    """

    __slots__ = ("_ends", "_seconds", "bytes", "entries")

    def __init__(self, settings: Settings) -> None:
        self.entries = settings.max_request_entries
        self.bytes = settings.max_answer_bytes
        self._seconds = settings.max_request_seconds
        self._ends: float | None = None

    def probing(self) -> Budget:
        """One for looking whether a search can be answered: a single entry, in the same time."""
        # The same end, for the time is one; entries and bytes of a look are not those of the answer.
        probe = copy(self)
        probe.entries = 1
        return probe

    def start(self) -> None:
        """Let the time run, once the request is there and has its turn."""
        if self._ends is None:
            self._ends = time.monotonic() + self._seconds

    @property
    def seconds(self) -> float:
        """Time that is left; 0 where it is over."""
        # Before `start` all of it: waiting for a turn costs nothing.
        return self._seconds if self._ends is None else max(0.0, self._ends - time.monotonic())

    def check(self) -> None:
        """Refuse to begin where nothing is left.

        Raises:
            Refusal: 413 of entries or bytes, 503 of time.
        """
        if self.entries <= 0:
            raise refuse(
                413,
                "FB-REST-018",
                "the request has given all the entries it may: ask for this in another request",
            )
        if self.bytes <= 0:
            raise refuse(
                413, "FB-REST-018", "the answer has all the bytes it may: ask for this in another request"
            )
        if self.seconds <= 0:
            raise self.too_long()

    def spend(self, *, entries: int = 1, size: int = 0) -> None:
        """Take off what was given."""
        self.entries -= entries
        self.bytes -= size

    def limited(self) -> _Limit:
        """Stop the block, and what it waits for in the database, when the time is over.

        Raises:
            Refusal: 503.
        """
        self.start()
        return _Limit(self)

    def too_long(self) -> Refusal:
        """What is said where the time is over."""
        return refuse(
            503, "FB-REST-019", f"a request has {self._seconds:g} seconds here: narrow it, or ask in parts"
        )


class _Limit:
    """The time of a block; a generator for it would cost each request several steps."""

    __slots__ = ("_budget", "_timeout")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._timeout = asyncio.timeout(budget.seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as over:
            raise self._budget.too_long() from over
