"""Imaging: DICOM instances to studies, measurements and waveforms."""

from fhir_bridge.adapters.imaging.adapter import DicomAdapter
from fhir_bridge.adapters.imaging.reader import FileRecord, StudyRecord, read_studies

__all__ = ["DicomAdapter", "FileRecord", "StudyRecord", "read_studies"]
