"""`:missing` asks for the element: one without a code, an identifier or an amount is there all the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import Hospital

SUBJECT = {"reference": "Patient/anna"}
CODED = {"coding": [{"system": "urn:c", "code": "x"}]}
TEXT = {"text": "text alone"}
KIND = [{"system": "urn:missing", "code": "m"}]


def _observation(identity: str, **more: Any) -> dict[str, Any]:
    content = {"status": "final", "code": CODED, "subject": SUBJECT, **more}
    resource = {"resourceType": "Observation", "id": identity, "meta": {"tag": KIND}, **content}
    return {name: value for name, value in resource.items() if value is not None}


def _patient(identity: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": identity, "meta": {"tag": KIND}, **more}


ABSENT = [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
RESOURCES = [
    _observation(
        "usual", valueQuantity={"value": 1, "unit": "mg"}, effectiveDateTime="2021", category=[CODED]
    ),
    _observation("named", subject={"identifier": {"system": "urn:mrn", "value": "1"}}),
    _observation("shown", subject={"display": "Anna"}),
    _observation("nobody", subject=None),
    _observation("texts", code=TEXT, valueCodeableConcept=TEXT, category=[TEXT]),
    _observation("mixed", category=[TEXT, CODED], valueCodeableConcept={"coding": [{"display": "y"}]}),
    _observation("amounts", valueQuantity={"unit": "mg"}, effectivePeriod={"extension": ABSENT}),
    _observation("whenever", effectiveTiming={"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}),
    _observation("part", component=[{"code": TEXT, "valueQuantity": {"value": 3}}, {"code": CODED}]),
    _patient("org", managingOrganization={"identifier": {"value": "Q"}, "display": "Q"}, birthDate="1970"),
    _patient(
        "ref",
        managingOrganization={"reference": "https://other.example/fhir/Organization/o"},
        identifier=[{"value": "1"}],
    ),
    _patient("display", managingOrganization={"display": "Klinik"}, identifier=[{"system": "urn:a"}]),
    _patient("none", _birthDate={"extension": ABSENT}),
]
OBSERVATIONS = {one["id"] for one in RESOURCES if one["resourceType"] == "Observation"}

MISSING = {
    "Observation?subject": {"nobody"},
    "Observation?patient": {"nobody", "shown", "named"},
    "Observation?code": set(),
    "Observation?combo-code": set(),
    "Observation?category": OBSERVATIONS - {"usual", "texts", "mixed"},
    "Observation?value-concept": OBSERVATIONS - {"texts", "mixed"},
    "Observation?combo-value-concept": OBSERVATIONS - {"texts", "mixed"},
    "Observation?value-quantity": OBSERVATIONS - {"usual", "amounts"},
    "Observation?date": OBSERVATIONS - {"usual", "whenever"},
    "Observation?component-code": OBSERVATIONS - {"part"},
    "Patient?organization": {"none"},
    "Patient?identifier": {"org", "none"},
    "Patient?birthdate": {"ref", "display", "none"},
}
"""Of a search by `:missing=true`."""

UNDISTURBED: dict[str, set[str]] = {
    "Observation?code:not=urn:c|x": {"texts"},
    "Observation?code=urn:c|x": OBSERVATIONS - {"texts"},
    "Observation?value-concept:not=y": OBSERVATIONS,
    "Observation?code-value-quantity=x$1": {"usual"},
    "Observation?subject:identifier=urn:mrn|1": {"named"},
    "Observation?patient.family=alpha": OBSERVATIONS - {"named", "shown", "nobody"},
    "Observation?code:text=text": {"texts"},
    "Observation?subject:missing=false&code:missing=false&_sort=code,-date": OBSERVATIONS - {"nobody"},
    "Observation?_filter=value-concept pr true and subject pr true": {"texts", "mixed"},
    "Patient?organization:missing=false&_sort=identifier,-birthdate": {"org", "ref", "display"},
}


@pytest.fixture(scope="module")
def headers(hospital: Hospital) -> dict[str, str]:
    headers = hospital.token("user/*.cruds", patient=None)
    for others in (reversed(RESOURCES), RESOURCES):
        for note, resource in enumerate(others):
            # The version before has what this one has not: its marks go with it.
            before = {key: resource[key] for key in ("resourceType", "id", "meta")}
            if resource["resourceType"] == "Observation":
                before |= {
                    "status": "final",
                    "code": TEXT,
                    "subject": {"display": str(note)},
                    "valueQuantity": {"unit": "g"},
                }
            for content in (before, resource):
                path = f"/fhir/{resource['resourceType']}/{resource['id']}"
                answer = hospital.http.put(path, json=content, headers=headers)
                assert answer.status_code in (200, 201), answer.text
    return headers


def found(hospital: Hospital, headers: dict[str, str], query: str) -> set[str]:
    answer = hospital.http.get(f"/fhir/{query}&_tag=urn:missing|m&_total=accurate&_count=50", headers=headers)
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    ids = [entry["resource"]["id"] for entry in bundle.get("entry", [])]
    assert bundle["total"] == len(ids) == len(set(ids))
    return set(ids)


@pytest.mark.parametrize("query", MISSING)
def test_the_element_decides(hospital: Hospital, headers: dict[str, str], query: str) -> None:
    kind = query.partition("?")[0]
    every = {one["id"] for one in RESOURCES if one["resourceType"] == kind}
    assert found(hospital, headers, f"{query}:missing=true") == MISSING[query]
    assert found(hospital, headers, f"{query}:missing=false") == every - MISSING[query]


@pytest.mark.parametrize("query", UNDISTURBED)
def test_other_searches_are_what_they_were(hospital: Hospital, headers: dict[str, str], query: str) -> None:
    assert found(hospital, headers, query) == UNDISTURBED[query]


def test_what_has_values_has_no_further_row_and_reindexing_makes_the_same(
    hospital: Hospital, headers: dict[str, str]
) -> None:
    marks: dict[str, set[str]] = {}

    async def read() -> None:
        marks.clear()
        async with hospital.services.store.connection() as connection:
            rows = await connection.execute(
                "SELECT r.id, p.code FROM token t JOIN parameter p ON p.key = t.parameter "
                "JOIN resource r ON r.key = t.resource WHERE p.code LIKE '%:present'"
            )
            for identity, code in await rows.fetchall():
                marks.setdefault(identity, set()).add(code.removesuffix(":present"))

    wanted = {
        "shown": {"subject"},
        "texts": {"category", "code", "value-concept"},
        "mixed": {"value-concept"},
        "amounts": {"value-quantity"},
        "whenever": {"date"},
        "display": {"identifier", "organization"},
    }
    hospital.run(read)
    assert {identity: marks[identity] for identity in wanted} == wanted
    assert not marks.keys() & {"usual", "named", "nobody", "org", "ref", "none", "anna-lab", "anna"}
    hospital.sql(
        "DELETE FROM token WHERE parameter IN (SELECT key FROM parameter WHERE code LIKE '%%:present')"
    )
    hospital.run(hospital.services.store.reindex)
    before = dict(marks)
    hospital.run(read)
    assert marks == {**before, **wanted}
