"""A file that is kept: what is not stored of it is in the answers of operations, for who may see it, until it goes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pysam
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server import Settings, create_app
from fhir_bridge.server.genomics import kept
from fhir_bridge.server.genomics.answering import Listed, _written
from tests.command import run_command
from tests.server.conftest import PASSWORD, Hospital, bare_plugins, furnish, running
from tests.server.genomics.genome import LINES, genome, site

WHOLE_1 = "NC_000001.11:0-10000"
GUIDE = "http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def load(folder: Path, database_url: str) -> Iterator[Any]:
    """Loads a file; gives the report."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        environment.setenv("FHIR_BRIDGE_BLOB_DIR", str(folder / "blobs"))

        def run(path: Path, *more: str) -> dict[str, Any]:
            report = folder / "report.json"
            where = site(folder)
            done = run_command(
                "load", path, "-a", "vcf", "--site", where, "--report", report, "--keep-file", *more
            )
            assert done.returncode == 0, done.stderr
            content: dict[str, Any] = json.loads(report.read_text())
            return content

        yield run


@pytest.fixture(scope="module")
def report(load: Any, folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = load(genome(folder))
    return content


@pytest.fixture(scope="module")
def served(database_url: str, folder: Path, report: dict[str, Any]) -> Iterator[Hospital]:
    settings = Settings(
        database_url=database_url, site=folder / "site.yaml", blob_dir=folder / "blobs", pages=False
    )
    with running(create_app(settings, plugins=bare_plugins())) as http:
        hospital = Hospital(http)
        hospital.run(furnish, hospital.services)
        hospital.run(hospital.services.accounts.add_user, "root", PASSWORD, "admin", display="Root")
        yield hospital


@pytest.fixture(scope="module")
def clara(served: Hospital) -> dict[str, str]:
    return served.token("user/*.cruds", patient=None)


@pytest.fixture(scope="module")
def people(served: Hospital, clara: dict[str, str]) -> dict[str, str]:
    """Ids of both patients by the number of the crosswalk."""
    return {
        value: only(served, clara, f"Patient?identifier=urn:oid:2.25.7|{value}")["id"]
        for value in ("A1", "B1")
    }


def only(served: Hospital, token: dict[str, str], path: str) -> dict[str, Any]:
    (entry,) = served.http.get(f"/fhir/{path}", headers=token).json()["entry"]
    resource: dict[str, Any] = entry["resource"]
    return resource


def ask(served: Hospital, token: dict[str, str], operation: str, **parameters: str) -> list[dict[str, Any]]:
    answer = served.http.get(f"/fhir/${operation}", params=parameters, headers=token)
    assert answer.status_code == 200, answer.text
    parameters_: list[dict[str, Any]] = answer.json().get("parameter", [])
    return parameters_


def shown(parameters: list[dict[str, Any]], name: str = "variant") -> dict[str, dict[str, Any]]:
    parts = [part for parameter in parameters for part in parameter.get("part", [parameter])]
    return {part["resource"]["id"]: part["resource"] for part in parts if part["name"] == name}


def warnings(parameters: list[dict[str, Any]]) -> str:
    return " ".join(
        issue["diagnostics"]
        for parameter in parameters
        if parameter["name"] == "outcome"
        for issue in parameter["resource"]["issue"]
    )


def alternates(found: dict[str, dict[str, Any]]) -> list[str]:
    return sorted(
        component["valueString"]
        for resource in found.values()
        for component in resource["component"]
        if component["code"]["coding"][0]["code"] == "69551-0"
    )


def test_only_what_is_reportable_is_stored_and_the_report_says_what_is_not(
    served: Hospital, clara: dict[str, str], report: dict[str, Any], people: dict[str, str]
) -> None:
    calls = {row["column"] - 9: row for row in report["calls"]}
    assert [(calls[n]["called"], calls[n]["written"], calls[n]["kept_in_file"]) for n in (1, 2)] == [
        (8, 1, 7),
        (3, 1, 2),
    ]
    total = served.http.get(
        f"/fhir/Observation?patient={people['A1']}&code=69548-6&_summary=count", headers=clara
    ).json()["total"]
    assert total == 1
    conclusion = only(served, clara, f"DiagnosticReport?patient={people['A1']}")["conclusion"]
    assert "7 of them stay in the kept file" in conclusion


def test_stored_and_kept_variants_are_found_together_as_a_whole_load_would_have_stored_them(
    served: Hospital, clara: dict[str, str], people: dict[str, str], folder: Path
) -> None:
    ranges = f"{WHOLE_1},NC_000007.14:3999-4000"
    parameters = ask(
        served,
        clara,
        "find-subject-variants",
        subject=people["A1"],
        ranges=ranges,
        includeVariants="true",
        includePhasing="true",
    )
    found = shown(parameters)
    assert alternates(found) == sorted(["G", "T", "C", "A", "C", "G", "A"])
    out = folder / "whole"
    run_command("convert", folder / "genome.vcf", "-a", "vcf", "--site", folder / "site.yaml", "--out", out)
    written = {
        content["id"]: content
        for content in map(json.loads, (out / "Observation.ndjson").read_text().splitlines())
    }
    kept = {key: value for key, value in found.items() if "versionId" not in value.get("meta", {})}
    assert len(kept) == 6
    assert all(written[key] == value for key, value in kept.items())
    (first, second) = [
        part["valueBoolean"] for row in parameters[:2] for part in row["part"] if part["name"] == "presence"
    ]
    assert first is second is True
    phases = shown(parameters, "sequencePhaseRelationship")
    assert {value["valueCodeableConcept"]["coding"][0]["code"] for value in phases.values()} == {
        "Cis",
        "Trans",
    }
    assert all(set(phases[key]) == set(written[key]) for key in phases)


def test_a_kept_variant_is_answered_digit_for_digit_as_convert_writes_it(
    served: Hospital, clara: dict[str, str], people: dict[str, str], folder: Path
) -> None:
    out = folder / "digits"
    run_command("convert", folder / "genome.vcf", "-a", "vcf", "--site", folder / "site.yaml", "--out", out)
    answer = served.http.get(
        "/fhir/$find-subject-variants",
        params={"subject": people["A1"], "ranges": WHOLE_1, "includeVariants": "true"},
        headers=clara,
    )
    written = [
        line
        for line in (out / "Observation.ndjson").read_text().splitlines()
        if '"69548-6"' in line and f"Patient/{people['A1']}" in line and ":g.1010C>T" in line
    ]
    assert len(written) == 1
    assert written[0] in answer.text


@pytest.mark.parametrize(
    "operation",
    [
        "find-subject-variants",
        "find-subject-structural-intersecting-variants",
        "find-subject-structural-subsuming-variants",
    ],
)
@pytest.mark.parametrize("few", [1, 64])
def test_whether_a_variant_is_there_is_the_same_whether_it_is_shown_or_not(
    served: Hospital,
    clara: dict[str, str],
    people: dict[str, str],
    operation: str,
    few: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without showing them, a file is looked into until each range has one."""
    monkeypatch.setattr(kept, "FEW", few)
    for ranges in (
        "NC_000001.11:0-999",
        "NC_000001.11:999-1000",
        "NC_000001.11:1005-1012,NC_000001.11:6000-6001,NC_000007.14:3999-4000",
        "NC_000001.11:5500-5600",
        "NC_000001.11:5000-9000,NC_000001.11:2999-3000",
    ):
        answers = [
            ask(served, clara, operation, subject=people["A1"], ranges=ranges, **more)
            for more in ({}, {"includeVariants": "true"})
        ]
        presences = [
            [
                part.get("valueBoolean", part.get("_valueBoolean"))
                for row in answer
                for part in row.get("part", ())
                if part["name"] == "presence"
            ]
            for answer in answers
        ]
        assert presences[0] == presences[1]
        assert len(presences[0]) == ranges.count(":")


def test_a_file_is_read_no_further_than_the_question_needs(
    served: Hospital, clara: dict[str, str], people: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fhir_bridge.adapters.genomics.line_reader import LineReader

    read: list[int] = []
    original = LineReader.read_text

    def noted(self: LineReader, text: str, number: int) -> Any:
        read.append(number)
        return original(self, text, number)

    monkeypatch.setattr(LineReader, "read_text", noted)
    monkeypatch.setattr(kept, "FEW", 1)
    ask(served, clara, "find-subject-variants", subject=people["A1"], ranges=WHOLE_1)
    few = len(read)
    read.clear()
    operation = "find-subject-structural-intersecting-variants"
    ask(served, clara, operation, subject=people["A1"], ranges=WHOLE_1)
    assert len(read) == 1  # the deletion; lines of bases alone say nothing of it
    read.clear()
    ask(served, clara, "find-subject-variants", subject=people["A1"], ranges=WHOLE_1, includeVariants="true")
    assert few < len(read) == 6


def test_what_is_known_of_a_file_is_learned_once_whether_or_not_all_of_a_range_is_read(
    served: Hospital, clara: dict[str, str], people: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fhir_bridge.adapters.genomics import kept_reading

    learned: list[str] = []
    original = kept_reading.PlainLines

    def noted(file: Any) -> Any:
        learned.append(file.name)
        return original(file)

    monkeypatch.setattr(kept_reading, "PlainLines", noted)
    monkeypatch.setattr(kept, "FEW", 1)
    kept._READERS.clear()
    for more in ({}, {}, {"includeVariants": "true"}, {}):
        ask(served, clara, "find-subject-variants", subject=people["A1"], ranges=WHOLE_1, **more)
    assert len(learned) == 1


def test_an_answer_that_is_written_in_pieces_is_the_json_of_its_parameters() -> None:
    text = b'{"resourceType":"Observation","id":"a"}'
    resource = {"resourceType": "Observation", "id": "b"}
    outcome = {"name": "outcome", "resource": {"resourceType": "OperationOutcome", "issue": []}}
    item = {"name": "rangeItem", "valueString": 'a "range"'}
    listed = [{"name": "variant", "resource": each} for each in (json.loads(text), resource)]
    part = [item, Listed("variant", [text, resource]), item]
    for parameters, expected in (
        ([], {}),
        ([outcome], {"parameter": [outcome]}),
        ([*part, outcome], {"parameter": [item, *listed, item, outcome]}),
        (
            [{"name": "variants", "part": part}, {"name": "variants", "part": []}, outcome],
            {
                "parameter": [
                    {"name": "variants", "part": [item, *listed, item]},
                    {"name": "variants", "part": []},
                    outcome,
                ]
            },
        ),
    ):
        assert _written(parameters) == orjson.dumps({"resourceType": "Parameters", **expected})  # type: ignore[dict-item]


def test_a_variant_of_the_file_is_found_by_its_names_and_by_its_implication(
    served: Hospital, clara: dict[str, str], people: dict[str, str]
) -> None:
    for name in ("NC_000001.11:g.3000T>C", "NC_000001.11:2999:T:C"):
        (row,) = [
            parameter
            for parameter in ask(
                served, clara, "find-subject-specific-variants", subject=people["A1"], variants=name
            )
            if parameter["name"] == "variants"
        ]
        assert row["part"][0] == {"name": "variantItem", "valueString": name}
        assert row["part"][1]["valueBoolean"] is True
    answer = ask(
        served, clara, "find-subject-dx-implications", subject=people["A1"], ranges="NC_000001.11:2000-4000"
    )
    (implication,) = shown(answer, "implication").values()
    assert implication["component"][0]["valueCodeableConcept"]["text"] == "Benign"
    assert len(shown(answer)) == 1
    whole = ask(
        served, clara, "find-subject-dx-implications", subject=people["A1"], conditions="Cardiomyopathy"
    )
    assert [
        each["component"][0]["valueCodeableConcept"]["text"] for each in shown(whole, "implication").values()
    ] == ["Pathogenic"]
    assert "7 variants are in a kept file alone" in warnings(whole)


def test_a_structural_variant_of_the_file_is_found_by_what_it_changes(
    served: Hospital, clara: dict[str, str], people: dict[str, str]
) -> None:
    def presence(operation: str, ranges: str) -> bool:
        parameters = ask(served, clara, operation, subject=people["A1"], ranges=ranges)
        answer: bool = parameters[0]["part"][1]["valueBoolean"]
        return answer

    subsuming = "find-subject-structural-subsuming-variants"
    intersecting = "find-subject-structural-intersecting-variants"
    assert presence(subsuming, "NC_000001.11:6000-7000")
    assert not presence(subsuming, "NC_000001.11:6000-9500")
    assert presence(intersecting, "NC_000001.11:6000-9500")
    assert not presence(intersecting, "NC_000001.11:9500-9600")


def test_kept_files_obey_scopes_and_consents_and_are_on_record(
    served: Hospital, clara: dict[str, str], people: dict[str, str]
) -> None:
    asked = {"ranges": WHOLE_1, "includeVariants": "true"}
    own = served.token("launch/patient patient/*.rs", patient=people["B1"])
    assert len(shown(ask(served, own, "find-subject-variants", subject=people["B1"], **asked))) == 2
    other = ask(served, own, "find-subject-variants", subject=people["A1"], **asked)
    assert shown(other) == {}
    nobody = ask(served, own, "find-subject-variants", subject="nobody", **asked)
    assert [row for row in other if row["name"] == "variants"] == [
        row for row in nobody if row["name"] == "variants"
    ]
    narrow = served.token("user/Observation.rs", patient=None)
    answer = ask(served, narrow, "find-subject-variants", subject=people["A1"], **asked)
    assert len(shown(answer)) == 1
    assert "kept files are not looked into" in warnings(answer)
    vitals = served.token(
        "user/DocumentReference.rs "
        "user/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|vital-signs",
        patient=None,
    )
    assert shown(ask(served, vitals, "find-subject-variants", subject=people["A1"], **asked)) == {}
    conditions = served.token("user/Condition.rs", patient=None)
    refused = served.http.get(
        "/fhir/$find-subject-variants", params={"subject": people["A1"], **asked}, headers=conditions
    )
    assert refused.status_code == 403
    events = served.http.get(
        f"/fhir/AuditEvent?patient={people['A1']}&_count=200",
        headers=served.token("user/*.rs", user="root", patient=None),
    ).json()
    assert "find-subject-variants" in json.dumps(events)
    denial = {
        "resourceType": "Consent",
        "id": "no",
        "status": "active",
        "scope": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
            ]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{people['B1']}"},
        "policy": [{"uri": "http://example.org/policy"}],
        "provision": {"type": "deny"},
    }
    assert served.http.put("/fhir/Consent/no", json=denial, headers=clara).status_code == 201
    assert shown(ask(served, clara, "find-subject-variants", subject=people["B1"], **asked)) == {}
    served.run(served.services.store.delete, "Consent", "no", EVERYTHING)
    assert len(shown(ask(served, clara, "find-subject-variants", subject=people["B1"], **asked))) == 2


def test_a_pin_stores_a_variant_of_the_file_under_its_id(
    served: Hospital, clara: dict[str, str], people: dict[str, str]
) -> None:
    asked = {"subject": people["A1"], "variants": "NC_000001.11:g.1010C>T"}
    both = ask(
        served, clara, "find-subject-variants", subject=people["A1"], ranges="NC_000001.11:1009-1010",
        includeVariants="true",
    )  # fmt: skip
    (before,) = (each for each in shown(both).values() if alternates({"": each}) == ["T"])
    path = f"/fhir/Observation/{before['id']}"

    def pin(token: dict[str, str], **parameters: str) -> Any:
        return served.http.post("/fhir/$pin-variants", params=parameters, headers=token)

    assert served.http.get("/fhir/$pin-variants", params=asked, headers=clara).status_code == 405
    reader = served.token("user/*.rs", patient=None)
    assert pin(reader, **asked).status_code == 403
    own = served.token("launch/patient patient/*.rsu", patient=people["B1"])
    assert shown(pin(own, **asked).json().get("parameter", []), "pinned") == {}
    assert pin(clara, subject=people["A1"]).status_code == 400
    assert served.http.get(path, headers=clara).status_code == 404
    answer = pin(clara, **asked)
    assert answer.status_code == 200, answer.text
    assert set(shown(answer.json()["parameter"], "pinned")) == {before["id"]}
    stored = served.http.get(path, headers=clara).json()
    assert {key: value for key, value in stored.items() if key != "meta"} == {
        key: value for key, value in before.items() if key != "meta"
    }
    # Again it changes nothing: the variant is no longer the file's alone.
    assert shown(pin(clara, **asked).json().get("parameter", []), "pinned") == {}
    assert served.http.get(path, headers=clara).json()["meta"]["versionId"] == "1"
    events = served.http.get(
        f"/fhir/AuditEvent?patient={people['A1']}&_count=200",
        headers=served.token("user/*.rs", user="root", patient=None),
    ).json()
    assert f"Observation/{before['id']}" in json.dumps(events)
    served.run(served.services.store.delete, "Observation", before["id"], EVERYTHING)


def _assessment(variant: str, patient: str) -> dict[str, Any]:
    """What a person derives from a variant."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "Second look"},
        "subject": {"reference": f"Patient/{patient}"},
        "valueString": "Looks real",
        "derivedFrom": [{"reference": f"Observation/{variant}"}],
    }


def test_what_is_derived_from_a_variant_of_the_file_stores_the_variant_in_the_same_transaction(
    served: Hospital, clara: dict[str, str], people: dict[str, str]
) -> None:
    found = shown(
        ask(
            served,
            clara,
            "find-subject-variants",
            subject=people["A1"],
            ranges="NC_000001.11:1009-1011",
            includeVariants="true",
        )
    )
    one, other = sorted(found)[:2]
    post = served.http.post

    def is_stored(identity: str) -> bool:
        return bool(served.http.get(f"/fhir/Observation/{identity}", headers=clara).status_code == 200)

    assert not is_stored(one)
    # Neither somebody who may only create, nor who may not see the file, nor of another patient's record.
    creator = served.token("user/*.crs", patient=None)
    blind = served.token("user/Observation.cruds", patient=None)
    for token, patient in ((creator, "A1"), (blind, "A1"), (clara, "B1")):
        done = post("/fhir/Observation", json=_assessment(one, people[patient]), headers=token)
        assert done.status_code == 422, done.text
        assert "FB-STORE-032" in done.text
        assert not is_stored(one)
    done = post("/fhir/Observation", json=_assessment(one, people["A1"]), headers=clara)
    assert done.status_code == 201, done.text
    assert is_stored(one)
    stored = served.http.get(f"/fhir/Observation/{one}", headers=clara).json()
    assert {k: v for k, v in stored.items() if k != "meta"} == {
        k: v for k, v in found[one].items() if k != "meta"
    }
    assert not is_stored(other)
    entry = {
        "resource": _assessment(other, people["A1"]) | {"id": "second-look"},
        "request": {"method": "PUT", "url": "Observation/second-look"},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    answer = post("/fhir", json=bundle, headers=clara)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["entry"]) == 1
    assert is_stored(other)
    events = served.http.get(
        f"/fhir/AuditEvent?patient={people['A1']}&_count=200",
        headers=served.token("user/*.rs", user="root", patient=None),
    ).json()
    assert all(f"Observation/{each}" in json.dumps(events) for each in (one, other))
    assert served.http.get(f"/fhir/Observation/{one}", headers=clara).json()["meta"]["versionId"] == "1"
    for identity in (done.json()["id"], "second-look", one, other):
        served.run(served.services.store.delete, "Observation", identity, EVERYTHING)


def test_a_variant_that_no_operation_has_shown_is_looked_for_in_a_small_file(
    served: Hospital, clara: dict[str, str], people: dict[str, str], folder: Path
) -> None:
    identity = next(
        content["id"]
        for content in map(json.loads, (folder / "whole" / "Observation.ndjson").read_text().splitlines())
        if content["subject"]["reference"].endswith(people["A1"])
        and "NC_000007.14:g.4000T>A" in json.dumps(content)
    )
    path = f"/fhir/Observation/{identity}"
    assert served.http.get(path, headers=clara).status_code == 404
    kept._SHOWN.clear()  # as after a start
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "for": {"reference": f"Patient/{people['A1']}"},
        "focus": {"reference": f"Observation/{identity}"},
    }
    done = served.http.post("/fhir/Task", json=task, headers=clara)
    assert done.status_code == 201, done.text
    assert served.http.get(path, headers=clara).json()["meta"]["versionId"] == "1"


