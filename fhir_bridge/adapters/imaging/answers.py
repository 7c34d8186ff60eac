"""What a structured report states in codes, texts, dates and coordinates, and how its tree reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.adapters.imaging.attribute_reader import Item
from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.adapters.imaging.content_items import (
    ContentItem,
    ImageReference,
    Region,
    reference_of,
    references_below,
    region_of,
    regions_below,
)
from fhir_bridge.adapters.imaging.times import joined, valid_datetime

__all__ = ["Answer", "answer_of", "conclusion_codes", "conclusion_of", "lines_of"]

_CONCLUSIONS: Final = frozenset(
    {
        "DCM|121076",
        "DCM|121077",
        "DCM|121072",
        "DCM|121073",
        "LN|55110-1",
        "LN|19005-8",
        "DCM|111023",
        "DCM|111033",
    }
)
"""Conclusions, Conclusion, Impressions, Impression and their LOINC sections (PS3.16 CID 7001, 7002)."""
_FINDINGS: Final = frozenset({"DCM|121071", "LN|59776-5"})
_FINDING: Final = Code("121071", "DCM", "Finding")
_IMAGE_LIBRARY: Final = "DCM|111028"
_UNSPOKEN: Final = frozenset(
    {"IMAGE", "COMPOSITE", "WAVEFORM", "SCOORD", "SCOORD3D", "TCOORD", "TABLE", None}
)


@dataclass(slots=True)
class Answer:
    """A content item that states something other than a number.

    Attributes:
        outer: its document.
        position: its place in the tree (`1.4.2`), which is stable for one document.
        code: concept name; that of its section, else Finding, where it has none.
        coded, text, moment, clock: its value, by type: a code; a text or UID; a date or date and time; a time.
        context: inherited and own modifiers (`structured_report.Context`).
        modifiers: own modifiers that have no name there, as (concept name, value).
        images: instances that it refers to.
        regions: coordinates that it refers to.
        concludes: it is a conclusion or impression, or in the section of them.
    """

    outer: Any
    position: str
    code: Code
    coded: Code | None
    text: str | None
    moment: str | None
    clock: str | None
    context: Any
    modifiers: tuple[tuple[Code, Code], ...]
    images: tuple[ImageReference, ...]
    regions: tuple[Region, ...]
    concludes: bool

    @property
    def time(self) -> str | None:
        """Observation DateTime of the item or of those around it, else of the document's content."""
        return self.context.time or self.outer.time  # type: ignore[no-any-return]

    @property
    def key(self) -> str:
        """Concept name as `scheme|value`, for a mapping's `match`."""
        return self.code.key

    @property
    def finding_site(self) -> Code | None:
        return self.context.finding_site  # type: ignore[no-any-return]

    @property
    def tracking_identifier(self) -> str | None:
        return self.context.tracking_identifier  # type: ignore[no-any-return]

    @property
    def tracking_uid(self) -> str | None:
        return self.context.tracking_uid  # type: ignore[no-any-return]

    @property
    def measured(self) -> str | None:
        """The position of the measurement that it is below."""
        return self.context.within or None

    @property
    def section(self) -> Code | None:
        return self.context.section  # type: ignore[no-any-return]

    @property
    def qualities(self) -> list[Item]:
        """Side and further modifiers as (`name`, `value`) items."""
        named = (
            (Code("272741003", "SCT", "Laterality"), self.context.laterality),
            (Code("106233006", "SCT", "Topographical modifier"), self.context.topographical_modifier),
            (_FINDING, self.context.finding),
        )
        pairs = [*((name, value) for name, value in named if value is not None), *self.modifiers]
        return [Item({"name": name, "value": value}) for name, value in pairs if name.key != self.code.key]


