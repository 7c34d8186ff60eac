"""Hostile clients of the connection itself, with raw sockets: a small application, the bounds shortened."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import uvicorn
from starlette.responses import Response

from fhir_bridge.server import connection
from fhir_bridge.server.admission import Admission
from fhir_bridge.server.connection import bounded
from fhir_bridge.server.joining import JoinedAnswer, answer

ANSWER = 8 * 1024 * 1024
POST = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: "
HELD = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"
"""A body that looks like an answer."""


class Small:
    """An application that answers at once, slowly, or with much."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.cancelled: list[str] = []
        self.headers: list[list[tuple[bytes, bytes]]] = []
        self.released = threading.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        self.begun.append(path)
        body = b"ok"
        try:
            if path == "/slow":
                await asyncio.sleep(60)
            if path == "/body":
                while (await receive()).get("more_body"):
                    pass
                self.headers.append(list(scope["headers"]))
            if path == "/much":
                body = b"x" * ANSWER
            if path == "/head":
                body = HELD
        except asyncio.CancelledError:
            self.cancelled.append(path)
            raise
        if path.startswith("/whole"):
            more = {"x-more": scope["query_string"].decode().replace("|", "\r\n")}
            await answer(Response(b"ok", headers=more), scope, receive, send)
            self.ended.append(path)
            return
        length = [(b"content-length", str(len(body)).encode())] if path != "/stream" else []
        await send({"type": "http.response.start", "status": 200, "headers": length})
        if path == "/stream":
            await asyncio.to_thread(self.released.wait, 20)
        await send({"type": "http.response.body", "body": body})
        self.ended.append(path)


class Recorder:
    """A transport that notes what each of its calls writes."""

    def __init__(self, transport: asyncio.Transport, written: list[list[bytes]]) -> None:
        self.transport, self.written = transport, written

    def is_closing(self) -> bool:
        return self.transport.is_closing()

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.written.append(list(pieces))
        self.transport.writelines(self.written[-1])

    def write(self, data: bytes) -> None:
        self.writelines([data])


class Server(uvicorn.Server):
    """In a thread, which gets no signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Running:
    def __init__(self, most: int = 50, requests: int = 50) -> None:
        self.app = Small()
        self.opened: list[socket.socket] = []
        self.admission = Admission(self.app, requests)
        config = uvicorn.Config(
            self.admission, port=0, http=bounded(most), ws="none", log_level="critical", lifespan="off", loop="uvloop",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self.server = Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        until(lambda: self.server.started)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def open(self, sent: bytes = b"") -> socket.socket:
        made = socket.create_connection(("127.0.0.1", self.port))
        made.settimeout(20)
        self.opened.append(made)
        if sent:
            made.sendall(sent)
        return made

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.01)


def all_of(client: socket.socket) -> bytes:
    """What comes until the server hangs up."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(65536):
            received += chunk
    return received


