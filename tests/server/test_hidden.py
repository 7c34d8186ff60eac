"""What a caller may not see leaves no trace: every answer is that of a hospital that does not have it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.server import Settings, create_app
from fhir_bridge.storage import EmbeddedServer
from tests.fixtures_postgres import _fresh
from tests.server import conftest
from tests.server.bulk import backend
from tests.server.conftest import RECORDS, Hospital, bare_plugins, furnish, observation, running

DENIED: dict[str, Any] = {
    "resourceType": "Consent",
    "id": "no",
    "status": "active",
    "scope": {"coding": [{"code": "research"}]},
    "category": [{"text": "research"}],
    "patient": {"reference": "Patient/bert"},
    "provision": {
        "type": "deny",
        "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HRESCH"}],
    },
}


def _about(patient: str) -> list[dict[str, Any]]:
    """More of a patient, that leads to others and that others lead to."""
    subject = {"reference": f"Patient/{patient}"}
    return [
        *(observation(f"{patient}-{number}", patient, code="8867-4") for number in range(3)),
        {**observation(f"{patient}-panel", patient), "hasMember": [{"reference": f"Observation/{patient}-0"}]},
        {"resourceType": "Encounter", "id": f"{patient}-visit", "status": "finished", "subject": subject,
         "class": {"code": "AMB"}},
        {"resourceType": "Provenance", "id": f"{patient}-origin", "recorded": "2026-01-01T00:00:00Z",
         "target": [{"reference": f"Observation/{patient}-0"}],
         "agent": [{"who": {"reference": "Practitioner/clara"}}]},
        {"resourceType": "DiagnosticReport", "id": f"{patient}-report", "status": "final", "code": {"text": "x"},
         "subject": subject, "result": [{"reference": f"Observation/{patient}-0"}]},
        {"resourceType": "Bundle", "id": f"{patient}-paper", "type": "collection",
         "entry": [{"resource": observation("inside", patient)}]},
        {"resourceType": "List", "id": f"{patient}-list", "status": "current", "mode": "working", "subject": subject,
         "entry": [{"item": {"reference": f"Observation/{patient}-0"}}]},
    ]  # fmt: skip


# Both name what only one of the hospitals has.
ASKED = """
Observation Observation?_total=accurate Observation?_summary=count Observation?_count=2&_total=accurate
Observation?_total=estimate&_summary=count Observation?code=2093-3&_summary=count
Observation?code=8867-4&_count=1 Observation?_sort=-date&_count=2&_total=accurate
Observation?_sort=date&_count=1 Observation?_sort=-_lastUpdated&_count=1 Observation?date=2026-03-05&_count=2
Observation?date=2026-03-05&_summary=count Observation?code=2093-3&date=ge2020&_count=1
Observation?value-quantity=5.4%7Chttp://unitsofmeasure.org%7Cmmol/L&_count=1&_total=accurate
Observation?_content=bert Observation?_content=mmol&_summary=count Observation?subject=Patient/bert
Observation?patient=bert&_total=accurate Observation?patient.family=Beta
Observation?subject:Patient.name=Beta&_summary=count Observation?_id=bert-lab
Observation?has-member=Observation/bert-0 Observation?_has:DiagnosticReport:result:status=final&_summary=count
Observation?_has:Observation:has-member:patient=bert Observation?_filter=subject%20eq%20Patient/bert
Observation?_include=Observation:subject&_include:iterate=*&_revinclude=Provenance:target&_revinclude=*:*
Observation?encounter.subject=Patient/bert Observation?subject:missing=true
Observation?_lastUpdated=ge2000&_summary=count Patient Patient?_summary=count Patient?family=Beta
Patient?_id=bert Patient?_has:Observation:patient:code=2093-3&_summary=count Patient?identifier=MRN-bert
Patient?birthdate=1961-04-05&_summary=count Patient?_sort=family&_total=accurate
Patient?_has:Encounter:subject:_id=bert-visit Patient?_revinclude=Observation:subject Patient/bert
Patient/bert/_history Patient/bert/_history/1 Patient/bert/$everything Patient/bert/Observation
Patient/bert/*?_summary=count Patient/bert/$summary Patient/bert?_elements=name Observation/bert-0
Observation/bert-0/_history Observation/bert-0/_history/1 Observation/nobody Observation/nobody/_history
Observation/nobody/_history/1 Observation/$lastn?patient=bert Observation/$lastn?code=2093-3
Observation/$lastn?max=1 Provenance Provenance?target=Observation/bert-0 Provenance?_summary=count Bundle
Bundle?_summary=count Bundle/bert-paper DiagnosticReport?result.subject=Patient/bert
DiagnosticReport?_include=DiagnosticReport:result&_include:iterate=Observation:has-member
Encounter?_summary=count Encounter?_revinclude=Observation:encounter List?item=Observation/bert-0
List?_summary=count Condition Condition?_total=accurate Practitioner?_revinclude=Provenance:agent
Practitioner?_has:Provenance:agent:target=Observation/bert-0 _history?_count=100
Observation/_history?_count=100 Observation/_history?_at=2026 Patient/_history Provenance/_history
?_type=Observation,Patient&_summary=count ?_type=Observation,Provenance&_count=3&_total=accurate
?_content=Beta&_type=Patient Observation/bert-0/$meta Bundle/bert-paper/_history
Observation/bert-0?_format=xml
""".split()  # fmt: skip


@pytest.fixture(scope="module")
def worlds(postgres: EmbeddedServer) -> Iterator[tuple[Hospital, Hospital]]:
    """The same hospital with the patient bert and without."""
    with ExitStack() as stack:
        built = []
        for hidden in (True, False):
            url = stack.enter_context(contextmanager(_fresh)(postgres))
            settings = Settings(database_url=url, pages=False)
            hospital = Hospital(stack.enter_context(running(create_app(settings, plugins=bare_plugins()))))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    conftest, "RECORDS", [one for one in RECORDS if hidden or "bert" not in str(one)]
                )
                hospital.run(furnish, hospital.services)
            more = [*_about("anna"), *((*_about("bert"), DENIED) if hidden else ())]
            for resource in more:
                hospital.run(
                    hospital.services.store.update,
                    resource["resourceType"],
                    resource["id"],
                    resource,
                    EVERYTHING,
                )
            built.append(hospital)
        yield built[0], built[1]


def _bound(hospital: Hospital) -> dict[str, str]:
    return hospital.token("launch/patient patient/*.rs", patient="anna")


def _research(hospital: Hospital) -> dict[str, str]:
    return backend(hospital, "system/*.rs", purpose="HRESCH")


@pytest.mark.parametrize("caller", [_bound, _research], ids=["bound to anna", "research, which bert denies"])
def test_answers_are_those_of_a_hospital_without_it(
    worlds: tuple[Hospital, Hospital], caller: Callable[[Hospital], dict[str, str]]
) -> None:
    tokens = [caller(hospital) for hospital in worlds]
    different = []
    for path in ASKED:
        answers = [
            _plain(hospital.raw_get(f"/fhir/{path}", token))
            for hospital, token in zip(worlds, tokens, strict=True)
        ]
        if answers[0] != answers[1]:
            different.append((path, *answers))
    assert different == []


def _plain(answer: httpx.Response) -> tuple[int, str]:
    """Status and body, without what differs by nature: times, ids of answers, cursors."""
    text = re.sub(r'"(lastUpdated|lastModified|timestamp|authored|recorded|date)":"[^"]*"', "", answer.text)
    text = re.sub(r"_cursor=[\w-]+|urn:uuid:[\w-]+|request [0-9a-f]{16}|_at=[^\"&]*", "", text)
    return answer.status_code, text


def _writes() -> list[tuple[str, str, Any, dict[str, str]]]:
    """Method, path, body and headers of writes that name, or would change, what one of the hospitals does not have."""
    free, subject = observation("free", "anna"), {"reference": "Patient/bert"}
    code = {"status": "active", "code": {"text": "x"}}

    def bundle(kind: str, method: str, url: str, resource: dict[str, Any], **more: Any) -> dict[str, Any]:
        entry = {"resource": resource, "request": {"method": method, "url": url, **more}}
        return {"resourceType": "Bundle", "type": kind, "entry": [entry]}

    new: dict[str, Any] = {name: value for name, value in free.items() if name != "id"}
    posted = [
        new | {"subject": subject},
        new | {"derivedFrom": [{"reference": "Observation/bert-0"}]},
        new | {"hasMember": [{"reference": "Bundle/bert-paper"}]},
        new | {"encounter": {"reference": "Encounter/bert-visit"}},
        new | {"focus": [{"reference": "Provenance/bert-origin"}]},
        new | {"performer": [{"reference": "Patient/bert"}]},
        {"resourceType": "Patient", "link": [{"other": subject, "type": "seealso"}]},
        {"resourceType": "Patient", "link": [{"other": subject, "type": "replaces"}]},
        {"resourceType": "Group", "type": "person", "actual": True, "member": [{"entity": subject}]},
        {"resourceType": "RelatedPerson", "patient": subject},
        {key: value for key, value in DENIED.items() if key != "id"} | {"status": "draft"},
        {"resourceType": "MedicationRequest", "intent": "order", "subject": subject, **code,
         "medicationCodeableConcept": {"text": "x"}},
        {"resourceType": "List", "status": "current", "mode": "working",
         "entry": [{"item": {"reference": "Observation/bert-lab"}}]},
    ]  # fmt: skip
    writes: list[tuple[str, str, Any, dict[str, str]]] = [
        ("POST", str(body["resourceType"]), body, {}) for body in posted
    ]
    for kind in ("transaction", "batch"):
        writes += [("POST", "", bundle(kind, "POST", body["resourceType"], body), {}) for body in posted]
        for identity in ("bert-0", "bert-report"):
            named = {**free, "id": identity}
            writes.append(("POST", "", bundle(kind, "PUT", f"Observation/{identity}", named), {}))
            writes.append(("POST", "", bundle(kind, "PUT", f"Observation?_id={identity}", named), {}))
        writes.append(("POST", "", bundle(kind, "PUT", "Observation?identifier=u|bert", new), {}))
    for headers in ({}, {"If-None-Match": "*"}, {"If-Match": 'W/"1"'}):
        writes += [
            ("PUT", "Observation/bert-0", {**free, "id": "bert-0"}, headers),
            ("PUT", "Observation/bert-0", {**free, "id": "bert-0", "subject": subject}, headers),
            ("PUT", "Patient/bert", {"resourceType": "Patient", "id": "bert"}, headers),
            ("PUT", "Binary/bert", {"resourceType": "Binary", "id": "bert", "contentType": "a/b"}, headers),
            ("PUT", "Consent/no", DENIED | {"patient": {"reference": "Patient/anna"}}, headers),
            ("DELETE", "Observation/bert-0", None, headers),
        ]
    patch = [{"op": "add", "path": "/language", "value": "en"}]
    patching = {"Content-Type": "application/json-patch+json"}
    return [
        *writes,
        ("PATCH", "Observation/bert-0", patch, patching),
        ("PATCH", "Patient?identifier=MRN-bert", patch, patching),
        ("PUT", "Observation?_id=bert-0", {**free, "id": "bert-0"}, {}),
        ("PUT", "Observation?identifier=u|other", new, {}),
        ("DELETE", "Patient?identifier=MRN-bert", None, {}),
        ("POST", "Patient", {"resourceType": "Patient"}, {"If-None-Exist": "identifier=MRN-bert"}),
        ("POST", "Observation", new | {"subject": {"reference": "Patient?identifier=MRN-bert"}}, {}),
        ("POST", "Observation/$validate", new | {"subject": subject}, {}),
    ]


def test_writes_are_answered_as_by_a_hospital_without_it(worlds: tuple[Hospital, Hospital]) -> None:
    """By a caller of a purpose that bert denies, who may read and write everything else; and nothing comes to be."""
    tokens = [backend(hospital, "system/*.cruds", purpose="HRESCH") for hospital in worlds]
    different, stored = [], []
    for method, path, body, headers in _writes():
        answers = []
        for hospital, token in zip(worlds, tokens, strict=True):
            path_of = f"/fhir/{path}".rstrip("/")
            sent = {} if body is None else {"content": dumps(body)}
            answer = hospital.http.request(
                method, path_of, headers={"Content-Type": "application/fhir+json", **token, **headers}, **sent
            )
            issues = re.sub(r"request [0-9a-f]{16}", "", answer.text) if "issue" in answer.text else ""
            answers.append((answer.status_code, issues))
        if answers[0] != answers[1]:
            different.append((method, path, body, headers, *answers))
        if answers[0][0] == 201 and "bert" in str(body):
            stored.append((method, path, body))
    assert different == []
    assert stored == []
    everything = backend(worlds[0], "system/*.rs", purpose="TREAT")
    page = worlds[0].http.get("/fhir/Patient/bert/$everything?_count=500", headers=everything).json()
    own = {entry["resource"]["id"] for entry in page["entry"] if "bert" in entry["resource"]["id"]}
    others = {entry["resource"]["id"] for entry in page["entry"]} - own
    assert others <= {"no", "clara"}, "nothing was added to the record"


def test_who_cares_for_patients_chooses_ids(worlds: tuple[Hospital, Hospital]) -> None:
    token = backend(worlds[0], "system/*.cruds", purpose="TREAT")
    body = observation("chosen", "bert")
    assert worlds[0].http.put("/fhir/Observation/chosen", headers=token, json=body).status_code == 201
