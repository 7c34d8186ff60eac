"""Which attributes are read from every file, and at which level of the information model they are (PS3.3 A.1)."""

from __future__ import annotations

from typing import Final

from fhir_bridge.adapters.imaging.data_dictionary import tag_for_keyword

__all__ = ["DOCUMENT_CLASSES", "ECG_CLASSES", "INSTANCE", "SERIES", "STUDY", "TAGS", "WAVEFORM_CLASSES"]

STUDY: Final = (
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "TimezoneOffsetFromUTC",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "StudyID",
    "StudyDescription",
    "ReferringPhysicianName",
    "ReferringPhysicianIdentificationSequence",
    "NameOfPhysiciansReadingStudy",
    "PhysiciansReadingStudyIdentificationSequence",
    "ProcedureCodeSequence",
    "RequestedProcedureCodeSequence",
    "RequestedProcedureDescription",
    "ReasonForTheRequestedProcedure",
    "ReasonForRequestedProcedureCodeSequence",
    "AdmissionID",
)
"""Of the Patient and Study modules (PS3.3 C.7.1.1, C.7.2.1): all instances of a study should agree."""

SERIES: Final = (
    "SeriesInstanceUID",
    "Modality",
    "SeriesNumber",
    "SeriesDescription",
    "SeriesDate",
    "SeriesTime",
    "BodyPartExamined",
    "Laterality",
    "ProtocolName",
    "PerformingPhysicianName",
    "PerformingPhysicianIdentificationSequence",
    "OperatorsName",
    "OperatorIdentificationSequence",
    "Manufacturer",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "DeviceUID",
    "SoftwareVersions",
    "StationName",
    "InstitutionName",
    "InstitutionalDepartmentName",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "RequestAttributesSequence",
)
"""Of the Series and Equipment modules (PS3.3 C.7.3.1, C.7.5.1): all instances of a series should agree."""

INSTANCE: Final = (
    "SOPClassUID",
    "SOPInstanceUID",
    "InstanceNumber",
    "NumberOfFrames",
    "ImageLaterality",
    "AnatomicRegionSequence",
)
"""Read from every instance; the last two may differ within a series and then say nothing of it as a whole."""


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise LookupError(f"{keyword} is not in the data dictionary")
    return int(tag)


TAGS: Final = {keyword: _tag(keyword) for keyword in (*STUDY, *SERIES, *INSTANCE)}

DOCUMENT_CLASSES: Final = frozenset(
    f"1.2.840.10008.5.1.4.1.1.88.{number}"
    for number in (11, 22, 33, 34, 35, 40, 50, 65, 67, 68, 69, 70, 71, 72, 73, 74, 75)
)
"""Storage classes of structured reports with measurements (PS3.4 B.5); key object selections (59) are none."""

WAVEFORM_CLASSES: Final = frozenset(
    f"1.2.840.10008.5.1.4.1.1.9.{number}"
    for number in ("1.1", "1.2", "1.3", "1.4", "2.1", "3.1", "4.1", "4.2")
)
"""Waveform storage: 12-lead, general, ambulatory and 32-bit ECG, haemodynamic, electrophysiology, pulse."""
ECG_CLASSES: Final = frozenset(f"1.2.840.10008.5.1.4.1.1.9.1.{number}" for number in range(1, 5))
"""12-lead, general, ambulatory, and general 32-bit ECG."""
