"""Elements that R4 has, and value sets that it binds: its element and code are there beside what was sent."""

from __future__ import annotations

from typing import Any

import pytest

from tests.adapters.ehr.test_hl7v2_content import ADT, ORDER, ORU, PID, Message, fields, reported, valid

VISIT = fields("PV1", f1="1", f2="I", f19="V1")


def codes(concept: dict[str, Any]) -> dict[str, str]:
    """Code by the last part of its system."""
    return {c.get("system", "").rpartition("/")[2]: c["code"] for c in concept["coding"]}


def test_religion_and_relationships_have_the_codes_that_r4_binds(message: Message) -> None:
    pid = f"{PID}|||||||||BAP"
    insured = fields("IN1", f1="1", f2="P1", f3="IC1^^^HOSP", f16="Keller^Max", f17="SPO")
    own = fields("IN1", f1="2", f2="P2", f3="IC2^^^HOSP", f16="Keller^Ada", f17="SEL")
    guarantor = fields("GT1", f1="1", f3="Keller^Eva", f11="CHD", f36="ger^German^ISO639")
    kin = fields("NK1", f1="1", f2="Keller^Jo", f3="BRO", f16="19700101", f20="ita")
    converted = valid(message(ADT, pid, kin, VISIT, guarantor, insured, own))
    (patient,) = converted.of("Patient")
    religion = next(e for e in patient["extension"] if e["url"].endswith("religion"))
    assert codes(religion["valueCodeableConcept"]) == {"v3-ReligiousAffiliation": "1009", "v2-0006": "BAP"}
    assert codes(patient["contact"][0]["relationship"][0]) == {"v3-RoleCode": "BRO", "v2-0063": "BRO"}
    persons = {person["name"][0]["given"][0]: person for person in converted.of("RelatedPerson")}
    assert codes(persons["Max"]["relationship"][0])["v3-RoleCode"] == "SPS"
    assert codes(persons["Eva"]["relationship"][1])["v3-RoleCode"] == "CHILD"
    assert persons["Eva"]["communication"][0]["language"]["coding"][0]["code"] == "de"
    assert persons["Jo"]["communication"][0]["language"]["coding"][0]["code"] == "it"
    first, second = converted.of("Coverage")
    assert codes(first["relationship"])["subscriber-relationship"] == "spouse"
    assert first["subscriber"]["reference"] == f"RelatedPerson/{persons['Max']['id']}"
    assert codes(second["relationship"])["subscriber-relationship"] == "self"
    assert second["subscriber"] == second["beneficiary"]
    assert not reported(converted)


def test_a_child_of_the_insured_or_an_insured_child_is_not_decided(message: Message) -> None:
    insured = fields("IN1", f1="1", f2="P1", f3="IC1^^^HOSP", f16="Keller^Max", f17="CHD")
    (coverage,) = valid(message(ADT, PID, insured)).of("Coverage")
    assert codes(coverage["relationship"]) == {"v2-0063": "CHD"}


def test_the_visit_has_its_diagnoses_priority_and_mode_of_arrival(message: Message) -> None:
    pv2 = fields("PV2", f25="2", f38="A")
    working = fields("DG1", f1="1", f3="E11.9^Diabetes^I10", f6="W", f15="2")
    admitting = fields("DG1", f1="2", f3="I21.0^Infarct^I10", f6="A", f15="1")
    deleted = fields("DG1", f1="3", f3="I10^Hypertension^I10", f6="W", f21="D")
    converted = valid(message(ADT, PID, VISIT, pv2, working, admitting, deleted))
    (visit,) = converted.of("Encounter")
    assert codes(visit["priority"]) == {"v3-ActPriority": "UR", "v2-0217": "2"}
    assert visit["extension"][0]["valueCoding"]["system"].endswith("v2-0430")
    ids = {c["code"]["coding"][0]["code"]: f"Condition/{c['id']}" for c in converted.of("Condition")}
    assert [d["condition"]["reference"] for d in visit["diagnosis"]] == [ids["E11.9"], ids["I21.0"]]
    assert [d["rank"] for d in visit["diagnosis"]] == [2, 1]
    assert "use" not in visit["diagnosis"][0]
    assert codes(visit["diagnosis"][1]["use"]) == {"diagnosis-role": "AD"}


def test_the_time_of_birth_is_kept(message: Message) -> None:
    (patient,) = valid(message(ADT, "PID|1||77^^^HOSP^MR||Keller^Ada||196001021530|F")).of("Patient")
    assert patient["birthDate"] == "1960-01-02"
    (extension,) = patient["_birthDate"]["extension"]
    assert extension["valueDateTime"] == "1960-01-02T15:30:00+01:00"
    (dated,) = message(ADT, PID).of("Patient")
    assert "_birthDate" not in dated


def test_an_allergy_is_one_and_a_contraindication_is_not(message: Message) -> None:
    allergy = fields("AL1", f1="1", f2="DA", f3="P^Penicillin^L")
    other = fields("AL1", f1="2", f2="MC", f3="C^Contrast^L")
    first, second = valid(message(ADT, PID, allergy, other)).of("AllergyIntolerance")
    assert (first["type"], second.get("type")) == ("allergy", None)


