"""How many voxels each segment has in each frame of a segmentation (PS3.3 C.8.20.2), counted in its pixel data.

They are kept as an element of an instance, since pixel data are not.
"""

from __future__ import annotations

import struct
from array import array
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Final

from fhir_bridge.adapters.imaging.elements import Element, Elements

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

__all__ = ["SEGMENTATION_CLASSES", "VOXELS", "count_voxels", "counts_in"]

SEGMENTATION_CLASSES: Final = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
"""Segmentation and Label Map Segmentation Storage."""
VOXELS: Final = 0x00071001
"""Where the counts are kept: group 0007 is one that no file may have (PS3.5 7.8)."""
_MOST: Final = 1 << 29
"""Pixel data larger than this (bytes) are not counted."""
_COUNT: Final = struct.Struct("<III")


def count_voxels(file: BinaryIO) -> Element | None:
    """The counts of a file; None where they are not certain: compressed, fractional or malformed pixel data."""
    # Only here: few files are segmentations, and pydicom is large.
    from pydicom import dcmread

    from fhir_bridge.adapters.imaging.pydicom_settings import quiet

    try:
        with quiet():
            file.seek(0)
            counts = list(_counts(dcmread(file, force=True)))
    except Exception:  # noqa: BLE001 - pydicom raises almost anything on damaged pixels: they cost the counts alone
        return None
    return ("OB", b"".join(_COUNT.pack(*each) for each in counts)) if counts else None


def counts_in(elements: Elements) -> list[tuple[int, int, int]]:
    """Frame (from 1), label (0 where the frame is of one segment) and voxels, of frames that have any."""
    _, value = elements.get(VOXELS, ("", b""))
    return list(_COUNT.iter_unpack(value[: len(value) // _COUNT.size * _COUNT.size]))


def _counts(dataset: Dataset) -> Iterator[tuple[int, int, int]]:
    size = int(dataset.Rows) * int(dataset.Columns)
    frames = int(dataset.get("NumberOfFrames") or 1)
    bits, kind = int(dataset.BitsAllocated), dataset.get("SegmentationType")
    data = dataset.PixelData
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated or not size or len(data) > _MOST or len(data) * 8 < size * frames * bits:
        return
    if kind == "BINARY" and bits == 1:
        mask = (1 << size) - 1
        for frame in range(frames):
            start = frame * size
            packed = int.from_bytes(data[start // 8 : (start + size + 7) // 8], "little")
            voxels = (packed >> start % 8 & mask).bit_count()
            if voxels:
                yield frame + 1, 0, voxels
    elif kind == "LABELMAP" and bits in (8, 16):
        words = array("B" if bits == 8 else "H")
        words.frombytes(data[: size * frames * bits // 8])
        if bits == 16 and not dataset.original_encoding[1]:
            words.byteswap()
        for frame in range(frames):
            for label, voxels in sorted(Counter(words[frame * size : (frame + 1) * size]).items()):
                yield frame + 1, label, voxels
