"""What a caller bound to one patient can't learn or gain by writing."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from tests.server.conftest import Hospital, observation, patient

LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST"}


@pytest.fixture(scope="module")
def anna(hospital: Hospital) -> dict[str, str]:
    return hospital.token("patient/*.cruds")


@pytest.fixture(scope="module")
def hidden(hospital: Hospital) -> list[str]:
    """Ids of another patient's records, a prediction among them, and one that is free."""
    store = hospital.services.store
    made = observation("bert-risk", "bert") | {"meta": {"security": [LABEL]}}
    hospital.run(store.update, "Observation", "bert-risk", made, EVERYTHING)
    return ["bert-lab", "bert-risk", "free"]


def put(hospital: Hospital, token: dict[str, str], identity: str) -> Any:
    return hospital.http.put(
        f"/fhir/Observation/{identity}", json=observation(identity, "anna"), headers=token
    )


def seen(answer: Any, identity: str) -> tuple[int, str]:
    """Status and body without the id and the request's own number."""
    return answer.status_code, answer.text.replace(identity, "ID")


class TestAnIdThatIsHidden:
    def test_update_answers_as_for_a_free_one(
        self, hospital: Hospital, anna: dict[str, str], hidden: list[str]
    ) -> None:
        answers = {seen(put(hospital, anna, identity), identity) for identity in hidden}
        assert len(answers) == 1
        assert next(iter(answers))[0] == 403

    @pytest.mark.parametrize("kind", ["batch", "transaction"])
    def test_so_it_does_in_a_bundle(
        self, hospital: Hospital, anna: dict[str, str], hidden: list[str], kind: str
    ) -> None:
        answers = set()
        for identity in hidden:
            request = {"method": "PUT", "url": f"Observation/{identity}"}
            bundle = {
                "resourceType": "Bundle",
                "type": kind,
                "entry": [{"request": request, "resource": observation(identity, "anna")}],
            }
            answers.add(seen(hospital.http.post("/fhir", json=bundle, headers=anna), identity))
        assert len(answers) == 1
        assert "FB-SMART-002" in next(iter(answers))[1]

    def test_and_with_criteria_and_an_id_of_ones_own_choice(
        self, hospital: Hospital, anna: dict[str, str], hidden: list[str]
    ) -> None:
        answers = set()
        for identity in hidden:
            body = observation(identity, "anna")
            answer = hospital.http.put("/fhir/Observation?code=never|seen", json=body, headers=anna)
            answers.add(seen(answer, identity))
        assert len(answers) == 1
        assert next(iter(answers))[0] == 403

    def test_delete_answers_as_for_a_free_one(
        self, hospital: Hospital, anna: dict[str, str], hidden: list[str]
    ) -> None:
        answers = {
            seen(hospital.http.delete(f"/fhir/Observation/{identity}", headers=anna), identity)
            for identity in hidden
        }
        assert len(answers) == 1

    def test_the_own_record_can_still_be_changed_and_added_to(
        self, hospital: Hospital, anna: dict[str, str]
    ) -> None:
        made = hospital.http.post("/fhir/Observation", json=observation("x", "anna"), headers=anna)
        assert made.status_code == 201
        identity = made.json()["id"]
        changed = observation(identity, "anna") | {"status": "amended"}
        answer = hospital.http.put(f"/fhir/Observation/{identity}", json=changed, headers=anna)
        assert answer.status_code == 200

    def test_who_reaches_every_patient_may_choose_ids(self, hospital: Hospital) -> None:
        token = hospital.token("user/*.cruds", patient=None)
        assert put(hospital, token, "chosen").status_code == 201


class TestALinkToAnotherPatient:
    """Linked Patients are one person to the access filter, so a link would be a way in."""

    @pytest.mark.parametrize("kind", ["replaces", "replaced-by", "seealso", "refer"])
    def test_it_can_not_be_added(self, hospital: Hospital, anna: dict[str, str], kind: str) -> None:
        link = {"other": {"reference": "Patient/bert"}, "type": kind}
        body = patient("anna", "Alpha") | {"link": [link]}
        assert hospital.http.put("/fhir/Patient/anna", json=body, headers=anna).status_code == 403
        assert hospital.http.get("/fhir/Patient/bert", headers=anna).status_code == 404

    def test_nor_by_a_third_record_that_names_both(self, hospital: Hospital, anna: dict[str, str]) -> None:
        links = [{"other": {"reference": f"Patient/{name}"}, "type": "replaces"} for name in ("anna", "bert")]
        body = patient("third", "Alpha") | {"link": links}
        request = {"method": "POST", "url": "Patient"}
        bundle = {
            "resourceType": "Bundle",
            "type": "batch",
            "entry": [{"request": request, "resource": body}],
        }
        (item,) = hospital.http.post("/fhir", json=bundle, headers=anna).json()["entry"]
        assert item["response"]["status"].startswith("403")
        assert hospital.http.post("/fhir/Patient", json=body, headers=anna).status_code == 403
        assert hospital.http.get("/fhir/Patient/bert", headers=anna).status_code == 404

    def test_one_that_stands_may_stay(self, hospital: Hospital) -> None:
        for_all = hospital.token("user/*.cruds", patient=None)
        old = patient("anna-old", "Alpha")
        assert hospital.http.put("/fhir/Patient/anna-old", json=old, headers=for_all).status_code == 201
        body = patient("anna", "Alpha") | {
            "link": [{"other": {"reference": "Patient/anna-old"}, "type": "replaces"}]
        }
        assert hospital.http.put("/fhir/Patient/anna", json=body, headers=for_all).status_code == 200
        token = hospital.token("patient/*.cruds")
        assert hospital.http.get("/fhir/Patient/anna-old", headers=token).status_code == 200
        body["gender"] = "unknown"
        assert hospital.http.put("/fhir/Patient/anna", json=body, headers=token).status_code == 200
