"""Search expressions: what the walkers read, what they leave to FHIRPath, and that both find the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir import definitions, fhirpath
from fhir_bridge.fhir.definitions import registry
from fhir_bridge.fhir.definitions.searches import expression_for
from fhir_bridge.fhir.search.fallback import TargetTypes, fallback, typed
from fhir_bridge.fhir.search.paths import Unsupported, compile_expression
from fhir_bridge.fhir.search.references import target_type
from fhir_bridge.fhir.search.walkers import Target, build
from fhir_bridge.fhir.search_parameters import TokenEntry, extract, extract_composites, uncompiled, values

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


def walked(expression: str) -> list[Any]:
    found: list[Any] = []

    def collect(_: tuple[str, ...], value: Any, append: Any) -> None:
        append(value)

    places = compile_expression(expression, "Patient")
    build(Target(place, "x", collect) for place in places)(PATIENT, PATIENT, found.append)
    return found


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
        ("Patient.contained.where(resolve() is Patient)", None),
    ],
)
def test_a_path_leads_to_its_values(expression: str, expected: list[Any] | None) -> None:
    if expected is None:
        with pytest.raises(Unsupported):
            compile_expression(expression, "Patient")
        return
    assert walked(expression) == expected


def test_a_reference_is_judged_by_its_text_its_contained_target_or_its_type() -> None:
    organizations = walked("Patient.generalPractitioner.where(resolve() is Organization)")
    assert [found["reference"] for found in organizations] == [
        "#o",
        "https://elsewhere.org/fhir/Organization/9",
    ]
    practitioners = walked("Patient.generalPractitioner.where(resolve() is Practitioner)")
    assert [found["reference"] for found in practitioners] == ["Practitioner/1/_history/2", "urn:uuid:1"]
    assert target_type({"reference": "Patient"}, {}) is None
    assert target_type({"type": "http://hl7.org/fhir/StructureDefinition/Device"}, {}) == "Device"
    assert target_type({"reference": "#"}, PATIENT) == "Patient"


@pytest.mark.parametrize(
    "expression",
    [
        "Patient.colour",
        "Patient.name.first()",
        "Patient.name +",
        "Patient.name.where(use=1)",
        "Patient.name.where(given='Anna')",
        "Patient.extension.where(value='x')",
        "Patient.name.given[0]",
        "Patient.birthDate.extension('urn:time')",
        "Patient.active = true",
        "(" * 40 + "Patient.id" + ")" * 40,
        "Patient" + ".extension" * 40,
        "Patient.name.where(use='it\\'s')",
    ],
)
def test_what_walkers_cannot_read_is_refused_whole(expression: str) -> None:
    with pytest.raises(Unsupported):
        compile_expression(expression, "Patient")


@given(st.text(alphabet="Patient.namegvwhr()[]|='0 as%resource", max_size=40))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    with contextlib.suppress(Unsupported):
        compile_expression(text, "Patient")


@pytest.mark.parametrize(
    "expression",
    [
        "Patient.name.given",
        "Patient.name.where(use='official').given",
        "Patient.generalPractitioner.where(resolve() is Organization)",
        "Patient.telecom.where(system='phone')",
        "Patient.extension('urn:c').extension('inner').value",
    ],
)
def test_walker_and_engine_find_the_same(expression: str) -> None:
    items = fhirpath.compile(expression, "Patient", published=True).items(
        PATIENT, resolver=TargetTypes(PATIENT)
    )
    assert [value for item in items for _, value in typed(item.type, item.value)] == walked(expression)


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
    own = definitions.SearchParameter("own", "date", "Patient.birthDate.extension('urn:time')")
    found: list[Any] = []
    fallback("Patient", own).extract(PATIENT, found.append)
    assert [entry.low.isoformat() for entry in found] == ["1950-01-01T10:00:00+00:00"]
    status = definitions.SearchParameter("own", "token", "Patient.gender.first()")
    fallback("Patient", status).extract({"resourceType": "Patient", "gender": "male"}, found.append)
    assert found[-1] == TokenEntry("own", "http://hl7.org/fhir/administrative-gender", "male")


def test_an_expression_that_fails_on_a_resource_finds_nothing_there_and_is_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = fallback("Patient", definitions.SearchParameter("own", "string", "Patient.name.given.single()"))
    assert own.values(PATIENT) == []
    assert own.values(PATIENT) == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "Anna" not in caplog.text


@pytest.fixture
def only_r4() -> Iterator[None]:
    """What a test registers is forgotten after it."""
    known = {kind: dict(rows) for kind, rows in registry._state.own_search.items()}
    yield
    registry._state.own_search.clear()
    registry.add_search_rows((kind, code, row) for kind, rows in known.items() for code, row in rows.items())


@pytest.mark.usefixtures("only_r4")
def test_parameters_that_a_package_adds_are_noticed() -> None:
    assert "own-walked" not in values(PATIENT)
    definitions.register_search_parameters(
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
        ]
    )
    entries = extract(PATIENT)
    assert TokenEntry("own-walked", None, "x") in entries
    assert [entry.exact for entry in entries if entry.parameter == "own-evaluated"] == ["Anna"]  # type: ignore[union-attr]
    (pair,) = extract_composites(PATIENT)
    assert [[entry[1:] for entry in part] for part in pair.components] == [
        [("http://hl7.org/fhir/name-use", "official")],
        [("anna", "Anna"), ("eva", "Eva")],
    ]
    wrong = [entry for entry in uncompiled("Patient") if entry.code == "own-wrong"]
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
