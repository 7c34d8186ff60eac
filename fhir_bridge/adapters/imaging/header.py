"""What is kept of every instance: the attributes of study, series and instance, each read for itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader
from fhir_bridge.adapters.imaging.attributes import INSTANCE, SERIES, STUDY, TAGS
from fhir_bridge.adapters.imaging.codes import LATERALITY
from fhir_bridge.adapters.imaging.dicom_file import Refused, read_elements
from fhir_bridge.adapters.imaging.elements import Elements
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.patients import identifier_types
from fhir_bridge.adapters.imaging.values import Value
from fhir_bridge.fhir.issues import Issue

__all__ = ["Header", "header_of", "header_of_series", "read_header"]

_CHARACTER_SET: Final = 0x00080005
_WANTED: Final = frozenset((*TAGS.values(), _CHARACTER_SET))
_LEVELS: Final = tuple(
    (keyword, TAGS[keyword], level)
    for level, keywords in enumerate((STUDY, SERIES, INSTANCE))
    for keyword in keywords
)
_IDENTIFYING: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_NON_PATIENT: Final = tuple(
    f"1.2.840.10008.5.1.4.{number}." for number in (38, 39, 43, 44, 45, "1.1.200", "1.1.201")
)
"""Hanging protocols, colour palettes, implant templates, defined protocols, inventories (PS3.4 GG.3)."""
_ONE_ITEM: Final = ("IssuerOfAccessionNumberSequence", "AnatomicRegionSequence")
_UNKNOWN: Final = {
    "StudyInstanceUID": "nothing says which study it belongs to",
    "SeriesInstanceUID": "nothing says which series it belongs to",
    "SOPInstanceUID": "its next copy would be another object",
    "SOPClassUID": "nothing says what it is",
}
"""Why no UID is made up."""
_LEAST: Final = {"SeriesNumber": 0, "InstanceNumber": 0, "NumberOfFrames": 1}
_SIDES: Final = ("Laterality", "ImageLaterality")
_ISSUER: Final = "IssuerOfPatientIDQualifiersSequence"


class Header(NamedTuple):
    """The attributes of three levels by keyword, and what is wrong with them."""

    study: dict[str, Value]
    series: dict[str, Value]
    instance: dict[str, Value]
    issues: list[Issue]

    @property
    def uid(self) -> str:
        """SOP Instance UID."""
        return str(self.instance["SOPInstanceUID"])


def read_header(path: Path, locator: str) -> Header:
    """Read the header of one file. Pixel data are not read.

    Raises:
        Refused: not DICOM, a DICOMDIR, unreadable, cut short, or without the UIDs of an instance.
    """
    issues: list[Issue] = []
    return header_of(read_elements(path, locator, _WANTED, issues), locator, issues)


def header_of_series(elements: Elements, locator: str, issues: list[Issue]) -> Header:
    """The header by what an archive says of a series, without an instance.

    Raises:
        Refused: without the UIDs of study and series.
    """
    return header_of(elements, locator, issues, _IDENTIFYING[:2])


def header_of(
    elements: Elements, locator: str, issues: list[Issue], identifying: Sequence[str] = _IDENTIFYING
) -> Header:
    """The header by the elements of an instance.

    Raises:
        Refused: without the UIDs of an instance.
    """

    def report(code: str, text: str) -> None:
        issues.append(new_issue(code, text, locator))

    reader = AttributeReader(elements, report)
    levels: tuple[dict[str, Value], dict[str, Value], dict[str, Value]] = ({}, {}, {})
    for keyword, tag, level in _LEVELS:
        element = elements.get(tag)
        if element is not None:
            value = reader.value_of(tag, keyword, element)
            if value is not None:
                levels[level][keyword] = value
    header = Header(levels[0], levels[1], levels[2], issues)
    _require_uids(elements, header, locator, identifying)
    _check_items(header, report)
    return header


def _require_uids(elements: Elements, header: Header, locator: str, identifying: Sequence[str]) -> None:
    stated = {keyword: elements.get(TAGS[keyword], ("", b""))[1].strip(b"\0 ") for keyword in identifying}
    missing = [keyword for keyword, value in stated.items() if not value]
    if missing and stated.get("SOPClassUID", b"").decode("latin-1").startswith(_NON_PATIENT):
        raise Refused("skipped", new_issue("FB-DCM-021", "belongs to no study", locator))
    if missing:
        message = f"without {', '.join(missing)}: {_UNKNOWN[missing[0]]}; have it sent again by a source that states it"
        raise Refused("rejected", new_issue("FB-DCM-006", message, locator))
    for keyword, value in stated.items():
        # Of several none is taken: nobody can say which instance it is.
        if b"\\" in value or not any(keyword in level for level in header[:3]):
            raise Refused("rejected", new_issue("FB-DCM-007", f"{keyword} is not a UID", locator))


def _check_items(header: Header, report: Callable[[str, str], None]) -> None:
    for values in header[:3]:
        for keyword in _SIDES:
            if values.get(keyword, "L") not in LATERALITY:
                report("FB-DCM-020", f"{keyword} is none of {', '.join(LATERALITY)} and says no side")
        for keyword, least in _LEAST.items():
            if values.get(keyword, least) < least:
                report("FB-DCM-020", f"{keyword} is below {least}, which says nothing in FHIR")
        for keyword in _ONE_ITEM:
            if len(values.get(keyword) or ()) > 1:
                report("FB-DCM-022", f"{keyword} has {len(values[keyword])} items; the first was taken")
    for item in header.study.get(_ISSUER) or ():
        kind = getattr(item, "IdentifierTypeCode", None)
        if kind is not None and kind not in identifier_types():
            report("FB-DCM-020", f"{_ISSUER}[1].IdentifierTypeCode is not in HL7 table 0203 and was left out")
    if len(header.study.get(_ISSUER) or ()) > 1:
        report("FB-DCM-023", f"{_ISSUER} has several items and was left out")
        del header.study[_ISSUER]
