"""The REST interactions as R4 http.html describes them."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tests.server.conftest import FHIR, Hospital, observation, patient


@pytest.fixture(scope="module")
def clinician(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds")


def code_of(response: Any) -> str:
    body = response.json()
    assert body["resourceType"] == "OperationOutcome"
    return str(body["issue"][0]["details"]["coding"][0]["code"])


class TestLifeOfAResource:
    def test_create_read_update_delete(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        http = hospital.http
        body = observation("ignored", "anna")
        created = http.post("/fhir/Observation", json=body, headers=clinician)
        assert created.status_code == 201, created.text
        identity = created.json()["id"]
        assert identity != "ignored"
        assert created.headers["etag"] == 'W/"1"'
        assert created.headers["location"] == f"{FHIR}/Observation/{identity}/_history/1"
        assert "last-modified" in created.headers
        where = f"/fhir/Observation/{identity}"
        read = http.get(where, headers=clinician)
        assert read.headers["content-type"].startswith("application/fhir+json")
        assert read.json()["meta"]["versionId"] == "1"
        changed = read.json() | {"status": "amended"}
        updated = http.put(where, json=changed, headers=clinician | {"If-Match": 'W/"1"'})
        assert (updated.status_code, updated.headers["etag"]) == (200, 'W/"2"')
        stale = http.put(
            where, json=changed | {"status": "corrected"}, headers=clinician | {"If-Match": 'W/"1"'}
        )
        assert stale.status_code == 412
        assert http.get(where + "/_history/1", headers=clinician).json()["status"] == "final"
        assert http.delete(where, headers=clinician).status_code == 204
        assert http.get(where, headers=clinician).status_code == 410
        assert http.delete(where, headers=clinician).status_code == 204
        history = http.get(where + "/_history", headers=clinician).json()
        assert [entry["request"]["method"] for entry in history["entry"]] == ["DELETE", "PUT", "POST"]
        assert "resource" not in history["entry"][0]

    def test_an_update_creates_where_there_is_none(
        self, hospital: Hospital, clinician: dict[str, str]
    ) -> None:
        response = hospital.http.put(
            "/fhir/Patient/new-one", json=patient("new-one", "New"), headers=clinician
        )
        assert response.status_code == 201

    def test_the_same_again_makes_no_version(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        body = patient("same", "Same")
        assert hospital.http.put("/fhir/Patient/same", json=body, headers=clinician).status_code == 201
        again = hospital.http.put("/fhir/Patient/same", json=body, headers=clinician)
        assert (again.status_code, again.headers["etag"]) == (200, 'W/"1"')

    def test_decimals_come_back_to_the_digit(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        text = (
            '{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/anna"},'
            '"valueQuantity":{"value":37.00,"unit":"Cel"}}'
        )
        headers = clinician | {"Content-Type": "application/fhir+json"}
        created = hospital.http.post("/fhir/Observation", content=text, headers=headers)
        assert '"value":37.00' in created.text

    def test_conditional_create_and_update(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        http = hospital.http
        match = clinician | {"If-None-Exist": "identifier=urn:oid:2.25.1|MRN-anna"}
        response = http.post("/fhir/Patient", json=patient("x", "Other"), headers=match)
        assert (response.status_code, response.json()["id"]) == (200, "anna")
        body = {**patient("x", "Cond"), "identifier": [{"system": "urn:oid:2.25.1", "value": "MRN-cond"}]}
        del body["id"]
        first = http.put("/fhir/Patient?identifier=urn:oid:2.25.1|MRN-cond", json=body, headers=clinician)
        assert first.status_code == 201, first.text
        second = http.put(
            "/fhir/Patient?identifier=urn:oid:2.25.1|MRN-cond",
            json=body | {"gender": "male"},
            headers=clinician,
        )
        assert (second.status_code, second.json()["id"]) == (200, first.json()["id"])
        assert http.put("/fhir/Patient", json=body, headers=clinician).status_code == 400
        unknown = http.put(
            "/fhir/Patient?identifier=urn:oid:2.25.1|MRN-cond&shoe-size=42", json=body, headers=clinician
        )
        assert unknown.status_code == 400
        assert "shoe-size" in unknown.text

    def test_prefer_decides_what_comes_back(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        body = observation("x", "anna")
        post = hospital.http.post
        minimal = post("/fhir/Observation", json=body, headers=clinician | {"Prefer": "return=minimal"})
        assert (minimal.status_code, minimal.content) == (201, b"")
        outcome = post(
            "/fhir/Observation", json=body, headers=clinician | {"Prefer": "return=OperationOutcome"}
        )
        assert outcome.json()["resourceType"] == "OperationOutcome"

    def test_what_the_caller_has_is_not_sent_again(
        self, hospital: Hospital, clinician: dict[str, str]
    ) -> None:
        get = hospital.http.get
        first = get("/fhir/Patient/bert", headers=clinician)
        again = get("/fhir/Patient/bert", headers=clinician | {"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        since = clinician | {"If-Modified-Since": first.headers["last-modified"]}
        assert get("/fhir/Patient/bert", headers=since).status_code == 304

    def test_head_has_the_headers_and_no_body(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        response = hospital.http.head("/fhir/Patient/anna", headers=clinician)
        assert response.status_code == 200
        assert response.content == b""
        assert response.headers["etag"]


class TestSearch:
    def test_by_get_and_by_post_alike(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        got = hospital.http.get("/fhir/Observation?patient=anna&code=8867-4", headers=clinician).json()
        posted = hospital.http.post(
            "/fhir/Observation/_search", data={"patient": "anna", "code": "8867-4"}, headers=clinician
        ).json()
        for bundle in (got, posted):
            assert bundle["type"] == "searchset"
            assert [entry["resource"]["id"] for entry in bundle["entry"]] == ["anna-vital"]
            assert bundle["entry"][0]["fullUrl"] == f"{FHIR}/Observation/anna-vital"
            assert bundle["link"][0]["relation"] == "self"

    def test_pages_follow_each_other_without_gap_or_repeat(
        self, hospital: Hospital, clinician: dict[str, str]
    ) -> None:
        seen: list[str] = []
        url: str | None = "/fhir/Observation?_count=1&subject=Patient/anna,Patient/bert"
        while url:
            bundle = hospital.http.get(url, headers=clinician).json()
            seen += [entry["resource"]["id"] for entry in bundle.get("entry", [])]
            links = {link["relation"]: link["url"] for link in bundle["link"]}
            url = links.get("next")
            assert url is None or url.startswith(FHIR + "/Observation?")
        assert len(seen) == len(set(seen)) >= 3

    def test_links_are_made_of_the_settings_not_of_headers(
        self, hospital: Hospital, clinician: dict[str, str]
    ) -> None:
        poisoned = clinician | {"X-Forwarded-Host": "evil.example", "Host": "evil.example"}
        text = hospital.http.get("/fhir/Observation?_count=1", headers=poisoned).text
        assert "evil.example" not in text

    def test_an_unknown_parameter_is_told_of_or_refused(
        self, hospital: Hospital, clinician: dict[str, str]
    ) -> None:
        lenient = hospital.http.get("/fhir/Patient?nonsense=1", headers=clinician).json()
        notes = [entry for entry in lenient["entry"] if entry["search"]["mode"] == "outcome"]
        assert "nonsense" in notes[0]["resource"]["issue"][0]["details"]["text"]
        assert "nonsense" not in lenient["link"][0]["url"]
        strict = hospital.http.get(
            "/fhir/Patient?nonsense=1", headers=clinician | {"Prefer": "handling=strict"}
        )
        assert strict.status_code == 400

    @pytest.mark.parametrize(
        "query",
        [
            "_count=-1",
            "_count=x",
            "_count=1.5",
            "_summary=some",
            "_total=some",
            "date=nonsense",
            "birthdate=99999999-01-01",
            "name=%00",
            "name=%ff",
            "name=" + "x" * 9000,
            "_id=" + ",".join("x" * 1001),
        ],
    )
    def test_what_can_not_be_understood_is_refused(
        self, hospital: Hospital, clinician: dict[str, str], query: str
    ) -> None:
        path = "/fhir/Observation" if query.startswith("date") else "/fhir/Patient"
        response = hospital.http.get(f"{path}?{query}", headers=clinician)
        assert response.status_code == 400
        assert response.json()["resourceType"] == "OperationOutcome"

    def test_a_huge_count_is_capped(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        assert hospital.http.get("/fhir/Patient?_count=999999999", headers=clinician).status_code == 200

    def test_too_many_parameters_are_refused(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        query = "&".join(f"p{number}=1" for number in range(300))
        assert hospital.http.get(f"/fhir/Patient?{query}", headers=clinician).status_code == 400

    def test_a_search_by_post_needs_a_form(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        assert hospital.http.post("/fhir/Patient/_search", json={}, headers=clinician).status_code == 415

    def test_history_of_the_type_and_of_everything(
        self, hospital: Hospital, clinician: dict[str, str]
    ) -> None:
        for path in ("/fhir/Patient/_history", "/fhir/_history"):
            bundle = hospital.http.get(
                path + "?_count=2&_since=2020-01-01T00:00:00Z", headers=clinician
            ).json()
            assert bundle["type"] == "history"
            assert len(bundle["entry"]) == 2
        assert hospital.http.get("/fhir/_history?_since=yesterday", headers=clinician).status_code == 400
        assert (
            hospital.http.get("/fhir/_history?_since=2020-01-01T00:00:00", headers=clinician).status_code
            == 400
        )
        assert hospital.http.get("/fhir/_history?_at=x", headers=clinician).status_code == 400


class TestRefusals:
    """Every refusal is an OperationOutcome with the status that fits."""

    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/fhir/Nonsense/1", 404),
            ("GET", "/fhir/patient/1", 404),
            ("GET", "/fhir/Patient/no-such", 404),
            ("GET", "/fhir/Patient/no_such", 404),
            ("GET", "/fhir/Patient/" + "x" * 65, 404),
            ("GET", "/fhir/Patient/anna/_history/99", 404),
            ("GET", "/fhir/Patient/anna/_history/x", 404),
            ("GET", "/fhir/Patient/anna/Observation/x/y", 404),
            ("GET", "/fhir/Patient/$nonsense", 404),
            ("GET", "/fhir/Patient/..%2f..%2fetc", 404),
            ("PUT", "/fhir", 405),
            ("PATCH", "/fhir/Patient", 400),
            ("TRACE", "/fhir/Patient/anna", 405),
            ("DELETE", "/fhir/Patient", 400),
            ("POST", "/fhir/metadata", 405),
            ("DELETE", "/fhir/AuditEvent/1", 405),
            ("PUT", "/fhir/AuditEvent/1", 405),
            ("POST", "/fhir/AuditEvent", 405),
        ],
    )
    def test_wrong_addresses_and_methods(
        self, hospital: Hospital, clinician: dict[str, str], method: str, path: str, status: int
    ) -> None:
        response = hospital.http.request(method, path, headers=clinician)
        assert response.status_code == status, response.text
        assert code_of(response).startswith("FB-")
        assert ("allow" in response.headers) == (status == 405)
        assert response.headers["x-request-id"]

    def test_formats(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        get = hospital.http.get
        for accept in (
            "application/fhir+json",
            "application/json",
            "*/*",
            "text/html, */*;q=0.1",
            "application/fhir+json; fhirVersion=4.0",
        ):
            assert get("/fhir/Patient/anna", headers=clinician | {"Accept": accept}).status_code == 200, (
                accept
            )
        for accept in (
            "text/html",
            "application/fhir+json; fhirVersion=3.0",
            "application/json;q=0",
        ):
            assert get("/fhir/Patient/anna", headers=clinician | {"Accept": accept}).status_code == 406, (
                accept
            )
        assert (
            get("/fhir/Patient/anna?_format=json", headers=clinician | {"Accept": "text/html"}).status_code
            == 200
        )
        assert get("/fhir/Patient/anna?_format=turtle", headers=clinician).status_code == 406
        turtle = clinician | {"Content-Type": "application/fhir+turtle"}
        assert hospital.http.post("/fhir/Patient", content="[]", headers=turtle).status_code == 415

    def test_invalid_resources_are_refused_with_every_finding(
        self, hospital: Hospital, clinician: dict[str, str]
    ) -> None:
        body = {"resourceType": "Observation", "status": "nonsense", "colour": "red"}
        response = hospital.http.post("/fhir/Observation", json=body, headers=clinician)
        assert response.status_code == 422
        assert len(response.json()["issue"]) >= 3

    def test_type_and_id_are_those_of_the_address(
        self, hospital: Hospital, clinician: dict[str, str]
    ) -> None:
        http = hospital.http
        assert http.post("/fhir/Patient", json=observation("x", "anna"), headers=clinician).status_code == 400
        assert http.put("/fhir/Patient/anna", json=patient("bert", "B"), headers=clinician).status_code == 400
        without = patient("anna", "A")
        del without["id"]
        assert http.put("/fhir/Patient/anna", json=without, headers=clinician).status_code == 400

    def test_validate_tells_and_stores_nothing(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        post = hospital.http.post
        good = post("/fhir/Observation/$validate", json=observation("v", "anna"), headers=clinician)
        assert good.status_code == 200, good.text
        assert all(issue["severity"] not in ("error", "fatal") for issue in good.json()["issue"])
        bad = {
            "resourceType": "Parameters",
            "parameter": [{"name": "resource", "resource": {"resourceType": "Observation"}}],
        }
        response = post("/fhir/Observation/$validate", json=bad, headers=clinician)
        assert any(issue["severity"] == "error" for issue in response.json()["issue"])
        assert hospital.http.get("/fhir/Observation/v", headers=clinician).status_code == 404
        assert (
            post(
                "/fhir/Observation/$validate", json={"resourceType": "Parameters"}, headers=clinician
            ).status_code
            == 400
        )


class TestOwnedByTheServer:
    LABEL: ClassVar[dict[str, str]] = {
        "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
        "code": "AIAST",
    }

    def test_a_caller_can_not_make_change_or_delete_a_prediction(
        self, hospital: Hospital, clinician: dict[str, str]
    ) -> None:
        from fhir_bridge.fhir.access import EVERYTHING

        forged = observation("forged", "anna") | {"meta": {"security": [self.LABEL]}}
        assert hospital.http.post("/fhir/Observation", json=forged, headers=clinician).status_code == 403
        real = observation("predicted", "anna") | {"meta": {"security": [self.LABEL]}}
        hospital.run(hospital.services.store.update, "Observation", "predicted", real, EVERYTHING)
        plain = observation("predicted", "anna") | {"status": "amended"}
        assert (
            hospital.http.put("/fhir/Observation/predicted", json=plain, headers=clinician).status_code == 403
        )
        assert hospital.http.delete("/fhir/Observation/predicted", headers=clinician).status_code == 403
        entries = [{"request": {"method": "DELETE", "url": "Observation/predicted"}}]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        assert hospital.http.post("/fhir", json=bundle, headers=clinician).status_code == 403
        assert hospital.http.get("/fhir/Observation/predicted", headers=clinician).json()["status"] == "final"

    def test_a_caller_can_not_speak_for_a_model(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        from fhir_bridge.fhir.access import EVERYTHING

        http, store = hospital.http, hospital.services.store
        kind = {"coding": [{"system": "http://example.org/type", "code": "Artificial-Intelligence"}]}
        model = {"resourceType": "Device", "id": "model", "type": kind}
        made = {
            "resourceType": "Provenance",
            "id": "made",
            "target": [{"reference": "Observation/scored"}],
            "recorded": "2026-03-05T08:00:00Z",
            "agent": [{"who": {"reference": "Device/model"}}],
        }
        scored = observation("scored", "anna") | {"meta": {"security": [self.LABEL]}}
        for resource in (model, scored, made):
            hospital.run(store.update, resource["resourceType"], resource["id"], resource, EVERYTHING)
        by_model = observation("x", "anna") | {"device": {"reference": "Device/model"}}
        by_person = {**made, "agent": [{"who": {"reference": "Practitioner/clara"}}]}
        assert http.post("/fhir/Device", json=model, headers=clinician).status_code == 403
        assert http.post("/fhir/Observation", json=by_model, headers=clinician).status_code == 403
        by_model["device"] = {"reference": f"{FHIR}/Device/model"}
        assert http.post("/fhir/Observation", json=by_model, headers=clinician).status_code == 403
        assert http.post("/fhir/Provenance", json=by_person, headers=clinician).status_code == 403
        for where, body in (("Device/model", model), ("Provenance/made", by_person)):
            assert http.put(f"/fhir/{where}", json=body, headers=clinician).status_code == 403
            assert http.delete(f"/fhir/{where}", headers=clinician).status_code == 403
        hospital.run(store.update, "Device", "meter", {"resourceType": "Device", "id": "meter"}, EVERYTHING)
        measured = observation("x", "anna") | {"device": {"reference": "Device/meter"}}
        assert http.post("/fhir/Observation", json=measured, headers=clinician).status_code == 201

    def test_a_label_in_a_wrong_place_is_only_invalid(
        self, hospital: Hospital, clinician: dict[str, str]
    ) -> None:
        for meta in ("x", 5, ["x"], {"security": "x"}, {"security": {"code": "AIAST"}}):
            body = observation("labelled-wrong", "anna") | {"meta": meta}
            entry = {"resource": body, "request": {"method": "PUT", "url": "Observation/labelled-wrong"}}
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
            assert hospital.http.post("/fhir", json=bundle, headers=clinician).status_code in (400, 422)
            put = hospital.http.put("/fhir/Observation/labelled-wrong", json=body, headers=clinician)
            assert put.status_code in (400, 422)

    def test_security_labels_stay_when_a_caller_leaves_them_out(
        self, hospital: Hospital, clinician: dict[str, str]
    ) -> None:
        restricted = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
        body = observation("labelled", "anna")
        with_label = body | {"meta": {"security": [restricted]}}
        assert (
            hospital.http.put("/fhir/Observation/labelled", json=with_label, headers=clinician).status_code
            == 201
        )
        body["status"] = "amended"
        updated = hospital.http.put("/fhir/Observation/labelled", json=body, headers=clinician)
        assert updated.json()["meta"]["security"] == [restricted]

    def test_version_and_time_are_the_servers(self, hospital: Hospital, clinician: dict[str, str]) -> None:
        body = observation("x", "anna") | {"meta": {"versionId": "77", "lastUpdated": "1999-01-01T00:00:00Z"}}
        created = hospital.http.post("/fhir/Observation", json=body, headers=clinician).json()
        assert created["meta"]["versionId"] == "1"
        assert not created["meta"]["lastUpdated"].startswith("1999")


def test_a_search_with_an_unknown_parameter_goes_on_over_its_pages(hospital: Hospital) -> None:
    token = hospital.token("user/*.rs", patient=None)
    seen, following = set(), "/fhir/Observation?nonsense=1&_count=1"
    while following:
        bundle = hospital.http.get(following, headers=token).json()
        seen |= {item["resource"]["id"] for item in bundle["entry"] if item["search"]["mode"] == "match"}
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert "nonsense" not in links["self"]
        following = links.get("next", "")
    assert {"anna-lab", "anna-vital", "bert-lab"} <= seen