def test_what_a_person_said_of_a_variant_counts_and_not_the_file(
    served: Hospital, clara: dict[str, str], people: dict[str, str]
) -> None:
    asked = {"subject": people["A1"], "ranges": "NC_000001.11:2900-3100", "includeVariants": "true"}
    (variant,) = shown(ask(served, clara, "find-subject-variants", **asked)).values()
    path = f"/fhir/Observation/{variant['id']}"
    assert served.http.get(path, headers=clara).status_code == 404
    wrong = {**variant, "status": "entered-in-error"}
    assert served.http.put(path, json=wrong, headers=clara).status_code == 201
    assert shown(ask(served, clara, "find-subject-variants", **asked)) == {}


def test_a_newer_file_of_the_sample_replaces_the_kept_one(
    load: Any, served: Hospital, clara: dict[str, str], people: dict[str, str], folder: Path
) -> None:
    asked = {"subject": people["A1"], "ranges": WHOLE_1, "includeVariants": "true"}
    before = alternates(shown(ask(served, clara, "find-subject-variants", **asked)))
    newer = tuple(line.replace("A G 50", "A T 50") for line in LINES)
    load(genome(folder, "20260401", newer))
    after = alternates(shown(ask(served, clara, "find-subject-variants", **asked)))
    assert sorted([*before, "T"]) == sorted([*after, "G"])


