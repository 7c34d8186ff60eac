"""A second bridge holds what the first predicts: each prediction once, however often the first one is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg
import pytest
from joserfc.jwk import ECKey

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.canonical import PREDICTION_IDS
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.predictions import PredictionRun
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts
from tests.patience import until
from tests.predictions.clinic import ENABLED, records
from tests.server.serving import Served, serving

T = TypeVar("T")
PATIENTS = 4
KEY = ECKey.generate_key("P-384", {"kid": "k1"})


def in_store(url: str, work: Callable[[Store], Awaitable[T]]) -> T:
    async def run() -> T:
        async with await Store.open(url) as store:
            return await work(store)

    return asyncio.run(run())


def numbered(number: int) -> list[dict[str, Any]]:
    """The patient of the predictors' tests with a number, and what the model reads."""
    text = json.dumps(records(), default=str).replace("Patient/p", f"Patient/p{number}")
    results = json.loads(text)
    for resource in results:
        resource["id"] = (
            f"{resource['id']}{number}"
            if resource["resourceType"] == "Patient"
            else f"{resource['id']}-p{number}"
        )
        if resource["resourceType"] == "Patient":
            resource["identifier"] = [{"system": "urn:oid:2.25.1", "value": f"MRN{number}"}]
        for component in [*resource.get("component", ())]:  # as R4's vital signs want it
            component["valueQuantity"]["unit"] = "mmHg"
            diastolic = json.loads(json.dumps(component).replace("8480-6", "8462-4"))
            resource["component"].append(diastolic)
    return results


def predict(url: str, numbers: range) -> list[str]:
    """Predict for patients of the first bridge; the ids of the results."""

    async def work(store: Store) -> list[str]:
        for number in numbers:
            await store.load(numbered(number), adapter="test")
        run = PredictionRun(Score2(), ENABLED, IdKey(DEMO_KEY), store)
        for number in numbers:
            await run.for_patient(f"p{number}")
        page = await store.search("Observation", [("_security", "AIAST")], EVERYTHING, count=500)
        return [entry.id for entry in page.entries]

    return in_store(url, work)


def held(url: str) -> dict[str, list[dict[str, Any]]]:
    """The predictions of the second bridge by their business identifier."""

    async def work(store: Store) -> list[dict[str, Any]]:
        page = await store.search("Observation", [("_security", "AIAST")], EVERYTHING, count=500)
        return [loads(entry.bytes) for entry in page.entries]

    results: dict[str, list[dict[str, Any]]] = {}
    for resource in in_store(url, work):
        (value,) = [item["value"] for item in resource["identifier"] if item["system"] == PREDICTION_IDS]
        results.setdefault(value, []).append(resource)
    return results


def kill(served: Served) -> None:
    """SIGKILL to all processes of a server at once."""
    everyone = [
        psutil.Process(served.process.pid),
        *psutil.Process(served.process.pid).children(recursive=True),
    ]
    for process in everyone:
        os.kill(process.pid, signal.SIGKILL)
    served.process.wait()


def expire(url: str) -> None:
    """The leases of the killed processes lapse, as they do after a minute."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE outbox SET leased_until = '-infinity', not_before = '-infinity'")
        connection.execute("UPDATE consumer SET leased_until = '-infinity'")


@pytest.fixture
def targets(tmp_path: Path) -> Path:
    (tmp_path / "key.json").write_text(json.dumps(KEY.as_dict(private=True)))
    return tmp_path / "targets.yaml"


def test_each_prediction_is_held_once_though_the_sender_is_killed(
    fresh_database_url: str, other_database_url: str, targets: Path
) -> None:
    async def register(store: Store) -> None:
        await Accounts(store).add_client(
            "bridge", "Bridge", "key", "system/*.cruds", jwks={"keys": [KEY.as_dict(private=False)]}
        )

    in_store(other_database_url, register)
    with serving(other_database_url, prediction_writers="bridge") as second:
        targets.write_text(
            f"targets:\n  second:\n    url: {second.base}\n    scope: system/*.rs\n"
            "    send: ['Observation?_security=AIAST', 'RiskAssessment', 'Provenance']\n"
            "    auth: {client_id: bridge, key_file: key.json}\n"
        )
        settings = {
            "auth": "none",
            "delivery": targets,
            "egress": second.root,
            "egress_networks": "127.0.0.0/8",
        }
        wanted: list[str] = []
        for turn in range(2):
            with serving(fresh_database_url, **settings) as first:
                until(lambda: _registered(fresh_database_url), "the forwarder did not begin")
                before = _arrived(other_database_url)
                wanted = predict(fresh_database_url, range(turn * PATIENTS, (turn + 1) * PATIENTS))
                until(lambda: _arrived(other_database_url) > before, "nothing arrived")  # noqa: B023
                kill(first)
            expire(fresh_database_url)
        with serving(fresh_database_url, **settings):
            until(lambda: _waiting(fresh_database_url) == 0, "some never arrived")
            results = held(other_database_url)
            assert {name: len(copies) for name, copies in results.items()} == dict.fromkeys(wanted, 1)
            with psycopg.connect(other_database_url) as connection:
                for kind in ("Patient", "Device", "RiskAssessment", "Provenance", "Observation"):
                    theirs = connection.execute(
                        "SELECT count(*) FROM resource WHERE type = %s AND NOT deleted AND version > 0",
                        (kind,),
                    ).fetchone()
                    with psycopg.connect(fresh_database_url) as own:
                        ours = own.execute(
                            "SELECT count(*) FROM resource WHERE type = %s AND NOT deleted AND version > 0",
                            (kind,),
                        ).fetchone()
                    assert theirs == ours, kind
            subject = results[wanted[0]][0]["subject"]["reference"]
            patient = in_store(other_database_url, lambda store: store.read(*subject.split("/"), EVERYTHING))
            assert loads(patient.bytes)["identifier"][0]["value"].startswith("MRN")
            # What is withdrawn here is withdrawn there.
            withdrawn = wanted[0]

            async def withdraw(store: Store) -> None:
                resource = (await store.read("Observation", withdrawn, EVERYTHING)).resource()
                await store.update(
                    "Observation", withdrawn, {**resource, "status": "entered-in-error"}, EVERYTHING
                )

            in_store(fresh_database_url, withdraw)
            until(
                lambda: held(other_database_url)[withdrawn][0]["status"] == "entered-in-error",
                "the withdrawal did not arrive",
                0.5,
            )


def _registered(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT FROM consumer WHERE name = 'outbox second'").fetchone() is not None


def _arrived(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM resource WHERE type = 'RiskAssessment'").fetchone()
        assert row is not None
        return int(row[0])


def _waiting(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM outbox WHERE state <> 'delivered'").fetchone()
        assert row is not None
        return int(row[0])
