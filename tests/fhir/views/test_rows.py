"""Rows: the cases that the specification's suite leaves open, and bounds on memory."""

from __future__ import annotations

import tracemalloc
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest

from fhir_bridge.fhir.views import RecordError, compile_view
from fhir_bridge.fhir.views.rows import KEPT

PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "birthDate": "1970-06",
    "_birthDate": {"extension": [{"url": "urn:x", "valueString": "about"}]},
    "name": [{"family": "A", "given": ["B", "C"]}, {"family": "D"}],
    "contact": [{"gender": "male", "telecom": [{"value": "1"}]}, {"gender": "female"}],
}


def rows(
    *selects: dict[str, Any], resource: dict[str, Any] | None = None, **more: Any
) -> list[tuple[Any, ...]]:
    view = compile_view({"resource": "Patient", "select": list(selects), **more})
    return list(view.rows(resource if resource is not None else PATIENT))


def columns(**paths: str) -> dict[str, Any]:
    return {"column": [{"name": name, "path": path} for name, path in paths.items()]}


def refused(*selects: dict[str, Any], **more: Any) -> RecordError:
    with pytest.raises(RecordError) as error:
        rows(*selects, **more)
    return error.value


class TestNulls:
    def test_the_row_of_for_each_or_null_is_null_even_where_a_path_would_give_something(self) -> None:
        nested = {
            "forEachOrNull": "communication",
            **columns(a="'x'", b="true", c="%resource.id", d="%rowIndex"),
        }
        assert rows(columns(id="id"), nested) == [("p", None, None, None, 0)]

    def test_it_covers_the_columns_of_nested_selects_and_unions(self) -> None:
        nested = {
            "forEachOrNull": "communication",
            **columns(a="preferred"),
            "select": [{"forEach": "language.coding", **columns(i="%rowIndex", c="code")}],
            "unionAll": [columns(x="'1'"), columns(x="'2'")],
        }
        assert rows(nested) == [(None, 0, None, None)]

    def test_a_collection_of_nothing_is_an_empty_list(self) -> None:
        assert rows({"column": [{"name": "c", "path": "telecom.value", "collection": True}]}) == [([],)]

    def test_a_primitive_with_extensions_alone_has_no_value(self) -> None:
        resource = {"resourceType": "Patient", "_gender": {"extension": [{"url": "urn:x", "valueCode": "y"}]}}
        select = columns(g="gender", x="gender.extension('urn:x').value.ofType(code)", e="gender.exists()")
        assert rows(select, resource=resource) == [(None, "y", True)]

    def test_an_array_with_a_hole_keeps_its_places(self) -> None:
        name = {"given": [None, "B"], "_given": [{"extension": [{"url": "urn:x", "valueString": "y"}]}, None]}
        resource = {"resourceType": "Patient", "name": [name]}
        assert rows(
            columns(a="name.given[1]", b="name.given[0]", c="name.given.first()"), resource=resource
        ) == [("B", None, None)]


