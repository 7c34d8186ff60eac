"""Samples at a fixed rate, of any recorder, as SampledData."""

from __future__ import annotations

from array import array
from decimal import Decimal

import pytest

from fhir_bridge.fhir.ecg_leads import lead_coding, lead_number
from fhir_bridge.fhir.sampled_data import MAX_CHARACTERS, Scaling, period_of, sampled_data


def values(data: dict) -> list[Decimal | None]:
    origin, factor = data["origin"]["value"], data.get("factor", Decimal(1))
    return [None if text == "E" else Decimal(text) * factor + origin for text in data["data"].split()]


def test_a_holter_of_a_gain_and_a_zero_has_its_voltages() -> None:
    data = sampled_data(
        array("h", [1024, 1224, -32768, 924]),
        Scaling.by_gain(Decimal(200), Decimal(1024), "mV"),
        period_of(Decimal(360)),
        missing=-32768,
    )
    assert data is not None
    assert values(data) == [0, 1, None, Decimal("-0.5")]
    assert data["origin"]["code"] == "mV"
    assert data["period"] == Decimal("2.777777777778")


def test_a_recording_of_two_ranges_has_its_values() -> None:
    scaling = Scaling.by_range((Decimal(-2048), Decimal(2047)), (Decimal("-3.2"), Decimal("3.2")), "mV")
    data = sampled_data([-2048, 2047], scaling, period_of(Decimal(250)))
    assert data is not None
    first, last = values(data)
    assert abs(first + Decimal("3.2")) < Decimal("1E-12")
    assert abs(last - Decimal("3.2")) < Decimal("1E-12")


def test_a_watch_that_states_values_keeps_their_digits() -> None:
    data = sampled_data(
        [Decimal("12.50"), None, Decimal("1E-3")], Scaling(None, Decimal(0), "uV"), period_of(Decimal(512))
    )
    assert data is not None
    assert data["data"] == "12.50 E 0.001"
    assert "factor" not in data


def test_what_is_longer_than_a_string_may_be_is_not_cut() -> None:
    assert sampled_data([123456] * (MAX_CHARACTERS // 6), Scaling(None, Decimal(0), None), Decimal(1)) is None


@pytest.mark.parametrize("name", ["aVR", "AVR", "MDC_ECG_LEAD_AVR", "Lead aVR"])
def test_a_lead_has_one_code_however_it_is_called(name: str) -> None:
    number = lead_number(name)
    assert number == 62
    assert lead_coding(number)["code"] == "131390"
