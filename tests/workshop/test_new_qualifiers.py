# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: what qualifies the measurements of a row is said of them, is part of their key, and is none itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.workshop.drafts import converted


def of(made: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [r for r in made if r["resourceType"] == kind]


def named(made: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    return [r for r in of(made, "Observation") if r["code"].get("text") == text]


def test_before_and_after_are_two_measurements_of_one_time(tmp_path: Path) -> None:
    rows = "".join(
        f"R{n},1{n}-Jun-2023,{160 + n},{phase},{3 + n / 10:.1f},{2 + n / 10:.1f},{80 + n}\n"
        for n in range(8)
        for phase in ("Pre", "Post")
    )
    _, made, mapping = converted(
        tmp_path,
        f"Patient ID,Test Date,Height (cm),Pre/Post BD,FVC (L),FEV1 (L),FVC %Pred\n{rows}".replace(
            ",11", ",1"
        ),
    )
    assert len(named(made, "FVC")) == 16
    assert {r["note"][0]["text"] for r in named(made, "FVC")} == {"Pre/Post BD: Pre", "Pre/Post BD: Post"}
    assert not named(made, "Pre/Post BD")
    assert {r["valueQuantity"]["code"] for r in named(made, "FVC %Pred")} == {"%"}
    assert "Pre/Post BD: does it hold for all measurements of its row" in mapping


def test_what_says_how_one_thing_was_measured_is_of_that_alone(tmp_path: Path) -> None:
    rows = "".join(
        f"0{n % 5},2024-02-{n + 10} 15:27,{98 + n / 10:.1f},{('Oral', 'Temporal')[n % 2]},{70 + n},{110 + n},{60 + n},{('Sitting', 'Supine')[n % 2]},{50 + n}\n"
        for n in range(14)
    )
    _, made, mapping = converted(
        tmp_path, f"PAT_MRN,RECORDED_TIME,TEMP_F,TEMP_SRC,HR,SBP,DBP,BP_POSITION,WEIGHT_KG\n{rows}"
    )
    assert {r["bodySite"]["text"] for r in named(made, "TEMP_F")} == {"Oral", "Temporal"}
    assert not any("bodySite" in r or "extension" in r for r in named(made, "HR"))
    positions = {r["extension"][0]["valueCodeableConcept"]["text"] for r in named(made, "Blood pressure")}
    assert positions == {"Sitting", "Supine"}
    assert len(of(made, "Observation")) == 14 * 4
    assert "TEMP_SRC: does it say where or how TEMP_F was measured" in mapping


def test_the_phase_of_a_result_is_in_its_key(tmp_path: Path) -> None:
    rows = "".join(
        f"70{n};14.03.2024 07:{n + 10};Natrium;{130 + n + more};mmol/l;{phase}\n"
        for n in range(12)
        for more, phase in enumerate(("vor", "nach"))
    )
    _, made, _ = converted(tmp_path, f"PatNr;Abnahme;Analyse;Ergebnis;Einheit;Dialyse\n{rows}")
    assert len(of(made, "Observation")) == 24
    assert {r["note"][0]["text"] for r in of(made, "Observation")} == {"vor", "nach"}


def test_a_place_with_code_and_name_is_one(tmp_path: Path) -> None:
    rows = "".join(
        f"81{n};24{n};02/12/198{n % 10};{n + 10}/09/2023;{(2110, 2145)[n % 2]};{('CARDIOLOGIE HC', 'PNEUMOLOGIE')[n % 2]};{n + 12}/09/2023\n"
        for n in range(12)
    )
    _, made, _ = converted(tmp_path, f"IPP;NUM_SEJOUR;DDN;DATE_ENTREE;UF;LIB_UF;DATE_SORTIE\n{rows}")
    places = [r["location"] for r in of(made, "Encounter")]
    assert {len(p) for p in places} == {1}
    assert {(p[0]["location"]["identifier"]["value"], p[0]["location"]["display"]) for p in places} == {
        ("2110", "CARDIOLOGIE HC"),
        ("2145", "PNEUMOLOGIE"),
    }
