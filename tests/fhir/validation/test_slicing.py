"""Slices: how items find theirs, and what is asked of each (R4 profiling.html#slicing)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fhir.definitions.makers import BASE, R4, element, extension, profile, sliced
from tests.fhir.resources import LOINC, concept, patient, troponin
from tests.fhir.validation.conftest import ErrorsOf

Defined = Callable[..., None]

SYSTEM = "http://example.org/numbers"


def named(*uses: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"use": use, "text": use} for use in uses], **more}


def official(**more: Any) -> list[dict[str, Any]]:
    """Names sliced by use: one official, and perhaps an old one."""
    return [
        sliced("Patient.name", ("value", "use"), **more),
        element("Patient.name:official", min=1, max="1"),
        element("Patient.name:official.use", min=1, fixedCode="official"),
        element("Patient.name:old", max="1"),
        element("Patient.name:old.use", min=1, patternCode="old"),
        element("Patient.name:old.period", min=1),
    ]


def test_slices_have_minima_maxima_and_rules_of_their_own(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(profile("Named", "Patient", *official()))
    assert errors_of(named("official", "nickname"), "Named") == []
    assert errors_of(named("nickname"), "Named") == [("FB-FHIR-031", "Patient.name")]
    assert errors_of(named("official", "official"), "Named") == [("FB-FHIR-032", "Patient.name")]
    assert errors_of(named("official", "old"), "Named") == [("FB-FHIR-013", "Patient.name[1]")]


def test_a_slice_of_an_absent_list_is_missing(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(profile("Named", "Patient", *official()))
    assert errors_of({"resourceType": "Patient", "active": True}, "Named") == [
        ("FB-FHIR-031", "Patient.name")
    ]


def test_closed_slices_take_nothing_else(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(profile("Named", "Patient", *official(rules="closed")))
    assert errors_of(named("official", "nickname"), "Named") == [("FB-FHIR-033", "Patient.name[1]")]


def test_slices_open_at_the_end_come_first(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(profile("Named", "Patient", *official(rules="openAtEnd")))
    assert errors_of(named("official", "nickname"), "Named") == []
    assert errors_of(named("nickname", "official"), "Named") == [("FB-FHIR-039", "Patient.name[1]")]


def test_ordered_slices_come_in_their_order(defined: Defined, errors_of: ErrorsOf) -> None:
    elements = [e for e in official(ordered=True) if not e["id"].endswith("period")]
    defined(profile("Named", "Patient", *elements))
    assert errors_of(named("official", "old"), "Named") == []
    assert errors_of(named("old", "official"), "Named") == [("FB-FHIR-039", "Patient.name[1]")]


def test_the_default_slice_has_what_no_other_takes(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(
        profile(
            "Named",
            "Patient",
            *official(rules="closed"),
            element("Patient.name:@default", max="1"),
            element("Patient.name:@default.text", maxLength=4),
        )
    )
    assert errors_of(named("official", "temp"), "Named") == []
    assert errors_of(named("official", "nickname"), "Named") == [("FB-FHIR-018", "Patient.name[1].text")]
    assert errors_of(named("official", "temp", "temp"), "Named") == [("FB-FHIR-032", "Patient.name")]


def test_an_item_that_fits_two_slices_is_wrong(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(
        profile(
            "Sorted",
            "Observation",
            sliced("Observation.category", ("pattern", "$this")),
            element("Observation.category:one", patternCodeableConcept=concept(SYSTEM, "1")),
            element("Observation.category:two", patternCodeableConcept=concept(SYSTEM, "2"), min=1),
        )
    )
    both = {"coding": [{"system": SYSTEM, "code": "1"}, {"system": SYSTEM, "code": "2"}]}
    assert errors_of({**troponin(), "category": [both]}, "Sorted") == [
        ("FB-FHIR-038", "Observation.category[0]"),
        ("FB-FHIR-031", "Observation.category"),
    ]


@pytest.mark.parametrize("stem", ["fixed", "pattern"])
def test_a_value_of_the_slice_itself_indicates_it_by_what_is_inside(
    defined: Defined, errors_of: ErrorsOf, stem: str
) -> None:
    phone = {"use": "home", "system": "phone"}
    defined(
        profile(
            "Reached",
            "Patient",
            sliced("Patient.telecom", ("value", "use")),
            element("Patient.telecom:home", min=1, max="1", **{f"{stem}ContactPoint": phone}),
        )
    )
    reached: dict[str, Any] = {"resourceType": "Patient", "telecom": [dict(phone), {"use": "work"}]}
    assert errors_of(reached, "Reached") == []
    reached["telecom"][0]["system"] = "email"
    assert errors_of(reached, "Reached") == [("FB-FHIR-030", "Patient.telecom[0]")]
    del reached["telecom"][0]
    assert errors_of(reached, "Reached") == [("FB-FHIR-031", "Patient.telecom")]


def test_several_discriminators_count_together(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(
        profile(
            "Reachable",
            "Patient",
            sliced("Patient.telecom", ("value", "system"), ("value", "use")),
            element("Patient.telecom:homePhone", min=1, max="1"),
            element("Patient.telecom:homePhone.system", min=1, fixedCode="phone"),
            element("Patient.telecom:homePhone.use", min=1, fixedCode="home"),
        )
    )
    phone = {"system": "phone", "use": "home", "value": "1"}
    assert errors_of({**patient(), "telecom": [phone]}, "Reachable") == []
    for wrong in ({**phone, "use": "work"}, {**phone, "system": "fax"}):
        assert errors_of({**patient(), "telecom": [wrong]}, "Reachable") == [
            ("FB-FHIR-031", "Patient.telecom")
        ]


def test_reslices_divide_a_slice(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(
        profile(
            "Parts",
            "Observation",
            sliced("Observation.component", ("pattern", "code")),
            element(
                "Observation.component:lab",
                slicing={"discriminator": [{"type": "exists", "path": "interpretation"}], "rules": "closed"},
            ),
            element("Observation.component:lab.code", patternCodeableConcept=concept(SYSTEM, "lab")),
            element("Observation.component:lab/errors", max="1"),
            element("Observation.component:lab/errors.interpretation", min=1),
            element("Observation.component:lab/plain", min=1),
            element("Observation.component:lab/plain.interpretation", max="0"),
        )
    )
    plain = {"code": concept(SYSTEM, "lab"), "valueInteger": 1}
    checked = {**plain, "interpretation": [{"text": "high"}]}
    assert errors_of({**troponin(), "component": [plain, checked]}, "Parts") == []
    assert errors_of({**troponin(), "component": [checked]}, "Parts") == [
        ("FB-FHIR-031", "Observation.component")
    ]
    assert errors_of({**troponin(), "component": [plain, checked, checked]}, "Parts") == [
        ("FB-FHIR-032", "Observation.component")
    ]


def test_slices_within_slices(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(
        profile(
            "Nested",
            "Observation",
            sliced("Observation.component", ("pattern", "code")),
            element("Observation.component:lab", min=1),
            element("Observation.component:lab.code", patternCodeableConcept=concept(SYSTEM, "lab")),
            sliced("Observation.component:lab.code.coding", ("value", "system")),
            element("Observation.component:lab.code.coding:loinc", min=1),
            element("Observation.component:lab.code.coding:loinc.system", min=1, fixedUri=LOINC),
        )
    )
    code = concept(SYSTEM, "lab")
    component = {"code": code, "valueInteger": 1}
    assert errors_of({**troponin(), "component": [component]}, "Nested") == [
        ("FB-FHIR-031", "Observation.component[0].code.coding")
    ]
    code["coding"].append({"system": LOINC, "code": "718-7"})
    assert errors_of({**troponin(), "component": [component]}, "Nested") == []


# --- choices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Observation.value[x]:valueQuantity", "Observation.valueQuantity"])
def test_a_choice_is_sliced_by_its_types(defined: Defined, errors_of: ErrorsOf, name: str) -> None:
    defined(
        profile(
            "Measured",
            "Observation",
            element(name, min=1),
            element(f"{name}.unit", min=1, fixedString="ug/L"),
        )
    )
    assert errors_of(troponin(), "Measured") == []
    observation = troponin()
    observation["valueQuantity"]["unit"] = "ng/L"
    assert errors_of(observation, "Measured") == [("FB-FHIR-030", "Observation.value.unit")]


def test_the_short_form_of_a_choice_leaves_that_type_alone(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(
        profile("Short", "Observation", element("Observation.valueQuantity")),
        profile("Long", "Observation", element("Observation.value[x]:valueQuantity")),
    )
    observation = troponin()
    del observation["valueQuantity"]
    observation["valueString"] = "much"
    assert errors_of(observation, "Short") == [("FB-FHIR-034", "Observation.value")]
    assert errors_of(observation, "Long") == []


# --- other discriminators -----------------------------------------------------------------------------------------


def test_extensions_are_sliced_by_url_without_a_discriminator(defined: Defined, errors_of: ErrorsOf) -> None:
    size = extension("Size", element("Extension.value[x]", min=1, type=[{"code": "integer"}]))
    defined(
        size,
        profile(
            "Sized",
            "Patient",
            element(
                "Patient.extension:size",
                min=1,
                max="1",
                type=[{"code": "Extension", "profile": [size["url"]]}],
            ),
        ),
    )
    sized = {"url": size["url"], "valueInteger": 43}
    assert errors_of({**patient(), "extension": [sized]}, "Sized") == []
    assert errors_of({**patient(), "extension": [sized, sized]}, "Sized") == [
        ("FB-FHIR-032", "Patient.extension")
    ]
    assert errors_of(patient(), "Sized") == [("FB-FHIR-031", "Patient.extension")]


def test_items_are_identified_by_an_extension_s_value(defined: Defined, errors_of: ErrorsOf) -> None:
    rank = extension("Rank", element("Extension.value[x]", type=[{"code": "code"}]), on=["Element"])
    defined(
        rank,
        profile(
            "Ranked",
            "Patient",
            sliced("Patient.name", ("value", f"extension('{rank['url']}').value")),
            element("Patient.name:first", min=1),
            element(
                "Patient.name:first.extension:rank",
                min=1,
                type=[{"code": "Extension", "profile": [rank["url"]]}],
            ),
            element("Patient.name:first.extension:rank.value[x]", min=1, fixedCode="first"),
        ),
    )
    for code, result in (("first", []), ("second", [("FB-FHIR-031", "Patient.name")])):
        name = {"text": "x", "extension": [{"url": rank["url"], "valueCode": code}]}
        assert errors_of({**patient(), "name": [name]}, "Ranked") == result


def test_entries_are_identified_by_the_type_of_their_resource(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(
        profile("Dated", "Patient", element("Patient.birthDate", min=1)),
        profile(
            "Letter",
            "Bundle",
            sliced("Bundle.entry", ("type", "resource")),
            element("Bundle.entry:patient", min=1, max="1"),
            element(
                "Bundle.entry:patient.resource",
                min=1,
                type=[{"code": "Patient", "profile": [BASE + "Dated"]}],
            ),
        ),
    )
    person = patient()
    entry = {"fullUrl": "http://example.org/Patient/p1", "resource": person}
    letter = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    assert errors_of(letter, "Letter") == []
    del person["birthDate"]
    assert errors_of(letter, "Letter") == [("FB-FHIR-013", "Bundle.entry[0].resource")]
    entry["resource"] = {"resourceType": "Basic", "id": "p1", "code": {"text": "x"}}
    entry["fullUrl"] = "http://example.org/Basic/p1"
    assert errors_of(letter, "Letter") == [("FB-FHIR-031", "Bundle.entry")]


def results_of(kind: str) -> dict[str, Any]:
    """A report whose results are distinguished by what they lead to."""
    targets = {"code": "Reference", "targetProfile": [BASE + "Heart"]}
    return profile(
        "Report",
        "DiagnosticReport",
        sliced("DiagnosticReport.result", (kind, "resolve()")),
        element("DiagnosticReport.result:heart", min=1, type=[targets]),
    )


def report(observation: dict[str, Any]) -> dict[str, Any]:
    return {
        "resourceType": "DiagnosticReport",
        "contained": [{**observation, "id": "o"}],
        "status": "final",
        "code": {"text": "x"},
        "result": [{"reference": "#o"}],
    }


def test_a_slice_by_profile_holds_what_conforms_to_it(defined: Defined, errors_of: ErrorsOf) -> None:
    heart = profile(
        "Heart", "Observation", element("Observation.code", patternCodeableConcept=concept(LOINC, "6598-7"))
    )
    defined(heart, results_of("profile"))
    assert errors_of(report(troponin()), "Report") == []
    other = {**troponin(), "code": concept(LOINC, "718-7")}
    assert errors_of(report(other), "Report") == [("FB-FHIR-031", "DiagnosticReport.result")]


def test_references_in_a_bundle_lead_to_its_entries(defined: Defined, errors_of: ErrorsOf) -> None:
    heart = profile(
        "Heart", "Observation", element("Observation.code", patternCodeableConcept=concept(LOINC, "6598-7"))
    )
    defined(heart, results_of("profile"))
    source = {
        **report(troponin()),
        "meta": {"profile": [BASE + "Report"]},
        "result": [{"reference": "Observation/tnt-1"}],
    }
    del source["contained"]
    entries = [
        {"fullUrl": "http://example.org/fhir/DiagnosticReport/r", "resource": {**source, "id": "r"}},
        {"fullUrl": "http://example.org/fhir/Observation/tnt-1", "resource": troponin()},
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    assert errors_of(bundle) == []
    entries[1]["resource"]["code"] = concept(LOINC, "718-7")  # type: ignore[index]
    assert errors_of(bundle) == [("FB-FHIR-031", "Bundle.entry[0].resource.result")]


def test_a_required_binding_indicates_a_slice(defined: Defined, errors_of: ErrorsOf) -> None:
    binding = {"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/observation-category"}
    defined(
        profile(
            "Bound",
            "Observation",
            sliced("Observation.category", ("value", "$this")),
            element("Observation.category:known", min=1, max="1", binding=binding),
        )
    )
    assert errors_of(troponin(), "Bound") == []
    assert errors_of({**troponin(), "category": [concept(SYSTEM, "1")]}, "Bound") == [
        ("FB-FHIR-031", "Observation.category")
    ]


def test_profiles_that_lead_to_themselves_end(defined: Defined, errors_of: ErrorsOf) -> None:
    loop = profile(
        "Loop",
        "Observation",
        element("Observation.hasMember", type=[{"code": "Reference", "targetProfile": [BASE + "Loop"]}]),
        element("Observation.derivedFrom", max="0"),
    )
    items = profile(
        "Items",
        "Questionnaire",
        element("Questionnaire.item.item", type=[]),
        element("Questionnaire.item.text", min=1),
    )
    defined(loop, items)
    observation = {**troponin(), "id": "a", "hasMember": [{"reference": "Observation/b"}]}
    other = {**troponin(), "id": "b", "hasMember": [{"reference": "Observation/a"}]}
    entries = [
        {
            "fullUrl": f"http://example.org/Observation/{o['id']}",
            "resource": {**o, "meta": {"profile": [BASE + "Loop"]}},
        }
        for o in (observation, other)
    ]
    assert errors_of({"resourceType": "Bundle", "type": "collection", "entry": entries}) == []
    deep: dict[str, Any] = {"linkId": "0", "type": "display", "text": "x"}
    for number in range(1, 30):
        deep = {
            "linkId": str(number),
            "type": "group",
            "item": [deep],
            **({} if number == 7 else {"text": "x"}),
        }
    form = {"resourceType": "Questionnaire", "status": "draft", "item": [deep]}
    (result,) = errors_of(form, "Items")
    assert result[0] == "FB-FHIR-013"
    assert result[1].count("item") == 23


def test_profiles_of_any_resource_hold_for_each(defined: Defined, errors_of: ErrorsOf) -> None:
    defined(profile("Tagged", "Resource", element("Resource.language", min=1), base=R4 + "Resource"))
    assert errors_of(patient(), "Tagged") == [("FB-FHIR-013", "Patient")]
    assert errors_of({**patient(), "language": "de"}, "Tagged") == []
