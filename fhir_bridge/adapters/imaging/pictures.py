"""A small picture of an instance, for people to recognize it by; no diagnosis is made from it."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any, Final

from pydicom import dcmread
from pydicom.pixels import apply_voi_lut, pixel_array

from fhir_bridge.adapters.imaging.pydicom_settings import quiet

__all__ = ["PictureError", "thumbnail"]

_MOST_PIXELS: Final = 1 << 26
"""Of one frame."""


class PictureError(ValueError):
    """The instance has no frame that can be decoded here."""


def thumbnail(content: bytes, size: int = 256) -> bytes:
    """A PNG of the middle frame of an instance, at most `size` pixels in each direction.

    Args:
        content: the DICOM file.

    Raises:
        PictureError: no pixels, too many, or in a compression that no installed decoder knows.
    """
    with quiet():
        try:
            dataset = dcmread(BytesIO(content), force=True)
            rows, columns = int(dataset.Rows), int(dataset.Columns)
            if not 0 < rows * columns <= _MOST_PIXELS:
                raise PictureError("the frame is too large")
            frames = int(dataset.get("NumberOfFrames") or 1)
            pixels: Any = pixel_array(dataset, index=frames // 2 if frames > 1 else 0)
            grey = pixels.ndim == 2
            if grey and "PALETTE" not in str(dataset.PhotometricInterpretation):
                pixels = apply_voi_lut(pixels, dataset)
        except PictureError:
            raise
        except Exception as error:  # pydicom and its decoders raise almost anything for what they can't read
            raise PictureError(f"the pixels can't be decoded ({type(error).__name__})") from error
    step = max(1, -(-max(rows, columns) // size))
    pixels = pixels[::step, ::step]
    low, high = float(pixels.min()), float(pixels.max())
    if grey:
        pixels = (pixels - low) * (255.0 / (high - low)) if high > low else pixels * 0
        if dataset.PhotometricInterpretation == "MONOCHROME1":
            pixels = 255 - pixels
    elif high > 255:
        pixels = pixels / 257
    pixels = pixels.astype("uint8")
    height, width = pixels.shape[:2]
    return _png(width, height, 0 if grey else 2, [pixels[row].tobytes() for row in range(height)])


def _png(width: int, height: int, colour: int, rows: list[bytes]) -> bytes:
    """A PNG of 8 bits a sample (ISO/IEC 15948)."""
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