def test_a_comment_has_its_author_and_time(message: Message) -> None:
    converted = valid(
        message(
            ORU, PID, ORDER, "OBX|1|NM|1-1^K^LN||4.1|mmol/L|||||F",
            "NTE|1|L|haemolytic||4711^Doe^Jo|20260301115000+0100",
        )
    )  # fmt: skip
    (result,) = converted.of("Observation")
    note = next(note for note in result["note"] if note["text"].startswith("haemolytic"))
    assert note["time"] == "2026-03-01T11:50:00+01:00"
    assert note["authorReference"]["identifier"]["value"] == "4711"
    assert not reported(converted)


def test_comments_of_two_authors_are_nobodys(message: Message) -> None:
    converted = valid(
        message(
            ORU, PID, ORDER, "OBX|1|NM|1-1^K^LN||4.1|mmol/L|||||F",
            "NTE|1|L|haemolytic||4711^Doe^Jo", "NTE|2|L|repeated||4712^Roe^Al",
        )
    )  # fmt: skip
    (result,) = converted.of("Observation")
    (note,) = [note for note in result["note"] if "haemolytic" in note["text"]]
    assert "repeated" in note["text"]
    assert "authorReference" not in note


def test_an_order_is_timed_as_tq1_says(message: Message) -> None:
    timing = "TQ1|1|2^&mL|Q6H^^^^12^h||||20260301080000+0100|20260303080000+0100|S||||30^min|5"
    (order,) = valid(message(ORU.replace("ORU^R01", "ORM^O01"), PID, "ORC|NW|P1^KIS", ORDER, timing)).of(
        "ServiceRequest"
    )
    assert order["priority"] == "stat"
    assert order["quantityQuantity"]["code"] == "mL"
    repeat = order["occurrenceTiming"]["repeat"]
    assert repeat["boundsPeriod"]["end"] == "2026-03-03T08:00:00+01:00"
    assert (repeat["count"], repeat["duration"], repeat["durationUnit"]) == (5, 30, "min")
    assert (repeat["period"], repeat["periodUnit"]) == (12, "h")
    assert codes(order["occurrenceTiming"]["code"]) == {"v3-GTSAbbreviation": "Q6H"}


def test_a_cancelled_order_is_revoked_whatever_its_results_say(message: Message) -> None:
    order = ORU.replace("ORU^R01", "OMG^O19")
    (request,) = valid(message(order, PID, "ORC|CA|P1^KIS", ORDER)).of("ServiceRequest")
    assert request["status"] == "revoked"


def test_a_cancelled_referral_is_revoked(message: Message) -> None:
    for trigger, status in (("I12", "active"), ("I14", "revoked")):
        head = ADT.replace("ADT^A01", f"REF^{trigger}")
        (request,) = valid(message(head, "RF1|P^Pending^HL70283|||||R1^KIS", PID)).of("ServiceRequest")
        assert request["status"] == status, trigger


def test_a_documents_restriction_has_r4s_label(message: Message) -> None:
    txa = fields("TXA", f1="1", f2="DS", f3="TX", f12="D1^KIS", f17="AU", f18="V")
    (document,) = valid(message(ADT.replace("ADT^A01", "MDM^T02"), PID, txa, "OBX|1|TX|1^Text^L||Well")).of(
        "DocumentReference"
    )
    assert codes(document["securityLabel"][0]) == {"v3-Confidentiality": "V", "v2-0272": "V"}


def test_citizenship_is_a_code_of_iso_3166_and_an_unknown_one_the_senders(message: Message) -> None:
    pid = fields(
        "PID", f1="1", f3="77^^^HOSP^MR", f5="Keller^Ada", f26="IT^Italy^ISO3166_1~QQQ^Nowhere^ISO3166_1"
    )
    (patient,) = valid(message(ADT, pid)).of("Patient")
    known, unknown = (e["extension"][0]["valueCodeableConcept"]["coding"][0] for e in patient["extension"])
    assert known["system"] == "urn:iso:std:iso:3166"
    assert unknown["system"].startswith("urn:fhir-bridge:scheme:")


def test_a_second_language_code_is_a_tag_too(message: Message) -> None:
    same = fields(
        "PID", f1="1", f3="77^^^HOSP^MR", f5="Keller^Ada", f15="en^English^HL70296^eng^English^HL70296"
    )
    (patient,) = valid(message(ADT, same)).of("Patient")
    (coding,) = patient["communication"][0]["language"]["coding"]
    assert coding == {"system": "urn:ietf:bcp:47", "code": "en", "display": "English"}


@pytest.mark.parametrize("status", ["V^Verified^99L", "^Verified", "V", "C^Confirmed^HL70438"])
def test_a_reaction_of_a_local_status_is_kept_and_its_status_a_note(status: str, message: Message) -> None:
    converted = valid(message(ADT, PID, f"IAM|1|DA|PEN^Penicillin^99A|SV|Rash|A|I1||||||||||{status}"))
    (reaction,) = converted.of("AllergyIntolerance")
    assert ("verificationStatus" in reaction) == status.startswith("C")
    assert {"text": f"Status: {status}"} in reaction["note"]
    assert ("FB-MAP-205" in converted.codes()) == status.startswith("V")
