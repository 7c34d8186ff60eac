"""No token reaches more than its scopes, its user and its patient allow, by any path."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import CATEGORY, FHIR, Hospital, observation

PATIENT = "launch/patient patient/*.rs"


def ids(response: Any) -> set[str]:
    assert response.status_code == 200, response.text
    entries = response.json().get("entry", [])
    return {entry["resource"]["id"] for entry in entries if entry.get("search", {}).get("mode") != "outcome"}


class TestScopes:
    def test_a_type_that_is_not_granted_is_forbidden(self, hospital: Hospital) -> None:
        headers = hospital.token("launch/patient patient/Condition.rs")
        response = hospital.http.get("/fhir/Observation/anna-lab", headers=headers)
        assert response.status_code == 403
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
        assert response.json()["issue"][0]["code"] == "forbidden"

    def test_creating_needs_c(self, hospital: Hospital) -> None:
        headers = hospital.token("launch/patient patient/Observation.rs")
        body = observation("x", "anna")
        assert hospital.http.post("/fhir/Observation", json=body, headers=headers).status_code == 403

    def test_searching_needs_s_and_reading_needs_r(self, hospital: Hospital) -> None:
        get = hospital.http.get
        read = hospital.token("launch/patient patient/Observation.r")
        search = hospital.token("launch/patient patient/Observation.s")
        assert get("/fhir/Observation?patient=anna", headers=read).status_code == 403
        assert get("/fhir/Observation/anna-lab", headers=read).status_code == 200
        assert get("/fhir/Observation/anna-lab/_history", headers=read).status_code == 200
        assert get("/fhir/Observation/anna-lab", headers=search).status_code == 403
        assert ids(get("/fhir/Observation?patient=anna", headers=search)) >= {"anna-lab"}

    def test_histories_of_a_type_and_of_everything_need_s(self, hospital: Hospital) -> None:
        read = hospital.token("user/*.r")
        assert hospital.http.get("/fhir/Observation/_history", headers=read).status_code == 403
        assert hospital.http.get("/fhir/_history", headers=read).status_code == 403

    def test_update_as_create_needs_u(self, hospital: Hospital) -> None:
        headers = hospital.token("launch/patient patient/Observation.c")
        for identity in ("anna-lab", "new-one"):
            body = observation(identity, "anna")
            assert (
                hospital.http.put(f"/fhir/Observation/{identity}", json=body, headers=headers).status_code
                == 403
            )

    def test_deleting_needs_d(self, hospital: Hospital) -> None:
        headers = hospital.token("user/*.crus")
        assert hospital.http.delete("/fhir/Observation/anna-lab", headers=headers).status_code == 403

    def test_a_patients_own_account_never_writes(self, hospital: Hospital) -> None:
        headers = hospital.token("launch/patient patient/*.cruds user/*.cruds", user="anna")
        body = observation("x", "anna")
        assert hospital.http.post("/fhir/Observation", json=body, headers=headers).status_code == 403
        assert hospital.http.get("/fhir/Patient/bert", headers=headers).status_code == 404


class TestGranular:
    @pytest.fixture
    def lab(self, hospital: Hospital) -> dict[str, str]:
        return hospital.token(f"launch/patient patient/Observation.cruds?category={CATEGORY}|laboratory")

    @pytest.mark.parametrize(
        "query",
        [
            "patient=anna",
            "patient=anna&category=vital-signs",
            "patient=anna&code=8867-4",
            "patient=anna&category:not=laboratory",
            "patient=anna&category:missing=true",
            "_id=anna-vital",
        ],
    )
    def test_nothing_outside_the_category_is_found(
        self, hospital: Hospital, lab: dict[str, str], query: str
    ) -> None:
        response = hospital.http.get(f"/fhir/Observation?{query}", headers=lab)
        if response.status_code == 200:
            assert ids(response) <= {"anna-lab"}
        else:
            assert response.status_code in (400, 403)

    def test_reading_follows_the_category(self, hospital: Hospital, lab: dict[str, str]) -> None:
        assert hospital.http.get("/fhir/Observation/anna-lab", headers=lab).status_code == 200
        assert hospital.http.get("/fhir/Observation/anna-vital", headers=lab).status_code in (403, 404)

    def test_writing_is_judged_before_and_after(self, hospital: Hospital, lab: dict[str, str]) -> None:
        moved = observation("anna-lab", "anna", "vital-signs")
        assert hospital.http.put("/fhir/Observation/anna-lab", json=moved, headers=lab).status_code == 403
        foreign = observation("anna-vital", "anna", "laboratory")
        assert hospital.http.put("/fhir/Observation/anna-vital", json=foreign, headers=lab).status_code in (
            403,
            404,
        )
        other = observation("x", "anna", "vital-signs")
        assert hospital.http.post("/fhir/Observation", json=other, headers=lab).status_code == 403


class TestCompartment:
    @pytest.fixture
    def anna(self, hospital: Hospital) -> dict[str, str]:
        return hospital.token("launch/patient patient/*.cruds")

    def test_a_resource_of_another_patient_is_as_good_as_missing(
        self, hospital: Hospital, anna: dict[str, str]
    ) -> None:
        get = hospital.http.get
        hidden = get("/fhir/Observation/bert-lab", headers=anna)
        missing = get("/fhir/Observation/no-such", headers=anna)
        assert hidden.status_code == missing.status_code == 404
        assert _shape(hidden) == _shape(missing)
        for path in ("Patient/bert", "Observation/bert-lab/_history/1", "Observation/bert-lab/_history"):
            response = get(f"/fhir/{path}", headers=anna)
            assert response.status_code == 404 or ids(response) == set(), path

    def test_conditional_headers_tell_nothing_of_it(self, hospital: Hospital, anna: dict[str, str]) -> None:
        for header in ({"If-None-Match": 'W/"1"'}, {"If-Modified-Since": "Wed, 01 Jan 2099 00:00:00 GMT"}):
            assert hospital.http.get("/fhir/Observation/bert-lab", headers=anna | header).status_code == 404
        for match in ('W/"1"', 'W/"9"'):
            headers = anna | {"If-Match": match}
            hidden = hospital.http.delete("/fhir/Observation/bert-lab", headers=headers)
            missing = hospital.http.delete("/fhir/Observation/no-such", headers=headers)
            assert hidden.status_code == missing.status_code
            assert _shape(hidden) == _shape(missing)

    @pytest.mark.parametrize(
        "query",
        [
            "subject=Patient/bert",
            "patient=bert",
            f"subject={FHIR}/Patient/bert",
            "subject=Patient/bert/_history/1",
            "subject:identifier=urn:oid:2.25.1|MRN-bert",
            "_id=bert-lab",
            "subject:Patient.name=Beta",
            "subject:Patient.identifier=MRN-bert",
        ],
    )
    def test_no_search_finds_it(self, hospital: Hospital, anna: dict[str, str], query: str) -> None:
        response = hospital.http.get(f"/fhir/Observation?{query}&_total=accurate", headers=anna)
        assert response.status_code in (200, 400, 403)
        if response.status_code == 200:
            assert "bert" not in {
                entry["resource"].get("id", "")[:4] for entry in response.json().get("entry", [])
            }

    def test_totals_count_only_what_may_be_seen(self, hospital: Hospital, anna: dict[str, str]) -> None:
        for query in ("_total=accurate", "_summary=count", "_count=0&_total=accurate"):
            body = hospital.http.get(f"/fhir/Patient?{query}", headers=anna).json()
            assert body["total"] == 1, query

    def test_a_record_can_not_be_moved_in_or_out(self, hospital: Hospital, anna: dict[str, str]) -> None:
        put = hospital.http.put
        out = observation("anna-lab", "bert")
        assert put("/fhir/Observation/anna-lab", json=out, headers=anna).status_code in (403, 404)
        taken = observation("bert-lab", "anna")
        assert put("/fhir/Observation/bert-lab", json=taken, headers=anna).status_code in (403, 404)
        assert hospital.http.get("/fhir/Observation/anna-lab", headers=anna).status_code == 200

    def test_a_record_of_another_patient_can_not_be_made_or_deleted(
        self, hospital: Hospital, anna: dict[str, str]
    ) -> None:
        body = observation("x", "bert")
        assert hospital.http.post("/fhir/Observation", json=body, headers=anna).status_code == 403
        assert hospital.http.delete("/fhir/Condition/bert-condition", headers=anna).status_code in (403, 404)
        clinician = hospital.token("user/*.rs")
        assert hospital.http.get("/fhir/Condition/bert-condition", headers=clinician).status_code == 200

    def test_a_conditional_create_matches_only_what_may_be_seen(
        self, hospital: Hospital, anna: dict[str, str]
    ) -> None:
        probe = anna | {"If-None-Exist": "identifier=urn:oid:2.25.1|MRN-bert"}
        body = {"resourceType": "Patient", "name": [{"family": "X"}]}
        response = hospital.http.post("/fhir/Patient", json=body, headers=probe)
        assert response.status_code in (403, 412)
        assert "bert" not in response.text

    def test_a_clinician_reaches_all_patients(self, hospital: Hospital) -> None:
        headers = hospital.token("user/*.rs")
        assert ids(hospital.http.get("/fhir/Patient", headers=headers)) == {"anna", "bert"}


class TestBatch:
    def test_each_entry_is_judged_alone(self, hospital: Hospital) -> None:
        headers = hospital.token(PATIENT)
        urls = ["Patient/anna", "Patient/bert", "Observation?patient=bert", "Observation/anna-lab"]
        bundle = {
            "resourceType": "Bundle",
            "type": "batch",
            "entry": [{"request": {"method": "GET", "url": url}} for url in urls],
        }
        response = hospital.http.post("/fhir", json=bundle, headers=headers)
        assert response.status_code == 200, response.text
        entries = response.json()["entry"]
        statuses = [entry["response"]["status"][:3] for entry in entries]
        assert statuses[0] == statuses[3] == "200"
        assert statuses[1] in ("403", "404")
        assert "bert-lab" not in response.text

    def test_a_transaction_with_one_forbidden_entry_stores_nothing(self, hospital: Hospital) -> None:
        headers = hospital.token("launch/patient patient/*.cruds")
        entries = [
            {
                "resource": observation("t-own", "anna"),
                "request": {"method": "PUT", "url": "Observation/t-own"},
            },
            {
                "resource": observation("t-other", "bert"),
                "request": {"method": "PUT", "url": "Observation/t-other"},
            },
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        assert hospital.http.post("/fhir", json=bundle, headers=headers).status_code == 403
        assert hospital.http.get("/fhir/Observation/t-own", headers=headers).status_code == 404

    def test_an_entry_outside_the_scopes_is_refused(self, hospital: Hospital) -> None:
        headers = hospital.token("launch/patient patient/Observation.rs")
        bundle = {
            "resourceType": "Bundle",
            "type": "batch",
            "entry": [
                {"request": {"method": "DELETE", "url": "Observation/anna-lab"}},
                {"request": {"method": "GET", "url": "Condition?patient=anna"}},
            ],
        }
        entries = hospital.http.post("/fhir", json=bundle, headers=headers).json()["entry"]
        assert [entry["response"]["status"][:3] for entry in entries] == ["403", "403"]


def test_a_paging_cursor_serves_only_who_got_it(hospital: Hospital) -> None:
    mine = hospital.token("user/*.rs")
    page = hospital.http.get("/fhir/Observation?_count=1", headers=mine).json()
    link = next(link["url"] for link in page["link"] if link["relation"] == "next")
    assert link.startswith(FHIR + "/Observation?")
    assert hospital.http.get(link, headers=mine).status_code == 200
    other = hospital.token(PATIENT, user="anna")
    assert hospital.http.get(link, headers=other).status_code in (400, 403, 410)
    assert hospital.http.get(link[:-3] + "AAA", headers=mine).status_code in (400, 403, 410)


def _shape(response: Any) -> list[dict[str, Any]]:
    """An outcome without the id that was asked for."""
    issues = response.json()["issue"]
    return [{"severity": issue["severity"], "code": issue["code"]} for issue in issues]
