"""What `unlinked: hold` held is processed while serving once its link exists; nothing is sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage import Store
from tests.e2e.test_inbox import elsewhere, know
from tests.e2e.test_ledger import Bridge, resources, waiting
from tests.e2e.test_ledger import hospital as hospital
from tests.e2e.test_ledger import load as load
from tests.patience import until
from tests.server.serving import serving

Load = Callable[..., dict[str, Any]]


@pytest.mark.timeout(240)
def test_a_held_message_is_stored_when_the_site_learns_its_authority(
    load: Load, bridge: Bridge, hospital: Path, fresh_database_url: str
) -> None:
    """Whatever writes a Patient makes the worker look again."""
    (hospital / "one.hl7").write_text(elsewhere("1", "1", "F1"))
    load(hospital / "one.hl7", "hl7v2")
    with serving(fresh_database_url, site=hospital / "site.yaml", auth="none"):
        assert len(waiting(bridge, fresh_database_url)) == 1
        until(lambda: _follows(fresh_database_url), "the worker follows the feed")
        know(hospital)
        _write_patient(fresh_database_url)
        until(lambda: not waiting(bridge, fresh_database_url), "the inbox is processed", 0.5)
    stored = {one["identifier"][0]["value"] for one in resources(fresh_database_url, "Patient")}
    assert stored == {"1", "9"}
    assert len(resources(fresh_database_url, "Observation")) == 1


def _follows(url: str) -> bool:
    """Whether the worker has a place in the change feed."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT FROM consumer WHERE name = 'inbox'").fetchone() is not None


def _write_patient(url: str) -> None:
    async def write() -> None:
        async with await Store.open(url, migrate=False) as store:
            body = {"resourceType": "Patient", "id": "nine", "identifier": [{"value": "9"}]}
            await store.update("Patient", "nine", body, EVERYTHING)

    asyncio.run(write())
