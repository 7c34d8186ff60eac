"""The shape of a rule against R4 and its profiles: elements, types, required ones, fixed values, bound codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Element, Profile, TypeDefinition, Value
from fhir_bridge.mapping.coercion import PRIMITIVES
from fhir_bridge.mapping.document import Mapping, Node, Scalar, Sequence
from fhir_bridge.mapping.errors import MappingError, Position, nearest

__all__ = [
    "NODE_KEYS",
    "QUALIFIERS",
    "Problems",
    "Shape",
    "Spot",
    "Target",
    "allowed_codes",
    "is_literal",
    "rooted",
]

NODE_KEYS = frozenset({"when", "let", "for", "match"})
"""Keys of a node that are no elements; in backticks they are."""

RULE_KEYS = frozenset(
    {"rule", "doc", "for", "when", "let", "as", "profile", "key", "time", "update", "on_error", "unpivot"}
)
"""Keys of a rule that are no elements; in backticks they are."""

QUALIFIERS: dict[str, frozenset[str]] = {
    "Extension": frozenset({"url", "id"}),
    "Identifier": frozenset({"use", "type", "system", "assigner"}),
    "Coding": frozenset({"system", "version", "userSelected"}),
    "Quantity": frozenset({"unit", "system", "code", "comparator"}),
    "ContactPoint": frozenset({"system", "use", "rank"}),
    "HumanName": frozenset({"use"}),
    "Address": frozenset({"use", "type"}),
    "Reference": frozenset({"type"}),
    "Annotation": frozenset({"time", "authorReference", "authorString"}),
    "Attachment": frozenset({"contentType", "language"}),
}
"""What says nothing alone: an object of the type with no more than these, beside computed ones that came out
empty, is left out."""


class Problems:
    """Collects the errors of a document.

    Attributes:
        definitions: those that it is checked against.
    """

    def __init__(self, known: definitions.Definitions = definitions.DEFAULT) -> None:
        self.definitions = known
        self.errors: list[MappingError] = []

    def add(self, position: Position, message: str, suggestion: str = "", number: str = "001") -> None:
        """One more; the same one twice counts once."""
        error = MappingError(position, message, suggestion, f"FB-MAP-{number}")
        if error not in self.errors:
            self.errors.append(error)


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a resource whose children can be named.

    Attributes:
        definition: the type (or the resource) that the path is in.
        path: in the definition.
        shown: for messages: `Observation.component.code`.
        profiles: the profiles that speak of it, each with its path there.
        reserved: keys that may be here and are no elements.
    """

    definition: TypeDefinition
    path: str
    shown: str
    profiles: tuple[tuple[Profile, str], ...] = ()
    reserved: frozenset[str] = NODE_KEYS

    def order(self, name: str) -> int:
        """The position of an element among its siblings."""
        return _orders(self.definition, self.path).get(name, 999)

    def names(self) -> list[str]:
        """JSON names of the children, for suggestions."""
        return list(_orders(self.definition, self.path))


_ORDERS: dict[tuple[str, str], dict[str, int]] = {}


def _orders(definition: TypeDefinition, path: str) -> dict[str, int]:
    known = _ORDERS.get((definition.url, path))
    if known is not None:
        return known
    orders = _ORDERS.setdefault((definition.url, path), {})
    for position, element in enumerate(definition.children(path)):
        orders[element.name] = position
        for name in element.json_names:
            orders[name] = position
    return orders


@dataclass(frozen=True, slots=True)
class Target:
    """An element as a mapping names it.

    Attributes:
        element: its definition in R4.
        type: FHIR type; None for a choice written `value[x]`.
        name: the JSON name; None for such a choice.
        shown: for messages.
        constraints: what the profiles say of the element.
    """

    element: Element
    type: str | None
    name: str | None
    shown: str
    spot: Spot
    constraints: tuple[Element, ...] = ()

    @property
    def is_list(self) -> bool:
        """Whether it repeats (in R4; a profile can't change the JSON form)."""
        return self.element.is_list

    def inside(self) -> Spot | None:
        """Where its children are named; None for a primitive or an open choice."""
        if self.type is None or self.type in PRIMITIVES:
            return None
        definition = self.spot.definition
        profiles = tuple((profile, f"{path}.{self.element.name}") for profile, path in self.spot.profiles)
        children = definition.children(self.element.path) if self.element.path else ()
        if self.type in ("BackboneElement", "Element") and children:
            return Spot(definition, children[0].path.rpartition(".")[0], self.shown, profiles)
        result = definitions.find_type(self.type)
        return None if result is None else Spot(result, result.name, self.shown, profiles)


