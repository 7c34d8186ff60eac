"""What an expression gives: values, their types and places, primitive extensions, references, variables."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_bridge.fhir import loads, loads_exact
from fhir_bridge.fhir.fhirpath import FHIRPathError, Item, compile  # noqa: A004

BIRTH_TIME = "http://hl7.org/fhir/StructureDefinition/patient-birthTime"
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p1",
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Ward"}],
    "active": True,
    "name": [
        {
            "use": "official",
            "given": ["Peter", None],
            "_given": [None, {"extension": [{"url": "u", "valueCode": "masked"}]}],
        },
        {"use": "usual", "given": ["Jim"]},
    ],
    "birthDate": "1974-12-25",
    "_birthDate": {"extension": [{"url": BIRTH_TIME, "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
    "_gender": {"extension": [{"url": "u", "valueCode": "unknown"}]},
    "deceasedBoolean": False,
    "managingOrganization": {"reference": "#o"},
    "generalPractitioner": [{"reference": "Practitioner/7"}],
}


def values(expression: str, focus: Any = PATIENT, **options: Any) -> list[Any]:
    return compile(expression).evaluate(focus, **options)


def test_items_know_type_and_place() -> None:
    result = compile("Patient.name.given | Patient.deceased").items(PATIENT)
    assert [(i.value, i.type, i.path, i.key, i.index) for i in result] == [
        ("Peter", "string", "Patient.name[0].given[0]", "given", 0),
        (None, "string", "Patient.name[0].given[1]", "given", 1),
        ("Jim", "string", "Patient.name[1].given[0]", "given", 0),
        (False, "boolean", "Patient.deceased", "deceasedBoolean", -1),
    ]
    assert result[0].parent is not None
    assert result[0].parent.value is PATIENT["name"][0]
    assert result[1].extras == PATIENT["name"][0]["_given"][1]


def test_an_item_is_a_focus_that_knows_its_place() -> None:
    name = compile("name").items(PATIENT)[1]
    (value,) = compile("given", "HumanName").items(name)
    assert value.path == "Patient.name[1].given[0]"
    assert compile("%resource.id").evaluate(value) == ["p1"]
    assert compile("%context").evaluate(value) == ["Jim"]


def test_an_element_is_evaluated_by_the_type_it_was_compiled_for() -> None:
    component = {"code": {"text": "x"}, "valueQuantity": {"value": Decimal("1.50"), "unit": "mg"}}
    expression = compile("value.ofType(Quantity).value", "Observation.component")
    assert expression.evaluate(component) == [Decimal("1.50")]
    assert compile("given.first()", "HumanName").evaluate({"given": ["A", "B"]}) == ["A"]


def test_primitive_extensions_are_seen() -> None:
    assert values(f"birthDate.extension('{BIRTH_TIME}').value") == ["1974-12-25T14:35:45-05:00"]
    assert values("gender.exists() and gender.hasValue().not() and gender.extension.value = 'unknown'") == [
        True
    ]
    assert values("gender") == []
    assert values("gender = 'male'") == []
    assert values("name.first().given.count()") == [2]
    assert values("name.given.select(hasValue())") == [True, False, True]
    assert values("name.given.extension.value") == ["masked"]
    assert values("birthDate.getValue() = @1974-12-25") == [True]


@pytest.mark.parametrize("read", [loads, loads_exact])
def test_numbers_are_exact_whatever_read_them(read: Any) -> None:
    text = b'{"resourceType":"Observation","valueQuantity":{"value":0.1,"system":"http://unitsofmeasure.org","code":"g"}}'
    observation = read(text)
    assert values("value.value + 0.2 = 0.3", observation) == [True]
    assert values("value = 100 'mg'", observation) == [True]
    assert values("value < 0.2 'g' and value > 99 'mg'", observation) == [True]


def test_a_quantity_that_was_calculated_is_given_as_fhir_writes_it() -> None:
    ucum = "http://unitsofmeasure.org"
    assert values("2.0 'cm' * 3 'm'") == [
        {"value": Decimal("6.0"), "unit": "cm.m", "system": ucum, "code": "cm.m"}
    ]
    assert values("4 days + 1 week") == [{"value": Decimal(11), "unit": "days", "system": ucum, "code": "d"}]
    assert values("1 week + 4 days > 10 days") == [True]
    assert values("@2024-01-31 + 1 month") == ["2024-02-29"]


def _basic(reference: str) -> dict[str, Any]:
    return {"resourceType": "Basic", "subject": {"reference": reference}}


def test_references_lead_to_contained_resources_and_entries() -> None:
    assert values("managingOrganization.resolve().name") == ["Ward"]
    practitioner = {"resourceType": "Practitioner", "id": "7"}
    basic = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": "http://a.org/fhir/Patient/p1", "resource": PATIENT},
            {"fullUrl": "http://b.org/fhir/Practitioner/7", "resource": {**practitioner, "active": False}},
            {"fullUrl": "http://a.org/fhir/Practitioner/7", "resource": {**practitioner, "active": True}},
            {"fullUrl": basic, "resource": _basic("http://b.org/fhir/Practitioner/7/_history/2")},
            {"resource": _basic(basic)},
        ],
    }
    assert values("entry.resource.ofType(Patient).generalPractitioner.resolve().active", bundle) == [True]
    assert values("entry[3].resource.subject.resolve().active", bundle) == [False]
    assert values("entry[4].resource.subject.resolve().is(Basic)", bundle) == [True]
    assert values("entry.resource.ofType(Patient).managingOrganization.resolve().name", bundle) == ["Ward"]


class Register:
    """Knows one practitioner."""

    def resolve(self, reference: str) -> dict[str, Any] | None:
        return {"resourceType": "Practitioner", "id": "7"} if reference == "Practitioner/7" else None


def test_references_that_lead_elsewhere_are_asked_of_the_resolver() -> None:
    assert values("generalPractitioner.where(resolve() is Practitioner).exists()", resolver=Register()) == [
        True
    ]
    assert values("generalPractitioner.resolve()") == []


def test_variables_are_handed_over_or_known() -> None:
    assert values("%x + 1", variables={"x": 2}) == [3]
    assert values("%names.given", variables={"names": compile("name").items(PATIENT)}) == ["Peter", "Jim"]
    assert values("%ucum") == ["http://unitsofmeasure.org"]
    assert values("%`ext-patient-birthTime`") == [BIRTH_TIME]
    assert values("contained.where(%rootResource.id = 'p1').id") == ["o"]
    with pytest.raises(FHIRPathError, match="there is no variable %y"):
        values("%y")


def test_keys_join_resources_and_references() -> None:
    assert values("getResourceKey()") == ["Patient/p1"]
    assert values("generalPractitioner.getReferenceKey()") == ["Practitioner/7"]
    assert values("generalPractitioner.getReferenceKey(Practitioner)") == ["Practitioner/7"]
    assert values("generalPractitioner.getReferenceKey(Patient)") == []
    assert values("managingOrganization.getReferenceKey()") == []


def test_a_trace_is_reported_and_changes_nothing() -> None:
    statements: list[tuple[str, list[Any]]] = []

    def trace(name: str, items: Any) -> None:
        statements.append((name, [item.value for item in items]))

    assert compile("name.trace('n', use).given.first()").items(PATIENT, trace=trace)[0].value == "Peter"
    assert compile("name.use.trace('u').count()").evaluate(PATIENT, trace=trace) == [2]
    assert statements == [("n", ["official", "usual"]), ("u", ["official", "usual"])]


def test_terminology_answers_from_the_tables_or_the_port_or_not_at_all() -> None:
    gender = "http://hl7.org/fhir/ValueSet/administrative-gender"
    assert values(f"'male'.memberOf('{gender}')") == [True]
    assert values(f"'homme'.memberOf('{gender}')") == [False]
    with pytest.raises(FHIRPathError, match="is not available"):
        values("'x'.memberOf('http://example.org/unknown')")
    act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    coding = {"resourceType": "Basic", "code": {"coding": [{"system": act, "code": "IMP"}]}}
    encounter = {"system": act, "code": "_ActEncounterCode"}
    assert compile("%e.subsumes(code.coding)").evaluate(
        coding, variables={"e": Item(encounter, _coding())}
    ) == [True]
    assert compile("code.coding.subsumedBy(%e)").evaluate(
        coding, variables={"e": Item(encounter, _coding())}
    ) == [True]
    assert compile("%e.subsumedBy(code)").evaluate(coding, variables={"e": Item(encounter, _coding())}) == [
        False
    ]


def _coding() -> Any:
    return compile("code.coding").items({"resourceType": "Basic", "code": {"coding": [{}]}})[0].kind


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("name.single()", "single() takes one item, found 2"),
        ("name.given + 'x'", "'+' takes one item, found 3"),
        ("birthDate + 7", "'+' takes no date and System.Integer"),
        ("name.first() < 1", "HumanName has no order"),
        ("birthDate < 'x'", "can't be compared"),
        ("name.use.as(code)", "'as' takes one item"),
        ("iif(name, 1, 2)", "iif()"),
        ("name.upper()", "upper() takes one item"),
        ("active.upper()", "upper() takes a string, found boolean"),
        ("birthDate + 1 'cm'", "can't be added to a date"),
        ("@0001-01-01 - 1 day", "leaves the years"),
        ("name['x']", "an index is an integer"),
        ("conformsTo('http://example.org/x')", "doesn't know the structure"),
        ("elementDefinition()", "elementDefinition()"),
    ],
)
def test_what_can_not_be_evaluated_is_reported_with_its_place(expression: str, problem: str) -> None:
    with pytest.raises(FHIRPathError) as caught:
        compile(expression).items(PATIENT)
    assert problem in str(caught.value)
    assert caught.value.position >= 0
    assert caught.value.expression == expression


def test_evaluation_is_bounded() -> None:
    numbers = " | ".join(str(number) for number in range(25))
    doubling = f"({numbers}).aggregate($total.combine($total), 1)"
    with pytest.raises(FHIRPathError, match=r"more than 2,000,000 items"):
        compile(doubling).evaluate({})
    with pytest.raises(FHIRPathError, match=r"more than 2,000,000 items"):
        compile("'x'.repeat($this + $this).count()").evaluate({})


def test_a_deep_resource_is_walked_without_a_stack() -> None:
    extension: dict[str, Any] = {"url": "u"}
    for number in range(190):
        extension = {"url": str(number), "extension": [extension]}
    patient = {"resourceType": "Patient", "extension": [extension]}
    assert values("repeat(extension).count()", patient) == [191]
    assert values("descendants().count()", patient) == [191 * 2]
