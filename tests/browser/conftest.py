"""A real server, a real SMART application on another origin, and headless Chromium."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from fhir_bridge.server import Settings, create_app
from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts
from tests.npm import npm_cache, packed
from tests.patience import PATIENCE, until
from tests.server.conftest import PASSWORD, RECORDS, bare_plugins, free_port

PACKAGES = {"fhirclient": "2.6.3", "playwright-core": "1.65.1"}
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a browser."""
    here = f"{HERE}{os.sep}"
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("Chromium is not installed")


@pytest.fixture(scope="session")
def npm_packages() -> Path:
    """fhirclient and playwright-core, fetched once with npm. Neither needs its dependencies here."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    folder = npm_cache()
    for name, version in PACKAGES.items():
        target = folder / "node_modules" / name
        if (target / "package.json").exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(packed(name, version)) as archive:
            archive.extractall(folder / "unpacked", filter="data")
        shutil.move(folder / "unpacked" / "package", target)
    return folder


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Nothing: the tests' output is for failures."""


@dataclass
class Site:
    """Where things are."""

    root: str
    app: str

    @property
    def fhir(self) -> str:
        return self.root + "/fhir"


@pytest.fixture(scope="module")
def app_files(tmp_path_factory: pytest.TempPathFactory, npm_packages: Path) -> Iterator[str]:
    """The application, served from an origin of its own."""
    folder = tmp_path_factory.mktemp("app")
    shutil.copytree(HERE / "app", folder, dirs_exist_ok=True)
    shutil.copy(npm_packages / "node_modules/fhirclient/build/fhir-client.js", folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


async def _furnish(url: str, app: str) -> None:
    from fhir_bridge.fhir.access import EVERYTHING

    async with await Store.open(url) as store:
        for record in RECORDS:
            await store.update(record["resourceType"], record["id"], record, EVERYTHING)
        accounts = Accounts(store)
        await accounts.add_user(
            "clara", PASSWORD, "clinician", display="Dr. Clara", fhir_user="Practitioner/clara"
        )
        await accounts.add_client(
            "browser-app",
            "Browser app",
            "none",
            "openid fhirUser launch launch/patient offline_access patient/*.rs",
            redirect_uris=[f"{app}/{page}.html" for page in ("index", "results", "viewer")],
            launch_uri=f"{app}/launch.html",
        )


@pytest.fixture(scope="module")
def site(database_url: str, app_files: str) -> Iterator[Site]:
    """The server on a free port, with a registered application."""
    asyncio.run(_furnish(database_url, app_files))
    settings = Settings(database_url=database_url, port=free_port(), pages=False)
    with serving(settings):
        yield Site(settings.root, app_files)


@contextmanager
def serving(settings: Settings) -> Iterator[None]:
    """The server, in a thread, while the block runs."""
    config = uvicorn.Config(
        create_app(settings, plugins=bare_plugins()),
        port=settings.port,
        log_level="error",
        server_header=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "the server did not start")
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def drive(chromium: str, npm_packages: Path, site: Site, tmp_path: Path) -> Any:
    """Run a scenario of `drive.mjs` in a fresh browser profile; gives what the application showed."""

    def run(scenario: str, **more: str) -> dict[str, Any]:
        environment = os.environ | {
            "ROOT": site.root,
            "APP": site.app,
            "CHROMIUM": chromium,
            "PROFILE": str(tmp_path / "profile"),
            "PLAYWRIGHT": str(npm_packages / "node_modules/playwright-core/index.mjs"),
            "PASSWORD": PASSWORD,
            **more,
        }
        done = subprocess.run(
            ["node", str(HERE / "drive.mjs"), scenario],
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        shown: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return shown

    return run
