# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: what a row is about, by what its columns say together: germs, bags of blood, supplies, births."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.workshop.drafts import converted


def of(made: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [r for r in made if r["resourceType"] == kind]


GERMS = "IPP;N° DEMANDE;DATE PRELEV;DATE RECEPTION;NATURE PRELEVEMENT;CODE GERME;GERME;CODE ATB;ANTIBIOTIQUE;CMI (mg/L);SIR;BLSE\n" + "".join(
    f"01385{n};B25{n};{n + 10}/09/2025;{n + 10}/09/2025 09:01;{('Hémoculture', 'ECBU')[n % 2]};{code};{germ};{atb};{drug};{mic};{sir};NON\n"
    for n in range(8)
    for code, germ in (("STAAUR", "Staphylococcus aureus"), ("ESCCOL", "Escherichia coli"))
    for atb, drug, mic, sir in (("OXA", "Oxacilline", "<=0,25", "S"), ("VAN", "Vancomycine", ">8", "R"))
)  # fmt: skip


def test_susceptibility_is_a_result_of_its_organism_and_no_condition(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, GERMS)
    assert not of(made, "Condition")
    tested = [r for r in of(made, "Observation") if "interpretation" in r]
    assert len(tested) == 32
    germs = {r["component"][0]["valueCodeableConcept"]["text"] for r in tested}
    assert germs == {"Staphylococcus aureus", "Escherichia coli"}
    organisms = {r["id"]: r for r in of(made, "Observation") if "interpretation" not in r}
    assert len(organisms) == 16  # two in one sample stay apart
    for result in tested:
        source = organisms[result["derivedFrom"][0]["reference"].removeprefix("Observation/")]
        assert (
            source["valueCodeableConcept"]["text"] == result["component"][0]["valueCodeableConcept"]["text"]
        )
    assert {r["code"]["text"] for r in tested} == {"Oxacilline", "Vancomycine"}
    assert {(r["valueQuantity"]["comparator"], r["valueQuantity"]["value"]) for r in tested} == {
        ("<=", 0.25),
        (">", 8),
    }


def test_a_sample_has_its_time_of_receipt(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, GERMS)
    samples = of(made, "Specimen")
    assert len(samples) == 8
    assert all("T09:01" in r["receivedTime"] for r in samples)
    assert {r["specimen"]["reference"] for r in of(made, "Observation")} == {
        f"Specimen/{r['id']}" for r in samples
    }


def test_two_bags_at_one_time_are_two_and_what_was_not_given_is_not(tmp_path: Path) -> None:
    rows = "".join(
        f"77{n};A pos;DE54 25 34{n}{bag};EK;A pos;1{n}.03.2025 15:30;mtla07;1{n}.03.2025 17:31;1{n}.03.2025 19:01;310;8,4;9,7;{('keine', 'Fieber')[n % 2]};{('transfundiert', 'zurück')[bag]};Dr. Seidel\n"
        for n in range(8)
        for bag in range(2)
    )
    _, made, mapping = converted(
        tmp_path,
        f"Pat-ID;BG Pat.;Konserven-Nr;Präparat;BG Kons.;Ausgabe;Ausgegeben von;Transf.-Beginn;Transf.-Ende;Menge (ml);Hb vor (g/dl);Hb nach (g/dl);Transf.-Reaktion;Status;Transf. Arzt\n{rows}",
    )
    given = of(made, "MedicationAdministration")
    assert len(given) == 16
    assert sorted(r["status"] for r in given) == ["completed"] * 8 + ["not-done"] * 8
    assert all(r["effectivePeriod"]["start"] < r["effectivePeriod"]["end"] for r in given)
    assert {r["performer"][0]["actor"]["display"] for r in given} == {"Dr. Seidel"}
    assert {r["dosage"]["dose"]["code"] for r in given} == {"mL"}
    groups = [r for r in of(made, "Observation") if r["code"]["text"] == "BG Pat"]
    assert groups
    assert not [r for r in of(made, "Observation") if "Kons" in r["code"]["text"]]
    assert "BG Kons.: looks like the blood group of a blood product" in mapping


def test_a_supply_is_one_of_its_prescription(tmp_path: Path) -> None:
    rows = "".join(
        f"R{1000 + n // 2}|27{n // 4}|52{n // 2}|05/{n // 2 + 10}/2025|{n % 2}|06/{n + 10}/2025 04:18:00 PM|METFORMIN 500 MG TABLET|{30 + n}|TAB|30|{n % 3}|BAXTER, THOMAS|1384708180|MAIN PHARMACY|{('Dispensed', 'Returned to Stock')[n % 5 == 0]}\n"
        for n in range(16)
    )
    _, made, mapping = converted(
        tmp_path,
        f"RX_NUM|PAT_MRN_ID|ORDER_MED_ID|ORDERING_DATE|FILL_NUMBER|DISPENSE_DTTM|MEDICATION_NAME|DISPENSE_QTY|DISPENSE_UNIT|DAYS_SUPPLY|REFILLS_REMAINING|AUTHPROV_NAME|AUTHPROV_NPI|DISP_PHARMACY|FILL_STATUS\n{rows}",
    )
    supplies, orders = of(made, "MedicationDispense"), of(made, "MedicationRequest")
    assert (len(supplies), len(orders)) == (16, 8)
    assert {r["status"] for r in supplies} == {"completed", "cancelled"}
    assert all("T16:18" in r["whenHandedOver"] for r in supplies)
    assert {r["quantity"]["unit"] for r in supplies} == {"TAB"}
    assert all(
        r["requester"]["display"] == "BAXTER, THOMAS"
        and r["requester"]["identifier"]["value"] == "1384708180"
        for r in orders
    )
    assert "numberOfRepeatsAllowed: " not in mapping
    assert "REFILLS_REMAINING: how many supplies remain is not how many are allowed" in mapping


def test_the_one_person_that_is_described_is_the_patient_and_a_newborns_facts_are_withheld(
    tmp_path: Path,
) -> None:
    rows = "".join(
        f"H9{n // 2},Clarke{n // 2},Ciara,15/01/200{n // 2 % 9},2{n // 2}/07/2025 13:13,Ward 27,3,2{n // 2}/07/2025 18:00,{200 + n},M,41{n}1,9,Livebirth,3{n // 16}/07/2025\n"
        for n in range(16)
    )
    _, made, mapping = converted(
        tmp_path,
        f"Hospital No,Mother Surname,Mother Forename,Mother DOB,Admit Dt,Admit Ward,Gravida,Delivery Dt,EBL ml,Baby Sex,Birthwt g,Apgar 1,Outcome,Disch Dt\n{rows}",
    )
    patients = of(made, "Patient")
    assert len(patients) == 8
    assert all(
        r["name"][0]["given"] == ["Ciara"] and r["birthDate"].startswith("200") and "gender" not in r
        for r in patients
    )
    assert len(of(made, "Encounter")) == 8  # twins are born in one stay
    texts = {r["code"]["text"] for r in of(made, "Observation")}
    assert texts == {"Gravida", "EBL"}
    assert "Baby Sex, Birthwt g, Apgar 1, Outcome: looks like about another person" in mapping


def test_no_known_allergy_is_stated_and_no_complication_is_none(tmp_path: Path) -> None:
    rows = "".join(
        f"17{n};1{n % 9}/05/2025;Hernioplastia;{('Penicilina', 'No conocidas')[n % 2]};{('No', 'Hipotensión')[n % 3 == 0]};Dra. Vidal;{70 + n},5\n"
        for n in range(12)
    )
    _, made, _ = converted(
        tmp_path,
        f"NHC;Fecha intervencion;Procedimiento;Alergias;Complicaciones;Anestesiólogo;Peso (kg)\n{rows}",
    )
    allergies = of(made, "AllergyIntolerance")
    assert {(r["code"]["text"], r["code"].get("coding", [{}])[0].get("code")) for r in allergies} == {
        ("Penicilina", None),
        ("No conocidas", "716186003"),
    }
    done = of(made, "Procedure")
    assert [r["complication"][0]["text"] for r in done if "complication" in r] == ["Hipotensión"] * 4


def test_letters_for_the_sex_are_read_in_the_language_of_the_header(tmp_path: Path) -> None:
    for name, words in (
        ("Gesl.", {"V": "female", "M": "male"}),
        ("Sexo", {"V": "male", "M": "female"}),
        ("Kjønn", {"K": "female", "M": "male"}),
    ):
        rows = "".join(f"8{n};1950-01-1{n % 9};{list(words)[n % 2]}\n" for n in range(12))
        _, made, _ = converted(tmp_path, f"PatNr;Geb.dat.;{name}\n{rows}")
        assert [
            r["gender"] for r in sorted(of(made, "Patient"), key=lambda r: int(r["identifier"][0]["value"]))
        ] == [words[list(words)[n % 2]] for n in range(12)], name


def test_what_was_only_asked_for_is_an_order(tmp_path: Path) -> None:
    rows = "".join(
        f"RSSMRA5{n}A01H501U;0300A{1000 + n};1{n % 9}/03/2025;Dr. Conti;{('U', 'P')[n % 2]};Ecografia addome;Dolore;Radiologia;1{n % 9}/05/2025;10:{n + 10};Amb. 3;{('prenotato', 'annullato')[n % 2]}\n"
        for n in range(12)
    )
    _, made, mapping = converted(
        tmp_path,
        f"COD_PAZIENTE;NRE;DATA_PRESCRIZIONE;MEDICO_PRESCRITTORE;PRIORITA;PRESTAZIONE;QUESITO_DIAGNOSTICO;BRANCA;DATA_APPUNTAMENTO;ORA_APPUNTAMENTO;AMBULATORIO;STATO\n{rows}",
    )
    orders = of(made, "ServiceRequest")
    assert len(orders) == 12
    assert not of(made, "Procedure")
    assert {(r["status"], r["priority"]) for r in orders} == {("active", "urgent"), ("revoked", "routine")}
    assert all(r["authoredOn"].startswith("2025-03") and "T10:" in r["occurrenceDateTime"] for r in orders)
    assert {r["requester"]["display"] for r in orders} == {"Dr. Conti"}
    assert "is it when it is to be done, as is assumed, or an Appointment of its own?" in mapping


def test_a_stage_is_no_identifier(tmp_path: Path) -> None:
    rows = "".join(
        f"10{n};H/2025/{n + 10000};1{n % 9}.02.2025;Exzisat;Basaliom;C44.5;{('pT1', 'pT2', '')[n % 3]};{('G1', 'G3')[n % 2]};Dr. Roth\n"
        for n in range(24)
    )
    guesses, made, _ = converted(
        tmp_path,
        f"Pat.-Nr.;Journalnummer;Entnahmedatum;Materialart;Diagnose;ICD-10;pT;Grading;Einsender\n{rows}",
    )
    assert guesses["pT"].role == "category"
    assert {r["code"]["text"] for r in of(made, "Observation")} == {"pT", "Grading"}
    assert not any("asserter" in r for r in of(made, "Condition"))


def test_the_group_of_a_bag_is_never_that_of_the_patient(tmp_path: Path) -> None:
    rows = "".join(
        f"M7{n},{('O POS', 'A NEG')[n % 2]},W0001 25 1000{n},{('RBC LR', 'FFP')[n % 2]},O POS,0{n % 9 + 1}/20/2025 09:10,JT,0{n % 9 + 1}/20/2025 10:10,0{n % 9 + 1}/20/2025 12:20,{250 + n},{('Transfused', 'Returned')[n % 2]}\n"
        for n in range(12)
    )
    _, made, _ = converted(
        tmp_path,
        f"MRN,Pt ABO/Rh,Unit Number,Component,Unit ABO/Rh,Issue Date/Time,Issued By,Transfusion Start,Transfusion End,Volume (mL),Unit Status\n{rows}",
    )
    groups = [r for r in of(made, "Observation") if "ABO" in r["code"]["text"]]
    assert {r["code"]["text"] for r in groups} == {"Pt ABO/Rh"}
    given = of(made, "MedicationAdministration")
    assert {(r["medicationCodeableConcept"]["text"], r["status"]) for r in given} == {
        ("RBC LR", "completed"),
        ("FFP", "not-done"),
    }
    assert len({r["identifier"][0]["value"] for r in given}) == 12


def test_what_is_planned_was_not_done(tmp_path: Path) -> None:
    rows = "".join(
        f"04{n};{n % 9 + 10}/03/2025 09:00;{n % 9 + 10}/06/2026;PTH;{70 + n},5;{160 + n};12{n % 9}/80;{60 + n}\n"
        for n in range(12)
    )
    _, made, mapping = converted(
        tmp_path, f"IPP;DATE CONSULT;DATE INTERV PREVUE;INTERVENTION;POIDS (kg);TAILLE (cm);TA;FC\n{rows}"
    )
    assert not of(made, "Procedure")
    assert all(r["effectiveDateTime"].startswith("2025-03") for r in of(made, "Observation"))
    assert "DATE INTERV PREVUE: looks like when something is planned" in mapping


def test_a_newborn_that_is_the_patient_has_its_own_facts(tmp_path: Path) -> None:
    rows = "".join(
        f"80{n};Abel{n};Mia;1{n % 9}.02.2025;9{n};{2500 + n};{n % 4 + 6};{n % 3 + 7};7,2{n % 9}\n"
        for n in range(12)
    )
    _, made, mapping = converted(
        tmp_path,
        f"Pat-Nr;Name;Vorname;Geb.-Datum;Mutter Pat-Nr;Geburtsgewicht (g);APGAR 1;APGAR 5;NS-pH\n{rows}",
    )
    codes = {r["code"].get("coding", [{}])[0].get("code") for r in of(made, "Observation")}
    assert {"8339-4", "9272-6", "9274-2"} <= codes
    assert "Mutter Pat-Nr: looks like about another person" in mapping
