"""Expressions become statements that write an element, made to fit its type."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from fhir_bridge.fhir import datatypes
from fhir_bridge.mapping import expressions as ex
from fhir_bridge.mapping.coercion import coercer, convertible, preferred
from fhir_bridge.mapping.document import Mapping, Node, Scalar, plain
from fhir_bridge.mapping.environment import Code, Environment, Variable
from fhir_bridge.mapping.errors import MappingError, Position
from fhir_bridge.mapping.expression_code import ExpressionCompiler
from fhir_bridge.mapping.grammar import ExpressionError
from fhir_bridge.mapping.literals import Literals
from fhir_bridge.mapping.reads import Branch, Reads, RuleReads, Use, naming, others_of, shown_of
from fhir_bridge.mapping.runtime import ElementTarget, Trace
from fhir_bridge.mapping.shape import Problems, Target, is_literal
from fhir_bridge.mapping.writer import Writer

__all__ = ["LeafCompiler", "Sink"]

_CLASSES: dict[str, type] = {
    datatype.fhir_type: datatype
    for name in datatypes.__all__
    if hasattr(datatype := getattr(datatypes, name), "fhir_type")
} | {"decimal": int}
"""Classes whose values go into an element of the type as they are."""
_NUMERIC = frozenset({"boolean", "decimal", "integer", "positiveInt", "unsignedInt"})


_MAKERS = {
    "CodeableConcept": "concept(x)",
    "Coding": "coding(x)",
    "Quantity": "quantity(x, unit)",
    "dateTime": "datetime(x)",
    "date": "date(x)",
    "instant": "instant(x)",
    "time": "time_of_day(x)",
    "Identifier": "identifier(system, value)",
    "Period": "period(a, b)",
    "Reference": "reference(Type, id), ref('rule') or patient(x)",
    "boolean": "boolean(x)",
    "decimal": "decimal(x)",
    "integer": "integer(x)",
    "code": "code(x) or translate(x, 'map')",
    "string": "string(x)",
}
"""Type -> the function that makes it, for messages."""


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a value goes: a member of an object, or the end of a list.

    Attributes:
        variable: Python name of the dict or list.
        key: the member's JSON name; None for a list.
    """

    variable: str
    key: str | None = None

    def put(self, value: str, key: str | None = None) -> str:
        """The statement that writes a value."""
        name = key or self.key
        return f"{self.variable}[{name!r}] = {value}" if name else f"{self.variable}.append({value})"


