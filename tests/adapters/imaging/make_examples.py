"""Makes the DICOM files of mappings/imaging/dicom/examples from instances that pydicom ships. Run by hand:

    python -m tests.adapters.imaging.make_examples

The pixels are taken out and the ECG is cut to a tenth of a second, so that each file has a few kilobytes.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pydicom
from pydicom import dcmread
from pydicom.sequence import Sequence

from fhir_bridge.demo.dicom_studies import write
from fhir_bridge.demo.people import people
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.mapping import Site
from tests.adapters.imaging.conversion import convert

BUNDLED = Path(pydicom.__file__).parent / "data"
EXAMPLES = Path(__file__).parents[3] / "mappings" / "imaging" / "dicom" / "examples"

SITE = """\
site: example
zone: Europe/Rome
demo_key: true
identity:
  authorities: {SHC: "urn:oid:2.25.149325717361936741837266391022365027113"}
  unlinked: source
parameters:
  wado_rs: https://pacs.fhir-bridge.org/dicom-web
"""

SITE_WITHOUT_AUTHORITIES = """\
site: example
zone: Europe/Rome
demo_key: true
identity:
  unlinked: source
"""


def main() -> None:
    """Write all source files, then what the mapping makes of them now. Look at the difference before committing it."""
    images()
    echo()
    ecg()
    names()
    tracked()
    for folder in sorted(EXAMPLES.iterdir()):
        converted = convert(sorted(folder.glob("*.dcm")), Site.load(folder / "site.yaml"))
        lines = (dumps(resource) + b"\n" for resource in converted.resources)
        (folder / "expected.ndjson").write_bytes(b"".join(lines))


def place(case: str) -> Path:
    folder = EXAMPLES / case
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.yaml").write_text(SITE)
    return folder


def images() -> None:
    """Two series of one study, one multi-frame, with everything around an ImagingStudy filled in."""
    folder = place("study")
    dataset = dcmread(BUNDLED / "test_files" / "CT_small.dcm")
    dataset.remove_private_tags()
    dataset.PixelData = b"\0\0"
    dataset.AccessionNumber = "A-17"
    issuer = pydicom.Dataset()
    issuer.UniversalEntityID, issuer.UniversalEntityIDType = "1.2.3.4.5", "ISO"
    dataset.IssuerOfAccessionNumberSequence = Sequence([issuer])
    dataset.IssuerOfPatientID = "SHC"
    dataset.BodyPartExamined = "CHEST"
    dataset.ReferringPhysicianName = "Referrer^Ruth^^Dr."
    dataset.NameOfPhysiciansReadingStudy = "Reader^Rosa"
    dataset.PerformingPhysicianName = "Performer^Pia"
    dataset.OperatorsName = "Operator^Otto"
    dataset.ProcedureCodeSequence = Sequence(
        [code("241547009", "SCT", "Computed tomography of heart"), code("CTH", "99LOCAL", "CT Herz")]
    )
    dataset.ReasonForRequestedProcedureCodeSequence = Sequence([code("29857009", "SCT", "Chest pain")])
    dataset.save_as(folder / "1.dcm", enforce_file_format=True)
    for number, changes in (
        (2, {"InstanceNumber": 2}),
        (
            3,
            {
                "SeriesInstanceUID": "1.3.6.1.4.1.5962.1.3.1.2.20040119072730.12322",
                "SeriesNumber": 2,
                "NumberOfFrames": 12,
                "BodyPartExamined": "HERZ",
                "Laterality": "L",
                "SeriesDate": "",
                "SeriesTime": "",
            },
        ),
    ):
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = (
            f"1.3.6.1.4.1.5962.1.1.1.1.{number}.1"
        )
        dataset.save_as(folder / f"{number}.dcm", enforce_file_format=True)


def code(value: str, scheme: str, meaning: str) -> pydicom.Dataset:
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def echo() -> None:
    """The echo report of the cohort (TID 5200), without its image."""
    folder = place("echo-report")
    person = next(person for person in people() if person.echo is not None)
    for path in write(folder / "made", [person]):
        if path.name == "report.dcm":
            (folder / "report.dcm").write_bytes(path.read_bytes())
    for path in sorted((folder / "made").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (folder / "made").rmdir()


def ecg() -> None:
    """pydicom's 12-lead ECG, a tenth of a second of it: the rhythm and the median beat."""
    folder = place("ecg")
    dataset = dcmread(BUNDLED / "test_files" / "waveform_ecg.dcm")
    dataset.remove_private_tags()
    for group in dataset.WaveformSequence:
        group.WaveformData = group.WaveformData[: 100 * 12 * 2]
        group.NumberOfWaveformSamples = 100
    dataset.save_as(folder / "ecg.dcm", enforce_file_format=True)


