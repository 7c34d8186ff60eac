"""What is received goes in order to one thread, which processes all that has come meanwhile in one transaction.

What takes long, and what of the same patients comes after it, goes to a second thread, so that others need not wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
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
MOST_LINES = 2000
"""Segments of one batch, beyond its first message: who waits for its end waits for these, a millisecond each."""
AT_ONCE = 200
GATHERING_SECONDS = 0.004
"""How long a batch waits for the next messages of those who were answered just now: senders wait for an answer before
they send the next one, and what a transaction costs by itself is then paid once for all of them."""
FEW = 16
"""Messages for which no others are waited for: what a transaction costs by itself is little of what they cost."""
LARGE_LINES = 500
LARGE_BYTES = 512 * 1024
"""A message of more segments or bytes takes long enough that others should not wait for it."""

T = TypeVar("T")

_log = logging.getLogger("fhir_bridge.receiving")


class _Waiting:
    """A message in line. patients: whom it is about, where that was looked at."""

    __slots__ = ("lines", "message", "patients", "receipt")

    def __init__(self, message: Incoming) -> None:
        self.message = message
        self.receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.lines = message.content.count(b"\r") or message.content.count(b"\n")
        self.patients: Sequence[str] = ()

    @property
    def is_large(self) -> bool:
        """Whether it takes long to process."""
        return self.lines > LARGE_LINES or len(self.message.content) > LARGE_BYTES


class _Worker:
    """A thread with a receiver: converting is synchronous and takes longer than an event loop may be kept."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._receiver: Receiver | None = None

    async def open(self) -> Receiver:
        """The receiver, which is opened with the first call.

        Raises:
            MappingErrors, SiteError, CrosswalkError, OtherSiteKey: nothing can be received.
        """
        if self._receiver is None:
            await self.call(self._open)
        assert self._receiver is not None
        return self._receiver

    def _open(self) -> None:
        settings = self._settings
        url = database_url(settings.database_url, data_dir=settings.database_dir)
        self._receiver = Receiver(
            url, settings.site, mapping=settings.hl7v2_mapping, validate=settings.validate_messages
        )

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        """What a function gives, called in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def process(self, batch: Sequence[_Waiting]) -> None:
        """Process messages in one transaction, and settle their receipts."""
        done = asyncio.ensure_future(self._received([item.message for item in batch]))
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

    async def _received(self, messages: list[Incoming]) -> list[Receipt]:
        receiver = await self.open()
        return await self.call(receiver.receive, messages)

    async def close(self) -> None:
        """End, once what is under way is done."""
        if self._receiver is not None:
            await self.call(self._receiver.close)
        self._thread.shutdown()


class Intake:
    """The way into the store for messages; one for a process.

    Messages are processed in the order of `submit`, whoever brings them: of one patient none overtakes another. While a
    batch is under way the next ones gather, so that one commit serves all that came. A large message is processed
    beside the others; those that name a patient of it by any identifier follow it there.
    """

    def __init__(self, settings: Settings) -> None:
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(MOST_WAITING)
        self._beside: asyncio.Queue[_Waiting] = (
            asyncio.Queue()
        )  # its senders hold back: they wait for their answers
        self._patients: Counter[str] = Counter()
        """Identifiers of whom messages are about that are processed beside the others, or wait to be."""
        self._worker = _Worker(settings, "receiving")
        self._second = _Worker(settings, "receiving-large")
        self._tasks: list[asyncio.Task[None]] = []
        self._wanted = 0
        self._gathered = asyncio.Event()

    async def start(self, *, recover: bool = False) -> None:
        """Begin; with `recover` what was kept and not processed comes first.

        Raises:
            MappingErrors, SiteError, CrosswalkError, OtherSiteKey: nothing can be received.
        """
        receiver = await self._worker.open()
        if recover and (count := await self._worker.call(receiver.recover)):
            _log.info("%d messages were kept and not processed: they are now", count)
        self._tasks = [
            asyncio.create_task(self._work(), name="intake"),
            asyncio.create_task(self._work_beside(), name="intake-large"),
        ]

    async def submit(self, message: Incoming) -> asyncio.Future[Receipt]:
        """Put a message in line; waits while the line is full. The future fails where nothing was stored."""
        waiting = _Waiting(message)
        await self._queue.put(waiting)
        if self._queue.qsize() >= self._wanted:
            self._gathered.set()
        return waiting.receipt

    async def replay(self, keys: Sequence[int]) -> list[Receipt]:
        """Process kept messages again, between what comes."""
        receiver = await self._worker.open()
        return await self._worker.call(receiver.replay, list(keys))

    async def stop(self) -> None:
        """End once the batches under way are stored; what still waits is not, and its sender gets no acknowledgment."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for queue in (self._queue, self._beside):
            while not queue.empty():
                _fail(queue.get_nowait().receipt, Unavailable("the server ends"))
        await self._worker.close()
        await self._second.close()

    async def _work(self) -> None:
        while True:
            taken: list[_Waiting] = []
            beside: list[_Waiting] = []
            try:
                async for item in _next(self._queue):
                    taken.append(item)
                    if await self._goes_beside(item):
                        beside.append(item)
                if batch := [item for item in taken if item not in beside]:
                    await self._worker.process(batch)
            except asyncio.CancelledError:
                for item in taken:
                    _fail(item.receipt, Unavailable("the server ends"))
                raise
            # Only now: the batch may hold what came before of their patients.
            for item in beside:
                self._beside.put_nowait(item)
            await self._gather(len(batch))

    async def _gather(self, answered: int) -> None:
        """Wait a moment for as many messages as were answered, beside those that wait already."""
        self._wanted = min(self._queue.qsize() + answered, FEW)
        if self._queue.qsize() >= self._wanted:
            return
        self._gathered.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHERING_SECONDS):
                await self._gathered.wait()

    async def _work_beside(self) -> None:
        while True:
            batch = [item async for item in _next(self._beside)]
            await self._second.process(batch)
            for item in batch:
                self._patients.subtract(item.patients)
            self._patients = +self._patients

    async def _goes_beside(self, item: _Waiting) -> bool:
        """Whether a message is processed beside the others: a large one, and what follows it of its patients."""
        large = item.is_large
        if not large and not self._patients:
            return False
        receiver = await self._worker.open()
        try:
            look = partial(receiver.identifiers, item.message.content)
            named = await asyncio.to_thread(look) if large else look()
        except Exception as error:  # noqa: BLE001 - processing it says what is wrong
            _log.error("looking whom a message is about failed with %s", type(error).__name__)
            named = []
        if not large and not any(name in self._patients for name in named):
            return False
        item.patients = named
        self._patients.update(named)
        return True


async def _next(queue: asyncio.Queue[_Waiting]) -> AsyncIterator[_Waiting]:
    """What waits at present, as much as one transaction should have; one at least."""
    item = await queue.get()
    yield item
    count = size = lines = 0
    while not queue.empty():
        count, size, lines = count + 1, size + len(item.message.content), lines + item.lines
        if count >= AT_ONCE or size >= MOST_BYTES or lines >= MOST_LINES:
            return
        item = queue.get_nowait()
        yield item


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
