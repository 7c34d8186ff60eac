"""A view may hold anything: it is refused with issues, or it compiles; in bounded time and without a crash."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.fhirpath import Budget
from fhir_bridge.fhir.views import RecordError, ViewError, check_view, compile_view
from fhir_bridge.fhir.views.reading import MAX_DEPTH

PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "A"}]}


def nested(depth: int) -> dict[str, Any]:
    select: dict[str, Any] = {"column": [{"name": "c", "path": "id"}]}
    for _ in range(depth - 1):
        select = {"select": [select]}
    return {"resource": "Patient", "select": [select]}


def codes(view: Any) -> set[str]:
    return {issue.code for issue in check_view(view)}


def test_selects_are_nested_as_deep_as_a_table_needs() -> None:
    assert list(compile_view(nested(MAX_DEPTH)).rows(PATIENT)) == [("p",)]
    assert codes(nested(MAX_DEPTH + 1)) == {"FB-VIEW-016"}
    assert "FB-VIEW-016" in codes(nested(900))


def test_a_definition_that_holds_itself_ends() -> None:
    select: dict[str, Any] = {"column": [{"name": "c", "path": "id"}]}
    select["select"] = [select, select]
    assert "FB-VIEW-016" in codes({"resource": "Patient", "select": [select]})


def test_text_nested_too_deep_is_refused_as_text() -> None:
    text = b'{"resource":"Patient","select":' + b'[{"select":' * 5000 + b"[]" + b"}]" * 5000 + b"}"
    assert codes(text) == {"FB-VIEW-001"}


def test_ten_thousand_columns() -> None:
    columns = [{"name": f"c{n}", "path": f"name.where(family = 'A{n % 7}').family"} for n in range(10_000)]
    view = compile_view({"resource": "Patient", "select": [{"column": columns}]})
    ((row),) = view.rows({"resourceType": "Patient", "name": [{"family": "A3"}]})
    assert len(row) == 10_000
    assert row.count("A3") == 10_000 // 7 + 1


def test_ten_thousand_selects_side_by_side() -> None:
    selects = [{"column": [{"name": f"c{n}", "path": "id"}]} for n in range(10_000)]
    ((row),) = compile_view({"resource": "Patient", "select": selects}).rows(PATIENT)
    assert row == ("p",) * 10_000
    each = [{"forEach": "name", "column": [{"name": f"c{n}", "path": "family"}]} for n in range(3_000)]
    ((row),) = compile_view({"resource": "Patient", "select": each}).rows(PATIENT)
    assert row == ("A",) * 3_000


def test_ten_thousand_columns_of_one_name_are_each_reported() -> None:
    columns = [{"name": "c", "path": "id"}] * 1000
    assert len(check_view({"resource": "Patient", "select": [{"column": columns}]})) == 999


@pytest.mark.parametrize(
    "path",
    [
        "a." * 20_000 + "a",
        "(" * 5000 + "id" + ")" * 5000,
        "id | " * 3000 + "id",
        "'" + "x" * 10**6 + "'",
        "-" * 5000 + "1",
    ],
)
def test_a_path_of_any_length_compiles_or_is_refused(path: str) -> None:
    view = {"resource": "Patient", "select": [{"column": [{"name": "c", "path": path}]}]}
    assert codes(view) <= {"FB-VIEW-011", "FB-VIEW-019"}


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                "resource select column unionAll forEach forEachOrNull repeat name path type constant where".split()
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(_JSON)
def test_any_json_is_a_view_or_a_list_of_issues(view: Any) -> None:
    issues = check_view(view)
    assert all(issue.message and issue.expression.startswith("ViewDefinition") for issue in issues)
    if any(issue.severity == "error" for issue in issues):
        with pytest.raises(ViewError):
            compile_view(view)
    else:
        assert compile_view(view).columns


_PATHS = st.sampled_from(
    ["id", "name", "name.family", "$this", "%rowIndex", "%a", "active", "'x'", "{}", "name.given", "@@"]
)
_COLUMNS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("abcdef"), "path": _PATHS},
        optional={"collection": st.booleans(), "type": st.sampled_from(["string", "HumanName", "x"])},
    ),
    max_size=3,
)
_SELECTS = st.recursive(
    st.fixed_dictionaries({"column": _COLUMNS}),
    lambda inner: st.fixed_dictionaries(
        {"column": _COLUMNS},
        optional={
            "select": st.lists(inner, max_size=2),
            "unionAll": st.lists(inner, max_size=2),
            "forEach": _PATHS,
            "forEachOrNull": _PATHS,
            "repeat": st.lists(_PATHS, max_size=2),
        },
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_SELECTS, min_size=1, max_size=3))
def test_a_view_that_compiles_gives_rows_of_its_columns_or_an_error(selects: list[Any]) -> None:
    try:
        view = compile_view(
            {"resource": "Patient", "select": selects, "constant": [{"name": "a", "valueString": "x"}]}
        )
        rows = list(view.rows(PATIENT))
    except (ViewError, RecordError):
        return
    assert all(len(row) == len(view.columns) for row in rows)


def test_paths_of_repeat_that_overlap_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_bridge.fhir.views.rows.MAX_REPEATED", 1_000)
    item: dict[str, Any] = {"linkId": "0"}
    for number in range(30):
        item = {"linkId": str(number), "item": [item]}
    select = {"repeat": ["item", "item"], "column": [{"name": "c", "path": "linkId"}]}
    view = compile_view({"resource": "Questionnaire", "select": [select]})
    with pytest.raises(RecordError, match="repeat reaches more than"):
        list(view.rows({"resourceType": "Questionnaire", "item": [item]}))


def test_paths_of_all_rows_of_a_resource_share_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_bridge.fhir.views.paths.Budget", lambda: Budget(100_000))
    column = {"name": "c", "path": "%resource.name.where(given.exists()).count()"}
    view = compile_view({"resource": "Patient", "select": [{"forEach": "name", "column": [column]}]})
    with pytest.raises(RecordError, match="too many items to look at in all"):
        list(view.rows({"resourceType": "Patient", "name": [{"given": ["a"]}] * 300}))
