"""CHA2DS2-VA over a store: which codes count, and for whom it is not meant."""

from __future__ import annotations

from typing import Any

from tests.predictions.records import quantity
from tests.predictions.ward import Ward, concept, diagnosis, ward

__all__ = ["ward"]


def test_codes_that_only_one_edition_has_count(ward: Ward) -> None:
    flutter = diagnosis("cm", "I48.91")
    codes = ("I09.81", "I97.130", "I16.0", "O10.919")
    ward.load({code: [flutter, diagnosis("cm", code)] for code in codes}, born="1990-01-01")
    said = ward.ask("cha2ds2-va")
    assert {code: said[code].value for code in codes} == dict.fromkeys(codes, 1)


def test_mitral_stenosis_and_a_mechanical_valve_are_refused_and_a_biological_one_is_not(ward: Ward) -> None:
    flutter = diagnosis("cm", "I48.91")

    def operation(code: str) -> dict[str, object]:
        return {"resourceType": "Procedure", "status": "completed", "code": concept("ops", code)}

    valves = {
        "stenosis": diagnosis("cm", "I34.2"),
        "rheumatic": diagnosis("gm", "I05.2"),
        "congenital": diagnosis("gm", "Q23.2"),
        "snomed": diagnosis("sct", "79619009"),
        "mechanical": diagnosis("icd", "Z95.2"),
        "mitral": operation("5-351.14"),
        "aortic": operation("5-351.04"),
        "regurgitation": diagnosis("cm", "I34.0"),
        "biological": diagnosis("icd", "Z95.3"),
        "xenograft": operation("5-351.12"),
    }
    ward.load({name: [flutter, item] for name, item in valves.items()}, born="1990-01-01")
    said = ward.ask("cha2ds2-va")
    scored = {name for name in valves if said[name].value is not None}
    assert scored == {"regurgitation", "biological", "xenograft"}
    assert "mitral stenosis or mechanical valve" in said["stenosis"].text


def test_a_reduced_ejection_fraction_or_a_dilated_heart_counts_as_heart_failure(ward: Ward) -> None:
    flutter = diagnosis("cm", "I48.91")

    def fraction(value: float, code: str = "10230-1", **more: Any) -> dict[str, Any]:
        return quantity(code, value, "%") | more

    patients = {
        "forty": [fraction(40)],
        "by-ultrasound": [fraction(30, "18043-0")],
        "dilated": [diagnosis("icd", "I42.0")],
        "snomed": [diagnosis("sct", "399020009")],
        "both": [diagnosis("icd", "I50.9"), fraction(30)],
        "above": [fraction(41)],
        "recovered": [fraction(30, effectiveDateTime="2025-01-02"), fraction(55)],
        "old": [fraction(30, effectiveDateTime="2015-01-02")],
        "implausible": [fraction(0.3)],
        "about": [diagnosis("icd", "I42.0", verificationStatus=concept("v", "provisional"))],
    }
    ward.load({name: [flutter, *items] for name, items in patients.items()}, born="1990-01-01")
    said = ward.ask("cha2ds2-va")
    assert {name for name in patients if said[name].value == 1} == {
        *("forty", "by-ultrasound", "dilated", "snomed", "both")
    }
    assert {name for name in patients if said[name].value == 0} == {"above", "recovered", "old"}
    assert "The point for heart failure is by left ventricular ejection fraction" in said["forty"].text
    assert "The point for heart failure is by" not in said["both"].text
