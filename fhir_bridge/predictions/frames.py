"""Frames of a study as grey values for a model."""

from __future__ import annotations

import io
from collections.abc import Collection
from typing import Any

from fhir_bridge.plugins.extras import require
from fhir_bridge.predictions.archived_instances import InstanceError, Instances, series_of, study_uid

__all__ = ["read_frames"]


def read_frames(
    study: dict[str, Any],
    instances: Instances,
    patient_ids: Collection[str],
    modality: str,
    count: int,
    height: int,
    width: int,
    *,
    raw: bool = False,
) -> list[float] | str:
    """`count` frames of the first series of the modality, sampled to height by width; or what is wrong.

    Each is scaled to its own lowest and highest value, 0 to 1, MONOCHROME1 turned over; colours are made grey.

    Args:
        raw: the values of the modality in place of that: rescale slope and intercept applied, nothing turned over.
        patient_ids: the patient's own numbers: a file that states another Patient ID is another patient's.
    """
    require("dicom")
    frames: list[Any] = []
    of_study = study_uid(study)
    try:
        for series, uids in series_of(study, modality):
            for uid in uids:
                if len(frames) >= count:
                    break
                content = instances(of_study, series, uid)
                if content is not None:
                    frames += _frames_of(
                        content, of_study, uid, patient_ids, count - len(frames), height, width, raw=raw
                    )
    except InstanceError as error:
        return str(error)
    if len(frames) < count:
        return f"has {len(frames)} frames here, and {count} are needed"
    return [float(value) for frame in frames for value in frame.ravel()]


def _frames_of(
    content: bytes,
    of_study: str,
    uid: str,
    patient_ids: Collection[str],
    most: int,
    height: int,
    width: int,
    *,
    raw: bool,
) -> list[Any]:
    """The first frames of an instance.

    Raises:
        InstanceError: it can't be read, or is another one.
    """
    import numpy as np
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        dataset = dcmread(io.BytesIO(content))
        if str(dataset.SOPInstanceUID) != uid:
            raise InstanceError("is in a file of another instance")
        # A study that was split or filed anew for another patient may keep the UIDs of its instances.
        if of_study and str(dataset.StudyInstanceUID) != of_study:
            raise InstanceError("is in a file of another study")
        stated = str(dataset.get("PatientID") or "").strip()
        if stated and stated not in patient_ids:
            raise InstanceError("is in a file of another patient: its Patient ID is none of the patient's")
        pixels = np.asarray(dataset.pixel_array, dtype="float32")
    except (
        OSError,
        InvalidDicomError,
        AttributeError,
        ValueError,
        RuntimeError,
        NotImplementedError,
    ) as error:
        raise InstanceError("can't be read from its DICOM file") from error
    if int(dataset.get("SamplesPerPixel", 1)) > 1:
        pixels = pixels.mean(axis=-1)
    frames = []
    for number, frame in enumerate((pixels if pixels.ndim == 3 else pixels[None])[:most]):
        if raw:
            slope, intercept = _rescale(dataset, number)
            grey = frame * slope + intercept
        else:
            low, high = float(frame.min()), float(frame.max())
            grey = (frame - low) / (high - low) if high > low else frame * 0
            if dataset.get("PhotometricInterpretation") == "MONOCHROME1":
                grey = 1 - grey
        rows = np.linspace(0, grey.shape[0] - 1, height).round().astype(int)
        columns = np.linspace(0, grey.shape[1] - 1, width).round().astype(int)
        frames.append(grey[rows][:, columns])
    return frames


def _rescale(dataset: Any, number: int) -> tuple[float, float]:
    """Slope and intercept of a frame: its own, those of all frames, or of the image; without any, 1 and 0.

    Raises:
        InstanceError: a table takes their place, which is not read here.
    """
    if "ModalityLUTSequence" in dataset:
        raise InstanceError("has a modality LUT, which is not read here")
    blocks = [dataset]
    for name, place in (("SharedFunctionalGroupsSequence", 0), ("PerFrameFunctionalGroupsSequence", number)):
        groups = dataset.get(name) or ()
        if place < len(groups):
            blocks += groups[place].get("PixelValueTransformationSequence") or ()
    stated = [block for block in blocks if block.get("RescaleSlope") is not None]
    if not stated:
        return 1.0, 0.0
    return float(stated[-1].RescaleSlope), float(stated[-1].get("RescaleIntercept") or 0)
