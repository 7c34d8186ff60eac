"""Whose record a resource is in: the table fits R4, and references count as they should."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.record import (
    OTHER_PERSON,
    Owners,
    has_patient,
    is_followed,
    is_subject_parameter,
    owners_of,
    patient_types,
)
from fhir_bridge.fhir.record_table import RECORD_TABLE

TYPES = sorted(definitions.resource_types())
COMPARTMENT = definitions.patient_compartment()


def element(resource_type: str, path: str) -> definitions.Element:
    """The element at a path; fails where R4 has none."""
    definition = definitions.type_definition(resource_type)
    parent, match = resource_type, None
    for name in path.split("."):
        match = next((child for child in definition.children(parent) if child.name == name), None)
        assert match is not None, f"R4 has no {parent}.{name}"
        parent = match.path
    assert match is not None
    return match


def test_every_resource_type_has_a_row_and_nothing_else_has() -> None:
    assert set(RECORD_TABLE) == set(TYPES)
    assert list(RECORD_TABLE) == TYPES


@pytest.mark.parametrize("resource_type", [name for name in TYPES if name != "Patient"])
def test_every_element_named_is_a_reference_that_can_lead_to_a_patient(resource_type: str) -> None:
    row = RECORD_TABLE[resource_type]
    for path in row.owners:
        (kind,) = element(resource_type, path).types
        assert kind.code == "Reference"
        assert {"Patient", "Resource"} & set(kind.targets), path
    for path in row.through:
        (kind,) = element(resource_type, path).types
        assert kind.code == "Reference"
        others = set(kind.targets) - {"Patient"}
        assert "Resource" in others or others & set(patient_types()), path


@pytest.mark.parametrize("resource_type", TYPES)
def test_no_element_of_makers_recipients_or_payers_is_named(resource_type: str) -> None:
    row = RECORD_TABLE[resource_type]
    named = {part for path in (*row.owners, *row.through) for part in path.split(".")}
    # Schedule.actor and AppointmentResponse.actor take part in what the resource is about, as in an Appointment.
    assert not named & set(
        "performer recorder author asserter sender recipient requester receiver agent who informationSource payor "
        "policyHolder subscriber payee party contributor attester enterer operator participantIndividual".split()
    )


def test_every_type_of_the_patient_compartment_can_be_in_a_record() -> None:
    assert len(COMPARTMENT) == 66
    assert [name for name in COMPARTMENT if not has_patient(name)] == []


def test_types_that_define_or_describe_no_care_are_about_nobody() -> None:
    for name in (
        "CodeSystem",
        "Organization",
        "Practitioner",
        "Medication",
        "Subscription",
    ):
        assert not has_patient(name)
        assert name not in patient_types()


def test_a_bundle_is_about_whom_its_entries_are_about() -> None:
    def of(*entries: Any) -> Owners:
        return owners_of({"resourceType": "Bundle", "type": "collection", "entry": list(entries)})

    person = {"resourceType": "Patient", "id": "a"}
    result = {"resourceType": "Observation", "subject": {"reference": "Patient/b"}}
    note = {"resourceType": "Provenance", "target": [{"reference": "Observation/o"}]}
    assert of() == of({"resource": {"resourceType": "Organization", "id": "h"}}) == Owners()
    assert of({"resource": person}, {"resource": result}, {"fullUrl": "Patient/a"}) == Owners(("a", "b"))
    assert of({"resource": note}) == Owners((), (("Observation", "o"),))
    assert of({"resource": {"resourceType": "Bundle", "entry": [{"resource": result}]}}) == Owners(("b",))
    for address in ("urn:uuid:8a2", "https://elsewhere.example/fhir/Patient/a"):
        assert of({"fullUrl": address, "resource": person}) == Owners(("a", OTHER_PERSON))
    assert of({"fullUrl": "urn:uuid:8a2", "resource": {"resourceType": "Patient"}}) == Owners((OTHER_PERSON,))
    for shape in (None, 1, "x", {}, [None], [{"resource": 1}], [{"resource": {"resourceType": 1}}]):
        assert owners_of({"resourceType": "Bundle", "entry": shape}) == Owners()


def test_the_page_on_records_names_every_element_that_is_not_subject_or_patient() -> None:
    text = (Path(__file__).parents[2] / "docs" / "records.md").read_text()
    for name, row in RECORD_TABLE.items():
        for path in row.owners:
            if path not in ("subject", "patient", "id") and not row.through:
                assert f"`{name}.{path}`" in text
        for path in row.through:
            assert f"`{name}.{path}`" in text or f"`{path}`" in text


def reference(text: str) -> dict[str, Any]:
    return {"reference": text}


@pytest.mark.parametrize("resource_type", sorted(set(patient_types()) - {"Patient"}))
def test_the_patient_of_each_type_is_found_where_the_row_says(resource_type: str) -> None:
    row = RECORD_TABLE[resource_type]
    for path in (*row.owners, *row.through):
        resource = placed(resource_type, path, reference("Patient/b"))
        assert owners_of(resource) == Owners(("b",)), path


@pytest.mark.parametrize("resource_type", sorted(COMPARTMENT))
def test_whoever_else_the_compartment_names_is_not_whom_it_is_about(resource_type: str) -> None:
    for code in COMPARTMENT[resource_type]:
        for path in paths_of(resource_type, code):
            if path in (*RECORD_TABLE[resource_type].owners, *RECORD_TABLE[resource_type].through):
                continue
            assert "a" not in owners_of(placed(resource_type, path, reference("Patient/a"))).patients, path


def paths_of(resource_type: str, code: str) -> list[str]:
    """The elements of a search parameter for references."""
    expression = definitions.search_parameters(resource_type)[code].expression
    parts = [part.strip().removesuffix(".where(resolve() is Patient)") for part in expression.split("|")]
    return [part.removeprefix(f"{resource_type}.") for part in parts]


def placed(resource_type: str, path: str, value: dict[str, Any]) -> dict[str, Any]:
    """A resource with a value at a path, in lists where R4 has lists."""
    names = path.split(".")
    node: Any = value
    for number in range(len(names), 0, -1):
        if element(resource_type, ".".join(names[:number])).is_list:
            node = [node]
        node = {names[number - 1]: node}
    return {"resourceType": resource_type, "id": "x", **node}


def of(subject: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": "o", "subject": subject, **more}


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ({"reference": "Patient/b"}, ("b",)),
        ({"reference": "Patient/b/_history/3"}, ("b",)),
        ({"reference": "Patient/b", "identifier": {"value": "1"}, "type": "Patient"}, ("b",)),
        ({"identifier": {"value": "1"}, "type": "Patient"}, (OTHER_PERSON,)),
        ({"identifier": {"value": "1"}}, ()),
        ({"reference": "https://elsewhere.example/fhir/Patient/b"}, (OTHER_PERSON,)),
        ({"reference": "urn:uuid:5b0b3f0e-8c8f-4b1e-9f57-9a4f8d1f2a10", "type": "Patient"}, (OTHER_PERSON,)),
        ({"reference": "/Patient/b"}, (OTHER_PERSON,)),
        ({"reference": "Patient/b#part"}, (OTHER_PERSON,)),
        ({"reference": "patient/b"}, ()),
        ({"reference": "Group/b"}, ()),
        ({"reference": "Practitioner/b", "type": "Patient"}, ()),
        ({"reference": "#p"}, (OTHER_PERSON,)),
        ({"reference": "#missing"}, ()),
        ({"reference": 5}, ()),
        ({"reference": ["Patient/b"]}, ()),
        ({"reference": {"reference": "Patient/b"}}, ()),
    ],
)
def test_only_a_reference_to_a_patient_here_gives_ownership(
    subject: dict[str, Any], expected: tuple[str, ...]
) -> None:
    contained = [{"resourceType": "Patient", "id": "p"}]
    assert owners_of(of(subject, contained=contained)).patients == expected


def test_a_patient_is_in_the_own_record_whoever_it_is_linked_to() -> None:
    links = [{"other": reference("Patient/b"), "type": kind} for kind in ("seealso", "refer", "replaces")]
    assert owners_of({"resourceType": "Patient", "id": "a", "link": links}) == Owners(("a",))


def test_all_whom_a_resource_is_about_are_found_once() -> None:
    participants = [
        {"actor": reference(text)} for text in ("Patient/a", "Practitioner/x", "Patient/b", "Patient/a")
    ]
    appointment = {"resourceType": "Appointment", "id": "x", "participant": participants}
    assert owners_of(appointment).patients == ("a", "b")
    members = [
        {"entity": reference("Patient/a")},
        {"entity": {"identifier": {"value": "1"}, "type": "Patient"}},
    ]
    assert owners_of({"resourceType": "Group", "member": members}).patients == ("a", OTHER_PERSON)


def test_what_is_followed_leads_through_resources_that_can_be_in_a_record() -> None:
    targets = [
        reference(text)
        for text in ("Observation/o/_history/2", "Patient/a", "Organization/h", "#x", "Nonsense/1")
    ]
    provenance = {"resourceType": "Provenance", "target": targets, "agent": [{"who": reference("Patient/b")}]}
    assert owners_of(provenance) == Owners(("a",), (("Observation", "o"),))
    assert is_followed("Provenance")
    assert not is_followed("Observation")


def test_a_contained_resource_gives_no_ownership_and_takes_it_from_who_it_is_not_about() -> None:
    def specimen(patient: str) -> list[dict[str, Any]]:
        return [{"resourceType": "Specimen", "id": "s", "subject": reference(f"Patient/{patient}")}]

    assert owners_of(of({}, contained=specimen("a"))).patients == (OTHER_PERSON,)
    assert owners_of(of(reference("Patient/a"), contained=specimen("a"))).patients == ("a",)
    assert owners_of(of(reference("Patient/a"), contained=specimen("b"))).patients == ("a", OTHER_PERSON)
    assert owners_of({"resourceType": "Organization", "contained": specimen("a")}) == Owners()
    for shape in (None, {}, ["x"], [{}], [{"resourceType": "Nonsense"}], [{"resourceType": 1}], 5):
        assert owners_of(of(reference("Patient/a"), contained=shape)).patients == ("a",)


@pytest.mark.parametrize(
    "shape", [None, 1, "Patient/a", [], ["Patient/a"], [None], {}, {"subject": {}}, [[{"x": 1}]]]
)
@pytest.mark.parametrize("resource_type", ["Observation", "Appointment", "Provenance", "Group", "Patient"])
def test_parts_of_a_wrong_shape_say_nothing(resource_type: str, shape: Any) -> None:
    names = {
        path.split(".")[0]
        for path in (*RECORD_TABLE[resource_type].owners, *RECORD_TABLE[resource_type].through)
    }
    assert owners_of({"resourceType": resource_type, **dict.fromkeys(names, shape)}).through == ()


def test_a_parameter_by_subject_finds_within_records_and_one_by_maker_does_not() -> None:
    assert is_subject_parameter("Observation", "patient")
    assert is_subject_parameter("Observation", "subject")
    assert is_subject_parameter("Device", "patient")
    assert not is_subject_parameter("Observation", "performer")
    assert not is_subject_parameter("AuditEvent", "patient")
    assert not is_subject_parameter("Observation", "nonsense")
    assert not is_subject_parameter("Observation", "_id")