def test_a_variant_that_is_stored_stays_so_when_it_is_no_longer_reportable(
    load: Any, served: Hospital, clara: dict[str, str], people: dict[str, str], folder: Path
) -> None:
    """The sample has it all the same: read by its id and found by operations it says one thing."""
    asked = {"subject": people["B1"], "ranges": "NC_000001.11:1990-2010", "includeVariants": "true"}
    (before,) = shown(ask(served, clara, "find-subject-variants", **asked)).values()
    newer = tuple(line.replace("CLNSIG=Pathogenic", "CLNSIG=Benign") for line in LINES)
    load(genome(folder, "20260501", newer))
    stored = served.http.get(f"/fhir/Observation/{before['id']}", headers=clara).json()
    assert stored["status"] == "final"
    (after,) = shown(ask(served, clara, "find-subject-variants", **asked)).values()
    assert (after["id"], after["status"]) == (before["id"], "final")
    # What a person says of it counts from then on.
    wrong = {**after, "status": "entered-in-error", "note": [{"text": "An artefact"}]}
    assert served.http.put(f"/fhir/Observation/{before['id']}", json=wrong, headers=clara).status_code == 200
    assert shown(ask(served, clara, "find-subject-variants", **asked)) == {}
    assert served.http.put(f"/fhir/Observation/{before['id']}", json=after, headers=clara).status_code == 200
    assert list(shown(ask(served, clara, "find-subject-variants", **asked))) == [before["id"]]


