"""A resource in its JSON shape to XML (R4 xml.html)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.json_types import json_type
from fhir_bridge.fhir.serialization import MAX_DEPTH, decimal_text
from fhir_bridge.fhir.xml.error_messages import shown, unknown_property
from fhir_bridge.fhir.xml.errors import XmlError
from fhir_bridge.fhir.xml.narrative import xhtml_of
from fhir_bridge.fhir.xml.shapes import FHIR, ContentType, Shape, XmlElement, resource_shape

__all__ = ["dumps"]

# XML 1.0 §3.3.3: a parser reads plain line ends and tabs in an attribute as spaces.
_MARKUP = re.compile('[&<"\n\r\t]')
_REFERENCES = {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
# What is no Char of XML 1.0 §2.2.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_COMMENTS = frozenset({"fhir_comments", "fhir_comments_post"})
_WANTED = ("a string", "true or false", "a whole number", "a number", "an object", "a string", "a resource")


class _Unwritable(ValueError):
    """A value without an XML form; `steps` are added on the way up, the innermost first."""

    def __init__(self, reason: str, *steps: str) -> None:
        super().__init__(reason)
        self.steps = list(steps)


def _reference(match: re.Match[str]) -> str:
    return _REFERENCES[match.group()]


def _quoted(text: str) -> str:
    """The text as an attribute's value, so that the parser gives back what is here, line ends too."""
    return _MARKUP.sub(_reference, text) if _MARKUP.search(text) else text


class _Writer:
    """Collects the pieces of one document; `line` is what begins a line, or nothing."""

    __slots__ = ("add", "indent", "parts")

    def __init__(self, indent: bool) -> None:
        self.parts: list[str] = []
        self.add = self.parts.append
        self.indent = indent

    def line(self, depth: int) -> str:
        return "\n" + "  " * depth if self.indent else ""

    def resource(self, value: Any, namespace: str, depth: int) -> None:
        if not isinstance(value, dict):
            raise _Unwritable(f"{_json_type(value)}; a resource is expected")
        name = value.get("resourceType")
        shape = resource_shape(name)
        if shape is None:
            result = (
                f"{shown(name)} is no resource type of R4" if isinstance(name, str) else "no resourceType"
            )
            raise _Unwritable(f"{result}; a resource is expected")
        self.comments(value, depth)
        self.add(f"{self.line(depth)}<{name}{namespace}")
        self.content(value, shape, f"{name}", depth)

    def content(self, value: dict[str, Any], shape: Shape, name: str, depth: int) -> None:
        """Attributes, elements and end of an element whose `<name` is written."""
        if depth > MAX_DEPTH:
            raise _Unwritable(f"nested deeper than {MAX_DEPTH} levels")
        for attribute in shape.attributes:
            if attribute in value:
                self.add(f' {attribute}="{_quoted(_text(value[attribute], attribute))}"')
        items = _in_order(value, shape)
        if not items:
            self.add("/>")
            return
        self.add(">")
        for element, content, shadow in items:
            try:
                self.element(element, content, shadow, depth + 1)
            except _Unwritable as problem:
                if not (element.repeats and problem.steps and problem.steps[-1].startswith("[")):
                    problem.steps.append(element.name)
                else:
                    problem.steps[-1] = element.name + problem.steps[-1]
                raise
        self.add(f"{self.line(depth)}</{name}>")

    def element(self, xml_element: XmlElement, content: Any, shadow: Any, depth: int) -> None:
        if not xml_element.repeats:
            if isinstance(content, list):
                raise _Unwritable(
                    f"an array; {xml_element.path} occurs once: {_WANTED[xml_element.kind]} is expected"
                )
            self.single(xml_element, content, shadow, depth)
            return
        for index, (item, beside) in enumerate(_pairs(xml_element, content, shadow)):
            try:
                self.single(xml_element, item, beside, depth)
            except _Unwritable as problem:
                problem.steps.append(f"[{index}]")
                raise

    def single(self, element: XmlElement, value: Any, shadow: Any, depth: int) -> None:
        kind, name = element.kind, element.name
        if kind <= ContentType.DECIMAL:
            text = None if value is None else _quoted(_primitive(value, element))
            if shadow is None:
                if text is None:
                    raise _Unwritable("null without an extension; leave it out")
                self.add(f'{self.line(depth)}<{name} value="{text}"/>')
                return
            if not isinstance(shadow, dict) or not shadow:
                raise _Unwritable(
                    f"{element.shadow} is {_json_type(shadow)}; an object with id or extension is expected"
                )
            self.comments(shadow, depth)
            self.add(f"{self.line(depth)}<{name}" + (f' value="{text}"' if text is not None else ""))
            self.content(shadow, element.shape, name, depth)
        elif kind is ContentType.OBJECT:
            if not isinstance(value, dict):
                raise _Unwritable(f"{_json_type(value)}; an object ({element.type}) is expected")
            if not value:
                raise _Unwritable("an empty object; leave it out")
            self.comments(value, depth)
            self.add(f"{self.line(depth)}<{name}")
            self.content(value, element.shape, name, depth)
        elif kind is ContentType.DIV:
            self.add(self.line(depth))
            try:
                self.add(xhtml_of(_text(value, name)))
            except ValueError as error:
                raise _Unwritable(str(error)) from error
        else:
            self.add(f"{self.line(depth)}<{name}>")
            self.resource(value, "", depth + 1)
            self.add(f"{self.line(depth)}</{name}>")

    def comments(self, value: dict[str, Any], depth: int) -> None:
        """`fhir_comments`, as JSON of earlier releases carries the comments of XML."""
        for key in value.keys() & _COMMENTS:
            for comment in value[key] if isinstance(value[key], list) else [value[key]]:
                # XML 1.0 §2.5: no `--` within a comment, and no `-` at its end.
                text = str(comment).replace("--", "- -")
                self.add(f"{self.line(depth)}<!--{text}{' ' if text.endswith('-') else ''}-->")


