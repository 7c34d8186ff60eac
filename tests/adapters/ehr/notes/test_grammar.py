"""What a sentence says by its place in the text: lines, sections, whose it is, of when, whether it is so."""

from __future__ import annotations

from datetime import date

import pytest

from fhir_bridge.adapters.ehr.notes import Fact, RuleExtractor

DAY = date(2026, 3, 1)


def shown(fact: Fact) -> str:
    if fact.kind != "family":
        return f"{fact.kind}={fact.value}"
    relation = f":{fact.relation}" if fact.relation else ""
    return f"family={'no:' if fact.negated else ''}{fact.value}{relation}"


def stated(text: str) -> str:
    facts = list(RuleExtractor().extract_as_of(text, DAY))
    assert all(text[fact.start : fact.end] == fact.text for fact in facts)
    return "; ".join(shown(fact) for fact in facts)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("She has never\nsmoked in her life.", "smoking=never"),
        ("Er ist seit 2012 kein\nRaucher mehr.", "smoking=former"),
        ("The patient denies any\nfamily history of sudden cardiac death.", "family=no:sudden cardiac death"),
        ("Die Ejektions-\nfraktion beträgt 41 %.", "lvef=41"),
        ("Schwester mit Long-\nQT-Syndrom.", "family=Long-QT-Syndrom:Schwester"),
        ("If the ejection fraction\nis below 35% she will need an ICD.", ""),
        ("Her brother\nsmokes 20 a day.", ""),
        ("- smoker\n- EF 35%\n- NYHA II", "smoking=current; lvef=35; nyha=2"),
        ("Smoking\tnever\nNYHA\tII", "smoking=never; nyha=2"),
        ("  Nikotin             nie\n  LVEF (3D)           58 %     52-72", "smoking=never; lvef=58"),
        (
            "Family history     mother and an aunt had breast\n                   cancer; no stroke",
            "family=breast cancer:mother; family=breast cancer:aunt; family=no:stroke",
        ),
    ],
)
def test_a_line_break_within_a_sentence_is_no_end_of_it(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "FAMILY HISTORY\n- Diabetes\n- Stroke in father\n\nPAST HISTORY\n- Hypertension",
            "family=diabetes; family=stroke:father",
        ),
        ("FH: nil. AF since 2019.", ""),
        ("FA: o.B.\n\nStatus: AF 32/min", ""),
        ("Familienanamnese: leer. KHK seit 2014.", ""),
        ("Plan:\n- LVEF > 40 %, NYHA I", ""),
        ("Key: NYHA I no symptoms, NYHA II symptoms on exertion", ""),
        ("LVEF 35 %. Goal: LVEF above 50 %. Father had a stroke.", "lvef=35; family=stroke:father"),
        ("Previous echo:\nLVEF 30 %", ""),
        ("Echo 2021:\nLV dilated. LVEF 30 %.\n\nEcho 20.02.2026:\nLVEF 42 %.", "lvef=42"),
        ("Patient information: do you smoke? Smokers are at risk.", ""),
    ],
)
def test_a_section_says_of_what_its_sentences_are(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "Her father has DCM. His EF is 20% and he is in NYHA class IV.",
            "family=dilated cardiomyopathy:father",
        ),
        ("Father has DCM. Her own EF is 58%.", "family=dilated cardiomyopathy:father; lvef=58"),
        ("Sister has HCM; the patient is NYHA I.", "family=hypertrophic cardiomyopathy:sister; nyha=1"),
        ("Die Mutter ist wohlauf (EF 66 %).", ""),
        ("Lives with her husband, smokes 10/day.", "smoking=current"),
        ("Nichtraucherin, der Ehemann raucht.", "smoking=non"),
        ("RV dilated, EF 35%.", ""),
        ("EF des RV 35 %.", ""),
        ("Stepmother had breast cancer.", ""),
        ("EF 20% in a family member, his brother.", ""),
        ("Smoker in the family, her brother.", ""),
        (
            "Raucher mit Familienanamnese für Herzinfarkt beim Vater.",
            "family=Myokardinfarkt:Vater; smoking=current",
        ),
    ],
)
def test_what_is_of_another_is_none_of_the_patient(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("EF früher 25 %, jetzt 42 %.", "lvef=42"),
        ("The LVEF, which had been 50% in 2023, is now 34%.", "lvef=34"),
        ("EF 30 % (03/2024).", ""),
        ("EF 36 % (Echo vom 12.02.2026).", "lvef=36"),
        ("EF 36 % (Echo vom 12.02.2025).", ""),
        ("EF was 20% at diagnosis.", ""),
        ("Sonst NYHA II, jetzt NYHA III-IV.", "nyha=3-4"),
        ("Previously NYHA IV, currently class II.", "nyha=2"),
        ("On entry he was in NYHA class III. He walks well and is now NYHA class II.", "nyha=2"),
        ("DCM diagnosed 2018, today NYHA II.", "nyha=2"),
        ("CRT-D 2021, EF 30%.", "lvef=30"),
        ("DCM was found in 2019 with an EF of 20%. On treatment it rose to 36%.", "lvef=36"),
        ("Smoker until 1999.", "smoking=former"),
        ("Exraucher, seit 2024 wieder 10/d.", "smoking=current"),
        ("Früher starker Raucher, seit 1985 abstinent.", "smoking=former"),
        ("LVEF 30% on admission, 45% at discharge.", "lvef=45"),
    ],
)
def test_a_finding_of_now_is_told_from_an_earlier_one(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "Weder KHK noch Schlaganfall in der Familie.",
            "family=no:koronare Herzkrankheit; family=no:Schlaganfall",
        ),
        (
            "FH negative for SCD but positive for CAD.",
            "family=no:sudden cardiac death; family=coronary artery disease",
        ),
        ("Vater: kein Herzinfarkt, aber Schlaganfall.", "family=Schlaganfall:Vater"),
        (
            "Keine Mamma- oder Ovarialkarzinome in der Familie.",
            "family=no:Mammakarzinom; family=no:Ovarialkarzinom",
        ),
        ("Raucher: nein", "smoking=non"),
        ("Family history: ? MI in father.", ""),
        ("Family history: mother had a stroke, ?father MI.", "family=stroke:mother"),
        ("Family history: father - MI vs. angina.", ""),
        ("Do not smoke for two weeks.", ""),
        ("Quit smoking!", ""),
        ("No smoking on the ward.", ""),
        ("A normal EF is above 55%.", ""),
        ("ICD erst bei einer EF von 35 % oder darunter.", ""),
        ("LVEF thresholds: 50%.", ""),
        ("HFmrEF is defined as LVEF 41-49%.", ""),
        ("LVEF < 40 %: stop treatment.", ""),
        ("AVR is indicated in symptoms or LVEF < 50 %.", ""),
        ("NYHA II: 12 patients, NYHA III: 8 patients", ""),
        ("Bei EF von 35 % derzeit keine ICD-Indikation.", "lvef=35"),
    ],
)
def test_what_is_denied_or_unreal_is_no_finding(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("Cousin with DCM.", "family=dilated cardiomyopathy:cousin"),
        ("Cousin mit DCM.", "family=dilatative Kardiomyopathie:Cousin"),
        ("Vater MI mit 50 J.", "family=Myokardinfarkt:Vater"),
        ("Mutter MI", "family=Myokardinfarkt:Mutter"),
    ],
)
def test_a_condition_is_named_in_the_language_of_its_text(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("NYHA: ( ) I (x) II ( ) III ( ) IV", "nyha=2"),
        ("NYHA I ( ) II (X) III ( ) IV ( )", "nyha=2"),
        ("NYHA: ( ) I ( ) II ( ) III ( ) IV", ""),
        ("EF: ☐ >50% ☐ 40-50% ☒ <40%", "lvef=<40"),
        ("Smoker: [ ] yes [x] no", "smoking=non"),
        ("( ) Raucher (x) Nichtraucher", "smoking=non"),
        ("☐ smoker", ""),
        ("● Raucher\n● EF 40 %", "smoking=current; lvef=40"),
    ],
)
def test_of_a_form_what_is_ticked_is_said(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("                Entry       Exit\nNYHA class      III         I\n", "nyha=1"),
        ("\tVorwert\tAktuell\nLVEF\t30 %\t45 %", "lvef=45"),
        ("            Aktuell    Vorwert\nLVEF        44 %       31 %", "lvef=44"),
        ("         12/2025    02/2026\nLVEF     30 %       45 %", "lvef=45"),
        ("LVEF\t30 %\t45 %", ""),
        ("LVEF biplane     45 %         (54-74)", "lvef=45"),
    ],
)
def test_of_a_table_with_several_times_the_column_of_now_is_read(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("EF 24%→41% since CRT.", "lvef=41"),
        ("EF 24 % -> 41 % unter Therapie.", "lvef=41"),
        ("NYHA III -> II", "nyha=2"),
        ("LVEF 50-55%, improved compared to 45% in January.", "lvef=50-55"),
        ("LVEF 60 % (2024), 50 % (2025), 40 % (02/2026)", "lvef=40"),
        ("LVEF > 54 % normal, 41-53 % mildly, 30-40 % moderately impaired.", ""),
        ("LVEF (normal 55-70 %): 40 %", "lvef=40"),
        ("LVEF 55-75 %", ""),
    ],
)
def test_of_several_values_the_one_of_now_is_given_and_a_scale_is_none(text: str, facts: str) -> None:
    assert stated(text) == facts


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("History\nOn arrival NYHA IV.\n\nCourse\nAt the time of discharge NYHA II.", "nyha=2"),
        (
            "Anamnese\nAtemnot im Sitzen (NYHA IV).\n\nVerlauf\nWir entlassen ihn im NYHA-Stadium II.",
            "nyha=2",
        ),
        ("On arrival NYHA IV.", "nyha=4"),
        ("Diagnosis: HFrEF, LVEF 27 %\n\nEcho: LVEF biplane 27 %", "lvef=27"),
        ("Echo: LVEF 40 %.\n\nMRI: LVEF 52 %.", ""),
        ("Current smoker.\n\nHe has never smoked.", ""),
    ],
)
def test_a_note_states_each_thing_once_and_as_it_is_now(text: str, facts: str) -> None:
    assert stated(text) == facts
