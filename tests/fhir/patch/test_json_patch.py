"""JSON Patch: what each operation does, what it refuses, and that the resource given is never touched."""

from __future__ import annotations

import contextlib
import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir.patch import PatchError, json_patch
from fhir_bridge.fhir.patch.documents import equal

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "name": [{"family": "A", "given": ["B", "C"]}, {"family": "D"}],
    "a/b": {"m~n": 1},
    "": {"": 0},
}

APPLIED: list[tuple[str, list[dict[str, Any]], str, Any]] = [
    ("add a member", [{"op": "add", "path": "/gender", "value": "male"}], "gender", "male"),
    ("add replaces a member", [{"op": "add", "path": "/active", "value": False}], "active", False),
    (
        "add before an item",
        [{"op": "add", "path": "/name/0/given/0", "value": "X"}],
        "name",
        [{"family": "A", "given": ["X", "B", "C"]}, {"family": "D"}],
    ),
    (
        "add behind the last item by its number",
        [{"op": "add", "path": "/name/0/given/2", "value": "X"}],
        "name",
        [{"family": "A", "given": ["B", "C", "X"]}, {"family": "D"}],
    ),
    (
        "add behind the last item",
        [{"op": "add", "path": "/name/-", "value": {"family": "X"}}],
        "name",
        [{"family": "A", "given": ["B", "C"]}, {"family": "D"}, {"family": "X"}],
    ),
    ("add null", [{"op": "add", "path": "/gender", "value": None}], "gender", None),
    ("remove an item", [{"op": "remove", "path": "/name/0"}], "name", [{"family": "D"}]),
    ("replace by another kind", [{"op": "replace", "path": "/name", "value": "x"}], "name", "x"),
    (
        "move an item",
        [{"op": "move", "from": "/name/1", "path": "/name/0"}],
        "name",
        [{"family": "D"}, {"family": "A", "given": ["B", "C"]}],
    ),
    ("move to where it is", [{"op": "move", "from": "/name/1", "path": "/name/1"}], "name", PATIENT["name"]),
    (
        "move to the end",
        [{"op": "move", "from": "/name/0/given/0", "path": "/name/0/given/-"}],
        "name",
        [{"family": "A", "given": ["C", "B"]}, {"family": "D"}],
    ),
    (
        "copy",
        [
            {"op": "copy", "from": "/name/1", "path": "/name/-"},
            {"op": "add", "path": "/name/2/text", "value": "x"},
        ],
        "name",
        [{"family": "A", "given": ["B", "C"]}, {"family": "D"}, {"family": "D", "text": "x"}],
    ),
    (
        "copy into itself",
        [{"op": "copy", "from": "/name", "path": "/name/0/all"}, {"op": "remove", "path": "/name/1"}],
        "name",
        [{"family": "A", "given": ["B", "C"], "all": PATIENT["name"]}],
    ),
    ("escapes", [{"op": "replace", "path": "/a~1b/m~0n", "value": 2}], "a/b", {"m~n": 2}),
    ("empty keys", [{"op": "replace", "path": "//", "value": 2}], "", {"": 2}),
    ("a test that holds", [{"op": "test", "path": "/name/1", "value": {"family": "D"}}], "active", True),
    ("nothing to do", [], "active", True),
    ("unknown members", [{"op": "add", "path": "/gender", "value": "male", "note": 1}], "gender", "male"),
]


@pytest.mark.parametrize(
    ("operations", "key", "expected"), [a[1:] for a in APPLIED], ids=[a[0] for a in APPLIED]
)
def test_an_operation_does_what_the_rfc_says(operations: list[Any], key: str, expected: Any) -> None:
    before, given_operations = copy.deepcopy(PATIENT), copy.deepcopy(operations)
    after = json_patch(PATIENT, operations)
    assert after[key] == expected
    assert before == PATIENT
    assert operations == given_operations


