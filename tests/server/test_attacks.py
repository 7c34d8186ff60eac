"""Attacks of the shared list: each row is tried here, is tried by a test that is named, or can't be tried, and why."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Callable
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from tests.conftest import REPOSITORY, SHARED
from tests.server.conftest import CATEGORY, FHIR, Hospital, observation, patient
from tests.server.test_bundle_edges import entry, send

LIST = SHARED / "suites/smart/attacks.tsv"
pytestmark = pytest.mark.shared

Attack = Callable[[Hospital], None]
TRIED: dict[str, Attack] = {}


def rows() -> dict[str, str]:
    """Id and attack of each row."""
    if not LIST.is_file():
        return {}
    with LIST.open(encoding="utf-8", newline="") as file:
        return {row["id"]: row["attack"] for row in csv.DictReader(file, delimiter="\t")}


def tries(identity: str) -> Callable[[Attack], Attack]:
    def keep(attack: Attack) -> Attack:
        assert identity not in TRIED
        TRIED[identity] = attack
        return attack

    return keep


ELSEWHERE: dict[str, tuple[str, ...]] = {
    "A01": ("server.test_access.TestScopes.test_a_type_that_is_not_granted_is_forbidden",),
    "A02": ("server.test_access.TestScopes.test_creating_needs_c",),
    "A03": ("server.test_access.TestScopes.test_searching_needs_s_and_reading_needs_r",),
    "A04": ("server.test_access.TestScopes.test_histories_of_a_type_and_of_everything_need_s",),
    "A05": (
        "server.test_access.TestScopes.test_update_as_create_needs_u",
        "server.test_bundle_interactions.test_a_patch_in_a_bundle_needs_the_rights_of_one_alone",
    ),
    "A06": ("server.test_scopes.test_a_scope_that_is_not_exactly_one_is_none",),
    "A08": ("server.test_access.TestScopes.test_a_patients_own_account_never_writes",),
    "A10": ("server.test_access.TestGranular.test_nothing_outside_the_category_is_found",),
    "A11": ("server.test_access.TestGranular.test_writing_is_judged_before_and_after",),
    "A16": ("server.test_access.test_a_paging_cursor_serves_only_who_got_it",),
    "A21": ("server.test_access.TestCompartment.test_totals_count_only_what_may_be_seen",),
    "A23": ("server.test_access.TestCompartment.test_a_conditional_create_matches_only_what_may_be_seen",),
    "A25": ("server.test_access.TestCompartment.test_conditional_headers_tell_nothing_of_it",),
    "A27": ("server.test_access.TestCompartment.test_no_search_finds_it",),
    "A28": ("server.test_access.TestCompartment.test_a_resource_of_another_patient_is_as_good_as_missing",),
    "A30": ("server.test_access.TestCompartment.test_a_record_can_not_be_moved_in_or_out",),
    "A32": ("server.test_bounds.TestALinkToAnotherPatient.test_it_can_not_be_added",),
    "A34": ("server.test_record.test_the_history_of_everything_shows_each_only_the_own_record",),
    "A36": (
        "server.test_access.TestBatch.test_each_entry_is_judged_alone",
        "server.test_access.TestBatch.test_a_transaction_with_one_forbidden_entry_stores_nothing",
    ),
    "A38": (
        "server.test_bodies.test_a_bundle_that_smuggles_is_refused",
        "server.test_bundle_interactions.test_another_address_is_refused",
    ),
    "A42": ("server.test_access.test_a_paging_cursor_serves_only_who_got_it",),
    "A43": ("server.test_export.test_nobody_else_sees_an_export",),
    "A45": (
        "server.test_export.test_a_file_needs_a_token_that_allows_its_type",
        "server.test_export.test_a_cancelled_export_is_not_done",
    ),
    "A46": (
        "egress.test_egress.test_a_redirect_is_not_followed",
        "server.test_import.test_files_of_a_manifest_are_fetched_from_allowed_addresses",
    ),
    "A48": ("server.test_token.TestUseOfTokens.test_only_an_access_token_opens_the_api",),
    "A49": ("server.test_token.TestUseOfTokens.test_an_expired_token_and_one_of_another_base_are_refused",),
    "A50": ("server.test_token.TestUseOfTokens.test_a_token_in_the_address_or_twice_is_refused",),
    "A51": (
        "server.test_backend_services.test_an_assertion_serves_once",
        "server.test_backend_services.test_wrong_claims_are_refused",
        "server.test_backend_services.test_wrong_keys_and_algorithms_are_refused",
    ),
    "A54": ("server.test_authorize.test_a_redirect_uri_that_is_not_the_registered_one_is_never_followed",),
    "A55": ("server.test_authorize.test_a_bad_request_goes_back_as_error_with_the_state_and_the_issuer",),
    "A56": (
        "server.test_authorize.TestEhrLaunch.test_a_handle_serves_once",
        "server.test_authorize.TestEhrLaunch.test_a_handle_of_another_client_or_user_is_refused",
        "server.test_authorize.TestEhrLaunch.test_a_handle_that_is_over_is_refused",
    ),
    "A57": (
        "server.test_authorize.test_the_approval_page_can_not_be_framed_or_scripted",
        "server.test_authorize.test_approval_needs_the_sessions_own_form",
        "server.test_login.test_signing_in_changes_the_session",
    ),
    "A58": ("server.test_authorize.test_a_bad_request_goes_back_as_error_with_the_state_and_the_issuer",),
    "A59": (
        "server.test_token.TestRefresh.test_another_client_can_not_use_it",
        "server.test_token.TestRefresh.test_a_refresh_may_narrow_and_never_widen",
        "server.test_token.TestRefresh.test_a_refresh_token_that_comes_again_ends_the_whole_family",
    ),
    "A62": (
        "server.test_cors.test_other_origins_read_nothing",
        "server.test_cors.test_a_registered_origin_reads_without_credentials",
    ),
    "A66": (
        "server.test_bodies.test_what_is_not_fhir_json_is_refused",
        "server.test_bodies.test_a_million_keys_are_refused_in_bounded_time",
    ),
    "A67": (
        "server.test_bodies.test_compressed_and_oversized_bodies_are_refused",
        "server.test_bodies.test_too_many_entries_are_refused",
    ),
    "A71": (
        "server.subscriptions.test_subscriptions.test_what_can_not_be_followed_is_refused_with_its_place",
        "egress.test_egress.test_a_name_that_leads_elsewhere_the_second_time_gains_nothing",
        "egress.test_egress.test_a_redirect_is_not_followed",
    ),
    "A72": (
        "server.test_import.test_other_addresses_are_refused",
        "server.test_backend_services.test_a_key_set_inside_a_private_network_is_not_fetched_unless_the_network_is_listed",
    ),
    "A74": (
        "server.test_rest.TestOwnedByTheServer.test_security_labels_stay_when_a_caller_leaves_them_out",
        "server.test_rest.TestOwnedByTheServer.test_version_and_time_are_the_servers",
    ),
    "A75": (
        "server.test_rest.TestOwnedByTheServer.test_a_caller_can_not_make_change_or_delete_a_prediction",
        "server.test_forged_predictions.test_no_result_can_be_said_to_be_of_a_model",
        "server.test_forged_predictions.test_no_provenance_about_a_prediction",
    ),
    "A76": (
        "server.test_predict.test_who_may_not_read_the_input_is_not_shown_its_values",
        "server.test_predict.test_who_opted_out_of_research_is_refused_without_a_grant_to_read_the_consent",
    ),
    "A77": (
        "predictions.test_plausible.test_an_implausible_value_is_refused_by_name",
        "predictions.test_plausible.test_a_future_date_is_refused",
    ),
    "A78": (
        "governance.test_consent.test_a_consent_that_is_not_active_says_nothing",
        "governance.test_consent.test_the_period_of_the_provision_counts",
        "governance.test_consent.test_a_nested_provision_takes_an_exception",
        "governance.test_consent.test_a_denial_wins_over_a_permission_of_another_consent",
    ),
    "A82": (
        "adapters.imaging.test_reader.test_an_executable_in_the_preamble_is_reported_and_the_header_converted",
        "adapters.imaging.test_fuzz.test_damaged_real_files_are_read_or_refused_with_a_reason",
    ),
    "A83": (
        "adapters.genomics.test_lines.test_a_line_above_the_limit_is_passed_over",
        "adapters.genomics.test_lines.test_damaged_compression_is_named",
        "adapters.genomics.test_header_and_build.test_a_header_that_can_not_be_read_refuses_the_file_with_the_line",
    ),
    "A87": ("server.test_discovery.test_nothing_of_the_inside_is_shown",),
}
"""Tests below `tests` that try an attack, by module and name."""

NOT_REFUSED: dict[str, str] = {
    "A78": "one for an actor or a code decides nothing here",
}
"""What of an attack succeeds: a limit, in the words of docs/records.md."""

CAN_NOT_BE_TRIED: dict[str, str] = {
    "A84": "nothing here takes WFDB, EDF, HDF5, npz, pickle or ONNX; CSV is read as text and never as formulas",
}


@pytest.mark.parametrize("identity", list(rows()) or ["absent"])
def test_each_attack_of_the_list_is_refused(hospital: Hospital, identity: str) -> None:
    ways = [identity in known for known in (TRIED, ELSEWHERE, CAN_NOT_BE_TRIED)]
    assert any(ways), f"nobody tries {identity}: {rows().get(identity)}"
    for name in ELSEWHERE.get(identity, ()):
        assert _exists(name), f"{identity} is tried by {name}, which is not there"
    if identity in TRIED:
        TRIED[identity](hospital)


def test_what_is_not_refused_is_documented() -> None:
    text = (REPOSITORY / "docs/records.md").read_text("utf-8")
    assert NOT_REFUSED.keys() <= ELSEWHERE.keys()
    for limit in NOT_REFUSED.values():
        assert limit in text


def test_nothing_is_tried_that_is_not_in_the_list() -> None:
    assert {*TRIED, *ELSEWHERE, *CAN_NOT_BE_TRIED} <= set(rows())


def _exists(name: str) -> bool:
    parts = f"tests.{name}".split(".")
    for end in range(len(parts) - 1, 1, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        return callable(found)
    return False


# what is tried here


def anna(hospital: Hospital, scope: str = "patient/*.cruds") -> dict[str, str]:
    return hospital.token(scope, patient="anna")


def clara(hospital: Hospital, scope: str = "user/*.cruds") -> dict[str, str]:
    return hospital.token(scope, patient=None)


def put(hospital: Hospital, resource: dict[str, Any]) -> None:
    hospital.run(
        hospital.services.store.update, resource["resourceType"], resource["id"], resource, EVERYTHING
    )


def remove(hospital: Hospital, kind: str, identity: str) -> None:
    hospital.run(hospital.services.store.delete, kind, identity, EVERYTHING)


def nothing_of_bert(text: str) -> bool:
    return not any(word in text for word in ("bert", "Beta", "hypertension"))


@tries("A12")
def scopes_of_chains(hospital: Hospital) -> None:
    asked = [
        f"patient/Observation.rs?{query}"
        for query in (
            "patient.birthdate=1961-04-05", "category:not=a|b", "_include=Observation:subject", "_filter=x",
            "_has:Provenance:target:agent=x|y", "category:in=http://x|y",
        )
    ]  # fmt: skip
    granted = hospital.authorized("patient/Patient.rs " + " ".join(asked), patient="anna")["scope"]
    assert granted == "patient/Patient.rs"


@tries("A17")
def includes_beyond(hospital: Hospital) -> None:
    put(hospital, {"resourceType": "Device", "id": "pump", "patient": {"reference": "Patient/bert"}})
    put(hospital, observation("by-pump", "anna") | {"device": {"reference": "Device/pump"}})
    group = {"resourceType": "Group", "id": "both", "type": "person", "actual": True}
    members = [{"entity": {"reference": f"Patient/{name}"}} for name in ("anna", "bert")]
    put(hospital, group | {"member": members})
    listed = [{"item": {"reference": f"Patient/{name}"}} for name in ("anna", "bert")]
    put(
        hospital,
        {"resourceType": "List", "id": "both", "status": "current", "mode": "working", "entry": listed},
    )
    token = anna(hospital)
    for query in (
        "Observation?_include=Observation:device", "Observation?_include=*", "Patient?_revinclude=Group:member",
        "Patient?_revinclude=List:item", "Patient/anna/$everything", "Group", "List", "Device",
    ):  # fmt: skip
        answer = hospital.http.get(f"/fhir/{query}", headers=token)
        assert answer.status_code == 200, (query, answer.text)
        shown = {(e["resource"]["resourceType"], e["resource"]["id"]) for e in answer.json().get("entry", [])}
        assert not shown & {("Device", "pump"), ("Group", "both"), ("List", "both"), ("Patient", "bert")}
    for kind, identity in (
        ("Observation", "by-pump"),
        ("Device", "pump"),
        ("Group", "both"),
        ("List", "both"),
    ):
        remove(hospital, kind, identity)


@tries("A18")
def values_by_has(hospital: Hospital) -> None:
    token = clara(hospital, "user/Patient.rs")
    for limit in ("gt3", "gt9"):
        query = f"_has:Observation:patient:code-value-quantity=2093-3${limit}"
        answer = hospital.http.get(f"/fhir/Patient?{query}", headers=token)
        assert answer.status_code in (400, 403) or answer.json()["total"] == 0, answer.text


@tries("A19")
def values_by_chain(hospital: Hospital) -> None:
    token = clara(hospital, "user/Observation.rs")
    for query in (
        "subject:Patient.birthdate=1961-04-05",
        "patient.identifier=MRN-anna",
        "patient.family=Alpha",
    ):
        answer = hospital.http.get(f"/fhir/Observation?{query}&_total=accurate", headers=token)
        assert answer.status_code in (400, 403) or answer.json()["total"] == 0, answer.text


@tries("A24")
def criteria_that_match_anothers(hospital: Hospital) -> None:
    token = anna(hospital)
    before = hospital.http.get("/fhir/Observation/bert-lab", headers=clara(hospital)).json()
    query = "/fhir/Observation?subject=Patient/bert&code=2093-3"
    deleted = hospital.http.delete(query, headers=token)
    assert deleted.status_code in (204, 404)
    headers = token | {"Content-Type": "application/json-patch+json"}
    patch = [{"op": "replace", "path": "/status", "value": "amended"}]
    assert hospital.http.patch(query, json=patch, headers=headers).status_code == 404
    body = {name: value for name, value in observation("x", "bert").items() if name != "id"}
    assert hospital.http.put(query, json=body, headers=token).status_code == 403
    assert hospital.http.get("/fhir/Observation/bert-lab", headers=clara(hospital)).json() == before


@tries("A26")
def errors_that_echo(hospital: Hospital) -> None:
    token = anna(hospital)
    for method, path, body in (
        ("PUT", "Observation/bert-lab", observation("bert-lab", "anna")),
        ("PUT", "Patient/bert", patient("bert", "Alpha")),
        ("GET", "Patient/bert", None),
        ("DELETE", "Condition/bert-condition", None),
        ("POST", "Observation", observation("x", "bert")),
    ):
        answer = hospital.http.request(method, f"/fhir/{path}", json=body, headers=token)
        free = path.replace("bert-lab", "free").replace("Patient/bert", "Patient/free")
        free = free.replace("bert-condition", "free")
        other = None if body is None else body | ({"id": free.split("/")[1]} if "/" in free else {})
        same = hospital.http.request(method, f"/fhir/{free}", json=other, headers=token)
        assert answer.status_code == same.status_code >= 400
        assert not {"Beta", "hypertension", "duplicate key"} & set(answer.text.replace('"', " ").split())


@tries("A31")
def references_to_others_in_the_own_record(hospital: Hospital) -> None:
    own = observation("points", "anna") | {
        "focus": [{"reference": "Patient/bert"}],
        "performer": [{"reference": "Patient/bert"}],
        "extension": [{"url": "urn:x", "valueReference": {"reference": "Condition/bert-condition"}}],
    }
    put(hospital, own)
    for path in ("Patient/anna/$everything", "Observation?_id=points&_include=*", "Patient/anna/*"):
        answer = hospital.http.get(f"/fhir/{path}", headers=anna(hospital))
        assert answer.status_code == 200
        shown = {item["resource"]["id"] for item in answer.json()["entry"]}
        assert not shown & {"bert", "bert-lab", "bert-condition"}
    remove(hospital, "Observation", "points")


@tries("A33")
def everything_of_types_that_are_not_granted(hospital: Hospital) -> None:
    put(hospital, {
        "resourceType": "Condition", "id": "anna-c", "subject": {"reference": "Patient/anna"}, "code": {"text": "x"},
    })  # fmt: skip
    token = anna(hospital, "patient/Patient.rs patient/Observation.rs")
    for query in ("", "?_type=Condition,Observation", "?_since=2020-01-01T00:00:00Z", "?_count=1"):
        url = f"/fhir/Patient/anna/$everything{query}"
        while url:
            answer = hospital.http.get(url, headers=token)
            if answer.status_code != 200:
                assert answer.status_code in (400, 403)
                break
            body = answer.json()
            assert all(
                item["resource"]["resourceType"] in ("Patient", "Observation")
                for item in body.get("entry", [])
            )
            url = next((link["url"] for link in body["link"] if link["relation"] == "next"), "")
    remove(hospital, "Condition", "anna-c")


@tries("A39")
def requests_of_entries(hospital: Hospital) -> None:
    token = clara(hospital)
    body = {name: value for name, value in observation("x", "anna").items() if name != "id"}
    for broken in (
        entry("TRACE", "Patient/anna"),
        entry("CONNECT", "Patient/anna"),
        entry("POST", "Observation", body, ifNoneExist="_count=1"),
        entry("POST", "Observation", body, ifNoneExist="nonsense=1"),
        entry("POST", "Observation", body, ifNoneExist="code=\r\nX: y&_include=*"),
    ):
        assert send(hospital, token, "transaction", broken).status_code == 400
    url = {"fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001"}
    twice = (entry("POST", "Observation", body) | url, entry("POST", "Observation", body) | url)
    assert send(hospital, token, "transaction", *twice).status_code == 400


@tries("A40")
def operations_on_others(hospital: Hospital) -> None:
    token = anna(hospital)
    described = {
        "resourceType": "Parameters",
        "parameter": [{"name": "resource", "resource": patient("x", "Beta")}],
    }
    for method, path, body in (
        ("GET", "Observation/$lastn?patient=Patient/bert", None),
        ("GET", "Patient/bert/$everything", None),
        ("GET", "Patient/bert/$summary", None),
        ("GET", "Patient/bert/$meta", None),
        ("GET", "Observation/bert-lab/$meta", None),
        ("GET", "Composition/bert/$document", None),
        ("POST", "Patient/$match", described),
        ("POST", "Patient/bert/$expunge?expungeEverything=true&reason=x", None),
        ("GET", "$graphql?query={Patient(id:bert){id}}", None),
        ("POST", "$graphql", {"query": "{Patient(id: bert) {id}}"}),
        ("GET", "Observation/$stats?subject=Patient/bert", None),
        ("GET", "Patient/bert/$graph", None),
        ("POST", "$process-message", {"resourceType": "Bundle", "type": "message"}),
    ):
        answer = hospital.http.request(method, f"/fhir/{path}", json=body, headers=token)
        assert answer.status_code < 500, path
        if answer.status_code == 200:
            assert not answer.json().get("entry"), path
        assert not {"Beta", "hypertension"} & set(answer.text.replace('"', " ").split()), path


@tries("A61")
def registration(hospital: Hospital) -> None:
    known = hospital.http.get("/fhir/.well-known/smart-configuration").json()
    assert "registration_endpoint" not in known
    body = {
        "redirect_uris": ["javascript:alert(1)"],
        "jwks_uri": "http://169.254.169.254",
        "scope": "system/*.*",
    }
    for path in ("/oauth/register", "/register", "/connect/register"):
        assert hospital.http.post(path, json=body).status_code in (404, 405)


@tries("A63")
def launch_context(hospital: Hospital) -> None:
    answer = hospital.authorized("launch/patient patient/*.rs", patient="anna")
    token = {"Authorization": f"Bearer {answer['access_token']}"}
    # What an application makes of `patient` changes nothing of what the token is bound to.
    for path in ("Patient/bert", "Observation/bert-lab"):
        assert hospital.http.get(f"/fhir/{path}", headers=token).status_code == 404
    again = hospital.http.get("/fhir/Patient?patient=bert&launch=x", headers=token)
    assert "bert" not in [item["resource"].get("id") for item in again.json().get("entry", [])]
    assert "fhirContext" not in answer


@tries("A68")
def costly_searches(hospital: Hospital) -> None:
    token = clara(hospital)
    elements = ",".join(f"e{number}" for number in range(2_000))
    chain = ".".join(["partof"] * 50)
    for query, statuses in (
        ("Patient?_count=999999999", {200}),
        ("Patient?_count=-1", {400}),
        (f"Patient?_elements={elements}", {400}),
        ("Patient?name=" + ",".join(["x"] * 10_000), {400}),
        (f"Patient?organization.{chain}.name=x", {400}),
        ("Patient?_include:iterate=*&_revinclude:iterate=Observation:*", {200, 400}),
        ("Patient?name:contains=%25", {200}),
        ("Patient?name=(a%2B)%2B%24", {200}),
        ("Patient?birthdate=99999-01-01", {400}),
        ("Patient?birthdate=9999-12-31", {200}),
        ("Patient?_content=" + "(" * 200, {400}),
    ):
        answer = hospital.http.get(f"/fhir/{query}", headers=token)
        assert answer.status_code in statuses, (query[:60], answer.status_code, answer.text[:200])


@tries("A85")
def addresses_from_headers(hospital: Hospital) -> None:
    token = clara(hospital)
    poisoned = token | {
        "Host": "evil.test",
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Proto": "https",
        "Forwarded": "host=evil.test",
        "X-HTTP-Method-Override": "DELETE",
        "X-Original-URL": "/fhir/Patient/bert",
    }
    for path in ("/fhir/Observation?_count=1", "/fhir/Patient/anna", "/fhir/metadata"):
        answer = hospital.http.get(path, headers=poisoned)
        assert answer.status_code == 200
        assert "evil.test" not in answer.text + str(answer.headers)
    made = hospital.http.post("/fhir/Patient", json=patient("x", "Gamma"), headers=poisoned)
    assert made.headers["location"].startswith(FHIR)
    issuer = hospital.http.get("/fhir/.well-known/smart-configuration", headers=poisoned).text
    assert "evil.test" not in issuer
    assert hospital.http.get("/fhir/Patient/anna", headers=token).status_code == 200


@tries("A10")
def granular_searches(hospital: Hospital) -> None:
    token = anna(hospital, f"patient/Observation.rs?category={CATEGORY}|vital-signs")
    for query in (
        "", "category=laboratory", "category:not=vital-signs", "category:missing=true", "code=2093-3", "_id=anna-lab",
        "_filter=code eq 2093-3", "category=vital-signs,laboratory",
    ):  # fmt: skip
        answer = hospital.http.get(f"/fhir/Observation?{query}", headers=token)
        found = {item["resource"]["id"] for item in answer.json().get("entry", [])}
        assert found <= {"anna-vital"}, query


@tries("A74")
def labels(hospital: Hospital) -> None:
    secret = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    put(hospital, observation("labelled", "anna") | {"meta": {"security": [secret]}})
    token = clara(hospital)
    headers = token | {"Content-Type": "application/fhir+json"}
    meta = {
        "resourceType": "Parameters",
        "parameter": [{"name": "meta", "valueMeta": {"security": [secret]}}],
    }
    hospital.http.post("/fhir/Observation/labelled/$meta-delete", json=meta, headers=headers)
    patch = [{"op": "remove", "path": "/meta/security"}]
    hospital.http.patch(
        "/fhir/Observation/labelled",
        json=patch,
        headers=token | {"Content-Type": "application/json-patch+json"},
    )
    hospital.http.put("/fhir/Observation/labelled", json=observation("labelled", "anna"), headers=token)
    stored = hospital.run(hospital.services.store.read, "Observation", "labelled", EVERYTHING).resource()
    assert secret in stored["meta"]["security"]
    remove(hospital, "Observation", "labelled")
