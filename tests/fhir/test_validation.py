"""The validator against R4: structure, formats, codes, references, invariants."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir import Issue, Validator, dumps, operation_outcome
from tests.fhir.resources import LOINC, UCUM, concept, patient, troponin

ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


def errors(issues: list[Issue]) -> list[tuple[str, str]]:
    return [(i.code, i.expression) for i in issues if i.severity in ("error", "fatal")]


def test_a_good_observation_has_no_issue(validator: Validator) -> None:
    assert validator.validate(troponin()) == []
    assert validator.validate(dumps(troponin())) == []


def test_an_unknown_element_is_named_with_a_suggestion(validator: Validator) -> None:
    (issue,) = validator.validate({**troponin(), "statuss": "final"})
    assert (issue.code, issue.expression) == ("FB-FHIR-010", "Observation.statuss")
    assert "did you mean status?" in issue.message


@pytest.mark.parametrize(
    ("change", "code", "expression"),
    [
        ({"status": ["final"]}, "FB-FHIR-011", "Observation.status"),
        ({"category": {"text": "x"}}, "FB-FHIR-011", "Observation.category"),
        ({"subject": "Patient/p1"}, "FB-FHIR-011", "Observation.subject"),
        ({"code": None}, "FB-FHIR-012", "Observation.code"),
        ({"note": []}, "FB-FHIR-012", "Observation.note"),
        ({"method": {}}, "FB-FHIR-012", "Observation.method"),
        ({"method": {"text": ""}}, "FB-FHIR-012", "Observation.method.text"),
        ({"valueString": "high"}, "FB-FHIR-015", "Observation.value"),
        ({"effectiveDateTime": "2023-02-29"}, "FB-FHIR-016", "Observation.effective"),
        ({"effectiveDateTime": "2024-02-29T10:00:00"}, "FB-FHIR-016", "Observation.effective"),
        ({"issued": "2024-02-29"}, "FB-FHIR-016", "Observation.issued"),
        ({"id": "has space"}, "FB-FHIR-016", "Observation.id"),
        ({"status": "finished"}, "FB-FHIR-020", "Observation.status"),
        ({"subject": {"reference": "Practitioner/x"}}, "FB-FHIR-040", "Observation.subject.reference"),
        ({"subject": {"reference": "#nobody"}}, "FB-FHIR-041", "Observation.subject.reference"),
        ({"subject": {"reference": "Patient/a b"}}, "FB-FHIR-042", "Observation.subject.reference"),
        ({"dataAbsentReason": {"text": "unknown"}}, "FB-FHIR-060", "Observation"),
        (
            {"referenceRange": [{"appliesTo": [{"text": "men"}]}]},
            "FB-FHIR-060",
            "Observation.referenceRange[0]",
        ),
    ],
)
def test_each_fault_has_its_code_and_place(
    validator: Validator, change: dict[str, Any], code: str, expression: str
) -> None:
    assert errors(validator.validate({**troponin(), **change})) == [(code, expression)]


def test_a_missing_element_is_named_with_what_requires_it(validator: Validator) -> None:
    observation = troponin()
    del observation["code"]
    (issue,) = validator.validate(observation)
    assert issue.code == "FB-FHIR-013"
    assert issue.message == (
        "Observation.code is missing; "
        "defined by http://hl7.org/fhir/StructureDefinition/Observation|4.0.1#Observation.code"
    )


def test_a_wrong_code_in_an_extensible_binding_is_a_warning(validator: Validator) -> None:
    observation = {**troponin(), "interpretation": [concept("http://example.org/flags", "hoch")]}
    (issue,) = validator.validate(observation)
    assert (issue.code, issue.severity) == ("FB-FHIR-021", "warning")


def test_a_code_that_its_system_lacks_is_an_error(validator: Validator) -> None:
    observation = {**troponin(), "method": concept("http://terminology.hl7.org/CodeSystem/v2-0074", "ZZ9")}
    assert errors(validator.validate(observation)) == [("FB-FHIR-022", "Observation.method.coding[0]")]


def test_codes_of_systems_that_are_not_available_are_not_checked(validator: Validator) -> None:
    observation = {
        **troponin(),
        "method": concept("http://snomed.info/sct", "1"),
        "code": concept(LOINC, "0-0"),
    }
    assert validator.validate(observation) == []


class OnlyGrams:
    """A terminology that knows one value set and one code system."""

    def lookup(self, system: str, code: str) -> Any:
        return code if (system, code) == (LOINC, "6598-7") else None

    def knows_system(self, system: str) -> bool:
        return system == LOINC

    def member(self, value_set: str, system: str | None, code: str) -> bool | None:
        return None

    def translate(self, system: str | None, code: str, targets: tuple[str, ...]) -> list[Any]:
        return []

    def translate_by_map(self, concept_map: str, code: str) -> list[Any]:
        raise KeyError(concept_map)


def test_the_terminology_port_validates_what_the_tables_cannot() -> None:
    validator = Validator(OnlyGrams())
    assert validator.validate(troponin()) == []
    observation = {**troponin(), "code": concept(LOINC, "0-0")}
    assert errors(validator.validate(observation)) == [("FB-FHIR-022", "Observation.code.coding[0]")]


def test_primitive_extensions_stand_for_missing_values(validator: Validator) -> None:
    absent = {
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
        ]
    }
    person = patient()
    person["_birthDate"] = absent
    del person["birthDate"]
    person["name"][0].update({"given": ["Anna", None], "_given": [None, absent]})
    assert validator.validate(person) == []
    person["name"][0]["_given"] = [None]
    assert ("FB-FHIR-017", "Patient.name[0].given") in errors(validator.validate(person))
    person["name"][0]["_given"] = [None, None]
    assert ("FB-FHIR-012", "Patient.name[0].given[1]") in errors(validator.validate(person))


def test_an_extension_is_held_to_its_definition(validator: Validator) -> None:
    person = patient()
    person["extension"] = [
        {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace", "valueString": "Pisa"},
        {
            "url": "http://hl7.org/fhir/StructureDefinition/patient-nationality",
            "extension": [{"url": "country", "valueString": "IT"}],
        },
        {"url": "http://example.org/shoe-size", "valueInteger": 43},
        {"url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"},
    ]
    result = validator.validate(person)
    assert [(i.code, i.expression) for i in result] == [
        ("FB-FHIR-051", "Patient.extension[0].value"),
        ("FB-FHIR-051", "Patient.extension[1].extension[0]"),
        ("FB-FHIR-050", "Patient.extension[2]"),
        ("FB-FHIR-060", "Patient.extension[3]"),
        ("FB-FHIR-051", "Patient.extension[3]"),
    ]
    assert result[2].severity == "warning"


def test_contained_resources_resolve_and_are_used(validator: Validator) -> None:
    observation = troponin()
    observation["contained"] = [{"resourceType": "Specimen", "id": "s1"}]
    assert errors(validator.validate(observation)) == [
        ("FB-FHIR-060", "Observation")
    ]  # dom-3: not referred to
    observation["specimen"] = {"reference": "#s1"}
    assert validator.validate(observation) == []
    observation["performer"] = [{"reference": "#s1"}]
    assert errors(validator.validate(observation)) == [("FB-FHIR-040", "Observation.performer[0].reference")]
    observation["contained"][0]["statuss"] = "x"
    assert ("FB-FHIR-010", "Observation.contained[0].statuss") in errors(validator.validate(observation))


@pytest.mark.parametrize(
    "div",
    [
        '<div xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml" onclick="x()">hello</div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><a href="javascript:x()">hello</a></div>',
        "<div>hello</div>",
        '<p xmlns="http://www.w3.org/1999/xhtml">hello</p>',
        '<div xmlns="http://www.w3.org/1999/xhtml"><b>hello</div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"> </div>',
        '<!DOCTYPE x [<!ENTITY a "b">]><div xmlns="http://www.w3.org/1999/xhtml">&a;</div>',
    ],
)
def test_unsafe_narrative_is_refused(validator: Validator, div: str) -> None:
    result = errors(validator.validate({**patient(), "text": {"status": "generated", "div": div}}))
    assert result == [("FB-FHIR-070", "Patient.text.div")]


def test_safe_narrative_passes(validator: Validator) -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p>a&#160;&lt; b<br/><a id="x" href="#x">c</a></p></div>'
    assert validator.validate({**patient(), "text": {"status": "generated", "div": div}}) == []


@pytest.mark.parametrize(
    ("resource", "key"),
    [
        ({**patient(), "telecom": [{"value": "123"}]}, "cpt-2"),
        ({**patient(), "contact": [{"gender": "male"}]}, "pat-1"),
        ({**patient(), "photo": [{"data": "AAAA"}]}, "att-1"),
        ({**troponin(), "effectiveDateTime": "2024", "valueQuantity": {"value": 1, "code": "g"}}, "qty-3"),
        (
            {
                "resourceType": "Encounter",
                "status": "finished",
                "class": {"system": ACT_CODE, "code": "IMP"},
                "period": {"start": "2024-02-02", "end": "2024-02-01"},
            },
            "per-1",
        ),
        (
            {
                **troponin(),
                "component": [{"code": concept(LOINC, "6598-7"), "valueString": "again"}],
            },
            "obs-7",
        ),
        ({"resourceType": "Organization", "active": True}, "org-1"),
    ],
)
def test_common_invariants_hold(validator: Validator, resource: dict[str, Any], key: str) -> None:
    messages = [i.message for i in validator.validate(resource) if i.code == "FB-FHIR-060"]
    assert [m.partition(":")[0] for m in messages] == [key]


@pytest.mark.parametrize(
    ("start", "end", "holds"),
    [
        ("2024-02-02T23:30:00-05:00", "2024-02-03T04:45:00Z", True),
        ("2024-02-02T10:00:00Z", "2024-02-03", True),
        ("2024-02", "2024-03-01", True),
        ("2024-02-02T10:00:00Z", "2024-02-02", False),
        ("2024-02", "2024-02-01", False),
        ("2024-03", "2024-02-01", False),
    ],
)
def test_period_must_be_seen_to_end_after_its_start(
    validator: Validator, start: str, end: str, holds: bool
) -> None:
    """Ends that FHIRPath leaves undecided break per-1, as HL7's validator has it."""
    encounter = {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"system": ACT_CODE, "code": "IMP"},
        "period": {"start": start, "end": end},
    }
    expected = [] if holds else [("FB-FHIR-060", "Encounter.period")]
    assert errors(validator.validate(encounter)) == expected


