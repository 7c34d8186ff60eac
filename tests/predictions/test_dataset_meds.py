"""The MEDS form of a data set: valid by the schema that `meds` 0.4.1 publishes, and no row sees what came later."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow
from pyarrow import parquet
from ruamel.yaml import YAML

from fhir_bridge.cli.dataset import _write
from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.predictions.dataset import Collected, DatasetRow, load_cohort
from fhir_bridge.predictions.identity import content_hash_of
from fhir_bridge.storage import Store
from tests.predictions.clinic import pressure
from tests.predictions.made_models import manifest, write
from tests.predictions.test_dataset import cohort, dated, people, rows_of

DATA = {
    "subject_id": pyarrow.int64(),
    "time": pyarrow.timestamp("us"),
    "code": pyarrow.string(),
    "numeric_value": pyarrow.float32(),
}
LABEL = {
    "subject_id": pyarrow.int64(),
    "prediction_time": pyarrow.timestamp("us"),
    "boolean_value": pyarrow.bool_(),
}
CODE = {
    "code": pyarrow.string(),
    "description": pyarrow.string(),
    "parent_codes": pyarrow.list_(pyarrow.string()),
}
SPLIT = {"subject_id": pyarrow.int64(), "split": pyarrow.string()}
"""Columns and types as `meds.schema` of meds 0.4.1 has them."""


def checked(path: Path, columns: dict[str, Any]) -> list[dict[str, Any]]:
    table = parquet.read_table(path)
    assert {field.name: field.type for field in table.schema} == columns
    return list(table.to_pylist())


def test_a_later_correction_is_seen_from_its_arrival_on(fresh_database_url: str, tmp_path: Path) -> None:
    moments: list[datetime] = []

    async def run() -> tuple[list[DatasetRow], Path, Collected]:
        async with await Store.open(fresh_database_url) as store:
            everything = [
                item if item["resourceType"] == "Patient" else dated(item, 9)
                for item in people(8)
                if "-85354" not in item["id"]
            ]
            await store.load(everything, adapter="test")
            for systolic in (None, 180, 100):
                if systolic is not None:
                    corrected = dated(pressure(systolic), 9) | {
                        "id": "bp-1",
                        "subject": {"reference": "Patient/p1"},
                    }
                    await store.update("Observation", "bp-1", corrected, EVERYTHING)
                await asyncio.sleep(0.05)
                moments.append(datetime.now(UTC))
                await asyncio.sleep(0.05)
            path = cohort(tmp_path, arrival="stored", as_of=[moment.isoformat() for moment in moments])
            account = Collected()
            return [row async for row in rows_of(store, path, account)], path, account

    rows, path, account = asyncio.run(run())
    assert dict(account.left_out) == {}
    seen = [row.values["systolic"] for row in rows if row.patient == "p1"]
    assert seen[1:] == [180, 100]
    loaded, model = load_cohort(path)
    out = tmp_path / "out"
    _write(out, rows, loaded, model.manifest, account.manifest(loaded, model, content_hash_of(model)))
    meds = out / "meds"
    splits = checked(meds / "metadata" / "subject_splits.parquet", SPLIT)
    assert len(splits) == 8
    codes = {item["code"] for item in checked(meds / "metadata" / "codes.parquet", CODE)}
    about = json.loads((meds / "metadata" / "dataset.json").read_text())
    assert (about["meds_version"], about["dataset_name"]) == ("0.4.1", "risk")
    for split in {item["split"] for item in splits}:
        subjects = {item["subject_id"] for item in splits if item["split"] == split}
        events = checked(meds / "data" / split / "0.parquet", DATA)
        assert {event["subject_id"] for event in events} == subjects
        assert {event["code"] for event in events} <= codes
        assert events == sorted(events, key=lambda event: (event["subject_id"], event["time"]))
        assert len({tuple(event.values()) for event in events}) == len(events)
        for file in (meds / "labels").glob(f"*/{split}/0.parquet"):
            checked(file, LABEL)
        # Whoever reads the events up to a row's time sees what the row saw, and nothing later.
        for row in rows:
            own = _known(events, row)
            if own:
                assert own == {name: value for name, value in row.values.items() if value is not None}


def test_what_was_deleted_is_in_no_later_row_of_the_events(fresh_database_url: str, tmp_path: Path) -> None:
    moments: list[datetime] = []

    async def run() -> tuple[list[DatasetRow], Path, Collected]:
        async with await Store.open(fresh_database_url) as store:
            person, old, new = (item for item in people(1) if item["id"] in ("p0", "p0-85354-9-0", "bp-0"))
            document = manifest()
            document["inputs"][1] |= {"missing": "nan"}
            path = cohort(tmp_path)
            write(tmp_path / "model", document)
            await store.load([person, dated(old, 9), dated(new, 8)], adapter="test")
            for gone in ("", "bp-0", "p0-85354-9-0"):
                if gone:
                    await store.delete("Observation", gone, EVERYTHING)
                await asyncio.sleep(0.05)
                moments.append(datetime.now(UTC))
                await asyncio.sleep(0.05)
            path = stored_at(path, moments)
            account = Collected()
            return [row async for row in rows_of(store, path, account)], path, account

    rows, path, account = asyncio.run(run())
    seen = [row.values["systolic"] for row in rows]
    assert seen == [100, 137, None], (seen, account.left_out)
    loaded, model = load_cohort(path)
    _write(
        tmp_path / "out",
        rows,
        loaded,
        model.manifest,
        account.manifest(loaded, model, content_hash_of(model)),
    )
    (file,) = (tmp_path / "out" / "meds" / "data").glob("*/0.parquet")
    events = checked(file, DATA)
    assert [_known(events, row)["systolic"] for row in rows] == seen


def stored_at(path: Path, moments: list[datetime]) -> Path:
    """The cohort at these moments, by what had arrived."""
    document = YAML(typ="safe").load(path.read_text())
    document |= {"arrival": "stored", "as_of": [moment.isoformat() for moment in moments]}
    with path.open("w") as file:
        YAML().dump(document, file)
    return path


def _known(events: list[dict[str, Any]], row: DatasetRow) -> dict[str, float | None]:
    from fhir_bridge.predictions.meds import _subject

    moment = row.as_of.replace(tzinfo=None)
    own = [event for event in events if event["subject_id"] == _subject(row.patient)]
    return {
        event["code"].removeprefix("INPUT//"): event["numeric_value"]
        for event in own
        if event["time"] <= moment
    }
