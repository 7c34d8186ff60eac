"""Work that grows with powers of the resource, numbers beyond measure, nesting: an error or a value, never more."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.fhirpath import (
    Budget,
    Expression,
    FHIRPathError,
    compile,  # noqa: A004
    compiled,
    environment,
)

NAMES: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "x",
    "name": [{"given": [f"a{number}", "b"], "family": f"f{number % 7}"} for number in range(300)],
}


@pytest.fixture
def low_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bounds lower, so that they are met sooner."""
    monkeypatch.setattr(environment, "MAX_ITEMS", 50_000)
    monkeypatch.setattr(compiled, "MAX_ROUNDS", 500_000)


@pytest.mark.parametrize(
    "expression",
    [
        "name.where(%resource.name.where(%resource.name.where(family='z').exists()).exists()).count()",
        "name.where(%context.name.where(%context.name.where(family='z').exists()).exists()).count()",
        "name.all(%resource.name.all(%resource.name.all(family.exists())))",
        "name.select(%resource.name.select(%resource.name.family)).count()",
        "name.select(%resource.name).select(%resource.name).count()",
        "name.where(%resource.name.descendants().where($this='q').exists()).count()",
        "name.select(%resource.name.given.join('')).join('').length()",
        "name.given.where($this in %resource.name.given).count()",
        "name.given ~ name.skip(1).given.combine('a0').combine('b')",
        "name.repeat(%resource.name).count()",
        "name.given.repeat($this & 'x').count()",
        "name.sort(%resource.name.count()).count()",
    ],
)
@pytest.mark.parametrize("type_name", [None, "Patient"])
@pytest.mark.usefixtures("low_bounds")
def test_loops_within_loops_over_the_whole_resource_end(expression: str, type_name: str | None) -> None:
    with pytest.raises(FHIRPathError, match="more than 50,000 items"):
        Expression(expression, type_name).evaluate(NAMES)


@pytest.mark.usefixtures("low_bounds")
def test_one_loop_over_the_whole_resource_for_each_item_is_answered_where_it_is_compiled() -> None:
    expression = Expression("name.where(%resource.name.count() > 5).count()", "Patient")
    assert expression.evaluate(NAMES) == [300]


def test_matches_are_accounted_for() -> None:
    resource = {**NAMES, "name": [{"family": "x" * 250} for _ in range(200)]}
    with pytest.raises(FHIRPathError, match="items"):
        compile("name.where(family.matches('x*x*y')).count()", "Patient").evaluate(resource)


@pytest.mark.parametrize("references", ["Patient/", "urn:uuid:"])
def test_references_within_a_large_bundle_are_found_by_an_index(references: str) -> None:
    count = 1_000
    entries = [
        {
            "fullUrl": f"urn:uuid:{number}",
            "resource": {
                "resourceType": "Patient",
                "id": str(number),
                "link": [{"other": {"reference": f"{references}{(number + 1) % count}"}}],
            },
        }
        for number in range(count)
    ]
    bundle = {"resourceType": "Bundle", "entry": entries}
    result = compile("entry.resource.link.other.resolve().id", "Bundle").evaluate(bundle)
    assert result == [str((number + 1) % count) for number in range(count)]
    assert compile("entry.resource.repeat(link.other.resolve()).count()").evaluate(bundle) == [count]


@pytest.mark.parametrize(
    "expression",
    [
        "name.aggregate($total * $total, 1.5)",
        "name.aggregate($total * 1000000000000000000000000000000.0, 1.5 'mg')",
        "name.aggregate($total * $total, 2)",
    ],
)
def test_numbers_that_grow_without_end_become_empty(expression: str) -> None:
    assert compile(expression).evaluate(NAMES) == []


@pytest.mark.parametrize(
    "expression",
    [
        "value.toString()",
        "value.sqrt()",
        "value.power(0.5)",
        "value.lowBoundary()",
    ],
)
@pytest.mark.parametrize("number", [10**5000, float("inf"), float("nan")], ids=["long", "inf", "nan"])
def test_a_number_beyond_all_measure_has_no_value(expression: str, number: Any) -> None:
    resource = {"resourceType": "Observation", "valueInteger": number}
    assert compile(expression).evaluate(resource) == []


def test_nesting_beyond_the_stack_is_an_error() -> None:
    extension: dict[str, Any] = {"url": "u"}
    for _ in range(5_000):
        extension = {"url": "u", "extension": [extension]}
    for type_name in (None, "Patient"):
        with pytest.raises(FHIRPathError, match="nested too deeply"):
            compile("extension | extension", type_name).evaluate(
                {"resourceType": "Patient", "extension": [extension, {"url": "v"}]}
            )


def test_evaluations_for_one_purpose_share_a_budget() -> None:
    budget = Budget(1_500)
    expression = compile("name.given.count()", "Patient")
    assert len(expression.items(NAMES, budget=budget)) == 1
    assert budget.left == 1_500 - 900
    with pytest.raises(FHIRPathError, match="too many items to look at in all"):
        expression.items(NAMES, budget=budget)
