"""Operations on records and documents: what a caller may see of the patient who is asked for, and of nobody else."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from tests.server.conftest import CATEGORY, FHIR, Hospital, observation

CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
ALLERGY = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
LOINC = "http://loinc.org"


def of(kind: str, identity: str, patient: str, **more: Any) -> dict[str, Any]:
    element = "patient" if kind in ("AllergyIntolerance", "Immunization") else "subject"
    return {"resourceType": kind, "id": identity, element: {"reference": f"Patient/{patient}"}, **more}


def coded(code: str, system: str = "http://snomed.info/sct") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}], "text": f"text of {code}"}


def result(identity: str, patient: str, code: str, moment: str, **more: Any) -> dict[str, Any]:
    made = observation(identity, patient, code=code)
    return {**made, "effectiveDateTime": moment, "performer": [{"reference": "Organization/lab"}], **more}


RECORDS = [
    {"resourceType": "Organization", "id": "lab", "name": "Laboratory"},
    {"resourceType": "Organization", "id": "unnamed", "name": "Nobody refers to it"},
    {"resourceType": "Medication", "id": "drug", "code": coded("372756006")},
    {
        **observation("anna-vital", "anna", "vital-signs", "8867-4"),
        "valueQuantity": {"value": 71, "unit": "/min", "system": "http://unitsofmeasure.org", "code": "/min"},
    },
    result("old", "anna", "718-7", "2024-01-01"),
    result("new", "anna", "718-7", "2025-01-01"),
    result("tie", "anna", "718-7", "2025-01-01"),
    result("other-code", "anna", "2345-7", "2020-05-05"),
    {**result("undated", "anna", "1-8", "2020"), "effectiveDateTime": None},
    # Anna did this for Bert: R4's compartment of anna has it, her record does not.
    result("of-bert", "bert", "718-7", "2026-01-01", performer=[{"reference": "Patient/anna"}]),
    of("Condition", "problem", "anna", code=coded("38341003"), clinicalStatus=coded("active", CLINICAL)),
    of("Condition", "past", "anna", code=coded("195967001"), clinicalStatus=coded("resolved", CLINICAL)),
    of(
        "AllergyIntolerance",
        "allergy",
        "anna",
        code=coded("91936005"),
        clinicalStatus=coded("active", ALLERGY),
    ),
    of(
        "MedicationStatement",
        "takes",
        "anna",
        status="active",
        medicationReference={"reference": "Medication/drug"},
        effectiveDateTime="2025-02-03",
    ),
    of("MedicationStatement", "took", "anna", status="stopped", medicationCodeableConcept=coded("1")),
    of(
        "Immunization",
        "shot",
        "anna",
        status="completed",
        vaccineCode=coded("2"),
        occurrenceDateTime="2021-03-04",
    ),
    {
        "resourceType": "Composition",
        "id": "letter",
        "status": "final",
        "type": coded("34133-9", LOINC),
        "subject": {"reference": "Patient/anna"},
        "date": "2026-01-01",
        "author": [{"reference": "Practitioner/clara"}],
        "title": "Letter",
        "section": [
            {
                "title": "Results",
                "entry": [{"reference": "Observation/new"}, {"reference": f"{FHIR}/Observation/old"}],
                "section": [{"title": "More", "entry": [{"reference": "Observation/of-bert"}]}],
            },
            {"title": "Gone", "entry": [{"reference": "Observation/nowhere"}]},
        ],
    },
]


@pytest.fixture(scope="module")
def clinic(hospital: Hospital) -> Hospital:
    for record in RECORDS:
        body = {name: value for name, value in record.items() if value is not None}
        if body["id"] != "letter":
            hospital.run(hospital.services.store.update, body["resourceType"], body["id"], body, EVERYTHING)
    # What refers to nothing that is here comes by a load alone.
    hospital.run(hospital.services.store.load, [record for record in RECORDS if record["id"] == "letter"])
    return hospital


@pytest.fixture(scope="module")
def clara(clinic: Hospital) -> dict[str, str]:
    return clinic.token("user/*.cruds", patient=None)


@pytest.fixture(scope="module")
def anna(clinic: Hospital) -> dict[str, str]:
    return clinic.token("patient/*.rs", user="anna")


@pytest.fixture(scope="module")
def laboratory(clinic: Hospital) -> dict[str, str]:
    return clinic.token(
        f"patient/Patient.r patient/Observation.rs?category={CATEGORY}|vital-signs", user="anna"
    )


def shown(answer: Any, mode: str = "match") -> list[str]:
    assert answer.status_code == 200, answer.text
    entries = answer.json().get("entry", [])
    return [
        f"{entry['resource']['resourceType']}/{entry['resource']['id']}"
        for entry in entries
        if entry["search"]["mode"] == mode
    ]


def pages(hospital: Hospital, path: str, headers: dict[str, str]) -> list[list[str]]:
    found = []
    while path:
        answer = hospital.http.get(path, headers=headers)
        found.append(shown(answer))
        links = {link["relation"]: link["url"] for link in answer.json()["link"]}
        path = links.get("next", "").removeprefix("http://127.0.0.1:8000")
    return found


def errors(hospital: Hospital, headers: dict[str, str], bundle: dict[str, Any]) -> list[str]:
    """What the server's own validator finds of a Bundle, by R4 and by the profile that it declares."""
    answer = hospital.http.post("/fhir/Bundle/$validate", json=bundle, headers=headers)
    assert answer.status_code == 200, answer.text
    return [str(issue) for issue in answer.json()["issue"] if issue["severity"] in ("error", "fatal")]


