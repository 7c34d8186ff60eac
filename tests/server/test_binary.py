"""Binary: contents as they are and as FHIR JSON, who gets them, and where they are kept."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from tests.server.bulk import backend, exported, hospital_with_blobs, kick_off, lines, manifest, work
from tests.server.conftest import FHIR, Hospital
from tests.server.test_export import opt_out

ALL = "system/*.cruds"
PDF = "application/pdf"
LARGE = os.urandom(200_001)
SMALL = b"%PDF-1.7 short"
JSON = {"Accept": "application/fhir+json", "Accept-Encoding": "identity"}


@pytest.fixture(scope="module")
def served(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("blobs")
    with hospital_with_blobs(database_url, folder, max_binary_bytes=5_000_000) as hospital:
        yield hospital


@pytest.fixture(scope="module")
def token(served: Hospital) -> dict[str, str]:
    return backend(served, ALL, client="all")


def files(served: Hospital) -> list[Path]:
    return [path for path in served.services.settings.blobs.glob("*/*/*") if path.is_file()]


def send(
    served: Hospital,
    token: dict[str, str],
    content: bytes,
    kind: str = PDF,
    path: str = "Binary",
    **more: str,
) -> Any:
    method = "PUT" if "/" in path else "POST"
    headers = {**token, "Content-Type": kind, **more}
    return served.http.request(method, f"/fhir/{path}", content=content, headers=headers)


@pytest.mark.parametrize("content", [b"", SMALL, LARGE, LARGE[:65536], LARGE[:65537]])
def test_a_content_comes_back_as_it_was_sent(served: Hospital, token: dict[str, str], content: bytes) -> None:
    created = send(served, token, content)
    assert created.status_code == 201, created.text
    path = created.headers["location"].removeprefix("http://127.0.0.1:8000").partition("/_history")[0]
    raw = served.http.get(path, headers=token)
    assert raw.content == content
    assert raw.headers["content-type"] == PDF
    assert raw.headers["content-length"] == str(len(content))
    assert raw.headers["etag"] == created.headers["etag"]
    as_fhir = served.http.get(path, headers={**token, **JSON})
    assert as_fhir.headers["content-length"] == str(len(as_fhir.content))
    body = as_fhir.json()
    assert base64.b64decode(body.get("data", "")) == content
    assert "_data" not in body
    assert body["contentType"] == PDF
    assert served.http.get(f"{path}/_history/1", headers=token).content == content
    head = served.http.head(path, headers=token)
    assert (head.content, head.headers["content-length"]) == (b"", str(len(content)))
    assert served.http.get(path, headers={**token, "If-None-Match": raw.headers["etag"]}).status_code == 304


def test_fhir_json_with_a_large_content_is_kept_as_a_blob(served: Hospital, token: dict[str, str]) -> None:
    content = LARGE[::-1]
    body = {
        "resourceType": "Binary",
        "id": "as-json",
        "contentType": "image/png",
        "data": base64.b64encode(content).decode(),
    }
    before = len(files(served))
    answer = served.http.put("/fhir/Binary/as-json", json=body, headers={**token, **JSON})
    assert answer.status_code == 201, answer.text
    assert len(files(served)) == before + 1
    assert served.http.get("/fhir/Binary/as-json", headers=token).content == content
    again = served.http.put("/fhir/Binary/as-json", json=body, headers={**token, **JSON})
    assert again.headers["etag"] == 'W/"1"'


def test_a_large_content_is_not_given_in_xml(served: Hospital, token: dict[str, str]) -> None:
    send(served, token, LARGE, path="Binary/no-xml")
    answer = served.http.get("/fhir/Binary/no-xml", headers={**token, "Accept": "application/fhir+xml"})
    assert answer.status_code == 406


def test_equal_contents_are_kept_once(served: Hospital, token: dict[str, str]) -> None:
    content = LARGE + b"once"
    before = len(files(served))
    for name in ("one", "two"):
        assert send(served, token, content, path=f"Binary/{name}").status_code == 201
    assert len(files(served)) == before + 1
    digest = hashlib.sha256(content).hexdigest()
    assert [path.name for path in files(served)].count(digest) == 1


def test_versions_keep_their_contents_and_what_nobody_needs_is_collected(
    served: Hospital, token: dict[str, str]
) -> None:
    first, second = LARGE + b"v1", LARGE + b"v2"
    send(served, token, first, path="Binary/changing")
    send(served, token, second, path="Binary/changing", kind="text/plain")
    served.run(served.services.blobs.sweep, timedelta())
    assert served.http.get("/fhir/Binary/changing/_history/1", headers=token).content == first
    assert served.http.get("/fhir/Binary/changing", headers=token).content == second
    assert served.http.delete("/fhir/Binary/changing", headers=token).status_code == 204
    assert served.http.get("/fhir/Binary/changing", headers=token).status_code == 410
    served.run(served.services.blobs.sweep, timedelta())
    assert served.http.get("/fhir/Binary/changing/_history/2", headers=token).content == second
    served.sql("DELETE FROM history h USING resource r WHERE h.resource = r.key AND r.id = 'changing'")
    names = {path.name for path in files(served)}
    assert hashlib.sha256(first).hexdigest() in names
    served.run(served.services.blobs.sweep, timedelta(hours=1))
    assert {path.name for path in files(served)} == names
    served.run(served.services.blobs.sweep, timedelta())
    assert hashlib.sha256(first).hexdigest() not in {path.name for path in files(served)}


def test_what_a_crash_left_is_collected(served: Hospital, token: dict[str, str]) -> None:
    blobs = served.services.blobs

    async def left() -> None:
        # Placed, and its transaction never ended.
        async with blobs.writing() as writer:
            await writer.write(b"left" * 1000)
            await writer.finish()
            await writer.place()

    served.run(left)
    [folder] = served.services.settings.blobs.iterdir()
    for name, age in (("half", 90_000), ("begun", 0)):
        path = folder / "unfinished" / name
        path.write_bytes(b"half")
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    digest = hashlib.sha256(b"left" * 1000).hexdigest()
    assert digest in {path.name for path in files(served)}
    served.run(blobs.sweep, timedelta())
    names = {path.name for path in files(served)}
    assert digest not in names
    assert "half" not in names
    assert "begun" in names  # somebody is at it
    (folder / "unfinished" / "begun").unlink()


def test_a_content_that_is_stored_while_it_is_collected_stays(
    served: Hospital, token: dict[str, str]
) -> None:
    """Whoever stores it waits for whoever removes it, or comes first."""
    content = LARGE + b"racing"
    blobs = served.services.blobs

    async def race(number: int) -> bool:
        owner = f"test/{number}"

        async def put() -> None:
            async with blobs.writing() as writer:
                await writer.write(content)
                await blobs.store(writer, owner)

        await put()
        async with served.services.store.connection() as connection:
            await connection.execute("DELETE FROM blob_reference WHERE owner = %s", (owner,))
        await asyncio.gather(blobs.sweep(timedelta()), put(), blobs.sweep(timedelta()))
        blob = await blobs.find(hashlib.sha256(content).digest(), owner)
        assert blob is not None
        return b"".join([piece async for piece in blobs.read(blob)]) == content

    assert all(served.run(race, number) for number in range(20))


def test_the_security_context_decides_who_gets_it(served: Hospital, token: dict[str, str]) -> None:
    send(served, token, LARGE, path="Binary/of-anna", **{"X-Security-Context": "Patient/anna"})
    send(served, token, SMALL, path="Binary/of-lab", **{"X-Security-Context": f"{FHIR}/Observation/bert-lab"})
    send(served, token, SMALL, path="Binary/of-nobody")
    raw = served.http.get("/fhir/Binary/of-anna", headers=token)
    assert raw.headers["x-security-context"] == "Patient/anna"
    anna, bert = (served.token("patient/*.rs", patient=name) for name in ("anna", "bert"))

    def reached(who: dict[str, str]) -> set[str]:
        found = served.http.get("/fhir/Binary?_total=accurate", headers=who).json()
        ids = {entry["resource"]["id"] for entry in found.get("entry", [])}
        assert found["total"] == len(ids)
        names = {"of-anna", "of-lab", "of-nobody"}
        read = {
            name for name in names if served.http.get(f"/fhir/Binary/{name}", headers=who).status_code == 200
        }
        assert {
            name
            for name in names
            if served.http.get(f"/fhir/Binary/{name}/_history/1", headers=who).status_code == 200
        } == read
        assert ids & names == read
        return read

    assert reached(anna) == {"of-anna"}
    assert reached(bert) == {"of-lab"}
    assert reached(token) == {"of-anna", "of-lab", "of-nobody"}
    # Who may read every Binary, and no Observation.
    assert reached(backend(served, "system/Binary.rs system/Patient.rs")) == {"of-anna", "of-nobody"}


def test_a_person_writes_only_into_the_own_bounds(served: Hospital) -> None:
    anna = served.token("patient/Binary.cruds", patient="anna")
    context = {"X-Security-Context": "Patient/anna"}
    assert send(served, anna, LARGE, **context).status_code == 201
    assert send(served, anna, LARGE).status_code == 403
    assert send(served, anna, LARGE, **{"X-Security-Context": "Patient/bert"}).status_code == 403
    assert send(served, served.token("patient/Binary.rs"), LARGE, **context).status_code == 403


def document(identity: str, of: str, binary: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": identity,
        "status": "current",
        "subject": {"reference": f"Patient/{of}"},
        "content": [{"attachment": {"contentType": PDF, "url": f"Binary/{binary}"}}],
        **more,
    }


def test_an_attachment_is_read_under_the_rules_of_what_has_it(
    served: Hospital, token: dict[str, str]
) -> None:
    send(served, token, LARGE, path="Binary/report")
    anna, bert = (served.token("patient/*.rs", patient=name) for name in ("anna", "bert"))
    by_type = backend(served, "system/Binary.rs")
    with_documents = backend(served, "system/Binary.rs system/DocumentReference.rs")

    def reached() -> list[bool]:
        results = []
        for who in (anna, bert, by_type, with_documents):
            read = served.http.get("/fhir/Binary/report", headers=who).status_code == 200
            search = served.http.get("/fhir/Binary?_id=report&_total=accurate", headers=who).json()
            assert (search["total"] == 1) is read
            results.append(read)
        return results

    def put(resource: dict[str, Any]) -> None:
        path = f"/fhir/{resource['resourceType']}/{resource['id']}"
        answer = served.http.put(path, json=resource, headers={**token, **JSON})
        assert answer.status_code in (200, 201), answer.text

    assert reached() == [False, False, True, True]
    put(document("doc", "anna", "report"))
    assert reached() == [True, False, False, True]
    # A Binary that is sent anew is still the attachment.
    send(served, token, SMALL, path="Binary/report")
    assert reached() == [True, False, False, True]
    put(document("doc", "bert", "report"))
    assert reached() == [False, True, False, True]
    put(document("doc2", "anna", "report"))
    assert reached() == [False, False, False, True]  # about two persons: in neither's record
    served.run(served.services.store.reindex)
    assert reached() == [False, False, False, True]
    assert served.http.delete("/fhir/DocumentReference/doc", headers=token).status_code == 204
    assert reached() == [True, False, False, True]
    send(served, token, SMALL, path="Binary/other")
    put(document("doc2", "anna", "other"))
    assert reached() == [False, False, True, True]


@pytest.mark.parametrize("change", ["another attachment", "deleted"])
def test_what_was_an_attachment_stays_withheld_from_whom_the_patient_denies(
    served: Hospital, token: dict[str, str], change: str
) -> None:
    research = backend(served, "system/*.rs", client="study", purpose="HRESCH")
    for name in ("letter", "corrected"):
        send(served, token, SMALL, path=f"Binary/{name}")
    put = partial(served.http.put, headers={**token, **JSON})
    assert put("/fhir/DocumentReference/doc", json=document("doc", "bert", "letter")).status_code < 300
    if change == "deleted":
        assert served.http.delete("/fhir/DocumentReference/doc", headers=token).status_code == 204
    else:
        for patient in ("bert", "anna"):
            changed = document("doc", patient, "corrected")
            assert put("/fhir/DocumentReference/doc", json=changed).status_code == 200

    def seen() -> list[int]:
        read = served.http.get("/fhir/Binary/letter", headers=research).status_code
        past = served.http.get("/fhir/Binary/letter/_history/1", headers=research).status_code
        search = served.http.get("/fhir/Binary?_id=letter&_total=accurate", headers=research).json()
        return [read, past, search["total"]]

    assert seen() == [200, 200, 1]
    served.run(served.services.store.update, "Consent", "no", opt_out("no", "bert"), EVERYTHING)
    assert seen() == [404, 404, 0]
    served.run(served.services.store.reindex)
    assert seen() == [404, 404, 0]
    # It takes, and never gives: it is in nobody's record.
    bert = served.token("patient/*.rs", patient="bert")
    assert served.http.get("/fhir/Binary/letter", headers=bert).status_code == 404
    assert served.http.delete("/fhir/Consent/no", headers=token).status_code == 204
    assert seen() == [200, 200, 1]


def test_an_attachment_by_this_servers_own_address_is_one_by_the_relative_one(
    served: Hospital, token: dict[str, str]
) -> None:
    send(served, token, SMALL, path="Binary/absolute")
    anna, bert = (served.token("patient/*.rs", patient=name) for name in ("anna", "bert"))
    resource = document("by-address", "anna", "absolute")
    resource["content"][0]["attachment"]["url"] = f"{FHIR.upper().replace('/FHIR', '/fhir')}/Binary/absolute"
    headers = {**token, **JSON}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": resource, "request": {"method": "PUT", "url": "DocumentReference/by-address"}}
        ],
    }
    for method, path, body in (
        ("PUT", "/fhir/DocumentReference/by-address", resource),
        ("POST", "/fhir", bundle),
    ):
        answer = served.http.request(method, path, json=body, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        stored = served.http.get("/fhir/DocumentReference/by-address", headers=headers).json()
        assert stored["content"][0]["attachment"]["url"] == "Binary/absolute"
        assert served.http.get("/fhir/Binary/absolute", headers=anna).content == SMALL
        assert served.http.get("/fhir/Binary/absolute", headers=bert).status_code == 404
        resource["description"] = "again"
    elsewhere = document("elsewhere", "anna", "x")
    elsewhere["content"][0]["attachment"]["url"] = "https://other.example/fhir/Binary/absolute"
    kept = served.http.put("/fhir/DocumentReference/elsewhere", json=elsewhere, headers=headers)
    assert kept.json()["content"] == elsewhere["content"]


def test_a_binary_that_is_an_attachment_stays_and_one_that_is_not_here_is_refused(
    served: Hospital, token: dict[str, str]
) -> None:
    headers = {**token, **JSON}
    send(served, token, SMALL, path="Binary/needed")
    resource = document("needs", "anna", "needed")
    assert served.http.put("/fhir/DocumentReference/needs", json=resource, headers=headers).status_code == 201
    refused = served.http.delete("/fhir/Binary/needed", headers=token)
    assert refused.status_code == 409
    assert "DocumentReference/needs" in refused.text
    # Who may not read what needs it is not told its name.
    alone = backend(served, "system/Binary.cruds system/Patient.rs")
    unnamed = served.http.delete("/fhir/Binary/needed", headers=alone)
    assert unnamed.status_code in (404, 409)
    assert "needs" not in unnamed.text
    missing = served.http.put(
        "/fhir/DocumentReference/lacks", json=document("lacks", "anna", "never"), headers=headers
    )
    assert missing.status_code == 422
    assert "Binary/never" in missing.text
    both = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"request": {"method": "DELETE", "url": name}}
            for name in ("Binary/needed", "DocumentReference/needs")
        ],
    }
    assert served.http.post("/fhir", json=both, headers=headers).status_code == 200


def test_a_bounded_caller_takes_no_binary_of_others_as_an_attachment(
    served: Hospital, token: dict[str, str]
) -> None:
    send(served, token, LARGE, path="Binary/of-bert", **{"X-Security-Context": "Patient/bert"})
    send(served, token, LARGE, path="Binary/of-none")
    send(served, token, LARGE, path="Binary/own", **{"X-Security-Context": "Patient/anna"})
    anna = {**served.token("patient/*.cruds", patient="anna"), **JSON}
    statuses = {}
    for name in ("of-bert", "of-none", "absent", "own"):
        resource = document("x", "anna", name)
        del resource["id"]
        statuses[name] = served.http.post("/fhir/DocumentReference", json=resource, headers=anna).status_code
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": resource, "request": {"method": "POST", "url": "DocumentReference"}}],
        }
        answer = served.http.post("/fhir", json=bundle, headers=anna)
        assert (answer.status_code == 200) is (statuses[name] == 201), name
    assert statuses == {"of-bert": 403, "of-none": 403, "absent": 403, "own": 201}


def test_a_hash_opens_nothing(served: Hospital, token: dict[str, str]) -> None:
    """Who knows the hash of a content does not get it by naming it."""
    secret = LARGE + b"secret"
    send(served, token, secret, path="Binary/secret", **{"X-Security-Context": "Patient/bert"})
    url = "https://fhir-bridge.org/fhir/StructureDefinition/binary-content"
    stolen = {
        "resourceType": "Binary",
        "id": "stolen",
        "contentType": PDF,
        "_data": {
            "extension": [{"url": url, "valueUri": f"urn:sha256:{hashlib.sha256(secret).hexdigest()}"}]
        },
    }
    refused = served.http.put("/fhir/Binary/stolen", json=stolen, headers={**token, **JSON})
    assert refused.status_code == 422
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": stolen, "request": {"method": "PUT", "url": "Binary/stolen"}}],
    }
    assert served.http.post("/fhir", json=bundle, headers={**token, **JSON}).status_code == 200
    for accept in (PDF, "application/fhir+json"):
        answer = served.http.get("/fhir/Binary/stolen", headers={**token, "Accept": accept})
        assert answer.status_code == 404
    served.run(served.services.blobs.sweep, timedelta())
    assert served.http.get("/fhir/Binary/secret", headers=token).content == secret


def test_what_a_search_gives_is_sent_back_without_loss(served: Hospital, token: dict[str, str]) -> None:
    send(served, token, LARGE, path="Binary/searched")
    found = served.http.get("/fhir/Binary?_id=searched", headers=token).json()["entry"][0]["resource"]
    assert "data" not in found
    found["language"] = "de"
    assert served.http.put("/fhir/Binary/searched", json=found, headers={**token, **JSON}).status_code == 200
    assert served.http.get("/fhir/Binary/searched", headers=token).content == LARGE
    patch = [{"op": "replace", "path": "/contentType", "value": "image/jpeg"}]
    headers = {**token, "Content-Type": "application/json-patch+json"}
    assert (
        served.http.patch("/fhir/Binary/searched", content=json.dumps(patch), headers=headers).status_code
        == 200
    )
    assert served.http.get("/fhir/Binary/searched", headers=token).headers["content-type"] == "image/jpeg"


def test_nothing_of_a_content_runs_in_a_browser(served: Hospital, token: dict[str, str]) -> None:
    page = b"<script>alert(1)</script>"
    send(served, token, page, kind="text/html; charset=utf-8", path="Binary/page")
    answer = served.http.get("/fhir/Binary/page", headers={**token, "Accept": "text/html,*/*;q=0.8"})
    assert answer.content == page
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("kind", "content", "more", "status"),
    [
        (PDF, b"x" * 5_000_001, {}, 413),
        ("", SMALL, {}, 415),
        ("nonsense", SMALL, {}, 415),
        ("multipart/form-data; boundary=x", SMALL, {}, 415),
        ("application/fhir+xml", SMALL, {}, 400),
        (PDF, SMALL, {"Content-Encoding": "gzip"}, 415),
        (PDF, SMALL, {"X-Security-Context": "not a reference"}, 422),
        ("application/fhir+json", SMALL, {}, 400),
        ("application/fhir+json", b'{"resourceType":"Patient"}', {}, 400),
        ("application/fhir+json", b'{"resourceType":"Binary","contentType":"a/b","data":"!"}', {}, 422),
    ],
)
def test_what_is_wrong_is_refused(
    served: Hospital, token: dict[str, str], kind: str, content: bytes, more: dict[str, str], status: int
) -> None:
    before = files(served)
    answer = send(served, token, content, kind=kind, **more)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert files(served) == before


def test_if_match_and_if_none_exist_hold_for_contents_too(served: Hospital, token: dict[str, str]) -> None:
    send(served, token, LARGE, path="Binary/matched")
    refused = send(served, token, SMALL, path="Binary/matched", **{"If-Match": 'W/"9"'})
    assert refused.status_code == 412
    again = send(served, token, SMALL, **{"If-None-Exist": "_id=matched"})
    assert again.status_code == 200
    assert served.http.get("/fhir/Binary/matched", headers=token).content == LARGE


def test_an_export_has_the_contents(served: Hospital) -> None:
    token = backend(served, ALL)
    content = LARGE + b"exported"
    send(served, token, content, path="Binary/exported", **{"X-Security-Context": "Patient/anna"})
    begun = kick_off(served, "Patient/$export?_type=Binary", token)
    work(served)
    found = lines(served, manifest(served, begun, token)["output"][0]["url"], token)
    binary = next(resource for resource in found if resource["id"] == "exported")
    assert base64.b64decode(binary["data"]) == content
    assert "_data" not in binary
    assert "exported" not in exported(served, "$export", backend(served, "system/Patient.rs"))
