"""Whose an illness is where a sentence speaks of the patient and of the family."""

from __future__ import annotations

import pytest

from tests.adapters.ehr.notes.test_grammar import stated


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "58 y/o male smoker with HTN and a family history of MI in his father presents w/ chest pain.",
            "family=myocardial infarction:father; smoking=current",
        ),
        (
            "A 61-year-old woman with diabetes, hypertension and a family history of CAD.",
            "family=coronary artery disease",
        ),
        (
            "Risk factors: hypertension, diabetes and family history of CAD.",
            "family=coronary artery disease",
        ),
        ("Risk factors: hypertension, T2DM, hypercholesterolaemia, positive family history.", ""),
        (
            "She has diabetes but no family history of coronary disease.",
            "family=no:coronary artery disease",
        ),
        ("He has AF and heart failure and a strong family history of DCM.", "family=dilated cardiomyopathy"),
        (
            "64-jährige Patientin mit Diabetes und einer Familienanamnese für KHK.",
            "family=koronare Herzkrankheit",
        ),
        (
            "Risikofaktoren: arterielle Hypertonie, Diabetes mellitus und positive Familienanamnese für KHK.",
            "family=koronare Herzkrankheit",
        ),
        (
            "Patient mit Hypertonie und familiärer Belastung mit Herzinfarkten (Vater).",
            "family=Myokardinfarkt:Vater",
        ),
        ("Hypertonie ohne familiäre Belastung für KHK.", "family=no:koronare Herzkrankheit"),
        ("Diabetes und in der Familie KHK.", "family=koronare Herzkrankheit"),
        ("Hypertonie und familiär bekannte KHK.", "family=koronare Herzkrankheit"),
        ("Mammakarzinom bei familiärer Belastung.", ""),
    ],
)
def test_what_stands_before_a_family_history_is_the_patients(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Risk factors: family history of CAD, hypertension, diabetes.", "family=coronary artery disease"),
        ("Risk factors:\nFamily history of CAD, hypertension, diabetes.", "family=coronary artery disease"),
        (
            "Risk factors: smoking, family history of CAD and hypertension.",
            "family=coronary artery disease",
        ),
        ("Risk factors: positive family history and hypertension.", ""),
        ("Positive family history and diabetes.", ""),
        ("Risikofaktoren: Hypertonie, KHK in der Familie, Diabetes.", "family=koronare Herzkrankheit"),
        ("Risk factors: family history of CAD, no diabetes.", "family=coronary artery disease"),
        ("Risk factors: family history of stroke and MI.", "family=stroke; family=myocardial infarction"),
        ("Family history: diabetes, stroke.", "family=diabetes; family=stroke"),
        ("KHK und Schlaganfall in der Familie.", "family=koronare Herzkrankheit; family=Schlaganfall"),
        ("Strong breast cancer family history.", "family=breast cancer"),
        ("CAD: no family history.", "family=no:coronary artery disease"),
    ],
)
def test_of_a_list_the_family_has_what_is_said_to_be_of_it(text: str, facts: str) -> None:
    assert stated(text) == facts
