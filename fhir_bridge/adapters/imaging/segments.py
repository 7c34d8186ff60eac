"""Segments of segmentations (PS3.3 C.8.20): what they are, where, and how large where the geometry is certain."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from itertools import pairwise
from typing import Any, Final

from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader
from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.adapters.imaging.content_items import ImageReference, distinct
from fhir_bridge.adapters.imaging.times import joined
from fhir_bridge.adapters.imaging.values import Value
from fhir_bridge.adapters.imaging.voxel_counts import counts_in

__all__ = ["Segment", "read_segments"]

_ANATOMY: Final = frozenset({"SCT|123037004", "SCT|91723000", "SCT|85756007"})
"""Categories whose type is a place: Anatomical Structure, Tissue (PS3.16 CID 7150)."""
_SIDES: Final = frozenset({"SCT|7771000", "SCT|24028007", "SCT|51440002", "SCT|66459002"})
_TOLERANCE: Final = Decimal("0.01")
"""Part of a spacing by which a frame may be out of place: what writers lose by rounding positions."""
_DIGITS: Final = Context(prec=12)

_Vector = tuple[Decimal, Decimal, Decimal]


class _UncertainError(Exception):
    """The geometry does not say how large a voxel is; the message says why."""


@dataclass(slots=True)
class Segment:
    """A segment.

    Attributes:
        outer: its study.
        uid: SOP Instance UID of the segmentation.
        series: UID of its series.
        number: Segment Number.
        label: as the source calls it.
        category, type: Segmented Property Category and Type.
        region: anatomic region.
        qualifiers: modifiers of type and region: sides and parts.
        tracking_uid: what it is followed by.
        voxels: how many it has; None where that is not known.
        volume: in mm3; None where the geometry is not certain.
        sources: instances that it was made of.
        item: what else is read of it when a rule asks.
    """

    outer: Any
    uid: str
    series: str
    number: int
    label: str | None
    category: Code | None
    type: Code | None
    region: Code | None
    qualifiers: tuple[Code, ...]
    tracking_uid: str | None
    voxels: int | None
    volume: Decimal | None
    sources: tuple[ImageReference, ...]
    item: AttributeReader
    document: AttributeReader
    equipment: Any = None

    @property
    def study(self) -> Any:
        return self.outer

    @property
    def time(self) -> str | None:
        """Content Date and Time, else the start of the study."""
        date, time = self.document.text("ContentDate"), self.document.text("ContentTime")
        stated: str | None = joined(date, time, self.study.offset)[0] or self.study.started
        return stated

    @property
    def description(self) -> str | None:
        return self.item.text("SegmentDescription")

    @property
    def algorithm(self) -> str | None:
        """Segment Algorithm Type and Name."""
        stated = [self.item.text(keyword) for keyword in ("SegmentAlgorithmType", "SegmentAlgorithmName")]
        return " ".join(part for part in stated if part) or None

    @property
    def tracking_identifier(self) -> str | None:
        return self.item.text("TrackingID")

    @property
    def location(self) -> Code | None:
        """Where it is: its type where that is a place, else its region."""
        if self.category is not None and self.category.key in _ANATOMY:
            return self.type
        return self.region

    @property
    def morphology(self) -> Code | None:
        """What it is, where its type is no place."""
        return None if self.category is not None and self.category.key in _ANATOMY else self.type

    @property
    def laterality(self) -> Code | None:
        return next((each for each in self.qualifiers if each.key in _SIDES), None)


_BACKGROUND: Final = ("DCM", "125040")
"""What is in no segment, which a label map lists as its segment 0 (PS3.3 C.8.20.2)."""


def read_segments(reader: AttributeReader, uid: str, study: Any, equipment: Any = None) -> list[Segment]:
    """Read a segmentation; `equipment` is what made its series."""
    series = reader.text("SeriesInstanceUID") or ""
    sources = _sources(reader)
    voxels, problem = _voxels_of(reader)
    volume_of, uncertain = _voxel_volume(reader, bool(voxels))
    segments = []
    for item in reader.items("SegmentSequence"):
        number = item.integer("SegmentNumber")
        if number is None:
            item.report("FB-DCM-020", "a segment without a Segment Number was left out")
            continue
        kind = item.code("SegmentedPropertyTypeCodeSequence")
        if kind is not None and (kind.scheme, kind.value) == _BACKGROUND:
            continue
        count = voxels.get(number, 0) if voxels else None
        region, qualifiers = _anatomy(item)
        segments.append(
            Segment(
                study,
                uid,
                series,
                number,
                item.text("SegmentLabel"),
                item.code("SegmentedPropertyCategoryCodeSequence"),
                kind,
                region,
                qualifiers,
                item.text("TrackingUID"),
                count,
                _volume(count, volume_of),
                sources,
                item,
                reader,
                equipment,
            )
        )
    if segments and volume_of is None:
        reader.report("FB-DCM-034", f"no volume of {len(segments)} segments: {problem or uncertain}")
    return segments


def _volume(voxels: int | None, size: Decimal | None) -> Decimal | None:
    if voxels is None or size is None:
        return None
    result = _DIGITS.multiply(Decimal(voxels), size).normalize()
    return result.quantize(Decimal(1)) if result == result.to_integral_value() else result


def _anatomy(item: AttributeReader) -> tuple[Code | None, tuple[Code, ...]]:
    """Region, and the modifiers of type and region."""
    region = _code_and_modifiers(item, "AnatomicRegionSequence", "AnatomicRegionModifierSequence")
    kind = _code_and_modifiers(
        item, "SegmentedPropertyTypeCodeSequence", "SegmentedPropertyTypeModifierCodeSequence"
    )
    return region[0], tuple(dict.fromkeys([*kind[1], *region[1]]))


def _code_and_modifiers(
    item: AttributeReader, keyword: str, modifiers: str
) -> tuple[Code | None, list[Code]]:
    values = item.value(keyword)
    code = next((each for each in values or () if isinstance(each, Code)), None)
    below = [
        each
        for inner in item.items(keyword)
        for each in (inner.value(modifiers) or ())
        if isinstance(each, Code)
    ]
    return code, below


def _sources(reader: AttributeReader) -> tuple[ImageReference, ...]:
    references = []
    for series in reader.items("ReferencedSeriesSequence"):
        for instance in series.items("ReferencedInstanceSequence"):
            uid = instance.text("ReferencedSOPInstanceUID")
            if uid is not None:
                references.append(ImageReference(uid))
    return distinct(iter(references))


def _voxels_of(reader: AttributeReader) -> tuple[dict[int, int], str | None]:
    """Voxels by segment number, or why they are not known."""
    kind = reader.term("SegmentationType", ("BINARY", "FRACTIONAL", "LABELMAP"))
    if kind == "FRACTIONAL":
        return {}, "its voxels are fractions"
    counts = counts_in(reader.elements)
    if not counts:
        return {}, "its voxels can't be counted"
    result: dict[int, int] = {}
    frames = _frames(reader)
    for frame, label, voxels in counts:
        number: int | None = label
        if kind == "BINARY":
            number = frames[frame - 1].segment if frame <= len(frames) else None
        if number is None:
            return {}, "a frame names no segment"
        result[number] = result.get(number, 0) + voxels
    return result, None


@dataclass(slots=True)
class _Frame:
    segment: int | None
    position: _Vector | None
    orientation: tuple[Decimal, ...] | None
    spacing: tuple[Decimal, Decimal] | None
    between: Decimal | None
    thickness: Decimal | None


def _frames(reader: AttributeReader) -> list[_Frame]:
    """What the functional groups say of each frame: the shared ones where its own do not."""
    shared = reader.item("SharedFunctionalGroupsSequence")
    return [_frame(each, shared) for each in reader.items("PerFrameFunctionalGroupsSequence")]


def _frame(own: AttributeReader, shared: AttributeReader | None) -> _Frame:
    def stated(group: str, keyword: str) -> Value:
        for around in (own, shared):
            item = around.item(group) if around is not None else None
            value = item.value(keyword) if item is not None else None
            if value is not None:
                return value
        return None

    position = _numbers(stated("PlanePositionSequence", "ImagePositionPatient"), 3)
    spacing = _numbers(stated("PixelMeasuresSequence", "PixelSpacing"), 2)
    between, thickness = (
        _numbers([stated("PixelMeasuresSequence", keyword)], 1)
        for keyword in ("SpacingBetweenSlices", "SliceThickness")
    )
    segment = stated("SegmentIdentificationSequence", "ReferencedSegmentNumber")
    return _Frame(
        segment if isinstance(segment, int) else None,
        (position[0], position[1], position[2]) if position else None,
        _numbers(stated("PlaneOrientationSequence", "ImageOrientationPatient"), 6),
        (spacing[0], spacing[1]) if spacing else None,
        between[0] if between else None,
        thickness[0] if thickness else None,
    )


def _numbers(value: Value, count: int) -> tuple[Decimal, ...] | None:
    values = value if isinstance(value, list) else []
    numbers = tuple(Decimal(each) for each in values if isinstance(each, int | Decimal))
    return numbers if len(numbers) == count == len(values) else None


def _voxel_volume(reader: AttributeReader, counted: bool) -> tuple[Decimal | None, str | None]:
    """mm3 of a voxel, or why that is not certain."""
    if not counted:
        return None, None
    try:
        return _certain_volume(_frames(reader)), None
    except _UncertainError as reason:
        return None, str(reason)


def _certain_volume(frames: list[_Frame]) -> Decimal:
    """mm3 of a voxel of frames that are parallel, equally spaced planes of the patient's space."""
    spacings, orientations = {each.spacing for each in frames}, {each.orientation for each in frames}
    spacing, orientation = next(iter(spacings), None), next(iter(orientations), None)
    if len(spacings) != 1 or spacing is None or min(spacing) <= 0:
        raise _UncertainError("its frames state no Pixel Spacing, or several")
    if len(orientations) != 1 or orientation is None:
        raise _UncertainError("its frames state no Image Orientation (Patient), or several")
    positions = [each.position for each in frames if each.position is not None]
    if len(positions) != len(frames):
        raise _UncertainError("a frame states no Image Position (Patient)")
    places = [(each.segment, each.position) for each in frames]
    if len(set(places)) != len(places):
        raise _UncertainError("several frames of a segment are at one place")
    normal = _normal(orientation)
    first = positions[0]
    offsets = sorted({_along(normal, first, each) for each in positions})
    steps = [after - before for before, after in pairwise(offsets)]
    steps = [step for step in steps if step > _TOLERANCE * min(spacing)]
    step = _depth(frames, steps)
    for each in steps:
        if abs(each / step - (each / step).to_integral_value()) > _TOLERANCE or each < step * (
            1 - _TOLERANCE
        ):
            raise _UncertainError("its planes are not equally spaced")
    for place in positions:
        along = _along(normal, first, place)
        shift = [place[axis] - first[axis] - along * normal[axis] for axis in range(3)]
        if max(map(abs, shift)) > _TOLERANCE * min(spacing):
            raise _UncertainError("its planes are shifted against each other")
    return spacing[0] * spacing[1] * step


