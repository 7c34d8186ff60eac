"""The expressions, literals and objects of a composed document, each with what is in scope there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.mapping import expressions as ex
from fhir_bridge.mapping.document import Document, Mapping, Node, Scalar, Sequence
from fhir_bridge.mapping.errors import Position
from fhir_bridge.mapping.grammar import ExpressionError
from fhir_bridge.mapping.shape import NODE_KEYS, RULE_KEYS, Problems, Shape, Spot, Target, rooted

__all__ = ["Expression", "Literal", "Match", "Object", "Places", "Rule", "Variable", "chain"]

_UNPIVOT = ("column", "value", "spec")
Chain = tuple[str, tuple[int, ...]]
"""A selector of the source, and the numbers that follow it."""


@dataclass(slots=True)
class Variable:
    """A name of a `let:` or `for:`: its key, and the expression that gives it; None for a literal."""

    key: Scalar
    tree: ex.Expression | None
    scope: str
    used: bool = False
    loop: bool = False


Names = MappingOf[str, Variable]


@dataclass(slots=True)
class Expression:
    """An expression.

    Attributes:
        at: the position of a character of the expression.
        scope: group of the source.
        target: element that it is written to, where it is.
        role: `element`, `when`, `key`, `time`, `let`, `for` or `match`.
    """

    tree: ex.Expression
    at: Callable[[int], Position]
    scope: str
    names: Names
    target: Target | None
    role: str
    rule: Rule | None

    @property
    def unpivots(self) -> bool:
        """Whether the rule runs for columns."""
        return self.rule is not None and self.rule.node.get("unpivot") is not None


@dataclass(slots=True)
class Literal:
    """A literal text in an element."""

    node: Scalar
    target: Target
    scope: str
    names: Names


@dataclass(slots=True)
class Object:
    """An object of an element, with the element's type."""

    node: Mapping
    target: Target


@dataclass(slots=True)
class Match:
    """A match with the expression that chooses."""

    node: Mapping
    subject: Expression


@dataclass(slots=True)
class Rule:
    """A rule: its node, and the group that it runs for."""

    node: Mapping
    scope: str
    names: dict[str, Variable] = field(default_factory=dict)


class Places:
    """Collects the places of a document."""

    def __init__(self, document: Document, model: Any, known: definitions.Definitions) -> None:
        self.model = model
        self.shape = Shape(Problems(known))
        self.expressions: list[Expression] = []
        self.literals: list[Literal] = []
        self.objects: list[Object] = []
        self.matches: list[Match] = []
        self.variables: list[Variable] = []
        self.rules: list[Rule] = []
        self.members: list[list[tuple[Scalar, Node, Target]]] = []
        root = document.root
        names = self._variables(root.get("let"), {}, model.root, None)
        rules = root.get("rules")
        for node in rules.items if isinstance(rules, Sequence) else ():
            if isinstance(node, Mapping):
                self._rule(node, names)

    def _rule(self, node: Mapping, names: Names) -> None:
        kind, group = node.get("as"), node.get("for")
        scope = group.text if isinstance(group, Scalar) else self.model.root
        if not isinstance(kind, Scalar) or definitions.find_type(kind.text) is None:
            return
        if scope != self.model.root and scope not in self.model.scopes:
            return
        rule = Rule(node, scope)
        self.rules.append(rule)
        names = self._variables(node.get("let"), names, scope, rule)
        for role in ("when", "time"):
            if isinstance(value := node.get(role), Scalar):
                self._expression(value, scope, names, None, role, rule, bare=True)
        key = node.get("key")
        for part in key.items if isinstance(key, Sequence) else [key]:
            if isinstance(part, Scalar) and isinstance(part.value, str):
                text = part.text.removesuffix("?")
                self._expression(
                    replace(part, value=text, text=text), scope, names, None, "key", rule, bare=True
                )
        rule.names.update(names)
        spot = rooted(kind.text, ())
        members = [(name, value) for name, value in node if name.text not in RULE_KEYS]
        self._members(members, spot, scope, names, rule)

    def _variables(self, node: Node | None, names: Names, scope: str, rule: Rule | None) -> Names:
        if not isinstance(node, Mapping):
            return names
        for key, value in node:
            tree = None
            if isinstance(value, Scalar) and isinstance(value.value, str):
                tree = self._expression(value, scope, names, None, "let", rule, bare=True)
            variable = Variable(key, tree, scope)
            self.variables.append(variable)
            names = {**names, key.text: variable}
        return names

    def _members(
        self, entries: list[tuple[Scalar, Node]], spot: Spot, scope: str, names: Names, rule: Rule
    ) -> None:
        written = []
        for key, value in entries:
            target = self.shape.target(spot, key)
            if target is not None:
                written.append((key, value, target))
                self._node(value, target, scope, names, rule)
        self.members.append(written)

    def _node(self, node: Node, target: Target, scope: str, names: Names, rule: Rule) -> None:
        if isinstance(node, Sequence):
            for item in node.items:
                self._node(item, target, scope, names, rule)
        elif isinstance(node, Scalar):
            if node.expression is not None:
                self._expression(node, scope, names, target, "element", rule)
            elif isinstance(node.value, str):
                self.literals.append(Literal(node, target, scope, names))
        elif isinstance(node, Mapping):
            self._object(node, target, scope, names, rule)

    def _object(self, node: Mapping, target: Target, scope: str, names: Names, rule: Rule) -> None:
        loop = node.get("for")
        if isinstance(loop, Scalar):
            names = self._loop(loop, scope, names, rule)
        names = self._variables(node.get("let"), names, scope, rule)
        if isinstance(when := node.get("when"), Scalar):
            self._expression(when, scope, names, None, "when", rule, bare=True)
        subject = node.get("match")
        if isinstance(subject, Scalar):
            tree = self._expression(subject, scope, names, None, "match", rule, bare=True)
            if tree is not None:
                self.matches.append(Match(node, self.expressions[-1]))
            for key, case in node:
                if key.text not in NODE_KEYS:
                    self._node(case, target, scope, names, rule)
            return
        self.objects.append(Object(node, target))
        inside = target.inside()
        if inside is not None:
            members = [(key, value) for key, value in node if key.text not in NODE_KEYS]
            self._members(members, inside, scope, names, rule)

    def _loop(self, loop: Scalar, scope: str, names: Names, rule: Rule) -> Names:
        try:
            name, tree = ex.parse_loop(loop.text, self.model.token)
        except ExpressionError:
            return names
        self.expressions.append(Expression(tree, loop.at, scope, names, None, "for", rule))
        key = Scalar(loop.position, name, name)
        return {**names, name: Variable(key, tree, scope, loop=True)}

    def _expression(
        self,
        node: Scalar,
        scope: str,
        names: Names,
        target: Target | None,
        role: str,
        rule: Rule | None,
        *,
        bare: bool = False,
    ) -> ex.Expression | None:
        text, offset = (node.expression, 1) if node.expression is not None else (node.text, 0)
        if (not bare and not offset) or not isinstance(node.value, str):
            return None
        try:
            tree = ex.parse(text or "", self.model.token)
        except ExpressionError:
            return None  # the compiler reports it
        self.expressions.append(
            Expression(tree, lambda at: node.at(at + offset), scope, names, target, role, rule)
        )
        for item in ex.walk(tree):
            if isinstance(item, ex.Name) and not item.quoted and item.name in names:
                names[item.name].used = True
        return tree


