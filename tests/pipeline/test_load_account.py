"""`load` counts everything it reads, names the place of what it does not store, and ends with 1 then."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psycopg
import pytest

from fhir_bridge.pipeline.sink_run import SinkRun
from fhir_bridge.pipeline.store_sink import StoreSink
from fhir_bridge.storage import OtherSiteKey
from tests.command import Done, run_command
from tests.pipeline.test_load_fhir import stored


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Path:
    monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
    (tmp_path / "site.yaml").write_text("demo_key: true\n")
    return tmp_path


def load(folder: Path, source: object, *more: object) -> tuple[Done, dict[str, Any]]:
    report = folder / "report.json"
    done = run_command("load", source, "--site", folder / "site.yaml", "--report", report, *more)
    assert "Traceback" not in done.stderr
    return done, json.loads(report.read_text())


def records(read: int, converted: int, skipped: int = 0, rejected: int = 0) -> dict[str, int]:
    return {"read": read, "converted": converted, "partial": 0, "skipped": skipped, "rejected": rejected}


def patients(*names: str) -> str:
    return "".join(f'{{"resourceType":"Patient","id":"{name}"}}\n' for name in names)


def test_a_malformed_line_is_rejected_with_its_place_and_the_others_are_stored(
    folder: Path, database_url: str
) -> None:
    lines = [
        patients("m1"),
        "{not json\n",
        "3\n",
        '["Patient"]\n',
        "\n",
        '{"resourceType":"Patient"}\n',
        patients("m2"),
    ]
    source = folder / "Patient.ndjson"
    source.write_bytes("".join(lines).encode() + b'{"resourceType":"Patient","id":"\xff"}\n')
    done, report = load(folder, source)
    assert done.returncode == 1
    assert report["records"] == records(7, 2, rejected=5)
    assert sum(issue["count"] for issue in report["issues"]) == 5
    locations = {issue["source"] for issue in report["issues"]}
    assert locations == {f"Patient.ndjson:{line}" for line in (2, 3, 6, 8)}, "line 4 is as wrong as line 3"
    assert {"m1", "m2"} <= {patient["id"] for patient in stored(database_url, "Patient")}


@pytest.mark.parametrize("validate", ["sample", "none"])
def test_every_entry_of_a_bundle_is_counted(validate: str, folder: Path) -> None:
    outcome = {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "warning", "code": "informational"}],
    }
    entries = [
        {"fullUrl": "https://x.test/Patient/e1", "resource": {"resourceType": "Patient", "id": "e1"}},
        {"fullUrl": "https://x.test/Patient/e2"},
        {"resource": outcome, "search": {"mode": "outcome"}},
        {"request": {"method": "DELETE", "url": "Patient/e4"}, "response": {"status": "204"}},
        "nonsense",
        {"fullUrl": "https://x.test/Patient/e6", "resource": {"resourceType": "Patient"}},
    ]
    source = folder / "found.json"
    source.write_text(json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries}))
    done, report = load(folder, source, "--validate", validate)
    assert done.returncode == 1
    assert report["records"] == records(6, 1, skipped=1, rejected=4)
    locations = {issue["source"]: issue["count"] for issue in report["issues"]}
    assert locations == {f"found.json#entry[{number}]": 2 if number == 1 else 1 for number in (1, 2, 3, 5)}


def test_a_transaction_is_seen_wherever_its_type_is_written(folder: Path) -> None:
    text = '<div xmlns="http://www.w3.org/1999/xhtml">' + "x" * 9000 + "</div>"
    entry = {
        "fullUrl": "urn:uuid:5f0c8a34-5c5e-4c26-8b0f-0d6d8e1d6a11",
        "resource": {"resourceType": "Patient", "text": {"status": "generated", "div": text}},
        "request": {"method": "POST", "url": "Patient"},
    }
    bundle = {"entry": [entry], "type": "transaction", "resourceType": "Bundle"}
    (folder / "t.json").write_text(json.dumps(bundle))
    done, report = load(folder, folder / "t.json")
    assert done.returncode == 0, done.stderr
    assert report["records"] == records(1, 1)


@pytest.mark.parametrize("validate", ["sample", "none"])
@pytest.mark.parametrize("entry", [3, "nonsense", [3], [{"resource": {"resourceType": "Patient"}}, 3]])
def test_a_transaction_that_cannot_be_carried_out_is_rejected(
    entry: Any, validate: str, folder: Path
) -> None:
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entry}
    (folder / "t.json").write_text(json.dumps(bundle))
    done, report = load(folder, folder / "t.json", "--validate", validate)
    assert done.returncode == 1
    assert report["records"]["rejected"] == (len(entry) if isinstance(entry, list) else 1)


def test_a_bundle_of_no_known_type_is_not_taken_apart(folder: Path) -> None:
    entry = {"fullUrl": "https://x.test/Patient/u1", "resource": {"resourceType": "Patient", "id": "u1"}}
    (folder / "b.json").write_text(
        json.dumps({"resourceType": "Bundle", "id": "b", "type": "sack", "entry": [entry]})
    )
    done, report = load(folder, folder / "b.json")
    assert done.returncode == 1
    assert report["records"] == records(1, 0, rejected=1)


def test_a_limit_and_a_locator_choose_what_is_loaded(folder: Path, database_url: str) -> None:
    for name in "ab":
        (folder / f"{name}.ndjson").write_text(patients(*(f"{name}{number}" for number in range(12))))
    done, report = load(folder, folder / "a.ndjson", "--limit", 3)
    assert (done.returncode, report["records"]) == (0, records(3, 3))
    assert [issue["code"] for issue in report["issues"]] == ["FB-RUN-004"]
    done, report = load(folder, folder / "b.ndjson", "--only", "b.ndjson:2")
    assert (done.returncode, report["records"]) == (0, records(1, 1))
    assert {p["id"] for p in stored(database_url, "Patient") if p["id"][0] in "ab"} == {
        "a0",
        "a1",
        "a2",
        "b1",
    }
    done, report = load(folder, folder / "b.ndjson", "--only", "c.ndjson")
    assert (done.returncode, [issue["code"] for issue in report["issues"]]) == (1, ["FB-RUN-005"])


def test_too_much_rejected_ends_with_4_and_what_was_counted_is_stored(
    folder: Path, database_url: str
) -> None:
    (folder / "p.ndjson").write_text(patients("r1", "r2") + "{\n{\n" + patients("r3"))
    done, report = load(folder, folder / "p.ndjson", "--max-rejected", 1)
    assert done.returncode == 4
    assert report["records"] == records(4, 2, rejected=2)
    assert {p["id"] for p in stored(database_url, "Patient") if p["id"][0] == "r"} == {"r1", "r2"}


def test_standard_input_is_ndjson(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Mock(buffer=io.BytesIO((patients("s1") + "{\n").encode())))
    done, report = load(folder, "-")
    assert done.returncode == 1
    assert report["records"] == records(2, 1, rejected=1)
    assert report["issues"][0]["source"] == "stdin.ndjson:2"


def test_options_of_a_conversion_are_refused_without_one(folder: Path) -> None:
    (folder / "p.ndjson").write_text(patients("o1"))
    for more in (("--mapping", "ehr/hl7v2"), ("--set", "a=b")):
        done = run_command("load", folder / "p.ndjson", "--site", folder / "site.yaml", *more)
        assert done.returncode == 2
        assert "--adapter" in done.stderr


def test_a_partial_record_ends_a_load_with_1(folder: Path) -> None:
    (folder / "mapping.yaml").write_text(
        "mapping: beds\nversion: 1.0.0\ntitle: Beds of a ward, for tests\nsource: {adapter: csv}\nrules:\n"
        '- rule: bed\n  as: Location\n  key: [row.bed]\n  status: "=row.status"\n  name: "=row.bed"\n'
    )
    (folder / "beds.csv").write_text("bed,status\n1,active\n2,broken\n")
    done, report = load(folder, folder / "beds.csv", "-a", "csv", "-m", folder / "mapping.yaml")
    assert done.returncode == 1
    assert report["records"]["partial"] == 1
    assert report["records"]["converted"] == 2


def test_a_store_of_another_site_key_is_left_without_a_connection(fresh_database_url: str) -> None:
    StoreSink(fresh_database_url, SinkRun("fhir", "aaaa")).close()
    with psycopg.connect(fresh_database_url, autocommit=True) as connection:

        def others() -> int:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            ).fetchone()
            assert row is not None
            return int(row[0])

        with pytest.raises(OtherSiteKey):
            StoreSink(fresh_database_url, SinkRun("fhir", "bbbb"))
        end = time.monotonic() + 10
        while others() and time.monotonic() < end:
            time.sleep(0.05)
        assert others() == 0
