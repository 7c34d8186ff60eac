"""`load --to` and `outbox`: files go to another server once; what is left is listed, sent again or dropped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from fhir_bridge.cli import output
from fhir_bridge.cli.main import app
from fhir_bridge.server.delivery.targets import TargetError, Targets
from tests.server.conftest import observation, patient
from tests.server.delivery.peer import Peer, json_answer, outcome, peering

RUNNER = CliRunner()


class Desk:
    """A person with files, a database, and a peer that files are sent to."""

    def __init__(self, folder: Path, peer: Peer, url: str) -> None:
        self.folder, self.peer, self.url = folder, peer, url

    def send(self, *files: str, to: str = "", more: tuple[str, ...] = ()) -> Result:
        paths = [str(self.folder / name) for name in files]
        return RUNNER.invoke(app, ["load", *paths, "--to", to or self.peer.base, "--wait", "0", *more])

    def outbox(self, *words: str) -> Result:
        return RUNNER.invoke(app, ["outbox", *words])

    def rows(self, *words: str) -> list[dict[str, Any]]:
        result = self.outbox("list", "--json", *words)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]

    def file(self, name: str, *resources: Any) -> str:
        (self.folder / name).write_text("\n".join(map(json.dumps, resources)))
        return name


@pytest.fixture
def desk(fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with peering() as peer:
        monkeypatch.setattr(output.stderr, "width", 300)
        monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", fresh_database_url)
        monkeypatch.setenv("FHIR_BRIDGE_EGRESS", peer.origin)
        monkeypatch.setenv("FHIR_BRIDGE_EGRESS_NETWORKS", "127.0.0.0/8")
        yield Desk(tmp_path, peer, fresh_database_url)


def test_files_are_sent_once_and_corrections_as_updates(desk: Desk) -> None:
    desk.file("Observation.ndjson", observation("a", "anna"), observation("b", "anna"))
    desk.file("Patient.ndjson", patient("anna", "Alpha"))
    result = desk.send("Observation.ndjson", "Patient.ndjson")
    assert result.exit_code == 0, result.output
    assert "3 delivered (0 unchanged)" in result.stderr
    (person,) = desk.peer.of("Patient")
    assert {one["subject"]["reference"] for one in desk.peer.of("Observation")} == {f"Patient/{person['id']}"}
    asked = len(desk.peer.requests)
    assert "(3 unchanged)" in desk.send("Observation.ndjson", "Patient.ndjson").stderr
    assert len(desk.peer.requests) == asked
    corrected = observation("b", "anna")
    corrected["valueQuantity"]["value"] = 9.5
    desk.file("again.ndjson", corrected, observation("c", "anna"))
    assert desk.send("again.ndjson").exit_code == 0
    assert sorted(one["valueQuantity"]["value"] for one in desk.peer.of("Observation")) == [5.4, 5.4, 9.5]
    with psycopg.connect(desk.url) as connection:
        stored = connection.execute("SELECT count(*) FROM resource WHERE version > 0").fetchone()
        kept = connection.execute("SELECT count(*) FROM outbox WHERE content IS NOT NULL").fetchone()
    assert (stored, kept) == ((0,), (0,)), "nothing is stored here, nor kept once it is delivered"


def test_a_transaction_is_sent_as_what_it_writes_and_the_rest_is_accounted_for(desk: Desk) -> None:
    urn = "urn:uuid:0d1c0d5e-9d0f-4f0d-8d38-1b8d1f5a7c11"
    result = observation("x", "anna") | {"subject": {"reference": urn}}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": result, "request": {"method": "PUT", "url": "Observation/x"}},
            {"fullUrl": urn, "resource": patient("q", "New"), "request": {"method": "POST", "url": "Patient"}},
            {"request": {"method": "DELETE", "url": "Observation/old"}},
        ],
    }  # fmt: skip
    sent = desk.send(
        desk.file("bundle.json", bundle), desk.file("bad.ndjson", {"resourceType": "Observation", "id": "y"})
    )
    assert sent.exit_code == 1, sent.output
    assert "only what is created or updated" in sent.stderr
    (observed,), (person,) = desk.peer.of("Observation"), desk.peer.of("Patient")
    assert observed["subject"]["reference"] == f"Patient/{person['id']}"


def test_what_is_left_is_listed_sent_again_and_dropped(desk: Desk) -> None:
    desk.peer.answers = lambda request: (
        json_answer(422, outcome("no code"))
        if request.method == "POST" and "Patient" not in request.path
        else None
    )
    desk.file("some.ndjson", patient("anna", "Alpha"), observation("a", "anna"), observation("b", "nobody"))
    assert desk.send("some.ndjson").exit_code == 1
    (parked,) = desk.rows("--state", "parked")
    (waiting,) = desk.rows("--state", "waiting")
    assert (parked["resource"], parked["reason"]) == ("Observation/a", "it answers 422: no code")
    assert waiting["waits_for"] == ["Patient/nobody"]
    shown = json.loads(desk.outbox("show", str(parked["id"])).stdout)
    assert "outbox retry" in shown["means"]
    assert "1 delivered" in desk.outbox("list").stdout
    desk.peer.answers = lambda _: None
    assert "1 to be sent again" in desk.outbox("retry", "--target", desk.peer.base).stderr
    desk.file("empty.ndjson")
    desk.send("empty.ndjson")
    assert [row["resource"] for row in desk.rows("--state", "delivered")] == ["Patient/anna", "Observation/a"]
    assert "1 dropped" in desk.outbox("drop", str(waiting["id"])).stderr
    assert desk.rows() == []
    for words in (
        ("show", "999999"),
        ("retry", "999999"),
        ("drop",),
        ("list", "--state", "lost"),
        ("retry", "1", "--target", "x"),
    ):
        wrong = desk.outbox(*words)
        assert wrong.exit_code != 0, words


def test_a_target_that_is_not_there_or_not_listed_keeps_everything(desk: Desk) -> None:
    desk.file("some.ndjson", patient("anna", "Alpha"))
    result = desk.send("some.ndjson", to="https://elsewhere.example/fhir")
    assert result.exit_code == 1
    assert "is not listed (FHIR_BRIDGE_EGRESS)" in result.stderr
    assert [row["state"] for row in desk.rows()] == ["waiting"]
    for wrong in ("ftp://x/", "mllp://127.0.0.1:1", "https://u:p@x/fhir"):
        refused = desk.send("some.ndjson", to=wrong)
        assert isinstance(refused.exception, Exception) and refused.exit_code != 0  # noqa: PT018
    assert "Traceback" not in result.output


def test_what_an_adapter_reads_is_sent_and_not_stored(desk: Desk) -> None:
    message = (
        "MSH|^~\\&|LAB|H|B|H|20260203093000||ORU^R01|1|P|2.5.1\rPID|1||4711^^^HOSP^MR||Rossi^Anna||19610405|F\r"
        "OBR|1||F1|718-7^Hemoglobin^LN|||20260203090000\r"
        "OBX|1|NM|718-7^Hemoglobin^LN||13.5|g/dL^^UCUM|||||F|||20260203090000\r"
    )
    (desk.folder / "oru.hl7").write_text(message)
    result = desk.send("oru.hl7", more=("--adapter", "hl7v2"))
    assert [one["valueQuantity"]["value"] for one in desk.peer.of("Observation")] == [13.5], result.output
    subject = desk.peer.of("Observation")[0]["subject"]["reference"]
    assert desk.peer.resources[subject]["name"][0]["family"] == "Rossi"


def test_a_new_target_is_filled_with_what_is_stored_already(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.file("some.ndjson", patient("anna", "Alpha"), *(observation(f"o{n}", "anna") for n in range(3)))
    assert RUNNER.invoke(app, ["load", str(desk.folder / "some.ndjson")]).exit_code == 0
    (desk.folder / "targets.yaml").write_text(
        f"targets: {{new: {{url: '{desk.peer.base}', scope: system/*.rs, send: ['Observation?_id=o0,o2']}}}}"
    )
    monkeypatch.setenv("FHIR_BRIDGE_DELIVERY", str(desk.folder / "targets.yaml"))
    assert "2 to be sent" in desk.outbox("fill", "new").stderr
    assert "0 to be sent" in desk.outbox("fill", "new").stderr
    assert [row["resource"] for row in desk.rows()] == ["Observation/o0", "Observation/o2"]
    desk.file("none.ndjson")
    desk.send("none.ndjson", to="new")  # sends what waits there
    assert (len(desk.peer.of("Observation")), len(desk.peer.of("Patient"))) == (2, 1)
    assert desk.outbox("fill", "old").exit_code != 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("targets: [", "not YAML"),
        ("targets: {a: {url: 'https://x/fhir'}}", "scope"),
        ("targets: {a: {url: 'ftp://x/fhir', scope: system/*.rs}}", "url"),
        ("targets: {a: {url: 'https://x/fhir', scope: patient/*.rs}}", "no SMART system scope"),
        ("targets: {a: {url: 'https://x/fhir', scope: system/*.rs, send: [Nothing?x=y]}}", "no search"),
        ("targets: {a: {url: 'https://x/fhir', scope: system/*.rs, auth: {client_id: x}}}", "key_file"),
        ("targets: {a: {url: 'https://x/fhir', scope: system/*.rs, colour: red}}", "colour"),
    ],
)
def test_a_file_of_targets_that_can_not_be_used_says_where(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "targets.yaml").write_text(text)
    with pytest.raises(TargetError, match=reason):
        Targets.load(tmp_path / "targets.yaml")
    with pytest.raises(TargetError, match="can't be read"):
        Targets.load(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    "address", ["ftp://127.0.0.1/fhir", "no-such-target", "https://user:word@x.example/fhir"]
)
def test_an_address_that_can_not_be_sent_to_is_refused_in_words(desk: Desk, address: str) -> None:
    desk.file("Patient.ndjson", patient("anna", "Alpha"))
    result = desk.send("Patient.ndjson", to=address)
    said = str(result.exception)
    assert said.startswith(f"--to {address}: ")
    assert "it needs http" in said or "no place in an address" in said
    assert "\n" not in said, "not pydantic's own report"
