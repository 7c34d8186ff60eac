"""Composite parameters: only values that occur together are found together (R4 search.html#composite)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fhir_bridge.fhir.search.entries import CompositeEntry, QuantityEntry, TokenEntry
from fhir_bridge.fhir.search_parameters import extract, extract_composites

LOINC = "http://loinc.org"


def _concept(*codes: str) -> dict[str, Any]:
    return {"coding": [{"system": LOINC, "code": code} for code in codes]}


def _mmhg(value: int) -> dict[str, Any]:
    return {"value": value, "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}


PRESSURE: dict[str, Any] = {
    "resourceType": "Observation",
    "code": _concept("85354-9", "55284-4"),
    "component": [
        {"code": _concept("8480-6"), "valueQuantity": _mmhg(120)},
        {"code": _concept("8462-4"), "valueQuantity": _mmhg(80)},
        {"code": _concept("8478-0")},
    ],
}


def _pairs(resource: dict[str, Any], parameter: str) -> list[tuple[list[str], list[Decimal | None]]]:
    results = []
    for entry in extract_composites(resource):
        if entry.parameter == parameter:
            codes, quantities = entry.components
            results.append(
                (
                    [code.code for code in codes if isinstance(code, TokenEntry)],
                    [value.low for value in quantities if isinstance(value, QuantityEntry)],
                )
            )
    return results


def test_a_component_s_code_goes_with_its_own_value() -> None:
    assert _pairs(PRESSURE, "component-code-value-quantity") == [
        (["8480-6"], [Decimal(120)]),
        (["8462-4"], [Decimal(80)]),
    ]
    assert _pairs(PRESSURE, "code-value-quantity") == []
    whole = {**PRESSURE, "valueQuantity": _mmhg(93)}
    assert _pairs(whole, "code-value-quantity") == [(["85354-9", "55284-4"], [Decimal(93)])]
    assert len(_pairs(whole, "combo-code-value-quantity")) == 3


def test_a_component_may_be_elsewhere_in_the_resource() -> None:
    sequence = {
        "resourceType": "MolecularSequence",
        "coordinateSystem": 1,
        "referenceSeq": {"chromosome": _concept("LA21271-6"), "windowStart": 1, "windowEnd": 99},
        "variant": [{"start": 5, "end": 6}, {"start": 8}],
    }
    (result,) = [
        entry for entry in extract_composites(sequence) if entry.parameter == "chromosome-variant-coordinate"
    ]
    assert [[entry[1] for entry in part] for part in result.components] == [
        [LOINC],
        [Decimal(5)],
        [Decimal(6)],
    ]


def test_composites_are_no_index_entries_and_equal_ones_come_once() -> None:
    twice = {**PRESSURE, "component": [PRESSURE["component"][0]] * 2}
    assert len(_pairs(twice, "component-code-value-quantity")) == 1
    assert not [entry for entry in extract(PRESSURE) if isinstance(entry, CompositeEntry)]


def test_what_is_malformed_is_no_pair() -> None:
    for component in ("x", [None], [{"code": "8480-6", "valueQuantity": 120}], {"code": {}}):
        assert extract_composites({"resourceType": "Observation", "component": component}) == []
