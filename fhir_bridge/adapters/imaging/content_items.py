"""Items of a content tree (PS3.3 C.17.3): their type, name and relationship, and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader
from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.adapters.imaging.person_names import PersonName
from fhir_bridge.adapters.imaging.values import Value

__all__ = [
    "MODIFIES",
    "ContentItem",
    "ImageReference",
    "Region",
    "distinct",
    "reference_of",
    "references_below",
    "region_of",
    "regions_below",
]

_TYPES: Final = frozenset(
    "CODE COMPOSITE CONTAINER DATE DATETIME IMAGE NUM PNAME SCOORD SCOORD3D TABLE TCOORD TEXT TIME UIDREF "
    "WAVEFORM".split()
)
"""Value Types (PS3.3 table C.17.3.2.1-1)."""
_RELATIONS: Final = frozenset(
    {
        "CONTAINS",
        "HAS ACQ CONTEXT",
        "HAS CONCEPT MOD",
        "HAS OBS CONTEXT",
        "HAS PROPERTIES",
        "INFERRED FROM",
        "SELECTED FROM",
    }
)
"""Relationship Types (PS3.3 table C.17.3.2.4-1)."""
MODIFIES: Final = frozenset({"HAS CONCEPT MOD", "HAS OBS CONTEXT", "HAS ACQ CONTEXT"})
"""Relationships by which an item says something about the one above it."""

_REFERENCES: Final = frozenset({"IMAGE", "COMPOSITE", "WAVEFORM"})
_COORDINATES: Final = frozenset({"SCOORD", "SCOORD3D", "TCOORD"})
_OF_ITEM: Final = ("ConceptNameCodeSequence", "ConceptCodeSequence", "TextValue", "UID", "PersonName")
_REGION: Final = Code("111030", "DCM", "Image Region")


class ImageReference(NamedTuple):
    """An instance that a content item refers to (PS3.3 C.18.3, C.18.4).

    Attributes:
        uid: SOP Instance UID.
        frames: Referenced Frame Numbers; none where the whole instance is meant.
        segments: Referenced Segment Numbers.
    """

    uid: str
    frames: tuple[int, ...] = ()
    segments: tuple[int, ...] = ()

    @property
    def text(self) -> str | None:
        """Which part of it, for people; None where all of it is meant."""
        parts = [("frame", self.frames), ("segment", self.segments)]
        stated = [f"{name} {', '.join(map(str, numbers))}" for name, numbers in parts if numbers]
        return ", ".join(stated) or None


class Region(NamedTuple):
    """Coordinates in images, space or time (PS3.3 C.18.6, C.18.7, C.18.9).

    Attributes:
        name: its concept name; Image Region where it has none.
        kind: Graphic Type or Temporal Range Type.
        points: the coordinates as stated.
        images: what they are in.
        frame_of_reference: of coordinates in the patient's space, UID.
    """

    name: Code
    kind: str | None
    points: tuple[str, ...]
    images: tuple[ImageReference, ...]
    frame_of_reference: str | None = None

    @property
    def text(self) -> str:
        """In one line: `CIRCLE 12.5 30 12.5 35 in urn:oid:1.2.3 frame 2`."""
        where = [f"urn:oid:{each.uid}{f' {each.text}' if each.text else ''}" for each in self.images]
        if self.frame_of_reference:
            where.append(f"urn:oid:{self.frame_of_reference}")
        words = [self.kind or "", *self.points, "in " + ", ".join(where) if where else ""]
        return " ".join(word for word in words if word) or "not stated"


class ContentItem:
    """A content item: its type, name and relationship, and the items below it, each read once.

    Attributes:
        used: something in the result comes from it.
    """

    __slots__ = ("_children", "kind", "name", "reader", "relation", "used")

    def __init__(self, reader: AttributeReader) -> None:
        self.reader = reader
        self.kind = reader.term("ValueType", _TYPES)
        self.name = reader.code("ConceptNameCodeSequence")
        self.relation = reader.term("RelationshipType", _RELATIONS)
        self.used = False
        self._children: list[ContentItem] | None = None

    @property
    def children(self) -> list[ContentItem]:
        if self._children is None:
            self._children = [ContentItem(item) for item in self.reader.items("ContentSequence")]
        return self._children

    def disregard_unused(self) -> None:
        """Count items that nothing comes from as not asked for: they were read to see what they are."""
        if not self.used:
            self.reader.disregard(*_OF_ITEM)
        for child in self._children or ():
            child.disregard_unused()

    @property
    def value(self) -> Code | str | None:
        """Of a code, text or UID."""
        if self.kind == "CODE":
            return self.reader.code("ConceptCodeSequence")
        if self.kind == "TEXT":
            return self.reader.text("TextValue")
        return self.reader.text("UID") if self.kind == "UIDREF" else None

    @property
    def person(self) -> PersonName | None:
        """Of a person's name."""
        value: Value = self.reader.value("PersonName") if self.kind == "PNAME" else None
        return value if isinstance(value, PersonName) else None


