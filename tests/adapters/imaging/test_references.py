"""Segments with their volume; key objects, presentation states and encapsulated documents as references."""

from __future__ import annotations

import copy
from base64 import b64decode
from decimal import Decimal
from pathlib import Path
from typing import Any

import pydicom
import pytest

from fhir_bridge.adapters.imaging import StudyRecord, read_studies
from fhir_bridge.adapters.imaging.composition import compose
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import Site
from tests.adapters.imaging.conversion import Converted, convert
from tests.adapters.imaging.raw_files import KEY_OBJECTS, code, everything, write

SITE = Site(demo_key=True, zone="UTC", parameters={"wado_rs": "https://pacs.fhir-bridge.org/dicom-web"})


def valid(converted: Converted) -> Converted:
    validator = Validator.of()
    for resource in converted.resources:
        assert not [each for each in validator.validate(resource) if each.severity in ("error", "fatal")], (
            resource
        )
    return converted


def volumes(converted: Converted) -> list[Decimal]:
    return [
        each["valueQuantity"]["value"]
        for each in converted.of("Observation")
        if each["code"]["coding"][0]["code"] == "118565006"
    ]


def changed(path: Path, target: Path, **values: Any) -> Path:
    """A segmentation with other pixel measures."""
    dataset = pydicom.dcmread(path)
    (shared,) = dataset.SharedFunctionalGroupsSequence
    (measures,) = shared.PixelMeasuresSequence
    for keyword, value in values.items():
        if value is None:
            delattr(measures, keyword)
        else:
            setattr(measures, keyword, value)
    dataset.save_as(target)
    return target


def test_a_segment_is_a_body_structure_with_the_volume_of_its_voxels(bundled: Path) -> None:
    path = bundled / "test_files" / "liver_1frame.dcm"
    dataset = pydicom.dcmread(path)
    (measures,) = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    size = Decimal(1)
    for each in (*measures.PixelSpacing, measures.SpacingBetweenSlices):
        size *= Decimal(str(each))
    voxels = bin(int.from_bytes(dataset.PixelData, "little")).count("1")
    converted = valid(convert([path], SITE))
    (structure,) = converted.of("BodyStructure")
    assert structure["location"]["coding"][0] == {
        "system": "http://snomed.info/sct",
        "code": "10200004",
        "display": "Liver",
    }
    (volume,) = volumes(converted)
    assert abs(volume - voxels * size) < Decimal("1E-6")


def test_a_segment_of_uncertain_depth_has_no_volume(bundled: Path, tmp_path: Path) -> None:
    path = changed(
        bundled / "test_files" / "liver_1frame.dcm",
        tmp_path / "a.dcm",
        SpacingBetweenSlices=None,
        SliceThickness=None,
    )
    converted = convert([path], SITE)
    assert len(converted.of("BodyStructure")) == 1
    assert volumes(converted) == []
    (issue,) = [each for each in converted.issues if each.code == "FB-DCM-034"]
    assert "how far its planes are apart" in issue.message


def test_the_background_of_a_label_map_is_no_body_structure(bundled: Path, tmp_path: Path) -> None:
    path = bundled / "test_files" / "liver_1frame.dcm"
    segments = pydicom.dcmread(path).SegmentSequence
    background = copy.deepcopy(segments[0])
    background.SegmentNumber, background.SegmentLabel = 0, "Background"
    (kind,) = background.SegmentedPropertyTypeCodeSequence
    kind.CodeValue, kind.CodingSchemeDesignator, kind.CodeMeaning = "125040", "DCM", "Background"
    converted = convert([changed(path, tmp_path / "a.dcm", SegmentSequence=[background, *segments])], SITE)
    assert [each["description"] for each in converted.of("BodyStructure")] == [segments[0].SegmentLabel]
    assert len(volumes(converted)) == 1


def test_what_a_store_kept_of_a_segmentation_gives_the_same_volume(bundled: Path) -> None:
    (record,) = read_studies([bundled / "test_files" / "liver_1frame.dcm"])
    assert isinstance(record, StudyRecord)
    again = compose(record.parts)
    assert [each.volume for each in again.study.segments] == [each.volume for each in record.study.segments]
    assert again.study.segments[0].volume is not None


@pytest.mark.shared
def test_volumes_of_real_segmentations_are_voxels_times_spacing(shared: Path) -> None:
    np = pytest.importorskip("numpy")
    for name in ("dcmqi/liver.dcm", "dcmqi/seg.dcm", "dcmjs/tumor_User1_Manual_Trial1.dcm"):
        path = shared / "data" / "dicom" / name
        dataset = pydicom.dcmread(path)
        (measures,) = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
        depth = measures.get("SpacingBetweenSlices") or measures.SliceThickness
        size = float(measures.PixelSpacing[0]) * float(measures.PixelSpacing[1]) * float(depth)
        got = volumes(convert([path], SITE))
        assert sum(map(float, got)) == pytest.approx(float(np.sum(dataset.pixel_array)) * size), name


