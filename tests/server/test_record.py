"""A token bound to a patient reaches that patient's record and nothing else, whoever performed, recorded or sent it."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.record import has_patient
from fhir_bridge.fhir.record_table import RECORD_TABLE
from fhir_bridge.server.smart.scopes import SHARED_TYPES
from tests.fhir.test_record import COMPARTMENT, paths_of, placed
from tests.server.conftest import Hospital, observation

TYPES = sorted(COMPARTMENT)


def merged(resource: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Two parts of one resource, elements in lists put side by side."""
    found = dict(resource)
    for name, value in more.items():
        known = found.get(name)
        if isinstance(known, list) and isinstance(value, list):
            found[name] = known + value
        elif isinstance(known, dict) and isinstance(value, dict):
            found[name] = merged(known, value)
        else:
            found[name] = value
    return found


def of_bert(resource_type: str) -> dict[str, Any]:
    """A resource about bert, in which anna is whatever else her compartment takes her for."""
    row = RECORD_TABLE[resource_type]
    identity = "bert" if resource_type == "Patient" else f"of-bert-{resource_type.lower()}"
    resource: dict[str, Any] = {"resourceType": resource_type, "id": identity}
    for path in row.owners if resource_type != "Patient" else ():
        resource = merged(resource, placed(resource_type, path, {"reference": "Patient/bert"}))
    for path in row.through:
        resource = merged(resource, placed(resource_type, path, {"reference": "Observation/bert-lab"}))
    for code in COMPARTMENT[resource_type]:
        for path in paths_of(resource_type, code):
            if path not in (*row.owners, *row.through):
                resource = merged(resource, placed(resource_type, path, {"reference": "Patient/anna"}))
    if resource_type == "Patient":
        resource["link"][0]["type"] = "seealso"
    return resource | {"id": identity}


@pytest.fixture(scope="module")
def filled(hospital: Hospital) -> Hospital:
    for resource_type in TYPES:
        resource = of_bert(resource_type)
        if resource_type == "AuditEvent":  # it has one version
            hospital.run(hospital.services.store.load, [resource])
            continue
        for _ in range(2):  # so that there is a past version
            resource["language"] = resource.get("language", "en") + "-GB"
            hospital.run(hospital.services.store.update, resource_type, resource["id"], resource, EVERYTHING)
    return hospital


@pytest.fixture(scope="module")
def anna(filled: Hospital) -> dict[str, str]:
    return filled.token("launch/patient patient/*.rs")


@pytest.fixture(scope="module")
def bert(filled: Hospital) -> dict[str, str]:
    return filled.token("launch/patient patient/*.rs", patient="bert")


