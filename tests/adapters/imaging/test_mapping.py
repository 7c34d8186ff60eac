"""The shipped mapping: valid R4, by the rules of an ImagingStudy, with values that equal pydicom's."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pydicom
import pytest

from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.fhir.difference import difference_of_sets
from fhir_bridge.fhir.serialization import dumps, loads_exact
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import Site
from tests.adapters.imaging.conversion import MAPPING, Converted, convert

EXAMPLES = MAPPING.parent / "examples"
CASES = sorted(path.name for path in EXAMPLES.iterdir())

NEWER_THAN_R4 = ("'RWV'", "'ANN'")
"""Modalities that DICOM added after the copy of its codes in R4."""


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator.of()


def check(validator: Validator, converted: Converted) -> None:
    for resource in converted.resources:
        wrong = [
            issue
            for issue in validator.validate(resource)
            if issue.severity in ("error", "fatal")
            and not any(code in issue.message for code in NEWER_THAN_R4)
        ]
        assert not wrong, (resource["resourceType"], resource["id"], wrong)
    lost = [
        issue for issue in converted.issues if issue.severity == "error" and issue.code.startswith("FB-MAP")
    ]
    assert not lost


def example(case: str) -> Converted:
    folder = EXAMPLES / case
    return convert(sorted(folder.glob("*.dcm")), Site.load(folder / "site.yaml"))


@pytest.mark.parametrize("case", CASES)
def test_an_example_gives_what_is_expected(case: str) -> None:
    expected = [loads_exact(line) for line in (EXAMPLES / case / "expected.ndjson").read_bytes().splitlines()]
    got = [loads_exact(dumps(resource)) for resource in example(case).resources]
    assert not list(difference_of_sets(expected, got))
    assert [resource["id"] for resource in got] == [resource["id"] for resource in expected]


@pytest.mark.parametrize("case", CASES)
def test_an_example_is_valid(case: str, validator: Validator) -> None:
    check(validator, example(case))


def test_every_bundled_instance_converts_to_valid_resources(bundled: Path, validator: Validator) -> None:
    check(validator, convert([bundled / "test_files", bundled / "charset_files"]))


@pytest.mark.shared
def test_every_shared_instance_converts_to_valid_resources(shared: Path, validator: Validator) -> None:
    converted = convert([shared / "data" / "dicom"])
    check(validator, converted)
    assert "rejected" not in converted.outcomes


def test_the_times_of_a_study_keep_the_offset_of_the_source(bundled: Path) -> None:
    rome = Site(zone="Europe/Rome", demo_key=True)
    (study,) = convert([bundled / "test_files" / "CT_small.dcm"], rome).of("ImagingStudy")
    assert study["started"] == "2004-01-19T07:27:30-05:00"


def test_a_time_without_offset_takes_the_zone_of_the_site_or_keeps_its_date(bundled: Path) -> None:
    path = bundled / "test_files" / "waveform_ecg.dcm"
    (study,) = convert([path], Site(zone="Europe/Rome", demo_key=True)).of("ImagingStudy")
    assert study["started"] == "2013-01-25T10:59:19+01:00"
    (study,) = convert([path]).of("ImagingStudy")
    assert study["started"] == "2013-01-25"


def test_an_imaging_study_has_what_the_rules_ask(validator: Validator) -> None:
    converted = example("study")
    (study,) = converted.of("ImagingStudy")
    assert study["identifier"][0]["system"] == "urn:dicom:uid"
    assert study["identifier"][0]["value"] == "urn:oid:1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"
    assert study["identifier"][1]["type"]["coding"][0]["code"] == "ACSN"
    assert (study["identifier"][1]["system"], study["identifier"][1]["value"]) == (
        "urn:oid:1.2.3.4.5",
        "A-17",
    )
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (2, 3)
    first, second = study["series"]
    assert first["bodySite"] == {"system": "http://snomed.info/sct", "code": "816094009", "display": "Chest"}
    assert second["bodySite"] == {"display": "HERZ"}
    assert second["laterality"]["code"] == "7771000"
    assert [instance["number"] for instance in first["instance"]] == [1, 2]
    assert second["instance"][0]["extension"][0]["valueInteger"] == 12
    assert [coding["coding"][0]["system"] for coding in study["procedureCode"]] == [
        "http://snomed.info/sct",
        "urn:fhir-bridge:scheme:JFK%20IMAGING%20CENTER:99LOCAL",
    ]
    results = {f"{resource['resourceType']}/{resource['id']}" for resource in converted.resources}
    referred = {
        study["referrer"]["reference"],
        study["subject"]["reference"],
        study["endpoint"][0]["reference"],
    }
    referred |= {
        performer["actor"]["reference"] for series in study["series"] for performer in series["performer"]
    }
    referred |= {reader["reference"] for reader in study["interpreter"]}
    assert referred <= results
    (endpoint,) = converted.of("Endpoint")
    assert endpoint["address"] == "https://pacs.fhir-bridge.org/dicom-web"


def test_a_patient_without_issuer_is_known_to_its_source_alone(bundled: Path) -> None:
    (patient,) = convert([bundled / "test_files" / "CT_small.dcm"]).of("Patient")
    assert patient["identifier"] == [
        {"system": "urn:fhir-bridge:source:dicom:JFK%20IMAGING%20CENTER", "value": "1CT1"}
    ]


def test_a_site_that_holds_converts_nothing_of_an_unlinked_patient(bundled: Path) -> None:
    site = Site.model_validate({"demo_key": True, "identity": {"authorities": {}, "unlinked": "hold"}})
    converted = convert([bundled / "test_files" / "CT_small.dcm"], site)
    assert converted.resources == []
    assert converted.outcomes == ["rejected"]
    assert {issue.code for issue in converted.issues} == {"FB-ID-001"}


def quantities(converted: Converted) -> dict[str, tuple[Decimal, str]]:
    return {
        observation["code"]["coding"][0]["code"]: (
            observation["valueQuantity"]["value"],
            observation["valueQuantity"]["code"],
        )
        for observation in converted.of("Observation")
        if "valueQuantity" in observation
    }


def test_the_echo_report_gives_measurements_that_a_predictor_finds() -> None:
    converted = example("echo-report")
    assert quantities(converted) == {
        "18154-5": (Decimal(10), "mm"),
        "122445": (Decimal(10), "mm"),
        "18043-0": (Decimal(58), "%"),
        "29469-4": (Decimal(38), "mm"),
        "20247-3": (Decimal(6), "mm[Hg]"),
    }
    by_code = {each["code"]["coding"][0]["code"]: each for each in converted.of("Observation")}
    assert by_code["18043-0"]["code"]["coding"][1]["code"] == "10230-1"
    assert by_code["20247-3"]["bodySite"]["coding"][0]["code"] == "13418002"
    assert by_code["122445"]["component"][1]["valueCodeableConcept"]["coding"][0] == {
        "system": "http://snomed.info/sct",
        "code": "56851009",
        "display": "Maximum",
    }
    (report,) = converted.of("DiagnosticReport")
    assert {each["reference"] for each in report["result"]} == {
        f"Observation/{each['id']}" for each in converted.of("Observation")
    }


def voltages(component: dict[str, Any]) -> list[float]:
    data = component["valueSampledData"]
    return [
        float(Decimal(text) * data["factor"] + data["origin"]["value"]) for text in data["data"].split(" ")
    ]


def test_an_ecg_carries_every_voltage_that_pydicom_reads(bundled: Path) -> None:
    np = pytest.importorskip("numpy")
    path = bundled / "test_files" / "waveform_ecg.dcm"
    site = Site(demo_key=True, parameters={"ecg_inline_limit": 200_000})
    ecg = next(
        each for each in convert([path], site).of("Observation") if each["code"].get("text") == "12-lead ECG"
    )
    assert ecg["code"]["coding"][0] == {
        "system": "urn:oid:2.16.840.1.113883.6.24",
        "code": "131328",
        "display": "MDC_ECG_ELEC_POTL",
    }
    expected = pydicom.dcmread(path).waveform_array(0)
    leads = [component for component in ecg["component"] if "valueSampledData" in component]
    got = np.array([voltages(component) for component in leads]).T
    np.testing.assert_allclose(got, expected)
    assert len(dumps(ecg)) < 700_000


def test_an_ecg_beyond_the_limit_points_to_the_instance(bundled: Path) -> None:
    path = bundled / "test_files" / "waveform_ecg.dcm"
    ecg = next(
        each
        for each in convert([path], Site(demo_key=True, parameters={"ecg_inline_limit": 60000})).of(
            "Observation"
        )
        if each["code"].get("text") == "12-lead ECG"
    )
    assert not any("valueSampledData" in component for component in ecg["component"])
    assert "1.3.6.1.4.1.20029.40.20130125105919.5407.1.1" in ecg["note"][0]["text"]


def test_intervals_are_loinc_and_statements_the_conclusion() -> None:
    converted = example("ecg")
    result = quantities(converted)
    assert result["8633-0"] == (Decimal(75), "ms")
    assert result["8634-8"] == (Decimal(368), "ms")
    assert result["8632-2"] == (Decimal(52), "deg")
    (report,) = converted.of("DiagnosticReport")
    assert report["conclusion"] == "RITMO SINUSALE\nECG NORMALE"


def test_converting_twice_gives_the_same_bytes(bundled: Path) -> None:
    paths = [bundled / "test_files" / "dicomdirtests" / "98892001"]
    assert [dumps(each) for each in convert(paths).resources] == [
        dumps(each) for each in convert(paths).resources
    ]


def test_machines_people_and_endpoints_are_the_same_whatever_study_says_them(make) -> None:
    statements = {
        "Manufacturer": "Maker",
        "ManufacturerModelName": "M1",
        "ReferringPhysicianName": "Refer^Ruth",
    }
    first = make("a.dcm", **statements)
    second = make(
        "b.dcm",
        folder="later",
        StudyInstanceUID="1.2.3.8",
        SeriesInstanceUID="1.2.3.9",
        SOPInstanceUID="1.2.3.4.2",
        StudyDate="20260303",
        **statements,
    )
    site = Site(
        demo_key=True, zone="Europe/Rome", parameters={"wado_rs": "https://pacs.fhir-bridge.org/dicom-web"}
    )
    item, other = convert([first], site), convert([second], site)
    for resource_type in ("Device", "Practitioner", "Endpoint"):
        assert item.of(resource_type) == other.of(resource_type) != []
        assert "extension" not in item.of(resource_type)[0]["meta"]


def test_a_patient_without_number_has_an_identifier_of_this_source(make) -> None:
    (patient,) = convert([make(PatientID=None, PatientName=None)]).of("Patient")
    assert patient["identifier"] == [
        {"use": "temp", "system": "urn:fhir-bridge:source:dicom:dicom", "value": "1.2.3.1"}
    ]


def test_the_display_of_a_dicom_code_is_its_own_name() -> None:
    assert Code("121401", "DCM", "Derivation").display == "Derivation"
    assert Code("121401", "DCM", "Wie es berechnet wurde").display is None
    assert Code("126037", "DCM", "Standardized Added Metabolic Activity").display is None
    assert Code("OT", "DCM", "Other").display == "Other"
    assert Code("X", "99LOCAL", "Own words").display == "Own words"
