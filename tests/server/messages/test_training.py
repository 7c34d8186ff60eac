"""Messages for training or debugging (MSH-11) are kept, answered and reported, and are in no patient's record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhir_bridge.cli.main import app as command_line
from tests.server.messages.conftest import SITE
from tests.server.messages.sender import adt, codes, connected, oru
from tests.server.messages.test_mllp import found, kept, patient
from tests.server.serving import Served


def _for(mode: str, message: str) -> str:
    return message.replace("|P|2.5.1", f"|{mode}|2.5.1")


def _run(database_url: str, *arguments: str | Path, code: int = 0) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        done = CliRunner().invoke(command_line, [*map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.mark.parametrize("mode", ["T", "D", "T^A"])
def test_what_is_not_production_changes_no_record(served: Served, port: int, mode: str) -> None:
    person, number = f"t{mode[0]}{len(mode)}", 10 * len(mode) + ord(mode[0])
    with connected(port) as sender:
        assert codes(sender.send(adt(number, person))) == ["AA"]
        before = patient(served, person)
        later = adt(number + 1000, person, name="Practice", at="20260102080000")
        answers = sender.send(_for(mode, later), _for(mode, oru(number, person)))
        assert codes(answers) == ["AA", "AA"]
        for answer in answers:
            assert "ERR||MSH^1^11|202^Unsupported processing id^HL70357|W|FB-HL7-026^" in answer["text"]
        # What is for production with an archive or initial load as its mode is production's.
        assert codes(sender.send(_for("P^T", oru(number + 1, person, 1)))) == ["AA"]
    assert patient(served, person) == before
    assert len(found(served, f"Observation?subject=Patient/{before['id']}")) == 1
    assert kept(served.database_url, f"A{number + 1000}") == [("skipped", 1)]
    listed = _run(
        served.database_url, "inbox", "messages", "--json", "--patient", person, "--status", "skipped"
    )
    entries: list[dict[str, Any]] = [json.loads(line) for line in listed.splitlines()]
    assert {entry["issues"][0]["code"] for entry in entries} == {"FB-HL7-026"}
    assert len(entries) == 2


def test_a_test_system_stores_them_and_replays_what_it_skipped(
    served: Served, port: int, tmp_path: Path
) -> None:
    message = tmp_path / "training.hl7"
    message.write_text(_for("T", adt(700, "tr7")), newline="")
    own = tmp_path / "site.yaml"
    own.write_text(f"{SITE}test_messages: skip\n")
    report = tmp_path / "report.json"

    def load(code: int = 0) -> dict[str, Any]:
        arguments = ("load", message, "--adapter", "hl7v2", "--site", own, "--report", report)
        _run(served.database_url, *arguments, code=code)
        account: dict[str, Any] = json.loads(report.read_text())
        return account

    account = load()
    assert (account["records"]["skipped"], account["records"]["converted"]) == (1, 0)
    assert [issue["code"] for issue in account["issues"]] == ["FB-HL7-026"]
    with connected(port) as sender:
        sender.send(_for("T", adt(701, "tr8")))
    assert found(served, "Patient?identifier=tr7,tr8") == []
    own.write_text(SITE)  # files that somebody loads are stored where nothing is said, with the warning
    account = load()
    assert account["records"]["converted"] == 1
    assert "FB-HL7-026" in [issue["code"] for issue in account["issues"]]
    own.write_text(f"{SITE}test_messages: store\n")
    account = load()
    assert account["records"]["converted"] == 1
    (key,) = [
        json.loads(line)["id"]
        for line in _run(served.database_url, "inbox", "messages", "--json", "--id", "A701").splitlines()
    ]
    _run(served.database_url, "inbox", "replay", "--message", str(key), "--site", own)
    assert len(found(served, "Patient?identifier=tr7,tr8")) == 2
    own.write_text(f"{SITE}test_messages: skip\n")
    load()  # a system that is production's after all takes back what it stored
    assert len(found(served, "Patient?identifier=tr7,tr8")) == 1


def test_files_are_written_of_them_with_a_warning(tmp_path: Path) -> None:
    message, report = tmp_path / "training.hl7", tmp_path / "report.json"
    message.write_text(_for("D", adt(1, "f1")), newline="")
    done = CliRunner().invoke(
        command_line,
        ["convert", str(message), "--adapter", "hl7v2", "--out", str(tmp_path / "out"), "--report", str(report)],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    account = json.loads(report.read_text())
    assert account["records"]["converted"] == 1
    assert [(i["severity"], i["code"]) for i in account["issues"] if i["code"] == "FB-HL7-026"] == [
        ("warning", "FB-HL7-026")
    ]
