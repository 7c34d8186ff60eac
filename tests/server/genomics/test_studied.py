"""What was not found, and what nobody looked for: tests, their regions, and the answers that depend on them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from fhir_bridge.server import Settings, create_app
from tests.server.conftest import Hospital, bare_plugins, running

GUIDE = "http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/"
ONE = "NC_000001.11"


def bed(identity: str, text: str) -> dict[str, Any]:
    data = base64.b64encode(text.encode()).decode()
    return {
        "resourceType": "DocumentReference",
        "id": identity,
        "status": "current",
        "subject": {"reference": "Patient/anna"},
        "content": [{"attachment": {"contentType": "text/x-bed", "data": data}}],
    }


def reference(to: str) -> dict[str, Any]:
    return {"valueReference": {"reference": to}}


RECORDS: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "anna"},
    {"resourceType": "Patient", "id": "bert"},
    {
        "resourceType": "Specimen",
        "id": "s1",
        "identifier": [{"value": "S-1"}],
        "subject": {"reference": "Patient/anna"},
    },
    bed("studied", "chr1\t1000\t2000\nchr1\t3000\t4000\n"),
    bed("uncalled", "chr1\t1900\t2000\n"),
    {
        "resourceType": "Procedure",
        "id": "analysis",
        "meta": {"profile": [GUIDE + "genomic-study-analysis"]},
        "status": "completed",
        "subject": {"reference": "Patient/anna"},
        "extension": [
            {
                "url": GUIDE + "genomic-study-analysis-genome-build",
                "valueCodeableConcept": {"coding": [{"system": "http://loinc.org", "code": "LA26806-2"}]},
            },
            {"url": GUIDE + "genomic-study-analysis-specimen", **reference("Specimen/s1")},
            {
                "url": GUIDE + "genomic-study-analysis-change-type",
                "valueCodeableConcept": {
                    "coding": [{"system": "http://www.sequenceontology.org", "code": "SO:0001483"}]
                },
            },
            {
                "url": GUIDE + "genomic-study-analysis-regions",
                "extension": [
                    {"url": "studied", **reference("DocumentReference/studied")},
                    {"url": "uncalled", **reference("DocumentReference/uncalled")},
                ],
            },
        ],
    },
    {
        "resourceType": "Procedure",
        "id": "test",
        "meta": {"profile": [GUIDE + "genomic-study"]},
        "identifier": [{"value": "T-1"}],
        "status": "completed",
        "subject": {"reference": "Patient/anna"},
        "performedDateTime": "2026-02-03",
        "extension": [{"url": GUIDE + "genomic-study-analysis-ext", **reference("Procedure/analysis")}],
    },
]


@pytest.fixture(scope="module")
def served(database_url: str) -> Iterator[Hospital]:
    settings = Settings(database_url=database_url, auth="none", pages=False)
    with running(create_app(settings, plugins=bare_plugins())) as http:
        hospital = Hospital(http)
        hospital.run(hospital.services.store.load, RECORDS, adapter="ndjson")
        yield hospital


def ask(served: Hospital, operation: str, **parameters: str) -> list[dict[str, Any]]:
    answer = served.http.get(f"/fhir/${operation}", params=parameters)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json().get("parameter", [])
    return rows


@pytest.mark.parametrize(
    ("subject", "places", "studied", "value"),
    [
        ("anna", "1100-1200", "yes", False),
        ("anna", "1100-1950", "partly", False),
        ("anna", "1500-3500", "partly", False),
        ("anna", "2100-2200", "no", None),
        ("anna", "1900-2000", "no", None),
        ("bert", "1100-1200", "unknown", False),
    ],
)
def test_absence_is_said_of_what_was_studied_alone(
    served: Hospital, subject: str, places: str, studied: str, value: bool | None
) -> None:
    rows = ask(served, "find-subject-variants", subject=subject, ranges=f"{ONE}:{places}")
    parts = {part["name"]: part for part in rows[0]["part"]}
    assert parts["studied"]["valueCode"] == studied
    assert parts["presence"].get("valueBoolean") == value
    if value is None:
        (extension,) = parts["presence"]["_valueBoolean"]["extension"]
        assert extension["valueCode"] == "not-performed"
    assert ("outcome" in {row["name"] for row in rows}) is (studied != "yes")


def test_metadata_says_what_of_the_ranges_was_studied(served: Hospital) -> None:
    (row,) = ask(
        served, "find-study-metadata", subject="anna", ranges=f"{ONE}:1500-3500", testDateRange="ge2026-01-01"
    )
    parts = {
        part["name"]: next(value for key, value in part.items() if key != "name") for part in row["part"]
    }
    assert (parts["testId"], parts["testDate"], parts["specimenId"]) == ("T-1", "2026-02-03", "S-1")
    assert parts["regionStudied"] == f"{ONE}:1500-2000, {ONE}:3000-3500"
    assert parts["uncallableRegions"] == f"{ONE}:1900-2000"
    for limit in ({"testDateRange": "ge2027"}, {"testIdentifiers": "T-2"}, {"specimenIdentifiers": "S-2"}):
        assert ask(served, "find-study-metadata", subject="anna", **limit) == []
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "testDateRange", "valuePeriod": {"start": "2026-02-04", "end": "2026-03-01"}}],
    }
    answer = served.http.post("/fhir/Patient/anna/$find-study-metadata", json=body)
    assert (answer.status_code, answer.json()) == (200, {"resourceType": "Parameters"})


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("find-subject-variants", {}),
        ("find-subject-variants", {"subject": "anna"}),
        ("find-subject-variants", {"subject": "anna", "ranges": "chr1:5-9"}),
        ("find-subject-variants", {"subject": "anna", "ranges": f"{ONE}:5-9", "includeVariants": "maybe"}),
        ("find-subject-variants", {"subject": "anna", "ranges": f"{ONE}:5-9", "colour": "red"}),
        ("find-subject-variants", {"subject": "a/b/c", "ranges": f"{ONE}:5-9"}),
        ("find-subject-specific-variants", {"subject": "anna", "variants": "BRCA1"}),
        ("find-subject-specific-variants", {"subject": "anna", "variants": f"{ONE}:g.999999999T>C"}),
        ("find-subject-specific-variants", {"subject": "anna", "variants": f"{ONE}:248956422:T:C"}),
        ("find-subject-specific-variants", {"subject": "anna", "variants": f"{ONE}:248956421:TT:C"}),
        ("find-subject-dx-implications", {"subject": "anna", "variants": f"{ONE}:g.248956422_248956423del"}),
        ("find-subject-specific-variants", {"subject": "anna", "variants": "NC_012920.1:m.16570T>C"}),
        ("find-subject-haplotypes", {"subject": "anna", "genes": "HGNC:1", "genomicSourceClass": "both"}),
        *(
            ("find-study-metadata", {"subject": "anna", "testDateRange": text})
            for text in ("yesterday", "ge2026-13-01", "2026-02-30", "le0000", "ge2026-01-01Tnoon", "2026-1-1")
        ),
    ],
)
def test_what_can_not_be_understood_is_refused(
    served: Hospital, operation: str, parameters: dict[str, str]
) -> None:
    answer = served.http.get(f"/fhir/${operation}", params=parameters)
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "FB-REST-008"


@pytest.mark.parametrize("period", [{"start": "2026-13-01"}, {"end": "2026-02-30"}, {"start": 2026}, "2026"])
def test_a_period_of_days_that_do_not_exist_is_refused(served: Hospital, period: Any) -> None:
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subject", "valueString": "anna"},
            {"name": "testDateRange", "valuePeriod": period},
        ],
    }
    answer = served.http.post("/fhir/$find-study-metadata", json=body)
    assert answer.status_code == 400


def test_the_last_base_of_a_chromosome_can_be_asked_for(served: Hospital) -> None:
    last = f"{ONE}:g.248956422T>C,{ONE}:248956421:T:C,{ONE}:248956422::A,NC_012920.1:m.16569T>C"
    rows = ask(served, "find-subject-specific-variants", subject="anna", variants=last)
    assert [row["name"] for row in rows] == ["variants"] * 4 + ["outcome"]
    answer = served.http.get(
        "/fhir/$find-subject-specific-variants",
        params={"subject": "anna", "variants": f"{ONE}:g.999999999T>C"},
    )
    assert f"{ONE} has 248956422 bases" in answer.json()["issue"][0]["diagnostics"]


def test_a_name_of_an_unknown_transcript_is_neither_there_nor_absent(served: Hospital) -> None:
    rows = ask(served, "find-subject-specific-variants", subject="anna", variants="NM_001127510.3:c.145A>T")
    presence = rows[0]["part"][1]
    assert presence["_valueBoolean"]["extension"][0]["valueCode"] == "unknown"
    assert "the transcript is not known here" in rows[-1]["resource"]["issue"][0]["diagnostics"]


def test_the_operations_are_in_the_capability_statement(served: Hospital) -> None:
    rest = served.http.get("/fhir/metadata").json()["rest"][0]
    own = {
        entry["name"]: entry["definition"] for entry in rest["operation"] if entry["name"].startswith("find-")
    }
    assert len(own) == 10
    assert own["find-subject-variants"].endswith(
        "genomics-reporting/OperationDefinition/find-subject-variants"
    )
