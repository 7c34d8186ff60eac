"""Who may write predictions: another bridge that is named, and of these only what it sent itself."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.canonical import DELIVERED
from fhir_bridge.server.authorization.clients import ASSERTION_TYPE
from tests.server.conftest import BASE, Hospital, observation

KEYS = {name: ECKey.generate_key("P-384", {"kid": name}) for name in ("bridge", "robot")}
LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST"}
MARK = {"system": DELIVERED, "code": "0123456789abcdef-Observation-x"}


def prediction(identity: str, *, marked: bool, value: float = 4.0) -> dict[str, Any]:
    resource = observation(identity, "anna", code="77-7")
    resource["valueQuantity"]["value"] = value
    return resource | {"meta": {"security": [LABEL], **({"tag": [MARK]} if marked else {})}}


@pytest.fixture(scope="module", autouse=True)
def registered(hospital: Hospital) -> None:
    for name, key in KEYS.items():
        jwks = {"keys": [key.as_dict(private=False)]}
        hospital.run(hospital.services.accounts.add_client, name, name, "key", "system/*.cruds", jwks=jwks)
    hospital.services.settings.prediction_writers = "bridge other"
    store = hospital.services.store
    hospital.run(store.update, "Observation", "local", prediction("local", marked=False), EVERYTHING)


def token_of(hospital: Hospital, name: str) -> dict[str, str]:
    claims = {
        "iss": name,
        "sub": name,
        "aud": BASE + "/oauth/token",
        "exp": int(time.time()) + 200,
        "jti": str(uuid.uuid4()),
    }
    signed = jwt.encode({"alg": "ES384", "kid": name}, claims, KEYS[name], algorithms=["ES384"])
    form = {
        "grant_type": "client_credentials",
        "scope": "system/*.cruds",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
    }
    answer = hospital.http.post("/oauth/token", data=form).json()
    return {"Authorization": f"Bearer {answer['access_token']}"}


def put(hospital: Hospital, headers: dict[str, str], resource: dict[str, Any]) -> httpx.Response:
    return hospital.http.put(f"/fhir/Observation/{resource['id']}", json=resource, headers=headers)


def test_a_named_bridge_writes_and_changes_its_predictions_and_no_others(hospital: Hospital) -> None:
    bridge, robot = token_of(hospital, "bridge"), token_of(hospital, "robot")
    person = hospital.token("user/*.cruds", patient=None)
    for headers in (robot, person):
        assert put(hospital, headers, prediction("sent", marked=True)).status_code == 403
    assert put(hospital, bridge, prediction("sent", marked=False)).status_code == 403
    assert put(hospital, bridge, prediction("sent", marked=True)).status_code == 201
    assert put(hospital, bridge, prediction("sent", marked=True, value=5.0)).status_code == 200
    for headers in (robot, person):
        assert put(hospital, headers, prediction("sent", marked=True, value=6.0)).status_code == 403
        assert hospital.http.delete("/fhir/Observation/sent", headers=headers).status_code == 403
    # What was predicted here.
    assert put(hospital, bridge, prediction("local", marked=True)).status_code == 403
    assert hospital.http.delete("/fhir/Observation/local", headers=bridge).status_code == 403
    batch = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {
                "resource": prediction("local", marked=True),
                "request": {"method": "PUT", "url": "Observation/local"},
            }
        ],
    }
    answer = hospital.http.post("/fhir", json=batch, headers=bridge).json()
    assert answer["entry"][0]["response"]["status"].startswith("403")
    assert hospital.http.delete("/fhir/Observation/sent", headers=bridge).status_code in (200, 204)
