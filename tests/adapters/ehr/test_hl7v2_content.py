"""What of a message arrives in FHIR, and that the rest is reported."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from fhir_bridge.fhir.validation import get_validator
from tests.adapters.ehr.conftest import Converted

Message = Callable[..., Converted]
ADT = "MSH|^~\\&|KIS|HOSP|||20260301120000+0100||ADT^A01|M1|P|2.5.1"
ORU = "MSH|^~\\&|LIS|HOSP|||20260301120000+0100||ORU^R01|M1|P|2.5.1"
PID = "PID|1||77^^^HOSP^MR||Keller^Ada^^^^^L||19600102|F"
OBR = (
    "OBR|1|P1^KIS|F1^LIS|CHEM^Chemistry^L|||20260301110000+0100|||||||||{by}||||||20260301115500+0100||LAB|F"
)
ORDER = OBR.format(by="1234567893^Radon^Nicholas^^^Dr^^^NPI^L^^^NPI")
PDF = base64.b64encode(b"%PDF-1.7 report").decode()


def valid(converted: Converted) -> Converted:
    """The same, every resource checked."""
    for resource in converted.resources:
        wrong = [i for i in get_validator().validate(resource) if i.severity in ("error", "fatal")]
        assert not wrong, (resource, wrong)
    return converted


def reported(converted: Converted) -> set[str]:
    return {issue.message for issue in converted.issues if issue.code == "FB-HL7-012"}


def fields(name: str, **values: str) -> str:
    """A segment of some fields: `fields("PV1", f2="I")`."""
    numbered = {int(key[1:]): value for key, value in values.items()}
    return "|".join([name, *(numbered.get(n, "") for n in range(1, max(numbered) + 1))])


def test_race_ethnicity_religion_and_nationality_arrive(message: Message) -> None:
    pid = fields(
        "PID", f1="1", f3="77^^^HOSP^MR", f5="Keller^Ada", f6="Stein", f10="2106-3^White^HL70005", f17="CAT",
        f22="N^Not Hispanic^HL70189", f23="Basel", f28="CHE^Switzerland^ISO3166",
    )  # fmt: skip
    converted = valid(message(ADT, pid))
    race, ethnicity = (o["valueCodeableConcept"]["coding"][0] for o in converted.of("Observation"))
    assert (race["code"], ethnicity["code"]) == ("2106-3", "N")
    assert "display" not in ethnicity or ethnicity["display"].lower() == "not hispanic or latino"
    urls = {e["url"].rpartition("/")[2] for e in converted.of("Patient")[0]["extension"]}
    assert urls == {
        "patient-mothersMaidenName", "patient-religion", "patient-birthPlace", "patient-nationality",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("eng^English^ISO6392", "en"),
        ("ger", "de"),
        ("de", "de"),
        ("en-us", "en-US"),
        ("fil", "fil"),
        ("English", None),
    ],
)
def test_language_becomes_a_tag(written: str, code: str | None, message: Message) -> None:
    converted = valid(message(ADT, fields("PID", f1="1", f3="77^^^HOSP^MR", f5="Keller", f15=written)))
    (spoken,) = converted.of("Patient")[0]["communication"]
    assert spoken["language"].get("coding", [{}])[0].get("code") == code


def test_visit_names_people_places_and_what_happens_to_the_patient(message: Message) -> None:
    pv1 = fields(
        "PV1", f2="I", f3="W1^2^3^HOSP", f6="ER^1", f7="4711^Doe^Jo^^^Dr^^^HOSP^L^^^DN", f8="12^Roe^Al", f14="7",
        f36="01", f38="VEG", f19="V1", f44="20260301100000+0100",
    )  # fmt: skip
    converted = valid(
        message(ADT, PID, pv1, fields("ROL", f1="1", f2="AD", f3="PP^Primary^HL70443", f4="9^Poe"))
    )
    (encounter,) = converted.of("Encounter")
    attending, referring, role = (p["individual"] for p in encounter["participant"])
    assert attending["display"] == "Dr Jo Doe"
    assert (attending["identifier"]["value"], referring["identifier"]["value"]) == ("4711", "12")
    assert role["display"] == "Poe"
    assert [(location["location"]["display"], location["status"]) for location in encounter["location"]] == [
        ("W1 2 3 HOSP", "active"),
        ("ER 1", "completed"),
    ]
    assert set(encounter["hospitalization"]) == {"admitSource", "dietPreference", "dischargeDisposition"}


@pytest.mark.parametrize("where", [{"f19": "V1"}, {"f50": "V1"}, {"f44": "20260301100000+0100"}, {}])
def test_an_admission_without_visit_number_is_still_a_visit(where: dict[str, str], message: Message) -> None:
    converted = valid(message(ADT, PID, fields("PV1", f2="I", **where), "DG1|1||I10^Hypertension^I10"))
    (encounter,) = converted.of("Encounter")
    (condition,) = converted.of("Condition")
    assert condition["encounter"]["reference"] == f"Encounter/{encounter['id']}"
    assert len(message(ORU, PID, "PV1|1|O").of("Encounter")) == 0, "a result's bare class is no visit"


def test_procedure_of_a_visit(message: Message) -> None:
    pr1 = "PR1|1||45.23^Colonoscopy^I9CP|Colonoscopy|20260228||||||4711^Doe^Jo|"
    (procedure,) = valid(message(ADT, PID, pr1)).of("Procedure")
    assert procedure["status"] == "completed"
    assert procedure["code"]["coding"][0]["code"] == "45.23"
    assert procedure["performer"][0]["actor"]["display"] == "Jo Doe"


def test_two_diagnoses_of_one_code_are_two_and_a_repeated_line_is_one(message: Message) -> None:
    lines = [
        f"DG1|{n}||I10^Hypertension^I10||{date}|A" for n, date in ((1, "2018"), (2, "2020"), (3, "2020"))
    ]
    converted = valid(message(ADT, PID, *lines))
    assert sorted(c["onsetDateTime"] for c in converted.of("Condition")) == ["2018", "2020"]
    assert converted.outcomes[0][1] == "converted"


def test_results_are_based_on_the_order(message: Message) -> None:
    obr = ORDER + "|||||||1235&Slide&Stan&&&Dr"
    obx = fields(
        "OBX", f1="1", f2="NM", f3="1^x^L", f5="5", f11="F", f16="4711^Doe^Jo", f18="D1^Analyser",
        f23="Lab^L^^^^CLIA&2.16.840.1.113883.19.4.6&ISO^XX^^^1236",
    )  # fmt: skip
    converted = valid(message(ORU, PID, obr, obx))
    (order,) = converted.of("ServiceRequest")
    (report,) = converted.of("DiagnosticReport")
    (result,) = converted.of("Observation")
    based = [{"reference": f"ServiceRequest/{order['id']}"}]
    assert report["basedOn"] == result["basedOn"] == based
    assert order["requester"]["identifier"]["system"] == "http://hl7.org/fhir/sid/us-npi"
    assert [i["type"]["coding"][0]["code"] for i in order["identifier"]] == ["PLAC", "FILL"]
    assert (order["status"], order["intent"]) == ("completed", "order")
    assert report["resultsInterpreter"][0]["display"] == "Dr Stan Slide"
    laboratory, person = result["performer"]
    assert laboratory["identifier"]["value"] == "1236"
    assert laboratory["identifier"]["system"] == "urn:oid:2.16.840.1.113883.19.4.6"
    assert person["display"] == "Jo Doe"
    assert result["device"]["identifier"]["value"] == "D1"


def test_order_and_result_indicate_of_one_order(message: Message) -> None:
    placed = ORU.replace("ORU^R01", "ORM^O01").replace("LIS|HOSP", "KIS|WARD")
    (order,) = message(placed, PID, "ORC|NW|P1^KIS", "OBR|1|P1^KIS||CHEM^Chemistry^L").of("ServiceRequest")
    (again,) = message(ORU, PID, ORDER, "OBX|1|NM|1^x^L||5||||||F").of("ServiceRequest")
    assert order["status"] == "active"
    assert again["id"] == order["id"]


@pytest.mark.parametrize(
    ("obx", "kind", "content"),
    [
        (f"ED|PDF^Report^L||^application^pdf^Base64^{PDF}", "application/pdf", PDF),
        (f"ED|PDF^Report^L||LIS^AP^PDF^Base64^{PDF}", "application/pdf", PDF),
        ("ED|TXT^Report^L||^text^plain^A^seen", "text/plain", base64.b64encode(b"seen").decode()),
        ("ED|TXT^Report^L||^TEXT^^Hex^7365656E", "text/plain", base64.b64encode(b"seen").decode()),
        ("RP|IMG^Image^L||https://pacs.hosp.org/1^^image^jpeg", "image/jpeg", None),
    ],
)
def test_document_is_presented_by_its_report(
    obx: str, kind: str, content: str | None, message: Message
) -> None:
    converted = valid(message(ORU, PID, ORDER, f"OBX|1|{obx}||||||F", "OBX|2|NM|1^x^L||5||||||F"))
    (report,) = converted.of("DiagnosticReport")
    (form,) = report["presentedForm"]
    assert (form["contentType"], form.get("data")) == (kind, content)
    assert len(report["result"]) == len(converted.of("Observation")) == 1


@pytest.mark.parametrize("value", ["^application^pdf^Base64^not base64!", "^application^pdf^Base64^", "x"])
def test_document_that_cannot_be_read_is_flagged(value: str, message: Message) -> None:
    converted = valid(message(ORU, PID, ORDER, f"OBX|1|ED|PDF^Report^L||{value}||||||F"))
    assert "FB-MAP-107" in converted.codes()
    assert len(converted.of("Observation")) == 1


def test_what_has_no_place_is_reported_once_a_message(message: Message) -> None:
    converted = message(
        ADT, PID + "|||||||||||||||||||||||||X", "NTE|1||about her", "IN1|1|A", "IN1|2|B", "ZZZ|1"
    )
    assert reported(converted) == {"the segment ZZZ is not represented"}
    assert set(converted.remainder()) == {
        "PID-33 Last update date time",
        "IN1-2 Health plan id",
    }
    assert converted.outcomes[0][1] == "partial"
    whole = message(ORU, PID, ORDER, "NTE|1||order", "OBX|1|NM|1^x^L||5||||||F", "NTE|1||result")
    assert not reported(whole)
    assert whole.outcomes[0][1] == "converted"


def vital(message: Message, *obx: str) -> list[dict[str, Any]]:
    return valid(message(ORU, PID, "OBR|1|P1|F1|V^Vitals^L", *obx)).of("Observation")


def test_systolic_and_diastolic_pressure_are_a_panel(message: Message) -> None:
    systolic, diastolic = vital(
        message, "OBX|1|NM|8480-6^Sys^LN||137|mmHg|||||F", "OBX|2|NM|8462-4^Dia^LN||83|mmHg|||||F"
    )
    assert [c["code"] for c in systolic["code"]["coding"]] == ["85354-9", "8480-6"]
    assert [int(part["valueQuantity"]["value"]) for part in systolic["component"]] == [137, 83]
    assert int(diastolic["valueQuantity"]["value"]) == 83


def test_pressure_written_as_a_pair_is_parted(message: Message) -> None:
    (result,) = vital(message, "OBX|1|ST|85354-9^BP^LN||120/80||||||F")
    assert [int(part["valueQuantity"]["value"]) for part in result["component"]] == [120, 80]


@pytest.mark.parametrize("obx", ["16.0/10.7|kPa", "16.0/10.7 kPa|", "16.0 / 10.7 kPa|mmHg"])
def test_a_pair_in_another_unit_is_converted_and_kept_as_sent(obx: str, message: Message) -> None:
    (result,) = vital(message, f"OBX|1|ST|85354-9^BP^LN||{obx}|||||F")
    values = [str(part["valueQuantity"]["value"]) for part in result["component"]]
    assert values == ["120.0", "80.26"]
    assert {part["valueQuantity"]["code"] for part in result["component"]} == {"mm[Hg]"}
    assert result["note"][0]["text"].startswith("16.0")


def test_a_pair_in_no_unit_of_pressure_is_in_a_note_alone(message: Message) -> None:
    (result,) = vital(message, "OBX|1|ST|85354-9^BP^LN||16/10|cm|||||F")
    assert all("valueQuantity" not in part for part in result["component"])
    assert result["note"] == [{"text": "16/10 cm"}]


@pytest.mark.parametrize(
    ("obx", "value", "unit", "note"),
    [
        ("NM|8867-4^HR^LN||72|", "72", "/min", None),
        ("NM|8302-2^Height^LN||1.80|m", "180.0", "cm", "1.80 m"),
        ("NM|8310-5^Temp^LN||98.6|degF", "98.6", "[degF]", None),
        ("NM|29463-7^Weight^LN||70|kilos", None, None, "70 kilos"),
        ("NM|29463-7^Weight^LN||70|", None, None, "70"),
        ("ST|8310-5^Temp^LN||feverish|", None, None, "feverish"),
    ],
)
def test_vital_sign_is_what_its_profile_takes_or_a_note(
    obx: str, value: str | None, unit: str | None, note: str | None, message: Message
) -> None:
    (result,) = vital(message, f"OBX|1|{obx}|||||F")
    quantity = result.get("valueQuantity", {})
    assert (str(quantity["value"]) if quantity else None, quantity.get("code")) == (value, unit)
    assert ("dataAbsentReason" in result) == (value is None)
    assert (result["note"][0]["text"] if "note" in result else None) == note


def test_a_deleted_access_restriction_restricts_nothing_and_is_reported(message: Message) -> None:
    converted = valid(message(ADT, PID, "ARV|1|D|DEM^Demographics^HL70717"))
    assert "security" not in converted.of("Patient")[0]["meta"]
    assert any("ARV" in place for place in reported(converted))
    both = valid(message(ADT, PID, "ARV|1|D|DEM^Demographics^HL70717", "ARV|2|A|PSY"))
    assert "R" in {label["code"] for label in both.of("Patient")[0]["meta"]["security"]}


def test_an_access_restriction_labels_the_patient_and_an_unknown_reason_loses_nothing(
    message: Message,
) -> None:
    restriction = "ARV|1|A|DEM^Demographics^HL70717~HIV|LOC^Location^HL70719~VIP"
    converted = valid(message(ADT, PID, restriction, "ARV|2|A|PSY|FOO^Bar^L"))
    labels = converted.of("Patient")[0]["meta"]["security"]
    assert [label["code"] for label in labels] == ["R", "DEM", "HIV", "PSY", "LOC", "VIP", "FOO"]
    own = [label["system"].startswith("urn:fhir-bridge:scheme:") for label in labels]
    assert own == [False, False, False, False, True, False, True]
    assert "FB-MAP-212" in converted.codes()


def test_restrictions_of_one_reason_label_the_patient_once(message: Message) -> None:
    restrictions = ("ARV|1|A|DEM^Demographics^HL70717|PAT^Asked^HL70719", "ARV|2|A|LOC~DEM|PAT^Asked^HL70719")
    labels = valid(message(ADT, PID, *restrictions)).of("Patient")[0]["meta"]["security"]
    assert [label["code"] for label in labels] == ["R", "DEM", "LOC", "PAT"]


def test_a_period_whose_start_repeats_has_the_start_that_all_say_or_none(message: Message) -> None:
    contact = "NK1|1|Muster^Max|SPO||||C|{}|20220101"
    agreed = valid(message(ADT, PID, contact.format("20200101~20200101")))
    assert agreed.of("Patient")[0]["contact"][0]["period"] == {"start": "2020-01-01", "end": "2022-01-01"}
    differing = valid(message(ADT, PID, contact.format("20200101~20210101")))
    assert differing.of("Patient")[0]["contact"][0]["period"] == {"end": "2022-01-01"}
    assert "FB-MAP-112" in differing.codes()


@pytest.mark.parametrize(
    ("sent", "start", "winter"),
    [
        ("20260701120000+0200", "2026-07-01T10:00:00+02:00", "2026-01-15T08:00:00+01:00"),
        ("20260701120000", "2026-07-01T10:00:00+02:00", "2026-01-15T08:00:00+01:00"),
        ("20260701120000+0000", "2026-07-01T10:00:00+00:00", "2026-01-15T08:00:00+00:00"),
        ("20260701120000-0500", "2026-07-01T10:00:00-05:00", "2026-01-15T08:00:00-05:00"),
    ],
)
def test_times_that_state_no_zone_are_of_the_site_unless_the_message_states_another(
    sent: str, start: str, winter: str, message: Message
) -> None:
    converted = message(
        ORU.replace("20260301120000+0100", sent),
        PID,
        "OBR|1|P1^KIS|F1^LIS|CHEM^Chemistry^L|||202607011000|||||||||||||||20260701115500||LAB|F",
        "OBX|1|NM|2345-7^Glucose^LN||5.4|mmol/L|||||F|||202601150800",
    )
    assert converted.of("DiagnosticReport")[0]["effectiveDateTime"] == start
    assert converted.of("Observation")[0]["effectiveDateTime"] == winter


def test_text_of_a_diagnosis_or_procedure_without_code_stays_beside_its_description(message: Message) -> None:
    converted = message(
        ADT,
        PID,
        "PV1|1|I|||||||||||||||||V1^^^HOSP",
        "DG1|1||^Dizzy|Spinning room|20260301|A",
        "PR1|1||^Bandage|Left arm|20260301",
    )
    (diagnosis,), (procedure,) = converted.of("Condition"), converted.of("Procedure")
    assert (diagnosis["code"], diagnosis["note"]) == (
        {"text": "Spinning room"},
        [{"text": "Diagnosis: Dizzy"}],
    )
    assert (procedure["code"], procedure["note"]) == ({"text": "Left arm"}, [{"text": "Procedure: Bandage"}])


def test_residence_number_of_an_insurer_is_a_purpose(message: Message) -> None:
    converted = valid(message(ADT, PID, "IN1|1|P1|C1^^^KV|Kasse|||^PRN^PH^^39^471^123456"))
    (insurer,) = converted.of("Organization")
    (telephone,) = insurer["telecom"]
    assert "use" not in telephone
    assert telephone["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] == "PRN"


def test_administration_without_amount_keeps_its_route_as_a_note(message: Message) -> None:
    converted = valid(
        message(
            ADT.replace("ADT^A01", "RAS^O17"),
            PID,
            "ORC|RE|P1",
            "RXA|0|1|20260301090000+0100||R^Ramipril^L|999",
            "RXR|PO^Oral^HL70162|MTH^Mouth^HL70163",
        )
    )
    (administration,) = converted.of("MedicationAdministration")
    assert "dosage" not in administration
    assert {"text": "Route: PO^Oral^HL70162"} in administration["note"]
    assert not reported(converted)


def test_document_of_no_known_type_is_in_its_report(message: Message) -> None:
    document = f"OBX|1|ED|DOC^Letter^L||^multipart^^Base64^{PDF}||||||F"
    converted = valid(message(ORU, PID, ORDER, document))
    (report,) = converted.of("DiagnosticReport")
    assert report["presentedForm"][0]["data"] == PDF
    assert report["presentedForm"][0]["contentType"] == "application/octet-stream"


@pytest.mark.parametrize(("value", "status"), [('""', "D"), ("", "X"), ("n/a", "F")])
def test_bmi_without_a_value_is_valid_and_can_delete_the_one_before(
    value: str, status: str, message: Message
) -> None:
    converted = valid(message(ORU, PID, ORDER, f"OBX|1|NM|39156-5^BMI^LN||{value}|kg/m2|||||{status}"))
    (result,) = converted.of("Observation")
    assert result["status"] == {"D": "entered-in-error", "X": "cancelled", "F": "final"}[status]
    assert "value" not in result["valueQuantity"]
    assert result["valueQuantity"]["_value"]["extension"][0]["valueCode"] == (
        "error" if value == "n/a" else "unknown"
    )