def answer_of(
    item: ContentItem,
    context: Any,
    modifiers: tuple[tuple[Code, Code], ...],
    location: str,
    document: Any,
) -> Answer | None:
    """What an item states; None of containers, references alone, and what states nothing."""
    coded, text, moment, clock = None, None, None, None
    regions = tuple(regions_below(item))
    value = item.value
    if isinstance(value, Code):
        coded = value
    elif isinstance(value, str):
        text = value if item.kind == "TEXT" else f"urn:oid:{value}"
    elif item.kind in ("DATE", "DATETIME", "TIME"):
        moment, clock = _time_of(item)
    elif item.kind in ("SCOORD", "SCOORD3D", "TCOORD") and not context.regions:
        # Coordinates of a measurement or of its group go with these; others stand for themselves.
        text = region_of(item).text
    if coded is None and text is None and moment is None and clock is None:
        return None
    item.used = True
    code = item.name or context.section or _FINDING
    section = context.section.key if context.section is not None else None
    return Answer(
        document,
        location,
        code,
        coded,
        text,
        moment,
        clock,
        context,
        modifiers,
        tuple(dict.fromkeys([*context.images, *reference_of(item), *references_below(item)])),
        tuple(dict.fromkeys([*context.regions, *regions])),
        code.key in _CONCLUSIONS or section in _CONCLUSIONS,
    )


def _time_of(item: ContentItem) -> tuple[str | None, str | None]:
    reader = item.reader
    if item.kind == "DATETIME":
        return valid_datetime(reader.text("DateTime"), None), None
    if item.kind == "DATE":
        return joined(reader.text("Date"), None, None)[0], None
    text = joined("20000101", reader.text("Time"), None)[0] or ""
    clock = text[8:].partition(".")
    if len(clock[0]) < 4:
        return None, None
    whole = f"{clock[0][:2]}:{clock[0][2:4]}:{clock[0][4:] or '00'}"
    return None, f"{whole}.{clock[2]}" if clock[2] else whole


def conclusion_of(answers: Sequence[Answer]) -> str | None:
    """The texts of conclusions; where there are none, of all answers outside of measurement groups."""
    concluding = [each.text for each in answers if each.concludes and each.text]
    others = [each.text for each in answers if each.text and not each.context.group and not each.regions]
    return "\n".join(concluding or others) or None


def conclusion_codes(answers: Sequence[Answer]) -> list[Code]:
    """The codes of conclusions, else of findings outside of measurement groups; each once."""
    concluding = [each.coded for each in answers if each.concludes and each.coded]
    findings = [
        each.coded for each in answers if each.coded and each.key in _FINDINGS and not each.context.group
    ]
    return list(dict.fromkeys(concluding or findings))


def lines_of(item: ContentItem, depth: int = 0) -> Iterator[str]:
    """An item and those below it as people read them; what was read of the tree already is all that it takes."""
    name = item.name.meaning or item.name.value if item.name is not None else None
    if item.name is not None and item.name.key == _IMAGE_LIBRARY:
        return
    spoken = _spoken(item)
    if spoken is not None or (item.kind == "CONTAINER" and name):
        indent = "  " * depth
        yield indent + ": ".join(part for part in (name, spoken) if part).replace("\n", "\n" + indent + "  ")
        depth += 1
    for child in item.children:
        yield from lines_of(child, depth)


def _spoken(item: ContentItem) -> str | None:
    if item.kind in _UNSPOKEN or item.kind == "CONTAINER":
        return None
    if item.kind == "NUM":
        measured = item.reader.item("MeasuredValueSequence")
        if measured is None:
            qualifier = item.reader.code("NumericValueQualifierCodeSequence")
            return qualifier.meaning if qualifier is not None else None
        unit = measured.code("MeasurementUnitsCodeSequence")
        shown = [
            measured.stated("NumericValue"),
            unit.value if unit is not None and unit.value != "1" else None,
        ]
        return " ".join(part for part in shown if part) or None
    if item.kind == "PNAME":
        person = item.person
        return next((part for part in person if part), None) if person is not None else None
    if item.kind in ("DATE", "TIME", "DATETIME"):
        return item.reader.stated({"DATE": "Date", "TIME": "Time", "DATETIME": "DateTime"}[item.kind])
    value = item.value
    return value.meaning or value.value if isinstance(value, Code) else value
