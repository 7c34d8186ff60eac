"""The cohort's imaging: real CT, MR, ultrasound and ECG instances under synthetic names, and an echo report.

The pixels and the curve are those of the instances that pydicom ships. They belong to nobody of the cohort and
show nothing of their diseases: every study says "ILLUSTRATIVE - synthetic". The echo report (TID 5200) states
the wall thickness, left atrium, gradient and ejection fraction of the person's facts.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import pydicom
from pydicom import dcmread
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as Items

from fhir_bridge.demo.echo_report import echo_report
from fhir_bridge.demo.people import AUTHORITY, HOSPITAL, Person

__all__ = ["LABEL", "study_uid", "write"]

LABEL: Final = "ILLUSTRATIVE - synthetic"
"""In Study Description of every instance."""

_OFFSET: Final = "+0100"
"""Central European winter time: all visits are in February."""


class _Template(NamedTuple):
    """A bundled instance, and what a study built from it says."""

    file: str
    minutes: int
    description: str
    procedure: tuple[str, str]
    body_part: str | None
    equipment: tuple[str, str, str]


_TEMPLATES: Final = {
    "ecg": _Template(
        "waveform_ecg.dcm",
        20,
        "12-lead ECG",
        ("268400002", "12 lead electrocardiogram"),
        None,
        ("Mortara Instrument, Inc.", "el250", "SYN-ECG-01"),
    ),
    "us": _Template(
        "examples_ybr_color.dcm",
        60,
        "Echocardiography",
        ("40701008", "Echocardiography"),
        "HEART",
        ("SonoSite, Inc.", "Turbo", "SYN-US-01"),
    ),
    "ct": _Template(
        "CT_small.dcm",
        90,
        "CT chest",
        ("241547009", "Computed tomography of heart"),
        "CHEST",
        ("GE MEDICAL SYSTEMS", "RHAPSODE", "SYN-CT-01"),
    ),
    "mr": _Template(
        "MR_small.dcm",
        150,
        "MR heart",
        ("241620005", "Magnetic resonance imaging of heart"),
        "HEART",
        ("TOSHIBA_MEC", "MRT50H1", "SYN-MR-01"),
    ),
}

_KEPT: Final = frozenset(
    "SOPClassUID Modality ImageType Manufacturer ManufacturerModelName SoftwareVersions".split()
)
_GROUPS_LEFT_OUT: Final = frozenset({0x0008, 0x0010, 0x0020, 0x0032, 0x0038, 0x0040, 0x4008, 0xFFFC})
"""Groups that can indicate whose image it was; what a study needs of them is written anew."""

_GEOMETRY: Final = frozenset(
    "ImagePositionPatient ImageOrientationPatient SliceLocation PatientOrientation WaveformAnnotationSequence "
    "AcquisitionContextSequence".split()
)


def study_uid(person: Person, kind: str) -> str:
    """Study Instance UID of a person's study of this kind (`ecg`, `ct`, `mr`, `us`, `echo`)."""
    return _uid(person, kind, "study")


def write(folder: Path, people: Sequence[Person]) -> list[Path]:
    """Write the studies of these people as `<mrn>/<kind>/<file>.dcm` below `folder`; the bytes are always the same.

    Returns:
        The files, in the order written.
    """
    files: list[Path] = []
    for person in people:
        for kind in person.studies:
            location = folder / person.mrn / kind
            location.mkdir(parents=True, exist_ok=True)
            image = _instance(person, kind)
            files.append(_save(image, location / "image.dcm"))
            if kind == "echo" and person.echo is not None:
                report = echo_report(
                    person.echo, image, _uid(person, kind, "report"), _uid(person, kind, "reports")
                )
                files.append(_save(report, location / "report.dcm"))
    return files


def _uid(person: Person, kind: str, part: str) -> str:
    """A UUID-derived UID (PS3.5 B.2) that depends on nothing but its arguments."""
    name = f"https://fhir-bridge.org/demo/{person.mrn}/{kind}/{part}"
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, name).int}"


