"""What is wrong with a ViewDefinition is said, all of it, with its place; what is odd is a warning."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.views import ViewError, check_view, compile_view


def column(path: str = "id", name: str = "c", **more: Any) -> dict[str, Any]:
    return {"name": name, "path": path, **more}


def view(*columns: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resource": "Patient", "status": "active", "select": [{"column": list(columns)}], **more}


def found(definition: Any) -> list[tuple[str, str]]:
    return [(issue.code, issue.expression) for issue in check_view(definition)]


@pytest.mark.parametrize(
    ("definition", "issue"),
    [
        (b"{", ("FB-VIEW-001", "ViewDefinition")),
        ("[]", ("FB-VIEW-001", "ViewDefinition")),
        ([], ("FB-VIEW-001", "ViewDefinition")),
        ({"resourceType": "Patient"}, ("FB-VIEW-001", "ViewDefinition")),
        ({"resource": "Patient"}, ("FB-VIEW-002", "ViewDefinition")),
        ({"select": [{"column": [column()]}]}, ("FB-VIEW-002", "ViewDefinition")),
        ({"resource": "Patient", "select": []}, ("FB-VIEW-018", "ViewDefinition.select")),
        ({"resource": "Patient", "select": {}}, ("FB-VIEW-003", "ViewDefinition.select")),
        ({"resource": "Patient", "select": [1]}, ("FB-VIEW-003", "ViewDefinition.select[0]")),
        (view(column(), resource="Patent"), ("FB-VIEW-005", "ViewDefinition.resource")),
        (view(column(), resource=3), ("FB-VIEW-003", "ViewDefinition.resource")),
        (view(column(), resource="Resource"), ("FB-VIEW-005", "ViewDefinition.resource")),
        (view(column(name="_a")), ("FB-VIEW-006", "ViewDefinition.select[0].column[0].name")),
        (view(column(name="a-b")), ("FB-VIEW-006", "ViewDefinition.select[0].column[0].name")),
        (view(column(name="ä")), ("FB-VIEW-006", "ViewDefinition.select[0].column[0].name")),
        (view({"name": "c"}), ("FB-VIEW-002", "ViewDefinition.select[0].column[0]")),
        (view({"path": "id"}), ("FB-VIEW-002", "ViewDefinition.select[0].column[0]")),
        (view(column(path="")), ("FB-VIEW-003", "ViewDefinition.select[0].column[0].path")),
        (view(column(collection="yes")), ("FB-VIEW-003", "ViewDefinition.select[0].column[0]")),
        (view(column(), column()), ("FB-VIEW-007", "ViewDefinition.select[0].column[1]")),
        (view(column(path="name.")), ("FB-VIEW-011", "ViewDefinition.select[0].column[0].path")),
        (view(column(path="name.frist()")), ("FB-VIEW-011", "ViewDefinition.select[0].column[0].path")),
        (
            view(column(path="name.ofType(Nonsense)")),
            ("FB-VIEW-011", "ViewDefinition.select[0].column[0].path"),
        ),
        (view(column(path="%a")), ("FB-VIEW-010", "ViewDefinition.select[0].column[0].path")),
        (view(column(type="strin")), ("FB-VIEW-012", "ViewDefinition.select[0].column[0].type")),
        (view(column(type="Patient.nothing")), ("FB-VIEW-012", "ViewDefinition.select[0].column[0].type")),
        (view(column("active", type="string")), ("FB-VIEW-013", "ViewDefinition.select[0].column[0].type")),
        (
            view(column("birthDate", type="integer")),
            ("FB-VIEW-013", "ViewDefinition.select[0].column[0].type"),
        ),
        (view(column("name")), ("FB-VIEW-013", "ViewDefinition.select[0].column[0]")),
        (view(column("name", type="Address")), ("FB-VIEW-013", "ViewDefinition.select[0].column[0].type")),
        (view(column(), where=[{"path": "name.family"}]), ("FB-VIEW-014", "ViewDefinition.where[0].path")),
        (view(column(), where=[{}]), ("FB-VIEW-002", "ViewDefinition.where[0]")),
        (view(column(), where="active"), ("FB-VIEW-003", "ViewDefinition.where")),
    ],
    ids=str,
)
def test_an_error_has_its_code_and_its_place(definition: Any, issue: tuple[str, str]) -> None:
    assert issue in found(definition)
    with pytest.raises(ViewError) as refused:
        compile_view(definition)
    assert issue[1] in str(refused.value)


@pytest.mark.parametrize(
    ("constant", "message"),
    [
        ({"name": "a"}, "it has none"),
        ({"name": "a", "valueString": "x", "valueCode": "y"}, "valueString, valueCode"),
        ({"name": "a", "valueQuantity": {}}, "valueQuantity"),
        ({"name": "a", "valueInteger": "1"}, "no integer"),
        ({"name": "a", "valueInteger": True}, "no integer"),
        ({"name": "a", "valueInteger": 2**31}, "no integer"),
        ({"name": "a", "valuePositiveInt": 0}, "no positiveInt"),
        ({"name": "a", "valueDate": "1.2.2020"}, "no date"),
        ({"name": "a", "valueBoolean": "true"}, "no boolean"),
        ({"name": "a", "valueBase64Binary": "?"}, "no base64Binary"),
        ({"name": "resource", "valueString": "x"}, "meaning of its own"),
        ({"name": "rowIndex", "valueInteger": 1}, "meaning of its own"),
    ],
    ids=str,
)
def test_a_constant_has_one_value_of_a_primitive_type(constant: dict[str, Any], message: str) -> None:
    (issue,) = check_view(view(column(), constant=[constant]))
    assert (issue.code, issue.expression) == ("FB-VIEW-009", "ViewDefinition.constant[0]")
    assert message in issue.message


def test_a_constant_defined_twice_is_an_error() -> None:
    twice = [{"name": "a", "valueString": "x"}, {"name": "a", "valueString": "y"}]
    assert found(view(column(), constant=twice)) == [("FB-VIEW-009", "ViewDefinition.constant[1]")]


def test_an_undefined_constant_is_named_with_those_that_are_defined() -> None:
    (issue,) = check_view(
        view(column("name.where(use = %usee).family"), constant=[{"name": "use", "valueCode": "usual"}])
    )
    assert issue.message == "the constant %usee is not defined (defined: use)"


def test_a_select_iterates_in_one_way() -> None:
    select = {"forEach": "name", "forEachOrNull": "name", "column": [column("family")]}
    assert found({"resource": "Patient", "select": [select]}) == [("FB-VIEW-015", "ViewDefinition.select[0]")]


@pytest.mark.parametrize("paths", ["item", [], [1], [""], {"a": 1}])
def test_repeat_is_a_list_of_paths(paths: Any) -> None:
    select = {"repeat": paths, "column": [column("linkId")]}
    definition = {"resource": "QuestionnaireResponse", "select": [select]}
    assert found(definition) == [("FB-VIEW-003", "ViewDefinition.select[0].repeat")]


def test_names_of_columns_are_unique_over_all_selects() -> None:
    nested = {
        "column": [column()],
        "select": [{"column": [column()]}, {"forEach": "name", "column": [column("family")]}],
    }
    locations = [
        location
        for code, location in found({"resource": "Patient", "select": [nested]})
        if code == "FB-VIEW-007"
    ]
    assert locations == [
        "ViewDefinition.select[0].select[0].column[0]",
        "ViewDefinition.select[0].select[1].column[0]",
    ]


class TestUnknownNamesAreWarnings:
    def test_an_unknown_element_of_the_view(self) -> None:
        (issue,) = check_view(view(column(tags=[])))
        assert (issue.severity, issue.code) == ("warning", "FB-VIEW-004")
        assert "tag is meant" in issue.message

    def test_an_element_that_the_resource_does_not_have(self) -> None:
        (issue,) = check_view(view(column("name.familie")))
        assert (issue.severity, issue.code) == ("warning", "FB-VIEW-019")
        assert "HumanName has no element 'familie'; did you mean family?" in issue.message

    def test_they_do_not_keep_a_view_from_running(self) -> None:
        compiled = compile_view(view(column("name.familie")))
        assert [issue.code for issue in compiled.warnings] == ["FB-VIEW-019"]
        assert list(compiled.rows({"resourceType": "Patient"})) == [(None,)]

    def test_extensions_and_metadata_are_known(self) -> None:
        metadata = {
            "resourceType": "ViewDefinition",
            "url": "urn:x",
            "extension": [],
            "_name": {},
            "publisher": "x",
        }
        assert check_view(view(column(extension=[]), **metadata)) == []


class TestUnionAll:
    @staticmethod
    def of(*branches: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "resource": "Patient",
            "select": [{"unionAll": [{"column": columns} for columns in branches]}],
        }

    @pytest.mark.parametrize(
        "other",
        [
            [column(name="b")],
            [column(name="a"), column(name="b")],
            [column("active", name="a")],
            [column(name="a", collection=True)],
        ],
        ids=str,
    )
    def test_branches_agree_in_names_order_types_and_collection(self, other: list[dict[str, Any]]) -> None:
        assert found(self.of([column(name="a")], other)) == [
            ("FB-VIEW-008", "ViewDefinition.select[0].unionAll[1]")
        ]

    def test_texts_of_several_types_are_a_string(self) -> None:
        compiled = compile_view(
            self.of([column("gender", name="a")], [column("language", name="a")], [column(name="a")])
        )
        assert compiled.columns[0].type == "string"

    def test_a_branch_may_be_a_select_with_selects(self) -> None:
        inner = {"select": [{"column": [column(name="a")]}, {"column": [column("gender", name="b")]}]}
        other = {"column": [column(name="a"), column("gender", name="b")]}
        compiled = compile_view({"resource": "Patient", "select": [{"unionAll": [inner, other]}]})
        assert [c.name for c in compiled.columns] == ["a", "b"]
