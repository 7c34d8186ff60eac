"""Settings, and a server without authorization."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from fhir_bridge.server import Settings, create_app
from tests.server.conftest import Hospital, Http, bare_plugins, furnish, observation, running


@pytest.mark.parametrize(
    "values",
    [
        {"auth": "none", "host": "0.0.0.0"},
        {"auth": "none", "host": "192.0.2.1"},
        {"auth": "none", "base_url": "https://fhir.example"},
        {"auth": "nobody"},
        {"base_url": "ftp://x"},
        {"base_url": "https://x/?a=b"},
        {"port": 70000},
        {"workers": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(values)


def test_the_base_is_made_of_the_settings() -> None:
    assert Settings(base_url="https://fhir.example/x/").fhir_base == "https://fhir.example/x/fhir"
    assert Settings(host="::1", port=9000).fhir_base == "http://[::1]:9000/fhir"
    assert Settings(base_url="https://fhir.example").secure


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FHIR_BRIDGE_PORT", "8123")
    assert Settings().port == 8123


def test_every_setting_is_documented(repository: Path) -> None:
    text = (repository / "docs" / "rest.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"FHIR_BRIDGE_{name.upper()}" in text, name
        assert field.description


@pytest.fixture(scope="module")
def open_server(database_url: str) -> Iterator[Hospital]:
    app = create_app(Settings(database_url=database_url, auth="none", pages=False), plugins=bare_plugins())
    with running(app) as http:
        hospital = Hospital(http)
        hospital.run(furnish, hospital.services)
        yield hospital


class TestWithoutAuthorization:
    def test_it_serves_this_machine_and_warns_with_every_answer(self, open_server: Hospital) -> None:
        response = open_server.http.get("/fhir/Patient/anna")
        assert response.status_code == 200
        assert "WITHOUT AUTHORIZATION" in response.headers["warning"]
        assert open_server.http.post("/fhir/Observation", json=observation("x", "anna")).status_code == 201

    def test_it_does_not_claim_smart(self, open_server: Hospital) -> None:
        assert open_server.http.get("/fhir/.well-known/smart-configuration").status_code == 404
        security = open_server.http.get("/fhir/metadata").json()["rest"][0]["security"]
        assert "extension" not in security

    @pytest.mark.parametrize("headers", [{"Host": "rebound.example"}, {"Origin": "https://evil.example"}])
    def test_a_web_site_in_the_browser_can_not_use_it(
        self, open_server: Hospital, headers: dict[str, str]
    ) -> None:
        assert open_server.http.get("/fhir/Patient/anna", headers=headers).status_code == 403

    def test_another_machine_can_not_use_it(self, open_server: Hospital) -> None:
        far = Http(open_server.http.app, open_server.http.portal, address="192.0.2.1")
        assert far.get("/fhir/Patient/anna").status_code == 403


def test_a_database_that_is_away_gives_503_and_no_detail(
    open_server: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    async def away(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("password of the database")

    monkeypatch.setattr(type(open_server.services.store), "read", away)
    response = open_server.http.get("/fhir/Patient/anna")
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert "password" not in response.text


def test_a_failure_inside_gives_500_with_the_request_id_only(
    open_server: Hospital, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    value_of_a_patient = " ".join(["Ada", "Alpha"])

    async def broken(*_: object, **__: object) -> None:
        raise KeyError(value_of_a_patient)

    monkeypatch.setattr(type(open_server.services.store), "read", broken)
    response = open_server.http.get("/fhir/Patient/anna", headers={"X-Request-Id": "abc"})
    assert response.status_code == 500
    assert "abc" in response.text
    assert "Ada" not in response.text
    assert "Traceback" not in response.text
    assert "Ada" not in caplog.text
    assert "KeyError" in caplog.text
