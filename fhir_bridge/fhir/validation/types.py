"""R4's types compiled to checks: structure, cardinality, formats, bindings, references, invariants.

Each type becomes one closure over a table from JSON property name to rule; types are compiled when first met.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Constraint, Element, ElementType, TypeDefinition
from fhir_bridge.fhir.validation.bindings import binding_check, check_coding, check_unit
from fhir_bridge.fhir.validation.extensions import check_extension
from fhir_bridge.fhir.validation.invariants import InvariantEngine, Predicate
from fhir_bridge.fhir.validation.narrative import narrative_problem
from fhir_bridge.fhir.validation.primitives import expected, json_kind, primitive_check
from fhir_bridge.fhir.validation.references import allowed_types, check_reference
from fhir_bridge.fhir.validation.run import Check, Path, Run

__all__ = ["Cell", "Rule", "TypeCompiler", "invariant_check"]

Rule = Callable[[Any, dict[str, Any], Path, Run], None]
"""Checks a property: its value, the object that holds it, that object's path."""

Cell = list[Check]
"""A place for a check that is compiled at its first call: types are recursive."""

MAX_HINTS = 20
"""Findings after which names are no longer compared for a hint: a resource full of unknown names stays cheap."""

_NUMBERS = frozenset({"integer", "unsignedInt", "positiveInt", "decimal"})