def key_objects(**changes: Any) -> dict[int, Any]:
    reference = {"ReferencedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "ReferencedSOPInstanceUID": "1.2.3.60"}
    return everything(
        SOPClassUID=KEY_OBJECTS,
        Modality="KO",
        ValueType="CONTAINER",
        ConceptNameCodeSequence=[code("113000", "DCM", "Of Interest")],
        ContentSequence=[
            {
                "ValueType": "TEXT",
                "RelationshipType": "CONTAINS",
                "ConceptNameCodeSequence": [code("113012", "DCM", "Key Object Description")],
                "TextValue": "Look here",
            },
            {"ValueType": "IMAGE", "RelationshipType": "CONTAINS", "ReferencedSOPSequence": [reference]},
        ],
        CurrentRequestedProcedureEvidenceSequence=[
            {
                "StudyInstanceUID": "1.2.3.500",
                "ReferencedSeriesSequence": [
                    {"SeriesInstanceUID": "1.2.3.501", "ReferencedSOPSequence": [reference]}
                ],
            }
        ],
        **changes,
    )


def test_a_key_object_selection_refers_to_what_it_selects(tmp_path: Path) -> None:
    converted = valid(convert([write(tmp_path / "a.dcm", key_objects())], SITE))
    (result,) = converted.of("DocumentReference")
    assert result["type"]["coding"][0]["code"] == "113000"
    assert result["description"] == "Look here"
    assert [each.get("identifier", {}).get("value") for each in result["context"]["related"]] == [
        None,
        "urn:oid:1.2.3.500",
        "urn:oid:1.2.3.60",
    ]
    assert result["content"][0]["attachment"]["url"].endswith(
        "/studies/1.2.3.1/series/1.2.3.2/instances/1.2.3.4.1"
    )


def test_a_presentation_state_refers_to_the_images_that_it_presents(tmp_path: Path) -> None:
    values = everything(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.11.1",
        Modality="PR",
        ContentLabel="WINDOW",
        ContentDescription="Bone window",
        PresentationCreationDate="20260103",
        PresentationCreationTime="101112",
        ContentCreatorName="Create^Cleo",
        ReferencedSeriesSequence=[
            {
                "SeriesInstanceUID": "1.2.3.7",
                "ReferencedImageSequence": [
                    {"ReferencedSOPInstanceUID": "1.2.3.61", "ReferencedFrameNumber": "2"}
                ],
            }
        ],
    )
    (result,) = valid(convert([write(tmp_path / "a.dcm", values)], SITE)).of("DocumentReference")
    assert result["type"]["coding"][0]["code"] == "PR"
    assert result["date"] == "2026-01-03T10:11:12+01:00"
    assert result["context"]["related"][1] == {
        "type": "Media",
        "identifier": {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3.61"},
        "display": "frame 2",
    }


@pytest.mark.parametrize(
    ("number", "stated", "content"),
    [
        (1, "application/pdf", b"%PDF-1.4\nx"),
        (2, "text/XML", b"<ClinicalDocument xmlns='urn:hl7-org:v3'/>"),
    ],
)
def test_an_encapsulated_document_keeps_its_bytes(
    tmp_path: Path, number: int, stated: str, content: bytes
) -> None:
    values = everything(
        SOPClassUID=f"1.2.840.10008.5.1.4.1.1.104.{number}",
        Modality="DOC",
        DocumentTitle="Discharge",
        ConceptNameCodeSequence=[code("18842-5", "LN", "Discharge summary")],
        MIMETypeOfEncapsulatedDocument=stated,
        EncapsulatedDocument=content + b"\0" * (len(content) % 2),
    )
    (result,) = valid(convert([write(tmp_path / "a.dcm", values)], SITE)).of("DocumentReference")
    (part,) = result["content"]
    assert b64decode(part["attachment"]["data"]) == content
    assert part["attachment"]["contentType"] == stated.lower()
    assert part["attachment"]["size"] == len(content)
    assert result["type"]["coding"][0]["code"] == "18842-5"


def test_a_document_larger_than_what_is_kept_is_pointed_to(tmp_path: Path) -> None:
    values = everything(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1",
        Modality="DOC",
        MIMETypeOfEncapsulatedDocument="application/pdf",
        DocumentTitle="Scan",
        EncapsulatedDocument=b"%PDF" + b"x" * (1 << 22),
    )
    (result,) = valid(convert([write(tmp_path / "a.dcm", values)], SITE)).of("DocumentReference")
    (part,) = result["content"]
    assert "data" not in part["attachment"]
    assert part["attachment"]["url"].startswith("https://pacs.fhir-bridge.org/dicom-web/studies/")
