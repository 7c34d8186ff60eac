"""Structured reports and waveforms say what pydicom reads in them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from fhir_bridge.adapters.imaging import StudyRecord, read_studies
from fhir_bridge.adapters.imaging.functions import sampled_data
from fhir_bridge.adapters.imaging.structured_report import Document
from fhir_bridge.adapters.imaging.waveform import Recording


def study_of(path: Path) -> Any:
    (record,) = read_studies([path])
    assert isinstance(record, StudyRecord)
    return record


def document(path: Path) -> Document:
    (result,) = study_of(path).study.documents
    assert isinstance(result, Document)
    return result


def recording(path: Path) -> Recording:
    (result,) = study_of(path).study.recordings
    assert isinstance(result, Recording)
    return result


def numbers(item: Dataset, *, library: bool = False) -> list[str]:
    """Numeric values below an item as pydicom reads them, without the image library's."""
    name = item.get("ConceptNameCodeSequence")
    if name and name[0].get("CodeValue") == "111028":
        return []
    results = []
    if item.get("ValueType") == "NUM" and item.get("MeasuredValueSequence"):
        results.append(str(item.MeasuredValueSequence[0].NumericValue))
    for child in item.get("ContentSequence", ()):
        results += numbers(child)
    return results


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        "dcmqi/sr.dcm",
        "dcmjs/sample-sr.dcm",
        "highdicom/sr_document.dcm",
        "highdicom/sr_document_with_multiple_groups.dcm",
    ],
)
def test_report_values_are_those_that_pydicom_reads(shared: Path, name: str) -> None:
    path = shared / "data" / "dicom" / name
    result = document(path)
    assert sorted(Decimal(text) for text in numbers(pydicom.dcmread(path))) == sorted(
        measurement.value for measurement in result.measurements for _ in range(measurement.copies)
    )


@pytest.mark.shared
def test_a_measurement_inherits_site_and_tracking_from_its_group(shared: Path) -> None:
    result = document(shared / "data" / "dicom" / "dcmqi" / "sr.dcm")
    mean = result.measurements[0]
    assert mean.code.codings()[0][:2] == ("http://dicom.nema.org/resources/ontology/DCM", "126401")
    assert mean.value == Decimal("6.01529")
    assert mean.unit_code == "g/ml{SUVbw}"
    assert mean.tracking_identifier == "primary tumor"
    assert mean.tracking_uid == "2.25.318774060119084600392715520575818119084"
    # SNOMED RT T-C5300 and R-00317 come out as SNOMED CT.
    assert mean.finding_site.codings()[0][:2] == ("http://snomed.info/sct", "55940004")
    assert mean.derivation.codings()[0][:2] == ("http://snomed.info/sct", "373098007")


def test_bundled_report_without_numbers_has_no_measurements(bundled: Path) -> None:
    assert document(bundled / "test_files" / "reportsi.dcm").measurements == []


def item(kind: str, relation: str | None, name: tuple[str, str, str], **values: Any) -> Dataset:
    dataset = Dataset()
    dataset.ValueType = kind
    if relation:
        dataset.RelationshipType = relation
    dataset.ConceptNameCodeSequence = Sequence([code(*name)])
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def code(value: str, scheme: str, meaning: str) -> Dataset:
    dataset = Dataset()
    dataset.CodeValue, dataset.CodingSchemeDesignator, dataset.CodeMeaning = value, scheme, meaning
    return dataset


def number(value: str | None, *children: Dataset) -> Dataset:
    measured = Dataset()
    measured.NumericValue = value
    measured.MeasurementUnitsCodeSequence = Sequence([code("mm", "UCUM", "mm")])
    result = item("NUM", "CONTAINS", ("18154-5", "LN", "Septum"))
    result.MeasuredValueSequence = Sequence([measured] if value is not None else [])
    if value is None:
        result.NumericValueQualifierCodeSequence = Sequence(
            [code("114007", "DCM", "Measurement not attempted")]
        )
    result.ContentSequence = Sequence(children)
    return result


