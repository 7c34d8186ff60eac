"""Laws that hold of any expression: three-valued logic, sets, equality."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from fhir_bridge.fhir.fhirpath import compile  # noqa: A004
from fhir_bridge.fhir.fhirpath.compiled import condition
from fhir_bridge.fhir.fhirpath.fhir_types import r4_type
from tests.fhir.fhirpath.trees import COLLECTIONS, TRUTHS


def truth(text: str) -> Any:
    result = compile(text).evaluate({})
    return result[0] if result else None


@given(TRUTHS, TRUTHS)
@settings(max_examples=200)
def test_de_morgan_holds_with_empty(a: str, b: str) -> None:
    assert truth(f"({a} and {b}).not()") == truth(f"({a}).not() or ({b}).not()")
    assert truth(f"({a} or {b}).not()") == truth(f"({a}).not() and ({b}).not()")


@given(TRUTHS, TRUTHS, TRUTHS)
@settings(max_examples=200)
def test_logic_is_commutative_and_distributive(a: str, b: str, c: str) -> None:
    for operator in ("and", "or", "xor"):
        assert truth(f"{a} {operator} {b}") == truth(f"{b} {operator} {a}")
    assert truth(f"{a} and ({b} or {c})") == truth(f"({a} and {b}) or ({a} and {c})")
    assert truth(f"{a} implies {b}") == truth(f"({a}).not() or {b}")
    assert truth(f"(({a}).not()).not()") == truth(a)


@given(TRUTHS)
@settings(max_examples=200)
def test_the_compiled_form_knows_the_three_truths(a: str) -> None:
    kind = r4_type("Patient")
    assert kind is not None
    value = truth(a)
    patient = {"resourceType": "Patient", "active": True, "deceasedBoolean": False}
    named = (
        a.replace("true", "active")
        .replace("false", "(deceased as boolean)")
        .replace("{}", "multipleBirth.ofType(boolean)")
    )
    expression = compile(named, published=True)
    assert expression.is_true(patient) is (value is True)
    assert compile(f"({named}).not()", published=True).is_true(patient) is (value is False)
    assert condition(expression.node, kind, lambda *_: False, published=True) is not None
    assert expression.evaluate(patient) == ([] if value is None else [value])


def sizes(text: str) -> Any:
    return compile(f"{text}.count()").evaluate({})[0]


@given(COLLECTIONS, COLLECTIONS)
@settings(max_examples=200)
def test_union_is_a_set_whatever_the_order(a: str, b: str) -> None:
    assert sizes(f"({a} | {b})") == sizes(f"({b} | {a})")
    assert truth(f"({a} | {b}).subsetOf({b} | {a})") is True
    assert truth(f"({a} | {b}).isDistinct()") is True
    assert sizes(f"({a} | {a})") == sizes(f"{a}.distinct()")
    assert truth(f"{a}.intersect({b}).subsetOf({b}.intersect({a}))") is True
    assert truth(f"{a}.exclude({b}).intersect({b}).empty()") is True
    assert sizes(f"{a}.combine({b})") == sizes(a) + sizes(b)


@given(COLLECTIONS, COLLECTIONS)
@settings(max_examples=200)
def test_equivalence_is_reflexive_and_symmetric_and_equality_asks_no_less(a: str, b: str) -> None:
    assert truth(f"{a} ~ {a}") is True
    assert truth(f"{a} ~ {b}") == truth(f"{b} ~ {a}")
    assert truth(f"{a} !~ {b}") is not truth(f"{a} ~ {b}")
    assert truth(f"{a} = {b}") == truth(f"{b} = {a}")
    if truth(f"{a} = {b}") is True:
        assert truth(f"{a} ~ {b}") is True


@pytest.mark.parametrize(
    ("left", "operator", "right", "expected"),
    [
        ("@2018-03", "<", "@2018-03-01", None),
        ("@2018-02", "<", "@2018-03-01", True),
        ("@2018-03-01T10:00:00Z", "=", "@2018-03-01T12:00:00+02:00", True),
        ("@2018-03-01T10:00:00Z", "<", "@2018-03-01T10:00:00", None),
        ("@2018-03-01T10:00:00Z", "<", "@2018-03-05T10:00:00", True),
        ("1 year", "=", "12 months", True),
        ("1 year", "=", "1 'a'", None),
        ("1 'mg'", "<", "1 'g'", True),
        ("1 'mg'", "=", "1 'cm'", False),
        ("1 'mg'", "<", "1 'cm'", None),
        ("5 'Cel'", "<", "300 'K'", True),
        ("1", "=", "1.0", True),
        ("true", "=", "1", False),
        ("'1'", "=", "1", False),
        ("@2015", "=", "'2015'", False),
    ],
)
def test_values_compare_as_far_as_they_can(
    left: str, operator: str, right: str, expected: bool | None
) -> None:
    assert truth(f"{left} {operator} {right}") is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("@2016-02-29 + 1 year", "2017-02-28"),
        ("@2015-01-31 + 1 month", "2015-02-28"),
        ("@2014 + 24 months", "2016"),
        ("@2014 + 25 months", "2016"),
        ("@2014-01 + 30 days", "2014-02"),
        ("@2014-01-31 - 1 month", "2013-12-31"),
        ("@2014-01-01T00:00:00Z - 1 second", "2013-12-31T23:59:59Z"),
        ("@T23:30 + 2 hours", "01:30"),
        ("@T00:10:00 - 20 minutes", "23:50:00"),
    ],
)
def test_durations_move_dates_on_the_calendar(expression: str, expected: str) -> None:
    assert compile(expression).evaluate({}) == [expected]
