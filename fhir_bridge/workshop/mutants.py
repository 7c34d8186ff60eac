"""Small wrong changes to the rules of a mapping, each of which some example should notice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from fhir_bridge.mapping import Position
from fhir_bridge.mapping.document import Document, Mapping, Node, Scalar, plain
from fhir_bridge.mapping.document import Sequence as Items
from fhir_bridge.mapping.loading import composed_document

__all__ = ["Mutant", "RuleDocument", "rule_documents"]

_NOT_ELEMENTS: Final = frozenset(
    "rule as for when let key profile time update on_error unpivot doc match else empty".split()
)
_FIXED: Final = frozenset(("rule", "as", "for", "key", "profile", "doc", "unpivot", "on_error", "update"))
"""Keys of a rule that are left as they are: other ones make another mapping, not a wrong one."""
_IF: Final = re.compile(r"^=(?P<yes>[^()]+?) if (?P<test>.+?) else (?P<no>[^()]+)$")
_REF: Final = re.compile(r"\b(?:ref|keyed)\s*\(\s*(?:'\w+'\s*,\s*|\w+\s*,\s*)?'([\w-]+)'")

Step = str | int
Path_ = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change.

    Attributes:
        rule: the rule that it is tried in.
        position: of what is changed: in the mapping's file, or one that it includes or extends.
        what: the change in words.
    """

    rule: str
    position: Position
    what: str
    path: Path_
    kind: str
    value: str | bool | tuple[str, str] | None = None

    @property
    def place(self) -> tuple[object, ...]:
        """What is changed and how: the same for a fragment wherever it is put."""
        return (self.position, self.kind, isinstance(self.path[-1], int), self.value)


@dataclass(slots=True)
class RuleDocument:
    """A mapping reduced to one rule and those that it refers to, so that a change of it compiles fast."""

    rule: str
    document: Document
    index: int
    """Place of the rule in the reduced document."""
    whole: RuleDocument | None = None
    """The rule in the mapping as it is, for where it does not compile without the others."""

    @property
    def node(self) -> Node:
        """The rule."""
        rules = self.document.root.get("rules")
        assert isinstance(rules, Items)
        return rules.items[self.index]

    def mutants(self) -> Iterator[Mutant]:
        """The changes of the rule, in document order."""
        yield from _mutants(self.node, self.rule, ("rules", self.index), top=True)

    def changed(self, mutant: Mutant) -> Document:
        """The document with a change."""
        holder, last = mutant.path[:-1], mutant.path[-1]
        if mutant.kind == "drop":
            root = _edited(self.document.root, holder, lambda node: _without(node, last))
        elif mutant.kind == "swap":
            assert isinstance(mutant.value, tuple)
            first, second = mutant.value
            root = _edited(self.document.root, mutant.path, lambda node: _swapped(node, first, second))
        else:
            value = mutant.value
            assert isinstance(value, str | bool)
            scalar = Scalar(mutant.position, value, str(value), str(value))
            root = _edited(self.document.root, mutant.path, lambda _: scalar)
        assert isinstance(root, Mapping)
        return replace(self.document, root=root)


def rule_documents(mapping: Path) -> list[RuleDocument]:
    """A document for each rule of a mapping, with what it includes and extends.

    Raises:
        MappingErrors: it can't be read; `mapping check` says the same.
    """
    document = composed_document(mapping)
    node = document.root.get("rules")
    rules = node.items if isinstance(node, Items) else []
    names = [str(plain(rule).get("rule")) if isinstance(rule, Mapping) else "" for rule in rules]
    named = {name: number for number, name in enumerate(names)}
    results = []
    for number, name in enumerate(names):
        wanted = sorted(_closure(number, rules, named))
        kept = Items(rules[number].position, [rules[other] for other in wanted])
        root = _edited(document.root, ("rules",), lambda _, kept=kept: kept)  # type: ignore[misc]
        assert isinstance(root, Mapping)
        whole = RuleDocument(name, document, number)
        results.append(RuleDocument(name, replace(document, root=root), wanted.index(number), whole))
    return results