def reference_of(item: ContentItem) -> tuple[ImageReference, ...]:
    """The instances that an item of the types IMAGE, COMPOSITE or WAVEFORM refers to."""
    if item.kind not in _REFERENCES:
        return ()
    references = []
    for reference in item.reader.items("ReferencedSOPSequence"):
        uid = reference.text("ReferencedSOPInstanceUID")
        if uid is not None:
            frames, segments = (
                _integers(reference.value(keyword))
                for keyword in ("ReferencedFrameNumber", "ReferencedSegmentNumber")
            )
            references.append(ImageReference(uid, frames, segments))
            item.used = True
    return tuple(references)


def _integers(value: Value) -> tuple[int, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(each for each in values if isinstance(each, int))


def references_below(item: ContentItem) -> Iterator[ImageReference]:
    """The instances that an item and its coordinates refer to, below it at any depth but not in other findings."""
    for child in item.children:
        if child.kind in _REFERENCES:
            yield from reference_of(child)
        if child.kind in _REFERENCES | _COORDINATES:
            yield from references_below(child)


def regions_below(item: ContentItem) -> Iterator[Region]:
    """The coordinates directly below an item, and those below them (a range of time within a region)."""
    for child in item.children:
        if child.kind in _COORDINATES:
            yield region_of(child)
            yield from regions_below(child)


def region_of(item: ContentItem) -> Region:
    """The coordinates that an item of the types SCOORD, SCOORD3D or TCOORD has."""
    reader = item.reader
    item.used = True
    if item.kind == "TCOORD":
        kind = reader.text("TemporalRangeType")
        stated = next(
            (
                (word, reader.value(keyword))
                for keyword, word in (
                    ("ReferencedSamplePositions", "samples"),
                    ("ReferencedTimeOffsets", "seconds"),
                    ("ReferencedDateTime", ""),
                )
                if keyword in reader
            ),
            ("", None),
        )
        points = tuple(word for word in (stated[0], *_numbers(stated[1])) if word)
    else:
        kind = reader.text("GraphicType")
        size = reader.omitted("GraphicData")
        points = (
            _numbers(reader.value("GraphicData"))
            if size is None
            else (f"({size // 4} coordinates, in the report itself)",)
        )
    return Region(
        item.name or _REGION,
        kind,
        points,
        tuple(references_below(item)),
        reader.text("ReferencedFrameOfReferenceUID"),
    )


def _numbers(value: Value) -> tuple[str, ...]:
    """Coordinates as text: nine digits say all that a single-precision number has."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(each if isinstance(each, str) else f"{float(each):.9g}" for each in values)


def distinct(references: Iterator[ImageReference]) -> tuple[ImageReference, ...]:
    """Each once, in order."""
    return tuple(dict.fromkeys(references))