def _in_order(value: dict[str, Any], shape: Shape) -> list[tuple[XmlElement, Any, Any]]:
    """Elements with their values and companions, in the order of the type."""
    known = shape.by_name
    items: list[tuple[XmlElement, Any, Any]] = []
    last, sorted_ = -1, True
    for key, content in value.items():
        element = known.get(key)
        if element is not None:
            if content is None:
                raise _Unwritable("null; leave it out", element.name)
            shadow = value.get(element.shadow) if element.kind <= ContentType.DECIMAL else None
        else:
            element = known.get(key[1:]) if key.startswith("_") else None
            if element is None or element.kind > ContentType.DECIMAL:
                if key in shape.attributes or key in _COMMENTS or (key == "resourceType" and shape.resource):
                    continue
                raise _Unwritable(unknown_property(key, shape))
            if content is None:
                raise _Unwritable(f"{key} is null; leave it out", element.name)
            if element.name in value:
                continue
            content, shadow = None, content
        if element.order <= last:
            sorted_ = False
        last = element.order
        items.append((element, content, shadow))
    if not sorted_:
        items.sort(key=lambda item: item[0].order)
        for (first, *_), (second, *_) in pairwise(items):
            if first.order == second.order:
                raise _Unwritable(
                    f"{first.name} and {second.name} occur together; {first.path} takes one type"
                )
    return items


def _pairs(element: XmlElement, values: Any, shadows: Any) -> Iterator[tuple[Any, Any]]:
    """The items of a list, each with its companion (R4 json.html#primitive)."""
    if values is not None and not isinstance(values, list):
        raise _Unwritable(f"{_json_type(values)}; {element.path} repeats: an array is expected")
    if values is not None and not values:
        raise _Unwritable("an empty array; leave it out")
    if shadows is None:
        return zip(values or (), [None] * len(values or ()), strict=True)
    if not isinstance(shadows, list) or not shadows:
        raise _Unwritable(
            f"{element.shadow} is {_json_type(shadows)}; {element.path} repeats: an array is expected"
        )
    if values is None:
        return zip([None] * len(shadows), shadows, strict=True)
    if len(values) != len(shadows):
        raise _Unwritable(
            f"{len(values)} items and {len(shadows)} in {element.shadow}; null pads the shorter of them"
        )
    return zip(values, shadows, strict=True)


def _primitive(value: Any, element: XmlElement) -> str:
    kind = element.kind
    if kind is ContentType.TEXT:
        if isinstance(value, str) and value:
            return value
        return _text(value, element.type)
    if kind is ContentType.BOOLEAN:
        if value is True or value is False:
            return "true" if value else "false"
    elif not isinstance(value, bool):
        if isinstance(value, int):
            try:
                return str(value)
            except ValueError as error:  # Python's own limit on digits
                raise _Unwritable("a number of more digits than can be written") from error
        if kind is ContentType.DECIMAL:
            if isinstance(value, Decimal) and value.is_finite():
                return decimal_text(value)
            if isinstance(value, float) and math.isfinite(value):
                return repr(value)
    shown_value = shown(str(value)) if isinstance(value, (float, Decimal)) else _json_type(value)
    raise _Unwritable(f"{shown_value}; {_WANTED[kind]} is expected")


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _Unwritable(f"{_json_type(value)}; a string ({name}) is expected")
    if not value:
        raise _Unwritable("an empty string; leave it out")
    return value


def _json_type(value: Any) -> str:
    """The JSON kind of a value; an object or array without content is reported as empty."""
    kind = json_type(value)
    return kind.replace("an ", "an empty ", 1) if isinstance(value, dict | list) and not value else kind


def dumps(resource: dict[str, Any], *, indent: bool = False) -> bytes:
    """The XML document of a resource, UTF-8, elements in R4's order whatever the order of the JSON.

    Args:
        resource: in its JSON shape; numbers may be `int`, `Decimal` or `float`.
        indent: one element a line, for people; white space between elements means nothing in FHIR, and narratives are
            left as they are.

    A narrative without a namespace is given XHTML's, and HTML's named characters (`&nbsp;`) become numbers, since XML
    could not be read otherwise. `fhir_comments` of earlier releases become comments.

    Raises:
        XmlError: something in it has no XML form: an unknown element, an array where one value belongs, an empty value,
            a character that XML can't hold. It names the place.
    """
    writer = _Writer(indent)
    writer.add('<?xml version="1.0" encoding="UTF-8"?>')
    try:
        writer.resource(resource, f' xmlns="{FHIR}"', 0)
    except _Unwritable as problem:
        raise XmlError(str(problem), expression=_expression(resource, problem.steps)) from problem
    if indent:
        writer.add("\n")
    text = "".join(writer.parts)
    match = _NOT_XML.search(text)
    if match is not None:
        reason = f"the character U+{ord(match.group()):04X}, which XML can't hold"
        raise XmlError(reason, expression=_location_of(resource, match.group()))
    return text.encode()


def _expression(resource: Any, steps: list[str]) -> str:
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    root = kind if isinstance(kind, str) and kind in definitions.resource_types() else "Resource"
    return ".".join([root, *reversed(steps)])


def _location_of(resource: dict[str, Any], character: str) -> str:
    """Where in the resource a character is."""
    waiting: list[tuple[str, Any]] = [(str(resource["resourceType"]), resource)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{path}.{key.removeprefix('_')}", item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{path}[{index}]", item) for index, item in enumerate(value)]
        elif isinstance(value, str) and character in value:
            return path
    return ""
