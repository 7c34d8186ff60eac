# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: tables of wards and laboratories in five languages: letters, words for a status, numbers of people, times."""

from __future__ import annotations

from pathlib import Path

from tests.workshop.drafts import converted, converted_again, of

PRESCRIPTIONS = "NHC;Nº Episodio;F. Nacimiento;Sexo;Unidad;Cama;Nº Orden;Fecha prescripción;Médico prescriptor;Nº Colegiado;Cód. Nacional;Medicamento;Principio activo;ATC;Dosis;Ud. dosis;Vía;Pauta;Estado"
_DRUGS = (
    ("712786", "ENOXAPARINA ROVI 40 mg", "enoxaparina sódica", "B01AB05", "40", "mg"),
    ("654321", "PARACETAMOL KABI 1 g", "paracetamol", "N02BE01", "1", "g"),
    ("700145", "BISOPROLOL NORMON 2,5 mg", "bisoprolol", "C07AB07", "2,5", "mg"),
    ("661213", "SALBUTAMOL ALDO 100", "salbutamol", "R03AC02", "2", "puff"),
)
_STATES = ("Activa", "Finalizada", "Suspendida", "Anulada")
_DOCTORS = (
    ("Dra. Elena Prats", "464619823"),
    ("Dr. Luis Bermejo", "080845671"),
    ("Dr. Joan Mas", "281234567"),
)


def prescriptions(count: int = 24) -> str:
    rows = []
    for n in range(count):
        number, product, substance, atc, dose, unit = _DRUGS[n % 4]
        doctor, licence = _DOCTORS[n % 3]
        rows.append(
            f"49{n % 6}241;E2469{n % 6};{n % 6 + 10}/10/1942;{'HM'[n % 2]};{('TRA', 'CAR')[n % 2]};{n % 6 + 200}-B;88{n:04};"
            f"{n % 9 + 15}/04/2024 19:37;{doctor};{licence};{number};{product};{substance};{atc};{dose};{unit};VO;cada 8 h;{_STATES[(n + n // 4) % 4]}"
        )
    return "\n".join([PRESCRIPTIONS, *rows, ""])


