"""The MLLP listener: messages of several senders at once, acknowledged once they are stored."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from fhir_bridge.adapters.ehr.hl7v2.acknowledgment import acknowledgments
from fhir_bridge.adapters.ehr.hl7v2.mllp import Deframer, FrameTooLarge, NoFrame, framed
from fhir_bridge.pipeline.receiving import Incoming, Receipt, Unavailable
from fhir_bridge.server.receiving.intake import Intake, answer
from fhir_bridge.server.receiving.peers import may_send, tls_context
from fhir_bridge.server.settings import Settings

__all__ = ["Listener"]

PIECE = 64 * 1024
UNANSWERED = 64
"""Messages of one connection that are under way; the next is read once one of them is answered."""
FRAME_SECONDS = 60.0
"""How long a frame that has begun may take from one piece to the next, and an answer to be taken."""
MOST_MESSAGES = 4
"""Messages of the largest size for which there is memory at once, over all connections."""

_log = logging.getLogger("fhir_bridge.mllp")

_Answer = tuple[bytes, asyncio.Future[Receipt]]


class _Memory:
    """Bytes of messages that are here at once; who needs more waits until others are done."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._changed = asyncio.Condition()

    async def take(self, count: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._free >= count)
            self._free -= count

    async def give_back(self, count: int) -> None:
        async with self._changed:
            self._free += count
            self._changed.notify_all()


class Listener:
    """Accepts connections and answers messages.

    Args:
        intake: where messages go.
    """

    def __init__(self, settings: Settings, intake: Intake) -> None:
        self._settings = settings
        self._intake = intake
        self._memory = _Memory(MOST_MESSAGES * settings.max_message_bytes)
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, listening: socket.socket) -> None:
        """Listen.

        Raises:
            OSError, ssl.SSLError: certificates can't be used.
        """
        self._server = await asyncio.start_server(
            self._connected,
            sock=listening,
            limit=PIECE,
            ssl=tls_context(self._settings),
            ssl_handshake_timeout=10 if self._settings.mllp_certificate else None,
        )

    async def stop(self) -> None:
        """Accept nothing more; connections end once what they are at is answered."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=FRAME_SECONDS / 2)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("",))[0])
        if not may_send(self._settings, peer):
            _log.warning("%s is not listed in mllp_allow: its connection is closed", peer)
            writer.close()
            return
        if len(self._connections) >= self._settings.mllp_connections:
            _log.warning("%s is one connection too many (mllp_connections): it is closed", peer)
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await _Connection(self._settings, self._intake, self._memory, reader, writer, peer).serve()
        except asyncio.CancelledError:
            pass  # the server ends
        finally:
            self._connections.discard(task)
            writer.close()


class _Connection:
    """One sender. Messages go in line as they are read; answers go back in the same order."""

    def __init__(
        self,
        settings: Settings,
        intake: Intake,
        memory: _Memory,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        peer: str,
    ) -> None:
        self._settings = settings
        self._intake = intake
        self._memory = memory
        self._reader = reader
        self._writer = writer
        self._peer = peer
        self._answers: asyncio.Queue[_Answer | bytes | None] = asyncio.Queue(UNANSWERED)
        self._taken = 0
        """Bytes of the frame that has begun, as far as there is memory for them."""

    async def serve(self) -> None:
        """Read until the sender is done, and answer all that was read."""
        answering = asyncio.create_task(self._answer())
        reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait({answering, reading}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                await self._put_end(answering)
                await asyncio.wait({answering})
        except asyncio.CancelledError:
            reading.cancel()
            await asyncio.wait({reading})
            await self._put_end(answering)
            await asyncio.wait({answering}, timeout=FRAME_SECONDS / 2)
            raise
        finally:
            for task in (reading, answering):
                task.cancel()
            await asyncio.gather(reading, answering, return_exceptions=True)
            await self._memory.give_back(self._taken)
            await self._let_go()

    async def _put_end(self, answering: asyncio.Task[None]) -> None:
        put = asyncio.ensure_future(self._answers.put(None))
        await asyncio.wait({put, answering}, return_when=asyncio.FIRST_COMPLETED)
        put.cancel()

    async def _let_go(self) -> None:
        """Give the memory of messages back that nobody will answer any more, once they are stored."""
        while not self._answers.empty():
            item = self._answers.get_nowait()
            if isinstance(item, tuple):
                await self._memory.give_back(len(item[0]))

    async def _read(self) -> None:
        deframer = Deframer(self._settings.max_message_bytes)
        with _closed_by_peer():
            while True:
                piece = await self._piece(deframer)
                if not piece:
                    if deframer.inside:
                        _log.warning("%s ended within a message", self._peer)
                    return
                try:
                    for message in deframer.feed(piece):
                        await self._message(message)
                except FrameTooLarge as error:
                    most = self._settings.max_message_bytes
                    _log.warning("%s sent a message of more than %d bytes", self._peer, most)
                    await self._refuse(error.start, f"a message has at most {most} bytes here")
                    return
                except NoFrame:
                    _log.warning("%s does not send MLLP: its connection is closed", self._peer)
                    return
                await self._hold(deframer.pending)

    async def _piece(self, deframer: Deframer) -> bytes:
        if not deframer.inside:  # a connection may be silent for days
            return await self._reader.read(PIECE)
        try:
            async with asyncio.timeout(FRAME_SECONDS):
                return await self._reader.read(PIECE)
        except TimeoutError:
            _log.warning("%s began a message and did not go on", self._peer)
            return b""

    async def _hold(self, pending: int) -> None:
        """Have memory for the frame that has begun."""
        if pending > self._taken:
            try:
                async with asyncio.timeout(FRAME_SECONDS):
                    await self._memory.take(pending - self._taken)
            except TimeoutError:
                raise ConnectionAbortedError("there was no memory for its message") from None
        else:
            await self._memory.give_back(self._taken - pending)
        self._taken = pending

    async def _message(self, message: bytes) -> None:
        if not message.strip(b"\r\n\x00 \t"):
            await self._refuse(message, "the message is empty")
            return
        # What was held of it as it grew is its own now.
        if len(message) > self._taken:
            await self._memory.take(len(message) - self._taken)
        else:
            await self._memory.give_back(self._taken - len(message))
        self._taken = 0
        try:
            receipt = await self._intake.submit(Incoming(message, "mllp", self._peer))
            await self._answers.put((message, receipt))
        except asyncio.CancelledError:
            await self._memory.give_back(len(message))
            raise

    async def _refuse(self, message: bytes, text: str) -> None:
        for refusal in acknowledgments(message, "AR", 0, [("E", "FB-HL7-010", text)], kept=False):
            await self._answers.put(refusal)

    async def _answer(self) -> None:
        with _closed_by_peer():
            while (item := await self._answers.get()) is not None:
                if isinstance(item, bytes):
                    texts = [item]
                else:
                    message, receipt = item
                    try:
                        # The future is the intake's: cancelling this connection must not cancel it.
                        _, texts = answer(self._settings, message, await asyncio.shield(receipt))
                    except Unavailable:
                        return  # no answer, and the end of the connection: the sender sends it again
                    finally:
                        await self._memory.give_back(len(message))
                if texts:
                    self._writer.write(b"".join(map(framed, texts)))
                    async with asyncio.timeout(FRAME_SECONDS):
                        await self._writer.drain()


@contextmanager
def _closed_by_peer() -> Iterator[None]:
    """The sender went away, or takes no answers."""
    with suppress(ConnectionError, TimeoutError, ssl.SSLError, OSError):
        yield
