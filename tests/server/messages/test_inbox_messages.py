"""Received messages are found, shown beside what they became to who may see it, and processed again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from fhir_bridge.cli.main import app as command_line
from fhir_bridge.cli.output import UsageError
from fhir_bridge.server import Settings, create_app
from tests.server.conftest import Hospital, bare_plugins, furnish, hidden, running
from tests.server.messages.sender import adt, oru
from tests.server.test_pages import page

HL7 = {"Content-Type": "application/hl7-v2"}


@pytest.fixture(scope="module")
def clinic(database_url: str, site: Path) -> Iterator[Hospital]:
    app = create_app(Settings(database_url=database_url, site=site), plugins=bare_plugins())
    with running(app) as http:
        served = Hospital(http)
        served.run(furnish, served.services)
        yield served


@pytest.fixture(scope="module")
def sent(clinic: Hospital) -> None:
    """A registration, results, and results under another patient, by a client that may write all."""
    token = clinic.token("user/*.cruds")
    for message in (adt(1, "h1"), oru(1, "h1"), oru(1, "h2").replace("|M1|", "|M2|")):
        answer = clinic.http.post("/hl7v2", content=message.encode(), headers={**HL7, **token})
        assert answer.status_code == 200, answer.text


def command(database_url: str, *arguments: str | Path, code: int = 0) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FHIR_BRIDGE_DATABASE_URL", database_url)
        done = CliRunner().invoke(command_line, ["inbox", *map(str, arguments)])
    found = 2 if isinstance(done.exception, UsageError) else done.exit_code
    assert found == code, done.output
    return done.stdout


def listed(database_url: str, *filters: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in command(database_url, "messages", "--json", *filters).splitlines()]


def test_over_http_a_token_is_needed_that_may_write_all(clinic: Hospital) -> None:
    clinic.http.cookies.clear()
    message = adt(99, "h99").encode()
    assert clinic.http.post("/hl7v2", content=message, headers=HL7).status_code == 401
    for scope in ("user/*.rs", "user/Patient.cruds", "patient/*.cruds"):
        answer = clinic.http.post("/hl7v2", content=message, headers={**HL7, **clinic.token(scope)})
        assert answer.status_code == 403, scope
    with psycopg.connect(clinic.services.settings.database_url or "") as connection:
        assert connection.execute("SELECT FROM received_message WHERE control_id = 'A99'").fetchone() is None


def test_messages_are_found_by_id_patient_status_and_time(
    clinic: Hospital, sent: None, database_url: str
) -> None:
    assert [one["kind"] for one in listed(database_url)] == ["ORU^R01", "ORU^R01", "ADT^A08"]
    assert [one["control_id"] for one in listed(database_url, "--patient", "h1")] == ["M1", "A1"]
    (refused,) = listed(database_url, "--status", "refused")
    assert (refused["control_id"], refused["issues"][0]["code"]) == ("M2", "FB-STORE-018")
    assert listed(database_url, "--id", "A1", "--until", "2026-01-01") == []
    (here,) = clinic.http.get("/fhir/Patient?identifier=h1", headers=clinic.token("user/*.rs")).json()[
        "entry"
    ]
    assert len(listed(database_url, "--patient", here["resource"]["id"])) == 2
    command(database_url, "messages", "--status", "nonsense", code=2)
    assert "A1" in command(database_url, "messages")


def test_a_message_is_shown_beside_its_rules_and_results(
    clinic: Hospital, sent: None, database_url: str, site: Path, tmp_path: Path
) -> None:
    key = listed(database_url, "--id", "M1")[0]["id"]
    shown = command(database_url, "message", str(key), "--site", site, "--html", tmp_path / "page.html")
    assert "OBX|1|NM|1001-1" in shown
    assert shown.count("Observation/") == 5
    assert "1001-1" in (tmp_path / "page.html").read_text()
    seen = page(clinic, f"/inbox/messages/{key}")
    for text in ("OBX|1|NM|1001-1", "result →", "ehr/hl7v2", "DiagnosticReport/"):
        assert text in seen
    assert f"/inbox/messages/{key}" in page(clinic, "/inbox/messages?patient=h1&id=M1")
    assert "No message is like this" in page(clinic, "/inbox/messages?id=M1&patient=h3&since=x&before=y")
    command(database_url, "message", "999999", code=2)
    page(clinic, "/inbox/messages/999999", status=404)
    page(clinic, "/inbox/messages/nonsense", status=404)


def test_patients_see_no_messages_and_consent_hides_them(
    clinic: Hospital, sent: None, database_url: str
) -> None:
    key = listed(database_url, "--id", "M1")[0]["id"]
    for path in ("/inbox/messages", f"/inbox/messages/{key}"):
        assert "OBX" not in page(clinic, path, "anna", 404)
    clinic.http.cookies.clear()
    assert "OBX" not in clinic.http.get(f"/inbox/messages/{key}").text
    (here,) = clinic.http.get("/fhir/Patient?identifier=h1", headers=clinic.token("user/*.rs")).json()[
        "entry"
    ]
    consent = {
        "resourceType": "Consent",
        "id": "denied",
        "status": "active",
        "scope": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
            ]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": f"Patient/{here['resource']['id']}"},
        "dateTime": "2026-01-01",
        "policyRule": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}]
        },
        "provision": {"type": "deny"},
    }
    from fhir_bridge.fhir.access import EVERYTHING

    clinic.run(clinic.services.store.update, "Consent", "denied", consent, EVERYTHING)
    seen = page(clinic, f"/inbox/messages/{key}")
    assert "OBX" not in seen
    assert "not open to you" in seen
    clinic.run(clinic.services.store.delete, "Consent", "denied", EVERYTHING)
    assert "OBX" in page(clinic, f"/inbox/messages/{key}")


def test_one_or_many_are_processed_again(clinic: Hospital, sent: None, database_url: str, site: Path) -> None:
    first, second = (listed(database_url, "--id", name)[0]["id"] for name in ("A1", "M1"))
    command(database_url, "replay", "--message", first, "--message", second, "--site", site)
    refused = listed(database_url, "--id", "M2")[0]["id"]
    command(database_url, "replay", "--message", refused, "--site", site, code=1)
    command(database_url, "replay", "--message", "999999", code=2)
    with psycopg.connect(database_url) as connection:
        before = connection.execute(
            "SELECT processed FROM received_message WHERE key = %s", (first,)
        ).fetchone()
    clinic.sign_in("clara")
    csrf = hidden(clinic.http.get("/inbox/messages").text, "csrf")
    form = {"csrf": csrf, "message": [str(first), str(second)]}
    assert clinic.http.post("/inbox/messages", data=form, follow_redirects=False).status_code == 303
    assert clinic.http.post("/inbox/messages", data={**form, "csrf": "x"}).status_code == 404
    with psycopg.connect(database_url) as connection:
        after = connection.execute(
            "SELECT processed FROM received_message WHERE key = %s", (first,)
        ).fetchone()
    assert before is not None
    assert after is not None
    assert after[0] > before[0]
    assert [one["status"] for one in listed(database_url, "--patient", "h1")] == ["converted", "converted"]


def test_a_failed_one_is_in_the_inbox_and_replayed_there(
    clinic: Hospital, sent: None, database_url: str, site: Path
) -> None:
    token = clinic.token("user/*.cruds")
    bad = adt(5, "h5", name="Kell\xe9r").replace("|2.5.1", "|2.5.1||||||UNICODE UTF-8").encode("latin-1")
    answer = clinic.http.post("/hl7v2", content=bad, headers={**HL7, **token})
    assert answer.status_code == 400
    entries = [json.loads(line) for line in command(database_url, "list", "--json").splitlines()]
    failed = [one for one in entries if one["kind"] == "failed"]
    assert len(failed) == 1
    assert failed[0]["kept"]
    command(database_url, "replay", str(failed[0]["id"]), "--site", site, code=1)  # it still can't be read
    assert "Could not be converted" in page(clinic, "/inbox?kind=failed")


def test_an_event_of_nobody_is_found_and_waits_until_somebody_discards_it(
    clinic: Hospital, sent: None, database_url: str, site: Path
) -> None:
    nobody = "\r".join(line for line in adt(60, "h6").split("\r") if not line.startswith("PID"))
    token = clinic.token("user/*.cruds")
    answer = clinic.http.post("/hl7v2", content=nobody.encode(), headers={**HL7, **token})
    assert (answer.status_code, "MSA|AA|A60" in answer.text) == (200, True)
    (message,) = listed(database_url, "--id", "A60")
    assert (message["status"], message["issues"][0]["code"]) == ("skipped", "FB-HL7-023")

    def waiting() -> list[dict[str, Any]]:
        entries = [json.loads(line) for line in command(database_url, "list", "--json").splitlines()]
        return [entry for entry in entries if entry["code"] == "FB-HL7-023"]

    (entry,) = waiting()
    assert (entry["kind"], entry["kept"]) == ("failed", True)
    assert "FB-HL7-023" in command(database_url, "show", str(entry["id"]))
    assert "OBX" not in (shown := command(database_url, "message", str(message["id"]), "--site", site))
    assert "EVN|A08" in shown
    command(database_url, "replay", str(entry["id"]), "--site", site, code=1)
    command(database_url, "replay", "--message", str(message["id"]), "--site", site, code=1)
    assert [one["id"] for one in waiting()] == [entry["id"]]
    assert [one["status"] for one in listed(database_url, "--id", "A60")] == ["skipped"]
    assert f"/inbox/messages/{message['id']}" in page(clinic, "/inbox/messages?id=A60")
    command(database_url, "discard", str(entry["id"]))
    assert waiting() == []
    assert len(listed(database_url, "--id", "A60")) == 1


def test_messages_go_by_age_but_for_those_that_wait(clinic: Hospital, sent: None, database_url: str) -> None:
    settings = Settings(keep_messages_days=30)
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE received_message SET received = now() - interval '31 days'")
    removed = clinic.run(settings.retention().apply, clinic.services.store.pool)
    assert removed["messages"] >= 2
    assert {one["status"] for one in listed(database_url)} == {"refused", "rejected"}
