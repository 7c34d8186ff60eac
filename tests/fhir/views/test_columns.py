"""The type of a column: as declared, or as the definitions describe its path."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_bridge.fhir.views import ColumnType, View, compile_view


def of(resource: str, path: str, **column: Any) -> View:
    return compile_view(
        {"resource": resource, "select": [{"column": [{"name": "c", "path": path, **column}]}]}
    )


@pytest.mark.parametrize(
    ("resource", "path", "expected"),
    [
        ("Patient", "id", "id"),
        ("Patient", "Patient.birthDate", "date"),
        ("Patient", "name.family", "string"),
        ("Patient", "name.first().use", "code"),
        ("Patient", "name[0].period.start", "dateTime"),
        ("Patient", "deceased.ofType(boolean)", "boolean"),
        ("Patient", "multipleBirth.ofType(integer)", "integer"),
        ("Patient", "multipleBirth", None),
        ("Patient", "contact.where(gender = 'male').name.family", "string"),
        ("Patient", "name.exists()", "boolean"),
        ("Patient", "name.count()", "integer"),
        ("Patient", "name.given.join(' ')", "string"),
        ("Patient", "name.given.first() & 'x'", "string"),
        ("Patient", "birthDate.lowBoundary()", "date"),
        ("Patient", "gender = 'male'", "boolean"),
        ("Patient", "1 + 2", "integer"),
        ("Patient", "1 / 2", "decimal"),
        ("Patient", "'x'", "string"),
        ("Patient", "true", "boolean"),
        ("Patient", "{}", None),
        ("Patient", "%rowIndex", "integer"),
        ("Patient", "%resource.id", "id"),
        ("Patient", "now()", "dateTime"),
        ("Patient", "getResourceKey()", "string"),
        ("Patient", "link.other.getReferenceKey(Patient)", "string"),
        ("Patient", "iif(active, name.family, id)", "string"),
        ("Patient", "name.select(family | given)", "string"),
        ("Patient", "extension('urn:x').value.ofType(decimal)", "decimal"),
        ("Patient", "resolve()", None),
        ("Observation", "issued", "instant"),
        ("Observation", "value.ofType(Quantity).value", "decimal"),
        ("Observation", "value.ofType(Quantity).value * 2", "decimal"),
        ("Observation", "value as string", "string"),
        ("Observation", "component.referenceRange.low.value", "decimal"),
        ("ImagingStudy", "numberOfSeries", "unsignedInt"),
        ("Bundle", "entry.resource.id", None),
        ("Bundle", "entry.resource.ofType(Patient).birthDate", "date"),
    ],
)
def test_the_type_is_inferred_from_the_path(resource: str, path: str, expected: str | None) -> None:
    (column,) = of(resource, path).columns
    assert (column.type, column.declared) == (expected, False)


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ("string", "string"),
        ("http://hl7.org/fhir/StructureDefinition/code", "code"),
        ("http://hl7.org/fhirpath/System.String", "string"),
        ("System.String", "string"),
    ],
)
def test_a_declared_type_is_a_name_or_a_canonical(declared: str, name: str) -> None:
    (column,) = of("Patient", "gender", type=declared).columns
    assert (column.type, column.declared, column.kind) == (name, True, ColumnType.STRING)


def test_a_complex_type_must_be_declared_and_is_given_whole() -> None:
    range_ = {"low": {"value": 1}}
    observation = {"resourceType": "Observation", "referenceRange": [range_]}
    view = of("Observation", "referenceRange", type="Observation.referenceRange")
    assert view.columns[0].kind is ColumnType.COMPLEX
    assert list(view.rows(observation)) == [(range_,)]
    assert list(of("Observation", "value", type="Quantity").rows(observation)) == [(None,)]


@pytest.mark.parametrize(
    ("resource", "path", "kind"),
    [
        ("Patient", "photo.data", ColumnType.BINARY),
        ("Observation", "effective.ofType(instant)", ColumnType.INSTANT),
        ("Observation", "value.ofType(time)", ColumnType.TIME),
        ("Claim", "item.sequence", ColumnType.INTEGER),
    ],
)
def test_types_fall_into_kinds(resource: str, path: str, kind: ColumnType) -> None:
    assert of(resource, path).columns[0].kind is kind


def test_the_types_of_repeat_settle() -> None:
    select = {
        "repeat": ["item", "answer.item"],
        "column": [{"name": "c", "path": "linkId"}, {"name": "d", "path": "answer.count()"}],
    }
    view = compile_view({"resource": "QuestionnaireResponse", "select": [select]})
    assert [column.type for column in view.columns] == ["string", "integer"]
    assert view.warnings == ()


def test_only_what_may_show_digits_needs_them() -> None:
    assert not of("Patient", "birthDate").exact
    assert not of("Observation", "value.ofType(Quantity).value > 5").exact
    assert of("Observation", "value.ofType(Quantity).value").exact
    assert of("Observation", "value.ofType(Quantity).value.toString()").exact
    assert of("Observation", "value.ofType(Quantity)", type="Quantity").exact


@pytest.mark.parametrize("side", ["low", "high"])
def test_the_boundary_of_a_whole_number_is_a_decimal(side: str) -> None:
    column = {"name": "c", "path": f"value.ofType(integer).{side}Boundary()"}
    view = compile_view({"resource": "Observation", "select": [{"column": [column]}]})
    assert view.columns[0].type == "decimal"
    (row,) = view.rows({"resourceType": "Observation", "valueInteger": 1})
    assert row == ({"low": Decimal("0.5"), "high": Decimal("1.5")}[side],)
