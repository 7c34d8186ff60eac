"""Where an extension is: all the names that its place has (`Patient.name`, `HumanName`, `Element`).

R4 defining-extensions.html#context. The place is walked from the resource down, through values and definitions at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["ExtendedElement", "extended_element"]

# Names multiply with each step through choices and content references; no real place has as many.
MAX_NAMES = 200

_CANONICAL = frozenset(
    "ActivityDefinition CapabilityStatement ChargeItemDefinition CodeSystem CompartmentDefinition ConceptMap "
    "EffectEvidenceSynthesis EventDefinition Evidence EvidenceVariable ExampleScenario GraphDefinition "
    "ImplementationGuide Library Measure MessageDefinition NamingSystem OperationDefinition PlanDefinition "
    "Questionnaire ResearchDefinition ResearchElementDefinition RiskEvidenceSynthesis SearchParameter "
    "StructureDefinition StructureMap TerminologyCapabilities TestScript ValueSet".split()
)
"""Resources of R4 that are named by a canonical url: an extension's context may call them all CanonicalResource."""


@dataclass(frozen=True, slots=True)
class ExtendedElement:
    """An element that an extension is on.

    Attributes:
        name: its path in the resource, for messages.
        names: every name a definition may call it by.
        kind: its type, or its path in the definition that has it.
        extensions: urls of the extensions it is in, or is.
        value: the element.
    """

    name: str
    names: frozenset[str]
    kind: str
    extensions: frozenset[str]
    value: Any


def extended_element(path: Path | None, run: Run) -> ExtendedElement | None:
    """The element at this path of the resource being checked; None where the path can't be followed."""
    steps: list[tuple[str, int]] = []
    # Up to where the resource itself begins: a contained one has a place of its own.
    while path is not None and path is not run.here:
        steps.append((path[1], path[2]))
        path = path[0]
    if path is None:
        return None
    value: Any = run.resource
    # Walked beside the value: an extension on a primitive is in `_name`.
    beside: Any = None  # `_name`, which has the extensions of a primitive
    kind = str(value.get("resourceType"))
    names = _of_type(kind)
    shown, at, urls = kind, kind, set[str]()
    for name, index in reversed(steps):
        owner = value if isinstance(value, dict) else beside
        key = _key(owner, name)
        value, beside = _at(owner, key, index), _at(owner, "_" + key, index)
        shown += f".{name}"
        if isinstance(value, dict) and name in ("extension", "modifierExtension"):
            urls = {*urls, str(value.get("url"))}
        names, at = _step(names, key), _type_name(at, key)
        if len(names) > MAX_NAMES:
            return None
    return ExtendedElement(shown, names, at, frozenset(urls), value)


def _at(owner: Any, key: str, index: int) -> Any:
    content = owner.get(key) if isinstance(owner, dict) else None
    if index >= 0 and isinstance(content, list):
        return content[index] if index < len(content) else None
    return content


def _key(value: Any, name: str) -> str:
    """The property of this name, or of the choice that it stands for."""
    # `value` of a path is `valueQuantity` in the JSON.
    if not isinstance(value, dict) or name in value or "_" + name in value:
        return name
    for key in value:
        plain = str(key).removeprefix("_")
        if plain.startswith(name) and plain[len(name) : len(name) + 1].isupper():
            return plain
    return name


@lru_cache(8192)
def _of_type(name: str) -> frozenset[str]:
    """A type and what it builds on."""
    results = {name}
    at = definitions.find_type(name)
    while at is not None and at.base:
        base = at.base.rpartition("/")[2]
        results.add(base)
        at = definitions.find_type(base)
    if name in _CANONICAL:
        results.add("CanonicalResource")
    return frozenset(results)


@lru_cache(8192)
def _type_name(at: str, key: str) -> str:
    """The type of a property, or its path where its definition is within another's."""
    definition = definitions.find_type(at.partition(".")[0])
    child = definition.child(at, key) if definition is not None else None
    if definition is None or child is None:
        return "Element"
    element, kind = child
    # The element whose content it has names the place too (`Questionnaire.item.item`).
    if element.content_reference:
        return element.content_reference
    return element.id if definition.children(element.id) else kind


@lru_cache(8192)
def _step(names: frozenset[str], key: str) -> frozenset[str]:
    """The names of a property of an element that has these names."""
    results: set[str] = set()
    for name in names:
        definition = definitions.find_type(name.partition(".")[0])
        if definition is None:
            continue
        child = definition.child(name, key)
        if child is None:
            continue
        element, kind = child
        if element.content_reference:
            results.add(element.content_reference)
        results.add(f"{name}.{element.name}")
        # A context may name a choice with `[x]`, without, or with one of its types.
        if element.is_choice:
            results.add(f"{name}.{element.name[:-3]}")
            results.add(f"{name}.{key}")
        results |= _of_type(kind) | {"Element"}
    return frozenset(results)
