"""`$predict` over HTTP, the job after new data, and what a clinician's page says meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.plugins import get_manager, hookimpl
from fhir_bridge.predictions import plugin as predictions
from fhir_bridge.server import Settings, create_app
from fhir_bridge.server.background import handlers, work_on_jobs
from fhir_bridge.storage import Store
from tests.predictions.clinic import SBP, consent, of_patient, pressure, records
from tests.predictions.models import Model
from tests.predictions.records import condition
from tests.server.conftest import Hospital, bare_plugins, furnish, running
from tests.server.test_pages import page, part, plain

SITE = """
site: test
demo_key: true
parameters:
  predictions:
    score2: {enabled: true, region: moderate}
    model: {enabled: true, limits: {seconds: 4}}
"""


class Plugin:
    """Adds a model that hangs for some."""

    @hookimpl
    def fhir_bridge_predictors(self) -> list[Any]:
        return [Model()]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site") / "site.yaml"
    path.write_text(SITE)
    return path


@pytest.fixture(scope="module")
def served(database_url: str, site: Path) -> Iterator[Hospital]:
    plugins = bare_plugins()
    plugins.register(predictions)
    added = Plugin()
    get_manager().register(added)
    app = create_app(Settings(database_url=database_url, site=site), plugins=plugins)
    try:
        with pytest.MonkeyPatch.context() as environment, running(app) as http:
            environment.setenv("FHIR_BRIDGE_SITE", str(site))
            hospital = Hospital(http)
            hospital.run(furnish, hospital.services)
            yield hospital
    finally:
        get_manager().unregister(added)


def own(resource: dict[str, Any], patient: str) -> dict[str, Any]:
    """The resource, as one of this patient's."""
    if resource["resourceType"] == "Patient":
        return resource | {"id": patient}
    element = "patient" if "patient" in resource else "subject"
    return resource | {"id": f"{patient}-{resource['id']}", element: {"reference": f"Patient/{patient}"}}


@pytest.fixture
def p(served: Hospital, request: pytest.FixtureRequest) -> str:
    """A patient of this test, for whom SCORE2 is meant."""
    name = f"p{abs(hash(request.node.name))}"
    served.run(served.services.store.load, [own(item, name) for item in records()], adapter="test")
    return name


def ask(hospital: Hospital, patient: str, method: str = "POST", model: str = "score2") -> Any:
    headers = hospital.token("user/*.cruds")
    path = f"/fhir/Patient/{patient}/$predict"
    return hospital.http.request(method, path, params={"predictor": model}, headers=headers)


def write(hospital: Hospital, patient: str, resource: dict[str, Any]) -> None:
    found = own(resource, patient)
    update = hospital.services.store.update
    hospital.run(update, found["resourceType"], found["id"], found, EVERYTHING)


def row_of(hospital: Hospital, patient: str) -> str:
    """What the list of patients says of one."""
    shown = page(hospital, "/")
    (row,) = [row for row in shown.split("<tr") if f'/patients/{patient}"' in row]
    return plain(row)


def part_of(answer: Any, name: str) -> Any:
    (found,) = [item for item in answer.json()["parameter"] if item["name"] == name]
    return found.get("resource") or next(value for key, value in found.items() if key.startswith("value"))


def test_a_model_that_hangs_delays_no_other_clients_read(served: Hospital, p: str) -> None:
    """Reads are answered while the model hangs; it is one recorded failed run in the end."""
    sleeper = records()[0] | {"id": "sleeper", "name": [{"family": "sleep"}]}
    served.run(served.services.store.load, [sleeper], adapter="test")
    ask(served, p, model="model")  # the model's process is started
    headers = served.token("user/*.cruds")
    client = served.http._client

    async def both() -> tuple[Any, int]:
        path = "/fhir/Patient/sleeper/$predict?predictor=model"
        hanging = asyncio.create_task(client.post(path, headers=headers))
        await asyncio.sleep(0.2)
        reads = 0
        for _ in range(20):
            assert (await client.get(f"/fhir/Patient/{p}", headers=headers)).status_code == 200
            reads += not hanging.done()
        return await hanging, reads

    answer, reads = served.http.portal.call(both)
    assert reads == 20
    assert answer.status_code == 200
    assert answer.json()["dataAbsentReason"]["text"] == "the model failed: it did not answer within 4 seconds"


