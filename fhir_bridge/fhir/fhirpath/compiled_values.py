"""Compiled single values: the operands of comparisons, as Python variables."""

from __future__ import annotations

from dataclasses import replace

from fhir_bridge.fhir.fhirpath.check import shape_of
from fhir_bridge.fhir.fhirpath.compiled_elements import VALUES, CompiledValue, PathOptions
from fhir_bridge.fhir.fhirpath.compiled_paths import Paths
from fhir_bridge.fhir.fhirpath.fhir_types import SYSTEM, FhirType
from fhir_bridge.fhir.fhirpath.registry import FUNCTIONS
from fhir_bridge.fhir.fhirpath.source import LEAVE, Unsupported
from fhir_bridge.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Indexer,
    Literal,
    Member,
    Node,
    Special,
    TypeTest,
    Variable,
)
from fhir_bridge.fhir.fhirpath.types import type_argument, type_name

__all__ = ["Values", "family"]

_FAMILIES = {
    "Boolean": "boolean",
    "Integer": "number",
    "Decimal": "number",
    "Date": "moment",
    "DateTime": "moment",
    "Time": "clock",
    "Quantity": "quantity",
    "String": "text",
    "boolean": "boolean",
    "integer": "number",
    "positiveInt": "number",
    "unsignedInt": "number",
    "decimal": "number",
    "date": "moment",
    "dateTime": "moment",
    "instant": "moment",
    "time": "clock",
}
_CLASSES = {"text": "str", "boolean": "bool", "moment": "str", "clock": "str"}


def family(kind: FhirType) -> str:
    """How values of a type are compared: text, number, boolean, moment, clock, quantity; empty for complex types."""
    if kind.is_a("Quantity"):
        return "quantity"
    if not kind.primitive:
        return ""
    return _FAMILIES.get(kind.name, "text")


