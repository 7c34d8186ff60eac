"""Measurements of structured reports, out of their content trees (PS3.3 C.17.3, PS3.16 TID 1500, 3900, 5200)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from fhir_bridge.adapters.imaging.answers import Answer, answer_of, conclusion_codes, conclusion_of, lines_of
from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader, Item
from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.adapters.imaging.content_items import (
    MODIFIES,
    ContentItem,
    ImageReference,
    Region,
    distinct,
    reference_of,
    references_below,
    regions_below,
)
from fhir_bridge.adapters.imaging.parties import Physician, Request, physician, request_of
from fhir_bridge.adapters.imaging.person_names import PersonName
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
    "DCM|113820": "acquisition_type",
    "DCM|125203": "acquisition_protocol",
    "DCM|113769": "irradiation_event",
}
"""Concepts that modify what is below them: key of the concept name, to the name in `Context`."""

_GROUPS: Final = frozenset({"DCM|125007", "DCM|113819", "DCM|113706"})
"""Containers of one thing measured: a Measurement Group, a CT Acquisition, Irradiation Event X-Ray Data. Equal values
in two of them are two measurements."""
_IMAGE_LIBRARY: Final = "DCM|111028"
_TEXTS: Final = frozenset(
    {"tracking_identifier", "tracking_uid", "acquisition_protocol", "irradiation_event"}
)
"""Names in `Context` that are text."""
_STATED: Final = {
    "finding": frozenset({"CONTAINS"}),
    "finding_site": frozenset({"CONTAINS"}),
    "acquisition_type": frozenset({"CONTAINS"}),
    "acquisition_protocol": frozenset({"CONTAINS"}),
    "irradiation_event": frozenset({"CONTAINS"}),
}
"""Relationships by which templates state these beside modifiers (TID 1411, 10013)."""
_COMMENT: Final = "DCM|121106"
_TARGET_REGION: Final = "DCM|123014"
_PERSON_OBSERVER: Final = "DCM|121008"


@dataclass(frozen=True, slots=True)
class Context:
    """What a content item inherits from those around it; `within`: the position of the measurement that it is below."""

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
    acquisition_type: Code | None = None
    acquisition_protocol: str | None = None
    irradiation_event: str | None = None
    within: str = ""
    stated: tuple[tuple[Code, Code | str], ...] = ()
    images: tuple[ImageReference, ...] = ()
    regions: tuple[Region, ...] = ()


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
        images: instances that it was inferred from, or its group was.
        regions: coordinates that it was measured in.
        copies: how often the document states it.
        comments: texts below it that comment on it.
    """

    outer: Document
    position: str
    code: Code
    value: Decimal | None
    unit: Code | None
    qualifier: Code | None
    context: Context
    modifiers: tuple[tuple[Code, Code], ...] = ()
    images: tuple[ImageReference, ...] = ()
    regions: tuple[Region, ...] = ()
    copies: int = 1
    comments: tuple[str, ...] = ()

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
            (Code("113820", "DCM", "CT Acquisition Type"), self.context.acquisition_type),
        )
        pairs = [*((name, value) for name, value in named if value is not None), *self.modifiers]
        pairs += [(name, value) for name, value in self.context.stated if isinstance(value, Code)]
        # What repeats the concept itself can't be a component of it (R4 Observation obs-7).
        return [Item({"name": name, "value": value}) for name, value in pairs if name.key != self.code.key]

    @property
    def notes(self) -> list[Item]:
        """What is said of its group in text, as (`name`, `value`) items."""
        named = (
            (Code("125203", "DCM", "Acquisition Protocol"), self.context.acquisition_protocol),
            (Code("113769", "DCM", "Irradiation Event UID"), self.context.irradiation_event),
        )
        pairs = [*named, *self.context.stated]
        return [Item({"name": name, "value": value}) for name, value in pairs if isinstance(value, str)]


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
        answers: codes, texts, dates and coordinates that the report states as findings.
        references: all instances that it refers to, each once.
        studies: UIDs of other studies that it is about.
        requests: what it answers (Referenced Request Sequence).
        people: who observed and who verified.
        lines: the whole report as people read it.
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
    answers: list[Answer] = field(default_factory=list)
    references: tuple[ImageReference, ...] = ()
    studies: tuple[str, ...] = ()
    requests: tuple[Request, ...] = ()
    people: list[Physician] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def study(self) -> Any:
        return self.outer

    @property
    def text(self) -> str | None:
        """The whole report as people read it, a line an item."""
        return "\n".join(self.lines) or None

    @property
    def conclusion(self) -> str | None:
        """The texts of its conclusions and impressions; where it has none of these, all its texts outside of groups."""
        return conclusion_of(self.answers)

    @property
    def conclusions(self) -> list[Code]:
        """The codes of its conclusions and impressions, else those of findings outside of groups."""
        return conclusion_codes(self.answers)

    @property
    def observers(self) -> list[Physician]:
        return [person for person in self.people if person.role == "observer"]

    @property
    def verifiers(self) -> list[Physician]:
        return [person for person in self.people if person.role == "verifier"]


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
    root = ContentItem(reader)
    root.used = True  # its name is the document's title
    _Walk(document, offset).take(root, Context(), "1")
    document.references = distinct(_all_references(root))
    document.people = [*_observers(root, study), *_verifiers(reader, study)]
    document.studies = tuple(uid for uid in dict.fromkeys(_studies(reader)) if uid != study.uid)
    document.requests = tuple(_requests(reader, study))
    document.lines = list(lines_of(root))
    root.disregard_unused()
    return document


