"""Mutants aimed at invariants: the elements that a rule's expression names are removed, added or changed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Constraint, Element
from scripts.agreement.mutants.registry import Draft, mutator
from scripts.agreement.mutants.samples import object_of, value_of
from scripts.agreement.mutants.walk import Node

EVERYWHERE = frozenset({"dom-2", "dom-3", "dom-4", "dom-5", "dom-6"})
_NAME = re.compile(r"[A-Za-z]+")


def _ruled(draft: Draft) -> Iterator[tuple[Node, Constraint]]:
    """Objects and the rules that hold for them."""
    for node in draft.nodes():
        root = node.definition.element(node.element_id)
        constraints = list(root.constraints) if root else []
        if node.element is not None:
            constraints += node.element.constraints
        for constraint in constraints:
            if constraint.severity == "error" and constraint.key not in EVERYWHERE:
                yield node, constraint


def _pick(draft: Draft) -> tuple[Node, Constraint] | None:
    """A rule drawn first, so that a rule of a rare element is as likely as one of a frequent one."""
    constraints: dict[str, list[tuple[Node, Constraint]]] = {}
    for node, constraint in _ruled(draft):
        constraints.setdefault(constraint.key, []).append((node, constraint))
    key = draft.pick(sorted(constraints))
    return draft.pick(constraints[key]) if key is not None else None


def _named(node: Node, constraint: Constraint) -> list[Element]:
    names = set(_NAME.findall(constraint.expression))
    return [e for e in node.children if e.name.removesuffix("[x]") in names]


@mutator("invariant/removed")
def removed(draft: Draft) -> str | None:
    """An element that the rule names is removed."""
    pick = _pick(draft)
    if pick is None:
        return None
    node, constraint = pick
    element = draft.pick([e for e in _named(node, constraint) if node.has(e)])
    if element is None:
        return None
    for name in element.json_names:
        node.value.pop(name, None)
        node.value.pop("_" + name, None)
    return f"{constraint.key}: {node.path}.{element.name} removed"


@mutator("invariant/added")
def added(draft: Draft) -> str | None:
    """An element that the rule names is added."""
    pick = _pick(draft)
    if pick is None:
        return None
    node, constraint = pick
    element = draft.pick([e for e in _named(node, constraint) if not node.has(e)])
    if element is None:
        return None
    name, code = draft.random.choice(list(element.json_names.items()))
    inner = node.definition.children(element.id) and not element.content_reference
    value = object_of(node.definition.name, element.id) if inner else value_of(element, code)
    if value is None:
        return None
    node.value[name] = [value] if element.is_list else value
    return f"{constraint.key}: {node.path}.{name} added"


@mutator("invariant/changed")
def changed(draft: Draft) -> str | None:
    """A value that the rule names, directly or one step below, gets another value of its type."""
    pick = _pick(draft)
    if pick is None:
        return None
    node, constraint = pick
    names = set(_NAME.findall(constraint.expression))
    choices = [
        s
        for s in draft.spots()
        if s.path.startswith(node.path) and s.element.name.removesuffix("[x]") in names and s.code != "xhtml"
    ]
    spot = draft.pick(choices)
    if spot is None:
        return None
    if spot.code == "code" and spot.element.binding is not None:
        known = definitions.value_set(spot.element.binding.value_set or "")
        codes = sorted(c for listed in known.codes.values() for c in listed) if known else []
        value = draft.random.choice(codes) if codes else None
    elif spot.code in ("integer", "decimal", "positiveInt", "unsignedInt"):
        value = draft.random.choice([0, 1, -1, 1000])
    elif spot.code in ("date", "dateTime"):
        value = draft.random.choice(["1900-01-01", "2100-01-01"])
    elif spot.code == "boolean":
        value = not spot.value
    else:
        value = value_of(spot.element, spot.code)
    if value is None:
        return None
    spot.put(value)
    return f"{constraint.key}: {spot.path} changed"


@mutator("invariant/period")
def period(draft: Draft) -> str | None:
    """A period whose parts are in order, out of order, or of different precision."""
    node = draft.pick(draft.nodes("Period"))
    if node is None:
        return None
    start, end = draft.random.choice(
        [
            ("2021-05-04", "2021-05-03"), ("2021-05-04", "2021-05"), ("2021-05", "2021-05-04"), ("2022",
            "2021-05-04"),
            ("2021-05-04T10:00:00Z", "2021-05-04T11:00:00+02:00"), ("2021-05-04T10:00:00Z", "2021-05-04"),
            ("2021", "2021"),
            ("2021-05-04T10:00:00Z", "2021-05-03"), ("2021-05-04T10:00:00.5Z", "2021-05-04T10:00:00Z"),
        ]
    )  # fmt: skip
    node.value.update(start=start, end=end)
    return f"{node.path} is {start} to {end}"
