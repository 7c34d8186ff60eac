"""FHIRPath Patch: what each operation does to a resource's JSON."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir.patch import fhirpath_patch
from tests.fhir.patch.patients import ABSENT, PATIENT, changed, operation, patched

APPLIED: list[tuple[str, list[dict[str, Any]], dict[str, Any]]] = [
    (
        "add an element",
        [operation("add", "Patient", "gender", value={"valueCode": "male"})],
        {"gender": "male"},
    ),
    (
        "add an item",
        [operation("add", "Patient.name[1]", "given", value={"valueString": "X"})],
        {"name": [PATIENT["name"][0], {"use": "usual", "given": ["D", "X"]}]},
    ),
    (
        "add an item beside companions",
        [operation("add", "Patient.name[0]", "given", value={"valueString": "X"})],
        {
            "name": [
                {
                    "use": "official",
                    "family": "A",
                    "given": ["B", "C", "X"],
                    "_given": [None, {"id": "c"}, None],
                },
                PATIENT["name"][1],
            ]
        },
    ),
    (
        "add a value that is absent",
        [operation("add", "Patient", "gender", value={"_valueCode": ABSENT})],
        {"_gender": ABSENT},
    ),
    (
        "add a choice by its name",
        [operation("add", "Patient", "multipleBirth", value={"valueInteger": 2})],
        {"multipleBirthInteger": 2},
    ),
    (
        "add a choice by the name of the definition",
        [operation("add", "Patient", "multipleBirth[x]", value={"valueBoolean": True})],
        {"multipleBirthBoolean": True},
    ),
    (
        "add a code given as a string",
        [operation("add", "Patient", "gender", value={"valueString": "male"})],
        {"gender": "male"},
    ),
    (
        "add an element with parts of its own",
        [
            operation(
                "add",
                "Patient",
                "contact",
                value={
                    "part": [
                        {"name": "name", "valueHumanName": {"text": "F"}},
                        {"name": "telecom", "valueContactPoint": {"value": "1"}},
                        {"name": "telecom", "valueContactPoint": {"value": "2"}},
                        {"name": "gender", "_valueCode": {"id": "g"}},
                    ]
                },
            )
        ],
        {
            "contact": [
                {"name": {"text": "E"}},
                {"name": {"text": "F"}, "telecom": [{"value": "1"}, {"value": "2"}], "_gender": {"id": "g"}},
            ]
        },
    ),
    (
        "add a contained resource",
        [
            operation(
                "add", "Patient", "contained", value={"resource": {"resourceType": "Organization", "id": "q"}}
            )
        ],
        {"contained": [PATIENT["contained"][0], {"resourceType": "Organization", "id": "q"}]},
    ),
    (
        "add to a contained resource",
        [operation("add", "Patient.managingOrganization.resolve()", "alias", value={"valueString": "Y"})],
        {"contained": [{"resourceType": "Organization", "id": "o", "name": "X", "alias": ["Y"]}]},
    ),
    (
        "add an extension to a primitive without one",
        [
            operation(
                "add",
                "Patient.name[1].given[0]",
                "extension",
                value={
                    "part": [
                        {"name": "url", "valueUri": "http://example.org/z"},
                        {"name": "value", "valueCode": "q"},
                    ]
                },
            )
        ],
        {
            "name": [
                PATIENT["name"][0],
                {
                    "use": "usual",
                    "given": ["D"],
                    "_given": [{"extension": [{"url": "http://example.org/z", "valueCode": "q"}]}],
                },
            ]
        },
    ),
    (
        "add an extension to a primitive with one",
        [
            operation(
                "add",
                "Patient.birthDate",
                "extension",
                value={"part": [{"name": "url", "valueUri": "http://example.org/z"}]},
            )
        ],
        {"_birthDate": {"extension": [*PATIENT["_birthDate"]["extension"], {"url": "http://example.org/z"}]}},
    ),
    (
        "insert first",
        [operation("insert", "Patient.name[0].given", index=0, value={"valueString": "X"})],
        {
            "name": [
                {
                    "use": "official",
                    "family": "A",
                    "given": ["X", "B", "C"],
                    "_given": [None, None, {"id": "c"}],
                },
                PATIENT["name"][1],
            ]
        },
    ),
    (
        "insert last",
        [operation("insert", "Patient.name", index=2, value={"valueHumanName": {"text": "X"}})],
        {"name": [*PATIENT["name"], {"text": "X"}]},
    ),
    (
        "insert into what is not there",
        [operation("insert", "Patient.telecom", index=0, value={"valueContactPoint": {"value": "1"}})],
        {"telecom": [{"value": "1"}]},
    ),
    (
        "delete an element and its companion",
        [operation("delete", "Patient.birthDate")],
        {"birthDate": None, "_birthDate": None},
    ),
    (
        "delete an item with its companion",
        [operation("delete", "Patient.name[0].given[1]")],
        {"name": [{"use": "official", "family": "A", "given": ["B"]}, PATIENT["name"][1]]},
    ),
    (
        "delete what a filter finds",
        [operation("delete", "Patient.name.where(use = 'official')")],
        {"name": [PATIENT["name"][1]]},
    ),
    ("delete what is not there", [operation("delete", "Patient.telecom")], {}),
    (
        "delete the last of a list, and what is then empty",
        [operation("delete", "Patient.contact[0].name.text")],
        {"contact": None},
    ),
    ("delete a choice", [operation("delete", "Patient.deceased")], {"deceasedBoolean": None}),
    (
        "delete the extension of a primitive",
        [operation("delete", "Patient.birthDate.extension[0]")],
        {"_birthDate": None},
    ),
    (
        "replace takes companions along",
        [operation("replace", "Patient.birthDate", value={"valueDate": "1971"})],
        {"birthDate": "1971", "_birthDate": None},
    ),
    (
        "replace an item",
        [operation("replace", "Patient.name[0].given[1]", value={"valueString": "X"})],
        {"name": [{"use": "official", "family": "A", "given": ["B", "X"]}, PATIENT["name"][1]]},
    ),
    (
        "replace a choice by another type",
        [operation("replace", "Patient.deceased", value={"valueDateTime": "2020"})],
        {"deceasedBoolean": None, "deceasedDateTime": "2020"},
    ),
    (
        "replace the value of an extension of a primitive",
        [
            operation(
                "replace",
                "Patient.birthDate.extension('http://example.org/x').value",
                value={"valueCode": "z"},
            )
        ],
        {"_birthDate": {"extension": [{"url": "http://example.org/x", "valueCode": "z"}]}},
    ),
    (
        "replace a contained resource",
        [
            operation(
                "replace", "Patient.contained[0]", value={"resource": {"resourceType": "Location", "id": "l"}}
            )
        ],
        {"contained": [{"resourceType": "Location", "id": "l"}]},
    ),
    (
        "move forwards",
        [operation("move", "Patient.name[0].given", source=0, destination=1)],
        {
            "name": [
                {"use": "official", "family": "A", "given": ["C", "B"], "_given": [{"id": "c"}, None]},
                PATIENT["name"][1],
            ]
        },
    ),
    (
        "move backwards",
        [operation("move", "Patient.name", source=1, destination=0)],
        {"name": [PATIENT["name"][1], PATIENT["name"][0]]},
    ),
    (
        "one after another",
        [
            operation("add", "Patient", "telecom", value={"valueContactPoint": {"value": "1"}}),
            operation("add", "Patient.telecom[0]", "system", value={"valueCode": "phone"}),
        ],
        {"telecom": [{"value": "1", "system": "phone"}]},
    ),
    ("nothing", [], {}),
]


@pytest.mark.parametrize(("operations", "expected"), [a[1:] for a in APPLIED], ids=[a[0] for a in APPLIED])
def test_an_operation_does_what_r4_says(operations: list[dict[str, Any]], expected: dict[str, Any]) -> None:
    assert changed(*operations) == expected


def test_the_id_may_be_changed_where_the_caller_allows_it() -> None:
    parameters = {
        "resourceType": "Parameters",
        "parameter": [operation("replace", "Patient.id", value={"valueId": "q"})],
    }
    assert fhirpath_patch(PATIENT, parameters, keep_identity=False)["id"] == "q"


def test_a_value_is_not_shared_with_the_patch() -> None:
    name = {"text": "X"}
    after = patched(
        operation("add", "Patient", "name", value={"valueHumanName": name}),
        operation("replace", "Patient.name[2].text", value={"valueString": "Y"}),
    )
    assert after["name"][2] == {"text": "Y"}
    assert name == {"text": "X"}


def test_entries_of_a_bundle_can_be_patched() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": {"resourceType": "Patient"}}],
    }
    after = patched(
        operation("add", "Bundle.entry[0].resource", "gender", value={"valueCode": "male"}), resource=bundle
    )
    assert after["entry"] == [{"resource": {"resourceType": "Patient", "gender": "male"}}]
