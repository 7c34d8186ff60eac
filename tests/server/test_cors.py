"""Browsers of other origins: discovery for all, the rest for registered applications only."""

from __future__ import annotations

import pytest

from tests.server.conftest import Hospital

REGISTERED = "https://app.example"
ACAO = "access-control-allow-origin"


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "https://evil.test",
        "https://sub.app.example",
        "https://app.example.evil",
        "http://app.example",
    ],
)
def test_other_origins_read_nothing(hospital: Hospital, origin: str) -> None:
    headers = hospital.token("user/*.rs") | {"Origin": origin}
    assert ACAO not in hospital.http.get("/fhir/Patient/anna", headers=headers).headers
    assert ACAO not in hospital.http.post("/oauth/token", data={}, headers={"Origin": origin}).headers
    for path in ("/fhir/Patient/anna", "/oauth/token"):
        assert ACAO not in hospital.http.options(path, headers={"Origin": origin}).headers


def test_a_registered_origin_reads_without_credentials(hospital: Hospital) -> None:
    headers = hospital.token("user/*.rs") | {"Origin": REGISTERED}
    for response in (
        hospital.http.get("/fhir/Patient/anna", headers=headers),
        hospital.http.get("/fhir/Patient/no-such", headers=headers),
        hospital.http.post("/oauth/token", data={}, headers={"Origin": REGISTERED}),
        hospital.http.options(
            "/fhir/Patient/anna", headers={"Origin": REGISTERED, "Access-Control-Request-Method": "GET"}
        ),
        hospital.http.options("/oauth/token", headers={"Origin": REGISTERED}),
    ):
        assert response.headers[ACAO] == REGISTERED
        assert "access-control-allow-credentials" not in response.headers
        assert "Origin" in response.headers["vary"]


def test_a_preflight_asks_for_no_token(hospital: Hospital) -> None:
    response = hospital.http.options("/fhir/Patient/anna", headers={"Origin": REGISTERED})
    assert response.status_code == 204
    assert "Authorization" in response.headers["access-control-allow-headers"]


def test_the_sign_in_pages_are_for_one_origin(hospital: Hospital) -> None:
    for path in ("/login", "/oauth/authorize"):
        assert ACAO not in hospital.http.get(path, headers={"Origin": REGISTERED}).headers
