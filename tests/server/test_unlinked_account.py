"""A patient's account that is linked to no Patient reads nothing."""

from __future__ import annotations

import pytest

from tests.server.conftest import PASSWORD, Hospital, observation

PATHS = (
    "Patient/anna",
    "Patient",
    "Observation",
    "Observation/anna-lab",
    "Practitioner/clara",
    "Medication",
    "Observation/_history",
    "_history",
)


@pytest.fixture(scope="module", params=[None, ""], ids=["none", "empty"])
def tokens(hospital: Hospital, request: pytest.FixtureRequest) -> list[dict[str, str]]:
    """Tokens of an account that lost its Patient since they were given."""
    name = f"unlinked-{request.param is None}"
    hospital.run(hospital.services.accounts.add_user, name, PASSWORD, "patient", patient="anna")
    given = [hospital.token(scope, user=name) for scope in ("launch/patient patient/*.cruds", "user/*.cruds")]
    for token in given:
        assert hospital.http.get("/fhir/Patient/anna", headers=token).status_code == 200
    # The database refuses such an account; what is before it must not rest on that.
    hospital.sql("ALTER TABLE account DROP CONSTRAINT IF EXISTS account_check")
    hospital.sql("UPDATE account SET patient = %s WHERE username = %s", request.param, name)
    hospital.services.tokens.forget()
    return given


@pytest.mark.parametrize("path", PATHS)
def test_its_tokens_read_nothing(hospital: Hospital, tokens: list[dict[str, str]], path: str) -> None:
    for token in tokens:
        answer = hospital.http.get(f"/fhir/{path}", headers=token)
        if path == "_history":
            assert answer.status_code == 403 or answer.json().get("entry", []) == [], answer.text
        else:
            assert answer.status_code == 403, answer.text
        assert "Alpha" not in answer.text


def test_nor_do_they_in_a_batch_or_write(hospital: Hospital, tokens: list[dict[str, str]]) -> None:
    entries = [{"request": {"method": "GET", "url": path}} for path in PATHS[:5]]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    for token in tokens:
        answer = hospital.http.post("/fhir", json=bundle, headers=token).json()
        assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["403"] * 5
        body = observation("x", "anna")
        assert hospital.http.post("/fhir/Observation", json=body, headers=token).status_code == 403
