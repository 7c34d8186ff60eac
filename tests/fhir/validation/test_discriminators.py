"""Which items a slice has, by what its discriminators say of them (R4 profiling.html#discriminator)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fhir.definitions.makers import BASE, R4, element, extension, profile, sliced
from tests.fhir.resources import LOINC, concept, troponin
from tests.fhir.validation.conftest import ErrorsOf

Defined = Callable[..., None]
Member = Callable[..., "bool | None"]

SYSTEM = "http://example.org/numbers"
UUID = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
UNKNOWN = "http://example.org/not-available"


@pytest.fixture
def member(defined: Defined, errors_of: ErrorsOf) -> Member:
    """Whether the one item of a list is in the slice `s`; None where that can't be decided.

    The slicing is closed and the slice prohibited: an item in it is one too many, an item outside fits none.
    """

    def decide(
        resource: dict[str, Any], path: str, discriminators: Any, *inside: Any, more: Any = (), **own: Any
    ) -> bool | None:
        kind = resource["resourceType"]
        parts = [element(f"{path}:s{name}", **content) for name, content in inside]
        defined(
            *more,
            profile(
                "Sliced",
                kind,
                sliced(path, *discriminators, rules="closed"),
                element(f"{path}:s", max="0", **own),
                *parts,
            ),
        )
        codes = {code for code, _ in errors_of(resource, "Sliced")}
        assert not {"FB-FHIR-032", "FB-FHIR-033"} <= codes
        return True if "FB-FHIR-032" in codes else False if "FB-FHIR-033" in codes else None

    return decide


# --- prohibited slices --------------------------------------------------------------------------------------------


def test_a_prohibited_slice_has_no_items_however_they_are_told_apart(
    defined: Defined, errors_of: ErrorsOf
) -> None:
    defined(
        profile(
            "ByPattern",
            "Observation",
            sliced("Observation.category", ("pattern", "$this")),
            element("Observation.category:one", max="0", patternCodeableConcept=concept(SYSTEM, "1")),
        ),
        profile("ByType", "Observation", element("Observation.value[x]:valueQuantity", max="0")),
    )
    one, two = ({**troponin(), "category": [concept(SYSTEM, code)]} for code in "12")
    assert errors_of(one, "ByPattern") == [("FB-FHIR-032", "Observation.category")]
    assert errors_of(two, "ByPattern") == []
    assert errors_of(troponin(), "ByType") == [("FB-FHIR-032", "Observation.value")]
    text = {key: value for key, value in troponin().items() if key != "valueQuantity"}
    assert errors_of({**text, "valueString": "much"}, "ByType") == []


# --- what need not be said ----------------------------------------------------------------------------------------


def closed(path: str) -> dict[str, Any]:
    """A closed slicing that does not say what distinguishes its slices."""
    return element(path, slicing={"rules": "closed"})


@pytest.mark.parametrize("name", ["extension", "modifierExtension"])
def test_extensions_are_told_apart_by_url(defined: Defined, errors_of: ErrorsOf, name: str) -> None:
    modifier = name == "modifierExtension"
    flag = extension(
        "Flag",
        element("Extension", isModifier=modifier, isModifierReason="changes the meaning"),
        element("Extension.value[x]", type=[{"code": "boolean"}]),
    )
    kinds = [{"code": "Extension", "profile": [flag["url"]]}]
    defined(
        flag,
        extension("Other", element("Extension", isModifier=modifier, isModifierReason="changes the meaning")),
        profile(
            "Flagged",
            "Patient",
            closed(f"Patient.{name}"),
            element(f"Patient.{name}:flag", min=1, type=kinds),
        ),
    )
    flags = [{"url": BASE + one, "valueBoolean": True} for one in ("Flag", "Other")]
    assert errors_of({"resourceType": "Patient", name: flags[:1]}, "Flagged") == []
    assert errors_of({"resourceType": "Patient", name: flags}, "Flagged") == [
        ("FB-FHIR-033", f"Patient.{name}[1]")
    ]


def test_a_choice_is_told_apart_by_type(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(
        profile(
            "Measured",
            "Observation",
            closed("Observation.value[x]"),
            element("Observation.value[x]:valueQuantity", min=1),
        )
    )
    observation = troponin()
    assert errors_of(observation, "Measured") == []
    observation["valueInteger"] = 3
    del observation["valueQuantity"]
    assert errors_of(observation, "Measured") == [
        ("FB-FHIR-031", "Observation.value"),
        ("FB-FHIR-033", "Observation.value"),
    ]


def test_nothing_is_said_of_items_that_nothing_tells_apart(member: Member) -> None:
    named = {"resourceType": "Patient", "name": [{"text": "x"}]}
    use = (".use", {"min": 1, "fixedCode": "old"})
    assert member(named, "Patient.name", [("value", "use.first()")], use) is None, (
        "no path of a discriminator"
    )
    assert member(named, "Patient.name", [("value", "text")]) is None, "nothing asked of the text"
    assert member(named, "Patient.name", [("exists", "text")]) is None
    assert member(named, "Patient.name", [("value", "use")], use) is False


# --- several ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("display", "reference", "expected"),
    [
        ("heart", "Observation/1", True),
        ("heart", "Patient/1", False),
        ("heart", UUID, None),
        ("lung", "Observation/1", False),
        ("lung", UUID, False),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_of_several_discriminators_one_that_fails_decides(
    member: Member, display: str, reference: str, expected: bool | None, backwards: bool
) -> None:
    item = {"display": display, "reference": reference}
    report = {"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "x"}, "result": [item]}
    discriminators = [("value", "display"), ("type", "resolve()")]
    found = member(
        report,
        "DiagnosticReport.result",
        discriminators[::-1] if backwards else discriminators,
        (".display", {"min": 1, "fixedString": "heart"}),
        type=[{"code": "Reference", "targetProfile": [R4 + "Observation"]}],
    )
    assert found is expected


def test_three_discriminators_count_together(member: Member) -> None:
    inside = [
        (".system", {"fixedCode": "phone"}),
        (".use", {"fixedCode": "home"}),
        (".rank", {"fixedPositiveInt": 1}),
    ]
    kinds = [("value", "system"), ("value", "use"), ("value", "rank")]
    phone = {"system": "phone", "use": "home", "rank": 1}
    for change, expected in (
        ({}, True),
        ({"system": "fax"}, False),
        ({"use": "old"}, False),
        ({"rank": 2}, False),
    ):
        person = {"resourceType": "Patient", "telecom": [{**phone, **change}]}
        assert member(person, "Patient.telecom", kinds, *inside) is expected


# --- type ---------------------------------------------------------------------------------------------------------


def report(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "x"},
        "result": list(items),
        **more,
    }


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"reference": "Observation/1"}, True),
        ({"reference": "http://example.org/fhir/Observation/1/_history/2"}, True),
        ({"reference": "Patient/1"}, False),
        ({"reference": "#o"}, True),
        ({"reference": "#p"}, False),
        ({"reference": UUID}, None),
        ({"reference": UUID, "type": "Observation"}, None),
        ({"type": "Observation", "identifier": {"value": "7"}}, True),
        ({"type": "Patient", "identifier": {"value": "7"}}, False),
        ({"identifier": {"value": "7"}}, None),
        ({"type": 7}, None),
    ],
)
@pytest.mark.parametrize("target", ["Observation", "DomainResource", "Resource"])
def test_a_reference_is_of_the_type_that_it_leads_to(
    member: Member, item: dict[str, Any], expected: bool | None, target: str
) -> None:
    resource = report(
        item, contained=[{**troponin(), "id": "o"}, {"resourceType": "Patient", "id": "p", "active": True}]
    )
    found = member(
        resource,
        "DiagnosticReport.result",
        [("type", "resolve()")],
        type=[{"code": "Reference", "targetProfile": [R4 + target]}],
    )
    # Each resource is a DomainResource by its base, and that a Resource by its own.
    assert found is (expected if target == "Observation" or expected is None else True)


def test_a_reference_to_what_no_package_defines_is_not_decided(member: Member) -> None:
    kinds = [{"code": "Reference", "targetProfile": [UNKNOWN]}]
    for kind in ("type", "profile"):
        found = member(
            report({"reference": "Observation/1"}),
            "DiagnosticReport.result",
            [(kind, "resolve()")],
            type=kinds,
        )
        assert found is None


@pytest.mark.parametrize(
    ("canonical", "expected"),
    [("http://example.org/Library/1", True), ("http://example.org/Measure/1", False), (7, None)],
)
def test_a_canonical_leads_to_a_type_as_a_reference_does(
    member: Member, canonical: Any, expected: bool | None
) -> None:
    activity = {"resourceType": "ActivityDefinition", "status": "draft", "library": [canonical]}
    found = member(
        activity,
        "ActivityDefinition.library",
        [("type", "resolve()")],
        type=[{"code": "canonical", "targetProfile": [R4 + "Library"]}],
    )
    assert found is expected


ADULT = profile("Adult", "Patient", element("Patient.birthDate", min=1))
PATIENTS = {
    "adult": {"resourceType": "Patient", "birthDate": "1961-04-05"},
    "undated": {"resourceType": "Patient", "active": True},
    "basic": {"resourceType": "Basic", "code": {"text": "x"}},
}


def collection(resource: dict[str, Any] | None) -> dict[str, Any]:
    entry = {"fullUrl": UUID} | ({"resource": resource} if resource else {})
    return {"resourceType": "Bundle", "type": "collection", "entry": [entry]}


@pytest.mark.parametrize("code", ["Resource", "DomainResource", "Patient"])
@pytest.mark.parametrize(
    ("kind", "members"), [("type", {"adult", "undated"}), ("profile", {"adult"})], ids=["type", "profile"]
)
def test_an_entry_is_told_by_the_type_or_the_profile_of_its_resource(
    member: Member, code: str, kind: str, members: set[str]
) -> None:
    inside = (".resource", {"type": [{"code": code, "profile": [ADULT["url"]]}]})
    for name, resource in PATIENTS.items():
        found = member(collection(resource), "Bundle.entry", [(kind, "resource")], inside, more=[ADULT])
        assert found is (name in members), name
    assert member(collection(None), "Bundle.entry", [(kind, "resource")], inside, more=[ADULT]) is False


def test_an_entry_by_an_unknown_profile_is_not_decided(member: Member) -> None:
    inside = (".resource", {"type": [{"code": "Patient", "profile": [UNKNOWN]}]})
    for kind, expected in (("profile", None), ("type", True)):
        found = member(collection(PATIENTS["adult"]), "Bundle.entry", [(kind, "resource")], inside)
        assert found is expected


def test_one_of_several_profiles_is_enough(member: Member) -> None:
    named = profile("Named", "Patient", element("Patient.name", min=1))
    inside = (".resource", {"type": [{"code": "Patient", "profile": [named["url"], ADULT["url"]]}]})
    for name, expected in (("adult", True), ("undated", False)):
        found = member(
            collection(PATIENTS[name]), "Bundle.entry", [("profile", "resource")], inside, more=[ADULT, named]
        )
        assert found is expected


def test_results_are_told_by_a_profile_of_a_version_or_by_the_type_alone(member: Member) -> None:
    heart = profile(
        "Heart", "Observation", element("Observation.code", patternCodeableConcept=concept(LOINC, "6598-7"))
    )
    kidney = {**troponin(), "code": concept(LOINC, "2160-0")}
    for target, observation, expected in (
        (heart["url"], troponin(), True),
        (heart["url"], kidney, False),
        (heart["url"] + "|1.0.0", troponin(), True),
        (R4 + "Observation", kidney, True),
    ):
        found = member(
            report({"reference": "#o"}, contained=[{**observation, "id": "o"}]),
            "DiagnosticReport.result",
            [("profile", "resolve()")],
            type=[{"code": "Reference", "targetProfile": [target]}],
            more=[heart],
        )
        assert found is expected, target


def test_a_result_is_told_by_what_stands_in_the_resource_that_it_leads_to(member: Member) -> None:
    heart = profile(
        "Heart",
        "Observation",
        element("Observation.code", patternCodeableConcept=concept(LOINC, "6598-7")),
        element("Observation.method", min=1),
        element("Observation.value[x]", type=[{"code": "Quantity"}]),
    )
    method = {"method": {"text": "immunoassay"}}
    text = {key: value for key, value in troponin().items() if key != "valueQuantity"} | {
        "valueString": "high"
    }
    for kind, path, observation, expected in (
        ("value", "resolve().code", troponin(), True),
        ("value", "resolve().code", {**troponin(), "code": concept(LOINC, "2160-0")}, False),
        ("exists", "resolve().method", {**troponin(), **method}, True),
        ("exists", "resolve().method", troponin(), False),
        ("type", "resolve().value", troponin(), True),
        ("type", "resolve().value", text, False),
    ):
        found = member(
            report({"reference": "#o"}, contained=[{**observation, "id": "o"}]),
            "DiagnosticReport.result",
            [(kind, path)],
            type=[{"code": "Reference", "targetProfile": [heart["url"]]}],
            more=[heart],
        )
        assert found is expected, (kind, path)


# --- value and pattern --------------------------------------------------------------------------------------------


def component(value: Any, **more: Any) -> dict[str, Any]:
    return {**troponin(), "component": [{"code": value, "valueInteger": 1, **more}]}


SYSTOLIC, DIASTOLIC = concept(LOINC, "8480-6"), concept(LOINC, "8462-4")


@pytest.mark.parametrize("path", ["code", "$this"])
def test_a_slice_is_told_by_all_that_is_fixed_below_the_place_named(member: Member, path: str) -> None:
    inside = [(".code.coding.system", {"fixedUri": LOINC}), (".code.coding.code", {"fixedCode": "8480-6"})]
    for code, expected in ((SYSTOLIC, True), (DIASTOLIC, False), (concept(SYSTEM, "8480-6"), False)):
        assert member(component(code), "Observation.component", [("value", path)], *inside) is expected


def test_a_value_of_a_slice_further_in_is_no_value_of_every_item(member: Member) -> None:
    inside = [
        (".code.text", {"fixedString": "systolic"}),
        (
            ".code.coding",
            {"slicing": {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}},
        ),
        (".code.coding:loinc", {}),
        (".code.coding:loinc.system", {"fixedUri": LOINC}),
    ]
    for text, expected in (("systolic", True), ("diastolic", False)):
        code = {**concept(SYSTEM, "1"), "text": text}
        assert member(component(code), "Observation.component", [("value", "code")], *inside) is expected


def test_a_choice_below_is_found_by_the_name_of_its_type(member: Member) -> None:
    inside = (
        ".value[x]",
        {"patternCodeableConcept": concept(SYSTEM, "1"), "type": [{"code": "CodeableConcept"}]},
    )
    for code, expected in (("1", True), ("2", False)):
        resource = component(SYSTOLIC, valueCodeableConcept=concept(SYSTEM, code))
        del resource["component"][0]["valueInteger"]
        for path in ("$this", "value", "value.ofType(CodeableConcept)"):
            found = member(resource, "Observation.component", [("value", path)], inside)
            assert found is expected, path


def test_a_value_on_the_way_tells_what_stands_at_the_end_of_it(member: Member) -> None:
    both = {"coding": [{"system": LOINC, "code": "8480-6"}, {"system": SYSTEM, "code": "1"}]}
    inside = (".code", {"patternCodeableConcept": both})
    for code, expected in ((both, True), (SYSTOLIC, False), (concept(SYSTEM, "1"), False)):
        assert (
            member(component(code), "Observation.component", [("value", "code.coding.code")], inside)
            is expected
        )


# --- bindings and existence ---------------------------------------------------------------------------------------


def bound(value_set: str, strength: str = "required") -> dict[str, Any]:
    return {"binding": {"strength": strength, "valueSet": value_set}}


CATEGORIES = "http://hl7.org/fhir/ValueSet/observation-category"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
USES = "http://hl7.org/fhir/ValueSet/name-use"


@pytest.mark.parametrize(
    ("codings", "expected"),
    [
        ([{"system": CATEGORY, "code": "exam"}], True),
        ([{"system": SYSTEM, "code": "exam"}], False),
        ([{"system": SYSTEM, "code": "1"}, {"system": CATEGORY, "code": "exam"}], True),
        ([{"display": "exam"}], False),
        ([{"system": 7, "code": "exam"}], False),
        ([{"system": CATEGORY, "code": 7}], False),
        ([7], False),
        (7, False),
    ],
)
def test_a_concept_is_in_a_slice_by_a_code_of_the_value_set(
    member: Member, codings: Any, expected: bool
) -> None:
    observation = {**troponin(), "category": [{"coding": codings}]}
    assert member(observation, "Observation.category", [("value", "$this")], **bound(CATEGORIES)) is expected


def test_a_code_and_a_coding_are_in_a_slice_by_a_value_set_too(member: Member) -> None:
    for use, expected in (("official", True), ("nonsense", False)):
        person = {"resourceType": "Patient", "name": [{"use": use}]}
        assert member(person, "Patient.name", [("value", "use")], (".use", bound(USES))) is expected
    for system, expected in ((CATEGORY, True), (SYSTEM, False)):
        tagged = {**troponin(), "meta": {"tag": [{"system": system, "code": "exam"}]}}
        inside = bound(CATEGORIES)
        assert member(tagged, "Observation.meta.tag", [("value", "$this")], **inside) is expected


def test_a_binding_that_is_not_required_tells_nothing_apart(member: Member) -> None:
    observation = {**troponin(), "category": [concept(CATEGORY, "exam")]}
    for strength in ("extensible", "preferred", "example"):
        found = member(
            observation, "Observation.category", [("value", "$this")], **bound(CATEGORIES, strength)
        )
        assert found is None, strength


def test_a_value_set_that_only_a_terminology_can_tell_is_not_decided_without_one(member: Member) -> None:
    # All of SNOMED CT's body structures: known by name, and not which codes they are.
    sites = "http://hl7.org/fhir/ValueSet/body-site"
    observation = {**troponin(), "category": [concept("http://snomed.info/sct", "368209003")]}
    assert member(observation, "Observation.category", [("value", "$this")], **bound(sites)) is None


@pytest.mark.parametrize("kind", ["exists", "value"])
def test_a_slice_is_told_by_what_must_be_there_or_must_not(member: Member, kind: str) -> None:
    for low, high, dated, undated in ((1, "1", True, False), (0, "0", False, True)):
        inside = (".period", {"min": low, "max": high})
        for name, expected in (({"period": {"start": "2020"}}, dated), ({"text": "x"}, undated)):
            person = {"resourceType": "Patient", "name": [name]}
            found = member(person, "Patient.name", [(kind, "period")], inside)
            assert found is expected, (kind, low, name)
