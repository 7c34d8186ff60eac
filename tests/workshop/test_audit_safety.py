"""`mapping audit` on FHIR in which a value seems to be there: beside it, denied, repeated, or another resource's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command

Resources = dict[str, dict[str, Any]]

MESSAGE = "\r".join(
    (
        "MSH|^~\\&|LIS|WEST|EHR|HOSP|20260410093000+0200||ORU^R01^ORU_R01|W-7|P|2.5.1",
        "PID|1||550912^^^WEST||Keller^Rosa||19840223|F",
        "PV1|1|I|||||||||||||||||V-66120",
        "ORC|RE|PLC-4481|FIL-9920|||||||||7733^Brandt^Udo",
        "OBR|1|PLC-4481|FIL-9920|94309-2^SARS-CoV-2 RNA^LN|||20260410071500+0200|||||||||7733^Brandt^Udo"
        "||||||20260410091000+0200|||F|||||||8820&Vogt&Ina",
        "OBX|1|ST|94309-2^SARS-CoV-2 RNA^LN||Detected||||||F|||20260410071500+0200",
        "OBX|2|CE|18769-0^Ampicillin^LN||R^Resistant^99LAB||||||F|||20260410071500+0200",
        "SPM|1|||258500001^Nasopharyngeal swab^SCT||||||||72^g|||||20260410071500+0200",
    )
)


def code(value: str, display: str, system: str = "http://loinc.org") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": value, "display": display}]}


def resources() -> Resources:
    """What a good engine makes of the message, with ids that say nothing."""
    about = {"subject": {"reference": "Patient/1a"}, "encounter": {"reference": "Encounter/2b"}}
    time = {"effectiveDateTime": "2026-04-10T07:15:00+02:00"}
    order = {"identifier": [{"value": "PLC-4481"}, {"value": "FIL-9920"}]}
    patient = {
        "resourceType": "Patient",
        "id": "1a",
        "identifier": [{"system": "urn:x:WEST", "value": "550912"}],
        "name": [{"family": "Keller", "given": ["Rosa"]}],
        "gender": "female",
        "birthDate": "1984-02-23",
    }
    orderer = {"resourceType": "Practitioner", "name": [{"family": "Brandt", "given": ["Udo"]}]}
    copied = {"resourceType": "Practitioner", "name": [{"family": "Vogt", "given": ["Ina"]}]}
    every = [
        {
            "resourceType": "MessageHeader",
            "id": "0h",
            "source": {"name": "LIS", "endpoint": "urn:x:WEST"},
            "meta": {"lastUpdated": "2026-04-10T09:30:00+02:00"},
        },
        patient,
        {
            "resourceType": "Encounter",
            "id": "2b",
            "identifier": [{"value": "V-66120"}],
            "class": {"code": "IMP"},
            "subject": about["subject"],
        },
        {**orderer, "id": "3c", "identifier": [{"value": "7733"}]},
        {**copied, "id": "4d", "identifier": [{"value": "8820"}]},
        {
            "resourceType": "ServiceRequest",
            "id": "5e",
            "status": "completed",
            "intent": "order",
            **order,
            **about,
            "requester": {"reference": "Practitioner/3c"},
            "code": code("94309-2", "SARS-CoV-2 RNA"),
        },
        {
            "resourceType": "DiagnosticReport",
            "id": "6f",
            "status": "final",
            **order,
            **about,
            **time,
            "issued": "2026-04-10T09:10:00+02:00",
            "basedOn": [{"reference": "ServiceRequest/5e"}],
            "code": code("94309-2", "SARS-CoV-2 RNA"),
            "result": [{"reference": "Observation/7g"}, {"reference": "Observation/8h"}],
            "specimen": [{"reference": "Specimen/9i"}],
            "resultsInterpreter": [{"reference": "Practitioner/4d"}],
        },
        {
            "resourceType": "Observation",
            "id": "7g",
            "status": "final",
            **about,
            **time,
            "basedOn": [{"reference": "ServiceRequest/5e"}],
            "code": code("94309-2", "SARS-CoV-2 RNA"),
            "valueString": "Detected",
        },
        {
            "resourceType": "Observation",
            "id": "8h",
            "status": "final",
            **about,
            **time,
            "code": code("18769-0", "Ampicillin"),
            "valueCodeableConcept": code("R", "Resistant", "urn:x:LAB"),
        },
        {
            "resourceType": "Specimen",
            "id": "9i",
            "subject": about["subject"],
            "type": code("258500001", "Nasopharyngeal swab", "http://snomed.info/sct"),
            "collection": {
                "quantity": {"value": 72, "unit": "g"},
                "collectedDateTime": "2026-04-10T07:15:00+02:00",
            },
        },
    ]
    return {each["id"]: each for each in json.loads(json.dumps(every))}


def audited(tmp_path: Path, changed: Resources, message: str = MESSAGE) -> list[dict[str, Any]]:
    source, fhir = tmp_path / "m.hl7", tmp_path / "m.json"
    source.write_text(message, newline="")
    entries = [{"resource": each} for each in changed.values()]
    fhir.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    done = run_command(
        "mapping", "audit", "--source", source, "--fhir", fhir, "--format", "json", "--with-values"
    )
    assert done.returncode in (0, 1), done.stderr
    findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return findings


def reported(tmp_path: Path, change: Callable[[Resources], object]) -> set[tuple[str, str]]:
    every = resources()
    change(every)
    return {(each["locator"], each["kind"]) for each in audited(tmp_path, every)}


def test_fhir_that_has_everything_is_not_reported(tmp_path: Path) -> None:
    assert audited(tmp_path, resources()) == []


def without(value: str) -> Callable[[Resources], None]:
    def change(every: Resources) -> None:
        for each in every.values():
            kept = [item for item in each.get("identifier", []) if item["value"] != value]
            each["identifier"] = kept or [{"value": "other"}]

    return change


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ("PLC-4481", {"ORC[1]-2", "OBR[1]-2"}),
        ("FIL-9920", {"ORC[1]-3", "OBR[1]-3"}),
        ("7733", {"ORC[1]-12.1", "OBR[1]-16.1"}),
        ("8820", {"OBR[1]-32.1"}),
        ("V-66120", {"PV1[1]-19"}),
        ("550912", {"PID[1]-3.1"}),
    ],
)
def test_an_identifier_did_not_arrive_because_a_reference_is_there(
    value: str, places: set[str], tmp_path: Path
) -> None:
    missing = {place for place, kind in reported(tmp_path, without(value)) if kind == "never arrived"}
    assert places <= missing


def test_an_identifier_arrived_in_the_id_of_what_is_referred_to(tmp_path: Path) -> None:
    def change(every: Resources) -> None:
        without("8820")(every)
        every["4d"]["id"] = "practitioner-8820"
        every["6f"]["resultsInterpreter"][0]["reference"] = "Practitioner/practitioner-8820"

    assert reported(tmp_path, change) == set()


@pytest.mark.parametrize(
    ("place", "result", "text", "arrived"),
    [
        ("OBX[1]-5", "7g", "Not detected", False),
        ("OBX[1]-5", "7g", "None detected", False),
        ("OBX[1]-5", "7g", "Nicht: detected", False),
        ("OBX[1]-5", "7g", "Previously detected elsewhere", False),
        ("OBX[1]-5", "7g", "Result: Detected", True),
        ("OBX[1]-5", "7g", "DETECTED", True),
        ("OBX[1]-5", "7g", "SARS-CoV-2 RNA Detected", True),
        ("OBX[2]-5.2", "8h", "Not resistant", False),
        ("OBX[2]-5.2", "8h", "Resistant (R)", True),
    ],
)
def test_a_result_is_not_read_out_of_a_text_that_says_something_else(
    place: str, result: str, text: str, arrived: bool, tmp_path: Path
) -> None:
    def change(every: Resources) -> None:
        if result == "7g":
            every[result]["valueString"] = text
        else:
            every[result]["valueCodeableConcept"] = {"coding": [{"code": "R", "display": text}]}

    assert (place not in {place for place, _ in reported(tmp_path, change)}) is arrived


def echo(number: str, value: str, **changed: str) -> Callable[[Resources], None]:
    """A change, and an extension that still says what the source did."""

    def change(every: Resources) -> None:
        concept = {"coding": [{"code": value}]}
        every[number]["extension"] = [{"url": "https://x.test/sent", "valueCodeableConcept": concept}]
        every[number].update(changed)

    return change


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (echo("7g", "F", status="entered-in-error"), ("OBX[1]-11", "changed status")),
        (echo("8h", "F", status="preliminary"), ("OBX[2]-11", "changed status")),
        (echo("6f", "F", status="partial"), ("OBR[1]-25", "changed status")),
        (echo("1a", "F", gender="male"), ("PID[1]-8", "changed value")),
        (
            lambda r: r["7g"]["code"]["coding"][0].update(code="94500-6"),
            ("OBX[1]-3.1", "never arrived"),
        ),
        (
            lambda r: r["7g"]["code"]["coding"][0].update(system="http://snomed.info/sct"),
            ("OBX[1]-3.3", "changed value"),
        ),
        (
            lambda r: r["9i"]["collection"]["quantity"].update(unit="mg"),
            ("SPM[1]-12.2", "changed unit"),
        ),
        (
            lambda r: (
                r["9i"]["collection"].pop("collectedDateTime") and r["1a"].update(birthDate="2026-04-10")
            ),
            ("PID[1]-7", "never arrived"),
        ),
    ],
)
def test_what_the_resource_itself_says_counts(
    change: Callable[[Resources], None], finding: tuple[str, str], tmp_path: Path
) -> None:
    assert finding in reported(tmp_path, change)


def test_a_sex_that_fhir_has_no_code_for_is_in_the_extension(tmp_path: Path) -> None:
    every = resources()
    echo("1a", "A", gender="other")(every)
    assert audited(tmp_path, every, MESSAGE.replace("|19840223|F", "|19840223|A")) == []


def panel() -> Resources:
    """The two results as components of one Observation that has the code and the status of the order."""
    every = resources()
    report = every.pop("6f")
    virus, drug = every.pop("7g"), every.pop("8h")
    every["7g"] = virus | {
        "code": report["code"],
        "identifier": report["identifier"],
        "performer": report["resultsInterpreter"],
        "specimen": report["specimen"][0],
        "issued": report["issued"],
        "component": [
            {"code": code("97097-0", "SARS-CoV-2 antigen"), "valueString": virus.pop("valueString")},
            {"code": drug["code"], "valueCodeableConcept": drug["valueCodeableConcept"]},
        ],
    }
    return every


ANTIGEN = MESSAGE.replace("ST|94309-2^SARS-CoV-2 RNA^LN", "ST|97097-0^SARS-CoV-2 antigen^LN")


def test_results_that_are_components_of_the_order_arrived(tmp_path: Path) -> None:
    every = panel()
    every["7g"].pop("valueString", None)
    assert audited(tmp_path, every, ANTIGEN) == []


def test_a_value_of_another_component_is_not_the_results(tmp_path: Path) -> None:
    every = panel()
    every["7g"].pop("valueString", None)
    first, second = every["7g"]["component"]
    first["code"], second["code"] = second["code"], first["code"]
    places = {(each["locator"], each["kind"]) for each in audited(tmp_path, every, ANTIGEN)}
    assert places == {("OBX[1]-5", "never arrived"), ("OBX[2]-5", "never arrived")}


def test_the_end_of_a_stay_is_not_its_start(tmp_path: Path) -> None:
    message = MESSAGE.replace("V-66120", f"V-66120{25 * '|'}20260409080000+0200|20260411120000+0200")
    every = resources()
    period = {"start": "2026-04-09T08:00:00+02:00", "end": "2026-04-11T12:00:00+02:00"}
    every["2b"]["period"] = dict(period)
    assert audited(tmp_path, every, message) == []
    every["2b"]["period"] = {"start": period["end"], "end": period["start"]}
    places = {(each["locator"], each["kind"]) for each in audited(tmp_path, every, message)}
    assert places == {("PV1[1]-44", "never arrived"), ("PV1[1]-45", "never arrived")}


PROCEDURE = (
    "DG1|1||K63.3^Ulcer of intestine^I10|||A\rPR1|1||45378^Colonoscopy^C4||20260410083000+0200"
    "||||||||||K63.3^Ulcer of intestine^I10"
)


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("http://hl7.org/fhir/sid/icd-10", set()),
        ("urn:oid:2.16.840.1.113883.6.90", set()),
        ("http://hl7.org/fhir/sid/icd-9-cm", {("DG1[1]-3.3", "changed value")}),
    ],
)
def test_a_coding_system_is_that_of_the_segments_own_resource(
    system: str, expected: set[tuple[str, str]], tmp_path: Path
) -> None:
    every = resources()
    icd = code("K63.3", "Ulcer of intestine", "http://hl7.org/fhir/sid/icd-10")
    about = {"subject": {"reference": "Patient/1a"}}
    admitting = [{"coding": [{"code": "AD"}], "text": "Admission"}]
    every["c"] = {"resourceType": "Condition", "id": "c", "code": json.loads(json.dumps(icd)), **about}
    every["c"]["category"] = admitting
    every["c"]["code"]["coding"][0]["system"] = system
    every["s"] = {
        "resourceType": "Procedure",
        "id": "s",
        **about,
        "code": code("45378", "Colonoscopy", "http://www.ama-assn.org/go/cpt"),
        "performedDateTime": "2026-04-10T08:30:00+02:00",
        "reasonCode": [icd],
    }
    findings = audited(tmp_path, every, f"{MESSAGE}\r{PROCEDURE}")
    assert {(each["locator"], each["kind"]) for each in findings} == expected


def test_the_code_of_a_segment_that_became_nothing_is_not_that_of_another_segment(tmp_path: Path) -> None:
    every = resources()
    every["c"] = {
        "resourceType": "Condition",
        "id": "c",
        "subject": {"reference": "Patient/1a"},
        "code": code("K63.3", "Ulcer of intestine", "http://hl7.org/fhir/sid/icd-10"),
    }
    ulcer = "K63.3^Ulcer of intestine^I10"
    findings = audited(tmp_path, every, f"{MESSAGE}\rDG1|1||{ulcer}\rPR1|1||{ulcer}")
    assert [(each["locator"], each["kind"]) for each in findings] == [("PR1[1]-3", "never arrived")]


@pytest.mark.parametrize("added", ["PRB|AD", "SCH|A-1||||||||25|min"])
def test_actions_and_the_unit_of_an_appointment_are_not_reported(added: str, tmp_path: Path) -> None:
    every = resources()
    every["a"] = {
        "resourceType": "Appointment",
        "id": "a",
        "identifier": [{"value": "A-1"}],
        "minutesDuration": 25,
    }
    assert audited(tmp_path, every, f"{MESSAGE}\r{added}") == []


# Times


def test_no_time_is_compared_with_a_birth(tmp_path: Path) -> None:
    every = resources()
    every["1a"] |= {"birthDate": "2026-04-10", "telecom": [{"system": "phone", "value": "031 5550011"}]}
    for number in ("6f", "7g", "8h"):
        every[number].pop("effectiveDateTime")
    every["9i"]["collection"].pop("collectedDateTime")
    message = MESSAGE.replace("|19840223|F", "|20260410|F").replace(
        "Udo||||||2026", "Udo|0315550011|||||2026"
    )
    wanted = {"OBR[1]-7", "OBX[1]-14", "OBX[2]-14", "SPM[1]-17"}
    assert {(each["locator"], each["kind"], each["fhir"]) for each in audited(tmp_path, every, message)} == {
        (place, "never arrived", "") for place in wanted
    }


def test_a_day_that_another_field_states_is_not_what_became_of_a_time(tmp_path: Path) -> None:
    every = resources()
    every["5e"]["occurrenceDateTime"] = "2026-04-10"
    message = MESSAGE.replace("FIL-9920|||||||", "FIL-9920||||20260410111500+0200|||").replace(
        "OBX|1", "TQ1|1||||||20260410\rOBX|1"
    )
    findings = audited(tmp_path, every, message)
    assert [(each["locator"], each["kind"]) for each in findings] == [("ORC[1]-7", "never arrived")]


def test_ninety_minutes_are_no_zone(tmp_path: Path) -> None:
    analysed = "20260410071500+0200|||||20260410084500+0200\rOBX|2"
    message = MESSAGE.replace("20260410071500+0200\rOBX|2", analysed).replace("+0200", "")
    findings = audited(tmp_path, resources(), message)
    kinds = {each["locator"]: each["kind"] for each in findings}
    assert kinds["OBX[1]-14"] == "changed zone"
    assert kinds["OBX[1]-19"] == "never arrived"


def test_a_number_is_not_compared_with_what_another_number_became(tmp_path: Path) -> None:
    every = resources()
    every["5e"]["quantityQuantity"] = {"value": 2, "unit": "ml"}
    message = MESSAGE.replace("\rOBR|1", "\rTQ1|1|2^ml\rTQ1|2|2.5^ml\rOBR|1")
    findings = audited(tmp_path, every, message)
    assert [(each["locator"], each["kind"]) for each in findings] == [("TQ1[2]-2.1", "never arrived")]
