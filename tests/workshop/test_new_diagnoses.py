"""`mapping new`: lists of diagnoses: whose codes they are, how sure they are, who wrote them down."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.workshop.drafts import converted, of

_DISEASES = (
    ("Asthma", "J45.40", "493.90", "9117"),
    ("Hypertension", "I10", "401.9", "4120"),
    ("Gout", "M10.9", "274.9", "30112"),
    ("Migraine", "G43.909", "346.90", "778"),
)


def diagnoses(header: str, cells: str, count: int = 24) -> str:
    """A list of diagnoses with more columns, whose cells are `|` apart and recur."""
    more = cells.split("|")
    rows = []
    for n in range(count):
        name, icd10, icd9, own = _DISEASES[n % 4]
        rows.append(
            f"5{n // 2:04},4/{n // 2 + 13}/1950,7{n // 2:04},{name},{icd10},{icd9},{own},{more[n % len(more)]}\n"
        )
    return f"PAT_MRN,BIRTH_DATE,ENC_CSN,DX_NAME,ICD10_LIST,ICD9_LIST,{header}\n" + "".join(rows)


@pytest.mark.parametrize("name", ["DX_ID", "OWN_DX_CODE", "DIAGNOSIS_KEY"])
def test_bare_digits_of_a_site_are_no_icd_9(tmp_path: Path, name: str) -> None:
    _, made, mapping = converted(tmp_path, diagnoses(f"{name},NOTE", "a|b c"))
    systems = {
        (c["system"], c["code"])
        for r in of(made, "Condition")
        for c in r["code"]["coding"]
        if c["code"] == "9117"
    }
    assert [system.startswith("urn:x-local:") for system, _ in systems] == [True]
    icd9 = {
        c["code"]
        for r in of(made, "Condition")
        for c in r["code"]["coding"]
        if c["system"].endswith("icd-9-cm")
    }
    assert icd9 == {"493.90", "401.9", "274.9", "346.90"}
    assert f"{name}: which code system are these codes of? They are kept as local codes" in mapping


@pytest.mark.parametrize(
    ("name", "sure", "not_there"),
    [
        ("DX_QUALIFIER", "Suspected", "Ruled Out"),
        ("NATURE_DX", "suspecté", "exclu"),
        ("ZUSATZ_DX", "Verdacht", "Ausschluss"),
        ("DX_AARD", "mogelijk", "uitgesloten"),
    ],
)
def test_how_sure_a_diagnosis_is_is_in_its_cells(
    tmp_path: Path, name: str, sure: str, not_there: str
) -> None:
    _, made, mapping = converted(tmp_path, diagnoses(f"DX_ID,{name}", f"{sure}|{not_there}|"))
    states = {
        (
            r.get("verificationStatus", {}).get("coding", [{}])[0].get("code", ""),
            r.get("clinicalStatus", {}).get("coding", [{}])[0].get("code", ""),
        )
        for r in of(made, "Condition")
    }
    assert states == {("provisional", "active"), ("refuted", ""), ("", "active")}
    assert f"{name}: do its words mean" in mapping


def test_who_wrote_a_diagnosis_down_recorded_it_and_who_attended_is_of_the_visit(tmp_path: Path) -> None:
    text = diagnoses(
        "DX_ID,ENTRY_STAFF,ATTENDING_PROV,DEPT_NAME,VISIT_DATE", '"Roe, Ann RN","Lee, Max",CARDIOLOGY'
    )
    lines = text.splitlines()
    text = "\n".join([lines[0], *(f"{line},3/{n // 2 + 13}/2026" for n, line in enumerate(lines[1:])), ""])
    _, made, mapping = converted(tmp_path, text)
    assert {r["recorder"]["display"] for r in of(made, "Condition")} == {"Roe, Ann RN"}
    assert not [r for r in of(made, "Condition") if "asserter" in r]
    visits = of(made, "Encounter")
    assert len(visits) == 12
    people = [
        (p["type"][0]["coding"][0]["code"], p["individual"]["display"])
        for r in visits
        for p in r["participant"]
    ]
    assert set(people) == {("ATND", "Lee, Max")}
    assert {r["period"]["start"] for r in visits} == {f"2026-03-{day}" for day in range(13, 25)}
    assert "VISIT_DATE: is it when the visit was (Encounter.period), as is assumed?" in mapping


def test_rank_presence_on_admission_and_chronicity_are_asked_by_name(tmp_path: Path) -> None:
    guesses, _, mapping = converted(
        tmp_path, diagnoses("DX_ID,PRINCIPAL_YN,POA,CHRONIC_YN", "Y,Y,N|N,N,Y|N,,N")
    )
    roles = {name: guesses[name].role for name in ("PRINCIPAL_YN", "POA", "CHRONIC_YN")}
    assert roles == {
        "PRINCIPAL_YN": "diagnosis-rank",
        "POA": "on-admission",
        "CHRONIC_YN": "diagnosis-chronic",
    }
    assert "Encounter.diagnosis.rank or use" in mapping
    assert "Claim.diagnosis.onAdmission" in mapping


def test_german_letters_for_how_sure_are_read_together(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, diagnoses("DX_ID,ZUSATZ", "G|V|A|Z"))
    states = Counter(
        (
            r["verificationStatus"]["coding"][0]["code"],
            r.get("clinicalStatus", {}).get("coding", [{}])[0].get("code", ""),
        )
        for r in of(made, "Condition")
    )
    assert states == {
        ("confirmed", "active"): 6,
        ("provisional", "active"): 6,
        ("refuted", ""): 6,
        ("confirmed", "inactive"): 6,
    }
