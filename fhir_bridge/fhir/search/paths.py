"""The FHIRPath of search parameters, read as places in a resource.

Search expressions use a small part of FHIRPath: paths, unions, `as`/`ofType`, `where` on an equality, on the type that
a reference resolves to or on an extension, and `extension(url)`. The type of each step is known from the definitions,
so a choice becomes its JSON names, a union falls apart by type, and each place knows its FHIR type. What is outside
this part is refused whole, and left to the FHIRPath engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fhir_bridge.fhir import definitions

__all__ = ["Place", "Step", "Unsupported", "compile_expression", "compile_relative"]

Step = tuple[str, ...]
"""How a place is reached from the one before: `("get", name)` an element that is one value, `("each", name)` a list,
`("at", name, number)` one item of a list, `("where", name, text)` values whose element equals a text,
`("refers", type)` references to a type, `("has", url)` values with an extension, `("resource",)` the resource again."""

MAX_STEPS = 15
"""Longer paths are left to the engine: the walker of each step is nested in that of the one before."""


class Unsupported(ValueError):
    """An expression, or part of one, that is outside the supported subset; the message says which part."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where values of one FHIR type stand.

    Attributes:
        before: the place it is reached from; None for the resource.
        type: FHIR type of the values (`CodeableConcept`, `dateTime`).
        parent: element id or type name whose children come next.
        binding: required value set of a `code`, where there is one.
        many: whether there can be more than one such value in a resource.
    """

    before: Place | None
    step: Step
    type: str
    parent: str
    binding: str | None = None
    many: bool = False

    def then(self, step: Step) -> Place:
        """The same values, fewer of them."""
        return Place(self, step, self.type, self.parent, self.binding, self.many)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps from the start, in order."""
        found: list[Step] = []
        place: Place | None = self
        while place is not None:
            if place.step:
                found.append(place.step)
            place = place.before
        return tuple(reversed(found))


_TOKEN = re.compile(
    r"\s*(?:(?P<name>%?[A-Za-z_]\w*)|(?P<text>'[^'\\]*')|(?P<number>\d+)|(?P<mark>!=|[.()|\[\]=,]))"
)
_QUANTITIES = ("SimpleQuantity", "MoneyQuantity", "Age", "Distance", "Duration", "Count")
_ANY = ("Resource", "DomainResource")


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


def start(resource_type: str) -> Place:
    """The resource itself."""
    return Place(None, (), resource_type, resource_type)


def compile_expression(expression: str, resource_type: str) -> tuple[Place, ...]:
    """The places of a search expression in one resource type; parts of a union for other types have none.

    Raises:
        Unsupported: some part is outside the subset; nothing is compiled by halves.
    """
    return _compile(expression, start(resource_type), resource_type)


def compile_relative(expression: str, base: Place, resource_type: str) -> tuple[Place, ...]:
    """The places that a component of a composite parameter leads to from its base; steps count from the base.

    Raises:
        Unsupported: some part is outside the subset.
    """
    return _compile(expression, Place(None, (), base.type, base.parent, base.binding), resource_type)


def _compile(expression: str, base: Place, resource_type: str) -> tuple[Place, ...]:
    parser = _Parser(_tokens(expression), base, resource_type)
    places = parser.union()
    if parser.peek():
        raise Unsupported(f"can't read on at {parser.peek()!r}")
    found: list[Place] = []
    for place in places:
        found += _child([place], "value") if place.type == "Extension" else [place]
    if any(len(place.steps) > MAX_STEPS for place in found):
        raise Unsupported(f"more than {MAX_STEPS} steps")
    return tuple(found)


