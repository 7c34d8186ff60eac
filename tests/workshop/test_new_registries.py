# ruff: noqa: E501 - tables are written as they are
"""Tables of national registries and laboratories: whose they are, what they are about, and names that only they have."""

from __future__ import annotations

from pathlib import Path

from tests.workshop.drafts import converted, of

STAY = "UR31{p},{p},M,60,2023-11-0{a} 06:48,2023-11-1{a} 09:48,{end},2023-11-0{b} {h:02}:00,2023-11-0{b} {h:02}:07,{code},{test},{value},{unit},Monitor\n"


def test_a_chart_beside_a_stay_is_of_its_results(tmp_path: Path) -> None:
    header = "UR_Number,Bed,Sex,Admit_Weight_kg,ICU_Admit_DT,ICU_Disch_DT,Discharge_Status,Chart_DT,Store_DT,Item_ID,Item_Label,Value,UOM,Source\n"
    rows = "".join(
        STAY.format(
            p=n % 3, a=n % 3 + 1, b=n % 3 + 2, h=n % 24, end=("Alive", "Died", "Ward")[n % 3], value=60 + n,
            code=(1001, 1050, 2005)[n % 4 % 3], test=("Heart Rate", "Resp Rate", "FiO2 set")[n % 4 % 3], unit=("bpm", "/min", "%")[n % 4 % 3],
        )
        for n in range(48)
    )  # fmt: skip
    _, made, mapping = converted(tmp_path, header + rows)
    assert len(of(made, "Observation")) == 48
    assert all("issued" in r for r in of(made, "Observation"))
    assert "so neither is made" not in mapping
    assert "how or with what it was measured (Observation.method, Observation.device)" in mapping


def test_the_patient_of_a_registry_of_children_is_the_child(tmp_path: Path) -> None:
    header = "ID_ENFANT;NOM;PRENOM;DDN;SEXE;NOM_NAISSANCE_MERE;DATE_VACCINATION;VACCIN;LABORATOIRE;NUM_LOT;SITE_INJECTION;PRESCRIPTEUR;LIEU;ORIGINE_INFO\n"
    rows = "".join(
        f"E10{n % 7};DUVAL;Lou;0{n % 7 + 1}/05/2019;F;PAYET{n % 7};{n + 1:02}/09/2023;{('Priorix', 'Infanrix Hexa')[n % 2]};{('Pfizer', 'Sanofi')[n % 2]};"
        f"L{n}A;{('cuisse D', 'deltoïde G')[n % 2]};Dr BEL;PMI Lyon;{('administré', 'historique')[n % 3 == 0]}\n"
        for n in range(20)
    )
    _, made, mapping = converted(tmp_path, header + rows)
    children = of(made, "Patient")
    assert {c["identifier"][0]["value"] for c in children} == {f"E10{n}" for n in range(7)}
    assert {c["name"][0]["family"] for c in children} == {"DUVAL"}
    assert {e["valueString"][:5] for c in children for e in c["extension"]} == {"PAYET"}
    given = of(made, "Immunization")
    assert len(given) == 20
    assert {r["manufacturer"]["display"] for r in given} == {"Pfizer", "Sanofi"}
    assert {r["location"]["display"] for r in given} == {"PMI Lyon"}
    assert {r["site"]["text"] for r in given} == {"cuisse D", "deltoïde G"}
    assert sorted({r["primarySource"] for r in given}) == [False, True]
    assert "ID_ENFANT: does it identify the patient, as is assumed?" in mapping


def test_numbers_of_a_laboratory_are_orders_and_who_authorised_is_no_requester(tmp_path: Path) -> None:
    header = "Hosp No,Surname,DOB,Sex,Lab No,Requester,Priority,Specimen Type,Collected,Received,Authorised,Authorised By,Test Code,Test Name,Result,Units\n"
    rows = "".join(
        f"H77{n % 6},Ash,0{n % 6 + 1}/02/1961,M,24B{n:04},Dr K Lim,{('Routine', 'Urgent')[n % 2]},{('SER', 'UR')[n % 2]},0{n % 9 + 1}/03/2024 08:1{n % 9},"
        f"0{n % 9 + 1}/03/2024 09:00,0{n % 9 + 1}/03/2024 11:00,Dr A Poe,{code},{name},{value},mmol/L\n"
        for n in range(18)
        for code, name, value in (("NA", "Sodium", 140), ("K", "Potassium", 4.1))
    )
    _, made, mapping = converted(tmp_path, header + rows)
    orders = of(made, "ServiceRequest")
    assert {o["identifier"][0]["value"][:3] for o in orders} == {"24B"}
    assert {o["requester"]["display"] for o in orders} == {"Dr K Lim"}
    assert {o["priority"] for o in orders} == {"routine", "urgent"}
    assert {p["display"] for r in of(made, "Observation") for p in r["performer"]} == {"Dr A Poe"}
    kinds = {(c["system"][-7:], c["code"]) for s in of(made, "Specimen") for c in s["type"]["coding"]}
    assert kinds == {("v2-0487", "SER"), ("v2-0487", "UR")}
    assert (
        "Specimen Type: are its codes of HL7's table 0487 (specimen type), as is assumed, or of HL7's table 0070"
        in mapping
    )