class TypeCompiler:
    """Compiles types on demand and keeps them.

    Attributes:
        resource: the check for a contained, entry or parameter resource; the validator sets it.
        profile: the check of a data type's profile (SimpleQuantity) by canonical, or None; the validator sets it.
    """

    def __init__(self, invariants: InvariantEngine) -> None:
        self.invariants = invariants
        self.resource: Check = _no_resource
        self.profile: Callable[[str], Check | None] = _no_profile
        self._cells: dict[tuple[str, str], Cell] = {}

    def cell(self, type_name: str, element_id: str | None = None) -> Cell:
        """The cell of a type, or of a backbone element within it."""
        key = (type_name, element_id or type_name)
        found = self._cells.get(key)
        if found is None:

            def compile_now(value: Any, path: Path, run: Run) -> None:
                cell[0] = self._object(definitions.type_definition(type_name), key[1])
                cell[0](value, path, run)

            cell = found = self._cells[key] = [compile_now]
        return found

    def predicates(
        self, constraints: tuple[Constraint, ...], type_name: str
    ) -> list[tuple[Constraint, Predicate]]:
        """Those constraints that the engine can check."""
        compiled = ((c, self.invariants.compile(c, type_name)) for c in constraints)
        return [(c, predicate) for c, predicate in compiled if predicate is not None]

    # --- objects --------------------------------------------------------------------------------------------------

    def _object(self, definition: TypeDefinition, element_id: str) -> Check:
        rules: dict[str, Rule] = {}
        required: list[tuple[frozenset[str], str]] = []
        choices: list[tuple[frozenset[str], Element]] = []
        for element in definition.children(element_id):
            names: set[str] = set()
            for name, code in element.json_names.items():
                names.add(name)
                rules[name] = self._rule(definition, element, name, code)
                if definitions.is_primitive(code) and code != "xhtml":
                    names.add("_" + name)
                    rules["_" + name] = self._shadow_rule(element, name)
            if element.is_choice:
                choices.append((frozenset(names), element))
            if element.min > 0:
                required.append((frozenset(names), element.path))
        simple = tuple((next(iter(n)), path) for n, path in required if len(n) == 1)
        several = tuple((n, path) for n, path in required if len(n) > 1)
        owner = definition.element(element_id)
        type_name = definition.name
        inner = element_id == type_name
        predicates = tuple(self.predicates(owner.constraints if owner and inner else (), type_name))
        final = _TYPE_CHECKS.get(type_name) if inner else None
        is_resource = inner and definition.kind == "resource"
        if is_resource:
            rules["resourceType"] = _accept
        get = rules.get

        def check(value: Any, path: Path, run: Run) -> None:
            if not value:
                run.add("FB-FHIR-012", f"an empty object, expected {type_name}", path)
                return
            for key, content in value.items():
                rule = get(key)
                if rule is None:
                    _unknown(key, rules, element_id, path, run)
                else:
                    rule(content, value, path, run)
            for name, where in simple:
                if name not in value:
                    _missing(where, definition, path, run)
            for names, where in several:
                if names.isdisjoint(value):
                    _missing(where, definition, path, run)
            for names, element in choices:
                if len(value.keys() & names) > 1:
                    _several(value, names, element, path, run)
            for constraint, predicate in predicates:
                if not predicate(value, run):
                    _broken(constraint, path, run)
            if final is not None:
                final(value, path, run)

        return check

    # --- properties -----------------------------------------------------------------------------------------------

    def _rule(self, definition: TypeDefinition, element: Element, name: str, code: str) -> Rule:
        step = element.name[:-3] if element.is_choice else name
        if definitions.is_primitive(code):
            return self._primitive_rule(element, name, step, code)
        checks = self._value_checks(definition, element, code)
        maximum = element.max

        def single(value: Any, _owner: dict[str, Any], path: Path, run: Run) -> None:
            if not isinstance(value, dict):
                _wrong_kind(value, "an object", element, name, (path, step, -1), run)
                return
            here = (path, step, -1)
            for cell in checks:
                cell[0](value, here, run)

        def repeated(value: Any, _owner: dict[str, Any], path: Path, run: Run) -> None:
            if not isinstance(value, list):
                _wrong_kind(value, "an array", element, name, (path, step, -1), run)
                return
            if not value:
                run.add("FB-FHIR-012", f"{name} is an empty array", (path, step, -1))
            for index, item in enumerate(value):
                here = (path, step, index)
                if not isinstance(item, dict):
                    _wrong_kind(item, "an object", element, name, here, run)
                    continue
                for cell in checks:
                    cell[0](item, here, run)
            if maximum is not None and len(value) > maximum:
                run.add("FB-FHIR-014", f"{len(value)} × {name}, at most {maximum} allowed", (path, step, -1))

        return repeated if element.is_list else single

    def _value_checks(self, definition: TypeDefinition, element: Element, code: str) -> tuple[Cell, ...]:
        """What a value that is an object must satisfy: its type, then what the element adds."""
        if code == "Resource" or (code in definitions.resource_types()):
            return ([lambda value, path, run: self.resource(value, path, run)],)
        kind = next((t for t in element.types if t.code == code), ElementType(code))
        if element.content_reference:
            cells = [self.cell(definition.name, element.content_reference)]
        elif definition.children(element.id):
            cells = [self.cell(definition.name, element.id)]
        else:
            cells = [self.cell(code)]
        if bound := binding_check(element.binding, code):
            cells.append([bound])
        if code == "Reference":
            cells.append([reference_check(kind)])
        if len(kind.profiles) == 1 and (checked := self.profile(kind.profiles[0])):
            cells.append([checked])
        cells += [[invariant_check(c, p)] for c, p in self.element_predicates(element, code)]
        return tuple(cells)

    def element_predicates(self, element: Element, code: str) -> list[tuple[Constraint, Predicate]]:
        """Invariants of the element itself, without those of its type."""
        own = definitions.find_type(code)
        of_type = {c.key for c in own.root.constraints} if own else set()
        return self.predicates(tuple(c for c in element.constraints if c.key not in of_type), element.path)

    def _primitive_rule(self, element: Element, name: str, step: str, code: str) -> Rule:
        ok = primitive_check(code)
        checks = [c for c in (binding_check(element.binding, code), _div if code == "xhtml" else None) if c]
        maximum, shadow = element.max, "_" + name

        def single(value: Any, _owner: dict[str, Any], path: Path, run: Run) -> None:
            if ok(value):
                for check in checks:
                    check(value, (path, step, -1), run)
            else:
                _wrong_primitive(value, code, element, name, (path, step, -1), run)

        def repeated(value: Any, owner: dict[str, Any], path: Path, run: Run) -> None:
            if not isinstance(value, list):
                _wrong_kind(value, "an array", element, name, (path, step, -1), run)
                return
            if not value:
                run.add("FB-FHIR-012", f"{name} is an empty array", (path, step, -1))
            for index, item in enumerate(value):
                if ok(item):
                    for check in checks:
                        check(item, (path, step, index), run)
                elif item is None:
                    beside = owner.get(shadow)
                    if not isinstance(beside, list) or index >= len(beside) or beside[index] is None:
                        run.add(
                            "FB-FHIR-012",
                            f"null in {name} without an extension at this place in {shadow}",
                            (path, step, index),
                        )
                else:
                    _wrong_primitive(item, code, element, name, (path, step, index), run)
            if maximum is not None and len(value) > maximum:
                run.add("FB-FHIR-014", f"{len(value)} × {name}, at most {maximum} allowed", (path, step, -1))

        return repeated if element.is_list else single

    def _shadow_rule(self, element: Element, name: str) -> Rule:
        """`_name`: id and extensions of a primitive (R4 json.html#primitive)."""
        cell = self.cell("Element")
        step = element.name[:-3] if element.is_choice else name
        is_list = element.is_list

        def rule(value: Any, owner: dict[str, Any], path: Path, run: Run) -> None:
            if not is_list:
                if isinstance(value, dict):
                    cell[0](value, (path, step, -1), run)
                else:
                    _wrong_kind(value, "an object", element, "_" + name, (path, step, -1), run)
                return
            if not isinstance(value, list):
                _wrong_kind(value, "an array", element, "_" + name, (path, step, -1), run)
                return
            beside = owner.get(name)
            if isinstance(beside, list) and len(beside) != len(value):
                run.add(
                    "FB-FHIR-017",
                    f"{name} has {len(beside)} items and _{name} {len(value)}; null pads the shorter",
                    (path, step, -1),
                )
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    cell[0](item, (path, step, index), run)
                elif item is not None:
                    _wrong_kind(item, "an object or null", element, "_" + name, (path, step, index), run)
                elif not isinstance(beside, list) or index >= len(beside) or beside[index] is None:
                    run.add("FB-FHIR-012", f"null in both {name} and _{name}", (path, step, index))

        return rule