def test_a_corrected_input_is_shown_until_it_is_computed_again(served: Hospital, p: str, site: Path) -> None:
    first = ask(served, p).json()
    assert part_of(ask(served, p, "GET"), "state") == "current"
    write(served, p, pressure(180))
    changed = "outdated: systolic blood pressure corrected from 137 to 180 mm[Hg]"
    read = ask(served, p, "GET")
    assert part_of(read, "state") == "withdrawn"
    assert part_of(read, "outdated") == changed
    assert part_of(read, "result")["status"] == "entered-in-error"
    shown = plain(part(page(served, f"/patients/{p}"), "predictions"))
    assert changed in shown
    assert "No current result" in shown
    assert "SCORE2 outdated" in plain(page(served, "/"))

    async def work() -> None:
        stopped = asyncio.Event()
        await served.services.store.pool.wait()
        task = asyncio.create_task(work_on_jobs(served.services.store, handlers(str(site)), stopped))
        for _ in range(600):
            await asyncio.sleep(0.1)
            standings = await served.services.store.results.of_patient(p)
            if any(one.state == "current" for one in standings):
                break
        stopped.set()
        await task

    served.run(work)
    now = ask(served, p, "GET")
    assert part_of(now, "state") == "current"
    assert part_of(now, "result")["id"] != first["id"]
    shown = plain(part(page(served, f"/patients/{p}"), "predictions"))
    assert "outdated" not in shown
    assert "(withdrawn)" in shown


def test_newer_data_is_announced_until_it_is_computed(served: Hospital, p: str) -> None:
    ask(served, p)
    assert "SCORE2 outdated" not in row_of(served, p)
    write(served, p, of_patient(condition("I10")))
    assert part_of(ask(served, p, "GET"), "outdated") == "outdated: newer data have arrived"
    assert part_of(ask(served, p, "GET"), "state") == "outdated"
    assert "SCORE2 outdated" in row_of(served, p)
    assert ask(served, p).status_code == 200
    assert [item["name"] for item in ask(served, p, "GET").json()["parameter"]] == ["state", "result"]


async def work_through(store: Store, site: str | None) -> None:
    """A background worker of this site, for as long as there is a job that it takes."""
    async with store.connection() as connection:
        await connection.execute("UPDATE job SET not_before = now() WHERE state = 'ready'")

    async def stop(stopped: asyncio.Event, _seconds: float) -> None:
        stopped.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fhir_bridge.server.background.pause", stop)
        await work_on_jobs(store, handlers(site), asyncio.Event())


def test_a_worker_that_may_not_run_the_model_leaves_the_result_outdated(
    served: Hospital, p: str, site: Path
) -> None:
    ask(served, p)
    write(served, p, of_patient(condition("E11.9")))
    served.run(work_through, served.services.store, None)
    assert part_of(ask(served, p, "GET"), "outdated") == "outdated: newer data have arrived"
    served.run(work_through, served.services.store, str(site))
    assert part_of(ask(served, p, "GET"), "state") == "current"
    assert "dataAbsentReason" in part_of(ask(served, p, "GET"), "result")


def test_a_result_whose_job_keeps_failing_stays_outdated(
    served: Hospital, p: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: Any) -> dict[str, Any]:
        raise RuntimeError

    monkeypatch.setattr("fhir_bridge.predictions.recompute.recompute", failing)
    monkeypatch.setattr("fhir_bridge.server.background.RETRIES", 1)
    ask(served, p)
    write(served, p, of_patient(condition("E11.9")))
    for _ in range(2):
        served.run(work_through, served.services.store, str(site))
    assert part_of(ask(served, p, "GET"), "outdated") == "outdated: newer data have arrived"


def test_a_record_that_is_merged_makes_the_survivors_result_outdated(served: Hospital, p: str) -> None:
    ask(served, p)
    merged = {"resourceType": "Patient", "id": f"{p}-old"}
    linked = merged | {"link": [{"type": "replaced-by", "other": {"reference": f"Patient/{p}"}}]}
    update = served.services.store.update
    served.run(update, "Patient", merged["id"], merged, EVERYTHING)
    assert part_of(ask(served, p, "GET"), "state") == "current"
    served.run(update, "Patient", merged["id"], linked, EVERYTHING)
    assert part_of(ask(served, p, "GET"), "state") == "outdated"
    ask(served, p)
    assert part_of(ask(served, p, "GET"), "state") == "current"


