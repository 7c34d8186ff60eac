"""A served application on a real PostgreSQL, two patients with records, and the people and clients of a hospital."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import anyio.from_thread
import httpx
import pluggy
import pytest
from fastapi import FastAPI

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.plugins import hookspecs
from fhir_bridge.server import Settings, create_app, plugin
from fhir_bridge.server.services import Services
from fhir_bridge.storage import Store

BASE = "http://127.0.0.1:8000"
FHIR = BASE + "/fhir"
PASSWORD = "correct horse battery"
CALLBACK = "https://app.example/callback"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def patient(identity: str, family: str) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": identity,
        "identifier": [{"system": "urn:oid:2.25.1", "value": f"MRN-{identity}"}],
        "name": [{"family": family, "given": ["Ada"]}],
        "gender": "female",
        "birthDate": "1961-04-05",
    }


def observation(identity: str, of: str, category: str = "laboratory", code: str = "2093-3") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": "2026-03-05T08:00:00+01:00",
        "valueQuantity": {
            "value": 5.4,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
    }


RECORDS = [
    patient("anna", "Alpha"),
    patient("bert", "Beta"),
    observation("anna-lab", "anna"),
    observation("anna-vital", "anna", "vital-signs", "8867-4"),
    observation("bert-lab", "bert"),
    {
        "resourceType": "Condition",
        "id": "bert-condition",
        "code": {"text": "hypertension"},
        "subject": {"reference": "Patient/bert"},
    },
    {"resourceType": "Practitioner", "id": "clara", "name": [{"family": "Clinician"}]},
]


@dataclass
class Pair:
    """PKCE: the verifier that stays, the challenge that goes."""

    verifier: str
    challenge: str


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def pkce() -> Pair:
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return Pair(verifier, challenge)


def hidden(html: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, f"no field {name} in the page"
    return found.group(1)


class Http:
    """A synchronous face of an asynchronous client of the application, all on one loop."""

    def __init__(self, app: FastAPI, portal: Any, *, address: str = "127.0.0.1") -> None:
        self.app = app
        self.portal = portal
        transport = httpx.ASGITransport(app, client=(address, 50000))
        self._client = httpx.AsyncClient(transport=transport, base_url=BASE, follow_redirects=True)
        self.cookies = self._client.cookies

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            return await self._client.request(method, path, **more)

        response: httpx.Response = self.portal.call(send)
        return response

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def head(self, path: str, **more: Any) -> httpx.Response:
        return self.request("HEAD", path, **more)

    def options(self, path: str, **more: Any) -> httpx.Response:
        return self.request("OPTIONS", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)

    def patch(self, path: str, **more: Any) -> httpx.Response:
        return self.request("PATCH", path, **more)

    def put(self, path: str, **more: Any) -> httpx.Response:
        return self.request("PUT", path, **more)

    def delete(self, path: str, **more: Any) -> httpx.Response:
        return self.request("DELETE", path, **more)


@contextmanager
def running(app: FastAPI) -> Iterator[Http]:
    """The application between start and stop."""
    with (
        anyio.from_thread.start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
    ):
        yield Http(app, portal)


class Hospital:
    """A client of the served application, and shortcuts through its flows."""

    def __init__(self, http: Http) -> None:
        self.http = http

    @property
    def services(self) -> Services:
        services: Services = self.http.app.state.services
        return services

    def run(self, function: Callable[..., Awaitable[Any]], *values: Any, **named: Any) -> Any:
        """Call something asynchronous on the application's own loop."""

        async def call() -> Any:
            return await function(*values, **named)

        return self.http.portal.call(call)

    def sql(self, statement: str, *values: object) -> None:
        async def execute() -> None:
            async with self.services.store.connection() as connection:
                await connection.execute(statement.encode(), values)

        self.run(execute)

    def raw_get(self, target: str, headers: dict[str, str]) -> httpx.Response:
        """GET of a target just as it is written: httpx would make other characters of it."""
        path, _, query = target.partition("?")
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000),
        }
        self.run(self.http.app, scope, receive, send)
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return httpx.Response(sent[0]["status"], headers=sent[0]["headers"], content=body)

    # browser

    def sign_in(self, username: str, password: str = PASSWORD) -> httpx.Response:
        self.http.cookies.clear()
        page = self.http.get("/login")
        return self.http.post(
            "/login",
            data={"csrf": hidden(page.text, "csrf"), "next": "/", "username": username, "password": password},
            follow_redirects=False,
        )

    def request(
        self, client: str, scope: str, pair: Pair | None = None, **more: str | None
    ) -> dict[str, str]:
        """Parameters of an authorization request; a value None leaves the parameter out."""
        values: dict[str, str | None] = {
            "response_type": "code",
            "client_id": client,
            "redirect_uri": CALLBACK,
            "scope": scope,
            "state": "s t/ä=&",
            "aud": FHIR,
        }
        if pair is not None:
            values |= {"code_challenge": pair.challenge, "code_challenge_method": "S256"}
        values |= more
        return {name: value for name, value in values.items() if value is not None}

    def approve(
        self,
        parameters: dict[str, str],
        *,
        patient: str | None = None,
        only: set[str] | None = None,
        **more: str,
    ) -> dict[str, str]:
        """Go through the approval page; gives the parameters that reach the application."""
        page = self.http.get("/oauth/authorize", params=parameters, follow_redirects=False)
        assert page.status_code == 200, (page.status_code, page.headers.get("location"), page.text)
        scopes = re.findall(r'name="granted" value="([^"]*)"', page.text)
        form: dict[str, Any] = {**parameters, "csrf": hidden(page.text, "csrf"), "decision": "allow"}
        form["granted"] = [scope.replace("&amp;", "&") for scope in scopes if only is None or scope in only]
        if patient:
            form["patient"] = patient
        answer = self.http.post("/oauth/approve", data=form | more, follow_redirects=False)
        assert answer.status_code in (302, 303), answer.text
        return arrived(answer)

    def exchange(self, code: str, pair: Pair | None, **more: str) -> httpx.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        if pair is not None:
            form["code_verifier"] = pair.verifier
        return self.http.post("/oauth/token", data=form | more)

    def authorized(
        self, scope: str, *, user: str = "clara", client: str = "app", patient: str | None = "anna"
    ) -> dict[str, Any]:
        """A whole standalone launch of the public application; gives the token response."""
        self.sign_in(user)
        pair = pkce()
        answer = self.approve(self.request(client, scope, pair), patient=patient)
        assert "code" in answer, answer
        response = self.exchange(answer["code"], pair, client_id=client)
        assert response.status_code == 200, response.text
        self.http.cookies.clear()
        body: dict[str, Any] = response.json()
        return body

    def token(self, scope: str, **more: Any) -> dict[str, str]:
        """Headers with a token of this scope."""
        return {"Authorization": f"Bearer {self.authorized(scope, **more)['access_token']}"}


