"""A stored decimal that no float can be (1E400) is read, found and recorded as others are, and holds up nobody."""

from __future__ import annotations

import pytest

from fhir_bridge.fhir.serialization import dumps, loads_exact
from tests.server.conftest import Hospital, observation

PATHS = (
    "Observation?patient=anna",
    "Observation/big",
    "Observation/big/_history",
    "Observation?_elements=valueQuantity",
    "Observation?_summary=true",
    "Observation?value-quantity=gt5&_sort=value-quantity",
    "Observation/$lastn?patient=anna",
    "Patient/anna/$everything",
    "Patient/anna/$summary",
    "Observation/big?_format=xml",
)


@pytest.fixture(scope="module", params=["1E400", "-1e400"])
def stored(hospital: Hospital, request: pytest.FixtureRequest) -> dict[str, str]:
    resource = loads_exact(f'{{"value":{request.param},"unit":"mg"}}')
    body = {**observation("big", "anna"), "valueQuantity": resource}
    hospital.run(hospital.services.store.load, [body])  # as an older version took it: REST refuses it
    return hospital.token("user/*.cruds", patient=None)


def test_it_is_read_and_recorded(hospital: Hospital, stored: dict[str, str]) -> None:
    before = _events(hospital, stored)
    for path in PATHS:
        answer = hospital.http.get(f"/fhir/{path}", headers=stored)
        assert answer.status_code == 200, (path, answer.text)
    assert _events(hospital, stored) >= before + len(PATHS)


def test_it_is_amended_and_put_right(hospital: Hospital, stored: dict[str, str]) -> None:
    headers = {**stored, "Content-Type": "application/json-patch+json"}
    for path, value in (("/status", "amended"), ("/valueQuantity/value", 5)):
        operation = [{"op": "replace", "path": path, "value": value}]
        answer = hospital.http.patch("/fhir/Observation/big", json=operation, headers=headers)
        assert answer.status_code == 200, answer.text


def _events(hospital: Hospital, headers: dict[str, str]) -> int:
    hospital.run(hospital.services.audit.flush)
    answer = hospital.http.get("/fhir/AuditEvent?patient=Patient/anna&_summary=count", headers=headers)
    return int(answer.json()["total"])


@pytest.mark.parametrize("digits", ["100000000000000000001", "-100000000000000000001"])
def test_a_whole_number_beyond_64_bits_is_stored_as_it_is_written(hospital: Hospital, digits: str) -> None:
    headers = hospital.token("user/*.cruds", patient=None)
    resource = {**observation("", "anna"), "valueQuantity": loads_exact(f'{{"value":{digits}}}')}
    del resource["id"]
    sent = dumps(resource)
    headers |= {"Content-Type": "application/fhir+json"}
    created = hospital.http.post("/fhir/Observation", content=sent, headers=headers)
    assert created.status_code == 201, created.text
    again = hospital.http.put(
        f"/fhir/Observation/{created.json()['id']}", content=created.content, headers=headers
    )
    assert (again.status_code, again.json()["meta"]["versionId"]) == (200, "1")
    assert f'"value":{digits}'.encode() in again.content
