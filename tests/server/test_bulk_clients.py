"""The served program with much to move: smart-fetch, a worker that is killed, a content of 100 MB."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from fhir_bridge.server.authorization.clients import ASSERTION_TYPE
from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts
from tests.pypi import installed
from tests.server.conftest import observation, patient
from tests.server.serving import Served, serving

KEY = RSAKey.generate_key(2048, {"kid": "bulk", "use": "sig", "alg": "RS384", "key_ops": ["sign"]})
PATIENTS = 40
EACH = 20


async def _furnish(url: str) -> None:
    async with await Store.open(url) as store:
        resources: list[dict[str, Any]] = []
        for number in range(PATIENTS):
            resources.append(patient(f"p{number}", f"Family{number}"))
            resources += [observation(f"o{number}-{count}", f"p{number}") for count in range(EACH)]
        members = [{"entity": {"reference": f"Patient/p{number}"}} for number in range(0, PATIENTS, 2)]
        resources.append(
            {"resourceType": "Group", "id": "even", "type": "person", "actual": True, "member": members}
        )
        await store.load(resources, adapter="test")
        await Accounts(store).add_client(
            "bulk", "Bulk", "key", "system/*.cruds", jwks={"keys": [KEY.as_dict(private=False)]}
        )


@pytest.fixture(scope="module")
def served(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    asyncio.run(_furnish(database_url))
    with serving(database_url, blob_dir=tmp_path_factory.mktemp("blobs")) as running:
        yield running


def _key_file(folder: Path) -> Path:
    path = folder / "key.jwks"
    private = {**KEY.as_dict(private=True), "key_ops": ["sign"], "alg": "RS384"}
    path.write_text(json.dumps({"keys": [private]}))
    return path


@pytest.mark.parametrize(("group", "patients"), [(None, PATIENTS), ("even", PATIENTS // 2)])
def test_smart_fetch_exports_all_of_it(
    served: Served, tmp_path: Path, group: str | None, patients: int
) -> None:
    command = [sys.executable, "-m", "smart_fetch.cli.main", "export", str(tmp_path / "out")]
    command += ["--fhir-url", served.base, "--export-mode", "bulk", "--no-compression"]
    command += ["--smart-client-id", "bulk", "--smart-key", str(_key_file(tmp_path))]
    command += ["--type", "Patient,Observation", "--hydration-tasks", "none", "--no-default-filters"]
    command += ["--group", group] if group else []
    environment = {**os.environ, "PYTHONPATH": str(installed("smart-fetch", "1.0.3"))}
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    counts: dict[str, set[str]] = {}
    for path in (tmp_path / "out").rglob("*.ndjson"):
        if path.name == "log.ndjson":
            continue
        for line in path.read_text().splitlines():
            resource = json.loads(line)
            counts.setdefault(resource["resourceType"], set()).add(resource["id"])
    assert len(counts["Patient"]) == patients
    assert len(counts["Observation"]) == patients * EACH


def _token(served: Served) -> dict[str, str]:
    now = int(time.time())
    claims = {"iss": "bulk", "sub": "bulk", "aud": f"{served.root}/oauth/token", "exp": now + 240}
    signed = jwt.encode(
        {"alg": "RS384", "kid": "bulk"}, {**claims, "jti": secrets.token_hex(8)}, KEY, algorithms=["RS384"]
    )
    form = {
        "grant_type": "client_credentials",
        "scope": "system/*.cruds",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
    }
    answer = httpx.post(f"{served.root}/oauth/token", data=form, timeout=60)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def _until(found: Callable[[], Any], what: str) -> Any:
    for _ in range(600):
        try:
            if result := found():
                return result
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"never: {what}")


def test_an_import_that_waits_holds_up_no_export(served: Served, database_url: str) -> None:
    headers = {**_token(served), "Prefer": "respond-async"}
    uploaded = served.request(
        "PUT",
        "Binary/waiting",
        content=json.dumps(patient("p0", "Other")),
        headers={**_token(served), "Content-Type": "application/fhir+ndjson"},
    )
    assert uploaded.status_code == 201, uploaded.text
    part = {"name": "url", "valueUrl": f"{served.base}/Binary/waiting"}
    body = {"resourceType": "Parameters", "parameter": [{"name": "input", "part": [part]}]}
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT FROM resource WHERE type = 'Patient' AND id = 'p0' FOR UPDATE")
        imported = served.request("POST", "$import", json=body, headers=headers)
        assert imported.status_code == 202, imported.text
        exported = served.get("$export?_type=Group", headers=headers)
        _until(lambda: _state(served, exported, headers) == 200, "the export is done")
        assert _state(served, imported, headers) == 202
    _until(lambda: _state(served, imported, headers) == 200, "the import is done")


def _state(served: Served, begun: httpx.Response, headers: dict[str, str]) -> int:
    address = begun.headers["content-location"].removeprefix(f"{served.base}/")
    return served.get(address, headers=headers).status_code


def test_a_worker_that_is_killed_loses_nothing(served: Served, database_url: str) -> None:
    headers = {**_token(served), "Prefer": "respond-async"}
    with psycopg.connect(database_url, autocommit=True) as connection:
        with connection.transaction():
            # The first file can't be noted, so the worker is in the middle of it.
            connection.execute("LOCK TABLE bulk_file IN SHARE MODE")
            begun = served.get("$export?_type=Observation,Patient", headers=headers)
            assert begun.status_code == 202, begun.text
            _until(
                lambda: (
                    connection.execute(
                        "SELECT FROM pg_locks WHERE relation = 'bulk_file'::regclass AND NOT granted"
                    ).fetchone()
                    is not None
                ),
                "the worker waits",
            )
            for child in psutil.Process(served.process.pid).children(recursive=True):
                if "multiprocessing" in " ".join(child.cmdline()):
                    os.kill(child.pid, signal.SIGKILL)
        connection.execute("UPDATE job SET leased_until = now() WHERE state = 'leased'")
    address = begun.headers["content-location"].removeprefix(f"{served.base}/")

    def finished() -> dict[str, Any] | None:
        answer = served.get(address, headers=headers)
        return answer.json() if answer.status_code == 200 else None

    manifest = _until(finished, "the export is done")
    ids: list[str] = []
    for file in manifest["output"]:
        content = served.get(file["url"].removeprefix(f"{served.base}/"), headers=headers).text
        ids += [json.loads(line)["id"] for line in content.splitlines()]
    assert len(ids) == len(set(ids)) == PATIENTS * (EACH + 1)


def _memory(served: Served) -> int:
    """Most bytes of memory that any process of the server had at once."""
    most = 0
    for child in psutil.Process(served.process.pid).children(recursive=True):
        if "multiprocessing" in " ".join(child.cmdline()):
            status = Path(f"/proc/{child.pid}/status").read_text()
            most = max(most, int(status.split("VmHWM:")[1].split()[0]) * 1024)
    return most


@pytest.mark.skipif(sys.platform != "linux", reason="the most memory of a process is read from /proc")
def test_a_content_of_100_mb_is_never_whole_in_memory(served: Served) -> None:
    headers, piece, count = _token(served), os.urandom(1024 * 1024), 100
    context = {"Content-Type": "application/pdf", "X-Security-Context": "Patient/p0"}
    first = served.request("PUT", "Binary/small", headers={**headers, **context}, content=piece)
    assert first.status_code == 201, first.text
    before = _memory(served)
    large = (piece for _ in range(count))
    answer = served.request("PUT", "Binary/large", headers={**headers, **context}, content=large)
    assert answer.status_code == 201, answer.text
    for accept in ("application/pdf", "application/fhir+json"):
        digest, size = hashlib.sha256(), 0
        asked = {**headers, "Accept": accept, "Accept-Encoding": "identity"}
        with httpx.stream("GET", f"{served.base}/Binary/large", headers=asked, timeout=120) as response:
            for some in response.iter_bytes():
                digest.update(some)
                size += len(some)
        assert size == int(response.headers["content-length"])
        if accept == "application/pdf":
            assert digest.digest() == hashlib.sha256(piece * count).digest()
    begun = served.get("$export?_type=Binary", headers={**headers, "Prefer": "respond-async"})
    address = begun.headers["content-location"].removeprefix(f"{served.base}/")
    _until(lambda: served.get(address, headers=headers).status_code == 200, "the export is done")
    assert _memory(served) - before < 40 * 1024 * 1024
