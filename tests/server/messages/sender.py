"""A sender of HL7 v2 over MLLP, and messages for it."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

VT, FS, CR = b"\x0b", b"\x1c", b"\x0d"


def framed(message: str | bytes) -> bytes:
    raw = message.encode() if isinstance(message, str) else message
    return VT + raw + FS + CR


def adt(
    number: int, patient: str, *, name: str = "Keller", kind: str = "A08", at: str = "20260101080000"
) -> str:
    """A registration of a patient."""
    return (
        f"MSH|^~\\&|ADT|HOSP|||{at}+0100||ADT^{kind}|A{number}|P|2.5.1\r"
        f"EVN|{kind}|{at}+0100\rPID|1||{patient}^^^HOSP^MR||{name}^Ada||19600102|F\r"
    )


def oru(number: int, patient: str, results: int = 5, *, status: str = "F", value: float = 1.0) -> str:
    """Results of an order of its own; the time follows the number."""
    at = f"202601{1 + number // 1440 % 28:02d}{number // 60 % 24:02d}{number % 60:02d}00+0100"
    lines = [
        f"MSH|^~\\&|LAB|HOSP|||{at}||ORU^R01|M{number}|P|2.5.1",
        f"PID|1||{patient}^^^HOSP^MR||Keller^Ada||19600102|F",
        f"OBR|1|P{number}|F{number}|58410-2^CBC panel^LN|||{at}|||||||||||||||{at}||LAB|{status}",
        *(
            f"OBX|{n}|NM|{1000 + n}-1^Test {n}^LN|{n}|{value + n}|g/L|1-9||||{status}|||{at}"
            for n in range(1, results + 1)
        ),
    ]
    return "\r".join(lines) + "\r"


class Sender:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._read = b""

    def send(self, *messages: str | bytes) -> list[dict[str, str]]:
        """Send messages in one write, and wait for all answers."""
        self.socket.sendall(b"".join(framed(message) for message in messages))
        return [self.answer() for _ in messages]

    def answer(self) -> dict[str, str]:
        """The next ACK: code, id of what it answers, and the text itself.

        Raises:
            ConnectionError: the server ended the connection.
        """
        while FS not in self._read:
            piece = self.socket.recv(65536)
            if not piece:
                raise ConnectionError
            self._read += piece
        frame, _, self._read = self._read.partition(FS)
        text = frame.strip(VT + CR).decode("latin-1")
        line = next(line for line in text.split("\r") if line.startswith("MSA"))
        fields = [*line.split("|"), ""]
        return {"code": fields[1], "id": fields[2], "text": text}

    def is_closed(self) -> bool:
        """Whether the server has ended the connection; waits for it."""
        try:
            return self.socket.recv(1) == b""
        except OSError:
            return True


@contextmanager
def connected(port: int, *, seconds: float = 60, tls: ssl.SSLContext | None = None) -> Iterator[Sender]:
    """A connection to the listener, once it accepts."""
    end = time.monotonic() + seconds
    while True:
        try:
            plain = socket.create_connection(("127.0.0.1", port), timeout=60)
            break
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
    connection = tls.wrap_socket(plain, server_hostname="localhost") if tls is not None else plain
    try:
        yield Sender(connection)
    finally:
        connection.close()


def codes(answers: Sequence[dict[str, str]]) -> list[str]:
    return [answer["code"] for answer in answers]
