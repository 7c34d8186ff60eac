"""Parameters that a request carries: answered rightly, or refused. None is left out in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from tests.command import run_command
from tests.server.conftest import Hospital, observation, patient

LENIENT = {"Prefer": "handling=lenient"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}

UNSUPPORTED = [
    "subject:Device.birthdate=1961-04-05",
    "patient.colour=x",
    "code.name=x",
    "_has:Provenance:agent=x",
    "_filter=code eq",
    "component-code-value-quantity=http://loinc.org|2093-3",
    "combo-code-value-quantity=2093-3$much",
    "_elements=",
    "_include=Observation:code",
    "_include:always=Observation:subject",
    "_revinclude=*",
    "_summary=nonsense",
    "_total=many",
    "_count=-1",
    "_count=abc",
    "_count=",
    "_count=1&_count=2",
    "_total=none&_total=accurate",
    "_sort=nonsense",
    "_sort=code-value-quantity",
    "_sort=date,",
    "_sort:asc=date",
    "_pretty=maybe",
    "_contained=true",
    "_text=",
    "_content=(x",
    "_list=x",
    "_query=x",
    "_type=Patient",
    "code:in=http://x",
    "code:not-in=http://x",
    "code:below=x",
    "code:of-type=a|b|c",
    "code:=2093-3",
    "code:nonsense=2093-3",
    "date:contains=2026",
    "date=gt",
    "date=2021-06-01T12:00:00%2B99:99",
    "date=2021-06-01T12:00:00%2B25:00",
    "date=gt2021-06-01T12:00:00.5-14:01",
    "date=2021-06-01T12:00%2B13:60",
    "_lastUpdated=gt2021-06-01T12:00:00%2B14:01",
    "value-quantity=NaN",
    "patient:Group=x",
    "status=",
]


@pytest.fixture(scope="module")
def headers(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds", patient=None)


def outcome(answer: Any) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    assert body["issue"][0]["severity"] == "error"
    assert body["issue"][0]["details"]["text"]
    return body


@pytest.mark.parametrize("query", UNSUPPORTED)
def test_what_is_not_supported_is_refused_on_every_path_also_leniently(
    hospital: Hospital, headers: dict[str, str], query: str
) -> None:
    name = query.partition("=")[0].partition(":")[0].partition(".")[0]
    answers = [
        hospital.http.get(f"/fhir/Observation?{query}", headers=headers | more) for more in ({}, LENIENT)
    ]
    answers.append(
        hospital.http.post("/fhir/Observation/_search", content=query, headers=headers | FORM | LENIENT)
    )
    for answer in answers:
        assert answer.status_code == 400, answer.text
        assert name in str(outcome(answer)["issue"])
    (entry,) = batch(hospital, headers | LENIENT, [("GET", f"Observation?{query}", None)])
    assert entry["response"]["status"].startswith("400")
    assert "resource" not in entry


def batch(
    hospital: Hospital, headers: dict[str, str], entries: list[tuple[str, str, dict[str, Any] | None]]
) -> list[dict[str, Any]]:
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"request": {"method": method, "url": url}} | ({"resource": resource} if resource else {})
            for method, url, resource in entries
        ],
    }
    answer = hospital.http.post("/fhir", json=bundle, headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["entry"]
    return found


ZONES = {"20:00:00+14:00": 200, "16:00:00.5-14:00": 200, "05:30+23:30": 400, "16:00:00-15:00": 400}


@pytest.mark.parametrize("time", ZONES)
@pytest.mark.parametrize("query", ["date={}", "_filter=date ge {}", "patient.birthdate=lt{}"])
def test_zones_reach_to_fourteen_hours(
    hospital: Hospital, headers: dict[str, str], query: str, time: str
) -> None:
    name, _, value = query.format(f"2021-06-01T{time}").partition("=")
    answer = hospital.http.get("/fhir/Observation", params={name: value}, headers=headers)
    assert answer.status_code == ZONES[time], answer.text


@pytest.mark.parametrize("more", [{}, LENIENT])
def test_an_unknown_name_is_left_out_told_of_and_not_in_the_self_link(
    hospital: Hospital, headers: dict[str, str], more: dict[str, str]
) -> None:
    answer = hospital.http.get("/fhir/Observation?colour=red&code=2093-3&_count=1", headers=headers | more)
    body = answer.json()
    (link,) = [one["url"] for one in body["link"] if one["relation"] == "self"]
    assert parse_qs(urlsplit(link).query) == {"code": ["2093-3"], "_count": ["1"]}
    notes = [one["resource"] for one in body["entry"] if one["search"]["mode"] == "outcome"]
    assert "colour" in notes[0]["issue"][0]["details"]["text"]
    strict = hospital.http.get(
        "/fhir/Observation?colour=red", headers=headers | {"Prefer": "handling=strict"}
    )
    assert strict.status_code == 400


def test_count_of_zero_counts(hospital: Hospital, headers: dict[str, str]) -> None:
    body = hospital.http.get("/fhir/Observation?_count=0", headers=headers).json()
    assert body["total"] == 3
    assert "entry" not in body
    assert body == body | hospital.http.get(
        "/fhir/Observation?_count=0&_summary=count", headers=headers
    ).json() | {"timestamp": body["timestamp"], "link": body["link"]}


@pytest.mark.parametrize("path", ["_history", "Patient/_history", "Patient/anna/_history"])
def test_a_history_without_entries_does_not_say_that_there_are_none(
    hospital: Hospital, headers: dict[str, str], path: str
) -> None:
    body = hospital.http.get(f"/fhir/{path}?_count=0", headers=headers).json()
    assert (body["type"], "total" in body, "entry" in body) == ("history", False, False)


@pytest.mark.parametrize("total", ["none", "estimate", "accurate"])
def test_totals_that_r4_names_are_understood(hospital: Hospital, headers: dict[str, str], total: str) -> None:
    body = hospital.http.get(f"/fhir/Observation?_count=1&_total={total}", headers=headers).json()
    assert body.get("total") == (None if total == "none" else 3)


@pytest.mark.parametrize("path", ["Observation", "Observation/anna-lab", "Observation/_history"])
def test_a_format_that_is_not_served_is_refused_wherever_it_stands(
    hospital: Hospital, headers: dict[str, str], path: str
) -> None:
    assert hospital.http.get(f"/fhir/{path}?_format=turtle", headers=headers).status_code == 406
    twice = hospital.http.get(f"/fhir/{path}?_format=turtle&_format=json", headers=headers)
    assert twice.status_code in (400, 406)
    if "_history" not in path:
        (entry,) = batch(hospital, headers, [("GET", f"{path}?_format=xml", None)])
        assert entry["response"]["status"].startswith("406")


def test_a_format_in_the_form_of_a_search_counts_too(hospital: Hospital, headers: dict[str, str]) -> None:
    answer = hospital.http.post("/fhir/Observation/_search", content="_format=turtle", headers=headers | FORM)
    assert answer.status_code == 406


@pytest.mark.parametrize("query", ["_count=1", "_include=Observation:subject", "_sort=date"])
@pytest.mark.parametrize("path", ["Observation/anna-lab", "Observation/anna-lab/_history/1"])
def test_a_read_refuses_what_would_change_its_answer(
    hospital: Hospital, headers: dict[str, str], path: str, query: str
) -> None:
    assert hospital.http.get(f"/fhir/{path}?{query}", headers=headers | LENIENT).status_code == 400
    (entry,) = batch(hospital, headers, [("GET", f"{path}?{query}", None)])
    assert entry["response"]["status"].startswith("400")


@pytest.mark.parametrize("query", ["", "?_format=json", "?_pretty=true", "?_summary=false", "?_=1736"])
def test_a_read_takes_what_does_not(hospital: Hospital, headers: dict[str, str], query: str) -> None:
    assert hospital.http.get(f"/fhir/Observation/anna-lab{query}", headers=headers).status_code == 200


def test_a_version_that_the_caller_has_is_not_sent_again_in_a_batch(
    hospital: Hospital, headers: dict[str, str]
) -> None:
    etag = hospital.http.get("/fhir/Observation/anna-lab", headers=headers).headers["etag"]
    request = {"method": "GET", "url": "Observation/anna-lab", "ifNoneMatch": etag}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": request}]}
    (entry,) = hospital.http.post("/fhir", json=bundle, headers=headers).json()["entry"]
    assert entry["response"]["status"] == "304 Not Modified"
    assert "resource" not in entry


CRITERIA = [
    "_count=1",
    "_sort=date",
    "_total=none",
    "code=2093-3&_summary=count",
    "identifier=&status=final",
    "patient.colour=x",
    "_include=*",
    "colour=red",
    "component-code-value-quantity=x",
    "_filter=x",
]


@pytest.mark.parametrize("query", CRITERIA)
def test_criteria_that_would_match_too_much_change_nothing(
    hospital: Hospital, headers: dict[str, str], query: str
) -> None:
    body = observation("x", "anna")
    del body["id"]
    before = hospital.http.get("/fhir/Observation?_summary=count", headers=headers).json()["total"]
    answers = [
        hospital.http.put(f"/fhir/Observation?{query}", json=body, headers=headers),
        hospital.http.post("/fhir/Observation", json=body, headers=headers | {"If-None-Exist": query}),
    ]
    assert [answer.status_code for answer in answers] == [400, 400]
    (entry,) = batch(hospital, headers, [("PUT", f"Observation?{query}", body)])
    assert entry["response"]["status"].startswith("400")
    device = body | {"device": {"reference": f"Device?{query.replace('code', 'type')}"}}
    (entry,) = batch(hospital, headers, [("POST", "Observation", device)])
    assert entry["response"]["status"].startswith("4")
    assert hospital.http.get("/fhir/Observation?_summary=count", headers=headers).json()["total"] == before


class TestImplicitRules:
    """Rules that change the meaning, and that nobody here knows."""

    RULES = "http://example.org/rules"

    def carriers(self) -> list[dict[str, Any]]:
        inner = patient("inner", "Rules")
        contained = {**patient("c", "Rules"), "implicitRules": self.RULES}
        return [
            patient("ruled", "Rules") | {"implicitRules": self.RULES},
            observation("ruled", "anna") | {"contained": [contained], "performer": [{"reference": "#c"}]},
            {
                "resourceType": "Bundle",
                "id": "ruled",
                "type": "collection",
                "entry": [
                    {
                        "fullUrl": "http://example.org/Patient/inner",
                        "resource": inner | {"implicitRules": self.RULES},
                    }
                ],
            },
        ]

    def test_no_path_takes_them(self, hospital: Hospital, headers: dict[str, str]) -> None:
        for body in self.carriers():
            kind = body["resourceType"]
            new = {name: value for name, value in body.items() if name != "id"}
            answers = [
                hospital.http.put(f"/fhir/{kind}/ruled", json=body, headers=headers),
                hospital.http.post(f"/fhir/{kind}", json=new, headers=headers),
                hospital.http.put(f"/fhir/{kind}?_id=ruled", json=new, headers=headers),
                hospital.http.post(
                    "/fhir",
                    json={
                        "resourceType": "Bundle",
                        "type": "transaction",
                        "entry": [{"request": {"method": "POST", "url": kind}, "resource": new}],
                    },
                    headers=headers,
                ),
            ]
            for answer in answers:
                assert answer.status_code == 422, answer.text
                assert "implicitRules" in outcome(answer)["issue"][0]["details"]["text"]
            (entry,) = batch(hospital, headers, [("POST", kind, new)])
            assert entry["response"]["status"].startswith("422")
            assert hospital.http.get(f"/fhir/{kind}/ruled", headers=headers).status_code == 404

    def test_validation_reports_what_a_write_refuses(
        self, hospital: Hospital, headers: dict[str, str], tmp_path: Path
    ) -> None:
        places = ["Patient", "Observation.contained[0]", "Bundle.entry[0].resource"]
        for body, place in zip(self.carriers(), places, strict=True):
            kind = body["resourceType"]
            refused = hospital.http.put(f"/fhir/{kind}/ruled", json=body, headers=headers).json()["issue"]
            reported = hospital.http.post(f"/fhir/{kind}/$validate", json=body, headers=headers).json()[
                "issue"
            ]
            (found,) = [one for one in refused if one["details"]["coding"][0]["code"] == "FB-STORE-023"]
            assert found in reported
            assert (found["severity"], found["expression"]) == ("error", [f"{place}.implicitRules"])
            file = tmp_path / f"{kind}.json"
            file.write_text(json.dumps(body))
            done = run_command("validate", file, "--format", "json")
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            assert done.returncode == 1
            assert (found["details"]["text"], "FB-STORE-023") in [
                (one["message"], one["code"]) for one in lines
            ]

    def test_a_load_rejects_them(self, hospital: Hospital) -> None:
        result = hospital.run(hospital.services.store.load, self.carriers())
        assert result.rejected == 3
        assert {issue.code for issue in result.issues} == {"FB-STORE-012"}

    def test_a_modifier_extension_is_kept_as_it_came(
        self, hospital: Hospital, headers: dict[str, str]
    ) -> None:
        extension = {"url": "http://example.org/not", "valueBoolean": True}
        body = observation("modified", "anna") | {"modifierExtension": [extension]}
        assert hospital.http.put("/fhir/Observation/modified", json=body, headers=headers).status_code == 201
        found = hospital.http.get("/fhir/Observation/modified", headers=headers).json()
        assert found["modifierExtension"] == [extension]
        hospital.run(hospital.services.store.delete, "Observation", "modified", EVERYTHING)
