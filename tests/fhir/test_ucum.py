"""Units by UCUM's grammar: what is a code, what is the same measure, and values in other units."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir import ucum

USED_IN_MEDICINE = (
    "mmol/L", "mg/dL", "g/dL", "ug/L", "ng/L", "pg/mL", "U/L", "k[IU]/L", "m[IU]/L", "10*9/L", "10*12/L", "10*3/uL",
    "/uL", "/[HPF]", "mm[Hg]", "kPa", "cm[H2O]", "/min", "Cel", "[degF]", "%", "kg/m2", "mL/min/{1.73_m2}",
    "mmol/mol{creat}", "ug/mmol{creat}", "{INR}", "{score}", "1", "fL", "ukat/L", "mosm/kg", "meq/L", "[drp]", "wk",
    "10.L/(min.m2)", "umol/10*6{RBC}", "dB", "B[SPL]", "[pH]", "[in_i'H2O]", "ug/(100.g)", "kcal/kg/(24.h)", "%[slope]",
)  # fmt: skip


@pytest.mark.parametrize("code", USED_IN_MEDICINE)
def test_units_of_laboratories_and_wards_are_codes(code: str) -> None:
    assert ucum.is_valid(code)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("mmHg", "no unit"),
        ("", "nothing there"),
        ("mg dL", "not expected"),
        ("µg/L", "not expected"),
        ("°C", "not expected"),
        ("mg/", "missing"),
        ("mg//dL", "not expected"),
        ("(mg", '")" is missing'),
        ("mg)", "not expected"),
        ("mg{", "annotation"),
        ("{a b}", "annotation"),
        ("kmin", "takes no prefix"),
        ("m0", "out of range"),
        ("m1000000", "out of range"),
        ("0", "out of range"),
        ("9" * 25, "out of range"),
        ("(" * 40 + "m" + ")" * 40, "too many parentheses"),
        ("m." * 200 + "m", "longer than"),
        ("MG/DL", "no unit"),
    ],
)
def test_what_is_no_code_is_refused_with_its_place(code: str, problem: str) -> None:
    assert not ucum.is_valid(code)
    assert ucum.canonical(Decimal(1), code) is None
    assert ucum.describe(code) is None
    with pytest.raises(ucum.UcumError, match="is not UCUM") as error:
        ucum.parse(code)
    assert problem in error.value.problem


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("10", "mg/dL"), ("0.1", "g/L")),
        (("120", "mm[Hg]"), ("15.998640", "kPa")),
        (("37.0", "Cel"), ("98.60", "[degF]")),
        (("1", "[in_i]"), ("2.54", "cm")),
        (("5", "mmol/L"), ("5000", "umol/L")),
        (("1", "[IU]/mL"), ("1000", "[iU]/L")),
        (("4.5", "10*9/L"), ("4500", "/uL")),
        (("60", "/min"), ("1", "Hz")),
        (("1", "d"), ("24", "h")),
        (("20", "dB"), ("2", "B")),
        (("1", "{score}"), ("1", "1")),
        (("90", "mL/min/{1.73_m2}"), ("0.09", "L/min")),
    ],
)
def test_the_same_measure_has_one_canonical_form(one: tuple[str, str], other: tuple[str, str]) -> None:
    first = ucum.canonical(Decimal(one[0]), one[1])
    second = ucum.canonical(Decimal(other[0]), other[1])
    assert first is not None
    assert second is not None
    assert first[1] == second[1]
    assert first[0] == pytest.approx(second[0], rel=Decimal("1e-30"))


def test_conversion_is_exact_where_the_result_is_a_finite_decimal() -> None:
    assert ucum.convert(Decimal("5.2"), "mmol/L", "umol/L") == Decimal("5200")
    assert ucum.convert(Decimal("98.6"), "[degF]", "Cel") == Decimal("37")
    assert ucum.convert(Decimal("37"), "Cel", "K") == Decimal("310.15")
    assert ucum.convert(Decimal("7"), "[pH]", "mol/L") == Decimal("1E-7")
    assert ucum.convert(Decimal("1") / Decimal("8"), "L", "mL") == Decimal("125")


def test_a_value_in_its_own_unit_is_left_as_written() -> None:
    assert str(ucum.convert(Decimal("5.20"), "mmol/L", "mmol/L")) == "5.20"


def test_conversion_rounds_only_what_never_ends() -> None:
    assert str(ucum.convert(Decimal(5), "d", "wk")).startswith("0.714285714285714285")


def test_arbitrary_units_compare_with_nothing_else() -> None:
    assert ucum.commensurable("[iU]/L", "m[IU]/mL")
    assert not ucum.commensurable("[iU]/L", "U/L")
    assert not ucum.commensurable("[CFU]/mL", "/mL")
    with pytest.raises(ucum.Incommensurable, match="different things"):
        ucum.convert(Decimal(1), "[iU]/L", "U/L")


def test_mass_and_amount_of_substance_are_not_converted_without_the_analyte() -> None:
    with pytest.raises(ucum.Incommensurable):
        ucum.convert(Decimal(1), "mg/dL", "mmol/L")


def test_a_product_with_a_special_unit_is_a_code_but_no_measure() -> None:
    assert ucum.is_valid("Cel/min")
    assert ucum.canonical(Decimal(1), "Cel/min") is None
    with pytest.raises(ucum.Incommensurable):
        ucum.convert(Decimal(1), "Cel/min", "K/min")


def test_conversion_of_what_is_no_unit_names_the_unit() -> None:
    with pytest.raises(ucum.UcumError, match="mmHg"):
        ucum.convert(Decimal(1), "mmHg", "kPa")


def test_a_logarithmic_unit_has_no_value_for_nothing() -> None:
    with pytest.raises(ValueError, match="zero or less"):
        ucum.convert(Decimal(0), "mol/L", "[pH]")


@pytest.mark.parametrize(
    "special", ["Cel", "[degF]", "[degRe]", "[pH]", "Np", "B", "bit_s", "[hp'_X]", "B[SPL]"]
)
def test_special_units_come_back_from_their_base(special: str) -> None:
    canonical = ucum.canonical(Decimal("2.5"), special)
    assert canonical is not None
    back = ucum.convert(canonical[0], canonical[1], special)
    assert back == pytest.approx(Decimal("2.5"), rel=Decimal("1e-25"))


def test_units_in_words() -> None:
    assert ucum.describe("mmol/L") == "millimole per liter"
    assert ucum.describe("kg/m2") == "kilogram per meter squared"


@given(st.text(max_size=30))
def test_no_text_breaks_the_parser(text: str) -> None:
    ucum.is_valid(text)
    ucum.canonical(Decimal("1.5"), text)


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=4),
    st.sampled_from(["mmol/L", "mg/dL", "mm[Hg]", "Cel", "/min", "kg/m2", "U/L"]),
)
def test_canonical_values_keep_their_order(value: Decimal, code: str) -> None:
    first, second = ucum.canonical(value, code), ucum.canonical(value + 1, code)
    assert first is not None
    assert second is not None
    assert first[0] < second[0]


def test_the_table_is_what_the_script_builds(repository: Path) -> None:
    pytest.importorskip(
        "ucumvert", reason="ucumvert carries ucum-essence.xml; it is needed to build the table only"
    )
    script = [sys.executable, str(repository / "scripts" / "build_ucum.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