class TestTypesOfValues:
    @pytest.mark.parametrize(
        ("path", "value", "code"),
        [
            ("birthDate", 5, "FB-VIEW-031"),
            ("birthDate", "yesterday", "FB-VIEW-031"),
            ("birthDate", "1970-06-01T10:00:00Z", "FB-VIEW-031"),
            ("birthDate", ["1970", "1971"], "FB-VIEW-030"),
            ("active", "true", "FB-VIEW-031"),
            ("gender", {"a": 1}, "FB-VIEW-031"),
            ("multipleBirth.ofType(integer)", None, ""),
        ],
        ids=str,
    )
    def test_a_value_of_another_type_is_an_error_that_names_the_column(
        self, path: str, value: Any, code: str
    ) -> None:
        resource = {"resourceType": "Patient", path: value}
        if not code:
            assert rows(columns(c=path), resource=resource) == [(None,)]
            return
        error = refused(columns(id="id", c=path), resource=resource)
        assert error.issue.code == code
        assert error.issue.expression == "ViewDefinition.select[0].column[1]"
        assert "column c" in error.issue.message
        assert "yesterday" not in str(error), "values of patients stay out of messages"

    @pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 1.5, "1", True], ids=str)
    def test_an_integer_has_32_bits(self, value: Any) -> None:
        resource = {"resourceType": "Patient", "multipleBirthInteger": value}
        assert (
            refused(columns(c="multipleBirth.ofType(integer)"), resource=resource).issue.code == "FB-VIEW-031"
        )

    def test_several_values_are_an_error_unless_it_is_a_collection(self) -> None:
        error = refused(columns(id="id", family="name.family"))
        assert error.issue.code == "FB-VIEW-030"
        assert "2 values" in error.issue.message

    def test_digits_of_decimals_are_kept(self) -> None:
        observation = {"resourceType": "Observation", "valueQuantity": {"value": Decimal("5.20")}}
        view = compile_view(
            {"resource": "Observation", "select": [columns(v="value.ofType(Quantity).value")]}
        )
        ((value,),) = view.rows(observation)
        assert str(value) == "5.20"


class TestConditions:
    def test_one_that_gives_no_boolean_at_run_time_rejects_the_record(self) -> None:
        error = refused(columns(id="id"), where=[{"path": "iif(active, name.family.first(), true)"}])
        assert (error.issue.code, error.issue.expression) == ("FB-VIEW-032", "ViewDefinition.where[0].path")

    def test_all_must_hold_and_nothing_is_not_true(self) -> None:
        assert rows(columns(id="id"), where=[{"path": "active"}, {"path": "deceased.ofType(boolean)"}]) == []
        assert rows(columns(id="id"), where=[{"path": "active"}, {"path": "name.exists(family = 'A')"}]) == [
            ("p",)
        ]

    def test_other_types_have_no_rows(self) -> None:
        assert rows(columns(id="id"), resource={"resourceType": "Observation", "id": "o"}) == []
        assert rows(columns(id="id"), resource={}) == []


class TestPathsThatCanNotBeEvaluated:
    @pytest.mark.parametrize("path", ["name.family + 'x'", "name.given.single()", "name.family > 5"])
    def test_they_reject_the_record_and_name_the_column(self, path: str) -> None:
        error = refused(
            {"column": [{"name": "c", "path": path, "type": "string" if ">" not in path else "boolean"}]}
        )
        assert error.issue.code == "FB-VIEW-033"
        assert "column c" in error.issue.message

    @pytest.mark.parametrize("paths", [["$this"], ["$this", "$this"], ["contact | $this"]])
    def test_a_repeat_that_leads_back_to_itself_ends(self, paths: list[str]) -> None:
        error = refused({"repeat": paths, **columns(c="id.count()")})
        assert error.issue.code == "FB-VIEW-033"
        assert "lead back" in error.issue.message