OF_ANNA = {
    "Patient/anna",
    "Composition/letter",
    *(f"Observation/{name}" for name in "anna-lab anna-vital old new tie other-code undated".split()),
    "Condition/problem",
    "Condition/past",
    "AllergyIntolerance/allergy",
    "MedicationStatement/takes",
    "MedicationStatement/took",
    "Immunization/shot",
}


class TestEverything:
    def test_a_record_is_the_patient_s_own_with_what_it_names(
        self, clinic: Hospital, clara: dict[str, str], anna: dict[str, str]
    ) -> None:
        for headers in (clara, anna):
            answer = clinic.http.get("/fhir/Patient/anna/$everything", headers=headers)
            assert set(shown(answer)) == OF_ANNA
            assert shown(answer)[0] == "Patient/anna"
            named = ["Medication/drug", "Organization/lab", "Practitioner/clara"]
            assert shown(answer, "include") == named

    def test_another_s_record_and_an_unknown_one_look_alike(
        self, clinic: Hospital, anna: dict[str, str]
    ) -> None:
        for patient in ("bert", "nobody"):
            for operation in ("$everything", "$summary", "$meta"):
                answer = clinic.http.get(f"/fhir/Patient/{patient}/{operation}", headers=anna)
                assert answer.status_code == 404
                assert answer.json()["issue"][0]["details"]["text"] == f"no Patient/{patient}"

    def test_a_narrow_scope_narrows_it(self, clinic: Hospital, laboratory: dict[str, str]) -> None:
        answer = clinic.http.get("/fhir/Patient/anna/$everything", headers=laboratory)
        # The Patient may be read by this token, and not be searched.
        assert shown(answer) == ["Observation/anna-vital"]

    @pytest.mark.parametrize("count", [1, 3, 100])
    def test_its_pages_are_the_whole(self, clinic: Hospital, clara: dict[str, str], count: int) -> None:
        found = pages(clinic, f"/fhir/Patient/anna/$everything?_count={count}", clara)
        together = [entry for page in found for entry in page]
        assert len(together) == len(set(together))
        assert set(together) == OF_ANNA
        assert together[0] == "Patient/anna"
        assert all(len(page) == count for page in found[:-1])

    def test_parts_of_it(self, clinic: Hospital, clara: dict[str, str], anna: dict[str, str]) -> None:
        def asked(query: str, headers: dict[str, str] = clara, mode: str = "match") -> set[str]:
            return set(
                shown(clinic.http.get(f"/fhir/Patient/anna/$everything?{query}", headers=headers), mode)
            )

        assert asked("_type=Condition,Immunization") == {
            "Condition/problem",
            "Condition/past",
            "Immunization/shot",
        }
        assert asked("_type=Condition,Immunization", mode="include") == set()
        assert asked("_type=Observation,Organization", mode="include") == {"Organization/lab"}
        during = asked("start=2024-01-01&end=2024-12-31&_type=Observation")
        assert during == {"Observation/old", "Observation/undated"}
        assert asked("start=2026&_type=Observation") == {
            "Observation/anna-lab",
            "Observation/anna-vital",
            "Observation/undated",
        }
        assert asked("_since=2100-01-01T00:00:00Z") == set()
        assert asked("_since=2000-01-01T00:00:00Z") == OF_ANNA
        # By a form and by Parameters alike.
        body = {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueString": "Immunization"}]}
        answer = clinic.http.post("/fhir/Patient/anna/$everything", json=body, headers=anna)
        assert shown(answer) == ["Immunization/shot"]

    @pytest.mark.parametrize(
        "query",
        ["_type=Nonsense", "_type=", "_since=yesterday", "start=x", "start=gt2020", "end=2020-13", "_count=x",
         "_cursor=x", "_sort=date", "colour=red", "_count=1&_count=2", "_format=json&_format=json"],
    )  # fmt: skip
    def test_what_can_t_be_understood_is_refused(
        self, clinic: Hospital, clara: dict[str, str], query: str
    ) -> None:
        answer = clinic.http.get(f"/fhir/Patient/anna/$everything?{query}", headers=clara)
        assert answer.status_code == 400
        assert answer.json()["resourceType"] == "OperationOutcome"

    def test_a_cursor_serves_its_caller_and_its_question(
        self, clinic: Hospital, clara: dict[str, str], anna: dict[str, str]
    ) -> None:
        page = clinic.http.get("/fhir/Patient/anna/$everything?_count=2", headers=clara).json()
        following = next(link["url"] for link in page["link"] if link["relation"] == "next")
        path = following.removeprefix("http://127.0.0.1:8000")
        assert clinic.http.get(path, headers=anna).status_code == 400
        assert clinic.http.get(f"{path}&_type=Condition", headers=clara).status_code == 400

    def test_it_is_given_as_xml_too(self, clinic: Hospital, clara: dict[str, str]) -> None:
        for path in (
            "Patient/anna/$everything?_type=Condition",
            "Patient/anna/$summary?",
            "Patient/anna/$meta?",
        ):
            answer = clinic.http.get(f"/fhir/{path}&_format=xml", headers=clara)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("application/fhir+xml")

    def test_it_is_in_a_batch_too(self, clinic: Hospital, clara: dict[str, str]) -> None:
        entry = [{"request": {"method": "GET", "url": "Patient/anna/$everything?_type=Patient"}}]
        body = {"resourceType": "Bundle", "type": "batch", "entry": entry}
        answer = clinic.http.post("/fhir", json=body, headers=clara).json()
        assert answer["entry"][0]["resource"]["entry"][0]["resource"]["id"] == "anna"


class TestLastN:
    def test_of_each_kind_the_last_of_this_patient(
        self, clinic: Hospital, clara: dict[str, str], anna: dict[str, str]
    ) -> None:
        for headers in (clara, anna):
            answer = clinic.http.get("/fhir/Observation/$lastn?patient=Patient/anna", headers=headers)
            # Equal times: both are the last.
            assert sorted(shown(answer)) == [
                f"Observation/{name}"
                for name in ("anna-lab", "anna-vital", "new", "other-code", "tie", "undated")
            ]
            assert answer.json()["total"] == 6
        answer = clinic.http.get(
            "/fhir/Observation/$lastn?subject=Patient/anna&code=718-7&max=3", headers=clara
        )
        assert sorted(shown(answer)[:2]) == ["Observation/new", "Observation/tie"]
        assert shown(answer)[2] == "Observation/old"

    def test_pages_of_it(self, clinic: Hospital, clara: dict[str, str]) -> None:
        whole = shown(clinic.http.get("/fhir/Observation/$lastn?patient=anna&max=2", headers=clara))
        found = pages(clinic, "/fhir/Observation/$lastn?patient=anna&max=2&_count=2", clara)
        assert [entry for page in found for entry in page] == whole

    def test_nobody_s_results_are_shown_to_another(self, clinic: Hospital, anna: dict[str, str]) -> None:
        answer = clinic.http.get("/fhir/Observation/$lastn?patient=Patient/bert", headers=anna)
        assert (shown(answer), answer.json()["total"]) == ([], 0)

    @pytest.mark.parametrize(
        "query",
        ["", "code=718-7", "patient=", "patient=anna&max=0", "patient=anna&max=x", "patient=anna&max=1&max=2",
         "patient=anna&_sort=date", "patient=anna&colour=red", "patient=anna&_include=*", "patient:missing=true"],
    )  # fmt: skip
    def test_whose_results_must_be_said(self, clinic: Hospital, clara: dict[str, str], query: str) -> None:
        assert clinic.http.get(f"/fhir/Observation/$lastn?{query}", headers=clara).status_code == 400


class TestMeta:
    def test_tags_are_added_and_taken_off(self, clinic: Hospital, clara: dict[str, str]) -> None:
        path = "/fhir/Condition/problem"

        def change(name: str, meta: Any) -> Any:
            body = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}
            return clinic.http.post(f"{path}/${name}", json=body, headers=clara)

        tags = [{"system": "urn:t", "code": "a"}, {"code": "b", "display": "B"}]
        before = clinic.http.get(path, headers=clara).json()
        answer = change("meta-add", {"tag": tags})
        assert answer.json()["parameter"][0]["valueMeta"]["tag"] == tags
        version = answer.json()["parameter"][0]["valueMeta"]["versionId"]
        again = change("meta-add", {"tag": tags[:1]}).json()["parameter"][0]["valueMeta"]
        assert (again["tag"], again["versionId"]) == (tags, version)
        assert shown(clinic.http.get("/fhir/Condition?_tag=urn:t|a", headers=clara)) == ["Condition/problem"]
        assert change("meta-delete", {"tag": [{**tags[0], "display": "other words"}]}).status_code == 200
        assert shown(clinic.http.get("/fhir/Condition?_tag=urn:t|a", headers=clara)) == []
        after = clinic.http.get(path, headers=clara).json()
        assert {**after, "meta": None} == {**before, "meta": None}
        whole = clinic.http.get("/fhir/Condition/$meta", headers=clara).json()["parameter"][0]["valueMeta"]
        assert whole["tag"] == [{"code": "b"}]
        assert "tag" in str(clinic.http.get("/fhir/$meta", headers=clara).json())
        assert (
            change("meta-add", {"profile": ["http://hl7.org/fhir/StructureDefinition/bp"]}).status_code == 422
        )

    def test_labels_stay(self, clinic: Hospital, clara: dict[str, str]) -> None:
        body = {
            "resourceType": "Parameters",
            "parameter": [{"name": "meta", "valueMeta": {"security": [{"code": "R"}]}}],
        }
        answer = clinic.http.post("/fhir/Condition/problem/$meta-delete", json=body, headers=clara)
        assert answer.status_code == 403

    def test_who_may_not_write_may_not_tag(
        self, clinic: Hospital, clara: dict[str, str], anna: dict[str, str]
    ) -> None:
        body = {
            "resourceType": "Parameters",
            "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}],
        }
        path = "/fhir/Condition/problem/$meta-add"
        assert clinic.http.post(path, json=body, headers=anna).status_code == 403
        assert clinic.http.get(path, headers=clara).status_code == 405
        assert clinic.http.post("/fhir/Condition/$meta-add", json=body, headers=clara).status_code == 404
        for wrong in ({}, {"resourceType": "Parameters"}, {"resourceType": "Parameters", "parameter": [
            {"name": "meta", "valueMeta": {"tag": "x"}}]}, {"resourceType": "Parameters", "parameter": [
            {"name": "meta", "valueMeta": {}}]}):  # fmt: skip
            assert clinic.http.post(path, json=wrong, headers=clara).status_code in (400, 422)


