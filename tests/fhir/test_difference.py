"""The FHIR-aware difference: what counts as the same, and how differences read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fhir_bridge.fhir import ABSENT, Difference, difference, difference_of_sets, dumps
from tests.fhir.resources import CATEGORY, LOINC, concept, patient, troponin, variant


def test_a_resource_does_not_differ_from_itself_as_bytes() -> None:
    assert difference(troponin(), dumps(troponin())) == []


def test_a_changed_value_is_shown_with_its_place() -> None:
    (found,) = difference(troponin(), {**troponin(), "status": "amended"})
    assert found == Difference("Observation.status", "final", "amended")
    assert str(found) == 'Observation.status: "final" ≠ "amended"'


def test_what_one_side_lacks_is_absent_there() -> None:
    other = troponin()
    del other["referenceRange"]
    (found,) = difference(other, troponin())
    assert found.left is ABSENT
    assert str(found).startswith("Observation.referenceRange: absent ≠")


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
    (found,) = difference(variant(), other)
    assert found == Difference("Observation.component[3].valueString", "A", "T")


def test_a_component_too_many_is_one_difference() -> None:
    other = variant()
    other["component"].insert(0, {"code": concept(LOINC, "82121-5"), "valueInteger": 30})
    (found,) = difference(variant(), other)
    assert (found.path, found.left) == ("Observation.component[0]", ABSENT)


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
    """Two people alike but for a result: only what refers to them tells them apart."""
    found: list[dict[str, Any]] = []
    for number, value in enumerate(("0.01", "0.09")):
        person = {"resourceType": "Patient", "id": f"{prefix}-{number}", "gender": "female"}
        result = troponin()
        result["id"] = f"{prefix}-r{number}"
        result["subject"] = {"reference": f"Patient/{person['id']}"}
        result["valueQuantity"]["value"] = Decimal(value)
        found += [person, result]
    return found


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
    (found,) = difference_of_sets(cohort("a"), [*cohort("b"), {"resourceType": "Device", "id": "d"}])
    assert (found.path, found.left) == ("Device/d", ABSENT)


def test_sets_by_id() -> None:
    changed = cohort("a")
    changed[1]["category"] = [concept(CATEGORY, "exam")]
    found = difference_of_sets(cohort("a"), list(reversed(changed)), ignore_ids=False)
    assert found
    assert all(d.path.startswith("Observation/a-r0.category") for d in found)
    assert difference_of_sets(cohort("a"), cohort("b"), ignore_ids=False) != []


def test_a_large_set_is_compared_quickly() -> None:
    left = [{**troponin(), "id": f"l{n}", "valueQuantity": {"value": n}} for n in range(2000)]
    right = [{**troponin(), "id": f"r{n}", "valueQuantity": {"value": n}} for n in reversed(range(2000))]
    assert difference_of_sets(left, right) == []
