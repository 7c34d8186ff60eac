"""R4's types compiled to checks: structure, cardinality, formats, bindings, references, invariants.

Each type becomes one closure over a table from JSON property name to rule; types are compiled when first met.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from itertools import count
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import (
    DEFAULT,
    Constraint,
    Definitions,
    Element,
    ElementType,
    TypeDefinition,
)
from fhir_bridge.fhir.json_types import json_type
from fhir_bridge.fhir.sound_codes import SoundCodes
from fhir_bridge.fhir.validation.attachments import check_attachment
from fhir_bridge.fhir.validation.bindings import binding_check, check_coding, check_unit
from fhir_bridge.fhir.validation.definitional import CHECKS as DEFINITIONAL
from fhir_bridge.fhir.validation.invariants import InvariantEngine, Predicate
from fhir_bridge.fhir.validation.narrative import dangling_links, narrative_problem
from fhir_bridge.fhir.validation.primitives import (
    expected,
    has_control_characters,
    is_blank,
    primitive_check,
)
from fhir_bridge.fhir.validation.references import allowed_types, check_reference
from fhir_bridge.fhir.validation.run import Check, Path, Run, defined, definition_location
from fhir_bridge.fhir.validation.values import canonical_checks, check_identifier, check_meta

__all__ = ["Cell", "Rule", "TypeCompiler", "invariant_check"]

Rule = Callable[[Any, dict[str, Any], Path, Run], None]
"""Checks a property: its value, the object that holds it, that object's path."""

Cell = list[Check]
"""A place for a check that is compiled at its first call: types are recursive."""

# difflib compares with every name: a hostile resource would make each of thousands cost that.
MAX_SUGGESTIONS = 20
"""Findings after which names are no longer compared for a hint: a resource full of unknown names stays cheap."""

_BARE = frozenset({"Narrative.div", "Extension.url"})
"""Primitives without extensions beside every `id` (R4 extensibility.html#Extension, narrative.html)."""

_NUMBERS = frozenset({"integer", "unsignedInt", "positiveInt", "decimal"})


