# ruff: noqa: E501 - tables are written as they are
"""What a name is of as a whole: relatives, durations, limits of alarms, numbers of visits, in `mapping new`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workshop.drafts import converted, of


@pytest.mark.parametrize(
    "name",
    [
        "MOTHERS_MAIDEN_NAME",
        "Mother's Maiden Name",
        "FATHER_S_SURNAME",
        "SPOUSES_LAST_NAME",
        "Geburtsname der Mutter",
        "Husband's first name",
        "Apellido de la madre",
        "BROTHERS_SURNAME",
    ],
)
def test_names_of_relatives_are_not_the_patients(tmp_path: Path, name: str) -> None:
    text = f"patient_id,surname,first_name,dob,sex,{name},weight_kg,visit_date\n" + "".join(
        f"P{n},Smith{n},Ann{n},1990-02-1{n},F,Jones{n},6{n},2024-01-1{n}\n" for n in range(9)
    )
    _, made, mapping = converted(tmp_path, text)
    for patient in of(made, "Patient"):
        assert "Jones" not in str(patient["name"])
        assert [each["family"][:5] for each in patient["name"]] == ["Smith"]
    assert name in mapping


@pytest.mark.parametrize(
    "name", ["Mothers_Nationality", "Spouse_City", "Father's Language", "Wife_Occupation", "Mother_ZIP"]
)
def test_what_relatives_are_is_not_the_patients(tmp_path: Path, name: str) -> None:
    text = f"patient_id,surname,first_name,dob,{name},weight_kg,visit_date\n" + "".join(
        f"P{n},Smith{n},Ann{n},1990-02-1{n},Else{n % 3},6{n},2024-01-1{n}\n" for n in range(9)
    )
    _, made, mapping = converted(tmp_path, text)
    assert not any("Else" in str(r) for r in of(made, "Patient"))
    assert f"{name}: looks like about another person than the patient" in mapping


@pytest.mark.parametrize(
    "name",
    [
        "Pflegetage",
        "Pflegedauer",
        "Arztdauer",
        "Arzttage",
        "Stationstage",
        "Physician minutes",
        "Nurse hours",
        "Jours infirmier",
        "Anzahl Ärzte",
        "Krankenhausdauer",
    ],
)
def test_durations_and_counts_are_no_persons_and_no_places(tmp_path: Path, name: str) -> None:
    text = f"Fallnr;PatNr;Aufnahmedatum;Entlassdatum;Station;{name}\n" + "".join(
        f"F{n:04};P{n % 5:03};1{n % 9}.01.2024;2{n % 9}.01.2024;M3;{n % 13}\n" for n in range(26)
    )
    guesses, made, mapping = converted(tmp_path, text)
    visits = of(made, "Encounter")
    assert len(visits) == 26
    for visit in visits:
        assert "participant" not in visit
        assert [each["location"]["display"] for each in visit["location"]] == ["M3"]
    assert guesses[name].role in ("los", "number", "duration", "count")
    assert f"{name}" in mapping


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("Alarm_Low", "Alarm_High"),
        ("Low_Alarm_Limit", "High_Alarm_Limit"),
        ("Alarm_Min", "Alarm_Max"),
        ("Alarmgrenze unten", "Alarmgrenze oben"),
        ("Panic Low", "Panic High"),
    ],
)
def test_limits_of_alarms_are_none_of_what_is_normal(tmp_path: Path, low: str, high: str) -> None:
    text = f"mrn,charttime,item,value,unit,{low},{high},ref_low,ref_high\n" + "".join(
        f"{n % 3},2024-02-1{n % 9} 0{n % 9}:00,Heart Rate,{70 + n},bpm,45,130,60,100\n" for n in range(18)
    )
    _, made, mapping = converted(tmp_path, text)
    for result in of(made, "Observation"):
        [normal] = result["referenceRange"]
        assert (normal["low"]["value"], normal["high"]["value"]) == (60, 100)
    assert f"{low}, {high}: looks like a limit at which a device or a laboratory alarms" in mapping


@pytest.mark.parametrize(
    "name",
    [
        "ICU_Admission_ID",
        "Ward_Admission_ID",
        "ICU_Adm_No",
        "NICU_Admission_Number",
        "Station_Fallnr",
        "Unit Stay No",
    ],
)
def test_a_place_before_the_number_of_a_visit_is_part_of_its_name(tmp_path: Path, name: str) -> None:
    text = (
        f"UR_Number,{name},Bed,ICU_Admit_DT,ICU_Disch_DT,ICU_Consultant,Chart_DT,item_id,item,value,unit,flag\n"
        + "".join(
            f"UR{n % 4},ICU23-41{n % 4},B0{n % 4},2023-11-0{n % 4 + 1} 06:48,2023-11-1{n % 4} 09:48,Dr B Callaghan,2023-11-0{n % 4 + 2} 0{n % 9}:00,2001,Heart Rate,{70 + n},bpm,{'HN'[n % 2]}\n"
            for n in range(24)
        )
    )
    _, made, _ = converted(tmp_path, text)
    visits = of(made, "Encounter")
    assert sorted(visit["identifier"][0]["value"] for visit in visits) == [f"ICU23-41{n}" for n in range(4)]
    for visit in visits:
        assert set(visit["period"]) == {"start", "end"}
        assert [each["individual"]["display"] for each in visit["participant"]] == ["Dr B Callaghan"]
        assert [each["location"]["display"][0] for each in visit["location"]] == ["B"]
    assert all("encounter" in result for result in of(made, "Observation"))
    _, made, _ = converted(tmp_path, text.replace(name, "Admission_Ward_ID").replace("ICU23", "W"))
    assert not any(
        "ICU23" in str(visit.get("identifier")) or "W-41" in str(visit.get("identifier"))
        for visit in of(made, "Encounter")
    )


@pytest.mark.parametrize("name", ["Doctor_Sex", "Arztgeschlecht", "Nurse gender"])
def test_the_sex_of_who_works_there_is_not_the_patients(tmp_path: Path, name: str) -> None:
    text = f"mrn,surname,first_name,dob,{name},weight_kg,visit_date\n" + "".join(
        f"{n},Smith{n},Ann{n},1990-02-1{n},{'mf'[n % 2]},6{n},2024-01-1{n}\n" for n in range(9)
    )
    _, made, mapping = converted(tmp_path, text)
    assert not any("gender" in patient for patient in of(made, "Patient"))
    assert name in mapping
