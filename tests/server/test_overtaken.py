"""A result of another content of its model, or by other settings, is outdated: on pages, in `$predict`, in review."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.predictions import plugin as predictions
from fhir_bridge.predictions.site import site_settings
from fhir_bridge.server import Settings, create_app
from tests.command import run_command
from tests.predictions.clinic import SBP, pressure, records
from tests.predictions.made_models import manifest
from tests.predictions.made_models import write as write_model
from tests.server.conftest import Hospital, bare_plugins, furnish, running
from tests.server.test_model_lifecycle import call, find, predict, read
from tests.server.test_pages import page, part, plain
from tests.server.test_predict import ask, own, part_of, row_of, write

SITE = """
site: test
demo_key: true
parameters:
  predictions:
    score2: {enabled: true, region: REGION, limits: {seconds: SECONDS}}
    own-risk: {enabled: true, model: own/model.yaml}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


def settle(folder: Path, region: str = "moderate", seconds: int = 20, **changes: Any) -> None:
    """The site as a server finds it when it starts."""
    write_model(folder / "own", manifest(**changes))
    (folder / "site.yaml").write_text(SITE.replace("REGION", region).replace("SECONDS", str(seconds)))
    site_settings.cache_clear()


@pytest.fixture(scope="module")
def served(database_url: str, folder: Path) -> Iterator[Hospital]:
    settle(folder)
    plugins = bare_plugins()
    plugins.register(predictions)
    app = create_app(Settings(database_url=database_url, site=folder / "site.yaml"), plugins=plugins)
    with pytest.MonkeyPatch.context() as environment, running(app) as http:
        environment.setenv("FHIR_BRIDGE_SITE", str(folder / "site.yaml"))
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        hospital = Hospital(http)
        hospital.run(furnish, hospital.services)
        yield hospital
        site_settings.cache_clear()


@pytest.fixture
def p(served: Hospital, folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    settle(folder)
    name = f"p{abs(hash(request.node.name))}"
    served.run(served.services.store.load, [own(item, name) for item in records()], adapter="test")
    yield name
    served.sql("DELETE FROM model_version")


def state(hospital: Hospital, patient: str, model: str) -> tuple[str, str]:
    """What a GET of `$predict` says of the result: its state and why it is outdated."""
    answer = ask(hospital, patient, "GET", model)
    names = {item["name"] for item in answer.json()["parameter"]}
    return part_of(answer, "state"), part_of(answer, "outdated") if "outdated" in names else ""


def shown(hospital: Hospital, patient: str) -> str:
    return plain(part(page(hospital, f"/patients/{patient}"), "predictions"))


def promote(hospital: Hospital, folder: Path) -> None:
    done = run_command(
        *("model", "promote", "own-risk", "--approver", "Dr. Alpha", "--expires", "2099-01-01"),
        *("--site", str(folder / "site.yaml")),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("promoted", [True, False])
def test_after_another_version_of_a_model_its_earlier_results_are_outdated(
    served: Hospital, folder: Path, p: str, promoted: bool
) -> None:
    if promoted:
        promote(served, folder)
    before, other = predict(served, p), predict(served, p, "score2")
    assert state(served, p, "own-risk") == ("current", "")
    assert "outdated" not in shown(served, p)
    settle(folder, version="2")
    if promoted:  # as long as nobody has promoted the other one, the first one's results are what is in use
        assert state(served, p, "own-risk") == ("current", "")
        promote(served, folder)
    reason = "computed by version 1 of the model; version 2 is in use now, run it again"
    assert state(served, p, "own-risk") == ("outdated", f"outdated: {reason}")
    assert f"outdated: {reason}" in shown(served, p)
    assert "Own outdated" in row_of(served, p) or "outdated" in row_of(served, p)
    assert p in page(served, "/?order=outdated")
    answer = call(served, f"Observation/{before['id']}/$review", decision="confirm")
    assert (answer.status_code, reason in answer.text) == (409, True)
    assert state(served, p, "score2") == ("current", "")
    after = predict(served, p)
    assert after["id"] != before["id"]
    assert state(served, p, "own-risk") == ("current", "")
    assert "outdated" not in shown(served, p)
    assert "superseded" in str(read(served, "Observation", before["id"])["meta"]["tag"])
    assert predict(served, p, "score2")["id"] == other["id"]


def test_after_another_setting_of_the_site_its_earlier_results_are_outdated(
    served: Hospital, folder: Path, p: str
) -> None:
    before = predict(served, p, "score2")
    settle(folder, seconds=30)  # how long it may take says nothing about the answer
    assert state(served, p, "score2") == ("current", "")
    settle(folder, region="high")
    reason = "the settings of the model at this site have changed since; run it again"
    assert state(served, p, "score2") == ("outdated", f"outdated: {reason}")
    assert f"outdated: {reason}" in shown(served, p)
    after = predict(served, p, "score2")
    assert after["valueQuantity"]["value"] != before["valueQuantity"]["value"]
    assert state(served, p, "score2") == ("current", "")
    settle(folder)
    assert state(served, p, "score2")[0] == "outdated"
    assert predict(served, p, "score2")["id"] == before["id"]
    assert state(served, p, "score2") == ("current", "")


def test_what_is_about_to_be_computed_again_can_not_be_confirmed(served: Hospital, p: str) -> None:
    """The job of the newer data waits; whoever confirms now has not seen what it will say."""
    before = predict(served, p)
    newer = pressure(150, id="newer", effectiveDateTime=datetime.now(UTC).isoformat(timespec="seconds"))
    write(served, p, newer)
    for values in ({"decision": "confirm"}, {"decision": "amend", "value": "3", "reason": "x"}):
        answer = call(served, f"Observation/{before['id']}/$review", **values)
        assert (answer.status_code, "newer data have arrived" in answer.text) == (409, True)
    assert read(served, "Observation", before["id"])["status"] == "preliminary"
    after = predict(served, p)
    answer = call(served, f"Observation/{after['id']}/$review", decision="confirm")
    assert (answer.status_code, answer.json()["status"]) == (200, "final")


def test_a_promoted_model_that_was_altered_leaves_a_failed_run(
    served: Hospital, folder: Path, p: str
) -> None:
    promote(served, folder)
    before = predict(served, p)
    settle(folder, title="Own risk, altered")
    failed = predict(served, p)
    reason = "its files are not those that were promoted as version 1"
    assert reason in failed["dataAbsentReason"]["text"]
    assert failed["dataAbsentReason"]["coding"][0]["code"] == "error"
    assert f"Observation/{p}-{SBP}/_history/1" in [item["reference"] for item in failed["derivedFrom"]]
    done = run_command("predict", "own-risk", "--patient", p, "--site", str(folder / "site.yaml"))
    assert done.returncode == 1
    assert set(reason.split()) <= set(done.stdout.split())  # in a narrow terminal it is folded
    (provenance,) = find(served, "Provenance", ("target", f"Observation/{failed['id']}"))
    assert len(provenance["entity"]) > 2
    settle(folder)
    assert predict(served, p)["id"] == before["id"]
    settle(folder, version="3")
    answer = ask(served, p, model="own-risk")  # another version is none that was promoted
    assert (answer.status_code, "is the one that was promoted" in answer.text) == (400, True)
