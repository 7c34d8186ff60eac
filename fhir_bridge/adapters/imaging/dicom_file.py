"""One file: is it DICOM, is it whole, and which elements does it hold."""

from __future__ import annotations

import os
import stat
import struct
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from pydicom import dcmread
from pydicom.dataset import FileDataset

from fhir_bridge.adapters.imaging.aecg import LARGEST as LARGEST_AECG
from fhir_bridge.adapters.imaging.aecg import AecgError, aecg_elements, is_aecg
from fhir_bridge.adapters.imaging.elements import Elements, elements_of, is_cut_short
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.pydicom_settings import quiet
from fhir_bridge.adapters.imaging.scan import scan
from fhir_bridge.adapters.imaging.voxel_counts import SEGMENTATION_CLASSES, VOXELS, count_voxels
from fhir_bridge.fhir.issues import Issue

__all__ = ["Refused", "read_elements"]

_DICOMDIR: Final = "1.2.840.10008.1.3.10"
_DEFLATED: Final = "1.2.840.10008.1.2.1.99"
_SHORT_PIXELS: Final = "the pixel data are shorter than they say"
_READ_WHOLE: Final = 1 << 18
"""Files up to this size (bytes) are read in one go."""
_READ_AGAIN: Final = 1 << 26
"""Files up to this size (bytes) are read a second time where their character set is malformed."""
_CHARACTER_SET: Final = 0x00080005
_SOP_CLASS: Final = 0x00080016
_HIDDEN: Final = 0x00080004
_CHARACTER_SET_TAGS: Final = ((b"\x08\0\x05\0", b"\x08\0\x04\0"), (b"\0\x08\0\x05", b"\0\x08\0\x04"))
"""Tag of Specific Character Set in both byte orders, and one that DICOM does not have."""
_PIXELS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
_META: Final = ((0x00080018, "MediaStorageSOPInstanceUID"), (0x00080016, "MediaStorageSOPClassUID"))
"""SOP Instance and SOP Class UID, and where the file meta information has them too."""
_EXPLICIT: Final = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)
_LONG: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


class Refused(Exception):
    """The file gives no instance; `outcome` is `skipped` or `rejected`, and `issue` says why."""

    def __init__(self, outcome: str, issue: Issue) -> None:
        super().__init__(issue.message)
        self.outcome = outcome
        self.issue = issue


