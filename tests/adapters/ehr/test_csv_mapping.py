"""The shipped mappings of tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from fhir_bridge.adapters.ehr.csv import CsvAdapter
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.mapping import Site
from tests.adapters.ehr.conftest import SITE, convert

Write = Callable[..., Path]
VITALS = "FallNr;PatNr;Aussteller;Zeit;RR syst;RR diast;Puls;Temp °C;Größe cm;Gewicht kg;SpO2 %\n"
LAB = "PatNr;Aussteller;Auftrag;Code;Bezeichnung;Wert;Einheit;Referenz;Abnahme;Freigabe;Status\n"


def test_wide_table_gives_an_observation_for_each_value(write: Write) -> None:
    text = VITALS + "F1;77;HOSP;01.03.2026 10:20;137;83;-;37,0;n.b.;1.097,25;\n"
    converted = convert("ehr/csv-vitals", [write("vitals.csv", text.encode("cp1252"))])
    values = {
        resource["code"]["text"]: str(resource["valueQuantity"]["value"])
        for resource in converted.resources
        if "valueQuantity" in resource
    }
    assert values == {"Temp °C": "37.0", "Gewicht kg": "1097.25"}
    (pressure,) = (resource for resource in converted.resources if "component" in resource)
    assert [str(part["valueQuantity"]["value"]) for part in pressure["component"]] == ["137", "83"]


def test_time_in_the_hour_that_the_clock_doubles_keeps_its_date(write: Write) -> None:
    row = "77;HOSP;L1;XX;Test;5;mmol/l;;25.10.2026 02:30;;F\n"
    converted = convert("ehr/csv-laboratory", [write("lab.csv", LAB + row)])
    assert converted.resources[0]["effectiveDateTime"] == "2026-10-25"
    assert "FB-MAP-210" in converted.codes()


def test_local_code_without_mapping_is_kept_and_reported(write: Write) -> None:
    row = "77;HOSP;L1;XX;Haustest;5;mmol/l;;01.03.2026 10:00;;F\n"
    converted = convert("ehr/csv-laboratory", [write("lab.csv", LAB + row)])
    assert converted.resources[0]["code"] == {
        "coding": [
            {
                "system": "https://fhir-bridge.org/fhir/demo/CodeSystem/lab-demo",
                "code": "XX",
                "display": "Haustest",
            }
        ],
        "text": "Haustest",
    }
    assert "FB-MAP-201" in converted.codes()


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        ("positiv", ""),
        ("1.234", "mmol/l"),
        ("1,2,3", "mmol/l"),
        ("5 mg", "mmol/l"),
        ("5 H", ""),
        ("++", "mmol/l"),
        ("5 x", ""),
    ],
)
def test_value_that_is_no_number_keeps_its_text_and_is_not_made_up(
    value: str, unit: str, write: Write
) -> None:
    row = f"77;HOSP;L1;TG;Triglyzeride;{value};{unit};;01.03.2026 10:00;;F\n"
    converted = convert("ehr/csv-laboratory", [write("lab.csv", LAB + row)])
    (result,) = converted.resources
    assert "valueQuantity" not in result
    assert result["dataAbsentReason"]["coding"][0]["code"] == "error"
    assert result["note"] == [{"text": f"{value} {unit}".strip()}]
    assert "FB-MAP-207" in converted.codes()
    assert converted.outcomes[0][1] == "partial"
    assert not [i for i in get_validator().validate(result) if i.severity == "error"]


def test_pressure_that_is_no_number_keeps_its_text_in_the_panel(write: Write) -> None:
    text = VITALS + "F1;77;HOSP;01.03.2026 10:20;n/a;83;72x;37,0;;;\n"
    panel, pulse = None, None
    for resource in convert("ehr/csv-vitals", [write("vitals.csv", text.encode("cp1252"))]).resources:
        assert not [i for i in get_validator().validate(resource) if i.severity == "error"]
        panel = resource if "component" in resource else panel
        pulse = resource if resource["code"]["text"] == "Puls" else pulse
    assert panel is not None
    assert pulse is not None
    assert panel["component"][0]["dataAbsentReason"]["text"] == "n/a"
    assert (pulse["note"], pulse["dataAbsentReason"]["coding"][0]["code"]) == ([{"text": "72x"}], "error")


def test_pressure_in_another_unit_is_converted_and_keeps_what_was_measured(write: Write) -> None:
    text = VITALS + "F1;77;HOSP;01.03.2026 10:20;16,0 kPa;83;-;;;;\n"
    rows = "".join(
        f"2023-10-10T04:17:47Z,p,E1,vital-signs,{code},Pressure,{value},kPa,numeric\n"
        for code, value in (("8480-6", "16.0"), ("8462-4", "10.7"))
    )
    for mapping, path, expected in (
        ("ehr/csv-vitals", write("vitals.csv", text.encode("cp1252")), ["120", "83"]),
        ("ehr/synthea-observations", write("observations.csv", OBSERVATIONS + rows), ["120", "80.3"]),
    ):
        panel = next(each for each in convert(mapping, [path]).resources if "component" in each)
        assert not [i for i in get_validator().validate(panel) if i.severity == "error"]
        quantities = [part["valueQuantity"] for part in panel["component"]]
        assert [str(quantity["value"]) for quantity in quantities] == expected
        assert {quantity["code"] for quantity in quantities} == {"mm[Hg]"}
        assert str(quantities[0]["extension"][0]["valueQuantity"]["value"]) == "16.0"


def test_row_without_authority_is_held_where_the_site_holds(write: Write) -> None:
    holding = Site.model_validate(
        {"zone": "Europe/Rome", "demo_key": True, "identity": {"authorities": {"HOSP": "urn:oid:2.25.1"}}}
    )
    rows = "77;;L1;K;Kalium;4,4;mmol/l;;01.03.2026 10:00;;F\n77;HOSP;L2;K;Kalium;4,4;mmol/l;;01.03.2026 10:00;;F\n"
    converted = convert("ehr/csv-laboratory", [write("lab.csv", LAB + rows)], holding)
    assert [outcome for _, outcome in converted.outcomes] == ["rejected", "converted"]
    assert "FB-ID-001" in converted.codes()
    assert len(convert("ehr/csv-laboratory", [write("lab.csv", LAB + rows)], SITE).resources) == 2


OBSERVATIONS = "DATE,PATIENT,ENCOUNTER,CATEGORY,CODE,DESCRIPTION,VALUE,UNITS,TYPE\n"


@pytest.mark.parametrize(
    ("others", "values"),
    [
        (["E1,vital-signs,8462-4,Diastolic,83,mm[Hg],numeric"], ["137", "83"]),
        (["E2,vital-signs,8462-4,Diastolic,83,mm[Hg],numeric"], ["137", None]),
        ([], ["137", None]),
    ],
)
def test_pressures_of_adjacent_rows_are_a_panel(
    others: list[str], values: list[str | None], write: Write
) -> None:
    rows = ["E1,vital-signs,8480-6,Systolic,137,mm[Hg],numeric", *others]
    text = OBSERVATIONS + "".join(f"2023-10-10T04:17:47Z,p,{row}\n" for row in rows)
    converted = convert("ehr/synthea-observations", [write("observations.csv", text)])
    panel = converted.resources[0]
    assert [
        str(p["valueQuantity"]["value"]) if "valueQuantity" in p else None for p in panel["component"]
    ] == values
    assert len(converted.resources) == len(rows)
    assert not [i for i in get_validator().validate(panel) if i.severity == "error"]


def test_half_a_pressure_says_that_the_other_half_is_unknown(write: Write) -> None:
    text = VITALS + "F1;77;HOSP;01.03.2026 10:20;137;-;-;;;;\n"
    (panel,) = convert("ehr/csv-vitals", [write("vitals.csv", text.encode("cp1252"))]).resources
    assert ["dataAbsentReason" in part for part in panel["component"]] == [False, True]
    assert not [i for i in get_validator().validate(panel) if i.severity == "error"]


@pytest.mark.shared
def test_synthea_export_is_converted_and_the_rest_is_counted(shared: Path) -> None:
    paths = sorted((shared / "data" / "synthea-csv-27nj").glob("*.csv"))
    resources: Counter[str] = Counter()
    validator = get_validator()
    for mapping, files in CsvAdapter().assign(paths).items():
        converted = convert(mapping, files)
        expected = "skipped" if mapping == "ehr/csv-unknown" else "converted"
        assert {outcome for _, outcome in converted.outcomes} == {expected}, mapping
        resources.update(resource["resourceType"] for resource in converted.resources)
        for resource in converted.resources:
            assert not [i for i in validator.validate(resource) if i.severity in ("error", "fatal")], mapping
    assert resources == {
        "Patient": 27,
        "Encounter": 604,
        "Condition": 438,
        "Observation": 990 + 54,
        "MedicationRequest": 663,
        "Procedure": 249,
        "AllergyIntolerance": 40,
        "Immunization": 29,
        "CarePlan": 49,
        "Claim": 1267,
        "Coverage": 1051,
        "Device": 3,
        "DeviceUseStatement": 3,
        "ImagingStudy": 1,
        "Organization": 63 + 10,
        "Practitioner": 166,
        "PractitionerRole": 166,
        "SupplyDelivery": 72,
    }


def test_row_with_a_name_and_no_code_says_its_name(write: Write) -> None:
    rows = "PatNr;Aussteller;ATC;Wirkstoff;Dosierung;Beginn\n77;HOSP;;Bisoprolol;1-0-0;21.06.2025\n"
    drug = convert("ehr/csv-medications", [write("medications.csv", rows)])
    rows = "PatNr;Aussteller;ICD10;Diagnose;Beginn;Befund\n77;HOSP;;Hypertonie;21.10.2022;ja\n77;HOSP;;Gicht;;ja\n"
    problems = convert("ehr/csv-conditions", [write("conditions.csv", rows)])
    (statement,) = drug.of("MedicationStatement")
    assert statement["medicationCodeableConcept"] == {"text": "Bisoprolol"}
    assert [one["code"] for one in problems.of("Condition")] == [{"text": "Hypertonie"}, {"text": "Gicht"}]
    assert len({one["id"] for one in problems.of("Condition")}) == 2
