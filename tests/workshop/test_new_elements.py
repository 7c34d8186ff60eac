# ruff: noqa: E501 - tables and lines of mappings are written as they are
"""Columns that belong to an element though their names are written in another way: results, stays, what another list has the codes of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workshop.drafts import converted, of

RESULTS = "{order};{patient};{sex};{taken};{code};{test};{value};{unit};{low};{high};{prior};{prior_on};{device};{state};{signed};{town}\n"
LANGUAGES = {
    "it": "NUM_RICHIESTA ID_PAZIENTE SESSO DATA_PRELIEVO COD_ESAME DESCR_ESAME RISULTATO UDM RIF_MIN RIF_MAX RISULTATO_PREC DATA_PREC STRUMENTO STATO FIRMATARIO COMUNE_RESIDENZA",
    "it2": "NUM_RICHIESTA ID_PAZIENTE SESSO DATA_PRELIEVO COD_ESAME DESCR_ESAME RISULTATO UDM LIM_INF LIM_SUP PRECEDENTE_RISULTATO DATA_PRECEDENTE ANALIZZATORE STATO FIRMATARIO COMUNE_DI_RESIDENZA",
    "es": "NUM_PETICION NHC SEXO FECHA_EXTRACCION COD_PRUEBA DESC_PRUEBA RESULTADO UNIDAD VAL_REF_INF VAL_REF_SUP RESULTADO_ANTERIOR FECHA_ANTERIOR ANALIZADOR ESTADO FACULTATIVO_FIRMANTE MUNICIPIO_RESIDENCIA",
    "fr": "NUM_DEMANDE IPP SEXE DATE_PRELEVEMENT CODE_ANALYSE LIB_ANALYSE RESULTAT UNITE BORNE_INF BORNE_SUP RESULTAT_ANTERIEUR DATE_ANTERIEURE AUTOMATE STATUT SIGNATAIRE COMMUNE_RESIDENCE",
    "de": "Auftragsnr Patientennr Geschlecht Abnahmedatum Analysencode Analysenname Ergebnis Einheit Referenz_unten Referenz_oben Vorwert Vorwert_Datum Messgerät Status Unterzeichner Wohngemeinde",
    "nl": "Ordernr Patientnr Geslacht Afnamedatum Bepalingcode Bepaling Uitslag Eenheid Referentie_laag Referentie_hoog Vorige_uitslag Vorige_datum Analyseapparaat Status Ondertekenaar Woonplaats",
    "en": "OrderNo PatientID Sex Collected TestCode TestName Result Units RefLow RefHigh PreviousResult PreviousDate Analyser Status SignedBy Town",
}  # fmt: skip
FINAL = {"it": "VALIDATO PRELIMINARE", "es": "VALIDADO PRELIMINAR", "fr": "validé préliminaire", "de": "endgültig vorläufig", "nl": "definitief voorlopig", "en": "final preliminary"}  # fmt: skip


def results(language: str) -> str:
    """Results of five patients, as a laboratory writes them in a language."""
    keys = "order patient sex taken code test value unit low high prior prior_on device state signed town".split()
    header = RESULTS.format(**dict(zip(keys, LANGUAGES[language].split(), strict=True)))
    final, preliminary = FINAL[language[:2]].split()
    tests = (
        ("CREA", "S-Creatinin", "mg/dL", "0,5", "1,2", "0,93"),
        ("HB", "Sg-Hemoglobin", "g/dL", "12", "16", "13,1"),
        ("UGLU", "U-Glucose", "mg/dL", "1", "15", "7,5"),
    )
    return header + "".join(
        f"R24{n};P70{n % 5};{'MF'[n % 5 % 2]};{n % 27 + 1:02}/03/2024 08:{n + 10};{code};{name};{value};{unit};{low};{high};"
        f"{('8,8', '')[n % 2]};{('01/02/2023', '')[n % 2]};ACL TOP;{preliminary if n % 4 == 0 else final};DR. GATTI;{('Monza', 'Lodi')[n % 5 % 2]}\n"
        for n in range(20)
        for code, name, unit, low, high, value in tests
    )  # fmt: skip


@pytest.mark.parametrize("language", [*LANGUAGES])
def test_what_laboratories_call_limits_devices_and_earlier_results(tmp_path: Path, language: str) -> None:
    _, made, mapping = converted(tmp_path, results(language))
    names = LANGUAGES[language].split()
    found = of(made, "Observation")
    assert {(r["referenceRange"][0]["low"]["value"], r["referenceRange"][0]["high"]["value"]) for r in found} == {
        (0.5, 1.2), (12, 16), (1, 15),
    }  # fmt: skip
    assert {r["device"]["display"] for r in found} == {"ACL TOP"}
    assert {p["display"] for r in found for p in r["performer"]} == {"DR. GATTI"}
    assert {r["status"] for r in found} == {"final", "preliminary"}
    assert {p["address"][0]["city"] for p in of(made, "Patient")} == {"Monza", "Lodi"}
    assert "8.8" not in str(made)
    earlier = [
        line
        for line in mapping.splitlines()
        if "an Observation of its own with its own effective time" in line
    ]
    assert names[10] in str(earlier)
    assert names[11] in str(earlier)


def test_a_prefix_of_a_laboratory_says_where_it_was_measured(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, results("en"))
    codes = {
        r["code"]["text"]: [c["code"] for c in r["code"]["coding"] if c["system"] == "http://loinc.org"]
        for r in of(made, "Observation")
    }
    assert codes == {"S-Creatinin": ["2160-0"], "Sg-Hemoglobin": ["718-7"], "U-Glucose": []}
    plasma = results("en").replace("Sg-Hemoglobin", "P-Hemoglobin")
    _, made, _ = converted(tmp_path, plasma, "plasma.csv")
    assert "718-7" not in str(made)  # which is of whole blood


def stays(header: str, gone: str = "Todesfall") -> str:
    return header + "\n" + "".join(
        f"{9000 + n};P{n % 6};Meier;Urs;0{n % 6 + 1}.03.1950;m;{n % 27 + 1:02}.04.2024 10:00;{n % 27 + 2:02}.04.2024 10:00;"
        f"{('Zuhause', 'Pflegeheim')[n % 2]};{gone if n == 3 else ('Zuhause', 'Rehabilitation')[n % 2]};"
        f"{('Dr. med. H. Frei', 'Selbsteinweisung')[n % 3 == 0]};Dr. med. C. Wyss;{('Helsana', 'CSS')[n % 6 % 2]};"
        f"{('J18.9', 'I50.01', 'C50.4')[n % 3]};{('Pneumonie', 'Herzinsuffizienz', 'Brustkrebs')[n % 3]};{('', '51.23', '89.0A.12')[n % 3]}\n"
        for n in range(18)
    )  # fmt: skip


SWISS = "Fall-Nr.;PID;Name;Vorname;Geb.-Datum;Geschl.;Eintritt;Austritt;Aufenthalt vor Eintritt;Aufenthalt nach Austritt;Zuweiser;Fallverantw. Arzt;Garant;HD ICD;HD Text;CHOP HB"
OTHER = "Fallnummer;Patientennr;Name;Vorname;Geburtsdatum;Geschlecht;Eintrittsdatum;Austrittsdatum;Herkunft vor Eintritt;Entlassungsziel;Zuweisender Arzt;Behandelnder Arzt;Garant;Hauptdiagnose ICD;Hauptdiagnose Text;Hauptbehandlung CHOP"


@pytest.mark.parametrize(("header", "gone"), [(SWISS, "Todesfall"), (OTHER, "Verstorben")])
def test_stays_of_swiss_hospitals(tmp_path: Path, header: str, gone: str) -> None:
    _, made, mapping = converted(tmp_path, stays(header, gone))
    names = header.split(";")
    visits = of(made, "Encounter")
    ways: list[dict[str, Any]] = [v["hospitalization"] for v in visits]
    assert {w["admitSource"]["text"] for w in ways} == {"Zuhause", "Pflegeheim"}
    ends = {
        w["dischargeDisposition"]["text"]: [c["code"] for c in w["dischargeDisposition"].get("coding", ())]
        for w in ways
    }
    assert ends == {"Zuhause": ["home"], "Rehabilitation": [], gone: ["exp"]}
    referred = [p for v in visits for p in v["participant"] if p["type"][0]["coding"][0]["code"] == "REF"]
    assert {p["individual"]["display"] for p in referred} == {"Dr. med. H. Frei"}
    assert f"{names[10]}: Selbsteinweisung is taken for that there is none: is it?" in mapping
    diseases = {f"Condition/{c['id']}": c for c in of(made, "Condition")}
    assert len(diseases) == len(visits)
    for visit in visits:
        [diagnosis] = visit["diagnosis"]
        condition = diseases[diagnosis["condition"]["reference"]]
        assert (diagnosis["rank"], condition["encounter"]["reference"]) == (1, f"Encounter/{visit['id']}")
        assert condition["subject"] == visit["subject"]
        assert condition["category"][0]["coding"][0]["code"] == "encounter-diagnosis"
        assert "reasonCode" not in visit
    assert {c["code"]["text"] for c in diseases.values()} == {"Pneumonie", "Herzinsuffizienz", "Brustkrebs"}
    assert (
        f"{names[13]}: is it the principal diagnosis of the visit (a Condition in Encounter.diagnosis), as is assumed"
        in mapping
    )
    done = {(c["system"], c["code"]) for p in of(made, "Procedure") for c in p["code"]["coding"]}
    assert done == {
        ("urn:oid:2.16.756.5.30.1.126.3.1", "51.23"),
        ("urn:oid:2.16.756.5.30.1.126.3.1", "89.0A.12"),
    }
    assert {c["payor"][0]["display"] for c in of(made, "Coverage")} == {"Helsana", "CSS"}


def test_a_corrected_principal_diagnosis_is_the_same_condition(tmp_path: Path) -> None:
    _, first, _ = converted(tmp_path, stays(SWISS))
    _, second, _ = converted(tmp_path, stays(SWISS).replace("J18.9;Pneumonie", "J18.1;Lobärpneumonie"))
    assert {c["id"] for c in of(first, "Condition")} == {c["id"] for c in of(second, "Condition")} != set()


@pytest.mark.parametrize(
    ("named", "system"),
    [
        ("Read Code", "http://read.info/readv2"),
        ("ReadCode", "http://read.info/readv2"),
        ("CTV3", "http://read.info/ctv3"),
    ],
)
def test_read_codes_stand_beside_snomed(tmp_path: Path, named: str, system: str) -> None:
    rows = "".join(
        f"10{n % 5},Ash{n % 5},Ann,1{n % 5}/12/1960,Female,{n % 27 + 1:02}/06/2022,1{n % 9}-Jul-2022 14:0{n % 9},"
        f"{('50373000', '27113001')[n % 2]},{('Body height', 'Body weight')[n % 2]},{('229..', '22A..')[n % 2]},{160 + n},{('cm', 'kg')[n % 2]}\n"
        for n in range(20)
    )
    header = f"Patient ID,Surname,Given Name,Date of Birth,Gender,Event Date,Date Entered,SNOMED Concept ID,Code Term,{named},Value,Value Units\n"
    _, made, mapping = converted(tmp_path, header + rows)
    found = of(made, "Observation")
    codings = {
        (c["system"], c["code"]) for r in found for c in r["code"]["coding"] if "loinc" not in c["system"]
    }
    assert codings == {
        ("http://snomed.info/sct", "50373000"), ("http://snomed.info/sct", "27113001"), (system, "229.."), (system, "22A.."),
    }  # fmt: skip
    assert f"{named}: are these codes of Read codes" in mapping
    assert all("issued" in r for r in found)
    assert "Date Entered: is it when the result was made available (Observation.issued)" in mapping


def test_no_complication_is_no_finding_and_a_unit_of_resistance_is_read(tmp_path: Path) -> None:
    rows = "".join(
        f"26{n},1{n % 9}/04/1950,M,4/{n + 1}/2023,{60 + n},{20 + n},{4.5 + n / 10},{1200 + n},{('None', 'Hematoma')[n % 4 == 0]}\n"
        for n in range(12)
    )
    header = "MRN,DOB,Sex,Cath Date,HR,PA mean,PVR (WU),SVR (dynes),Complications\n"
    _, made, mapping = converted(tmp_path, header + rows)
    found = {r["code"]["text"]: r for r in of(made, "Observation")}
    assert found["PVR"]["valueQuantity"]["code"] == "[wood'U]"
    assert found["SVR"]["valueQuantity"]["code"] == "dyn.s/cm5"
    said = {r["valueCodeableConcept"]["text"] for r in of(made, "Observation") if "valueCodeableConcept" in r}
    assert said == {"Hematoma"}
    assert "Complications: None is taken for that there is none" in mapping


@pytest.mark.parametrize(
    ("named", "cells", "words"),
    [
        ("ESENZIONE", ("013", "048"), "Coverage.costToBeneficiary.exception"),
        ("Referring MD", ("Hadley, J", "Okonkwo, P"), "ServiceRequest.requester"),
        ("Indication", ("Heart failure", "Dyspnea"), "reasonCode of a Procedure or ServiceRequest"),
        ("Cath #", ("CL1", "CL2"), "Procedure.identifier"),
        ("Admit_DT", ("2024-01-02 10:00", "2024-01-03 11:00"), "Encounter.period.start"),
    ],
)
def test_a_question_names_the_elements(
    tmp_path: Path, named: str, cells: tuple[str, str], words: str
) -> None:
    rows = "".join(
        f'26{n},M,4/{n + 1}/2023,{60 + n},{20 + n},{170 + n},"{cells[n % 2]}{n if named == "Cath #" else ""}"\n'
        for n in range(12)
    )
    _, _, mapping = converted(tmp_path, f"MRN,Sex,Cath Date,HR,PA mean,Ht (cm),{named}\n{rows}")
    asked = [
        line
        for line in mapping.splitlines()
        if line.startswith("# ") and f"{named}: " in line and line.endswith("?")
    ]
    assert any(words in line for line in asked), asked
