"""The FHIRPath of R4 search parameters, compiled to walkers over JSON.

The expressions use a small part of FHIRPath: paths, unions, `as`/`ofType`, `where` on an equality, on the type
that a reference resolves to or on an extension, and `extension(url)`. The type of each step is known from the
definitions, so a choice becomes its JSON names, and each leaf knows its FHIR type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir import definitions

__all__ = ["Path", "Unsupported", "compile_expression"]

Nodes = list[Any]
Step = Callable[[Nodes], Nodes]


class Unsupported(ValueError):
    """An expression, or part of one, that is outside the supported subset; the message says which part."""


@dataclass(frozen=True, slots=True)
class Path:
    """One way from a resource to values of one FHIR type.

    Attributes:
        element: JSON name of the first element: where it is absent the path finds nothing.
        steps: applied in order to the list that holds that element's values.
        type: FHIR type of what is found (`CodeableConcept`, `dateTime`).
        binding: required value set of a `code`, where there is one.
    """

    element: str
    steps: tuple[Step, ...]
    type: str
    binding: str | None = None

    def values(self, resource: dict[str, Any]) -> Nodes:
        """What the path finds, in document order."""
        value = resource.get(self.element)
        if value is None:
            return []
        nodes = value if isinstance(value, list) else [value]
        for step in self.steps:
            nodes = step(nodes)
        return nodes


@dataclass(frozen=True, slots=True)
class _Place:
    """A partial path: where the compiler stands."""

    element: str | None
    steps: tuple[Step, ...]
    type: str
    parent: str
    """Element id or type name whose children come next."""
    binding: str | None = None
    name: str = ""

    def through(self, step: Step) -> _Place:
        return _Place(self.element, (*self.steps, step), self.type, self.parent, self.binding, self.name)


_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_]\w*)|(?P<text>'[^']*')|(?P<number>\d+)|(?P<mark>!=|[.()|\[\]=,]))"
)


def _tokens(expression: str) -> list[str]:
    found, position = [], 0
    text = expression.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise Unsupported(f"can't read {text[position:]!r}")
        found.append(match.group().strip())
        position = match.end()
    return found


def compile_expression(expression: str, resource_type: str) -> tuple[Path, ...]:
    """The paths of a search expression for one resource type.

    Raises:
        Unsupported: some part is outside the subset; nothing is compiled by halves.
    """
    parser = _Parser(_tokens(expression), resource_type)
    places = parser.union()
    if parser.peek():
        raise Unsupported(f"can't read on at {parser.peek()!r}")
    paths = []
    for place in places:
        if place.element is None:
            raise Unsupported("the resource itself is no searchable value")
        paths.append(Path(place.element, place.steps, place.type, place.binding))
    return tuple(paths)


class _Parser:
    """Recursive descent over the tokens; each rule gives the places it leads to."""

    def __init__(self, tokens: list[str], resource_type: str) -> None:
        self._tokens = tokens
        self._position = 0
        self._root = resource_type

    def peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise Unsupported(f"expected {expected or 'more'!r}, found {token or 'the end'!r}")
        self._position += 1
        return token

    def union(self) -> list[_Place]:
        places = self.cast()
        while self.peek() == "|":
            self.take()
            places = [*places, *self.cast()]
        return places

    def cast(self) -> list[_Place]:
        places = self.path()
        while self.peek() == "as":
            self.take()
            places = _of_type(places, self.take())
        if self.peek() in ("and", "or", "=", "!="):
            raise Unsupported("a boolean expression")
        return places

    def path(self) -> list[_Place]:
        if self.peek() == "(":
            self.take()
            places = self.union()
            self.take(")")
        else:
            name = self.take()
            start = [_Place(None, (), self._root, self._root)]
            places = start if name in (self._root, "Resource", "DomainResource") else _child(start, name)
        while self.peek() in (".", "["):
            if self.take() == "[":
                position = int(self.take())
                self.take("]")
                places = [place.through(_at(position)) for place in places]
                continue
            name = self.take()
            places = self.call(places, name) if self.peek() == "(" else _child(places, name)
        return places

    def call(self, places: list[_Place], name: str) -> list[_Place]:
        self.take("(")
        if name in ("as", "ofType"):
            places = _of_type(places, self.take())
        elif name == "extension":
            places = _extension(places, self.literal())
        elif name == "where":
            step = self.condition()
            places = [place.through(step) for place in places]
        else:
            raise Unsupported(f"the function {name}()")
        self.take(")")
        return places

    def condition(self) -> Step:
        name = self.take()
        if name == "resolve":
            for mark in ("(", ")", "is"):
                self.take(mark)
            return _refers_to(self.take())
        if name == "hasExtension":
            self.take("(")
            url = self.literal()
            self.take(")")
            return lambda nodes: [node for node in nodes if any(_extensions(node, url))]
        self.take("=")
        wanted = self.literal()
        return lambda nodes: [node for node in nodes if isinstance(node, dict) and node.get(name) == wanted]

    def literal(self) -> str:
        token = self.take()
        if not token.startswith("'"):
            raise Unsupported(f"expected a text, found {token!r}")
        return token[1:-1]


def _refers_to(resource_type: str) -> Step:
    """References whose target is of this type, judged by the reference itself: search never resolves."""
    start, inside = f"{resource_type}/", f"/{resource_type}/"

    def step(nodes: Nodes) -> Nodes:
        kept = []
        for node in nodes:
            if isinstance(node, dict):
                reference = node.get("reference")
                named = isinstance(reference, str) and (reference.startswith(start) or inside in reference)
                if named or node.get("type") == resource_type:
                    kept.append(node)
        return kept

    return step


def _at(position: int) -> Step:
    return lambda nodes: nodes[position : position + 1]


def _get(name: str) -> Step:
    def step(nodes: Nodes) -> Nodes:
        found: Nodes = []
        for node in nodes:
            if isinstance(node, dict):
                value = node.get(name)
                if isinstance(value, list):
                    found.extend(value)
                elif value is not None:
                    found.append(value)
        return found

    return step


def _child(places: list[_Place], name: str) -> list[_Place]:
    """The places one element further; a choice leads to a place for each of its JSON names."""
    found = []
    for place in places:
        for element in _children(place.parent):
            if element.name not in (name, f"{name}[x]"):
                continue
            required = element.binding if element.binding and element.binding.strength == "required" else None
            for json_name, code in element.json_names.items():
                inner = code if code not in ("BackboneElement", "Element") else element.path
                if element.content_reference:
                    inner = element.content_reference
                first = place.element is None
                found.append(
                    _Place(
                        json_name if first else place.element,
                        place.steps if first else (*place.steps, _get(json_name)),
                        code,
                        inner,
                        required.value_set if required else None,
                        name,
                    )
                )
    if not found:
        raise Unsupported(f"no element {name!r} in {', '.join(sorted({place.parent for place in places}))}")
    return found


def _children(parent: str) -> tuple[definitions.Element, ...]:
    type_name = parent.partition(".")[0]
    definition = definitions.find_type(type_name)
    return definition.children(parent) if definition is not None else ()


def _of_type(places: list[_Place], type_name: str) -> list[_Place]:
    """The places of one type. Types are named loosely in R4's expressions (`DateTime` for `dateTime`)."""
    wanted = type_name.lower()
    kept = [
        place
        for place in places
        if place.type.lower() == wanted or (wanted == "quantity" and place.type in _QUANTITIES)
    ]
    if not kept:
        raise Unsupported(f"nothing of type {type_name} there")
    return kept


_QUANTITIES = ("SimpleQuantity", "MoneyQuantity", "Age", "Distance", "Duration", "Count")


def _extensions(node: Any, url: str) -> Iterator[dict[str, Any]]:
    extensions = node.get("extension") if isinstance(node, dict) else None
    for extension in extensions if isinstance(extensions, list) else ():
        if isinstance(extension, dict) and extension.get("url") == url:
            yield extension


def _extension(places: list[_Place], url: str) -> list[_Place]:
    """The values of an extension, by type: R4's expressions stop at the extension and mean its value."""

    def only(nodes: Nodes) -> Nodes:
        return [node for node in nodes if isinstance(node, dict) and node.get("url") == url]

    return _child([place.through(only) for place in _child(places, "extension")], "value")