def _all_references(item: ContentItem) -> Iterator[ImageReference]:
    yield from reference_of(item)
    for child in item.children:
        yield from _all_references(child)


def _observers(root: ContentItem, study: Any) -> Iterator[Physician]:
    for child in root.children:
        if (
            child.name is not None
            and child.name.key == _PERSON_OBSERVER
            and (name := child.person) is not None
        ):
            child.used = True
            yield physician(study, name, None, "observer")


def _verifiers(reader: AttributeReader, study: Any) -> Iterator[Physician]:
    for item in reader.items("VerifyingObserverSequence"):
        name = item.value("VerifyingObserverName")
        code = item.code("VerifyingObserverIdentificationCodeSequence")
        if isinstance(name, PersonName) or code is not None:
            named = name if isinstance(name, PersonName) else None
            yield physician(study, named, code, "verifier")


def _studies(reader: AttributeReader) -> Iterator[str]:
    for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"):
        for item in reader.items(keyword):
            uid = item.text("StudyInstanceUID")
            if uid is not None:
                yield uid


def _requests(reader: AttributeReader, study: Any) -> Iterator[Request]:
    """What it answers, each once; an accession number that is the study's has the issuer of that."""
    own = next((each for each in study.requests if each.accession), None)
    items = reader.value("ReferencedRequestSequence")
    requests = [request_of(item, own) for item in items or () if isinstance(item, Item)]
    yield from dict.fromkeys(each for each in requests if any((each.accession, each.placer, each.filler)))


def _identity(measurement: Measurement) -> tuple[Any, ...]:
    """What makes two numeric items one statement: all but the place in the tree and whether it was selected."""
    context = replace(
        measurement.context,
        section=None,
        within="",
        selection_status=None,
        procedure=None,
        time=None,
        images=(),
        regions=(),
    )
    return (
        measurement.code.key,
        measurement.value,
        measurement.unit and measurement.unit.key,
        context,
        measurement.modifiers,
    )


