"""`$import`: what is written of NDJSON, what is reported, and from where it may come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server.bulk import import_job
from tests.server.bulk import ASYNC, backend, hospital_with_blobs, lines, manifest, work
from tests.server.conftest import FHIR, Hospital, observation, patient

ALL = "system/*.cruds"
SOURCE = "https://exports.example/fhir/"


@pytest.fixture(scope="module")
def served(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder = tmp_path_factory.mktemp("blobs")
    with hospital_with_blobs(database_url, folder, import_sources=SOURCE, max_body_bytes=100_000) as hospital:
        yield hospital


def ndjson(*resources: Any) -> bytes:
    return b"".join(
        (resource if isinstance(resource, bytes) else json.dumps(resource).encode()) + b"\n"
        for resource in resources
    )


def upload(served: Hospital, token: dict[str, str], content: bytes, name: str) -> dict[str, Any]:
    """The part of Parameters that names an uploaded file."""
    headers = {**token, "Content-Type": "application/fhir+ndjson"}
    answer = served.http.put(f"/fhir/Binary/{name}", content=content, headers=headers)
    assert answer.status_code in (200, 201), answer.text
    return {"name": "input", "part": [{"name": "url", "valueUrl": f"{FHIR}/Binary/{name}"}]}


def begin(served: Hospital, token: dict[str, str], *parameters: dict[str, Any]) -> httpx.Response:
    body = {"resourceType": "Parameters", "parameter": list(parameters)}
    return served.http.post("/fhir/$import", json=body, headers={**ASYNC, **token})


def imported(
    served: Hospital, token: dict[str, str], content: bytes, name: str = "upload"
) -> tuple[str, list[dict[str, Any]]]:
    """What is said of all, and of the lines that were refused."""
    begun = begin(served, token, upload(served, token, content, name))
    assert begun.status_code == 202, begun.text
    work(served)
    return report(served, begun, token)


def report(
    served: Hospital, begun: httpx.Response, token: dict[str, str]
) -> tuple[str, list[dict[str, Any]]]:
    answer = manifest(served, begun, token)
    [outcome] = [line for file in answer["output"] for line in lines(served, file["url"], token)]
    errors = [line for file in answer["error"] for line in lines(served, file["url"], token)]
    return outcome["issue"][0]["details"]["text"], errors


def read(served: Hospital, path: str) -> dict[str, Any]:
    kind, _, identity = path.partition("/")
    stored = served.run(served.services.store.read, kind, identity, EVERYTHING)
    body: dict[str, Any] = stored.resource()
    return body


def test_lines_are_written_and_a_bad_one_loses_only_itself(served: Hospital) -> None:
    token = backend(served, ALL)
    good = [patient("i1", "Import"), observation("i2", "i1")]
    bad = [
        {**observation("i3", "i1"), "status": None},
        b"not json",
        {"resourceType": "AuditEvent", "id": "forged"},
        {"resourceType": "Nonsense", "id": "i4"},
        patient("i5", "Long" * 30_000),
    ]
    content = ndjson(good[0], bad[0], b"", bad[1], bad[2], good[1], bad[3], bad[4])
    said, errors = imported(served, token, content)
    assert said == "2 stored, 0 unchanged, 5 refused"
    places = [error["issue"][0]["diagnostics"].rpartition(" line ")[2].rstrip(")") for error in errors]
    assert places == ["2", "4", "5", "7", "8"]
    assert read(served, "Observation/i2")["subject"] == {"reference": "Patient/i1"}
    again, errors = imported(served, token, content)
    assert again == "0 stored, 2 unchanged, 5 refused"


def test_each_line_is_within_the_callers_access(served: Hospital) -> None:
    served.run(served.services.store.update, "Patient", "kept", patient("kept", "Kept"), EVERYTHING)
    token = backend(served, "system/Observation.cu system/Binary.crus")
    content = ndjson(patient("kept", "Changed"), observation("within", "kept"), {"resourceType": "Patient"})
    said, errors = imported(served, token, content, "bounded")
    assert said == "1 stored, 0 unchanged, 2 refused"
    assert read(served, "Patient/kept")["name"][0]["family"] == "Kept"
    assert all(error["issue"][1]["code"] == "forbidden" for error in errors)


def test_what_has_no_id_is_created_once_whatever_is_killed(
    served: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = backend(served, ALL)
    content = ndjson(*({"resourceType": "Basic", "code": {"text": f"b{number}"}} for number in range(7)))
    begun = begin(served, token, upload(served, token, content, "killed"))
    monkeypatch.setattr(import_job, "BATCH", 3)
    write, calls = served.services.store.write, list[int]()

    async def dying(*values: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) == 6:
            raise MemoryError
        return await write(*values, **more)

    monkeypatch.setattr(served.services.store, "write", dying)
    with pytest.raises(MemoryError):
        work(served)
    served.sql("UPDATE job SET leased_until = now() - interval '1 minute' WHERE state = 'leased'")
    work(served)
    said, errors = report(served, begun, token)
    assert (said, errors) == ("7 stored, 0 unchanged, 0 refused", [])
    assert served.http.get("/fhir/Basic?_summary=count", headers=token).json()["total"] == 7


def answering(files: dict[str, bytes], status: int = 200) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        content = files.get(str(request.url))
        if content is None:
            return httpx.Response(404)
        return httpx.Response(status, content=pieces(content))

    async def pieces(content: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(content), 50):
            yield content[start : start + 50]

    return httpx.MockTransport(answer)


def test_files_of_a_manifest_are_fetched_from_allowed_addresses(served: Hospital) -> None:
    token = backend(served, ALL)
    files = {
        f"{SOURCE}manifest": json.dumps(
            {
                "transactionTime": "2026-01-01T00:00:00Z",
                "output": [
                    {"type": "Patient", "url": f"{SOURCE}1.ndjson"},
                    {"type": "Observation", "url": f"{SOURCE}2.ndjson"},
                ],
            }
        ).encode(),
        f"{SOURCE}1.ndjson": ndjson(patient("m1", "Manifest"), observation("m2", "m1")),
        f"{SOURCE}2.ndjson": ndjson(observation("m3", "m1")),
    }
    begun = begin(served, token, {"name": "manifestUrl", "valueUrl": f"{SOURCE}manifest"})
    work(served, transport=answering(files))
    said, errors = report(served, begun, token)
    # m2 is not of the type that the manifest says.
    assert said == "2 stored, 0 unchanged, 1 refused"
    assert errors[0]["issue"][0]["diagnostics"].endswith(f"({SOURCE}1.ndjson line 2)")


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ({}, 200),
        ({f"{SOURCE}manifest": b"[]"}, 200),
        ({f"{SOURCE}manifest": b"{}"}, 302),
        ({f"{SOURCE}manifest": b'{"output":[{"url":"http://169.254.169.254/latest"}]}'}, 200),
        ({f"{SOURCE}manifest": b'{"output":[{"url":"%smissing"}]}' % SOURCE.encode()}, 200),
    ],
)
def test_a_source_that_can_not_be_read_fails_the_import(
    served: Hospital, files: dict[str, bytes], status: int
) -> None:
    token = backend(served, ALL)
    begun = begin(served, token, {"name": "manifestUrl", "valueUrl": f"{SOURCE}manifest"})
    work(served, transport=answering(files, status))
    answer = served.http.get(begun.headers["content-location"], headers=token)
    assert answer.status_code == 500
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "FB-BULK-004"


@pytest.mark.parametrize(
    "url",
    [
        "http://exports.example/fhir/x",
        "https://exports.example/other/x",
        "https://exports.example.evil.example/fhir/x",
        "https://exports.example/fhir/../admin",
        "https://exports.example/fhir/%2e%2e/admin",
        "https://user@exports.example/fhir/x",
        "file:///etc/passwd",
        "http://127.0.0.1:5432/",
        "Patient/anna",
        "",
    ],
)
def test_other_addresses_are_refused(served: Hospital, url: str) -> None:
    token = backend(served, ALL)
    part = {"name": "input", "part": [{"name": "url", "valueUrl": url}]}
    assert begin(served, token, part).status_code == 400
    assert begin(served, token, {"name": "manifestUrl", "valueUrl": url}).status_code == 400


def test_a_name_that_leads_to_this_machine_is_not_asked(
    served: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.services.settings, "import_sources", "http://localhost:9/")
    token = backend(served, ALL)
    begun = begin(served, token, {"name": "manifestUrl", "valueUrl": "http://localhost:9/manifest"})
    assert begun.status_code == 202
    work(served)
    answer = served.http.get(begun.headers["content-location"], headers=token)
    assert answer.status_code == 500
    assert "private address" in answer.text


def test_a_file_that_the_caller_may_not_read_is_not_imported(served: Hospital) -> None:
    owner, other = backend(served, ALL), backend(served, "system/Patient.cruds")
    part = upload(served, owner, ndjson(patient("stolen", "Stolen")), "private")
    begun = begin(served, other, part)
    assert begun.status_code == 202
    work(served)
    assert served.http.get(begun.headers["content-location"], headers=other).status_code == 500


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda body: body | {"inputFormat": "text/csv"}, 400),
        (lambda body: body | {"input": []}, 400),
        (lambda body: body | {"input": [{"type": "Nothing", "url": "Binary/x"}]}, 400),
        (lambda body: body | {"input": [{"type": {}, "url": "Binary/x"}]}, 400),
        (lambda body: body | {"input": [{"type": "Patient"}]}, 400),
        (lambda body: body | {"input": "Binary/x"}, 400),
    ],
)
def test_what_is_wrong_is_refused(
    served: Hospital, change: Callable[[dict[str, Any]], dict[str, Any]], status: int
) -> None:
    token = backend(served, ALL)
    body = change({"input": [{"type": "Patient", "url": "Binary/x"}]})
    answer = served.http.post("/fhir/$import", json=body, headers={**ASYNC, **token})
    assert answer.status_code == status
    assert served.http.get("/fhir/$import", headers={**ASYNC, **token}).status_code == 405
    reader = backend(served, "system/*.rs")
    assert served.http.post("/fhir/$import", json=body, headers={**ASYNC, **reader}).status_code == 403


def test_writes_of_an_import_leave_audit_events(served: Hospital) -> None:
    token = backend(served, ALL)
    imported(served, token, ndjson(patient("audited", "Audited")), "audited")
    events = served.http.get("/fhir/AuditEvent?patient=Patient/audited", headers=token).json()
    assert [entry["resource"]["subtype"][0]["code"] for entry in events["entry"]] == ["create"]
