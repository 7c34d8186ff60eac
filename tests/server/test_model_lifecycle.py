"""After the answer, and beside it: review, withdrawal, promotion, shadows, runs over groups, runs on new data."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import Site
from fhir_bridge.predictions import PredictionError, PredictionRun, find_predictor
from fhir_bridge.predictions import plugin as predictions
from fhir_bridge.predictions.identity import content_hash_of
from fhir_bridge.predictions.model_workers import ModelWorkers
from fhir_bridge.predictions.shadow import compare
from fhir_bridge.server import Settings, create_app
from fhir_bridge.server.background import handlers, work_on_jobs
from fhir_bridge.server.bulk import predict_handler
from fhir_bridge.server.consuming import prediction_triggers
from fhir_bridge.server.pages.predictions import short
from fhir_bridge.storage import Store
from fhir_bridge.storage.jobs import Jobs
from fhir_bridge.storage.model_versions import ModelVersions
from fhir_bridge.terminology import get_terminology
from tests.predictions.clinic import SBP, of_patient, pressure
from tests.predictions.made_models import manifest, risk
from tests.predictions.made_models import write as write_model
from tests.server.conftest import Hospital, bare_plugins, furnish, hidden, running
from tests.server.test_pages import page, part, plain
from tests.server.test_predict import p as p
from tests.server.test_predict import write
from tests.storage.cohort import settled

SITE = """
site: test
demo_key: true
parameters:
  predictions:
    score2: {enabled: true, region: moderate}
    own-risk: {enabled: true, model: own/model.yaml, trigger: new-data}
    own-risk-2: {enabled: true, model: second/model.yaml, shadow_of: own-risk}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_model(folder / "own", manifest())
    second = manifest(version="2")
    second["inputs"][0] |= {"mean": -10}
    write_model(folder / "second", second)
    (folder / "site.yaml").write_text(SITE)
    return folder / "site.yaml"


