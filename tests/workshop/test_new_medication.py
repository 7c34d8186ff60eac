# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: prescriptions in five languages: how often, by what way, as needed, of what strength and form, why stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workshop.drafts import converted, of

_DRUGS = (
    ("C03CA01", "Furosemide 40 mg", "71234", "40 mg", "tablet"),
    ("B01AB05", "Enoxaparine 100 mg/ml", "81111", "100 mg/ml", "injectievloeistof"),
    ("N02BE01", "Paracetamol 500 mg", "90017", "500 mg", "capsule"),
)


def orders(names: str, often: tuple[str, ...], ways: tuple[str, ...], needed: tuple[str, str]) -> str:
    rows = "".join(
        f"12{n // 2:04};{n // 2 + 13}-04-1950;88{n:04};{_DRUGS[n % 3][2]};{_DRUGS[n % 3][0]};{_DRUGS[n % 3][1]};{_DRUGS[n % 3][3]};{_DRUGS[n % 3][4]};"
        f"1;mg;{often[n % len(often)]};{ways[n % len(ways)]};{needed[n % 2]};{n + 10}-01-2026 10:00;{('Actief', 'Gestopt')[n % 2]};{('', 'bijwerking')[n % 2]}\n"
        for n in range(18)
    )
    return f"PatientNr;GebDatum;VoorschriftNr;{names}\n{rows}"


DUTCH = "ZINummer;ATC;Geneesmiddel;Sterkte;Farmvorm;Dosering;DosisEenheid;Frequentie;Toedieningsweg;ZoNodig;VoorschrijfDatum;Status;StopReden"


@pytest.mark.parametrize(
    ("names", "often", "ways", "needed"),
    [
        (DUTCH, ("3x per dag", "1 dd"), ("oraal", "subcutaan"), ("J", "N")),
        (DUTCH.replace("Frequentie;Toedieningsweg", "Veld 7;Veld 8"), ("2x per dag", "om de 8 uur"), ("intraveneus", "oraal"), ("J", "N")),
        (DUTCH.replace("Frequentie;Toedieningsweg;ZoNodig", "Schema X;Weg Y;Bedarfsgabe"), ("1-0-1-0", "2 x täglich"), ("i.v.", "per os"), ("J", "N")),
        (DUTCH.replace("Frequentie;Toedieningsweg;ZoNodig", "Prise;Acces;Si besoin"), ("2 fois par jour", "toutes les 6 h"), ("orale", "sous-cutanée"), ("O", "N")),
    ],
)  # fmt: skip
def test_how_a_drug_is_taken_is_in_the_cells(
    tmp_path: Path, names: str, often: tuple[str, ...], ways: tuple[str, ...], needed: tuple[str, str]
) -> None:
    _, made, _ = converted(tmp_path, orders(names, often, ways, needed))
    dosage = [r["dosageInstruction"][0] for r in of(made, "MedicationRequest")]
    assert {d["timing"]["code"]["text"] for d in dosage} == set(often)
    assert {d["route"]["text"] for d in dosage} == set(ways)
    assert {d["asNeededBoolean"] for d in dosage} == {True, False}


def test_a_local_code_is_of_the_drug_and_why_it_was_stopped_is_of_its_status(tmp_path: Path) -> None:
    _, made, mapping = converted(tmp_path, orders(DUTCH, ("3x per dag",), ("oraal",), ("J", "N")))
    coded = {
        (c["code"], r["medicationCodeableConcept"]["text"])
        for r in of(made, "MedicationRequest")
        for c in r["medicationCodeableConcept"]["coding"]
        if c["system"].startswith("urn:x-local:")
    }
    assert coded == {(code, name) for _, name, code, *_ in _DRUGS}
    stopped = [r for r in of(made, "MedicationRequest") if r["status"] == "stopped"]
    assert {r["statusReason"]["text"] for r in stopped} == {"bijwerking"}
    assert "Sterkte: looks like the strength of a drug" in mapping
    assert "Medication.form" in mapping


def test_an_italian_unit_of_a_dose_is_no_ward_and_an_urgency_is_the_order_s(tmp_path: Path) -> None:
    rows = "".join(
        f"9{n // 2:04};{n // 2 + 13}/04/1950;N{n // 4:03};RX{n:04};{_DRUGS[n % 3][1]};0{_DRUGS[n % 3][2]}01;{_DRUGS[n % 3][0]};1;mg;{('Urg', 'Routine')[n % 2]};{n + 10}/01/2026 10:00;{('Attiva', 'Sospesa')[n % 2]};{('', 'ipotensione')[n % 2]}\n"
        for n in range(18)
    )
    _, made, _ = converted(
        tmp_path,
        f"ID_PAZIENTE;DATA_NASCITA;NOSOLOGICO;NUM_PRESCRIZIONE;FARMACO;AIC;ATC;DOSE;UM_DOSE;PRIORITA;DATA_PRESCRIZIONE;STATO;MOTIVO_SOSP\n{rows}",
    )
    doses = [
        r["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"] for r in of(made, "MedicationRequest")
    ]
    assert {(d["value"], d["code"]) for d in doses} == {(1, "mg")}
    assert {r["priority"] for r in of(made, "MedicationRequest")} == {"urgent", "routine"}
    assert not [r for r in of(made, "Encounter") if "location" in r or "priority" in r]
    stopped = [r for r in of(made, "MedicationRequest") if r["status"] in ("on-hold", "stopped")]
    assert {r["statusReason"]["text"] for r in stopped} == {"ipotensione"}
    local = {
        c["code"]
        for r in of(made, "MedicationRequest")
        for c in r["medicationCodeableConcept"]["coding"]
        if c["system"].startswith("urn:x-local:")
    }
    assert local == {f"0{code}01" for _, _, code, *_ in _DRUGS}


def test_what_was_given_in_dutch_is_given_and_a_bed_is_a_place(tmp_path: Path) -> None:
    rows = "".join(
        f"9{n // 2:04};{n // 2 + 13}-04-1950;O{n // 2:03};B2;{n // 2 + 1};{_DRUGS[n % 3][1]};1;mg;oraal;{n + 10 - n % 2}-01-2026 08:00;{f'{n + 10 - n % 2}-01-2026 08:1{n % 10}' if n % 4 else ''};"
        f"{'Toegediend' if n % 4 else 'Niet gegeven'};{'' if n % 4 else 'misselijk'};vpk Jansen;vpk Bos\n"
        for n in range(18)
    )
    _, made, _ = converted(
        tmp_path,
        f"PatNr;GebDatum;OpnameNr;Afdeling;Bed;Geneesmiddel;Dosis;Eenheid;Route;Geplande tijd;Toedientijd;Status;Reden niet gegeven;Toegediend door;Gecontroleerd door\n{rows}",
    )
    given = of(made, "MedicationAdministration")
    assert len(given) == 18
    assert {r["status"] for r in given} == {"completed", "not-done"}
    assert {r["statusReason"][0]["text"] for r in given if r["status"] == "not-done"} == {"misselijk"}
    assert {r["performer"][0]["actor"]["display"] for r in given} == {"vpk Jansen"}
    places = {p["location"]["display"] for r in of(made, "Encounter") for p in r["location"]}
    assert places == {"B2", *map(str, range(1, 10))}
