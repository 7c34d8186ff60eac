"""What each part of a message belongs to: comments, further visits, orders without numbers, consents, facts."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.adapters.ehr.conftest import Converted
from tests.adapters.ehr.test_hl7v2_account import ADT, OBR, OBX, ORU, PID, left

Message = Callable[..., Converted]
MDM = ADT.replace("ADT^A01", "MDM^T02")
TXA = "TXA|1|CN|TX|20260301100000+0100||||||||D1^KIS"
VISIT = "PV1|1|I" + "|" * 17


@pytest.mark.parametrize(
    ("segment", "kind", "element"),
    [
        ("AL1|1|DA|P^Pollen^L", "AllergyIntolerance", "note"),
        ("DG1|1||I50^Failure^I10", "Condition", "note"),
        ("PR1|1||1^Bypass^L", "Procedure", "note"),
        ("PRB|AD|2026|1^Failure^L|P1", "Condition", "note"),
    ],
)
def test_a_comment_is_of_the_segment_that_it_follows(
    segment: str, kind: str, element: str, message: Message
) -> None:
    converted = message(ADT, PID, segment, "NTE|1||about it")
    [resource] = converted.of(kind)
    assert {"text": "about it"} in resource[element]
    assert converted.of("Observation") == [], "no comment on the patient"
    assert left(converted) == []


def test_a_comment_on_what_no_rule_knows_is_reported_and_never_the_patient_s(message: Message) -> None:
    converted = message(ADT, PID, "ZPI|1|x", "NTE|1||of Z")
    assert left(converted) == ["segment ZPI", "comment (NTE) after ZPI"]
    assert converted.of("Observation") == []


def test_an_order_without_any_number_is_one_of_its_message(message: Message) -> None:
    lines = ["OBR|1|||A^a^L", "OBR|2|||A^a^L"]
    orders = message(ADT.replace("ADT^A01", "OMG^O19"), PID, *lines).of("ServiceRequest")
    assert len({order["id"] for order in orders}) == 2
    again = message(ADT.replace("ADT^A01", "OMG^O19"), PID, *lines).of("ServiceRequest")
    assert [order["id"] for order in again] == [order["id"] for order in orders]
    other = message(ADT.replace("ADT^A01", "OMG^O19").replace("M1", "M2"), PID, *lines).of("ServiceRequest")
    assert not {order["id"] for order in other} & {order["id"] for order in orders}


def test_each_visit_of_an_account_has_its_own_diagnoses(message: Message) -> None:
    bar = ADT.replace("ADT^A01", "BAR^P01")
    lines = [VISIT + "V1", "DG1|1||I50^Failure^I10", VISIT + "V2", "DG1|1||J18^Pneumonia^I10"]
    converted = message(bar, PID, *lines)
    assert left(converted) == []
    visits = {visit["id"]: visit["identifier"][0]["value"] for visit in converted.of("Encounter")}
    found = {
        condition["code"]["coding"][0]["code"]: visits[condition["encounter"]["reference"].split("/")[1]]
        for condition in converted.of("Condition")
    }
    assert found == {"I50": "V1", "J18": "V2"}


def test_an_a45_moves_each_visit_to_the_patient_that_keeps_it(message: Message) -> None:
    a45 = ADT.replace("ADT^A01", "ADT^A45")
    old = "MRG|66^^^HOSP^MR||||"
    converted = message(a45, PID, old + "V1", VISIT + "V1", old + "V2", VISIT + "V2")
    [patient] = {resource["id"]: resource for resource in converted.of("Patient")}.values()
    assert [number["value"] for number in patient["identifier"]] == ["77"], (
        "the other number is another patient's"
    )
    moved = converted.of("Encounter")
    assert {visit["identifier"][0]["value"] for visit in moved} == {"V1", "V2"}
    assert {visit["subject"]["reference"] for visit in moved} == {f"Patient/{patient['id']}"}


def test_a_consent_is_one_and_decides_on_no_access(message: Message) -> None:
    con = "CON|1|T1^Treatment^L|F-7||Text of the form||||||R|20260301" + "|" * 12 + "Keller^Ada|1"
    converted = message(MDM, PID, TXA, con, "OBX|1|TX|1^Note^L||Nothing to say.||||||F")
    assert left(converted) == []
    [consent] = converted.of("Consent")
    assert (consent["status"], consent["dateTime"]) == ("rejected", "2026-03-01")
    assert consent["policyRule"]["text"] == "F-7, Text of the form"
    assert "coding" not in consent["scope"]


def facts(converted: Converted) -> dict[str, dict[str, Any]]:
    return {
        observation["code"]["coding"][0]["code"]: observation
        for observation in converted.of("Observation")
        if observation["status"] == "preliminary"
    }


def test_the_text_of_a_document_states_facts_that_are_no_measurements(message: Message) -> None:
    lines = [
        "OBX|1|TX|1^Echo^L||LVEF 35 %. NYHA class III.||||||F",
        "OBX|2|TX|1^Echo^L||Former smoker.||||||F",
    ]
    converted = message(MDM, PID, TXA, *lines)
    assert left(converted) == []
    found = facts(converted)
    assert set(found) == {"10230-1", "88020-3", "72166-2"}
    fraction = found["10230-1"]
    assert fraction["valueQuantity"]["value"] == 35
    [document] = converted.of("DocumentReference")
    assert fraction["derivedFrom"] == [{"reference": f"DocumentReference/{document['id']}"}]
    [span] = [part for part in fraction["extension"] if part["url"].endswith("/text-span")]
    assert {"url": "text", "valueString": "LVEF 35 %"} in span["extension"]
    assert facts(message(ORU, PID, OBR, lines[0])) == {}, "a result's text is a result"
    assert facts(message(MDM, PID, TXA, OBX)) == {}


def test_a_comment_on_a_content_is_in_the_document(message: Message) -> None:
    converted = message(MDM, PID, TXA, "OBX|1|TX|1^Echo^L||Text.||||||F", "NTE|1||dictated by phone")
    assert left(converted) == []
    assert "dictated by phone" in converted.of("DocumentReference")[0]["description"]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (
            "Keller^Ada^^^^^L",
            "Keller^Ada^^^^^L&x",
            "PID-5.7.2 is beyond the one component that ID has in 2.5.1",
        ),
        ("19600102", "19600102^^x", "PID-7.3 is beyond the 2 components that TS has in 2.5.1"),
        ("|F", "|F" + "|" * 39 + "x", "PID-47 is beyond the 39 fields that PID has in 2.5.1"),
    ],
)
def test_what_a_version_has_no_place_for_is_said_once(
    old: str, new: str, place: str, message: Message
) -> None:
    assert left(message(ADT, PID.replace(old, new))) == [f"message breaks its grammar: {place}"]


def test_a_later_version_has_the_place(message: Message) -> None:
    newer = ADT.replace("|2.5.1", "|2.8")
    assert left(message(newer, PID.replace("|F", "|F" + "|" * 32 + "^PRN^CP^^^^5551"))) == []


ABSENT = [
    ("OBR|1|{}^KIS^1.2.3^ISO|F1|A^a^L", "OBR-2.2"),
    ("OBR|1|P1|F1|A^a^L||||||||||||{}^Doe^Jo^^^^^^HOSP^^^^NPI", "OBR-16.9"),
    ("OBR|1|P1|F1|A^a^L\rOBX|1|NM|1^x^L||5|mg|||||F||||||||||||Lab^^^^^HOSP^XX^^^{}", "OBX-23.6"),
]


@pytest.mark.parametrize(("line", "place"), ABSENT)
def test_who_numbers_something_says_nothing_only_where_the_number_is_missing(
    line: str, place: str, message: Message
) -> None:
    """What `FB-HL7-017` lists of an identifier is represented as soon as there is one, and changes what is written."""

    def declared(converted: Converted) -> str:
        return " ".join(issue.message for issue in converted.issues if issue.code == "FB-HL7-017")

    def stated(text: str) -> tuple[Converted, str]:
        converted = message(ORU, PID, *text.split("\r"))
        return converted, repr(converted.resources)

    without, numbered = stated(line.format("")), stated(line.format("77"))
    assert place in declared(without[0])
    assert place not in declared(numbered[0])
    assert left(numbered[0]) == []
    changed = [
        text.replace("KIS", "XIS").replace("^HOSP", "^XOSP") for text in (line.format(""), line.format("77"))
    ]
    assert stated(changed[1])[1].count("XIS") + stated(changed[1])[1].count("XOSP") > 0
    assert place in declared(stated(changed[0])[0]), "reported, whatever it says"


@pytest.mark.parametrize("value", ["^application^pdf^Base64^@@@@", "^application^pdf^Base64", "x"])
def test_a_document_that_can_not_be_read_is_kept_as_text_and_reported(value: str, message: Message) -> None:
    converted = message(MDM, PID, TXA, f"OBX|1|ED|PDF^Report^L||{value}||||||F")
    assert "FB-HL7-028" in converted.codes()
    assert converted.outcomes[0][1] == "partial"
    [document] = converted.of("DocumentReference")
    [content] = document["content"]
    assert base64.b64decode(content["attachment"]["data"]).decode() == value
    whole = message(MDM, PID, TXA, "OBX|1|ED|PDF^Report^L||^application^pdf^Base64^aGk=||||||F", OBX)
    assert "FB-HL7-028" not in whole.codes()
