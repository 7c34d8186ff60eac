"""Measurements of structured reports, out of their content trees (PS3.3 C.17.3, PS3.16 TID 1500, 3900, 5200)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader, Item
from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.adapters.imaging.times import joined, valid_datetime
from fhir_bridge.adapters.imaging.vital_signs import in_profile_unit, is_vital_sign

__all__ = ["MAX_DEPTH", "Document", "Measurement", "read_document"]

MAX_DEPTH: Final = 64

_CONTEXT: Final = {
    "SCT|363698007": "finding_site",
    "SCT|272741003": "laterality",
    "SCT|106233006": "topographical_modifier",
    "SCT|399264008": "image_mode",
    "SCT|370129005": "method",
    "DCM|121401": "derivation",
    "DCM|121071": "finding",
    "DCM|112039": "tracking_identifier",
    "DCM|112040": "tracking_uid",
    "DCM|121404": "selection_status",
    "SCT|272518008": "cardiac_phase",
    "DCM|111031": "image_view",
    "DCM|121058": "procedure",
}
"""Concepts that modify what is below them: key of the concept name, to the name in `Context`."""

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
_MODIFIES: Final = frozenset({"HAS CONCEPT MOD", "HAS OBS CONTEXT", "HAS ACQ CONTEXT"})
_GROUPS: Final = frozenset({"DCM|125007"})
_IMAGE_LIBRARY: Final = "DCM|111028"


@dataclass(frozen=True, slots=True)
class Context:
    """What a content item inherits from those around it."""

    finding_site: Code | None = None
    laterality: Code | None = None
    topographical_modifier: Code | None = None
    image_mode: Code | None = None
    method: Code | None = None
    derivation: Code | None = None
    finding: Code | None = None
    tracking_identifier: str | None = None
    tracking_uid: str | None = None
    selection_status: Code | None = None
    cardiac_phase: Code | None = None
    image_view: Code | None = None
    procedure: Code | None = None
    section: Code | None = None
    group: str = ""
    time: str | None = None


@dataclass(slots=True)
class Measurement:
    """A numeric content item with all that its place in the tree says about it.

    Attributes:
        outer: its document.
        position: its place in the tree (`1.4.2`), which is stable for one document.
        code: concept name.
        value: numeric value with its digits; None where the item states that there is none.
        unit: UCUM unit (or the unit of another scheme, as stated).
        qualifier: why there is no value (PS3.16 CID 42).
        context: inherited and own modifiers.
        modifiers: own modifiers that have no name here, as (concept name, value).
        images: SOP Instance UIDs that it was inferred from.
        copies: how often the document states it.
    """

    outer: Document
    position: str
    code: Code
    value: Decimal | None
    unit: Code | None
    qualifier: Code | None
    context: Context
    modifiers: tuple[tuple[Code, Code], ...] = ()
    images: tuple[str, ...] = ()
    copies: int = 1

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "context":
            raise AttributeError(name)
        return getattr(self.context, name)

    @property
    def time(self) -> str | None:
        """Observation DateTime of the item or of those around it, else of the document's content."""
        return self.context.time or self.outer.time

    @property
    def unit_code(self) -> str | None:
        """The unit where it is UCUM."""
        unit = self.unit
        return unit.value if unit is not None and unit.scheme == "UCUM" else None

    @property
    def unit_text(self) -> str | None:
        """The unit for people."""
        return None if self.unit is None else self.unit.value if self.unit_code else self.unit.meaning

    @property
    def is_vital_sign(self) -> bool:
        return is_vital_sign(self.code)

    @property
    def label(self) -> str | None:
        """What is measured, as people read it: `Wall Thickness (Maximum, Left Ventricle)`."""
        about = [
            code.meaning for code in (self.context.derivation, self.context.finding_site) if code is not None
        ]
        words = ", ".join(word for word in about if word)
        name = self.code.meaning or self.code.value
        return f"{name} ({words})" if name and words else name

    @property
    def key(self) -> str:
        """Concept name as `scheme|value`, for a mapping's `match`."""
        return self.code.key

    @property
    def finding_site_key(self) -> str | None:
        return self.context.finding_site.key if self.context.finding_site else None

    @property
    def derivation_key(self) -> str | None:
        return self.context.derivation.key if self.context.derivation else None

    @property
    def qualities(self) -> list[Item]:
        """Further modifiers as (`name`, `value`) items: mode, derivation, phase, view, laterality, finding."""
        named = (
            (Code("399264008", "SCT", "Image Mode"), self.context.image_mode),
            (Code("121401", "DCM", "Derivation"), self.context.derivation),
            (Code("272518008", "SCT", "Cardiac Cycle Point"), self.context.cardiac_phase),
            (Code("111031", "DCM", "Image View"), self.context.image_view),
            (Code("272741003", "SCT", "Laterality"), self.context.laterality),
            (Code("106233006", "SCT", "Topographical modifier"), self.context.topographical_modifier),
            (Code("121071", "DCM", "Finding"), self.context.finding),
            (Code("121404", "DCM", "Selection Status"), self.context.selection_status),
        )
        pairs = [*((name, value) for name, value in named if value is not None), *self.modifiers]
        # What repeats the concept itself can't be a component of it (R4 Observation obs-7).
        return [Item({"name": name, "value": value}) for name, value in pairs if name.key != self.code.key]


