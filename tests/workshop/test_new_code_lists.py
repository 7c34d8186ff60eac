# ruff: noqa: E501 - tables and lines of mappings are written as they are
"""Codes of lists that HL7, CDC and countries keep: recognised by all cells of a column and its name, written with their system, asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.workshop.drafts import converted, of

RACES = "urn:oid:2.16.840.1.113883.6.238"
HEADER = (
    "CLIENT_ID|LAST_NAME|FIRST_NAME|BIRTH_DATE|SEX|{race}|{ethnic}|{maiden}|EVENT_ID|VACC_DATE|CVX|{maker}|LOT_NUM|{route}|{site}|"
    "ADMINISTERED_BY|{ordered}|{source}|{eligible}|{sheet}\n"
)
NAMES = {
    "race": "RACE_CD", "ethnic": "ETHNICITY_CD", "maiden": "MOTHER_MAIDEN_NAME", "maker": "MVX", "route": "ROUTE", "site": "BODY_SITE",
    "ordered": "ORDERING_PROVIDER", "source": "INFO_SOURCE_CD", "eligible": "VFC_ELIG", "sheet": "VIS_DATE",
}  # fmt: skip


def vaccinations(names: dict[str, str] | None = None, codes: tuple[str, str] = ("00", "01")) -> str:
    """Doses of five children: every third one known from elsewhere only."""
    header = HEADER.format(**{**NAMES, **(names or {})})
    rows = []
    for n in range(18):
        child = n % 5
        known = n % 3 == 0
        given = "|" if known else f"{('MSD', 'PMC')[n % 2]}|A{n}7"
        where = "|" if known else f"{('IM', 'SC')[n % 2]}|{('LT', 'RA', 'LD')[n % 3]}"
        rows.append(
            f"15{child}|LEE{child}|ANA|201{child}1201|F|{('2106-3', '2054-5', '2028-9')[child % 3]}|{('2135-2', '2186-5')[child % 2]}|"
            f"WONG{child}|E{n}|202201{n + 10}|{('03', '115')[n % 2]}|{given}|{where}|{'' if known else 'NGUYEN RN'}|{'' if known else 'PATEL MD'}|"
            f"{codes[known]}|{'' if known else ('V01', 'V02')[n % 2]}|20210806\n"
        )
    return header + "".join(rows)


def doses(made: list[dict[str, Any]], *, known: bool) -> list[dict[str, Any]]:
    return [r for r in of(made, "Immunization") if ("lotNumber" not in r) == known]


RENAMED = {
    "race": "Race_Code", "ethnic": "Ethnic_Group_Cd", "maiden": "Mothers_Maiden_Name", "maker": "MVX_Code", "route": "Admin_Route",
    "site": "Admin_Site", "ordered": "Ordering_Physician", "source": "Info_Source", "eligible": "VFC_Eligibility",
    "sheet": "VIS_Publication_Date",
}  # fmt: skip


@pytest.mark.parametrize("names", [{}, RENAMED])
def test_codes_of_american_vaccination_registries_have_their_systems(
    tmp_path: Path, names: dict[str, str]
) -> None:
    _, made, mapping = converted(tmp_path, vaccinations(names))
    called = {**NAMES, **names}
    given, known = doses(made, known=False), doses(made, known=True)
    assert {c["code"] for r in given for c in r["route"]["coding"]} == {"IM", "SC"}
    assert {c["system"] for r in given for c in r["route"]["coding"]} == {
        "http://terminology.hl7.org/CodeSystem/v2-0162"
    }
    assert {(c["system"][-7:], c["code"]) for r in given for c in r["site"]["coding"]} == {
        ("v2-0163", "RA"),
        ("v2-0163", "LD"),
    }
    assert {(r["manufacturer"]["identifier"]["system"], r["manufacturer"]["identifier"]["value"]) for r in given} == {
        ("http://hl7.org/fhir/sid/mvx", "MSD"), ("http://hl7.org/fhir/sid/mvx", "PMC"),
    }  # fmt: skip
    background = of(made, "Observation")
    codings = {(c["system"], c["code"]) for r in background for c in r["valueCodeableConcept"]["coding"]}
    assert codings == {(RACES, code) for code in ("2106-3", "2054-5", "2028-9", "2135-2", "2186-5")}
    assert {r["primarySource"] for r in given} == {True}
    assert {r["primarySource"] for r in known} == {False}
    assert all("reportOrigin" not in r for r in given)
    assert {c["code"] for r in known for c in r["reportOrigin"]["coding"]} == {"01"}
    parts = {p["function"]["coding"][0]["code"]: p["actor"]["display"] for r in given for p in r["performer"]}
    assert parts == {"AP": "NGUYEN RN", "OP": "PATEL MD"}
    assert {e["publicationDate"] for r in given for e in r["education"]} == {"2021-08-06"}
    mothers = {
        (e["url"].rpartition("-")[2], e["valueString"][:4])
        for p in of(made, "Patient")
        for e in p["extension"]
    }
    assert mothers == {("mothersMaidenName", "WONG")}
    assert all(name.get("use") != "maiden" for p in of(made, "Patient") for name in p["name"])
    for column, title in (
        ("route", "table 0162"), ("site", "table 0163"), ("race", "CDC's race"), ("ethnic", "CDC's race"),
        ("maker", "(MVX)"), ("source", "NIP001"), ("eligible", "table 0064"), ("sheet", "education.publicationDate"),
    ):  # fmt: skip
        asked = [
            line for line in mapping.splitlines() if line.startswith("# ") and f". {called[column]}: " in line
        ]
        assert any(title in line for line in asked), (column, asked)


@pytest.mark.parametrize(
    ("source", "named"), [(("N", "Y"), "Historical_Flag"), (("administered", "historical"), "Info_Source")]
)
def test_a_historical_dose_is_not_of_who_reports_it(
    tmp_path: Path, source: tuple[str, str], named: str
) -> None:
    _, made, mapping = converted(tmp_path, vaccinations({"source": named}, source))
    assert {r["primarySource"] for r in doses(made, known=False)} == {True}
    assert {r["primarySource"] for r in doses(made, known=True)} == {False}
    assert f"{named}: do" in mapping


def test_codes_of_no_known_list_are_asked_and_stay_text(tmp_path: Path) -> None:
    text = vaccinations().replace("|IM|", "|Q7|").replace("|SC|", "|Q8|")
    _, made, mapping = converted(tmp_path, text)
    assert {r["route"]["text"] for r in doses(made, known=False)} == {"Q7", "Q8"}
    assert "ROUTE: of which list are its codes Q7, Q8 (perhaps HL7's table 0162" in mapping


@pytest.mark.parametrize("named", ["Sprache", "Korrespondenzsprache", "Langue", "Lingua", "Language"])
def test_letters_for_languages_are_read_as_a_set(tmp_path: Path, named: str) -> None:
    rows = "".join(f"P{n};Keller;Ana;0{n + 1}.04.1971;w;{'DFI'[n % 3]}\n" for n in range(8))
    _, made, mapping = converted(
        tmp_path, f"Patientennr;Name;Vorname;Geburtsdatum;Geschlecht;{named}\n{rows}"
    )
    spoken = {
        c["language"]["text"]: c["language"]["coding"][0]["code"] for p in made for c in p["communication"]
    }
    assert spoken == {"D": "de", "F": "fr", "I": "it"}
    assert f"{named}: do its letters mean the languages D → de, F → fr, I → it" in mapping


def test_a_letter_alone_is_no_language(tmp_path: Path) -> None:
    rows = "".join(f"P{n};Keller;Ana;0{n + 1}.04.1971;w;{('I', 'Deutsch')[n % 2]}\n" for n in range(8))
    _, made, mapping = converted(
        tmp_path, f"Patientennr;Name;Vorname;Geburtsdatum;Geschlecht;Sprache\n{rows}"
    )
    spoken = [c["language"] for p in made for c in p["communication"]]
    assert {c["text"]: "coding" in c for c in spoken} == {"I": False, "Deutsch": True}
    assert "Sprache: which language does each of these mean: i?" in mapping