def chain(tree: ex.Expression, place: Expression, model: Any) -> Iterator[tuple[Chain, str]]:
    """The selector that a name, a dotted name or an indexed one stands for, with its group; none for other expressions.

    A variable of a loop or a `let:` stands for the selector that it comes from.
    """
    parts: list[tuple[str | int, bool]] = []
    while isinstance(tree, ex.Attribute | ex.Index):
        if isinstance(tree, ex.Attribute):
            parts.append((tree.name, tree.quoted))
        tree = tree.base
    if (
        isinstance(tree, ex.Call)
        and tree.name in ("first", "last", "distinct")
        and len(tree.arguments) == 1
        and not parts
    ):
        yield from chain(tree.arguments[0], place, model)
        return
    if isinstance(tree, ex.Selector):
        parts.append((tree.text, False))
    elif isinstance(tree, ex.Name):
        parts.append((tree.name, tree.quoted))
    else:
        return
    parts.reverse()
    scope = place.scope
    head = parts[0][0]
    if isinstance(tree, ex.Name) and not tree.quoted and isinstance(head, str):
        variable = place.names.get(head)
        if variable is None and (head == "site" or (head in _UNPIVOT and place.unpivots)):
            return
        if variable is not None:
            numbers = _numbers(parts[1:])
            if variable.tree is None or numbers is None:
                return
            for (text, before), group in chain(variable.tree, replace(place, scope=variable.scope), model):
                yield (text, (*before, *numbers)), group
            return
        while head == "outer" and len(parts) > 1:
            parent = model.scopes[scope].parent if scope in model.scopes else None
            if parent is None:
                return
            scope, parts = parent, parts[1:]
            head = parts[0][0]
    for size in range(len(parts), 0, -1):
        numbers = _numbers(parts[size:])
        if numbers is None:
            return
        text = ".".join(f"`{name}`" if quoted else str(name) for name, quoted in parts[:size])
        try:
            model.selector(text, scope)
        except LookupError:
            continue
        yield (text, numbers), scope
        return


def _numbers(parts: list[tuple[str | int, bool]]) -> tuple[int, ...] | None:
    numbers = tuple(name for name, _ in parts if isinstance(name, int))
    return numbers if len(numbers) == len(parts) else None