def bundle(**change: Any) -> dict[str, Any]:
    person, observation = patient(), troponin()
    observation["subject"] = {"reference": "urn:uuid:8f1c2d3e-0000-4000-8000-000000000001"}
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:8f1c2d3e-0000-4000-8000-000000000001",
                "resource": person,
                "request": {"method": "PUT", "url": "Patient/p1"},
            },
            {
                "fullUrl": "urn:uuid:8f1c2d3e-0000-4000-8000-000000000002",
                "resource": observation,
                "request": {"method": "POST", "url": "Observation"},
            },
        ],
        **change,
    }


def test_references_inside_a_bundle_are_followed(validator: Validator) -> None:
    assert validator.validate(bundle()) == []
    wrong = bundle()
    wrong["entry"][1]["resource"]["performer"] = [
        {"reference": "urn:uuid:8f1c2d3e-0000-4000-8000-000000000002"},
        {"reference": "urn:uuid:8f1c2d3e-0000-4000-8000-000000000009"},
    ]
    results = [(i.code, i.expression) for i in validator.validate(wrong)]
    assert results == [
        ("FB-FHIR-040", "Bundle.entry[1].resource.performer[0].reference"),
        ("FB-FHIR-043", "Bundle.entry[1].resource.performer[1].reference"),
    ]


