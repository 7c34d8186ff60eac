"""Values beyond their format: attachments, identifiers, canonicals, codes of outer standards, references."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir import Validator, grammar_codes

SHA1_OF_HELLO = "9/+ei3uy4Jtwk1pdeF4MxdnQq/A="


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


def found(validator: Validator, resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [(i.code, i.expression) for i in validator.validate(resource) if i.severity in ("error", "fatal")]


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ({"data": "SGVsbG8=", "size": 5, "hash": SHA1_OF_HELLO}, None),
        ({"data": "SGVs bG8=", "size": 5, "hash": SHA1_OF_HELLO}, None),
        ({"url": "https://hospital.org/x", "size": 7, "hash": SHA1_OF_HELLO}, None),
        ({"data": "SGVsbG8=", "size": 6}, "size"),
        ({"data": "SGVsbG8=", "hash": "AAAA"}, "hash"),
    ],
)
def test_size_and_hash_are_those_of_the_data(
    validator: Validator, content: dict[str, Any], wrong: str | None
) -> None:
    photo = {"resourceType": "Patient", "photo": [{"contentType": "image/png", **content}]}
    assert [path for _, path in found(validator, photo)] == ([f"Patient.photo[0].{wrong}"] if wrong else [])


@pytest.mark.parametrize(
    ("value", "right"), [("urn:oid:1.2.840.113619.1", True), ("https://x.org/1", True), ("1.2.840", False)]
)
def test_an_identifier_in_the_system_of_uris_is_a_uri(validator: Validator, value: str, right: bool) -> None:
    patient = {"resourceType": "Patient", "identifier": [{"system": "urn:ietf:rfc:3986", "value": value}]}
    assert (found(validator, patient) == []) == right


@pytest.mark.parametrize(
    ("canonical", "wrong"),
    [
        ("https://hospital.org/Questionnaire/1|2", None),
        ("http://hl7.org/fhir/ValueSet/administrative-gender", "FB-FHIR-046"),
        ("http://hl7.org/fhir/ValueSet/administrative-gender|0.0.1", None),
        ("http://hl7.org/fhir/StructureDefinition/Patient", "FB-FHIR-046"),
        ("#nobody", "FB-FHIR-041"),
    ],
)
def test_a_canonical_leads_to_the_kind_of_definition_that_is_asked_for(
    validator: Validator, canonical: str, wrong: str | None
) -> None:
    response = {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": canonical}
    assert [code for code, _ in found(validator, response)] == ([wrong] if wrong else [])


def test_the_url_of_a_definition_is_absolute(validator: Validator) -> None:
    assert found(validator, {"resourceType": "ValueSet", "status": "draft", "url": "ValueSet/a"}) == [
        ("FB-FHIR-047", "ValueSet.url")
    ]


@pytest.mark.parametrize(
    "code", ["en", "en-US", "de-CH-1996", "zh-Hans-CN", "tlh", "x-klingon", "i-klingon", "EN-us"]
)
def test_language_tags(code: str) -> None:
    assert grammar_codes.known("urn:ietf:bcp:47", code)


@pytest.mark.parametrize("code", ["english", "en_US", "xx", "e", "123", "en-", "-en", ""])
def test_no_language_tags(code: str) -> None:
    assert grammar_codes.known("urn:ietf:bcp:47", code) is False


@pytest.mark.parametrize(
    ("system", "code", "answer"),
    [
        ("urn:ietf:bcp:13", "text/plain; charset=utf-8", True),
        ("urn:ietf:bcp:13", "application/fhir+json", True),
        ("urn:ietf:bcp:13", "application/dicom; variant=DICOM WADO-RS", True),
        ("urn:ietf:bcp:13", "json", True),
        ("urn:ietf:bcp:13", "image/", False),
        ("urn:ietf:bcp:13", "a/b/c", False),
        ("urn:iso:std:iso:4217", "EUR", True),
        ("urn:iso:std:iso:4217", "eur", False),
        ("urn:ietf:rfc:3986", "https://x.org", True),
        ("urn:ietf:rfc:3986", "x", False),
        ("http://loinc.org", "718-7", None),
    ],
)
def test_codes_of_outer_standards(system: str, code: str, answer: bool | None) -> None:
    assert grammar_codes.known(system, code) is answer


@given(st.text(max_size=300), st.sampled_from(sorted(grammar_codes.SYSTEMS)))
def test_any_text_is_a_code_or_not(code: str, system: str) -> None:
    assert grammar_codes.known(system, code) in (True, False)


def test_a_required_code_is_not_replaced_by_an_extension(validator: Validator) -> None:
    absent = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    observation = {"resourceType": "Observation", "_status": {"extension": [absent]}, "code": {"text": "x"}}
    assert ("FB-FHIR-020", "Observation.status") in found(validator, observation)


@pytest.mark.parametrize(
    ("subject", "wrong"),
    [
        ({"reference": "Patient/1", "type": "Patient"}, None),
        ({"reference": "Patient/1", "type": "Group"}, "FB-FHIR-048"),
        (
            {"reference": "Patient/1", "type": "http://hl7.org/fhir/StructureDefinition/Patient"},
            "FB-FHIR-048",
        ),
        ({"reference": "https://hospital.org/x", "type": "Slot"}, "FB-FHIR-040"),
        ({"type": "Slot", "identifier": {"value": "1"}}, None),
        ({"reference": "#"}, "FB-FHIR-041"),
    ],
)
def test_a_references_type_agrees_with_what_it_leads_to(
    validator: Validator, subject: dict[str, Any], wrong: str | None
) -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": subject,
    }
    assert [code for code, _ in found(validator, observation)] == ([wrong] if wrong else [])


def test_white_space_alone_is_a_warning_in_a_text_and_wrong_in_a_code(validator: Validator) -> None:
    blank = {"resourceType": "Patient", "name": [{"family": " \n"}]}
    assert [(i.code, i.severity) for i in validator.validate(blank)] == [("FB-FHIR-071", "warning")]
    assert found(validator, {"resourceType": "Patient", "gender": " "}) == [("FB-FHIR-016", "Patient.gender")]


@pytest.mark.parametrize(
    ("system", "right"),
    [
        ("urn:uuid:c757873d-ec9a-4326-a141-556f43239520", True),
        ("urn:uuid:C757873D-EC9A-4326-A141-556F43239520", False),
        ("urn:oid:1.2.3", True),
        ("oid:1.2.3", False),
    ],
)
def test_uris_of_oids_and_uuids(validator: Validator, system: str, right: bool) -> None:
    patient = {"resourceType": "Patient", "identifier": [{"system": system, "value": "1"}]}
    assert (found(validator, patient) == []) == right


def test_a_quantity_in_a_known_system_has_a_unit_of_it(validator: Validator) -> None:
    form = "http://terminology.hl7.org/CodeSystem/v3-orderableDrugForm"
    for code, right in (("TAB", True), ("nonsense", False)):
        quantity = {"value": 1, "system": form, "code": code}
        dispense = {"resourceType": "SupplyDelivery", "suppliedItem": {"quantity": quantity}}
        assert (found(validator, dispense) == []) == right


def test_a_concept_map_maps_codes_of_its_systems(validator: Validator) -> None:
    gender = "http://hl7.org/fhir/administrative-gender"
    element = {"code": "female", "target": [{"code": "F", "equivalence": "equal"}]}
    group = {"source": gender, "target": "https://hospital.org/sex", "element": [element, {"code": "woman"}]}
    concept_map = {"resourceType": "ConceptMap", "status": "draft", "group": [group]}
    assert found(validator, concept_map) == [("FB-FHIR-022", "ConceptMap.group[0].element[1].code")]


@pytest.mark.parametrize(
    ("version", "status", "severity"),
    [
        ("4.0.1", "draft", "error"),
        (None, "draft", "warning"),
        ("5.0.0", "draft", None),
        ("4.0.1", "retired", None),
    ],
)
def test_a_value_set_lists_codes_of_its_systems(
    validator: Validator, version: str | None, status: str, severity: str | None
) -> None:
    """Which codes a system has, its version decides; of a version that is not available nothing is said."""
    include: dict[str, Any] = {
        "system": "http://hl7.org/fhir/administrative-gender",
        "concept": [{"code": "female"}, {"code": "woman"}],
    }
    if version:
        include["version"] = version
    value_set = {"resourceType": "ValueSet", "status": status, "compose": {"include": [include]}}
    issues = validator.validate(value_set)
    wanted = [(severity, "FB-FHIR-022", "ValueSet.compose.include[0].concept[1].code")] if severity else []
    assert [(i.severity, i.code, i.expression) for i in issues] == wanted


def test_the_system_of_a_value_set_has_its_version_beside_it(validator: Validator) -> None:
    include = [{"system": "http://hl7.org/fhir/administrative-gender|4.0.1"}]
    value_set = {"resourceType": "ValueSet", "status": "draft", "compose": {"include": include}}
    assert found(validator, value_set) == [("FB-FHIR-016", "ValueSet.compose.include[0].system")]


@pytest.mark.parametrize(("count", "right"), [(3, True), (2, False), (None, True)])
def test_a_complete_code_system_counts_its_concepts(
    validator: Validator, count: int | None, right: bool
) -> None:
    concepts = [{"code": "a", "concept": [{"code": "b"}]}, {"code": "c"}]
    system = {"resourceType": "CodeSystem", "status": "draft", "content": "complete", "concept": concepts}
    assert (found(validator, system if count is None else {**system, "count": count}) == []) == right


def test_an_element_fixes_values_of_its_types(validator: Validator) -> None:
    element = {"id": "Patient.gender", "path": "Patient.gender", "type": [{"code": "code"}]}
    definition = {
        "resourceType": "StructureDefinition",
        "url": "https://hospital.org/StructureDefinition/x",
        "name": "X",
        "status": "draft",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
        "derivation": "constraint",
    }
    for name, codes in (("fixedCode", []), ("fixedString", ["FB-FHIR-034"]), ("patternCode", [])):
        elements = [{"id": "Patient", "path": "Patient"}, {**element, name: "female"}]
        found_codes = [c for c, _ in found(validator, {**definition, "differential": {"element": elements}})]
        assert found_codes == codes


@pytest.mark.parametrize(
    ("reference", "codes"),
    [
        ("/Slot/1", ["FB-FHIR-040"]),
        ("Slot/1?x=y", ["FB-FHIR-040"]),
        ("x/Patient/1", []),
        ("Patient/", []),
        ("Patient", ["FB-FHIR-042"]),
        ("Patient/a b", ["FB-FHIR-042"]),
    ],
)
def test_a_reference_of_another_form_still_names_a_type(
    validator: Validator, reference: str, codes: list[str]
) -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "specimen": {"display": "x"},
    }
    subject = {"subject": {"reference": reference}}
    assert [c for c, _ in found(validator, {**observation, **subject})] == codes


@pytest.mark.parametrize(
    ("language", "right"),
    [
        ({"text": "German"}, True),
        ({"coding": [{"system": "urn:ietf:bcp:47", "code": "de"}]}, True),
        ({"coding": [{"system": "https://hospital.org/languages", "code": "1"}]}, False),
        ({"coding": [{"display": "German"}]}, True),
    ],
)
def test_a_maximum_value_set_binds_codes_and_leaves_texts_free(
    validator: Validator, language: dict[str, Any], right: bool
) -> None:
    patient = {"resourceType": "Patient", "communication": [{"language": language}]}
    assert (found(validator, patient) == []) == right


def test_components_of_a_blood_pressure_are_identified_by_a_coding_that_their_slice_requires(
    validator: Validator,
) -> None:
    def component(code: str, **value: Any) -> dict[str, Any]:
        return {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, **value}

    pressure = {
        "valueQuantity": {
            "value": 107,
            "unit": "mmHg",
            "system": "http://unitsofmeasure.org",
            "code": "mm[Hg]",
        }
    }
    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [category]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": "Patient/p"},
        "effectiveDateTime": "2021-05-04",
    }
    systolic, diastolic = component("8480-6", **pressure), component("8462-4", **pressure)
    for components, codes in (
        ([systolic, diastolic], set()),
        ([systolic, component("8478-0", **pressure)], {"FB-FHIR-031"}),
        ([systolic, systolic, diastolic], {"FB-FHIR-032"}),
        ([systolic, component("8462-4", valueInteger=70)], {"FB-FHIR-034"}),
    ):
        assert {code for code, _ in found(validator, {**observation, "component": components})} == codes


@pytest.mark.parametrize("text", ["a\x00b", "\x07bell", "a\x1b", "a\ufffeb"])
def test_a_string_should_have_no_control_characters_and_markdown_has_none(
    validator: Validator, text: str
) -> None:
    """R4 datatypes.html: SHOULD not for strings, SHALL NOT for markdown."""
    issues = validator.validate({"resourceType": "Patient", "name": [{"text": text}]})
    assert [(i.severity, i.code, i.expression) for i in issues] == [
        ("warning", "FB-FHIR-073", "Patient.name[0].text")
    ]
    library = {"resourceType": "Library", "status": "draft", "type": {"text": "x"}, "description": text}
    assert found(validator, library) == [("FB-FHIR-016", "Library.description")]


@pytest.mark.parametrize(
    ("name", "other", "severity"), [("security", "R", "error"), ("tag", "x", "warning"), ("tag", "y", None)]
)
def test_labels_of_a_resource_are_a_set(
    validator: Validator, name: str, other: str, severity: str | None
) -> None:
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    if name == "tag":
        label = {"system": "https://hospital.org/tags", "code": "x"}
    again = {**label, "code": other, "version": "1"}
    issues = validator.validate({"resourceType": "Patient", "meta": {name: [label, again]}})
    wanted = [(severity, "FB-FHIR-056", f"Patient.meta.{name}[1]")] if severity else []
    assert [(i.severity, i.code, i.expression) for i in issues] == wanted
