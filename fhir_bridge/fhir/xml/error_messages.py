"""Sentences for what is wrong in an XML document: what was found, what was expected, what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from xml.parsers import expat

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.xml.shapes import FHIR, XHTML, Shape, XmlElement

__all__ = [
    "explain_syntax",
    "out_of_order",
    "shown",
    "unknown_attribute",
    "unknown_element",
    "unknown_property",
    "unknown_resource",
]

_LONGEST = 64
_MOST_NAMES = 12
_ENTITY = re.compile(rb"&([A-Za-z][A-Za-z0-9]*);")


def shown(text: str) -> str:
    """A piece of the input in quotes, cut to a length that is fit for a message."""
    return f"'{text[:_LONGEST]}…'" if len(text) > _LONGEST else f"'{text}'"


def _split(tag: str) -> tuple[str, str]:
    space, _, local = tag.rpartition(" ")
    return space, local


def _wrong_namespace(space: str, local: str, wanted: str) -> str:
    result = f"in the namespace {shown(space)}" if space else "in no namespace"
    return f'<{local[:_LONGEST]}> is {result}, expected {wanted} (xmlns="{wanted}")'


def unknown_resource(tag: str) -> str:
    """Where a resource is expected and something else is."""
    space, local = _split(tag)
    types = definitions.resource_types()
    if local in types:
        return _wrong_namespace(space, local, FHIR)
    near = difflib.get_close_matches(local[:_LONGEST], types, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"<{local[:_LONGEST]}> is no resource type of R4{hint}"


def unknown_element(tag: str, shape: Shape) -> str:
    """An element that its parent does not have: wrong namespace, wrong name, or what is allowed."""
    space, local = _split(tag)
    known = shape.by_name.get(local)
    if known is not None:
        return _wrong_namespace(space, local, XHTML if f"{XHTML} {local}" in shape.by_tag else FHIR)
    if local in shape.attributes:
        return f"<{local}> is written as an element; it is an attribute of {shape.path} in XML"
    return f"{shape.path} has no element <{local[:_LONGEST]}>; {_instead(local, shape)}"


def unknown_property(name: str, shape: Shape) -> str:
    """A JSON property that the type does not have."""
    return f"{shape.path} has no element {shown(name)}; {_instead(name.removeprefix('_'), shape)}"


def _instead(name: str, shape: Shape) -> str:
    near = difflib.get_close_matches(name[:_LONGEST], list(shape.by_name), n=1)
    if near:
        return f"did you mean {near[0]}?"
    names = list(dict.fromkeys(element.path.rpartition(".")[2] for element in shape.by_name.values()))
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"it has {', '.join(names[:_MOST_NAMES])}{more}"


def unknown_attribute(name: str, allowed: Collection[str]) -> str:
    """An attribute that FHIR does not write here."""
    local = _split(name)[1][:_LONGEST]
    if not allowed:
        return f"the attribute {local}; this element has none"
    return f"the attribute {local}; this element has {' and '.join(allowed)} only"


def out_of_order(shape: Shape | None, element: XmlElement, last: int) -> str:
    """An element that occurs twice, or behind one that it should precede."""
    if shape is None:
        return f"a second resource <{element.name}>; only one is allowed here"
    if element.order == last:
        if element.path.endswith("[x]"):
            return f"<{element.name}> is beside another value of {element.path}, which is allowed once"
        return f"<{element.name}> occurs again; {element.path} is allowed once"
    before = next((p.path.rpartition(".")[2] for p in shape.by_name.values() if p.order == last), "")
    return f"<{element.name}> is behind <{before}>; R4 has the order of {shape.path}: {element.name} first"


def explain_syntax(error: expat.ExpatError, text: bytes) -> str:
    """Why the text is not well-formed XML."""
    reason = expat.errors.messages.get(error.code, str(error))
    if not text.strip():
        return "the document is empty"
    if error.code == expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY]:
        lines = text.split(b"\n")
        line = lines[error.lineno - 1] if error.lineno <= len(lines) else b""
        match = _ENTITY.search(line, max(error.offset - 1, 0)) or _ENTITY.search(line)
        name = f"&{match.group(1).decode()[:_LONGEST]};" if match else "an entity"
        return f"{name} is not known in XML; write the character itself or its number (&#160;)"
    if error.code == expat.errors.codes[expat.errors.XML_ERROR_INVALID_TOKEN]:
        try:
            text.decode()
        except UnicodeDecodeError as problem:
            return f"not UTF-8: byte 0x{text[problem.start]:02X} at offset {problem.start}"
    hint = "; this looks like JSON" if text.lstrip()[:1] in (b"{", b"[") else ""
    return f"not well-formed XML: {reason}{hint}"