@lru_cache(maxsize=8)
def _bundled(name: str) -> FileDataset:
    """An instance inside the pydicom wheel; nothing is downloaded."""
    path = Path(pydicom.__file__).parent / "data" / "test_files" / name
    dataset = dcmread(path)
    # Decoded once, so that copies share nothing with the file.
    dataset.decode()
    return dataset


def _instance(person: Person, kind: str) -> FileDataset:
    template = _TEMPLATES["us" if kind == "echo" else kind]
    source = _bundled(template.file)
    dataset = Dataset()
    for element in source:
        tag = element.tag
        if tag.is_private or (
            tag.group in _GROUPS_LEFT_OUT
            and element.keyword not in _KEPT
            and element.keyword not in _GEOMETRY
        ):
            continue
        dataset.add(copy.deepcopy(element))
    if "WaveformSequence" in dataset:
        _halve(dataset)
    _describe(dataset, person, kind, template)
    dataset.SOPInstanceUID = _uid(person, kind, "image")
    dataset.SeriesInstanceUID = _uid(person, kind, "series")
    dataset.InstanceNumber = 1
    file = FileDataset("", dataset, preamble=b"\0" * 128, file_meta=copy.deepcopy(source.file_meta))
    file.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return file


def _halve(dataset: Dataset) -> None:
    """Keep every second sample of the rhythm: 500 a second is what ECG machines store, and half the bytes."""
    rhythm = copy.deepcopy(dataset.WaveformSequence[0])
    step = 2 * rhythm.NumberOfWaveformChannels
    stored = rhythm.WaveformData
    rhythm.WaveformData = b"".join(stored[start : start + step] for start in range(0, len(stored), 2 * step))
    rhythm.NumberOfWaveformSamples = rhythm.NumberOfWaveformSamples // 2
    rhythm.SamplingFrequency = "500"
    dataset.WaveformSequence = Items([rhythm])
    kept = [item for item in dataset.WaveformAnnotationSequence if "ReferencedSamplePositions" not in item]
    dataset.WaveformAnnotationSequence = Items(kept)


def _describe(result: Dataset, person: Person, kind: str, template: _Template) -> None:
    time = person.visit + timedelta(minutes=template.minutes)
    result.SpecificCharacterSet = "ISO_IR 192"
    result.PatientName = f"{person.family}^{person.given}"
    result.PatientID = person.mrn
    if person.issuer_stated:
        result.IssuerOfPatientID = AUTHORITY
    result.PatientBirthDate = person.birth_date.strftime("%Y%m%d")
    result.PatientSex = "M" if person.sex == "male" else "F"
    result.StudyInstanceUID = study_uid(person, kind)
    result.StudyID = f"{person.mrn[-4:]}{kind.upper()}"
    result.StudyDescription = f"{template.description} ({LABEL})"
    result.AccessionNumber = f"A{person.mrn}{kind.upper()}"
    result.ReferringPhysicianName = "Sintetico^Riferente^^Dr."
    result.ProcedureCodeSequence = Items([_code(template.procedure[0], "SCT", template.procedure[1])])
    result.InstitutionName = HOSPITAL
    result.Manufacturer, result.ManufacturerModelName, result.DeviceSerialNumber = template.equipment
    result.SeriesNumber = 1
    result.SeriesDescription = LABEL
    if template.body_part:
        result.BodyPartExamined = template.body_part
    if kind != "ecg":
        # ECG carts seldom state an offset: there the site's zone decides.
        result.TimezoneOffsetFromUTC = _OFFSET
    _stamp(result, time)


def _stamp(result: Dataset, time: datetime) -> None:
    for stem in ("Study", "Series", "Content"):
        result[f"{stem}Date"] = pydicom.DataElement(f"{stem}Date", "DA", time.strftime("%Y%m%d"))
        result[f"{stem}Time"] = pydicom.DataElement(f"{stem}Time", "TM", time.strftime("%H%M%S"))
    if "WaveformSequence" in result:
        result.AcquisitionDateTime = time.strftime("%Y%m%d%H%M%S")


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _save(dataset: Dataset, path: Path) -> Path:
    dataset.save_as(path, enforce_file_format=True)
    return path
