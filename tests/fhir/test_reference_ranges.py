"""Where a result is relative to its reference ranges; unknown is never taken for inside."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir.reference_ranges import Person, standing_of

UCUM = "http://unitsofmeasure.org"
ANYONE = Person()
WOMAN = Person("female", "1961-04-05")


def quantity(value: object, code: str = "mmol/L", comparator: str = "") -> dict[str, Any]:
    results = {"value": Decimal(str(value)), "unit": code, "system": UCUM, "code": code}
    return results | ({"comparator": comparator} if comparator else {})


def position(value: Any, *ranges: dict[str, Any], person: Person = ANYONE, at: str = "2026-03-02") -> str:
    node = {"valueQuantity": value, "referenceRange": list(ranges)}
    result = standing_of(node, person, at)
    assert result is not None
    assert (result.position == "unknown") is bool(result.reason)
    return result.position


def bounds(low: object = None, high: object = None, code: str = "mmol/L", **more: Any) -> dict[str, Any]:
    ends = {"low": low, "high": high}
    return {end: quantity(value, code) for end, value in ends.items() if value is not None} | more


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("3.9", "< 3.0", "above"),
        ("3.0", "< 3.0", "above"),
        ("2.9", "< 3.0", "within"),
        ("3.0", "<= 3.0", "within"),
        ("3.0", "≤3.0 mmol/L", "within"),
        ("3.1", "up to 3", "above"),
        ("0.8", "> 1.0", "below"),
        ("1.0", ">1.0", "below"),
        ("1.0", ">= 1.0", "within"),
        ("5.2", "3.5-5.1", "above"),
        ("3.4", "3.5 – 5.1", "below"),
        ("4", "3.5 to 5.1 mmol/L", "within"),
        ("3.4", "3,5 - 5,1", "below"),
        ("-3", "-2 - 2", "below"),
        ("4", "(3.5-5.1)", "within"),
        ("4", "3.5-5.1 mg/dL", "unknown"),
        ("4", "1,000-2,000", "unknown"),
        ("4", "negative", "unknown"),
        ("4", "M: 13-17 F: 12-15", "unknown"),
        ("4", "5.1-3.5", "unknown"),
        ("4", "", "unknown"),
    ],
)
def test_a_range_that_is_text(value: str, text: str, expected: str) -> None:
    assert position(quantity(value), {"text": text}) == expected


def test_the_bounds_of_a_range_belong_to_it() -> None:
    for value, expected in (("3.5", "within"), ("5.1", "within"), ("3.49", "below"), ("5.11", "above")):
        assert position(quantity(value), bounds("3.5", "5.1")) == expected
    assert position(quantity("3.0"), bounds(high="3.0", text="<3.0")) == "above", "the text is stricter"
    assert position(quantity("3.0"), bounds(high="3.0", text="see notes")) == "within"


def test_units_are_compared_by_ucum() -> None:
    gram = quantity("0.14", "g/L")
    assert position(gram, bounds(12, 16, "g/dL")) == "below"
    assert position(quantity("140", "g/L"), bounds(12, 16, "g/dL")) == "within"
    assert position(quantity("37.5", "Cel"), bounds(97, 99, "[degF]")) == "above"
    assert position(quantity("5", "mmol/L"), bounds(60, 110, "mg/dL")) == "unknown"
    assert position({"value": 5, "unit": "beans"}, {"high": {"value": 4, "unit": "beans"}}) == "above"
    assert position({"value": 5, "unit": "beans"}, {"high": {"value": 4, "unit": "peas"}}) == "unknown"
    assert position({"value": 5}, bounds(high=4)) == "unknown", "a value without unit may be in any"
    assert position(quantity(5), {"high": {"value": 4}}) == "above", "a range without unit is in the value's"


@pytest.mark.parametrize(
    ("comparator", "value", "low", "high", "expected"),
    [
        ("<", 3, 3, 5, "below"),
        ("<=", 3, 3, 5, "unknown"),
        ("<", 5, None, 5, "within"),
        ("<", 5, 0, 5, "unknown"),
        ("<", 6, None, 5, "unknown"),
        (">", 5, 3, 5, "above"),
        (">=", 5, 3, 5, "unknown"),
        (">", 60, 60, None, "within"),
        (">", 60, 90, None, "unknown"),
    ],
)
def test_a_value_with_a_comparator_is_all_that_it_may_be(
    comparator: str, value: int, low: int | None, high: int | None, expected: str
) -> None:
    assert position(quantity(value, comparator=comparator), bounds(low, high)) == expected


MEN = {"appliesTo": [{"coding": [{"system": "http://snomed.info/sct", "code": "248153007"}]}]}
WOMEN = {"appliesTo": [{"text": "Female"}]}
PREGNANT = {"appliesTo": [{"text": "pregnant"}]}


def test_of_several_ranges_those_for_the_person_count() -> None:
    ranges = (bounds(13, 17, **MEN), bounds(12, 15, **WOMEN))
    assert position(quantity("12.5"), *ranges, person=WOMAN) == "within"
    assert position(quantity("12.5"), *ranges, person=Person("male")) == "below"
    assert position(quantity("12.5"), *ranges, person=ANYONE) == "unknown"
    assert position(quantity("11"), *ranges, person=ANYONE) == "below", "below all that may count"
    assert position(quantity("16"), *ranges, bounds(12, 17), person=WOMAN) == "above", (
        "her own before anyone's"
    )
    assert position(quantity("14"), bounds(13, 17, **MEN), person=WOMAN) == "unknown", "none is for her"
    assert position(quantity("14"), bounds(12, 13, **PREGNANT), bounds(12, 15), person=WOMAN) == "unknown"
    other = Person("other")
    assert position(quantity("12.5"), *ranges, person=other) == "unknown"


@pytest.mark.parametrize(
    ("at", "expected"),
    [("2026-04-04", "within"), ("2026-04-05", "above"), ("2026", "unknown"), ("", "unknown")],
)
def test_the_age_at_the_time_of_the_result_counts(at: str, expected: str) -> None:
    young = {"age": {"high": {"value": 64, "code": "a", "system": UCUM}}}
    old = {"age": {"low": {"value": 65, "code": "a", "system": UCUM}}}
    ranges = (bounds(0, 100, **young), bounds(0, 50, **old))
    assert position(quantity(80), *ranges, person=WOMAN, at=at) == expected


def test_ages_of_small_children_are_in_days_weeks_and_months() -> None:
    child = Person("male", "2026-01-31")
    for code, at, completed in (("d", "2026-02-03", 3), ("wk", "2026-02-13", 1), ("mo", "2026-03-30", 1)):
        for bound, expected in ((completed, "above"), (completed + 1, "unknown")):
            age = {"age": {"low": {"value": bound, "code": code}}}
            assert position(quantity(80), bounds(0, 50, **age), person=child, at=at) == expected


def test_a_normal_range_goes_before_a_therapeutic_one() -> None:
    therapeutic = {"type": {"coding": [{"code": "therapeutic"}]}}
    assert position(quantity(5), bounds(0, 1), bounds(4, 8, **therapeutic)) == "above"
    assert position(quantity(9), bounds(4, 8, **therapeutic)) == "above"


@pytest.mark.parametrize(
    "node",
    [
        {},
        {"valueQuantity": quantity(5)},
        {"valueQuantity": {"unit": "x"}, "referenceRange": [bounds(1, 2)]},
        {"valueCodeableConcept": {"text": "positive"}},
        {"valueQuantity": quantity(5), "referenceRange": []},
        {"valueQuantity": quantity(5), "referenceRange": ["nonsense"]},
    ],
)
def test_without_number_or_range_there_is_nothing_to_compare(node: dict[str, Any]) -> None:
    assert standing_of(node, WOMAN, "2026-03-02") is None


numbers = st.decimals(-1000, 1000, places=2)
ends = st.none() | numbers


@given(numbers, ends, ends)
def test_a_number_is_where_arithmetic_puts_it(
    value: Decimal, low: Decimal | None, high: Decimal | None
) -> None:
    if low is None and high is None:
        return
    if low is not None and high is not None and low > high:
        low, high = high, low
    expected = (
        "below"
        if low is not None and value < low
        else "above"
        if high is not None and value > high
        else "within"
    )
    assert position(quantity(value), bounds(low, high)) == expected
    kilo = bounds(*(None if end is None else end / 1000 for end in (low, high)), code="mol/L")
    assert position(quantity(value), kilo) == expected


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["value", "unit", "code", "system", "low", "high", "text", "appliesTo", "age", "type", "coding", "comparator"]
    ), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(json, json, st.sampled_from(["", "male", "x"]), st.sampled_from(["", "2020", "2020-01-01", "x"]))
def test_nothing_that_is_stored_breaks_the_comparison(value: Any, ranges: Any, gender: str, at: str) -> None:
    node = {"valueQuantity": value, "referenceRange": ranges if isinstance(ranges, list) else [ranges]}
    standing_of(node, Person(gender, at), at)


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ({"valueString": "1:160"}, "< 1:40", "the value is no number"),
        ({"valueString": "7.2"}, "<5", "the value is no number"),
        ({"valueCodeableConcept": {"text": "Positive"}}, "negative", "the value is no number"),
        ({"valueCodeableConcept": {"coding": [{"code": "1"}]}}, "negative", "the value is no number"),
        ({"valueCodeableConcept": {"coding": [{"code": "1", "display": "Negative"}]}}, "negative", None),
        ({"valueString": "negative "}, "Negative", None),
    ],
)
def test_a_value_that_is_no_number_is_not_taken_for_inside(
    value: dict[str, Any], text: str, expected: str | None
) -> None:
    result = standing_of(value | {"referenceRange": [{"text": text}]}, ANYONE)
    assert (result and (result.position, result.reason)) == (expected and ("unknown", expected))


def test_a_range_that_ends_below_its_beginning_is_none() -> None:
    assert position(quantity(4), bounds(5, 3)) == "unknown"
