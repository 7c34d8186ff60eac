"""`$export`: what it gives to whom, how it is asked for, and what becomes of it (Bulk Data Access 2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server.bulk import export_job
from tests.server.bulk import (
    ASYNC,
    backend,
    exported,
    hospital_with_blobs,
    kick_off,
    lines,
    manifest,
    work,
)
from tests.server.conftest import FHIR, Hospital, bare_plugins, observation, patient

ALL = "system/*.rs"


@pytest.fixture(scope="module")
def served(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with hospital_with_blobs(database_url, tmp_path_factory.mktemp("blobs")) as hospital:
        yield hospital


def put(hospital: Hospital, resource: dict[str, Any]) -> None:
    hospital.run(
        hospital.services.store.update, resource["resourceType"], resource["id"], resource, EVERYTHING
    )


def remove(hospital: Hospital, kind: str, identity: str) -> None:
    hospital.run(hospital.services.store.delete, kind, identity, EVERYTHING)


def opt_out(identity: str, of: str, purpose: str = "HRESCH", **provision: Any) -> dict[str, Any]:
    return {
        "resourceType": "Consent",
        "id": identity,
        "status": "active",
        "scope": {"coding": [{"code": "research"}]},
        "category": [{"text": "research"}],
        "patient": {"reference": f"Patient/{of}"},
        "dateTime": "2026-01-01",
        "provision": {
            "type": "deny",
            "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": purpose}],
            **provision,
        },
    }


def group(identity: str, *members: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "Group",
        "id": identity,
        "type": "person",
        "actual": True,
        "member": list(members),
    }


def member(of: str, **more: Any) -> dict[str, Any]:
    return {"entity": {"reference": of}, **more}


def test_a_system_export_gives_all_that_the_token_may_search_and_read(served: Hospital) -> None:
    results = exported(served, "$export", backend(served, ALL))
    assert results["Patient"] == ["anna", "bert"]
    assert results["Observation"] == ["anna-lab", "anna-vital", "bert-lab"]
    assert results["Practitioner"] == ["clara"]
    assert "AuditEvent" not in results


def test_contents_are_those_that_a_read_gives(served: Hospital) -> None:
    token = backend(served, ALL)
    begun = kick_off(served, "$export?_type=Observation", token)
    work(served)
    for resource in lines(served, manifest(served, begun, token)["output"][0]["url"], token):
        read = served.http.get(f"/fhir/Observation/{resource['id']}", headers=token)
        assert read.json() == resource


def test_an_export_of_patients_gives_what_is_about_patients_alone(served: Hospital) -> None:
    results = exported(served, "Patient/$export", backend(served, ALL))
    assert set(results) == {"Patient", "Observation", "Condition"}


def test_an_export_of_a_group_gives_the_records_of_its_present_members(served: Hospital) -> None:
    put(served, group("inner", member("Patient/anna")))
    members = [
        member("Group/inner"),
        member("Patient/bert", inactive=True),
        member("Patient/nobody"),
    ]
    # As a load stores it: a write would be refused for who is not here.
    served.run(served.services.store.load, [group("cohort", *members)], adapter="test")
    results = exported(served, "Group/cohort/$export", backend(served, ALL))
    assert results["Patient"] == ["anna"]
    assert results["Observation"] == ["anna-lab", "anna-vital"]
    # Of another's record nothing, nor a Group that says who else is a member.
    assert "Condition" not in results
    assert results["Group"] == ["inner"]


def test_a_group_is_an_address_for_who_may_read_every_patient(served: Hospital) -> None:
    put(served, group("addressed", member("Patient/anna")))
    results = exported(served, "Group/addressed/$export", backend(served, "system/Patient.rs"))
    assert results == {"Patient": ["anna"]}
    for scope in ("system/Observation.rs", "system/Patient.r"):
        refused = kick_off(served, "Group/addressed/$export", backend(served, scope))
        assert refused.status_code == 403
    person = served.token("user/Patient.rs", patient=None)
    assert kick_off(served, "Group/addressed/$export", person).status_code == 403


def test_a_member_who_opts_out_takes_no_other_member_out_of_the_export(served: Hospital) -> None:
    put(served, group("study", member("Patient/anna"), member("Patient/bert")))
    put(served, opt_out("study-no", "bert"))
    research = backend(served, ALL, purpose="HRESCH")
    assert served.http.get("/fhir/Group/study", headers=research).status_code == 404, "it names bert"
    results = exported(served, "Group/study/$export", research)
    assert results["Patient"] == ["anna"]
    assert results["Observation"] == ["anna-lab", "anna-vital"]
    assert "study" not in results.get("Group", [])
    assert "bert" not in str(results)
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "patient", "valueReference": {"reference": "Patient/bert"}}],
    }
    refused = kick_off(served, "Group/study/$export", research, method="POST", json=body)
    assert refused.status_code == 400
    remove(served, "Consent", "study-no")
    assert exported(served, "Group/study/$export", research)["Patient"] == ["anna", "bert"]
    remove(served, "Group", "study")


def test_a_resource_about_a_member_and_another_person_is_not_given(served: Hospital) -> None:
    both = observation("both", "anna")
    put(served, {"resourceType": "Appointment", "id": "both", "status": "booked", "participant": [
        {"actor": {"reference": f"Patient/{name}"}, "status": "accepted"} for name in ("anna", "bert")
    ]})  # fmt: skip
    put(served, {**both, "id": "anna-more"})
    put(served, group("only-anna", member("Patient/anna")))
    results = exported(served, "Group/only-anna/$export", backend(served, ALL))
    assert "Appointment" not in results
    assert "anna-more" in results["Observation"]
    remove(served, "Observation", "anna-more")
    remove(served, "Appointment", "both")


def test_a_large_group_gives_the_same_as_a_small_one(
    served: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(served, group("pair", member("Patient/anna"), member("Patient/bert")))
    token = backend(served, ALL)
    small = exported(served, "Group/pair/$export", token)
    monkeypatch.setattr("fhir_bridge.storage.exporting.FEW_PATIENTS", 0)
    assert exported(served, "Group/pair/$export", token) == small


def test_patients_are_named_by_post(served: Hospital) -> None:
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "patient", "valueReference": {"reference": "Patient/bert"}},
            {"name": "_type", "valueString": "Patient,Observation"},
        ],
    }
    token = backend(served, ALL)
    results = exported(served, "Patient/$export", token, method="POST", json=body)
    assert results == {"Patient": ["bert"], "Observation": ["bert-lab"]}
    put(served, group("without-bert", member("Patient/anna")))
    refused = kick_off(served, "Group/without-bert/$export", token, method="POST", json=body)
    assert refused.status_code == 400
    by_get = kick_off(served, "Patient/$export?patient=Patient/bert", token)
    assert by_get.status_code == 400


def test_scopes_decide_which_types_and_which_resources(served: Hospital) -> None:
    token = backend(served, "system/Observation.rs?category=" + "http://terminology.hl7.org/CodeSystem/"
                    "observation-category|vital-signs system/Condition.r system/Patient.read")  # fmt: skip
    assert exported(served, "$export", token) == {
        "Observation": ["anna-vital"],
        "Patient": ["anna", "bert"],
    }
    refused = kick_off(served, "$export?_type=Condition,Patient", token)
    assert refused.status_code == 403
    lenient = {"Prefer": "respond-async, handling=lenient"}
    begun = kick_off(served, "$export?_type=Condition,Patient&_nonsense=1", token, headers=lenient)
    work(served)
    answer = manifest(served, begun, token)
    assert [file["type"] for file in answer["output"]] == ["Patient"]
    outcomes = lines(served, answer["error"][0]["url"], token)
    assert len(outcomes) == 2
    assert {outcome["resourceType"] for outcome in outcomes} == {"OperationOutcome"}


def test_a_person_exports_within_the_own_bounds(served: Hospital) -> None:
    token = served.token("user/*.rs", patient=None)
    assert exported(served, "$export?_type=Patient", token)["Patient"] == ["anna", "bert"]
    own = served.token("patient/*.rs", patient="bert")
    results = exported(served, "Patient/$export", own)
    assert results["Patient"] == ["bert"]
    assert results["Observation"] == ["bert-lab"]


def test_filters_find_by_any_of_them(served: Hospital) -> None:
    token = backend(served, ALL)
    vital = "_typeFilter=Observation%3Fcategory%3Dvital-signs"
    assert exported(served, f"$export?_type=Observation&{vital}", token)["Observation"] == ["anna-vital"]
    more = f"{vital}&_typeFilter=Observation%3Fsubject%3DPatient%2Fbert"
    assert exported(served, f"$export?_type=Observation,Patient&{more}", token) == {
        "Observation": ["anna-vital", "bert-lab"],
        "Patient": ["anna", "bert"],
    }
    for wrong in ("Observation", "Observation?nonsense=1", "Nothing?code=1", "Condition?code=1"):
        refused = kick_off(
            served, f"$export?_type=Observation&_typeFilter={wrong.replace('?', '%3F')}", token
        )
        assert refused.status_code == 400, wrong


def test_elements_give_parts_of_resources(served: Hospital) -> None:
    token = backend(served, ALL)
    begun = kick_off(served, "$export?_type=Patient,Condition&_elements=Patient.gender,id", token)
    work(served)
    first = {
        file["type"]: lines(served, file["url"], token)[0]
        for file in manifest(served, begun, token)["output"]
    }
    assert set(first["Patient"]) == {"resourceType", "id", "meta", "gender"}
    assert "subject" in first["Condition"]  # mandatory
    assert first["Patient"]["meta"]["tag"][0]["code"] == "SUBSETTED"


def test_since_gives_what_was_written_and_what_was_deleted_after(served: Hospital) -> None:
    token = backend(served, ALL)
    put(served, observation("gone", "anna"))
    begun = kick_off(served, "$export", token)
    work(served)
    moment = manifest(served, begun, token)["transactionTime"]
    served.sql("UPDATE resource SET last_updated = last_updated - interval '1 hour'")
    remove(served, "Observation", "gone")
    put(served, patient("carl", "Gamma"))
    path = f"$export?_since={moment.replace('+', '%2B')}"
    again = kick_off(served, path, token)
    work(served)
    answer = manifest(served, again, token)
    assert [(file["type"], file["count"]) for file in answer["output"]] == [("Patient", 1)]
    bundle = lines(served, answer["deleted"][0]["url"], token)[0]
    assert bundle["type"] == "transaction"
    assert [entry["request"] for entry in bundle["entry"]] == [
        {"method": "DELETE", "url": "Observation/gone"}
    ]
    # Deletions within the bounds: of another's record they are not told.
    own = served.token("patient/*.rs", patient="bert")
    begun = kick_off(served, f"Patient/{path}", own)
    work(served)
    assert manifest(served, begun, own)["deleted"] == []
    remove(served, "Patient", "carl")


def test_a_held_open_transaction_is_in_the_next_export(served: Hospital) -> None:
    exports = served.services.store.exports

    async def moments() -> tuple[Any, Any]:
        async with served.services.store.connection() as connection:
            await connection.execute("SELECT 1")
            rows = await connection.execute("SELECT now()")
            begun = (await rows.fetchone())[0]  # type: ignore[index]
            return begun, await exports.moment()

    begun, moment = served.run(moments)
    assert moment < begun


def test_what_was_opted_out_of_while_it_runs_leaves_from_the_next_page_on(
    served: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = backend(served, ALL, purpose="HRESCH")
    monkeypatch.setattr(export_job, "PAGE", 1)
    page, seen = served.services.store.exports.page, list[str]()

    async def watched(kind: str, *values: Any, **more: Any) -> Any:
        if kind == "Observation" and not seen:
            seen.append(kind)
            result = await page(kind, *values, **more)
            consent = opt_out("late", "bert")
            await served.services.store.update("Consent", "late", consent, EVERYTHING)
            return result
        return await page(kind, *values, **more)

    monkeypatch.setattr(served.services.store.exports, "page", watched)
    results = exported(served, "$export?_type=Condition,Observation,Patient", token)
    # Condition came before, Observation while, Patient after.
    assert results == {
        "Condition": ["bert-condition"],
        "Observation": ["anna-lab", "anna-vital"],
        "Patient": ["anna"],
    }
    remove(served, "Consent", "late")
    assert exported(served, "$export?_type=Patient", token)["Patient"] == ["anna", "bert"]


def test_a_consent_is_about_its_purpose_its_time_and_linked_patients(served: Hospital) -> None:
    research, treatment = (backend(served, ALL, purpose=code) for code in ("HRESCH", "TREAT"))
    trial = backend(served, ALL, purpose="CLINTRCH")

    def of(token: dict[str, str]) -> list[str]:
        by_search = served.http.get("/fhir/Patient?_total=accurate", headers=token).json()
        found = [entry["resource"]["id"] for entry in by_search.get("entry", [])]
        assert by_search["total"] == len(found)
        assert exported(served, "$export?_type=Patient", token).get("Patient", []) == sorted(found)
        return sorted(found)

    put(served, opt_out("no", "bert"))
    assert (of(research), of(trial), of(treatment)) == (["anna"], ["anna"], ["anna", "bert"])
    assert served.http.get("/fhir/Patient/bert", headers=research).status_code == 404
    assert served.http.get("/fhir/Patient/bert/_history", headers=research).status_code == 404
    assert served.http.get("/fhir/Observation/bert-lab", headers=research).status_code == 404
    served.run(served.services.audit.flush)
    for token, told in ((research, 0), (treatment, 1)):
        events = served.http.get("/fhir/AuditEvent?patient=Patient/bert&_summary=count", headers=token).json()
        assert min(events["total"], 1) == told
    put(served, opt_out("no", "bert", period={"end": "2020-01-01"}))
    assert of(research) == ["anna", "bert"]
    put(
        served,
        {
            **patient("twin", "Beta"),
            "link": [{"other": {"reference": "Patient/bert"}, "type": "replaced-by"}],
        },
    )
    put(served, opt_out("no", "twin"))
    assert of(research) == ["anna"]
    remove(served, "Consent", "no")
    assert of(research) == ["anna", "bert", "twin"]
    remove(served, "Patient", "twin")


def test_a_document_of_a_patient_who_opts_out_is_on_no_path(served: Hospital) -> None:
    research, treatment = (backend(served, ALL, purpose=code) for code in ("HRESCH", "TREAT"))
    anna = served.token("launch/patient patient/*.rs", patient="anna")
    entries = [{"resource": patient("anna", "Alpha")}, {"resource": observation("copy", "anna")}]
    document = {"resourceType": "Bundle", "id": "paper", "type": "collection", "entry": entries}
    put(served, document)
    both = {"resource": observation("other", "bert"), "fullUrl": "Observation/other"}
    put(served, {**document, "id": "both", "entry": [*entries, both]})

    def of(token: dict[str, str]) -> list[str]:
        answer = served.http.get("/fhir/Bundle?_total=accurate", headers=token).json()
        found = [entry["resource"]["id"] for entry in answer.get("entry", [])]
        assert answer["total"] == len(found)
        for identity in ("both", "paper"):
            read = served.http.get(f"/fhir/Bundle/{identity}", headers=token).status_code
            assert read == (200 if identity in found else 404)
        return sorted(found)

    assert (of(research), of(treatment), of(anna)) == (["both", "paper"], ["both", "paper"], ["paper"])
    put(served, opt_out("no", "bert"))
    assert (of(research), of(treatment), of(anna)) == (["paper"], ["both", "paper"], ["paper"])
    assert exported(served, "$export?_type=Bundle", research) == {"Bundle": ["paper"]}
    assert exported(served, "$export?_type=Bundle", treatment) == {"Bundle": ["paper", "both"]}
    for identity in ("no", "paper", "both"):
        remove(served, "Consent" if identity == "no" else "Bundle", identity)


def test_a_list_of_patients_is_about_each_and_subscriptions_stay_here(served: Hospital) -> None:
    research, treatment = (backend(served, ALL, purpose=code) for code in ("HRESCH", "TREAT"))
    entries = [{"item": {"reference": f"Patient/{name}"}} for name in ("anna", "bert")]
    plain = {"resourceType": "List", "status": "current", "mode": "working"}
    put(served, {**plain, "id": "round", "entry": entries})
    put(served, {**plain, "id": "notes", "subject": {"reference": "Patient/anna"}, "entry": entries[:1]})
    put(
        served,
        {
            "resourceType": "Subscription",
            "id": "told",
            "status": "off",
            "reason": "test",
            "criteria": "Observation?patient=Patient/bert",
            "channel": {"type": "rest-hook", "endpoint": "https://ehr.example/hook"},
        },
    )
    assert exported(served, "$export", research)["List"] == ["round", "notes"]
    put(served, opt_out("no", "bert"))
    results = exported(served, "$export", research)
    assert results["List"] == ["notes"]
    assert "Subscription" not in results
    assert served.http.get("/fhir/List/round", headers=research).status_code == 404
    assert exported(served, "$export", treatment)["List"] == ["round", "notes"]
    assert kick_off(served, "$export?_type=Subscription", research).status_code == 400
    # Of two persons: in neither's record.
    anna = served.token("patient/*.rs", patient="anna")
    assert served.http.get("/fhir/List?_total=accurate", headers=anna).json()["total"] == 1
    for kind, identity in (("Consent", "no"), ("List", "round"), ("List", "notes"), ("Subscription", "told")):
        remove(served, kind, identity)


def test_a_file_comes_compressed_to_who_takes_it(served: Hospital) -> None:
    token = backend(served, ALL)
    begun = kick_off(served, "$export?_type=Observation", token)
    work(served)
    url = manifest(served, begun, token)["output"][0]["url"]
    plain, packed = (
        served.http.get(url, headers={**token, "Accept-Encoding": coding}) for coding in ("identity", "gzip")
    )
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.num_bytes_downloaded < plain.num_bytes_downloaded
    assert packed.content == plain.content


def test_a_past_version_about_who_opted_out_is_not_shown(served: Hospital) -> None:
    research = backend(served, ALL, purpose="HRESCH")
    put(served, observation("moved", "bert"))
    put(served, observation("moved", "anna"))
    put(served, opt_out("past", "bert"))

    def versions() -> list[str]:
        page = served.http.get("/fhir/Observation/moved/_history", headers=research).json()
        return [entry["resource"]["meta"]["versionId"] for entry in page["entry"]]

    first = "/fhir/Observation/moved/_history/1"
    assert versions() == ["2"]
    assert served.http.get(first, headers=research).status_code == 404
    remove(served, "Consent", "past")
    assert versions() == ["2", "1"]
    assert served.http.get(first, headers=research).status_code == 200
    remove(served, "Observation", "moved")


def test_progress_then_manifest_then_nothing(served: Hospital) -> None:
    token = backend(served, ALL)
    begun = kick_off(served, "$export?_type=Patient", token)
    address = begun.headers["content-location"]
    assert address.startswith(FHIR + "/")
    waiting = served.http.get(address, headers=token)
    assert waiting.status_code == 202
    assert int(waiting.headers["retry-after"]) > 0
    assert waiting.headers["x-progress"]
    work(served)
    done = served.http.get(address, headers=token)
    assert done.headers["expires"]
    body = done.json()
    assert body["request"] == f"{FHIR}/$export?_type=Patient"
    assert body["requiresAccessToken"] is True
    assert served.http.delete(address, headers=token).status_code == 202
    assert served.http.get(address, headers=token).status_code == 404
    assert served.http.get(body["output"][0]["url"], headers=token).status_code == 404
    assert served.http.delete(address, headers=token).status_code == 404


def test_a_cancelled_export_is_not_done(served: Hospital) -> None:
    token = backend(served, ALL)
    begun = kick_off(served, "$export", token)
    assert served.http.delete(begun.headers["content-location"], headers=token).status_code == 202
    work(served)
    assert served.http.get(begun.headers["content-location"], headers=token).status_code == 404


def test_nobody_else_sees_an_export(served: Hospital) -> None:
    token, other = backend(served, ALL), backend(served, ALL)
    begun = kick_off(served, "$export?_type=Patient", token)
    work(served)
    url = manifest(served, begun, token)["output"][0]["url"]
    for address in (begun.headers["content-location"], url):
        assert served.http.get(address, headers=other).status_code == 404
        assert served.http.get(address).status_code == 401
    assert served.http.delete(begun.headers["content-location"], headers=other).status_code == 404


def test_a_file_needs_a_token_that_allows_its_type(served: Hospital) -> None:
    token = backend(served, ALL, client="narrowed")
    begun = kick_off(served, "$export?_type=Patient", token)
    work(served)
    url = manifest(served, begun, token)["output"][0]["url"]
    narrower = backend(served, "system/Observation.rs", client="narrowed")
    assert served.http.get(url, headers=narrower).status_code == 403


def test_a_removed_application_gets_nothing_more(served: Hospital) -> None:
    token = backend(served, ALL, client="removed")
    kick_off(served, "$export", token)
    served.run(served.services.accounts.remove_client, "removed")
    work(served)
    rows: list[Any] = []

    async def read() -> None:
        async with served.services.store.connection() as connection:
            result = await connection.execute("SELECT state FROM bulk_job WHERE owner = 'client:removed'")
            rows.extend(await result.fetchall())

    served.run(read)
    assert rows == [("failed",)]


def test_what_a_crash_left_is_gone_on_with(served: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
    token = backend(served, ALL)
    begun = kick_off(served, "$export?_type=Condition,Observation,Patient", token)
    monkeypatch.setattr(export_job, "PAGE", 1)
    monkeypatch.setattr(export_job, "FILE_RESOURCES", 1)
    page, calls = served.services.store.exports.page, list[str]()

    async def dying(kind: str, *values: Any, **more: Any) -> Any:
        calls.append(kind)
        if calls.count("Observation") == 2:
            raise MemoryError
        return await page(kind, *values, **more)

    monkeypatch.setattr(served.services.store.exports, "page", dying)
    with pytest.raises(MemoryError):
        work(served)
    served.sql("UPDATE job SET leased_until = now() - interval '1 minute' WHERE state = 'leased'")
    work(served)
    files = manifest(served, begun, token)["output"]
    found = [resource["id"] for file in files for resource in lines(served, file["url"], token)]
    assert found == ["bert-condition", "anna-lab", "anna-vital", "bert-lab", "anna", "bert"]
    assert calls.count("Condition") <= 2  # not once more after the crash


def test_too_many_at_once_are_refused(served: Hospital) -> None:
    token = backend(served, ALL)
    begun = [kick_off(served, "$export", token) for _ in range(4)]
    refused = kick_off(served, "$export", token)
    assert refused.status_code == 429
    assert refused.headers["retry-after"]
    assert kick_off(served, "$export", backend(served, ALL)).status_code == 202
    for answer in begun:
        served.http.delete(answer.headers["content-location"], headers=token)
    work(served)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("$export", {"Prefer": "handling=lenient"}, 400),
        ("$export", {"Accept": "application/fhir+turtle"}, 406),
        ("$export?_outputFormat=text/csv", {}, 400),
        ("$export?_since=yesterday", {}, 400),
        ("$export?_since=2026-01-01T00:00:00", {}, 400),
        ("$export?_type=Nothing", {}, 400),
        ("$export?_type=AuditEvent", {}, 400),
        ("$export?_elements=a-b", {}, 400),
        ("$export?_elements=Patient.surname", {}, 400),
        ("$export?_type=Patient&_elements=subject", {}, 400),
        ("$export?_nonsense=1", {}, 400),
        ("$export?_since=2026-01-01T00:00:00Z&_since=2026-01-02T00:00:00Z", {}, 400),
        ("Patient/$export?_type=Practitioner", {}, 400),
        ("Patient/anna/$export", {}, 404),
        ("Group/$export", {}, 404),
        ("Group/absent/$export", {}, 404),
        ("Observation/$export", {}, 404),
        ("_bulk/absent", {}, 404),
        ("_bulk/absent/1", {}, 404),
        ("_bulk", {}, 404),
    ],
)
def test_what_is_wrong_is_refused_and_begins_nothing(
    served: Hospital, path: str, headers: dict[str, str], status: int
) -> None:
    answer = kick_off(served, path, backend(served, ALL), headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert work(served) == 0


def test_who_may_read_no_type_exports_nothing(served: Hospital) -> None:
    for scope in ("system/Patient.s", "system/Patient.c"):
        assert kick_off(served, "$export", backend(served, scope)).status_code == 403
    assert served.http.get("/fhir/$export", headers=ASYNC).status_code == 401


def test_kick_off_and_download_leave_audit_events(served: Hospital) -> None:
    token = backend(served, ALL)
    begun = kick_off(served, "$export?_type=Patient", token)
    work(served)
    served.http.get(manifest(served, begun, token)["output"][0]["url"], headers=token)
    served.run(served.services.audit.flush)
    reader = backend(served, "system/AuditEvent.rs")
    events = served.http.get("/fhir/AuditEvent?patient=Patient/bert&_sort=-date", headers=reader).json()
    newest = events["entry"][0]["resource"]
    assert newest["subtype"][0]["code"] == "operation"
    assert {"reference": "Patient/bert"} in [entity.get("what") for entity in newest["entity"]]


def test_plugins_take_out_of_an_export_what_they_take_out_of_a_read(served: Hospital) -> None:
    from fhir_bridge.plugins import hookimpl

    class Redactor:
        @hookimpl
        def fhir_bridge_redact_response(self, resource: Any, access: Any) -> Any:
            return {name: value for name, value in resource.items() if name != "birthDate"}

    plugins = bare_plugins()
    plugins.register(Redactor())
    token = backend(served, ALL)
    begun = kick_off(served, "$export?_type=Patient", token)
    work(served, plugins)
    text = str(lines(served, manifest(served, begun, token)["output"][0]["url"], token))
    assert "birthDate" not in text


def test_files_of_an_export_that_is_forgotten_are_collected(served: Hospital, tmp_path: Path) -> None:
    from datetime import timedelta

    services = served.services
    served.run(services.bulk.forget, timedelta())
    served.run(services.blobs.collect, timedelta())
    folder = services.settings.blobs
    assert not [path for path in folder.glob("*/*/*") if path.is_file()]
