"""Reads XML as a stream of elements, without entities or outside references, with line numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from xml.parsers import expat

from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.store.errors import ImportProblem

__all__ = ["Element", "each_element", "feed"]

_MAX_DEPTH = 200


class Element:
    """An element that is complete: attributes, text in it and in what it holds, children."""

    __slots__ = ("attributes", "children", "line", "name", "parts")

    def __init__(self, name: str, attributes: dict[str, str], line: int) -> None:
        self.name = name
        self.attributes = attributes
        self.line = line
        self.children: list[Element] = []
        self.parts: list[str | Element] = []

    def get(self, name: str) -> str:
        """An attribute, empty where there is none."""
        return self.attributes.get(name, "")

    def all(self, name: str) -> list[Element]:
        """Children of a name."""
        return [child for child in self.children if child.name == name]

    def first(self, name: str) -> Element | None:
        """The first child of a name."""
        return next((child for child in self.children if child.name == name), None)

    def text(self, without: frozenset[str] = frozenset()) -> str:
        """All text in it, white space made single; children of the names in `without` are left out."""
        results: list[str] = []
        waiting: list[str | Element] = [self]
        while waiting:
            item = waiting.pop()
            if isinstance(item, str):
                results.append(item)
            elif item is self or item.name not in without:
                waiting.extend(reversed(item.parts))
        return " ".join("".join(results).split())


def each_element(source: Source, name: str, wanted: frozenset[str], use: Callable[[Element], None]) -> None:
    """Call `use` with each element of the wanted names when it is complete; the rest is not kept.

    Elements of wanted names within others of them are given on their own, first the inner ones.

    Raises:
        ImportProblem: it is not well-formed, declares entities, or nests too deep.
    """
    label = source.label(name)
    parser: Any = expat.ParserCreate()
    stack: list[Element | None] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if len(stack) >= _MAX_DEPTH:
            raise ImportProblem(label, parser.CurrentLineNumber, f"is nested deeper than {_MAX_DEPTH} levels")
        inside = bool(stack) and stack[-1] is not None
        if tag in wanted or inside:
            element = Element(tag, attributes, parser.CurrentLineNumber)
            if inside and tag not in wanted:
                above = stack[-1]
                assert above is not None
                above.children.append(element)
                above.parts.append(element)
            stack.append(element)
        else:
            stack.append(None)

    def end(_: str) -> None:
        element = stack.pop()
        if element is not None and element.name in wanted:
            use(element)

    def text(data: str) -> None:
        if stack and stack[-1] is not None:
            stack[-1].parts.append(data)

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, text
    feed(parser, source, name)


def feed(parser: Any, source: Source, name: str) -> None:
    """Run a file through an expat parser whose handlers are set; text comes to them in as few pieces as may be.

    Raises:
        ImportProblem: it is not well-formed, or declares entities.
    """
    label = source.label(name)

    def refuse(*_: object) -> None:
        raise ImportProblem(label, parser.CurrentLineNumber, "declares entities; such XML is not read")

    parser.buffer_text = True
    parser.EntityDeclHandler = refuse
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    try:
        with source.open(name) as file:
            while block := file.read(1 << 16):
                parser.Parse(block, False)
            parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ImportProblem(
            label, error.lineno, f"is not well-formed XML: {expat.errors.messages[error.code]}"
        ) from error
