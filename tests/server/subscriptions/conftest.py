"""A hospital whose server may send to a receiver, and the notifier of its background worker, turn by turn."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from fhir_bridge import egress
from fhir_bridge.egress import Allowed
from fhir_bridge.server.consuming import _Turn
from fhir_bridge.server.rest import hooks
from fhir_bridge.server.subscriptions.channels import RestHook
from fhir_bridge.server.subscriptions.matching import subscription_consumer
from fhir_bridge.server.subscriptions.model import BACKPORT, CHANGED
from fhir_bridge.server.subscriptions.notifying import Notifier
from fhir_bridge.server.subscriptions.owners import Owners
from fhir_bridge.server.subscriptions.sealing import SEAL, Seal
from fhir_bridge.storage.consumers import Consumers
from tests.server.conftest import FHIR, Hospital
from tests.server.feed import shown
from tests.server.receiving import Receiver, receiving


class Feed:
    """The hospital, its receiver, and what its background worker does."""

    def __init__(self, hospital: Hospital, receiver: Receiver, tokens: dict[Any, dict[str, str]]) -> None:
        self.hospital, self.receiver, self.tokens = hospital, receiver, tokens
        self.headers: dict[str, str] = {}
        self.allowed = Allowed.of(receiver.origin, "127.0.0.0/8")
        hospital.services.settings.__dict__["allowed"] = self.allowed
        self._parts: tuple[_Turn, Notifier] | None = None

    async def _made(self) -> tuple[_Turn, Notifier]:
        if self._parts is None:
            services = self.hospital.services
            owners = Owners(services.grants, open_=False)
            consumer = subscription_consumer(owners)
            cursors = Consumers(services.store.pool, secrets.token_hex(4))
            await cursors.register([consumer.name])
            notifier = Notifier(
                services.store, owners, RestHook(Seal(services.key.secret(SEAL)), egress.client(self.allowed)),
                partial(hooks.redact, services.plugins), FHIR,
            )  # fmt: skip
            self._parts = _Turn(services.store, cursors, consumer), notifier
        return self._parts

    def work(self) -> None:
        """What the background worker does until there is nothing left to do."""

        async def until_idle() -> None:
            turn, notifier = await self._made()
            await shown(self.hospital.services.store)
            while await turn.next():
                pass
            while await notifier.turn():
                pass

        self.hospital.run(until_idle)

    def run_audit(self) -> None:
        """AuditEvents that wait are stored."""
        self.hospital.run(self.hospital.services.audit.flush)

    def restart(self) -> None:
        """Another background worker goes on."""
        self._parts = None
        self.hospital.sql("UPDATE consumer SET leased_until = '-infinity'")

    def as_user(self, scope: str, **more: Any) -> None:
        key = (scope, *sorted(more.items()))
        if key not in self.tokens:  # signing in takes most of a test's time
            self.tokens[key] = self.hospital.token(scope, **more)
        self.headers = self.tokens[key]

    def request(self, method: str, path: str, body: Any = None) -> Any:
        return self.hospital.http.request(method, f"/fhir/{path}", json=body, headers=self.headers)

    def subscribe(self, watched: str, **changes: Any) -> str:
        """Subscribe by topic, unless changed; gives the id."""
        answer = self.request("POST", "Subscription", self.subscription(watched, **changes))
        assert answer.status_code == 201, answer.text
        identity: str = answer.json()["id"]
        return identity

    def subscription(
        self, watched: str, *, content: str = "id-only", headers: tuple[str, ...] = (), **changes: Any
    ) -> dict[str, Any]:
        payload = {"extension": [{"url": BACKPORT + "backport-payload-content", "valueCode": content}]}
        resource = {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "test",
            "criteria": CHANGED,
            "_criteria": {
                "extension": [{"url": BACKPORT + "backport-filter-criteria", "valueString": watched}]
            },
            "channel": {
                "type": "rest-hook",
                "endpoint": self.receiver.hook,
                "payload": "application/fhir+json",
                "_payload": payload,
                **({"header": list(headers)} if headers else {}),
            },
            **changes,
        }
        return {name: value for name, value in resource.items() if value is not None}

    def status(self, identity: str) -> str:
        found: str = self.hospital.run(
            self.hospital.services.store.read, "Subscription", identity, _everything()
        ).resource()["status"]
        return found

    def observe(self, identity: str, patient: str, code: str = "718-7") -> None:
        answer = self.request(
            "PUT",
            f"Observation/{identity}",
            {
                "resourceType": "Observation",
                "id": identity,
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
                "subject": {"reference": f"Patient/{patient}"},
                "valueString": identity,
            },
        )
        assert answer.status_code in (200, 201), answer.text


def _everything() -> Any:
    from fhir_bridge.fhir.access import EVERYTHING

    return EVERYTHING


@pytest.fixture(scope="module")
def tokens() -> dict[Any, dict[str, str]]:
    return {}


@pytest.fixture
def feed(hospital: Hospital, tokens: dict[Any, dict[str, str]]) -> Iterator[Feed]:
    with receiving() as receiver:
        feed = Feed(hospital, receiver, tokens)
        feed.work()  # the cursor begins at the end of the feed
        yield feed
        hospital.sql("UPDATE consumer SET leased_until = '-infinity'")
        hospital.sql("UPDATE resource SET deleted = true WHERE type = 'Subscription'")
