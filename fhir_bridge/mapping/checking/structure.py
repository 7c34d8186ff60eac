"""Variables that nothing uses, and keys that do not distinguish."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_bridge.mapping import expressions as ex
from fhir_bridge.mapping.checking.findings import Findings
from fhir_bridge.mapping.checking.places import Expression, Rule, chain
from fhir_bridge.mapping.document import Mapping, Node, Scalar, Sequence
from fhir_bridge.mapping.errors import nearest

__all__ = ["check_structure"]


def check_structure(findings: Findings) -> None:
    """Look at variables and keys."""
    for variable in findings.places.variables:
        if not variable.used:
            name = variable.key.text
            findings.add(variable.key.position, f'nothing uses the variable "{name}"', "leave it out")
    keys: dict[int, list[Expression]] = {}
    for place in findings.places.expressions:
        if place.role == "key" and place.rule is not None:
            keys.setdefault(id(place.rule), []).append(place)
    _keyed(findings)
    _choices(findings)
    for rule in findings.places.rules:
        if isinstance(rule.node.get("key"), Sequence):
            _key(findings, rule, keys.get(id(rule), []))


def _choices(findings: Findings) -> None:
    """Two types of one choice that one cell gives: `effectiveDateTime` and `effectivePeriod` of the same time."""
    if not getattr(findings.model, "cells", False):
        return  # a value with parts may be of one type or of another
    read: dict[int, set[str]] = {}
    for place in findings.places.expressions:
        if place.target is not None:
            known = read.setdefault(id(place.target), set())
            for tree in ex.walk(place.tree):
                known |= {text for (text, _), _ in chain(tree, place, findings.model)}
    for members in findings.places.members:
        seen: list[tuple[str, str, set[str]]] = []
        for key, value, target in members:
            if not target.element.is_choice or _is_conditional(value):
                continue
            name, fields = target.element.name, read.get(id(target), set())
            for other, text, others in seen:
                if other == name and fields & others:
                    message = f"{target.shown} is written beside {text}, and {name} takes one of them"
                    findings.add(key.position, message, f"write one, or {name}: with a match")
            seen.append((name, key.text, fields))


def _is_conditional(node: Node) -> bool:
    """Whether an element may be absent by its own words."""
    if isinstance(node, Mapping):
        return any(node.get(word) is not None for word in ("when", "for", "match", "fragment"))
    if not isinstance(node, Scalar) or node.expression is None:
        return not isinstance(node, Scalar) or node.value is None
    return " if " in node.expression


def _key(findings: Findings, rule: Rule, parts: list[Expression]) -> None:
    node = rule.node.get("key")
    assert node is not None
    trees = [(tree, place) for part in parts for tree, place in _all(part.tree, part)]
    if rule.node.get("unpivot") is not None:
        if not any(isinstance(tree, ex.Name) and tree.name in ("column", "spec") for tree, _ in trees):
            findings.add(
                node.position, "all columns of a row have this key, and so one id", "add `column` to the key"
            )
        return
    own = getattr(findings.model, "own", None)
    if own is None or rule.scope == findings.model.root:
        return
    selectors = {text for tree, place in trees for (text, _), _ in chain(tree, place, findings.model)}
    if selectors and not any(own(text, rule.scope) for text in selectors):
        example = findings.model.example(rule.scope)
        findings.add(
            node.position,
            f"no part of the key is of {rule.scope}: all of one group around it have one id",
            f"add a field of it, such as {example}",
        )


def _all(tree: ex.Expression, place: Expression) -> Iterator[tuple[ex.Expression, Expression]]:
    """The nodes of an expression, and those of the variables in it."""
    for item in ex.walk(tree):
        yield item, place
        variable = place.names.get(item.name) if isinstance(item, ex.Name) and not item.quoted else None
        if variable is not None and variable.tree is not None:
            yield from _all(variable.tree, place)


def _keyed(findings: Findings) -> None:
    """References by key to what a rule of this mapping makes: its name, and as many parts as its key has."""
    rules = {
        name.text: rule for rule in findings.places.rules if isinstance(name := rule.node.get("rule"), Scalar)
    }
    for place, call in findings.calls():
        if call.name != "keyed" or len(call.arguments) < 2:
            continue
        tree = call.arguments[1]
        named = findings.text(tree, place)
        if named is None:
            continue
        keyed = rules.get(named)
        if keyed is None:
            if near := nearest(named, rules):
                findings.add(place.at(tree.start), f'no rule here is named "{named}"', near)
            continue
        kind, key = keyed.node.get("as"), keyed.node.get("key")
        wanted = findings.text(call.arguments[0], place)
        if wanted is not None and isinstance(kind, Scalar) and kind.text != wanted:
            message = f'the rule "{named}" creates a {kind.text}'
            findings.add(place.at(call.arguments[0].start), message, f"write '{kind.text}'")
        given = len(call.arguments) - 2
        if isinstance(key, Sequence) and len(key.items) != given:
            message = f'the key of "{named}" has {len(key.items)} parts, and {given} are given'
            parts = ", ".join(item.text for item in key.items if isinstance(item, Scalar))
            findings.add(place.at(tree.start), message, f"they are {parts}")
