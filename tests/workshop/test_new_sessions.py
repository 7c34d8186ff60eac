# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: what was measured before and after something, in a unit, or at a second time of day."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fhir_bridge.workshop.first_mapping import draft_mapping
from tests.workshop.drafts import converted


def named(made: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    return [r for r in made if r["resourceType"] == "Observation" and r["code"].get("text") == text]


def loinc(resource: dict[str, Any]) -> str:
    return str(resource["code"]["coding"][0]["code"])


def session(rows: int = 14) -> str:
    body = "".join(
        f"40{n % 5};0{n % 9 + 1}-09-2025;{7 + n % 5:02}:15;{11 + n % 5:02}:20;{70 + n},5;{68 + n},1;{130 + n}/80;{140 + n}/85;{60 + n};{1000 + n};{250 + n}\n"
        for n in range(rows)
    )
    return f"PatNr;Datum;Aanvang;Einde;Gewicht voor (kg);Gewicht na (kg);RR voor;RR na;Pols voor;UF (ml);Qb (ml/min)\n{body}"


def test_before_and_after_are_coded_as_without_and_stand_at_start_and_end(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, session())
    before, after = named(made, "Gewicht voor"), named(made, "Gewicht na")
    assert len(before) == len(after) == 14
    assert {loinc(r) for r in (*before, *after)} == {"29463-7"}
    assert all(
        "T07" <= r["effectiveDateTime"][10:13] <= "T11" and ":15" in r["effectiveDateTime"] for r in before
    )
    assert all(
        "T11" <= r["effectiveDateTime"][10:13] <= "T15" and ":20" in r["effectiveDateTime"] for r in after
    )
    assert {loinc(r) for r in named(made, "Pols voor")} == {"8867-4"}


def test_two_blood_pressures_of_one_row_are_two(tmp_path: Path) -> None:
    _, made, mapping = converted(tmp_path, session())
    first, second = named(made, "RR voor"), named(made, "RR na")
    assert len(first) == len(second) == 14
    assert {loinc(r) for r in (*first, *second)} == {"85354-9"}
    assert len({r["id"] for r in (*first, *second)}) == 28
    assert "- rule: blood-pressure-2" in mapping


def test_a_number_in_a_unit_is_no_ward_and_no_limit(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, session())
    assert {r["valueQuantity"]["code"] for r in named(made, "UF")} == {"mL"}
    assert {r["valueQuantity"]["code"] for r in named(made, "Qb")} == {"mL/min"}


def test_an_end_before_its_start_is_left_out_and_asked(tmp_path: Path) -> None:
    rows = "".join(
        f"81{n};1{n % 9}/05/2025;Hernioplastia;{'23:05' if n == 3 else '08:10'};{'01:15' if n == 3 else '09:40'};Dr. Casas\n"
        for n in range(12)
    )
    _, made, mapping = converted(
        tmp_path, f"NHC;Fecha intervencion;Procedimiento;Hora inicio;Hora fin;Anestesiologo\n{rows}"
    )
    periods = [r["performedPeriod"] for r in made if r["resourceType"] == "Procedure"]
    assert sum("end" in period for period in periods) == 11
    assert "1 rows have it before Hora inicio, so on the day after" in mapping


def test_what_is_after_something_without_an_end_is_asked(tmp_path: Path) -> None:
    rows = "".join(f"7{n};2025-03-{n + 10};{8 + n / 10:.1f};{9 + n / 10:.1f};{70 + n}\n" for n in range(12))
    _, made, mapping = converted(tmp_path, f"MRN;Date;Hb pre (g/dl);Hb post (g/dl);Pulse pre\n{rows}")
    assert {loinc(r) for r in (*named(made, "Hb pre"), *named(made, "Hb post"))} == {"718-7"}
    assert "Hb post (g/dl): measured after what Date is the time of; when?" in mapping


def test_blood_groups_and_doctors_are_known_by_their_cells(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = "".join(
        f"5{n};{('A pos', '0 neg')[n % 2]};{('A pos', '0 pos')[n % 2]};Dr. {('Seidel', 'Ostermann')[n % 2]}\n"
        for n in range(12)
    )
    table.write_text(f"PatNr;XY;Konserve BG;Transf.\n{rows}", "utf-8")
    roles = {guess.column: guess.role for guess in draft_mapping(table).guesses}
    assert (roles["XY"], roles["Konserve BG"], roles["Transf."]) == (
        "blood-group",
        "product-group",
        "provider",
    )


def test_what_is_left_over_is_no_identifier(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    rows = "".join(f"5{n},{1000 + n},{n % 3},Aspirin,{n % 4}\n" for n in range(30))
    table.write_text(f"MRN,RX_NUM,FILL_NUMBER,DRUG_NAME,REFILLS_REMAINING\n{rows}", "utf-8")
    roles = {guess.column: guess.role for guess in draft_mapping(table).guesses}
    assert roles["FILL_NUMBER"] == "fill-number"
    assert roles["REFILLS_REMAINING"] == "refills-left"
