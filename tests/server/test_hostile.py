"""Hostile clients of the whole program, over real HTTP: raw sockets, locks that hold its statements up, wrong proofs.

What is asserted are counters: of statements that run in the database, of AuditEvents, of what is stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts
from fhir_bridge.storage.grants import Grant, Grants
from tests.server.conftest import RECORDS, observation
from tests.server.serving import Served, serving

SYSTEM = "system/*.cruds"


@pytest.fixture(
    scope="module", params=[2, pytest.param(1, marks=pytest.mark.soak)], ids=["2 workers", "1 worker"]
)
def served(request: pytest.FixtureRequest, database_url: str) -> Iterator[Served]:
    with serving(database_url, workers=request.param, max_request_seconds=600) as running:
        running.database_url = database_url
        running.tokens = asyncio.run(prepare(database_url, running.base))
        yield running
    assert "Traceback" not in running.said()


async def prepare(url: str, base: str) -> dict[str, str]:
    """Records; a token of two backend services, one bound to a patient."""
    async with await Store.open(url) as store:
        await store.load([*RECORDS, *(observation(f"o{n}", "anna") for n in range(30))])
        accounts, grants = Accounts(store), Grants(store)
        user = await accounts.add_user("anna", "correct horse", "patient", patient="anna")
        tokens: dict[str, str] = {}
        for name, scope, account, patient in (
            ("robot", SYSTEM, None, None),
            ("other", SYSTEM, None, None),
            ("app", "patient/*.rs", user.id, "anna"),
        ):
            await accounts.add_client(name, name, "none", scope, redirect_uris=["https://a.example/"])
            grant = Grant(name, scope, base, account=account, purpose="TREAT", patient=patient)
            made = await grants._create_grant(grant)
            tokens[name] = (await grants.issue(made, scope, refresh=False)).access
        _, tokens["secret"] = await accounts.add_client("web", "web", "secret", SYSTEM)  # type: ignore[assignment]
        return tokens


def bearer(served: Served, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {served.tokens[name]}"} if name else {}


def sql(served: Served, statement: str, *values: Any) -> Any:
    with psycopg.connect(served.database_url, autocommit=True) as connection:
        row = connection.execute(statement.encode(), values).fetchone()
        return row[0] if row else None


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)


@contextlib.contextmanager
def locked(served: Served, table: str) -> Iterator[None]:
    """Nobody else can read or write this table."""
    with psycopg.connect(served.database_url) as connection:
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        connection.rollback()


def waiting(served: Served) -> int:
    """How many statements of requests wait for a lock; the background worker reads the change feed all the time."""
    return int(
        sql(
            served,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
            "AND query NOT LIKE 'SELECT c.xid%%'",
        )
    )


def audited(served: Served, like: str) -> int:
    """How many AuditEvents hold this text."""
    return int(
        sql(
            served,
            "SELECT count(*) FROM audit WHERE audit_text(content) LIKE %s",
            f"%{like}%",
        )
    )


def sent(served: Served, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> socket.socket:
    """A connection on which a request was sent."""
    client = socket.create_connection(("127.0.0.1", served.port))
    client.settimeout(60)
    head = [f"{method} /fhir/{path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}"]
    head += [
        f"{name}: {value}" for name, value in {"Content-Type": "application/fhir+json", **headers}.items()
    ]
    client.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + body)
    return client


def answered(client: socket.socket) -> bytes:
    """What comes until the server hangs up."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := client.recv(65536):
            received += chunk
    client.close()
    return received


def batch(*urls: str) -> bytes:
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    return json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}).encode()