@dataclass(slots=True)
class Document:
    """A structured report.

    Attributes:
        outer: its study.
        uid: SOP Instance UID.
        title: concept name of the root.
        template: Template Identifier of the root (TID), where stated.
        complete, verified: Completion and Verification Flag.
        measurements: numeric items, each once.
    """

    outer: Any
    uid: str
    title: Code | None
    template: str | None
    complete: bool
    verified: bool
    time: str | None
    equipment: Any = None
    measurements: list[Measurement] = field(default_factory=list)

    @property
    def study(self) -> Any:
        return self.outer


def read_document(reader: AttributeReader, uid: str, study: Any, equipment: Any = None) -> Document:
    """Read a structured report; `equipment` is what made its series.

    Raises:
        ValueError: the tree nests deeper than `MAX_DEPTH`.
    """
    offset = study.offset
    template = reader.item("ContentTemplateSequence")
    date, time = reader.text("ContentDate"), reader.text("ContentTime")
    complete = (
        reader.term("CompletionFlag", ("PARTIAL", "COMPLETE")) == "COMPLETE" or "CompletionFlag" not in reader
    )
    document = Document(
        study,
        uid,
        reader.code("ConceptNameCodeSequence"),
        template.text("TemplateIdentifier") if template is not None else None,
        complete,
        reader.term("VerificationFlag", ("UNVERIFIED", "VERIFIED")) == "VERIFIED",
        joined(date, time, offset)[0] or study.started,
        equipment,
    )
    seen: dict[tuple[Any, ...], Measurement] = {}
    root = _Content(reader)
    root.used = True  # its name is the document's title
    for result in _walk(root, Context(), "1", document, offset):
        first = seen.setdefault(_identity(result), result)
        if first is result:
            document.measurements.append(result)
        else:
            first.copies += 1
    root.disregard_unused()
    return document


class _Content:
    """A content item: its type, name and relationship, and the items below it, each read once.

    Attributes:
        used: something in a measurement comes from it.
    """

    __slots__ = ("_children", "kind", "name", "reader", "relation", "used")

    def __init__(self, reader: AttributeReader) -> None:
        self.reader = reader
        self.kind = reader.term("ValueType", _TYPES)
        self.name = reader.code("ConceptNameCodeSequence")
        self.relation = reader.term("RelationshipType", _RELATIONS)
        self.used = False
        self._children: list[_Content] | None = None

    @property
    def children(self) -> list[_Content]:
        if self._children is None:
            self._children = [_Content(item) for item in self.reader.items("ContentSequence")]
        return self._children

    def disregard_unused(self) -> None:
        """Count items that nothing comes from as not asked for: they were read to see what they are."""
        if not self.used:
            self.reader.disregard(*_OF_ITEM)
        for child in self._children or ():
            child.disregard_unused()


