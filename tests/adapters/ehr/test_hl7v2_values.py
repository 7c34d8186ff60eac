"""Values of HL7 v2 that FHIR has no place for, or that can't be what their sender wrote."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.ehr.test_hl7v2_content import valid, vital
from tests.adapters.ehr.test_hl7v2_mapping import MSH, OBR, ORU, PID, Message, adt


def one(message: Message, obx: str) -> dict[str, Any]:
    (result,) = valid(message(ORU, PID, OBR, obx)).of("Observation")
    return result


@pytest.mark.parametrize(
    ("kind", "sent", "element", "value"),
    [
        ("TM", "0715", "valueTime", "07:15:00"),
        ("TM", "0715+0100", "valueString", "0715+0100"),
        ("TM", "07", "valueString", "07"),
        ("TM", "071530.5-0500", "valueString", "071530.5-0500"),
        ("DT", "20260228", "valueDateTime", "2026-02-28"),
    ],
)
def test_a_time_arrives_as_one_or_as_a_text(
    kind: str, sent: str, element: str, value: str, message: Message
) -> None:
    result = one(message, f"OBX|1|{kind}|T^Onset^L||{sent}||||||F")
    assert result[element] == value
    assert "dataAbsentReason" not in result


@pytest.mark.parametrize(
    ("kind", "sent"), [("TM", "2561"), ("TM", "soon"), ("DT", "20260231"), ("TS", "20269901")]
)
def test_a_time_that_can_not_be_is_kept_as_sent(kind: str, sent: str, message: Message) -> None:
    converted = valid(
        message(ORU, PID, OBR, "OBX|1|NM|A^A^L||5|mg/dL|||||F", f"OBX|2|{kind}|T^Onset^L||{sent}||||||F")
    )
    result = converted.of("Observation")[-1]
    assert not [name for name in result if name.startswith("value")]
    assert result["dataAbsentReason"]["coding"][0]["code"] == "error"
    assert result["note"] == [{"text": sent}]
    (issue,) = [issue for issue in converted.issues if issue.code == "FB-MAP-208"]
    assert issue.message.startswith("OBX[2]-5: ")


def test_of_repeated_times_the_one_that_can_not_be_is_kept_as_sent(message: Message) -> None:
    result = one(message, "OBX|1|DT|T^Days^L||20260228~20260231||||||F")
    good, bad = result["component"]
    assert good["valueDateTime"] == "2026-02-28"
    assert bad["dataAbsentReason"]["text"] == "20260231"


def test_each_of_two_equal_values_is_named_by_its_place(message: Message) -> None:
    converted = message(ORU, PID, OBR, *(f"OBX|{n}|NM|A{n}^A^L||?|mg/dL|||||F" for n in (1, 2, 3)))
    places = [issue.message.partition(",")[0] for issue in converted.issues if issue.code == "FB-MAP-207"]
    assert places == ["OBX[1]-5", "OBX[2]-5", "OBX[3]-5"]


@pytest.mark.parametrize("obx", ["59408-5^SpO2^LN||0.97", "8480-6^Sys^LN||16", "39156-5^BMI^LN||0.24"])
def test_no_unit_is_made_up_that_the_value_does_not_fit(obx: str, message: Message) -> None:
    (result,) = vital(message, f"OBX|1|NM|{obx}||||||F")
    quantities = [
        result.get("valueQuantity", {}),
        *(part.get("valueQuantity", {}) for part in result.get("component", ())),
    ]
    assert not [quantity for quantity in quantities if "value" in quantity]
    assert result["note"] == [{"text": obx.rpartition("|")[2]}]


def test_a_pair_without_unit_that_is_no_pressure_in_mm_hg_has_none(message: Message) -> None:
    (result,) = vital(message, "OBX|1|ST|85354-9^BP^LN||16/10.6||||||F")
    assert not [part for part in result["component"] if "valueQuantity" in part]
    assert result["note"] == [{"text": "16/10.6"}]


def test_a_composite_quantity_is_a_quantity(message: Message) -> None:
    result = one(message, "OBX|1|CQ|T^Dose^L||7.5^mg&milligram&UCUM||||||F")
    assert (str(result["valueQuantity"]["value"]), result["valueQuantity"]["code"]) == ("7.5", "mg")


def test_a_value_of_an_unknown_type_is_reported_without_the_expression(message: Message) -> None:
    converted = message(ORU, PID, OBR, "OBX|1|XYZ|T^Dose^L||7.5||||||F")
    (issue,) = [issue for issue in converted.issues if issue.code == "FB-MAP-107"]
    assert 'no case for "XYZ"' in issue.message
    assert " if " not in issue.message


def test_a_birthplace_is_no_address_of_the_patient(message: Message) -> None:
    pid = "PID|1||77^^^HOSP^MR||Keller^Ada||19600102|F|||Weg 1^^Ulm^^89073^DEU^H~^^Paris^^75056^FRA^BDL"
    converted = valid(message(adt("A28"), pid))
    (patient,) = converted.of("Patient")
    assert [address["city"] for address in patient["address"]] == ["Ulm"]
    (place,) = [item for item in patient["extension"] if item["url"].endswith("patient-birthPlace")]
    assert place["valueAddress"]["city"] == "Paris"
    assert converted.outcomes[0][1] == "converted"


@pytest.mark.parametrize(
    ("sent", "status"), [("BOOKED", "booked"), ("Booked", "booked"), ("pending", "pending")]
)
def test_the_status_of_an_appointment_may_be_in_capitals(sent: str, status: str, message: Message) -> None:
    sch = "SCH|A1|F1|||||R^Check^L||30|min|^^30^20260401093000+0100^20260401100000+0100" + "|" * 14 + sent
    converted = message(MSH.format(time="20260301120000+0100", kind="SIU^S12"), sch, PID)
    (appointment,) = converted.of("Appointment")
    assert appointment["status"] == status
    assert not [issue for issue in converted.issues if issue.code == "FB-MAP-205"]


def test_susceptibilities_of_one_placer_number_are_orders_of_their_own(message: Message) -> None:
    def obr(number: int, filler: str, code: str, parent: str = "") -> str:
        fields = [
            "OBR",
            str(number),
            "P1^EHR",
            f"{filler}^LAB",
            code,
            *[""] * 20,
            "F",
            *([parent, "", "", "P1&EHR^F0&LAB"] if parent else []),
        ]
        return "|".join(fields)

    converted = valid(
        message(
            ORU, PID,
            obr(1, "F0", "600-7^Culture^LN"), "OBX|1|CWE|600-7^Bacteria^LN|1|112283007^E. coli^SCT||||||F",
            "OBX|2|CWE|600-7^Bacteria^LN|2|3092008^S. aureus^SCT||||||F",
            obr(2, "F1", "50545-3^MIC^LN", "600-7&Bacteria&LN^1"), "OBX|1|SN|28-1^Ampicillin^LN||>=^32|ug/mL||R|||F",
            obr(3, "F2", "50545-3^MIC^LN", "600-7&Bacteria&LN^2"), "OBX|1|SN|28-1^Ampicillin^LN||^8|ug/mL||S|||F",
        )
    )  # fmt: skip
    assert converted.outcomes[0][1] == "converted"
    orders = {order["id"]: order for order in converted.of("ServiceRequest")}
    assert len(orders) == 3
    for report in converted.of("DiagnosticReport"):
        (based,) = report["basedOn"]
        order = orders[based["reference"].partition("/")[2]]
        fillers = [
            {item["value"] for item in each["identifier"] if item["type"]["coding"][0]["code"] == "FILL"}
            for each in (report, order)
        ]
        assert fillers[0] == fillers[1]


def test_an_event_that_is_not_carried_out_is_a_warning(message: Message) -> None:
    converted = message(adt("A24"), PID, PID.replace("77^", "78^"))
    assert [issue.message[:4] for issue in converted.issues if issue.code == "FB-HL7-027"] == ["A24 "]


@pytest.mark.parametrize(
    ("sent", "text"), [(">=^1^:^640", ">=1:640"), ("<^1^/^10", "<1/10"), (">^1^:^80", ">1:80")]
)
def test_a_titre_with_a_comparator_is_a_text(sent: str, text: str, message: Message) -> None:
    converted = valid(message(ORU, PID, OBR, f"OBX|1|SN|T^Titre^L||{sent}||||||F"))
    (result,) = converted.of("Observation")
    assert result["valueString"] == text
    assert "dataAbsentReason" not in result
    assert "FB-HL7-016" in converted.codes()


@pytest.mark.parametrize(("born", "flagged"), [("99991231", True), ("50010203", True), ("20260301", False)])
def test_a_birth_after_the_message_is_reported(born: str, flagged: bool, message: Message) -> None:
    converted = message(adt("A08"), PID.replace("19600102", born))
    (patient,) = converted.of("Patient")
    assert patient["birthDate"] == f"{born[:4]}-{born[4:6]}-{born[6:]}"
    (issue,) = [each for each in converted.issues if each.code == "FB-HL7-030"] or [None]
    assert (issue is not None) == flagged
    assert issue is None or born not in issue.message


@pytest.mark.parametrize(
    ("source", "primary"), [("", None), ("00^New record^NIP001", True), ("01^Historical^NIP001", False)]
)
def test_who_recorded_a_vaccination_is_not_made_up(
    source: str, primary: bool | None, message: Message
) -> None:
    rxa = f"RXA|0|1|20260301||08^Hep B^CVX|0.5|mL^^UCUM||{source}"
    header = MSH.format(time="20260301120000+0100", kind="VXU^V04")
    (given,) = message(header, PID, "ORC|RE||V1^E", rxa).of("Immunization")
    assert given.get("primarySource") is primary


def test_a_guarantor_and_a_contact_have_their_whole_names(message: Message) -> None:
    guarantor = "GT1|1|G1|SMITHSON^WALTER^Q|SPOUSE^NAME"
    kin = "NK1|1|JONES^BARBARA^K|SPO" + "|" * 8 + "Clerk"
    details = message(adt("A04"), PID, kin, guarantor).of("Observation")
    shown = {focus["display"] for each in details for focus in each.get("focus", ())}
    assert shown == {"WALTER Q SMITHSON", "BARBARA K JONES"}
