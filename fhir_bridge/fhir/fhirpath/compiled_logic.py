"""Compiled conditions: three-valued logic as two questions, is it true and is it false, each a Python condition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.fhirpath.compiled_elements import PRESENT, VALUES, CompiledValue, PathOptions, Presence
from fhir_bridge.fhir.fhirpath.compiled_paths import names_itself, resources_of
from fhir_bridge.fhir.fhirpath.compiled_values import Values, family
from fhir_bridge.fhir.fhirpath.fhir_types import SYSTEM, FhirType
from fhir_bridge.fhir.fhirpath.regexes import pattern
from fhir_bridge.fhir.fhirpath.source import LEAVE, Block, Source, Unsupported
from fhir_bridge.fhir.fhirpath.syntax import Binary, Call, Literal, Member, Node, Special, TypeTest
from fhir_bridge.fhir.fhirpath.types import TypeName, type_argument, type_name

__all__ = ["Conditions"]

_CERTAIN = frozenset({"exists", "empty", "hasValue", "all", "isDistinct", "hasExtension"})
_TEXT_TESTS = {"startsWith": "{0}.startswith({1})", "endsWith": "{0}.endswith({1})", "contains": "{1} in {0}"}
_ORDERS = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}


class Conditions(Values):
    """Writes conditions.

    Args:
        target_type: the type of what a Reference in a resource refers to, where a caller takes `resolve() is Type` to
            ask no more than that.
    """

    def __init__(
        self,
        out: Source,
        root: FhirType,
        *,
        published: bool,
        target_type: Callable[[dict[str, Any], dict[str, Any]], str | None] | None = None,
    ) -> None:
        super().__init__(out, root, published=published)
        self.target_type = target_type

    def true(self, node: Node, focus: CompiledValue) -> str:
        """A Python condition that holds where the expression is true."""
        return self.decide(node, focus, True)

    def false(self, node: Node, focus: CompiledValue) -> str:
        """A Python condition that holds where the expression is false: neither true nor empty."""
        return self.decide(node, focus, False)

    def decide(self, node: Node, focus: CompiledValue, wanted: bool) -> str:
        """A Python condition that holds where the expression has the wanted truth."""
        match node:
            case Literal(kind="Boolean", value=value):
                # Two Python conditions, "is true" and "is false", because FHIRPath has a third answer:
                # neither holds where it is empty.
                return str(value is wanted)
            case Binary(operator="and" | "or" as operator, left=left, right=right):
                either = (operator == "or") is wanted
                return self.joined(
                    lambda: self.reached(left, focus, wanted),
                    lambda: self.reached(right, focus, wanted),
                    either,
                )
            case Binary(operator="implies", left=left, right=right):
                return self.joined(
                    lambda: self.reached(left, focus, not wanted),
                    lambda: self.reached(right, focus, wanted),
                    wanted,
                )
            case Binary(operator="xor", left=left, right=right):
                return self.same_truth(left, right, focus, not wanted)
            case Call(name="not", target=target) if target is not None:
                return self.decide(target, focus, not wanted)
            case Call(name="trace", target=target) if target is not None and names_itself(node):
                return self.decide(target, focus, wanted)
            case Call(name="iif", target=None, arguments=(criterion, then, *other)):
                return self.conditional(criterion, then, other, focus, wanted)
            case Call(name=name) if name in _CERTAIN:
                test = self.certain(node, focus)
                return test if wanted else f"not {test}"
            case Call(name="matches" | "startsWith" | "endsWith" | "contains"):
                return self.text_test(node, focus, wanted)
            case Call(name="is", target=target, arguments=(argument,)) if target is not None:
                return self.type_test(target, type_argument(argument, self.published), focus, wanted)
            case TypeTest(operator="is", operand=operand, type_name=name):
                return self.type_test(operand, type_name(name, self.published), focus, wanted)
            case Binary(operator="=" | "!=" as operator):
                return self.equality(node, focus, wanted is (operator == "="))
            case Binary(operator=operator) if operator in _ORDERS:
                return self.order(node, focus, wanted)
            case Binary(operator="in", left=left, right=right):
                return self.among(left, right, focus, wanted)
        return self.truth_of_value(node, focus, wanted)

    def reached(self, node: Node, focus: CompiledValue, wanted: bool) -> str:
        """A part of a condition; where it has no compiled shape, reaching it leaves the compiled form."""
        return self.or_leave(lambda: self.decide(node, focus, wanted))

    def joined(self, left: Callable[[], str], right: Callable[[], str], either: bool) -> str:
        """Two conditions, the cheaper one first; the other is evaluated only where that leaves it open."""
        with self.out.aside() as first_lines:
            first = left()
        with self.out.aside() as lines:
            second = right()
        # `and` and `or` are commutative in FHIRPath, and evaluation has no side effects.
        if _cost(lines, second) < _cost(first_lines, first):
            first, second, first_lines, lines = second, first, lines, first_lines
        self.out.take(first_lines)
        if not lines.lines:
            return f"({first} {'or' if either else 'and'} {second})"
        # Lines can't be part of an expression: the second half becomes a block.
        verdict = self.assigned(first)
        with self.out.block(f"if {'not ' if either else ''}{verdict}:"):
            self.out.take(lines)
            self.out.add(f"{verdict} = {second}")
        return verdict

    def is_certain(self, node: Node) -> bool:
        """Whether an expression is always true or false, never empty."""
        match node:
            case Literal(kind="Boolean"):
                return True
            case Call(name=name, target=target):
                return name in _CERTAIN or (name == "not" and target is not None and self.is_certain(target))
            case Binary(operator="and" | "or" | "xor" | "implies", left=left, right=right):
                return self.is_certain(left) and self.is_certain(right)
        return False

    def same_truth(self, left: Node, right: Node, focus: CompiledValue, wanted: bool) -> str:
        """Whether two Boolean expressions have the same truth (or, not wanted, opposite truths)."""
        # A certain condition is false where it is not true: one test does for both.
        if self.is_certain(left) and self.is_certain(right):
            first, second = self.assigned(self.true(left, focus)), self.assigned(self.true(right, focus))
            return f"{first} {'is' if wanted else 'is not'} {second}"
        first, not_first = self.assigned(self.true(left, focus)), self.assigned(self.false(left, focus))
        second, not_second = self.assigned(self.true(right, focus)), self.assigned(self.false(right, focus))
        if not wanted:
            second, not_second = not_second, second
        return f"({first} and {second} or {not_first} and {not_second})"

    def conditional(
        self, criterion: Node, then: Node, other: list[Node], focus: CompiledValue, wanted: bool
    ) -> str:
        """iif() whose results are Booleans."""
        verdict = self.assigned(self.true(criterion, focus))
        result = self.assigned("False")
        with self.out.block(f"if {verdict}:"):
            self.out.add(f"{result} = {self.reached(then, focus, wanted)}")
        if other:
            with self.out.block("else:"):
                self.out.add(f"{result} = {self.reached(other[0], focus, wanted)}")
        return result

    # --- questions that have a sure answer --------------------------------------------------------------------------

    def certain(self, node: Call, focus: CompiledValue) -> str:
        """A condition for exists(), empty(), all(), hasValue() or isDistinct()."""
        target: Node = node.target if node.target is not None else Special("this")
        if node.name == "isDistinct":
            return self.distinct(target, focus)
        if node.name == "hasValue":
            return self.has_value(target, focus)
        if node.name == "hasExtension":
            return self.any(Call(target, "extension", node.arguments), focus, None)
        criteria = node.arguments[0] if node.arguments else None
        if node.name == "all":
            if criteria is None:
                # all() holds unless one item fails; an empty criterion fails it (N1 §5.1).
                raise Unsupported("all() without criteria")
            return f"not {self.any(target, focus, lambda p: f'not ({self.condition(criteria, p)})')}"
        result = self.any(target, focus, None if criteria is None else lambda p: self.condition(criteria, p))
        return result if node.name == "exists" else f"not {result}"

    def any(self, target: Node, focus: CompiledValue, test: Callable[[CompiledValue], str] | None) -> str:
        """A variable that is True where something comes (and passes the test)."""
        with self.stopping() as result:

            def note(value: CompiledValue) -> None:
                # Evaluated up to the first that decides (`stopping`).
                self.out.add(f"if {test(value) if test else True}: {result} = True")

            self.each(
                target, focus, note if test else Presence(lambda: self.out.add(f"{result} = True")), PRESENT
            )
        return result

    def has_value(self, target: Node, focus: CompiledValue) -> str:
        """hasValue(): one item that is a primitive with a value."""
        if isinstance(target, Special) and target.name == "this":
            return f"({focus.name} is not None)" if focus.kind.primitive else "False"
        if not self.single(target, focus):
            raise Unsupported("hasValue() of what may be several")
        with self.accumulator("False") as result:

            def note(value: CompiledValue) -> None:
                if value.kind.primitive:
                    self.out.add(f"{result} = {value.name} is not None")

            self.each(target, focus, note, PathOptions())
        return result

    def distinct(self, target: Node, focus: CompiledValue) -> str:
        """isDistinct() of strings."""
        if any(family(kind) != "text" for kind in self.kinds(target, focus)):
            raise Unsupported("isDistinct() of other than strings")
        texts = self.texts(target, focus)
        return f"(len({texts}) == len(set({texts})))"

    # --- questions that may stay open ---------------------------------------------------------------------------------

    def text_test(self, node: Call, focus: CompiledValue, wanted: bool) -> str:
        """matches(), startsWith(), endsWith() or contains() with a literal."""
        (argument,) = node.arguments
        if not isinstance(argument, Literal) or argument.kind != "String":
            raise Unsupported(f"{node.name}() with a computed argument")
        text = self.text(node.target if node.target is not None else Special("this"), focus)
        if node.name == "matches":
            known = pattern(argument.value)
            # A heavy pattern has a price that only the general evaluator keeps account of;
            # published expressions are trusted.
            if known.heavy and not self.published:
                raise Unsupported("a pattern whose work is accounted for")
            search = self.out.constant(known.search)
            return f"({text} is not None and {'' if wanted else 'not '}{search}({text}))"
        test = _TEXT_TESTS[node.name].format(text, repr(argument.value))
        return f"({text} is not None and {'' if wanted else 'not '}{test})"

    def type_test(self, target: Node, wanted_type: TypeName, focus: CompiledValue, wanted: bool) -> str:
        """`is`: by the JSON name of a choice, by what a resource shows, or by what a reference says."""
        if isinstance(target, Call) and target.name == "resolve" and target.target is None:
            return self.reference_test(wanted_type, focus, wanted)
        if not self.single(target, focus):
            raise Unsupported("'is' on what may be several")
        with self.accumulator("None") as result:

            def note(value: CompiledValue) -> None:
                if value.kind.open:
                    # A resource says its type itself.
                    names = self.out.constant(resources_of(wanted_type))
                    self.out.add(f"{result} = str({value.name}.get('resourceType')) in {names}")
                else:
                    self.out.add(f"{result} = {wanted_type.covers(value.kind)}")

            self.each(target, focus, note, PathOptions())
        return f"({result} is {wanted})"

    def reference_test(self, wanted_type: TypeName, focus: CompiledValue, wanted: bool) -> str:
        """`resolve() is Type` where a caller states the type of a target by the reference alone."""
        if self.target_type is None or not focus.kind.is_a("Reference") or not focus.name:
            raise Unsupported("resolve()")
        names = resources_of(wanted_type)
        # `is` has two answers where there is a target, so "false" is any other type.
        if not wanted:
            names = definitions.resource_types() - names
        resource = self.of_environment("resource").name
        return (
            f"({self.out.constant(self.target_type)}({focus.name}, {resource}) in {self.out.constant(names)})"
        )

    def equality(self, node: Binary, focus: CompiledValue, wanted: bool) -> str:
        """`=`, or `!=` with the question turned round."""
        left, right = node.left, node.right
        if isinstance(right, Literal) and isinstance(left, Member):
            if right.kind == "Boolean" and self.single(left, focus):
                return self.boolean_equality(left, right, focus, wanted)
            if right.kind == "String" and (test := self.text_equality(left, right.value, focus, wanted)):
                return test
        if self.is_certain(left) and self.is_certain(right):
            return self.same_truth(left, right, focus, wanted)
        if not self.single(left, focus) or not self.single(right, focus):
            return self.list_equality(left, right, focus, wanted)
        first, second = self.scalar(left, focus), self.scalar(right, focus)
        families = {family(first.kind), family(second.kind)}
        if len(families) != 1 or not families <= {"text", "number", "boolean"}:
            raise Unsupported("equality of other than strings, numbers and Booleans")
        test = f"{first.name} {'==' if wanted else '!='} {second.name}"
        missing = [
            f"{compiled.name} is not None"
            for compiled, operand in ((first, left), (second, right))
            if not isinstance(operand, Literal)
        ]
        # None is no literal's equal, so the test for a missing value is saved.
        if wanted and len(missing) == 1:
            return f"({test})"  # a literal equals no None
        return f"({' and '.join([*missing, test])})"

    def text_equality(self, left: Member, text: str, focus: CompiledValue, wanted: bool) -> str:
        """An element of the focus that is one string, and a literal; no condition where the element is none."""
        if left.target is not None or focus.kind.primitive or not focus.name or left.name[:1].isupper():
            return ""
        steps, lists = self.steps_of(focus, left.name)
        if len(steps) != 1 or steps[0][0] in lists or family(steps[0][2]) != "text":
            return ""
        key, shadow, _ = steps[0]
        value = self.out.fetched(f"{focus.name}.get({key!r})")
        # A primitive with extensions alone is there, and equals nothing: the general evaluator decides.
        there = f"({value} is not None or {focus.name}.get({shadow!r}) is not None)"
        self.out.check(f"if type({value}) is not str and {there}: {LEAVE}")
        return f"({value} == {text!r})" if wanted else f"({value} is not None and {value} != {text!r})"

    def boolean_equality(self, left: Node, right: Literal, focus: CompiledValue, wanted: bool) -> str:
        """A path and true or false; what is no Boolean equals neither."""
        with self.accumulator("None") as verdict:

            def note(value: CompiledValue) -> None:
                same = family(value.kind) == "boolean"
                test = f"{self.checked(value).name} is {right.value}" if same else "False"
                self.out.add(f"{verdict} = {test}")

            self.each(left, focus, note, VALUES)
        return f"({verdict} is {wanted})"

    def list_equality(self, left: Node, right: Node, focus: CompiledValue, wanted: bool) -> str:
        """A path that may give several strings, and one string."""
        if not self.single(right, focus):
            left, right = right, left
        if not self.single(right, focus) or any(family(kind) != "text" for kind in self.kinds(left, focus)):
            raise Unsupported("equality of two lists")
        item = self.scalar(right, focus)
        if family(item.kind) != "text":
            raise Unsupported("equality of a list and no string")
        texts = self.texts(left, focus)
        if wanted:
            return f"({item.name} is not None and len({texts}) == 1 and {texts}[0] == {item.name})"
        return f"({item.name} is not None and (len({texts}) > 1 or len({texts}) == 1 and {texts}[0] != {item.name}))"

    def order(self, node: Binary, focus: CompiledValue, wanted: bool) -> str:
        """`<`, `<=`, `>`, `>=`."""
        first, second = self.scalar(node.left, focus), self.scalar(node.right, focus)
        kinds = {family(first.kind), family(second.kind)}
        negation = "" if wanted else "not "
        if kinds == {"number"}:
            both = f"{first.name} is not None and {second.name} is not None"
            return f"({both} and {negation}({first.name} {node.operator} {second.name}))"
        if kinds == {"moment"} or kinds == {"quantity"}:
            by = "order_of_moments" if kinds == {"moment"} else "order_of_quantities"
            verdict = self.assigned(
                f"None if {first.name} is None or {second.name} is None else {by}({first.name}, {second.name})"
            )
            return f"({verdict} is not None and {negation}({verdict} {node.operator} 0))"
        raise Unsupported("order of other than numbers, dates and quantities")

    def among(self, left: Node, right: Node, focus: CompiledValue, wanted: bool) -> str:
        """`in` with a list of literals."""
        codes = _literals(right)
        compiled = self.scalar(left, focus)
        if codes is None or family(compiled.kind) != "text":
            raise Unsupported("'in' with other than a list of strings")
        known = self.out.constant(frozenset(codes))
        if wanted:
            return f"({compiled.name} in {known})"
        return f"({compiled.name} is not None and {compiled.name} not in {known})"

    def truth_of_value(self, node: Node, focus: CompiledValue, wanted: bool) -> str:
        """A Boolean element as a condition."""
        compiled = self.scalar(node, focus)
        if family(compiled.kind) != "boolean" or (
            compiled.kind is SYSTEM["Boolean"] and isinstance(node, Call)
        ):
            raise Unsupported("a condition that is no Boolean")
        return f"({compiled.name} is {wanted})"


def _cost(block: Block, test: str) -> int:
    """A guess at what a condition costs: what leaves the compiled form costs most, then choices, then loops."""
    cost = 1000 if test == LEAVE else 0
    looped = False
    for line in block.text(0):
        looped = looped or "for " in line
        if ".intersection(" in line:
            cost += 20
        elif line.strip() == f"if {LEAVE}:" and not looped:
            cost += 200
        else:
            cost += 8 if "for " in line or "order_of" in line else 1
    return cost


def _literals(node: Node) -> list[str] | None:
    """The strings of `'a' | 'b' | 'c'`."""
    results: list[str] = []
    while isinstance(node, Binary) and node.operator == "|":
        if not isinstance(node.right, Literal) or node.right.kind != "String":
            return None
        results.append(node.right.value)
        node = node.left
    if not isinstance(node, Literal) or node.kind != "String":
        return None
    return [*results, node.value]
