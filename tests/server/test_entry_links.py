"""Entries of a transaction name each other by fullUrl: links lead to what was stored, and nothing else changes."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.server.conftest import BASE, Hospital, observation, patient

ANNA, RESULT, PICTURE = (f"urn:uuid:0a000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


@pytest.fixture(scope="module")
def token(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds")


def person(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"family": "Sent"}]} | more


def result(subject: str, **more: Any) -> dict[str, Any]:
    content = observation("x", "x")
    del content["id"]
    return content | {"subject": {"reference": subject}} | more


def narrative(content: str) -> dict[str, str]:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{content}</div>'}


def send(hospital: Hospital, token: dict[str, str], *resources: tuple[str, dict[str, Any]]) -> httpx.Response:
    """A transaction that creates each, under this fullUrl."""
    entries = [
        {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}
        for url, resource in resources
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return hospital.http.post("/fhir", json=bundle, headers=token)


def stored(
    hospital: Hospital, token: dict[str, str], *resources: tuple[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    """What each became."""
    answer = send(hospital, token, *resources)
    assert answer.status_code == 200, answer.text
    fhir = token | {"Accept": "application/fhir+json"}
    urls = [entry["response"]["location"].partition("/_history")[0] for entry in answer.json()["entry"]]
    return [hospital.http.get(url.removeprefix(BASE), headers=fhir).json() for url in urls]


def test_links_of_narratives_lead_to_the_entries(hospital: Hospital, token: dict[str, str]) -> None:
    content = f'<a href="{RESULT}">result</a> <a title=\'x\' href = \'{ANNA}\'>me</a> <img src="{PICTURE}" alt="x"/>'
    binary = {"resourceType": "Binary", "contentType": "image/png", "data": "aGVsbG8="}
    anna, lab, picture = stored(
        hospital, token, (ANNA, person(text=narrative(content))), (RESULT, result(ANNA)), (PICTURE, binary)
    )
    for resource in (anna, lab, picture):
        assert f"{resource['resourceType']}/{resource['id']}" in anna["text"]["div"]
    assert "urn:" not in anna["text"]["div"]
    assert anna["text"]["div"].count("<") == content.count("<") + 2


def test_a_narrative_that_links_to_no_entry_is_refused(hospital: Hospital, token: dict[str, str]) -> None:
    answer = send(hospital, token, (ANNA, person(text=narrative(f'<a href="{RESULT}">x</a>'))))
    assert answer.status_code == 422
    assert "not a safe link" in answer.text


def test_an_identifier_that_is_the_uuid_of_an_entry_stays(hospital: Hospital, token: dict[str, str]) -> None:
    named = [{"system": "urn:ietf:rfc:3986", "value": ANNA}]
    system = {"system": RESULT, "code": "a"}
    extensions = [
        {"url": "https://example.org/link", "valueUri": RESULT},
        {"url": "https://example.org/link", "valueCanonical": RESULT},
        {"url": "https://example.org/link", "valueString": RESULT},
    ]
    anna, lab = stored(
        hospital,
        token,
        (ANNA, person(identifier=named, maritalStatus={"coding": [system]}, extension=extensions)),
        (RESULT, result(ANNA, note=[{"text": ANNA}])),
    )
    assert anna["identifier"] == named
    assert anna["maritalStatus"] == {"coding": [system]}
    assert [list(extension.values())[1] for extension in anna["extension"]] == [
        f"Observation/{lab['id']}",
        RESULT,
        RESULT,
    ]
    assert lab["note"] == [{"text": ANNA}]


def test_a_relative_reference_is_of_the_server_of_its_entry(
    hospital: Hospital, token: dict[str, str]
) -> None:
    """A Patient/anna that comes from elsewhere is not the anna who is here."""
    there = "https://elsewhere.example/fhir"
    other, lab = stored(
        hospital,
        token,
        (f"{there}/Patient/anna", person()),
        (f"{there}/Observation/7", result("Patient/anna", text=narrative('<a href="Patient/anna">x</a>'))),
    )
    assert other["id"] != "anna"
    assert lab["subject"] == {"reference": f"Patient/{other['id']}"}
    assert f'href="Patient/{other["id"]}"' in lab["text"]["div"]
    # One that does not come with it, and what has no address there, is here.
    (alone,) = stored(hospital, token, (f"{there}/Observation/7", result("Patient/bert")))
    assert alone["subject"] == {"reference": "Patient/bert"}


def test_a_bundle_that_is_stored_keeps_its_own_names(hospital: Hospital, token: dict[str, str]) -> None:
    inner = [
        {"fullUrl": ANNA, "resource": patient("a", "Inner")},
        {"fullUrl": PICTURE, "resource": result(ANNA)},
    ]
    (kept,) = stored(
        hospital, token, (RESULT, {"resourceType": "Bundle", "type": "collection", "entry": inner})
    )
    assert kept["entry"] == inner