def report(make: Any, *content: Dataset) -> Document:
    path = make(
        "sr.dcm",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33",
        Modality="SR",
        ValueType="CONTAINER",
        ConceptNameCodeSequence=Sequence([code("125200", "DCM", "Adult Echocardiography Procedure Report")]),
        ContentSequence=Sequence(content),
        CompletionFlag="COMPLETE",
        VerificationFlag="VERIFIED",
    )
    return document(path)


def site(value: str, meaning: str) -> Dataset:
    return item(
        "CODE",
        "HAS CONCEPT MOD",
        ("G-C0E3", "SRT", "Finding Site"),
        ConceptCodeSequence=Sequence([code(value, "SRT", meaning)]),
    )


def section(*content: Dataset) -> Dataset:
    return item("CONTAINER", "CONTAINS", ("121070", "DCM", "Findings"), ContentSequence=Sequence(content))


def test_a_value_sent_twice_is_one_measurement(make: Any) -> None:
    result = report(make, section(site("T-32600", "Left Ventricle"), number("12"), number("12")))
    assert [(each.value, each.copies) for each in result.measurements] == [(Decimal(12), 2)]
    assert result.measurements[0].finding_site.value == "87878005"


def test_the_same_value_at_two_sites_is_two_measurements(make: Any) -> None:
    result = report(
        make,
        section(site("T-32600", "Left Ventricle"), number("12")),
        section(site("T-32300", "Left Atrium"), number("12")),
    )
    assert [each.finding_site.value for each in result.measurements] == ["87878005", "82471001"]


def test_a_value_that_was_not_measured_says_so_and_none_is_made_up(make: Any) -> None:
    (result,) = report(make, section(number(None))).measurements
    assert result.value is None
    assert result.qualifier.text == "Measurement not attempted"


def test_what_modifies_a_number_counts_for_it_alone(make: Any) -> None:
    maximum = item(
        "CODE",
        "HAS CONCEPT MOD",
        ("121401", "DCM", "Derivation"),
        ConceptCodeSequence=Sequence([code("G-A437", "SRT", "Maximum")]),
    )
    first, second = report(make, section(number("12", maximum), number("11"))).measurements
    assert first.derivation.value == "56851009"
    assert second.derivation is None


def test_numbers_of_a_context_are_no_measurements(make: Any) -> None:
    age = number("55")
    age.RelationshipType = "HAS OBS CONTEXT"
    assert report(make, age).measurements == []


def samples_of(path: Path, group: int) -> Any:
    return pydicom.dcmread(path).waveform_array(group)


def scaled(data: dict[str, Any]) -> list[Decimal]:
    factor, origin = data["factor"], data["origin"]["value"]
    return [Decimal(text) * factor + origin for text in data["data"].split(" ")]


def check_voltages(path: Path) -> None:
    np = pytest.importorskip("numpy")
    for waveform in recording(path).waveforms:
        expected = samples_of(path, waveform.position - 1)
        for lead in waveform.leads:
            data = sampled_data(lead)
            assert data is not None
            got = np.array([float(value) for value in scaled(data)])
            np.testing.assert_allclose(got, expected[:, lead.position], rtol=1e-9)


def test_ecg_voltages_are_those_that_pydicom_reads(bundled: Path) -> None:
    check_voltages(bundled / "test_files" / "waveform_ecg.dcm")


@pytest.mark.shared
def test_ecg_in_millivolt_is_not_taken_for_microvolt(shared: Path) -> None:
    path = shared / "data" / "dicom" / "ecg" / "test_ecg.dcm"
    check_voltages(path)
    data = sampled_data(recording(path).waveforms[0].leads[0])
    assert data is not None
    assert (data["origin"]["code"], data["factor"], data["period"]) == (
        "mV",
        Decimal("0.00122"),
        Decimal("4.166666666667"),
    )


