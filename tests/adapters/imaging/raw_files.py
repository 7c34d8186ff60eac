"""DICOM files written byte by byte, so that they can hold what no library would write; and one that says everything."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from fhir_bridge.adapters.imaging.attributes import INSTANCE, SERIES, STUDY

Raw = tuple[str, Any]
"""VR, and value: bytes, or a list of items for a sequence."""

CT = "1.2.840.10008.5.1.4.1.1.2"
SR = "1.2.840.10008.5.1.4.1.1.88.33"
ECG = "1.2.840.10008.5.1.4.1.1.9.1.1"
KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"

_UNITS = {"US": 2, "SS": 2, "OW": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8}
_LONG = frozenset("OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


def tag(keyword: str) -> int:
    result = tag_for_keyword(keyword)
    assert result is not None, keyword
    return int(result)


def raw(keyword: str, value: Any) -> Raw:
    """A value as it should be written."""
    vr = str(dictionary_VR(tag(keyword)))
    if isinstance(value, list):
        return vr, [elements(**each) for each in value]
    if isinstance(value, bytes):
        return vr if len(vr) == 2 else "OW", value
    if isinstance(value, int) and vr == "US or SS":
        return "SS", struct.pack("<h", value)
    if isinstance(value, int) and vr in ("US", "UL"):
        return vr, struct.pack("<H" if vr == "US" else "<I", value)
    return vr, padded(str(value).encode(), vr)


def padded(value: bytes, vr: str) -> bytes:
    return value + (b"\0" if vr == "UI" else b" ") if len(value) % 2 else value


def elements(**values: Any) -> dict[int, Raw]:
    """Elements by keyword."""
    return {tag(keyword): raw(keyword, value) for keyword, value in values.items()}


def encoded(values: dict[int, Raw], syntax: str = EXPLICIT) -> bytes:
    """The elements in a transfer syntax; the items of sequences have no length but in explicit VR little endian."""
    order = ">" if syntax == BIG_ENDIAN else "<"
    parts = []
    for key in sorted(values):
        vr, value = values[key]
        length = None
        if isinstance(value, list):
            items = [encoded(item, syntax) for item in value]
            if syntax == EXPLICIT:
                value = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(item)) + item for item in items)
            else:
                length = 0xFFFFFFFF
                marks = [
                    struct.pack(order + "HHI", 0xFFFE, *rest)
                    for rest in ((0xE000, length), (0xE00D, 0), (0xE0DD, 0))
                ]
                value = b"".join(marks[0] + item + marks[1] for item in items) + marks[2]
        elif syntax == BIG_ENDIAN and vr in _UNITS:
            unit = _UNITS[vr]
            value = b"".join(value[start : start + unit][::-1] for start in range(0, len(value), unit))
        length = len(value) if length is None else length
        head = struct.pack(order + "HH", key >> 16, key & 0xFFFF)
        if syntax == IMPLICIT:
            head += struct.pack("<I", length)
        elif vr in _LONG:
            head += vr.encode() + struct.pack(order + "HI", 0, length)
        else:
            assert length < 1 << 16, (vr, length)
            head += vr.encode() + struct.pack(order + "H", length)
        parts.append(head + value)
    return b"".join(parts)


def write(path: Path, values: dict[int, Raw], syntax: str = EXPLICIT) -> Path:
    """A file of these elements."""
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = encoded(elements(TransferSyntaxUID=syntax))
    path.write_bytes(b"\0" * 128 + b"DICM" + meta + encoded(values, syntax))
    return path


def code(value: str, scheme: str, meaning: str) -> dict[str, str]:
    return {"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning}


def people(value: str) -> list[dict[str, Any]]:
    return [{"PersonIdentificationCodeSequence": [code(value, "99LOCAL", "Someone")]}]


EVERYTHING: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "SOPClassUID": CT,
    "SOPInstanceUID": "1.2.3.4.1",
    "StudyDate": "20260102",
    "SeriesDate": "20260102",
    "ContentDate": "20260102",
    "StudyTime": "030405",
    "SeriesTime": "030406",
    "ContentTime": "030407",
    "AccessionNumber": "A17",
    "IssuerOfAccessionNumberSequence": [{"UniversalEntityID": "1.2.3.4.5", "UniversalEntityIDType": "ISO"}],
    "Modality": "CT",
    "Manufacturer": "Maker",
    "InstitutionName": "Hospital",
    "ReferringPhysicianName": "Refer^Ruth",
    "ReferringPhysicianIdentificationSequence": people("R1"),
    "TimezoneOffsetFromUTC": "+0100",
    "StationName": "CT1",
    "StudyDescription": "Heart",
    "ProcedureCodeSequence": [code("241547009", "SCT", "CT of heart")],
    "SeriesDescription": "Axial",
    "InstitutionalDepartmentName": "Radiology",
    "PerformingPhysicianName": "Perform^Pia",
    "PerformingPhysicianIdentificationSequence": people("P1"),
    "NameOfPhysiciansReadingStudy": "Read^Rosa",
    "PhysiciansReadingStudyIdentificationSequence": people("D1"),
    "OperatorsName": "Operate^Otto",
    "OperatorIdentificationSequence": people("O1"),
    "ManufacturerModelName": "M1",
    "AnatomicRegionSequence": [code("80891009", "SCT", "Heart")],
    "PatientName": "Test^Person",
    "PatientID": "P1",
    "IssuerOfPatientID": "HOSP",
    "PatientBirthDate": "19700101",
    "PatientSex": "F",
    "IssuerOfPatientIDQualifiersSequence": [
        {"UniversalEntityID": "1.2.3.4.6", "UniversalEntityIDType": "ISO", "IdentifierTypeCode": "MR"}
    ],
    "BodyPartExamined": "HEART",
    "DeviceSerialNumber": "S1",
    "SoftwareVersions": "1.0",
    "ProtocolName": "Protocol",
    "StudyInstanceUID": "1.2.3.1",
    "SeriesInstanceUID": "1.2.3.2",
    "StudyID": "17",
    "SeriesNumber": "3",
    "InstanceNumber": "4",
    "DeviceUID": "1.2.3.9",
    "Laterality": "L",
    "ImageLaterality": "L",
    "NumberOfFrames": "2",
    "ReasonForTheRequestedProcedure": "Pain",
    "RequestedProcedureDescription": "CT",
    "RequestedProcedureCodeSequence": [code("1", "99LOCAL", "CT Herz")],
    "ReasonForRequestedProcedureCodeSequence": [code("29857009", "SCT", "Chest pain")],
    "AdmissionID": "F1",
    "PerformedProcedureStepStartDate": "20260102",
    "PerformedProcedureStepStartTime": "030400",
    "RequestAttributesSequence": [
        {
            "RequestedProcedureID": "RP7",
            "RequestedProcedureCodeSequence": [code("2", "99LOCAL", "CT Thorax")],
            "ReasonForRequestedProcedureCodeSequence": [code("267036007", "SCT", "Dyspnea")],
        }
    ],
}
"""Every attribute that is read, each with a value that shows in the outputs where it can."""

assert {*STUDY, *SERIES, *INSTANCE} <= EVERYTHING.keys()


def everything(**changes: Any) -> dict[int, Raw]:
    """`EVERYTHING` with changes; None takes one out."""
    values = {**EVERYTHING, **changes}
    return elements(**{keyword: value for keyword, value in values.items() if value is not None})