class TypeCompiler:
    """Compiles types on demand and keeps them.

    Attributes:
        definitions: those that values are checked against.
        resource: the check for a contained, entry or parameter resource; the validator sets it.
        profile: the check of a data type's profile (SimpleQuantity) by canonical, or None; the validator sets it.
        extension: the check of an extension against its definition; the validator sets it.
    """

    def __init__(self, invariants: InvariantEngine, definitions: Definitions = DEFAULT) -> None:
        self.invariants = invariants
        self.definitions = definitions
        self.resource: Check = _no_resource
        self.profile: Callable[[str], Check | None] = _no_profile
        self.extension: Check = _no_resource
        self._cells: dict[tuple[str, str], Cell] = {}

    def cell(self, type_name: str, element_id: str | None = None) -> Cell:
        """The cell of a type, or of a backbone element within it."""
        key = (type_name, element_id or type_name)
        entry = self._cells.get(key)
        if entry is None:

            def compile_now(value: Any, path: Path, run: Run) -> None:
                cell[0] = self._object(definitions.type_definition(type_name), key[1])
                # Replaced by the compiled check, which every rule that shares the cell calls from then on.
                cell[0](value, path, run)

            cell = entry = self._cells[key] = [compile_now]
        return entry

    def predicates(
        self, constraints: tuple[Constraint, ...], type_name: str, code: str | None = None
    ) -> list[tuple[Constraint, Predicate]]:
        """Those constraints that the engine can check, on a type, or on an element whose values have this type."""
        compiled = ((c, self.invariants.compile(c, type_name, code)) for c in constraints)
        return [(c, predicate) for c, predicate in compiled if predicate is not None]

    # --- objects --------------------------------------------------------------------------------------------------

    def _object(self, definition: TypeDefinition, element_id: str) -> Check:
        rules: dict[str, Rule] = {}
        required: list[tuple[frozenset[str], str, str]] = []
        choices: list[tuple[frozenset[str], Element, str]] = []
        for element in definition.children(element_id):
            names: set[str] = set()
            for name, code in element.json_names.items():
                names.add(name)
                rules[name] = self._rule(definition, element, name, code)
                # In R4 JSON nothing is beside `id`, `Narrative.div` and `Extension.url`.
                if definitions.is_primitive(code) and element.path not in _BARE and name != "id":
                    names.add("_" + name)
                    rules["_" + name] = self._shadow_rule(definition, element, name)
            if element.is_choice:
                choices.append((frozenset(names), element, definition_location(definition, element.id)))
            if element.min > 0:
                required.append((frozenset(names), element.path, definition_location(definition, element.id)))
        # Most required elements have one name; only choices need the set.
        simple = tuple((next(iter(n)), path, where) for n, path, where in required if len(n) == 1)
        several = tuple((n, path, where) for n, path, where in required if len(n) > 1)
        owner = definition.element(element_id)
        type_name = definition.name
        inner = element_id == type_name
        own_place = definition_location(definition, element_id)
        predicates = tuple(self.predicates(owner.constraints if owner and inner else (), type_name))
        final = self._final(type_name) if inner else None
        is_resource = inner and definition.kind == "resource"
        if is_resource:
            rules["resourceType"] = _accept
        elif "id" in rules:
            # Element ids are unique within a resource; the id of a resource is another matter.
            rules["id"] = _unique_id(rules["id"])
        get = rules.get

        def check(value: Any, path: Path, run: Run) -> None:
            if not value:
                run.add("FB-FHIR-012", f"an empty object, expected {type_name}; defined by {own_place}", path)
                return
            for key, content in value.items():
                rule = get(key)
                if rule is None:
                    _unknown(key, rules, element_id, own_place, path, run)
                else:
                    rule(content, value, path, run)
            for name, wanted, where in simple:
                if name not in value:
                    run.add("FB-FHIR-013", f"{wanted} is missing; defined by {where}", path)
            # isdisjoint takes any iterable of keys without building a set.
            for names, wanted, where in several:
                if names.isdisjoint(value):
                    run.add("FB-FHIR-013", f"{wanted} is missing; defined by {where}", path)
            for names, element, where in choices:
                if len(names.intersection(value)) > 1:
                    _several(value, names, element, where, path, run)
            for constraint, predicate in predicates:
                if not predicate(value, run):
                    _violated(constraint, own_place, path, run)
            if final is not None:
                final(value, path, run)

        return check

    def _final(self, type_name: str) -> Check | None:
        """What is checked of a value of a data type when its properties are."""
        if type_name == "Extension":
            return lambda value, path, run: self.extension(value, path, run)
        check = _TYPE_CHECKS.get(type_name)
        # A finding on a code names its code system, which says more than the element of the type.
        if check is None or check in (check_coding, check_unit):  # their findings name the code system
            return check
        return defined(check, definition_location(definitions.type_definition(type_name), type_name))

    # --- properties -----------------------------------------------------------------------------------------------

    def _rule(self, definition: TypeDefinition, element: Element, name: str, code: str) -> Rule:
        step = element.name[:-3] if element.is_choice else name
        if definitions.is_primitive(code):
            return self._primitive_rule(definition, element, name, step, code)
        where = definition_location(definition, element.id)
        checks = self._value_checks(definition, element, code)
        maximum = element.max

        def single(value: Any, _owner: dict[str, Any], path: Path, run: Run) -> None:
            if not isinstance(value, dict):
                _wrong_json_type(value, "an object", where, name, (path, step, -1), run)
                return
            here = (path, step, -1)
            for cell in checks:
                cell[0](value, here, run)

        def repeated(value: Any, _owner: dict[str, Any], path: Path, run: Run) -> None:
            if not isinstance(value, list):
                _wrong_json_type(value, "an array", where, name, (path, step, -1), run)
                return
            if not value:
                run.add("FB-FHIR-012", f"{name} is an empty array; defined by {where}", (path, step, -1))
            for index, item in enumerate(value):
                here = (path, step, index)
                if not isinstance(item, dict):
                    _wrong_json_type(item, "an object", where, name, here, run)
                    continue
                for cell in checks:
                    cell[0](item, here, run)
            if maximum is not None and len(value) > maximum:
                _too_many(len(value), maximum, name, where, (path, step, -1), run)

        return repeated if element.is_list else single

    def _value_checks(self, definition: TypeDefinition, element: Element, code: str) -> tuple[Cell, ...]:
        """What a value that is an object must satisfy: its type, then what the element adds."""
        # Through the validator: it has a scope, profiles and a Bundle of its own.
        if code == "Resource" or (code in definitions.resource_types()):
            return ([lambda value, path, run: self.resource(value, path, run)],)
        kind = next((t for t in element.types if t.code == code), ElementType(code))
        where = definition_location(definition, element.id)
        if element.content_reference:
            cells = [self.cell(definition.name, element.content_reference)]
        elif definition.children(element.id):
            cells = [self.cell(definition.name, element.id)]
        else:
            cells = [self.cell(code)]
        if bound := binding_check(element.binding, code, self.definitions):
            cells.append([defined(bound, where)])
        if code == "Reference":
            cells.append([defined(reference_check(kind, self.definitions), where)])
        if len(kind.profiles) == 1 and (checked := self.profile(kind.profiles[0])):
            cells.append([checked])
        predicates = self.element_predicates(element, code)
        # An element with another's content has that one's invariants as well.
        if element.content_reference and (referred := definition.element(element.content_reference)):
            known = {c.key for c, _ in predicates}
            predicates += [p for p in self.element_predicates(referred, code) if p[0].key not in known]
        cells += [[defined(invariant_check(c, p), where)] for c, p in predicates]
        # Only what says nothing of the resource around it can be judged once for all.
        if code == "CodeableConcept" and not predicates and not element.content_reference:
            return ([_remembering(tuple(cells))],)
        if code == "Meta" and definition.kind == "resource" and not predicates:
            return ([_remembering(tuple(cells), meta=True)],)
        return tuple(cells)

    def element_predicates(self, element: Element, code: str) -> list[tuple[Constraint, Predicate]]:
        """Invariants of the element itself, without those of its type."""
        own = definitions.find_type(code)
        # A type's own invariants are checked with the type.
        of_type = {c.key for c in own.root.constraints} if own else set()
        own_constraints = tuple(c for c in element.constraints if c.key not in of_type)
        return self.predicates(own_constraints, element.path, code)

    def _primitive_rule(
        self, definition: TypeDefinition, element: Element, name: str, step: str, code: str
    ) -> Rule:
        ok = primitive_check(code)
        where = definition_location(definition, element.id)
        bound = binding_check(element.binding, code, self.definitions)
        own = (bound, _div if code == "xhtml" else None, *canonical_checks(element, code, self.definitions))
        checks = [defined(c, where) for c in own if c]
        if code != "xhtml":  # the rules of narrative are kept by `_div`
            checks += [
                defined(invariant_check(c, holds), where)
                for c, holds in self.element_predicates(element, code)
            ]
        maximum, shadow = element.max, "_" + name

        def single(value: Any, _owner: dict[str, Any], path: Path, run: Run) -> None:
            if ok(value):
                for check in checks:
                    check(value, (path, step, -1), run)
            else:
                _wrong_primitive(value, code, where, name, (path, step, -1), run)

        def repeated(value: Any, owner: dict[str, Any], path: Path, run: Run) -> None:
            if not isinstance(value, list):
                _wrong_json_type(value, "an array", where, name, (path, step, -1), run)
                return
            if not value:
                run.add("FB-FHIR-012", f"{name} is an empty array; defined by {where}", (path, step, -1))
            for index, item in enumerate(value):
                if ok(item):
                    for check in checks:
                        check(item, (path, step, index), run)
                elif item is None:
                    # A null is right only where `_name` has something at the same
                    # place (R4 json.html#primitive).
                    beside = owner.get(shadow)
                    if not isinstance(beside, list) or index >= len(beside) or beside[index] is None:
                        run.add(
                            "FB-FHIR-012",
                            f"null in {name} without an extension at this place in {shadow}; defined by {where}",
                            (path, step, index),
                        )
                else:
                    _wrong_primitive(item, code, where, name, (path, step, index), run)
            if maximum is not None and len(value) > maximum:
                _too_many(len(value), maximum, name, where, (path, step, -1), run)

        return repeated if element.is_list else single

    def _shadow_rule(self, definition: TypeDefinition, element: Element, name: str) -> Rule:
        """`_name`: id and extensions of a primitive (R4 json.html#primitive)."""
        cell = self.cell("Element")
        where = definition_location(definition, element.id)
        step = element.name[:-3] if element.is_choice else name
        is_list = element.is_list
        # A required binding needs a code: an extension alone (data-absent-reason) is none.
        codeless = element.binding is not None and element.binding.strength == "required"

        def rule(value: Any, owner: dict[str, Any], path: Path, run: Run) -> None:
            if not is_list:
                if isinstance(value, dict):
                    if name not in owner and "extension" not in value:
                        run.add(
                            "FB-FHIR-012",
                            f"neither value nor extension; defined by {where}",
                            (path, step, -1),
                        )
                    elif codeless and name not in owner:
                        run.add(
                            "FB-FHIR-020",
                            f"no code, but an extension alone; defined by {where}",
                            (path, step, -1),
                        )
                    cell[0](value, (path, step, -1), run)
                else:
                    _wrong_json_type(value, "an object", where, "_" + name, (path, step, -1), run)
                return
            if not isinstance(value, list):
                _wrong_json_type(value, "an array", where, "_" + name, (path, step, -1), run)
                return
            beside = owner.get(name)
            if isinstance(beside, list) and len(beside) != len(value):
                run.add(
                    "FB-FHIR-017",
                    f"{name} has {len(beside)} items and _{name} {len(value)}, expected as many; "
                    f"defined by {where}",
                    (path, step, -1),
                )
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    cell[0](item, (path, step, index), run)
                    if "extension" not in item and (
                        not isinstance(beside, list) or index >= len(beside) or beside[index] is None
                    ):
                        message = f"neither value nor extension; defined by {where}"
                        run.add("FB-FHIR-012", message, (path, step, index))
                elif item is not None:
                    _wrong_json_type(item, "an object or null", where, "_" + name, (path, step, index), run)
                elif not isinstance(beside, list) or index >= len(beside) or beside[index] is None:
                    run.add(
                        "FB-FHIR-012",
                        f"null in both {name} and _{name}; defined by {where}",
                        (path, step, index),
                    )

        return rule


