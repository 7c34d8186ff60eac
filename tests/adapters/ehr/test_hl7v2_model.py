"""Groups and selectors: what a mapping sees of a message."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.adapters.ehr.hl7v2 import Hl7v2Adapter, read_message
from fhir_bridge.mapping import CLEARED

MODEL = Hl7v2Adapter.model
CULTURE = "\r".join(
    [
        "MSH|^~\\&|LAB|HOSP|||2026||ORU^R01|1|P|2.5.1",
        'PID|1||77^^^HOSP&1.2.3.4&ISO^MR~88^^^SSA^SS||Keller^Ada||""|F',
        "NTE|1||about the patient",
        "OBR|1|P1|F1|CULT^Culture^L",
        "NTE|1||about the order",
        "OBX|1|CWE|600-7^Bacteria^LN|1|112283007^E. coli^SCT~3092008^S. aureus^SCT||||||F",
        "NTE|1||about the result",
        "OBX|2|TX|8251-1^Comment^LN||line one||||||F",
        "OBX|3|TX|8251-1^Comment^LN||line \\T\\ two||||||F",
        "OBX|4|NM|1^Count^L||5||||||F",
        "OBX|5|NM|1^Count^L||6||||||F",
        "SPM|1|^S1||BLD^Blood^HL70487",
        "OBR|2|P1|F2|SUSC^Susceptibility^L||||||||||||||||||||||600-7&Bacteria&LN^1|||P1&KIS^F1&LAB",
        "OBX|1|SN|18864-9^Ampicillin^LN|1|>^16|ug/mL||R|||F",
        "ZPD|1|local",
    ]
)


def groups(scope: str, text: str = CULTURE) -> list[Any]:
    message = read_message(text.encode(), "m#1")
    kept.append(message)  # its groups live as long as it
    return list(message.scope(scope))


kept: list[Any] = []


def value(selector: str, scope: str, group: Any) -> Any:
    return eval(MODEL.selector(selector, scope), {"s": group})


def test_groups_hold_their_segments_and_know_what_is_around() -> None:
    orders = groups("ORDER_OBSERVATION")
    assert [len(order.of("ORDER_OBSERVATION.OBSERVATION")) for order in orders] == [4, 1]
    result = groups("OBSERVATION")[-1]
    assert value("OBR-3", "OBSERVATION", result) == "F2"
    assert value("PID-3.1", "OBSERVATION", result) == "77"
    assert value("MSH-4", "OBSERVATION", result) == "HOSP"


def test_a_comment_belongs_to_what_is_before_it() -> None:
    assert [value("notes", "OBSERVATION", g) for g in groups("OBSERVATION")][:2] == ["about the result", None]
    assert value("NTE-3", "ORDER_OBSERVATION", groups("ORDER_OBSERVATION")[0]) == "about the order"
    assert value("NTE-3", "PATIENT_RESULT", groups("PATIENT_RESULT")[0]) == "about the patient"


def test_a_comment_after_another_segment_is_none_of_the_result_before() -> None:
    text = CULTURE.replace("SPM|1|^S1", "ZBX|1\rNTE|1||about the local segment\rSPM|1|^S1")
    assert "about the local segment" not in [
        value("notes", "OBSERVATION", g) for g in groups("OBSERVATION", text)
    ]


def test_repeated_text_lines_are_one_result() -> None:
    comment = groups("OBSERVATION")[1]
    assert value("observation.text", "OBSERVATION", comment) == "line one\nline & two"


def test_repeated_results_without_sub_id_are_distinguished() -> None:
    assert [value("observation.ordinal", "OBSERVATION", g) for g in groups("OBSERVATION")] == [
        None, None, None, "2", None,
    ]  # fmt: skip


def test_parent_result_by_subcomponents() -> None:
    susceptibility = groups("OBSERVATION")[-1]
    assert value("OBR-26.1.1", "OBSERVATION", susceptibility) == "600-7"
    assert value("OBR-26.2", "OBSERVATION", susceptibility) == "1"
    assert value("OBR-29.2.1", "OBSERVATION", susceptibility) == "F1"


def test_repetitions() -> None:
    patient = groups("PATIENT_RESULT")[0]
    assert [str(item) for item in value("PID-3", "PATIENT_RESULT", patient)] == ["77", "88"]
    assert value("PID-3[2].4", "PATIENT_RESULT", patient) == "SSA"
    assert value("PID-3[*].5", "PATIENT_RESULT", patient) == ["MR", "SS"]
    assert value("PID-3[3]", "PATIENT_RESULT", patient) is None


def test_empty_is_nothing_and_two_quotes_delete() -> None:
    patient = groups("PATIENT_RESULT")[0]
    assert value("PID-6", "PATIENT_RESULT", patient) is None
    assert value("PID-7", "PATIENT_RESULT", patient) is CLEARED
    assert value("PID-30", "PATIENT_RESULT", patient) is None


def test_coded_field_knows_its_codings() -> None:
    organisms = value("OBX-5", "OBSERVATION", groups("OBSERVATION")[0])
    assert organisms[0].codings() == (("SCT", "112283007", "E. coli", None),)
    assert organisms[0].text == "E. coli"
    both = "MSH|^~\\&|A\rOBX|1|CWE|5^five^L^E55^Echo^99X^1.0^2.0^my words"
    field = value("OBX-3", "message", groups("message", both)[0])
    assert field.codings() == (("L", "5", "five", "1.0"), ("99X", "E55", "Echo", "2.0"))
    assert field.text == "my words"


def test_identifier_field_knows_its_authority() -> None:
    first, second = value("PID-3", "PATIENT_RESULT", groups("PATIENT_RESULT")[0])
    assert first.authority == ("HOSP", "1.2.3.4", "urn:oid:1.2.3.4")
    assert (first.value, first.identifier_type) == ("77", "MR")
    assert second.authority == "SSA"


def test_results_without_patient_or_order_are_kept() -> None:
    bare = "MSH|^~\\&|A\rOBR|1||F1\rOBX|1|NM|1||5\r"
    assert len(groups("OBSERVATION", bare)) == 1
    visit = "MSH|^~\\&|A\rPID|1||7\rPV1|1|I\rOBX|1|NM|1||5\r"
    assert len(groups("PATIENT_RESULT.OBSERVATION", visit)) == 1
    assert groups("OBSERVATION", visit) == []


def test_a_segment_is_a_scope_of_its_own() -> None:
    allergies = "MSH|^~\\&|A\rPID|1||7\rAL1|1|DA|P^Penicillin\rAL1|2|FA|N^Nut\r"
    record = read_message(allergies.encode(), "m#1")
    results = list(record.scope("AL1"))
    assert [str(value("AL1-3.2", "AL1", group)) for group in results] == ["Penicillin", "Nut"]
    assert [value("PID-3", "AL1", group) for group in results] == ["7", "7"]
    assert results == list(record.scope("AL1")), "the same objects each time"
    assert "ZPD" in MODEL.scopes
    assert "FOO" not in MODEL.scopes
    assert "OBX" not in MODEL.scopes, "an OBX is in an observation group"


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ("OBY-5", 'did you mean "OBX"'),
        ("PID-0", "count from 1"),
        ("PID-3[0]", "count from 1"),
        ("row.x", "SEG-field"),
    ],
)
def test_wrong_selectors_are_named(selector: str, said: str) -> None:
    with pytest.raises(LookupError, match=said):
        MODEL.selector(selector, "message")


def test_other_delimiters() -> None:
    text = "MSH#*$!%#LAB#HOSP\rOBX#1#ST#1*one%uno##a!F!b$c"
    (root,) = groups("message", text)
    assert value("OBX-3.2.2", "message", root) == "uno"
    assert [str(item) for item in value("OBX-5", "message", root)] == ["a#b", "c"]
    assert value("MSH-1", "message", root) == "#"
