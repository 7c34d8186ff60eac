"""FHIRPath Patch: what is refused, whole, with the number of the operation and the reason."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_bridge.fhir.fhirpath import Budget
from fhir_bridge.fhir.patch import PatchError, fhirpath_patch
from tests.fhir.patch.patients import PATIENT, operation, patched

MALE = {"valueCode": "male"}
REFUSED: list[tuple[dict[str, Any], str]] = [
    (operation("add", "Patient", "gendre", value=MALE), "Patient has no element 'gendre'"),
    (operation("add", "Patient", "birthDate", value={"valueDate": "1971"}), "birthDate is there already"),
    (
        operation("add", "Patient", "deceased", value={"valueDateTime": "2020"}),
        "deceasedBoolean is there already",
    ),
    (
        operation("add", "Patient.telecom", "system", value=MALE),
        "leads to no elements; exactly one is expected",
    ),
    (
        operation("add", "Patient.name", "text", value={"valueString": "x"}),
        "leads to 2 elements; exactly one",
    ),
    (operation("add", "Patient.birthDate.toString()", "x", value=MALE), "no element of the resource"),
    (
        operation("add", "Patient", "gender", value={"valueBoolean": True}),
        "the value is a boolean; Patient.gender takes code",
    ),
    (operation("add", "Patient", "active", value=MALE), "the value is a code; Patient.active takes boolean"),
    (operation("add", "Patient", "maritalStatus", value=MALE), "takes CodeableConcept"),
    (
        operation("add", "Patient", "maritalStatus", value={"valueCodeableConcept": "x"}),
        "an object .CodeableConcept. is exp",
    ),
    (
        operation("add", "Patient", "maritalStatus", value={"valueCodeableConcept": {}}),
        "an object .CodeableConcept. is exp",
    ),
    (
        operation("add", "Patient", "gender", value={"valueCode": {"a": 1}}),
        "the value is an object, a code is expected",
    ),
    (operation("add", "Patient", "multipleBirth", value={"valueString": "x"}), "takes boolean, integer"),
    (
        operation("add", "Patient", "multipleBirthInteger", value={"valueDecimal": Decimal("1.5")}),
        "no whole number",
    ),
    (operation("add", "Patient", "gender", value={}), "a value is given by one value"),
    (
        operation("add", "Patient", "gender", value={"valueCode": "a", "valueString": "b"}),
        "a value is given by one value",
    ),
    (operation("add", "Patient", "gender", value={"valueZ": "a"}), "valueZ is no value"),
    (operation("add", "Patient", "gender", value={"valueCode": None}), "valueCode is empty"),
    (
        operation("add", "Patient", "gender", value={"part": [{"name": "x", **MALE}]}),
        "given by parts; Patient.gender takes",
    ),
    (operation("add", "Patient", "contact", value={"part": []}), "parts are an array that is not empty"),
    (operation("add", "Patient", "contact", value={"part": [{**MALE}]}), "a part without a name"),
    (
        operation("add", "Patient", "contact", value={"part": [{"name": "x", **MALE}]}),
        "Patient.contact has no element 'x'",
    ),
    (
        operation("add", "Patient", "contact", value={"part": [{"name": "gender", **MALE}] * 2}),
        "occurs twice in the value",
    ),
    (
        operation("add", "Patient", "contained", value={"resource": {"resourceType": "X"}}),
        "holds no resource of R4",
    ),
    (
        operation("add", "Patient", "gender", value={"resource": {"resourceType": "Patient"}}),
        "given by a resource",
    ),
    (operation("add", "Patient.name[", "text", value=MALE), "the path can't be followed"),
    (operation("add", "Patient.zzz", "text", value=MALE), "the path can't be followed|leads to no elements"),
    (
        operation("insert", "Patient.name", index=3, value={"valueHumanName": {}}),
        "index is 3; it lies between 0 and 2",
    ),
    (operation("insert", "Patient.name", index=-1, value={"valueHumanName": {}}), "index is -1"),
    (
        operation("insert", "Patient.telecom", index=1, value={"valueContactPoint": {"value": "x"}}),
        "index is 1",
    ),
    (operation("insert", "Patient.birthDate", index=0, value={"valueDate": "1971"}), "is no list"),
    (operation("insert", "Patient.gender", index=0, value=MALE), "gender is no list of Patient"),
    (operation("insert", "Patient.telecom.period", index=0, value=MALE), "leads to no list"),
    (operation("insert", "Patient.name.given", index=0, value={"valueString": "x"}), "into several lists"),
    (
        operation("insert", "Patient.name[0]", index=0, value={"valueHumanName": {"text": "x"}}),
        "1 of the 2 items",
    ),
    (operation("delete", "Patient.name"), "leads to 2 elements; delete takes one"),
    (operation("delete", "Patient"), "a resource as a whole"),
    (operation("delete", "Patient.name.count()"), "no element of the resource"),
    (operation("replace", "Patient.gender", value=MALE), "leads to no elements"),
    (
        operation("replace", "Patient", value={"resource": {"resourceType": "Patient"}}),
        "a resource as a whole",
    ),
    (operation("replace", "Patient.id", value={"valueId": "q"}), "may not change resourceType or id"),
    (operation("delete", "Patient.id"), "may not change resourceType or id"),
    (operation("move", "Patient.name", source=2, destination=0), "source is 2; it lies between 0 and 1"),
    (operation("move", "Patient.name", source=0, destination=2), "destination is 2"),
    (
        operation("move", "Patient.telecom", source=0, destination=0),
        "leads to no elements; a list is expected",
    ),
    (operation("move", "Patient.birthDate", source=0, destination=0), "is no list"),
    (
        operation("remove", "Patient.birthDate"),
        "type is 'remove'; it is one of add, insert, delete, replace, move",
    ),
    (operation("add", "Patient", value=MALE), "add needs the part name"),
    (operation("add", "Patient", "gender"), "add needs the part value"),
    (operation("insert", "Patient.name", value=MALE), "insert needs the part index"),
    (operation("move", "Patient.name", source=1), "move needs the part destination"),
    ({"name": "operation", "part": [{"name": "path", "valueString": "x"}]}, "type is missing"),
    ({"name": "operation", "part": [{"name": "type", "valueCode": "delete"}]}, "delete needs the part path"),
    ({"name": "operation", "part": [{"name": "type", "valueInteger": 1}]}, "type needs valueCode"),
    ({"name": "operation", "part": [{"name": "index", "valueInteger": "1"}]}, "index needs valueInteger"),
    ({"name": "operation", "part": [{"name": "index", "valueInteger": True}]}, "index needs valueInteger"),
    ({"name": "operation", "part": [{"name": "zzz", "valueInteger": 1}]}, "no operation has a part 'zzz'"),
    ({"name": "operation", "part": [{"name": "path", "valueString": "x"}] * 2}, "the part path occurs twice"),
    ({"name": "operation", "part": ["x"]}, "a part without a name"),
    ({"name": "operation"}, "an operation has parts"),
    ({"name": "zzz", "part": []}, "a parameter named operation is expected, found 'zzz'"),
]


@pytest.mark.parametrize(("wrong", "reason"), REFUSED)
def test_what_can_not_be_applied_is_refused_whole_and_explained(wrong: dict[str, Any], reason: str) -> None:
    first = operation("add", "Patient", "language", value={"valueCode": "de"})
    with pytest.raises(PatchError, match=reason) as caught:
        patched(first, wrong)
    assert caught.value.operation == 2
    parts = [part for part in wrong.get("part", ()) if isinstance(part, dict) and part.get("name") == "path"]
    assert caught.value.path == (parts[0]["valueString"] if parts else "")


@pytest.mark.parametrize(
    ("resource", "parameters", "reason"),
    [
        ({"resourceType": "X"}, {"resourceType": "Parameters"}, "a resource of R4 is expected, found X"),
        ([], {"resourceType": "Parameters"}, "found an array"),
        (PATIENT, {"resourceType": "Patient"}, "a FHIRPath Patch is a Parameters resource, this is Patient"),
        (PATIENT, [], "this is an array"),
        (PATIENT, {"resourceType": "Parameters", "parameter": {}}, "parameter is an object, an array"),
    ],
)
def test_what_is_no_patch_is_refused(resource: Any, parameters: Any, reason: str) -> None:
    with pytest.raises(PatchError, match=reason):
        fhirpath_patch(resource, parameters)


def test_many_operations_on_a_long_list_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_bridge.fhir.patch.fhirpath_operations.Budget", lambda: Budget(100_000))
    resource = {"resourceType": "Patient", "name": [{"family": str(number)} for number in range(2_000)]}
    move = operation("move", "Patient.name", source=0, destination=1_999)
    with pytest.raises(PatchError, match="too many items to look at in all"):
        fhirpath_patch(resource, {"resourceType": "Parameters", "parameter": [move] * 100})
    add = operation("add", "Patient", "name", value={"valueHumanName": {"family": "x"}})
    patch = {"resourceType": "Parameters", "parameter": [add] * 2_000}
    assert len(fhirpath_patch(resource, patch)["name"]) == 4_000