class Values(Paths):
    """Writes operands: each in a variable that holds the only value, or None."""

    def single(self, node: Node, focus: CompiledValue) -> bool:
        """Whether at most one value can come."""
        match node:
            case Literal() | Special():
                return True
            case Variable(name="resource" | "context"):
                return True
            case Call(name="first" | "count" | "exists" | "empty" | "not" | "single" | "last" | "hasValue"):
                return True
            case Binary(operator=operator):
                return operator != "|"
        shape = shape_of(node, focus.kind)
        return shape is not None and not shape.many

    def scalar(self, node: Node, focus: CompiledValue) -> CompiledValue:
        """The only value of an expression; where several come the compiled form is left."""
        match node:
            case Literal(kind="String" | "Integer" | "Boolean", value=value):
                return CompiledValue(self.assigned(repr(value)), SYSTEM[node.kind])
            case Literal(kind="Decimal", value=value):
                return CompiledValue(self.assigned(self.out.constant(value)), SYSTEM["Decimal"])
            case Call(name="count"):
                return CompiledValue(self.count(node, focus), SYSTEM["Integer"])
            case Call(name="length", target=target) if target is not None:
                text = self.text(target, focus)
                return CompiledValue(
                    self.assigned(f"None if {text} is None else len({text})"), SYSTEM["Integer"]
                )
            case Call(name="toString", target=target) if target is not None:
                return self.as_string(target, focus)
            case Call(name="toInteger", target=target) if target is not None:
                text = self.text(target, focus)
                return CompiledValue(self.assigned(f"to_integer({text})"), SYSTEM["Integer"])
            case Call(name="lower" | "upper", target=target) if target is not None:
                text = self.text(target, focus)
                return CompiledValue(
                    self.assigned(f"None if {text} is None else {text}.{node.name}()"), SYSTEM["String"]
                )
            case Call(name="substring", target=target, arguments=arguments) if target is not None:
                return self.substring(target, arguments, focus)
            case Call(name="join"):
                return self.joined_text(node, focus)
            case Binary(operator="&", left=left, right=right):
                first, second = self.text(left, focus), self.text(right, focus)
                # `&` takes an empty side for an empty text (N1 §6.6.6), unlike `+`.
                return CompiledValue(self.assigned(f"({first} or '') + ({second} or '')"), SYSTEM["String"])
            case Binary(operator="+" | "-" as operator, left=left, right=right):
                return self.sum(operator, left, right, focus)
            case Special(name="this"):
                return self.checked(focus)
        if isinstance(node, Member | Variable | Call | Indexer | TypeTest):
            return self.of_path(node, focus)
        raise Unsupported(type(node).__name__)

    def assigned(self, expression: str) -> str:
        """A variable with this value."""
        name = self.out.name("s")
        self.out.add(f"{name} = {expression}")
        return name

    def checked(self, value: CompiledValue) -> CompiledValue:
        """A value whose JSON has the kind that its type says; any other leaves the compiled form."""
        kind = family(value.kind)
        if value.kind.primitive:
            # A value is asked for: where it has none (extensions alone) the general evaluator decides.
            self.out.add(f"if {value.name} is None: {LEAVE}")
        if kind == "number":
            number = f"{value.name} if type({value.name}) is int else a_number({value.name})"
            return replace(value, name=self.assigned(number))
        if kind in _CLASSES:
            # type(): a bool must not pass for a number's class, nor a subclass for a text.
            self.out.add(f"if type({value.name}) is not {_CLASSES[kind]}: {LEAVE}")
        return value

    def of_path(self, node: Node, focus: CompiledValue) -> CompiledValue:
        """The only value of a path."""
        kinds = self.kinds(node, focus)
        families = {family(kind) for kind in kinds}
        if len(families) != 1 or "" in families:
            raise Unsupported("values of several kinds")
        many = not self.single(node, focus)
        with self.accumulator("None") as result:

            def keep(value: CompiledValue) -> None:
                value = self.checked(value)
                if many:
                    # Several values where one may be are an error, which the general evaluator reports.
                    self.out.add(f"if {result} is not None: {LEAVE}")
                self.out.add(f"{result} = {value.name}")

            self.each(node, focus, keep, VALUES)
        return CompiledValue(result, next(iter(kinds)) if len(kinds) == 1 else _common(kinds))

    def kinds(self, node: Node, focus: CompiledValue) -> frozenset[FhirType]:
        """The types that an expression's values may have."""
        shape = shape_of(node, focus.kind)
        if shape is None or not shape.kinds:
            raise Unsupported("types are not known beforehand")
        kinds = shape.kinds
        wanted = None
        if isinstance(node, TypeTest) and node.operator == "as":
            wanted = type_name(node.type_name, self.published)
        elif isinstance(node, Call) and node.name in ("as", "ofType"):
            wanted = type_argument(node.arguments[0], self.published)
        if wanted is not None:
            kinds = frozenset(kind for kind in kinds if wanted.selects(kind))
        if not kinds:
            raise Unsupported("nothing of that type")
        return kinds

    def text(self, node: Node, focus: CompiledValue) -> str:
        """A variable with the only string of an expression, or None."""
        compiled = self.scalar(node, focus)
        if family(compiled.kind) not in ("text", "moment", "clock"):
            raise Unsupported(f"a string function on {compiled.kind}")
        return compiled.name

    def as_string(self, target: Node, focus: CompiledValue) -> CompiledValue:
        """toString()."""
        compiled = self.scalar(target, focus)
        kind = family(compiled.kind)
        if kind in ("text", "moment", "clock"):
            return CompiledValue(compiled.name, SYSTEM["String"])
        if kind in ("number", "boolean"):
            return CompiledValue(self.assigned(f"text_of_number({compiled.name})"), SYSTEM["String"])
        raise Unsupported("toString() of a complex type")

    def substring(self, target: Node, arguments: tuple[Node, ...], focus: CompiledValue) -> CompiledValue:
        """substring() with whole numbers for its places."""
        positions = [a.value for a in arguments if isinstance(a, Literal) and a.kind == "Integer"]
        if len(positions) != len(arguments) or FUNCTIONS["substring"].least > len(positions):
            raise Unsupported("substring() with computed places")
        text = self.text(target, focus)
        start = positions[0]
        end = f"{start + positions[1]}" if len(positions) > 1 else ""
        # N1 §5.6.2: a start beyond the text gives empty.
        cut = f"None if {text} is None or len({text}) <= {start} else {text}[{start}:{end}]"
        return CompiledValue(self.assigned(cut), SYSTEM["String"])

    def sum(self, operator: str, left: Node, right: Node, focus: CompiledValue) -> CompiledValue:
        """A sum of whole numbers that are surely there, or of two strings."""
        first, second = self.scalar(left, focus), self.scalar(right, focus)
        families = {family(first.kind), family(second.kind)}
        test = f"{first.name} is None or {second.name} is None"
        if families == {"text"} and operator == "+":
            return CompiledValue(
                self.assigned(f"None if {test} else {first.name} + {second.name}"), SYSTEM["String"]
            )
        if first.kind is SYSTEM["Integer"] and second.kind is SYSTEM["Integer"]:
            result = f"None if {test} else within_bounds({first.name} {operator} {second.name})"
            return CompiledValue(self.assigned(result), SYSTEM["Integer"])
        raise Unsupported("arithmetic")

    def count(self, node: Call, focus: CompiledValue) -> str:
        """A variable with the number of items."""
        target: Node = node.target if node.target is not None else Special("this")
        with self.accumulator("0", "c") as counter:
            self.each(target, focus, lambda _: self.out.add(f"{counter} += 1"), PathOptions())
        return counter

    def joined_text(self, node: Call, focus: CompiledValue) -> CompiledValue:
        """join() of strings, with a literal between them or nothing."""
        mark = node.arguments[0] if node.arguments else Literal("String", "")
        target: Node = node.target if node.target is not None else Special("this")
        if not isinstance(mark, Literal) or mark.kind != "String":
            raise Unsupported("join() with a computed separator")
        texts = self.texts(target, focus)
        return CompiledValue(
            self.assigned(f"{mark.value!r}.join({texts}) if {texts} else None"), SYSTEM["String"]
        )

    def texts(self, node: Node, focus: CompiledValue) -> str:
        """A variable with the list of the strings that a path gives."""
        if any(family(kind) not in ("text", "moment", "clock") for kind in self.kinds(node, focus)):
            raise Unsupported("other values than strings")
        with self.accumulator("[]", "l") as result:
            self.each(node, focus, lambda p: self.out.add(f"{result}.append({self.checked(p).name})"), VALUES)
        return result


def _common(kinds: frozenset[FhirType]) -> FhirType:
    """One kind that stands for several of a family: the System type they compare as."""
    names = {"text": "String", "number": "Decimal", "boolean": "Boolean"}
    name = names.get(family(next(iter(kinds))))
    if name is None:
        raise Unsupported("dates of several kinds")
    return SYSTEM[name]
