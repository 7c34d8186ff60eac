"""Structured reports as DiagnosticReport and Observations.

No public sample of TID 5200, 3900 and 10011 is known: these are synthetic, by the templates of PS3.16.
"""

from __future__ import annotations

import struct
from base64 import b64decode
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pydicom
import pytest

from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import Site
from tests.adapters.imaging.conversion import Converted, convert
from tests.adapters.imaging.documents import item, modifier
from tests.adapters.imaging.raw_files import code, everything, write

BASIC_TEXT = "1.2.840.10008.5.1.4.1.1.88.11"
COMPREHENSIVE = "1.2.840.10008.5.1.4.1.1.88.33"
DOSE = "1.2.840.10008.5.1.4.1.1.88.67"
SITE = Site(demo_key=True)
VALIDATOR = Validator.of()


def report(folder: Path, sop_class: str, title: dict[str, str], *content: dict[str, Any]) -> Converted:
    values = everything(
        SOPClassUID=sop_class,
        Modality="SR",
        ValueType="CONTAINER",
        ConceptNameCodeSequence=[title],
        CompletionFlag="COMPLETE",
        VerificationFlag="VERIFIED",
        VerifyingObserverSequence=[{"VerifyingObserverName": "Verify^Vera"}],
        ContentSequence=list(content),
    )
    converted = convert([write(folder / "report.dcm", values)], SITE)
    for resource in converted.resources:
        wrong = [each for each in VALIDATOR.validate(resource) if each.severity in ("error", "fatal")]
        assert not wrong, (resource["resourceType"], wrong)
    return converted


def text(name: dict[str, str], value: str, *below: dict[str, Any]) -> dict[str, Any]:
    result = item("TEXT", "CONTAINS", name, TextValue=value)
    return {**result, "ContentSequence": [*below]} if below else result


def section(name: dict[str, str], *content: dict[str, Any]) -> dict[str, Any]:
    return item("CONTAINER", "CONTAINS", name, ContentSequence=[*content])


def measured(
    name: dict[str, str], value: str, unit: str, *below: dict[str, Any], relation: str = "CONTAINS"
) -> dict[str, Any]:
    stated = {"NumericValue": value, "MeasurementUnitsCodeSequence": [code(unit, "UCUM", unit)]}
    result = item("NUM", relation, name, MeasuredValueSequence=[stated])
    return {**result, "ContentSequence": [*below]} if below else result


def image(uid: str, relation: str = "SELECTED FROM", **values: Any) -> dict[str, Any]:
    reference = {
        "ReferencedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "ReferencedSOPInstanceUID": uid,
        **values,
    }
    return {"ValueType": "IMAGE", "RelationshipType": relation, "ReferencedSOPSequence": [reference]}


def observations(converted: Converted, code_value: str) -> list[dict[str, Any]]:
    return [
        each
        for each in converted.of("Observation")
        if any(coding.get("code") == code_value for coding in each["code"].get("coding", ()))
    ]


