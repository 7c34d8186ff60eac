"""XML in and out over REST: the same as JSON, and nothing that XML could bring along."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fhir_bridge.fhir import xml
from fhir_bridge.fhir.serialization import dumps, loads_exact
from tests.server.conftest import Hospital, observation, patient

XML = {"Accept": "application/fhir+xml", "Content-Type": "application/fhir+xml"}


@pytest.fixture(scope="module")
def clara(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds", patient=None)


def body(answer: httpx.Response) -> Any:
    assert answer.headers["content-type"] == "application/fhir+xml; charset=utf-8", answer.text
    return xml.loads(answer.content)


@pytest.mark.parametrize(
    "path",
    [
        "Patient/anna",
        "Patient/anna?_elements=gender",
        "Patient/anna/_history/1",
        "Observation?subject=Patient/anna&_count=1",
        "Patient/anna/Observation",
        "Observation/anna-lab/_history",
        "metadata",
    ],
)
def test_an_answer_in_xml_says_what_it_says_in_json(
    hospital: Hospital, clara: dict[str, str], path: str
) -> None:
    in_json = hospital.http.get(f"/fhir/{path}", headers=clara)
    in_xml = hospital.http.get(f"/fhir/{path}", headers={**clara, **XML})
    assert in_xml.status_code == in_json.status_code == 200
    assert in_xml.headers.get("etag") == in_json.headers.get("etag")
    assert "Accept" in in_xml.headers["vary"]
    expected, said = loads_exact(in_json.content), body(in_xml)
    for bundle in (expected, said):
        bundle.pop("timestamp", None)
    assert said == expected
    divider = "&" if "?" in path else "?"
    by_format = hospital.http.get(f"/fhir/{path}{divider}_format=xml", headers=clara)
    assert body(by_format)["resourceType"] == expected["resourceType"]


def test_what_is_sent_in_xml_is_stored_as_what_is_sent_in_json(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    resource = observation("in-xml", "anna")
    resource["valueQuantity"]["value"] = loads_exact(b"[1.50]")[0]
    resource["_effectiveDateTime"] = {"extension": [{"url": "https://x.example/a", "valueBoolean": True}]}
    created = hospital.http.put(
        "/fhir/Observation/in-xml", content=xml.dumps(resource), headers={**clara, **XML}
    )
    assert created.status_code == 201, created.text
    stored = loads_exact(hospital.http.get("/fhir/Observation/in-xml", headers=clara).content)
    stored.pop("meta")
    assert stored == loads_exact(dumps(resource))
    assert str(stored["valueQuantity"]["value"]) == "1.50"
    again = hospital.http.put("/fhir/Observation/in-xml", content=dumps(resource), headers={
        **clara, "Content-Type": "application/fhir+json"})  # fmt: skip
    assert again.headers["etag"] == created.headers["etag"]


def test_a_transaction_in_xml(hospital: Hospital, clara: dict[str, str]) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": patient("tx-xml", "Xml"), "request": {"method": "PUT", "url": "Patient/tx-xml"}}
        ],
    }
    answer = hospital.http.post("/fhir", content=xml.dumps(bundle), headers={**clara, **XML})
    assert answer.status_code == 200
    assert body(answer)["entry"][0]["response"]["status"].startswith("201")


def test_operations_take_and_give_xml(hospital: Hospital, clara: dict[str, str]) -> None:
    content = xml.dumps(patient("checked", "Xml"))
    answer = hospital.http.post("/fhir/Patient/$validate", content=content, headers={**clara, **XML})
    assert body(answer)["resourceType"] == "OperationOutcome"


def test_the_form_of_a_search_may_ask_for_xml(hospital: Hospital, clara: dict[str, str]) -> None:
    answer = hospital.http.post(
        "/fhir/Patient/_search", data={"_format": "xml", "_id": "anna"}, headers=clara
    )
    assert body(answer)["entry"][0]["resource"]["id"] == "anna"


def test_refusals_are_in_xml_too(hospital: Hospital, clara: dict[str, str]) -> None:
    missing = hospital.http.get("/fhir/Patient/nobody", headers={**clara, **XML})
    assert missing.status_code == 404
    assert body(missing)["resourceType"] == "OperationOutcome"
    assert body(hospital.http.get("/fhir/Patient/anna", headers=XML))["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("accept", "as_xml"),
    [
        ("application/fhir+xml", True),
        ("application/xml", True),
        ("application/fhir+xml;q=0.5, application/fhir+json", False),
        ("application/fhir+json;q=0.5, application/fhir+xml", True),
        ("application/fhir+json, application/fhir+xml", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("*/*", False),
        ("application/fhir+xml;q=0, */*", False),
    ],
)
def test_the_header_accept_decides(
    hospital: Hospital, clara: dict[str, str], accept: str, as_xml: bool
) -> None:
    answer = hospital.http.get("/fhir/Patient/anna", headers={**clara, "Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(f"application/fhir+{'xml' if as_xml else 'json'}")


NS = 'xmlns="http://hl7.org/fhir"'


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not xml",
        f"<Patient {NS}>",
        "<Patient/>",
        f'<Patient {NS}><nonsense value="1"/></Patient>',
        f'<!DOCTYPE Patient [<!ENTITY x SYSTEM "file:///etc/passwd">]><Patient {NS}><id value="&x;"/></Patient>',
        f'<!DOCTYPE Patient [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><Patient {NS}><id value="&b;"/>'
        "</Patient>",
        f'<!DOCTYPE Patient SYSTEM "http://127.0.0.1/x.dtd"><Patient {NS}/>',
        f'<Patient {NS}><id value="&undefined;"/></Patient>',
        f"<Patient {NS}>{'<contact>' * 300}{'</contact>' * 300}</Patient>",
        '<?xml version="1.0" encoding="UTF-16"?><Patient/>',
    ],
)
def test_what_is_no_resource_is_refused_with_its_place(
    hospital: Hospital, clara: dict[str, str], content: str
) -> None:
    answer = hospital.http.post("/fhir/Patient", content=content.encode(), headers={**clara, **XML})
    assert answer.status_code == 400, answer.text
    outcome = body(answer)
    assert outcome["issue"][0]["details"]["coding"][0]["code"] == "FB-REST-001"
    assert "root:" not in answer.text


def test_an_invalid_resource_in_xml_is_refused_with_its_findings(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    content = f'<Observation {NS}><status value="nonsense"/></Observation>'
    answer = hospital.http.post("/fhir/Observation", content=content, headers={**clara, **XML})
    assert answer.status_code == 422
    assert len(body(answer)["issue"]) >= 2


def test_an_entry_of_a_json_bundle_is_not_in_xml(hospital: Hospital, clara: dict[str, str]) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": "Patient/anna?_format=xml"}}],
    }
    answer = hospital.http.post(
        "/fhir", json=bundle, headers=clara | {"Content-Type": "application/fhir+json"}
    )
    assert answer.json()["entry"][0]["response"]["status"].startswith("406")


def test_a_binary_is_given_in_xml_and_xml_of_any_other_name_is_a_content(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    sent = {**clara, "Content-Type": "text/plain"}
    assert hospital.http.put("/fhir/Binary/small", content=b"small", headers=sent).status_code == 201
    assert body(hospital.http.get("/fhir/Binary/small", headers={**clara, **XML}))["data"] == "c21hbGw="
    raw = hospital.http.put(
        "/fhir/Binary/raw", content=b"<a/>", headers={**clara, "Content-Type": "application/xml"}
    )
    assert raw.status_code == 201
    assert hospital.http.get("/fhir/Binary/raw", headers=clara).content == b"<a/>"


def test_what_xml_cannot_say_hides_nothing_beside_it(hospital: Hospital, clara: dict[str, str]) -> None:
    """A Patient as `load` stores it: with a character that XML does not have."""
    loaded = patient("unsayable", "Q\x1b")
    hospital.run(hospital.services.store.load, [loaded])
    one = hospital.http.get("/fhir/Patient/unsayable", headers={**clara, **XML})
    assert one.status_code == 406
    assert "U+001B" in body(one)["issue"][0]["details"]["text"]
    page = body(hospital.http.get("/fhir/Patient?_id=unsayable,anna", headers={**clara, **XML}))
    found = {entry["search"]["mode"]: entry["resource"] for entry in page["entry"]}
    assert found["match"]["id"] == "anna"
    assert "U+001B" in found["outcome"]["issue"][0]["details"]["text"]


def test_a_write_that_xml_cannot_answer_is_not_refused_afterwards(
    hospital: Hospital, clara: dict[str, str]
) -> None:
    read = {"request": {"method": "GET", "url": "Patient/unsayable"}}
    write = {"request": {"method": "PUT", "url": "Patient/beside"}, "resource": patient("beside", "Neben")}
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": [read, write]}
    sent = {**clara, "Content-Type": "application/fhir+json", "Accept": "application/fhir+xml"}
    answer = hospital.http.post("/fhir", json=bundle, headers=sent)
    assert answer.status_code == 200
    assert [entry["response"]["status"][:3] for entry in body(answer)["entry"]] == ["200", "201"]
