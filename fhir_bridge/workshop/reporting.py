"""Explanations for people and for programs: lines of text, or a JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.mapping import Span
from fhir_bridge.workshop.explaining import ElementSource, LeafFate, RecordExplanation
from fhir_bridge.workshop.showing import (
    LineNumbers,
    element_matches,
    grouped,
    label_matches,
    overview,
    plain,
    show_element,
    show_leaf,
)

__all__ = ["records_as_json", "report_lines"]

Lines = Iterator[tuple[str, bool]]


def report_lines(
    explanations: Sequence[RecordExplanation],
    rest: Sequence[Any],
    paths: Sequence[Path],
    elements: Sequence[str],
    leaves: Sequence[str],
    width: int | None,
) -> Lines:
    """Lines of text, each with whether it shows something that was asked for.

    Args:
        explanations: the records.
        rest: the readers' issues on whole files.
        paths: the files, for the numbers of lines.
        elements, leaves: what was asked for; without any, an overview of each record.
        width: columns of the terminal; None cuts nothing.
    """
    numbers = LineNumbers(paths)
    for number, given in enumerate(explanations):
        explanation = _with_lines(given, numbers)
        if number:
            yield "", False
        yield f"{explanation.locator}: {explanation.outcome}, mapping {_mapping(explanation)}", False
        if not elements and not leaves:
            yield from ((line, True) for line in overview(explanation))
        for resource in explanation.resources:
            for group in grouped(resource).values():
                named = [each for each in group if any(element_matches(name, each.path) for name in elements)]
                if named:
                    yield from ((line, True) for line in show_element(resource, named, explanation, width))
        for leaf in explanation.leaves.values():
            if any(label_matches(wanted, leaf.span.label) for wanted in leaves):
                yield from ((line, True) for line in show_leaf(leaf, explanation, width))
        if not elements and not leaves:
            for issue in explanation.issues:
                yield f"  {issue.severity} {issue.code} {plain(issue.message)}", True
    for issue in rest if not elements and not leaves else ():
        yield f"{issue.severity} {issue.code} {plain(issue.message)}", True


def _mapping(explanation: RecordExplanation) -> str:
    return f"{explanation.mapping.name} {explanation.mapping.version}"


def _with_lines(explanation: RecordExplanation, numbers: LineNumbers) -> RecordExplanation:
    """The same with the physical lines of values whose records know offsets alone."""
    if all(leaf.line for leaf in explanation.leaves):
        return explanation

    def lined(span: Span) -> Span:
        return span if span.line else span._replace(line=numbers.of(span.source, span.start))

    known = {span: lined(span) for span in explanation.leaves}

    def all_of(spans: tuple[Span, ...]) -> tuple[Span, ...]:
        return tuple(known.get(span) or lined(span) for span in spans)

    for resource in explanation.resources:
        resource.elements = [_lined(element, all_of) for element in resource.elements]
    explanation.passages = [p._replace(leaves=all_of(p.leaves)) for p in explanation.passages]
    leaves = {}
    for span, leaf in explanation.leaves.items():
        leaf.span = known[span]
        leaves[leaf.span] = leaf
    explanation.leaves = leaves
    return explanation


def _lined(element: ElementSource, all_of: Any) -> ElementSource:
    from dataclasses import replace

    conditions = tuple(replace(each, spans=all_of(each.spans)) for each in element.conditions)
    return replace(element, spans=all_of(element.spans), others=all_of(element.others), conditions=conditions)


def records_as_json(
    explanations: Sequence[RecordExplanation], elements: Sequence[str], leaves: Sequence[str]
) -> Iterator[str]:
    """A JSON object for each element and each value of the source, a line each."""
    for explanation in explanations:
        head = {"record": explanation.locator, "mapping": _mapping(explanation)}
        for resource in explanation.resources:
            for element in resource.elements:
                if _wanted(elements, leaves, elements, element.path, element_matches):
                    about = {"resource": resource.name, "rule": resource.rule}
                    yield dumps({**head, **about, **_element(element)}).decode()
        for leaf in explanation.leaves.values():
            if _wanted(elements, leaves, leaves, leaf.span.label, label_matches):
                yield dumps({**head, **_leaf(leaf)}).decode()


def _wanted(
    elements: Sequence[str], leaves: Sequence[str], named: Sequence[str], name: str, matches: Any
) -> bool:
    return any(matches(wanted, name) for wanted in named) if elements or leaves else True


def _element(element: ElementSource) -> dict[str, Any]:
    return {
        "element": element.path,
        "value": element.value,
        "expression": element.text,
        "position": str(element.position) if element.position else None,
        "from": [_span(span) for span in element.spans],
        "also": [_span(span) for span in element.others],
        "conditions": [
            {"expression": each.text, "position": str(each.position), "from": [_span(s) for s in each.spans]}
            for each in element.conditions
        ],
    }


def _leaf(leaf: LeafFate) -> dict[str, Any]:
    return {
        "leaf": _span(leaf.span),
        "fate": leaf.fate,
        "elements": [{"resource": name, "element": path} for name, path in leaf.elements],
        "uses": leaf.uses,
        "issues": leaf.issues,
    }


def _span(span: Span) -> dict[str, Any]:
    return {
        "label": span.label,
        "text": span.text,
        "source": span.source,
        **({"start": span.start, "end": span.end} if span.start >= 0 else {}),
        **({"line": span.line} if span.line else {}),
    }
