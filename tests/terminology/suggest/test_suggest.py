"""Suggestions for local names: the right code is among the first five, and a courier fee has none."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.terminology import get_terminology
from fhir_bridge.terminology.check_digits import loinc_check_digit
from fhir_bridge.terminology.content import ConceptDetail
from fhir_bridge.terminology.suggest import LocalTerm, Suggester, get_lexicon
from fhir_bridge.terminology.suggest.text import close, words
from fhir_bridge.terminology.suggest.units import properties_of_unit, ucum_of
from tests.terminology.suggest import corpus


@pytest.fixture(scope="module")
def small() -> Suggester:
    return Suggester([corpus.loinc(500)], get_terminology())


def first(suggester: Suggester, name: str, unit: str = "", specimen: str = "") -> str:
    result = suggester.suggest(LocalTerm(name, unit, specimen)).suggestions
    return result[0].code if result else ""


@cache
def among(others: int) -> dict[str, Suggester]:
    """By domain, a suggester in whose code system the codes sought are among so many others."""
    loinc = Suggester([corpus.loinc(others)], get_terminology())
    return {
        "laboratory": loinc,
        "imaging": loinc,
        "diagnosis": Suggester([corpus.icd(others)], get_terminology()),
    }


@pytest.mark.parametrize(
    ("others", "table", "with_code", "without"),
    [
        pytest.param(100_000, "local_names.tsv", 180, 20, marks=pytest.mark.soak),
        pytest.param(100_000, "local_names_second.tsv", 270, 30, marks=pytest.mark.soak),
        pytest.param(100_000, "local_names_third.tsv", 90, 10, marks=pytest.mark.soak),
        (15_000, "local_names_third.tsv", 90, 10),
    ],
)
def test_four_of_five_names_find_their_code_among_many_others(
    others: int, table: str, with_code: int, without: int
) -> None:
    none_said, missed = 0, []
    names = corpus.names(table)
    for named in names:
        codes = {s.code for s in among(others)[named.domain].suggest(named.term, 5).suggestions}
        if not named.codes:
            none_said += not codes
        elif codes.isdisjoint(named.codes):
            missed.append(named.term.name)
    assert sum(bool(named.codes) for named in names) == with_code
    assert len(names) == with_code + without
    assert len(missed) <= 0.2 * with_code, missed
    assert none_said > without / 2


def test_answers_have_a_concept_and_a_true_check_digit() -> None:
    loinc = set(corpus.loinc(1).codes())
    for table in corpus.TABLES:
        for named in corpus.names(table):
            if named.domain != "diagnosis":
                assert loinc.issuperset(named.codes), named.term.name
                assert all(code[-1] == str(loinc_check_digit(code[:-2])) for code in named.codes), (
                    named.term.name
                )


def test_the_unit_distinguishes_mass_from_substance(small: Suggester) -> None:
    assert first(small, "Creatinine", "mg/dL") == "2160-0"
    assert first(small, "Creatinine", "µmol/L") == "14682-9"
    assert first(small, "Creatinine µmol/L") == "14682-9"


def test_the_specimen_distinguishes_urine_from_serum(small: Suggester) -> None:
    assert first(small, "Natrium", "mmol/L", "Urin") == "2955-3"
    assert first(small, "Natrium", "mmol/L", "Serum") == "2951-2"
    assert first(small, "Urin-Natrium", "mmol/L") == "2955-3"


def test_compounds_and_slips_of_the_pen_are_understood(small: Suggester) -> None:
    assert first(small, "Serumkalium", "mmol/l") == "2823-3"
    assert first(small, "Potasium", "mmol/L") == "2823-3"
    assert first(small, "hsCRP", "mg/L") == "30522-7"
    assert first(small, "hsTroponin T", "ng/l", "Plasma") == "67151-1"


def test_what_led_to_a_suggestion_is_reported(small: Suggester) -> None:
    best = small.suggest(LocalTerm("Kaliémie", "mmol/L", "sérum")).suggestions[0]
    assert "kaliemie: potassium" in best.evidence
    assert "SCnc fits the unit" in best.evidence
    assert best.system == corpus.LOINC


def test_for_a_name_without_a_code_what_came_nearest_is_kept_apart(small: Suggester) -> None:
    answer = small.suggest(LocalTerm("Courier fee"))
    assert answer.suggestions == ()


def test_retired_and_grouping_concepts_are_not_suggested() -> None:
    concepts = {
        "1": ConceptDetail("1", "Heart failure", active=False),
        "2": ConceptDetail("2", "Heart failure", abstract=True),
        "3": ConceptDetail("3", "Heart failure"),
    }
    suggester = Suggester([corpus.of("https://hospital.example.org/codes", concepts)], get_terminology())
    assert [s.code for s in suggester.suggest(LocalTerm("CHF")).suggestions] == ["3"]


@pytest.mark.parametrize(
    ("unit", "property_axis"),
    [("mmol/L", "SCnc"), ("mg/dl", "MCnc"), ("G/l", "NCnc"), ("U/l", "CCnc"), ("mm/h", "Vel"), ("%", "MFr")],
)
def test_units_name_the_property(unit: str, property_axis: str) -> None:
    code = ucum_of(unit, get_terminology())
    assert code is not None
    assert property_axis in properties_of_unit(code)


def test_an_unknown_unit_indicates_nothing() -> None:
    assert ucum_of("Stück", get_terminology()) is None
    assert properties_of_unit("[drp]") == ("EntMeanVol", "EntVol", "Vol")


def test_accents_case_and_plural_do_not_count() -> None:
    assert words("Créatinine, Plaquettes") == words("CREATININE plaquette")
    assert words("haemoglobin") == words("Hemoglobin")


def test_the_lexicon_names_file_and_line_of_a_mistake(tmp_path: Path) -> None:
    table = tmp_path / "ours.tsv"
    table.write_text("# ours\nconcept\tkind\ten\nglucose\tanalytes\tsugar\n")
    with pytest.raises(ValueError, match=r"ours\.tsv:3: kind 'analytes'"):
        get_lexicon().with_tables([table])


def test_a_site_adds_its_own_words(tmp_path: Path) -> None:
    table = tmp_path / "ours.tsv"
    table.write_text("concept\tkind\tde\nglucose\tanalyte\tzuckerle\n")
    suggester = Suggester([corpus.loinc(50)], get_terminology(), get_lexicon().with_tables([table]))
    assert first(suggester, "Zuckerle", "mg/dL") == "2345-7"


@given(st.text(max_size=60), st.text(max_size=10), st.text(max_size=10))
def test_any_text_is_answered(name: str, unit: str, specimen: str) -> None:
    suggester = Suggester([corpus.loinc(5)], get_terminology())
    for suggestion in suggester.suggest(LocalTerm(name, unit, specimen)).suggestions:
        assert 0 < suggestion.score <= 1


@given(st.text(max_size=12), st.text(max_size=12))
def test_nearness_is_symmetric_and_bounded(one: str, other: str) -> None:
    assert close(one, other) == close(other, one)
    assert 0 <= close(one, other) <= 1


def made(code: str, display: str, *axes: str) -> ConceptDetail:
    properties = zip(("COMPONENT", "PROPERTY", "SYSTEM"), axes, strict=False)
    return ConceptDetail(
        code, display, properties=tuple((name, value, "string") for name, value in properties)
    )


@pytest.mark.parametrize(
    ("name", "unit", "code"),
    [
        ("Neutrofielen", "%", "share"),
        ("Neutrofielen", "10^9/L", "count"),
        ("Vitamine B12", "ng/l", "b12"),
        ("Schilddrüsensonographie", "", "thyroid"),
        ("Protrombinetijd", "s", "pt"),
        ("Sangue occulto", "", "occult"),
    ],
)
def test_names_are_found_by_all_that_a_concept_is_called(name: str, unit: str, code: str) -> None:
    concepts = (
        made("share", "Neutrophils/100 leukocytes in Blood", "Neutrophils/100 leukocytes", "NFr", "Bld"),
        made("count", "Neutrophils [#/volume] in Blood", "Neutrophils", "NCnc", "Bld"),
        made("ratio", "Neutrophils [Mass ratio] in Stool", "Neutrophils", "MRto", "Stool"),
        made(
            "b12", "Cobalamin (Vitamin B12) [Mass/volume] in Serum", "Cobalamin (Vitamin B12)", "MCnc", "Ser"
        ),
        made("other", "Cobalamin total [Moles/volume] in Serum", "Cobalamin.total", "SCnc", "Ser"),
        made("thyroid", "US Thyroid gland"),
        made("pt", "Prothrombin time (PT)", "Coagulation tissue factor induced", "Time", "PPP"),
        made("aptt", "aPTT in Blood", "Coagulation surface induced", "Time", "PPP"),
        made(
            "occult", "Hemoglobin.gastrointestinal in Stool", "Hemoglobin.gastrointestinal", "PrThr", "Stool"
        ),
    )
    content = corpus.of(corpus.LOINC, {concept.code: concept for concept in concepts})
    assert first(Suggester([content], get_terminology()), name, unit) == code


def test_a_reviewer_finds_a_concept_by_its_code(small: Suggester) -> None:
    term = LocalTerm("Kreatinin", "mg/dl")
    result = small.search(" 2951-2 ", term)
    assert (result[0].code, result[0].evidence) == ("2951-2", ("found by its code",))
    assert small.search("Natrium", LocalTerm("x", "mmol/L"))[0].code == "2951-2"
    assert len({item.code for item in result}) == len(result)
