"""What the value sets list of SNOMED CT where its hierarchy is not imported, and what is said of what no list has."""

from __future__ import annotations

import pytest

from fhir_bridge.predictions.value_sets import VALUE_SETS, codes_of, value_set
from fhir_bridge.terminology.check_digits import is_well_formed
from tests.predictions.test_hcm_risk_scd import complete
from tests.predictions.ward import Ward, concept, diagnosis, european, ward

__all__ = ["ward"]

POINTS = {
    1: "441481004 446221000 703272007 88805009 56675007 1201005 31992008 56218007 78975002 420868002 421893009 "
    "230572002 57054005 394710008 840309000",
    2: "371040005 95457000 25133001 734383005 65084004",
}
EXCLUDING = "59021001 300995000 371068009 429673002 420868002 403829002 95457000"


def test_every_code_that_is_listed_can_be_one_of_snomed_ct() -> None:
    for file in VALUE_SETS:
        for system, code in codes_of(value_set(file.stem.removeprefix("prediction-"))):
            assert is_well_formed(system, code), (file.name, code)


def test_everyday_codes_count_also_with_a_refinement(ward: Ward) -> None:
    flutter = diagnosis("sct", "49436004")
    patients = {
        code: [flutter, diagnosis("sct", code)] for codes in POINTS.values() for code in codes.split()
    }
    stroke = "432504007 |Cerebral infarction| : 363698007 |Finding site| = 280371009"
    patients |= {
        "refined": [flutter, diagnosis("sct", stroke)],
        "focus": [flutter, diagnosis("sct", "=== 1201005 + 88805009 : 246112005 = 24484000")],
        "absent": [flutter, diagnosis("sct", "243796009:{246090004=432504007,408729009=410516002}")],
    }
    ward.load(patients, born="1990-01-01")
    said = ward.ask("cha2ds2-va")
    for points, codes in POINTS.items():
        assert {code: said[code].value for code in codes.split()} == dict.fromkeys(codes.split(), points)
    assert (said["refined"].value, said["focus"].value, said["absent"].value) == (2, 2, 0)


def test_everyday_codes_exclude(ward: Ward) -> None:
    ward.load({code: [*european(), diagnosis("sct", code)] for code in EXCLUDING.split()})
    said = ward.ask("score2")
    assert {code for code in EXCLUDING.split() if said[code].value is not None} == set()


def test_danon_noonan_and_a_defibrillator_in_place_exclude_from_hcm_risk_scd(ward: Ward) -> None:
    measured = [item for item in complete() if item["resourceType"] != "Patient"]
    codes = {
        "danon": diagnosis("sct", "419097006"),
        "icd": diagnosis("sct", "443325000"),
        "noonan": diagnosis("sct", "205824006"),
        "noonan-gm": diagnosis("gm", "Q87.1"),
        "noonan-cm": diagnosis("cm", "Q87.19"),
        "prader-willi": diagnosis("cm", "Q87.11"),
    }
    ward.load({name: [*measured, item] for name, item in codes.items()}, born="1980-01-01")
    said = ward.ask("hcm-risk-scd")
    assert {name for name in codes if said[name].value is not None} == {"prader-willi"}
    assert "implanted defibrillator" in said["icd"].text
    assert "syndromic" in said["noonan-cm"].text


def test_a_diagnosis_that_no_list_has_is_named_beside_the_value(ward: Ward) -> None:
    unknown, icd = diagnosis("sct", "195967001"), diagnosis("icd", "J45.9")
    both = diagnosis("sct", "195967001") | {
        "code": {"coding": [*concept("sct", "195967001")["coding"], *concept("icd", "J45.9")["coding"]]}
    }
    ward.load(
        {
            "unknown": [*european(), unknown],
            "coded": [*european(), icd],
            "both": [*european(), both],
            "listed": [*european(), diagnosis("sct", "38341003")],
        }
    )
    said = ward.ask("score2")
    assert said["unknown"].value is not None
    text = "Not decided: SNOMED CT is not imported, and no list has what the record says by 195967001"
    assert text in said["unknown"].text
    for name in ("coded", "both", "listed"):
        assert "Not decided" not in said[name].text
    again = ward.ask("score2", "unknown")  # unchanged: of the stored result
    assert text in again["unknown"].text


@pytest.mark.parametrize("run", [1, 2])
def test_the_command_says_it_as_well(ward: Ward, run: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.command import run_command

    monkeypatch.setenv("COLUMNS", "400")
    ward.load({"unknown": [*european(), diagnosis("sct", "195967001")]})
    for _ in range(run):
        done = run_command("predict", "score2", "--all", "--site", ward.site)
    assert "Not decided: SNOMED CT is not imported" in done.stdout
