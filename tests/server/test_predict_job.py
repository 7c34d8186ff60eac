"""A `$predict` of many that somebody cancels while its model hangs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.predictions import run
from fhir_bridge.predictions.model_workers import ModelWorkers
from fhir_bridge.server.bulk import predict_handler, predict_job
from fhir_bridge.server.settings import Settings
from fhir_bridge.storage import Store
from fhir_bridge.storage.blobs import open_blobs
from fhir_bridge.storage.bulk import BulkJobs, packed
from tests.patience import PATIENCE
from tests.predictions.clinic import records
from tests.predictions.models import Sleeping


def test_a_cancelled_run_of_a_model_that_hangs_ends(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site.yaml"
    # Stopped by nothing but the cancellation.
    block = f"{{enabled: true, limits: {{seconds: {3 * PATIENCE}}}}}"
    site.write_text(f"site: test\ndemo_key: true\nparameters: {{predictions: {{sleeping: {block}}}}}\n")
    workers = ModelWorkers()
    monkeypatch.setattr(run, "model_workers", lambda: workers)
    monkeypatch.setattr(predict_job, "find_predictor", lambda *_: Sleeping())

    async def work() -> None:
        async with await Store.open(fresh_database_url) as store:
            await store.load(records(), adapter="test")
            settings = Settings(database_url=fresh_database_url, blob_dir=tmp_path / "blobs")
            blobs = await open_blobs(store, settings.blobs)
            jobs = BulkJobs(store.pool, blobs)
            payload = {"group": "", "access": packed(EVERYTHING), "predictor": "sleeping"}
            name = await jobs.add("predict", "system", "https://x.example/fhir/$predict", payload, most=5)
            doing = asyncio.ensure_future(predict_handler(blobs, str(site))(store, {"id": name}))
            while not (job := await jobs.read(name)) or not job.progress:
                await asyncio.sleep(0.05)
            assert job.progress == {"said": "0 of 1 patients"}
            assert await jobs.remove(name)
            assert await asyncio.wait_for(doing, PATIENCE) == {}
            page = await store.search("Observation", [("_security", "AIAST")], EVERYTHING)
            assert page.entries == []

    try:
        asyncio.run(work())
    finally:
        workers.close()
