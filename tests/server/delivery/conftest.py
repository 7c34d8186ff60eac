"""A store, its outbox, and the sender of its background worker, turn by turn."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import httpx
import pytest

from fhir_bridge import egress
from fhir_bridge.egress import Allowed
from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.server.consuming import _Turn
from fhir_bridge.server.delivery.forwarding import forwarder
from fhir_bridge.server.delivery.sending import Sender
from fhir_bridge.server.delivery.targets import Target
from fhir_bridge.storage import Store
from fhir_bridge.storage.changes import end_of_feed
from fhir_bridge.storage.consumers import Consumers
from fhir_bridge.storage.outbox import Entry, Outbox
from tests.patience import PATIENCE
from tests.server.conftest import observation, patient
from tests.server.delivery.peer import Peer, peering

T = TypeVar("T")
BASE = "http://127.0.0.1:8000/fhir"
NETWORKS = "127.0.0.0/8"


class Post:
    """What a hospital does, and what its background worker does about one target."""

    def __init__(self, store: Store, runner: asyncio.Runner) -> None:
        self.store, self._runner = store, runner
        self._working: dict[str, tuple[_Turn, Sender]] = {}
        self._clients: list[httpx.AsyncClient] = []
        self.redacted: Callable[[bytes, AccessFilter], bytes] = lambda content, _: content

    def close(self) -> None:
        async def closed() -> None:
            for http in self._clients:
                await http.aclose()
            await self.store.close()

        self._runner.run(closed())

    def run(self, work: Awaitable[T]) -> T:
        async def awaited() -> T:
            return await work

        return self._runner.run(awaited())

    def write(self, *resources: dict[str, Any]) -> None:
        for resource in resources:
            self.run(self.store.update(resource["resourceType"], resource["id"], resource, EVERYTHING))

    def delete(self, kind: str, identity: str) -> None:
        self.run(self.store.delete(kind, identity, EVERYTHING))

    def target(self, url: str, **settings: Any) -> Target:
        """A target of its own name, which is followed from now on."""
        settings = {"scope": "system/*.rs", "send": ("Observation",), "seconds": 2, **settings}
        target = Target(url=url, **settings)
        target._name = f"t{secrets.token_hex(4)}"
        self.run(self._made(target))
        return target

    async def _made(self, target: Target, allowed: Allowed | None = None) -> tuple[_Turn, Sender]:
        if target.name not in self._working:
            consumer = forwarder(target)
            cursors = Consumers(self.store.pool, secrets.token_hex(4))
            await self._visible()
            await cursors.register([consumer.name])
            allowed = allowed or Allowed.of(egress.origin_of(target.url), NETWORKS)
            http = egress.client(allowed)
            self._clients.append(http)
            sender = await Sender.of(
                self.store, target, allowed, http, lambda *given: self.redacted(*given), BASE
            )
            self._working[target.name] = _Turn(self.store, cursors, consumer), sender
        return self._working[target.name]

    async def _visible(self) -> None:
        """Wait until the feed shows what was written."""
        async with self.store.connection() as connection:
            row = await (await connection.execute("SELECT pg_current_xact_id()::text::bigint")).fetchone()
        assert row is not None
        async with asyncio.timeout(PATIENCE):
            while True:
                async with self.store.connection() as connection:
                    if (await end_of_feed(connection))[0] >= row[0]:
                        return
                await asyncio.sleep(0.02)

    def sender(self, target: Target) -> Sender:
        return self._working[target.name][1]

    def restart(self, target: Target, allowed: Allowed | None = None) -> None:
        """Another process goes on where this one was killed."""
        del self._working[target.name]
        self.sql("UPDATE outbox SET leased_until = '-infinity'")
        self.sql("UPDATE consumer SET leased_until = '-infinity'")
        self.run(self._made(target, allowed))

    def sql(self, statement: str, *values: object) -> None:
        async def execute() -> None:
            async with self.store.connection() as connection:
                await connection.execute(statement.encode(), values)

        self.run(execute())

    def work(self, target: Target) -> None:
        """What the background worker does until nothing is due."""

        async def until_idle() -> None:
            turn, sender = await self._made(target)
            await self._visible()
            while await turn.next():
                pass
            while await sender.turn():
                pass

        self.run(until_idle())

    def later(self, target: Target) -> None:
        """As `work`, after all pauses."""
        self.sender(target)._not_before = 0.0
        self.sql("UPDATE outbox SET not_before = '-infinity'")
        self.work(target)

    def row(self, target: Target, reference: str) -> Entry:
        entries = self.run(Outbox(self.store.pool).entries(target=target.name))
        (entry,) = [entry for entry in entries if entry.reference == reference]
        return entry

    def audited(self, target: Target) -> list[str]:
        """What AuditEvents say that this target was sent."""
        page = self.run(self.store.search("AuditEvent", [], EVERYTHING, count=1000))
        events = [loads(entry.bytes) for entry in page.entries]
        return [
            event["entity"][0]["what"]["reference"]
            for event in events
            if event["agent"][0]["who"]["identifier"]["value"] == f"target:{target.name}"
        ]


@pytest.fixture(scope="module")
def post(database_url: str) -> Iterator[Post]:
    with asyncio.Runner() as runner:

        async def opened() -> Store:
            return await Store.open(database_url, migrate=False)

        store = runner.run(opened())
        post = Post(store, runner)
        post.write(patient("anna", "Alpha"), patient("bert", "Beta"))
        try:
            yield post
        finally:
            post.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    with peering() as peer:
        yield peer


def lab(identity: str, of: str = "anna", value: float = 5.4, status: str = "final") -> dict[str, Any]:
    resource = observation(identity, of)
    resource["valueQuantity"]["value"] = value
    return resource | {"status": status}
