"""Quantities in units that are no multiples: a logarithm is compared in its own scale, degrees are converted."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.storage import Store
from fhir_bridge.storage.jobs import Jobs
from tests.server.conftest import Hospital, observation

UCUM = "http://unitsofmeasure.org"
ALL = "user/*.cruds"

MEASURED = {
    "acidosis": {"value": 7.1, "unit": "pH", "system": UCUM, "code": "[pH]"},
    "normal": {"value": 7.40, "unit": "pH", "system": UCUM, "code": "[pH]"},
    "alkalosis": {"value": 7.6, "unit": "pH", "system": UCUM, "code": "[pH]"},
    "below": {"value": 6.8, "comparator": "<", "unit": "pH", "system": UCUM, "code": "[pH]"},
    "protons": {"value": 0.00004, "unit": "mmol/L", "system": UCUM, "code": "mmol/L"},
    "c6": {"value": 6, "system": UCUM, "code": "[hp'_C]"},
    "c30": {"value": 30, "system": UCUM, "code": "[hp'_C]"},
    "quiet": {"value": 20, "system": UCUM, "code": "dB"},
    "loud": {"value": 90, "system": UCUM, "code": "dB"},
    "fever": {"value": 39, "system": UCUM, "code": "Cel"},
    "cool": {"value": 96.8, "system": UCUM, "code": "[degF]"},
}

PH, HP, DB = f"|{UCUM}|[pH]", f"|{UCUM}|[hp'_C]", f"|{UCUM}|dB"
FOUND = {
    f"lt7.35{PH}": {"acidosis", "below"},
    f"le7.1{PH}": {"acidosis", "below"},
    f"gt7.45{PH}": {"alkalosis"},
    f"ge7.4{PH}": {"normal", "alkalosis"},
    f"7.40{PH}": {"normal"},
    f"7.4{PH}": {"normal"},
    f"ne7.40{PH}": {"acidosis", "alkalosis", "below"},
    f"sa7.35{PH}": {"normal", "alkalosis"},
    f"eb7.35{PH}": {"acidosis", "below"},
    f"ap7.4{PH}": {"acidosis", "normal", "alkalosis", "below"},
    "lt7.35||[pH]": {"acidosis", "below"},
    f"lt10|{UCUM}|mmol/L": {"protons"},
    f"0.00004|{UCUM}|mmol/L": {"protons"},
    f"gt10{HP}": {"c30"},
    f"lt10{HP}": {"c6"},
    f"gt50{DB}": {"loud"},
    f"20{DB}": {"quiet"},
    f"lt50|{UCUM}|1": set(),
    f"gt38|{UCUM}|Cel": {"fever"},
    f"36.0|{UCUM}|Cel": {"cool"},
    f"gt100|{UCUM}|[degF]": {"fever"},
}


@pytest.fixture(scope="module")
def headers(hospital: Hospital) -> dict[str, str]:
    headers = hospital.token(ALL, patient=None)
    for identity, quantity in MEASURED.items():
        resource = {**observation(f"q-{identity}", "anna", code="2753-2"), "valueQuantity": quantity}
        # Twice: what takes the place of a version is found as the version was.
        for note in ("first", "second"):
            content = {**resource, "note": [{"text": note}]}
            answer = hospital.http.put(f"/fhir/Observation/{resource['id']}", json=content, headers=headers)
            assert answer.status_code in (200, 201), answer.text
    return headers


def found(hospital: Hospital, headers: dict[str, str], **parameters: str) -> set[str]:
    query = {"code": "2753-2", **parameters, "_total": "accurate"}
    answer = hospital.http.get("/fhir/Observation", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    bundle: dict[str, Any] = answer.json()
    result = {entry["resource"]["id"].removeprefix("q-") for entry in bundle.get("entry", [])}
    assert bundle["total"] == len(result)
    return result


@pytest.mark.parametrize("value", FOUND)
def test_each_unit_is_compared_in_a_scale_that_keeps_its_order(
    hospital: Hospital, headers: dict[str, str], value: str
) -> None:
    assert found(hospital, headers, **{"value-quantity": value}) == FOUND[value]
    assert found(hospital, headers, **{"code-value-quantity": f"2753-2${value}"}) == FOUND[value]


def test_an_index_of_an_earlier_version_is_made_anew(
    hospital: Hospital, headers: dict[str, str], database_url: str
) -> None:
    """It has a pH as mol/L. The pH is found all the same; that a concentration finds it ends with the new index."""
    hospital.sql(
        "UPDATE quantity SET canonical_code = 'm-3', canonical_low = power(10, 26 - low), "
        "canonical_high = power(10, 26 - high) WHERE code = '[pH]' AND low <> '-infinity'"
    )
    hospital.sql("DELETE FROM setting WHERE name = 'index_version'")

    async def reopened() -> int | None:
        async with await Store.open(database_url) as store, await Store.open(database_url):
            jobs = Jobs(store.pool, "test")
            job = await jobs.lease(["reindex"])
            assert job is not None
            await store.reindex()
            await jobs.finish(job, {})
            async with await Store.open(database_url):
                again = await jobs.lease(["reindex"])
            return None if again is None else again.key

    assert found(hospital, headers, **{"value-quantity": f"lt7.35{PH}"}) == {"acidosis", "below"}
    assert "acidosis" in found(hospital, headers, **{"value-quantity": f"lt10|{UCUM}|mmol/L"})
    assert hospital.run(reopened) is None
    for value, wanted in FOUND.items():
        assert found(hospital, headers, **{"value-quantity": value}) == wanted
