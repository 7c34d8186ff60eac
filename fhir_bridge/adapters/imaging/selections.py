"""Objects that point at images: key object selections and presentation states (PS3.3 C.17.6, C.11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader
from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.adapters.imaging.content_items import ContentItem, ImageReference, distinct, reference_of
from fhir_bridge.adapters.imaging.parties import Physician, physician
from fhir_bridge.adapters.imaging.person_names import PersonName
from fhir_bridge.adapters.imaging.times import joined

__all__ = ["SELECTION_CLASSES", "Selection", "read_selection"]

_KEY_OBJECTS: Final = "1.2.840.10008.5.1.4.1.1.88.59"
SELECTION_CLASSES: Final = frozenset(
    {_KEY_OBJECTS, *(f"1.2.840.10008.5.1.4.1.1.11.{number}" for number in range(1, 13))}
)
"""Key Object Selection, and the presentation states: grayscale, colour, pseudo-colour, blending, volume rendering."""

_PRESENTATION: Final = Code("PR", "DCM", "Presentation State")
_PERSON_OBSERVER: Final = "DCM|121008"
_MAX_DEPTH: Final = 64


@dataclass(slots=True)
class Selection:
    """A key object selection or presentation state.

    Attributes:
        outer: its study.
        uid: SOP Instance UID.
        series: UID of its series.
        title: document title; Presentation State.
        text: description, and the texts that are drawn.
        references: the instances that it selects or presents.
        studies: UIDs of other studies that they are of.
        people: who made it.
    """

    outer: Any
    uid: str
    series: str
    title: Code | None
    text: str | None
    time: str | None
    references: tuple[ImageReference, ...]
    studies: tuple[str, ...]
    people: list[Physician]
    equipment: Any = None

    @property
    def study(self) -> Any:
        return self.outer


def read_selection(reader: AttributeReader, uid: str, study: Any, equipment: Any = None) -> Selection:
    """Read a selection; `equipment` is what made its series.

    Raises:
        ValueError: the content tree nests deeper than is read.
    """
    if reader.text("SOPClassUID") == _KEY_OBJECTS:
        return _key_objects(reader, uid, study, equipment)
    return _presentation(reader, uid, study, equipment)


def _key_objects(reader: AttributeReader, uid: str, study: Any, equipment: Any) -> Selection:
    root = ContentItem(reader)
    root.used = True
    items = list(_below(root))
    texts, people = [], []
    for item in items:
        value = item.value if item.kind == "TEXT" and item.relation == "CONTAINS" else None
        if isinstance(value, str):
            texts.append(value)
            item.used = True
        if item.name is not None and item.name.key == _PERSON_OBSERVER and (name := item.person) is not None:
            people.append(physician(study, name, None, "observer"))
            item.used = True
    selected = [each for item in items for each in reference_of(item)]
    # The evidence lists what the tree selects, and in a manifest of a whole study it alone does (PS3.3 C.17.6.2.1).
    known = {each.uid for each in selected}
    evidence = list(_evidence(reader))
    differing = known ^ {each for _, each in evidence}
    if known and evidence and differing:
        reader.report(
            "FB-DCM-037",
            f"ContentSequence and ReferencedSOPSequence name different instances as ReferencedSOPInstanceUID: "
            f"{len(differing)}",
        )
    selected += [ImageReference(each) for _, each in evidence if each not in known]
    result = Selection(
        study,
        uid,
        reader.text("SeriesInstanceUID") or "",
        root.name,
        "\n".join(texts) or None,
        joined(reader.text("ContentDate"), reader.text("ContentTime"), study.offset)[0],
        distinct(iter(selected)),
        tuple(dict.fromkeys(where for where, _ in evidence if where and where != study.uid)),
        people,
        equipment,
    )
    root.disregard_unused()
    return result


def _below(item: ContentItem, depth: int = 0) -> Iterator[ContentItem]:
    if depth > _MAX_DEPTH:
        raise ValueError(f"the content tree nests deeper than {_MAX_DEPTH} levels")
    for child in item.children:
        yield child
        yield from _below(child, depth + 1)


def _evidence(reader: AttributeReader) -> Iterator[tuple[str, str]]:
    for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"):
        for study in reader.items(keyword):
            where = study.text("StudyInstanceUID") or ""
            for series in study.items("ReferencedSeriesSequence"):
                for reference in series.items("ReferencedSOPSequence"):
                    uid = reference.text("ReferencedSOPInstanceUID")
                    if uid is not None:
                        yield where, uid


def _presentation(reader: AttributeReader, uid: str, study: Any, equipment: Any) -> Selection:
    references = []
    for series in reader.items("ReferencedSeriesSequence"):
        for image in series.items("ReferencedImageSequence"):
            referenced = image.text("ReferencedSOPInstanceUID")
            frames = image.value("ReferencedFrameNumber")
            if referenced is not None:
                numbers = frames if isinstance(frames, list) else [frames]
                references.append(ImageReference(referenced, tuple(n for n in numbers if isinstance(n, int))))
    texts = [reader.text("ContentLabel"), reader.text("ContentDescription")]
    for annotation in reader.items("GraphicAnnotationSequence"):
        texts += [text.text("UnformattedTextValue") for text in annotation.items("TextObjectSequence")]
    creator = reader.value("ContentCreatorName")
    date, time = reader.text("PresentationCreationDate"), reader.text("PresentationCreationTime")
    return Selection(
        study,
        uid,
        reader.text("SeriesInstanceUID") or "",
        _PRESENTATION,
        "\n".join(dict.fromkeys(text for text in texts if text)) or None,
        joined(date, time, study.offset)[0],
        distinct(iter(references)),
        (),
        [physician(study, creator, None, "observer")] if isinstance(creator, PersonName) else [],
        equipment,
    )