def rooted(resource_type: str, profiles: Iterable[Profile]) -> Spot:
    """The root of a resource."""
    definition = definitions.type_definition(resource_type)
    return Spot(
        definition, definition.name, resource_type, tuple((profile, resource_type) for profile in profiles)
    )


def is_literal(node: Node) -> bool:
    """Whether a node holds no expression and no instruction."""
    if isinstance(node, Scalar):
        return node.expression is None
    if isinstance(node, Sequence):
        return all(map(is_literal, node.items))
    assert isinstance(node, Mapping)
    return all(key.text not in NODE_KEYS and is_literal(value) for key, value in node)


def allowed_codes(value_set: str, known: definitions.Definitions) -> frozenset[str] | None:
    """All codes of a value set; None where they can't be listed."""
    result = known.value_set(value_set)
    if result is None or not result.complete or not result.codes:
        return None
    return frozenset().union(*result.codes.values())


def _unwritten(name: str) -> str:
    return name[1:-1] if len(name) > 2 and name[0] == name[-1] == "`" else name


class Shape:
    """Checks names and literals; what is wrong goes to `problems`."""

    def __init__(self, problems: Problems) -> None:
        self.problems = problems

    def target(self, spot: Spot, key: Scalar) -> Target | None:
        """The element that a key names; None, with an error, where there is none."""
        name = _unwritten(key.text)
        plain = name.removeprefix("_")
        child = spot.definition.child(spot.path, plain)
        element: Element | None
        if child is not None:
            element, kind, json_name = child[0], child[1], plain
        else:
            element = next(
                (e for e in spot.definition.children(spot.path) if e.name == plain and e.is_choice), None
            )
            if element is None:
                base = f"{plain}[x]"
                hint = (
                    f'write "{base}"'
                    if any(e.name == base for e in spot.definition.children(spot.path))
                    else ""
                )
                self.problems.add(
                    key.position,
                    f'{spot.shown} has no element "{name}"',
                    hint or nearest(name, [*spot.names(), *spot.reserved]),
                    "007",
                )
                return None
            kind, json_name = None, None
        shown = f"{spot.shown}.{name}"
        constraints = tuple(
            unsliced
            for profile, path in spot.profiles
            if (unsliced := _unsliced(profile, f"{path}.{element.name}")) is not None
        )
        if any(constraint.max == 0 for constraint in constraints):
            self.problems.add(key.position, f"the profile forbids {shown}", "leave it out", "011")
        if name != plain:
            if kind not in PRIMITIVES:
                self.problems.add(
                    key.position, f"{spot.shown}.{plain} is no primitive, so has no {name}", "", "007"
                )
                return None
            holder = Element(id=shown, path="", name=name, min=0, max=1, base_max=1)
            return Target(
                holder, "Element", name, shown, Spot(definitions.type_definition("Element"), "Element", shown)
            )
        return Target(element, kind, json_name, shown, spot, constraints)

    def binding(self, target: Target) -> tuple[str, frozenset[str]] | None:
        """URL and codes of the required binding of a `code` element, where they can be listed."""
        for element in (*target.constraints, target.element):
            binding = element.binding
            if binding is not None and binding.strength == "required" and binding.value_set:
                codes = allowed_codes(binding.value_set, self.problems.definitions)
                if codes is not None:
                    return binding.value_set, codes
        return None

    def required(self, node: Node, spot: Spot, written: set[str]) -> None:
        """Required elements that a rule never sets."""
        for element in _required(spot):
            if element.name not in written:
                name = "/".join(element.json_names) if element.is_choice else element.name
                fixed = element.fixed or element.pattern
                hint = f"the profile fixes it to {shown_value(fixed)}" if fixed else ""
                self.problems.add(
                    node.position, f"{spot.shown}.{name} is required and never set", hint, "010"
                )


def _unsliced(profile: Profile, path: str) -> Element | None:
    element = profile.element(path)
    return None if element is None or element.slice_name else element


def _required(spot: Spot) -> list[Element]:
    """Children that must be there, by R4 or by a profile."""
    names: dict[str, Element] = {}
    for element in spot.definition.children(spot.path):
        stricter = [
            result
            for profile, path in spot.profiles
            if (result := _unsliced(profile, f"{path}.{element.name}")) is not None and result.min > 0
        ]
        if stricter:
            names[element.name] = stricter[0]
        elif element.min > 0:
            names[element.name] = element
    return list(names.values())


def required_names(spot: Spot) -> list[tuple[str, ...]]:
    """JSON names of required children; one of each tuple must be there."""
    by_name = {element.name: element for element in spot.definition.children(spot.path)}
    return [tuple(by_name[element.name].json_names) for element in _required(spot)]


def shown_value(value: Value) -> str:
    """A fixed value for a message, shortened."""
    text = str(value.value)
    return text if len(text) < 90 else f"{text[:87]}…"
