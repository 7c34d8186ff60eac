"""The program as it is served, with a token, for the clients that others use."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server.authorization.clients import ASSERTION_TYPE
from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts
from tests.server.conftest import PASSWORD, RECORDS, free_port
from tests.server.serving import Served, serving

KEY = RSAKey.generate_key(2048, {"kid": "program", "use": "sig", "alg": "RS384", "key_ops": ["sign"]})
CALLBACK = "https://app.example/callback"


async def _furnish(url: str) -> None:
    async with await Store.open(url) as store:
        for record in RECORDS:
            await store.update(record["resourceType"], record["id"], record, EVERYTHING)
        accounts = Accounts(store)
        await accounts.add_user(
            "clara", PASSWORD, "clinician", display="Dr. Clara", fhir_user="Practitioner/clara"
        )
        await accounts.add_client(
            "program", "A program", "key", "system/*.cruds", jwks={"keys": [KEY.as_dict(private=False)]}
        )
        await accounts.add_client(
            "fhirclient",
            "An application",
            "none",
            "openid fhirUser launch/patient offline_access user/*.cruds",
            redirect_uris=[CALLBACK],
        )


@pytest.fixture(scope="module")
def receiver_port() -> int:
    """Where a client of this module may receive notifications."""
    return free_port()


@pytest.fixture(scope="module")
def served(
    database_url: str, tmp_path_factory: pytest.TempPathFactory, receiver_port: int
) -> Iterator[Served]:
    """A server with two patients, a clinician, a program and an application."""
    asyncio.run(_furnish(database_url))
    with serving(
        database_url,
        blob_dir=tmp_path_factory.mktemp("blobs"),
        egress=f"http://127.0.0.1:{receiver_port}",
        egress_networks="127.0.0.0/8",
        implied_profiles="warning",
    ) as running:
        yield running


@pytest.fixture
def token(served: Served) -> str:
    """An access token of the program: SMART Backend Services."""
    return token_of(served)


def token_of(served: Served) -> str:
    """A new token."""
    claims = {"iss": "program", "sub": "program", "aud": f"{served.root}/oauth/token"}
    claims |= {"exp": int(time.time()) + 240, "jti": secrets.token_hex(8)}
    form = {
        "grant_type": "client_credentials",
        "scope": "system/*.cruds",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": jwt.encode({"alg": "RS384", "kid": "program"}, claims, KEY, algorithms=["RS384"]),
    }
    answer = httpx.post(f"{served.root}/oauth/token", data=form, timeout=60)
    assert answer.status_code == 200, answer.text
    access_token: str = answer.json()["access_token"]
    return access_token


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program's private key, as PEM."""
    path = tmp_path_factory.mktemp("key") / "key.pem"
    path.write_bytes(KEY.as_pem(private=True))
    return path


def outcomes(
    command: list[str], served: Served, token: str, environment: Mapping[str, str], folder: Path
) -> dict[str, str]:
    """What came of each call of a script: "ok", or what was wrong."""
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={
            **os.environ,
            "ROOT": served.root,
            "BASE": served.base,
            "TOKEN": token,
            "PASSWORD": PASSWORD,
            **environment,
        },
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    result: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def all_well(found: Mapping[str, str], calls: int) -> None:
    """Assert that a script made as many calls as are meant, and that each came to what it asserts."""
    wrong = [f"{call}: {said}" for call, said in found.items() if said != "ok"]
    assert not wrong, "\n".join(wrong)
    assert len(found) == calls