def test_leads_have_the_codes_of_the_mdc_nomenclature(bundled: Path) -> None:
    (waveform, median) = recording(bundled / "test_files" / "waveform_ecg.dcm").waveforms
    assert [(lead.name, lead.code.value) for lead in waveform.leads if lead.code] == [
        ("I", "131329"),
        ("II", "131330"),
        ("III", "131389"),
        ("aVR", "131390"),
        ("aVL", "131391"),
        ("aVF", "131392"),
        *((f"V{number}", str(131330 + number)) for number in range(1, 7)),
    ]
    assert (waveform.label, waveform.derived, median.derived) == ("RHYTHM", False, True)


def test_intervals_and_statements_points_in_time_and_implausible_values_are_read(bundled: Path) -> None:
    record = study_of(bundled / "test_files" / "waveform_ecg.dcm")
    (result,) = record.study.recordings
    measured = {
        annotation.code.meaning: (annotation.value, annotation.unit_code) for annotation in result.annotations
    }
    assert measured["QRS Duration"] == (Decimal(75), "ms")
    assert measured["QT Interval"] == (Decimal(368), "ms")
    assert result.conclusion == "RITMO SINUSALE\nECG NORMALE"
    # The machine had no P waves to measure between, and wrote 0 ms.
    assert [issue.code for issue in record.issues] == ["FB-DCM-033"]
    assert "PP Interval can't be 0 ms" in record.issues[0].message
    assert [(mark.code.meaning, mark.group, mark.places[:2]) for mark in result.marks[:2]] == [
        ("P Onset", 1, ["299", "325"]),
        ("P Offset", 1, ["413", "439"]),
    ]
    assert sum(len(mark.places) for mark in result.marks) == 66


def ecg(make: Any, samples: bytes, **changes: Any) -> Any:
    channel = Dataset()
    channel.ChannelSourceSequence = Sequence([code("2:1", "MDC", "Lead I")])
    channel.ChannelSensitivity = "2.5"
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "10"
    channel.ChannelSensitivityUnitsSequence = Sequence([code("uV", "UCUM", "uV")])
    group = Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels = 1
    group.NumberOfWaveformSamples = 3
    group.SamplingFrequency = "500"
    group.ChannelDefinitionSequence = Sequence([channel])
    group.WaveformBitsAllocated = 16
    group.WaveformSampleInterpretation = "SS"
    group.WaveformData = samples
    for keyword, value in changes.items():
        setattr(group, keyword, value)
    path = make(
        "ecg.dcm",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.9.1.1",
        Modality="ECG",
        WaveformSequence=Sequence([group]),
    )
    return study_of(path)


def test_padding_is_no_voltage(make: Any) -> None:
    record = ecg(make, b"\x01\x00\x00\x80\xfe\xff", WaveformPaddingValue=b"\x00\x80")
    data = sampled_data(record.study.recordings[0].waveforms[0].leads[0])
    assert data == {
        "origin": {"value": Decimal(10), "unit": "uV", "system": "http://unitsofmeasure.org", "code": "uV"},
        "period": Decimal(2),
        "factor": Decimal("2.5"),
        "dimensions": 1,
        "data": "1 E -2",
    }


def test_a_waveform_cut_short_costs_itself_and_is_reported(make: Any) -> None:
    record = ecg(make, b"\x01\x00")
    assert record.study.recordings[0].waveforms == []
    assert [issue.code for issue in record.issues] == ["FB-DCM-016"]
    assert record.outcome == "read"


@pytest.mark.shared
def test_a_heart_rate_is_a_vital_sign_in_its_unit(shared: Path) -> None:
    (result,) = recording(shared / "data" / "dicom" / "ecg" / "test_ecg.dcm").annotations
    assert (result.code.value, result.value, result.unit_code, result.is_vital_sign) == (
        "8867-4",
        Decimal(69),
        "/min",
        True,
    )
