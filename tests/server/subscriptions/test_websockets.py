"""Subscriptions over a websocket: bound by a token, told in order, ended with the right to be told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from websockets.sync.client import connect

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server.rest.websocket import websocket_url
from fhir_bridge.server.subscriptions import sockets
from fhir_bridge.server.subscriptions.sockets import PATH
from tests.patience import PATIENCE
from tests.server.conftest import FHIR, Hospital
from tests.server.serving import serving
from tests.server.subscriptions.conftest import Feed

CLIENTS: list[Any] = []


@pytest.fixture(autouse=True)
def all_leave() -> Iterator[None]:
    """No websocket outlives its test."""
    yield
    while CLIENTS:
        CLIENTS.pop().cancel()


class Client:
    """A websocket of the application, message by message."""

    def __init__(self, hospital: Hospital, **more: Any) -> None:
        self.portal = hospital.http.portal
        self._to: asyncio.Queue[dict[str, Any]] = self.portal.call(_queue)
        self._from: asyncio.Queue[dict[str, Any]] = self.portal.call(_queue)
        scope = {
            "type": "websocket", "path": PATH, "raw_path": PATH.encode(), "query_string": b"", "root_path": "",
            "scheme": "ws", "headers": [], "subprotocols": [], "client": ("127.0.0.1", 50001),
            "server": ("127.0.0.1", 8000), "extensions": {}, **more,
        }  # fmt: skip
        task = self.portal.start_task_soon(hospital.http.app, scope, self._to.get, self._from.put)
        CLIENTS.append(task)
        self._put({"type": "websocket.connect"})
        self.opened = self.next()["type"] == "websocket.accept"

    def _put(self, message: dict[str, Any]) -> None:
        self.portal.call(self._to.put, message)

    def say(self, text: str) -> None:
        self._put({"type": "websocket.receive", "text": text})

    def next(self) -> dict[str, Any]:
        async def get() -> dict[str, Any]:
            async with asyncio.timeout(PATIENCE):
                return await self._from.get()

        message: dict[str, Any] = self.portal.call(get)
        return message

    def told(self) -> dict[str, Any]:
        """The next notification."""
        message = self.next()
        assert message["type"] == "websocket.send", message
        bundle: dict[str, Any] = json.loads(message["text"])
        return bundle

    def ended(self) -> int:
        message = self.next()
        assert message["type"] == "websocket.close", message
        code: int = message["code"]
        self.leave()  # as a server says to the application, once it is closed
        return code

    def leave(self) -> None:
        self._put({"type": "websocket.disconnect", "code": 1001})


async def _queue() -> asyncio.Queue[dict[str, Any]]:
    return asyncio.Queue()


CHANNEL = {"type": "websocket", "payload": "application/fhir+json"}


def listen(feed: Feed, watched: str, **changes: Any) -> str:
    """Subscribe, over a websocket."""
    return feed.subscribe(watched, channel={**CHANNEL, **changes.pop("channel", {})}, **changes)


def token(feed: Feed, *identities: str) -> str:
    named = "&".join(f"id={identity}" for identity in identities)
    answer = feed.request("GET", f"Subscription/$get-ws-binding-token?{named}")
    assert answer.status_code == 200, answer.text
    values = {item["name"]: item for item in answer.json()["parameter"]}
    assert values["websocket-url"]["valueUrl"] == websocket_url(feed.hospital.services.settings)
    assert "valueDateTime" in values["expiration"]
    text: str = values["token"]["valueString"]
    return text


def bound(feed: Feed, *identities: str) -> Client:
    client = Client(feed.hospital)
    client.say(f"bind-with-token {token(feed, *identities)}")
    return client


def about(bundle: dict[str, Any]) -> tuple[str, list[str], list[str]]:
    """Kind, event numbers, and what they are about."""
    status = bundle["entry"][0]["resource"]["parameter"]
    kind = next(item["valueCode"] for item in status if item["name"] == "type")
    events = [item["part"] for item in status if item["name"] == "notification-event"]
    numbers = [part[0]["valueString"] for part in events]
    focus = [part[2]["valueReference"]["reference"] for part in events if len(part) > 2]
    return kind, numbers, focus


def test_a_websocket_is_told_from_handshake_to_events(feed: Feed) -> None:
    feed.as_user("user/*.cruds", patient=None)
    identity = listen(feed, "Observation?patient=anna")
    client = bound(feed, identity)
    assert client.opened
    assert about(client.told()) == ("handshake", [], [])
    feed.observe("ws-1", "anna")
    feed.observe("ws-2", "bert")
    feed.work()
    assert about(client.told()) == ("event-notification", ["1"], [f"{FHIR}/Observation/ws-1"])
    assert feed.status(identity) == "active"
    # While nobody listens nothing is lost, and nothing comes twice.
    client.leave()
    feed.observe("ws-3", "anna")
    feed.work()
    again = bound(feed, identity)
    kinds = [about(again.told()) for _ in range(2)]
    assert kinds == [
        ("handshake", [], []),
        ("event-notification", ["2"], [f"{FHIR}/Observation/ws-3"]),
    ]
    feed.run_audit()
    events = feed.request("GET", "AuditEvent?entity=Observation/ws-3&subtype=read").json()
    assert "127.0.0.1" in json.dumps(events)
    again.leave()


def test_heartbeats_come_while_nothing_happens(feed: Feed) -> None:
    feed.as_user("user/*.cruds", patient=None)
    extension = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-heartbeat-period"
    identity = listen(
        feed,
        "Observation?patient=anna",
        channel={"extension": [{"url": extension, "valueUnsignedInt": 1}]},
    )
    client = bound(feed, identity)
    assert [about(client.told())[0] for _ in range(3)] == ["handshake", "heartbeat", "heartbeat"]
    client.leave()


def test_several_subscriptions_on_one_websocket(feed: Feed) -> None:
    feed.as_user("user/*.cruds", patient=None)
    first, second = listen(feed, "Observation?patient=anna"), listen(feed, "Observation?patient=bert")
    client = bound(feed, first, second)
    assert {about(client.told())[0] for _ in range(2)} == {"handshake"}
    feed.observe("ws-4", "anna")
    feed.observe("ws-5", "bert")
    feed.work()
    told = {tuple(about(client.told())[2]) for _ in range(2)}
    assert told == {(f"{FHIR}/Observation/ws-4",), (f"{FHIR}/Observation/ws-5",)}
    client.leave()


def test_a_later_websocket_takes_the_place_of_an_earlier_one(feed: Feed) -> None:
    feed.as_user("user/*.cruds", patient=None)
    identity = listen(feed, "Observation?patient=anna")
    first = bound(feed, identity)
    assert about(first.told())[0] == "handshake"
    second = bound(feed, identity)
    assert first.ended() == 1000
    assert about(second.told())[0] == "handshake"
    # Of another worker as well: it writes its name.
    feed.hospital.sql("UPDATE subscription SET bound_by = 'another worker'")
    assert second.ended() == 1000


def test_a_websocket_that_is_bound_while_others_are_looked_at_stays(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.as_user("user/*.cruds", patient=None)
    identity = listen(feed, "Observation?patient=anna")
    first = bound(feed, identity)
    assert about(first.told())[0] == "handshake"
    known = feed.hospital.services.sockets._events.bound
    asked, answered = threading.Event(), threading.Event()

    async def slowly(names: Mapping[str, str]) -> set[str]:
        """What is known was asked of the first websocket, and is answered when the second is bound."""
        if not asked.is_set():
            asked.set()
            await asyncio.to_thread(answered.wait, PATIENCE)
        return await known(names)

    monkeypatch.setattr(feed.hospital.services.sockets._events, "bound", slowly)
    assert asked.wait(PATIENCE)
    second = bound(feed, identity)
    assert first.ended() == 1000
    answered.set()
    assert about(second.told())[0] == "handshake"
    second.leave()


@pytest.mark.parametrize("text", ["bind-with-token x", "bind-with-token ", "hello", "bind abc", ""])
def test_what_is_no_valid_token_ends_the_websocket(feed: Feed, text: str) -> None:
    client = Client(feed.hospital)
    client.say(text)
    assert client.ended() == 1008


def test_a_token_is_used_once_and_not_for_long(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    feed.as_user("user/*.cruds", patient=None)
    identity = listen(feed, "Observation?patient=anna")
    used = token(feed, identity)
    first, second = Client(feed.hospital), Client(feed.hospital)
    first.say(f"bind-with-token {used}")
    assert about(first.told())[0] == "handshake"
    second.say(f"bind-with-token {used}")
    assert second.ended() == 1008
    late = token(feed, identity)
    feed.hospital.sql("UPDATE subscription_binding SET expires = now() - interval '1 second'")
    third = Client(feed.hospital)
    third.say(f"bind-with-token {late}")
    assert third.ended() == 1008
    monkeypatch.setattr(sockets, "BIND_SECONDS", 0.05)
    assert Client(feed.hospital).ended() == 1008  # says nothing
    first.leave()


def test_only_who_subscribed_gets_a_token(feed: Feed) -> None:
    feed.as_user("user/*.cruds", patient=None)
    identity = listen(feed, "Observation?patient=anna")
    hook = feed.subscribe("Observation?patient=anna")
    path = "$get-ws-binding-token"
    assert feed.request("GET", f"Subscription/{hook}/{path}").status_code == 422
    assert feed.request("GET", f"Subscription/{path}").status_code == 400
    assert feed.request("GET", f"Subscription/{path}?id=absent").status_code == 404
    assert feed.request("GET", f"Subscription/{path}?id={identity}&more=1").status_code == 400
    assert feed.request("POST", f"Subscription/{identity}/{path}").status_code == 200
    feed.as_user("user/*.cruds", patient=None, client="other")
    assert feed.request("GET", f"Subscription/{identity}/{path}").status_code == 403
    feed.as_user("patient/*.cruds", patient="anna")
    assert feed.request("GET", f"Subscription/{identity}/{path}").status_code in (403, 404)


def test_what_may_not_be_read_any_more_is_not_told(feed: Feed) -> None:
    feed.as_user("user/*.cruds", patient=None)
    identity = listen(feed, "Observation?code=718-7")
    client = bound(feed, identity)
    assert about(client.told())[0] == "handshake"
    denial = {
        "resourceType": "Consent",
        "id": "ws-denial",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"text": "privacy"}],
        "patient": {"reference": "Patient/bert"},
        "provision": {"type": "deny"},
    }
    store = feed.hospital.services.store
    feed.observe("ws-7", "bert")
    feed.hospital.run(store.update, "Consent", "ws-denial", denial, EVERYTHING)
    feed.observe("ws-6", "anna")
    feed.work()
    assert about(client.told())[2] == [f"{FHIR}/Observation/ws-6"]
    feed.hospital.sql("DELETE FROM consent_denial")
    client.leave()


def test_who_may_not_subscribe_any_more_is_cut_off(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_bridge.server.subscriptions.notifying.OWNERS_SECONDS", 0)
    feed.as_user("user/*.cruds", patient=None, client="other")
    identity = listen(feed, "Observation?patient=anna")
    client = bound(feed, identity)
    assert about(client.told())[0] == "handshake"
    feed.hospital.sql("UPDATE oauth_grant SET revoked = now() WHERE client = 'other'")
    assert client.ended() == 1000
    assert feed.status(identity) == "off"
    feed.tokens.clear()


def test_a_subscription_that_is_ended_ends_its_websocket(feed: Feed) -> None:
    feed.as_user("user/*.cruds", patient=None)
    identity = listen(feed, "Observation?patient=anna")
    client = bound(feed, identity)
    assert about(client.told())[0] == "handshake"
    assert feed.request("DELETE", f"Subscription/{identity}").status_code == 204
    assert client.ended() == 1000


@pytest.mark.parametrize(
    "changes",
    [
        {"channel": CHANNEL | {"endpoint": "https://ehr.example/hook"}},
        {"channel": CHANNEL | {"header": ["Authorization: x"]}},
        {"channel": CHANNEL, "criteria": "Observation?patient=anna", "_criteria": None},
        {"channel": CHANNEL | {"type": "email"}},
    ],
)
def test_what_a_websocket_has_not_is_refused(feed: Feed, changes: dict[str, Any]) -> None:
    feed.as_user("user/*.cruds", patient=None)
    answer = feed.request("POST", "Subscription", feed.subscription("Observation?patient=anna", **changes))
    assert answer.status_code == 422


def test_there_are_not_more_websockets_than_are_allowed(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "MOST", 0)
    assert not Client(feed.hospital).opened


def test_a_real_websocket_is_told_by_a_real_server(fresh_database_url: str) -> None:
    with serving(fresh_database_url, auth="none") as served:
        patient = {"resourceType": "Patient", "id": "p"}
        assert served.request("PUT", "Patient/p", json=patient).status_code == 201
        subscription = {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "test",
            "criteria": "https://fhir-bridge.org/fhir/SubscriptionTopic/resource-changed",
            "_criteria": {
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
                        "backport-filter-criteria",
                        "valueString": "Patient?_id=p",
                    }
                ]
            },
            "channel": CHANNEL,
        }
        made = served.post("Subscription", json=subscription)
        assert made.status_code == 201, made.text
        path = f"Subscription/{made.json()['id']}/$get-ws-binding-token"
        values = {item["name"]: item for item in served.get(path).json()["parameter"]}
        url = f"ws://127.0.0.1:{served.port}{PATH}"
        with connect(url) as socket:
            socket.send(f"bind-with-token {values['token']['valueString']}")
            assert about(json.loads(socket.recv(timeout=PATIENCE)))[0] == "handshake"
            served.request("PUT", "Patient/p", json=patient | {"gender": "female"})
            kind, numbers, focus = about(json.loads(socket.recv(timeout=PATIENCE)))
            assert (kind, numbers[0]) == ("event-notification", "1")  # a slow feed tells of several at once
            assert focus[0].endswith("/Patient/p")
        # A page of another site opens none.
        with pytest.raises(Exception, match="403"), connect(url, origin="https://evil.example"):  # type: ignore[arg-type]
            pass
