"""The terminology service over HTTP."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import pytest

from fhir_bridge.server import Settings, create_app
from fhir_bridge.terminology.operations.service import OPERATIONS
from tests.server.conftest import Hospital, Http, bare_plugins, running

GENDER = "http://hl7.org/fhir/administrative-gender"
LAB = "https://hospital.example.org/CodeSystem/lab"
LAB_SET = "https://hospital.example.org/ValueSet/lab"


def code_system(*codes: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "CodeSystem",
        "id": "lab",
        "url": LAB,
        "status": "active",
        "content": "complete",
        "caseSensitive": True,
        "concept": [{"code": code, "display": code.title()} for code in codes],
        **more,
    }


def value_set(**more: Any) -> dict[str, Any]:
    compose = {"include": [{"system": LAB}]}
    return {
        "resourceType": "ValueSet",
        "id": "lab",
        "url": LAB_SET,
        "status": "active",
        "compose": compose,
        **more,
    }


def parameters(**values: Any) -> dict[str, Any]:
    entries = []
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            kind = (
                "resource"
                if isinstance(one, dict) and "resourceType" in one
                else "valueCoding"
                if isinstance(one, dict)
                else "valueBoolean"
                if isinstance(one, bool)
                else "valueString"
            )
            entries.append({"name": name, kind: one})
    return {"resourceType": "Parameters", "parameter": entries}


def reported(answer: dict[str, Any], name: str) -> Any:
    for entry in answer["parameter"]:
        if entry["name"] == name:
            return next((value for key, value in entry.items() if key != "name"), None)
    return None


class Terminology:
    """Asks with a token that may read and write everything."""

    def __init__(self, hospital: Hospital) -> None:
        self.http: Http = hospital.http
        self.headers = hospital.token("user/*.cruds")

    def get(self, path: str, status: int = 200, **more: str) -> dict[str, Any]:
        answer = self.http.get(f"/fhir/{path}", headers={**self.headers, **more})
        assert answer.status_code == status, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def post(self, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
        answer = self.http.post(f"/fhir{path}", json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def put(self, resource: dict[str, Any]) -> None:
        path = f"/fhir/{resource['resourceType']}/{resource['id']}"
        answer = self.http.put(path, json=resource, headers=self.headers)
        assert answer.status_code in (200, 201), answer.text

    def delete(self, path: str) -> None:
        assert self.http.delete(f"/fhir/{path}", headers=self.headers).status_code in (200, 204)


@pytest.fixture(scope="module")
def terminology(hospital: Hospital) -> Terminology:
    return Terminology(hospital)


def test_a_code_is_looked_up_by_get_and_post(terminology: Terminology) -> None:
    answer = terminology.get(f"CodeSystem/$lookup?system={GENDER}&code=female")
    assert reported(answer, "display") == "Female"
    body = parameters(coding={"system": GENDER, "code": "female"})
    assert terminology.post("/CodeSystem/$lookup", body) == answer


def test_an_unknown_code_is_told_with_the_codes_of_the_ecosystem(terminology: Terminology) -> None:
    answer = terminology.get(f"CodeSystem/$lookup?system={GENDER}&code=feminine", 404)
    assert answer["resourceType"] == "OperationOutcome"
    assert answer["issue"][0]["details"]["coding"][0]["code"] == "invalid-code"
    checked = terminology.get(f"CodeSystem/$validate-code?url={GENDER}&code=feminine")
    assert reported(checked, "result") is False


def test_a_value_set_is_expanded_in_the_form_of_r4(terminology: Terminology) -> None:
    url = "http://hl7.org/fhir/ValueSet/administrative-gender"
    answer = terminology.get(f"ValueSet/$expand?url={url}&filter=mal&property=definition")
    assert [entry["code"] for entry in answer["expansion"]["contains"]] == ["male"]
    assert "property" not in answer["expansion"]
    assert "property" not in answer["expansion"]["contains"][0]
    whole = terminology.post("/ValueSet/$expand", value_set(compose={"include": [{"system": GENDER}]}))
    assert whole["expansion"]["total"] == 4


def test_codes_are_compared_by_subsumption(terminology: Terminology) -> None:
    system = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    answer = terminology.get(f"CodeSystem/$subsumes?system={system}&codeA=_ActEncounterCode&codeB=AMB")
    assert reported(answer, "outcome") == "subsumes"


def test_what_is_written_takes_part_at_once(terminology: Terminology) -> None:
    terminology.put(code_system("one", "two"))
    assert reported(terminology.get(f"CodeSystem/$validate-code?url={LAB}&code=two"), "result") is True
    terminology.put(value_set())
    found = terminology.get(f"ValueSet/$expand?url={LAB_SET}")
    assert [entry["code"] for entry in found["expansion"]["contains"]] == ["one", "two"]
    terminology.put(code_system("one", "three"))
    assert reported(terminology.get(f"CodeSystem/$validate-code?url={LAB}&code=two"), "result") is False
    assert reported(
        terminology.get(f"ValueSet/$validate-code?url={LAB_SET}&system={LAB}&code=three"), "result"
    )
    terminology.delete("ValueSet/lab")
    assert terminology.get(f"ValueSet/$expand?url={LAB_SET}", 404)["issue"][0]["code"] == "not-found"
    terminology.delete("CodeSystem/lab")
    assert reported(terminology.get(f"CodeSystem/$validate-code?url={LAB}&code=one"), "result") is False


def test_what_one_worker_writes_another_knows(terminology: Terminology, database_url: str) -> None:
    app = create_app(Settings(database_url=database_url, pages=False), plugins=bare_plugins())
    with running(app) as http:
        other = Terminology.__new__(Terminology)
        other.http, other.headers = http, terminology.headers
        for number in range(5):
            terminology.put(code_system(f"code-{number}", id="shared", url=f"{LAB}-shared"))
            address = f"CodeSystem/$validate-code?url={LAB}-shared&code=code-{number}"
            assert reported(other.get(address), "result") is True
        terminology.delete("CodeSystem/shared")
        assert reported(other.get(address), "result") is False


def test_many_ask_at_the_same_time(terminology: Terminology) -> None:
    terminology.put(code_system("one"))
    address = f"CodeSystem/$lookup?system={LAB}&code=one"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: terminology.get(address), range(64)))
    assert all(reported(answer, "display") == "One" for answer in answers)
    terminology.delete("CodeSystem/lab")


def test_an_instance_is_asked(terminology: Terminology) -> None:
    terminology.put(code_system("one"))
    terminology.put(value_set())
    assert terminology.get("ValueSet/lab/$expand")["expansion"]["total"] == 1
    assert reported(terminology.get("CodeSystem/lab/$lookup?code=one"), "display") == "One"
    assert reported(terminology.get("CodeSystem/lab/$validate-code?code=one"), "result") is True
    assert reported(terminology.get(f"ValueSet/lab/$validate-code?system={LAB}&code=one"), "result") is True
    terminology.get("ValueSet/absent/$expand", 404)


def test_a_code_is_translated_both_ways(terminology: Terminology) -> None:
    url = "https://hospital.example.org/ConceptMap/lab"
    rows = [
        {"code": "krea", "target": [{"code": "2160-0", "equivalence": "equivalent"}]},
        {"code": "hb", "target": [{"code": "718-7", "equivalence": "wider"}]},
    ]
    group = {"source": LAB, "target": "http://loinc.org", "element": rows}
    terminology.put(
        {
            "resourceType": "ConceptMap",
            "id": "lab",
            "url": url,
            "status": "active",
            "group": [group],
        }
    )
    there = terminology.get(f"ConceptMap/$translate?url={url}&system={LAB}&code=krea")
    assert reported(there, "result") is True
    body = parameters(url=url, coding={"system": "http://loinc.org", "code": "718-7"}, reverse=True)
    back = terminology.post("/ConceptMap/$translate", body)
    assert reported(back, "result") is True
    assert '"hb"' in str(back).replace("'", '"')
    assert reported(terminology.get(f"ConceptMap/lab/$translate?system={LAB}&code=hb"), "result") is True
    assert reported(terminology.get(f"ConceptMap/lab/$translate?system={LAB}&code=xx"), "result") is False


def test_a_bundle_carries_operations(terminology: Terminology) -> None:
    entries = [
        {"request": {"method": "GET", "url": f"CodeSystem/$lookup?system={GENDER}&code=male"}},
        {
            "request": {"method": "POST", "url": "ValueSet/$validate-code"},
            "resource": parameters(
                url="http://hl7.org/fhir/ValueSet/administrative-gender",
                coding={"system": GENDER, "code": "male"},
            ),
        },
        {"request": {"method": "GET", "url": f"CodeSystem/$lookup?system={GENDER}&code=absent"}},
        {"request": {"method": "GET", "url": "CodeSystem/$absent"}},
    ]
    answer = terminology.post("/", {"resourceType": "Bundle", "type": "batch", "entry": entries})
    first, second, third, fourth = answer["entry"]
    assert reported(first["resource"], "display") == "Male"
    assert reported(second["resource"], "result") is True
    assert third["response"]["status"].startswith("404")
    assert third["response"]["outcome"]["resourceType"] == "OperationOutcome"
    assert fourth["response"]["status"].startswith("404")


def test_a_restricted_resource_takes_no_part(terminology: Terminology) -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}
    terminology.put(code_system("one", meta={"security": [label]}))
    assert reported(terminology.get(f"CodeSystem/$validate-code?url={LAB}&code=one"), "result") is False
    terminology.delete("CodeSystem/lab")


def test_who_may_not_read_the_type_is_refused(hospital: Hospital) -> None:
    address = f"/fhir/CodeSystem/$lookup?system={GENDER}&code=male"
    assert hospital.http.get(address).status_code == 401
    assert hospital.http.get(address, headers=hospital.token("user/Observation.rs")).status_code == 403
    assert hospital.http.get(address, headers=hospital.token("user/CodeSystem.r")).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Patient"},
        {"resourceType": "Parameters", "parameter": "x"},
        {"resourceType": "Parameters", "parameter": [1]},
        parameters(valueSet={"resourceType": "ValueSet", "compose": 1}),
        {"resourceType": "Parameters", "parameter": [{"name": "count", "valueInteger": -1}]},
        {"resourceType": "Parameters", "parameter": [{"name": "url", "valueUri": {"a": 1}}]},
        value_set(compose={"include": "all"}),
        value_set(compose={"include": [{"system": 1}]}),
    ],
)
def test_what_is_no_question_is_refused(terminology: Terminology, body: dict[str, Any]) -> None:
    answer = terminology.post("/ValueSet/$expand", body, 400)
    assert answer["resourceType"] == "OperationOutcome"


def test_the_statements_tell_what_is_served(terminology: Terminology) -> None:
    statement = terminology.get("metadata")
    resources = {one["type"]: one for one in statement["rest"][0]["resource"]}
    for kind, name in OPERATIONS:
        assert name in [operation["name"] for operation in resources[kind]["operation"]]
    assert "versions" in [operation["name"] for operation in statement["rest"][0]["operation"]]
    terminology.put(code_system("one", version="7"))
    capabilities = terminology.get("metadata?mode=terminology")
    systems = {one["uri"]: one for one in capabilities["codeSystem"]}
    assert systems[LAB]["version"][0]["code"] == "7"
    assert GENDER in systems
    terminology.delete("CodeSystem/lab")
    systems = {one["uri"]: one for one in terminology.get("metadata?mode=terminology")["codeSystem"]}
    assert LAB not in systems


def test_the_versions_of_fhir_are_told(terminology: Terminology) -> None:
    assert reported(terminology.get("$versions"), "default") == "4.0"


EXPAND = "/ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender&count=2"


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"content": b""},
        {"content": b"", "headers": {"Content-Type": "application/fhir+json"}},
        {"content": b"", "headers": {"Content-Type": "text/plain"}},
    ],
)
def test_a_post_without_body_is_asked_by_its_address(terminology: Terminology, sent: dict[str, Any]) -> None:
    headers = {**terminology.headers, **sent.pop("headers", {})}
    answer = terminology.http.post(f"/fhir{EXPAND}", headers=headers, **sent)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["expansion"]["contains"]) == 2


def test_a_form_is_asked_as_its_address_would_be(terminology: Terminology) -> None:
    form = {"url": GENDER, "code": "female"}
    answer = terminology.http.post(
        "/fhir/CodeSystem/$validate-code?display=Weiblich", data=form, headers=terminology.headers
    )
    query = f"url={GENDER}&code=female&display=Weiblich"
    assert answer.json() == terminology.get(f"CodeSystem/$validate-code?{query}")
    latin = {**terminology.headers, "Content-Type": "application/x-www-form-urlencoded"}
    wrong = terminology.http.post("/fhir/CodeSystem/$lookup", content=b"code=\xe4", headers=latin)
    assert wrong.status_code == 400


def test_a_body_and_an_address_are_one_question(terminology: Terminology) -> None:
    answer = terminology.post(
        f"/ValueSet/$validate-code?system={GENDER}&code=male",
        value_set(compose={"include": [{"system": GENDER}]}),
    )
    assert reported(answer, "result") is True
    answer = terminology.post("/CodeSystem/$validate-code?code=one", code_system("one"))
    assert reported(answer, "result") is True


@pytest.mark.parametrize("kind", ["text/plain", "application/fhir+turtle", ""])
def test_a_body_of_another_kind_is_refused(terminology: Terminology, kind: str) -> None:
    headers = {**terminology.headers, "Content-Type": kind}
    answer = terminology.http.post(f"/fhir{EXPAND}", content=b"<Parameters/>", headers=headers)
    assert answer.status_code == 415


def test_head_tells_what_get_would_without_its_body(terminology: Terminology) -> None:
    answer = terminology.http.head(f"/fhir{EXPAND}", headers=terminology.headers)
    assert (answer.status_code, answer.content) == (200, b"")
    missing = f"/fhir/CodeSystem/$lookup?system={GENDER}&code=absent"
    assert terminology.http.head(missing, headers=terminology.headers).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "status"), [("json", 200), ("application/fhir%2Bjson", 200), ("xml", 200), ("turtle", 406)]
)
def test_the_format_may_stand_in_the_address(terminology: Terminology, wanted: str, status: int) -> None:
    for method in ("GET", "POST"):
        address = f"/fhir{EXPAND}&_format={wanted}"
        answer = terminology.http.request(method, address, headers=terminology.headers)
        assert answer.status_code == status, answer.text


def test_a_preference_changes_no_answer(terminology: Terminology) -> None:
    for preference in ("return=minimal", "return=OperationOutcome", "respond-async", "handling=strict"):
        headers = {**terminology.headers, "Prefer": preference}
        answer = terminology.http.get(f"/fhir{EXPAND}", headers=headers)
        assert answer.json()["resourceType"] == "ValueSet"


@pytest.mark.parametrize("kind", ["batch", "transaction"])
def test_entries_of_a_bundle_ask_as_requests_do(terminology: Terminology, kind: str) -> None:
    entries = [
        {"request": {"method": "POST", "url": EXPAND[1:]}},
        {"request": {"method": "HEAD", "url": EXPAND[1:]}},
        {
            "request": {"method": "POST", "url": "ValueSet/$expand?count=1"},
            "resource": value_set(compose={"include": [{"system": GENDER}]}),
        },
        {"request": {"method": "PUT", "url": EXPAND[1:]}},
    ]
    bundle = {"resourceType": "Bundle", "type": kind, "entry": entries[: 3 if kind == "transaction" else 4]}
    answer = terminology.post("/", bundle)["entry"]
    assert [len(one["resource"]["expansion"]["contains"]) for one in (answer[0], answer[2])] == [2, 1]
    assert answer[1] == {"response": {"status": "200 OK"}}
    if kind == "batch":
        assert answer[3]["response"]["status"].startswith("400")
