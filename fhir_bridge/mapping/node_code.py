"""Nodes become statements that write an element: literals, objects, lists, `match`, `for`, `when`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from fhir_bridge.mapping import expressions as ex
from fhir_bridge.mapping.document import Mapping, Node, Scalar, Sequence
from fhir_bridge.mapping.environment import Environment, Variable, literal_source
from fhir_bridge.mapping.grammar import ExpressionError
from fhir_bridge.mapping.leaf_code import LeafCompiler, Sink
from fhir_bridge.mapping.reads import looped
from fhir_bridge.mapping.shape import NODE_KEYS, QUALIFIERS, Spot, Target, is_literal, required_names

__all__ = ["NodeCompiler"]


_LABEL = re.compile(r"='([^':]+): '")


def _label(node: Mapping) -> str:
    """With what the text of a note begins, which says of which field it is: `Call back`."""
    text = node.get("text")
    match = _LABEL.match(text.text) if isinstance(text, Scalar) else None
    return match[1] if match else ""


class NodeCompiler(LeafCompiler):
    """Compiles the elements of one rule.

    Attributes:
        items: the lines with which the items of the list written last begin, and that of its end.
    """

    items: tuple[int, ...] = ()

    def members(
        self, entries: Iterable[tuple[Scalar, Node]], spot: Spot, env: Environment, variable: str
    ) -> set[str]:
        """Statements that set the members of an object; returns the element names that they write."""
        written: set[str] = set()
        targets = [
            (target, key, node)
            for key, node in entries
            if (target := self.shape.target(spot, key)) is not None
        ]
        top = not self.top
        within = not top and not self.within
        for target, _, node in sorted(targets, key=lambda item: spot.order(item[1].text.strip("`"))):
            if top:
                self.top = target.name or target.element.name.removesuffix("[x]")
            elif within:
                self.within = "." + (target.name or target.element.name.removesuffix("[x]"))
            if isinstance(node, Scalar) and node.literal is None:
                continue
            written.add(target.element.name)
            self.member(node, target, env, Sink(variable, target.name))
        if top:
            self.top = ""
        elif within:
            self.within = ""
        return written

    def member(self, node: Node, target: Target, env: Environment, sink: Sink) -> None:
        """Statements that set one member."""
        if is_literal(node):
            if target.name is None:
                name, value = self.shape.choice(node, target)
                if name is not None:
                    self.writer.line(sink.put(self.part(value), name), node.position)
                    self.traced(target, "literal", node, sink, key=repr(name))
                return
            value = self.shape.constant(node, target)
            if value is not None:
                self.writer.line(sink.put(self.part(value)), node.position)
                self.traced(target, "literal", node, sink)
            return
        if not target.is_list:
            if isinstance(node, Sequence):
                if len(node.items) != 1:
                    self.problems.add(node.position, f"{target.shown} takes one value, not a list", "", "008")
                    return
                node = node.items[0]
            if isinstance(node, Mapping) and node.get("for") is not None:
                local = self.writer.name("l")
                self.writer.line(f"{local} = []")
                self.item(node, target, env, Sink(local))
                location = self.target_constant(target, node)
                value = self.writer.name("t")
                self.writer.line(f"{value} = single(ctx, {local}, {location})", node.position)
                with self.writer.block(f"if {value}:"):
                    self.writer.line(sink.put(value))
                    self.alias(local, sink)
                return
            self.item(node, target, env, sink)
            return
        if isinstance(node, Scalar):
            self.expression(node, target, env, sink)
            return
        local = self.writer.name("l")
        self.writer.line(f"{local} = []")
        inner = Sink(local)
        starts = []
        for item in node.items if isinstance(node, Sequence) else [node]:
            starts.append(len(self.writer.lines))
            self.item(item, target, env, inner)
        self.items = (*starts, len(self.writer.lines))
        self.writer.line(f"if {local}: {sink.put(local)}", node.position)

    def item(self, node: Node, target: Target, env: Environment, sink: Sink) -> None:
        """Statements that put one value, of any form of node."""
        if isinstance(node, Sequence):
            if not target.is_list and len(node.items) > 1:
                self.problems.add(node.position, f"{target.shown} takes one value, not a list", "", "008")
                return
            for inner in node.items:
                self.item(inner, target, env, sink)
            return
        if is_literal(node):
            if target.name is None and sink.key is None and isinstance(node, Scalar):
                name, value = self.shape.choice(node, target)
                if name is not None:
                    self.writer.line(sink.put(self.part(value), name), node.position)
                    self.traced(target, "literal", node, sink, key=repr(name))
                return
            value = self.shape.constant(node, target)
            if value is not None:
                value = value[0] if target.is_list else value
                self.writer.line(sink.put(self.part(value)), node.position)
                self.traced(target, "literal", node, sink)
            return
        if isinstance(node, Scalar):
            self.expression(node, target, env, sink)
            return
        assert isinstance(node, Mapping)
        self.instructions(node, target, env, sink)

    def instructions(self, node: Mapping, target: Target, env: Environment, sink: Sink) -> None:
        """`for`, then `let`, then `when`, then the object or match itself."""
        loop = node.get("for")
        if loop is not None:
            if not isinstance(loop, Scalar) or not isinstance(loop.value, str):
                self.problems.add(
                    loop.position, "`for` in a node is written `name in expression`", "for: r in OBX-8", "003"
                )
                return
            parsed = self.parse(loop, loop.text, 0, ex.parse_loop)
            if parsed is None:
                return
            name, tree = parsed
            start = len(self.expressions.seen)
            try:
                code = self.expressions.compile(tree, env)
            except ExpressionError as error:
                self.report(loop, error, 0)
                return
            local = self.writer.name(f"v_{name}_")
            uses = looped(tuple(dict.fromkeys(self.expressions.seen[start:])), local)
            item = Variable(local, code.type, repeats=False, reads=looped(code.reads, local), uses=uses)
            inner = env.with_names({name: item})
            with self.writer.block(f"for {local} in iterate({code.source}):", loop.position):
                self.loops = (*self.loops, local)
                self.conditional(node, target, inner, sink)
                self.loops = self.loops[:-1]
            if self.delta and (label := _label(node)):
                named = f"{self.top}:{label}"
                self.writer.line(f"if {code.source} is CLEARED: cl.append({named!r})", loop.position)
            return
        self.conditional(node, target, env, sink)

    def conditional(self, node: Mapping, target: Target, env: Environment, sink: Sink) -> None:
        """`when` and `let`, then the object or match."""
        let, when = node.get("let"), node.get("when")
        if let is not None:
            env = self.variables(let, env)
        if when is None:
            self.body(node, target, env, sink)
            return
        condition = self.condition(when, env)
        text = when.text.removeprefix("=") if isinstance(when, Scalar) else ""
        with (
            self.branch_block(
                f"if {condition.source if condition else 'False'}:", when.position, f"when {text}"
            ),
            self.deciding(target.shown, text, when.position, condition),
        ):
            if condition:
                self.read(condition.reads)
            self.body(node, target, env, sink)
        if self.trace:
            with self.branch_block("else:", when.position, f"when not ({text})"):
                pass

    def body(self, node: Mapping, target: Target, env: Environment, sink: Sink) -> None:
        """The object, or the match, without its instructions."""
        if node.get("match") is not None:
            self.match(node, target, env, sink)
            return
        rest = [(key, value) for key, value in node if key.text not in NODE_KEYS]
        if target.name is None:
            self.problems.add(
                node.position,
                f"{target.shown} has a choice of types and this does not say which",
                f"write {' or '.join(list(target.element.json_names)[:3])}",
                "008",
            )
            return
        self.object(Mapping(node.position, rest), target, env, sink)

    def object(self, node: Mapping, target: Target, env: Environment, sink: Sink) -> None:
        """An object with members, written unless it comes out empty or lacks what it must have."""
        inside = target.inside()
        if inside is None:
            self.problems.add(node.position, f"{target.shown} is a {target.type}, not an object", "", "008")
            return
        local = self.writer.name("o")
        constants: dict[str, Any] = {}
        literals: list[tuple[str, Node]] = []
        dynamic: list[tuple[Scalar, Node]] = []
        written: set[str] = set()
        for key, value in node:
            if is_literal(value) and not key.text.endswith("[x]"):
                child = self.shape.target(inside, key)
                if child is None or child.name is None:
                    continue
                constant = self.shape.constant(value, child)
                if constant is not None:
                    constants[child.name] = constant
                    written.add(child.element.name)
                    literals.append((child.shown, value))
            else:
                dynamic.append((key, value))
        ordered = {name: constants[name] for name in sorted(constants, key=inside.order)}
        if not dynamic:
            self.shape.required(node, inside, written)
            if constants:
                self.writer.line(sink.put(self.part(ordered)), node.position)
                self.traced(target, "literal", node, sink)
            return
        for element, value in literals:
            self.literal(element, value.position, local)
        source = ", ".join(f"{name!r}: {self.part(value)}" for name, value in ordered.items())
        self.writer.line(f"{local} = {{{source}}}", node.position)
        written |= self.members(dynamic, inside, env, local)
        self.shape.required(node, inside, written)
        self._finish(node, target, inside, local, set(constants), sink)

    def _finish(
        self, node: Node, target: Target, inside: Spot, local: str, constants: set[str], sink: Sink
    ) -> None:
        qualifiers = QUALIFIERS.get(target.type or "", frozenset())
        missing = [
            " and ".join(f"{name!r} not in {local}" for name in names)
            for names in required_names(inside)
            if not constants & set(names)
        ]
        if constants - qualifiers:
            condition = ""
        elif qualifiers:
            constant = self.writer.object("Q", qualifiers, ("qualifiers", target.type))
            condition = f"not {local}.keys() <= {constant}"
        else:
            condition = local
        put = sink.put(local)
        if missing:
            location = self.target_constant(target, node)
            test = " or ".join(f"({item})" if " and " in item else item for item in missing)
            message = f"a required element of {target.shown} came out empty; it was left out"
            lost = f"ctx.lost({location}, 'FB-MAP-104', {message!r})"
            with self.writer.block(f"if {test}:", node.position):
                self.writer.line(f"if {local}.keys() - {tuple(sorted({*constants, *qualifiers}))}: {lost}")
            if condition:
                self.writer.line(f"elif {condition}: {put}", node.position)
            else:
                self.writer.line(f"else: {put}", node.position)
        else:
            self.writer.line(f"if {condition}: {put}" if condition else put, node.position)

    def match(self, node: Mapping, target: Target, env: Environment, sink: Sink) -> None:
        """`match:` with its cases."""
        subject = node.get("match")
        assert subject is not None
        if not isinstance(subject, Scalar):
            self.problems.add(subject.position, "`match` is an expression", "", "003")
            return
        compiled = self.code(subject, env, bare=True)
        if compiled is None:
            return
        value = self.writer.name("m")
        self.writer.line(f"{value} = {compiled[1].source}", subject.position)
        # What a value without a case of its own is, does not show, unless the branch reads it itself.
        unread = self.expressions.new_arm() if self.expressions.marking else 0
        several = f"mk({unread})" if unread else "None"
        self.writer.line(
            f"if {value}.__class__ is list: {value} = {value}[0] if len({value}) == 1 else {several}"
        )
        self.read(compiled[1].reads, unread)
        with self.deciding(target.shown, subject.text.removeprefix("="), subject.position, compiled[1]):
            self._cases(node, value, unread, compiled[0], target, env, sink)

    def _cases(
        self,
        node: Mapping,
        value: str,
        unread: int,
        subject: ex.Expression,
        target: Target,
        env: Environment,
        sink: Sink,
    ) -> None:
        """The cases of a match, whose subject's value is in the variable `value`."""
        shown = f"match {ex.unparse(subject)}"
        cases = [(key, case) for key, case in node if key.text not in (*NODE_KEYS, "else", "empty")]
        seen: set[str] = set()
        head = "if"
        for key, case in cases:
            names = (
                [name.strip() for name in key.text.split("|")] if isinstance(key.value, str) else [key.text]
            )
            for name in names:
                if name in seen:
                    self.problems.add(key.position, f'the case "{name}" occurs twice', "", "003")
                seen.add(name)
            with self.branch_block(
                f"{head} {_case(value, key, names)}:", key.position, f"{shown}: {key.text}"
            ):
                if unread and _is_null(case):
                    self.writer.line(f"mk({unread})")
                self.branch(case, value, subject, target, env, sink)
            head = "elif"
        empty, otherwise = node.get("empty"), node.get("else")
        null = f"{value} is None or {value} is CLEARED or {value} == ''"
        if empty is not None:
            with self.branch_block(f"{head} {null}:", empty.position, f"{shown}: empty"):
                self.branch(empty, value, subject, target, env, sink)
            head = "elif"
        elif otherwise is None:
            with self.writer.block(f"{head} {null}:"):
                pass
            head = "elif"
        text = "" if otherwise is None else f"{shown}: else"
        position = node.position if otherwise is None else otherwise.position
        with self.branch_block("else:" if head == "elif" else "if True:", position, text):
            rest = Scalar(node.position, "flag", "flag") if otherwise is None else otherwise
            if unread and not _is_word(rest):
                self.writer.line(f"mk({unread})")
            self.branch(rest, value, subject, target, env, sink)

    def branch(
        self,
        node: Node,
        value: str,
        subject: ex.Expression,
        target: Target,
        env: Environment,
        sink: Sink,
    ) -> None:
        """A case of a match: any node, or `flag` or `reject`, whose issue names what was matched."""
        if _is_word(node):
            reject = ", reject=True" if isinstance(node, Scalar) and node.literal == "reject" else ""
            arguments = (
                f"{value}, {self.target_constant(target, node)}, {self.writer.constant(ex.unparse(subject))}"
            )
            self.writer.line(f"unmatched(ctx, {arguments}{reject})", node.position)
        elif not _is_null(node):
            self.item(node, target, env, sink)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.expression is None and node.literal is None


def _is_word(node: Node) -> bool:
    """Whether a branch is `flag` or `reject`."""
    return isinstance(node, Scalar) and node.expression is None and node.literal in ("flag", "reject")


def _case(value: str, key: Scalar, names: list[str]) -> str:
    literal = key.value
    if not isinstance(literal, str):
        texts = {key.text, *(["true" if literal else "false"] if isinstance(literal, bool) else [])}
        options = ", ".join([literal_source(literal), *(repr(text) for text in sorted(texts))])
        return f"{value} in ({options})"
    if len(names) == 1:
        return f"{value} == {names[0]!r}"
    return f"{value} in ({', '.join(repr(name) for name in names)})"