def test_bundle_rules_hold(validator: Validator) -> None:
    for change, code in (
        ({"type": "collection"}, "bdl-3"),
        ({"total": 2}, "bdl-1"),
        ({"type": "document"}, "bdl-9"),
    ):
        assert code in " ".join(i.message for i in validator.validate(bundle(**change)))
    mismatch = bundle(
        type="collection", entry=[{"fullUrl": "http://x.org/Patient/p2", "resource": patient()}]
    )
    assert errors(validator.validate(mismatch)) == [("FB-FHIR-080", "Bundle.entry[0]")]


def test_issues_become_an_operation_outcome_that_is_valid_itself(validator: Validator) -> None:
    outcome = operation_outcome(validator.validate({**troponin(), "status": "finished"}))
    assert outcome["issue"][0]["code"] == "code-invalid"
    assert outcome["issue"][0]["expression"] == ["Observation.status"]
    assert errors(validator.validate(outcome)) == []


def test_messages_hold_no_patient_values(validator: Validator) -> None:
    person = {
        **patient(),
        "birthDate": "04.07.1961",
        "name": [{"family": "Rossi\u0000"}],
        "multipleBirthInteger": "2",
    }
    text = " ".join(i.message for i in validator.validate(person))
    assert "1961" not in text
    assert "Rossi" not in text


def test_units_are_checked_by_the_grammar_of_ucum(validator: Validator) -> None:
    observation = troponin()
    observation["valueQuantity"] = {"value": 1, "system": UCUM, "code": "mmol/mol{creat}"}
    assert validator.validate(observation) == []
    observation["valueQuantity"]["code"] = "furlong"
    assert errors(validator.validate(observation)) == [("FB-FHIR-022", "Observation.value")]


def test_a_canonical_is_absolute_and_an_oid_is_whole(validator: Validator) -> None:
    person = {**patient(), "meta": {"profile": ["Patient/profile"]}}
    assert ("FB-FHIR-016", "Patient.meta.profile[0]") in errors(validator.validate(person))
    person = patient()
    person["identifier"][0]["system"] = "urn:oid:1.2.x"
    assert errors(validator.validate(person)) == [("FB-FHIR-016", "Patient.identifier[0].system")]


def test_a_display_that_is_not_the_system_s_is_a_warning(validator: Validator) -> None:
    observation = troponin()
    coding = observation["interpretation"][0]["coding"][0]
    coding["display"] = "high"
    assert validator.validate(observation) == []
    coding["display"] = "hoch"
    (issue,) = validator.validate(observation)
    assert (issue.code, issue.severity) == ("FB-FHIR-023", "warning")
    assert validator.validate({**observation, "language": "de"}) == []


def test_the_case_of_a_code_counts_where_its_system_says_so(validator: Validator) -> None:
    observation = {**troponin(), "method": concept("http://hl7.org/fhir/observation-status", "FINAL")}
    assert errors(validator.validate(observation)) == [("FB-FHIR-022", "Observation.method.coding[0]")]


@pytest.mark.parametrize("reference", ["Nonsense/x", "p1", "/Patient/x", "Patient/", "Patient/x/y"])
def test_a_relative_reference_of_another_form_is_a_warning(validator: Validator, reference: str) -> None:
    (issue,) = validator.validate({**troponin(), "subject": {"reference": reference}})
    assert (issue.code, issue.severity) == ("FB-FHIR-042", "warning")
