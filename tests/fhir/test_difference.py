"""The FHIR-aware difference: what counts as the same, and how differences read."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir import ABSENT, Difference, definitions, difference, difference_of_sets, dumps
from fhir_bridge.fhir.difference import render
from fhir_bridge.fhir.difference.order import ORDERED
from tests.fhir.resources import CATEGORY, LOINC, concept, patient, troponin, variant


def test_a_resource_does_not_differ_from_itself_as_bytes() -> None:
    assert difference(troponin(), dumps(troponin())) == []


def test_a_changed_value_is_shown_with_its_place() -> None:
    (result,) = difference(troponin(), {**troponin(), "status": "amended"})
    assert result == Difference("Observation.status", "final", "amended")
    assert str(result) == 'Observation.status: "final" ≠ "amended"'


def test_what_one_side_lacks_is_absent_there() -> None:
    other = troponin()
    del other["referenceRange"]
    (result,) = difference(other, troponin())
    assert result.left is ABSENT
    assert str(result).startswith("Observation.referenceRange: absent ≠")


def test_decimals_differ_by_value_and_on_request_by_precision() -> None:
    other = troponin()
    other["valueQuantity"]["value"] = Decimal("0.0340")
    assert difference(troponin(), other) == []
    assert [d.path for d in difference(troponin(), other, precision=True)] == [
        "Observation.valueQuantity.value"
    ]


def test_order_is_free_for_codings_and_components_and_kept_for_given_names() -> None:
    other = variant()
    other["component"].reverse()
    other["category"].reverse()
    assert difference(variant(), other) == []
    person = patient()
    person["name"][0]["given"].reverse()
    assert [d.path for d in difference(patient(), person)] == [
        "Patient.name[0].given[0]",
        "Patient.name[0].given[1]",
    ]


def test_a_component_that_changed_meets_its_former_self() -> None:
    other = variant()
    other["component"].reverse()
    other["component"][1]["valueString"] = "T"  # the alternate allele
    (result,) = difference(variant(), other)
    assert result == Difference("Observation.component[3].valueString", "A", "T")


def test_a_component_too_many_is_one_difference() -> None:
    other = variant()
    other["component"].insert(0, {"code": concept(LOINC, "82121-5"), "valueInteger": 30})
    (result,) = difference(variant(), other)
    assert (result.path, result.left) == ("Observation.component[0]", ABSENT)


def test_a_server_s_meta_is_left_aside() -> None:
    stored = {**troponin(), "meta": {"versionId": "3", "lastUpdated": "2024-01-01T00:00:00Z"}}
    assert difference(troponin(), stored) == []
    assert [d.path for d in difference(troponin(), stored, ignore_meta=False)] == ["Observation.meta"]
    tagged = {**troponin(), "meta": {"tag": [{"code": "x"}]}}
    assert difference(troponin(), tagged, ignore_meta=True) == []


def test_ids_count_only_when_asked() -> None:
    other = {**troponin(), "id": "other"}
    assert difference(troponin(), other) == []
    assert [d.path for d in difference(troponin(), other, ignore_ids=False)] == ["Observation.id"]


def test_one_renaming_must_explain_all_references() -> None:
    both = {**troponin(), "performer": [{"reference": "Patient/p1"}]}
    renamed = {**troponin(), "subject": {"reference": "Patient/x"}, "performer": [{"reference": "Patient/x"}]}
    assert difference(both, renamed) == []
    torn = {**renamed, "performer": [{"reference": "Patient/y"}]}
    assert len(difference(both, torn)) == 1
    assert len(difference(both, {**both, "subject": {"reference": "Group/p1"}})) == 1


def test_true_is_not_one() -> None:
    assert len(difference({**patient(), "active": True}, {**patient(), "active": 1})) == 1


def cohort(prefix: str) -> list[dict[str, Any]]:
    """Two people alike but for a result: only what refers to them distinguishes them."""
    results: list[dict[str, Any]] = []
    for number, value in enumerate(("0.01", "0.09")):
        person = {"resourceType": "Patient", "id": f"{prefix}-{number}", "gender": "female"}
        result = troponin()
        result["id"] = f"{prefix}-r{number}"
        result["subject"] = {"reference": f"Patient/{person['id']}"}
        result["valueQuantity"]["value"] = Decimal(value)
        results += [person, result]
    return results


def test_sets_are_paired_by_content_and_references_follow() -> None:
    assert difference_of_sets(cohort("a"), reversed(cohort("b"))) == []


def test_people_alike_in_everything_do_not_get_in_each_others_way() -> None:
    left, right = cohort("a"), cohort("b")
    for resource in (*left, *right):
        if resource["resourceType"] == "Observation":
            resource["valueQuantity"]["value"] = 1
    assert difference_of_sets(left, [right[2], right[1], right[0], right[3]]) == []


def test_a_reference_to_the_wrong_person_is_found() -> None:
    right, wrong = cohort("a"), cohort("b")
    for people in (right, wrong):
        people[0]["gender"] = "male"
    assert difference_of_sets(right, wrong) == []
    wrong[1]["subject"], wrong[3]["subject"] = wrong[3]["subject"], wrong[1]["subject"]
    assert [d.path for d in difference_of_sets(right, wrong)] == [
        "Observation/a-r0.subject.reference",
        "Observation/a-r1.subject.reference",
    ]


def test_what_finds_no_partner_is_reported_whole() -> None:
    (result,) = difference_of_sets(cohort("a"), [*cohort("b"), {"resourceType": "Device", "id": "d"}])
    assert (result.path, result.left) == ("Device/d", ABSENT)


def test_sets_by_id() -> None:
    changed = cohort("a")
    changed[1]["category"] = [concept(CATEGORY, "exam")]
    result = difference_of_sets(cohort("a"), list(reversed(changed)), ignore_ids=False)
    assert result
    assert all(d.path.startswith("Observation/a-r0.category") for d in result)
    assert difference_of_sets(cohort("a"), cohort("b"), ignore_ids=False) != []


def test_a_large_set_is_compared_quickly() -> None:
    left = [{**troponin(), "id": f"l{n}", "valueQuantity": {"value": n}} for n in range(2000)]
    right = [{**troponin(), "id": f"r{n}", "valueQuantity": {"value": n}} for n in reversed(range(2000))]
    assert difference_of_sets(left, right) == []


# --- graphs: contained resources, Bundles, names ------------------------------------------------------------------


def document(patient_name: str, result_name: str, kind: str = "collection") -> dict[str, Any]:
    """A Bundle of a person and two results, of which one has a contained specimen."""
    first = {
        **troponin(),
        "subject": {"reference": patient_name},
        "derivedFrom": [{"reference": result_name}],
    }
    first["contained"] = [{"resourceType": "Specimen", "id": "s", "type": {"text": "blood"}}]
    first["specimen"] = {"reference": "#s"}
    second = {**troponin(), "subject": {"reference": patient_name}, "valueQuantity": {"value": 7}}
    del first["id"]
    second["id"] = result_name.rpartition("/")[2]
    person = {**patient(), "id": patient_name.rpartition("/")[2]}
    urls = {patient_name: person, result_name: second, "urn:uuid:first": first}
    prefix = "" if patient_name.startswith("urn:") else "https://example.org/fhir/"
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [
            {"fullUrl": url if url.startswith("urn:") else prefix + url, "resource": resource}
            for url, resource in urls.items()
        ],
    }


def test_bundles_with_other_names_for_one_graph_are_equal() -> None:
    left = document("Patient/p", "Observation/o")
    right = document("urn:uuid:1", "urn:uuid:2")
    right["entry"].reverse()
    assert difference(left, right) == []
    assert difference(left, right, ignore_ids=False) != []


def test_a_change_in_an_entry_is_one_difference_and_does_not_spread() -> None:
    left, right = document("Patient/p", "Observation/o"), document("urn:uuid:1", "urn:uuid:2")
    right["entry"][0]["resource"]["gender"] = "other"
    (result,) = difference(left, right)
    assert (result.path, result.kind) == ("Bundle.entry[0].resource.gender", "changed")
    del right["entry"][0]
    (result,) = difference(left, right)
    assert (result.path, result.kind) == ("Bundle.entry[0]", "removed")


def test_entries_of_a_document_are_in_order() -> None:
    left = document("Patient/p", "Observation/o", "document")
    right = document("Patient/p", "Observation/o", "document")
    right["entry"].reverse()
    assert difference(left, right) != []
    right["entry"].reverse()
    right["entry"].insert(0, {"resource": {"resourceType": "Basic"}})
    (result,) = difference(left, right)
    assert (result.path, result.kind) == ("Bundle.entry[0]", "added")


def test_contained_resources_are_followed_by_their_references() -> None:
    def order(name: str, two: str, *, swapped: bool = False) -> dict[str, Any]:
        contained = [
            {"resourceType": "Practitioner", "id": name, "gender": "female"},
            {"resourceType": "Practitioner", "id": two, "gender": "male"},
        ]
        return {
            "resourceType": "ServiceRequest",
            "contained": contained[::-1] if swapped else contained,
            "requester": {"reference": f"#{name}"},
            "performer": [{"reference": f"#{two}"}],
        }

    assert difference(order("a", "b"), order("x", "y", swapped=True)) == []
    other = order("x", "y")
    other["requester"], other["performer"] = {"reference": "#y"}, [{"reference": "#x"}]
    assert {result.path for result in difference(order("a", "b"), other)} == {
        "ServiceRequest.requester.reference",
        "ServiceRequest.performer[0].reference",
    }


def test_what_is_beside_a_reference_indicates_what_it_names() -> None:
    def account(*payers: tuple[str, int]) -> dict[str, Any]:
        coverage = [
            {"coverage": {"reference": f"Coverage/{name}"}, "priority": rank} for name, rank in payers
        ]
        return {"resourceType": "Account", "coverage": coverage}

    assert difference(account(("a", 1), ("b", 2)), account(("y", 2), ("x", 1))) == []
    assert difference(account(("a", 1), ("b", 2)), account(("b", 2), ("a", 1))) == []
    (result,) = difference(account(("a", 1), ("b", 2)), account(("y", 3), ("x", 1)))
    assert result == Difference("Account.coverage[1].priority", 2, 3)


def test_a_reference_to_another_version_is_one_to_the_same_resource() -> None:
    left = {**troponin(), "subject": {"reference": "Patient/p1/_history/2"}}
    assert difference(left, troponin()) == []


def test_a_conditional_reference_is_content() -> None:
    left = {**troponin(), "subject": {"reference": "Patient?identifier=1"}}
    right = {**troponin(), "subject": {"reference": "Patient?identifier=2"}}
    assert [result.path for result in difference(left, right)] == ["Observation.subject.reference"]


def test_one_changed_resource_of_a_chain_is_one_difference() -> None:
    def chain(prefix: str) -> list[dict[str, Any]]:
        return [
            {
                **troponin(),
                "id": f"{prefix}{n}",
                "derivedFrom": [{"reference": f"Observation/{prefix}{n + 1}"}],
            }
            for n in range(30)
        ]

    right = chain("b")
    right[12] = {**right[12], "status": "amended"}
    assert [difference_of_set.path for difference_of_set in difference_of_sets(chain("a"), right[::-1])] == [
        "Observation/a12.status"
    ]


def test_a_ring_is_not_two_smaller_rings() -> None:
    def rings(*sizes: int) -> list[dict[str, Any]]:
        return [
            {
                "resourceType": "Observation",
                "id": f"{ring}-{n}",
                "derivedFrom": [{"reference": f"Observation/{ring}-{(n + 1) % size}"}],
            }
            for ring, size in enumerate(sizes)
            for n in range(size)
        ]

    assert difference_of_sets(rings(6), rings(6)[::-1]) == []
    assert difference_of_sets(rings(6), rings(3, 3)) != []


# --- options ------------------------------------------------------------------------------------------------------


def test_times_are_compared_as_written_or_as_instants() -> None:
    other = {**troponin(), "effectiveDateTime": "2024-02-29T09:00:00.000Z"}
    assert [d.path for d in difference(troponin(), other)] == ["Observation.effectiveDateTime"]
    assert difference(troponin(), other, instants=True) == []
    later = {**troponin(), "effectiveDateTime": "2024-02-29T09:00:00.001Z"}
    assert len(difference(troponin(), later, instants=True)) == 1
    day = {**troponin(), "effectiveDateTime": "2024-02-29"}
    assert len(difference(troponin(), day, instants=True)) == 1


def test_narratives_order_and_emptiness_count_by_option() -> None:
    statements = {**troponin(), "text": {"status": "generated", "div": "<div>x</div>"}}
    assert len(difference(troponin(), statements)) == 1
    assert difference(troponin(), statements, narrative=False) == []
    turned = variant()
    turned["component"].reverse()
    assert difference(variant(), turned, ordered=True) != []
    hollow = {**troponin(), "note": [], "method": {"text": ""}, "issued": None}
    assert len(difference(troponin(), hollow)) == 3
    assert difference(troponin(), hollow, empty=True) == []


def test_numbers_differ_by_their_least_digit_and_by_their_sign() -> None:
    def numbered(value: str) -> dict[str, Any]:
        return {"resourceType": "Observation", "valueQuantity": {"value": Decimal(value)}}

    for item, two in (("-1", "-2"), ("0.1", "0.01"), ("1" * 40 + "1", "1" * 40 + "2"), ("1E+9", "1E+8")):
        assert len(difference(numbered(item), numbered(two))) == 1
        assert len(difference([numbered(item)][0], numbered(two), precision=True)) == 1
    assert difference(numbered("1E+2"), numbered("100.0")) == []
    assert difference({"resourceType": "Basic", "x": 100}, {"resourceType": "Basic", "x": 1e2}) == []


def test_a_primitive_s_extensions_go_by_the_position_of_its_values() -> None:
    left = {"resourceType": "Patient", "name": [{"given": ["A", "B"], "_given": [None, {"id": "x"}]}]}
    right = {"resourceType": "Patient", "name": [{"given": ["A", "B"], "_given": [{"id": "x"}, None]}]}
    assert difference(left, right) != []


def test_a_changed_coding_is_identified_by_its_code() -> None:
    other = troponin()
    other["category"][0]["coding"][0]["code"] = "exam"
    (result,) = difference(troponin(), other)
    assert result.path == "Observation.category[0].coding[0].code"


def test_results_are_for_programs_and_for_people() -> None:
    other = {**troponin(), "status": "amended", "issued": "2024-01-01T00:00:00Z"}
    del other["referenceRange"]
    result = difference(troponin(), other)
    assert [item.to_json()["kind"] for item in result] == ["changed", "removed", "added"]
    assert result[0].to_json() == {
        "kind": "changed",
        "path": "Observation.status",
        "left": "final",
        "right": "amended",
    }
    lines = render(result).splitlines()
    assert lines[0] == '~ Observation.status: "final" → "amended"'
    assert [line[0] for line in lines] == ["~", "-", "+", "3"]
    assert render([]) == "no differences"


@pytest.mark.parametrize("path", sorted(ORDERED))
def test_ordered_elements_are_lists_of_r4(path: str) -> None:
    definition = definitions.find_type(path.partition(".")[0])
    assert definition is not None
    element = definition.element(path)
    assert element is not None
    assert element.is_list


@pytest.mark.parametrize("text", ["[]", "1", '"x"'])
def test_what_is_no_resource_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected the JSON object"):
        difference(text, "{}")


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "id", "contained", "reference", "entry", "resource", "code", "name", "given"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(
    st.dictionaries(st.sampled_from(["id", "contained", "entry", "name", "x"]), _JSON, max_size=4),
    st.randoms(),
)
def test_whatever_a_resource_holds_it_equals_itself(content: dict[str, Any], random: Any) -> None:
    for kind in ("Bundle", "Patient", "Nothing"):
        resource = {**content, "resourceType": kind}
        assert difference(resource, copy.deepcopy(resource)) == []
        assert difference(resource, copy.deepcopy(resource), ignore_ids=False, ordered=True) == []
        assert difference_of_sets([resource], [copy.deepcopy(resource)]) == []