def read_elements(
    path: Path, locator: str, tags: frozenset[int] | None = None, issues: list[Issue] | None = None
) -> Elements:
    """The elements of a file up to its pixel data, or those of `tags` among them.

    Args:
        path: the file.
        locator: how issues name it.
        tags: what is wanted; None for all.
        issues: takes what is wrong with a file that can be read.

    Raises:
        Refused: not DICOM, a DICOMDIR, unreadable, or cut short.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            # Opening a pipe would wait for someone to write into it.
            raise Refused("skipped", new_issue("FB-DCM-001", "not a regular file", locator))
        with path.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            start = opened.read(_READ_WHOLE)
            if is_aecg(start):
                opened.seek(0)
                return aecg_elements(opened.read(LARGEST_AECG + 1), issues, locator)
            elements = _scanned(start, size, locator, tags, issues)
            if elements is None:
                # pydicom asks for its position at every element: in memory that costs no system call.
                memory = BytesIO(start) if size <= _READ_WHOLE else opened
                elements = _by_pydicom(memory, size, locator, tags, issues)
            if tags is None and _is_segmentation(elements):
                counts = count_voxels(opened)
                elements = {tag: each for tag, each in elements.items() if tag != VOXELS}
                return elements | ({VOXELS: counts} if counts is not None else {})
            return elements
    except Refused:
        raise
    except AecgError as error:
        raise Refused("rejected", new_issue("FB-DCM-035", str(error), locator)) from error
    except OSError as error:
        # pydicom raises OSError without a number for data that it can't make sense of.
        kind, message = (
            ("FB-DCM-003", error.strerror) if error.errno else ("FB-DCM-004", "the data set can't be parsed")
        )
        raise Refused("rejected", new_issue(kind, str(message), locator)) from error
    except (EOFError, struct.error) as error:
        raise Refused(
            "rejected", new_issue("FB-DCM-005", "the file ends within an element", locator)
        ) from error
    except Exception as error:  # a damaged file makes pydicom raise almost anything: it costs this file alone
        message = f"the data set can't be parsed ({type(error).__name__})"
        raise Refused("rejected", new_issue("FB-DCM-004", message, locator)) from error


def _is_segmentation(elements: Elements) -> bool:
    stated = elements.get(_SOP_CLASS, ("", b""))[1]
    return stated.strip(b"\0 ").decode("latin-1") in SEGMENTATION_CLASSES


def _scanned(
    start: bytes, size: int, locator: str, tags: frozenset[int] | None, issues: list[Issue] | None
) -> Elements | None:
    """The elements of a file that is written as most are; None where pydicom must read it."""
    result = scan(start, tags, whole=len(start) == size)
    if result is None:
        return None
    _require_dicom(start, locator, issues)
    if issues is not None and _pixels_missing(
        start[result.end : result.end + 12], result.end, size, little=True
    ):
        issues.append(new_issue("FB-DCM-012", _SHORT_PIXELS, locator))
    return result.elements


def _by_pydicom(
    file: BinaryIO, size: int, locator: str, tags: frozenset[int] | None, issues: list[Issue] | None
) -> Elements:
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
    _require_dicom(file.read(144), locator, issues)
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
        and _pixels_missing(file.read(12), end, size, little=bool(dataset.original_encoding[1]))
    ):
        issues.append(new_issue("FB-DCM-012", _SHORT_PIXELS, locator))
    return dataset


def _require_dicom(start: bytes, locator: str, issues: list[Issue] | None) -> None:
    if start[128:132] == b"DICM":
        if issues is not None and start.startswith((b"MZ", b"\x7fELF", b"#!")):
            issues.append(new_issue("FB-DCM-013", "the first bytes are those of a program", locator))
        return
    if not _plausible(start):
        raise Refused("skipped", new_issue("FB-DCM-001", _file_format(start), locator))


_FILE_FORMATS: Final = (
    (b"MZ", "a Windows executable"),
    (b"\x7fELF", "a Linux executable"),
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"\x1f\x8b", "a gzip file; unpack it first"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"{", "JSON"),
    (b"<", "XML or HTML"),
)


def _file_format(start: bytes) -> str:
    if not start:
        return "an empty file"
    return next(
        (name for magic, name in _FILE_FORMATS if start.startswith(magic)), "no DICOM prefix and no data set"
    )


def _plausible(start: bytes) -> bool:
    """Whether a file without the DICM prefix begins like a data set: group 2 or 8, and a sensible first element."""
    if len(start) < 8:
        return False
    for order in ("<", ">"):
        group, element, length = struct.unpack(order + "HHI", start[:8])
        if group not in (0x0002, 0x0008) or element > 0x1000:
            continue
        vr = start[4:6]
        if vr in _EXPLICIT:
            return vr in _LONG or struct.unpack(order + "H", start[6:8])[0] <= 1024
        if order == "<" and length <= 1024:
            return True
    return False


def _cut_short(dataset: FileDataset) -> bool:
    """Whether a value has fewer bytes than its length says."""
    raw = (dataset.get_item(tag, keep_deferred=True) for tag in dataset.keys())  # noqa: SIM118 - as in elements.py
    return any(is_cut_short(each) for each in raw)


def _pixels_missing(element: bytes, position: int, size: int, *, little: bool) -> bool:
    """Whether the element at which reading stopped is native pixel data that reach beyond the end of the file."""
    if len(element) < 12:
        return False
    order = "<" if little else ">"
    group, number = struct.unpack(order + "HH", element[:4])
    if (group << 16 | number) not in _PIXELS:
        return False
    # What is there decides, not the transfer syntax: some files claim explicit VR and are not.
    at = 8 if element[4:6] in _EXPLICIT else 4
    length = struct.unpack(order + "I", element[at : at + 4])[0]
    return bool(length != 0xFFFFFFFF and position + at + 4 + length > size)
