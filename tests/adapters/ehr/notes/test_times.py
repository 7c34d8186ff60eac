"""Of when a finding is by the words beside its name, and what smoking in a list or a course is."""

from __future__ import annotations

import pytest

from tests.adapters.ehr.notes.test_grammar import stated


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("NYHA class at discharge: II.", "nyha=2"),
        ("NYHA class on admission: IV. NYHA class at discharge: II.", "nyha=2"),
        ("NYHA-Klasse bei Entlassung: II", "nyha=2"),
        ("NYHA-Klasse zum Zeitpunkt der Entlassung: II", "nyha=2"),
        ("NYHA class at baseline: III.", ""),
        ("NYHA-Klasse bei Erstdiagnose: III.", ""),
        ("Since the TAVI her exercise tolerance has improved from NYHA III to NYHA I-II.", "nyha=1-2"),
        ("MUGA scan prior to cycle 5 of trastuzumab: LVEF 58%.", "lvef=58"),
        ("Echo before the next cycle of chemotherapy shows an LVEF of 58%.", "lvef=58"),
        ("LVEF prior to cycle 1: 62%.", ""),
        ("LVEF prior to surgery 30%.", ""),
        ("Prior LVEF 30%.", ""),
        ("LVEF approx. 40%.", "lvef=~40"),
        ("LVEF ca. 40 %.", "lvef=~40"),
        ("LVEF about 40%.", "lvef=~40"),
    ],
)
def test_a_time_beside_a_name_says_of_when_its_value_is(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Cardiovascular risk factors: hypertension, active smoking.", "smoking=current"),
        ("Risk factors: current smoking (20/day), hypertension.", "smoking=current"),
        ("Risikofaktoren: Hypertonie, aktives Rauchen.", "smoking=current"),
        ("Risk factors: no active smoking.", ""),
        ("Active smoking is a contraindication.", ""),
        ("Bis zum Infarkt rauchte er 25 Zigaretten täglich, seitdem ist er rauchfrei.", "smoking=former"),
        ("Er rauchte bis zum Infarkt 25 Zigaretten täglich.", "smoking=former"),
        ("Bis zum Infarkt rauchte er 40 Zigaretten täglich, seitdem noch 10 am Tag.", ""),
        ("Bis zum Infarkt rauchte er nicht.", ""),
        ("Der Vater rauchte bis zum Infarkt 25 Zigaretten täglich.", ""),
    ],
)
def test_smoking_in_a_list_and_in_a_course(text: str, facts: str) -> None:
    assert stated(text) == facts
