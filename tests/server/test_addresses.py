"""Addresses at their edges: the base itself, odd characters, methods, formats."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from fhir_bridge.server.rest.call import query_of
from fhir_bridge.server.rest.refusal import Refusal
from tests.server.conftest import FHIR, Hospital

EMPTY_BATCH = {"resourceType": "Bundle", "type": "batch"}


@pytest.fixture(scope="module")
def clara(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds", patient=None)


@pytest.mark.parametrize("base", ["/fhir", "/fhir/"])
def test_the_base_is_served_with_and_without_a_slash(
    hospital: Hospital, clara: dict[str, str], base: str
) -> None:
    answer = hospital.http.post(base, json=EMPTY_BATCH, headers=clara, follow_redirects=False)
    assert answer.status_code == 200
    assert answer.json() == {"resourceType": "Bundle", "type": "batch-response"}
    assert hospital.http.post(base, json=EMPTY_BATCH, follow_redirects=False).status_code == 401


@pytest.mark.parametrize("path", ["/fhir", "/login/", "/oauth/token/", "/sample-app"])
def test_no_redirect_is_made_of_the_host_header(hospital: Hospital, path: str) -> None:
    answer = hospital.http.get(path, headers={"Host": "evil.example"}, follow_redirects=False)
    assert "evil.example" not in answer.headers.get("location", "")


@pytest.mark.parametrize("path", ["/fhir/Patient/a%0d%0aX:y", "/fhir/Patient/..%2f..%2fetc", "/fhir/%0a"])
def test_odd_characters_get_an_outcome_too(hospital: Hospital, clara: dict[str, str], path: str) -> None:
    answer = hospital.http.get(path, headers=clara)
    assert answer.status_code == 404
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/Patient%2Fanna",
        "/fhir/Patient%2fanna",
        "/fhir%2FPatient/anna",
        "/fhir/Patient/anna%2F_history",
        "/fhir/Patient/anna/_history%2F1",
        "/fhir//Patient/anna",
        "/fhir/Patient//anna",
        "/fhir/Patient/anna//",
        "/fhir/./Patient/anna",
        "/fhir/Patient/./anna",
        "/fhir/Patient/../Patient/anna",
        "/fhir/Patient/%2e%2e/Patient/anna",
        "/fhir/Patient/%2e",
        "/fhir/Patient/anna%00",
        "/fhir/Patient/anna;v=1",
        "/fhir/Patient;v=1/anna",
        "/fhir/Patient/anna%5C",
        "/fhir/patient/anna",
        "/oauth%2Ftoken",
        "/login%00",
    ],
)
def test_no_other_spelling_reaches_a_resource(hospital: Hospital, clara: dict[str, str], path: str) -> None:
    answer = hospital.raw_get(path, clara)
    assert answer.status_code == 404, answer.text
    assert "Alpha" not in answer.text


@pytest.mark.parametrize(
    "path", ["/fhir/Patient/%c0%ae%c0%ae", "/fhir/%ff", "/fhir/Patient/anna%c0%af_history"]
)
def test_an_address_that_is_not_utf_8_is_refused(
    hospital: Hospital, clara: dict[str, str], path: str
) -> None:
    answer = hospital.raw_get(path, clara)
    assert answer.status_code == 400
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("TRACE", "/fhir/Patient", "DELETE, GET, HEAD, PATCH, POST, PUT"),
        ("POST", "/fhir/Patient/anna", "DELETE, GET, HEAD, PATCH, PUT"),
        ("PUT", "/fhir", "GET, HEAD, POST"),
        ("GET", "/fhir/_search", "POST"),
        ("GET", "/fhir/Patient/_search", "POST"),
        ("POST", "/fhir/Patient/anna/_history", "GET, HEAD"),
        ("DELETE", "/fhir/Patient/anna/_history/1", "GET, HEAD"),
        ("POST", "/fhir/metadata", "GET, HEAD"),
        ("PUT", "/fhir/AuditEvent/x", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    hospital: Hospital, clara: dict[str, str], method: str, path: str, allow: str
) -> None:
    answer = hospital.http.request(method, path, headers=clara)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_a_query_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(Refusal) as refused:
        query_of(Request({"type": "http", "query_string": b"name=M\xfcller"}))
    assert refused.value.status == 400
    assert query_of(Request({"type": "http", "query_string": "name=Müller".encode()})) == "name=Müller"


@pytest.mark.parametrize("method", ["LINK", "TRACE", "PROPFIND"])
def test_a_method_that_is_not_served_is_told_which_are(
    hospital: Hospital, clara: dict[str, str], method: str
) -> None:
    answer = hospital.http.request(method, "/fhir/Patient", headers=clara)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PATCH, POST, PUT"
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "path", ["/fhir/.well-known/smart-configuration", "/.well-known/openid-configuration", "/oauth/jwks"]
)
def test_discovery_answers_head(hospital: Hospital, path: str) -> None:
    assert hospital.http.head(path).status_code == 200


def test_browsers_find_no_icon_and_no_error(hospital: Hospital) -> None:
    assert hospital.http.get("/favicon.ico").status_code == 204


@pytest.mark.parametrize("count", ["%D9%A3", "1.5", "-1", "1e3", "9" * 13])
def test_a_count_that_is_no_number_is_refused(hospital: Hospital, clara: dict[str, str], count: str) -> None:
    assert hospital.http.get(f"/fhir/Patient?_count={count}", headers=clara).status_code == 400


def test_a_huge_count_gets_what_the_server_gives_at_most(hospital: Hospital, clara: dict[str, str]) -> None:
    answer = hospital.http.get("/fhir/Patient?_count=999999999999", headers=clara)
    assert answer.status_code == 200
    assert len(answer.json()["entry"]) == 2


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("", 200),
        ("*/*", 200),
        ("text/html", 406),
        ("text/html,*/*;q=0.8", 200),
        ("application/fhir+turtle", 406),
    ],
)
def test_the_header_accept(hospital: Hospital, clara: dict[str, str], accept: str, status: int) -> None:
    answer = hospital.http.get("/fhir/Patient/anna", headers={**clara, "Accept": accept})
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/fhir+json")


def test_a_number_of_thousands_of_digits_is_refused_in_plain_words(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    body = '{"resourceType":"Bundle","type":"batch","total":' + "9" * 5000 + "}"
    headers = {**clara, "Content-Type": "application/fhir+json"}
    answer = hospital.http.post("/fhir", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["details"]["text"] == "a number has too many digits"


def test_search_parameters_are_named_by_their_definitions_and_not_by_examples(hospital: Hospital) -> None:
    types = hospital.http.get("/fhir/metadata").json()["rest"][0]["resource"]
    named = {
        (item["type"], parameter["name"]): parameter["definition"]
        for item in types
        for parameter in item["searchParam"]
    }
    assert named["Patient", "_id"] == "http://hl7.org/fhir/SearchParameter/Resource-id"
    assert named["Condition", "subject"] == "http://hl7.org/fhir/SearchParameter/Condition-subject"
    assert [url for url in named.values() if "/example" in url] == []
    assert hospital.http.get("/fhir/metadata").json()["implementation"]["url"] == FHIR


def test_the_sample_application_is_not_served_unless_asked_for(hospital: Hospital) -> None:
    assert not hospital.services.settings.sample_app
    for path in ("/sample-app", "/sample-app/", "/sample-app/index.html", "/sample-app/app.js"):
        assert hospital.http.get(path).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        "subject={base}/Patient/anna",
        "patient={base}/Patient/anna",
        "subject:Patient={base}/Patient/anna",
        "subject=HTTP://127.0.0.1:8000/fhir/Patient/anna",
        "subject={base}/Patient/anna/_history/1",
        "subject=Patient/nobody,{base}/Patient/anna",
    ],
)
@pytest.mark.parametrize("way", ["get", "post", "batch"])
def test_a_search_by_this_servers_own_address_means_the_relative_reference(
    hospital: Hospital, clara: dict[str, str], query: str, way: str
) -> None:
    wanted = hospital.http.get("/fhir/Observation?subject=Patient/anna&_total=accurate", headers=clara).json()
    assert wanted["total"] > 0
    query = query.format(base=FHIR) + "&_total=accurate"
    if way == "get":
        found = hospital.http.get(f"/fhir/Observation?{query}", headers=clara).json()
    elif way == "post":
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        found = hospital.http.post("/fhir/Observation/_search", content=query, headers=clara | form).json()
    else:
        entry = {"request": {"method": "GET", "url": f"Observation?{query}"}}
        found = hospital.http.post("/fhir", json=EMPTY_BATCH | {"entry": [entry]}, headers=clara).json()
        found = found["entry"][0]["resource"]
    assert found["total"] == wanted["total"]


def test_a_condition_by_this_servers_own_address_matches_too(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    body = {
        "resourceType": "Basic",
        "code": {"text": "once"},
        "subject": {"reference": "Patient/anna"},
    }
    headers = clara | {"If-None-Exist": f"subject={FHIR}/Patient/anna"}
    assert hospital.http.post("/fhir/Basic", json=body, headers=headers).status_code == 201
    assert hospital.http.post("/fhir/Basic", json=body, headers=headers).status_code == 200


def test_a_canonical_below_this_servers_address_is_found_as_it_was_written(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    plan = f"{FHIR}/PlanDefinition/p"
    body = {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "Patient/anna"},
        "instantiatesCanonical": [plan],
    }
    made = hospital.http.post("/fhir/CarePlan", json=body, headers=clara)
    assert made.status_code == 201
    found = hospital.http.get(f"/fhir/CarePlan?instantiates-canonical={plan}", headers=clara).json()
    assert [entry["resource"]["id"] for entry in found.get("entry", [])] == [made.json()["id"]]


def test_the_same_path_at_another_server_means_nothing_here(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    for base in ("http://elsewhere.example/fhir", "http://127.0.0.1:8000/fhir2", f"{FHIR}/x"):
        found = hospital.http.get(
            f"/fhir/Observation?subject={base}/Patient/anna&_total=accurate", headers=clara
        )
        assert found.json()["total"] == 0
