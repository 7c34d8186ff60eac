"""CHA2DS2-VA over a store: which codes count, and for whom it is not meant."""

from __future__ import annotations

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
