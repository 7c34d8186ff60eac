"""Answers in R4's form: what R5 added to an expansion is in the extensions that R5 defines for older versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["as_r4"]

_BASE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ValueSet.expansion"
_R5_ONLY = frozenset({"versionAlgorithmString", "versionAlgorithmCoding", "copyrightLabel", "scope"})


def as_r4(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """An answer of the operations, which is R5 where it is a ValueSet, as R4 has it."""
    expansion = resource.get("expansion")
    if resource.get("resourceType") != "ValueSet":
        return resource
    results = {name: value for name, value in resource.items() if name not in _R5_ONLY}
    if isinstance(expansion, Mapping):
        results["expansion"] = _expansion(expansion)
    return results


def _expansion(expansion: Mapping[str, Any]) -> dict[str, Any]:
    results = {name: value for name, value in expansion.items() if name not in ("property", "next")}
    declared = [_nested("property", entry) for entry in expansion.get("property", ())]
    if declared:
        results["extension"] = [*expansion.get("extension", ()), *declared]
    contains = expansion.get("contains")
    if contains:
        results["contains"] = [_entry(entry) for entry in contains]
    return results


def _entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry; those below it are nested as deeply as the code system is, which is not deep."""
    results = {name: value for name, value in entry.items() if name != "property"}
    properties = [_nested("contains.property", item) for item in entry.get("property", ())]
    if properties:
        results["extension"] = [*entry.get("extension", ()), *properties]
    if "contains" in entry:
        results["contains"] = [_entry(item) for item in entry["contains"]]
    return results


def _nested(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """A backbone element as an extension: each of its elements is an extension of its own."""
    parts: list[dict[str, Any]] = []
    for key, value in entry.items():
        if key == "extension":
            parts.extend(value)
        elif key == "subProperty":
            parts.extend({"url": key, "extension": _nested(key, item)["extension"]} for item in value)
        elif key.startswith("value"):
            parts.append({"url": "value", key: value})
        else:
            parts.append({"url": key, "valueUri" if key == "uri" else "valueCode": value})
    return {"url": f"{_BASE}.{name}", "extension": parts}
