"""`$expunge`: what goes leaves no copy behind, a certificate says so, and only who has the permission may ask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.predictions import plugin as predictions
from fhir_bridge.server import Settings, create_app
from fhir_bridge.storage.inbox import InboxItem
from fhir_bridge.storage.received import Arrival, ReceivedMessages
from tests.predictions.clinic import records
from tests.server.bulk import backend, kick_off, manifest, work
from tests.server.conftest import (
    PASSWORD,
    Hospital,
    bare_plugins,
    furnish,
    observation,
    patient,
    running,
)
from tests.server.test_bundle_edges import entry, send

LARGE = os.urandom(200_001)
WHY = "asked for by the patient"


@pytest.fixture(scope="module")
def served(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    site = tmp_path_factory.mktemp("site") / "site.yaml"
    site.write_text(
        "site: test\ndemo_key: true\nparameters:\n  predictions:\n    score2: {enabled: true, region: moderate}\n"
    )
    plugins = bare_plugins()
    plugins.register(predictions)
    folder = tmp_path_factory.mktemp("blobs")
    settings = Settings(database_url=database_url, site=site, blob_dir=folder, pages=False)
    with (
        pytest.MonkeyPatch.context() as environment,
        running(create_app(settings, plugins=plugins)) as http,
    ):
        environment.setenv("FHIR_BRIDGE_SITE", str(site))
        hospital = Hospital(http)
        hospital.run(furnish, hospital.services)
        hospital.run(hospital.services.accounts.add_user, "root", PASSWORD, "admin", display="Root")
        yield hospital


@pytest.fixture(scope="module")
def admin(served: Hospital) -> dict[str, str]:
    return served.token("user/*.cruds", user="root", patient=None)


def put(served: Hospital, resource: dict[str, Any]) -> None:
    served.run(served.services.store.update, resource["resourceType"], resource["id"], resource, EVERYTHING)


def remove(served: Hospital, kind: str, identity: str) -> None:
    served.run(served.services.store.delete, kind, identity, EVERYTHING)


def expunge(served: Hospital, token: dict[str, str], path: str, **more: str) -> httpx.Response:
    parameters = {"reason": WHY, **more}
    return served.http.post(f"/fhir/{path}/$expunge", params=parameters, headers=token)


def values(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {
        item["name"]: next(value for name, value in item.items() if name.startswith("value"))
        for item in answer.json()["parameter"]
        if any(name.startswith("value") for name in item)
    }


def went(answer: httpx.Response) -> set[str]:
    parts = [item["part"] for item in answer.json()["parameter"] if item["name"] == "expunged"]
    return {part[0]["valueString"] for part in parts}


def left(served: Hospital, kind: str, identity: str) -> dict[str, int]:
    """Rows that hold something of a resource, by table."""
    tables = {
        "history": "resource", "token": "resource", "string": "resource", "date": "resource", "quantity": "resource",
        "number": "resource", "reference": "resource", "uri": "resource", "record": "resource",
        "record_through": "resource", "named": "resource", "contribution": "resource", "output": "resource",
        "attachment": "referrer",
        "consent_denial": "resource", "derived_input": "input", "prediction": "result", "link": "declared_by",
    }  # fmt: skip

    async def count() -> dict[str, int]:
        async with served.services.store.connection() as connection:
            results = {}
            for table, column in tables.items():
                rows = await connection.execute(
                    f"SELECT count(*) FROM {table} t JOIN resource r ON r.key = t.{column} "
                    "WHERE r.type = %s AND r.id = %s".encode(),
                    (kind, identity),
                )
                row = await rows.fetchone()
                results[table] = row[0] if row else 0
            rows = await connection.execute(
                "SELECT count(*) FROM resource WHERE type = %s AND id = %s AND (bytes IS NOT NULL OR "
                "last_updated IS NOT NULL OR labels IS NOT NULL OR version > 0)",
                (kind, identity),
            )
            row = await rows.fetchone()
            return {**results, "resource": row[0] if row else 0}

    counted: dict[str, int] = served.run(count)
    return {name: number for name, number in counted.items() if number}


def test_a_resource_goes_with_its_versions_and_its_index(served: Hospital, admin: dict[str, str]) -> None:
    put(served, observation("gone", "anna"))
    put(served, observation("gone", "anna", code="2085-9"))
    trial = expunge(served, admin, "Observation/gone", expungeEverything="true", dryRun="true")
    assert values(trial) == {
        "dryRun": True, "count": 2, "contents": 0, "sources": 0, "parts": 0, "kept": 0, "exports": 0
    }  # fmt: skip
    assert went(trial) == {"Observation/gone"}
    assert served.http.get("/fhir/Observation/gone", headers=admin).status_code == 200
    answer = expunge(served, admin, "Observation/gone", expungeEverything="true")
    said = values(answer)
    assert (said["dryRun"], said["count"]) == (False, 2)
    assert left(served, "Observation", "gone") == {}
    for path in ("", "/_history", "/_history/1", "/_history/2"):
        assert served.http.get(f"/fhir/Observation/gone{path}", headers=admin).status_code == 404
    history = served.http.get("/fhir/Observation/_history?_count=500", headers=admin).text
    assert '"gone"' not in history
    assert served.http.get("/fhir/Observation?_id=gone&_total=accurate", headers=admin).json()["total"] == 0
    certificate = served.http.get(said["certificate"]["reference"], headers=admin).json()
    assert certificate["resourceType"] == "Provenance"
    assert certificate["target"][0]["identifier"]["value"] == "Observation/gone"
    assert certificate["reason"] == [{"text": WHY}]
    assert certificate["agent"][0]["who"]["display"] == "Root"
    assert "2 versions" in certificate["entity"][0]["what"]["display"]
    assert "mmol/L" not in str(certificate)
    served.run(served.services.audit.flush)
    events = served.http.get(
        "/fhir/AuditEvent?patient=Patient/anna&action=D&_count=100", headers=admin
    ).json()
    assert "Observation/gone" in str(events)
    # It may come again, under a number of its own.
    put(served, observation("gone", "anna"))
    assert served.http.get("/fhir/Observation/gone", headers=admin).headers["etag"] not in ('W/"1"', 'W/"2"')
    remove(served, "Observation", "gone")


def test_a_certificate_is_the_servers(served: Hospital, admin: dict[str, str]) -> None:
    put(served, observation("brief", "anna"))
    reference = values(expunge(served, admin, "Observation/brief", expungeEverything="true"))["certificate"]
    url = reference["reference"]
    certificate = served.http.get(url, headers=admin).json()
    assert served.http.delete(url, headers=admin).status_code == 403
    for how in ({"expungeEverything": "true"}, {"expungeEverything": "true", "dryRun": "true"}):
        refused = expunge(served, admin, f"Provenance/{certificate['id']}", **how)
        assert (refused.status_code, "never expunged" in refused.text) == (403, True)
    assert served.http.get(url, headers=admin).json() == certificate
    changed = certificate | {"reason": [{"text": "other"}]}
    assert served.http.put(url, json=changed, headers=admin).status_code == 403
    forged = {name: value for name, value in certificate.items() if name not in ("id", "meta")}
    assert served.http.post("/fhir/Provenance", json=forged, headers=admin).status_code == 403


@pytest.mark.parametrize(
    ("scope", "user"),
    [
        ("user/*.cruds", "clara"),
        ("user/*.rs", "root"),
        ("user/Patient.cruds", "root"),
        ("patient/*.cruds", "anna"),
    ],
)
def test_who_has_not_the_permission_or_the_scope_expunges_nothing(
    served: Hospital, scope: str, user: str
) -> None:
    put(served, observation("stays", "anna"))
    token = served.token(scope, user=user, patient="anna" if user == "anna" else None)
    for more in ({}, {"dryRun": "true"}):
        refused = expunge(served, token, "Observation/stays", expungeEverything="true", **more)
        assert refused.status_code == 403
    assert left(served, "Observation", "stays")
    client = backend(served, "system/*.cruds")
    assert expunge(served, client, "Observation/stays", expungeEverything="true").status_code == 403


def test_what_is_hidden_is_not_there(served: Hospital) -> None:
    bound = served.token("patient/*.cruds", user="root", patient="anna")
    for identity in ("bert-lab", "absent"):
        answer = expunge(served, bound, f"Observation/{identity}", expungeEverything="true")
        assert answer.status_code == 404


def test_what_others_refer_to_stays(served: Hospital, admin: dict[str, str]) -> None:
    refused = expunge(served, admin, "Patient/anna", expungeEverything="true")
    assert refused.status_code == 409
    assert "Observation/anna-lab" in refused.text
    assert served.http.get("/fhir/Patient/anna", headers=admin).status_code == 200


def test_a_provenance_about_it_alone_goes_with_it(served: Hospital, admin: dict[str, str]) -> None:
    put(served, observation("told", "anna"))
    put(served, observation("also", "anna"))

    def provenance(identity: str, *targets: str) -> dict[str, Any]:
        return {
            "resourceType": "Provenance",
            "id": identity,
            "target": [{"reference": target} for target in targets],
            "recorded": "2026-03-05T08:00:00Z",
            "agent": [{"who": {"display": "someone"}}],
        }

    put(served, provenance("alone", "Observation/told"))
    put(served, provenance("two", "Observation/told", "Observation/also"))
    assert expunge(served, admin, "Observation/told", expungeEverything="true").status_code == 409
    put(served, provenance("two", "Observation/also"))
    answer = expunge(served, admin, "Observation/told", expungeEverything="true")
    assert went(answer) == {"Observation/told", "Provenance/alone"}
    assert left(served, "Provenance", "alone") == {}
    assert served.http.get("/fhir/Provenance/two", headers=admin).status_code == 200


def test_results_that_were_predicted_from_it_go_with_it(served: Hospital, admin: dict[str, str]) -> None:
    def own(resource: dict[str, Any]) -> dict[str, Any]:
        if resource["resourceType"] == "Patient":
            return resource | {"id": "px"}
        return resource | {"id": f"px-{resource['id']}", "subject": {"reference": "Patient/px"}}

    served.run(served.services.store.load, [own(item) for item in records()], adapter="test")
    predicted = served.http.post("/fhir/Patient/px/$predict?predictor=score2", headers=admin)
    assert predicted.status_code == 200, predicted.text
    result = predicted.json()["id"]
    pressure = next(own(item)["id"] for item in records() if "85354" in item["id"])
    assert left(served, "Observation", pressure)["derived_input"] == 1
    answer = expunge(served, admin, f"Observation/{pressure}", expungeEverything="true")
    assert {f"Observation/{pressure}", f"Observation/{result}"} <= went(answer)
    assert left(served, "Observation", pressure) == {}
    assert left(served, "Observation", result) == {}
    assert served.http.get(f"/fhir/Observation/{result}", headers=admin).status_code == 404

    async def waiting() -> int:
        async with served.services.store.connection() as connection:
            rows = await connection.execute(
                "SELECT count(*) FROM job WHERE state = 'ready' AND payload ->> 'patient' = 'px'"
            )
            row = await rows.fetchone()
            return row[0] if row else 0

    assert served.run(waiting) == 1  # it is computed again of what is left


def blobs(served: Hospital) -> list[Path]:
    return [path for path in served.services.settings.blobs.glob("*/*/*") if path.is_file()]


def test_the_content_of_a_binary_goes_at_once(served: Hospital, admin: dict[str, str]) -> None:
    before = len(blobs(served))
    for identity, content in (("large", LARGE), ("large", LARGE[::-1]), ("same", LARGE)):
        headers = admin | {"Content-Type": "application/octet-stream"}
        answer = served.http.put(f"/fhir/Binary/{identity}", content=content, headers=headers)
        assert answer.status_code in (200, 201)
    assert len(blobs(served)) == before + 2
    answer = expunge(served, admin, "Binary/large", expungePreviousVersions="true")
    assert (values(answer)["count"], values(answer)["contents"]) == (1, 0)  # another has the same
    remove(served, "Binary", "large")
    answer = expunge(served, admin, "Binary/large", expungeDeletedResources="true")
    assert values(answer)["contents"] == 1
    assert len(blobs(served)) == before + 1
    assert served.http.get("/fhir/Binary/same", headers=admin).content == LARGE
    trial = expunge(served, admin, "Binary/same", expungeEverything="true", dryRun="true")
    assert values(trial)["contents"] == 1
    assert served.http.get("/fhir/Binary/same", headers=admin).content == LARGE
    expunge(served, admin, "Binary/same", expungeEverything="true")
    assert len(blobs(served)) == before


def test_kept_sources_that_name_a_patient_go(served: Hospital, admin: dict[str, str]) -> None:
    put(served, patient("kept", "Kappa") | {"identifier": [{"system": "urn:x", "value": "MRN77001"}]})

    async def keep() -> None:
        async with served.services.store.keeping() as keeping:
            for name, text in (
                ("a.hl7", b"PID|1||MRN77001^^^H\r" + os.urandom(3_000_000)),
                ("b.hl7", b"PID|1||MRN770012^^^H\r"),
                ("c.hl7", "PID|1||MRN77001|Käse".encode("utf-16-le")),
            ):
                digest = await keeping.keep([text])
                item = InboxItem("held", "hl7v2", name, "FB-RUN-001", "waits", source=name, content=digest)
                await keeping.note([item])

    served.run(keep)
    answer = expunge(served, admin, "Patient/kept", expungeEverything="true")
    assert values(answer)["sources"] == 2
    certificate = served.http.get(values(answer)["certificate"]["reference"], headers=admin).text
    assert "a.hl7" in certificate
    assert "b.hl7" not in certificate
    entries = {
        found.source: found.content is not None for found in served.run(served.services.store.read_inbox)
    }
    assert entries == {"a.hl7": False, "b.hl7": True, "c.hl7": False}


def test_received_messages_that_name_a_patient_go(served: Hospital, admin: dict[str, str]) -> None:
    put(served, patient("sent-of", "Rho") | {"identifier": [{"system": "urn:x", "value": "MRN88002"}]})
    messages = ReceivedMessages(served.services.store.pool)
    arrivals = [
        Arrival(
            b"MSH|",
            f"digest-{number}",
            "mllp",
            "10.0.0.1",
            f"C{number}",
            "ADT^A08",
            "lab",
            f"r{number}",
            named,
        )
        for number, named in enumerate((["MRN88002"], ["MRN880020"]))
    ]
    served.run(messages.keep, arrivals)
    answer = expunge(served, admin, "Patient/sent-of", expungeEverything="true")
    assert values(answer)["sources"] == 1
    certificate = served.http.get(values(answer)["certificate"]["reference"], headers=admin).text
    assert "message C0" in certificate
    left_over = served.run(messages.find)
    assert [found.control_id for found in left_over] == ["C1"]


def test_an_export_that_may_hold_it_ends(served: Hospital, admin: dict[str, str]) -> None:
    put(served, observation("exported", "anna"))
    token = backend(served, "system/*.rs", client="exports")
    done = kick_off(served, "$export?_type=Observation", token)
    work(served)
    url = manifest(served, done, token)["output"][0]["url"]
    other = kick_off(served, "$export?_type=Practitioner", token)
    work(served)
    running_one = kick_off(served, "$export?_type=Observation,Patient", token)
    answer = expunge(served, admin, "Observation/exported", expungeEverything="true")
    assert values(answer)["exports"] == 2
    assert served.http.get(url, headers=token).status_code == 404
    work(served)
    for begun in (done, running_one):
        assert served.http.get(begun.headers["content-location"], headers=token).status_code == 500
    assert served.http.get(other.headers["content-location"], headers=token).status_code == 200


def test_what_is_deleted_of_a_type_goes_some_at_a_time(served: Hospital, admin: dict[str, str]) -> None:
    for number in range(5):
        put(served, observation(f"old-{number}", "anna", code="8867-4"))
        if number < 3:
            remove(served, "Observation", f"old-{number}")
    trial = expunge(served, admin, "Observation", expungeDeletedResources="true", dryRun="true")
    assert {f"Observation/old-{number}" for number in range(3)} <= went(trial)
    first = expunge(served, admin, "Observation", expungeDeletedResources="true", limit="1")
    assert len(went(first)) == 1
    rest = expunge(served, admin, "Observation", expungeDeletedResources="true")
    assert went(first) | went(rest) == went(trial)
    none = expunge(served, admin, "Observation", expungeDeletedResources="true")
    assert (went(none), "certificate" in values(none)) == (set(), False)
    assert served.http.get("/fhir/Observation/old-0", headers=admin).status_code == 404
    assert served.http.get("/fhir/Observation/old-4", headers=admin).status_code == 200
    live = expunge(served, admin, "Observation/old-4", expungeDeletedResources="true")
    assert live.status_code == 404


def test_previous_versions_go_and_the_current_one_stays(served: Hospital, admin: dict[str, str]) -> None:
    for code in ("2085-9", "2093-3", "2089-1"):
        put(served, observation("revised", "anna", code=code))
    answer = expunge(served, admin, "Observation/revised", expungePreviousVersions="true")
    assert values(answer)["count"] == 2
    assert (
        served.http.get("/fhir/Observation/revised", headers=admin).json()["code"]["coding"][0]["code"]
        == "2089-1"
    )
    assert served.http.get("/fhir/Observation/revised/_history", headers=admin).json()["total"] == 1
    assert (
        served.http.get("/fhir/Observation?code=2089-1&_id=revised&_total=accurate", headers=admin).json()[
            "total"
        ]
        == 1
    )
    # Of what is deleted the last content stays: it says whose it was.
    remove(served, "Observation", "revised")
    again = expunge(served, admin, "Observation/revised", expungePreviousVersions="true")
    assert values(again)["count"] == 0
    anna = served.token("patient/*.rs", patient="anna")
    assert served.http.get("/fhir/Observation/revised", headers=anna).status_code == 410


def test_a_source_that_sends_it_again_stores_it_again(served: Hospital, admin: dict[str, str]) -> None:
    content = observation("sent", "anna")
    served.run(served.services.store.load, [content], adapter="test")
    assert expunge(served, admin, "Observation/sent", expungeEverything="true").status_code == 200
    assert left(served, "Observation", "sent") == {}
    served.run(served.services.store.load, [content], adapter="test")
    assert served.http.get("/fhir/Observation/sent", headers=admin).status_code == 200


def test_who_denied_everything_can_be_erased(served: Hospital, admin: dict[str, str]) -> None:
    put(served, patient("silent", "Sigma"))
    denial = {
        "resourceType": "Consent",
        "id": "silent",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"text": "privacy"}],
        "patient": {"reference": "Patient/silent"},
        "provision": {"type": "deny"},
    }
    put(served, denial)
    assert served.http.get("/fhir/Patient/silent", headers=admin).status_code == 404
    assert expunge(served, admin, "Patient/silent", expungeEverything="true").status_code == 409
    assert expunge(served, admin, "Consent/silent", expungeEverything="true").status_code == 200
    assert expunge(served, admin, "Patient/silent", expungeEverything="true").status_code == 200
    assert left(served, "Patient", "silent") == {}


@pytest.mark.parametrize(
    ("path", "parameters", "status"),
    [
        ("Observation/anna-lab", {}, 400),
        ("Observation/anna-lab", {"expungeEverything": "yes"}, 400),
        ("Observation/anna-lab", {"expungeEverything": "true", "expungePreviousVersions": "true"}, 400),
        ("Observation/anna-lab", {"expungeEverything": "true", "reason": ""}, 400),
        ("Observation/anna-lab", {"expungeEverything": "true", "reason": "x" * 501}, 400),
        ("Observation/anna-lab", {"expungeEverything": "true", "more": "1"}, 400),
        ("Observation", {"expungeEverything": "true"}, 400),
        ("Observation", {"expungeDeletedResources": "true", "limit": "0"}, 400),
        ("Observation", {"expungeDeletedResources": "true", "limit": "many"}, 400),
        ("AuditEvent", {"expungeDeletedResources": "true"}, 403),
        ("Nothing", {"expungeDeletedResources": "true"}, 404),
    ],
)
def test_what_is_wrong_is_refused(
    served: Hospital, admin: dict[str, str], path: str, parameters: dict[str, str], status: int
) -> None:
    assert expunge(served, admin, path, **parameters).status_code == status
    assert served.http.get("/fhir/Observation/anna-lab", headers=admin).status_code == 200


def test_it_takes_post_and_is_no_entry_of_a_bundle(served: Hospital, admin: dict[str, str]) -> None:
    query = "expungeEverything=true&reason=x"
    assert served.http.get(f"/fhir/Observation/anna-lab/$expunge?{query}", headers=admin).status_code == 405
    bundled = send(served, admin, "transaction", entry("POST", f"Observation/anna-lab/$expunge?{query}"))
    assert bundled.status_code == 200
    assert bundled.json()["entry"][0]["response"]["status"].startswith("400")
    assert served.http.get("/fhir/Observation/anna-lab", headers=admin).status_code == 200


def test_what_fails_in_the_middle_leaves_everything(
    served: Hospital, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(served, observation("whole", "anna"))

    async def failing(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(served.services.blobs, "remove", failing)
    assert expunge(served, admin, "Observation/whole", expungeEverything="true").status_code == 503
    monkeypatch.undo()
    assert left(served, "Observation", "whole")["token"] > 0
    assert served.http.get("/fhir/Observation/whole", headers=admin).status_code == 200