def names() -> None:
    """A name in three representations, no study date, no issuer."""
    folder = place("japanese-name")
    dataset = dcmread(BUNDLED / "charset_files" / "chrH31.dcm")
    dataset.PixelData = b"\0\0"
    dataset.save_as(folder / "1.dcm")


def tracked() -> None:
    """A report of somebody without a number: a lesion that is tracked, a heart rate, a value that is out of range."""
    folder = place("tracked-measurements")
    (folder / "site.yaml").write_text(SITE_WITHOUT_AUTHORITIES)
    dataset = dcmread(EXAMPLES / "echo-report" / "report.dcm")
    root = "2.25.77001"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"{root}.1", f"{root}.1.1"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{root}.1.1.1"
    for keyword in (
        "PatientID",
        "IssuerOfPatientID",
        "IssuerOfPatientIDQualifiersSequence",
        "AccessionNumber",
    ):
        if keyword in dataset:
            delattr(dataset, keyword)
    dataset.PatientName, dataset.PatientSex = "Ohne^Nummer", ""
    dataset.DeviceUID, dataset.StationName, dataset.SeriesDescription = f"{root}.9", "", "Measurements"
    dataset.Manufacturer, dataset.ManufacturerModelName = "Maker", "Model"
    doctor = pydicom.Dataset()
    doctor.PersonIdentificationCodeSequence = Sequence([code("D-77", "99HOSP", "Doctor 77")])
    doctor.InstitutionName = "Invented Heart Centre"
    dataset.ReferringPhysicianName, dataset.OperatorsName = "Frei^Anna", "Tech^Ina"
    dataset.ReferringPhysicianIdentificationSequence = Sequence([doctor])
    method = content("HAS CONCEPT MOD", "CODE", code("370129005", "SCT", "Measurement Method"))
    method.ConceptCodeSequence = Sequence([code("125207", "DCM", "Biplane method of disks")])
    place_of = content("HAS CONCEPT MOD", "CODE", code("363698007", "SCT", "Finding Site"))
    place_of.ConceptCodeSequence = Sequence([code("87878005", "SCT", "Left ventricle")])
    name = content("HAS OBS CONTEXT", "TEXT", code("112039", "DCM", "Tracking Identifier"))
    name.TextValue = "lesion 1"
    uid = content("HAS OBS CONTEXT", "UIDREF", code("112040", "DCM", "Tracking Unique Identifier"))
    uid.UID = f"{root}.8"
    group = content("CONTAINS", "CONTAINER", code("125007", "DCM", "Measurement Group"))
    group.ContinuityOfContent = "SEPARATE"
    length = number(code("410668003", "SCT", "Length"), "12.5", code("mm", "UCUM", "mm"))
    length.ContentSequence = Sequence([deepcopy(method), place_of])
    group.ContentSequence = Sequence([name, uid, length])
    fraction = number(code("18043-0", "LN", "Left ventricular Ejection fraction by US"))
    fraction.NumericValueQualifierCodeSequence = Sequence([code("114009", "DCM", "Value out of range")])
    fraction.ContentSequence = Sequence([method])
    rate = number(code("8867-4", "LN", "Heart rate"), "71", code("/min", "UCUM", "/min"))
    dataset.ContentSequence = Sequence([group, rate, fraction])
    dataset.save_as(folder / "report.dcm")


def content(relation: str, kind: str, name: pydicom.Dataset) -> pydicom.Dataset:
    item = pydicom.Dataset()
    item.RelationshipType, item.ValueType = relation, kind
    item.ConceptNameCodeSequence = Sequence([name])
    return item


def number(name: pydicom.Dataset, value: str = "", unit: pydicom.Dataset | None = None) -> pydicom.Dataset:
    item = content("CONTAINS", "NUM", name)
    measured = pydicom.Dataset()
    if unit is not None:
        measured.NumericValue, measured.MeasurementUnitsCodeSequence = value, Sequence([unit])
    item.MeasuredValueSequence = Sequence([measured] if value else [])
    return item


if __name__ == "__main__":
    main()
