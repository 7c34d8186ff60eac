"""FHIRPath Patch: whatever it is, it applies cleanly or is refused."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir import get_validator
from fhir_bridge.fhir.patch import PatchError
from tests.fhir.patch.patients import ABSENT, operation, patched

KINDS = st.sampled_from(["add", "insert", "delete", "replace", "move"])
PATHS = st.sampled_from(
    [
        "Patient",
        "Patient.name",
        "Patient.name[0]",
        "Patient.name[0].given",
        "Patient.name[0].given[1]",
        "Patient.birthDate",
        "Patient.birthDate.extension",
        "Patient.contact.name.text",
        "Patient.contained[0]",
        "Patient.deceased",
        "Patient.telecom",
    ]
)
VALUES = st.sampled_from(
    [
        {"valueString": "x"},
        {"valueHumanName": {"text": "x"}},
        {"valueInteger": 1},
        {"valueDate": "1971"},
        {"valueBoolean": True},
        {"part": [{"name": "text", "valueString": "x"}]},
        {"resource": {"resourceType": "Organization", "name": "Y"}},
        {"_valueString": ABSENT},
        {"valueContactPoint": {"value": "1"}},
    ]
)
NAMES = st.sampled_from(
    ["name", "given", "text", "extension", "deceased", "gender", "contained", "telecom", "contact"]
)
OPERATIONS = st.builds(
    lambda kind, path, name, value, index, source, destination: operation(
        kind, path, name, value=value, index=index, source=source, destination=destination
    ),
    KINDS,
    PATHS,
    NAMES,
    VALUES,
    st.integers(-1, 2),
    st.integers(-1, 2),
    st.integers(-1, 2),
)


@given(st.lists(OPERATIONS, max_size=4))
@settings(deadline=None)
def test_any_patch_applies_or_says_why_and_leaves_no_empty_or_misaligned_element(
    operations: list[dict[str, Any]],
) -> None:
    try:
        after = patched(*operations)
    except PatchError:
        return
    structural = {"FB-FHIR-010", "FB-FHIR-011", "FB-FHIR-012", "FB-FHIR-015", "FB-FHIR-017"}
    assert not [i for i in get_validator().validate(after) if i.code in structural]
