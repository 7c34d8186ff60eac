"""Types as FHIRPath sees them: where a value is in R4's definitions, and what its elements lead to."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property, lru_cache
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions.compact import CORE

__all__ = [
    "ANY",
    "SYSTEM",
    "FhirType",
    "Step",
    "element_type",
    "r4_type",
    "r4_type_at",
    "system_type",
    "type_of_value",
]

Step = tuple[str, str | None, "FhirType"]
"""JSON name of an element, name of its companion (`_birthDate`) where it is primitive, and the kind it leads to."""


class FhirType:
    """A type: one of R4's, an element with children of its own (a backbone), or one of FHIRPath's `System`.

    Attributes:
        name: type name without namespace (`HumanName`, `BackboneElement`, `Integer`).
        system: it belongs to the namespace System.
        primitive: its JSON is no object.
        defined_at: where the definitions describe its children: (type name, element id); None for System's.
    """

    def __init__(self, name: str, *, system: bool = False, defined_at: tuple[str, str] | None = None) -> None:
        self.name = name
        self.system = system
        self.defined_at = defined_at
        self.primitive = system or definitions.is_primitive(name)

    def __repr__(self) -> str:
        return self.qualified

    @property
    def qualified(self) -> str:
        """The name, with the namespace where it is System."""
        return f"System.{self.name}" if self.system else self.name

    @cached_property
    def is_resource(self) -> bool:
        """Whether it is a resource or the abstract type of some."""
        return self.name == "Resource" or "Resource" in self.ancestors

    @cached_property
    def open(self) -> bool:
        """Whether the value itself states its type (`resourceType`)."""
        return self.name in ("Resource", "DomainResource")

    @cached_property
    def ancestors(self) -> tuple[str, ...]:
        """Names of the types it specializes, nearest first."""
        if self.system:
            return ()
        results: list[str] = []
        definition = definitions.find_type(self.name)
        while definition is not None and definition.base:
            base = definition.base.removeprefix(CORE)
            results.append(base)
            definition = definitions.find_type(base)
        return tuple(results)

    def is_a(self, name: str) -> bool:
        """Whether it is the FHIR type of this name, or specializes it."""
        return not self.system and (self.name == name or name in self.ancestors)

    @cached_property
    def steps(self) -> Mapping[str, tuple[Step, ...]]:
        """By element name as FHIRPath writes it (`value`): the JSON properties that hold it."""
        if self.defined_at is None:
            return _TYPE_INFO_STEPS if self is TYPE_INFO else {}
        definition = definitions.find_type(self.defined_at[0])
        if definition is None:
            return {}
        results: dict[str, tuple[Step, ...]] = {}
        for element in definition.children(self.defined_at[1]):
            name = element.name.removesuffix("[x]")
            if self.primitive and name == "value":
                continue
            steps: list[Step] = []
            for json_name, code in element.json_names.items():
                kind = element_type(definition, element, code)
                steps.append(
                    (json_name, "_" + json_name if kind.primitive and code != "xhtml" else None, kind)
                )
            results[name] = tuple(steps)
        return results

    @cached_property
    def json_steps(self) -> Mapping[str, tuple[str, str | None, FhirType]]:
        """By JSON property name: element name, companion, kind."""
        return {
            json_name: (name, shadow, kind)
            for name, steps in self.steps.items()
            for json_name, shadow, kind in steps
        }

    @cached_property
    def lists(self) -> frozenset[str]:
        """JSON names of the elements that are arrays."""
        definition = definitions.find_type(self.defined_at[0]) if self.defined_at else None
        if definition is None or self.defined_at is None:
            return frozenset()
        return frozenset(
            name for e in definition.children(self.defined_at[1]) if e.is_list for name in e.json_names
        )


@lru_cache(maxsize=4096)
def r4_type(name: str) -> FhirType | None:
    """The kind of a FHIR type, or of an element with children by its id (`Observation.component`); None if unknown."""
    head, _, rest = name.partition(".")
    definition = definitions.find_type(head)
    if definition is None:
        return None
    if not rest:
        return FhirType(name, defined_at=(name, name))
    element = definition.element(name)
    if element is None:
        return None
    return element_type(definition, element, next(iter(element.json_names.values())))


@lru_cache(maxsize=8192)
def r4_type_at(path: str, code: str | None = None) -> FhirType:
    """The kind of the values at the path of an element, which may lead into data types (`Observation.code.coding`).

    Args:
        code: the type, where the element has several; without it they are of any type, and state theirs if they can.
    """
    head, *rest = path.split(".")
    result = r4_type(head)
    for name in rest:
        if result is None:
            return ANY
        steps = result.steps.get(name.removesuffix("[x]"), ())
        chosen = [step for step in steps if code is None or name is not rest[-1] or step[2].name == code]
        result = chosen[0][2] if len(chosen) == 1 else None
    if result is None and code is not None:
        return r4_type(code) or ANY
    return result or ANY


def element_type(definition: definitions.TypeDefinition, element: definitions.Element, code: str) -> FhirType:
    """The kind of an element's values of this type."""
    if element.content_reference is not None:
        return _backbone(definition.name, element.content_reference, "BackboneElement")
    if definition.children(element.id):
        return _backbone(definition.name, element.id, code)
    return r4_type(code) or ANY


# One object for one place: kinds are compared and used as keys by identity.
@cache
def _backbone(type_name: str, element_id: str, code: str) -> FhirType:
    return FhirType(code, defined_at=(type_name, element_id))


def type_of_value(value: Any) -> FhirType:
    """The kind a JSON value has by itself: a resource by its resourceType, a primitive by its JSON kind."""
    if isinstance(value, dict):
        named = value.get("resourceType")
        return (r4_type(named) if isinstance(named, str) and "." not in named else None) or ANY
    return SYSTEM[
        "Boolean"
        if isinstance(value, bool)
        else "Integer"
        if isinstance(value, int)
        else "String"
        if isinstance(value, str)
        else "Decimal"
    ]


SYSTEM = {
    name: FhirType(name, system=True)
    for name in ("Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity")
}
"""FHIRPath's own types (N1 §2)."""

TYPE_INFO = FhirType("ClassInfo", system=True)
"""What `type()` gives (N1 §10.2)."""

ANY = FhirType("Any", defined_at=None)
"""A value whose type is not known: elements are found by their JSON names."""

_TYPE_INFO_STEPS: Mapping[str, tuple[Step, ...]] = {
    name: ((name, None, SYSTEM["String"]),) for name in ("namespace", "name", "baseType")
}


def system_type(name: str) -> FhirType:
    """A System type by name."""
    return SYSTEM[name]
