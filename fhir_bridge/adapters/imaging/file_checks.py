"""What is checked of a file, whoever reads it: that it is DICOM, and that its pixel data are there."""

from __future__ import annotations

import struct
from typing import Final

from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.fhir.issues import Issue

__all__ = ["SHORT_PIXELS", "Refused", "pixels_missing", "require_dicom"]

SHORT_PIXELS: Final = "the pixel data are shorter than they say"
_PIXELS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
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


def require_dicom(start: bytes, locator: str, issues: list[Issue] | None) -> None:
    """Refuse what is not DICOM (PS3.10 7.1), by its first 144 bytes.

    Raises:
        Refused: it has no prefix and begins like no data set; the issue says which format it is.
    """
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
    (b"PK\x03\x04", "a ZIP archive in another; unpack it first"),
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


def pixels_missing(element: bytes, position: int, size: int, *, little: bool) -> bool:
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
