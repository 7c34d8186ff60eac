"""StructureMaps: rules speak of variables and elements that there are (R4 structuremap.html, mapping-language.html)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Definitions
from fhir_bridge.fhir.validation.definitional.available import available_structure
from fhir_bridge.fhir.validation.definitional.element_names import ElementOwner, steps_from
from fhir_bridge.fhir.validation.definitional.objects import objects, text
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_structure_map"]

ElementOwners = tuple[ElementOwner, ...] | None
"""What a variable may hold; None where that is not known, so that nothing is said of its elements."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The variables that a rule may speak of.

    Attributes:
        types: what the map's aliases name, beside R4's types.
        known: the definitions that it names structures of.
    """

    types: dict[str, ElementOwners]
    known: Definitions
    source: dict[str, ElementOwners] = field(default_factory=dict)
    target: dict[str, ElementOwners] = field(default_factory=dict)

    def inner(self) -> Scope:
        """The scope of a rule: what it names is seen by its own rules only."""
        return Scope(self.types, self.known, dict(self.source), dict(self.target))

    def type(self, name: str) -> ElementOwners:
        """What an alias or a type of R4 stands for."""
        return self.types[name] if name in self.types else _element_owners(name, self.known)

    def has_type(self, name: str) -> bool:
        """Whether the name is an alias or a type of R4."""
        return name in self.types or definitions.find_type(name) is not None


def check_structure_map(value: Any, path: Path, run: Run) -> None:
    """Contexts are variables in scope or types, elements are those of the context's type, where that is known.

    A variable of a type that is not available, or of an abstract one, may have any elements.
    """
    types = {
        text(structure, "alias"): _element_owners(text(structure, "url"), run.definitions)
        for structure, _ in objects(value, "structure", path)
        if structure.get("alias")
    }
    for group, here in objects(value, "group", path):
        scope = Scope(types, run.definitions)
        for input_value, there in objects(group, "input", here):
            name = text(input_value, "name")
            if name in scope.source or name in scope.target:
                run.add("FB-FHIR-093", f"another input is named {name[:64]}", (there, "name", -1))
            names = scope.source if input_value.get("mode") == "source" else scope.target
            names[name] = scope.type(text(input_value, "type"))
        _check_rules(group, scope, here, run)


def _element_owners(name: str, known: Definitions) -> ElementOwners:
    """A type, or a structure by its canonical, as the place where its elements are; None where it isn't known."""
    result = available_structure(name, known)
    if result is None or result.abstract:
        return None
    own = definitions.find_type(result.type)
    return ((own, own.name),) if own is not None else None


def _check_rules(owner: dict[str, Any], outer: Scope, path: Path, run: Run) -> None:
    for rule, here in objects(owner, "rule", path):
        scope = outer.inner()
        for source, there in objects(rule, "source", here):
            _check_source(source, scope, there, run)
        for target, there in objects(rule, "target", here):
            _check_target(target, scope, there, run)
        for dependent, there in objects(rule, "dependent", here):
            for index, name in _strings(dependent, "variable"):
                if name not in scope.source and name not in scope.target and name.isidentifier():
                    run.add("FB-FHIR-093", f"no variable is named {name[:64]}", (there, "variable", index))
        _check_rules(rule, scope, here, run)


def _strings(owner: dict[str, Any], name: str) -> Iterator[tuple[int, str]]:
    items = owner.get(name)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, str):
            yield index, item


def _check_source(source: dict[str, Any], scope: Scope, path: Path, run: Run) -> None:
    context, variable = text(source, "context"), text(source, "variable")
    owners: ElementOwners = None
    if context in scope.source:
        owners = _follow(scope.source[context], text(source, "element"), path, run)
    elif context and not scope.has_type(context):
        run.add("FB-FHIR-093", f"no variable and no type is named {context[:64]}", (path, "context", -1))
    elif context:
        owners = _follow(scope.type(context), text(source, "element"), path, run)
    if variable:
        kind = text(source, "type")
        scope.source[variable] = scope.type(kind) if kind else owners


def _check_target(target: dict[str, Any], scope: Scope, path: Path, run: Run) -> None:
    context, variable = text(target, "context"), text(target, "variable")
    owners: ElementOwners = None
    if context in scope.target:
        owners = _follow(scope.target[context], text(target, "element"), path, run)
    elif context and target.get("contextType") == "variable":
        run.add("FB-FHIR-093", f"no target variable is named {context[:64]}", (path, "context", -1))
    elif context and target.get("contextType") == "type":
        owners = _follow(scope.type(context), text(target, "element"), path, run)
    if variable:
        scope.target[variable] = _created_type(target, scope, owners)


def _created_type(target: dict[str, Any], scope: Scope, owners: ElementOwners) -> ElementOwners:
    """What the transform makes: `create` names its type or takes the element's, others are not followed."""
    transform = target.get("transform")
    if transform == "create":
        parameters = [p for p, _ in objects(target, "parameter", (None, "", -1))]
        named = next(
            (text(p, name) for p in parameters for name in ("valueString", "valueId") if name in p), ""
        )
        return scope.type(named) if named else owners
    return owners if transform is None else None


def _follow(steps: ElementOwners, element: str, path: Path, run: Run) -> ElementOwners:
    """The places that an element of these leads to, several names after each other included."""
    for name in element.split(".") if element else ():
        if steps is None:
            return None
        results = [leads_to for owner in steps for _, leads_to in steps_from(owner, name)]
        if not results:
            owners = " or ".join(sorted({at for _, at in steps})[:4])
            run.add("FB-FHIR-093", f"{owners} has no element {element[:64]}", (path, "element", -1))
            return None
        known = [owner for owner in results if owner is not None and not owner[0].abstract]
        steps = tuple(known) if len(known) == len(results) else None
    return steps
