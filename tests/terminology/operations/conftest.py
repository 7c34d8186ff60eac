"""A small world of code systems and value sets for the operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fhir_bridge.terminology.layers import ResourceLayer, base_layers
from fhir_bridge.terminology.library import Library
from fhir_bridge.terminology.operations.options import Limits
from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.service import OPERATIONS, Request, TerminologyService

ANIMALS = "https://zoo.example.org/CodeSystem/animals"
BASE = "https://zoo.example.org/ValueSet"


def concept(code: str, *below: dict[str, Any], **properties: Any) -> dict[str, Any]:
    """A concept; a property's value is a code, or a boolean or number as such."""
    results: dict[str, Any] = {"code": code, "display": code.replace("-", " ").capitalize()}
    rows = []
    for name, value in properties.items():
        for item in value if isinstance(value, list) else [value]:
            kind = {bool: "valueBoolean", int: "valueInteger"}.get(type(item), "valueCode")
            rows.append({"code": name, kind: item})
    if rows:
        results["property"] = rows
    if below:
        results["concept"] = list(below)
    return results


def code_system(url: str, *concepts: dict[str, Any], **more: Any) -> dict[str, Any]:
    properties = [
        {"code": "legs", "type": "integer"},
        {"code": "eats", "type": "code"},
        {"code": "inactive", "type": "boolean"},
        {"code": "notSelectable", "type": "boolean"},
        {"code": "memberOf", "type": "code"},
    ]
    return {
        "resourceType": "CodeSystem",
        "url": url,
        "version": "1.0.0",
        "name": "Animals",
        "status": "active",
        "content": "complete",
        "caseSensitive": True,
        "hierarchyMeaning": "is-a",
        "property": properties,
        "concept": list(concepts),
        **more,
    }


def value_set(name: str, *includes: dict[str, Any], **compose: Any) -> dict[str, Any]:
    return {
        "resourceType": "ValueSet",
        "url": f"{BASE}/{name}",
        "status": "active",
        "compose": {"include": list(includes), **compose},
    }


def filtered(prop: str, op: str, value: str, system: str = ANIMALS) -> dict[str, Any]:
    return {"system": system, "filter": [{"property": prop, "op": op, "value": value}]}


ZOO = code_system(
    ANIMALS,
    concept(
        "animal",
        concept(
            "mammal",
            concept(
                "cat", concept("tiger", eats="cow", memberOf="striped"), concept("lion", eats="cow"), legs=4
            ),
            concept("cow", eats="grass", legs=4),
            concept("whale", legs=0),
        ),
        concept(
            "bird", concept("duck", eats=["grass", "worm"], legs=2), concept("dodo", legs=2, inactive=True)
        ),
        concept("worm", legs=0, memberOf="striped"),
        notSelectable=True,
    ),
    concept("grass"),
)


class World:
    """Asks the operations over resources of a test."""

    def __init__(self, *resources: dict[str, Any], **limits: Any) -> None:
        self.library = Library((ResourceLayer((ZOO, *resources)), *base_layers()))
        self.service = TerminologyService(self.library, Limits(**limits))

    def ask(self, kind: str, name: str, language: str | None = None, **values: Any) -> dict[str, Any]:
        request = Request(parameters(**values), language)
        return OPERATIONS[kind, name](self.service, request)

    def refused(self, kind: str, name: str, **values: Any) -> OperationError:
        with pytest.raises(OperationError) as error:
            self.ask(kind, name, **values)
        return error.value

    def codes(self, **values: Any) -> list[str]:
        expansion = self.ask("ValueSet", "expand", **values)["expansion"]
        results, waiting = [], list(reversed(expansion.get("contains", [])))
        while waiting:
            entry = waiting.pop()
            results.append(entry["code"])
            waiting.extend(reversed(entry.get("contains", [])))
        return results

    def result(self, **values: Any) -> bool:
        return parameter_value(self.ask("ValueSet", "validate-code", **values), "result")  # type: ignore[no-any-return]


def parameters(**values: Any) -> dict[str, Any]:
    """Parameters; `_` in a name stands for `-`, a list repeats it."""
    entries = []
    for name, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                kind = (
                    "resource"
                    if "resourceType" in item
                    else "valueCodeableConcept"
                    if "coding" in item
                    else "valueCoding"
                )
            else:
                kind = {bool: "valueBoolean", int: "valueInteger"}.get(type(item), "valueString")
            entries.append({"name": name.replace("_", "-"), kind: item})
    return {"resourceType": "Parameters", "parameter": entries}


def parameter_value(answer: dict[str, Any], name: str) -> Any:
    """The value of the first parameter of a name."""
    for entry in answer["parameter"]:
        if entry["name"] == name:
            return next(value for key, value in entry.items() if key != "name")
    return None


def issues(answer: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Severity, issue-type and tx-issue-type of each issue."""
    outcome = parameter_value(answer, "issues") if answer["resourceType"] == "Parameters" else answer
    return [
        (
            item["severity"],
            item["code"],
            item["details"].get("coding", [{}])[0].get("code", ""),
        )
        for item in (outcome or {}).get("issue", [])
    ]


@pytest.fixture
def world() -> Callable[..., World]:
    return World
