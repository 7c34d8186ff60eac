"""Data sets in the DICOM JSON Model (PS3.18 F) as files and as parts of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any, Final

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from fhir_bridge.adapters.imaging.attributes import SERIES, STUDY, TAGS
from fhir_bridge.adapters.imaging.content import content_of
from fhir_bridge.adapters.imaging.header import header_of_series
from fhir_bridge.adapters.imaging.parts import Part
from fhir_bridge.adapters.imaging.patients import subject_of
from fhir_bridge.adapters.imaging.pydicom_elements import elements_of
from fhir_bridge.adapters.imaging.pydicom_settings import quiet

__all__ = ["SERIES_FIELDS", "file_of", "is_image", "missing_fields", "series_part"]

SERIES_FIELDS: Final = (*(f"{TAGS[keyword]:08X}" for keyword in (*STUDY, *SERIES)), "00201209")
"""What is asked of the archive for each series, of its study as well."""

_KEYWORDS: Final = {f"{TAGS[keyword]:08X}": keyword for keyword in (*STUDY, *SERIES)}
_ASKED_AT: Final = 0x0009_1001
"""Private element of a series' part: when the archive was asked. So a later answer is another content."""
_CREATOR: Final = "FHIR BRIDGE"
_PIXELS: Final = ("7FE00008", "7FE00009", "7FE00010")


def dataset_of(attributes: Mapping[str, Any]) -> Dataset:
    """The data set, its text in UTF-8 as JSON has it, without bulk data and pixels.

    Raises:
        Exception: pydicom makes nothing of a value, in one of many ways.
    """
    plain = {
        tag: element
        for tag, element in attributes.items()
        if tag not in _PIXELS and not tag.startswith("0002") and isinstance(element, dict)
    }
    with quiet():
        dataset = Dataset.from_json(_without_bulk(plain), lambda _tag, _vr, _uri: None)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    return dataset


def _without_bulk(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is elsewhere, and without character sets: of JSON all text is UTF-8."""
    result: dict[str, Any] = {}
    for tag, element in attributes.items():
        if tag == "00080005" or "BulkDataURI" in element:
            continue
        if element.get("vr") == "SQ":
            items = [_without_bulk(item) for item in element.get("Value") or () if isinstance(item, dict)]
            element = {"vr": "SQ", "Value": items}
        result[tag] = element
    return result


def file_of(attributes: Mapping[str, Any]) -> bytes:
    """An instance's attributes as a file, which is read as any other.

    Raises:
        Exception: as `dataset_of`.
    """
    dataset = dataset_of(attributes)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = BytesIO()
    with quiet():
        dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def is_image(attributes: Mapping[str, Any]) -> bool:
    """Whether the metadata are all that is read of an instance: a picture, and no segmentation."""
    modality = (attributes.get("00080060") or {}).get("Value") or [""]
    return "00280010" in attributes and modality[0] != "SEG"


def series_part(attributes: Mapping[str, Any], archive: str, asked: datetime) -> Part:
    """What an archive says of a series, as a part of its study.

    Args:
        archive: its name; each archive has a part of its own.
        asked: when.

    Raises:
        Refused: without Study or Series Instance UID.
        Exception: as `dataset_of`.
    """
    written = BytesIO()
    with quiet():
        dataset = dataset_of({tag: value for tag, value in attributes.items() if tag in SERIES_FIELDS})
        dataset.save_as(written, implicit_vr=False, little_endian=True)
        written.seek(0)
        elements = elements_of(dcmread(written, force=True))
    elements[_ASKED_AT & 0xFFFF0000 | 0x10] = ("LO", _CREATOR.encode().ljust(12))
    elements[_ASKED_AT] = ("DT", asked.strftime("%Y%m%d%H%M%S.%f").encode().ljust(22))
    header = header_of_series(elements, archive, [])
    uid = header.series["SeriesInstanceUID"]
    return Part(f"{uid}@{archive}", subject_of(header.study).text, asked, content_of(elements))


def missing_fields(series: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keywords of what was asked for and no series has."""
    given = {tag for each in series for tag in each}
    return [keyword for tag, keyword in _KEYWORDS.items() if tag not in given]
