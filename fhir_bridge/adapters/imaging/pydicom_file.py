"""A file that is not written as most are, read by pydicom."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import BinaryIO, Final

from pydicom import dcmread
from pydicom.dataset import FileDataset

from fhir_bridge.adapters.imaging.elements import Elements
from fhir_bridge.adapters.imaging.file_checks import SHORT_PIXELS, Refused, pixels_missing, require_dicom
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.pydicom_elements import elements_of, is_cut_short
from fhir_bridge.adapters.imaging.pydicom_settings import quiet
from fhir_bridge.fhir.issues import Issue

__all__ = ["by_pydicom"]

_DICOMDIR: Final = "1.2.840.10008.1.3.10"
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_READ_AGAIN: Final = 1 << 26
"""Files up to this size (bytes) are read a second time where their character set is malformed."""
_CHARACTER_SET: Final = 0x00080005
_HIDDEN: Final = 0x00080004
_CHARACTER_SET_TAGS: Final = ((b"\x08\0\x05\0", b"\x08\0\x04\0"), (b"\0\x08\0\x05", b"\0\x08\0\x04"))
"""Tag of Specific Character Set in both byte orders, and one that DICOM does not have."""
_META: Final = ((0x00080018, "MediaStorageSOPInstanceUID"), (0x00080016, "MediaStorageSOPClassUID"))
"""SOP Instance and SOP Class UID, and where the file meta information has them too."""


def by_pydicom(
    file: BinaryIO, size: int, locator: str, tags: frozenset[int] | None, issues: list[Issue] | None
) -> Elements:
    """The elements of a file up to its pixel data (see `dicom_file.read_elements`).

    Raises:
        Refused: not DICOM, a DICOMDIR, or cut short.
        Exception: what pydicom raises where it can't parse a file.
    """
    with quiet():
        file.seek(0)
        try:
            return _elements(_dataset(file, size, locator, tags, issues))
        except (
            LookupError,
            TypeError,
            ValueError,
            NotImplementedError,
            EOFError,
            OSError,
            struct.error,
        ) as error:
            # pydicom can't go on without the character set; what it stands for can be read without.
            if size > _READ_AGAIN or getattr(error, "errno", None):
                raise
            file.seek(0)
            hidden = _without_character_set(file.read(), locator, tags, issues)
            if hidden is None:
                raise
            return hidden


def _without_character_set(
    whole: bytes, locator: str, tags: frozenset[int] | None, issues: list[Issue] | None
) -> Elements | None:
    """The elements of a file whose Specific Character Set can't be read: it is one that nobody knows.

    None where the file names none: it can't be parsed for another reason.
    """
    hidden = whole
    for there, instead in _CHARACTER_SET_TAGS:
        # Of a sequence nothing could be parsed either.
        hidden = hidden.replace(there + b"SQ", instead + b"UN").replace(there, instead)
    if hidden == whole:
        return None
    if issues is not None:
        issues.clear()
    elements = _elements(_dataset(BytesIO(hidden), len(hidden), locator, tags, issues))
    elements.pop(_HIDDEN, None)
    return elements | {_CHARACTER_SET: ("CS", b"?")}


def _elements(dataset: FileDataset) -> Elements:
    elements = elements_of(dataset)
    for tag, keyword in _META:
        stated = _meta(dataset, keyword)
        if stated and not elements.get(tag, ("", b""))[1].strip(b"\0 "):
            elements[tag] = ("UI", stated.encode("ascii", "replace"))
    return elements


def _meta(dataset: FileDataset, keyword: str) -> str:
    """A value of the file meta information; empty where it can't be read, since the data set says the same."""
    try:
        value = dataset.file_meta.get(keyword)
    except Exception:  # noqa: BLE001 - as in `read_elements`
        return ""
    return value if isinstance(value, str) else ""


def _dataset(
    file: BinaryIO, size: int, locator: str, tags: frozenset[int] | None, issues: list[Issue] | None
) -> FileDataset:
    require_dicom(file.read(144), locator, issues)
    file.seek(0)
    dataset = dcmread(file, force=True, stop_before_pixels=True, specific_tags=list(tags) if tags else None)
    if _meta(dataset, "MediaStorageSOPClassUID") == _DICOMDIR:
        raise Refused("skipped", new_issue("FB-DCM-002", "an index of other files", locator))
    end = file.tell()
    if end > size or _cut_short(dataset):
        raise Refused("rejected", new_issue("FB-DCM-005", "the header ends before its last element", locator))
    if (
        issues is not None
        and _meta(dataset, "TransferSyntaxUID") != _DEFLATED
        and pixels_missing(file.read(12), end, size, little=bool(dataset.original_encoding[1]))
    ):
        issues.append(new_issue("FB-DCM-012", SHORT_PIXELS, locator))
    return dataset


def _cut_short(dataset: FileDataset) -> bool:
    """Whether a value has fewer bytes than its length says."""
    raw = (dataset.get_item(tag, keep_deferred=True) for tag in dataset.keys())  # noqa: SIM118 - as in elements.py
    return any(is_cut_short(each) for each in raw)
