"""Quantities in another unit: the analyte distinguishes mass from substance, and the source's value stays."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir import get_validator, ucum
from fhir_bridge.fhir.datatypes import CodeableConcept, Coding, Quantity
from fhir_bridge.fhir.molar_masses import MOLAR_MASS, convert_by_mass
from fhir_bridge.mapping import CLEARED, Context
from fhir_bridge.mapping.functions.conversions import TRANSLATION, in_unit
from fhir_bridge.mapping.runtime import Reject
from fhir_bridge.terminology.check_digits import is_well_formed
from tests.mapping.sources import Row

GLUCOSE = CodeableConcept(
    coding=[Coding(system="urn:lab", code="G"), Coding(system="http://loinc.org", code="2345-7")]
)


def quantity(value: str, code: str, **more: Any) -> Quantity:
    return Quantity(value=Decimal(value), unit=code, system=ucum.SYSTEM, code=code, **more)


@pytest.fixture
def run(context: Callable[..., Context]) -> Context:
    result = context()
    result.begin(Row({}))
    return result


@pytest.mark.parametrize(
    ("value", "source", "target", "loinc", "expected"),
    [
        ("90", "mg/dL", "mmol/L", "2345-7", "5.00"),
        ("5.4", "mmol/L", "mg/dL", "14749-6", "97.3"),
        ("1.1", "mg/dL", "umol/L", "2160-0", "97.2"),
        ("200", "mg/dL", "mmol/L", "2093-3", "5.17"),
        ("150", "mg/dL", "mmol/L", "2571-8", "1.69"),
        ("12.0", "ng/dL", "pmol/L", "3024-7", "154"),
    ],
)
def test_mass_and_substance_are_expressed_in_each_other(
    run: Context, value: str, source: str, target: str, loinc: str, expected: str
) -> None:
    analyte = CodeableConcept(coding=[Coding(system="http://loinc.org", code=loinc)])
    result = in_unit(run, quantity(value, source), target, analyte=analyte)
    assert str(result["value"]) == expected
    assert (result["system"], result["code"]) == (ucum.SYSTEM, target)


def test_the_value_of_the_source_stays_beside_it(run: Context) -> None:
    result = in_unit(run, quantity("90", "mg/dL", comparator="<"), "mmol/L", analyte=GLUCOSE)
    (kept,) = result["extension"]
    assert kept == {"url": TRANSLATION, "valueQuantity": quantity("90", "mg/dL", comparator="<")}
    assert result["comparator"] == "<"
    observation = {"resourceType": "Observation", "status": "final", "code": GLUCOSE, "valueQuantity": result}
    assert [i for i in get_validator().validate(observation) if i.severity == "error"] == []


def test_units_of_one_kind_need_no_analyte(run: Context) -> None:
    assert str(in_unit(run, quantity("98.60", "[degF]"), "Cel")["value"]) == "37.00"
    same = quantity("1", "mmol/L")
    assert in_unit(run, same, "mmol/L") is same


def test_an_equivalent_is_as_many_moles_as_its_charge_says(run: Context) -> None:
    def of(code: str) -> dict[str, Any]:
        return {"coding": [{"system": "http://loinc.org", "code": code}]}

    calcium, sodium, phosphate = "17861-6", "2951-2", "2777-1"
    assert str(in_unit(run, quantity("4.8", "meq/L"), "mmol/L", analyte=of(calcium))["value"]) == "2.40"
    assert str(in_unit(run, quantity("2.40", "mmol/L"), "meq/L", analyte=of(calcium))["value"]) == "4.80"
    assert str(in_unit(run, quantity("140", "meq/L"), "mmol/L", analyte=of(sodium))["value"]) == "140"
    assert not run.issues
    unknown = quantity("1.2", "meq/L")
    assert in_unit(run, unknown, "mmol/L", analyte=of(phosphate)) is unknown
    assert in_unit(run, unknown, "mmol/L") is unknown
    assert [issue.code for issue in run.issues] == ["FB-MAP-206", "FB-MAP-206"]


def test_the_mapping_can_name_the_molar_mass(run: Context) -> None:
    assert str(in_unit(run, quantity("1.00", "g/L"), "mmol/L", molar_mass=100)["value"]) == "10.0"


def test_a_molar_mass_that_is_none_creates_no_value(run: Context) -> None:
    with pytest.raises(ValueError, match="above 0"):
        in_unit(run, quantity("1.00", "g/L"), "mmol/L", molar_mass=0)


def test_what_can_not_be_converted_is_kept_and_reported(run: Context) -> None:
    unknown = quantity("90", "mg/dL")
    assert in_unit(run, unknown, "mmol/L") is unknown
    assert [issue.code for issue in run.issues] == ["FB-MAP-206"]
    assert in_unit(run, unknown, "mmol/L", else_="drop") is None
    with pytest.raises(Reject):
        in_unit(run, unknown, "mmol/L", else_="reject")
    assert in_unit(run, Quantity(value=Decimal(1), unit="Stück"), "mmol/L", else_="keep") == {
        "value": 1,
        "unit": "Stück",
    }
    with pytest.raises(ValueError, match="not UCUM"):
        in_unit(run, unknown, "mmHg")


def test_nothing_stays_nothing_and_lists_are_taken_one_by_one(run: Context) -> None:
    assert in_unit(run, None, "Cel") is None
    assert in_unit(run, CLEARED, "Cel") is CLEARED
    assert [str(q["value"]) for q in in_unit(run, [quantity("0.0", "Cel"), None], "K")] == ["273"]


@given(
    st.decimals("0.001", "100000", places=3),
    st.sampled_from(sorted(set(MOLAR_MASS.values()))),
    st.sampled_from([("mg/dL", "mmol/L"), ("ug/L", "nmol/L"), ("g", "mol"), ("mg/d", "mmol/d")]),
)
def test_there_and_back_is_the_same(value: Decimal, mass: Decimal, units: tuple[str, str]) -> None:
    there = convert_by_mass(value, units[0], units[1], mass)
    back = convert_by_mass(there, units[1], units[0], mass)
    assert abs(back - value) < Decimal("1E-15") * value


def test_mass_is_not_reported_as_a_count_of_cells() -> None:
    with pytest.raises(ucum.Incommensurable):
        convert_by_mass(Decimal(1), "mg/dL", "10*9/L", Decimal(100))
    with pytest.raises(ucum.Incommensurable):
        convert_by_mass(Decimal(1), "mg/dL", "mmol/d", Decimal(100))


def test_the_codes_of_the_table_are_well_formed() -> None:
    assert all(is_well_formed("http://loinc.org", code) for code in MOLAR_MASS)