class _Walk:
    """Gathers a document's measurements and answers from its tree."""

    def __init__(self, document: Document, offset: str | None) -> None:
        self._document = document
        self._offset = offset
        self._seen: dict[tuple[Any, ...], Measurement] = {}

    def take(self, item: ContentItem, context: Context, location: str) -> None:
        """What an item and those below it state."""
        if location.count(".") > MAX_DEPTH:
            raise ValueError(f"the content tree nests deeper than {MAX_DEPTH} levels")
        name = item.name
        is_group = item.kind == "CONTAINER" and name is not None and name.key in _GROUPS
        if item.kind == "CONTAINER" and name is not None:
            if name.key == _IMAGE_LIBRARY:
                return
            context = replace(context, section=name, group=location if is_group else context.group)
            item.used = True
        when = valid_datetime(item.reader.text("ObservationDateTime"), self._offset)
        if when:
            context = replace(context, time=when)
        number = item.kind == "NUM"
        context, modifiers = _modified(item.children, context, inner=number, group=is_group)
        if is_group:
            context = replace(
                context, images=distinct(references_below(item)), regions=tuple(regions_below(item))
            )
        if number and name is not None:
            kept = self._measured(_measurement(item, name, context, modifiers, location, self._document))
            kept.comments = tuple(dict.fromkeys([*kept.comments, *_comments(item)]))
            context = replace(context, within=kept.position)
        elif number:
            item.reader.report("FB-DCM-020", "a numeric item without a Concept Name was left out")
        elif location != "1" and (not item.used or _is_finding(item)):
            answer = answer_of(item, context, modifiers, location, self._document)
            if answer is not None:
                self._document.answers.append(answer)
        before = len(self._document.measurements), len(self._document.answers)
        for position, child in enumerate(item.children, 1):
            if child.relation not in MODIFIES and not (number and _is_comment(child)):
                self.take(child, context, f"{location}.{position}")
        if is_group and before == (len(self._document.measurements), len(self._document.answers)):
            # A group of coordinates alone: nothing else would carry them.
            alone = replace(context, regions=())
            for position, child in enumerate(item.children, 1):
                answer = answer_of(child, alone, (), f"{location}.{position}", self._document)
                if answer is not None:
                    self._document.answers.append(answer)

    def _measured(self, result: Measurement) -> Measurement:
        """The measurement that the document states first in these words."""
        first = self._seen.setdefault(_identity(result), result)
        if first is result:
            self._document.measurements.append(result)
            return first
        first.copies += 1
        first.images = tuple(dict.fromkeys([*first.images, *result.images]))
        first.regions = tuple(dict.fromkeys([*first.regions, *result.regions]))
        return first


def _is_comment(item: ContentItem) -> bool:
    return item.kind == "TEXT" and item.name is not None and item.name.key == _COMMENT


def _comments(item: ContentItem) -> Iterator[str]:
    """The comments directly below an item, whatever their relationship."""
    for child in item.children:
        if _is_comment(child) and isinstance(child.value, str):
            child.used = True
            yield child.value


def _is_finding(item: ContentItem) -> bool:
    """Whether it is a Finding that counts for its group, and is a statement of its own."""
    return item.relation == "CONTAINS" and item.name is not None and _CONTEXT.get(item.name.key) == "finding"


def _modified(
    children: list[ContentItem], context: Context, *, inner: bool, group: bool = False
) -> tuple[Context, tuple[tuple[Code, Code], ...]]:
    """The context that these children make, and modifiers that have no name in it (of a finding only)."""
    changes: dict[str, Any] = {}
    others: list[tuple[Code, Code]] = []
    stated: list[tuple[Code, Code | str]] = []
    for child in children:
        name = child.name
        if name is None:
            continue
        target = _CONTEXT.get(name.key)
        if group and name.key == _TARGET_REGION:
            target = "finding_site"
        if child.relation not in MODIFIES and child.relation not in _STATED.get(target or "", ()):
            continue
        value = child.value
        if value is None:
            continue
        if target is not None:
            if (target in _TEXTS) == isinstance(value, str):
                changes[target] = value
                child.used = True
        elif inner and child.relation == "HAS CONCEPT MOD" and isinstance(value, Code):
            others.append((name, value))
            child.used = True
        elif group:
            stated.append((name, value))
            child.used = True
        # The side or part of a site is said below the site itself (TID 1350, 5203).
        if target == "finding_site":
            below, _ = _modified(child.children, Context(), inner=False)
            for part in ("laterality", "topographical_modifier"):
                if getattr(below, part) is not None:
                    changes[part] = getattr(below, part)
    if stated:
        changes["stated"] = (*context.stated, *stated)
    return (replace(context, **changes) if changes else context), tuple(others)


def _measurement(
    item: ContentItem,
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
        tuple(dict.fromkeys([*context.images, *references_below(item)])),
        tuple(dict.fromkeys([*context.regions, *regions_below(item)])),
    )
