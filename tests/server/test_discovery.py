"""Discovery documents and the CapabilityStatement tell the truth."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from fhir_bridge.fhir.validation import get_validator
from tests.server.conftest import BASE, FHIR, Hospital


def test_smart_configuration_is_json_whatever_is_asked_for(hospital: Hospital) -> None:
    for accept in ("application/json", "text/html"):
        response = hospital.http.get(
            "/fhir/.well-known/smart-configuration", headers={"Accept": accept, "Origin": "https://x.example"}
        )
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("application/json")
        assert response.headers["access-control-allow-origin"] == "*"
    document = response.json()
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert {"RS384", "ES384"} <= set(document["token_endpoint_auth_signing_alg_values_supported"])
    assert "private_key_jwt" in document["token_endpoint_auth_methods_supported"]
    assert {"authorization_code", "client_credentials"} <= set(document["grant_types_supported"])
    assert document["issuer"] == BASE
    for name, value in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert urlsplit(value).netloc, name
            assert not urlsplit(value).query


def test_every_endpoint_that_is_named_answers(hospital: Hospital) -> None:
    document = hospital.http.get("/fhir/.well-known/smart-configuration").json()
    for name, value in document.items():
        if name.endswith("_endpoint"):
            method = "GET" if name.startswith("authorization") else "POST"
            assert hospital.http.request(method, value).status_code in (400, 401, 415), name
    assert hospital.http.get(document["jwks_uri"]).status_code == 200


def test_openid_configuration(hospital: Hospital) -> None:
    document = hospital.http.get("/.well-known/openid-configuration").json()
    assert document["issuer"] == BASE
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    assert document["response_types_supported"] == ["code"]
    assert document["subject_types_supported"]


@pytest.fixture(scope="module")
def rest(hospital: Hospital) -> dict[str, object]:
    response = hospital.http.get("/fhir/metadata", headers={"Origin": "https://any.example"})
    assert response.headers["access-control-allow-origin"] == "*"
    statement = response.json()
    assert [issue for issue in get_validator().validate(statement) if issue.severity == "error"] == []
    assert statement["fhirVersion"] == "4.0.1"
    assert statement["implementation"]["url"] == FHIR
    rest: dict[str, object] = statement["rest"][0]
    return rest


class TestCapabilityStatement:
    def test_it_is_open_and_names_the_oauth_addresses(self, rest: dict[str, object]) -> None:
        extension = rest["security"]["extension"][0]["extension"]  # type: ignore[index]
        assert {part["url"] for part in extension} >= {"authorize", "token"}

    def test_every_search_parameter_it_claims_is_taken(
        self, hospital: Hospital, rest: dict[str, object]
    ) -> None:
        headers = hospital.token("user/*.rs") | {"Prefer": "handling=strict"}
        values = {
            "token": "x", "string": "x", "date": "2026-01-01", "quantity": "1", "number": "1",
            "reference": "Patient/x", "uri": "urn:x",
        }  # fmt: skip
        tried = 0
        for resource in rest["resource"]:  # type: ignore[attr-defined]
            if resource["type"] not in (
                "Patient",
                "Observation",
                "ImagingStudy",
                "DiagnosticReport",
                "Condition",
            ):
                continue
            for parameter in resource["searchParam"]:
                value = values.get(parameter["type"])
                if value is None:
                    continue
                path = f"/fhir/{resource['type']}?{parameter['name']}={value}"
                assert hospital.http.get(path, headers=headers).status_code == 200, path
                tried += 1
        assert tried > 50

    def test_every_interaction_it_claims_is_served(self, hospital: Hospital, rest: dict[str, object]) -> None:
        headers = hospital.token("user/*.cruds")
        requests = {
            "read": ("GET", "Patient/anna"),
            "vread": ("GET", "Patient/anna/_history/1"),
            "update": ("PUT", "Patient/anna"),
            "patch": ("PATCH", "Patient/anna"),
            "delete": ("DELETE", "Patient/nobody"),
            "history-instance": ("GET", "Patient/anna/_history"),
            "history-type": ("GET", "Patient/_history"),
            "create": ("POST", "Patient"),
            "search-type": ("GET", "Patient"),
        }
        by_type = {resource["type"]: resource for resource in rest["resource"]}  # type: ignore[attr-defined]
        claimed = {interaction["code"] for interaction in by_type["Patient"]["interaction"]}
        assert claimed == set(requests)
        assert by_type["Patient"]["conditionalDelete"] == "single"
        assert hospital.http.delete("/fhir/Patient?_id=nobody", headers=headers).status_code == 204
        for method, path in requests.values():
            assert hospital.http.request(method, f"/fhir/{path}", headers=headers).status_code != 405
        assert {interaction["code"] for interaction in by_type["AuditEvent"]["interaction"]} == {
            "read", "vread", "history-instance", "history-type", "search-type",
        }  # fmt: skip
        assert {operation["name"] for operation in by_type["Patient"]["operation"]} == {
            "find-study-metadata", "find-subject-dx-implications", "find-subject-haplotypes",
            "find-subject-molecular-consequences", "find-subject-specific-haplotypes",
            "find-subject-specific-variants", "find-subject-structural-intersecting-variants",
            "find-subject-structural-subsuming-variants", "find-subject-tx-implications", "find-subject-variants",
            "pin-variants",
            "everything", "export", "expunge", "match", "meta", "meta-add", "meta-delete", "summary", "validate",
        }  # fmt: skip
        assert {operation["name"] for operation in by_type["AuditEvent"]["operation"]} == {"meta", "validate"}


def test_nothing_of_the_inside_is_shown(hospital: Hospital) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/metrics", "/.git/config"):
        assert hospital.http.get(path).status_code == 404
    assert "server" not in hospital.http.get("/fhir/metadata").headers
