# ruff: noqa: E501 - tables are written as they are
"""Cells of `mapping new` that name nobody, results that are no numbers, and records that were entered in error."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.workshop.drafts import converted, of


@pytest.mark.parametrize(
    ("name", "none"),
    [("Hausarzt", "kein HA"), ("Hausarzt", "kein Hausarzt"), ("Usual GP", "None"), ("Registered GP", "No registered GP"), ("Médecin traitant", "aucun"),
     ("Medico curante", "senza medico"), ("Medico de cabecera", "sin médico"), ("Huisarts", "geen huisarts"), ("GP name", "not known")],
)  # fmt: skip
def test_words_for_nobody_are_no_names(tmp_path: Path, name: str, none: str) -> None:
    text = f"patient_id,surname,first_name,dob,{name},weight_kg,visit_date\n" + "".join(
        f"P{n},Smith{n},Ann{n},1990-02-1{n},{none if n % 3 == 0 else f'Dr No Nguyen {n}'},6{n},2024-01-1{n}\n"
        for n in range(9)
    )
    _, made, mapping = converted(tmp_path, text)
    doctors = Counter(str(patient.get("generalPractitioner")) for patient in of(made, "Patient"))
    assert doctors["None"] == 3
    assert sum(1 for shown in doctors if "Nguyen" in shown) == 6
    assert f"{name}: {none} is taken for that there is none: is it?" in mapping


def test_laws_are_the_kind_of_insurance_and_the_guarantor_pays(tmp_path: Path) -> None:
    text = "Fall-Nr.;PID;Name;Vorname;Eintritt;Austritt;Garant;Kostenträger\n" + "".join(
        f"24{n:04};6002{n % 5};Rossi{n % 5};Eva;1{n % 9}.03.2024;2{n % 9}.03.2024;{['Visana', 'Suva'][n % 5 % 2]};{['KVG', 'UVG'][n % 5 % 2]}\n"
        for n in range(20)
    )
    _, made, mapping = converted(tmp_path, text)
    covers = {(c["payor"][0]["display"], c["type"]["text"]) for c in of(made, "Coverage")}
    assert covers == {("Visana", "KVG"), ("Suva", "UVG")}
    assert "is it the kind of insurance (Coverage.type), as is assumed?" in mapping
    _, made, mapping = converted(
        tmp_path, text.replace("Garant", "Versicherer").replace("Kostenträger", "Kasse")
    )
    assert {(c["payor"][0]["display"], c["type"]["text"]) for c in of(made, "Coverage")} == covers
    alone = (
        "\n".join(";".join([*line.split(";")[:6], line.split(";")[7]]) for line in text.splitlines()) + "\n"
    )
    _, made, mapping = converted(tmp_path, alone)
    assert of(made, "Coverage") == []
    assert "Kostenträger: looks like the kind of an insurance" in mapping


@pytest.mark.parametrize(
    ("header", "name"), [("Code Term", "Blood pressure reading"), ("test", "O/E - BP"), ("Examen", "TA")]
)
def test_two_pressures_among_results_are_components(tmp_path: Path, header: str, name: str) -> None:
    text = f"patient_id,event_date,{header},value,unit\n" + "".join(
        f"P{n % 4},2024-01-1{n % 9},{[name, 'Body weight', 'Visual acuity'][n % 3]},{[f'1{40 + n}/{80 + n}', ('Not done', '7' + str(n % 10), 'NK')[n // 3 % 3], '6/9'][n % 3]},{['mmHg', 'kg', ''][n % 3]}\n"
        for n in range(27)
    )
    _, made, mapping = converted(tmp_path, text)
    by_name = {
        each: [r for r in of(made, "Observation") if r["code"]["text"] == each]
        for each in (name, "Body weight", "Visual acuity")
    }
    assert len(by_name[name]) == 9
    for result in by_name[name]:
        assert result["code"]["coding"][0]["code"] == "85354-9"
        values = [part["valueQuantity"]["value"] for part in result["component"]]
        assert values[0] - values[1] == 60
        assert "valueString" not in result
        assert result["category"][0]["coding"][0]["code"] == "vital-signs"
    weights = Counter(
        "number" if "valueQuantity" in r else r.get("valueString", "none") for r in by_name["Body weight"]
    )
    assert weights == {"number": 3, "none": 6}
    assert all(("category" in r) == ("valueQuantity" in r) for r in by_name["Body weight"])
    assert {r["valueString"] for r in by_name["Visual acuity"]} == {"6/9"}
    assert f"is {name} the blood pressure of the body (LOINC 85354-9), as is assumed?" in mapping


def test_letters_of_flags_are_read_together(tmp_path: Path) -> None:
    def flags(letters: str, *, names: str) -> tuple[set[str], str]:
        text = f"{names}\n" + "".join(
            f"P{n % 4};Rossi{n % 4};Ugo;1{n % 9}/01/2024;K;Potassio;4,{n};mmol/L;{letters[n % len(letters)].strip()}\n"
            for n in range(24)
        )
        _, made, mapping = converted(tmp_path, text)
        shown = {
            str(i["coding"][0]["code"] if "coding" in i else i["text"] + "?")
            for r in of(made, "Observation")
            for i in r.get("interpretation", [])
        }
        return shown, mapping

    italian = "COD_PAZIENTE;COGNOME;NOME;DATA_PRELIEVO;COD_ESAME;DESCR_ESAME;RISULTATO;UDM;ALLARME"
    shown, mapping = flags("AB ", names=italian)
    assert shown == {"H", "L"}
    assert "'a' → H, 'b' → L" in mapping
    assert flags("A ", names=italian)[0] == {"A?"}
    assert flags("HL ", names=italian)[0] == {"H", "L"}
    english = "patient_id;surname;first_name;collected_date;test_code;test_name;result;unit;flag"
    assert flags("AB ", names=english)[0] == {"A?", "B?"}
    assert flags("AN", names=english)[0] == {"A", "N"}


@pytest.mark.parametrize(
    "name", ["Error_Flag", "Artefact", "Artifact flag", "Entered_In_Error", "fehlerhaft"]
)
def test_what_is_marked_as_an_error_is_not_final(tmp_path: Path, name: str) -> None:
    text = f"mrn,charttime,item,value,unit,{name}\n" + "".join(
        f"{n % 3},2024-02-1{n % 9} 0{n % 9}:{10 + n},Heart Rate,{'---' if n == 5 else 70 + n},bpm,{int(n % 6 == 0)}\n"
        for n in range(18)
    )
    _, made, mapping = converted(tmp_path, text)
    assert Counter(r["status"] for r in of(made, "Observation")) == {"final": 15, "entered-in-error": 3}
    assert not any("---" in str(r) for r in of(made, "Observation"))
    assert f"{name}: rows with 1 are taken for cancelled or entered in error" in mapping


@pytest.mark.parametrize("name", ["Access Site", "Puncture site", "Zugang"])
def test_where_a_catheter_went_in_is_not_where_was_measured(tmp_path: Path, name: str) -> None:
    text = f"mrn,cath_date,{name},Ht (cm),Wt (kg),HR\n" + "".join(
        f"{n},2024-02-1{n},{['R femoral', 'L radial', 'R jugular'][n % 3]},17{n},7{n},6{n}\n"
        for n in range(9)
    )
    _, made, mapping = converted(tmp_path, text)
    assert len(of(made, "Observation")) == 27
    assert not any("bodySite" in r for r in of(made, "Observation"))
    assert f"{name}: looks like the site of the body" in mapping
