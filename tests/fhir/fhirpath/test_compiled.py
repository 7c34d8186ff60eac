"""Compiled forms answer as the general evaluator: all invariants and search expressions, sound input and broken."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fhir_bridge.fhir import definitions, loads_exact
from fhir_bridge.fhir.fhirpath import FHIRPathError, compile  # noqa: A004
from fhir_bridge.fhir.fhirpath.compiled import condition, values
from fhir_bridge.fhir.fhirpath.expression import json_value
from fhir_bridge.fhir.fhirpath.fhir_types import ANY, FhirType, r4_type
from fhir_bridge.fhir.fhirpath.items import Item
from tests.conftest import SHARED
from tests.fhir.fhirpath.expressions import expression
from tests.fhir.fhirpath.walking import constraints_of, mutants, objects

MUTANTS = 6


class _Left(Exception):
    """The compiled form has left: the general one would answer."""


def _leave(_: Any, __: Any) -> Any:
    raise _Left


_CONDITIONS: dict[tuple[str, FhirType], Any] = {}


def _condition(expression: str, kind: FhirType) -> Any:
    key = (expression, kind)
    if key not in _CONDITIONS:
        _CONDITIONS[key] = condition(compile(expression, published=True).node, kind, _leave, published=True)
    return _CONDITIONS[key]


def _answer(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except FHIRPathError as error:
        return f"error: {error.problem}"


def _around(item: Item) -> Item:
    while item.parent is not None and not item.kind.is_resource:
        item = item.parent
    return item


def _compare_invariants(resource: dict[str, Any]) -> tuple[int, int]:
    compared = left = 0
    for item in objects(resource):
        if item.kind is ANY:
            continue
        for constraint in constraints_of(item.kind):
            holds = _condition(constraint.expression, item.kind) if constraint.expression else None
            if holds is None:
                continue
            around = _around(item)
            try:
                fast = holds(item.value, SimpleNamespace(resource=around.value))
            except _Left:
                left += 1
                continue
            known = compile(constraint.expression, published=True)
            slow = _answer(lambda: known.is_true(item, resource=around))  # noqa: B023
            assert fast is slow, (constraint.key, item.path, constraint.expression, item.value)
            compared += 1
    return compared, left


def _compare_searches(resource: dict[str, Any]) -> int:
    result = 0
    for parameter in definitions.search_parameters(resource["resourceType"]).values():
        if parameter.expression:
            known = compile(parameter.expression, published=True)
            fast = _answer(lambda: known.evaluate(resource))  # noqa: B023
            slow = _answer(lambda: [i.value for i in known.items(resource) if i.value is not None])  # noqa: B023
            assert fast == slow, (parameter.code, parameter.expression, resource)
            result += bool(fast)
    return result


EXAMPLES = sorted((SHARED / "suites/fhir-test-cases-r4/examples").glob("*.json"))


@pytest.mark.shared
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_compiled_forms_agree_on_examples_and_on_what_is_broken(path: Path) -> None:
    resource = loads_exact(path.read_bytes())
    compared, left = _compare_invariants(resource)
    assert compared > 0
    assert left <= compared
    _compare_searches(resource)
    for broken in mutants(resource, MUTANTS, seed=len(path.stem)):
        _compare_invariants(broken)
        _compare_searches(broken)


def test_nearly_every_invariant_and_all_search_expressions_have_a_compiled_form() -> None:
    without = set()
    for name in definitions.type_names():
        definition = definitions.type_definition(name)
        for element in definition.elements:
            kind = r4_type(element.path)
            for constraint in element.constraints if kind is not None else ():
                if (
                    kind is not None
                    and constraint.expression
                    and _condition(constraint.expression, kind) is None
                ):
                    without.add(constraint.key)
    assert without <= {"cid-0", "csd-1", "dom-3", "que-2", "txt-1", "txt-2"}
    for name in definitions.resource_types():
        kind = r4_type(name)
        assert kind is not None
        for parameter in definitions.search_parameters(name).values():
            if parameter.expression:
                node = compile(parameter.expression, published=True).node
                assert values(node, kind, _leave, published=True) is not None, parameter.expression


@pytest.mark.parametrize(
    "text",
    [
        "active" + " xor active" * 60,
        "name" + ".where(true)" * 400,
        "extension" + ".extension" * 40,
        "(" * 40 + "active" + " = active)" * 40,
    ],
)
def test_an_expression_that_would_grow_beyond_use_is_left_to_the_general_evaluator(text: str) -> None:
    patient = {"resourceType": "Patient", "active": True, "name": [{"text": "x"}]}
    known = compile(text, published=True)
    assert known.evaluate(patient) == [item.value for item in known.items(patient)]


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["patient-example", "observation-example", "questionnaire-example", "bundle-questionnaire"]
)
def test_any_expression_gives_the_same_either_way_or_says_why_not(name: str) -> None:
    """Compiled forms may miss an error beside a side that decides; they never make one, nor another answer."""
    chance = random.Random(name)
    resource = loads_exact((SHARED / f"suites/fhir-test-cases-r4/examples/{name}.json").read_bytes())
    inputs = [resource, *mutants(resource, 12, seed=5)]
    answered = 0
    for _ in range(1200):
        try:
            known = compile(expression(chance, 4), published=chance.random() < 0.5)
        except FHIRPathError:
            continue
        focus = chance.choice(inputs)
        general = _answer(lambda: [json_value(i) for i in known.items(focus) if i.value is not None])  # noqa: B023
        fast = _answer(lambda: known.evaluate(focus))  # noqa: B023
        if isinstance(general, str):
            continue
        answered += 1
        assert fast == general, known.text
        if len(general) < 2:
            truth = _answer(lambda: known.is_true(focus, trace=lambda *_: None))  # noqa: B023
            assert known.is_true(focus) is truth or isinstance(truth, str), known.text
    assert answered > 400
