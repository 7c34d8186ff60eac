"""What is received goes in order to one thread, which processes all that has come meanwhile in one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from fhir_bridge.adapters.ehr.hl7v2.acknowledgment import Code, acknowledgments
from fhir_bridge.pipeline.receiving import Incoming, Receipt, Receiver, Unavailable
from fhir_bridge.server.settings import Settings
from fhir_bridge.storage.location import database_url

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Intake", "Unavailable", "answer"]

MOST_WAITING = 1000
"""Messages that wait for their turn; who brings more waits until there is room."""
MOST_BYTES = 8 * 1024 * 1024
"""Of one batch, beyond its first message."""
AT_ONCE = 200

T = TypeVar("T")

_log = logging.getLogger("fhir_bridge.receiving")


@dataclass(slots=True)
class _Waiting:
    message: Incoming
    receipt: asyncio.Future[Receipt]


class Intake:
    """The way into the store for messages; one for a process.

    Messages are processed in the order of `submit`, whoever brings them: of one patient none overtakes another. While a
    batch is under way the next ones gather, so that one commit serves all that came.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(MOST_WAITING)
        # A thread of its own: converting is synchronous and takes longer than an event loop may be kept.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="receiving")
        self._receiver: Receiver | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, *, recover: bool = False) -> None:
        """Begin; with `recover` what was kept and not processed comes first.

        Raises:
            MappingErrors, SiteError, CrosswalkError, OtherSiteKey: nothing can be received.
        """
        await self._call(self._open)
        if recover and (count := await self._call(self._recover)):
            _log.info("%d messages were kept and not processed: they are now", count)
        self._task = asyncio.create_task(self._work(), name="intake")

    async def submit(self, message: Incoming) -> asyncio.Future[Receipt]:
        """Put a message in line; waits while the line is full. The future fails where nothing was stored."""
        waiting = _Waiting(message, asyncio.get_running_loop().create_future())
        await self._queue.put(waiting)
        return waiting.receipt

    async def replay(self, keys: Sequence[int]) -> list[Receipt]:
        """Process kept messages again, between what comes."""
        assert self._receiver is not None
        return await self._call(self._receiver.replay, list(keys))

    async def stop(self) -> None:
        """End once the batch under way is stored; what still waits is not, and its sender gets no acknowledgment."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        while not self._queue.empty():
            _fail(self._queue.get_nowait().receipt, Unavailable("the server ends"))
        receiver = self._receiver
        if receiver is not None:
            await self._call(receiver.close)
        self._thread.shutdown()

    def _open(self) -> None:
        settings = self._settings
        url = database_url(settings.database_url, data_dir=settings.database_dir)
        self._receiver = Receiver(url, settings.site, mapping=settings.hl7v2_mapping)

    def _recover(self) -> int:
        assert self._receiver is not None
        return self._receiver.recover()

    async def _call(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def _work(self) -> None:
        assert self._receiver is not None
        while True:
            batch = [await self._queue.get()]
            size = 0
            while len(batch) < AT_ONCE and size < MOST_BYTES and not self._queue.empty():
                batch.append(self._queue.get_nowait())
                size += len(batch[-1].message.content)
            done = asyncio.ensure_future(self._call(self._receiver.receive, [item.message for item in batch]))
            try:
                receipts = await asyncio.shield(done)
            except asyncio.CancelledError:  # the batch under way is stored all the same, and acknowledged
                _settle(batch, await asyncio.gather(done, return_exceptions=True))
                raise
            except Unavailable as error:
                _log.error("the database does not answer (%s): nothing is acknowledged", error)
                for item in batch:
                    _fail(item.receipt, error)
                await asyncio.sleep(1)
            except Exception as error:  # noqa: BLE001 - the line goes on
                _log.error("receiving failed with %s", type(error).__name__, exc_info=error)
                for item in batch:
                    _fail(item.receipt, Unavailable(type(error).__name__))
                await asyncio.sleep(1)
            else:
                _settle(batch, [receipts])


def _settle(batch: Sequence[_Waiting], results: Sequence[list[Receipt] | BaseException]) -> None:
    for receipts in results:
        if isinstance(receipts, BaseException):
            for item in batch:
                _fail(item.receipt, Unavailable(type(receipts).__name__))
            return
        for item, receipt in zip(batch, receipts, strict=True):
            if not item.receipt.done():
                item.receipt.set_result(receipt)


def _fail(receipt: asyncio.Future[Receipt], error: Exception) -> None:
    if not receipt.done():
        receipt.set_exception(error)
        receipt.exception()  # whoever sent it may be gone: nobody asks for it then


def answer(settings: Settings, message: bytes, receipt: Receipt) -> tuple[Code, list[bytes]]:
    """The code that answers a message, and the ACKs that its sender wants, in the order in which they are sent."""
    code: Code = "AA"
    if not receipt.readable:
        code = "AR"
    elif settings.hl7v2_failures == "error" and receipt.status in ("rejected", "refused", "failed"):
        code = "AE"
    errors = [
        ("E" if issue["severity"] in ("error", "fatal") else "W", issue["code"], issue["message"])
        for issue in receipt.issues
        if issue["severity"] != "information"
    ]
    return code, acknowledgments(message, code, receipt.key, errors)
