"""Bundles: full URLs, links, searches, documents and messages (R4 bundle.html, documents.html)."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir import Validator

BASE = "https://hospital.org/fhir"
Entry = dict[str, Any]
URN = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


def entry(kind: str, name: str, **content: Any) -> Entry:
    return {"fullUrl": f"{BASE}/{kind}/{name}", "resource": {"resourceType": kind, "id": name, **content}}


PATIENT = entry("Patient", "p", active=True)
OTHER = entry("Patient", "q", active=True)


def bundle(kind: str, *entries: Entry, **content: Any) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, **content, "entry": list(entries)}


def document(*others: Entry, **composition: Any) -> dict[str, Any]:
    head = {
        "status": "final",
        "type": {"text": "summary"},
        "date": "2021-05-04",
        "author": [{"display": "somebody"}],
        "title": "Summary",
        **composition,
    }
    identity = {
        "identifier": {"system": "https://hospital.org/ids", "value": "1"},
        "timestamp": "2021-05-04T10:00:00Z",
    }
    return bundle("document", entry("Composition", "c", **head), *others, **identity)


def found(validator: Validator, resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [(i.code, i.expression) for i in validator.validate(resource) if i.severity in ("error", "fatal")]


def without(source: Entry, *names: str) -> Entry:
    return {
        key: {k: v for k, v in value.items() if k not in names} if isinstance(value, dict) else value
        for key, value in source.items()
        if key not in names
    }


def test_a_collection_of_two_patients_is_right(validator: Validator) -> None:
    assert found(validator, bundle("collection", PATIENT, OTHER)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        without(PATIENT, "fullUrl"),
        without(PATIENT, "id"),
        {**PATIENT, "fullUrl": f"{BASE}/Patient/another"},
        {**PATIENT, "fullUrl": "Patient/p"},
    ],
)
def test_a_full_url_is_absolute_and_agrees_with_its_resource(validator: Validator, wrong: Entry) -> None:
    assert ("FB-FHIR-080", "Bundle.entry[0]") in found(validator, bundle("collection", wrong))


@pytest.mark.parametrize("url", [URN, "urn:oid:1.2.840.113619.1"])
def test_a_urn_needs_no_id(validator: Validator, url: str) -> None:
    assert found(validator, bundle("collection", {**without(PATIENT, "id"), "fullUrl": url})) == []


def test_a_full_url_that_is_no_server_s_agrees_by_its_id(validator: Validator) -> None:
    url = "https://registry.test/people/p"
    assert found(validator, bundle("collection", {**PATIENT, "fullUrl": url})) == []
    assert found(validator, bundle("collection", {**PATIENT, "fullUrl": url + "2"})) != []


def test_what_a_transaction_creates_has_no_full_url_yet(validator: Validator) -> None:
    request = {"request": {"method": "POST", "url": "Patient"}}
    assert found(validator, bundle("transaction", {**without(PATIENT, "fullUrl"), **request})) == []


@pytest.mark.parametrize(
    ("kind", "relations", "right"),
    [
        ("searchset", ["self", "next"], True),
        ("searchset", ["self", "self"], False),
        ("searchset", ["next", "next"], False),
        ("collection", ["self"], True),
        ("collection", ["next"], False),
        ("history", ["previous"], True),
        ("collection", ["about", "about"], True),
    ],
)
def test_links_to_pages_occur_once_and_in_searches_and_histories(
    validator: Validator, kind: str, relations: list[str], right: bool
) -> None:
    links = [{"relation": relation, "url": f"{BASE}/Patient?_page=1"} for relation in relations]
    codes = {code for code, _ in found(validator, bundle(kind, link=links))}
    assert ("FB-FHIR-083" not in codes) == right


@pytest.mark.parametrize(
    ("search", "change", "right"),
    [
        ({"mode": "match"}, {}, True),
        ({"mode": "outcome"}, {}, False),
        (
            {"mode": "include"},
            {"fullUrl": URN, "resource": {"resourceType": "Patient", "active": True}},
            False,
        ),
    ],
)
def test_found_resources_have_ids_and_outcomes_are_outcomes(
    validator: Validator, search: dict[str, Any], change: Entry, right: bool
) -> None:
    codes = [
        code for code, _ in found(validator, bundle("searchset", {**PATIENT, **change, "search": search}))
    ]
    assert (codes == []) == right


def test_matches_are_of_the_type_that_was_searched(validator: Validator) -> None:
    link = [{"relation": "self", "url": f"{BASE}/Observation?code=x"}]
    codes = found(validator, bundle("searchset", {**PATIENT, "search": {"mode": "match"}}, link=link))
    assert codes == [("FB-FHIR-080", "Bundle.entry[0].resource")]
    link = [{"relation": "self", "url": f"{BASE}?_type=Observation,Patient"}]
    assert found(validator, bundle("searchset", {**PATIENT, "search": {"mode": "match"}}, link=link)) == []


def test_a_document_holds_what_its_composition_refers_to(validator: Validator) -> None:
    assert found(validator, document(PATIENT, subject={"reference": "Patient/p"})) == []
    assert found(validator, document(PATIENT, subject={"reference": f"{BASE}/Patient/p"})) == []
    wrong = document(
        PATIENT, subject={"reference": "Patient/p"}, custodian={"reference": "Organization/gone"}
    )
    assert found(validator, wrong) == [("FB-FHIR-081", "Bundle.entry[0].resource.custodian.reference")]


def test_entries_of_sections_within_sections_are_looked_for(validator: Validator) -> None:
    inner = {"title": "b", "entry": [{"reference": "Observation/gone"}]}
    wrong = document(
        PATIENT, subject={"reference": "Patient/p"}, section=[{"title": "a", "section": [inner]}]
    )
    path = "Bundle.entry[0].resource.section[0].section[0].entry[0].reference"
    assert found(validator, wrong) == [("FB-FHIR-081", path)]


def test_every_entry_of_a_document_is_linked_with_the_composition(validator: Validator) -> None:
    about = entry("Basic", "b", code={"text": "x"}, subject={"reference": "Patient/p"})
    assert found(validator, document(PATIENT, about, subject={"reference": "Patient/p"})) == []
    wrong = document(PATIENT, OTHER, subject={"reference": "Patient/p"})
    assert found(validator, wrong) == [("FB-FHIR-082", "Bundle.entry[2]")]


def test_a_message_holds_what_its_header_focuses_on(validator: Validator) -> None:
    header = {"eventUri": "https://hospital.org/event", "source": {"endpoint": "https://hospital.org/app"}}
    focus = {"focus": [{"reference": "Patient/p"}, {"reference": "Patient/gone"}]}
    message = bundle("message", entry("MessageHeader", "m", **header, **focus), PATIENT)
    assert found(validator, message) == [("FB-FHIR-081", "Bundle.entry[0].resource.focus[1].reference")]


@pytest.mark.parametrize(
    "entries",
    [None, {}, [], [1], [{}], [{"fullUrl": 1}], [{"resource": []}], [{"resource": {"section": {}}}]],
)
@pytest.mark.parametrize("kind", ["document", "message", "searchset", "history", 5])
def test_no_shape_of_entries_breaks_the_checks(validator: Validator, kind: Any, entries: Any) -> None:
    assert found(validator, {"resourceType": "Bundle", "type": kind, "entry": entries, "link": entries})
