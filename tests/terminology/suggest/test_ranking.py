"""Which concept comes first, and for which names none: rules that hold for names of all kinds."""

from __future__ import annotations

import pytest

from fhir_bridge.terminology import get_terminology
from fhir_bridge.terminology.content import ConceptDetail
from fhir_bridge.terminology.suggest import LocalTerm, Suggester
from tests.terminology.suggest import corpus

DICOM = "http://dicom.nema.org/resources/ontology/DCM"


def among(url: str, *displays: str) -> Suggester:
    """A suggester that knows these names alone; each has itself as its code."""
    concepts = {display: ConceptDetail(display, display) for display in displays}
    return Suggester([corpus.of(url, concepts)], get_terminology())


def first(suggester: Suggester, name: str, unit: str = "", specimen: str = "", language: str = "en") -> str:
    result = suggester.suggest(LocalTerm(name, unit, specimen, language)).suggestions
    return result[0].code if result else ""


DIAGNOSES = (
    "Fracture of unspecified part of neck of left femur, sequela",
    "Fracture of unspecified part of neck of left femur, subsequent encounter for closed fracture with routine healing",
    "Fracture of unspecified part of neck of left femur, initial encounter for open fracture type I or II",
    "Fracture of unspecified part of neck of left femur, initial encounter for closed fracture",
    "Fracture of unspecified part of neck of right femur, initial encounter for closed fracture",
    "Asthma",
    "Unspecified asthma, uncomplicated",
    "Family history of asthma and other chronic lower respiratory diseases",
    "Type 2 diabetes mellitus without complications",
    "Type 2 diabetes mellitus with unspecified complications",
    "Malignant neoplasm of prostate",
    "Personal history of malignant neoplasm of prostate",
)


@pytest.mark.parametrize(
    ("name", "language", "display"),
    [
        (
            "Schenkelhalsfraktur links",
            "de",
            "Fracture of unspecified part of neck of left femur, initial encounter for closed fracture",
        ),
        (
            "Collumfractuur rechts",
            "nl",
            "Fracture of unspecified part of neck of right femur, initial encounter for closed fracture",
        ),
        ("T2DM w/o compl.", "en", "Type 2 diabetes mellitus without complications"),
        ("Carcinoma prostatico", "it", "Malignant neoplasm of prostate"),
    ],
)
def test_the_plain_case_comes_before_sequela_history_and_the_other_side(
    name: str, language: str, display: str
) -> None:
    assert first(among(corpus.ICD, *DIAGNOSES), name, language=language) == display


def test_a_name_that_says_history_finds_it() -> None:
    suggester = among(corpus.ICD, *DIAGNOSES)
    result = suggester.suggest(
        LocalTerm("History of malignant neoplasm of prostate", language="en")
    ).suggestions
    assert result[0].code == "Personal history of malignant neoplasm of prostate"


def test_names_alone_are_enough_for_loinc() -> None:
    suggester = among(
        corpus.LOINC,
        "Sodium [Moles/volume] in Serum or Plasma",
        "Sodium [Moles/volume] in Urine",
        "Sodium [Moles/time] in 24 hour Urine",
        "Sodium [Mass/volume] in Serum or Plasma",
        "Lymphocytes/100 leukocytes in Blood",
        "Lymphocytes [#/volume] in Blood",
    )
    assert first(suggester, "Natrium", "mmol/l", language="de") == "Sodium [Moles/volume] in Serum or Plasma"
    assert first(suggester, "Natriurie", "mmol/l", language="fr") == "Sodium [Moles/volume] in Urine"
    assert (
        first(suggester, "Natrium 24u urine", "mmol/24u", language="nl")
        == "Sodium [Moles/time] in 24 hour Urine"
    )
    assert first(suggester, "Lymphocytes", "%") == "Lymphocytes/100 leukocytes in Blood"


def test_blood_as_material_does_not_rule_serum_out() -> None:
    suggester = among(
        corpus.LOINC,
        "Ferritin [Mass/volume] in Serum or Plasma",
        "Ferritin [Mass/volume] in Cerebral spinal fluid",
    )
    assert first(suggester, "Ferritin", "ng/ml", "Blut", "de") == "Ferritin [Mass/volume] in Serum or Plasma"


def test_what_catalogues_hold_beside_observations_has_no_code() -> None:
    suggester = among(
        corpus.LOINC, "Glucose [Mass/volume] in Serum or Plasma", "Cadmium [Mass/volume] in Blood"
    )
    for name, language in [
        ("Glucose courier fee", "en"),
        ("Versandkosten Glukose", "de"),
        ("CD burned for patient", "en"),
        ("Controleserum niveau 2", "nl"),
        ("Prelievo venoso", "it"),
        ("Frais de transport", "fr"),
    ]:
        assert first(suggester, name, language=language) == "", name
    assert first(suggester, "Glucose", "mg/dL") != ""


def test_a_code_that_people_say_is_found_by_it() -> None:
    names = {"CT": "Computed Tomography", "MR": "Magnetic Resonance", "US": "Ultrasound", "113829": "CT Dose"}
    content = corpus.of(DICOM, {code: ConceptDetail(code, display) for code, display in names.items()})
    suggester = Suggester([content], get_terminology())
    assert first(suggester, "Computertomographie", language="de") == "CT"
    assert first(suggester, "Risonanza magnetica", language="it") == "MR"
    assert first(suggester, "Échographie", language="fr") == "US"
