"""What no rule represents is carried as text, with the patient it is said of; what HL7 does not define is reported."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fhir_bridge.fhir.validation import get_validator
from tests.adapters.ehr.conftest import REMAINDER, Converted
from tests.adapters.ehr.test_hl7v2_account import ADT, OBR, OBX, ORU, PID, left

Message = Callable[..., Converted]
VISIT = "PV1|1|I" + "|" * 17 + "V1"
PUMP = [
    "ORC|NW|P1^KIS",
    "RXO|7052^Morphine^L|2||mg^milligram^UCUM",
    "RXR|IV^Intravenous^HL70162",
    "RXV|1|B|2|mg^^UCUM|||||||||||||10^min",
    "CDO|1|A|20^mg|4^h",
]


def test_a_segment_that_no_rule_reads_is_carried_by_the_names_of_its_fields(message: Message) -> None:
    rde = ADT.replace("ADT^A01", "RDE^O11").replace("2.5.1", "2.8.2")
    converted = message(rde, PID, *PUMP)
    assert converted.outcomes[0][1] == "converted"
    assert left(converted) == ["segment RXV", "segment CDO"]
    carried = converted.remainder()
    assert carried["RXV-2 Bolus type"] == "B"
    assert carried["RXV-4 Bolus dose amount units"] == "mg^^UCUM"
    assert carried["CDO-3 Cumulative dosage limit"] == "20^mg"
    [order] = converted.of("MedicationRequest")
    assert order["medicationCodeableConcept"]["text"] == "Morphine"


def test_what_is_carried_is_the_patient_s_and_valid(message: Message) -> None:
    converted = message(ADT, PID + "|" * 25 + "|NORTH", VISIT)
    [carried] = [r for r in converted.resources if r.get("code") == REMAINDER]
    assert carried["subject"]["reference"] == f"Patient/{converted.of('Patient')[0]['id']}"
    assert carried["encounter"]["reference"] == f"Encounter/{converted.of('Encounter')[0]['id']}"
    assert converted.remainder() == {"PID-34 Last update facility": "NORTH"}
    assert not [i for i in get_validator().validate(carried) if i.severity in ("error", "fatal")]
    again = message(ADT, PID + "|" * 25 + "|NORTH", VISIT)
    assert [r["id"] for r in again.resources] == [r["id"] for r in converted.resources]


@pytest.mark.parametrize("lines", [["ZPI|1|x"], ["ZPI|1|x", "NTE|1||of Z"]])
def test_what_hl7_does_not_define_is_a_site_s_to_map(lines: list[str], message: Message) -> None:
    converted = message(ADT, PID, *lines)
    assert converted.outcomes[0][1] == "partial"
    assert "the segment ZPI is not represented" in {i.message for i in converted.issues}
    assert not any("x" in text for text in converted.remainder().values())


def test_the_number_of_another_patient_is_in_no_record_but_its_own(message: Message) -> None:
    a45 = ADT.replace("ADT^A01", "ADT^A45")
    converted = message(a45, PID, "MRG|66^^^HOSP^MR||||V1", VISIT)
    assert "66^^^HOSP^MR" not in repr(converted.resources)


def test_what_is_said_before_the_only_patient_is_said_of_that_one(message: Message) -> None:
    crr = ADT.replace("ADT^A01", "CCR^I16").replace("2.5.1", "2.8.2")
    converted = message(crr, "ORC|NW|P7^KIS", "OBR|1|P7^KIS||A^a^L", PID)
    [order] = converted.of("ServiceRequest")
    assert order["subject"]["reference"] == f"Patient/{converted.of('Patient')[0]['id']}"
    two = message(crr, "ORC|NW|P7^KIS", "OBR|1|P7^KIS||A^a^L", PID, PID.replace("77", "78"))
    assert two.outcomes[0][1] == "rejected", "whose order it is, nothing says"


def test_a_placer_s_group_number_is_read_in_both_its_types(message: Message) -> None:
    for version, group in (("2.5.1", "G1^KIS"), ("2.8", "G1&KIS^F1&LIS")):
        omg = ADT.replace("ADT^A01", "OMG^O19").replace("2.5.1", version)
        converted = message(omg, PID, f"ORC|NW|P1^KIS||{group}", "OBR|1|P1^KIS||A^a^L")
        assert converted.of("ServiceRequest")[0]["requisition"]["value"] == "G1"
        assert not [i for i in converted.issues if i.code == "FB-HL7-018"]


@pytest.mark.parametrize(
    ("code", "type_", "value", "texts"),
    [
        ("85354-9^BP^LN", "ST", "120/80~130/85", ["120/80", "130/85"]),
        ("8480-6^Systolic^LN", "NM", "120~130", ["120", "130"]),
        ("39156-5^BMI^LN", "NM", "22~23", ["22", "23"]),
        ("8867-4^Pulse^LN", "NM", "72~80", ["72", "80"]),
    ],
)
def test_each_repetition_of_a_vital_sign_is_carried_and_valid(
    code: str, type_: str, value: str, texts: list[str], message: Message
) -> None:
    converted = message(ORU, PID, OBR, f"OBX|1|{type_}|{code}||{value}||||||F")
    [result] = converted.of("Observation")
    assert not [i for i in get_validator().validate(result) if i.severity in ("error", "fatal")]
    given = [
        part.get("valueString") or str(part["valueQuantity"]["value"])
        for part in result["component"]
        if "dataAbsentReason" not in part
    ]
    assert given == texts


def test_a_period_that_ends_before_it_begins_keeps_both_ends_and_its_resource(message: Message) -> None:
    ended = VISIT + "|" * 25 + "20260302100000+0100|20260301100000+0100"
    converted = message(ADT.replace("A01", "A03"), PID, ended)
    [visit] = converted.of("Encounter")
    assert visit["period"]["start"] == "2026-03-02T10:00:00+01:00"
    assert "end" not in visit["period"]
    assert visit["period"]["_end"]["extension"][1]["valueString"] == "2026-03-01T10:00:00+01:00"
    assert "FB-MAP-214" in converted.codes()
    assert not [i for i in get_validator().validate(visit) if i.severity in ("error", "fatal")]
    usual = VISIT + "|" * 25 + "20260302|20260302100000+0100"
    assert "end" in message(ADT.replace("A01", "A03"), PID, usual).of("Encounter")[0]["period"]


def test_an_organization_s_address_is_no_home(message: Message) -> None:
    facility = "ORC|NW|P1^KIS" + "|" * 19 + "Clinic^^9|Via 1^^Bozen^^39100^IT^H"
    converted = message(ORU, PID, facility, OBR, OBX)
    [address] = converted.of("Organization")[0]["address"]
    assert "use" not in address
    assert address["extension"][0]["valueCode"] == "HP"


def test_a_code_that_a_site_adds_to_a_table_is_its_own(message: Message) -> None:
    converted = message(ADT, PID, "PV1|1|I" + "|" * 12 + "ROUTE9" + "|" * 5 + "V1")
    [visit] = converted.of("Encounter")
    assert visit["hospitalization"]["admitSource"]["text"] == "ROUTE9"
    assert not _errors(visit)


def _errors(resource: dict[str, object]) -> list[object]:
    return [i for i in get_validator().validate(resource) if i.severity in ("error", "fatal")]