def _remembering(cells: tuple[Cell, ...], *, meta: bool = False) -> Check:
    """The checks of a value, left out where it is known to be in order.

    Args:
        meta: the value is what a resource says of itself, which those of one record have in common.
    """
    element = next(_elements)
    text_of = SoundCodes.text_of_meta if meta else SoundCodes.text

    def check(value: Any, path: Path, run: Run) -> None:
        sound = run.sound_codes
        # What is inside another resource stands elsewhere, which counts for extensions.
        aside = sound is None or (meta and path[0][0] is not None)
        text = None if aside else text_of(value)
        if sound is None or text is None:
            for cell in cells:
                cell[0](value, path, run)
            return
        # Some note whether they were asked, which counts for what is remembered as well.
        terminology: Any = run.terminology
        noted = getattr(terminology, "asked", None)
        known = sound.asked_last(element, text) if meta else sound.asked(element, text)
        if known is None:
            before = len(run.issues)
            if noted is not None:
                terminology.asked = False
            for cell in cells:
                cell[0](value, path, run)
            known = noted is None or terminology.asked
            if len(run.issues) == before:
                (sound.keep_last if meta else sound.keep)(element, text, asked=known)
        if noted is not None:
            terminology.asked = noted or known

    return check


_elements = count()
"""Numbers of elements whose values are remembered."""