class TestDocuments:
    def test_a_document_has_what_its_composition_names(
        self, clinic: Hospital, clara: dict[str, str], anna: dict[str, str]
    ) -> None:
        answer = clinic.http.get("/fhir/Composition/letter/$document", headers=clara)
        body = answer.json()
        assert body["type"] == "document"
        assert body["identifier"]["value"].startswith("urn:uuid:")
        urls = [entry["fullUrl"].removeprefix(f"{FHIR}/") for entry in body["entry"]]
        assert urls == [
            "Composition/letter",
            "Patient/anna",
            "Practitioner/clara",
            "Observation/new",
            "Observation/old",
            "Observation/of-bert",
        ]
        # What is not there can't be in the document, which says so by its reference alone.
        assert all("section[1].entry[0]" in error for error in errors(clinic, clara, body))
        # What the caller may not read is as if it were not there.
        body = clinic.http.get("/fhir/Composition/letter/$document", headers=anna).json()
        assert "of-bert" not in str([entry["fullUrl"] for entry in body["entry"]])
        for query in ("persist=true", "graph=x"):
            answer = clinic.http.get(f"/fhir/Composition/letter/$document?{query}", headers=clara)
            assert answer.status_code == 400

    def test_a_summary_is_an_international_patient_summary(
        self, clinic: Hospital, clara: dict[str, str], anna: dict[str, str]
    ) -> None:
        bundles = {}
        for name, headers in (("clara", clara), ("anna", anna)):
            answer = clinic.http.get("/fhir/Patient/anna/$summary", headers=headers)
            assert answer.status_code == 200, answer.text
            bundles[name] = answer.json()
            assert errors(clinic, clara, bundles[name]) == []
        composition, *rest = [entry["resource"] for entry in bundles["clara"]["entry"]]
        assert composition["resourceType"] == "Composition"
        sections = {
            section["title"]: {
                entry["reference"].removeprefix(f"{FHIR}/") for entry in section.get("entry", [])
            }
            for section in composition["section"]
        }
        assert sections == {
            "Medication summary": {"MedicationStatement/takes"},
            "Allergies and intolerances": {"AllergyIntolerance/allergy"},
            "Problem list": {"Condition/problem"},
            "Immunizations": {"Immunization/shot"},
            "Results": {
                f"Observation/{name}" for name in ("anna-lab", "new", "tie", "other-code", "undated")
            },
            "Vital signs": {"Observation/anna-vital"},
            "History of past problems": {"Condition/past"},
        }
        ids = {(resource["resourceType"], resource["id"]) for resource in rest}
        assert {("Medication", "drug"), ("Organization", "lab"), ("Patient", "anna")} <= ids
        assert ("Observation", "of-bert") not in ids
        assert ("Organization", "unnamed") not in ids

    def test_what_is_not_known_is_said_to_be_so(self, clinic: Hospital, clara: dict[str, str]) -> None:
        created = clinic.http.post("/fhir/Patient", json={"resourceType": "Patient"}, headers=clara).json()
        body = clinic.http.get(f"/fhir/Patient/{created['id']}/$summary", headers=clara).json()
        assert errors(clinic, clara, body) == []
        for section in body["entry"][0]["resource"]["section"]:
            assert section["emptyReason"]["coding"][0]["code"] == "unavailable"


