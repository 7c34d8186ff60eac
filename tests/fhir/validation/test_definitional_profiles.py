"""A profile as a resource: it fits its base and only narrows it (R4 profiling.html, structuredefinition.html)."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir import Validator
from fhir_bridge.fhir.validation.definitional import derivation
from tests.effort import counted_calls
from tests.fhir.definitions.makers import BASE, R4, element, extension, profile, sliced

MISFIT = "FB-FHIR-090"


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


def found(validator: Validator, resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [(i.code, i.expression) for i in validator.validate(resource) if i.severity in ("error", "fatal")]


def in_differential(position: int) -> list[tuple[str, str]]:
    return [(MISFIT, f"StructureDefinition.differential.element[{position}]")]


@pytest.mark.parametrize(
    ("constraint", "right"),
    [
        ({"min": 1}, True),
        ({"max": "1"}, True),
        ({"max": "0"}, True),
        ({"mustSupport": True}, True),
        ({"min": 2, "max": "*"}, True),
    ],
)
def test_a_profile_may_narrow_an_element(
    validator: Validator, constraint: dict[str, Any], right: bool
) -> None:
    result = profile("narrow", "Patient", element("Patient.name", **constraint))
    assert (found(validator, result) == []) == right


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("Observation", element("Observation.status", min=0)),
        ("Patient", element("Patient.gender", max="*")),
        ("Patient", element("Patient.gender", max="2")),
        ("Observation", element("Observation.value[x]", type=[{"code": "Address"}])),
        ("Patient", element("Patient.gender", type=[{"code": "string"}])),
        ("Patient", element("Patient.gender", type=[{"code": "sting"}])),
        ("Patient", element("Patient.gender", binding={"strength": "preferred", "valueSet": BASE + "x"})),
        ("Patient", element("Patient.nickname", min=1)),
        ("Patient", element("Patient.name.nickname", min=1)),
        ("Observation", element("Observation.valueAddress", min=1)),
    ],
    ids=lambda value: value["id"] + str(len(value)) if isinstance(value, dict) else value,
)
def test_a_profile_that_widens_its_base_is_wrong(
    validator: Validator, kind: str, changed: dict[str, Any]
) -> None:
    assert found(validator, profile("wide", kind, changed)) == in_differential(1)


@pytest.mark.parametrize(
    "changed",
    [
        element("Observation.value[x]", type=[{"code": "Quantity"}, {"code": "string"}]),
        element("Observation.valueQuantity", min=1),
        element("Observation.contained", type=[{"code": "Patient"}]),
        element("Observation.component.code.coding.system", min=1),
    ],
    ids=lambda value: value["id"],
)
def test_a_profile_may_name_types_and_walk_into_them(validator: Validator, changed: dict[str, Any]) -> None:
    assert found(validator, profile("typed", "Observation", changed)) == []


def test_a_profile_of_a_profile_keeps_what_that_asks(validator: Validator) -> None:
    vital_signs = R4 + "vitalsigns"
    loose = profile("loose", "Observation", element("Observation.category", min=0), base=vital_signs)
    assert found(validator, loose) == in_differential(1)
    dropped = element("Observation.status", mustSupport=False)
    assert found(validator, profile("dropped", "Observation", dropped, base=vital_signs)) == in_differential(
        1
    )
    assert found(validator, profile("loose", "Observation", dropped)) == []


def test_a_base_that_is_not_available_is_not_checked_against_a_profile(validator: Validator) -> None:
    changed = element("Patient.nickname", min=1)
    for base in (BASE + "nobody-has", R4 + "Patient|9.9.9"):
        assert found(validator, profile("far", "Patient", changed, base=base)) == []


def test_slices_need_something_that_distinguishes_them(validator: Validator) -> None:
    own = element("Patient.identifier:mrn", min=1)
    assert found(validator, profile("bare", "Patient", own)) == in_differential(1)
    slicing = sliced("Patient.identifier", ("value", "system"))
    assert found(validator, profile("sliced", "Patient", slicing, own)) == []
    again = element(
        "Patient.extension:birthPlace", type=[{"code": "Extension", "profile": [R4 + "patient-birthPlace"]}]
    )
    assert found(validator, profile("extended", "Patient", again)) == []


def test_a_slice_may_be_absent_where_its_element_may_not(validator: Validator) -> None:
    slicing = sliced("Observation.category", ("value", "coding.code"), min=1)
    mine = element("Observation.category:mine", min=0, max="*")
    assert found(validator, profile("optional", "Observation", slicing, mine)) == []


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"type": "Group"}, "type"),
        ({"kind": "complex-type"}, "kind"),
        ({"derivation": "specialization"}, "type"),
    ],
)
def test_type_and_kind_are_those_of_the_base(
    validator: Validator, changed: dict[str, Any], where: str
) -> None:
    results = {**profile("other", "Patient"), **changed}
    if "type" in changed:
        results["differential"] = {"element": [element("Group")]}
    assert (MISFIT, f"StructureDefinition.{where}") in found(validator, results)


def test_what_builds_on_a_base_says_how(validator: Validator) -> None:
    result = profile("unclear", "Patient")
    del result["derivation"]
    assert found(validator, result) == [(MISFIT, "StructureDefinition")]


@pytest.mark.parametrize(("most", "right"), [("1", True), ("*", True), ("some", False), ("-1", False)])
def test_a_maximum_is_a_number_or_a_star(validator: Validator, most: str, right: bool) -> None:
    result = profile("bounded", "Patient", element("Patient.name", max=most))
    assert (
        ("FB-FHIR-060", "StructureDefinition.differential.element[1].max") not in found(validator, result)
    ) == right


def test_only_extensions_have_contexts(validator: Validator) -> None:
    context = [{"type": "element", "expression": "Patient"}]
    result = profile("placed", "Patient", context=context)
    assert found(validator, result) == [(MISFIT, "StructureDefinition.context[0]")]


@pytest.mark.parametrize(
    ("place", "right"),
    [
        ("Patient", True),
        ("Patient.contact.name.given", True),
        ("Observation.value[x]", True),
        ("Observation.component.referenceRange.low", True),
        ("http://hl7.org/fhir/StructureDefinition/bodyweight#Observation.code", True),
        ("http://example.org/fhir/StructureDefinition/nobody-has#Observation.code:x", True),
        ("CanonicalResource.url", True),
        ("Patient.nickname", False),
        ("Patient.name.nickname", False),
        ("Pateint", False),
    ],
)
def test_an_extension_is_on_elements_that_there_are(validator: Validator, place: str, right: bool) -> None:
    wrong = [] if right else [(MISFIT, "StructureDefinition.context[0].expression")]
    assert found(validator, extension("placed", on=[place])) == wrong


def test_a_context_of_another_version_is_not_looked_for(validator: Validator) -> None:
    result = extension("later", on=["Patient", "NutritionIntake"])
    later = {"url": "startFhirVersion", "valueCode": "5.0"}
    use = {"url": R4 + "version-specific-use", "extension": [later]}
    result["context"][1]["extension"] = [use]
    assert not [code for code, _ in found(validator, result) if code == MISFIT]


def test_an_extension_fixes_its_own_url(validator: Validator) -> None:
    right = extension("own")
    assert found(validator, right) == []
    wrong = "StructureDefinition.differential.element[1].fixed"
    assert found(validator, {**right, "url": BASE + "another"}) == [(MISFIT, wrong)]
    fixed = right["differential"]["element"].pop(1)
    assert found(validator, right) == [(MISFIT, "StructureDefinition")]
    right["snapshot"] = {"element": [fixed]}
    assert (MISFIT, "StructureDefinition") in found(validator, right)
    del right["differential"]
    assert (MISFIT, "StructureDefinition") not in found(validator, right)


def test_the_effort_of_a_differential_without_end_is_bounded(
    validator: Validator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each slice of entry brings some twenty elements."""
    monkeypatch.setattr(derivation, "MAX_ELEMENTS", 1_000)
    slicing = sliced("Bundle.entry", ("type", "resource"))

    def effort(count: int) -> int:
        many = [element(f"Bundle.entry:e{n}.link.relation", min=1) for n in range(count)]
        endless = profile("endless", "Bundle", slicing, *many)
        issues: list[Any] = []
        calls = counted_calls(lambda: issues.extend(found(validator, endless)))
        assert issues == []
        return calls

    effort(10)  # what is read and compiled once
    assert effort(400) < 6 * effort(100)  # thirteen times without a bound


@pytest.mark.parametrize("code", ["CodeableConcept", "nonsense"])
def test_a_snapshot_has_the_types_that_base_and_differential_leave(validator: Validator, code: str) -> None:
    result = profile("typed", "Patient", element("Patient.gender", min=1))
    gender = element(
        "Patient.gender",
        min=1,
        max="1",
        definition="x",
        base={"path": "Patient.gender", "min": 0, "max": "1"},
    )
    whole = element("Patient", min=0, max="*", definition="x", base={"path": "Patient", "min": 0, "max": "*"})
    result["snapshot"] = {"element": [whole, {**gender, "type": [{"code": "code"}]}]}
    assert found(validator, result) == []
    result["snapshot"] = {"element": [whole, {**gender, "type": [{"code": code}]}]}
    assert found(validator, result) == [(MISFIT, "StructureDefinition.snapshot.element[1].type[0].code")]