def reference_check(kind: ElementType) -> Check:
    """A check of a Reference against the targets its element allows."""
    allowed = allowed_types(kind.targets)
    targets = " or ".join(sorted(allowed)) if allowed else "any resource"

    def check(value: Any, path: Path, run: Run) -> None:
        check_reference(value, allowed, targets, path, run)

    return check


def invariant_check(constraint: Constraint, predicate: Predicate) -> Check:
    """A check that an invariant of an element holds."""

    def check(value: Any, path: Path, run: Run) -> None:
        if not predicate(value, run):
            _broken(constraint, path, run)

    return check


_TYPE_CHECKS: dict[str, Check] = {
    "Coding": check_coding,
    "Extension": check_extension,
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), check_unit),
}


# --- findings -----------------------------------------------------------------------------------------------------


def _accept(_value: Any, _owner: dict[str, Any], _path: Path, _run: Run) -> None:
    """resourceType is known by the time it is met."""


def _no_resource(_value: Any, _path: Path, _run: Run) -> None:
    raise RuntimeError("a TypeCompiler checks resources only as part of a Validator")


def _no_profile(_url: str) -> Check | None:
    return None


def _div(value: Any, path: Path, run: Run) -> None:
    problem = narrative_problem(value)
    if problem:
        run.add("FB-FHIR-070", f"the narrative is not what R4 narrative.html allows: {problem}", path)


def _unknown(key: str, rules: dict[str, Rule], owner: str, path: Path, run: Run) -> None:
    names = [r for r in rules if not r.startswith("_")] if len(run.issues) < MAX_HINTS else []
    near = difflib.get_close_matches(str(key)[:64], names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    shown = str(key)[:64]
    run.add("FB-FHIR-010", f"{owner} has no element '{shown}'{hint}", (path, shown, -1))


def _missing(where: str, definition: TypeDefinition, path: Path, run: Run) -> None:
    run.add("FB-FHIR-013", f"{where} is missing; {definition.url} requires it", path)


def _several(value: dict[str, Any], names: frozenset[str], element: Element, path: Path, run: Run) -> None:
    present = sorted({key.removeprefix("_") for key in value if key in names})
    if len(present) > 1:
        run.add(
            "FB-FHIR-015",
            f"{' and '.join(present)} stand together; {element.path} takes one of its types",
            (path, element.name[:-3], -1),
        )


def _broken(constraint: Constraint, path: Path, run: Run) -> None:
    code = "FB-FHIR-060" if constraint.severity == "error" else "FB-FHIR-061"
    where = f", {constraint.source}" if constraint.source else ""
    run.add(code, f"{constraint.key}: {constraint.human} ({constraint.expression}{where})", path)


def _wrong_kind(value: Any, wanted: str, element: Element, name: str, path: Path, run: Run) -> None:
    code = "FB-FHIR-012" if value is None else "FB-FHIR-011"
    run.add(code, f"{name} is {json_kind(value)}, expected {wanted} ({element.path})", path)


def _wrong_primitive(value: Any, code: str, element: Element, name: str, path: Path, run: Run) -> None:
    wanted = "true or false" if code == "boolean" else "a number" if code in _NUMBERS else "a string"
    found = json_kind(value)
    if value == "" and wanted == "a string":
        run.add("FB-FHIR-012", f"{name} is an empty string", path)
    elif found != wanted:
        _wrong_kind(value, wanted, element, name, path, run)
    else:
        run.add("FB-FHIR-016", f"{name} is no {code}: expected {expected(code)} ({element.path})", path)
