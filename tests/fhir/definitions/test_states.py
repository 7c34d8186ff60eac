"""The tables keep which codes are retired, deprecated, or only group others."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions.expansions import compact_code_system

STATUS = "http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status"


@pytest.mark.parametrize(
    ("concept", "states"),
    [
        ({"property": [{"code": "status", "valueCode": "retired"}]}, {"inactive"}),
        ({"property": [{"code": "inactive", "valueBoolean": True}]}, {"inactive"}),
        ({"property": [{"code": "inactive", "valueBoolean": False}]}, set()),
        ({"property": [{"code": "status", "valueCode": "deprecated"}]}, {"deprecated"}),
        ({"property": [{"code": "deprecationDate", "valueDateTime": "2011-01"}]}, {"deprecated"}),
        ({"property": [{"code": "status", "valueCode": "active"}]}, set()),
        ({"property": [{"code": "notSelectable", "valueBoolean": True}]}, {"abstract"}),
        ({"extension": [{"url": STATUS, "valueCode": "deprecated"}]}, {"deprecated"}),
    ],
)
def test_properties_and_standards_status_indicate_the_state(
    concept: dict[str, Any], states: set[str]
) -> None:
    row = compact_code_system({"concept": [{"code": "a", **concept}, {"code": "b"}]})
    assert row.get("t", {}) == {state: ["a"] for state in states}


def test_the_tables_that_ship_know_them() -> None:
    confidentiality = definitions.code_system("http://terminology.hl7.org/CodeSystem/v3-Confidentiality")
    assert confidentiality is not None
    assert "HIV" in confidentiality.states["inactive"]
    act = definitions.code_system("http://terminology.hl7.org/CodeSystem/v3-ActCode")
    assert act is not None
    assert "_ActEncounterCode" in act.states["abstract"]


@pytest.mark.parametrize("other", ["inactive", "deprecated"])
def test_the_states_of_a_code_are_in_one_order_at_each_build(other: str) -> None:
    properties = [{"code": "notSelectable", "valueBoolean": True}, {"code": "status", "valueCode": other}]
    row = compact_code_system({"concept": [{"code": "x", "property": properties}]})
    assert list(row["t"]) == ["abstract", other]
