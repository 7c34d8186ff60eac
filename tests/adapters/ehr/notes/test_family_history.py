"""Whose an illness is where a sentence speaks of the patient and of the family."""

from __future__ import annotations

import pytest

from fhir_bridge.adapters.ehr.notes.extracted import stated_facts
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
            "family=coronary artery disease; smoking=current",
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


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "Ein Onkel erlitt mit 39 Jahren einen plötzlichen Herztod. Wegen des plötzlichen Todesfalls in der "
            "Familie wurde ein MRT veranlasst.",
            "family=plötzlicher Herztod:Onkel",
        ),
        (
            "Her uncle died suddenly at 39. Because of the sudden death in the family an MRI was arranged.",
            "family=sudden death:uncle",
        ),
        (
            "Herzinfarkt des Vaters. Wegen des Herzinfarkts in der Familie Vorstellung.",
            "family=Myokardinfarkt:Vater",
        ),
        (
            "Cousin with HCM. Because of the cardiomyopathy in the family she is seen.",
            "family=hypertrophic cardiomyopathy:cousin",
        ),
        ("Father with MI. Stroke in the family.", "family=myocardial infarction:father; family=stroke"),
        ("Because of a sudden death in the family an MRI was arranged.", "family=sudden death"),
        ("Wegen eines plötzlichen Todesfalls in der Familie MRT.", "family=plötzlicher Tod"),
        ("Plötzlicher Herztod in der Familie.", "family=plötzlicher Herztod"),
    ],
)
def test_a_second_mention_in_the_family_is_no_fact_of_its_own(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "FH: mother T2DM, sister breast ca age 50. Nil IHD.",
            "family=diabetes:mother; family=breast cancer:sister; family=no:coronary artery disease",
        ),
        ("FH: Nil IHD.", "family=no:coronary artery disease"),
        ("FH: father MI, no strokes.", "family=myocardial infarction:father; family=no:stroke"),
        (
            "Familienanamnese: Mutter Diabetes, Vater KHK, keine Schlaganfälle.",
            "family=Diabetes:Mutter; family=koronare Herzkrankheit:Vater; family=no:Schlaganfall",
        ),
        ("Familienanamnese: Mutter Diabetes, kein Schlaganfall.", "family=Diabetes:Mutter"),
        ("FH: nil. AF since 2019.", ""),
    ],
)
def test_after_relatives_a_condition_is_denied_of_the_family(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "relation", "code", "span"),
    [
        (
            "Her maternal grandfather had a stroke.",
            "maternal grandfather",
            "MGRFTH",
            "maternal grandfather had a stroke",
        ),
        ("PGF died of MI.", "paternal grandfather", "PGRFTH", "PGF died of MI"),
        (
            "Grandmother (maternal) had a stroke.",
            "maternal grandmother",
            "MGRMTH",
            "Grandmother (maternal) had a stroke",
        ),
        (
            "Großmutter väterlicherseits mit DCM.",
            "Großmutter väterlicherseits",
            "PGRMTH",
            "Großmutter väterlicherseits mit DCM",
        ),
        ("Breast cancer in a maternal aunt.", "maternal aunt", "MAUNT", "Breast cancer in a maternal aunt"),
        (
            "Tante väterlicherseits mit DCM.",
            "Tante väterlicherseits",
            "PAUNT",
            "Tante väterlicherseits mit DCM",
        ),
        (
            "Herzinfarkt beim Onkel mütterlicherseits.",
            "Onkel mütterlicherseits",
            "MUNCLE",
            "Herzinfarkt beim Onkel mütterlicherseits",
        ),
        ("Paternal uncle with DCM.", "paternal uncle", "PUNCLE", "Paternal uncle with DCM"),
        (
            "A cousin on his mother's side has DCM.",
            "maternal cousin",
            "MCOUSN",
            "cousin on his mother's side has DCM",
        ),
        (
            "Cousin väterlicherseits mit DCM.",
            "Cousin väterlicherseits",
            "PCOUSN",
            "Cousin väterlicherseits mit DCM",
        ),
        ("Maternal great-uncle with DCM.", "uncle", "UNCLE", "uncle with DCM"),
    ],
)
def test_the_side_of_a_relative_is_told(text: str, relation: str, code: str, span: str) -> None:
    (fact,) = stated_facts(text, None)
    assert (fact.relation, fact.code, fact.text) == (relation, code, span)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("KHK ist in der Familie nicht bekannt.", "KHK ist in der Familie nicht"),
        ("Diabetes in the family: none.", "Diabetes in the family: none"),
        ("Family history of diabetes was denied.", "Family history of diabetes was denied"),
        ("FH: father MI, no strokes.", "no strokes"),
    ],
)
def test_the_span_of_a_denial_holds_the_word_that_denies(text: str, span: str) -> None:
    assert [fact.text for fact in stated_facts(text, None) if fact.negated] == [span]
