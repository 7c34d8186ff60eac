"""Imaging: DICOM instances to studies, measurements and waveforms.

The names are loaded when asked for: reading DICOM needs pydicom, and naming the adapter does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_bridge.deferred import deferred

if TYPE_CHECKING:
    from fhir_bridge.adapters.imaging.adapter import DicomAdapter
    from fhir_bridge.adapters.imaging.reader import read_studies
    from fhir_bridge.adapters.imaging.records import FileRecord, StudyRecord

__all__ = ["DicomAdapter", "FileRecord", "StudyRecord", "read_studies"]

PUBLIC_MODULES = ("dicomweb_archives", "dicomweb_client", "pictures", "technical")
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""

__getattr__ = deferred(
    __name__,
    {
        "DicomAdapter": "adapter",
        "FileRecord": "records",
        "StudyRecord": "records",
        "read_studies": "reader",
    },
)