def ids(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    entries = response.json().get("entry", [])
    return [entry["resource"]["id"] for entry in entries if entry.get("search", {}).get("mode") != "outcome"]


@pytest.mark.parametrize("resource_type", TYPES)
def test_who_is_named_in_another_patients_resource_does_not_reach_it(
    filled: Hospital, anna: dict[str, str], bert: dict[str, str], resource_type: str
) -> None:
    get, identity = filled.http.get, of_bert(resource_type)["id"]
    one = f"{resource_type}/{identity}"
    versions = 1 if resource_type == "AuditEvent" else 2
    paths = [one, f"{one}/_history", *(f"{one}/_history/{number}" for number in range(1, versions + 1))]
    assert {get(f"/fhir/{path}", headers=anna).status_code for path in paths} == {404}
    assert {get(f"/fhir/{path}", headers=bert).status_code for path in paths} == {200}
    assert ids(get(f"/fhir/{resource_type}?_id={identity}&_include=*", headers=anna)) == []
    along = get(f"/fhir/Patient?_id=anna&_revinclude={resource_type}:*", headers=anna)
    if resource_type == "AuditEvent":
        assert along.status_code == 400  # nothing leads to them
    else:
        assert identity not in ids(along)
    searches = [f"_id={identity}", "_count=200"]
    searches += [f"{code}=Patient/anna" for code in COMPARTMENT[resource_type]]
    for query in searches:
        assert identity not in ids(get(f"/fhir/{resource_type}?{query}", headers=anna)), query
    for query in ("_total=accurate", "_summary=count"):
        found = get(f"/fhir/{resource_type}?_id={identity}&{query}", headers=anna).json()
        assert found["total"] == 0, query
        found = get(f"/fhir/{resource_type}?_id={identity}&{query}", headers=bert).json()
        assert found["total"] == 1, query
    assert identity not in ids(get(f"/fhir/{resource_type}/_history?_count=500", headers=anna))
    assert identity in ids(get(f"/fhir/{resource_type}?_id={identity}", headers=bert))
    assert ids(get(f"/fhir/{resource_type}/_history?_count=500", headers=bert)).count(identity) >= versions


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_so_it_is_in_a_bundle(
    filled: Hospital, anna: dict[str, str], bert: dict[str, str], kind: str
) -> None:
    names = [f"{resource_type}/{of_bert(resource_type)['id']}" for resource_type in TYPES]

    def statuses(token: dict[str, str], urls: list[str]) -> list[str]:
        entries = [{"request": {"method": "GET", "url": url}} for url in urls]
        body = {"resourceType": "Bundle", "type": kind, "entry": entries}
        answer = filled.http.post("/fhir", json=body, headers=token)
        if answer.status_code != 200:
            return [str(answer.status_code)]
        return [entry["response"]["status"][:3] for entry in answer.json()["entry"]]

    assert statuses(bert, names) == ["200"] * 66
    if kind == "batch":
        assert statuses(anna, names) == ["404"] * 66
    else:
        assert [statuses(anna, [name]) for name in names] == [["404"]] * 66


def test_the_history_of_everything_shows_each_only_the_own_record(
    filled: Hospital, anna: dict[str, str], bert: dict[str, str]
) -> None:
    # AuditEvents have a history by themselves.
    own = {of_bert(resource_type)["id"] for resource_type in TYPES if resource_type != "AuditEvent"}
    assert not own & set(ids(filled.http.get("/fhir/_history?_count=1000", headers=anna)))
    assert own <= set(ids(filled.http.get("/fhir/_history?_count=1000", headers=bert)))


def test_pages_of_a_history_are_full_though_versions_between_are_anothers(hospital: Hospital) -> None:
    def write(identity: str, of: str) -> None:
        result = observation(identity, of)
        hospital.run(hospital.services.store.update, "Observation", identity, result, EVERYTHING)

    for number in range(12):
        for of in ("anna", "bert", "bert", "anna"):  # the versions between were once bert's
            write(f"paged-{number}", of)
    token = hospital.token("patient/*.rs", patient="anna")
    whole = hospital.http.get("/fhir/Observation/_history?_count=500", headers=token).json()
    assert whole["total"] == len(whole["entry"])
    for path, everything in (
        ("Observation/_history", whole["entry"]),
        (
            "Observation/paged-3/_history",
            [entry for entry in whole["entry"] if entry["resource"]["id"] == "paged-3"],
        ),
    ):
        sizes, seen, url = [], [], f"/fhir/{path}?_count=1" if "paged" in path else f"/fhir/{path}?_count=5"
        while url:
            page = hospital.http.get(url, headers=token).json()
            sizes.append(len(page["entry"]))
            seen += page["entry"]
            url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
        assert set(sizes[:-1]) == {sizes[0]}, sizes
        assert 0 < sizes[-1] <= sizes[0]
        assert [(entry["resource"]["id"], entry["resource"]["meta"]["versionId"]) for entry in seen] == [
            (entry["resource"]["id"], entry["resource"]["meta"]["versionId"]) for entry in everything
        ]
    for number in range(12):
        hospital.run(hospital.services.store.delete, "Observation", f"paged-{number}", EVERYTHING)


def test_a_result_that_she_performed_for_another_patient_is_not_hers(hospital: Hospital) -> None:
    """A's token read B's result where A is performer."""
    result = observation("of-bert", "bert") | {"performer": [{"reference": "Patient/anna"}]}
    hospital.run(hospital.services.store.update, "Observation", "of-bert", result, EVERYTHING)
    for token in (hospital.token("launch/patient patient/*.rs"), hospital.token("patient/*.rs", user="anna")):
        assert hospital.http.get("/fhir/Observation/of-bert", headers=token).status_code == 404
        assert "of-bert" not in ids(hospital.http.get("/fhir/Observation", headers=token))
        assert "of-bert" not in ids(
            hospital.http.get("/fhir/Observation?performer=Patient/anna", headers=token)
        )
    clinician = hospital.token("user/*.rs")
    found = hospital.http.get("/fhir/Observation?performer=Patient/anna", headers=clinician)
    assert "of-bert" in ids(found)  # the compartment is an address


def test_what_is_about_two_patients_is_in_neithers_bound_access(
    filled: Hospital, anna: dict[str, str], bert: dict[str, str]
) -> None:
    actors = [{"actor": {"reference": f"Patient/{name}"}, "status": "accepted"} for name in ("anna", "bert")]
    both = {"resourceType": "Appointment", "id": "both", "status": "booked", "participant": actors}
    audit = {
        "resourceType": "AuditEvent",
        "id": "both",
        "entity": [{"what": {"reference": "Appointment/both"}}],
    }
    filled.run(filled.services.store.load, [both, audit])
    for token in (anna, bert):
        for kind in ("Appointment", "AuditEvent"):
            assert filled.http.get(f"/fhir/{kind}/both", headers=token).status_code == 404
            assert "both" not in ids(filled.http.get(f"/fhir/{kind}?_count=500", headers=token))
    clinician = filled.token("user/*.rs")
    assert filled.http.get("/fhir/Appointment/both", headers=clinician).status_code == 200
    filled.run(filled.services.store.link_patients, "anna", "bert")  # then they are one
    try:
        for token in (anna, bert):
            for kind in ("Appointment", "AuditEvent"):
                assert filled.http.get(f"/fhir/{kind}/both", headers=token).status_code == 200
    finally:
        filled.run(filled.services.store.unlink_patients, "anna", "bert")
    assert filled.http.get("/fhir/Appointment/both", headers=anna).status_code == 404


class TestShared:
    def test_what_is_read_without_bound_is_about_no_patient(self) -> None:
        assert [name for name in SHARED_TYPES if has_patient(name)] == []

    def test_a_device_of_another_patient_is_not_read(self, filled: Hospital, anna: dict[str, str]) -> None:
        store = filled.services.store
        for identity, of in (("device-anna", "anna"), ("device-bert", "bert")):
            device = {"resourceType": "Device", "id": identity, "patient": {"reference": f"Patient/{of}"}}
            filled.run(store.update, "Device", identity, device, EVERYTHING)
        assert filled.http.get("/fhir/Device/device-anna", headers=anna).status_code == 200
        assert filled.http.get("/fhir/Device/device-bert", headers=anna).status_code == 404
        assert ids(filled.http.get("/fhir/Device", headers=anna)) == ["device-anna"]

    @pytest.mark.parametrize("kind", ["Medication", "Practitioner", "Organization", "Location"])
    def test_what_is_about_nobody_is_read_by_everybody(
        self, filled: Hospital, anna: dict[str, str], kind: str
    ) -> None:
        filled.run(
            filled.services.store.update, kind, "shared", {"resourceType": kind, "id": "shared"}, EVERYTHING
        )
        assert filled.http.get(f"/fhir/{kind}/shared", headers=anna).status_code == 200
        assert "shared" in ids(filled.http.get(f"/fhir/{kind}", headers=anna))
        only = filled.token("launch/patient patient/Observation.rs")
        assert filled.http.get(f"/fhir/{kind}/shared", headers=only).status_code == 403

    def test_nor_does_sharing_let_anybody_write(self, filled: Hospital) -> None:
        token = filled.token("launch/patient patient/*.cruds")
        body = {"resourceType": "Organization", "id": "shared", "name": "Mine"}
        assert filled.http.put("/fhir/Organization/shared", json=body, headers=token).status_code == 403
        body = {"resourceType": "Organization", "name": "Mine"}
        assert filled.http.post("/fhir/Organization", json=body, headers=token).status_code == 403


def test_who_did_what_with_the_own_record_can_be_seen_and_no_more(hospital: Hospital) -> None:
    """AuditEvent and Provenance follow what they are about, not who acted."""
    clinician, anna = hospital.token("user/*.cruds"), hospital.token("launch/patient patient/*.rs")
    bert = hospital.token("launch/patient patient/*.rs", patient="bert")
    made = {}
    for name in ("anna", "bert"):
        result = hospital.http.post(
            "/fhir/Observation", json=observation("x", name), headers=clinician
        ).json()
        made[name] = result["id"]
        provenance = {
            "resourceType": "Provenance",
            "target": [{"reference": f"Observation/{result['id']}/_history/1"}],
            "recorded": "2026-03-05T08:00:00Z",
            "agent": [{"who": {"reference": "Patient/anna"}}],
        }
        answer = hospital.http.post("/fhir/Provenance", json=provenance, headers=clinician)
        assert answer.status_code == 201, answer.text
        assert hospital.http.delete(f"/fhir/Observation/{result['id']}", headers=clinician).status_code == 204
    for token, own, other in ((anna, "anna", "bert"), (bert, "bert", "anna")):
        for query, count in (("Provenance?target=", 1), ("AuditEvent?action=C,D&entity=", 2)):
            found = ids(hospital.http.get(f"/fhir/{query}Observation/{made[own]}", headers=token))
            assert len(found) == count, query
            assert ids(hospital.http.get(f"/fhir/{query}Observation/{made[other]}", headers=token)) == []
    found = hospital.http.get("/fhir/AuditEvent?patient=bert&action=D", headers=clinician)
    assert (
        f"Observation/{made['bert']}" in found.text
    )  # a deletion names whose it was, not the patient in context
    assert f"Observation/{made['anna']}" not in found.text
