"""Models run in processes of their own: whatever one does is one failed run, and the cohort goes on to its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.models import to_model
from fhir_bridge.fhir.serialization import dumps, loads
from fhir_bridge.plugins import Predictor
from fhir_bridge.predictions import PatientRecord, PredictionError, PredictionRun, PredictorSettings
from fhir_bridge.predictions.answers import Answer
from fhir_bridge.predictions.contract import Prediction
from fhir_bridge.predictions.identity import content_hash_of
from fhir_bridge.predictions.model_workers import ModelRecord, ModelUnavailable, ModelWorkers
from fhir_bridge.predictions.registry import find_predictor
from fhir_bridge.predictions.warming import warm
from fhir_bridge.storage import Store
from tests.patience import until
from tests.predictions.made_models import manifest
from tests.predictions.made_models import write as write_model
from tests.predictions.models import BAD, Counting, Model, NotAList, Typed, Unloadable, Wrong
from tests.predictions.records import quantity

ROOT = str(Path(__file__).parent.parent.parent)
SETTINGS = PredictorSettings(enabled=True, seconds=30, memory_mb=1500)


def patient(identity: str, family: str = "Family") -> dict[str, Any]:
    return {"resourceType": "Patient", "id": identity, "name": [{"family": family}]}


def records(count: int, family: str = "Family") -> list[ModelRecord]:
    return [
        ModelRecord(dumps(patient(f"p{number}", family)), [], datetime.now(UTC)) for number in range(count)
    ]


@pytest.fixture(scope="module")
def workers() -> Iterator[ModelWorkers]:
    found = ModelWorkers()
    yield found
    found.close()


def ask(
    workers: ModelWorkers, model: Predictor, count: int = 1, family: str = "Family", seconds: float = 30
) -> list[Answer]:
    return asyncio.run(workers.predict(model, replace(SETTINGS, seconds=seconds), records(count, family)))


def process_of(answers: list[Answer]) -> int:
    assert isinstance(answers[0], Prediction)
    return int(answers[0].display.split()[0])


def test_it_runs_in_another_process_which_stays(workers: ModelWorkers) -> None:
    first, second = ask(workers, Counting(), 3), ask(workers, Counting())
    assert process_of(first) == process_of(second) != os.getpid()


ASKING = """
import asyncio
from fhir_bridge.predictions import PredictorSettings
from fhir_bridge.predictions.model_workers import ModelWorkers
from tests.predictions.models import Marking
from tests.predictions.test_model_workers import records
asyncio.run(ModelWorkers().predict(Marking(), PredictorSettings(enabled=True, seconds=1000), records(1)))
"""


def test_a_model_in_the_middle_of_a_call_ends_with_who_asked(tmp_path: Path) -> None:
    """Killed, that one can tell nobody."""
    environment = {**os.environ, "PYTHONPATH": ROOT, "MARK": str(tmp_path / "called")}
    with subprocess.Popen([sys.executable, "-c", ASKING], env=environment) as asking:
        until((tmp_path / "called").exists, "the model is in a call")
        (model,) = psutil.Process(asking.pid).children()
        asking.kill()
        asking.wait()
        until(lambda: not model.is_running() or model.status() == psutil.STATUS_ZOMBIE, "it ends")


def test_many_patients_go_in_one_call(workers: ModelWorkers) -> None:
    displays = {answer.display for answer in ask(workers, Counting(), 7) if isinstance(answer, Prediction)}
    assert {display.split()[1] for display in displays} == {"7"}


def test_a_process_that_was_killed_between_two_calls_is_replaced(workers: ModelWorkers) -> None:
    before = process_of(ask(workers, Counting()))
    os.kill(before, signal.SIGKILL)
    assert psutil.wait_procs([psutil.Process(before)] if psutil.pid_exists(before) else [], timeout=5)
    assert process_of(ask(workers, Counting())) != before


def test_a_model_that_is_started_ahead_answers_from_that_process_and_is_started_again_when_it_ended(
    workers: ModelWorkers, tmp_path: Path
) -> None:
    model = write_model(tmp_path / "own", manifest())
    gone = tmp_path / "gone.yaml"
    block = {"own-risk": {"enabled": True, "model": str(model)}}
    parameters = {
        "predictions": block
        | {"off": {"enabled": False, "model": str(gone)}, "gone": {"enabled": True, "model": str(gone)}}
    }
    before = children()
    failed = asyncio.run(warm(parameters, workers))
    assert list(failed) == ["gone"]
    assert "can't be read" in failed["gone"]
    (started,) = children() - before
    asyncio.run(warm(parameters, workers))
    predictor = find_predictor("own-risk", parameters)
    settings = PredictorSettings.from_site(parameters, "own-risk")
    content = content_hash_of(predictor)
    asyncio.run(workers.predict(predictor, settings, records(1), content))
    assert children() - before == {started}
    killed = psutil.Process(started)
    killed.kill()
    killed.wait(30)
    assert list(asyncio.run(warm(parameters, workers))) == ["gone"]
    (second,) = children() - before - {started}
    # Another content is another model, and gets its own.
    document = manifest(version="2")
    write_model(tmp_path / "own", document)
    asyncio.run(warm(parameters, workers))
    assert len(children() - before - {started, second}) == 1


def children() -> set[int]:
    """Processes of models that run."""
    found = psutil.Process().children()
    return {item.pid for item in found if item.status() != psutil.STATUS_ZOMBIE}


def test_a_number_of_answers_that_is_not_that_of_patients_fails(workers: ModelWorkers) -> None:
    assert ask(workers, Wrong(), 2) == ["it did not return one result for each patient"] * 2
    assert ask(workers, NotAList()) == ["it returned a float, not a list of results"]


def test_what_can_not_be_loaded_is_no_failed_run_but_an_error(workers: ModelWorkers) -> None:
    with pytest.raises(ModelUnavailable, match="RuntimeError: the weights are not there"):
        ask(workers, Unloadable())
    local = type("Local", (Model,), {})
    with pytest.raises(ModelUnavailable, match="class of an importable module"):
        ask(workers, local())


def test_a_model_that_hangs_holds_up_neither_the_loop_nor_another_model(workers: ModelWorkers) -> None:
    ask(workers, Model(), seconds=3)  # both are started
    ask(workers, Counting())

    async def both() -> list[Answer]:
        hanging = asyncio.create_task(
            workers.predict(Model(), replace(SETTINGS, seconds=3), records(1, "sleep"))
        )
        await asyncio.sleep(0.1)
        other = await workers.predict(Counting(), SETTINGS, records(1))
        assert isinstance(other[0], Prediction)
        assert not hanging.done()
        return await hanging

    assert asyncio.run(both()) == ["it did not answer within 3 seconds"]


def test_a_model_that_hangs_for_each_is_asked_about_few_of_a_cohort(
    workers: ModelWorkers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(workers, Model(), seconds=0.4)
    (worker,) = [item for item in workers._workers.values() if item._settings.seconds == 0.4]
    asked: list[int] = []
    call = worker._call

    def counted(some: Any) -> Any:
        asked.append(len(some))
        return call(some)

    monkeypatch.setattr(worker, "_call", counted)
    late = "it did not answer within 0.4 seconds"
    few = f"{late}, 3 times in a row"
    assert ask(workers, Model(), 6, "sleep", seconds=0.4) == [late, late, late, few, few, few]
    assert asked == [6, 1, 1, 1]
    mixed = [*records(2, "sleep"), *records(1), *records(2, "sleep"), *records(1)]
    answers = asyncio.run(workers.predict(Model(), replace(SETTINGS, seconds=0.4), mixed))
    assert [isinstance(answer, Prediction) for answer in answers] == [False, False, True, False, False, True]


def test_what_a_model_started_ends_with_it(workers: ModelWorkers) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    ask(workers, Model(), family="loop", seconds=0.5)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_each_bad_answer_is_one_recorded_failed_run_and_the_cohort_goes_on(
    fresh_database_url: str, workers: ModelWorkers
) -> None:
    """A patient for each defect, good ones before and after; a second run writes nothing."""
    limits = {"seconds": 1.5, "memory_mb": 1500}
    parameters = {"predictions": {"model": {"enabled": True, "limits": limits}}}
    people = [patient(f"p{number:02}", family) for number, family in enumerate(["Good", *BAD, "Good"])]

    async def run() -> list[Any]:
        async with await Store.open(fresh_database_url) as store:
            await store.load(people, adapter="test")
            run = PredictionRun(Model(), parameters, IdKey(DEMO_KEY), store, workers)
            assert {done.outcome async for done in run.for_all()} == {"written"}
            assert (await run.for_patient("p01")).outcome == "unchanged"
            page = await store.search("Observation", [], EVERYTHING, count=100)
            return [loads(entry.bytes) for entry in page.entries]

    stored = asyncio.run(run())
    by_patient = {item["subject"]["reference"].removeprefix("Patient/"): item for item in stored}
    assert len(stored) == len(by_patient) == len(people)
    for person in people:
        name, item = person["name"][0]["family"], by_patient[person["id"]]
        if name == "Good":
            assert item["valueQuantity"]["value"] == 12.5
        else:
            assert "valueQuantity" not in item, name
            reason = item["dataAbsentReason"]
            assert reason["coding"][0]["code"] == "error", name
            assert reason["text"].startswith("the model failed: "), name
            assert item["note"][0]["text"] == f"No result: {reason['text']}"
            assert "a value of the patient" not in str(item), name


def test_a_model_that_can_not_be_loaded_ends_the_run_with_what_to_do(
    fresh_database_url: str, workers: ModelWorkers
) -> None:
    async def run() -> None:
        async with await Store.open(fresh_database_url) as store:
            await store.load([patient("p1")], adapter="test")
            parameters = {"predictions": {"model": {"enabled": True}}}
            await PredictionRun(Unloadable(), parameters, IdKey(DEMO_KEY), store, workers).for_patient("p1")

    with pytest.raises(PredictionError, match="the weights are not there") as caught:
        asyncio.run(run())
    assert caught.value.code == "FB-PRED-006"


def test_a_model_reads_the_record_as_objects_of_fhir_resources(workers: ModelWorkers) -> None:
    measured = quantity("6598-7", 1.5, "ug/L")
    record = ModelRecord(dumps(patient("p", "Roe")), [dumps(measured)], datetime.now(UTC))
    (answer,) = asyncio.run(workers.predict(Typed(), SETTINGS, [record]))
    assert isinstance(answer, Prediction)
    (evidence,) = answer.evidence
    assert (evidence.label, evidence.value) == ("Roe", "1.5")
    assert evidence.reference == f"Observation/{measured['id']}/_history/2"


def test_a_record_is_built_of_objects_of_fhir_resources() -> None:
    objects = [to_model(patient("p")), to_model(quantity("6598-7", 1.5, "ug/L"))]
    record = PatientRecord(objects[0], objects[1:], datetime.now(UTC))
    assert record.patient["id"] == "p"
    assert [node["valueQuantity"]["code"] for node in record.all("Observation")] == ["ug/L"]