def test_a_cancelled_order_is_not_active_in_whatever_gender(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, prescriptions())
    orders = of(made, "MedicationRequest")
    assert len(orders) == 24
    assert {r["status"] for r in orders} == {"active", "completed", "stopped", "cancelled"}
    for order in orders:
        number = int(order["identifier"][0]["value"][2:])
        assert order["status"] == ("active", "completed", "stopped", "cancelled")[(number + number // 4) % 4]


def test_an_abbreviated_unit_beside_a_dose_is_its_unit(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, prescriptions())
    doses = {
        (d["value"], d["unit"])
        for r in of(made, "MedicationRequest")
        for d in [r["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]]
    }
    assert doses == {(40, "mg"), (1, "g"), (2.5, "mg"), (2, "puff")}


def test_a_licence_number_is_that_of_its_doctor_and_never_the_order_s(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, prescriptions())
    for order in of(made, "MedicationRequest"):
        assert [i["value"][:2] for i in order["identifier"]] == ["88"]
        requester = order["requester"]
        assert (requester["display"], requester["identifier"]["value"]) in _DOCTORS


RESULTS = "MRN,DOB,Accession #,Ordering Provider,Provider NPI,Order Dt/Tm,Collected,Rec'd in Lab,Specimen,Test Name,LOINC,Result,Units,Flag,Result Status"


def results(flags: str = "HL") -> str:
    rows = [
        f'034{n % 4}2373,07/1{n % 4}/1942,24-19{n},"Ramaswamy, Anita MD",1234567893,07/{n + 13}/2024 16:02,07/{n + 13}/2024 17:08,'
        f"07/{n + 13}/2024 17:54,Serum,Potassium,2823-3,{n % 3 + 3}.1,mmol/L,{flags.split('|')[n % len(flags.split('|'))]},F"
        for n in range(12)
    ]
    return "\n".join([RESULTS, *rows, ""])


def test_letters_of_an_interpretation_that_the_sample_lacks_are_codes_later(tmp_path: Path) -> None:
    converted(tmp_path, results("H|L|"))
    made, code = converted_again(tmp_path, results("HH|LL|AA|H|A|N"))
    assert code == 0
    found = {
        r["interpretation"][0]["coding"][0]["code"] for r in of(made, "Observation") if "interpretation" in r
    }
    assert found == {"HH", "LL", "AA", "H", "A", "N"}


def test_received_in_the_laboratory_is_that_of_the_specimen(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, results("H|L|"))
    assert {r["receivedTime"][11:16] for r in of(made, "Specimen")} == {"17:54"}


def test_the_number_of_who_ordered_results_goes_with_the_name(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, results("H|L|"))
    for order in of(made, "ServiceRequest"):
        assert order["requester"]["display"] == "Ramaswamy, Anita MD"
        assert order["requester"]["identifier"] == {
            "system": "http://hl7.org/fhir/sid/us-npi",
            "value": "1234567893",
        }


def test_french_times_join_the_date_beside_them(tmp_path: Path) -> None:
    rows = "".join(
        f"80{n};LEFEVRE;1{n % 9}/04/1967;{n + 13}/03/2024;0{n % 9}h2{n % 9};85;127;81\n" for n in range(12)
    )
    _, made, _ = converted(tmp_path, f"IPP;Nom;Date naiss.;Date relevé;Heure relevé;FC;PAS;PAD\n{rows}")
    rates = [r for r in of(made, "Observation") if r["code"]["text"] == "FC"]
    assert len(rates) == 12
    assert min(r["effectiveDateTime"][:16] for r in rates) == "2024-03-13T00:20"


ADMISSIONS = "Fallnr;PatNr;Name;Vorname;Geb.Dat.;Geschl.;Krankenkasse;Vers.-Nr.;Aufnahmeart;Aufn.-Datum;Fachabt.;Station;Entl.-Datum;Entl.-Art"
_NUMBERS = ("U991548601", "R170579494", "R947168134", "B772675858")


def admissions(numbers: tuple[str, ...], count: int = 12, first: int = 0) -> str:
    rows = [
        f"2400{n + first:04};43{n % 4}958;Aydin{'abcd'[n % 4]};Elif;0{n % 4 + 1}.11.1962;W;AOK Plus;{numbers[n % len(numbers)]};Notfall;"
        f"{n + 13}.01.2024;{('UCH', 'URO')[n % 2]};C{n % 3};{n + 14}.01.2024;regulär"
        for n in range(count)
    ]
    return "\n".join([ADMISSIONS, *rows, ""])


def test_a_patient_without_a_number_of_the_insured_is_a_patient(tmp_path: Path) -> None:
    _, made, mapping = converted(tmp_path, admissions((*_NUMBERS, *_NUMBERS[:3], "")))
    assert len(of(made, "Patient")) == 4
    assert {i["value"] for r in of(made, "Coverage") for i in r.get("identifier", [])} == set(_NUMBERS)
    assert "blank in some rows of a patient" in mapping
    made, code = converted_again(tmp_path, admissions(("",), 4, 40))
    assert code == 0
    assert len(of(made, "Patient")) == len(of(made, "Encounter")) == 4


def test_letters_for_the_sex_are_asked_in_the_order_of_their_words(tmp_path: Path) -> None:
    rows = "".join(f"18{n};Bakker{n};1{n % 9}-05-1950;{'MV'[n % 2]};{70 + n}\n" for n in range(12))
    _, _, mapping = converted(tmp_path, f"Patiëntnr;Achternaam;Geboortedatum;Geslacht;Pols\n{rows}")
    assert "Geslacht: do V and M mean vrouw and man, as is assumed?" in mapping


def test_a_national_code_is_the_medicine_s_and_the_substance_names_the_code_of_atc(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, prescriptions())
    known = {(number, product, substance, atc) for number, product, substance, atc, *_ in _DRUGS}
    for order in of(made, "MedicationRequest"):
        drug = order["medicationCodeableConcept"]
        atc, local = drug["coding"]
        assert (local["code"], drug["text"], atc["display"], atc["code"]) in known
        assert local["system"].startswith("urn:x-local:")
    assert not any("extension" in r for r in of(made, "Patient"))


def test_a_ward_s_code_is_not_that_of_a_bed(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, prescriptions())
    for visit in of(made, "Encounter"):
        ward, bed = (place["location"] for place in visit["location"])
        assert ward["display"] in ("TRA", "CAR")
        assert bed["display"].endswith("-B")
        assert "identifier" not in ward | bed


def test_a_specialty_beside_a_ward_is_the_service(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, admissions(_NUMBERS))
    visits = of(made, "Encounter")
    assert {r["serviceType"]["text"] for r in visits} == {"UCH", "URO"}
    assert {p["location"]["display"] for r in visits for p in r["location"]} == {"C0", "C1", "C2"}


_OPERATIONS = (
    ("47.01", "Appendicectomia laparoscopica", "540.9", "Appendicite acuta"),
    ("53.04", "Riparazione di ernia inguinale", "550.90", "Ernia inguinale"),
    ("51.23", "Colecistectomia laparoscopica", "574.10", "Calcolosi della colecisti"),
)


def test_codes_of_procedures_and_of_diagnoses_have_the_texts_that_share_their_noun(tmp_path: Path) -> None:
    rows = []
    for n in range(24):
        code, text, diagnosis, words = _OPERATIONS[n % 3]
        words = words if n != 5 else words.upper()
        rows.append(
            f"BLLTTV8{n % 4}T63H501K;Bellini;2{n % 4}/12/1985;F;20230204{n:02};{n % 9 + 13}/09/2023;CHG;{('RO', 'DH', 'DS')[n % 3]};"
            f"{n % 9 + 14}/09/2023;11.{n + 10};14.{n + 10};{code};{text};Dott. Ricci M.;{diagnosis};{words}"
        )
    header = "Cod. Fiscale;Cognome;Data di nascita;Sesso;N. nosologico;Data ricovero;Reparto;Regime;Data intervento;Ora inizio;Ora fine;Cod. ICD9-CM;Descrizione intervento;1° operatore;Cod. diagnosi;Descr. diagnosi"
    _, made, mapping = converted(tmp_path, "\n".join([header, *rows, ""]))
    system = "http://hl7.org/fhir/sid/icd-9-cm"
    known = {code: (text, diagnosis, words) for code, text, diagnosis, words in _OPERATIONS}
    done = of(made, "Procedure")
    assert len(done) == 24
    for procedure in done:
        [coding], [reason] = procedure["code"]["coding"], procedure["reasonCode"]
        text, diagnosis, words = known[coding["code"]]
        assert (coding["system"], procedure["code"]["text"]) == (system, text)
        assert (reason["coding"][0]["system"], reason["coding"][0]["code"]) == (system, diagnosis)
        assert reason["text"].casefold() == words.casefold()
    assert not of(made, "Coverage")
    assert {r["class"]["code"] for r in of(made, "Encounter")} == {"IMP", "SS"}
    assert "Cod. ICD9-CM: are these codes of procedures of ICD-9-CM, as is assumed?" in mapping


def test_um_beside_a_dose_is_a_unit(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, prescriptions().replace("Ud. dosis", "UM"))
    units = {
        r["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]["unit"]
        for r in of(made, "MedicationRequest")
    }
    assert units == {"mg", "g", "puff"}
