"""Exports and imports in tests: a backend service's token, and the background worker's part."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pluggy

from fhir_bridge.server import Settings, create_app
from fhir_bridge.server.background import Handler
from fhir_bridge.server.bulk import export_handler, import_handler
from fhir_bridge.storage.grants import Grant
from fhir_bridge.storage.jobs import Jobs
from tests.server.conftest import FHIR, Hospital, bare_plugins, furnish, running

ASYNC = {"Prefer": "respond-async", "Accept": "application/fhir+json"}


@contextmanager
def hospital_with_blobs(database_url: str, folder: Path, **more: Any) -> Iterator[Hospital]:
    settings = Settings(database_url=database_url, pages=False, blob_dir=folder, **more)
    with running(create_app(settings, plugins=bare_plugins())) as http:
        served = Hospital(http)
        served.run(furnish, served.services)
        yield served


def backend(
    hospital: Hospital, scope: str, *, purpose: str | None = None, client: str = ""
) -> dict[str, str]:
    """Headers with the token of a backend service that may do this, new where it is not named."""
    name = client or f"backend-{secrets.token_hex(4)}"
    services = hospital.services
    if hospital.run(services.accounts.find_client, name) is None:
        jwks: dict[str, Any] = {"keys": []}
        hospital.run(services.accounts.add_client, name, name, "key", scope, jwks=jwks, purpose=purpose)
    grant = Grant(name, scope, FHIR, purpose=purpose or "HOPERAT")
    issued = hospital.run(services.grants.issue_backend, grant)
    return {"Authorization": f"Bearer {issued.access}"}


def work(
    hospital: Hospital,
    plugins: pluggy.PluginManager | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> int:
    """What the background worker does: the exports and imports that wait; how many those were."""
    services = hospital.services
    http = None if transport is None else httpx.AsyncClient(transport=transport)
    kinds: dict[str, Handler] = {
        "bulk-export": export_handler(services.blobs, plugins or bare_plugins()),
        "bulk-import": import_handler(
            services.blobs, plugins or bare_plugins(), services.settings, services.terminology, http
        ),
    }
    jobs = Jobs(services.store.pool, f"test-{secrets.token_hex(4)}")

    async def all_of_them() -> int:
        done = 0
        while (job := await jobs.lease(list(kinds))) is not None:
            await jobs.finish(job, await kinds[job.kind](services.store, job.payload))
            done += 1
        return done

    count: int = hospital.run(all_of_them)
    return count


def kick_off(hospital: Hospital, path: str, token: dict[str, str], **more: Any) -> httpx.Response:
    headers = {**ASYNC, **token, **more.pop("headers", {})}
    return hospital.http.request(more.pop("method", "GET"), f"/fhir/{path}", headers=headers, **more)


def manifest(hospital: Hospital, begun: httpx.Response, token: dict[str, str]) -> dict[str, Any]:
    """What an export came to that was begun and done."""
    assert begun.status_code == 202, begun.text
    answer = hospital.http.get(begun.headers["content-location"], headers=token)
    assert answer.status_code == 200, (answer.status_code, answer.text)
    body: dict[str, Any] = answer.json()
    return body


def lines(hospital: Hospital, url: str, token: dict[str, str]) -> list[dict[str, Any]]:
    """The resources of a file."""
    answer = hospital.http.get(url, headers={**token, "Accept": "application/fhir+ndjson"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/fhir+ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


def exported(
    hospital: Hospital, path: str, token: dict[str, str], kind: str = "output", **more: Any
) -> dict[str, list[str]]:
    """The ids that an export gives, by type, in their order."""
    begun = kick_off(hospital, path, token, **more)
    assert begun.status_code == 202, begun.text
    work(hospital)
    results: dict[str, list[str]] = {}
    for file in manifest(hospital, begun, token)[kind]:
        resources = lines(hospital, file["url"], token)
        assert len(resources) == file["count"] or kind == "deleted"
        results.setdefault(file["type"], []).extend(resource.get("id", "") for resource in resources)
    return results
