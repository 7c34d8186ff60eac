"""The demonstration, prepared once for all test processes into a database that every module of tests gets a copy of."""

from __future__ import annotations

import asyncio
import fcntl
import pickle
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey
from typer.testing import CliRunner

from fhir_bridge.cli.main import app as command_line
from fhir_bridge.demo.run import Demonstration, prepare
from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.server import Settings, create_app
from fhir_bridge.storage import Store
from fhir_bridge.storage.embedded import EmbeddedServer
from tests.fixtures_postgres import copied_database, drop_database
from tests.patience import PATIENCE, until


@dataclass(frozen=True)
class Prepared:
    """What `fhir-bridge demo` does before it serves."""

    folder: Path
    site: Path
    demonstration: Demonstration
    database: str


@pytest.fixture(scope="session")
def prepared(postgres: EmbeddedServer) -> Prepared:
    folder = postgres.data_dir / "demonstration"
    with (postgres.data_dir / "demonstration.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "prepared").exists():
            folder.mkdir()
            name, cohort = copied_database(postgres), folder / "cohort"
            demonstration = asyncio.run(prepare(cohort, postgres.url(name)))
            written = pickle.dumps(Prepared(cohort, demonstration.site, demonstration, name))
            (folder / "prepared").write_bytes(written)
        result: Prepared = pickle.loads((folder / "prepared").read_bytes())
    return result


@pytest.fixture(scope="module")
def demo_url(postgres: EmbeddedServer, prepared: Prepared) -> Iterator[str]:
    """URL of a copy of the demonstration's database, for one module of tests."""
    name = copied_database(postgres, prepared.database)
    yield postgres.url(name)
    drop_database(postgres, name)


def stored(url: str, *, versions: bool = True) -> dict[str, bytes]:
    """Everything current in a database, `Type/id` to its content; audit and the time of storing left out."""

    async def read() -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        async with await Store.open(url, max_size=1) as store:
            # A search of each of 150 types takes longer than most loads.
            async with store.connection() as connection:
                rows = await (await connection.execute("SELECT DISTINCT type FROM resource")).fetchall()
            for kind in sorted({row[0] for row in rows} - {"AuditEvent"}):
                page = await store.search(kind, [("_sort", "_id")], EVERYTHING, count=1000)
                while True:
                    for entry in page.entries:
                        resource = entry.resource()
                        del resource["meta"]["lastUpdated"]
                        if not versions:
                            del resource["meta"]["versionId"]
                        found[f"{kind}/{entry.id}"] = dumps(resource)
                    if page.next is None:
                        break
                    page = await store.search(
                        kind, [("_sort", "_id")], EVERYTHING, count=1000, cursor=page.next
                    )
        return found

    return asyncio.run(read())


@contextmanager
def _serving(url: str, site: Path) -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        settings = Settings(database_url=url, base_url=base, site=site)
        config = uvicorn.Config(
            create_app(settings), ws="none", log_level="warning", access_log=False, lifespan="on"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        until(lambda: server.started or not thread.is_alive(), "the server did not start")
        assert server.started, "the server ended while it started"
        try:
            yield base
        finally:
            server.should_exit = True
            thread.join(20)


class Service:
    """A backend service of the hospital: a key, a token, and FHIR requests with it."""

    def __init__(self, base: str, key: ECKey) -> None:
        self.base = base
        self._key = key
        self.http = httpx.Client(base_url=base, timeout=PATIENCE)

    def token(self, scope: str) -> httpx.Response:
        """Ask the token endpoint that discovery names, by private_key_jwt."""
        endpoint = self.http.get("/fhir/.well-known/smart-configuration").json()["token_endpoint"]
        claims = {
            "iss": "registry",
            "sub": "registry",
            "aud": endpoint,
            "exp": int(time.time()) + 200,
            "jti": str(uuid.uuid4()),
        }
        header = {"alg": "ES384", "kid": "k1"}
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": jwt.encode(header, claims, self._key, algorithms=["ES384"]),
        }
        return self.http.post(endpoint, data=form)

    def sign_on(self, scope: str = "system/*.rs") -> None:
        answer = self.token(scope)
        assert answer.status_code == 200, answer.text
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def get(self, path: str) -> dict[str, Any]:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def search(self, path: str) -> list[dict[str, Any]]:
        """All matches, page by page."""
        found: list[dict[str, Any]] = []
        following: str | None = f"{self.base}/fhir/{path}"
        while following:
            bundle = self.get(following)
            entries = bundle.get("entry", [])
            assert [e for e in entries if e["search"]["mode"] == "outcome"] == []
            found += [entry["resource"] for entry in entries if entry["search"]["mode"] == "match"]
            following = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        return found


@pytest.fixture(scope="module")
def service(demo_url: str, prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The demonstration, served; and a backend service that was registered on the command line."""
    key = ECKey.generate_key("P-384", {"kid": "k1"})
    keys = tmp_path_factory.mktemp("keys") / "jwks.json"
    keys.write_bytes(dumps({"keys": [key.as_dict(private=False)]}))
    arguments = ["client", "add", "registry", "--name", "Registry", "--scope", "system/*.rs"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FHIR_BRIDGE_DATABASE_URL", demo_url)
        registered = CliRunner().invoke(command_line, [*arguments, "--jwks", str(keys)])
    assert registered.exit_code == 0, registered.output
    with _serving(demo_url, prepared.site) as base:
        caller = Service(base, key)
        yield caller
        caller.http.close()


@pytest.fixture
def bridge(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`fhir-bridge ARGUMENTS` in this process; gives exit code and output."""

    def run(*arguments: str | Path, database: str | None = None) -> Any:
        if database is not None:
            monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", database)
        return CliRunner().invoke(command_line, [str(argument) for argument in arguments])

    return run
