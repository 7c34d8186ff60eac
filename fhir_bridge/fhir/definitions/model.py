"""What the definition tables say, typed: structures, elements, extensions and search parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

__all__ = [
    "Binding",
    "Constraint",
    "Element",
    "ElementType",
    "ExtensionDefinition",
    "ExtensionPart",
    "Profile",
    "SearchParameter",
    "Slicing",
    "TypeDefinition",
    "Value",
]


@dataclass(frozen=True, slots=True)
class ElementType:
    """A type an element may have (ElementDefinition.type).

    Attributes:
        code: type name, `Reference`.
        targets: what a Reference or canonical may point to: type names of R4, or full profile canonicals.
        profiles: profiles that the value must satisfy (at least one), as full canonicals.
        aggregation: how a Reference may be held (`contained`, `referenced`, `bundled`); empty allows all.
        versioning: `independent` or `specific` where the reference must (not) name a version.
    """

    code: str
    targets: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    aggregation: tuple[str, ...] = ()
    versioning: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """Which codes an element takes (ElementDefinition.binding); canonicals as written, perhaps with `|version`."""

    strength: str
    value_set: str | None
    max_value_set: str | None = None


@dataclass(frozen=True, slots=True)
class Constraint:
    """An invariant (ElementDefinition.constraint)."""

    key: str
    severity: str
    expression: str
    human: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """A fixed or pattern value with its type; decimals are `Decimal`."""

    type: str
    value: Any


@dataclass(frozen=True, slots=True)
class Slicing:
    """How the items of a list, or the types of a choice, are distinguished (ElementDefinition.slicing)."""

    discriminators: tuple[tuple[str, str], ...]
    rules: str
    ordered: bool


@dataclass(frozen=True)
class Element:
    """One element of a snapshot.

    Attributes:
        id: as in the snapshot, with slice names (`Observation.component:geneStudied.code`).
        path: the id without slice names.
        name: the last part of the path (`code`, `value[x]`).
        max: None is `*`.
        content_reference: path of the element whose content this one has.
        constraints: without `ele-1` and `ext-1`, which hold everywhere.
        min_value, max_value: bounds of a number, date or Quantity (inclusive).
    """

    id: str
    path: str
    name: str
    min: int
    max: int | None
    types: tuple[ElementType, ...] = ()
    content_reference: str | None = None
    binding: Binding | None = None
    constraints: tuple[Constraint, ...] = ()
    fixed: Value | None = None
    pattern: Value | None = None
    slicing: Slicing | None = None
    slice_name: str | None = None
    is_modifier: bool = False
    is_summary: bool = False
    must_support: bool = False
    max_length: int | None = None
    base_max: int | None = None
    min_value: Value | None = None
    max_value: Value | None = None

    @property
    def is_choice(self) -> bool:
        """Whether the name stands for one of several types (`value[x]`)."""
        return self.name.endswith("[x]")

    @property
    def is_list(self) -> bool:
        """Whether JSON writes an array: decided by the base type's max, which a profile can't change."""
        return self.base_max is None or self.base_max > 1

    @property
    def type_codes(self) -> tuple[str, ...]:
        """The type names alone."""
        return tuple(kind.code for kind in self.types)

    @cached_property
    def json_names(self) -> Mapping[str, str]:
        """JSON property names and the type each one means; the type of a content reference is `BackboneElement`."""
        if self.is_choice:
            stem = self.name[:-3]
            return {stem + kind.code[0].upper() + kind.code[1:]: kind.code for kind in self.types}
        return {self.name: self.types[0].code if self.types else "BackboneElement"}


@dataclass(frozen=True)
class TypeDefinition:
    """A resource or data type of R4: its elements in the order of the snapshot, the root first.

    Attributes:
        kind: `resource`, `complex-type`, `primitive-type` or `logical`.
        base: canonical of what it specializes or constrains.
        type: the type that instances have; for a profile the constrained type.
    """

    name: str
    url: str
    kind: str
    base: str | None
    abstract: bool
    type: str
    elements: tuple[Element, ...]
    version: str = ""

    @cached_property
    def _by_id(self) -> dict[str, Element]:
        return {element.id: element for element in self.elements}

    @cached_property
    def _children(self) -> dict[str, tuple[Element, ...]]:
        groups: dict[str, list[Element]] = {}
        for element in self.elements[1:]:
            groups.setdefault(element.id.rpartition(".")[0], []).append(element)
        return {parent: tuple(children) for parent, children in groups.items()}

    @property
    def canonical(self) -> str:
        """Its url with its version, as it is in messages."""
        return f"{self.url}|{self.version}" if self.version else self.url

    @property
    def root(self) -> Element:
        """The element that stands for the whole."""
        return self.elements[0]

    def element(self, path: str) -> Element | None:
        """The element of this id or path (`Observation.component.code`); None where there is none."""
        return self._by_id.get(path)

    def children(self, path: str | None = None) -> tuple[Element, ...]:
        """The direct children of the element of this id or path (default: the root), slices included.

        A content reference is followed. Elements of a data type (`Observation.code`) have their children in
        that type's own definition, unless a profile walks into them.
        """
        if path is None:
            path = self.elements[0].id
        child = self._children.get(path)
        if child is None:
            element = self._by_id.get(path)
            if element is not None and element.content_reference is not None:
                return self._children.get(element.content_reference, ())
            return ()
        return child

    def child(self, path: str, name: str) -> tuple[Element, str] | None:
        """The child with this JSON name, and the type it then has: `valueQuantity` gives (value[x], `Quantity`)."""
        for element in self.children(path):
            if element.slice_name is None:
                kind = element.json_names.get(name)
                if kind is not None:
                    return element, kind
        return None


@dataclass(frozen=True)
class Profile(TypeDefinition):
    """A constrained type; its elements are those of the snapshot.

    Attributes:
        contexts: for an extension, (type, expression) pairs of where it may be; `("element", "Patient")`.
        context_invariants: FHIRPath of which each must hold where the extension is.
        imposed: canonicals of profiles that hold wherever this one does (structuredefinition-imposeProfile).
        package: name and version of the package it came with, `hl7.fhir.us.mcode#4.0.0`; empty for those built in.
    """

    derivation: str = "constraint"
    contexts: tuple[tuple[str, str], ...] = ()
    context_invariants: tuple[str, ...] = ()
    imposed: tuple[str, ...] = ()
    package: str = ""


@dataclass(frozen=True, slots=True)
class ExtensionPart:
    """A part of a complex extension: its own `url`, how often, and what it holds."""

    url: str
    min: int
    max: int | None
    definition: ExtensionDefinition


@dataclass(frozen=True, slots=True)
class ExtensionDefinition:
    """An extension, compact.

    Attributes:
        contexts: (type, expression) pairs of where it may be; `("element", "Patient")`.
        value_types: types of `value[x]`; empty where the extension has parts and no value.
        parts: nested extensions by url.
        open_parts: other nested extensions may be beside them.
    """

    url: str
    contexts: tuple[tuple[str, str], ...] = ()
    is_modifier: bool = False
    value_types: tuple[ElementType, ...] = ()
    value_required: bool = False
    binding: Binding | None = None
    fixed: Value | None = None
    parts: Mapping[str, ExtensionPart] = field(default_factory=dict)
    open_parts: bool = True


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """A search parameter as it applies to one resource type.

    Attributes:
        expression: this type's part of the union (FHIRPath).
        targets: types a reference parameter may point to.
        components: (code, expression) of a composite's parts.
    """

    code: str
    type: str
    expression: str
    targets: tuple[str, ...] = ()
    url: str = ""
    components: tuple[tuple[str, str], ...] = ()
