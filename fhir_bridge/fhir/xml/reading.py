"""XML to a resource in its JSON shape (R4 xml.html, json.html).

One pass of expat without a tree. Nothing is fetched and nothing is expanded: a document type declaration is refused,
and with it every entity but the five of XML.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn
from xml.parsers import expat

from fhir_bridge.fhir.json_faults import MAX_DIGITS, MAX_EXPONENT, number_fault
from fhir_bridge.fhir.serialization import MAX_DEPTH
from fhir_bridge.fhir.xml.error_messages import (
    explain_syntax,
    out_of_order,
    shown,
    unknown_attribute,
    unknown_element,
    unknown_resource,
)
from fhir_bridge.fhir.xml.errors import XmlError
from fhir_bridge.fhir.xml.narrative import DivReader
from fhir_bridge.fhir.xml.shapes import ContentType, Shape, XmlElement, resource_elements

__all__ = ["loads"]

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance "
_ASCII = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")
"""Byte order marks of UTF-16 and UTF-32."""
_NO_LAST = -1


class _Frame:
    """An open element that holds others.

    Attributes:
        target: the JSON object being filled; a holder of a resource fills its parent's.
        last: order of the latest child.
        shadows: whether a repeating primitive in it has ids or extensions.
        depth: levels of JSON nesting down to here.
    """

    __slots__ = ("depth", "element", "elements", "last", "shadows", "shape", "target")

    def __init__(
        self,
        element: XmlElement | None,
        shape: Shape | None,
        elements: Mapping[str, XmlElement],
        target: dict[str, Any],
        depth: int,
    ) -> None:
        self.element, self.shape, self.elements, self.target, self.depth = (
            element,
            shape,
            elements,
            target,
            depth,
        )
        self.last = _NO_LAST
        self.shadows = False


class _Reader:
    """The handlers of one parse.

    A primitive is not a frame until something is in it: `open` is the primitive whose end is awaited, `bare` tells
    that it has neither value nor id.
    """

    __slots__ = ("bare", "div", "frame", "open", "parser", "result", "stack", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.result: dict[str, Any] = {}
        self.frame = _Frame(None, None, resource_elements(), self.result, 0)
        self.stack: list[_Frame] = []
        self.open: XmlElement | None = None
        self.bare = False
        # The encoding is given, so that no declaration changes it; a space is in no namespace.
        self.parser: Any = expat.ParserCreate("UTF-8", " ")
        self.parser.buffer_text = True
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.div = DivReader(self.parser, text, self._fail, self.resume)
        self.parser.StartNamespaceDeclHandler = self.div.declare
        self.parser.EndNamespaceDeclHandler = self.div.undeclare
        self.resume()

    def resume(self) -> None:
        """Take the parser's events (again, after a narrative)."""
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def read(self) -> dict[str, Any]:
        try:
            self.parser.Parse(self.text, True)
        except expat.ExpatError as error:
            raise XmlError(
                explain_syntax(error, self.text), line=error.lineno, column=error.offset + 1
            ) from error
        resource: dict[str, Any] = self.result["resource"]
        return resource

    # --- events ---------------------------------------------------------------------------------------------------

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self.open is not None:
            self._enter_primitive()
        frame = self.frame
        element = frame.elements.get(tag)
        if element is None:
            self._unknown(tag)
        order = element.order
        # R4 xml.html: the order of elements is that of the definition.
        if order <= frame.last and (order < frame.last or not element.repeats):
            self._fail(out_of_order(frame.shape, element, frame.last))
        frame.last = order
        kind = element.kind
        if kind is ContentType.OBJECT:
            target: dict[str, Any] = {}
            shape = element.shape
            if attributes:
                self._attributes(attributes, shape.attributes, target)
            self._attach(frame.target, element, target)
            self._push(element, shape, shape.by_tag, target)
        elif kind <= ContentType.DECIMAL:
            self._primitive(element, attributes, frame)
        elif kind is ContentType.DIV:
            self.div.begin(attributes, frame.target)
        elif kind is ContentType.RESOURCE:
            self._attributes(attributes, (), {})
            self._push(element, None, resource_elements(), frame.target)
        else:
            self._attributes(attributes, (), {})
            self._resource(element, frame)

    def _end(self, _tag: str) -> None:
        if self.open is not None:
            if self.bare:
                self._fail(f"<{self.open.name}> has neither a value nor an extension; leave it out")
            self.open = None
            return
        frame = self.frame
        if frame.shadows:
            _align(frame.target)
        if frame.last == _NO_LAST:
            self._check_content(frame)
        self.frame = self.stack.pop()

    def _characters(self, text: str) -> None:
        if not text.isspace():
            self._fail(f"the text {shown(text.strip())}; a value is in the attribute value of its element")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ASCII:
            self._fail(f"the encoding {shown(encoding)}; R4 xml.html wants UTF-8: convert the file first")

    def _doctype(self, name: str, *_: Any) -> None:
        self._fail(f"a document type declaration ({shown(name)}); R4 xml.html forbids it: remove it")

    # --- content --------------------------------------------------------------------------------------------------

    def _primitive(self, element: XmlElement, attributes: dict[str, str], frame: _Frame) -> None:
        target, name = frame.target, element.name
        text = attributes.get("value")
        self.open = element
        self.bare = False
        if text is not None:
            value: Any = text
            if not text:
                self._fail("an attribute can't be empty: give value a content or leave it out")
            if element.kind is not ContentType.TEXT:
                value = self._typed(text, element)
            if not element.repeats:
                target[name] = value
            elif name in target:
                target[name].append(value)
            else:
                target[name] = [value]
            if len(attributes) == 1:
                return
        elif element.repeats:
            # A null keeps the item's place (R4 json.html#primitive).
            target.setdefault(name, []).append(None)
            frame.shadows = True
        shadow: dict[str, Any] = {}
        if attributes:
            self._attributes(attributes, ("id", "value"), shadow)
            shadow.pop("value", None)
        if shadow:
            self._attach_shadow(frame, element, shadow)
        else:
            self.bare = text is None

    def _enter_primitive(self) -> None:
        """Something is in a primitive: its extensions."""
        element, frame = self.open, self.frame
        assert element is not None
        self.open = None
        if not element.repeats:
            shadow = frame.target.get(element.shadow)
        else:
            beside = frame.target.get(element.shadow, ())
            shadow = beside[-1] if len(beside) == len(frame.target[element.name]) else None
        if shadow is None:
            shadow = {}
            self._attach_shadow(frame, element, shadow)
        self._push(element, element.shape, element.shape.by_tag, shadow)

    def _resource(self, element: XmlElement, frame: _Frame) -> None:
        target: dict[str, Any] = {"resourceType": element.name}
        if frame.element is None:
            self.result["resource"] = target
        else:
            self._attach(frame.target, frame.element, target)
        self._push(element, element.shape, element.shape.by_tag, target)

    def _push(
        self,
        element: XmlElement,
        shape: Shape | None,
        elements: Mapping[str, XmlElement],
        target: dict[str, Any],
    ) -> None:
        frame = self.frame
        # A list is a level of JSON, too.
        depth = frame.depth + (2 if element.repeats else 1)
        if depth > MAX_DEPTH:
            self._fail(f"nested deeper than {MAX_DEPTH} levels")
        self.stack.append(frame)
        self.frame = _Frame(element, shape, elements, target, depth)

    def _attach(self, target: dict[str, Any], element: XmlElement, value: dict[str, Any]) -> None:
        if not element.repeats:
            target[element.name] = value
        elif element.name in target:
            target[element.name].append(value)
        else:
            target[element.name] = [value]

    def _attach_shadow(self, frame: _Frame, element: XmlElement, shadow: dict[str, Any]) -> None:
        target = frame.target
        if not element.repeats:
            target[element.shadow] = shadow
            return
        frame.shadows = True
        beside = target.setdefault(element.shadow, [])
        beside.extend([None] * (len(target[element.name]) - 1 - len(beside)))
        beside.append(shadow)

    def _typed(self, text: str, element: XmlElement) -> Any:
        """The value of a boolean or a number; an integer's digits and a decimal's precision are kept."""
        if element.kind is ContentType.BOOLEAN:
            if text not in ("true", "false"):
                self._fail(f"{shown(text)} is no boolean: true or false is expected")
            return text == "true"
        # int() would lose the sign of -0.
        if _INTEGER.fullmatch(text) and text != "-0":
            try:
                return int(text)
            except ValueError:
                self._fail(f"a number of {len(text)} digits; no more than 4300 can be read")
        if element.kind is ContentType.INTEGER or not _DECIMAL.fullmatch(text):
            wanted = (
                "an integer such as 12" if element.kind is ContentType.INTEGER else "a decimal such as 12.50"
            )
            self._fail(f"{shown(text)} is not a number as R4 writes it: {wanted} is expected")
        try:
            value = Decimal(text)
        except InvalidOperation:
            self._fail(number_fault(text))
        if len(text) > MAX_DIGITS or not -MAX_EXPONENT <= value.adjusted() <= MAX_EXPONENT:
            self._fail(number_fault(text))
        return value

    def _attributes(
        self, attributes: dict[str, str], allowed: Collection[str], target: dict[str, Any]
    ) -> None:
        for name, value in attributes.items():
            if name in allowed:
                if not value:
                    self._fail(f"an attribute can't be empty: give {name} a content or leave it out")
                target[name] = value
            elif not name.startswith(_SCHEMA_INSTANCE):
                # R4 xml.html allows xsi:schemaLocation, which says nothing of the resource.
                self._fail(unknown_attribute(name, allowed))

    def _check_content(self, frame: _Frame) -> None:
        """An element without children: lawful for a resource, and with an attribute that says something."""
        element = frame.element
        if element is None or element.kind is ContentType.ROOT:
            return
        if element.kind is ContentType.RESOURCE:
            self._fail(f"<{element.name}> is empty, a resource is expected in it")
        if not frame.target:
            self._fail(f"<{element.name}> is empty; leave it out")

    # --- findings -------------------------------------------------------------------------------------------------

    def _unknown(self, tag: str) -> NoReturn:
        frame = self.frame
        if frame.shape is None:
            self._fail(unknown_resource(tag))
        self._fail(unknown_element(tag, frame.shape))

    def _fail(self, reason: str) -> NoReturn:
        raise XmlError(
            reason,
            line=self.parser.CurrentLineNumber,
            column=self.parser.CurrentColumnNumber + 1,
            expression=self._expression(),
        )

    def _expression(self) -> str:
        steps: list[str] = []
        frames = [*self.stack[1:], self.frame] if self.stack else []
        for above, frame in zip(self.stack, frames, strict=True):
            element = frame.element
            if element is None or (element.kind is ContentType.ROOT and steps):
                continue
            items = above.target.get(element.name) if element.repeats else None
            steps.append(f"{element.name}[{max(len(items) - 1, 0)}]" if items is not None else element.name)
        return ".".join(steps)


def _align(target: dict[str, Any]) -> None:
    """Pad `_name` to the length of `name`; a list of nothing but nulls is left out (R4 json.html#primitive)."""
    for shadow in [key for key, value in target.items() if key[0] == "_" and isinstance(value, list)]:
        values = target[shadow[1:]]
        target[shadow].extend([None] * (len(values) - len(target[shadow])))
        if all(value is None for value in values):
            del target[shadow[1:]]


def loads(text: bytes | str) -> dict[str, Any]:
    """The resource in an XML document, shaped as its JSON is.

    Decimals are `Decimal` with their digits, whole numbers `int`; a narrative is its text as it is. Comments and
    processing instructions have no place in JSON and are dropped.

    Raises:
        XmlError: the text is not the XML of an R4 resource; it says line, column, place and what was expected.
    """
    if isinstance(text, str):
        try:
            text = text.encode()
        except UnicodeEncodeError as error:
            raise XmlError("half a surrogate pair: not text that XML can hold") from error
    if text.startswith(_WIDE):
        raise XmlError("UTF-16 or UTF-32; R4 xml.html wants UTF-8: convert the file first", line=1, column=1)
    return _Reader(text.removeprefix(b"\xef\xbb\xbf")).read()