def reference_check(kind: ElementType, known: Definitions) -> Check:
    """A check of a Reference against the targets its element allows."""
    allowed = allowed_types(kind.targets, known)
    targets = " or ".join(sorted(allowed)) if allowed else "any resource"

    def check(value: Any, path: Path, run: Run) -> None:
        check_reference(value, allowed, targets, path, run)

    return check


def invariant_check(constraint: Constraint, predicate: Predicate) -> Check:
    """A check that an invariant of an element holds."""

    def check(value: Any, path: Path, run: Run) -> None:
        if not predicate(value, run):
            _violated(constraint, "", path, run)

    return check


_TYPE_CHECKS: dict[str, Check] = {
    **DEFINITIONAL,
    "Attachment": check_attachment,
    "Coding": check_coding,
    "Identifier": check_identifier,
    "Meta": check_meta,
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), check_unit),
}


# --- findings -----------------------------------------------------------------------------------------------------


def _unique_id(rule: Rule) -> Rule:
    """The rule for the id of an element: within its resource no other has it (R4 element.html#id)."""

    def check(value: Any, owner: dict[str, Any], path: Path, run: Run) -> None:
        rule(value, owner, path, run)
        if isinstance(value, str):
            key = (value, _area(path, run))
            if key in run.ids:
                where = f"{definitions.type_definition('Element').canonical}#Element.id"
                run.add(
                    "FB-FHIR-053",
                    f"another element of the resource has this id; defined by {where}",
                    (path, "id", -1),
                )
            run.ids.add(key)

    return check