@contextlib.contextmanager
def run(**more: int) -> Iterator[Running]:
    running = Running(**more)
    try:
        yield running
    finally:
        for client in running.opened:
            client.close()
        running.server.should_exit = True
        running.thread.join(20)
        assert not running.thread.is_alive()


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "EOF_SECONDS", 0.2)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.3)
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.3)


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class TestAnswers:
    def test_head_and_body_are_written_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        written: list[list[bytes]] = []

        class Recording(JoinedAnswer):
            def __init__(self, transport: asyncio.Transport) -> None:
                super().__init__(Recorder(transport, written))  # type: ignore[arg-type]

        monkeypatch.setattr(connection, "JoinedAnswer", Recording)
        with run() as running:
            client = running.open()
            for _ in range(3):
                client.sendall(GET)
                assert client.recv(65536).endswith(b"\r\n\r\nok")
        assert [[data[-4:] for data in call] for call in written] == [[b"\r\n\r\n", b"ok"]] * 3

    def test_a_whole_answer_is_as_one_of_two_messages(self) -> None:
        with run() as running:
            client = running.open()
            for method, ending in ((b"GET", b"ok"), (b"HEAD", b"\r\n\r\n"), (b"GET", b"ok")):
                client.sendall(method + b" /whole?a HTTP/1.1\r\nHost: a\r\n\r\n")
                head, _, body = client.recv(65536).partition(b"\r\n\r\n")
                assert (b"\r\n\r\n" + body).endswith(ending)
                lines = head.split(b"\r\n")
                assert lines[0] == b"HTTP/1.1 200 OK"
                assert {b"content-length: 2", b"x-more: a"} <= set(lines)
            two = b"GET /whole?b HTTP/1.1\r\nHost: a\r\n"
            client.sendall(two + b"\r\n" + two + b"Connection: close\r\n\r\n")
            received = all_of(client)
            assert (received.count(b"HTTP/1.1 200 OK"), received.count(b"connection: close")) == (2, 1)

    def test_a_header_never_ends_within_its_value(self) -> None:
        with run() as running:
            client = running.open(b"GET /whole?a|set-cookie:b HTTP/1.1\r\nHost: a\r\n\r\n")
            received = client.recv(65536)
            assert b"set-cookie" not in received
            assert not received.startswith(b"HTTP/1.1 200")

    def test_the_answer_to_head_is_its_head_alone(self) -> None:
        with run() as running:
            client = running.open()
            for _ in range(2):
                client.sendall(GET.replace(b"GET", b"HEAD"))
                assert client.recv(65536).endswith(b"content-length: 2\r\n\r\n")
            client.sendall(
                GET.replace(b"GET", b"HEAD") + GET.replace(b"Host: a", b"Host: a\r\nConnection: close")
            )
            assert all_of(client).count(b"HTTP/1.1 200 OK") == 2

    def test_a_body_that_holds_a_head_arrives_as_it_is(self) -> None:
        with run() as running:
            client = running.open(b"GET /head HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert all_of(client).partition(b"\r\n\r\n")[2] == HELD

    def test_what_is_streamed_begins_before_its_body_is_there(self) -> None:
        with run() as running:
            client = running.open(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n")
            assert client.recv(65536).endswith(b"transfer-encoding: chunked\r\n\r\n")
            running.app.released.set()
            assert client.recv(65536) == b"2\r\nok\r\n0\r\n\r\n"


@pytest.mark.usefixtures("short")
class TestSlowClients:
    def test_who_sends_nothing_is_hung_up_on(self) -> None:
        with run() as running:
            assert all_of(running.open()) == b""
            assert running.app.begun == []

    @pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
    def test_a_head_that_trickles_is_refused_in_time_however_often_it_sends(self, begin: bytes) -> None:
        with run() as running:
            client = running.open(begin)
            with contextlib.suppress(OSError):
                for _ in range(100):
                    client.sendall(b"a")
                    time.sleep(0.02)
            received = all_of(client)
            assert received.startswith(b"HTTP/1.1 408 ")
            assert b"FB-REST-014" in received

    @pytest.mark.parametrize("more", [b"\r\n", b"GET / HT"])
    def test_so_is_the_head_of_a_second_request(self, more: bytes) -> None:
        with run() as running:
            client = running.open(GET)
            until(lambda: len(running.app.ended) == 1)
            start = time.monotonic()
            with contextlib.suppress(OSError):
                while time.monotonic() < start + 10:
                    client.sendall(more[:2])
                    time.sleep(0.05)
            assert time.monotonic() < start + 9
            assert all_of(client).count(b"200 OK") <= 1

    def test_a_connection_serves_many_requests_beyond_that_time(self) -> None:
        with run() as running:
            client = running.open()
            for number in range(1, 5):
                client.sendall(GET)
                until(lambda number=number: len(running.app.ended) == number)  # type: ignore[misc]
                time.sleep(0.3)
            assert client.recv(65536).count(b"200 OK") == 4

    def test_a_body_that_nobody_reads_does_not_keep_the_connection(self) -> None:
        with run() as running:
            client = running.open(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n")
            with contextlib.suppress(OSError):
                for _ in range(200):
                    client.sendall(b"a")
                    time.sleep(0.02)
            until(lambda: running.connections == 0)

    def test_who_does_not_read_the_answer_is_cut_off(self) -> None:
        with run() as running:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", running.port))
            client.sendall(b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
            until(lambda: running.connections == 1)
            until(lambda: running.connections == 0)
            client.close()


class TestLargeHeads:
    def test_a_head_of_many_headers_is_refused(self) -> None:
        with run() as running:
            client = running.open(b"GET / HTTP/1.1\r\n")
            with contextlib.suppress(OSError):
                for number in range(100_000):
                    client.sendall(b"X-%d: 1234567890\r\n" % number)
            assert running.app.begun == []
            until(lambda: running.connections == 0)

    def test_one_header_without_end_is_refused(self) -> None:
        with run() as running:
            client = running.open(b"GET / HTTP/1.1\r\nX: ")
            with contextlib.suppress(OSError):
                for _ in range(1000):
                    client.sendall(b"a" * 65536)
            until(lambda: running.connections == 0)
            assert running.app.begun == []

    @pytest.mark.parametrize(
        "head",
        [
            b"GET /?" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nX: " + b"a" * 70_000 + b"\r\n\r\n{}",
        ],
    )
    def test_one_that_comes_at_once_is_refused_too(self, head: bytes) -> None:
        with run() as running:
            client = running.open()
            client.sendall(head)
            assert all_of(client).startswith(b"HTTP/1.1 431 ")
            assert running.app.begun == []

    def test_a_request_without_host_is_refused_but_of_an_older_version(self) -> None:
        with run() as running:
            assert all_of(running.open(b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 400 ")
            assert running.app.begun == []
            assert b" 200 OK" in all_of(running.open(b"GET / HTTP/1.0\r\n\r\n"))

    def test_a_request_with_two_hosts_is_refused(self) -> None:
        with run() as running:
            client = running.open()
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n")
            assert all_of(client).startswith(b"HTTP/1.1 400 ")
            assert running.app.begun == []

    def test_a_trailer_without_end_is_cut_off(self) -> None:
        with run() as running:
            client = running.open(
                b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: "
            )
            with contextlib.suppress(OSError):
                for _ in range(1000):
                    client.sendall(b"a" * 65536)
            until(lambda: running.connections == 0)
            assert running.app.ended == []

    def test_a_large_body_may_follow_a_large_body_in_one_connection(self) -> None:
        body = b"x" * 3_000_000
        head = f"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with run() as running:
            client = running.open(head + body)
            assert b"200 OK" in client.recv(65536)
            for number, first in enumerate(
                (b"", body[:10], body[:70_000]), 2
            ):  # what of it comes with the head
                client.sendall(head + first)
                until(lambda number=number: len(running.app.begun) == number)  # type: ignore[misc]
                client.sendall(body[len(first) :])
                assert b"200 OK" in client.recv(65536)

    def test_a_trailer_is_no_header(self) -> None:
        with run() as running:
            client = running.open(
                b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"1\r\nx\r\n0\r\nAuthorization: Bearer x\r\n\r\n"
            )
            assert b"200 OK" in client.recv(65536)
            assert b"authorization" not in dict(running.app.headers[0])

    def test_what_is_no_http_is_refused_with_an_outcome(self) -> None:
        with run() as running:
            received = all_of(running.open(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
            assert received.startswith(b"HTTP/1.1 400 ")
            assert b"OperationOutcome" in received


class TestManyClients:
    def test_the_one_that_waited_longest_makes_room(self) -> None:
        with run(most=3) as running:
            idle = [running.open() for _ in range(3)]
            until(lambda: running.connections == 3)
            late = running.open(GET)
            assert b"200 OK" in late.recv(65536)
            assert all_of(idle[0]) == b""

    def test_a_head_that_is_begun_keeps_no_place(self) -> None:
        with run(most=3) as running:
            begun = [running.open(b"GET / HTTP/1.1\r\nX: ") for _ in range(3)]
            until(lambda: running.connections == 3)
            assert b"200 OK" in running.open(GET).recv(65536)
            assert all_of(begun[0]) == b""

    def test_where_all_are_at_work_the_next_is_turned_away(self) -> None:
        with run(most=2) as running:
            at_work = [running.open(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(2)]
            until(lambda: len(running.app.begun) == 2)
            received = all_of(running.open(GET))
            assert received.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 1\r\n" in received
            for client in at_work:
                client.close()

    def test_more_requests_than_the_worker_takes_are_answered_503(self) -> None:
        with run(requests=1) as running:
            at_work = running.open(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            until(lambda: running.app.begun == ["/slow"])
            received = running.open(GET).recv(65536)
            assert received.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 1\r\n" in received
            at_work.close()
            until(lambda: running.admission.under_way == 0)
            assert b"200 OK" in running.open(GET).recv(65536)


class TestHangingUp:
    def test_the_work_for_a_client_that_is_gone_is_cancelled(self) -> None:
        with run() as running:
            client = running.open(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            until(lambda: running.app.begun == ["/slow"])
            client.close()
            until(lambda: running.app.cancelled == ["/slow"])
            until(lambda: running.admission.hung_up == 1)

    def test_so_it_is_where_further_requests_wait_in_the_connection(self) -> None:
        with run() as running:
            client = running.open(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + GET * 3)
            until(lambda: running.app.begun == ["/slow"])
            client.close()
            until(lambda: running.app.cancelled == ["/slow"])
            time.sleep(0.1)
            assert running.app.begun == ["/slow"]

    def test_requests_that_wait_are_served_in_order_and_only_so_many(self) -> None:
        with run() as running:
            client = running.open(GET * 10)
            until(lambda: len(running.app.ended) == 10)
            assert client.recv(65536).count(b"200 OK") == 10
            running.open(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n" + GET * 100)
            until(lambda: running.app.cancelled == ["/slow"])


class TestHalfClosed:
    @pytest.mark.parametrize(
        "request_", [GET, GET * 3, POST + b"2\r\n\r\nab"], ids=["read", "several", "with a body"]
    )
    def test_who_only_sends_no_more_is_answered(self, request_: bytes) -> None:
        with run() as running:
            client = running.open(request_)
            client.shutdown(socket.SHUT_WR)
            assert all_of(client).count(b"200 OK") == request_.count(b"HTTP/1.1")

    def test_long_work_ends_all_the_same(self) -> None:
        with run() as running:
            client = running.open(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            assert all_of(client) == b""
            until(lambda: running.app.cancelled == ["/slow"])

    @pytest.mark.parametrize(
        "request_",
        [
            POST + b"9\r\n\r\nab",
            b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
            b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
            b"POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            b"GET /\r\n\r\n",
        ],
        ids=["a body that ends early", "negative chunk", "endless chunk", "another coding", "no version"],
    )
    def test_what_cannot_be_framed_is_refused_with_an_outcome(self, request_: bytes) -> None:
        with run() as running:
            client = running.open(request_)
            client.shutdown(socket.SHUT_WR)
            received = all_of(client)
            assert received.startswith(b"HTTP/1.1 400 ")
            assert received.count(b"HTTP/1.1 400") == received.count(b"OperationOutcome") == 1
            until(lambda: running.admission.under_way == 0)
            assert b"200 OK" in running.open(GET).recv(65536)