class TestMatch:
    def ask(self, hospital: Hospital, headers: dict[str, str], patient: dict[str, Any], **more: Any) -> Any:
        parameters = [{"name": "resource", "resource": {"resourceType": "Patient", **patient}}]
        parameters += [{"name": name, f"value{kind}": value} for name, (kind, value) in more.items()]
        body = {"resourceType": "Parameters", "parameter": parameters}
        return hospital.http.post("/fhir/Patient/$match", json=body, headers=headers)

    def grades(self, answer: Any) -> dict[str, str]:
        assert answer.status_code == 200, answer.text
        entries = answer.json().get("entry", [])
        return {entry["resource"]["id"]: entry["search"]["extension"][0]["valueCode"] for entry in entries}

    NUMBER: ClassVar = [{"system": "urn:oid:2.25.1", "value": "MRN-anna"}]

    def test_grades(self, clinic: Hospital, clara: dict[str, str]) -> None:
        name = [{"family": "ALPHA", "given": ["Ada"]}]
        assert self.grades(self.ask(clinic, clara, {"identifier": self.NUMBER})) == {"anna": "certain"}
        described = {"name": name, "birthDate": "1961-04-05", "gender": "female"}
        assert self.grades(self.ask(clinic, clara, described)) == {"anna": "probable"}
        assert self.grades(self.ask(clinic, clara, {**described, "birthDate": "1961"})) == {
            "anna": "probable"
        }
        assert self.grades(self.ask(clinic, clara, {"name": name})) == {"anna": "possible"}
        assert self.grades(self.ask(clinic, clara, {**described, "birthDate": "1970-01-01"})) == {}
        # The same number with another birth date: somebody has to look.
        other = {"identifier": self.NUMBER, "birthDate": "1999-01-01"}
        assert self.grades(self.ask(clinic, clara, other)) == {"anna": "possible"}
        only = {"onlyCertainMatches": ("Boolean", True)}
        assert self.grades(self.ask(clinic, clara, described, **only)) == {}
        assert self.grades(self.ask(clinic, clara, {"identifier": self.NUMBER}, **only)) == {
            "anna": "certain"
        }
        # A number without who gave it is nobody's.
        assert self.ask(clinic, clara, {"identifier": [{"value": "MRN-anna"}]}).status_code == 422

    def test_it_merges_nothing_and_shows_nobody_to_another(
        self, clinic: Hospital, clara: dict[str, str], anna: dict[str, str]
    ) -> None:
        before = clinic.http.get("/fhir/Patient/_history", headers=clara).json().get("total")
        described = {"identifier": [{"system": "urn:oid:2.25.1", "value": "MRN-bert"}]}
        assert self.grades(self.ask(clinic, clara, described)) == {"bert": "certain"}
        assert self.grades(self.ask(clinic, anna, described)) == {}
        assert clinic.http.get("/fhir/Patient/_history", headers=clara).json().get("total") == before

    def test_what_is_malformed_is_refused(self, clinic: Hospital, clara: dict[str, str]) -> None:
        for body in ({"resourceType": "Parameters"}, {"resourceType": "Observation"}):
            assert clinic.http.post("/fhir/Patient/$match", json=body, headers=clara).status_code == 400
        for odd in (
            {"name": "x", "identifier": [3], "birthDate": {}},
            {"name": [{"family": ["a"], "given": 3}]},
        ):
            assert self.ask(clinic, clara, odd).status_code in (200, 422)
        assert clinic.http.get("/fhir/Patient/$match", headers=clara).status_code == 405


def test_what_is_served_is_in_the_capability_statement(clinic: Hospital) -> None:
    rest = clinic.http.get("/fhir/metadata").json()["rest"][0]
    of_type = {resource["type"]: resource for resource in rest["resource"]}
    operations = {
        kind: {entry["name"] for entry in of_type[kind]["operation"]}
        for kind in ("Patient", "Observation", "Composition")
    }
    assert {"everything", "summary", "match", "meta", "meta-add", "meta-delete"} <= operations["Patient"]
    assert "lastn" in operations["Observation"]
    assert "document" in operations["Composition"]
    assert "search-system" in {entry["code"] for entry in rest["interaction"]}
    parameters = {entry["name"] for entry in of_type["Observation"]["searchParam"]}
    assert {"component-code-value-quantity", "combo-code-value-concept", "_text", "_content"} <= parameters
