"""The OpenAPI document tells the truth: each method at each address of it is served."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import FHIR, Hospital

SAMPLE = ("Patient", "Observation", "AuditEvent", "ConceptMap")
"""Types whose addresses are all tried; they are made for each type alike."""


@pytest.fixture(scope="module")
def document(hospital: Hospital) -> dict[str, Any]:
    response = hospital.http.get("/fhir/openapi.json", headers={"Origin": "https://any.example"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"
    found: dict[str, Any] = response.json()
    return found


def references(node: Any) -> set[str]:
    """Every `$ref` in it."""
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_it_names_the_base_and_resolves(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": FHIR}]
    for reference in references(document):
        node: Any = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    identities = [
        operation["operationId"] for methods in document["paths"].values() for operation in methods.values()
    ]
    assert len(identities) == len(set(identities))


def test_every_claim_is_served(hospital: Hospital, document: dict[str, Any]) -> None:
    headers = hospital.token("user/*.cruds")
    tried = 0
    for path, methods in document["paths"].items():
        first = path.split("/")[1]
        if first[:1].isupper() and first not in SAMPLE and "$" not in path:
            continue
        address = path.replace("{id}", "nobody").replace("{version}", "1").replace("{type}", "Observation")
        for method in methods:
            body = {} if method in ("get", "delete") else {"content": b"{", "headers": {}}
            sent = {**headers, **body.pop("headers", {}), "Content-Type": "application/fhir+json"}
            response = hospital.http.request(method.upper(), f"/fhir{address}", headers=sent, **body)
            assert response.status_code not in (405, 501), (method, path)
            assert response.status_code < 500, (method, path)
            said = response.json()["issue"][0]["details"] if response.status_code == 404 else {}
            assert "there is nothing at this address" not in str(said), (method, path)
            assert "there is no operation" not in str(said), (method, path)
            tried += 1
    assert tried > 60


def test_every_operation_of_the_capability_statement_is_claimed(
    hospital: Hospital, document: dict[str, Any]
) -> None:
    (rest,) = hospital.http.get("/fhir/metadata").json()["rest"]
    listed = {("", operation["name"]) for operation in rest["operation"]}
    for resource in rest["resource"]:
        listed |= {(resource["type"], operation["name"]) for operation in resource.get("operation", ())}
    paths = [path.split("/") for path in document["paths"] if "$" in path]
    claimed = {(path[1] if path[1][:1].isupper() else "", path[-1].removeprefix("$")) for path in paths}
    assert {name for _, name in listed} >= {"convert-data", "find-subject-variants", "review", "withdraw"}
    assert {pair for pair in listed if pair not in claimed} == set()


def test_an_export_is_claimed_where_it_is_served(document: dict[str, Any]) -> None:
    places = {path for path in document["paths"] if path.endswith("/$export")}
    assert places == {"/$export", "/Patient/$export", "/Group/{id}/$export"}


def test_what_is_not_claimed_is_refused(hospital: Hospital, document: dict[str, Any]) -> None:
    headers = hospital.token("user/*.cruds")
    for name in SAMPLE:
        for path in (f"/{name}", f"/{name}/{{id}}", f"/{name}/{{id}}/_history/{{version}}"):
            address = path.replace("{id}", "nobody").replace("{version}", "1")
            for method in {"get", "post", "put", "patch", "delete"} - set(document["paths"][path]):
                response = hospital.http.request(method.upper(), f"/fhir{address}", headers=headers)
                assert response.status_code in (403, 405), (method, path)


def test_there_is_a_page_for_people(hospital: Hospital) -> None:
    response = hospital.http.get("/fhir/openapi.html")
    assert response.status_code == 200
    assert "/Patient/{id}/_history" in response.text
    assert "<script" not in response.text
