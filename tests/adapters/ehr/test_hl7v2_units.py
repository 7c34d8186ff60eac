"""Units of HL7 v2 results as senders write them."""

from __future__ import annotations

import pytest

from tests.adapters.ehr.test_hl7v2_content import reported, valid
from tests.adapters.ehr.test_hl7v2_mapping import OBR, ORU, PID, Message


@pytest.mark.parametrize(
    ("sent", "unit", "code"),
    [
        ("10^3/uL", "10^3/uL", "10^3/uL"),
        ("x10^3/uL", "x10^3/uL", "10*3/uL"),
        ("10^9/L", "10^9/L", "10*9/L"),
        ("10^12/L", "10^12/L", "10*12/L"),
        ("10\\S\\9/L", "10^9/L", "10*9/L"),
        ("mL/min/1.73m^2", "mL/min/1.73m^2", "mL/min/{1.73_m2}"),
        ("10^9/L^^UCUM", "10^9/L", "10*9/L"),
        ("10^9/L^10^9/L^UCUM", "10^9/L", "10*9/L"),
        ("10*9/L^10^9/L^UCUM", "10^9/L", "10*9/L"),
        ("10*9/L^x10^9 per litre^UCUM", "x10^9 per litre", "10*9/L"),
        ("10*9/L^G/L^UCUM^10^9/L^99LAB", "G/L", "10*9/L"),
        ("mg^mg^UCUM^2^two^L", "mg", "mg"),
        ("mm[Hg]^mmHg^UCUM", "mmHg", "mm[Hg]"),
        ("10^9/foo", "10^9/foo", None),
        ("foo/m^2", "foo/m^2", None),
        ("10~9/L", "10~9/L", None),
        ("mg~mg", "mg", "mg"),
        # What is a code of UCUM too, and never meant as that.
        ("ft", "ft", "[ft_i]"),
        ("pH", "pH", "[pH]"),
        ("b/min", "b/min", "/min"),
        ("F", "F", "[degF]"),
        ("LBS", "LBS", "[lb_av]"),
        ("MG/DL", "MG/DL", "mg/dL"),
        ("K", "K", "K"),
        ("H^^UCUM", "H", "H"),
        *((text, text, None) for text in ("H", "S", "A", "M", "B", "R", "P", "PT", "st", "u", "MU/L", "MU")),
    ],
)
def test_a_unit_is_the_one_that_was_meant(sent: str, unit: str, code: str | None, message: Message) -> None:
    converted = valid(message(ORU, PID, OBR, f"OBX|1|NM|6690-2^WBC^LN||5.2|{sent}|4.5-11|N|||F"))
    (result,) = converted.of("Observation")
    (reference,) = result["referenceRange"]
    for quantity in (result["valueQuantity"], reference["low"], reference["high"]):
        assert (quantity["unit"], quantity.get("code")) == (unit, code)
    assert (code is None) == ("FB-MAP-206" in converted.codes())
    assert not any("OBX-6" in text for text in reported(converted))


def test_a_vital_sign_and_a_structured_number_have_such_units_too(message: Message) -> None:
    converted = valid(
        message(
            ORU,
            PID,
            OBR,
            "OBX|1|NM|39156-5^BMI^LN||24.5|kg/m^2|||||F",
            "OBX|2|SN|6690-2^WBC^LN||>^5|10^9/L|||||F",
            "OBX|3|NM|6690-2^WBC^LN||5 10^9/L|10^9/L|||||F",
            "OBX|4|NM|6690-2^WBC^LN||many|10^9/L|||||F",
        )
    )
    index, count, both, text = converted.of("Observation")
    assert index["valueQuantity"]["code"] == "kg/m2"
    assert (count["valueQuantity"]["comparator"], count["valueQuantity"]["code"]) == (">", "10*9/L")
    assert both["note"] == [{"text": "5 10^9/L 10^9/L"}]
    assert text["note"] == [{"text": "many 10^9/L"}]
