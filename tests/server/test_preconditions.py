"""`If-Match` as RFC 9110 §13.1.1 has it: any version, one of a list, or what can't be read."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.server.conftest import Hospital, patient
from tests.server.test_bundle_edges import entry, send


@pytest.fixture(scope="module")
def clara(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds", patient=None)


def current(hospital: Hospital, token: dict[str, str]) -> str:
    answer = hospital.http.put("/fhir/Patient/matched", headers=token, json=patient("matched", "Gamma"))
    assert answer.status_code in (200, 201)
    return answer.headers["etag"]


def write(hospital: Hospital, token: dict[str, str], method: str, if_match: str) -> httpx.Response:
    headers = {**token, "If-Match": if_match}
    if method == "PATCH":
        headers["Content-Type"] = "application/json-patch+json"
        patch: list[dict[str, Any]] = [{"op": "add", "path": "/birthDate", "value": "1970-01-01"}]
        return hospital.http.patch("/fhir/Patient/matched", headers=headers, json=patch)
    if method == "DELETE":
        return hospital.http.delete("/fhir/Patient/matched", headers=headers)
    changed = patient("matched", "Gamma") | {"birthDate": "1970-01-01"}
    return hospital.http.put("/fhir/Patient/matched", headers=headers, json=changed)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("*", 200),
        ("{etag}", 200),
        ('W/"999", {etag}', 200),
        ('{etag},, W/"999"', 200),
        ('W/"999"', 412),
        ('W/"998", "999"', 412),
        ("W/1", 400),
        ("abc", 400),
        ('*, W/"1"', 400),
        ('W/"1', 400),
        ("", 400),
    ],
)
def test_a_write_asks_for_versions(
    hospital: Hospital, clara: dict[str, str], method: str, header: str, status: int
) -> None:
    etag = current(hospital, clara)
    answer = write(hospital, clara, method, header.format(etag=etag))
    assert answer.status_code == (204 if (method, status) == ("DELETE", 200) else status), answer.text
    if status != 200:
        assert hospital.http.get("/fhir/Patient/matched", headers=clara).headers["etag"] == etag


@pytest.mark.parametrize("header", ["*", 'W/"1"'])
def test_any_version_of_what_is_not_there_is_none(
    hospital: Hospital, clara: dict[str, str], header: str
) -> None:
    headers = clara | {"If-Match": header}
    absent = hospital.http.put("/fhir/Patient/absent", headers=headers, json=patient("absent", "Gamma"))
    assert absent.status_code == 412
    assert hospital.http.get("/fhir/Patient/absent", headers=clara).status_code == 404
    # What is hidden is as if it were not there.
    bound = hospital.token("patient/*.cruds", patient="anna") | {"If-Match": header}
    hidden = hospital.http.delete("/fhir/Observation/bert-lab", headers=bound)
    assert hidden.status_code == hospital.http.delete("/fhir/Observation/absent", headers=bound).status_code


def test_an_entry_asks_for_versions_too(hospital: Hospital, clara: dict[str, str]) -> None:
    etag = current(hospital, clara)
    changed = patient("matched", "Delta")
    assert (
        send(
            hospital, clara, "transaction", entry("PUT", "Patient/matched", changed, ifMatch="W/1")
        ).status_code
        == 400
    )
    listed = entry("PUT", "Patient/matched", changed, ifMatch=f'W/"999", {etag}')
    assert send(hospital, clara, "transaction", listed).status_code == 200
