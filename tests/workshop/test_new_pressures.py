# ruff: noqa: E501 - tables are written as they are
"""Pressures of a vessel or chamber are not the body's blood pressure, and units are not carried between measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workshop.drafts import converted, of


def _codes(made: list[dict[str, Any]]) -> dict[str, str]:
    """The code of LOINC of each text of Observations, empty without one."""
    return {
        r["code"]["text"]: next(
            iter(c["code"] for c in r["code"].get("coding", []) if c["system"] == "http://loinc.org"), ""
        )
        for r in of(made, "Observation")
    }


def _table(names: list[str], *, high: bool = False, sep: str = ",") -> str:
    rows = [sep.join(["mrn", "cath_date", *names])]
    for n in range(9):
        cells = [(n + 38 - 9 * place) + (90 if high else 0) for place in range(len(names))]
        rows.append(sep.join([str(1000 + n), f"2024-02-1{n}", *map(str, cells)]))
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    "names",
    [
        ["PA sys", "PA dias", "PCWP"],
        ["PA systolic (mmHg)", "PA diastolic (mmHg)", "RVEDP"],
        ["PAs", "PAd", "wedge"],
        ["PA (s)", "PA (d)", "RA mean"],
        ["PAP systolisch", "PAP diastolisch", "ZVD"],
        ["Pulm. art. systolic", "Pulm. art. diastolic", "CI Fick"],
    ],
)
def test_the_artery_of_the_lungs_is_not_the_body(tmp_path: Path, names: list[str]) -> None:
    _, made, _ = converted(tmp_path, _table(names))
    codes = list(_codes(made).values())
    assert {"8440-0", "8385-7"} <= set(codes)
    assert not {"8480-6", "8462-4", "85354-9"} & set(codes)
    assert all(
        r["valueQuantity"]["code"] == "mm[Hg]" for r in of(made, "Observation") if "8440-0" in str(r["code"])
    )


@pytest.mark.parametrize(
    "names",
    [["RV systolic", "RV diastolic"], ["Ao sys (mmHg)", "Ao dias (mmHg)"], ["Ankle systolic", "RA mean"]],
)
def test_other_places_have_no_code_of_the_body(tmp_path: Path, names: list[str]) -> None:
    _, made, mapping = converted(tmp_path, _table([*names, "PCWP"]))
    assert not {"8480-6", "8462-4", "85354-9", "8478-0"} & set(_codes(made).values())
    assert names[0].removesuffix(" (mmHg)") in _codes(made)
    assert "no code is known of what is measured" in mapping


def test_a_dimension_of_a_chamber_is_no_pressure(tmp_path: Path) -> None:
    text = "mrn,echo_date,LVd,LVs,LV sys,RV dia,EF (%)\n" + "".join(
        f"{n},2024-02-1{n},4.{n},3.{n},3{n},2{n},5{n}\n" for n in range(9)
    )
    guesses, made, _ = converted(tmp_path, text)
    assert {guesses[name].unit for name in ("LVd", "LVs", "LV sys", "RV dia")} & {"mm[Hg]"} == set()
    assert not {"8430-1", "8375-8", "8480-6", "8462-4"} & set(_codes(made).values())


def test_in_romance_languages_and_when_high_it_is_the_body(tmp_path: Path) -> None:
    french = "IPP;Date examen;Nom;Prénom;{};Poids (kg)\n" + "".join(
        f"100{n};1{n}/02/2024;Nom{n};Pre{n};{{}}{n};{{}}{n};60\n" for n in range(9)
    )
    _, made, _ = converted(tmp_path, french.format("PA systolique;PA diastolique", *["12", "7"] * 9))
    assert "85354-9" in _codes(made).values()
    _, made, _ = converted(tmp_path, french.format("PA systolique;PAPO", *["4", "1"] * 9))
    assert _codes(made)["PA systolique"] == "8440-0"
    _, made, mapping = converted(tmp_path, _table(["PA sys", "PA dia"], high=True))
    assert set(_codes(made).values()) == {""}
    assert "is it the pressure in the artery of the lungs or of the body?" in mapping


def test_two_numbers_of_the_lungs_are_components_of_theirs(tmp_path: Path) -> None:
    text = "mrn,cath_date,PA,RV systolic,ABP\n" + "".join(
        f"{n},2024-02-1{n},{45 + n}/{22 + n},{50 + n},{120 + n}/{70 + n}\n" for n in range(9)
    )
    _, made, _ = converted(tmp_path, text)
    assert _codes(made) == {"PA": "76284-9", "RV systolic": "", "ABP": "85354-9"}
    [lungs] = [
        r
        for r in of(made, "Observation")
        if r["code"]["text"] == "PA" and r["effectiveDateTime"] == "2024-02-10"
    ]
    parts = {c["code"]["coding"][0]["code"]: c["valueQuantity"]["value"] for c in lungs["component"]}
    assert parts == {"8440-0": 45, "8385-7": 22}


def test_the_rows_of_a_chart_have_the_code_of_their_vessel(tmp_path: Path) -> None:
    items = ("PA Systolic", "PA Diastolic", "LV Systolic", "RV Systolic", "ABP Systolic")
    text = "mrn,charttime,item,value,unit\n" + "".join(
        f"{n % 3},2024-02-1{n} 08:00,{item},{40 + n + 10 * place},mmHg\n"
        for n in range(9)
        for place, item in enumerate(items)
    )
    _, made, _ = converted(tmp_path, text)
    assert _codes(made) == {
        "PA Systolic": "8440-0",
        "PA Diastolic": "8385-7",
        "LV Systolic": "8430-1",
        "RV Systolic": "",
        "ABP Systolic": "8480-6",
    }


@pytest.mark.parametrize(
    "names", [("CO Fick (L/min)", "CI Fick"), ("TD CO (L/min)", "TD CI"), ("Flow rest (L/min)", "Index rest")]
)
def test_a_unit_is_not_that_of_another_measurement(tmp_path: Path, names: tuple[str, str]) -> None:
    text = f"mrn,cath_date,{','.join(names)}\n" + "".join(f"{n},2024-02-1{n},4.{n},2.{n}\n" for n in range(9))
    guesses, made, mapping = converted(tmp_path, text)
    units = {r["code"]["text"]: r["valueQuantity"].get("code", "") for r in of(made, "Observation")}
    assert units[names[0].removesuffix(" (L/min)")] == "L/min"
    assert units[names[1]] == ("L/min/m2" if "CI" in names[1] else "")
    assert f"{names[1]}: " in mapping
    assert guesses[names[1]].unit != "L/min"


def test_a_target_has_the_unit_of_what_it_is_the_target_of(tmp_path: Path) -> None:
    text = "mrn,visit_date,Gewicht (kg),Streefgew.\n" + "".join(
        f"{n},2024-02-1{n},7{n}.5,7{n}\n" for n in range(9)
    )
    guesses, _, _ = converted(tmp_path, text)
    assert guesses["Streefgew."].unit == "kg"