def _depth(frames: list[_Frame], steps: list[Decimal]) -> Decimal:
    """What lies between planes: as stated; else their thickness, where the nearest are that far apart."""
    betweens, thicknesses = {each.between for each in frames}, {each.thickness for each in frames}
    between = next(iter(betweens)) if len(betweens) == 1 else None
    if between:
        return abs(between)
    thickness = next(iter(thicknesses)) if len(thicknesses) == 1 else None
    if thickness and steps and abs(min(steps) - thickness) <= _TOLERANCE * thickness:
        return thickness
    raise _UncertainError("nothing states how far its planes are apart")


def _normal(orientation: tuple[Decimal, ...]) -> _Vector:
    (a, b, c), (d, e, f) = orientation[:3], orientation[3:]
    lengths = [a * a + b * b + c * c, d * d + e * e + f * f]
    if any(abs(length - 1) > _TOLERANCE for length in lengths) or abs(a * d + b * e + c * f) > _TOLERANCE:
        raise _UncertainError("Image Orientation (Patient) is no right angle of unit vectors")
    return b * f - c * e, c * d - a * f, a * e - b * d


def _along(normal: _Vector, first: _Vector, position: _Vector) -> Decimal:
    product = sum((normal[axis] * (position[axis] - first[axis]) for axis in range(3)), Decimal(0))
    return product.quantize(Decimal("1E-6"))
