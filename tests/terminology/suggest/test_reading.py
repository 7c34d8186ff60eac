"""How names are read: phrases however they are divided, shortened, joined or misspelt, in five languages."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhir_bridge.terminology import get_terminology
from fhir_bridge.terminology.suggest import LocalTerm, get_lexicon
from fhir_bridge.terminology.suggest.lexicon import FOLDER
from fhir_bridge.terminology.suggest.lexicon_tables import LANGUAGES, rows
from fhir_bridge.terminology.suggest.loinc_names import axes_of_name
from fhir_bridge.terminology.suggest.query import Query, queries
from fhir_bridge.terminology.suggest.text import close, edits, fold, skeleton
from fhir_bridge.terminology.suggest.units import properties_of_unit, ucum_of


def meant(name: str, language: str | None = None) -> list[set[str]]:
    """The concepts of each phrase, of what fills nothing."""
    readings = get_lexicon().read(name, language)
    return [{m.concept for m in reading.meanings if m.kind != "filler"} for reading in readings]


def read(name: str, unit: str = "", specimen: str = "", language: str | None = None) -> list[Query]:
    return queries(LocalTerm(name, unit, specimen, language), get_lexicon(), get_terminology())


@pytest.mark.parametrize("spelling", ["CA 19-9", "CA19-9", "ca199", "CA 19.9"])
def test_how_a_phrase_is_divided_does_not_count(spelling: str) -> None:
    assert meant(spelling) == [{"cancer ag 19-9"}]


@pytest.mark.parametrize(
    ("name", "language", "concept"),
    [
        ("Alk. fosf.", "nl", "alkaline phosphatase"),
        ("Retikul.", "de", "reticulocytes"),
        ("Emoglobna", "it", "hemoglobin"),
        ("Thrombozyen", "de", "platelets"),
        ("Valproinsaeure", "de", "valproate"),
        ("Theophyllin", "fr", "theophylline"),
        ("Levetirazetam", "nl", "levetiracetam"),
    ],
)
def test_abbreviations_slips_and_spellings_of_another_language_are_read(
    name: str, language: str, concept: str
) -> None:
    assert meant(name, language) == [{concept}]


def test_a_compound_is_its_parts() -> None:
    assert meant("Knochenszintigraphie", "de") == [{"nm bone"}]
    assert meant("Nierenszintigraphie", "de") == [{"nm kidney"}]
    assert meant("Leberszintigraphie", "de") == [{"liver"}, {"nm"}]
    assert meant("Schilddrüsensonographie", "de") == [{"thyroid gland"}, {"us"}]
    assert meant("hsTroponin", "de") == [{"high sensitivity"}, {"troponin cardiac"}]


def test_the_ending_names_the_specimen() -> None:
    [reading] = get_lexicon().read("Magnesiuria", "it")
    assert {(m.concept, m.also) for m in reading.meanings} == {("magnesium", (("specimen", "Urine"),))}
    assert read("Natriurie", language="fr")[0].systems == ("Urine",)


def test_a_language_of_its_own_comes_before_english() -> None:
    assert meant("TP", "fr") == [
        {"coagulation tissue factor induced.actual/normal", "prothrombin time (pt) actual/normal"}
    ]
    assert meant("ACE", "fr") == [{"carcinoembryonic ag"}]
    assert meant("ACE", "en") == [{"angiotensin converting enzyme"}]
    assert "c reactive protein" in meant("PCR", "it")[0]
    assert "c reactive protein" not in meant("PCR", "de")[0]


def test_a_panel_beside_what_is_measured_is_a_heading() -> None:
    assert read("Leuko diff: lymfocyten", language="nl")[0].named == ("lymphocyte",)
    assert read("BGA pO2", language="de")[0].named == ("oxygen",)
    assert read("BGA", language="de")[0].named == ("gas", "panel")


def test_what_a_phrase_says_besides_is_asked_too() -> None:
    [requested] = read("Blutkultur", language="de")
    assert (requested.named, requested.systems, requested.methods) == (
        ("bacteria", "identified"),
        ("Bld",),
        ("culture",),
    )
    [requested] = read("Protéinurie des 24h", language="fr")
    assert (requested.systems, requested.properties, requested.times) == (
        ("Urine",),
        ("MRat",),
        ("24", "hour"),
    )


def test_the_property_in_the_name_counts_where_no_unit_indicates_it() -> None:
    assert read("Neutrophile abs.", language="de")[0].properties == ("NCnc",)
    assert read("Neutrophile abs.", "%", language="de")[0].properties[0] == "MFr"


def test_numbers_and_letters_that_mean_nothing_are_left_out() -> None:
    assert read("Gerinnungsfaktor XIII (13)", language="de")[0].unknown == frozenset()
    assert read("Qwertz 4711", language="de")[0].named == ("qwertz", "4711")


@pytest.mark.parametrize(
    ("unit", "property_axis"),
    [
        ("mg/l FEU", "MCnc"),
        ("UI/mL", "ACnc"),
        ("kUA/L", "ACnc"),
        ("mmol/24u", "SRat"),
        ("g/die", "MRat"),
        ("mm/uur", "Vel"),
        ("/gezichtsveld", "Naric"),
        ("x10³/µl", "NCnc"),
        ("10^3/uL", "NCnc"),
        ("mg/mmol", "MSRto"),
        ("mval/l", "SCnc"),
        ("Kopien/ml", "NCnc"),
        ("Titer", "Titr"),
        ("bpm", "NRat"),
    ],
)
def test_units_of_laboratory_sheets_are_understood(unit: str, property_axis: str) -> None:
    code = ucum_of(unit, get_terminology())
    assert code is not None
    assert property_axis in properties_of_unit(code)


def test_a_percentage_is_no_concentration() -> None:
    assert not {"ACnc", "Titr"} & set(properties_of_unit("%"))


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        (
            "Potassium [Moles/volume] in Serum or Plasma",
            ("Potassium", "SCnc", "Ser/Plas", "", ""),
        ),
        (
            "Hepatitis B virus DNA [Units/volume] (viral load) in Serum or Plasma by NAA with probe detection",
            ("Hepatitis B virus DNA", "ACnc", "Ser/Plas", "", "NAA with probe detection"),
        ),
        (
            "Vancomycin [Mass/volume] in Serum or Plasma --trough",
            ("Vancomycin^trough", "MCnc", "Ser/Plas", "", ""),
        ),
        ("Protein [Mass/time] in 24 hour Urine", ("Protein", "MRat", "Urine", "24H", "")),
        ("pH of Venous blood", ("pH", "", "BldV", "", "")),
    ],
)
def test_a_long_common_name_indicates_its_axes(name: str, axes: tuple[str, ...]) -> None:
    result = axes_of_name(name)
    assert tuple(result[a] for a in ("COMPONENT", "PROPERTY", "SYSTEM", "TIME_ASPCT", "METHOD_TYP")) == axes


def test_a_name_of_no_measurement_indicates_no_axes() -> None:
    assert axes_of_name("CT Head WO contrast") == {}
    assert axes_of_name("Holter monitor study") == {}


def test_british_and_american_greek_and_latin_are_one() -> None:
    assert fold("Anaemia, oedema, oesophagitis, faeces") == fold("Anemia, edema, esophagitis, feces")
    assert fold("β-hCG") == "beta-hcg"
    assert fold("# NOF") == "fracture nof"
    assert skeleton("theophylline") == skeleton("teofillina") == skeleton("theophyllin")


def test_a_figure_is_no_slip() -> None:
    assert close("igg1a", "igg2a") == 0
    assert close("sodim", "sodium") == 0.8
    assert edits("thrombozyten", "trhombozyten", 1) == 1


def test_every_row_of_the_lexicon_says_something() -> None:
    for table in sorted(FOLDER.glob("*.tsv")):
        assert "\r" not in table.read_text(encoding="utf-8"), table.name
        spoken = {language for meaning, _ in rows(table) for language in meaning.languages}
        assert spoken == set(LANGUAGES), table.name


def test_a_table_with_an_unknown_kind_beside_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "analyte_ours.tsv"
    table.write_text("concept\talso\ten\nprotein\tplace:Urine\tproteinuria\n")
    with pytest.raises(ValueError, match=r"analyte_ours\.tsv:2: kind 'place'"):
        get_lexicon().with_tables([table])