class LeafCompiler:
    """Compiles expressions of one rule, and what they write.

    Attributes:
        looked_into: elements of the resource whose values are read again, so that they never are constant bytes.
    """

    def __init__(
        self,
        writer: Writer,
        expressions: ExpressionCompiler,
        problems: Problems,
        rule: str,
        *,
        scope: str = "",
        trace: bool = False,
        delta: bool = False,
        looked_into: Container[str] = (),
    ) -> None:
        self.looked_into = looked_into
        self.writer = writer
        self.expressions = expressions
        self.problems = problems
        self.shape = Literals(problems)
        self.rule = rule
        self.trace = trace
        self.delta = delta
        self.top = ""
        self.within = ""
        self.reads = RuleReads(rule, scope)
        self.arms: frozenset[int] = frozenset()
        self.conditions: tuple[Use, ...] = ()
        self.loops: tuple[str, ...] = ()

    # What is read

    def read(self, reads: Reads, *unless: int) -> None:
        """Note values that are written, or decide what is, where the code now being written is reached."""
        self.reads.add(reads, self.arms, frozenset(unless))

    @contextmanager
    def deciding(self, element: str, text: str, position: Position, code: Code | None) -> Iterator[None]:
        """What is written within depends on the expression."""
        before = self.conditions
        if code is not None:
            others = others_of(code.reads, code.uses)
            use = Use("condition", element, text, position, shown_of(code.reads), others, self.arms)
            self.reads.uses.append(use)
            self.conditions = (*before, use)
        yield
        self.conditions = before

    @contextmanager
    def branch_block(self, head: str, position: Position | None = None, text: str = "") -> Iterator[None]:
        """A block that is a branch: the code notes that it was entered. One with a text counts in the coverage."""
        before = self.arms
        with self.writer.block(head, position):
            if self.expressions.marking:
                number = self.expressions.new_arm()
                self.writer.line(f"mk({number})")
                self.arms = before | {number}
                if text and position is not None:
                    self.reads.branches[number] = Branch(text, position)
            yield
        self.arms = before

    # Expressions

    def parse(self, node: Scalar, text: str, offset: int, reader: Callable[..., Any] = ex.parse) -> Any:
        """The tree of an expression in a scalar, or None after an error; `offset` of the text in the scalar."""
        try:
            return reader(text, self.expressions.model.token)
        except ExpressionError as error:
            self.report(node, error, offset)
            return None

    def report(self, node: Scalar, error: ExpressionError, offset: int) -> None:
        mapping_error = MappingError(
            node.at(error.offset + offset), error.message, error.suggestion, error.kind
        )
        if mapping_error not in self.problems.errors:
            self.problems.errors.append(mapping_error)

    def code(
        self, node: Scalar, env: Environment, *, bare: bool = False
    ) -> tuple[ex.Expression, Code] | None:
        """Tree and source of a scalar's expression; `bare`: the `=` may be missing. None after an error."""
        text = node.expression
        offset = 1
        if text is None:
            if not bare:
                return None
            text, offset = node.text, 0
        tree = self.parse(node, text, offset)
        if tree is None:
            return None
        try:
            start, first = len(self.expressions.seen), len(self.expressions.branches)
            code = self.expressions.compile(tree, env)
            for number, branch in list(self.expressions.branches.items())[first:]:
                self.reads.branches[number] = Branch(branch, node.position)
            return tree, replace(code, uses=tuple(dict.fromkeys(self.expressions.seen[start:])))
        except ExpressionError as error:
            self.report(node, error, offset)
            return None

    def condition(self, node: Node, env: Environment) -> Code | None:
        """A `when:`, as a truth value."""
        if not isinstance(node, Scalar):
            self.problems.add(node.position, "`when` is an expression", "", "003")
            return None
        if isinstance(node.value, bool):
            return Code(str(node.value), "boolean", repeats=False, boolean=True)
        code = self.code(node, env, bare=True)
        if code is None:
            return None
        # That a value is there at all is not read from it; what it is compared with, is.
        return (
            code[1] if code[1].boolean else Code(f"truth({code[1].source})", boolean=True, uses=code[1].uses)
        )

    def variables(self, node: Node, env: Environment, stem: str = "v") -> Environment:
        """Statements of a `let:`, in order; each may use those before it."""
        if not isinstance(node, Mapping):
            self.problems.add(node.position, "`let` is an object of names and expressions", "", "003")
            return env
        for key, value in node:
            name = key.text
            if not name.isidentifier() or name in ("site", "outer", "ctx"):
                self.problems.add(key.position, f'"{name}" can\'t be the name of a variable', "", "003")
                continue
            code = self.value_of(value, env)
            if code is None:
                continue
            local = self.writer.name(f"{stem}_{name}_")
            self.writer.line(f"{local} = {code.source}", naming(value.position, code.reads))
            variable = Variable(local, code.type, code.repeats, reads=code.reads, uses=code.uses)
            env = env.with_names({name: variable})
        return env

    def value_of(self, node: Node, env: Environment) -> Code | None:
        """A variable's value: an expression (`=` may be missing), a number, a truth value, a literal object or list."""
        if isinstance(node, Scalar) and isinstance(node.value, str):
            code = self.code(node, env, bare=True)
            return code[1] if code else None
        if not is_literal(node):
            self.problems.add(node.position, "a variable is an expression, or a literal", "", "003")
            return None
        value = plain(node)
        return Code(self.writer.constant(value), literal=True, value=value)

    # Elements

    def part(self, value: Any) -> str:
        """Source of a literal part of the resource."""
        return self.writer.constant(value) if self.top in self.looked_into else self.writer.part(value)

    def traced(
        self,
        target: Target,
        text: str,
        node: Node,
        sink: Sink,
        code: Code | None = None,
        *,
        key: str = "",
        count: str = "1",
    ) -> None:
        """A statement that notes a write just made, where the rule is compiled to trace.

        Args:
            target: the element.
            text: its expression.
            node: where the mapping has it.
            sink: where the value went.
            code: what was written; None for a literal.
            key: source of the member's name, where that is known at run time only.
            count: source of the number of values that were added to a list.
        """
        if not self.trace:
            return
        if code is None and not self.loops and (sink.key or key):
            self.literal(target.shown, node.position, sink.variable)
            return
        reads = shown_of(code.reads) if code else ()
        others = others_of(code.reads, code.uses) if code else ()
        member = key.strip("'") if key.startswith("'") else "" if key else sink.key or ""
        around = self.conditions, self.loops, sink.variable, member
        entry = Trace(self.rule, target.shown, text, node.position, reads, others, *around)
        self.reads.uses.append(Use("value", target.shown, text, node.position, reads, others, self.arms))
        note = f"{self.writer.object('T', entry)}, {sink.variable}"
        items = "".join(f"{name}, " for name in self.loops)
        if items or not member:  # else the entry says all of it
            note += f", {key or (repr(member) if member else f'len({sink.variable}) - {count}')}"
        self.writer.line(f"tr.append(({note}{f', ({items})' if items else ''}))")

    def literal(self, element: str, position: Position, holder: str) -> None:
        """Note a literal of an object. It costs nothing at run time: where the object is, the literal is."""
        use = Use("literal", element, "literal", position, (), (), self.arms, holder, self.conditions)
        self.reads.literals.append(use)

    def alias(self, before: str, sink: Sink) -> None:
        """A statement that notes that what was written to a list of one is now elsewhere."""
        if self.trace:
            place = repr(sink.key) if sink.key else f"len({sink.variable}) - 1"
            self.writer.line(f"tr.append((None, {before}, {sink.variable}, {place}))")

    def target_constant(self, target: Target, node: Node) -> str:
        """The name of the constant that says which element this is."""
        location = ElementTarget(self.rule, target.shown, node.position)
        return self.writer.object("P", location, location)

    def expression(self, node: Scalar, target: Target, env: Environment, sink: Sink) -> None:
        """An expression's value, made to fit."""
        compiled = self.code(node, env)
        if compiled is None:
            return
        tree, code = compiled
        self.read(code.reads)
        if target.name is None:
            self._choice(node, target, code, sink)
            return
        kind = target.type or ""
        if code.type is not None and not convertible(code.type, kind):
            self._refuse(node, target, code.type)
            return
        if kind == "code":
            self._literal_codes(node, tree, target)
        self._references(node, target, code)
        location = self.target_constant(target, node)
        fit = self.writer.object("c_" + re.sub(r"\W", "", kind) + "_", coercer(kind), ("coercer", kind))
        value = self.writer.name("t")
        text = node.expression or node.text
        name = value
        if target.is_list:
            source = code.source
            if self.delta:
                name = source = self.writer.name("t")
                self.writer.line(f"{name} = {code.source}", naming(node.position, code.reads))
            self.writer.line(f"{value} = {source}", naming(node.position, code.reads))
            self.writer.line(
                f"if {value} is not None: {value} = many(ctx, {value}, {fit}, {location})", node.position
            )
            bound = self.shape.binding(target) if kind == "code" else None
            if bound is not None:
                allowed = self.writer.object("B", bound[1], bound[0])
                self.writer.line(f"{value} = inside(ctx, {value}, {allowed}, {location})")
            test = f"if {value}"
            put = f"{sink.variable}.extend({value})" if sink.key is None else sink.put(value)
        else:
            self.writer.line(f"{value} = {code.source}", naming(node.position, code.reads))
            known = _CLASSES.get(kind)
            quick = ""
            if known is not None:
                quick = f" and {value}.__class__ is not {self.writer.object('C', known, ('class', kind))}"
            self.writer.line(
                f"if {value} is not None{quick}: {value} = {fit}(ctx, {value}, {location})", node.position
            )
            bound = self.shape.binding(target) if kind == "code" else None
            if bound is not None:
                allowed = self.writer.object("B", bound[1], bound[0])
                self.writer.line(
                    f"if {value} and {value} not in {allowed}: {value} = outside(ctx, {value}, {location})"
                )
            numeric = kind in _NUMERIC
            test = f"if {value} is not None and {value} is not CLEARED" if numeric else f"if {value}"
            put = sink.put(value)
        if self.trace:
            with self.writer.block(f"{test}:"):
                self.writer.line(put)
                count = f"len({value})" if target.is_list else "1"
                self.traced(target, text, node, sink, code, count=count)
        else:
            self.writer.line(f"{test}: {put}")
        self._cleared(name)

    def _cleared(self, value: str) -> None:
        if self.delta:
            self.writer.line(f"elif {value} is CLEARED: cl.append({self.top + self.within!r})")

    def _choice(self, node: Scalar, target: Target, code: Code, sink: Sink) -> None:
        names = target.element.json_names
        by_type = {kind: name for name, kind in names.items()}
        text = node.expression or node.text
        if code.type is not None:
            result = preferred(code.type, by_type)
            if result is None:
                self._refuse(node, target, code.type)
                return
            shown = f"{target.shown[: -len(target.element.name)]}{result[0]}"
            chosen = replace(target, type=result[1], name=result[0], shown=shown)
            self._typed_choice(node, chosen, code, sink)
            return
        table = {kind: (name, coercer(kind)) for kind, name in by_type.items()}
        choices = self.writer.object("V", table, ("choice", tuple(sorted(by_type.items()))))
        value = self.writer.name("t")
        self.writer.line(f"{value} = {code.source}", naming(node.position, code.reads))
        pair = self.writer.name("t")
        constant = self.target_constant(target, node)
        with self.writer.block(
            f"if {value} is not None and ({pair} := choose(ctx, {value}, {choices}, {constant})):"
        ):
            self.writer.line(f"{sink.variable}[{pair}[0]] = {pair}[1]")
            self.traced(target, text, node, sink, code, key=f"{pair}[0]")
        if self.delta:
            self.writer.line(f"elif {value} is CLEARED: cl.append({self.top + self.within!r})")

    def _typed_choice(self, node: Scalar, target: Target, code: Code, sink: Sink) -> None:
        kind = target.type or ""
        fit = self.writer.object("c_" + kind + "_", coercer(kind), ("coercer", kind))
        value = self.writer.name("t")
        self.writer.line(f"{value} = {code.source}", naming(node.position, code.reads))
        known = _CLASSES.get(kind)
        quick = (
            f" and {value}.__class__ is not {self.writer.object('C', known, ('class', kind))}"
            if known
            else ""
        )
        location = self.target_constant(target, node)
        self.writer.line(
            f"if {value} is not None{quick}: {value} = {fit}(ctx, {value}, {location})", node.position
        )
        test = f"if {value} is not None and {value} is not CLEARED" if kind in _NUMERIC else f"if {value}"
        if self.trace:
            with self.writer.block(f"{test}:"):
                self.writer.line(sink.put(value, target.name))
                self.traced(target, node.expression or node.text, node, sink, code, key=repr(target.name))
        else:
            self.writer.line(f"{test}: {sink.put(value, target.name)}")
        self._cleared(value)

    def _refuse(self, node: Scalar, target: Target, result: str) -> None:
        wanted = target.type or " or ".join(list(target.element.json_names.values())[:6])
        hint = f"{_MAKERS[wanted]} makes one" if wanted in _MAKERS else ""
        self.problems.add(node.at(1), f"{target.shown} takes {wanted}, and this gives {result}", hint, "008")

    def _literal_codes(self, node: Scalar, tree: ex.Expression, target: Target) -> None:
        """Literal codes among what an expression can give."""
        for leaf in _leaves(tree):
            if isinstance(leaf, ex.Literal) and isinstance(leaf.value, str) and leaf.value:
                self.shape.check_code(leaf.value, node.at(leaf.start + 1), target)
            elif isinstance(leaf, ex.Call) and leaf.name == "translate":
                for name, value in leaf.keywords:
                    if name == "else" and isinstance(value, ex.Literal) and isinstance(value.value, str):
                        word = value.value.partition("+")[0]
                        if word not in ("reject", "keep", "drop"):
                            self.shape.check_code(word, node.at(value.start + 1), target)

    def _references(self, node: Scalar, target: Target, code: Code) -> None:
        if code.target is None or target.type != "Reference":
            return
        types = [kind for element in (*target.constraints, target.element)[:1] for kind in element.types]
        allowed = {t for kind in types if kind.code == "Reference" for t in kind.targets}
        if (
            allowed
            and "Resource" not in allowed
            and all("/" not in t for t in allowed)
            and code.target not in allowed
        ):
            self.problems.add(
                node.at(1),
                f"{target.shown} refers to {' or '.join(sorted(allowed))}, and this is a {code.target}",
                "",
                "008",
            )


def _leaves(tree: ex.Expression) -> Iterable[ex.Expression]:
    if isinstance(tree, ex.Conditional):
        yield from _leaves(tree.then)
        yield from _leaves(tree.otherwise)
    elif isinstance(tree, ex.Call) and tree.name == "coalesce":
        for argument in tree.arguments:
            yield from _leaves(argument)
    else:
        yield tree