class _Parser:
    """Recursive descent over the tokens; each rule gives the places it leads to."""

    def __init__(self, tokens: list[str], base: Place, resource_type: str) -> None:
        self._tokens = tokens
        self._position = 0
        self._base = base
        self._resource = resource_type
        self._depth = 0

    def peek(self) -> str:
        return self._tokens[self._position] if self._position < len(self._tokens) else ""

    def take(self, expected: str = "") -> str:
        token = self.peek()
        if not token or (expected and token != expected):
            raise Unsupported(f"expected {expected or 'more'!r}, found {token or 'the end'!r}")
        self._position += 1
        return token

    def union(self) -> list[Place]:
        places = self.cast()
        while self.peek() == "|":
            self.take()
            places = [*places, *self.cast()]
        return places

    def cast(self) -> list[Place]:
        places = self.path()
        while self.peek() == "as":
            self.take()
            places = _of_type(places, self.type_name())
        if self.peek() in ("and", "or", "=", "!="):
            raise Unsupported("a boolean expression")
        return places

    def path(self) -> list[Place]:
        if self.peek() == "(":
            self._depth += 1
            if self._depth > MAX_STEPS:
                raise Unsupported("parentheses nested too deep")
            self.take()
            places = self.union()
            self.take(")")
            self._depth -= 1
        else:
            places = self.first(self.take())
        while self.peek() in (".", "["):
            if self.take() == "[":
                position = int(self.take())
                self.take("]")
                places = [_at(place, position) for place in places]
                continue
            name = self.take()
            places = self.call(places, name) if self.peek() == "(" else _child(places, name)
        return places

    def first(self, name: str) -> list[Place]:
        """A path begins at its base, or at the type of the resource; at another type it leads nowhere."""
        if name == "%resource":
            return [Place(None, ("resource",), self._resource, self._resource)]
        if self._base.type == self._resource and name in (self._resource, *_ANY):
            return [self._base]
        if name[:1].isupper() and name in definitions.resource_types():
            return []
        if self.peek() == "(":
            return self.call([self._base], name)
        return _child([self._base], name)

    def call(self, places: list[Place], name: str) -> list[Place]:
        self.take("(")
        if name in ("as", "ofType"):
            places = _of_type(places, self.type_name())
        elif name == "extension":
            url = self.literal()
            places = [place.then(("where", "url", url)) for place in _child(places, "extension")]
        elif name == "where":
            places = self.condition(places)
        else:
            raise Unsupported(f"the function {name}()")
        self.take(")")
        return places

    def condition(self, places: list[Place]) -> list[Place]:
        name = self.take()
        if name == "resolve":
            for mark in ("(", ")", "is"):
                self.take(mark)
            wanted = self.take()
            if wanted not in definitions.resource_types() or any(p.type != "Reference" for p in places):
                raise Unsupported(f"resolve() is {wanted}")
            return [place.then(("refers", wanted)) for place in places]
        if name == "hasExtension":
            self.take("(")
            url = self.literal()
            self.take(")")
            if any(definitions.is_primitive(place.type) for place in places):
                raise Unsupported("an extension of a primitive value")
            return [place.then(("has", url)) for place in places]
        self.take("=")
        wanted = self.literal()
        for compared in _child(places, name):
            if compared.step[0] != "get" or not definitions.is_primitive(compared.type):
                raise Unsupported(f"where({name} = …), which is no single primitive value")
            if name not in compared.step:
                raise Unsupported(f"where({name} = …), which is a choice of types")
        return [place.then(("where", name, wanted)) for place in places]

    def type_name(self) -> str:
        name = self.take()
        if name == "FHIR" and self.peek() == ".":
            self.take()
            name = self.take()
        return name

    def literal(self) -> str:
        token = self.take()
        if not token.startswith("'"):
            raise Unsupported(f"expected a text, found {token!r}")
        return token[1:-1]


def _at(place: Place, position: int) -> Place:
    """One item of a list that stands there once: FHIRPath counts over the whole collection."""
    if place.step[:1] != ("each",) or place.before is None or place.before.many:
        raise Unsupported("a number of a list that is not one list")
    step = ("at", place.step[1], str(position))
    return Place(place.before, step, place.type, place.parent, place.binding, many=False)


def _child(places: list[Place], name: str) -> list[Place]:
    """The places one element further; a choice leads to a place for each of its JSON names.

    A path in a choice goes on where one of its types has the element.
    """
    found = []
    for place in places:
        if name in ("extension", "id") and definitions.is_primitive(place.type):
            raise Unsupported(f"{name} of a primitive value")
        for element in _elements(place.parent, name):
            required = element.binding if element.binding and element.binding.strength == "required" else None
            for json_name, code in element.json_names.items():
                inner = code if code not in ("BackboneElement", "Element") else element.path
                if element.content_reference:
                    inner = element.content_reference
                found.append(
                    Place(
                        place,
                        ("each" if element.is_list else "get", json_name),
                        code,
                        inner,
                        required.value_set if required else None,
                        place.many or element.is_list,
                    )
                )
    if places and not found:
        raise Unsupported(f"no element {name!r} in {', '.join(sorted({place.parent for place in places}))}")
    return found


def _elements(parent: str, name: str) -> Iterator[definitions.Element]:
    definition = definitions.find_type(parent.partition(".")[0])
    for element in definition.children(parent) if definition is not None else ():
        if element.name in (name, f"{name}[x]"):
            yield element


def _of_type(places: list[Place], type_name: str) -> list[Place]:
    """The places of one type. Types are named loosely in R4's expressions (`DateTime` for `dateTime`)."""
    wanted = type_name.lower()
    kept = [
        place
        for place in places
        if place.type.lower() == wanted or (wanted == "quantity" and place.type in _QUANTITIES)
    ]
    if places and not kept:
        raise Unsupported(f"nothing of type {type_name} there")
    return kept