_OF_ITEM = ("ConceptNameCodeSequence", "ConceptCodeSequence", "TextValue", "UID")


def _identity(measurement: Measurement) -> tuple[Any, ...]:
    """What makes two numeric items one statement: all but the place in the tree and whether it was selected."""
    context = replace(measurement.context, section=None, selection_status=None, procedure=None, time=None)
    return (
        measurement.code.key,
        measurement.value,
        measurement.unit and measurement.unit.key,
        context,
        measurement.modifiers,
    )


def _walk(
    item: _Content, context: Context, location: str, document: Document, offset: str | None
) -> Iterator[Measurement]:
    if location.count(".") > MAX_DEPTH:
        raise ValueError(f"the content tree nests deeper than {MAX_DEPTH} levels")
    name = item.name
    if item.kind == "CONTAINER" and name is not None:
        if name.key == _IMAGE_LIBRARY:
            return
        context = replace(context, section=name, group=location if name.key in _GROUPS else context.group)
    when = valid_datetime(item.reader.text("ObservationDateTime"), offset)
    if when:
        context = replace(context, time=when)
    number = item.kind == "NUM"
    context, modifiers = _modified(item.children, context, inner=number)
    if number and name is not None:
        yield _measurement(item, name, context, modifiers, location, document)
    elif number:
        item.reader.report("FB-DCM-020", "a numeric item without a Concept Name was left out")
    for position, child in enumerate(item.children, 1):
        if child.relation not in _MODIFIES:
            yield from _walk(child, context, f"{location}.{position}", document, offset)


def _modified(
    children: list[_Content], context: Context, *, inner: bool
) -> tuple[Context, tuple[tuple[Code, Code], ...]]:
    """The context that these children make, and modifiers that have no name in it (of a numeric item only)."""
    changes: dict[str, Any] = {}
    others: list[tuple[Code, Code]] = []
    for child in children:
        name = child.name
        if name is None:
            continue
        target = _CONTEXT.get(name.key)
        is_finding = target == "finding" and child.relation == "CONTAINS"
        if child.relation not in _MODIFIES and not is_finding:
            continue
        value = _value(child)
        if value is None:
            continue
        if target is not None:
            text = target.startswith("tracking")
            if text == isinstance(value, str):
                changes[target] = value
                child.used = True
        elif inner and child.relation == "HAS CONCEPT MOD" and isinstance(value, Code):
            others.append((name, value))
            child.used = True
        # The side or part of a site is said below the site itself (TID 1350, 5203).
        if target == "finding_site":
            below, _ = _modified(child.children, Context(), inner=False)
            for part in ("laterality", "topographical_modifier"):
                if getattr(below, part) is not None:
                    changes[part] = getattr(below, part)
    return (replace(context, **changes) if changes else context), tuple(others)


def _measurement(
    item: _Content,
    name: Code,
    context: Context,
    modifiers: tuple[tuple[Code, Code], ...],
    location: str,
    document: Document,
) -> Measurement:
    item.used = True
    value, unit, stated = None, None, None
    measured = item.reader.item("MeasuredValueSequence")
    if measured is not None:
        value = measured.number("NumericValue")
        stated = measured.stated("NumericValue") if value is None else None
        unit = measured.code("MeasurementUnitsCodeSequence")
    images = tuple(
        uid
        for child in item.children
        for source in (child, *child.children)
        if source.kind == "IMAGE"
        for reference in source.reader.items("ReferencedSOPSequence")
        if (uid := reference.text("ReferencedSOPInstanceUID")) is not None
    )
    value, unit = in_profile_unit(name, value, unit)
    qualifier = item.reader.code("NumericValueQualifierCodeSequence")
    return Measurement(
        document,
        location,
        name,
        value,
        unit,
        qualifier or (Code(None, None, f"not a number: {stated}") if stated else None),
        context,
        modifiers,
        images,
    )


def _value(item: _Content) -> Code | str | None:
    if item.kind == "CODE":
        return item.reader.code("ConceptCodeSequence")
    if item.kind == "TEXT":
        return item.reader.text("TextValue")
    return item.reader.text("UID") if item.kind == "UIDREF" else None
