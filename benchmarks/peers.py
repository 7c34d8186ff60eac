"""What this server is measured beside: the floor, and SEKMET.

The floor is the least that a server in Python can do with a database: Starlette and psycopg in one process, under the
same uvicorn and on a PostgreSQL with the same settings. It parses what it is sent, stores it under a new id with the
row by which it is found by patient and code, in one commit a request, and serves the stored bytes. It knows no token,
no access, no validation, no versions, no audit, no other search.

SEKMET (PyPI, sekmet-fhir 0.1.1) is a FHIR server in Python on SQLite, which validates what it stores. It asks for a
token, too; its log of requests is off, as it advises for load.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import psycopg
import uvicorn
from hl7v2 import peer_python
from psycopg_pool import AsyncConnectionPool
from serving import Connection, free_port, running
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from storage import cohort

SEKMET = "sekmet-fhir==0.1.1"
TOKEN = "benchmark"
BASE = "http://127.0.0.1/fhir"
FHIR = "application/fhir+json"

TABLES = """
CREATE TABLE least (type text, id text, bytes bytea, PRIMARY KEY (type, id));
CREATE TABLE least_search (type text, patient text, code text, id text);
CREATE INDEX ON least_search (type, patient, code);
"""
STORE = b"""
WITH w AS (INSERT INTO least VALUES (%(type)s, %(id)s, %(bytes)b))
INSERT INTO least_search VALUES (%(type)s, %(patient)s, %(code)s, %(id)s)
"""
READ = b"SELECT bytes FROM least WHERE type = %s AND id = %s"
SEARCH = b"""
SELECT r.id, r.bytes FROM least_search s JOIN least r USING (type, id)
WHERE s.type = %s AND s.patient = %s AND s.code = %s
"""


def _row(resource: dict[str, Any]) -> dict[str, object]:
    return {
        "type": resource["resourceType"],
        "id": resource["id"],
        "bytes": orjson.dumps(resource),
        "patient": resource["subject"]["reference"] if "subject" in resource else None,
        "code": resource["code"]["coding"][0]["code"] if "code" in resource else None,
    }


def least(url: str) -> Starlette:
    """The application."""
    pool = AsyncConnectionPool(url, min_size=1, max_size=8, open=False, kwargs={"autocommit": True})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await pool.open()
        yield
        await pool.close()

    async def read(request: Request) -> Response:
        values = request.path_params["type"], request.path_params["id"]
        async with pool.connection() as connection:
            row = await (await connection.execute(READ, values, binary=True)).fetchone()
        return Response(row[0] if row else b"", 200 if row else 404, media_type=FHIR)

    async def search(request: Request) -> Response:
        asked = request.query_params
        values = request.path_params["type"], f"Patient/{asked['patient']}", asked["code"]
        async with pool.connection() as connection:
            rows = await (await connection.execute(SEARCH, values, binary=True)).fetchall()
        kind = values[0]
        entries = [
            {
                "fullUrl": f"{BASE}/{kind}/{identity}",
                "resource": orjson.Fragment(content),
                "search": {"mode": "match"},
            }
            for identity, content in rows
        ]
        answer = {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}
        return Response(orjson.dumps(answer), media_type=FHIR)

    async def create(request: Request) -> Response:
        resource = orjson.loads(await request.body())
        resource["id"] = secrets.token_hex(16)
        row = _row(resource)
        async with pool.connection() as connection:
            await connection.execute(STORE, row)
        return Response(row["bytes"], 201, media_type=FHIR)  # type: ignore[arg-type]

    async def transaction(request: Request) -> Response:
        resources = [entry["resource"] for entry in orjson.loads(await request.body())["entry"]]
        for resource in resources:
            resource["id"] = secrets.token_hex(16)
        async with pool.connection() as connection, connection.transaction(), connection.cursor() as cursor:
            await cursor.executemany(STORE, map(_row, resources))
        answer = {"resourceType": "Bundle", "type": "transaction-response"}
        entries = [{"response": {"status": "201", "location": resource["id"]}} for resource in resources]
        return Response(orjson.dumps({**answer, "entry": entries}), media_type=FHIR)

    routes = [
        Route("/fhir/", transaction, methods=["POST"]),
        Route("/fhir/{type}/{id}", read),
        Route("/fhir/{type}", search),
        Route("/fhir/{type}", create, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


@contextmanager
def serving_least(url: str, observations: int) -> Iterator[tuple[int, int]]:
    """The floor with its data: its port and process."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES)
        with connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(STORE, map(_row, cohort(observations)))
        connection.execute("ANALYZE")
    port = free_port()
    with running([sys.executable, __file__, url, str(port)], port, dict(os.environ)) as process:
        yield port, process


SETTINGS = """
base_url: http://127.0.0.1:{port}/fhir
host: 127.0.0.1
port: {port}
data_dir: data
log_inbound: false
server_auth: {{types: [bearer], tokens: [{token}]}}
"""


@contextmanager
def serving_sekmet(observations: int, folder: Path) -> Iterator[tuple[int, int] | None]:
    """SEKMET with its data in a folder: its port and process; None, with the reason printed, where PyPI has it not."""
    try:
        python = peer_python(SEKMET).absolute()
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"SEKMET is left out: {SEKMET} can't be installed ({error})")
        yield None
        return
    port = free_port()
    (folder / "settings.yaml").write_text(SETTINGS.format(port=port, token=TOKEN))
    # As its own command starts it, but without a line of log for each request.
    program = [str(python), "-m", "uvicorn", "sekmet.main:app_factory", "--factory", "--no-access-log"]
    command = [*program, "--log-level", "warning", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "SEKMET_CONFIG": str(folder / "settings.yaml")}
    environment.pop("PYTHONPATH", None)
    before = Path.cwd()
    os.chdir(folder)
    try:
        with running(command, port, environment) as process:
            asyncio.run(_load(port, observations))
            yield port, process
    finally:
        os.chdir(before)


async def _load(port: int, observations: int) -> None:
    connection = await Connection.to(port)
    resources = cohort(observations)
    while some := list(islice(resources, 500)):
        entries = [
            {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
            for each in some
        ]
        body = orjson.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries})
        head = f"POST /fhir HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        head += f"Content-Type: {FHIR}\r\nContent-Length: {len(body)}\r\n\r\n"
        status, answer = await connection.exchange(head.encode() + body)
        if status != 200:
            raise RuntimeError(f"SEKMET answered {status}: {answer[:500]!r}")
    connection.close()


if __name__ == "__main__" and len(sys.argv) == 3:
    config = uvicorn.Config(
        least(sys.argv[1]), port=int(sys.argv[2]), loop="uvloop", http="httptools", log_level="warning",
        access_log=False,
    )  # fmt: skip
    uvicorn.Server(config).run()