def sent_head(served: Served) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", served.port))
    client.settimeout(60)
    client.sendall(b"GET /fhir/metadata HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    return client


class Lingering:
    """Clients that send a byte now and then, or nothing, and what each was answered after how many seconds."""

    def __init__(self, served: Served) -> None:
        self.start = time.monotonic()
        self._stop = threading.Event()
        idle = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(5)]
        slow = [sent_head(served) for _ in range(5)]
        self.idle, self.slow = (dict.fromkeys(clients) for clients in (idle, slow))
        self._threads = [threading.Thread(target=self._trickle, args=(slow,))]
        for results in (self.idle, self.slow):
            self._threads += [threading.Thread(target=self._read, args=(results, one)) for one in results]
        for thread in self._threads:
            thread.start()

    def _trickle(self, clients: list[socket.socket]) -> None:
        while not self._stop.wait(0.5):
            for client in clients:
                with contextlib.suppress(OSError):
                    client.sendall(b"a")

    def _read(self, results: dict[socket.socket, tuple[bytes, float] | None], client: socket.socket) -> None:
        results[client] = answered(client), time.monotonic() - self.start

    def wait(self) -> None:
        """Until all are hung up on."""
        for thread in self._threads[1:]:
            thread.join()
        self._stop.set()
        self._threads[0].join()


@pytest.fixture(scope="module", autouse=True)
def lingering(served: Served) -> Iterator[Lingering]:
    """They are there while all else is asked; the last test looks at what came of them."""
    clients = Lingering(served)
    yield clients
    clients.wait()


class TestHangingUp:
    @pytest.mark.parametrize("name", ["robot", "app"])
    def test_a_search_is_cancelled_in_the_database(self, served: Served, name: str) -> None:
        with locked(served, "string"):
            client = sent(served, "GET", "Patient?name=Alpha", bearer(served, name))
            until(lambda: waiting(served) == 1)
            client.close()
            until(lambda: waiting(served) == 0)

    def test_of_a_batch_nothing_more_is_carried_out(self, served: Served) -> None:
        with locked(served, "string"):
            body = batch("Observation?code=2093-3&_count=1", *["Patient?name=Hang"] * 50)
            client = sent(served, "POST", "", bearer(served, "robot"), body)
            until(lambda: waiting(served) == 1)
            client.close()
            until(lambda: waiting(served) == 0)
        time.sleep(0.5)
        assert waiting(served) == 0
        # What was done before is recorded, what was not is not: the query of a search is kept in base64.
        asked = {"Observation?code=2093-3&_count=1": 1, "Patient?name=Hang": 0}
        for query, expected in asked.items():
            import base64

            text = base64.b64encode(f"GET {query}".encode()).decode()
            until(lambda text=text, expected=expected: audited(served, text) == expected, 10)  # type: ignore[misc]

    def test_a_write_that_has_begun_is_finished_and_recorded(self, served: Served) -> None:
        body = json.dumps({"resourceType": "Basic", "id": "begun", "code": {"text": "x"}}).encode()
        with locked(served, "change"):
            client = sent(served, "PUT", "Basic/begun", bearer(served, "robot"), body)
            until(lambda: waiting(served) == 1)
            client.close()
            time.sleep(0.5)
            assert waiting(served) == 1
        until(lambda: audited(served, "Basic/begun") == 1)
        assert served.get("Basic/begun", headers=bearer(served, "robot")).status_code == 200


def test_who_keeps_the_database_busy_holds_up_nobody_else(served: Served) -> None:
    with locked(served, "string"):
        clients = [sent(served, "GET", "Patient?name=Alpha", bearer(served, "robot")) for _ in range(30)]
        until(lambda: waiting(served) >= 3)
        time.sleep(0.5)
        assert waiting(served) <= 2 * 3  # its places in each worker
        for name in ("other", "app"):
            for _ in range(10):
                assert served.get("Patient/anna", headers=bearer(served, name)).status_code == 200
                found = served.get("Observation?code=2093-3&_count=2", headers=bearer(served, name))
                assert found.status_code == 200
        assert served.get("Patient/anna").status_code == 401
        for client in clients:
            client.close()
        until(lambda: waiting(served) == 0)


@pytest.mark.parametrize("name", ["robot", "app", ""])
def test_a_batch_of_large_searches_is_answered_in_part(served: Served, name: str) -> None:
    body = batch(*["Observation?_count=1000"] * 1000)
    answer = served.post(
        "", content=body, headers=bearer(served, name) | {"Content-Type": "application/fhir+json"}
    )
    if not name:
        assert answer.status_code == 401
        return
    statuses = Counter(entry["response"]["status"][:3] for entry in answer.json()["entry"])
    assert statuses["200"] >= 100
    assert statuses["413"] >= 100
    assert len(answer.content) < 32 * 1024 * 1024