def test_who_may_not_read_the_input_is_not_shown_its_values(served: Hospital, p: str) -> None:
    ask(served, p)
    write(served, p, pressure(180))
    headers = served.token(f"user/Patient.rs user/Observation.rs?category={PREDICTION_CODES}|prediction")
    answer = served.http.get(f"/fhir/Patient/{p}/$predict?predictor=score2", headers=headers)
    assert part_of(answer, "outdated") == "outdated: systolic blood pressure changed"
    none = served.http.get(
        f"/fhir/Patient/{p}/$predict?predictor=score2", headers=served.token("user/Patient.rs")
    )
    assert none.status_code == 403


def test_who_opted_out_of_research_is_refused_without_a_grant_to_read_the_consent(
    served: Hospital, p: str
) -> None:
    write(served, p, consent())
    scopes = (
        "user/Patient.rs user/Observation.cruds user/Condition.rs user/Procedure.rs "
        "user/MedicationRequest.rs user/MedicationStatement.rs user/MedicationDispense.rs "
        "user/MedicationAdministration.rs user/FamilyMemberHistory.rs"
    )
    headers = served.token(scopes)
    path = f"/fhir/Patient/{p}/$predict?predictor=score2"
    answer = served.http.post(path, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["dataAbsentReason"]["coding"][0]["code"] == "masked"


def now() -> str:
    time.sleep(0.05)
    return datetime.now(UTC).isoformat()


def asked(hospital: Hospital, patient: str, headers: dict[str, str] | None = None, **values: str) -> Any:
    sent = hospital.token("user/*.cruds") | (headers or {})
    path = f"/fhir/Patient/{patient}/$predict"
    return hospital.http.post(path, params={"predictor": "score2"} | values, headers=sent)


def test_a_past_as_of_sees_no_later_correction_and_stores_nothing(served: Hospital, p: str) -> None:
    before = now()
    first = ask(served, p).json()
    then = now()
    write(served, p, pressure(180))
    second = ask(served, p).json()
    later = now()
    served.run(served.services.store.delete, "Observation", f"{p}-{SBP}", EVERYTHING)
    states = served.run(served.services.store.results.of_patient, p)
    for moment, expected in ((then, first), (later, second)):
        answer = asked(served, p, as_of=moment)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["valueQuantity"] == expected["valueQuantity"]
        assert "id" not in found
        assert "this answer is not stored" in found["note"][0]["text"]
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "predictor", "valueString": "score2"},
            {"name": "as_of", "valueDateTime": then},
        ],
    }
    headers = served.token("user/*.cruds")
    by_body = served.http.post(f"/fhir/Patient/{p}/$predict", json=body, headers=headers)
    assert by_body.json()["valueQuantity"] == first["valueQuantity"]
    assert "dataAbsentReason" in asked(served, p, as_of=now()).json()
    assert served.run(served.services.store.results.of_patient, p) == states
    assert asked(served, p, as_of=before).status_code in (200, 404)
    assert asked(served, p, as_of="2001-01-01").status_code == 404


@pytest.mark.parametrize("as_of", ["2999-01-01", "2026-03-01T12:00:00", "yesterday", ""])
def test_an_as_of_that_is_none_is_refused(served: Hospital, p: str, as_of: str) -> None:
    answer = asked(served, p, as_of=as_of)
    assert (answer.status_code, "as_of" in answer.text) == (400, True)


def test_a_parameter_that_is_not_known_is_refused_with_those_that_are(served: Hospital, p: str) -> None:
    answer = asked(served, p, asof="2026-01-01")
    assert answer.status_code == 400
    assert "$predict takes predictor, as_of, and not asof" in answer.text
    assert asked(served, p, {"Prefer": "handling=lenient"}, asof="2026-01-01").status_code == 200
    get = served.http.get(
        f"/fhir/Patient/{p}/$predict?predictor=score2&as_of=2026-01-01", headers=served.token("user/*.cruds")
    )
    assert get.status_code == 400


def test_a_get_runs_nothing(served: Hospital, p: str) -> None:
    assert ask(served, p, "GET").status_code == 404
    search = [("_security", "AIAST"), ("patient", p)]
    found = served.run(served.services.store.search, "Observation", search, EVERYTHING, count=5)
    assert found.entries == []