REFUSED: list[tuple[Any, int, str]] = [
    ({"op": "add"}, 0, "an array of operations, this is an object"),
    ("x", 0, "an array of operations, this is a string"),
    (["x"], 1, "an operation is an object, this is a string"),
    ([{"path": "/a"}], 1, "op is missing; it is one of add, remove"),
    ([{"op": "Add", "path": "/a", "value": 1}], 1, "op is 'Add'"),
    ([{"op": ["add"], "path": "/a", "value": 1}], 1, "op is an array"),
    ([{"op": "add", "value": 1}], 1, "add needs the member path"),
    ([{"op": "add", "path": "/a"}], 1, "add needs the member value"),
    ([{"op": "move", "path": "/a"}], 1, "move needs the member from"),
    ([{"op": "add", "path": 5, "value": 1}], 1, "a JSON Pointer is expected"),
    ([{"op": "add", "path": "a", "value": 1}], 1, "begins with /"),
    ([{"op": "add", "path": "/a~2", "value": 1}], 1, "~ stands for itself only as ~0"),
    ([{"op": "add", "path": "/a~", "value": 1}], 1, "~ stands for itself only as ~0"),
    ([{"op": "add", "path": "/x/y", "value": 1}], 1, "/x does not exist"),
    ([{"op": "add", "path": "/active/y", "value": 1}], 1, "/active is no object or array"),
    ([{"op": "add", "path": "/name/3", "value": 1}], 1, "there is no item 3; the array has 2 items"),
    ([{"op": "add", "path": "/name/01", "value": 1}], 1, "'01' is no index"),
    ([{"op": "add", "path": "/name/x", "value": 1}], 1, "'x' is no index"),
    ([{"op": "add", "path": "/name/-1", "value": 1}], 1, "'-1' is no index"),
    ([{"op": "add", "path": "/name/" + "9" * 100, "value": 1}], 1, "is no index"),
    ([{"op": "remove", "path": "/name/-"}], 1, "- is the place behind the end"),
    ([{"op": "remove", "path": "/gender"}], 1, "/gender does not exist"),
    ([{"op": "remove", "path": ""}], 1, "the whole resource can't be removed"),
    ([{"op": "replace", "path": "/gender", "value": 1}], 1, "/gender does not exist"),
    ([{"op": "copy", "path": "/x", "from": "/gender"}], 1, "/gender does not exist"),
    ([{"op": "move", "path": "/name/0/x", "from": "/name"}], 1, "can't be moved into itself"),
    ([{"op": "test", "path": "/active", "value": 1}], 1, "the test failed"),
    ([{"op": "test", "path": "/active", "value": "true"}], 1, "the test failed"),
    (
        [{"op": "add", "path": "/gender", "value": "male"}, {"op": "test", "path": "/gender", "value": "x"}],
        2,
        "test failed",
    ),
    ([{"op": "replace", "path": "/id", "value": "q"}], 1, "may not change resourceType or id"),
    ([{"op": "remove", "path": "/resourceType"}], 1, "may not change resourceType or id"),
    ([{"op": "replace", "path": "", "value": {}}], 1, "may not change resourceType or id"),
    ([{"op": "replace", "path": "", "value": None}], 1, "may not change resourceType or id"),
    ([{"op": "copy", "from": "", "path": f"/x{n}"} for n in range(40)], 15, "values would be added"),
    ([{"op": "add", "path": "/x" * n, "value": {}} for n in range(1, 260)], 0, "nested deeper than"),
]


@pytest.mark.parametrize(("operations", "number", "reason"), REFUSED)
def test_what_can_not_be_applied_is_refused_whole_and_explained(
    operations: Any, number: int, reason: str
) -> None:
    before = copy.deepcopy(PATIENT)
    with pytest.raises(PatchError) as caught:
        json_patch(PATIENT, operations)
    assert reason in caught.value.reason
    assert caught.value.operation == number
    assert f"operation {caught.value.operation}" in str(caught.value) or number == 0
    assert before == PATIENT


def test_identity_may_be_changed_where_the_caller_allows_it() -> None:
    assert (
        json_patch(PATIENT, [{"op": "replace", "path": "/id", "value": "q"}], keep_identity=False)["id"]
        == "q"
    )


def test_any_json_can_be_patched() -> None:
    assert json_patch([1, 2], [{"op": "add", "path": "/1", "value": 3}]) == [1, 3, 2]
    assert json_patch("x", [{"op": "replace", "path": "", "value": "y"}]) == "y"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (1, Decimal("1.0"), True),
        (0.1, Decimal("0.1"), True),
        (1, True, False),
        (0, False, False),
        (0, None, False),
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}, True),
        ([1, 2], [2, 1], False),
        ("1", 1, False),
        ({}, [], False),
        ({"a": None}, {}, False),
        (float("inf"), float("inf"), True),
    ],
)
def test_values_are_compared_as_json_compares_them(first: Any, second: Any, same: bool) -> None:
    assert equal(first, second) is same
    assert equal([{"x": second}], [{"x": first}]) is same


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "-"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "", "~", "/", "0"]), inner, max_size=3)
    ),
    max_leaves=8,
)
POINTER = st.lists(st.sampled_from(["a", "b", "", "~0", "~1", "0", "1", "-", "00"]), max_size=3).map(
    lambda tokens: "".join("/" + token for token in tokens)
)
OPERATION = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": POINTER},
    optional={"from": POINTER, "value": JSON},
)


@given(JSON, st.lists(OPERATION | JSON, max_size=4))
def test_any_patch_of_any_json_applies_or_says_why(document: Any, operations: list[Any]) -> None:
    before = copy.deepcopy(document)
    with contextlib.suppress(PatchError):
        json_patch(document, operations)
    assert equal(document, before)


@given(JSON, JSON)
def test_replacing_the_whole_gives_the_whole(document: Any, other: Any) -> None:
    operations = [
        {"op": "test", "path": "", "value": document},
        {"op": "replace", "path": "", "value": other},
    ]
    assert equal(json_patch(document, operations), other)