@pytest.fixture(scope="module")
def served(database_url: str, site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    plugins = bare_plugins()
    plugins.register(predictions)
    blobs = tmp_path_factory.mktemp("blobs")
    app = create_app(Settings(database_url=database_url, site=site, blob_dir=blobs), plugins=plugins)
    with pytest.MonkeyPatch.context() as environment, running(app) as http:
        environment.setenv("FHIR_BRIDGE_SITE", str(site))
        hospital = Hospital(http)
        hospital.run(furnish, hospital.services)
        hospital.run(
            hospital.services.accounts.add_user,
            "boss",
            "correct horse battery",
            "admin",
            display="Boss",
        )
        yield hospital


_TOKENS: dict[tuple[int, str, str], dict[str, str]] = {}


def token(hospital: Hospital, scope: str, user: str = "clara") -> dict[str, str]:
    """A token, the same for all tests: signing in takes its time."""
    key = (id(hospital), scope, user)
    if key not in _TOKENS:
        _TOKENS[key] = hospital.token(scope, user=user, patient="anna")
    return _TOKENS[key]


def predict(hospital: Hospital, patient: str, model: str = "own-risk") -> Any:
    headers = token(hospital, "user/*.cruds")
    path = f"/fhir/Patient/{patient}/$predict"
    answer = hospital.http.post(path, params={"predictor": model}, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def call(
    hospital: Hospital, path: str, user: str = "clara", scope: str = "user/*.cruds", **values: str
) -> Any:
    headers = token(hospital, scope, user)
    return hospital.http.post(f"/fhir/{path}", params=values, headers=headers)


def read(hospital: Hospital, kind: str, identity: str) -> Any:
    return loads(hospital.run(hospital.services.store.read, kind, identity, EVERYTHING).bytes)


def find(hospital: Hospital, kind: str, *parameters: tuple[str, str]) -> list[Any]:
    page = hospital.run(hospital.services.store.search, kind, list(parameters), EVERYTHING, count=500)
    return [loads(entry.bytes) for entry in page.entries]


def valid(resource: Any) -> bool:
    issues = Validator.of(get_terminology()).validate(resource)
    return [issue for issue in issues if issue.severity in ("error", "fatal")] == []


class TestReview:
    def test_a_confirmed_result_is_final_with_its_verifier_and_an_audit_event(
        self, served: Hospital, p: str
    ) -> None:
        result = predict(served, p)
        assert result["status"] == "preliminary"
        answer = call(
            served,
            f"Observation/{result['id']}/$review",
            decision="confirm",
            followed="statin started",
        )
        assert answer.status_code == 200, answer.text
        reviewed = answer.json()
        assert reviewed["status"] == "final"
        assert "Decision that followed: statin started" in [note["text"] for note in reviewed["note"]]
        (risk_assessment,) = find(served, "RiskAssessment", ("patient", p))
        assert risk_assessment["status"] == "final"
        provenances = find(served, "Provenance", ("target", f"Observation/{result['id']}"))
        (verified,) = [item for item in provenances if len(item["agent"]) == 2]
        assert verified["agent"][1]["who"]["reference"] == "Practitioner/clara"
        assert verified["agent"][1]["type"]["coding"][0]["code"] == "verifier"
        assert verified["entity"][0]["what"]["reference"].endswith("/_history/1")
        events = find(served, "AuditEvent", ("entity", f"Observation/{result['id']}"))
        assert {"U", "E"} <= {event["action"] for event in events}
        assert valid(reviewed)
        assert valid(risk_assessment)
        assert valid(verified)
        assert predict(served, p)["status"] == "final"

    def test_an_amended_one_keeps_the_models_value_beside_the_persons(self, served: Hospital, p: str) -> None:
        result = predict(served, p)
        path = f"Observation/{result['id']}/$review"
        assert call(served, path, decision="amend", value="30").status_code == 400
        other = call(served, path, decision="amend", category="enormous|Enormous", reason="so it is")
        assert (other.status_code, "low, high" in other.text) == (400, True)
        other = call(served, path, decision="amend", value="30", category="low", reason="so it is")
        assert (other.status_code, "the value is high, not low" in other.text) == (400, True)
        answer = call(
            served, path, decision="amend", value="30", category="high|High", reason="family history"
        )
        amended = answer.json()
        assert (amended["status"], amended["valueQuantity"]["value"]) == ("amended", 30)
        (kept,) = [
            part for part in amended["component"] if part["code"]["coding"][0]["code"] == "model-value"
        ]
        assert kept["valueQuantity"]["value"] == result["valueQuantity"]["value"]
        (beside,) = find(served, "RiskAssessment", ("patient", p))
        assert float(beside["prediction"][0]["probabilityDecimal"]) == pytest.approx(0.3)
        assert valid(amended)
        assert valid(beside)
        assert call(served, path, decision="amend", value="300", reason="x").status_code == 400
        # A category belongs to its number: another number without one has none.
        other = call(served, path, decision="amend", value="3", reason="family history is another's").json()
        assert (other["valueQuantity"]["value"], other.get("interpretation")) == (3, None)
        assert kept["interpretation"] == result["interpretation"]
        (beside,) = find(served, "RiskAssessment", ("patient", p))
        assert "qualitativeRisk" not in beside["prediction"][0]
        assert valid(other)

    def test_a_rejected_one_is_in_error_and_not_said_again_until_an_input_changes(
        self, served: Hospital, p: str
    ) -> None:
        result = predict(served, p)
        path = f"Observation/{result['id']}/$review"
        assert call(served, path, decision="reject").status_code == 400
        answer = call(served, path, decision="reject", reason="cuff was too small")
        assert answer.json()["status"] == "entered-in-error"
        (beside,) = find(served, "RiskAssessment", ("patient", p))
        assert beside["status"] == "entered-in-error"
        again = call(served, f"Patient/{p}/$predict", predictor="own-risk")
        assert (again.status_code, again.json()["resourceType"]) == (422, "OperationOutcome")
        assert "withdrawn by a person" in again.text
        assert result["id"] in again.text
        shown = plain(part(page(served, f"/patients/{p}"), "predictions"))
        assert "was withdrawn by a person; the model says nothing here until" in shown
        assert call(served, path, decision="confirm").status_code == 400
        write(served, p, pressure(150))
        other = predict(served, p)
        assert (other["id"] != result["id"], other["status"]) == (True, "preliminary")

    def test_what_is_no_longer_current_can_not_be_confirmed(self, served: Hospital, p: str) -> None:
        old = predict(served, p)
        newer = pressure(150, id="newer", effectiveDateTime=datetime.now(UTC).isoformat(timespec="seconds"))
        write(served, p, newer)
        new = predict(served, p)
        assert new["id"] != old["id"]
        for values in ({"decision": "confirm"}, {"decision": "amend", "value": "3", "reason": "x"}):
            answer = call(served, f"Observation/{old['id']}/$review", **values)
            assert answer.status_code == 409, answer.text
            assert "this result is superseded" in answer.text
            assert f"Observation/{new['id']}" in answer.text
        assert call(served, f"Observation/{new['id']}/$review", decision="confirm").status_code == 200

    def test_only_who_may_review_does(self, served: Hospital, p: str) -> None:
        result = predict(served, p)
        path = f"Observation/{result['id']}/$review"
        assert call(served, path, scope="user/Observation.rs", decision="confirm").status_code == 403
        laboratory = "user/Observation.rs user/Observation.u?category=http://x|laboratory"
        assert call(served, path, scope=laboratory, decision="confirm").status_code in (403, 404)
        patient = token(served, "patient/*.cruds", "anna")
        answer = served.http.post(f"/fhir/{path}", params={"decision": "confirm"}, headers=patient)
        assert answer.status_code in (403, 404)
        assert call(served, f"Observation/{p}-{SBP}/$review", decision="confirm").status_code == 400
        assert call(served, path, decision="like").status_code == 400
        assert call(served, path, decision="confirm", version="7").status_code == 409
        assert read(served, "Observation", result["id"])["status"] == "preliminary"

    def test_who_is_nobody_here_is_told_what_to_do(self, served: Hospital, p: str) -> None:
        add, password = served.services.accounts.add_user, "correct horse battery"
        served.run(add, "new", password, "admin", display="New", fhir_user="Practitioner/new")
        result = predict(served, p)
        for path, values in (
            (f"Observation/{result['id']}/$review", {"decision": "confirm"}),
            (f"Observation/{result['id']}/$withdraw", {"reason": "wrong"}),
            ("$withdraw", {"model": "own-risk", "reason": "wrong"}),
        ):
            answer = call(served, path, user="new", **values)
            assert answer.status_code == 422, answer.text
            assert (
                "this account is Practitioner/new, of which there is no resource here: load it" in answer.text
            )
        assert read(served, "Observation", result["id"])["status"] == "preliminary"


class TestWithdrawal:
    def test_without_a_reason_is_refused_in_its_own_words(self, served: Hospital, p: str) -> None:
        result = predict(served, p)
        for path, more in (
            (f"Observation/{result['id']}/$withdraw", {}),
            ("$withdraw", {"model": "own-risk"}),
        ):
            answer = call(served, path, user="boss", **more)
            assert (answer.status_code, "withdraw needs a reason" in answer.text) == (400, True)

    def test_a_list_says_of_when_a_value_is_and_that_nobody_approved_the_model(
        self, served: Hospital, p: str
    ) -> None:
        result = predict(served, p)
        listed = plain(page(served, "/?order=risk"))
        assert f"({result['effectiveDateTime'][:10]}, research use)" in listed

    def test_of_a_model_version_withdraws_its_results_alone(self, served: Hospital, p: str) -> None:
        mine, other = predict(served, p), predict(served, p, "score2")
        values = {"model": "own-risk", "version": "1", "reason": "wrong weights"}
        assert call(served, "$withdraw", **values).status_code == 403
        for unknown in ({"version": "7"}, {"model": "own-rsik"}):
            refused = call(served, "$withdraw", user="boss", **(values | unknown))
            assert (refused.status_code, "no result of a model" in refused.text) == (404, True)
        answer = call(served, "$withdraw", user="boss", **values)
        assert answer.json()["parameter"][0]["valueInteger"] >= 1
        assert read(served, "Observation", mine["id"])["status"] == "entered-in-error"
        assert read(served, "Observation", other["id"])["status"] == "preliminary"
        again = call(served, "$withdraw", user="boss", **values)
        assert again.json()["parameter"][0]["valueInteger"] == 0

    def test_of_an_input_device_withdraws_what_used_its_measurements_which_a_search_finds(
        self, served: Hospital, p: str
    ) -> None:
        cuff = {"resourceType": "Device", "id": f"cuff-{p}", "status": "active"}
        served.run(served.services.store.update, "Device", cuff["id"], cuff, EVERYTHING)
        write(served, p, pressure(160) | {"device": {"reference": f"Device/cuff-{p}"}})
        result = predict(served, p)
        used = [("_security", "AIAST"), ("derived-from", f"Observation/{p}-{SBP}")]
        assert [item["id"] for item in find(served, "Observation", *used)] == [result["id"]]
        values = {"input-device": f"Device/cuff-{p}", "reason": "out of calibration"}
        assert (
            call(served, "$withdraw", user="boss", **(values | {"input-device": "Device/x"})).status_code
            == 404
        )
        assert call(served, "$withdraw", user="boss", **values).json()["parameter"][0]["valueInteger"] == 1
        assert read(served, "Observation", result["id"])["status"] == "entered-in-error"
        assert [item["id"] for item in find(served, "Observation", *used)] == [result["id"]]

    def test_of_one_result_needs_a_reason(self, served: Hospital, p: str) -> None:
        result = predict(served, p)
        path = f"Observation/{result['id']}/$withdraw"
        assert call(served, path).status_code == 400
        assert call(served, path, reason="wrong patient").json()["status"] == "entered-in-error"
        assert call(served, path, reason="again").status_code == 400


def run_of(store: Store, site: Path, model: str = "own-risk") -> PredictionRun:
    parameters = Site.load(site).parameters
    return PredictionRun(find_predictor(model, parameters), parameters, IdKey(DEMO_KEY), store)


class TestVersions:
    def test_what_was_promoted_runs_until_its_approval_ends_and_nothing_else_does(
        self, served: Hospital, site: Path, p: str
    ) -> None:
        store = served.services.store
        versions = ModelVersions(store.pool)
        content = content_hash_of(find_predictor("own-risk", Site.load(site).parameters))
        later = datetime.now(UTC) + timedelta(days=30)

        def promote(what: str, until: datetime, version: str = "1") -> None:
            served.run(versions.promote, "own-risk", what, version, "Medical director", until)

        try:
            promote("another content", later, "0.9")
            with pytest.raises(PredictionError, match="is the one that was promoted"):
                served.run(run_of(store, site).for_patient, p)
            promote(content, later)
            assert served.run(run_of(store, site).for_patient, p).outcome == "written"
            states = {item.content: item.state for item in served.run(versions.all, "own-risk")}
            assert states == {content: "active", "another content": "retired"}
            promote(content, datetime.now(UTC) - timedelta(days=1))
            with pytest.raises(PredictionError, match="ended"):
                served.run(run_of(store, site).for_patient, p)
            served.run(versions.retire, "own-risk", content, "1", "Medical director", "unsafe")
            with pytest.raises(PredictionError, match="retired: unsafe"):
                served.run(run_of(store, site).for_patient, p)
        finally:
            served.sql("DELETE FROM model_version")

    def test_a_shadow_runs_beside_is_compared_and_shown_to_nobody(
        self, served: Hospital, site: Path, p: str
    ) -> None:
        store = served.services.store
        result = predict(served, p)
        rows = [
            item for item in served.run(ModelVersions(store.pool).shadows, "own-risk") if item.patient == p
        ]
        (row,) = rows
        assert (row.shadow, row.version, row.result) == ("own-risk-2", "2", result["id"])
        assert float(row.stated["number"]) == pytest.approx(100 * risk(50 + 10, 137, 0), abs=0.1)
        (comparison,) = compare(rows)
        assert comparison.difference == pytest.approx(
            float(row.stated["number"]) - float(row.shown["number"])
        )
        assert comparison.same_category == 1
        assert len(find(served, "Observation", ("_security", "AIAST"), ("patient", p))) == 1
        with pytest.raises(PredictionError, match="is a shadow of own-risk"):
            run_of(store, site, "own-risk-2")

    @pytest.mark.parametrize(
        ("content", "reason"), [(b"something else", "was altered"), (None, "can't be read")]
    )
    def test_a_file_that_is_altered_or_gone_is_a_recorded_failed_run(
        self, served: Hospital, tmp_path: Path, p: str, content: bytes | None, reason: str
    ) -> None:
        path = write_model(tmp_path, manifest(name="altered"))
        parameters = {"predictions": {"altered": {"enabled": True, "model": str(path)}}}
        if content is None:
            (tmp_path / "model.onnx").unlink()
        else:
            (tmp_path / "model.onnx").write_bytes(content)

        async def work() -> Any:
            model = find_predictor("altered", parameters)
            store = served.services.store
            return await PredictionRun(model, parameters, IdKey(DEMO_KEY), store).for_patient(p)

        done = served.run(work)
        assert (done.outcome, done.result.reason) == ("written", "failed")
        stored = read(served, "Observation", done.observation_id)
        assert stored["dataAbsentReason"]["coding"][0]["code"] == "error"
        assert reason in stored["dataAbsentReason"]["text"]
        assert str(tmp_path) not in stored["dataAbsentReason"]["text"]

    def test_two_runs_at_once_leave_one_result(self, served: Hospital, site: Path, p: str) -> None:
        store = served.services.store

        async def both() -> list[Any]:
            return await asyncio.gather(*(run_of(store, site).for_patient(p) for _ in range(2)))

        first, second = served.run(both)
        assert first.observation_id == second.observation_id
        assert len(find(served, "Observation", ("_security", "AIAST"), ("patient", p))) == 1


def work_on(hospital: Hospital, site: Path) -> None:
    """What the background worker does of bulk jobs."""
    services = hospital.services
    handler = predict_handler(services.blobs, str(site))

    async def work() -> None:
        jobs = Jobs(services.store.pool, "test")
        while (job := await jobs.lease(["bulk-predict"])) is not None:
            await handler(services.store, job.payload)
            await jobs.finish(job)

    hospital.run(work)


def test_a_group_is_predicted_asynchronously_for_those_whom_the_caller_may_read(
    served: Hospital, site: Path, p: str
) -> None:
    members = [{"entity": {"reference": f"Patient/{name}"}} for name in (p, "bert")]
    group = {"resourceType": "Group", "id": f"g-{p}", "type": "person", "actual": True, "member": members}
    served.run(served.services.store.update, "Group", group["id"], group, EVERYTHING)
    headers = token(served, "user/*.cruds")
    path = f"/fhir/Group/g-{p}/$predict?predictor=own-risk"
    assert served.http.post(path, headers=headers).status_code == 400
    assert (
        served.http.post(path, headers=token(served, "user/*.rs") | {"Prefer": "respond-async"}).status_code
        == 403
    )
    begun = served.http.post(path, headers=headers | {"Prefer": "respond-async"})
    assert begun.status_code == 202, begun.text
    where = begun.headers["content-location"].removeprefix("http://127.0.0.1:8000")
    assert served.http.get(where, headers=headers).status_code == 202
    work_on(served, site)
    done = served.http.get(where, headers=headers)
    assert done.status_code == 200, done.text
    (file,) = done.json()["output"]
    lines = served.http.get(file["url"], headers=headers).text.splitlines()
    subjects = {json.loads(line)["subject"]["reference"] for line in lines}
    assert subjects == {f"Patient/{p}", "Patient/bert"}
    unknown = served.http.post(
        f"/fhir/Group/g-{p}/$predict?predictor=none", headers=headers | {"Prefer": "respond-async"}
    )
    assert unknown.status_code == 400


def test_new_data_of_a_patient_without_a_result_run_the_model_once_and_its_result_runs_nothing(
    served: Hospital, site: Path, p: str
) -> None:
    store = served.services.store
    (consumer,) = prediction_triggers(str(site))

    async def waiting() -> list[str]:
        async with store.connection() as connection:
            rows = await connection.execute(
                "SELECT payload ->> 'model' FROM job WHERE state = 'ready' AND payload ->> 'patient' = %s",
                (p,),
            )
            return [row[0] for row in await rows.fetchall()]

    async def take() -> None:
        changes = await settled(store, wanted=lambda change: p in change.id)
        assert changes
        for _ in range(2):  # the same changes come again after a crash
            await consumer.take(store, changes)

    served.run(take)
    assert served.run(waiting) == ["own-risk"]

    async def work() -> None:
        async with store.connection() as connection:
            await connection.execute("UPDATE job SET not_before = now() WHERE state = 'ready'")
        stopped = asyncio.Event()
        task = asyncio.create_task(work_on_jobs(store, handlers(str(site)), stopped))
        for _ in range(100):
            await asyncio.sleep(0.05)
            if not await waiting():
                break
        stopped.set()
        await task

    served.run(work)
    (result,) = find(served, "Observation", ("_security", "AIAST"), ("patient", p))
    assert result["method"]["coding"][0]["code"] == "own-risk"

    async def again() -> None:
        changes = await settled(store, wanted=lambda change: change.id == result["id"])
        assert changes
        await consumer.take(store, changes)

    served.run(again)
    assert served.run(waiting) == []
    assert of_patient(pressure(137))["status"] == "final"


class TestPages:
    def test_what_must_not_be_overlooked_is_beside_the_result_and_not_folded(
        self, served: Hospital, p: str
    ) -> None:
        predict(served, p)
        shown = part(page(served, f"/patients/{p}"), "predictions")
        unfolded = re.sub(r"<details.*?</details>", "", shown, flags=re.DOTALL)
        for text in (
            "Research use",
            "Test region",
            "House rule 2026",
            "within 5 years",
            "preliminary",
            "as of",
        ):
            assert text in plain(unfolded)
        assert ">Run again</button>" in unfolded
        assert ">Confirm</button>" in unfolded
        assert "Run score2" in shown

    def test_the_trend_is_drawn_and_a_failed_run_is_no_refusal(
        self, served: Hospital, p: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        predict(served, p)
        assert '<svg class="trend"' not in part(page(served, f"/patients/{p}"), "predictions")
        write(
            served,
            p,
            pressure(180, id="later", effectiveDateTime=datetime.now(UTC).isoformat(timespec="seconds")),
        )
        predict(served, p)
        shown = part(page(served, f"/patients/{p}"), "predictions")
        drawn = re.search(r'<svg class="trend".*?</svg>', shown, re.DOTALL)
        assert drawn is not None
        assert drawn[0].count('class="point"') == 2

        async def failing(*_: Any, **__: Any) -> list[str]:
            return ["it answered nonsense"]

        monkeypatch.setattr(ModelWorkers, "predict", failing)
        predict(served, p)
        assert "The run failed: the model failed: it answered nonsense" in plain(
            part(page(served, f"/patients/{p}"), "predictions")
        )
        results = find(served, "Observation", ("_security", "AIAST"), ("patient", p))
        (failed,) = [result for result in results if short(result).endswith(" failed")]
        # There is nothing to agree to, and nothing decided.
        shown = part(page(served, f"/patients/{p}"), "predictions")
        assert (">Confirm</button>" in shown, "Decided by" in shown) == (False, False)
        for values in ({"decision": "confirm"}, {"decision": "amend", "category": "high", "reason": "so"}):
            answer = call(served, f"Observation/{failed['id']}/$review", **values)
            assert (answer.status_code, "the run failed" in answer.text) == (422, True)
        assert read(served, "Observation", failed["id"])["status"] == "preliminary"
        # Its inputs are called as the model calls them, so that no drift is of another name.
        assert [item["display"] for item in failed["derivedFrom"]] == ["smokes", "systolic"]

    def test_a_clinician_reviews_and_runs_on_the_page_and_a_forged_form_does_nothing(
        self, served: Hospital, p: str
    ) -> None:
        result = predict(served, p)
        shown = page(served, f"/patients/{p}")
        csrf = hidden(shown, "csrf")
        form = {
            "csrf": csrf,
            "observation": result["id"],
            "version": "1",
            "act": "confirm",
            "reason": "agreed",
        }

        def post(**changes: str) -> int:
            path = f"/patients/{p}/predictions"
            return served.http.post(path, data=form | changes, follow_redirects=False).status_code

        assert post(csrf="forged") == 404
        assert post(version="9") == 409
        assert post(act="like") == 400
        assert read(served, "Observation", result["id"])["status"] == "preliminary"
        assert post() == 303
        assert read(served, "Observation", result["id"])["status"] == "final"
        assert post(version="2", act="amend", value="12,5", reason="family") == 303
        assert read(served, "Observation", result["id"])["valueQuantity"]["value"] == 12.5
        assert post(version="3", act="amend", category="enormous", reason="family") == 400
        assert post(version="3", act="amend", category="high", reason="family") == 303
        assert read(served, "Observation", result["id"])["interpretation"][0]["text"] == "High"
        assert post(act="run", model="score2") == 303
        assert len(find(served, "Observation", ("_security", "AIAST"), ("patient", p))) == 2
        assert post(act="run", model="own-risk-2") == 400
        served.sign_in("anna")
        csrf = hidden(served.http.get("/").text, "csrf")
        assert post(csrf=csrf, version="4") == 404
        assert served.http.get("/models").status_code == 404

    def test_a_reviewed_result_shows_the_inputs_that_it_was_built_from(
        self, served: Hospital, p: str
    ) -> None:
        result = predict(served, p)

        def inputs() -> list[str]:
            return re.findall(
                r"<tr>\s*<td>.*?</tr>", part(page(served, f"/patients/{p}"), "predictions"), re.S
            )

        before = inputs()
        assert "137 mm[Hg]" in plain(before[1])
        for more in ({"decision": "confirm"}, {"decision": "amend", "value": "12.5", "reason": "family"}):
            assert call(served, f"Observation/{result['id']}/$review", **more).status_code == 200
            assert inputs() == before

    def test_the_list_is_ordered_by_risk_and_by_what_waits_for_a_person(
        self, served: Hospital, p: str
    ) -> None:
        write(served, p, pressure(290))
        predict(served, p)
        first = page(served, "/?order=risk").split("<tbody>")[1].split("</tr>")[0]
        assert f'/patients/{p}"' in first
        assert f'/patients/{p}"' in page(served, "/?order=unreviewed")
        assert f'/patients/{p}"' not in page(served, "/?order=outdated")
        write(served, p, pressure(280))
        assert "by risk" in page(served, "/?order=outdated")

    def test_the_page_of_models_names_versions_measures_and_shadows(self, served: Hospital, p: str) -> None:
        predict(served, p)
        shown = plain(page(served, "/models"))
        for text in ("Own risk", "shadow of own-risk", "AUROC", "Mean difference", "SCORE2"):
            assert text in shown


def test_metrics_are_for_who_has_the_token_and_name_no_small_group(
    served: Hospital, p: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict(served, p)
    assert served.http.get("/metrics").status_code == 404
    monkeypatch.setattr(served.services.settings, "metrics_token", SecretStr("of-the-monitor"))
    for wrong in ({}, {"Authorization": "Bearer of-the"}, token(served, "user/*.cruds")):
        assert served.http.get("/metrics", headers=wrong).status_code == 404
    answer = served.http.get("/metrics", headers={"Authorization": "Bearer of-the-monitor"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    lines = answer.text.splitlines()
    assert lines[-1] == "# EOF"
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    labels = 'model="own-risk",version="1",group="all"'
    assert float(values[f"fhir_bridge_prediction_results{{{labels}}}"]) >= 1
    # Fewer than 20 people are in the tests: no subgroup of them is told.
    assert not [name for name in values if 'group="sex' in name]
    assert p not in answer.text