def test_expunging_a_patient_takes_the_column_out_of_kept_files(
    served: Hospital, clara: dict[str, str], people: dict[str, str], folder: Path
) -> None:
    root = served.token("user/*.cruds", user="root", patient=None)

    def expunge(identity: str) -> dict[str, Any]:
        bundle = served.http.get(f"/fhir/Patient/{identity}/$everything?_count=500", headers=root).json()
        # What refers to others goes before them: again, until all went.
        resources = [entry["resource"] for entry in bundle["entry"]]
        answer: dict[str, Any] = {}
        while resources:
            before = len(resources)
            for resource in list(resources):
                where = f"/fhir/{resource['resourceType']}/{resource['id']}/$expunge"
                parameters = {"expungeEverything": "true", "reason": "asked for"}
                done = served.http.post(where, params=parameters, headers=root)
                if done.status_code == 200:
                    resources.remove(resource)
                    if resource["resourceType"] == "Patient":
                        answer = {
                            entry["name"]: entry.get("valueInteger") for entry in done.json()["parameter"]
                        }
            assert len(resources) < before, done.text
        return answer

    def contents() -> list[bytes]:
        results = []
        for path in (folder / "blobs").rglob("*"):
            if path.is_file() and path.parent.name != "unfinished":
                try:
                    with pysam.BGZFile(str(path), "rb") as file:
                        results.append(file.read())
                except (OSError, ValueError):
                    continue
        return [text for text in results if text.startswith(b"##fileformat")]

    assert any(b"NA-ANNA" in text for text in contents())
    assert expunge(people["A1"])["kept"] >= 1
    assert contents()
    assert not any(b"NA-ANNA" in text for text in contents())
    asked = {"ranges": f"{WHOLE_1},NC_000007.14:3999-4000", "includeVariants": "true"}
    assert shown(ask(served, clara, "find-subject-variants", subject=people["A1"], **asked)) == {}
    assert len(shown(ask(served, clara, "find-subject-variants", subject=people["B1"], **asked))) == 3
    expunge(people["B1"])
    assert contents() == []


def test_a_stream_can_not_be_kept_and_convert_keeps_nothing(folder: Path, tmp_path: Path) -> None:
    done = run_command(
        "convert", folder / "genome.vcf", "-a", "vcf", "--set", "keep=true", "--out", tmp_path / "out"
    )
    assert done.returncode == 2
    assert "load --keep-file" in done.stderr
    done = run_command("load", "x.csv", "-a", "csv", "--keep-file")
    assert done.returncode == 2
