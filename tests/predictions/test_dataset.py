"""Training data by cohort.yaml: the features of `$predict`, what was known at the time, consent, parts by person."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from ruamel.yaml import YAML

from fhir_bridge.cli.dataset import _write
from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.predictions import PatientRecord, Prediction, PredictionRun, PredictorSettings
from fhir_bridge.predictions.dataset import CohortError, Collected, DatasetRow, collect, load_cohort
from fhir_bridge.predictions.features import FeatureSource, read_features
from fhir_bridge.predictions.identity import content_hash_of
from fhir_bridge.predictions.monitoring import Point, auroc, measure, psi
from fhir_bridge.predictions.subject import read_subjects
from fhir_bridge.storage import Store
from tests.predictions.clinic import consent, of_patient, pressure, records
from tests.predictions.made_models import manifest, risk, write
from tests.predictions.records import condition

DEATHS = {
    "resourceType": "ViewDefinition",
    "name": "infarctions",
    "status": "active",
    "resource": "Condition",
    "where": [{"path": "code.coding.exists(code = 'I21')"}],
    "select": [{"column": [{"name": "when", "path": "recordedDate", "type": "dateTime"}]}],
}
TODAY = datetime.now(UTC).date()


def cohort(folder: Path, **changes: Any) -> Path:
    write(folder / "model", manifest())
    (folder / "infarctions.json").write_bytes(orjson.dumps(DEATHS))
    document: dict[str, Any] = {
        "name": "risk",
        "model": "model/model.yaml",
        "as_of": [(TODAY - timedelta(days=1)).isoformat()],
        "arrival": "ignore",
        "outcomes": [{"name": "infarction", "view": "infarctions.json", "time": "when", "within_days": 30}],
    } | changes
    path = folder / "cohort.yaml"
    with path.open("w") as file:
        YAML().dump(document, file)
    return path


def people(count: int) -> list[dict[str, Any]]:
    found = []
    for number in range(count):
        for item in records():
            name = f"p{number}"
            copied = dict(item)
            if item["resourceType"] == "Patient":
                copied |= {"id": name, "birthDate": f"19{50 + number % 40}-04-05"}
            else:
                copied |= {"id": f"{name}-{item['id']}", "subject": {"reference": f"Patient/{name}"}}
            found.append(copied)
        found.append(of_patient(pressure(100 + number % 150), f"p{number}") | {"id": f"bp-{number}"})
    return found


async def rows_of(store: Store, path: Path, account: Collected) -> AsyncIterator[DatasetRow]:
    loaded, model = load_cohort(path)
    source = FeatureSource(path.parent / "model")
    async for row in collect(store, loaded, model, path.parent, source, account):
        yield row


def collected(url: str, path: Path, *resources: dict[str, Any]) -> tuple[list[DatasetRow], Collected]:
    account = Collected()

    async def run() -> list[DatasetRow]:
        async with await Store.open(url) as store:
            await store.load(resources, adapter="test")
            return [row async for row in rows_of(store, path, account)]

    return asyncio.run(run()), account


def dated(resource: dict[str, Any], days: int) -> dict[str, Any]:
    when = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    key = "recordedDate" if resource["resourceType"] == "Condition" else "effectiveDateTime"
    return resource | {key: when}


@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.soak)])
def test_a_row_is_what_predict_sees_on_every_patient(
    count: int, fresh_database_url: str, tmp_path: Path
) -> None:
    path = cohort(tmp_path)
    site = {"predictions": {"own-risk": {"enabled": True}}}

    async def run() -> None:
        async with await Store.open(fresh_database_url) as store:
            everything = [
                item if item["resourceType"] == "Patient" else dated(item, 3) for item in people(count)
            ]
            await store.load([item for item in everything if "-85354" not in item["id"]], adapter="test")
            account = Collected()
            rows = {row.patient: row async for row in rows_of(store, path, account)}
            assert (len(rows), account.rows, dict(account.left_out)) == (count, count, {})
            _, model = load_cohort(path)
            async for item in PredictionRun(model, site, IdKey(DEMO_KEY), store).for_all():
                row = rows[item.patient_id]
                features = [row.prepared[name][0] for name in ("age", "systolic", "smokes")]
                assert isinstance(item.result, Prediction), item.result
                assert float(item.result.percent or -1) == pytest.approx(100 * risk(*features), abs=0.06)
                # What the answer rests on is what the row refers to.
                used = {evidence.reference for evidence in item.result.evidence}
                assert used == {reference for some in row.references.values() for reference in some}
            for row in [*rows.values()][:40]:
                (subject,) = [item async for item in read_subjects(store, [row.patient], EVERYTHING)]
                resources = [stored.resource() for stored in subject.resources.values()]
                record = PatientRecord(subject.patient.resource(), resources, datetime.now(UTC))
                features = read_features(model.manifest, record, model.source(PredictorSettings()))
                assert {name: list(item.values) for name, item in features.items()} == row.prepared
            assert {row.split for row in rows.values()} == {"train", "validation", "test"}
            again = [row async for row in rows_of(store, path, Collected())]
            assert {row.patient: row.split for row in again} == {
                row.patient: row.split for row in rows.values()
            }

    asyncio.run(run())


def test_what_was_not_known_at_the_time_is_not_in_the_row(fresh_database_url: str, tmp_path: Path) -> None:
    days = [TODAY - timedelta(days=40), TODAY - timedelta(days=1)]
    path = cohort(tmp_path, as_of=[day.isoformat() for day in days])
    person, old, *others = records()
    rows, _ = collected(
        fresh_database_url,
        path,
        person,
        *(dated(item, 60) for item in others),
        dated(old, 60),
        dated(pressure(190, id="newer"), 5),
        dated(of_patient(condition("I21")), 20),
    )
    assert [row.values["systolic"] for row in rows] == [137, 190]
    assert [row.outcomes["infarction"].value for row in rows] == [1, None]
    assert rows[0].references["systolic"][0].endswith("/_history/1")
    arrived = cohort(tmp_path / "stored", arrival="stored", as_of=[days[0].isoformat()])

    async def run() -> Collected:
        account = Collected()
        async with await Store.open(fresh_database_url) as store:
            assert [row async for row in rows_of(store, arrived, account)] == []
        return account

    assert list(asyncio.run(run()).left_out) == ["the patient was not known yet"]


def test_who_opted_out_of_research_is_left_out_and_counted(fresh_database_url: str, tmp_path: Path) -> None:
    rows, account = collected(fresh_database_url, cohort(tmp_path), *records(), consent())
    assert rows == []
    assert dict(account.left_out) == {"opted out of research": 1}


def test_the_files_hold_the_table_meds_and_a_manifest_of_versions(
    fresh_database_url: str, tmp_path: Path
) -> None:
    import pyarrow.parquet as parquet

    path = cohort(tmp_path / "c")
    person, *inputs = records()
    rows, account = collected(fresh_database_url, path, person, *(dated(item, 3) for item in inputs))
    loaded, model = load_cohort(path)
    out = tmp_path / "out"
    _write(out, rows, loaded, model.manifest, account.manifest(loaded, model, content_hash_of(model)))
    table = parquet.read_table(out / "rows.parquet").to_pylist()
    assert table[0]["systolic"] == 137
    assert table[0]["systolic_reference"][0].startswith("Observation/")
    (events,) = (out / "meds" / "data").glob("*/0.parquet")
    assert {event["code"] for event in parquet.read_table(events).to_pylist()} >= {"INPUT//systolic"}
    assert parquet.read_schema(events).names == ["subject_id", "time", "code", "numeric_value"]
    written = json.loads((out / "manifest.json").read_text())
    assert (written["rows"], written["input_versions"], len(written["input_hash"])) == (1, 2, 64)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"as_of": []}, "as_of"),
        ({"split": {"train": 0.5, "validation": 0.1, "test": 0.1}}, "add up to 1"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_what_is_wrong_with_a_cohort_is_told(change: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=text):
        load_cohort(cohort(tmp_path, **change))


def test_discrimination_calibration_and_drift_are_what_they_are_by_hand() -> None:
    assert auroc([(0.1, False), (0.4, False), (0.35, True), (0.8, True)]) == 0.75
    assert auroc([(0.5, False), (0.5, True)]) == 0.5
    assert auroc([(0.5, True)]) is None
    points = [
        Point(str(n), "1", n / 100, n % 10 == 0, "female" if n % 2 else "male", "40 to 59", "A")
        for n in range(100)
    ]
    (measured,) = measure([*points, Point("x", "1", 0.5, None, "male", "40 to 59", "A")])
    whole, *groups = measured.groups
    assert (whole.results, whole.known, whole.events) == (101, 100, 10)
    assert whole.expected == pytest.approx(0.495)
    assert whole.observed == pytest.approx(0.1)
    assert sum(count for _, _, count in whole.calibration) == 100
    assert {group.name for group in groups} == {"sex female", "sex male", "age 40 to 59", "site A"}
    assert psi([float(n % 50) for n in range(1000)], [float(n % 50) for n in range(1000)]) == pytest.approx(0)
    moved = psi([float(n % 50) for n in range(1000)], [float(n % 50) + 20 for n in range(1000)])
    assert moved is not None
    assert moved > 0.2
    assert psi([1.0] * 5, [2.0] * 500) is None


def test_a_row_has_the_version_that_was_current_then_whatever_was_corrected_or_deleted_since(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async def run() -> None:
        async with await Store.open(fresh_database_url) as store:
            person, *inputs = records()
            await store.load([person, *inputs], adapter="test")
            between = datetime.now(UTC)
            await asyncio.sleep(0.01)
            await store.update("Patient", "p", person | {"gender": "female"}, EVERYTHING)
            for value in (190, 195):
                corrected = pressure(value)
                await store.update("Observation", corrected["id"], corrected, EVERYTHING)
            smoking = next(item["id"] for item in inputs if item["id"].startswith("72166"))
            await store.delete("Observation", smoking, EVERYTHING)
            await asyncio.sleep(0.01)
            moments = [between - timedelta(days=1), between, datetime.now(UTC)]
            path = cohort(tmp_path, arrival="stored", as_of=[moment.isoformat() for moment in moments])
            account = Collected()
            (then, later) = [row async for row in rows_of(store, path, account)]
            assert (then.values["systolic"], then.values["smokes"]) == (137, 0)
            assert then.references["systolic"] == ["Observation/85354-9-0/_history/1"]
            assert (later.values["systolic"], later.values["smokes"]) == (195, 0)
            assert (then.filled, later.filled) == (set(), {"smokes"})
            assert later.references["systolic"] == ["Observation/85354-9-0/_history/3"]
            assert dict(account.left_out) == {"the patient was not known yet": 1}

    asyncio.run(run())
