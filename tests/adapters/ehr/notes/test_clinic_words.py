"""Words of clinics by which a value is stated: risk factors, answers without a colon, tables and comparisons."""

from __future__ import annotations

import pytest

from tests.adapters.ehr.notes.test_grammar import stated


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("CV risk factors: obesity, smoking, dyslipidaemia.", "smoking=current"),
        ("Kardiovaskuläre Risikofaktoren: Adipositas, Nikotin.", "smoking=current"),
        ("Risk factors\n- obesity\n- smoking", "smoking=current"),
        ("Risikofaktoren\n- Rauchen\n- Adipositas", "smoking=current"),
        ("Risk factors: smoking (mother), obesity", ""),
        ("Risk factors: smoking (father), DM", ""),
        ("Risk factors: no hypertension, smoking.", ""),
        ("Risk factors: smoking, alcohol: none", ""),
        ("Non - smoker", "smoking=non"),
        ("Nicht - Raucher", "smoking=non"),
        ("Alcohol: no - smoker", "smoking=current"),
        ("Risk factors for stroke: smoking, obesity", ""),
        ("Risk factors: smoking cessation was discussed", ""),
        ("Genussmittel: Nikotin ja, Kaffee ja.", "smoking=current"),
        ("Genussmittel: Nikotin nein, Kaffee ja.", "smoking=non"),
        ("Nikotin 0, Kaffee 2", "smoking=non"),
        ("Nikotin 0,5 mg", ""),
        ("Er rauchte bis 2009.", "smoking=former"),
        ("Sie rauchte bis vor 6 Jahren eine Schachtel täglich.", "smoking=former"),
        ("Er rauchte bis 2009 nicht.", ""),
        ("Smoke free since 2009.", "smoking=former"),
    ],
)
def test_smoking_in_lists_and_short_answers(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Short of breath on minimal exertion (NYHA III).", "nyha=3"),
        ("DCM 2015 (EF minimal 20 %)", ""),
        ("Functional class II (NYHA).", "nyha=2"),
        ("Funktionsklasse II nach NYHA.", "nyha=2"),
        ("Class II heart failure by NYHA.", "nyha=2"),
        ("Resting LVEF 61%, rising to 70% at peak stress.", "lvef=61"),
        ("Ejection fraction 0.35.", "lvef=35"),
        ("Linker Ventrikel mit einer EF von 61 %.", "lvef=61"),
        ("LVEF unter 15 % bei diesem Aufenthalt.", "lvef=<15"),
        ("No change compared to the prior study: LVEF 48%.", "lvef=48"),
        ("Unverändert zum Vorbefund: LVEF 48 %.", "lvef=48"),
        ("Prior study: LVEF 48%.", ""),
        ("Echo pre chemo cycle 6: LVEF 57%.", "lvef=57"),
        ("Echo pre chemo: LVEF 57%.", ""),
        ("Baseline echo on 20 February: LVEF 57%.", "lvef=57"),
        ("Ausgangsecho vom 20. Februar: LVEF 57 %.", "lvef=57"),
        ("Baseline echo on 20 June: LVEF 57%.", ""),
        ("Echo of 20 June: LVEF 57%.", ""),
        ("Baseline echo: LVEF 57%.", ""),
        ("Father on dialysis for renal failure.", "family=renal failure:father"),
        ("Vater dialysepflichtig bei Nierenversagen.", "family=Niereninsuffizienz:Vater"),
    ],
)
def test_the_words_beside_a_value(text: str, facts: str) -> None:
    assert stated(text) == facts