def arrived(answer: httpx.Response) -> dict[str, str]:
    """Query parameters that a redirect brings to the application."""
    location = answer.headers["location"]
    assert location.startswith(CALLBACK + "?"), location
    return {
        name: values[0] for name, values in parse_qs(urlsplit(location).query, strict_parsing=True).items()
    }


def bare_plugins() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("fhir_bridge")
    manager.add_hookspecs(hookspecs)
    manager.register(plugin, "fhir_bridge.server.plugin")
    return manager


async def furnish(services: Services) -> None:
    store: Store = services.store
    for record in RECORDS:
        await store.update(record["resourceType"], record["id"], record, EVERYTHING)
    accounts = services.accounts
    await accounts.add_user(
        "clara", PASSWORD, "clinician", display="Dr. Clara", fhir_user="Practitioner/clara"
    )
    await accounts.add_user("anna", PASSWORD, "patient", patient="anna")
    everything = (
        "openid fhirUser launch launch/patient offline_access online_access patient/*.cruds user/*.cruds"
    )
    await accounts.add_client(
        "app",
        "Test app",
        "none",
        everything,
        redirect_uris=[CALLBACK],
        launch_uri="https://app.example/launch",
    )
    await accounts.add_client(
        "other",
        "Other app",
        "none",
        everything,
        redirect_uris=[CALLBACK],
        launch_uri="https://other.example/launch",
    )


@pytest.fixture(scope="module")
def hospital(database_url: str) -> Iterator[Hospital]:
    settings = Settings(database_url=database_url, pages=False)
    app = create_app(settings, plugins=bare_plugins())
    with running(app) as http:
        served = Hospital(http)
        served.run(furnish, served.services)
        yield served