def test_a_basic_text_report_has_its_text_its_conclusion_and_its_coded_answer(tmp_path: Path) -> None:
    finding = item(
        "CODE",
        "CONTAINS",
        code("121077", "DCM", "Conclusion"),
        ConceptCodeSequence=[code("233604007", "SCT", "Pneumonia")],
    )
    converted = report(
        tmp_path,
        BASIC_TEXT,
        code("18748-4", "LN", "Diagnostic imaging report"),
        section(
            code("121070", "DCM", "Findings"),
            text(
                code("121071", "DCM", "Finding"), "Opacity on the right", image("1.2.3.50", "INFERRED FROM")
            ),
        ),
        section(
            code("121076", "DCM", "Conclusions"),
            text(code("121077", "DCM", "Conclusion"), "Pneumonia"),
            finding,
        ),
    )
    (result,) = converted.of("DiagnosticReport")
    assert result["status"] == "final"
    assert result["conclusion"] == "Pneumonia"
    assert result["conclusionCode"][0]["coding"][0]["code"] == "233604007"
    (form,) = result["presentedForm"]
    assert b64decode(form["data"]).decode().splitlines() == [
        "Diagnostic imaging report",
        "  Findings",
        "    Finding: Opacity on the right",
        "  Conclusions",
        "    Conclusion: Pneumonia",
        "    Conclusion: Pneumonia",
    ]
    assert result["media"] == [
        {"link": {"type": "Media", "identifier": {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3.50"}}}
    ]
    (opacity,) = [
        each for each in converted.of("Observation") if each.get("valueString", "").startswith("Op")
    ]
    assert opacity["derivedFrom"][1]["identifier"]["value"] == "urn:oid:1.2.3.50"
    assert len(result["result"]) == len(converted.of("Observation")) == 3
    verifier = result["resultsInterpreter"][0]["reference"].partition("/")[2]
    (person,) = [each for each in converted.of("Practitioner") if each["id"] == verifier]
    assert person["name"][0]["family"] == "Verify"


def test_a_tracked_lesion_has_its_site_side_region_and_derivation(tmp_path: Path) -> None:
    site = modifier(
        code("G-C0E3", "SRT", "Finding Site"),
        code("39607008", "SCT", "Lung"),
        modifier(code("G-C171", "SRT", "Laterality"), code("G-A100", "SRT", "Right")),
    )
    region = {
        **item("SCOORD", "CONTAINS", code("111030", "DCM", "Image Region")),
        "GraphicType": "CIRCLE",
        "GraphicData": b"".join(struct.pack("<f", each) for each in (12.5, 30, 12.5, 35)),
        "ContentSequence": [image("1.2.3.60", ReferencedFrameNumber="3")],
    }
    group = section(
        code("125007", "DCM", "Measurement Group"),
        item("TEXT", "HAS OBS CONTEXT", code("112039", "DCM", "Tracking Identifier"), TextValue="Nodule 1"),
        item(
            "UIDREF", "HAS OBS CONTEXT", code("112040", "DCM", "Tracking Unique Identifier"), UID="1.2.3.70"
        ),
        item(
            "CODE",
            "CONTAINS",
            code("121071", "DCM", "Finding"),
            ConceptCodeSequence=[code("27925004", "SCT", "Nodule")],
        ),
        site,
        measured(
            code("81827009", "SCT", "Diameter"),
            "10.5",
            "mm",
            modifier(code("121401", "DCM", "Derivation"), code("R-00317", "SRT", "Mean")),
        ),
        region,
    )
    converted = report(tmp_path, COMPREHENSIVE, code("126000", "DCM", "Imaging Measurement Report"), group)
    (diameter,) = observations(converted, "81827009")
    assert diameter["valueQuantity"]["value"] == Decimal("10.5")
    assert diameter["identifier"][0]["value"] == "urn:oid:1.2.3.70"
    assert diameter["bodySite"]["coding"][0]["code"] == "39607008"
    parts = {
        each["code"]["coding"][0]["code"]: each.get("valueString")
        or each["valueCodeableConcept"]["coding"][0]["code"]
        for each in diameter["component"]
    }
    assert parts == {
        "121401": "373098007",
        "272741003": "24028007",
        "121071": "27925004",
        "112039": "Nodule 1",
        "111030": "CIRCLE 12.5 30 12.5 35 in urn:oid:1.2.3.60 frame 3",
    }
    assert diameter["derivedFrom"][1] == {
        "type": "Media",
        "identifier": {"system": "urn:dicom:uid", "value": "urn:oid:1.2.3.60"},
        "display": "frame 3",
    }
    (finding,) = observations(converted, "121071")
    assert finding["valueCodeableConcept"]["coding"][0]["code"] == "27925004"


def test_an_echo_report_states_each_value_once_with_the_context_of_its_section(tmp_path: Path) -> None:
    def left_ventricle(*content: dict[str, Any]) -> dict[str, Any]:
        return section(
            code("121070", "DCM", "Findings"),
            modifier(code("G-C0E3", "SRT", "Finding Site"), code("T-32600", "SRT", "Left Ventricle")),
            section(
                code("125007", "DCM", "Measurement Group"),
                modifier(code("G-0373", "SRT", "Image Mode"), code("G-03A2", "SRT", "2D mode")),
                *content,
            ),
        )

    fraction = measured(code("18043-0", "LN", "Left Ventricular Ejection Fraction by US"), "57", "%")
    converted = report(
        tmp_path,
        COMPREHENSIVE,
        code("125200", "DCM", "Adult Echocardiography Procedure Report"),
        left_ventricle(fraction, fraction, measured(code("18154-5", "LN", "Septum"), "9", "mm")),
    )
    (result,) = observations(converted, "18043-0")
    assert result["valueQuantity"]["value"] == 57
    assert "10230-1" in {coding["code"] for coding in result["code"]["coding"]}
    assert result["bodySite"]["coding"][0] == {
        "system": "http://snomed.info/sct",
        "code": "87878005",
        "display": "Left Ventricle",
    }
    assert result["component"][0]["valueCodeableConcept"]["coding"][0]["system"] == "http://snomed.info/sct"


def test_a_cardiac_mr_report_has_fraction_volume_mass_and_wall_thickness(tmp_path: Path) -> None:
    heart = code("87878005", "SCT", "Left ventricle")
    content = section(
        code("122601", "DCM", "Ventricular Analysis"),
        modifier(code("363698007", "SCT", "Finding Site"), heart),
        measured(code("8811-2", "LN", "Left ventricular ejection fraction by MR"), "61.5", "%"),
        measured(code("18026-5", "LN", "Left Ventricular End Diastolic Volume"), "140", "ml"),
        measured(code("122447", "DCM", "Wall Mass"), "120", "g"),
        measured(
            code("122445", "DCM", "Wall Thickness"),
            "17",
            "mm",
            modifier(code("121401", "DCM", "Derivation"), code("56851009", "SCT", "Maximum")),
        ),
    )
    converted = report(
        tmp_path, COMPREHENSIVE, code("122600", "DCM", "Cardiovascular Analysis Report"), content
    )
    values = {
        name: (each["valueQuantity"]["value"], each["valueQuantity"]["code"])
        for name in ("8811-2", "18026-5", "122447", "122445")
        for each in observations(converted, name)
    }
    assert values == {
        "8811-2": (Decimal("61.5"), "%"),
        "18026-5": (140, "ml"),
        "122447": (120, "g"),
        "122445": (17, "mm"),
    }
    assert {coding["code"] for coding in observations(converted, "8811-2")[0]["code"]["coding"]} == {
        "8811-2",
        "10230-1",
    }


def test_equal_doses_of_two_acquisitions_are_two(tmp_path: Path) -> None:
    def acquisition(region: str, name: str) -> dict[str, Any]:
        return section(
            code("113819", "DCM", "CT Acquisition"),
            text(code("125203", "DCM", "Acquisition Protocol"), "Thorax"),
            item(
                "CODE",
                "CONTAINS",
                code("123014", "DCM", "Target Region"),
                ConceptCodeSequence=[code(region, "SCT", name)],
            ),
            item(
                "CODE",
                "CONTAINS",
                code("113820", "DCM", "CT Acquisition Type"),
                ConceptCodeSequence=[code("116152004", "SCT", "Spiral Acquisition")],
            ),
            section(
                code("113829", "DCM", "CT Dose"),
                measured(code("113830", "DCM", "Mean CTDIvol"), "5.2", "mGy"),
            ),
        )

    total = section(
        code("113811", "DCM", "CT Accumulated Dose Data"),
        measured(code("113813", "DCM", "CT Dose Length Product Total"), "412.7", "mGy.cm"),
    )
    converted = report(
        tmp_path,
        DOSE,
        code("113701", "DCM", "X-Ray Radiation Dose Report"),
        total,
        acquisition("51185008", "Chest"),
        acquisition("51185008", "Chest"),
    )
    doses = observations(converted, "113830")
    assert [each["valueQuantity"]["value"] for each in doses] == [Decimal("5.2")] * 2
    assert {each["bodySite"]["coding"][0]["code"] for each in doses} == {"51185008"}
    assert {part["code"]["coding"][0]["code"] for part in doses[0]["component"]} == {"113820", "125203"}
    (length,) = observations(converted, "113813")
    assert (length["valueQuantity"]["value"], length["valueQuantity"]["code"]) == (Decimal("412.7"), "mGy.cm")


def content_items(dataset: pydicom.Dataset) -> Iterator[pydicom.Dataset]:
    for each in dataset.get("ContentSequence", ()):
        yield each
        yield from content_items(each)


@pytest.mark.shared
def test_every_image_and_region_of_real_reports_is_carried(shared: Path) -> None:
    images = regions = 0
    for path in sorted((shared / "data" / "dicom").rglob("*.dcm")):
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
        if not dataset.get("SOPClassUID", "").startswith("1.2.840.10008.5.1.4.1.1.88."):
            continue
        converted = convert([path], SITE)
        shown = str(converted.resources)
        for each in content_items(dataset):
            for reference in each.get("ReferencedSOPSequence", ()):
                assert f"urn:oid:{reference.ReferencedSOPInstanceUID}" in shown, path.name
                images += 1
            if each.ValueType in ("SCOORD", "SCOORD3D"):
                first = (
                    f"{each.GraphicType} {float(each.GraphicData[0]):.9g} {float(each.GraphicData[1]):.9g}"
                )
                assert first in shown, path.name
                regions += 1
    assert images > 213
    assert regions > 4


def test_a_comment_on_a_measurement_is_its_note_and_other_answers_below_name_it(tmp_path: Path) -> None:
    comment = code("121106", "DCM", "Comment")
    converted = report(
        tmp_path,
        COMPREHENSIVE,
        code("18748-4", "LN", "Report"),
        measured(
            code("18154-5", "LN", "Septum"),
            "1E1",
            "mm",
            text(comment, "motion artefact"),
            item(
                "CODE",
                "HAS PROPERTIES",
                code("121402", "DCM", "Normality"),
                ConceptCodeSequence=[code("17621005", "SCT", "Normal")],
            ),
        ),
        text(comment, "dictated"),
    )
    observations = [each for each in converted.resources if each["resourceType"] == "Observation"]
    by_code = {each["code"]["coding"][0]["code"]: each for each in observations}
    septum = by_code["18154-5"]
    assert septum["note"] == [{"text": "motion artefact"}]
    assert str(septum["valueQuantity"]["value"]) == "10"
    below = [each["reference"] for each in by_code["121402"]["derivedFrom"] if "reference" in each]
    assert f"Observation/{septum['id']}" in below
    assert by_code["121106"]["valueString"] == "dictated"  # of no measurement: an answer of its own
    assert len(observations) == 3