def test_stays_of_spanish_and_dutch_hospitals(tmp_path: Path) -> None:
    header = "NHC|NOMBRE|FECNAC|MUNICIPIO_RESID|NUM_EPISODIO|FECHA_INGRESO|FECHA_ALTA|PROCEDENCIA|CIRCUNSTANCIA_ALTA|DIAG_PRINCIPAL|PROC_PRINCIPAL\n"
    rows = "".join(
        f"88{n % 6}|ANA|0{n % 6 + 1}/02/1950|{('SEVILLA', 'UTRERA')[n % 6 % 2]}|E70{n}|{n + 1:02}/05/2024 10:00|{n + 3:02}/05/2024 10:00|OTRO HOSPITAL|"
        f"{('TRASLADO', 'EXITUS', 'DOMICILIO')[n % 3]}|{('I21.4', 'K35.80')[n % 2]}|{('0DTJ4ZZ', '4A023N7', '02703ZZ')[n % 3]}\n"
        for n in range(18)
    )
    _, made, _ = converted(tmp_path, header + rows)
    ends = [v["hospitalization"]["dischargeDisposition"] for v in of(made, "Encounter")]
    assert {e["text"]: [c["code"] for c in e.get("coding", ())] for e in ends} == {
        "TRASLADO": [],
        "EXITUS": ["exp"],
        "DOMICILIO": ["home"],
    }
    assert {c["system"] for p in of(made, "Procedure") for c in p["code"]["coding"]} == {
        "http://www.cms.gov/Medicare/Coding/ICD10"
    }
    assert {p["address"][0]["city"] for p in of(made, "Patient")} == {"SEVILLA", "UTRERA"}
    header = "Patientnummer;Achternaam;Geboortedatum;Burgerlijke staat;Opnamenummer;Opnamedatum;Ontslagdatum;Herkomst opname;Bestemming na ontslag;Hoofddiagnose ICD10;Nevendiagnose;Ligduur\n"
    rows = "".join(
        f"30{n % 6};Bakker;0{n % 6 + 1}-02-1950;gehuwd;O50{n};{n + 1:02}-05-2024 10:00;{n + 4:02}-05-2024 10:00;Thuis;{('Overleden', 'Verpleeghuis')[n % 2]};{('I21.4', 'J44.1')[n % 2]};{('', 'E11.9', 'I10')[n % 3]};3\n"
        for n in range(18)
    )
    _, made, _ = converted(tmp_path, header + rows, "opnames.csv")
    visits = of(made, "Encounter")
    assert {v["length"]["value"] for v in visits} == {3}
    assert {v["hospitalization"]["dischargeDisposition"]["text"] for v in visits} == {
        "Overleden",
        "Verpleeghuis",
    }
    assert {c["code"] for v in visits for r in v.get("reasonCode", ()) for c in r["coding"]} == {
        "E11.9",
        "I10",
    }
    assert {c["code"]["coding"][0]["code"] for c in of(made, "Condition")} == {"I21.4", "J44.1"}
    assert all("maritalStatus" in p for p in of(made, "Patient"))


CATHS = "".join(
    f'26{n % 7},CL23{n:03},M,4/{n + 1}/2023,"Hadley, J",{("Heart failure", "Pre-transplant")[n % 2]},{60 + n},{20 + n},{8 + n},{("None", "Hematoma")[n % 4 == 0]}\n'
    for n in range(20)
)


def test_measurements_of_a_catheter_study_are_part_of_a_procedure(tmp_path: Path) -> None:
    header = "MRN,Cath #,Sex,Cath Date,Attending,Indication,HR,PA mean (mmHg),RA mean (mmHg),Complications\n"
    _, made, mapping = converted(tmp_path, header + CATHS)
    done = {f"Procedure/{p['id']}": p for p in of(made, "Procedure")}
    assert len(done) == 20
    assert {p["identifier"][0]["value"][:4] for p in done.values()} == {"CL23"}
    assert {p["code"]["text"] for p in done.values()} == {"Cath"}
    assert {p["reasonCode"][0]["text"] for p in done.values()} == {"Heart failure", "Pre-transplant"}
    assert [c["text"] for p in done.values() for c in p.get("complication", ())] == ["Hematoma"] * 5
    assert {p["performer"][0]["actor"]["display"] for p in done.values()} == {"Hadley, J"}
    found = of(made, "Observation")
    assert len(found) == 60
    assert all(r["partOf"][0]["reference"] in done for r in found)
    assert "were the measurements made in a procedure that is called 'Cath'" in mapping


def test_a_date_that_names_no_procedure_makes_none(tmp_path: Path) -> None:
    header = "MRN,Visit ID,Sex,Visit Date,Physician,Reason,HR,PA mean (mmHg),RA mean (mmHg),Complications\n"
    _, made, _ = converted(tmp_path, header + CATHS)
    assert not of(made, "Procedure")
