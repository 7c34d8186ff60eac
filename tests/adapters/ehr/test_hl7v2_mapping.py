"""The shipped HL7 v2 mapping, as statements about messages."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.canonical import SOURCE_EXTENSION
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.mapping import Site
from tests.adapters.ehr.conftest import SITE, Converted, convert

MSH = "MSH|^~\\&|LIS|HOSP|||{time}||{kind}|1|P|2.5.1"
PID = "PID|1||77^^^HOSP^MR||Keller^Ada^^^^^L||19600102|F"
ORU = MSH.format(time="20260301120000+0100", kind="ORU^R01")
OBR = "OBR|1|P1|F1|CHEM^Chemistry^L|||20260301110000+0100|||||||||||||||20260301115500+0100||LAB|F"
Message = Callable[..., Converted]


def adt(event: str, time: str = "20260301120000+0100") -> str:
    return MSH.format(time=time, kind=f"ADT^{event}")


def source_record(resource: dict[str, Any]) -> dict[str, Any]:
    (extension,) = (e for e in resource["meta"]["extension"] if e["url"] == SOURCE_EXTENSION)
    return {part["url"]: next(v for k, v in part.items() if k != "url") for part in extension["extension"]}


def result(message: Message, obx: str, *, obr: str = OBR) -> dict[str, Any]:
    (results,) = message(ORU, PID, obr, obx).of("Observation")
    return results


@pytest.mark.parametrize(
    ("event", "visit", "status"),
    [
        ("A01", "", "in-progress"),
        ("A03", "", "finished"),
        ("A05", "", "planned"),
        ("A11", "", "cancelled"),
        ("A12", "", "in-progress"),
        ("A13", "", "in-progress"),
        ("A08", "20260301100000+0100", "in-progress"),
        ("A08", "20260301100000+0100|20260302100000+0100", "finished"),
        ("A31", "", "unknown"),
    ],
)
def test_standing_of_a_visit(event: str, visit: str, status: str, message: Message) -> None:
    pv1 = "PV1|1|I" + "|" * 17 + "V1" + "|" * 25 + visit
    (encounter,) = message(adt(event), PID, pv1).of("Encounter")
    assert encounter["status"] == status


def test_a_visit_keeps_its_id_whoever_speaks_of_it(message: Message) -> None:
    pv1 = "PV1|1|I" + "|" * 17 + "V1" + "|" * 25 + "20260301100000+0100"
    (admitted,) = message(adt("A01"), PID, pv1).of("Encounter")
    reported = message(ORU, PID, pv1, OBR, "OBX|1|NM|1^x^L||5||||||F")
    (seen,) = reported.of("Encounter")
    assert seen["id"] == admitted["id"]
    assert source_record(seen)["update"] == "passing", "it changes nothing that an ADT said"
    assert reported.of("Observation")[0]["encounter"]["reference"] == f"Encounter/{seen['id']}"


def test_patient_is_a_delta_and_two_quotes_clear(message: Message) -> None:
    (patient,) = message(adt("A08"), 'PID|1||77^^^HOSP^MR||Keller^Ada||""').of("Patient")
    assert "birthDate" not in patient
    assert "gender" not in patient
    assert source_record(patient)["update"] == "delta"
    assert source_record(patient)["cleared"] == "birthDate"


def test_merge_links_both_records(message: Message) -> None:
    heir, old = message(adt("A40"), PID, "MRG|88^^^HOSP^MR").of("Patient")
    assert heir["link"] == [{"other": {"reference": f"Patient/{old['id']}"}, "type": "replaces"}]
    assert old["link"] == [{"other": {"reference": f"Patient/{heir['id']}"}, "type": "replaced-by"}]
    assert old["active"] is False
    assert (heir["identifier"][0]["value"], old["identifier"][0]["value"]) == ("77", "88")


def test_record_merged_into_itself_has_no_link(message: Message) -> None:
    (patient,) = message(adt("A40"), PID, "MRG|77^^^HOSP^MR").of("Patient")
    assert "link" not in patient
    assert patient.get("active") is not False


def test_number_that_stays_the_patients_own_is_not_called_old(message: Message) -> None:
    (patient,) = message(adt("A42"), PID, "MRG|77^^^HOSP^MR||||V5", "PV1|1|I|||||||||||||||||V6").of(
        "Patient"
    )
    assert {(one["value"], one.get("use")) for one in patient["identifier"]} == {("77", None)}


def test_same_number_of_another_authority_is_another_patient(message: Message) -> None:
    (ours,) = message(adt("A01"), PID).of("Patient")
    (theirs,) = message(adt("A01"), PID.replace("HOSP", "CLINIC")).of("Patient")
    assert ours["id"] != theirs["id"]


@pytest.mark.parametrize(
    ("code", "order", "status"),
    [
        ("F", "F", "final"),
        ("P", "F", "preliminary"),
        ("C", "F", "corrected"),
        ("D", "F", "entered-in-error"),
        ("W", "F", "entered-in-error"),
        ("S", "F", "preliminary"),
        ("O", "F", "registered"),
        ("X", "F", "cancelled"),
        ("", "F", "final"),
        ("", "P", "preliminary"),
        ("", "N", "registered"),
        ("", "X", "cancelled"),
        ("", "D", "entered-in-error"),
        ("", "", "unknown"),
        ("?", "F", "unknown"),
    ],
)
def test_status_of_a_result(code: str, order: str, status: str, message: Message) -> None:
    obx = f"OBX|1|NM|1^x^L||5||||||{code}"
    assert result(message, obx, obr=OBR.removesuffix("F") + order)["status"] == status


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("F", "final"),
        ("P", "preliminary"),
        ("M", "preliminary"),
        ("A", "partial"),
        ("R", "partial"),
        ("I", "registered"),
        ("N", "registered"),
        ("C", "corrected"),
        ("X", "cancelled"),
        ("D", "entered-in-error"),
        ("Y", "unknown"),
        ("", "unknown"),
    ],
)
def test_status_of_a_report(code: str, status: str, message: Message) -> None:
    converted = message(ORU, PID, OBR.removesuffix("F") + code, "OBX|1|NM|1^x^L||5||||||F")
    assert converted.of("DiagnosticReport")[0]["status"] == status


def test_a_correction_of_some_results_is_of_the_same_report_and_results(message: Message) -> None:
    results = [f"OBX|{n}|NM|{n}^x{n}^L||{n}||||||{{}}" for n in (1, 2, 3)]
    first = message(ORU, PID, OBR, *(line.format("F") for line in results))
    for order, code, status in (
        ("C", "C", "corrected"),
        ("F", "D", "entered-in-error"),
        ("C", "W", "entered-in-error"),
    ):
        again = message(
            ORU.replace("|1|P|", "|2|P|"),
            PID,
            OBR.removesuffix("F") + order,
            results[1].format(code).replace("||2|", "|||"),
        )
        assert again.of("DiagnosticReport")[0]["id"] == first.of("DiagnosticReport")[0]["id"]
        (corrected,) = again.of("Observation")
        assert (corrected["id"], corrected["status"]) == (first.of("Observation")[1]["id"], status)
        assert again.of("DiagnosticReport")[0]["result"] == [{"reference": f"Observation/{corrected['id']}"}]


def test_facilities_known_by_an_oid_alone_are_distinguished(message: Message) -> None:
    named = [
        message(ORU.replace("LIS|HOSP", f"|^{oid}^ISO"), PID, OBR, "OBX|1|NM|1^x^L||5||||||F").of(
            "Observation"
        )[0]["id"]
        for oid in ("1.2.3", "1.2.4")
    ]
    assert named[0] != named[1]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("NM", "5.60", {"valueQuantity": {"value": 5.60, "unit": "mmol/L"}}),
        ("SN", ">^90", {"valueQuantity": {"value": 90, "comparator": ">"}}),
        ("SN", "^2^-^4", {"valueRange": {"low": {"value": 2}, "high": {"value": 4}}}),
        ("SN", "^1^:^128", {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}}),
        ("SN", "^2^+", {"valueString": "2+"}),
        ("ST", "A \\T\\ B", {"valueString": "A & B"}),
        ("TX", "a^b&c", {"valueString": "a^b&c"}),
        ("FT", "one\\.br\\two", {"valueString": "one\ntwo"}),
        ("CWE", "112283007^E. coli^SCT", {"valueCodeableConcept": {"text": "E. coli"}}),
        ("DT", "20260227", {"valueDateTime": "2026-02-27"}),
        ("TS", "202602271105+0100", {"valueDateTime": "2026-02-27T11:05:00+01:00"}),
        ("TM", "1105", {"valueTime": "11:05:00"}),
        ("", "free", {"valueString": "free"}),
    ],
)
def test_value_by_its_type(kind: str, value: str, expected: dict[str, Any], message: Message) -> None:
    outcome = result(message, f"OBX|1|{kind}|1^x^L||{value}|mmol/L|||||F")
    (name,) = (key for key in outcome if key.startswith("value"))
    assert name == next(iter(expected))
    if isinstance(outcome[name], str):
        assert outcome[name] == expected[name]
        return

    def holds(part: dict[str, Any], wanted: dict[str, Any]) -> bool:
        return all(
            holds(part[key], item)
            if isinstance(item, dict)
            else float(part[key]) == item
            if key == "value"
            else part[key] == item
            for key, item in wanted.items()
        )

    assert holds(outcome[name], expected[name]), outcome[name]


def test_digits_of_a_number_are_kept(message: Message) -> None:
    assert str(result(message, "OBX|1|NM|1^x^L||5.60||||||F")["valueQuantity"]["value"]) == "5.60"


def test_unknown_value_type_is_flagged_and_the_result_kept(message: Message) -> None:
    converted = message(ORU, PID, OBR, "OBX|1|XYZ|1^x^L||something||||||F")
    assert not any(key.startswith("value") for key in converted.of("Observation")[0])
    assert "FB-MAP-107" in converted.codes()


def test_repeated_numbers_are_components(message: Message) -> None:
    outcome = result(message, "OBX|1|NM|8867-4^Heart rate^LN||60~72|/min|||||F")
    assert [str(part["valueQuantity"]["value"]) for part in outcome["component"]] == ["60", "72"]


def test_text_lines_are_one_result(message: Message) -> None:
    lines = [f"OBX|{n}|TX|8251-1^Comment^LN||{text}||||||F" for n, text in enumerate(("one", "", "two"), 1)]
    (outcome,) = message(ORU, PID, OBR, *lines).of("Observation")
    assert outcome["valueString"] == "one\n\ntwo"


@pytest.mark.parametrize(
    ("written", "low", "high"),
    [
        ("3.5-5.1", "3.5", "5.1"),
        ("<14", None, "14"),
        (">= 60", "60", None),
        ("negative", None, None),
        ("-5 - -1", "-5", "-1"),
    ],
)
def test_reference_range(written: str, low: str | None, high: str | None, message: Message) -> None:
    (outcome,) = result(message, f"OBX|1|NM|1^x^L||5|mmol/L|{written}||||F")["referenceRange"]
    assert outcome["text"] == written
    assert (str(outcome["low"]["value"]) if "low" in outcome else None) == low
    assert (str(outcome["high"]["value"]) if "high" in outcome else None) == high


def test_every_version_of_a_result_has_one_id_and_its_own_time(message: Message) -> None:
    versions = []
    for status, hour in (("P", 11), ("F", 12), ("C", 15), ("D", 16)):
        obr = OBR.replace("20260301115500", f"20260301{hour}5500").removesuffix("F") + status
        versions.append(result(message, f"OBX|1|NM|1^x^L||5||||||{status}", obr=obr))
    assert len({version["id"] for version in versions}) == 1
    times = [source_record(version)["time"] for version in versions]
    assert times == sorted(times)
    for order in permutations(versions):
        newest = max(order, key=lambda version: source_record(version)["time"])
        assert newest["status"] == "entered-in-error"


def test_susceptibility_names_its_organism(message: Message) -> None:
    converted = message(
        ORU,
        PID,
        "OBR|1|P1^KIS|F1^LIS|CULT^Culture^L|||2026|||||||||||||||2026||MB|F",
        "OBX|1|CWE|600-7^Bacteria^LN|1|112283007^E. coli^SCT||||||F",
        "OBX|2|CWE|600-7^Bacteria^LN|2|3092008^S. aureus^SCT||||||F",
        "OBR|2|P1^KIS|F2^LIS|SUSC^Susceptibility^L|||2026|||||||||||||||2026||MB|F|600-7&Bacteria&LN^2|||P1&KIS^F1&LIS",
        "OBX|1|SN|18864-9^Ampicillin^LN|1|>^16|ug/mL||R|||F",
    )
    _, aureus, ampicillin = converted.of("Observation")
    assert ampicillin["derivedFrom"] == [{"reference": f"Observation/{aureus['id']}"}]
    assert ampicillin["interpretation"][0]["coding"][0]["code"] == "R"
    first, second = converted.of("DiagnosticReport")
    assert [len(report["result"]) for report in (first, second)] == [2, 1]


CULTURE = (
    "OBR|1|P1|F1|CULT^Culture^L|||2026|||||||||||||||2026||MB|F",
    "OBX|1|CWE|600-7^Bacteria^LN|1|112283007^E. coli^SCT||||||F",
    "OBX|2|CWE|600-7^Bacteria^LN|2|3092008^S. aureus^SCT||||||F",
)


def susceptibility(parent: str, order: str) -> tuple[str, str]:
    return (
        f"OBR|2|P1|F2|SUSC^Susceptibility^L|||2026|||||||||||||||2026||MB|F|{parent}|||{order}",
        "OBX|1|SN|18864-9^Ampicillin^LN|1|>^16|ug/mL||R|||F",
    )


@pytest.mark.parametrize(
    ("parent", "order"),
    [
        ("600-7&Bacteria&LN^2^S. aureus", "P9^F9&LIS"),  # the culture is in another message
        ("600-7&Bacteria&LN^2^S. aureus", ""),
        ("600-7&Bacteria&LN^^S. aureus", "P1^F1"),  # which isolate, says its name alone
        ("^^S. aureus", "P1^F1"),
    ],
)
def test_susceptibility_says_its_organism_where_no_one_result_does(
    parent: str, order: str, message: Message
) -> None:
    converted = message(ORU, PID, *CULTURE, *susceptibility(parent, order))
    ampicillin = converted.of("Observation")[-1]
    assert {"text": f"Parent result: {parent}"} in ampicillin["note"]
    assert "OBR-26" not in " ".join(issue.message for issue in converted.issues)


def test_susceptibility_of_one_patient_is_not_of_the_organism_of_another(message: Message) -> None:
    other = "PID|2||88^^^HOSP^MR||Zeta^Bo"
    converted = message(
        ORU, PID, *CULTURE, other, *susceptibility("600-7&Bacteria&LN^2^S. aureus", "P1^F1&LIS")
    )
    *_, aureus, ampicillin = converted.of("Observation")
    assert aureus["subject"] != ampicillin["subject"]
    assert ampicillin["derivedFrom"] == [
        {"type": "Observation", "identifier": {"value": "F1"}, "display": "Bacteria: S. aureus"}
    ]


def test_report_holds_its_own_results_and_specimen(message: Message) -> None:
    converted = message(ORU, PID, OBR, "OBX|1|NM|1^x^L||5||||||F", "SPM|1|^S1||BLD^Blood^HL70487")
    (report,) = converted.of("DiagnosticReport")
    (observation,) = converted.of("Observation")
    (specimen,) = converted.of("Specimen")
    assert report["result"] == [{"reference": f"Observation/{observation['id']}"}]
    assert report["specimen"] == [{"reference": f"Specimen/{specimen['id']}"}]
    assert observation["specimen"] == {"reference": f"Specimen/{specimen['id']}"}


def test_a_failing_result_loses_only_itself(message: Message) -> None:
    converted = message(ORU, PID, OBR, "OBX|1|NM|1^x^L||many||||||F", "OBX|2|NM|2^y^L||5||||||F")
    first, second = converted.of("Observation")
    assert "valueQuantity" not in first
    assert str(second["valueQuantity"]["value"]) == "5"
    assert converted.outcomes[0][1] == "partial"
    assert "FB-MAP-207" in converted.codes()


HOLDING = Site.model_validate(
    {"zone": "Europe/Rome", "demo_key": True, "identity": {"authorities": {"HOSP": "urn:oid:2.25.1"}}}
)


@pytest.mark.parametrize(("pid", "site"), [("PID|1||||Keller^Ada", HOLDING), ("PID|1", None)])
def test_message_about_nobody_is_named(pid: str, site: Site | None, message: Message) -> None:
    converted = message(ORU, pid, OBR, "OBX|1|NM|1^x^L||5||||||F", **({"site": site} if site else {}))
    assert converted.outcomes[0][1] == "rejected"
    assert "FB-ID-002" in converted.codes()
    assert not converted.resources
    (details,) = (issue.message for issue in converted.issues if issue.code == "FB-ID-002")
    assert "rule" not in details, "the question is one, whichever rule asks it"


def test_patient_without_identifier_is_known_to_the_source_alone(message: Message) -> None:
    pid, account = "PID|1||||Keller^Ada", "|" * 13 + "A77"
    converted = message(ORU, pid, OBR, "OBX|1|NM|1^x^L||5||||||F")
    (patient,) = converted.of("Patient")
    assert converted.of("Observation")[0]["subject"]["reference"] == f"Patient/{patient['id']}"
    assert "FB-HL7-013" in converted.codes()
    (other,) = message(ORU.replace("|1|P|", "|2|P|"), pid).of("Patient")
    assert other["id"] != patient["id"], "a name is no identity"
    first, second = (message(ORU.replace("|1|P|", f"|{n}|P|"), pid + account).of("Patient")[0] for n in "34")
    assert first["id"] == second["id"], "an account is one, for its source"


def test_other_message_types_give_a_patient_and_say_so(message: Message) -> None:
    converted = message(ORU.replace("ORU^R01", "CSU^C09"), PID, "FT1|1|||20260301")
    assert [resource["resourceType"] for resource in converted.resources] == ["Patient", "Observation"]
    assert converted.remainder() == {"FT1-4 Transaction date": "20260301"}
    assert "FB-HL7-008" in converted.codes()


@pytest.mark.shared
@pytest.mark.parametrize("site", [SITE, Site(demo_key=True)], ids=["zone", "no zone"])
def test_every_real_message_is_converted_or_named_and_all_output_is_valid(shared: Path, site: Site) -> None:
    paths = sorted((shared / "data" / "hl7v2").rglob("*.hl7"))
    converted = convert("ehr/hl7v2", paths, site)
    outcomes = [outcome for _, outcome in converted.outcomes]
    assert len(outcomes) >= len(paths)
    # Not converted: eight messages whose PID is empty, and one whose segments are divided by spaces.
    assert outcomes.count("rejected") == 9
    # What no rule represents creates a message partial: it is named, never passed over.
    named = {issue.source for issue in converted.issues if issue.severity in ("warning", "error")}
    partial = [locator for locator, outcome in converted.outcomes if outcome == "partial"]
    assert all(any(source.startswith(locator) for source in named) for locator in partial)
    validator = get_validator()
    wrong = [
        (resource["resourceType"], issue.code, issue.message)
        for resource in converted.resources
        for issue in validator.validate(resource)
        if issue.severity in ("error", "fatal")
    ]
    assert not wrong, wrong[:5]
