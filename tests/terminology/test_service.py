"""What mappings, validation and search ask of the terminology that ships."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fhir_bridge.fhir.ports import TerminologyPort
from fhir_bridge.terminology import Terminology, TerminologyFileError, get_terminology

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
SCT = "http://snomed.info/sct"


@pytest.fixture(scope="module")
def terminology() -> Terminology:
    return get_terminology()


def test_it_is_the_port_that_the_fhir_floor_declares(terminology: Terminology) -> None:
    port: TerminologyPort = terminology
    assert port.lookup("http://hl7.org/fhir/observation-status", "final") is not None


@pytest.mark.parametrize(
    ("system", "code", "display"),
    [
        ("http://hl7.org/fhir/administrative-gender", "female", "Female"),
        ("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "Medical record number"),
        ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB", "ambulatory"),
        ("http://dicom.nema.org/resources/ontology/DCM", "CT", "Computed Tomography"),
        (LOINC, "8480-6", "Systolic blood pressure"),
        (SCT, "77176002", "Smoker"),
        (UCUM, "mmol/L", "millimole per liter"),
        ("https://fhir-bridge.org/fhir/demo/CodeSystem/lab-demo", "KREA", "Kreatinin"),
    ],
)
def test_codes_are_looked_up_in_all_that_is_available(
    terminology: Terminology, system: str, code: str, display: str
) -> None:
    concept = terminology.lookup(system, code)
    assert concept is not None
    assert (concept.code, concept.display) == (code, display)


def test_a_missing_code_is_wrong_only_where_the_whole_system_is_known(terminology: Terminology) -> None:
    assert terminology.lookup("http://hl7.org/fhir/observation-status", "ammended") is None
    assert terminology.knows_system("http://hl7.org/fhir/observation-status")
    assert terminology.lookup(LOINC, "99999-9") is None
    assert not terminology.knows_system(LOINC)
    assert not terminology.knows_system(SCT)
    assert terminology.knows_system(UCUM)
    assert terminology.lookup(UCUM, "mmHg") is None
    assert not terminology.knows_system("https://nobody.example.org/codes")


def test_snomed_codes_that_dicom_uses_are_known_from_its_tables(terminology: Terminology) -> None:
    concept = terminology.lookup(SCT, "87878005")
    assert concept is not None
    assert "ventric" in (concept.display or "").lower()


def test_membership_is_decided_where_it_can_be(terminology: Terminology) -> None:
    status = "http://hl7.org/fhir/ValueSet/observation-status|4.0.1"
    assert terminology.member(status, None, "final") is True
    assert terminology.member(status, None, "finished") is False
    assert terminology.member("http://hl7.org/fhir/ValueSet/ucum-units", UCUM, "mmol/L") is True
    assert terminology.member("http://hl7.org/fhir/ValueSet/ucum-units", UCUM, "mmHg") is False
    assert terminology.member("http://hl7.org/fhir/ValueSet/observation-codes", LOINC, "99999-9") is None
    assert terminology.member("http://hl7.org/fhir/ValueSet/observation-codes", LOINC, "8480-6") is True
    assert terminology.member("https://nobody.example.org/ValueSet/x", UCUM, "mmol/L") is None


def test_a_local_laboratory_code_becomes_loinc(terminology: Terminology) -> None:
    system = "https://fhir-bridge.org/fhir/demo/CodeSystem/lab-demo"
    result = terminology.translate(system, "HSTNT", (LOINC,))
    assert [(item.system, item.code, item.equivalence) for item in result] == [
        (LOINC, "67151-1", "equivalent")
    ]
    assert terminology.translate(system, "HSTNT", (SCT,)) == []
    for unmapped in ("XSTS", "GALX", "HAEM"):
        assert terminology.translate(system, unmapped, (LOINC,)) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("mmHg", "mm[Hg]"),
        ("mm Hg", "mm[Hg]"),
        ("mg/dl", "mg/dL"),
        ("MG/DL", "mg/dL"),
        ("/min", "/min"),
        ("°C", "Cel"),
        ("µg/l", "ug/L"),
        ("μg/l", "ug/L"),  # the Greek letter, not the micro sign
        ("U/l", "U/L"),
        ("mmol/l", "mmol/L"),
        ("ml/min/1,73m2", "mL/min/{1.73_m2}"),
        ("g/l", "g/L"),
        ("G/l", "10*9/L"),
        ("pg/ml", "pg/mL"),
        ("10^9/l", "10*9/L"),
    ],
)
def test_unit_text_becomes_ucum(terminology: Terminology, text: str, code: str) -> None:
    assert terminology.translate(None, text, (UCUM,))[0].code == code


def test_unit_text_that_differs_by_case_alone_is_not_guessed(terminology: Terminology) -> None:
    assert terminology.translate(None, "MM", (UCUM,)) == []  # mm or mM


def test_hl7_tables_are_translated_by_their_names(terminology: Terminology) -> None:
    assert terminology.translate_by_map("v2-0085", "C")[0].code == "corrected"
    assert terminology.translate_by_map("v2-0001", "F")[0].code == "female"
    assert (
        terminology.translate_by_map("https://fhir-bridge.org/fhir/ConceptMap/v2-0004", "E")[0].code == "EMER"
    )
    assert terminology.translate_by_map("administrative-gender", "Weiblich")[0].code == "female"
    assert terminology.translate_by_map("v2-0004", "C") == []


def test_an_unknown_map_names_the_nearest(terminology: Terminology) -> None:
    with pytest.raises(KeyError, match="v2-0085"):
        terminology.translate_by_map("v2-0086", "F")


def test_a_site_goes_before_what_ships(tmp_path: Path) -> None:
    (tmp_path / "lab.json").write_text(
        json.dumps(
            {
                "resourceType": "ConceptMap",
                "id": "ours",
                "url": "https://hospital.example.org/ConceptMap/units",
                "status": "active",
                "group": [
                    {
                        "target": UCUM,
                        "element": [
                            {"code": "mU/l", "target": [{"code": "m[IU]/L", "equivalence": "equivalent"}]},
                            {"code": "mmHg", "target": [{"code": "kPa", "equivalence": "equivalent"}]},
                        ],
                    }
                ],
            }
        )
    )
    terminology = get_terminology([tmp_path])
    assert terminology.translate(None, "mU/l", (UCUM,))[0].code == "m[IU]/L"
    assert [item.code for item in terminology.translate(None, "mmHg", (UCUM,))] == ["kPa", "mm[Hg]"]
    assert get_terminology([tmp_path]) is terminology


def test_a_site_replaces_a_shipped_map_by_its_url(tmp_path: Path) -> None:
    (tmp_path / "sex.json").write_text(
        json.dumps(
            {
                "resourceType": "ConceptMap",
                "url": "https://fhir-bridge.org/fhir/ConceptMap/v2-0001",
                "id": "v2-0001",
                "status": "active",
                "group": [
                    {
                        "source": "http://terminology.hl7.org/CodeSystem/v2-0001",
                        "target": "http://hl7.org/fhir/administrative-gender",
                        "element": [{"code": "X", "target": [{"code": "unknown", "equivalence": "wider"}]}],
                    }
                ],
            }
        )
    )
    terminology = get_terminology([tmp_path])
    assert terminology.translate_by_map("v2-0001", "X")[0].code == "unknown"
    assert terminology.translate_by_map("v2-0001", "F") == []


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('{"resourceType": "ConceptMap",')
    with pytest.raises(TerminologyFileError, match=r"broken\.json.*not JSON"):
        get_terminology([tmp_path]).translate(None, "x", ())
    with pytest.raises(TerminologyFileError, match="no such folder"):
        get_terminology([tmp_path / "absent"]).load()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "holds no resource"),
        ('{"resourceType": "Patient"}', "holds Patient"),
        ('{"resourceType": "ValueSet", "id": "a"}', "has no url"),
        ('{"resourceType": "ConceptMap", "url": "u", "group": {}}', "group is not a list"),
        (
            '{"resourceType": "ConceptMap", "url": "u", "group": [{"element": [1]}]}',
            r"group\[0\].element\[0\] is not",
        ),
        ('{"resourceType": "ValueSet", "url": "u", "compose": []}', r"compose is not an object"),
        (
            '{"resourceType": "CodeSystem", "url": "u", "concept": [{"concept": "x"}]}',
            r"concept\[0\].concept is not a",
        ),
    ],
)
def test_what_is_no_terminology_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(TerminologyFileError, match=problem):
        Terminology([tmp_path]).load()


def test_nothing_is_read_before_the_first_question() -> None:
    code = (
        "import sys\n"
        "from fhir_bridge.terminology import get_terminology\n"
        "terminology = get_terminology()\n"
        "print('pydicom' in sys.modules and 'pydicom.sr' in sys.modules, '_files' in vars(terminology))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[1] == "False"
