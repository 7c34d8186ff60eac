# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: tables of visits and vaccinations in Portuguese, Swedish and Dutch."""

from __future__ import annotations

from pathlib import Path

from tests.workshop.drafts import converted, of


def rows(header: str, row: str, count: int = 12) -> str:
    """A table whose `#` is the number of the row."""
    return header + "\n" + "".join(row.replace("#", f"{n + 10}") + "\n" for n in range(count))


def test_an_emergency_department_in_portuguese(tmp_path: Path) -> None:
    guesses, made, mapping = converted(
        tmp_path,
        rows(
            "N_EPISODIO;N_PROCESSO;NOME;DATA_NASC;SEXO;CONCELHO_RESID;DT_ADMISSAO;DT_ALTA;COR_TRIAGEM;PROVENIENCIA;DESTINO_ALTA;QUEIXA;COD_DIAG;DIAGNOSTICO;ENFERMEIRO;SUBSISTEMA;TAXA_MOD",
            "U24#;70#1;Ana Sousa;1#-01-1960;F;Braga;#-11-2024 08:15;#-11-2024 12:30;Amarelo;Exterior;Domicilio;Dor toracica;I10;Hipertensao;Enf. Rui Costa;SNS;Isento",
        ),
    )
    assert {c: g.role for c, g in guesses.items() if c in ("N_PROCESSO", "CONCELHO_RESID", "ENFERMEIRO")} == {
        "N_PROCESSO": "patient-id",
        "CONCELHO_RESID": "city",
        "ENFERMEIRO": "provider",
    }
    visit = of(made, "Encounter")[0]
    assert visit["period"]["start"].startswith("2024-11-10T08:15")
    assert visit["period"]["end"].startswith("2024-11-10T12:30")
    assert visit["hospitalization"]["admitSource"]["text"] == "Exterior"
    assert visit["reasonCode"][0]["text"] == "Dor toracica"
    found = of(made, "Condition")[0]
    assert found["code"]["text"] == "Hipertensao"
    assert visit["diagnosis"][0]["condition"]["reference"]
    assert of(made, "Coverage")[0]["payor"][0]["display"] == "SNS"
    assert "TAXA_MOD: looks like what exempts from paying" in mapping


def test_vaccinations_in_swedish(tmp_path: Path) -> None:
    _, made, mapping = converted(
        tmp_path,
        rows(
            "Personnummer;Efternamn;Förnamn;Postort;Vaccinationsdatum;Vaccin;ATC-kod;Sjukdom;Dosnr;Batchnummer;Utgångsdatum;Tillverkare;Mängd (ml);Kroppsdel;Vaccinatör;Enhet;Nästa dos;Registrerad",
            "196001#-1234;Berg;Eva;Malmö;2024-10-#;Dukoral;J07AE01;Kolera;3;BV#;2026-05-29;Valneva;3,0;vä arm;ssk Maria Berg;VC Södertull;2025-10-#;2024-10-# 13:06",
        ),
    )
    given = of(made, "Immunization")[0]
    assert given["vaccineCode"]["text"] == "Dukoral"
    assert given["expirationDate"] == "2026-05-29"
    assert given["manufacturer"]["display"] == "Valneva"
    assert given["doseQuantity"] == {
        "value": 3.0,
        "unit": "ml",
        "system": "http://unitsofmeasure.org",
        "code": "mL",
    }
    assert given["location"]["display"] == "VC Södertull"
    assert given["protocolApplied"][0]["doseNumberPositiveInt"] == 3
    assert given["recorded"].startswith("2024-10-10T13:06")
    person = of(made, "Patient")[0]
    assert person["name"] == [{"family": "Berg", "given": ["Eva"]}]
    assert person["address"] == [{"city": "Malmö"}]
    assert not of(made, "Condition")
    assert "Nästa dos: looks like when something is planned" in mapping


def test_appointments_in_dutch_are_visits_with_their_diagnosis(tmp_path: Path) -> None:
    _, made, mapping = converted(
        tmp_path,
        rows(
            "Patiëntnr;Achternaam;Voorletters;Geb.datum;Afspraaknr;Datum;Tijd;Duur (min);Specialisme;Behandelaar;Soort consult;Verwijzer;Verwijsdatum;Diagnosecode DBC;Diagnose;Reden annulering;UZOVI;Tolk",
            "31257#;Visser;K.;22-12-1963;A880#;#-11-2024;10:20;10;Cardiologie;dr. L. Smeets;Controle;Huisarts De Brug;01-10-2024;401;Atriumfibrilleren;;7095;N",
        ),
    )
    visit = of(made, "Encounter")[0]
    assert visit["identifier"][0]["value"] == "A88010"
    assert visit["period"]["start"].startswith("2024-11-10T10:20")
    assert visit["length"]["value"] == 10
    assert visit["length"]["code"] == "min"
    assert of(made, "Condition")[0]["code"]["text"] == "Atriumfibrilleren"
    assert "onsetDateTime" not in of(made, "Condition")[0]
    assert "Verwijsdatum: looks like when it was ordered" in mapping
