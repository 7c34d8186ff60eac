"""What happens to a resource that no source says any more: entered in error, or deleted where its type can't say so."""

from __future__ import annotations

from functools import cache
from typing import Any

from fhir_bridge.fhir import definitions

__all__ = ["withdrawn"]

# The same code in all value sets of status that have it.
_CODE = "entered-in-error"
_VERIFICATION = {
    "AllergyIntolerance": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
    "Condition": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
}
"""Types whose verificationStatus says it; their clinicalStatus goes then (R4 invariants ait-2, con-5)."""


def withdrawn(resource: dict[str, Any]) -> dict[str, Any] | None:
    """The content that says the resource was entered in error; None where only a deletion can say it.

    Everything else stays: who acted on it must be able to see what it said.
    """
    resource_type = resource["resourceType"]
    system = _VERIFICATION.get(resource_type)
    if system is not None:
        kept = {
            name: value
            for name, value in resource.items()
            if name.removeprefix("_") not in ("clinicalStatus", "verificationStatus")
        }
        return {**kept, "verificationStatus": {"coding": [{"system": system, "code": _CODE}]}}
    element = _status_element(resource_type)
    if element is None:
        return None
    # The status with its extensions: what was said about the old one is not about the new one.
    kept = {name: value for name, value in resource.items() if name != f"_{element}"}
    return {**kept, element: _CODE}


@cache
def _status_element(resource_type: str) -> str | None:
    """The code element of a type whose required value set has `entered-in-error`."""
    definition = definitions.find_type(resource_type)
    for element in definition.children(resource_type) if definition is not None else ():
        binding = element.binding
        if binding is None or binding.strength != "required" or not element.name.lower().endswith("status"):
            # Only a required binding says for sure that the code may be used.
            continue
        codes = definitions.value_set(binding.value_set or "")
        if codes is not None and any(_CODE in code for code in codes.codes.values()):
            return element.name
    return None
