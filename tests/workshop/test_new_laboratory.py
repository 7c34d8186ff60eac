# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: exports of laboratories: flags by their cells, codes beside names, samples, who asked for what; corrections."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workshop.drafts import converted, converted_again, of

_TESTS = (
    ("K", "Kalium", "2823-3", "4,1", "mmol/l", "3,5", "5,1", ""),
    ("NAX", "Natrium im Serum", "2951-2", "128", "mmol/l", "136", "145", "-"),
    ("KREA", "Kreatinin", "2160-0", "1,9", "mg/dl", "0,5", "1,2", "+"),
    ("HAUS7", "Hausmethode sieben", "", "812", "U/l", "10", "40", "++"),
)


def results(mark: str = "Markierung", asked: str = "Anforderer", state: str = "F") -> str:
    rows = []
    for n in range(8):
        for place, (code, name, loinc, value, unit, low, high, flag) in enumerate(_TESTS):
            doctor = "" if (n + place) % 5 == 4 else f"Dr. Sommer{'abc'[n % 3]}"
            rows.append(
                f"A9{n:04};04{n // 2:04};{n // 2 + 13}.04.1957;{doctor};{('N', 'X7')[n % 2]};Serum;A9{n:04}-{place % 2};{n + 10}.03.2026 08:10;{n + 10}.03.2026 09:20;"
                f"{code};{name};{loinc};{value};{unit};{low};{high};{flag};{state};{n + 10}.03.2026 11:00\n"
            )
    return (
        f"Auftragsnummer;PatNr;GebDat;{asked};Prio;Material;ProbenNr;Entnahme;Eingang;Analyt;Bezeichnung;LOINC;Ergebnis;Einheit;Ref_unten;Ref_oben;{mark};Status;Befunddatum\n"
        + "".join(rows)
    )


@pytest.mark.parametrize("name", ["Markierung", "Kennz", "Vlag", "Repère"])
def test_how_far_from_normal_a_result_is_is_in_its_cells(tmp_path: Path, name: str) -> None:
    _, made, mapping = converted(tmp_path, results(name))
    flags = {
        (r["code"]["text"], r.get("interpretation", [{"coding": [{"code": ""}]}])[0]["coding"][0]["code"])
        for r in of(made, "Observation")
    }
    assert flags == {
        ("Kalium", ""),
        ("Natrium im Serum", "L"),
        ("Kreatinin", "H"),
        ("Hausmethode sieben", "HH"),
    }
    assert f"{name}: do its words mean HL7's codes of an interpretation" in mapping


def test_the_short_one_of_two_names_is_the_code_and_is_in_the_key(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, results())
    assert len(of(made, "Observation")) == 32  # one has no LOINC
    codes = {
        (c["code"], c["display"], r["code"]["text"])
        for r in of(made, "Observation")
        for c in r["code"]["coding"]
        if c["system"].startswith("urn:x-local:")
    }
    assert codes == {(code, name, name) for code, name, *_ in _TESTS}


def test_a_correction_is_the_same_result(tmp_path: Path) -> None:
    text = results(state="P").replace(";P;10.", ";F;10.")
    _, made, _ = converted(tmp_path, text)
    again, code = converted_again(
        tmp_path, text.replace(";P;", ";F;").replace(";128;", ";131;").replace(" 11:00", " 15:30")
    )
    assert code == 0
    assert {r["id"] for r in of(made, "Observation")} == {r["id"] for r in of(again, "Observation")}


def test_an_empty_cell_is_no_second_person_who_asked(tmp_path: Path) -> None:
    _, made, mapping = converted(tmp_path, results())
    orders = of(made, "ServiceRequest")
    assert len(orders) == 8
    assert all(r["requester"]["display"].startswith("Dr. Sommer") for r in orders)
    assert all(r["basedOn"] for r in of(made, "Observation"))
    assert "Anforderer: blank in some rows of an order" in mapping
    assert {r.get("priority", "") for r in orders} == {""}
    assert "Prio: looks like how urgent it is" in mapping
    assert "ServiceRequest.priority" in mapping


def test_the_number_of_a_sample_is_its_own(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, results())
    samples = of(made, "Specimen")
    assert {r["identifier"][0]["value"] for r in samples} == {
        f"A9{n:04}-{k}" for n in range(8) for k in range(2)
    }
    assert {r["type"]["text"] for r in samples} == {"Serum"}


def test_a_priority_that_is_not_understood_is_asked_and_loses_no_row(tmp_path: Path) -> None:
    text = results().replace(";N;Serum", ";dringend;Serum").replace(";X7;Serum", ";Stufe 9;Serum")
    _, made, mapping = converted(tmp_path, text)
    assert {r.get("priority", "") for r in of(made, "ServiceRequest")} == {"urgent", ""}
    assert "Prio: which priority (routine, urgent, asap or stat) does each of these mean: stufe 9?" in mapping


def test_a_sender_that_is_a_place_is_no_doctor_s_number(tmp_path: Path) -> None:
    text = (
        results(asked="Einsender")
        .replace("Dr. Sommera", "GY1 Frauenklinik")
        .replace("Dr. Sommerb", "CH02 Chirurgie 2")
    )
    guesses, made, _ = converted(tmp_path, text.replace("Dr. Sommerc", "IN3 Innere Medizin"))
    assert guesses["Einsender"].role == "organization"
    assert not [r for r in made if "identifier" in r.get("requester", {})]


def test_a_status_in_words_that_are_not_understood_is_not_final(tmp_path: Path) -> None:
    _, made, mapping = converted(tmp_path, results(state="Kategorie 7"))
    assert {r["status"] for r in of(made, "Observation")} == {"unknown"}
    assert "Status: does it say the status of each Observation? Its words are not understood" in mapping
