"""`mapping new`: ordinary columns without a plain element are asked by what they may be, and are nothing wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workshop.drafts import converted, of

_ASKED = (
    ("DIET|Kostform|Régime alimentaire|Dieta|Dieet", ("diabetic", "soft"), "NutritionOrder"),
    ("ISOLATION|Isolierung|Isolement|Aislamiento|Isolatie", ("contact", "none"), "specialArrangement"),
    ("TRIAGE_COLOUR|Couleur tri|Color triaje|Triagefarbe", ("red", "green"), "Encounter.priority"),
    ("ARRIVAL_MODE|Transportmittel|Vervoer|Mezzo di arrivo", ("ambulance", "on foot"), "modeOfArrival"),
    ("FASTING|Nüchtern|À jeun|Ayunas|Digiuno|Nuchter", ("Y", "N"), "fastingStatus"),
    ("CO_SIGNED_BY|Gegengezeichnet von|Cosigné par|Controfirmato da", ("aroe", "bpoe"), "looked at it again"),
)


@pytest.mark.parametrize(("names", "cells", "element"), _ASKED)
def test_what_has_no_plain_element_is_asked_by_name(
    tmp_path: Path, names: str, cells: tuple[str, str], element: str
) -> None:
    head = ";".join(names.split("|"))
    more = [";".join([cell] * len(names.split("|"))) for cell in cells]
    rows = "".join(
        f"7{n // 2:03};19{50 + n // 2}-03-14;V7{n:03};2026-01-{n + 10} 08:10;2026-01-{n + 12} 08:10;3A;{more[n % 2]}\n"
        for n in range(16)
    )
    guesses, made, mapping = converted(
        tmp_path, f"MRN;BIRTH_DATE;VISIT_NO;ADMIT_DT;DISCH_DT;WARD;{head}\n{rows}"
    )
    assert not any(guesses[name].uses for name in names.split("|"))
    assert {r["resourceType"] for r in made} == {"Patient", "Encounter"}
    asked = [line for line in mapping.splitlines() if element in line and line.startswith("# ")]
    assert asked
    assert all(any(name in line for line in asked) for name in names.split("|"))


@pytest.mark.parametrize("name", ["FORMULARY_DRUG", "Allergie", "Arzneimittel"])
def test_yes_and_no_are_no_names_of_things(tmp_path: Path, name: str) -> None:
    rows = "".join(
        f"7{n // 2:03};19{50 + n // 2}-03-14;R7{n:03};Ramipril {n % 3};5;mg;2026-01-{n + 10} 08:10;{'JN'[n // 2 % 2]}\n"
        for n in range(16)
    )
    _, made, _ = converted(tmp_path, f"MRN;BIRTH_DATE;RX_NO;DRUG;DOSE;DOSE_UNIT;ORDER_DATE;{name}\n{rows}")
    assert not of(made, "AllergyIntolerance")
    texts = {r["medicationCodeableConcept"]["text"] for r in of(made, "MedicationRequest")}
    assert texts == {"Ramipril 0", "Ramipril 1", "Ramipril 2"}
