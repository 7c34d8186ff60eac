"""JSON: decimals to the digit, nothing doubled, nothing that is not JSON."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fhir_bridge.fhir.serialization import JsonError, dumps, loads_exact, loads_same


@pytest.mark.parametrize(
    "text", ["37.0", "1.00", "0.000001", "123456789012345678901234567890.10", "1E+3", "1e-7"]
)
def test_a_decimal_keeps_its_digits(text: str) -> None:
    value = loads_exact(f'{{"value":{text}}}')["value"]
    assert loads_exact(dumps({"value": value}))["value"].as_tuple() == Decimal(text).as_tuple()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"id":"a","id":"b"}', '"id" occurs twice'),
        ('{"value":NaN}', "NaN"),
        ('{"value":-Infinity}', "Infinity"),
        ('{"value":', "not JSON"),
        (b'{"value":"\xff"}', "not JSON"),
        ("[" * 100_000, "nested"),
        ("[" * 300 + "]" * 300, "nested"),
        ('{"value":' + "9" * 5000 + "}", "not JSON"),
    ],
)
def test_what_is_not_the_json_of_a_resource_is_refused_and_named(text: str | bytes, what: str) -> None:
    with pytest.raises(JsonError, match=what):
        loads_exact(text)


def test_a_float_that_is_no_number_has_no_json_form() -> None:
    with pytest.raises(TypeError):
        dumps({"value": Decimal("NaN")})


@pytest.mark.parametrize(
    "text",
    [
        b'{"resourceType":"Observation","valueQuantity":{"value":1.50}}',
        b'{"resourceType":"Observation","valueQuantity":{"value":6.3}}',
        b'{"resourceType": "Observation", "valueQuantity": {"value": 0.00001}}',
        b'{"value":1E+3}',
        b'{"value":1e22}',
        b'{"list":[1.5e-7,-1e16]}',
        b'{"value":1e-5}',
        b'{"value":-0.0}',
        b'{"value":123456789012345678901234567890}',
        b'{"value":0.1234567890123456789}',
    ],
)
def test_what_is_stored_has_the_digits_of_what_came(text: bytes) -> None:
    """Whichever of the two readers takes it."""
    assert dumps(loads_same(text)) == dumps(loads_exact(text))


def test_a_key_that_occurs_twice_is_refused_by_either_reader() -> None:
    for text in (b'{"id":"a","id":"b"}', b'{"id": "a", "id": "b"}'):
        for read in (loads_exact, loads_same):
            with pytest.raises(JsonError, match="twice"):
                read(text)