def _closure(number: int, rules: Sequence[Node], named: dict[str, int]) -> set[int]:
    """A rule and all that it refers to."""
    seen: set[int] = set()
    following = [number]
    while following:
        current = following.pop()
        if current in seen:
            continue
        seen.add(current)
        following += [named[name] for name in _REF.findall(str(plain(rules[current]))) if name in named]
    return seen


def _edited(node: Node, path: Path_, edit: Callable[[Node], Node]) -> Node:
    """The node with what is at a path edited; nothing of the original changes."""
    if not path:
        return edit(node)
    step, rest = path[0], path[1:]
    if isinstance(node, Items):
        return Items(
            node.position,
            [_edited(item, rest, edit) if number == step else item for number, item in enumerate(node.items)],
        )
    assert isinstance(node, Mapping)
    return Mapping(
        node.position,
        [(key, _edited(item, rest, edit) if key.text == step else item) for key, item in node],
    )


def _without(node: Node, step: Step) -> Node:
    if isinstance(node, Items):
        return Items(node.position, [item for number, item in enumerate(node.items) if number != step])
    assert isinstance(node, Mapping)
    return Mapping(node.position, [(key, item) for key, item in node if key.text != step])


def _swapped(node: Node, first: str, second: str) -> Node:
    assert isinstance(node, Mapping)
    other = {first: node.get(second), second: node.get(first)}
    return Mapping(node.position, [(key, other.get(key.text) or item) for key, item in node])


def _mutants(node: Node, rule: str, path: Path_, *, top: bool = False) -> Iterator[Mutant]:
    if isinstance(node, Mapping):
        yield from _of_object(node, rule, path, top=top)
    elif isinstance(node, Items):
        for number, item in enumerate(node.items):
            if len(node.items) > 1:
                what = f"item {number + 1} of {_shown(path)} is dropped"
                yield Mutant(rule, item.position, what, (*path, number), "drop")
            yield from _value(item, rule, (*path, number))


def _of_object(node: Mapping, rule: str, path: Path_, *, top: bool) -> Iterator[Mutant]:
    matches = node.get("match") is not None
    if matches:
        yield from _swaps(node, rule, path)
    for key, item in node:
        here = (*path, key.text)
        if key.text == "when":
            condition = f"the condition of {_shown(path)}"
            yield Mutant(rule, key.position, f"{condition} is removed", here, "drop")
            if isinstance(item, Scalar):
                negated = f"not ({item.text.removeprefix('=')})"
                yield Mutant(rule, key.position, f"{condition} is negated", here, "set", negated)
        elif key.text != "match" and not (top and key.text in _FIXED):
            if not matches and key.text not in _NOT_ELEMENTS:
                yield Mutant(rule, key.position, f"{_shown(here)} is dropped", here, "drop")
            yield from _value(item, rule, here)


def _swaps(node: Mapping, rule: str, path: Path_) -> Iterator[Mutant]:
    """Each case of a match with the next one's result."""
    cases = [(key, item) for key, item in node if key.text != "match"]
    for (first, one), (second, other) in pairwise(cases):
        if plain(one) != plain(other):
            what = f"the cases {first.text} and {second.text} of {_shown(path)} are swapped"
            yield Mutant(rule, first.position, what, path, "swap", (first.text, second.text))


def _value(item: Node, rule: str, path: Path_) -> Iterator[Mutant]:
    """The changes of what is at a place."""
    if not isinstance(item, Scalar):
        yield from _mutants(item, rule, path)
        return
    value, shown = item.value, _shown(path)
    if isinstance(value, bool):
        yield Mutant(rule, item.position, f"{shown} is {not value} instead", path, "set", not value)
    elif not isinstance(value, str):
        return
    elif item.expression is not None:
        if match := _IF.match(value):
            swapped = f"={match['no']} if {match['test']} else {match['yes']}"
            yield Mutant(rule, item.position, f"the branches of {shown} are swapped", path, "set", swapped)
    elif value not in ("flag", "reject") and path[-1] not in ("doc", "system", "url"):
        yield Mutant(rule, item.position, f"the constant of {shown} is another", path, "set", f"{value}-x")


def _shown(path: Path_) -> str:
    """The element of a place, as people write it."""
    names = [part for part in path[2:] if isinstance(part, str)]
    return re.sub(r"\.?`", "", ".".join(names)) or "the rule"
