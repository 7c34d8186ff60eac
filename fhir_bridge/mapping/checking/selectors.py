"""Fields that the source can't have, and what they are compared with."""

from __future__ import annotations

from typing import Any

from fhir_bridge.mapping import expressions as ex
from fhir_bridge.mapping.checking.findings import Findings
from fhir_bridge.mapping.checking.places import Expression, Match, chain
from fhir_bridge.mapping.coercion import PRIMITIVES
from fhir_bridge.mapping.document import Mapping
from fhir_bridge.mapping.errors import nearest
from fhir_bridge.mapping.shape import NODE_KEYS

__all__ = ["check_selectors"]

_ORDER = ("<", "<=", ">", ">=")
_ARITHMETIC = ("+", "-", "*", "/")
_LETTERS = {"upper": str.upper, "lower": str.lower}


def check_selectors(findings: Findings) -> None:
    """Look at each selector and comparison."""
    for place in findings.places.expressions:
        if place.role == "element":
            _as_written(findings, place)
        for tree in ex.walk(place.tree):
            if isinstance(tree, ex.Name | ex.Attribute | ex.Selector):
                _doubt(findings, place, tree)
            elif isinstance(tree, ex.Binary):
                _comparison(findings, place, tree)
    for match in findings.places.matches:
        _cases(findings, match)
    _columns(findings)


def _doubt(findings: Findings, place: Expression, tree: ex.Expression) -> None:
    doubts = getattr(findings.model, "doubt", None)
    if doubts is None:
        return
    for (text, numbers), scope in chain(tree, place, findings.model):
        result = doubts(text, scope, numbers)
        if result is not None:
            findings.add(place.at(tree.start), *result)


_MAKES = {
    "Period": "period(start, end) makes one",
    "Quantity": "quantity(value, unit) makes one",
    "Reference": "patient(x), ref('rule') or reference(Type, id) makes one",
    "Identifier": "write {system: …, value: …}",
    "Coding": "coding(x) makes one",
}
_TIMES = {"date": "date", "dateTime": "datetime", "instant": "instant", "time": "time_of_day"}


def _as_written(findings: Findings, place: Expression) -> None:
    """A field that is written as the source has it to an element of another form."""
    target = place.target
    written = ex.unparse(place.tree)
    if target is None or target.type is None or not any(chain(place.tree, place, findings.model)):
        return
    if getattr(findings.model, "cells", False) and target.type not in (*PRIMITIVES, "CodeableConcept"):
        message = f"{target.shown} takes a {target.type}, and {written} is text"
        findings.add(place.at(place.tree.start), message, _MAKES.get(target.type, ""))
    foreign: frozenset[str] = getattr(findings.model, "foreign", frozenset())
    if target.type in _TIMES and "times" in foreign:
        message = f"{target.shown} takes a {target.type} of FHIR, which {written} is not"
        findings.add(place.at(place.tree.start), message, f"write {_TIMES[target.type]}({written})")
    elif target.type == "code" and "codes" in foreign and findings.places.shape.binding(target) is not None:
        message = f"{target.shown} takes codes of FHIR, which those of {written} are not"
        findings.add(place.at(place.tree.start), message, f"translate({written}, 'map'), or a match")


def _columns(findings: Findings) -> None:
    """Columns of an `unpivot`."""
    doubts = getattr(findings.model, "doubt", None)
    for rule in findings.places.rules:
        columns = rule.node.get("unpivot")
        if doubts is None or not isinstance(columns, Mapping):
            continue
        for column, _ in columns:
            result = doubts(f"{rule.scope}.`{column.text}`", rule.scope, ())
            if result is not None:
                findings.add(column.position, *result)


def _comparison(findings: Findings, place: Expression, tree: ex.Binary) -> None:
    sides = ((tree.left, tree.right), (tree.right, tree.left))
    for value, other in sides if tree.operator in ("==", "!=", *_ORDER, *_ARITHMETIC) else sides[:1]:
        items = other.items if isinstance(other, ex.ListOf) else (other,)
        for item in items:
            if isinstance(item, ex.Literal) and item.value is not None:
                _compared(findings, place, tree.operator, value, item)


def _compared(
    findings: Findings, place: Expression, operator: str, value: ex.Expression, literal: ex.Literal
) -> None:
    written = ex.unparse(value)
    number = not isinstance(literal.value, str | bool)
    for selector, _ in chain(value, place, findings.model):
        if number and getattr(findings.model, "texts", False):
            shown = ex.unparse(literal)
            if operator in _ORDER or operator in _ARITHMETIC:
                use = "compared with a number" if operator in _ORDER else "calculated with"
                why, advice = f"can't be {use}", f"write decimal({written})"
            else:
                why, advice = f"is never equal to the number {shown}", f"write '{shown}'"
            findings.add(place.at(literal.start), f"{written} is text, which {why}", advice)
        elif isinstance(literal.value, str) and operator not in _ARITHMETIC:
            _in_table(findings, place.at(literal.start), written, literal.value, selector)


def _in_table(findings: Findings, position: Any, written: str, code: str, selector: Any) -> None:
    """Whether a code that a value is compared with is one of the value's table."""
    table_of = getattr(findings.model, "table", None)
    system = table_of(*selector) if table_of is not None else None
    if not system or not code:
        return
    known = findings.model.codes(system)
    if known is None and findings.terminology.knows_system(system):
        listed = findings.definitions.code_system(system)
        known = None if listed is None else listed.concepts
    if known and code not in known:
        near = nearest(code, known) or f"one of {', '.join(sorted(known)[:12])}"
        table = system.rpartition("v2-")[2]
        findings.add(position, f'"{code}" is no code of table {table}, so {written} is never that', near)


def _cases(findings: Findings, match: Match) -> None:
    """Cases that no value takes."""
    tree, place = match.subject.tree, match.subject
    change = _LETTERS.get(tree.name) if isinstance(tree, ex.Call) else None
    value = tree.arguments[0] if isinstance(tree, ex.Call) and change and tree.arguments else tree
    selectors = list(chain(value, place, findings.model))
    for key, _ in match.node:
        if key.text in (*NODE_KEYS, "else", "empty"):
            continue
        if key.text.islower() and (near := nearest(key.text, ("else", "empty"))) and len(key.text) > 2:
            word = near.split('"')[1]
            if match.node.get(word) is None:
                findings.add(key.position, f'the case "{key.text}" is only taken by that very value', near)
                continue
        for name in key.text.split("|"):
            case = name.strip()
            if change is not None and change(case) != case:
                message = f'the case "{case}" is never taken: {ex.unparse(tree)} has no such letters'
                findings.add(key.position, message, f'write "{change(case)}"')
            elif change is None:
                for selector, _ in selectors:
                    _in_table(findings, key.position, ex.unparse(tree), case, selector)
