"""A plug-in's function is one of the language: its arguments and its type are checked, and its name is its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from fhir_bridge.fhir.datatypes import Quantity
from fhir_bridge.mapping import function
from fhir_bridge.plugins import PluginError, get_manager, hookimpl
from tests.mapping.conftest import HEAD, load
from tests.mapping.sources import Row

Errors = Callable[[str], list[str]]


@function(returns="Quantity", nulls=True)
def body_mass_index(kilograms: str, centimetres: str, *, digits: int = 1) -> Quantity:
    value = Decimal(kilograms) / (Decimal(centimetres) / 100) ** 2
    return Quantity(
        value=round(value, digits), unit="kg/m2", system="http://unitsofmeasure.org", code="kg/m2"
    )


@function(context=True, returns="string")
def ward(ctx: Any, code: str | None) -> str | None:
    return ctx.site_values.get("wards", {}).get(code)


class PlugIn:
    def __init__(self, functions: Mapping[str, Any]) -> None:
        self._functions = functions

    @hookimpl
    def fhir_bridge_functions(self) -> Mapping[str, Any]:
        return self._functions


Register = Callable[..., None]


@pytest.fixture
def register() -> Iterator[Register]:
    """Registers plug-ins with these functions until the test ends."""
    manager = get_manager()
    added: list[PlugIn] = []

    def add(**functions: Any) -> None:
        added.append(PlugIn(functions))
        manager.register(added[-1])

    yield add
    for plug_in in added:
        manager.unregister(plug_in)


RULE = """- rule: r
  as: Observation
  key: [row.id]
  status: final
  code: {text: x}
"""


def test_it_is_used_like_a_function_of_the_language(register: Register, context: Callable[..., Any]) -> None:
    register(body_mass_index=body_mass_index, ward=ward)
    rule = f"{RULE}  valueQuantity: =body_mass_index(row.kg, row.cm)\n  note: [{{text: =row.ward | ward}}]\n"
    mapping = load(HEAD + rule)
    row = Row({"id": "1", "kg": "80", "cm": "180", "ward": "3A"})
    resource = mapping.convert(row, context(parameters={"wards": {"3A": "Cardiology"}})).outputs[0].resource
    assert resource["valueQuantity"]["value"] == Decimal("24.7")
    assert resource["note"] == [{"text": "Cardiology"}]
    assert "valueQuantity" not in mapping.convert(Row({"id": "1"}), context()).outputs[0].resource


def test_its_arguments_and_its_type_are_checked(register: Register, errors: Errors) -> None:
    register(body_mass_index=body_mass_index)
    rule = (
        f"{RULE}  method: =body_mass_index(row.kg, row.cm)\n"
        "  valueQuantity: =body_mass_index(row.kg, row.cm, digit=2)\n"
        "  issued: =body_mass_indx(row.kg, row.cm)\n"
    )
    assert errors(HEAD + rule) == [
        "m.yaml:10:12: Observation.method takes CodeableConcept, and this gives Quantity (concept(x) makes one)",
        'm.yaml:11:57: body_mass_index has no argument "digit" (did you mean "digits"?)',
        'm.yaml:12:12: unknown function "body_mass_indx" (did you mean "body_mass_index"?)',
    ]


def test_a_failure_in_it_loses_the_output_alone(register: Register, context: Callable[..., Any]) -> None:
    register(body_mass_index=body_mass_index)
    mapping = load(f"{HEAD}{RULE}  valueQuantity: =body_mass_index(row.kg, row.cm)\n")
    conversion = mapping.convert(Row({"id": "1", "kg": "x", "cm": "1"}), context())
    assert (conversion.outcome, [issue.code for issue in conversion.issues]) == ("rejected", ["FB-MAP-101"])


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ({"trim": ward}, '"trim" of a plug-in has the name of one of the language'),
        ({"ref": ward}, '"ref" of a plug-in has the name of one of the language'),
        ({"wards list": ward}, "a name that mappings can't write"),
        ({"plain": str.upper}, '"plain" of a plug-in does not say what it gives'),
        ({"typo": function(returns="Quantty")(lambda x: x)}, 'gives "Quantty", which is no data type'),
    ],
)
def test_a_function_that_can_not_be_one_is_refused(
    register: Register, functions: dict[str, Any], message: str
) -> None:
    register(**functions)
    with pytest.raises(PluginError, match=message):
        load(HEAD + RULE)


def test_two_of_a_name_are_refused_and_so_is_one_that_the_adapter_has(
    register: Register, errors: Errors
) -> None:
    register(shout=ward)
    assert '"shout" has the name of a built-in one, or of a plug-in\'s' in errors(HEAD + RULE)[0]
    register(shout=ward)
    with pytest.raises(
        PluginError, match='two plug-ins add a function of the mapping language named "shout"'
    ):
        load(HEAD + RULE)
