"""DICOM instances for the tests: pydicom's own, and tiny ones made here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset

BUNDLED = Path(pydicom.__file__).parent / "data"


@pytest.fixture(scope="session")
def bundled() -> Path:
    """Folder of the instances inside the pydicom wheel."""
    return BUNDLED


Maker = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    """Writes a small CT instance; keyword arguments set attributes, None leaves one out."""

    def write(name: str = "a.dcm", *, folder: str = "files", meta: bool = True, **attributes: Any) -> Path:
        dataset = Dataset()
        values: dict[str, Any] = {
            "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
            "SOPInstanceUID": "1.2.3.4.1",
            "StudyInstanceUID": "1.2.3.1",
            "SeriesInstanceUID": "1.2.3.2",
            "PatientID": "P1",
            "PatientName": "Test^Person",
            "Modality": "CT",
            "StudyDate": "20260102",
            "StudyTime": "030405",
            "InstanceNumber": 1,
        } | attributes
        for keyword, value in values.items():
            if value is not None:
                setattr(dataset, keyword, value)
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        if meta:
            dataset.file_meta = FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
            if "SOPInstanceUID" in dataset and "SOPClassUID" in dataset:
                dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
                dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
                dataset.save_as(path, enforce_file_format=True)
            else:
                dataset.preamble = b"\0" * 128
                dataset.save_as(path)
        else:
            dataset.save_as(path, implicit_vr=True, little_endian=True)
        return path

    return write
