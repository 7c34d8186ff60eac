"""How far the mark before an item, a label, a quotation, a time and a person reach, and what is said of no patient."""

from __future__ import annotations

import pytest

from tests.adapters.ehr.notes.test_grammar import stated


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("- Smoking status: current every day smoker", "smoking=current"),
        ("Alcohol: never\nSmoker, 20/day", ""),
        ("Drogen: kein\nRaucher", ""),
        ("Tobacco: never\nAlcohol: daily", "smoking=never"),
        ("Habits\n- Tobacco: 2 ppd\n- Alcohol: wine at weekends", "smoking=current"),
        ("Noxen\n- Nikotin: 15/Tag\n- Alkohol: selten", "smoking=current"),
        ("Problems\n- Gout\n- Tobacco abuse", "smoking=current"),
        ("Diagnosen\n- Gicht\n- Nikotinabusus", "smoking=current"),
        ("PSH: appendectomy - cholecystectomy - tobacco dependence", "smoking=current"),
        ("Agenda\n- sleep\n- smoking\n- weight", ""),
        ("Themen\n- Schlaf\n- Nikotin\n- Gewicht", ""),
        ("- smoking since the age of 17", ""),
        ("-smoking\n-gout", ""),
        ("- Smoking: -\n- Alcohol: -", "smoking=non"),
        ("Social: -tob, -EtOH", "smoking=non"),
        ("+EtOH, -tobacco, -drugs", "smoking=non"),
        ("Current smoker, 12/day.\n\nTo do\n- smoking cessation clinic", "smoking=current"),
    ],
)
def test_a_dash_before_an_item_is_no_minus(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Family history\n+ hypertension\n- diabetes", "family=hypertension"),
        ("Familienanamnese\n- Herzinfarkt\n+ Schlaganfall\n- Diabetes", "family=Schlaganfall"),
        ("Family history\n- hypertension\n- diabetes", "family=hypertension; family=diabetes"),
        ("Social\n+ smoking\n- alcohol", "smoking=current"),
        ("Social\n+ alcohol\n- smoking", ""),
    ],
)
def test_in_a_list_with_plus_and_minus_they_are_signs(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Family history\nStroke | Sister\nDVT | Aunt", "family=stroke:sister; family=deep vein thrombosis:aunt"),
        ("Family history\nCondition\tWho\nDiabetes\tAunt", "family=diabetes:aunt"),
        ("FH:\nIllness | Who | Age\nStroke | Aunt | 61\nHCM | Son | 9",
         "family=stroke:aunt; family=hypertrophic cardiomyopathy:son"),

        ("FA:\nHypertonie   Schwester\nDiabetes     Onkel", "family=Hypertonie:Schwester; family=Diabetes:Onkel"),
        ("Familienanamnese\n- Diabetes: Oma, Tante", "family=Diabetes:Großmutter; family=Diabetes:Tante"),
        ("Family history\nDiabetes: sister had a stroke", "family=diabetes; family=stroke:sister"),
        ("Family history\nSister | Hypertension\nBrother | none", "family=hypertension:sister"),
        ("Familie\nMutter Hypertonie\nBeratung\nDiabetes: 12 % Risiko in 10 Jahren.", "family=Hypertonie:Mutter"),
        ("Test | Result | Normal\nLVEF | 47 % | 52-72\nTAPSE | 20 mm | > 17", "lvef=47"),
        ("Messwert;Befund;Norm\nLVEDD;60 mm;42-58\nLVEF;47 %;52-72", "lvef=47"),
        ("Test\tResult\tReference\nLVEF\t47 %\t52-72", "lvef=47"),
        ("| Item | Value |\n|---|---|\n| NYHA | II |\n| Smoking | never |", "nyha=2; smoking=never"),
        ("Smoking | never | former", ""),
    ],
)  # fmt: skip
def test_a_row_of_a_table_is_read_by_its_cells(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Family history\nSister: stroke\nAunt: no stroke, no diabetes", "family=stroke:sister"),
        ("Familienanamnese\nBruder: Schlaganfall\nTante: kein Diabetes", "family=Schlaganfall:Bruder"),
        ("FH:\n- Son: HCM\n- Daughter: no cardiomyopathy", "family=hypertrophic cardiomyopathy:son"),
        ("Family history\nBrother: stroke. No hypertension.", "family=stroke:brother"),
        ("FH: Brother: stroke. No hypertension.", "family=stroke:brother"),
        ("Family history\nBrother: stroke, no cancers.", "family=stroke:brother"),
        ("Family history\nBrother: stroke\nNo hypertension", "family=stroke:brother; family=no:hypertension"),
        ("Brother: DVT aged 40. Non-smoker.", "family=deep vein thrombosis:brother"),
        ("Bruder: Diabetes. Nichtraucher. NYHA II.", "family=Diabetes:Bruder"),
        ("Brother: DVT. Patient smokes. NYHA II.", "family=deep vein thrombosis:brother; smoking=current; nyha=2"),
        ("Brother: DVT. Social: smoker.", "family=deep vein thrombosis:brother; smoking=current"),
        ("FH: Brother, 61 y: stroke. No hypertension.", "family=stroke:brother"),
        ("Family history\nBrother:\n- DVT at 30\n- smoker\n- no stroke", "family=deep vein thrombosis:brother"),
        ("Familienanamnese\nBruder (61)\nSchlaganfall\nTante\nkein Diabetes", "family=Schlaganfall:Bruder"),
        ("Brother\nNYHA III\nEF 30%\n\nNYHA II", "nyha=2"),
        ("FH\nBrother:\n- DVT\nSocial: smoker", "family=deep vein thrombosis:brother; smoking=current"),
        ("Her daughter has an EF of 40%. NYHA III.", ""),
        ("Der Sohn hat eine LVEF von 40 %. NYHA II.", ""),
        ("Her daughter smokes. NYHA III.", "nyha=3"),
    ],
)  # fmt: skip
def test_a_line_that_a_relative_opens_is_the_relatives(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ('Note of 2020: "LVEF 20%. NYHA IV. Smokes. Mother had a stroke."', ""),
        ('She said: "I smoke a pack a day. My sister had a stroke. Help."', ""),
        ("Zitat: „EF 20 %. NYHA IV. Raucht.“ Jetzt NYHA II.", "nyha=2"),
        ('Old note:\n"LVEF 20%. NYHA IV. Smokes."\n\nNYHA II now. LVEF 45%.', "nyha=2; lvef=45"),
        ('Height 5\'11". LVEF 45%. He says "fine".', "lvef=45"),
        ('A "squeeze" in the chest. LVEF 45%. Felt "tight".', "lvef=45"),
        ("From the summary of 2020: EF 20%. NYHA IV. Smoker.", ""),
        ("Copied from the note of 2020:\nEF 20%. NYHA IV. Smoker.", ""),
        ("Im Jahr 2020: EF 20 %. NYHA IV. Raucherin.", ""),
        ("Arztbrief 2020: LVEF 20 %. NYHA IV. Aktuell: NYHA II.", "nyha=2"),
        ("COPIED FORWARD\n10/02/2026: LVEF 20%\nSmoker\n\nNYHA II. LVEF 45%.", "nyha=2; lvef=45"),
        ("Übernommener Text\n10.02.2026: LVEF 20 %\n\nLVEF 45 %.", "lvef=45"),
        ("22.02.2026: EF 40 %. NYHA II. Raucherin.", "lvef=40; nyha=2; smoking=current"),
        ("Laut Vorbefund: EF 20 %. NYHA IV. Raucher.", ""),
        ("According to an old summary: EF 20%. NYHA IV.", ""),
        ("The GP noted: 'EF 20%. NYHA IV. Smokes.'", ""),
        ("Following a bypass in May 2020, LVEF was 25%.", ""),
        ("Patient, born 01/02/1950: smoker.", "smoking=current"),
        ("The echo of 2020 showed an EF of 20%. NYHA class was IV.", ""),
        ("Das MRT 2020 ergab eine EF von 20 %. Die NYHA-Klasse war IV.", ""),
        ("The echo of 2020 showed an EF of 20%. On admission EF was 45%.", "lvef=45"),
        ("Note of 2020: EF 20%. Now NYHA II. Smoker.", "nyha=2; smoking=current"),
        ("Stent in 2020. The EF was 45%.", "lvef=45"),
        ("At the time of her first infarction in 2020, EF was 25%.", ""),
        ("In 2020 at the time of the bypass, EF was 25%.", ""),
    ],
)
def test_a_quotation_or_time_reaches_to_its_end(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Bei der Schwester wird eine DCM vermutet.", ""),
        ("Beim Sohn wird derzeit ein Marfan-Syndrom abgeklärt.", ""),
        ("Beim Sohn wird ein Brugada-Syndrom untersucht.", ""),
        ("Bei der Tante steht der Befund zum Mammakarzinom noch aus.", ""),
        ("Der vermeintliche Schlaganfall des Onkels war ein Anfall.", ""),
        ("The alleged stroke of the uncle was a seizure.", ""),
        ("What was thought to be diabetes in his aunt was not.", ""),
        ("The niece is under investigation for DCM.", ""),
        ("The diagnosis of DCM in the niece was withdrawn.", ""),
        ("Die Diagnose DCM bei der Nichte wurde revidiert.", ""),
        ("Onkel: Schlaganfall, bei der Tante wird ein Diabetes abgeklärt.", "family=Schlaganfall:Onkel"),
        ("The uncle had a stroke.", "family=stroke:uncle"),
    ],
)
def test_an_illness_that_is_suspected_or_was_another_is_none(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Explained to him that an EF of 62% is normal.", ""),
        ("Erläutert, dass eine EF von 62 % normal ist.", ""),
        ("Normal LVEF lies above 52%.", ""),
        ("Eine normale Auswurffraktion beträgt 62 %.", ""),
        ("Told him that a healthy EF is 62%.", ""),
        ("Erklärt, dass die normale EF 62 % beträgt.", ""),
        ("His EF of 62% is normal.", "lvef=62"),
        ("Normal ejection fraction of 62%.", "lvef=62"),
        ("With an EF over 45% she may fly.", ""),
        ("Mit einer EF über 45 % darf sie fliegen.", ""),
        ("With an EF of 45% she can climb stairs.", "lvef=45"),
        ("Studienkollektiv: NYHA II-III, EF höchstens 35 %.", ""),
        ("Bei Persistenz der NYHA-Klasse IV Vorstellung am Zentrum.", ""),
        ("Bei Fortbestehen von NYHA III Klappenersatz.", ""),
        ("On recurrence of NYHA III back to the ward.", ""),
        ("Persistent NYHA III symptoms.", "nyha=3"),
        ("Die Freundin des Patienten hat mit dem Rauchen aufgehört.", ""),
        ("The husband of the patient smokes.", ""),
        ("Der Sohn begleitet die Patientin, sie raucht.", "smoking=current"),
        ("PROCAM score calculated for a smoker.", ""),
        ("SCORE2 assumes a non-smoker.", ""),
        ("Framingham: calculated as a smoker.", ""),
        ("Risikotabelle für Raucher verwendet.", ""),
        ("CHA2DS2-VASc score 2, current smoker.", "smoking=current"),
        ("Cardiovascular risk: smoker for 30 years.", "smoking=current"),
    ],
)
def test_what_is_said_of_no_one_or_of_another_is_none_of_the_patient(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Seit 2012 Nichtraucherin.", "smoking=former"),
        ("Seit März 2024 ist er Nichtraucher.", "smoking=former"),
        ("Non-smoker for the past 4 years.", "smoking=former"),
        ("For 4 years she has been fine, a non-smoker.", "smoking=non"),
        ("Seit 2012 Gicht, Nichtraucherin.", "smoking=non"),
        ("Nichtraucher seit Geburt.", "smoking=non"),
        ("Nichtraucherin seit jeher.", "smoking=non"),
    ],
)
def test_a_non_smoker_since_a_time_is_a_former_one(text: str, facts: str) -> None:
    assert stated(text) == facts
