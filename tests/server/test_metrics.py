"""`/metrics`: how far what follows writes is, for whoever has the token, and nothing of a patient."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from fhir_bridge.server import Settings, create_app
from fhir_bridge.storage.changes import Change
from fhir_bridge.storage.consumers import Consumers
from fhir_bridge.storage.outbox import Outbox
from tests.patience import until
from tests.server.conftest import Hospital, bare_plugins, furnish, running

TOKEN = "a token of the monitor"


@pytest.fixture(scope="module")
def watched(database_url: str) -> Iterator[Hospital]:
    settings = Settings(database_url=database_url, pages=False, metrics_token=SecretStr(TOKEN))
    with running(create_app(settings, plugins=bare_plugins())) as http:
        hospital = Hospital(http)
        pool = hospital.services.store.pool
        # From the beginning of the feed: all that is furnished is still to be taken.
        hospital.sql(
            "INSERT INTO consumer (name, xid, sequence) VALUES ('follower', '0', 0), ('fhir_bridge_audit x', '0', 0)"
        )
        hospital.run(furnish, hospital.services)
        hospital.run(Consumers(pool, "w").lease, "follower", timedelta(seconds=60))
        hospital.run(Consumers(pool, "w").fail, "follower")
        hospital.run(Outbox(pool).note, "ehr", [Change(1, 1, "Observation", "anna-lab", 1, False)])
        yield hospital


def read(hospital: Hospital) -> dict[str, float]:
    answer = hospital.http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    lines = answer.text.splitlines()
    assert not any(name in answer.text for name in ("anna", "bert", "Alpha"))
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


def test_lag_and_failures_of_consumers_and_of_the_outbox_are_measured(watched: Hospital) -> None:
    lag = 'fhir_bridge_consumer_lag_changes{consumer="follower"}'
    # The feed waits for older transactions, also those of other databases of this server.
    until(lambda: read(watched)[lag] == 7, "all changes are in the feed")
    measured = read(watched)
    assert measured['fhir_bridge_consumer_lag_seconds{consumer="follower"}'] >= 0
    assert measured['fhir_bridge_consumer_failures{consumer="follower"}'] == 1
    assert measured['fhir_bridge_consumer_failures{consumer="fhir_bridge_audit x"}'] == 0
    assert measured['fhir_bridge_outbox_resources{target="ehr",state="waiting"}'] == 1
    assert measured['fhir_bridge_outbox_failing{target="ehr"}'] == 0
    assert measured["fhir_bridge_subscription_events_waiting"] == 0
    assert measured["fhir_bridge_subscriptions_failing"] == 0
    watched.sql("UPDATE consumer SET xid = pg_snapshot_xmin(pg_current_snapshot()), sequence = 1")
    assert read(watched)[lag] == 0


@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer wrong", "Basic " + TOKEN, "Bearer \u00e4"])
def test_nobody_else_sees_that_there_is_something(watched: Hospital, given: str) -> None:
    answer = watched.http.get("/metrics", headers={"Authorization": given.encode()} if given else {})
    missing = watched.http.get("/nothing-here")
    assert (
        (answer.status_code, answer.json())
        == (missing.status_code, missing.json())
        == (404, {"detail": "Not Found"})
    )
