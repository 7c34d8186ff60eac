"""One file: is it DICOM, is it whole, and which elements does it hold."""

from __future__ import annotations

import os
import stat
import struct
from io import BytesIO
from pathlib import Path
from typing import Final

from fhir_bridge.adapters.imaging.aecg import LARGEST as LARGEST_AECG
from fhir_bridge.adapters.imaging.aecg import AecgError, aecg_elements, is_aecg
from fhir_bridge.adapters.imaging.elements import Elements
from fhir_bridge.adapters.imaging.file_checks import SHORT_PIXELS, Refused, pixels_missing, require_dicom
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.scan import scan
from fhir_bridge.adapters.imaging.voxel_counts import SEGMENTATION_CLASSES, VOXELS, count_voxels
from fhir_bridge.fhir.issues import Issue

__all__ = ["Refused", "read_elements"]

_READ_WHOLE: Final = 1 << 18
"""Files up to this size (bytes) are read in one go."""
_SOP_CLASS: Final = 0x00080016


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
                # Only now: pydicom brings numpy, PIL and requests.
                from fhir_bridge.adapters.imaging.pydicom_file import by_pydicom

                elements = by_pydicom(memory, size, locator, tags, issues)
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
    require_dicom(start, locator, issues)
    if issues is not None and pixels_missing(
        start[result.end : result.end + 12], result.end, size, little=True
    ):
        issues.append(new_issue("FB-DCM-012", SHORT_PIXELS, locator))
    return result.elements