class TestProducts:
    def test_siblings_are_joined_in_order(self) -> None:
        item, two = {"forEach": "contact", **columns(g="gender")}, {"forEach": "name", **columns(f="family")}
        assert rows(item, columns(id="id"), two) == [
            ("male", "p", "A"),
            ("male", "p", "D"),
            ("female", "p", "A"),
            ("female", "p", "D"),
        ]

    def test_a_factor_larger_than_is_held_gives_the_same_rows(self) -> None:
        many = KEPT + 3
        resource = {
            "resourceType": "Patient",
            "identifier": [{"value": str(n)} for n in range(many)],
            **{"name": PATIENT["name"]},
        }
        item, two = (
            {"forEach": "name", **columns(f="family")},
            {"forEach": "identifier", **columns(v="value")},
        )
        expected = [(family, str(n)) for family in ("A", "D") for n in range(many)]
        assert rows(item, two, resource=resource) == expected
        assert sorted(rows(two, item, resource=resource)) == sorted((v, f) for f, v in expected)

    def test_a_huge_product_is_streamed(self) -> None:
        resource = {"resourceType": "Patient", "identifier": [{"value": str(n)} for n in range(2000)]}
        selects = [{"forEach": "identifier", **columns(**{f"c{n}": "value"})} for n in range(5)]
        view = compile_view({"resource": "Patient", "select": selects})
        tracemalloc.start()
        assert sum(1 for _ in islice(view.rows(resource), 20_000)) == 20_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 30 << 20, "2000 to the fifth rows are never held"

    def test_rows_of_nested_products_are_streamed_too(self) -> None:
        resource = {"resourceType": "Patient", "identifier": [{"value": str(n)} for n in range(500)]}
        inner = [{"forEach": "%resource.identifier", **columns(**{f"c{n}": "value"})} for n in range(4)]
        view = compile_view(
            {"resource": "Patient", "select": [columns(id="id"), {"forEach": "identifier", "select": inner}]}
        )
        tracemalloc.start()
        assert sum(1 for _ in islice(view.rows(resource), 10_000)) == 10_000
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 30 << 20


def test_rows_by_name() -> None:
    view = compile_view({"resource": "Patient", "select": [columns(id="id", active="active")]})
    assert list(view.dicts(PATIENT)) == [{"id": "p", "active": True}]


def test_member_of_asks_the_terminology() -> None:
    class Yes:
        def member(self, value_set: str, system: str | None, code: str) -> bool | None:
            return (value_set, code) == ("http://example.org/vs", "male")

        def __getattr__(self, name: str) -> Any:
            return lambda *_: None

    view = compile_view(
        {"resource": "Patient", "select": [columns(m="gender.memberOf('http://example.org/vs')")]}
    )
    assert view.asks_terminology
    assert list(view.rows({"resourceType": "Patient", "gender": "male"}, terminology=Yes())) == [(True,)]  # type: ignore[arg-type]


def test_keys_join_resources_and_references() -> None:
    patient = compile_view({"resource": "Patient", "select": [columns(key="getResourceKey()")]})
    paths = {
        "any": "subject.getReferenceKey()",
        "typed": "subject.getReferenceKey(Patient)",
        "quoted": "subject.getReferenceKey('Patient')",
        "other": "subject.getReferenceKey(Group)",
    }
    condition = compile_view({"resource": "Condition", "select": [columns(**paths)]})
    ((key,),) = patient.rows(PATIENT)
    for reference in ("Patient/p", "Patient/p/_history/3"):
        resource = {"resourceType": "Condition", "subject": {"reference": reference}}
        assert list(condition.rows(resource)) == [(key, key, key, None)]
    for reference in ("#p", "urn:uuid:9b0b1c3e-0000-4000-8000-000000000000", "p"):
        resource = {"resourceType": "Condition", "subject": {"reference": reference}}
        assert list(condition.rows(resource)) == [(None, None, None, None)]


def test_what_is_beside_a_primitive_is_seen_where_it_is_iterated_over() -> None:
    name = {"given": ["A", "B"], "_given": [None, {"extension": [{"url": "urn:x", "valueCode": "y"}]}]}
    resource = {"resourceType": "Patient", "name": [name]}
    select = {"forEach": "name.given", **columns(g="$this", x="extension('urn:x').value.ofType(code)")}
    assert rows(select, resource=resource) == [("A", None), ("B", "y")]


def test_resolve_finds_contained_resources_from_within_an_iteration() -> None:
    resource = {
        "resourceType": "Observation",
        "contained": [{"resourceType": "Patient", "id": "c", "gender": "male"}],
        "performer": [{"reference": "#c"}],
    }
    select = {"forEach": "performer", **columns(g="resolve().ofType(Patient).gender")}
    view = compile_view({"resource": "Observation", "select": [select]})
    assert list(view.rows(resource)) == [("male",)]
