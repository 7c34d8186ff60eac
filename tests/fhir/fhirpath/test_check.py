"""What a type can't give is refused before an expression runs."""

from __future__ import annotations

import pytest

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.fhirpath import FHIRPathError, compile  # noqa: A004
from fhir_bridge.fhir.fhirpath.check import check
from fhir_bridge.fhir.fhirpath.fhir_types import r4_type


@pytest.mark.parametrize(
    ("type_name", "expression", "problem"),
    [
        ("Patient", "name.given1", "HumanName has no element 'given1'; did you mean given?"),
        ("Patient", "Encounter.status", "Patient has no element 'Encounter'"),
        ("Patient", "name.where(us = 'official')", "did you mean use?"),
        ("Patient", "contact.select(name | adress)", "did you mean address?"),
        ("Observation", "valueQuantity.value", "Observation has no element 'valueQuantity'"),
        ("Observation", "(value as Period).unit", "Period has no element 'unit'"),
        ("Observation", "component.repeat(component)", "has no element 'component'"),
        ("Observation.component", "status", "Observation.component has no element 'status'"),
        ("Patient", "name.startsWith('x')", "startsWith() takes a string, not HumanName"),
        ("Patient", "active.upper()", "upper() takes a string, not boolean"),
        ("Patient", "birthDate + 7", "takes a duration"),
        ("Patient", "iif('x', 1, 2)", "the criterion of iif() is a Boolean, not System.String"),
        ("Patient", "descendants().first()", "first() needs an order"),
        ("Patient", "children()[0]", "an index needs an order"),
        ("Patient", "%resource.foo", "Patient has no element 'foo'"),
        ("Patient", "birthDate.day", "date has no element 'day'"),
    ],
)
def test_what_the_type_does_not_have_is_refused(type_name: str, expression: str, problem: str) -> None:
    with pytest.raises(FHIRPathError) as caught:
        compile(expression, type_name)
    assert problem in str(caught.value)
    compile(expression)


@pytest.mark.parametrize(
    ("type_name", "expression"),
    [
        ("Bundle", "entry.resource.anything.goes"),
        ("Bundle", "entry.resource.ofType(Patient).name.given"),
        ("Patient", "link.other.resolve().whatever"),
        ("Questionnaire", "repeat(item).linkId"),
        ("QuestionnaireResponse", "repeat(item | item.answer).linkId"),
        ("Patient", "extension.where(url = 'x').value.as(CodeableConcept).coding.code"),
        ("Patient", "name.given.extension('x').value"),
        ("Observation", "iif(value is Quantity, value.unit, value.text)"),
        ("Patient", "name.aggregate($total + $this.given.count(), 0)"),
        ("Patient", "%anything.at.all"),
    ],
)
def test_what_may_be_there_is_not_refused(type_name: str, expression: str) -> None:
    compile(expression, type_name)


def test_a_type_that_is_none_is_refused() -> None:
    with pytest.raises(FHIRPathError, match="R4 has no type Patientt"):
        compile("name", "Patientt")


def test_r4_search_expressions_pass_but_for_those_that_name_other_types() -> None:
    """R4 leaves some unions in parentheses, so that a type's part still names the others."""
    refused = set()
    for name in definitions.resource_types():
        kind = r4_type(name)
        assert kind is not None
        for parameter in definitions.search_parameters(name).values():
            if parameter.expression:
                try:
                    check(compile(parameter.expression, published=True).node, kind)
                except FHIRPathError:
                    refused.add(parameter.code)
    assert refused <= {"context-type-quantity", "context-type-value"}
