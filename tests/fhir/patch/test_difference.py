"""The difference of two versions, as a patch that leads from one to the other."""

from __future__ import annotations

import copy
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir import loads_exact
from fhir_bridge.fhir.patch import PatchError, fhirpath_difference, fhirpath_patch

TEXT = st.sampled_from(["a", "b", "c"])
COMPANION = st.none() | st.fixed_dictionaries({"id": TEXT})


@st.composite
def texts(draw: st.DrawFn, owner: dict[str, Any], name: str) -> None:
    pairs = draw(
        st.lists(st.tuples(st.none() | TEXT, COMPANION).filter(lambda pair: pair != (None, None)), max_size=3)
    )
    for key, items in ((name, [p[0] for p in pairs]), ("_" + name, [p[1] for p in pairs])):
        if any(item is not None for item in items):
            owner.update({key: items})


@st.composite
def names(draw: st.DrawFn) -> dict[str, Any]:
    name: dict[str, Any] = draw(
        st.fixed_dictionaries({"family": TEXT}, optional={"id": TEXT, "text": TEXT, "use": TEXT})
    )
    draw(texts(name, "given"))
    return name


@st.composite
def patients(draw: st.DrawFn) -> dict[str, Any]:
    patient: dict[str, Any] = {"resourceType": "Patient", "id": "p"}
    lists: dict[str, st.SearchStrategy[Any]] = {
        "name": names(),
        "contact": st.fixed_dictionaries({"name": names()}, optional={"gender": TEXT, "id": TEXT}),
        "contained": st.fixed_dictionaries(
            {"resourceType": st.sampled_from(["Organization", "Location"]), "id": TEXT}
        ),
        "extension": st.fixed_dictionaries({"url": TEXT}, optional={"valueString": TEXT}),
    }
    for key, items in lists.items():
        result = draw(st.lists(items, max_size=4))
        if result:
            patient[key] = result
    choice = draw(st.sampled_from([{}, {"deceasedBoolean": True}, {"deceasedDateTime": "2020"}]))
    single = draw(
        st.sampled_from([{}, {"birthDate": "1970"}, {"birthDate": "1971", "_birthDate": {"id": "b"}}])
    )
    text = draw(
        st.sampled_from(
            [{}, {"text": {"status": "empty", "div": "<div/>"}}, {"text": {"status": "additional"}}]
        )
    )
    return {**patient, **choice, **single, **text}


@given(patients(), patients())
@settings(deadline=None)
def test_the_difference_leads_from_one_version_to_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    copies = copy.deepcopy((before, after))
    assert fhirpath_patch(before, fhirpath_difference(before, after)) == after
    assert (before, after) == copies


@given(patients())
@settings(deadline=None)
def test_equal_versions_have_no_difference(resource: dict[str, Any]) -> None:
    assert fhirpath_difference(resource, copy.deepcopy(resource)) == {"resourceType": "Parameters"}


def test_a_decimal_with_other_digits_is_a_difference() -> None:
    before, after = (
        loads_exact(f'{{"resourceType":"Observation","valueQuantity":{{"value":{v}}}}}')
        for v in ("1.0", "1.00")
    )
    (operation,) = fhirpath_difference(before, after)["parameter"]
    assert operation["part"][1]["valueString"] == "Observation.value.value"
    assert str(fhirpath_patch(before, fhirpath_difference(before, after))["valueQuantity"]["value"]) == "1.00"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ({"resourceType": "Patient"}, {"resourceType": "Group"}, "two resources of one type are expected"),
        ({"resourceType": "X"}, {"resourceType": "X"}, "two resources of one type are expected"),
        (
            {"resourceType": "Patient", "id": "a"},
            {"resourceType": "Patient", "id": "b"},
            "can't change an id",
        ),
        ({"resourceType": "Patient"}, {"resourceType": "Patient", "zzz": 1}, "Patient has no element 'zzz'"),
        ({"resourceType": "Patient"}, {"resourceType": "Patient", "name": []}, "empty"),
    ],
)
def test_versions_without_a_patch_between_them_are_refused(before: Any, after: Any, reason: str) -> None:
    with pytest.raises(PatchError, match=reason):
        fhirpath_difference(before, after)


def edited(value: Any, chance: random.Random) -> Any:
    """The value with some elements left out, some lists in another order, some texts changed."""
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if k in ("resourceType", "id", "url") or chance.random() > 0.1}
        return {
            k: v if k in ("resourceType", "id") else edited(v, chance) for k, v in (kept or value).items()
        }
    if isinstance(value, list):
        if all(isinstance(item, dict) for item in value) and chance.random() < 0.3:
            value = chance.sample(value, chance.randint(1, len(value)))
        return [edited(item, chance) for item in value]
    return (
        value + "x"
        if isinstance(value, str) and chance.random() < 0.1 and not value.startswith("<")
        else value
    )


@pytest.mark.shared
def test_edited_official_examples_are_reached_by_their_differences(shared: Path) -> None:
    chance = random.Random(20240229)
    for path in sorted((shared / "suites/fhir-test-cases-r4/examples").glob("*.json")):
        resource = loads_exact(path.read_bytes())
        if "resourceType" not in resource:
            continue
        after = {**edited(resource, chance), "resourceType": resource["resourceType"]}
        try:
            patch = fhirpath_difference(resource, after)
        except PatchError as error:
            assert "empty objects" in error.reason, (path.name, error)  # noqa: PT017
            continue
        assert fhirpath_patch(resource, patch) == after, path.name