RAW = [
    (b"GET /fhir/Patient%2Fanna HTTP/1.1", 404),
    (b"GET /fhir//Patient/anna HTTP/1.1", 404),
    (b"GET //fhir/Patient/anna HTTP/1.1", 404),
    (b"GET /fhir/Patient/../Patient/anna HTTP/1.1", 404),
    (b"GET /fhir/Patient/%2e%2e/anna HTTP/1.1", 404),
    (b"GET /fhir/Patient/anna%00 HTTP/1.1", 404),
    (b"GET /fhir/Patient/%c0%af HTTP/1.1", 400),
    (b"GET /fhir/Patient/\xc0\xaf HTTP/1.1", 400),
    (b"GET /fhir/Patient/anna;x=1 HTTP/1.1", 404),
    (b"GET /fhir/Patient?name=%c0%af HTTP/1.1", 400),
    (b"GET http://evil.example/fhir/Patient/anna HTTP/1.1", 200),
    (b"BREW /fhir/Patient/anna HTTP/1.1", 400),
    (b"TRACE /fhir/Patient/anna HTTP/1.1", 405),
    (b"CONNECT /fhir/Patient/anna HTTP/1.1", 405),
    (b"GET /fhir/Patient/anna HTTP/9.9", 400),
    (b"GET", 400),
]


@pytest.mark.parametrize(("line", "status"), RAW, ids=[line.decode("latin-1") for line, _ in RAW])
def test_addresses_and_methods_as_no_client_library_writes_them(
    served: Served, line: bytes, status: int
) -> None:
    client = socket.create_connection(("127.0.0.1", served.port))
    client.settimeout(60)
    token = served.tokens["robot"]
    client.sendall(
        line + f"\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    received = answered(client)
    assert received.startswith(f"HTTP/1.1 {status} ".encode()), received[:300]
    assert b"evil.example" not in received


class TestGuessing:
    """Each request is on a connection of its own, so that both workers get some."""

    def test_secrets_are_counted_in_all_workers_together(self, served: Served) -> None:
        def ask(secret: str, address: str = "127.0.0.1") -> httpx.Response:
            transport = httpx.HTTPTransport(local_address=address)
            with httpx.Client(transport=transport) as client:
                form = {"grant_type": "client_credentials", "client_id": "web", "client_secret": secret}
                return client.post(f"{served.root}/oauth/token", data=form)

        statuses = [ask(f"guess-{n}").status_code for n in range(20)]
        assert statuses[:10] == [401] * 10
        assert 429 in statuses[10:]
        assert ask(served.tokens["secret"], "127.0.0.2").json()["error"] == "unauthorized_client"

    def test_access_tokens_too_and_valid_ones_are_answered(self, served: Served) -> None:
        statuses = Counter(
            served.get("Patient/anna", headers={"Authorization": f"Bearer guess-{n}"}).status_code
            for n in range(45)
        )
        assert statuses[401] >= 30
        assert statuses[429] >= 1
        for name in ("robot", "app"):
            assert served.get("Patient/anna", headers=bearer(served, name)).status_code == 200

    def test_refusals_leave_few_events_however_many_they_are(self, served: Served) -> None:
        before = audited(served, "401 FB-SMART-001")
        for _ in range(30):
            assert served.get("Condition/x").status_code == 401
        time.sleep(0.5)
        assert audited(served, "401 FB-SMART-001") - before <= 2  # one in each worker, for this minute


def test_heads_that_trickle_and_requests_that_wait_end_in_time(served: Served, lingering: Lingering) -> None:
    lingering.wait()
    results = [*lingering.slow.values(), *lingering.idle.values()]
    assert all(result is not None and result[1] >= 9 for result in results), results
    assert all(result is not None and result[0].startswith(b"HTTP/1.1 408 ") for result in results[:5])
    assert [result is not None and result[0] for result in results[5:]] == [b""] * 5
    assert served.get("metadata").status_code == 200
