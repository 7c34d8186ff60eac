"""What states a slice's items, as the look-up of slices and the checks inside them use it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fhir_bridge.fhir.definitions import DEFAULT, Profile
from fhir_bridge.fhir.validation.slicing import Match, matcher
from tests.fhir.definitions.makers import BASE, R4, element, extension, profile, sliced
from tests.fhir.resources import LOINC, concept
from tests.fhir.validation.conftest import ErrorsOf

Defined = Callable[..., None]

SYSTEM = "http://example.org/numbers"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
SYSTOLIC, DIASTOLIC = concept(LOINC, "8480-6"), concept(LOINC, "8462-4")
LOOKED_UP = (("code", "coding"), LOINC, "8480-6")


GENOMICS = "http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/"


def match_of(known: Any, canonical: str, part: str) -> Match:
    """How the items of a slice of a profile are distinguished."""
    found = known.profile(canonical)
    assert isinstance(found, Profile)
    whole = found.element(part.rpartition(":")[0])
    own = found.element(part)
    assert own is not None
    return matcher(found, whole.slicing if whole else None, own, lambda value, canonical, run: None, known)


def test_published_slices_are_told_by_one_coding_where_that_is_all_they_ask() -> None:
    variant = match_of(DEFAULT, GENOMICS + "variant", "Observation.component:gene-studied")
    assert variant.coding == (("code", "coding"), LOINC, "48018-6")
    assert variant.settled == {"Observation.component:gene-studied.code"}
    labs = match_of(DEFAULT, GENOMICS + "variant", "Observation.category:labCategory")
    assert labs.coding == (("coding",), CATEGORY, "laboratory")
    assert labs.settled == frozenset(), "a concept has other codings too"
    vital = match_of(DEFAULT, R4 + "vitalsigns", "Observation.category:VSCat")
    assert (vital.coding, vital.settled) == (None, frozenset()), (
        "distinguished by a system and a code, each for itself"
    )


@pytest.mark.parametrize(
    ("path", "where", "content", "coding"),
    [
        ("code", ".code", {"patternCodeableConcept": SYSTOLIC}, LOOKED_UP),
        ("code.coding", ".code.coding", {"patternCoding": SYSTOLIC["coding"][0]}, LOOKED_UP),
        ("code", ".code", {"fixedCodeableConcept": SYSTOLIC}, None),
        ("code", ".code", {"patternCodeableConcept": {**SYSTOLIC, "text": "systolic"}}, None),
        (
            "code",
            ".code",
            {"patternCodeableConcept": {"coding": [*SYSTOLIC["coding"], *DIASTOLIC["coding"]]}},
            None,
        ),
        ("code", ".code", {"patternCodeableConcept": {"coding": [{"code": "8480-6"}]}}, None),
        ("code", ".code", {"patternCodeableConcept": {"text": "systolic"}}, None),
        ("code.coding.code", ".code.coding.code", {"patternCode": "8480-6"}, None),
        ("value", ".value[x]", {"patternCodeableConcept": SYSTOLIC}, (("value", "coding"), LOINC, "8480-6")),
        (
            "value.ofType(CodeableConcept)",
            ".value[x]",
            {"patternCodeableConcept": SYSTOLIC, "type": [{"code": "CodeableConcept"}]},
            None,
        ),
        (
            "interpretation",
            ".interpretation",
            {"patternCodeableConcept": SYSTOLIC},
            (("interpretation", "coding"), LOINC, "8480-6"),
        ),
    ],
)
def test_one_coding_tells_a_slice_where_the_pattern_says_no_more(
    defined: Defined, known: Any, path: str, where: str, content: dict[str, Any], coding: Any
) -> None:
    defined(
        profile(
            "Parts",
            "Observation",
            sliced("Observation.component", ("pattern", path)),
            element("Observation.component:s"),
            element(f"Observation.component:s{where}", **content),
        )
    )
    assert match_of(known.definitions, BASE + "Parts", "Observation.component:s").coding == coding


def test_a_coding_that_is_the_item_itself_is_compared_as_a_value(defined: Defined, known: Any) -> None:
    tag = {"system": SYSTEM, "code": "1"}
    slicing = sliced("Observation.meta.tag", ("pattern", "$this"))
    defined(profile("Tagged", "Observation", slicing, element("Observation.meta.tag:s", patternCoding=tag)))
    assert match_of(known.definitions, BASE + "Tagged", "Observation.meta.tag:s").coding is None


def test_what_tells_a_slice_needs_no_second_check_unless_another_item_of_a_list_may_have_it(
    defined: Defined, known: Any, errors_of: ErrorsOf
) -> None:
    rank = extension("Rank", element("Extension.value[x]", type=[{"code": "code"}]), on=["Element"])
    ranked = f"extension('{rank['url']}').value"
    telecom = "Patient.telecom:s"
    defined(
        rank,
        profile(
            "Reached",
            "Patient",
            sliced("Patient.telecom", ("value", "system"), ("value", "use"), ("value", "period.start")),
            element(telecom, max="1"),
            element(f"{telecom}.system", fixedCode="phone"),
            element(f"{telecom}.use", fixedCode="home"),
            element(f"{telecom}.period.start", fixedDateTime="2020"),
        ),
        profile(
            "Whole",
            "Patient",
            sliced("Patient.telecom", ("value", "$this")),
            element(telecom, max="1", patternContactPoint={"system": "phone"}),
        ),
        profile(
            "Partly",
            "Patient",
            sliced("Patient.telecom", ("value", "system")),
            element(telecom, max="1", patternContactPoint={"system": "phone", "use": "home"}),
        ),
        profile(
            "Given",
            "Patient",
            sliced("Patient.name", ("value", "given")),
            element("Patient.name:s", max="1"),
            element("Patient.name:s.given", fixedString="Ada"),
        ),
        profile(
            "Ranked",
            "Patient",
            sliced("Patient.telecom", ("value", ranked)),
            element(telecom, max="1"),
            element(
                f"{telecom}.extension:rank", min=1, type=[{"code": "Extension", "profile": [rank["url"]]}]
            ),
            element(f"{telecom}.extension:rank.value[x]", min=1, fixedCode="first"),
        ),
    )
    for name, part, settled in (
        ("Reached", telecom, {f"{telecom}.system", f"{telecom}.use", f"{telecom}.period.start"}),
        ("Whole", telecom, {telecom}),
        ("Partly", telecom, set()),
        ("Given", "Patient.name:s", set()),
        ("Ranked", telecom, set()),
    ):
        assert match_of(known.definitions, BASE + name, part).settled == settled, name
    for given, expected in ((["Ada"], []), (["Ada", "Eva"], [("FB-FHIR-030", "Patient.name[0].given[1]")])):
        assert errors_of({"resourceType": "Patient", "name": [{"given": given}]}, "Given") == expected
    url = match_of(DEFAULT, GENOMICS + "variant", "Observation.component:gene-studied")
    assert all(one.startswith("Observation.component:gene-studied") for one in url.settled)
