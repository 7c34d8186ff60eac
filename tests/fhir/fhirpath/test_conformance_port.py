"""conformsTo() and htmlChecks() ask what the caller gives them; FHIRPath knows no validator."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from fhir_bridge.fhir import TerminologyPort, Validator
from fhir_bridge.fhir.fhirpath import FHIRPathError, compile  # noqa: A004

BP = "http://hl7.org/fhir/StructureDefinition/bp"
PATIENT = "http://hl7.org/fhir/StructureDefinition/Patient"
OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Pressure</div>'},
    "status": "final",
    "code": {"text": "x"},
}


class Noting:
    """A port that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def conforms(
        self, resource: dict[str, Any], profiles: Sequence[str], terminology: TerminologyPort | None = None
    ) -> bool:
        self.asked.append(tuple(profiles))
        return True

    def narrative_problem(self, div: Any) -> str | None:
        self.asked.append((div,))
        return "no"


def test_the_port_is_asked_with_the_profile_and_its_answer_is_given() -> None:
    port = Noting()
    assert compile(f"conformsTo('{BP}')").evaluate(OBSERVATION, conformance=port) == [True]
    assert compile("text.div.htmlChecks()").evaluate(OBSERVATION, conformance=port) == [False]
    assert port.asked == [(BP,), (OBSERVATION["text"]["div"],)]


def test_a_validator_is_such_a_port() -> None:
    validator = Validator()
    assert compile(f"conformsTo('{BP}')").evaluate(OBSERVATION, conformance=validator) == [False]
    assert compile(f"conformsTo('{PATIENT}')").evaluate(OBSERVATION, conformance=validator) == [False]
    assert compile("text.div.htmlChecks()").is_true(OBSERVATION, conformance=validator)


@pytest.mark.parametrize("expression", [f"conformsTo('{BP}')", "text.div.htmlChecks()"])
def test_without_one_the_error_says_what_is_missing(expression: str) -> None:
    with pytest.raises(FHIRPathError, match="needs a validator"):
        compile(expression).evaluate(OBSERVATION)


def test_fhirpath_imports_no_validation() -> None:
    code = (
        "import fhir_bridge.plugins, sys, types\n"
        "package = types.ModuleType('fhir_bridge.fhir')\n"  # its own __init__ imports everything
        "package.__path__ = [fhir_bridge.__path__[0] + '/fhir']\n"
        "sys.modules['fhir_bridge.fhir'] = package\n"
        "import fhir_bridge.fhir.fhirpath as fhirpath\n"
        "fhirpath.compile('name.given', 'Patient')\n"
        "print([name for name in sys.modules if '.validation' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
