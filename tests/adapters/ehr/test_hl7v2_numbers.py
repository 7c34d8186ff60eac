"""Numbers of results: what can be read is read right, what can't keeps its text; no value is made up."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.adapters.ehr.hl7v2 import STANDARD, escape
from fhir_bridge.fhir.validation import get_validator
from tests.adapters.ehr.conftest import Converted, Converter

MSH = "MSH|^~\\&|LIS|HOSP|||20260301120000+0100||ORU^R01|1|P|2.5.1"
PID = "PID|1||77^^^HOSP^MR||Keller^Ada^^^^^L||19600102|F"
OBR = "OBR|1|P1|F1|CHEM^Chemistry^L|||20260301110000+0100|||||||||||||||20260301115500+0100||LAB|F"
Message = Callable[..., Converted]


def one(converted: Converted) -> dict[str, Any]:
    (results,) = converted.of("Observation")
    assert not [i for i in get_validator().validate(results) if i.severity in ("error", "fatal")]
    return results


def value_of(results: dict[str, Any]) -> tuple[str, Any] | None:
    return next(((key, item) for key, item in results.items() if key.startswith("value")), None)


@pytest.mark.parametrize(
    ("kind", "value", "unit"),
    [
        ("NM", "12,5", "mg/dL"),
        ("NM", "1.2.3", "mg/dL"),
        ("NM", "1.234,5", ""),
        ("NM", "N/A", "mg/dL"),
        ("NM", "++", "mg/dL"),
        ("NM", "5 mg", ""),
        ("NM", "5 mg", "mmol/L"),
        ("NM", "5 H", ""),
        ("NM", "1/2", ""),
        ("NM", "5 6", ""),
        ("NM", "--5", ""),
        ("NM", "0x1F", ""),
        ("NM", "NaN", ""),
        ("NM", "Infinity", ""),
        ("NM", "<", "mg/dL"),
        ("NM", "^mg", ""),
        ("NM", "5-7", "mg/dL"),
        ("SN", "^12,5", "mg/dL"),
        ("SN", "^N/A", "mg/dL"),
        ("SN", ">", "mg/dL"),
        ("SN", "^^-^5", "mg/dL"),
        ("SN", "^5^-", "mg/dL"),
        ("SN", "^4^-^2", "mg/dL"),
        ("SN", ">^4^-^8", "mg/dL"),
        ("SN", "~=^5", "mg/dL"),
        ("SN", "^1^:^x", ""),
        ("SN", "^<5", ""),
        ("SN", "^5 mg", ""),
    ],
)
def test_a_number_that_cannot_be_read_keeps_its_text_and_says_why_the_value_is_absent(
    kind: str, value: str, unit: str, message: Message
) -> None:
    converted = message(
        MSH, PID, OBR, f"OBX|1|{kind}|1^x^L||{value.replace('~', chr(92) + 'R' + chr(92))}|{unit}|||||F"
    )
    result = one(converted)
    assert value_of(result) is None
    assert result["dataAbsentReason"]["coding"][0]["code"] == "error"
    assert result["note"][0]["text"] == f"{value} {unit}".strip()
    assert "FB-MAP-207" in converted.codes()
    assert converted.outcomes[0][1] == "partial"


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("NM", "5", ("Quantity", None, "5")),
        ("NM", "-0.50", ("Quantity", None, "-0.50")),
        ("NM", "+7", ("Quantity", None, "7")),
        ("NM", "<5", ("Quantity", "<", "5")),
        ("NM", ">= 60", ("Quantity", ">=", "60")),
        ("NM", "5 mg", ("Quantity", None, "5")),
        ("NM", ">^90", ("Quantity", ">", "90")),
        ("NM", "^2^-^4", ("Range", "2", "4")),
        ("SN", "^5", ("Quantity", None, "5")),
        ("SN", "=^5", ("Quantity", None, "5")),
        ("SN", ">=^5.0", ("Quantity", ">=", "5.0")),
        ("SN", "<^5", ("Quantity", "<", "5")),
        ("SN", "5", ("Quantity", None, "5")),
        ("SN", ">5", ("Quantity", ">", "5")),
        ("SN", "^2^-^4", ("Range", "2", "4")),
        ("SN", "^-4^-^-2", ("Range", "-4", "-2")),
        ("SN", "^1^:^128", ("Ratio", "1", "128")),
        ("SN", "^1^/^128", ("Ratio", "1", "128")),
        ("SN", "^2^+", ("String", "2+")),
        ("SN", "<>^5", ("String", "<>5")),
    ],
)
def test_a_number_that_can_be_read_is_read_right(
    kind: str, value: str, expected: tuple[Any, ...], message: Message
) -> None:
    result = one(message(MSH, PID, OBR, f"OBX|1|{kind}|1^x^L||{value}|mg|||||F"))
    stated = value_of(result)
    assert stated is not None
    assert "dataAbsentReason" not in result
    name, built = stated
    assert name == f"value{expected[0]}"
    if name == "valueQuantity":
        assert (built.get("comparator"), str(built["value"]), built["code"]) == (*expected[1:], "mg")
    elif name == "valueString":
        assert built == expected[1]
    else:
        first, second = ("low", "high") if name == "valueRange" else ("numerator", "denominator")
        assert (str(built[first]["value"]), str(built[second]["value"])) == expected[1:]


@pytest.mark.parametrize("value", ["<5", ">^90", "5 mg"])
def test_a_number_that_breaks_its_type_and_is_read_is_reported(value: str, message: Message) -> None:
    converted = message(MSH, PID, OBR, f"OBX|1|NM|1^x^L||{value}|mg|||||F")
    assert converted.codes() & {"FB-HL7-016"}
    assert converted.outcomes[0][1] == "converted"


def test_an_unreadable_number_among_several_says_so_in_its_place(message: Message) -> None:
    result = one(message(MSH, PID, OBR, "OBX|1|NM|1^x^L||60~N/A~72|/min|||||F"))
    first, second, third = result["component"]
    assert [str(part["valueQuantity"]["value"]) for part in (first, third)] == ["60", "72"]
    assert second["dataAbsentReason"]["text"] == "N/A"
    assert "valueQuantity" not in second


def test_a_deleted_or_missing_number_has_no_text(message: Message) -> None:
    for value in ("", '""'):
        result = one(message(MSH, PID, OBR, f"OBX|1|NM|1^x^L||{value}|mg|||||F"))
        assert value_of(result) is None
        assert "note" not in result


@settings(max_examples=120)
@given(
    kind=st.sampled_from(["NM", "SN"]),
    parts=st.lists(st.text("0123456789.,+-<>=/: mgH", max_size=5), min_size=1, max_size=4),
    unit=st.sampled_from(["", "mg", "mmol/L"]),
)
def test_no_value_is_made_up(kind: str, parts: list[str], unit: str, converter: Converter) -> None:
    """What is in the value is in the message, digit for digit; what is not, is in the note."""
    value = "^".join(escape(part, STANDARD) for part in parts)
    (result,) = converter("\r".join([MSH, PID, OBR, f"OBX|1|{kind}|1^x^L||{value}|{unit}|||||F"])).of(
        "Observation"
    )
    stated = value_of(result)
    if stated is None:
        if any(part.strip() for part in parts):
            assert result["dataAbsentReason"]
            assert result["note"][0]["text"].startswith("^".join(parts).strip())
        return
    name, built = stated
    if name == "valueString":
        assert [part for part in built if part.isdigit()] == [
            c for part in parts for c in part if c.isdigit()
        ]
        return
    numbers = [built] if name == "valueQuantity" else list(built.values())
    for number in numbers:
        assert any(_same(part, number["value"]) for part in parts), (value, built)
        assert number.get("code", number.get("unit", "")) == unit


def _same(part: str, value: Decimal) -> bool:
    text = part.strip().lstrip("<>=≤≥").strip().removesuffix("mg").strip()
    try:
        return Decimal(text) == value
    except ArithmeticError:
        return False
