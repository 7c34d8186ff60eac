"""References by canonical: searched, chained through, and brought along, by URL and version, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import FHIR, Hospital

URL = "http://example.org/Questionnaire/q"
OTHER = "http://example.org/Questionnaire/q2"
QUESTIONNAIRES = {"q1": (URL, "1.0"), "q3": (URL, "3.0"), "q-other": (OTHER, None)}
RESPONSES = {
    "r1": f"{URL}|1.0",
    "r2": f"{URL}|2.0",  # which is not stored
    "r3": URL,
    "r3-0": f"{URL}|3.0",
    "r-other": OTHER,
    "r-other-1": f"{OTHER}|1.0",  # what is stored has no version
}


@pytest.fixture(scope="module")
def headers(hospital: Hospital) -> dict[str, str]:
    headers = hospital.token("user/*.cruds")
    for identity, (url, version) in QUESTIONNAIRES.items():
        body = {"resourceType": "Questionnaire", "id": identity, "status": "active", "url": url}
        put(hospital, body if version is None else {**body, "version": version}, headers)
    for identity, canonical in RESPONSES.items():
        put(hospital, response(identity, canonical), headers)
    # Its address is no name of the resource: a canonical that is the same text does not lead to it.
    put(hospital, {"resourceType": "Device", "id": "d", "url": URL}, headers)
    return headers


def response(identity: str, canonical: str) -> dict[str, Any]:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": identity,
        "status": "amended" if identity == "r2" else "completed",
        "questionnaire": canonical,
        "subject": {"reference": "Patient/anna"},
    }


def put(hospital: Hospital, body: dict[str, Any], headers: dict[str, str]) -> None:
    answer = hospital.http.put(f"/fhir/{body['resourceType']}/{body['id']}", json=body, headers=headers)
    assert answer.status_code in (200, 201), answer.text


def found(hospital: Hospital, query: str, headers: dict[str, str]) -> tuple[set[str], set[str]]:
    """Ids of the matches, and of what comes along."""
    answer = hospital.http.get(f"/fhir/{query}&_count=100", headers=headers)
    assert answer.status_code == 200, answer.text
    entries = answer.json().get("entry", [])
    matches, along = (
        {
            entry["fullUrl"].removeprefix(f"{FHIR}/").partition("/")[2]
            for entry in entries
            if entry["search"]["mode"] == mode
        }
        for mode in ("match", "include")
    )
    return matches, along


MATCHES = {
    # Without a version any is meant; with one, that alone.
    f"QuestionnaireResponse?questionnaire={URL}": "r1 r2 r3 r3-0",
    f"QuestionnaireResponse?questionnaire={URL}|1.0": "r1",
    f"QuestionnaireResponse?questionnaire={URL}|2.0,{OTHER}": "r2 r-other r-other-1",
    f"QuestionnaireResponse?questionnaire={URL}|": "",
    f"QuestionnaireResponse?questionnaire:below={URL}|1": "r1",
    f"QuestionnaireResponse?_filter=questionnaire eq {URL}": "r1 r2 r3 r3-0",
    # A chain leads to the version that is named, or to any.
    "QuestionnaireResponse?questionnaire.version=1.0": "r1 r3",
    "QuestionnaireResponse?questionnaire.version=3.0": "r3 r3-0",
    "QuestionnaireResponse?questionnaire._id=q-other": "r-other",
    f"QuestionnaireResponse?questionnaire.url={URL}": "r1 r3 r3-0",
    "QuestionnaireResponse?questionnaire:Questionnaire.status=active": "r1 r3 r3-0 r-other",
    "Patient?_has:QuestionnaireResponse:subject:questionnaire.version=1.0": "anna",
    # And the other way about.
    "Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=r1": "q1",
    "Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=r2": "",
    "Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=r3": "q1 q3",
    "Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=r-other-1": "",
    "Questionnaire?_has:QuestionnaireResponse:questionnaire:status=amended": "",
    "Questionnaire?_has:QuestionnaireResponse:questionnaire:patient.family=alpha": "q1 q3 q-other",
}


@pytest.mark.parametrize("query", MATCHES)
def test_a_canonical_means_its_version_or_any(
    hospital: Hospital, headers: dict[str, str], query: str
) -> None:
    assert found(hospital, query, headers)[0] == set(MATCHES[query].split())


ALONG = {
    "QuestionnaireResponse?_id=r1,r2&_include=QuestionnaireResponse:questionnaire": "q1",
    "QuestionnaireResponse?_id=r3&_include=QuestionnaireResponse:questionnaire": "q1 q3",
    "QuestionnaireResponse?_id=r2&_include=QuestionnaireResponse:questionnaire": "",
    "QuestionnaireResponse?_id=r1&_include=QuestionnaireResponse:questionnaire:Questionnaire": "q1",
    "QuestionnaireResponse?_id=r3-0&_include=*": "q3 anna",
    "QuestionnaireResponse?_id=r3-0&_include=QuestionnaireResponse:*:Patient": "anna",
    "Questionnaire?_id=q1&_revinclude=QuestionnaireResponse:questionnaire": "r1 r3",
    "Questionnaire?_id=q1,q-other&_revinclude=QuestionnaireResponse:*": "r1 r3 r-other",
    "Questionnaire?_id=q1&_revinclude=QuestionnaireResponse:questionnaire"
    "&_include:iterate=QuestionnaireResponse:questionnaire": "r1 r3 q3",
    "Patient?_id=anna&_revinclude=QuestionnaireResponse:questionnaire": None,
}


@pytest.mark.parametrize("query", ALONG)
def test_what_a_canonical_names_comes_along(hospital: Hospital, headers: dict[str, str], query: str) -> None:
    expected = ALONG[query]
    if expected is None:
        assert hospital.http.get(f"/fhir/{query}", headers=headers).status_code == 400
    else:
        assert found(hospital, query, headers)[1] == set(expected.split())


def test_a_canonical_leads_only_to_what_the_caller_may_find(
    hospital: Hospital, headers: dict[str, str]
) -> None:
    only = hospital.token("user/QuestionnaireResponse.rs")
    by_include = "QuestionnaireResponse?_id=r1&_include=QuestionnaireResponse:questionnaire"
    assert found(hospital, by_include, only) == ({"r1"}, set())
    assert found(hospital, "QuestionnaireResponse?questionnaire.version=1.0", only) == (set(), set())
    questions = hospital.token("user/Questionnaire.rs")
    by_revinclude = "Questionnaire?_id=q1&_revinclude=QuestionnaireResponse:questionnaire"
    assert found(hospital, by_revinclude, questions) == ({"q1"}, set())
    has = "Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=r1"
    assert found(hospital, has, questions) == (set(), set())


def test_a_version_that_is_new_or_gone_counts_at_once(hospital: Hospital, headers: dict[str, str]) -> None:
    body = {"resourceType": "Questionnaire", "id": "q2", "status": "draft", "url": URL, "version": "2.0"}
    query = "QuestionnaireResponse?questionnaire.version=2.0"
    put(hospital, body, headers)
    assert found(hospital, query, headers)[0] == {"r2", "r3"}
    put(hospital, {**body, "version": "2.1"}, headers)
    assert found(hospital, query, headers)[0] == set()
    put(hospital, body, headers)
    assert found(hospital, query, headers)[0] == {"r2", "r3"}
    assert hospital.http.delete("/fhir/Questionnaire/q2", headers=headers).status_code in (200, 204)
    assert found(hospital, query, headers)[0] == set()
    assert found(hospital, "QuestionnaireResponse?questionnaire.status=draft", headers)[0] == set()