def _area(path: Path, run: Run) -> str:
    """Snapshot and differential of a StructureDefinition have the same ids by rule."""
    if run.resource.get("resourceType") != "StructureDefinition":
        return ""
    at, name = path, ""
    while at is not None and at is not run.here:
        at, name = at[0], at[1]
    return name


def _accept(_value: Any, _owner: dict[str, Any], _path: Path, _run: Run) -> None:
    """resourceType is known by the time it is met."""


def _no_resource(_value: Any, _path: Path, _run: Run) -> None:
    raise RuntimeError("a TypeCompiler checks resources only as part of a Validator")


def _no_profile(_url: str) -> Check | None:
    return None


def _div(value: Any, path: Path, run: Run) -> None:
    problem = narrative_problem(value, run.bundle or ())
    if problem:
        run.add("FB-FHIR-070", f"the narrative is not what R4 narrative.html allows: {problem}", path)
    elif run.bundle is None and "#" in value:  # within a Bundle a link may lead to another entry's narrative
        for name, image in dangling_links(value, run.root):
            if image:  # a part of the text that nobody sees
                run.add("FB-FHIR-070", f"nothing has the id of the image #{name[:64]}", path)
            else:
                run.add(
                    "FB-FHIR-070", f"nothing has the id or name of the link #{name[:64]}", path, "warning"
                )


def _unknown(key: str, rules: dict[str, Rule], owner: str, where: str, path: Path, run: Run) -> None:
    # After many findings the hint is left out, not the finding.
    names = [r for r in rules if not r.startswith("_")] if len(run.issues) < MAX_SUGGESTIONS else []
    near = difflib.get_close_matches(str(key)[:64], names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    shown = str(key)[:64]
    run.add("FB-FHIR-010", f"{owner} has no element '{shown}'{hint}; defined by {where}", (path, shown, -1))


def _too_many(count: int, maximum: int, name: str, where: str, path: Path, run: Run) -> None:
    run.add("FB-FHIR-014", f"{count} × {name}, expected at most {maximum}; defined by {where}", path)


def _several(
    value: dict[str, Any], names: frozenset[str], element: Element, where: str, path: Path, run: Run
) -> None:
    present = sorted({key.removeprefix("_") for key in value if key in names})
    if len(present) > 1:
        # Both `valueX` and `_valueX` are one type.
        run.add(
            "FB-FHIR-015",
            f"{' and '.join(present)} occur together, expected one type of {element.path}; defined by {where}",
            (path, element.name[:-3], -1),
        )


def _violated(constraint: Constraint, where: str, path: Path, run: Run) -> None:
    code = "FB-FHIR-060" if constraint.severity == "error" else "FB-FHIR-061"
    by = f"; defined by {where}" if where else ""
    run.add(code, f"{constraint.key}: {constraint.human} ({constraint.expression}){by}", path)


def _wrong_json_type(value: Any, wanted: str, where: str, name: str, path: Path, run: Run) -> None:
    code = "FB-FHIR-012" if value is None else "FB-FHIR-011"
    run.add(code, f"{name} is {json_type(value)}, expected {wanted}; defined by {where}", path)


def _wrong_primitive(value: Any, code: str, where: str, name: str, path: Path, run: Run) -> None:
    wanted = "true or false" if code == "boolean" else "a number" if code in _NUMBERS else "a string"
    result = json_type(value)
    if value == "" and wanted == "a string":
        run.add(
            "FB-FHIR-012", f"{name} is an empty string, expected {expected(code)}; defined by {where}", path
        )
    elif result != wanted:
        _wrong_json_type(value, wanted, where, name, path, run)
    elif is_blank(value, code):
        run.add("FB-FHIR-071", f"{name} is white space alone; defined by {where}", path)
    elif has_control_characters(value, code):
        run.add("FB-FHIR-073", f"{name} has control characters; defined by {where}", path)
    else:
        run.add("FB-FHIR-016", f"{name} is no {code}, expected {expected(code)}; defined by {where}", path)
