"""What no rule of the shipped mapping represents is kept as it is written, and the message is converted."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.adapters.ehr.hl7v2 import read_message
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import Context, IdentityResolver, load_mapping
from fhir_bridge.plugins import adapters
from fhir_bridge.terminology import get_terminology
from tests.adapters.ehr.conftest import SITE

MSH = r"MSH|^~\&|LIS|HOSP|FB|HOSP|20260301130000+0100||{}|R1|P|2.5.1"
PID = "PID|1||77^^^HOSP^MR||Keller^Ada^^^^^L||19600102|F"
ORDER = (
    "ORC|RE|P1^KIS|F1^LIS",
    "OBR|1|P1^KIS|F1^LIS|CHEM^Chemistry^L|||20260301110000+0100||||||||||||||||||F",
)
RESULT = "OBX|1|NM|2823-3^Potassium^LN||5.6|{}|||||F"


@pytest.fixture(scope="module")
def mapping() -> Any:
    return load_mapping("ehr/hl7v2", adapters=adapters())


def convert(mapping: Any, kind: str, *segments: str) -> Any:
    context = Context(SITE, get_terminology(), IdentityResolver(SITE, IdKey(DEMO_KEY)), "hl7v2")
    text = "\r".join((MSH.format(kind), *segments))
    return mapping.convert(read_message(text.encode(), "m", mapping.source_options), context)


def of_type(conversion: Any, kind: str) -> list[dict[str, Any]]:
    return [output.resource for output in conversion.outputs if output.type == kind]


def test_the_rest_of_a_message_is_kept_with_its_places(mapping: Any) -> None:
    conversion = convert(mapping, "ORU^R01", PID, *ORDER, RESULT.format("mmol/L"), "ZXX|1|local^value")
    assert conversion.outcome == "converted"
    (basic,) = of_type(conversion, "Basic")
    assert [part["valueAnnotation"]["text"] for part in basic["extension"]] == ["ZXX: 1|local^value"]
    assert basic["subject"] == {"reference": f"Patient/{of_type(conversion, 'Patient')[0]['id']}"}
    left = [(issue.severity, issue.message) for issue in conversion.issues if issue.code == "FB-HL7-012"]
    assert left == [("information", "the segment ZXX is not represented")]


def test_what_is_all_represented_leaves_no_rest(mapping: Any) -> None:
    assert of_type(convert(mapping, "ORU^R01", PID, *ORDER, RESULT.format("mmol/L")), "Basic") == []


def test_the_rest_of_a_message_about_two_patients_stays_unsaid(mapping: Any) -> None:
    other = PID.replace("77^", "78^")
    conversion = convert(mapping, "ORU^R01", PID, *ORDER, "ZXX|1", other, *ORDER, "ZXX|2")
    assert conversion.outcome == "partial"
    assert of_type(conversion, "Basic") == []


def test_a_participation_is_a_role_of_a_person(mapping: Any) -> None:
    prt = "PRT|7|AD||AT^Attending^HL70912|4711^Doe^Jo||||||||||0471 5^WPN^PH"
    conversion = convert(mapping, "ORU^R01", PID, *ORDER, RESULT.format("mmol/L"), prt)
    roles = of_type(conversion, "PractitionerRole")
    assert [role["practitioner"]["display"] for role in roles] == ["Jo Doe"]
    assert roles[0]["code"][0]["text"] == "Attending"


def test_a_merged_visit_is_in_error_and_part_of_the_one_that_remains(mapping: Any) -> None:
    segments = (
        "EVN|A42|20260301120000+0100",
        PID,
        "MRG|77^^^HOSP^MR||||V-1",
        "PV1|1|I|CARD||||||||||||||||V-2^^^HOSP^VN",
    )
    conversion = convert(mapping, "ADT^A42", *segments)
    visits = {visit["identifier"][0]["value"]: visit for visit in of_type(conversion, "Encounter")}
    assert visits["V-1"]["status"] == "entered-in-error"
    assert visits["V-1"]["partOf"] == {"reference": f"Encounter/{visits['V-2']['id']}"}


@pytest.mark.parametrize("event", ["A44", "A45"])
def test_a_move_from_another_patient_gives_that_number_to_nobody(mapping: Any, event: str) -> None:
    segments = (f"EVN|{event}|20260301120000+0100", PID, "MRG|99^^^HOSP^MR||A-1||V-1")
    (patient,) = of_type(convert(mapping, f"ADT^{event}", *segments), "Patient")
    assert [identifier["value"] for identifier in patient["identifier"]] == ["77"]


@pytest.mark.parametrize(
    ("unit", "code"), [("\u00b5mol/L/h", "umol/L/h"), ("giga.l-1", "10*9/L"), ("tera.l-1", "10*12/L")]
)
def test_units_of_the_laboratory_are_read(mapping: Any, unit: str, code: str) -> None:
    (result,) = of_type(convert(mapping, "ORU^R01", PID, *ORDER, RESULT.format(unit)), "Observation")
    assert result["valueQuantity"]["code"] == code


def test_an_order_without_a_code_keeps_its_report(mapping: Any) -> None:
    order = "OBR|1|P1^KIS|F1^LIS||||20260301110000+0100||||||||||||||||||F"
    conversion = convert(mapping, "ORU^R01", PID, order, RESULT.format("mmol/L"))
    (report,) = of_type(conversion, "DiagnosticReport")
    assert len(report["result"]) == 1
