"""Bodies that try to break the server: JSON, sizes, Bundles."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from tests.server.conftest import FHIR, Hospital, observation


@pytest.fixture(scope="module")
def clinician(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds") | {"Content-Type": "application/fhir+json"}


def deep(levels: int) -> str:
    return '{"resourceType":"Patient","extension":' + "[" * levels + "]" * levels + "}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"Patient"',
        b'{"resourceType":"Patient","gender":"male","gender":"female"}',
        b'{"resourceType":"Patient","multipleBirthInteger":NaN}',
        b'{"resourceType":"Patient","multipleBirthInteger":1e400}',
        b'{"resourceType":"Patient","multipleBirthInteger":' + b"9" * 5000 + b"}",
        b'{"resourceType":"Patient","multipleBirthInteger":' + b"9" * 200 + b"}",
        b'{"resourceType":"Patient","id":"\xff"}',
        b'{"resourceType":"Patient","name":[{"family":"\\ud800"}]}',
        b'{"resourceType":"Patient","name":[{"family":"a\\u0000b"}]}',
        b'{"resourceType":"Patient","na\\u0000me":1}',
        deep(201).encode(),
        deep(10_000).encode(),
        deep(100_000).encode(),
    ],
    ids=lambda body: body[:50].decode("latin-1"),
)
def test_what_is_not_fhir_json_is_refused(hospital: Hospital, clinician: dict[str, str], body: bytes) -> None:
    response = hospital.http.post("/fhir/Patient", content=body, headers=clinician)
    assert response.status_code == 400, response.text
    assert response.json()["issue"][0]["code"] in ("structure", "invalid")


@pytest.mark.parametrize(
    ("body", "reported"),
    [
        (b'{"resourceType":"Patient","gender":"male","gender":"female"}', 'the key "gender" occurs twice'),
        (b'{"resourceType":"Patient","multipleBirthInteger":NaN}', "NaN is no number"),
        (b'{"resourceType":"Patient","name":[{"family":"\\ud800"}]}', "half a surrogate pair"),
        (b'{"resourceType":"Patient","name":[{"family":"a\\u001b"}]}', "the character U+001B"),
        (b'{"resourceType":"Patient","name":[{"family":"a\\b"}]}', "the character U+0008"),
        ('{"resourceType":"Patient","name":[{"family":"a\uffff"}]}'.encode(), "the character U+FFFF"),
        (b'{"resourceType":"Patient","multipleBirthInteger":' + b"9" * 5000 + b"}", "too many digits"),
    ],
)
def test_the_refusal_says_what_is_wrong(
    hospital: Hospital, clinician: dict[str, str], body: bytes, reported: str
) -> None:
    response = hospital.http.post("/fhir/Patient", content=body, headers=clinician)
    assert reported in response.json()["issue"][0]["details"]["text"]


def test_a_million_keys_are_refused_in_bounded_time(hospital: Hospital, clinician: dict[str, str]) -> None:
    body = json.dumps({"resourceType": "Patient"} | {f"k{number}": 1 for number in range(200_000)})
    response = hospital.http.post("/fhir/Patient", content=body, headers=clinician)
    assert response.status_code == 422
    assert len(response.content) < 100_000_000


def test_foreign_prototypes_are_only_unknown_elements(hospital: Hospital, clinician: dict[str, str]) -> None:
    body = '{"resourceType":"Patient","__proto__":{"admin":true},"constructor":{}}'
    assert hospital.http.post("/fhir/Patient", content=body, headers=clinician).status_code == 422


def test_compressed_and_oversized_bodies_are_refused(hospital: Hospital, clinician: dict[str, str]) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    post = hospital.http.post
    assert (
        post("/fhir/Patient", content=bomb, headers=clinician | {"Content-Encoding": "gzip"}).status_code
        == 415
    )
    large = b'{"resourceType":"Binary","contentType":"x/y","data":"' + b"A" * 17_000_000 + b'"}'
    refused = post("/fhir/Binary", content=large, headers=clinician)
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (413, "too-long")

    async def endless() -> Any:
        for _ in range(400):
            yield b" " * 65_536

    assert post("/fhir/Patient", content=endless(), headers=clinician).status_code == 413


def bundle(*entries: dict[str, Any], kind: str = "transaction") -> str:
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": list(entries)})


def entry(
    method: str = "POST", url: str = "Observation", resource: Any = None, **more: Any
) -> dict[str, Any]:
    result: dict[str, Any] = {"request": {"method": method, "url": url}, **more}
    if resource is not None:
        result["resource"] = resource
    return result


LAB = observation("b-lab", "anna")


@pytest.mark.parametrize(
    "body",
    [
        bundle(kind="collection"),
        '{"resourceType":"Bundle","type":"transaction","entry":{}}',
        '{"resourceType":"Bundle","type":"transaction","entry":[1]}',
        bundle({"resource": LAB}),
        bundle(entry("TRACE", "Observation/x")),
        bundle(entry("PATCH", "Observation/x", LAB)),
        bundle(entry("GET", "https://evil.example/fhir/Observation/x")),
        bundle(entry("GET", "//evil.example/Observation/x")),
        bundle(entry("GET", "../oauth/token")),
        bundle(entry("GET", "Patient/$export")),
        bundle(entry("GET", "$export")),
        bundle(entry("POST", "", LAB)),
        bundle(entry("POST", "Observation/x", LAB)),
        bundle(entry("POST", "Observation")),
        bundle(entry("PUT", "Observation", LAB)),
        bundle(entry("PUT", "Observation/other", LAB)),
        bundle(entry("PUT", "Patient/b-lab", LAB)),
        bundle(entry("DELETE", "Observation")),
        bundle(entry(resource=LAB, fullUrl="urn:uuid:1"), entry(resource=LAB, fullUrl="urn:uuid:1")),
    ],
    ids=lambda body: body[40:110],
)
def test_a_bundle_that_smuggles_is_refused(hospital: Hospital, clinician: dict[str, str], body: str) -> None:
    response = hospital.http.post("/fhir", content=body, headers=clinician)
    assert response.status_code == 400, response.text
    assert hospital.http.get("/fhir/Observation/b-lab", headers=clinician).status_code == 404


def test_a_bundle_inside_a_bundle_is_only_a_resource(hospital: Hospital, clinician: dict[str, str]) -> None:
    inner = json.loads(bundle(entry("DELETE", "Patient/anna"), kind="batch"))
    response = hospital.http.post(
        "/fhir", content=bundle(entry("POST", "Bundle", inner), kind="batch"), headers=clinician
    )
    assert response.status_code == 200
    assert hospital.http.get("/fhir/Patient/anna", headers=clinician).status_code == 200


def test_too_many_entries_are_refused(hospital: Hospital, clinician: dict[str, str]) -> None:
    body = bundle(*[entry("GET", "Patient/anna")] * 5001, kind="batch")
    assert hospital.http.post("/fhir", content=body, headers=clinician).status_code == 413


def test_an_invalid_entry_fails_a_transaction_whole_and_a_batch_alone(
    hospital: Hospital, clinician: dict[str, str]
) -> None:
    bad = {"resourceType": "Observation", "status": "nonsense"}
    entries = [
        entry("PUT", "Observation/mixed", observation("mixed", "anna")),
        entry("POST", "Observation", bad),
    ]
    whole = hospital.http.post("/fhir", content=bundle(*entries), headers=clinician)
    assert whole.status_code == 422
    assert "Bundle.entry[1]" in whole.text
    assert hospital.http.get("/fhir/Observation/mixed", headers=clinician).status_code == 404
    apart = hospital.http.post("/fhir", content=bundle(*entries, kind="batch"), headers=clinician).json()
    assert [item["response"]["status"][:3] for item in apart["entry"]] == ["201", "422"]
    assert apart["entry"][1]["response"]["outcome"]["issue"]
    assert hospital.http.get("/fhir/Observation/mixed", headers=clinician).status_code == 200


def test_a_transaction_resolves_references_between_its_entries(
    hospital: Hospital, clinician: dict[str, str]
) -> None:
    person = {"resourceType": "Patient", "name": [{"family": "Together"}]}
    lab = observation("x", "anna") | {
        "subject": {"reference": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"}
    }
    del lab["id"]
    body = bundle(
        entry("POST", "Patient", person, fullUrl="urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"),
        entry("POST", "Observation", lab, fullUrl="urn:uuid:88f151c0-a954-468a-88bd-5ae15c08e059"),
    )
    response = hospital.http.post("/fhir", content=body, headers=clinician)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["type"] == "transaction-response"
    places = [item["response"]["location"] for item in answer["entry"]]
    assert all(item["response"]["status"].startswith("201") for item in answer["entry"])
    made = places[0].removeprefix(FHIR + "/").split("/_history")[0]
    stored = places[1].removeprefix(FHIR + "/").split("/_history")[0]
    read = hospital.http.get(f"/fhir/{stored}", headers=clinician).json()
    assert read["subject"]["reference"] == made
