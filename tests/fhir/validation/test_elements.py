"""What profiles say of values: fixed and pattern, bounds, lengths, types, what references lead to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fhir.definitions.makers import BASE, R4, element, profile, sliced
from tests.fhir.resources import LOINC, UCUM, concept, patient, troponin
from tests.fhir.validation.conftest import ErrorsOf, Known

Defined = Callable[..., None]


NARRATIVE = {"status": "additional", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}


def one(path: str, **content: Any) -> dict[str, Any]:
    """A profile that constrains one element."""
    return profile("One", path.partition(".")[0], element(path, **content))


@pytest.mark.parametrize(
    ("path", "content", "good", "bad"),
    [
        ("Patient.gender", {"fixedCode": "female"}, "female", "male"),
        ("Patient.active", {"fixedBoolean": True}, True, False),
        ("Patient.birthDate", {"patternDate": "1961-07-04"}, "1961-07-04", "1961-07"),
        ("Patient.multipleBirthInteger", {"fixedInteger": 2}, 2, 3),
        (
            "Patient.maritalStatus",
            {"patternCodeableConcept": {"text": "x"}},
            {"text": "x", "coding": [{"code": "a"}]},
            {"text": "y"},
        ),
        (
            "Patient.maritalStatus",
            {"fixedCodeableConcept": {"text": "x"}},
            {"text": "x"},
            {"text": "x", "id": "1"},
        ),
        (
            "Patient.managingOrganization",
            {"patternReference": {"type": "Organization"}},
            {"type": "Organization", "display": "x"},
            {"display": "x"},
        ),
        ("Patient.birthDate", {"minValueDate": "1900-01-01"}, "1900", "1899-12-31"),
        ("Patient.birthDate", {"maxValueDate": "2020-01-01"}, "2019-12", "2020-01-02"),
        ("Patient.multipleBirthInteger", {"maxValueInteger": 4}, 4, 5),
        ("Patient.language", {"maxLength": 2}, "de", "de-CH"),
    ],
)
def test_a_value_keeps_to_what_its_profile_says(
    defined: Defined, errors_of: ErrorsOf, path: str, content: dict[str, Any], good: Any, bad: Any
) -> None:
    defined(one(path, **content))
    name = path.rpartition(".")[2]
    assert errors_of({**patient(), name: good}, "One") == []
    ((code, expression),) = errors_of({**patient(), name: bad}, "One")
    assert code in ("FB-FHIR-030", "FB-FHIR-018", "FB-FHIR-019")
    assert expression == "Patient.multipleBirth" if "multiple" in name else expression == path


def test_quantities_are_compared_across_units_of_one_kind(defined: Defined, errors_of: ErrorsOf) -> None:
    most = {"value": 0.1, "code": "ug/L", "system": UCUM}
    defined(one("Observation.value[x]", type=[{"code": "Quantity"}], maxValueQuantity=most))
    observation = troponin()
    assert errors_of(observation, "One") == []
    observation["valueQuantity"]["value"] = 1.5
    assert errors_of(observation, "One") == [("FB-FHIR-019", "Observation.value")]
    observation["valueQuantity"] |= {"value": 0.00005, "code": "mg/L"}
    assert errors_of(observation, "One") == []
    observation["valueQuantity"]["value"] = 0.0002
    assert errors_of(observation, "One") == [("FB-FHIR-019", "Observation.value")]
    observation["valueQuantity"]["code"] = "mmol/L"
    assert errors_of(observation, "One") == []


def test_a_fixed_value_is_not_met_by_extensions_alone(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(one("Patient.active", fixedBoolean=True, min=1))
    absent = {"extension": [{"url": R4 + "data-absent-reason", "valueCode": "unknown"}]}
    assert errors_of({**patient(), "_active": absent}, "One") == [("FB-FHIR-030", "Patient.active")]


def test_what_is_beside_a_primitive_is_constrained(defined: Defined, errors_of: ErrorsOf) -> None:
    time = {"code": "Extension", "profile": [R4 + "patient-birthTime"]}
    defined(one("Patient.birthDate.extension:time", min=1, type=[time]))
    assert errors_of(patient(), "One") == [("FB-FHIR-031", "Patient.birthDate.extension")]
    timed = {"extension": [{"url": R4 + "patient-birthTime", "valueDateTime": "1961-07-04T10:00:00Z"}]}
    assert errors_of({**patient(), "_birthDate": timed}, "One") == []


def test_cardinality_counts_what_has_extensions_alone(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(one("Patient.name.given", min=2))
    absent = {"extension": [{"url": R4 + "data-absent-reason", "valueCode": "unknown"}]}
    assert (
        errors_of({**patient(), "name": [{"given": ["Anna", None], "_given": [None, absent]}]}, "One") == []
    )
    assert errors_of({**patient(), "name": [{"given": ["Anna"]}]}, "One") == [
        ("FB-FHIR-013", "Patient.name[0]")
    ]


def test_a_data_type_s_profile_holds_where_it_is_named(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(
        profile(
            "Exact", "Quantity", element("Quantity.comparator", max="0"), element("Quantity.code", min=1)
        ),
        one("Observation.value[x]", type=[{"code": "Quantity", "profile": [BASE + "Exact"]}]),
    )
    assert errors_of(troponin(), "One") == []
    observation = troponin()
    observation["valueQuantity"]["comparator"] = "<"
    assert errors_of(observation, "One") == [("FB-FHIR-014", "Observation.value.comparator")]


def test_a_value_may_satisfy_any_of_several_profiles(defined: Defined, errors_of: ErrorsOf) -> None:
    types = [{"code": "Quantity", "profile": [BASE + "InGrams", BASE + "InLitres"]}]
    defined(
        profile("InGrams", "Quantity", element("Quantity.code", min=1, fixedCode="g")),
        profile("InLitres", "Quantity", element("Quantity.code", min=1, fixedCode="L")),
        one("Observation.value[x]", type=types),
    )
    for code, result in (("g", []), ("L", []), ("m", [("FB-FHIR-037", "Observation.value")])):
        assert (
            errors_of({**troponin(), "valueQuantity": {"value": 1, "system": UCUM, "code": code}}, "One")
            == result
        )


def test_what_is_contained_conforms_to_the_profile_of_the_reference(
    defined: Defined, errors_of: ErrorsOf
) -> None:
    target = {"code": "Reference", "targetProfile": [BASE + "Born", R4 + "Group"]}
    defined(
        profile("Born", "Patient", element("Patient.birthDate", min=1)),
        one("Observation.subject", type=[target]),
    )
    observation = {**troponin(), "contained": [{**patient(), "id": "p"}], "subject": {"reference": "#p"}}
    assert errors_of(observation, "One") == []
    del observation["contained"][0]["birthDate"]
    assert errors_of(observation, "One") == [("FB-FHIR-045", "Observation.subject.reference")]
    assert errors_of({**troponin(), "subject": {"reference": "Device/d"}}, "One") == [
        ("FB-FHIR-040", "Observation.subject.reference")
    ]


@pytest.mark.parametrize(
    ("kind", "reference", "fits"),
    [
        ({"aggregation": ["contained"]}, "#p", True),
        ({"aggregation": ["contained"]}, "Patient/p", False),
        ({"aggregation": ["referenced"]}, "#p", False),
        ({"aggregation": ["bundled"]}, "Patient/p", False),
        ({"versioning": "specific"}, "Patient/p", False),
        ({"versioning": "specific"}, "Patient/p/_history/2", True),
        ({"versioning": "independent"}, "Patient/p/_history/2", False),
    ],
)
def test_a_reference_is_held_as_its_element_says(
    defined: Defined, errors_of: ErrorsOf, kind: dict[str, Any], reference: str, fits: bool
) -> None:
    target = {"code": "Reference", "targetProfile": [R4 + "Patient"], **kind}
    defined(one("Observation.subject", type=[target]))
    observation = {**troponin(), "subject": {"reference": reference}}
    if reference == "#p":
        observation["contained"] = [{**patient(), "id": "p"}]
    assert errors_of(observation, "One") == (
        [] if fits else [("FB-FHIR-044", "Observation.subject.reference")]
    )


def test_an_imposed_profile_holds_too(defined: Defined, errors_of: ErrorsOf) -> None:
    imposed = {"url": R4 + "structuredefinition-imposeProfile", "valueCanonical": BASE + "Other"}
    defined(
        {**profile("One", "Patient", element("Patient.gender", min=1)), "extension": [imposed]},
        profile("Other", "Patient", element("Patient.birthDate", min=1)),
    )
    person = patient()
    del person["birthDate"]
    assert errors_of(person, "One") == [("FB-FHIR-013", "Patient")]


def test_ids_of_elements_are_unique_within_their_resource(errors_of: ErrorsOf) -> None:
    person = {**patient(), "name": [{"id": "n", "text": "a"}, {"id": "n", "text": "b"}]}
    assert errors_of(person) == [("FB-FHIR-053", "Patient.name[1].id")]
    person["name"][1]["id"] = "p1"
    assert errors_of(person) == []  # that is the resource's own id
    contained = {
        "resourceType": "Organization",
        "id": "o",
        "name": "x",
        "alias": ["y"],
        "_alias": [{"id": "n"}],
    }
    assert errors_of({**person, "contained": [contained], "managingOrganization": {"reference": "#o"}}) == []


def test_ids_of_contained_resources_are_unique(errors_of: ErrorsOf) -> None:
    twice = [{"resourceType": "Organization", "id": "o", "name": name} for name in "ab"]
    person = {**patient(), "contained": twice, "managingOrganization": {"reference": "#o"}}
    assert errors_of(person) == [("FB-FHIR-054", "Patient.contained[1]")]


@pytest.mark.parametrize(("data", "size"), [("aGVsbG8=", 5), ("aGVsbG8h", 6), ("aGVsbA==", 4)])
def test_an_attachment_has_the_size_of_its_data(errors_of: ErrorsOf, data: str, size: int) -> None:
    photo = {"contentType": "text/plain", "data": data, "size": size}
    assert errors_of({**patient(), "photo": [photo]}) == []
    assert errors_of({**patient(), "photo": [{**photo, "size": size + 1}]}) == [
        ("FB-FHIR-072", "Patient.photo[0].size")
    ]


def test_a_message_says_what_was_found_and_where_it_is_defined(defined: Defined, known: Known) -> None:
    defined(one("Observation.code", patternCodeableConcept=concept(LOINC, "718-7")))
    (issue,) = known.validator.validate(troponin(), [BASE + "One"])
    assert issue.message == (
        'the value differs, expected at least {"coding":[{"system":"http://loinc.org","code":"718-7"}]}; '
        f"defined by {BASE}One|1.0.0#Observation.code"
    )


def test_an_element_may_conform_to_one_element_of_another_profile(
    defined: Defined, errors_of: ErrorsOf
) -> None:
    library = profile(
        "Library",
        "Composition",
        element("Composition.title", max="0"),  # of the Composition, no concern of the section
        sliced("Composition.section", ("pattern", "code")),
        element("Composition.section:plan"),
        element("Composition.section:plan.code", patternCodeableConcept={"text": "plan"}),
        element("Composition.section:plan.title", min=1),
    )
    named = {"url": R4 + "elementdefinition-profile-element", "valueString": "Composition.section:plan"}
    of_plan = {"code": "BackboneElement", "profile": [BASE + "Library"], "_profile": [{"extension": [named]}]}
    visit = profile(
        "Visit",
        "Composition",
        sliced("Composition.section", ("pattern", "code"), rules="closed"),
        element("Composition.section:plan", min=1, type=[of_plan]),
    )
    defined(library, visit)
    plan: dict[str, Any] = {"title": "Plan", "code": {"text": "plan"}, "text": NARRATIVE}
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "visit"},
        "date": "2024-03-01",
        "author": [{"display": "A"}],
        "title": "Visit",
        "section": [plan],
    }
    assert errors_of(composition, "Visit") == []
    del plan["title"]
    assert errors_of(composition, "Visit") == [("FB-FHIR-013", "Composition.section[0]")]
    plan["code"] = {"text": "history"}
    assert ("FB-FHIR-033", "Composition.section[0]") in errors_of(composition, "Visit")
