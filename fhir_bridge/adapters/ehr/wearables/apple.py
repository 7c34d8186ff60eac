"""Apple Health's `export.xml`, read as a stream: no entity of it is expanded, nothing outside of it is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Final, NamedTuple
from xml.parsers import expat

from fhir_bridge.adapters.ehr.wearables.readings import Device

__all__ = ["Element", "ExportError", "device_of", "elements", "export_date", "iso_time"]

_BLOCK: Final = 1 << 16
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)")
_PART: Final = re.compile(r"(name|manufacturer|model|hardware|software):((?:[^,>]|,(?! ?\w+:))*)")


class ExportError(ValueError):
    """The file is no export, is cut off, or declares entities; the position is in the message."""


class Element(NamedTuple):
    """An element below the root."""

    name: str
    attributes: dict[str, str]
    line: int
    parent: str


def elements(file: IO[bytes]) -> Iterator[Element]:
    """The elements of the export, with memory for a block of the file.

    Raises:
        ExportError: at the place from which nothing can be read.
    """
    parser = expat.ParserCreate()
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    waiting: list[Element] = []
    path: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if not path and name != "HealthData":
            raise ExportError(f"line {parser.CurrentLineNumber}: the root is {name}, not HealthData")
        if path:
            waiting.append(Element(name, attributes, parser.CurrentLineNumber, path[-1]))
        path.append(name)

    def end(_name: str) -> None:
        path.pop()

    def entity(*_declaration: object) -> None:
        raise ExportError(f"line {parser.CurrentLineNumber}: entities are declared, which no export does")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.EntityDeclHandler = entity
    parser.ExternalEntityRefHandler = lambda *_reference: 1  # left out, and never read
    try:
        while block := file.read(_BLOCK):
            parser.Parse(block, False)
            yield from waiting
            waiting.clear()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        yield from waiting
        raise ExportError(f"line {error.lineno}: {expat.ErrorString(error.code)}") from None


def export_date(file: IO[bytes]) -> datetime | None:
    """When the export was made, which is the first that it says; None where it says none or can't be read."""
    try:
        for element in elements(file):
            if element.name == "ExportDate":
                text = iso_time(element.attributes.get("value"))
                return datetime.fromisoformat(text) if text else None
            if element.name != "Me":
                break
    except ExportError:
        pass  # reported when it is read
    return None


def iso_time(text: str | None) -> str | None:
    """`2023-01-01 10:00:00 -0500` in ISO 8601; None of any other text, and of a time that does not exist."""
    match = _TIME.fullmatch(text or "")
    if match is None:
        return None
    time = f"{match[1]}T{match[2]}{match[3]}:{match[4]}"
    try:
        datetime.fromisoformat(time)
    except ValueError:
        return None
    return time


def device_of(attributes: dict[str, str]) -> Device:
    """The device of a record: its own description, else the name of the source."""
    parts = {name: value.strip() for name, value in _PART.findall(attributes.get("device", ""))}
    source = attributes.get("sourceName", "").replace("\xa0", " ").strip() or "Apple Health"
    return Device(
        parts.get("name") or source,
        parts.get("manufacturer") or None,
        parts.get("hardware") or parts.get("model") or None,
        None,
    )
