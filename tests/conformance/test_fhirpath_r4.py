"""HL7's FHIRPath suite for R4 (`fhirpath/tests-fhir-r4.xml` of fhir-test-cases), case by case."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import Validator, loads_exact
from fhir_bridge.fhir.fhirpath import FHIRPathError, Item, compile  # noqa: A004
from fhir_bridge.fhir.fhirpath.expression import json_value
from fhir_bridge.fhir.validation.invariants_published import ANSWERED_ELSEWHERE, BEST_PRACTICE, CORRECTIONS
from fhir_bridge.fhir.xml import loads as xml_loads
from tests.conftest import SHARED

pytestmark = pytest.mark.shared

VALIDATOR = Validator.of()

SUITE = Path("suites/fhir-test-cases-r4/fhirpath/tests-fhir-r4.xml")
EXAMPLES = SHARED / "suites/fhir-test-cases-r4/examples"


@dataclass(frozen=True)
class Case:
    """One case: `outputs` are (type, text); `invalid` names the stage that must refuse, or is empty."""

    name: str
    group: str
    expression: str
    input: str
    outputs: tuple[tuple[str | None, str], ...]
    invalid: str
    predicate: bool
    ordered: bool


@cache
def cases() -> tuple[Case, ...]:
    if not (SHARED / SUITE).is_file():
        return ()
    results = []
    for group in ElementTree.parse(SHARED / SUITE).getroot().iter("group"):
        for test in group.findall("test"):
            expression = test.find("expression")
            assert expression is not None
            results.append(
                Case(
                    test.get("name", ""),
                    group.get("name", ""),
                    expression.text or "",
                    test.get("inputfile", "patient-example.xml"),
                    tuple((o.get("type"), o.text or "") for o in test.findall("output")),
                    expression.get("invalid", ""),
                    test.get("predicate") == "true",
                    test.get("ordered") != "false",
                )
            )
    return tuple(results)


MISSES: dict[str, str] = {}
"""Cases we answer otherwise, with the reason; docs/fhirpath.md states the same."""


def _patient(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **more}


def _contains(*codes: Any) -> list[dict[str, Any]]:
    return [c if isinstance(c, dict) else {"system": "http://loinc.org", "code": c} for c in codes]


STAND_INS: dict[str, Any] = {
    # inputs that the suite names and the shared folder does not have, with what their cases ask of them
    "parameters-example-types.xml": {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "string", "valueString": "a string"},
            {"name": "integer", "valueInteger": 1},
            {"name": "uuid", "valueUuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"},
            {"name": "decimal", "valueDecimal": Decimal("1.0")},
        ],
    },
    "patient-example-period.xml": _patient(
        identifier=[{"period": {"start": "2021-06-10T12:00:00+10:00", "end": "2021-06-10"}}]
    ),
    "patient-container-example.json": _patient(contained=[{"resourceType": "Patient", "id": "1"}]),
    "patient-name-extensions.json": _patient(
        name=[
            {
                "given": [None, "Ann"],
                "_given": [
                    {"extension": [{"url": "http://example.org/absent", "valueCode": "masked"}]},
                    None,
                ],
            }
        ]
    ),
    "explanationofbenefit-example.json": {
        "resourceType": "ExplanationOfBenefit",
        "supportingInfo": [
            {"sequence": 1, "category": {"coding": [{"code": "additionalbodysite"}]}},
            {"sequence": 2, "category": {"coding": [{"code": "info"}]}},
        ],
        "item": [{"sequence": 1, "informationSequence": [1, 3]}],
    },
    "valueset-example-expansion.xml": {
        "resourceType": "ValueSet",
        "version": "20150622",
        "expansion": {
            "contains": _contains(
                "14647-2",
                {"display": "group", "abstract": True, "contains": _contains("2093-3", "48620-9", "9342-7")},
                "35200-5",
                {"display": "other", "abstract": True, "contains": _contains("12183-0", "2571-8", "22748-8")},
            )
        },
    },
    "appointment-examplereq.json": {
        "resourceType": "Appointment",
        "identifier": [{"system": "http://example.org/id", "value": "rand0m"}],
    },
}


@cache
def resource(name: str) -> Any:
    """An input: from the folder as XML or JSON, else made here."""
    path = EXAMPLES / name
    if path.is_file():
        content = path.read_bytes()
        return xml_loads(content) if path.suffix == ".xml" else loads_exact(content)
    path = path.with_suffix(".json")
    if name not in STAND_INS and path.is_file():
        return loads_exact(path.read_bytes())
    return STAND_INS[name]


def _shown(item: Item) -> str:
    value = item.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if item.type in ("date", "System.Date", "dateTime", "instant", "System.DateTime", "time"):
        return "@" + str(getattr(value, "text", value)).removesuffix("T")
    if item.type == "System.Time":
        return f"@T{value.text}"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _expected(text: str) -> str:
    return text.strip()


def answer(case: Case) -> str:
    """Empty where the case is answered as the suite expects, else what is wrong."""
    focus = resource(case.input)
    try:
        expression = compile(case.expression, focus["resourceType"])
        items = expression.items(focus, conformance=VALIDATOR)
    except FHIRPathError as error:
        return "" if case.invalid else f"refused: {error}"
    if case.invalid:
        return f"not refused ({case.invalid}): {items}"
    if case.predicate:
        results = [("boolean", "true" if expression.is_true(focus, conformance=VALIDATOR) else "false")]
    else:
        results = [(item.kind.name, _shown(item)) for item in items]
    wanted = list(case.outputs)
    if not case.ordered:
        results, wanted = sorted(results, key=lambda o: o[1]), sorted(wanted, key=lambda o: o[1])
    same = len(results) == len(wanted) and all(
        (kind is None or kind.lower() == own.lower()) and _expected(text) == shown
        for (own, shown), (kind, text) in zip(results, wanted, strict=True)
    )
    return "" if same else f"found {results}, expected {wanted}"


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.group}/{case.name}")
def test_case_is_answered_as_the_suite_expects(case: Case) -> None:
    problem = answer(case)
    if case.name in MISSES:
        assert problem, f"{case.name} is answered now: take it off the list of misses"
    else:
        assert not problem, problem


@pytest.mark.parametrize(
    "case", [c for c in cases() if not c.invalid], ids=lambda case: f"{case.group}/{case.name}"
)
def test_compiled_forms_answer_the_cases_as_the_general_evaluator(case: Case) -> None:
    focus = resource(case.input)
    expression = compile(case.expression, focus["resourceType"])
    items = expression.items(focus, conformance=VALIDATOR)
    general = [json_value(item) for item in items if item.value is not None]
    assert expression.evaluate(focus, conformance=VALIDATOR) == general
    if len(items) < 2:
        by_items = expression.is_true(focus, trace=lambda *_: None, conformance=VALIDATOR)
        assert expression.is_true(focus, conformance=VALIDATOR) is by_items


def test_the_documentation_indicates_how_the_suite_is_answered(repository: Path) -> None:
    text = (repository / "docs/fhirpath.md").read_text()
    answered = len(cases()) - len(MISSES)
    assert f"has {len(cases())} cases" in text
    assert f"{answered} are answered as it expects, {len(MISSES)} otherwise" in text
    section = text.partition("## HL7's suite")[2].partition("Where the suite")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    assert {row[0].strip("`"): row[1] for row in rows} == MISSES


def test_the_documentation_indicates_the_corrections_of_invariants(repository: Path) -> None:
    text = (repository / "docs/fhirpath.md").read_text()
    for (key, _), correction in CORRECTIONS.items():
        assert f"| `{key}` | {correction.reason}" in text
    for key in (*ANSWERED_ELSEWHERE, *BEST_PRACTICE):
        assert key in text
