"""Measurements of structured reports, out of their content trees (PS3.3 C.17.3, PS3.16 TID 1500, 3900, 5200)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from pydicom.dataset import Dataset

from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.adapters.imaging.elements import Item, element_value, item_value
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
"""Concepts that modify what stands below them: key of the concept name, to the name in `Context`."""

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


def read_document(dataset: Dataset, study: Any, equipment: Any = None) -> Document:
    """Read a structured report; `equipment` is what made its series.

    Raises:
        ValueError: the tree nests deeper than `MAX_DEPTH`.
    """
    offset = study.offset
    root = _concept(dataset)
    template = next(
        (str(item.get("TemplateIdentifier")) for item in dataset.get("ContentTemplateSequence", ())), None
    )
    document = Document(
        study,
        str(dataset.SOPInstanceUID),
        root,
        template,
        dataset.get("CompletionFlag") != "PARTIAL",
        dataset.get("VerificationFlag") == "VERIFIED",
        joined(_text(dataset, "ContentDate"), _text(dataset, "ContentTime"), offset)[0] or study.started,
        equipment,
    )
    seen: dict[tuple[Any, ...], Measurement] = {}
    for found in _walk(dataset, Context(), "1", document, offset):
        first = seen.setdefault(_identity(found), found)
        if first is found:
            document.measurements.append(found)
        else:
            first.copies += 1
    return document


def _identity(found: Measurement) -> tuple[Any, ...]:
    """What makes two numeric items one statement: all but the place in the tree and whether it was selected."""
    context = replace(found.context, section=None, selection_status=None, procedure=None, time=None)
    return (found.code.key, found.value, found.unit and found.unit.key, context, found.modifiers)


def _walk(
    item: Dataset, context: Context, place: str, document: Document, offset: str | None
) -> Iterator[Measurement]:
    if place.count(".") > MAX_DEPTH:
        raise ValueError(f"the content tree nests deeper than {MAX_DEPTH} levels")
    children = list(item.get("ContentSequence", ()))
    name = _concept(item)
    if item.get("ValueType") == "CONTAINER" and name is not None:
        if name.key == _IMAGE_LIBRARY:
            return
        context = replace(context, section=name, group=place if name.key in _GROUPS else context.group)
    when = valid_datetime(_text(item, "ObservationDateTime"), offset)
    if when:
        context = replace(context, time=when)
    context, modifiers = _modified(children, context, inner=item.get("ValueType") == "NUM")
    if item.get("ValueType") == "NUM" and name is not None:
        yield _measurement(item, name, context, modifiers, place, document)
    for position, child in enumerate(children, 1):
        if child.get("RelationshipType") not in _MODIFIES:
            yield from _walk(child, context, f"{place}.{position}", document, offset)


def _modified(
    children: list[Dataset], context: Context, *, inner: bool
) -> tuple[Context, tuple[tuple[Code, Code], ...]]:
    """The context that these children make, and modifiers that have no name in it (of a numeric item only)."""
    changes: dict[str, Any] = {}
    others: list[tuple[Code, Code]] = []
    for child in children:
        relation = child.get("RelationshipType")
        name = _concept(child)
        if name is None:
            continue
        target = _CONTEXT.get(name.key)
        is_finding = target == "finding" and relation == "CONTAINS"
        if relation not in _MODIFIES and not is_finding:
            continue
        value = _value(child)
        if value is None:
            continue
        if target is not None:
            text = target.startswith("tracking")
            if text == isinstance(value, str):
                changes[target] = value
        elif inner and relation == "HAS CONCEPT MOD" and isinstance(value, Code):
            others.append((name, value))
        # The side or part of a site is said below the site itself (TID 1350, 5203).
        if target == "finding_site":
            below, _ = _modified(list(child.get("ContentSequence", ())), Context(), inner=False)
            for part in ("laterality", "topographical_modifier"):
                if getattr(below, part) is not None:
                    changes[part] = getattr(below, part)
    return (replace(context, **changes) if changes else context), tuple(others)


def _measurement(
    item: Dataset,
    name: Code,
    context: Context,
    modifiers: tuple[tuple[Code, Code], ...],
    place: str,
    document: Document,
) -> Measurement:
    value, unit = None, None
    for measured in item.get("MeasuredValueSequence", ()):
        number = element_value(measured["NumericValue"]) if "NumericValue" in measured else None
        value = number[0] if isinstance(number, list) else number
        unit = _first_code(measured, "MeasurementUnitsCodeSequence")
        break
    images = tuple(
        str(reference.get("ReferencedSOPInstanceUID"))
        for child in item.get("ContentSequence", ())
        for source in (child, *child.get("ContentSequence", ()))
        if source.get("ValueType") == "IMAGE"
        for reference in source.get("ReferencedSOPSequence", ())
    )
    value, unit = in_profile_unit(name, value if isinstance(value, Decimal) else None, unit)
    return Measurement(
        document,
        place,
        name,
        value,
        unit,
        _first_code(item, "NumericValueQualifierCodeSequence"),
        context,
        modifiers,
        images,
    )


def _concept(item: Dataset) -> Code | None:
    return _first_code(item, "ConceptNameCodeSequence")


def _first_code(item: Dataset, keyword: str) -> Code | None:
    for each in item.get(keyword) or ():
        value = item_value(each)
        return value if isinstance(value, Code) else None
    return None


def _value(item: Dataset) -> Code | str | None:
    kind = item.get("ValueType")
    if kind == "CODE":
        return _first_code(item, "ConceptCodeSequence")
    if kind == "TEXT":
        return _text(item, "TextValue")
    if kind == "UIDREF":
        return _text(item, "UID")
    return None


def _text(item: Dataset, keyword: str) -> str | None:
    value = item.get(keyword)
    return str(value).strip() or None if value is not None else None
