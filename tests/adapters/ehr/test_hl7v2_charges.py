"""What comes with visits and orders in HL7 v2: charges, referrals, devices, contacts, timing, studies, billing."""

from __future__ import annotations

from tests.adapters.ehr.conftest import Converted
from tests.adapters.ehr.test_hl7v2_content import ADT, ORU, PID, Message, reported, valid

DFT = ADT.replace("ADT^A01", "DFT^P03")
ORDER = "OBR|1|P1^KIS|F1^LIS|CHEM^Chemistry^L|||20260301110000+0100|||||||||||||||20260301115500+0100||LAB|F"


def notes(converted: Converted, kind: str) -> set[str]:
    (resource,) = converted.of(kind)
    return {note["text"] for note in resource["note"]}


def test_a_charge_is_a_charge_item_and_a_payment_is_not_billable(message: Message) -> None:
    charge = "FT1|1|T1|B1|20260301|20260302|CG|71045^Chest X-ray^C4|||2|100&EUR|50&EUR|RAD||||||I10^Hypertension^I10"
    converted = valid(message(DFT, PID, charge, "FT1|2|T2||20260301||PY|PAY^Payment^L|||1|20&XXX"))
    first, second = converted.of("ChargeItem")
    assert (first["status"], second["status"]) == ("billable", "unknown")
    assert first["code"]["coding"][0]["code"] == "71045"
    assert first["priceOverride"] == {"value": 100, "currency": "EUR"}
    assert "priceOverride" not in second
    assert {"text": "Amount: 20&XXX"} in second["note"]
    assert not reported(converted)


def test_a_referral_is_a_request_with_its_providers(message: Message) -> None:
    converted = valid(
        message(
            ADT.replace("ADT^A01", "ADT^A04"),
            "RF1|P^Pending^HL70283|A^ASAP^HL70280|MED|||R1^KIS|20260301|20260401|20260228|S^Second^HL70336",
            "PRD|RP^Referring^HL70286|Roe^Robert^^^Dr|Via Roma 1^^Bozen|||||20260101",
            PID,
        )
    )
    (request,) = converted.of("ServiceRequest")
    assert (request["status"], request["priority"]) == ("active", "asap")
    assert request["identifier"][0]["value"] == "R1"
    assert {role["code"][0]["coding"][0]["code"] for role in converted.of("PractitionerRole")} == {"RP"}


def test_what_comes_with_an_order_is_in_the_order(message: Message) -> None:
    converted = valid(
        message(
            ORU, PID, "PV1|1|O|WARD", "ORC|RE|P1^KIS|F1^LIS||||^Q6H^D10^20260301^20260302", ORDER,
            "TQ1|1|2|QID||||20260301|20260303|A", "PRT|1|AD||AP^Attending^HL70912|4711^Doe^Jo|||HOSP",
            "CTD|C^Contact^HL70131|Roe^R", "CTI|S1^SPONSOR|P1^Phase 1", "BLG||CH|A1^^^HOSP",
        )
    )  # fmt: skip
    (request,) = converted.of("ServiceRequest")
    timing = request["occurrenceTiming"]
    assert timing["repeat"] == {"boundsPeriod": {"start": "2026-03-01", "end": "2026-03-03"}}
    assert timing["code"]["coding"][0]["code"] == "QID"
    assert (request["priority"], request["quantityQuantity"]) == ("asap", {"value": 2})
    assert request["extension"][-1]["valueReference"]["identifier"]["value"] == "S1"
    assert notes(converted, "ServiceRequest") >= {
        "Patient class of the visit: O",
        "Repeat pattern: QID",
        "Quantity and timing: ^Q6H^D10^20260301^20260302",
        "Taking part: 4711^Doe^Jo",
        "Contact: Roe^R",
        "Phase of the study: P1^Phase 1",
        "Charged to the account: A1^^^HOSP",
    }
    assert not reported(converted)


def test_an_order_without_a_service_segment_is_an_order(message: Message) -> None:
    converted = valid(
        message(ORU.replace("ORU^R01", "ORM^O01"), PID, "ORC|NW|P9^KIS", "ODS|D||LOWSALT^Low salt^L")
    )
    (request,) = converted.of("ServiceRequest")
    assert request["identifier"][0]["value"] == "P9"
    assert "Diet, supplement or preference: LOWSALT^Low salt^L" in notes(converted, "ServiceRequest")


def test_kinds_of_names_addresses_and_numbers_have_their_place(message: Message) -> None:
    pid = "PID|1||77^^^HOSP^MR||Keller^Ada^^^^^B||19600102|F|||Via Roma 1^^Bozen^^39100^IT^L^^^0123"
    pid += "||0471 1^BPN^PH^^^^^^night"
    converted = valid(message(ADT, pid))
    (patient,) = converted.of("Patient")
    assert patient["name"][0]["_family"]["extension"][0]["valueCode"] == "BR"
    assert patient["address"][0]["extension"][0]["valueBoolean"] is True
    assert patient["address"][0]["_line"][0]["extension"][0]["valueString"] == "0123"
    purpose, remark = patient["telecom"][0]["extension"]
    assert purpose["valueCodeableConcept"]["coding"][0]["code"] == "BPN"
    assert remark["valueString"] == "night"
    assert not reported(converted)


def test_a_comment_keeps_its_author_and_time(message: Message) -> None:
    result = "OBX|1|NM|1^x^L||5||||||F"
    converted = valid(message(ORU, PID, ORDER, result, "NTE|1|L|Repeat|RE^Remark|4711^Doe^Jo|20260301"))
    (observation,) = converted.of("Observation")
    assert observation["note"][0]["text"] == "Repeat\n(RE^Remark; 4711^Doe^Jo; 20260301)"
    assert not reported(converted)


def test_a_result_without_a_code_is_kept_and_says_so(message: Message) -> None:
    (observation,) = valid(message(ORU, PID, ORDER, "OBX|1|TX|||Impression||||||F")).of("Observation")
    assert observation["code"]["text"] == "Result without a code"
    assert observation["valueString"] == "Impression"
