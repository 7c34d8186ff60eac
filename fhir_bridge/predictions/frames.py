"""Frames of a study from kept DICOM files, as grey values for a model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from fhir_bridge.plugins.extras import require

__all__ = ["read_frames"]

_UID: Final = re.compile(r"[0-9.]{1,64}")
LARGEST_FILE: Final = 1024 * 1024 * 1024


def read_frames(
    study: dict[str, Any], folder: Path, modality: str, count: int, height: int, width: int
) -> list[float] | str:
    """`count` frames of the first series of the modality, sampled to height by width, 0 to 1; or what is wrong.

    Each is scaled to its own lowest and highest value, MONOCHROME1 turned over; colours are made grey.
    """
    require("dicom")
    import numpy as np
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    frames: list[Any] = []
    for uid in _instances(study, modality):
        if len(frames) >= count:
            break
        path = folder / f"{uid}.dcm"
        try:
            if path.stat().st_size > LARGEST_FILE:
                return "is in a file that is too large"
            dataset = dcmread(path)
            if str(dataset.SOPInstanceUID) != uid:
                return "is in a file of another instance"
            pixels = np.asarray(dataset.pixel_array, dtype="float32")
        except FileNotFoundError:
            continue
        except (OSError, InvalidDicomError, AttributeError, ValueError, RuntimeError, NotImplementedError):
            return "can't be read from its DICOM file"
        if int(dataset.get("SamplesPerPixel", 1)) > 1:
            pixels = pixels.mean(axis=-1)
        stack = pixels if pixels.ndim == 3 else pixels[None]
        for frame in stack[: count - len(frames)]:
            low, high = float(frame.min()), float(frame.max())
            grey = (frame - low) / (high - low) if high > low else frame * 0
            if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
                grey = 1 - grey
            rows = np.linspace(0, grey.shape[0] - 1, height).round().astype(int)
            columns = np.linspace(0, grey.shape[1] - 1, width).round().astype(int)
            frames.append(grey[rows][:, columns])
    if len(frames) < count:
        return f"has {len(frames)} frames here, and {count} are needed"
    return [float(value) for frame in frames for value in frame.ravel()]


def _instances(study: dict[str, Any], modality: str) -> list[str]:
    """SOP Instance UIDs of the series of a modality, in the order of their numbers."""
    uids: list[str] = []
    for series in study.get("series", ()):
        if series.get("modality", {}).get("code") == modality:
            instances = sorted(series.get("instance", ()), key=lambda item: int(item.get("number", 0)))
            uids += [str(item.get("uid", "")) for item in instances]
    return [uid for uid in uids if _UID.fullmatch(uid)]
