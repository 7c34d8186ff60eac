"""An answer made comparable: what may differ is taken away, lists whose order has no meaning are sorted.

The suite's expected answers are sorted so already; only the actual answer is.
"""

from __future__ import annotations

import copy
from typing import Any

_SD = "http://hl7.org/fhir/StructureDefinition/"
_TEST = "http://hl7.org/fhir/test/"
KEPT_EXTENSIONS = frozenset(
    [
        *(
            _SD + name
            for name in (
                "codesystem-alternate",
                "codesystem-conceptOrder",
                "codesystem-label",
                "coding-sctdescid",
                "structuredefinition-standards-status",
                "itemWeight",
                "rendering-style",
                "rendering-xhtml",
                "translation",
                "valueset-concept-definition",
                "valueset-conceptOrder",
                "valueset-deprecated",
                "valueset-label",
                "valueset-supplement",
                "alternate-code-use",
                "alternate-code-status",
                "operationoutcome-message-id",
                "valueset-unclosed",
                "valueset-unclosed-reason",
            )
        ),
        *(_TEST + f"StructureDefinition/unknown-extension-{number}" for number in (1, 3, 4, 5)),
    ]
)
"""Extensions that the suite looks at; others may be there and are not compared."""


def normalized(resource: Any) -> Any:
    """A copy, scrubbed and sorted."""
    result = copy.deepcopy(resource)
    kind = result.get("resourceType")
    if kind == "Parameters":
        _parameters(result)
    else:
        result.pop("text", None)
        result.pop("meta", None)
        _scrub(result)
        if kind == "ValueSet":
            _value_set(result)
    return result


def _scrub(node: Any, *, compose: bool = False) -> None:
    if isinstance(node, list):
        for item in node:
            _scrub(item, compose=compose)
    elif isinstance(node, dict):
        extensions = node.get("extension")
        if isinstance(extensions, list):
            kept = [e for e in extensions if e["url"] in KEPT_EXTENSIONS or ":" not in e["url"]]
            if kept:
                node["extension"] = kept
            else:
                del node["extension"]
        for key, value in node.items():
            if key != "compose":
                _scrub(value)


def _parameters(resource: dict[str, Any]) -> None:
    resource.pop("meta", None)
    entries = [e for e in resource.get("parameter", []) if e["name"] != "diagnostics"]
    for entry in entries:
        inner = entry.get("resource")
        if inner is not None:
            entry["resource"] = normalized(inner)
            if inner.get("resourceType") == "OperationOutcome":
                entry["resource"]["issue"].sort(key=_issue_key)
        if entry["name"] == "message" and "; " in entry.get("valueString", ""):
            entry["valueString"] = "; ".join(sorted(entry["valueString"].split("; ")))
        if "part" in entry:
            entry["part"].sort(key=lambda part: part["name"])
    entries.sort(key=_parameter_key)
    resource["parameter"] = entries


def _issue_key(issue: dict[str, Any]) -> tuple[str, ...]:
    return (
        issue.get("severity", ""),
        issue.get("code", ""),
        (issue.get("expression") or [""])[0],
        issue.get("details", {}).get("text", ""),
    )


def _parameter_key(entry: dict[str, Any]) -> tuple[str, ...]:
    parts = {part["name"]: part for part in entry.get("part", ())}
    if entry["name"] == "property":
        return entry["name"], _primitive(parts.get("code")).lower(), _primitive(parts.get("value")).lower()
    if entry["name"] == "designation":
        return (
            entry["name"],
            _primitive(parts.get("language")).lower(),
            _primitive(parts.get("value")).lower(),
        )
    return (entry["name"], "", "")


def _primitive(entry: dict[str, Any] | None) -> str:
    value = next((v for k, v in (entry or {}).items() if k.startswith("value")), "")
    return "" if isinstance(value, dict) else str(value)


def _value_set(resource: dict[str, Any]) -> None:
    _extensions(resource)
    expansion = resource.get("expansion")
    if expansion is None:
        return
    _extensions(expansion)
    expansion.get("parameter", []).sort(key=lambda p: (p["name"], _primitive(dict(p.items()))))
    expansion.get("property", []).sort(key=lambda p: (p.get("uri", ""), p["code"]))
    _contains(expansion)


def _contains(node: dict[str, Any]) -> None:
    node.get("contains", []).sort(key=lambda entry: entry.get("code", ""))
    for entry in node.get("contains", ()):
        _extensions(entry)
        designations = entry.get("designation", [])
        if designations:
            entry["designation"] = _by_language(designations)
        entry.get("property", []).sort(key=lambda p: p["code"])
        _contains(entry)


def _by_language(designations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if all("language" in designation for designation in designations):
        return sorted(designations, key=lambda designation: designation["language"])
    return sorted(designations, key=lambda designation: designation["value"])


def _extensions(node: dict[str, Any]) -> None:
    node.get("extension", []).sort(key=lambda e: e["url"])
