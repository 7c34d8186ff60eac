"""What a mapping may name, and what is said where it names nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest

from fhir_bridge.adapters.imaging import DicomAdapter, StudyRecord, read_studies
from fhir_bridge.adapters.imaging.body_parts import BODY_PARTS, body_part
from fhir_bridge.adapters.imaging.codes import code
from fhir_bridge.adapters.imaging.functions import private
from fhir_bridge.adapters.imaging.person_names import human_names, person_name

MODEL = DicomAdapter().model


def read(record: StudyRecord, selector: str, scope: str) -> Any:
    """Evaluate a selector as generated code does."""
    source = MODEL.selector(selector, scope)
    (first, *_) = record.scope(scope)
    return eval(source, {}, {"s": first})


@pytest.fixture(scope="module")
def ct(bundled: Path) -> StudyRecord:
    (record,) = read_studies([bundled / "test_files" / "CT_small.dcm"])
    assert isinstance(record, StudyRecord)
    return record


@pytest.mark.parametrize(
    ("selector", "scope", "expected"),
    [
        ("StudyInstanceUID", "Study", "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"),
        ("StudyInstanceUID", "Instance", "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"),
        ("Series.Modality", "Study", ["CT"]),
        ("Series.Modality", "Instance", "CT"),
        ("study.started", "Series", "20040119072730-0500"),
        ("series.number_of_instances", "Study", [1]),
        ("Instance.KVP", "Instance", 120),
        ("SliceThickness", "Series", 5),
        ("RescaleIntercept", "Instance", -1024),
        ("PatientName", "Study", ("CompressedSamples^CT1", "", "")),
    ],
)
def test_keywords_and_derived_names_at_their_level(
    ct: StudyRecord, selector: str, scope: str, expected: Any
) -> None:
    assert read(ct, selector, scope) == expected


@pytest.mark.parametrize(
    ("selector", "scope", "hint"),
    [
        ("StudyDescripton", "Study", 'did you mean "StudyDescription"'),
        ("study.startd", "Study", 'did you mean "started"'),
        ("Modality", "Study", "write Series.Modality"),
        ("Series.PatientNam", "Study", 'did you mean "PatientName"'),
        ("nonsense", "Study", "neither a DICOM keyword nor a derived name"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(selector: str, scope: str, hint: str) -> None:
    with pytest.raises(LookupError) as caught:
        MODEL.selector(selector, scope)
    assert hint in str(caught.value)


def test_an_attribute_inside_a_sequence_is_reached_through_it(make: Any) -> None:
    item = pydicom.Dataset()
    item.RequestedProcedureID = "RP7"
    path = make(RequestAttributesSequence=pydicom.Sequence([item]))
    (record,) = read_studies([path])
    assert isinstance(record, StudyRecord)
    assert read(record, "Series.RequestAttributesSequence.RequestedProcedureID", "Instance") == ["RP7"]


def test_private_elements_are_found_by_their_creator(ct: StudyRecord) -> None:
    assert private(ct.study, "GEMS_IDEN_01", 0x0009, 0x01) == "GE_GENESIS_FF"
    assert private(ct.study, "NOBODY", 0x0009, 0x01) is None


def test_snomed_rt_becomes_snomed_ct_and_unknown_schemes_stay() -> None:
    assert code("T-32600", "SRT", "Left Ventricle").codings() == [
        ("http://snomed.info/sct", "87878005", "Left Ventricle", None)
    ]
    assert code("X", "99LOCAL", "Local").codings() == [("99LOCAL", "X", "Local", None)]


@pytest.mark.parametrize("term", sorted(BODY_PARTS))
def test_every_defined_body_part_has_a_concept(term: str) -> None:
    result = body_part(term)
    assert result is not None
    assert result.system == "http://snomed.info/sct"


def test_a_name_keeps_its_three_representations() -> None:
    names = human_names(person_name("Yamada^Tarou=山田^太郎=やまだ^たろう"))
    assert names is not None
    assert [(name["family"], name["given"]) for name in names] == [
        ("Yamada", ["Tarou"]),
        ("山田", ["太郎"]),
        ("やまだ", ["たろう"]),
    ]
    assert names[1]["extension"][0]["valueCode"] == "IDE"


def test_a_name_of_five_components() -> None:
    assert human_names(person_name("Adams^John Robert^Quincy^Rev.^B.A. M.Div.")) == [
        {
            "text": "Rev. John Robert Quincy Adams, B.A. M.Div.",
            "family": "Adams",
            "given": ["John", "Robert", "Quincy"],
            "prefix": ["Rev."],
            "suffix": ["B.A.", "M.Div."],
        }
    ]
    assert person_name("^^^^") is None
