"""Search expressions: what the common walk of a type reads, what is evaluated apart, and that both find the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions.registration import with_search_parameters
from fhir_bridge.fhir.definitions.searches import expression_for
from fhir_bridge.fhir.search.compiling import Compiled
from fhir_bridge.fhir.search.evaluated import Evaluated
from fhir_bridge.fhir.search.references import target_type
from fhir_bridge.fhir.search_parameters import TokenEntry, extract, extract_composites, uncompiled, values
from tests.fhir.fhirpath.walking import mutants

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "extension": [
        {"url": "urn:a", "valueCode": "x"},
        {"url": "urn:b", "valueQuantity": {"value": 1, "code": "mm"}},
        {"url": "urn:c", "extension": [{"url": "inner", "valueString": "deep"}]},
    ],
    "name": [{"use": "official", "given": ["Anna", "Eva"]}, {"use": "usual", "given": ["Nan"]}],
    "_birthDate": {"extension": [{"url": "urn:time", "valueDateTime": "1950-01-01T10:00:00Z"}]},
    "birthDate": "1950-01-01",
    "telecom": [{"system": "phone", "value": "1"}, {"system": "email", "value": "2"}],
    "contained": [{"resourceType": "Organization", "id": "o"}],
    "generalPractitioner": [
        {"reference": "#o"},
        {"reference": "Practitioner/1/_history/2"},
        {"reference": "https://elsewhere.org/fhir/Organization/9"},
        {"reference": "urn:uuid:1", "type": "Practitioner"},
        {"display": "nobody"},
    ],
    "link": [{"other": {"reference": "Patient/q"}, "type": "seealso"}],
}


def compiled(expression: str) -> Compiled:
    """A parameter by this expression, of the first search type that its values have a form for."""
    for kind in ("string", "token", "reference", "quantity"):
        known = with_search_parameters(definitions.DEFAULT, [_parameter(kind, expression, code="x")])
        result = Compiled(known, "Patient", frozenset({"x"}))
        if "x" in result.codes:
            break
    return result


def walked(expression: str) -> list[Any]:
    """What the walk finds; the evaluator is not asked."""
    result = compiled(expression)
    assert not result._apart, f"{expression} is left to the evaluator"
    return [value for _, _, value in result.values(PATIENT)]


def evaluated(expression: str, kind: str = "string") -> Evaluated:
    return Evaluated("Patient", definitions.SearchParameter("own", kind, expression))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Patient.name.given", ["Anna", "Eva", "Nan"]),
        ("Patient.name.where(use='official').given", ["Anna", "Eva"]),
        ("Patient.name[1].given", ["Nan"]),
        ("Patient.name[7].given", []),
        (
            "(Patient.telecom.where(system = 'phone') | Patient.telecom.where(system='email')).value",
            ["1", "2"],
        ),
        ("Practitioner.name.given | Patient.link.type", ["seealso"]),
        ("Patient.extension('urn:a').value", ["x"]),
        ("Patient.extension('urn:a')", ["x"]),
        ("Patient.extension.where(url = 'urn:b').value.code", ["mm"]),
        ("Patient.extension('urn:c').extension('inner').value.as(string)", ["deep"]),
        ("Patient.deceased as DateTime", []),
        ("Resource.id", ["p"]),
        ("name.given", ["Anna", "Eva", "Nan"]),
        ("Patient.name.first().given", ["Anna", "Eva"]),
        ("Patient.name.given[0]", ["Anna"]),
        ("Patient.birthDate.extension('urn:time')", ["1950-01-01T10:00:00Z"]),
        ("Patient.name.where(given.exists() and use != 'usual').given", ["Anna", "Eva"]),
        ("Patient.active = true", []),
        ("Patient.birthDate.exists() and Patient.deceased != false", []),
        ("Patient.birthDate.exists() and Patient.link.exists()", [True]),
        ("Patient.birthDate.exists() and Patient.photo.exists()", [False]),
        ("Patient.name.where(use='it\\'s')", []),
    ],
)
def test_a_path_leads_to_its_values(expression: str, expected: list[Any]) -> None:
    assert walked(expression) == expected


def test_a_reference_is_checked_by_its_text_its_contained_target_or_its_type() -> None:
    organizations = walked("Patient.generalPractitioner.where(resolve() is Organization)")
    assert [organization["reference"] for organization in organizations] == [
        "#o",
        "https://elsewhere.org/fhir/Organization/9",
    ]
    practitioners = walked("Patient.generalPractitioner.where(resolve() is Practitioner)")
    assert [organization["reference"] for organization in practitioners] == [
        "Practitioner/1/_history/2",
        "urn:uuid:1",
    ]
    assert target_type({"reference": "Patient"}, {}) is None
    assert target_type({"type": "http://hl7.org/fhir/StructureDefinition/Device"}, {}) == "Device"
    assert target_type({"reference": "#"}, PATIENT) == "Patient"


EVALUATED = [
    "Patient.contained.where(resolve() is Patient)",
    "Patient.name.given.single()",
    "Patient.name.last()",
    "Patient.descendants().where($this is Period)",
    "Patient" + ".extension" * 40,
]
"""What has no compiled form: the evaluator finds it."""


@pytest.mark.parametrize("expression", EVALUATED)
def test_what_has_no_compiled_form_is_evaluated_by_itself(expression: str) -> None:
    result = compiled(expression)
    assert [item.parameter.code for item in result._apart] == ["x"]
    assert "x" in result.codes


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("Patient.colour", "leads nowhere in Patient"),
        ("Practitioner.name", "has no expression"),
        ("Patient.name +", "is no FHIRPath for Patient"),
        ("(" * 80 + "Patient.id" + ")" * 80, "is no FHIRPath for Patient"),
        ("Patient.photo", "finds nothing that has a form as quantity"),
    ],
)
def test_what_finds_nothing_is_listed_with_the_reason(expression: str, reason: str) -> None:
    result = compiled(expression)
    assert "x" not in result.codes
    assert [item.code for item in result.uncompiled] == ["x"]
    assert result.uncompiled[0].reason.startswith(reason)


@given(st.text(alphabet="Patient.namegvwhr()[]|='0 as%resource", max_size=40))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    result = compiled(text)
    assert ("x" in result.codes) is not bool(result.uncompiled)
    result.values(PATIENT)


WALKED = [
    "Patient.name.given",
    "Patient.name.where(use='official').given",
    "Patient.name.where(use != 'official').given",
    "Patient.name[1].given | Patient.name.first().given",
    "Patient.generalPractitioner.where(resolve() is Organization)",
    "Patient.telecom.where(system='phone')",
    "Patient.extension('urn:c').extension('inner').value",
    "Patient.extension.where(url = 'urn:b').value",
    "Patient.birthDate.extension('urn:time').value | Patient.birthDate",
    "Patient.deceased.exists() and Patient.deceased != false",
    "(Patient.deceased as dateTime) | Patient.multipleBirth.as(integer)",
    "Patient.link.where(type = 'seealso').other | Patient.contained.id",
    "Patient.telecom.where(rank > 1 or period.exists()).value",
]


@pytest.mark.parametrize("expression", WALKED)
def test_the_walk_finds_what_fhirpath_finds(expression: str) -> None:
    walk, item = compiled(expression), evaluated(expression)
    assert not walk._apart
    for resource in (PATIENT, *mutants(PATIENT, 200, seed=len(expression))):
        if resource.get("resourceType") != "Patient":
            continue
        pairs = [(kind, value) for _, kind, value in walk.values(resource)]
        if (
            "resolve()" in expression
        ):  # the walk takes the type that a reference states, where its text says none
            pairs = [pair for pair in pairs if target_type({**pair[1], "type": None}, resource)]
        assert _as_set(pairs) == _as_set(item.values(resource)), resource


def _as_set(pairs: list[tuple[str, Any]]) -> set[str]:
    return {repr(pair) for pair in pairs}


def _parameter(kind: str, expression: str, **more: Any) -> dict[str, Any]:
    code = more.pop("code", "own")
    return {
        "resourceType": "SearchParameter",
        "url": f"http://example.org/SearchParameter/{code}",
        "code": code,
        "base": ["Patient"],
        "type": kind,
        "expression": expression,
        **more,
    }


def test_an_expression_of_a_site_goes_to_the_engine() -> None:
    results: list[Any] = []
    evaluated("Patient.birthDate.extension('urn:time')", "date").extract(PATIENT, results.append)
    assert [entry.low.isoformat() for entry in results] == ["1950-01-01T10:00:00+00:00"]
    patient = {"resourceType": "Patient", "gender": "male"}
    evaluated("Patient.gender.first()", "token").extract(patient, results.append)
    assert results[-1] == TokenEntry("own", "http://hl7.org/fhir/administrative-gender", "male")


def test_an_expression_that_fails_on_a_resource_finds_nothing_there_and_is_reported_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = evaluated("Patient.name.given.single()")
    assert own.values(PATIENT) == []
    assert own.values(PATIENT) == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Anna" not in caplog.text


def test_parameters_that_a_package_adds_are_found() -> None:
    known = with_search_parameters(
        definitions.DEFAULT,
        [
            _parameter("token", "Patient.extension('urn:a').value", code="own-walked"),
            _parameter("string", "Patient.name.given.first()", code="own-evaluated"),
            _parameter("string", "Patient.name.given.nothing()", code="own-wrong"),
            _parameter(
                "composite",
                "Patient.name.first()",
                code="own-pair",
                component=[
                    {"definition": "http://example.org/SearchParameter/own-walked", "expression": "use"},
                    {
                        "definition": "http://hl7.org/fhir/SearchParameter/individual-given",
                        "expression": "given",
                    },
                ],
            ),
        ],
    )
    assert "own-walked" not in values(PATIENT)
    entries = extract(PATIENT, known=known)
    assert TokenEntry("own-walked", None, "x") in entries
    assert [entry.exact for entry in entries if entry.parameter == "own-evaluated"] == ["Anna"]  # type: ignore[union-attr]
    (pair,) = extract_composites(PATIENT, known=known)
    assert [[entry[1:] for entry in part] for part in pair.components] == [
        [("http://hl7.org/fhir/name-use", "official")],
        [("anna", "Anna"), ("eva", "Eva")],
    ]
    wrong = [entry for entry in uncompiled("Patient", known) if entry.code == "own-wrong"]
    assert "nothing" in wrong[0].reason


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("name.given", "name.given"),
        ("Patient.name | Person.name", "Patient.name"),
        ("(Patient.name | Person.name).given | alias", "(Patient.name | Person.name).given | alias"),
        ("Person.name", ""),
        ("Resource.id | DomainResource.text", "Resource.id | DomainResource.text"),
        ("(Patient.deceased as dateTime) | (Person.x as dateTime)", "(Patient.deceased as dateTime)"),
    ],
)
def test_parts_of_a_union_that_name_no_type_are_every_types(expression: str, expected: str) -> None:
    assert expression_for(expression, "Patient") == expected
