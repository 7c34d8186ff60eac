"""An element of a StructureDefinition: what its types, values, bounds, bindings and slicing allow together."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir import Validator
from tests.fhir.definitions.makers import BASE, R4, element, extension, profile

CONTRADICTS = "FB-FHIR-091"


@pytest.fixture(scope="module")
def validator() -> Validator:
    return Validator()


def found(validator: Validator, resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [(i.code, i.expression) for i in validator.validate(resource) if i.severity in ("error", "fatal")]


def model(*elements: dict[str, Any]) -> dict[str, Any]:
    """A made type, whose elements no base has; no invariant asks a logical model for a known type."""
    every = [element("Ward", min=0, max="*", definition="x"), *elements]
    for item in every:
        item.setdefault("definition", "x")
        item.setdefault("min", 0)
        item.setdefault("max", "1")
        item["base"] = {"path": item["path"], "min": item["min"], "max": item["max"]}
    return {
        "resourceType": "StructureDefinition",
        "url": BASE + "Ward",
        "name": "Ward",
        "status": "active",
        "kind": "complex-type",
        "abstract": False,
        "type": "Ward",
        "baseDefinition": R4 + "Element",
        "derivation": "specialization",
        "snapshot": {"element": every},
    }


@pytest.mark.parametrize(
    ("kind", "said", "at"),
    [
        ("integer", {"minValueInteger": 1}, None),
        ("Quantity", {"maxValueQuantity": {"value": 1}}, None),
        ("string", {"minValueInteger": 1}, "minValue"),
        ("Address", {"maxValueDate": "2020"}, "maxValue"),
        ("string", {"maxLength": 9}, None),
        ("boolean", {"maxLength": 9}, "maxLength"),
        ("CodeableConcept", {"maxLength": 9}, "maxLength"),
        ("CodeableConcept", {"binding": {"strength": "example"}}, None),
        ("string", {"extension": [{"url": R4 + "minLength", "valueInteger": 1}]}, None),
        ("dateTime", {"extension": [{"url": R4 + "maxSize", "valueDecimal": 1}]}, "extension"),
        ("Attachment", {"extension": [{"url": R4 + "maxSize", "valueDecimal": 1}]}, None),
        ("boolean", {"extension": [{"url": R4 + "maxDecimalPlaces", "valueInteger": 1}]}, "extension"),
        ("Bed", {"maxLength": 9}, None),
    ],
)
def test_an_element_says_only_what_its_type_takes(
    validator: Validator, kind: str, said: dict[str, Any], at: str | None
) -> None:
    profiled = profile("said", "Observation", element("Observation.value[x]", type=[{"code": kind}], **said))
    profiled["baseDefinition"] = BASE + "nobody-has"
    wrong = [(CONTRADICTS, f"StructureDefinition.differential.element[1].{at}")] if at else []
    assert found(validator, profiled) == wrong


def test_a_binding_needs_something_coded(validator: Validator) -> None:
    bound = element("Observation.value[x]", type=[{"code": "Address"}], binding={"strength": "example"})
    result = profile("bound", "Observation", bound, base=BASE + "nobody-has")
    assert (CONTRADICTS, "StructureDefinition.differential.element[1].binding") in found(validator, result)


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("fixedUri", []),
        ("fixedString", ["FB-FHIR-034"]),
        ("patternUri", []),
        ("patternPeriod", ["FB-FHIR-034"]),
    ],
)
def test_a_value_has_the_type_that_the_base_gives(validator: Validator, name: str, codes: list[str]) -> None:
    value: Any = {"start": "2020"} if name == "patternPeriod" else "urn:x"
    result = profile("valued", "Patient", element("Patient.identifier.system", **{name: value}))
    assert [code for code, _ in found(validator, result)] == codes


def test_only_what_repeats_is_sliced(validator: Validator) -> None:
    slicing = {"discriminator": [{"type": "value", "path": "$this"}], "rules": "open"}
    for path, right in (
        ("Patient.name", True),
        ("Observation.value[x]", True),
        ("Patient.gender", False),
        ("Patient", False),
    ):
        result = profile("sliced", path.partition(".")[0], element(path, slicing=slicing))
        if path == "Patient":
            result["differential"]["element"].pop(0)
        wrong = {code for code, _ in found(validator, result)}
        assert (CONTRADICTS not in wrong) == right, path


def test_a_profile_does_not_say_what_absence_means(validator: Validator) -> None:
    text = profile("said", "Patient", element("Patient.active", meaningWhenMissing="yes"))
    assert found(validator, text) == [
        (CONTRADICTS, "StructureDefinition.differential.element[1].meaningWhenMissing")
    ]
    assert found(validator, extension("own", element("Extension.extension", meaningWhenMissing="no"))) == []


@pytest.mark.parametrize(
    ("kind", "at"),
    [
        ({"code": "Quantity", "profile": [R4 + "SimpleQuantity"]}, None),
        ({"code": "Range", "profile": [R4 + "SimpleQuantity"]}, "profile[0]"),
        ({"code": "Range", "profile": [BASE + "nobody-has"]}, None),
        ({"code": "Reference", "targetProfile": [R4 + "Patient", R4 + "vitalsigns"]}, None),
        ({"code": "Reference", "targetProfile": [R4 + "Patient", R4 + "Quantity"]}, "targetProfile[1]"),
    ],
)
def test_a_profile_is_one_of_the_type_that_it_is_at(
    validator: Validator, kind: dict[str, Any], at: str | None
) -> None:
    result = profile("typed", "Observation", element("Observation.value[x]", type=[kind]))
    result["baseDefinition"] = BASE + "nobody-has"
    location = f"StructureDefinition.differential.element[1].type[0].{at}"
    assert found(validator, result) == ([(CONTRADICTS, location)] if at else [])


def test_a_modifier_extension_is_among_modifiers(validator: Validator) -> None:
    plain = [{"code": "Extension", "profile": [R4 + "patient-birthPlace"]}]
    for name, right in (("extension", True), ("modifierExtension", False)):
        result = profile("extended", "Patient", element(f"Patient.{name}:place", type=plain))
        location = "StructureDefinition.differential.element[1].type[0].profile[0]"
        assert found(validator, result) == ([] if right else [(CONTRADICTS, location)])


def test_the_id_of_a_slice_names_it(validator: Validator) -> None:
    slicing = {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}
    mrn = element("Patient.identifier:mrn", min=1)
    result = profile("named", "Patient", element("Patient.identifier", slicing=slicing), mrn)
    assert found(validator, result) == []
    for change in ({"sliceName": "other"}, {"sliceName": None}):
        wrong = {k: v for k, v in {**mrn, **change}.items() if v is not None}
        result["differential"]["element"][2] = wrong
        assert (CONTRADICTS, "StructureDefinition.differential.element[2].id") in found(validator, result)
    short = {**element("Observation.value[x]:valueQuantity"), "path": "Observation.valueQuantity"}
    del short["sliceName"]
    assert found(validator, profile("short", "Observation", short)) == []


def test_an_element_of_a_snapshot_has_a_type_or_takes_one_from_elsewhere(validator: Validator) -> None:
    typed = element("Ward.bed", type=[{"code": "string"}])
    referred = element("Ward.inner", contentReference="#Ward.bed")
    assert found(validator, model(typed, referred)) == []
    assert found(validator, model(element("Ward.bed"))) == [
        (CONTRADICTS, "StructureDefinition.snapshot.element[1]")
    ]


def test_types_fix_nothing_and_roots_say_little(validator: Validator) -> None:
    fixed = element("Ward.bed", type=[{"code": "string"}], fixedString="x")
    assert found(validator, model(fixed)) == [(CONTRADICTS, "StructureDefinition.snapshot.element[1].fixed")]
    whole = model(element("Ward.bed", type=[{"code": "string"}]))
    whole["snapshot"]["element"][0]["example"] = [{"label": "x", "valueString": "x"}]
    assert found(validator, whole) == [(CONTRADICTS, "StructureDefinition.snapshot.element[0].example")]


def test_an_invariant_is_fhirpath_and_one_key_is_one_rule(validator: Validator) -> None:
    def constrained(*expressions: str, source: str = "") -> dict[str, Any]:
        rule = {"key": "w-1", "severity": "error", "human": "x", **({"source": source} if source else {})}
        return model(
            *(
                element(f"Ward.bed{n}", type=[{"code": "string"}], constraint=[{**rule, "expression": text}])
                for n, text in enumerate(expressions)
            )
        )

    location = "StructureDefinition.snapshot.element[{}].constraint[0].expression"
    assert found(validator, constrained("length() > 1", "length() > 1")) == []
    assert found(validator, constrained("length() > 1", "length() > 2")) == [
        (CONTRADICTS, location.format(2))
    ]
    assert found(validator, constrained("length( >")) == [("FB-FHIR-092", location.format(1))]
    assert found(validator, constrained("length( >", source=R4 + "Patient")) == []
