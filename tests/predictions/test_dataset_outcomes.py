"""Who has a row in training data, and when an outcome is known: death, birth, records of one person, windows."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.predictions.dataset import Collected, DatasetRow, collect, load_cohort, table_row
from fhir_bridge.predictions.features import FeatureSource
from fhir_bridge.predictions.resources import MODELS
from fhir_bridge.storage import Store
from tests.predictions.clinic import consent, of_patient, pressure, records
from tests.predictions.made_models import manifest, write
from tests.predictions.records import condition
from tests.predictions.test_dataset import TODAY, cohort, collected, dated, people, rows_of
from tests.predictions.test_named_medication import METFORMIN, SALBUTAMOL, drug, order

AS_OF = TODAY - timedelta(days=100)
DEATH = {
    "resourceType": "ViewDefinition",
    "name": "deaths",
    "status": "active",
    "resource": "Patient",
    "select": [{"column": [{"name": "when", "path": "deceased.ofType(dateTime)", "type": "dateTime"}]}],
}


def day(before: int) -> str:
    return (TODAY - timedelta(days=before)).isoformat()


def base(**person: Any) -> list[dict[str, Any]]:
    """The patient, all of whose inputs are of before the moment."""
    first, *others = records()
    return [first | person, *(dated(item, 120) for item in others)]


def of(
    url: str, folder: Path, *resources: dict[str, Any], person: dict[str, Any] | None = None, **changes: Any
) -> tuple[list[DatasetRow], Collected]:
    path = cohort(folder, **({"as_of": [AS_OF.isoformat()]} | changes))
    (folder / "deaths.json").write_bytes(orjson.dumps(DEATH))
    return collected(url, path, *base(**(person or {})), *resources)


def infarction(before: int, **more: Any) -> dict[str, Any]:
    return dated(of_patient(condition("I21")), before) | more


def visit(before: int) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": f"visit-{before}",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/p"},
        "period": {"start": day(before), "end": day(before)},
    }


@pytest.mark.parametrize(
    ("person", "reason"),
    [
        ({"deceasedDateTime": day(101)}, "the patient had died"),
        ({"deceasedDateTime": AS_OF.isoformat()[:7]}, "the patient may have died"),
        ({"deceasedBoolean": True}, "the patient may have died"),
        ({"birthDate": day(99)}, "the patient was not born, or may not have been"),
    ],
)
def test_who_did_not_live_then_has_no_row_and_is_counted(
    person: dict[str, Any], reason: str, fresh_database_url: str, tmp_path: Path
) -> None:
    rows, account = of(fresh_database_url, tmp_path, person=person)
    assert rows == []
    assert dict(account.left_out) in ({reason: 1}, {"the patient had died": 1})
    assert account.manifest(*_loaded(tmp_path))["left_out"] == dict(account.left_out)


def _loaded(folder: Path) -> tuple[Any, Any, str]:
    return *load_cohort(folder / "cohort.yaml"), ""


@pytest.mark.parametrize(
    ("resources", "person", "value", "days", "censored"),
    [
        ([infarction(90)], {}, 1, 9, ""),
        ([infarction(90)], {"deceasedDateTime": day(85)}, 1, 9, ""),
        ([visit(50)], {}, 0, 30, ""),
        ([], {}, None, 0, "no contact after"),
        ([visit(85)], {}, None, 14, "no contact after"),
        ([], {"deceasedDateTime": day(85)}, None, 14, "died"),
        ([infarction(90, verificationStatus={"coding": [{"code": "entered-in-error"}]}), visit(50)], {}, 0, 30, ""),
        ([infarction(90, verificationStatus={"coding": [{"code": "refuted"}]}), visit(50)], {}, 0, 30, ""),
        ([infarction(90) | {"recordedDate": None}, visit(50)], {}, None, 30, "an event whose time is not known"),
        (
            [infarction(90, id="a"), infarction(90, id="b") | {"recordedDate": AS_OF.isoformat()[:4]}, visit(50)],
            {},
            1,
            9,
            "",
        ),
        ([infarction(110), visit(50)], {}, 0, 30, ""),
        ([infarction(60), visit(50)], {}, 0, 30, ""),
    ],
)  # fmt: skip
def test_an_outcome_is_known_where_its_window_was_observed(
    resources: list[dict[str, Any]],
    person: dict[str, Any],
    value: float | None,
    days: int,
    censored: str,
    fresh_database_url: str,
    tmp_path: Path,
) -> None:
    some = [{name: item for name, item in one.items() if item is not None} for one in resources]
    (row,), account = of(fresh_database_url, tmp_path, *some, person=person)
    outcome = row.outcomes["infarction"]
    assert (outcome.value, outcome.censored) == (value, censored)
    assert days <= outcome.days <= days + 1.01
    counted = censored or ("event" if value else "none")
    assert account.manifest(*_loaded(tmp_path))["outcomes"] == {"infarction": {counted: 1}}
    table = table_row(row)
    assert (table["outcome_infarction"], table["outcome_infarction_censored"]) == (value, censored or None)


def test_a_window_that_is_not_over_is_not_known_and_a_site_may_say_that_it_hears_of_all(
    fresh_database_url: str, tmp_path: Path
) -> None:
    (row,), _ = of(fresh_database_url, tmp_path, follow_up="complete")
    assert row.outcomes["infarction"].value == 0
    window = [{"name": "infarction", "view": "infarctions.json", "time": "when", "within_days": 365}]
    (row,), _ = of(fresh_database_url, tmp_path / "long", follow_up="complete", outcomes=window)
    assert (row.outcomes["infarction"].value, row.outcomes["infarction"].censored) == (
        None,
        "the window is not over",
    )


def test_death_can_be_the_outcome(fresh_database_url: str, tmp_path: Path) -> None:
    window = [{"name": "death", "view": "deaths.json", "time": "when", "within_days": 30}]
    (row,), _ = of(fresh_database_url, tmp_path, person={"deceasedDateTime": day(80)}, outcomes=window)
    assert row.outcomes["death"].value == 1
    (row,), _ = of(
        fresh_database_url, tmp_path / "alive", visit(30), person={"deceasedBoolean": False}, outcomes=window
    )
    assert row.outcomes["death"].value == 0


def test_a_person_has_one_row_whatever_records_are_named_and_an_objection_leaves_out(
    fresh_database_url: str, tmp_path: Path
) -> None:
    other = {"resourceType": "Patient", "id": "old", "link": [
        {"other": {"reference": "Patient/p"}, "type": "replaced-by"}
    ]}  # fmt: skip
    linked = {"link": [{"other": {"reference": "Patient/old"}, "type": "replaces"}]}

    async def run(*more: dict[str, Any]) -> tuple[list[DatasetRow], dict[str, int]]:
        account = Collected()
        async with await Store.open(fresh_database_url) as store:
            await store.load([*base(**linked), other, *more], adapter="test")
            path = cohort(tmp_path / str(len(more)), as_of=[AS_OF.isoformat()])
            loaded, model = load_cohort(path)
            source = FeatureSource(path.parent / "model")
            named = ["old", "p", "p"]
            rows = [row async for row in collect(store, loaded, model, path.parent, source, account, named)]
            return rows, dict(account.left_out)

    (row,), left = asyncio.run(run())
    assert (row.patient, left) == ("p", {"a record of a person who has rows": 1})
    objection = consent()
    objection["provision"] = {"type": "deny", "code": [{"coding": [
        {"system": MODELS, "code": "own-risk"}
    ]}]}  # fmt: skip
    rows, left = asyncio.run(run(objection))
    assert (rows, left) == ([], {"objects to the model": 2})


def test_parts_stay_as_they_are_when_patients_are_added(fresh_database_url: str, tmp_path: Path) -> None:
    def some(count: int) -> list[dict[str, Any]]:
        found = [item if item["resourceType"] == "Patient" else dated(item, 120) for item in people(count)]
        return [item for item in found if "-85354" not in item["id"]]

    path = cohort(tmp_path)

    async def run() -> None:
        async with await Store.open(fresh_database_url) as store:
            await store.load(some(30), adapter="test")
            before = {row.patient: row.split async for row in rows_of(store, path, Collected())}
            await store.load(some(60), adapter="test")
            after = {row.patient: row.split async for row in rows_of(store, path, Collected())}
            assert len(before) == 30
            assert len(after) == 60
            assert {name: after[name] for name in before} == before

    asyncio.run(run())


def test_a_drug_is_the_one_that_its_medication_was_then(fresh_database_url: str, tmp_path: Path) -> None:
    document = manifest()
    document["inputs"].append({"name": "diabetes", "type": "condition", "codes": ["atc|A10*"], "absent": 0})

    async def run() -> None:
        async with await Store.open(fresh_database_url) as store:
            await store.load([*base(), drug(METFORMIN), order()], adapter="test")
            then = datetime.now(UTC)
            await asyncio.sleep(0.01)
            await store.update("Medication", "drug", drug(SALBUTAMOL), EVERYTHING)
            await asyncio.sleep(0.01)
            moments = [then.isoformat(), datetime.now(UTC).isoformat()]
            path = cohort(tmp_path, arrival="stored", as_of=moments)
            write(tmp_path / "model", document)
            rows = [row async for row in rows_of(store, path, Collected())]
            assert [row.values["diabetes"] for row in rows] == [1, 0]

    asyncio.run(run())


def test_what_was_measured_before_and_arrived_after_is_not_in_the_row(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async def run() -> None:
        async with await Store.open(fresh_database_url) as store:
            await store.load(base(), adapter="test")
            between = datetime.now(UTC)
            await asyncio.sleep(0.01)
            await store.load([dated(pressure(199, id="late"), 110)], adapter="test")
            moments = [between.isoformat(), datetime.now(UTC).isoformat()]
            path = cohort(tmp_path, arrival="stored", as_of=moments)
            rows = [row async for row in rows_of(store, path, Collected())]
            assert [row.values["systolic"] for row in rows] == [137, 199]

    asyncio.run(run())


@pytest.mark.parametrize("status", ["provisional", "differential", "unconfirmed"])
def test_a_suspected_event_is_none_and_no_sign_that_there_was_none(
    status: str, fresh_database_url: str, tmp_path: Path
) -> None:
    suspected = infarction(80) | {
        "verificationStatus": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": status}
            ]
        }
    }
    (row,), _ = of(fresh_database_url, tmp_path, suspected, visit(10), follow_up="complete")
    observed = row.outcomes["infarction"]
    assert (observed.value, observed.censored) == (None, "an event that is only suspected")


def test_a_record_that_was_merged_into_another_one_is_counted(
    fresh_database_url: str, tmp_path: Path
) -> None:
    old = {
        "resourceType": "Patient",
        "id": "a-old",
        "link": [{"type": "replaced-by", "other": {"reference": "Patient/p"}}],
    }
    rows, account = of(fresh_database_url, tmp_path, old)
    assert [row.patient for row in rows] == ["p"]
    assert dict(account.left_out) == {"a record of a person who has rows": 1}
