"""`mapping new`: how the names of patients are written, and who only looked at a record again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workshop.drafts import converted, of


@pytest.mark.parametrize("name", ["Tussenvoegsel", "Voorvoegsels", "Namensvorsatz", "Kolom 4"])
def test_a_word_before_a_family_name_is_part_of_it(tmp_path: Path, name: str) -> None:
    rows = "".join(
        f"70{n:03};{family};{before};J.;{n + 10}-03-1950;V\n"
        for n, (before, family) in enumerate(
            [
                ("de", "Jong"),
                ("van den", "Berg"),
                ("", "Visser"),
                ("van 't", "Hoff"),
                ("", "Smit"),
                ("ter", "Horst"),
            ]
        )
    )
    _, made, _ = converted(tmp_path, f"PatientNr;Achternaam;{name};Voorletters;GebDatum;Geslacht\n{rows}")
    assert [r["name"][0]["family"] for r in sorted(of(made, "Patient"), key=lambda r: r["identifier"][0]["value"])] == [
        "de Jong", "van den Berg", "Visser", "van 't Hoff", "Smit", "ter Horst",
    ]  # fmt: skip


def test_a_formatted_name_is_divided_and_who_reviewed_is_asked(tmp_path: Path) -> None:
    rows = "".join(
        f'70{n:03},"BROOKS, ANIL",19{50 + n}-02-03,I10,Hypertension,2024-03-{n + 10} 12:00:00,"Roe RN, Ann"\n'
        for n in range(8)
    )
    _, made, mapping = converted(
        tmp_path, f"MRN,NAME_FULL_FORMATTED,BIRTH_DT,ICD10,DX_NAME,REVIEWED_DT_TM,REVIEWED_PRSNL\n{rows}"
    )
    assert {(r["name"][0]["family"], *r["name"][0]["given"]) for r in of(made, "Patient")} == {
        ("BROOKS", "ANIL")
    }
    assert "REVIEWED_DT_TM: looks like when it was looked at again" in mapping
    assert "REVIEWED_PRSNL: looks like a provider; no rule reads it" in mapping
    assert "looked at it again" in mapping
