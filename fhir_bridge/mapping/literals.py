"""Literals of a mapping against the types, bindings and fixed values of their elements."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.mapping.coercion import PRIMITIVES, coercer, preferred
from fhir_bridge.mapping.document import Mapping, Node, Scalar, Sequence
from fhir_bridge.mapping.errors import Position, nearest
from fhir_bridge.mapping.runtime import ElementTarget
from fhir_bridge.mapping.shape import Shape, Spot, Target, shown_value

__all__ = ["Literals"]


_RELATIVE = re.compile(r"([A-Za-z]+)/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?")


class Literals(Shape):
    """Checks literals beside names, and gives their JSON values."""

    def constant(self, node: Node, target: Target) -> Any:
        """The JSON value of a fully literal node, checked; None for nothing."""
        if target.type is None:
            return None
        if isinstance(node, Sequence):
            if not target.is_list:
                if len(node.items) == 1:
                    return self._constant_item(node.items[0], target)
                self.problems.add(node.position, f"{target.shown} takes one value, not a list", "", "008")
                return None
            items = [self._constant_item(item, target) for item in node.items]
            value: Any = [item for item in items if item is not None] or None
        else:
            value = self._constant_item(node, target)
            if target.is_list and value is not None:
                value = [value]
        self._fixed(node, target, value)
        return value

    def _constant_item(self, node: Node, target: Target) -> Any:
        if isinstance(node, Scalar):
            return self.scalar(node, target)
        if isinstance(node, Sequence):
            self.problems.add(node.position, f"{target.shown} takes no list in a list", "", "008")
            return None
        assert isinstance(node, Mapping)
        return self._constant_object(node, target)

    def _constant_object(self, node: Mapping, target: Target) -> Any:
        if target.type == "Resource":
            return self._contained(node, target)
        inside = target.inside()
        if inside is None:
            self.problems.add(node.position, f"{target.shown} is a {target.type}, not an object", "", "008")
            return None
        results: dict[str, Any] = {}
        written: set[str] = set()
        for key, value in node:
            child = self.target(inside, key)
            if child is None:
                continue
            if child.name is None:
                name, constant = self.choice(value, child)
                if name is not None and constant is not None:
                    results[name] = constant
                written.add(child.element.name)
                continue
            written.add(child.element.name)
            constant = self.constant(value, child)
            if constant is not None:
                results[child.name] = constant
        self.required(node, inside, written)
        ordered = {name: results[name] for name in sorted(results, key=inside.order)}
        self._bound(node, target, ordered)
        return ordered or None

    def _contained(self, node: Mapping, target: Target) -> Any:
        kind = node.get("resourceType")
        name = kind.value if isinstance(kind, Scalar) else None
        if not isinstance(name, str) or name not in definitions.resource_types():
            self.problems.add(node.position, f"{target.shown} needs a `resourceType`", "", "007")
            return None
        spot = Spot(definitions.type_definition(name), name, f"{target.shown}({name})")
        holder = Target(target.element, name, target.name, target.shown, spot)
        rest = Mapping(node.position, [(key, value) for key, value in node if key.text != "resourceType"])
        constant_object = self._constant_object(rest, holder)
        return {"resourceType": name, **(constant_object or {})}

    def choice(self, node: Node, target: Target) -> tuple[str | None, Any]:
        """JSON name and value of a literal in an element with a choice of types."""
        if isinstance(node, Sequence) and len(node.items) == 1:
            node = node.items[0]
        if not isinstance(node, Scalar):
            self.problems.add(
                node.position,
                f"{target.shown} has a choice of types and this does not say which",
                f"write {' or '.join(list(target.element.json_names)[:3])}",
                "008",
            )
            return None, None
        value = node.literal
        if value is None or value == "":
            return None, None
        kind = {bool: "boolean", int: "integer", Decimal: "decimal"}.get(type(value), "string")
        result = preferred(kind, {code: name for name, code in target.element.json_names.items()})
        if result is None:
            self.problems.add(node.position, f"{target.shown} takes no {kind}", "", "008")
            return None, None
        return result[0], value

    def scalar(self, node: Scalar, target: Target) -> Any:
        """A literal scalar as the element's type takes it; None for nothing."""
        value = node.literal
        kind = target.type
        if value is None or value == "" or kind is None:
            return None
        if kind not in PRIMITIVES:
            hint = {"CodeableConcept": "write {text: …} or {coding: [{system: …, code: …}]}"}.get(kind, "")
            self.problems.add(node.position, f"{target.shown} is a {kind}, not a text or number", hint, "008")
            return None
        if kind not in ("boolean", "decimal", "integer", "positiveInt", "unsignedInt"):
            if isinstance(value, bool):
                self.problems.add(
                    node.position, f"{target.shown} is a {kind}, not a truth value", "put it in quotes", "008"
                )
                return None
            value = node.text if not isinstance(value, str) else value
        result = _literal_as(kind, value)
        if result is None:
            self.problems.add(
                node.position, f'"{node.text}" is no {kind}, which {target.shown} takes', "", "008"
            )
            return None
        if kind == "code":
            self.check_code(str(result), node.position, target)
        elif target.element.path == "Reference.reference":
            self._check_reference(str(result), node.position, target)
        return result

    def _check_reference(self, text: str, position: Position, target: Target) -> None:
        """A literal relative reference names one of R4's types."""
        match = _RELATIVE.fullmatch(text)
        types = definitions.resource_types()
        if match is not None and match[1] not in types:
            message = f'"{text}" in {target.shown} names no type of resource'
            self.problems.add(position, message, nearest(match[1], types), "007")

    def check_code(self, code: str, position: Position, target: Target) -> None:
        """A literal code against the element's required binding."""
        bound = self.binding(target)
        if bound is not None and code not in bound[1]:
            near = nearest(code, bound[1])
            some = ", ".join(sorted(bound[1])[:8])
            more = ", …" if len(bound[1]) > 8 else ""
            self.problems.add(
                position,
                f'"{code}" is outside the required binding of {target.shown}',
                near or f"one of {some}{more}",
                "009",
            )

    def _bound(self, node: Mapping, target: Target, results: dict[str, Any]) -> None:
        """A literal Coding or CodeableConcept against a required binding."""
        codings = (
            results.get("coding")
            if target.type == "CodeableConcept"
            else [results]
            if target.type == "Coding"
            else None
        )
        if not codings:
            return
        for element in (*target.constraints, target.element):
            binding = element.binding
            if binding is None or binding.strength != "required" or not binding.value_set:
                continue
            value_set = self.problems.definitions.value_set(binding.value_set)
            if value_set is None:
                continue
            members = [value_set.member(c.get("system"), c["code"]) for c in codings if "code" in c]
            if members and all(answer is False for answer in members):
                known = sorted(set().union(*value_set.codes.values())) if value_set.codes else []
                self.problems.add(
                    node.position,
                    f"no coding of {target.shown} is in its required value set {binding.value_set}",
                    nearest(str(codings[0].get("code")), known),
                    "009",
                )
                return

    def _fixed(self, node: Node, target: Target, value: Any) -> None:
        """A literal against fixed values and patterns of the profiles (profiling.html#fixed)."""
        if value is None:
            return
        items = value if target.is_list and isinstance(value, list) else [value]
        for element in target.constraints:
            for fixed, exact in ((element.fixed, True), (element.pattern, False)):
                if fixed is None or (element.is_choice and fixed.type != target.type):
                    continue
                for item in items:
                    if not (item == fixed.value if exact else _contains(item, fixed.value)):
                        self.problems.add(
                            node.position,
                            f"the profile fixes {target.shown} to {shown_value(fixed)}",
                            "write the profile's value",
                            "011",
                        )


class _Refused(Exception):
    pass


class _Listener:
    """Stands in for a context where a literal is tried against a type."""

    def lost(self, *_: object) -> None:
        raise _Refused


def _literal_as(kind: str, value: Any) -> Any:
    try:
        result = coercer(kind)(_Listener(), value, ElementTarget("", "", Position("", 0, 0)))  # type: ignore[arg-type]
    except _Refused:
        return None
    if kind in ("date", "dateTime", "instant") and isinstance(result, str) and len(result) >= 10:
        try:
            date.fromisoformat(result[:10])
        except ValueError:
            return None
    return str(result) if isinstance(result, str) else result


def _contains(item: Any, pattern: Any) -> bool:
    if isinstance(pattern, dict):
        return isinstance(item, dict) and all(
            _contains(item.get(key), value) for key, value in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(item, list) and all(any(_contains(x, value) for x in item) for value in pattern)
    return bool(item == pattern)
