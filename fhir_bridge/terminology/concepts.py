"""What the concepts of a FHIR CodeSystem say about themselves by the standard properties (R4 codesystem.html#4.8.11).

A property is known by its uri; by its code, where the code system gives none or another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_bridge.terminology.content import ConceptDetail, Designation, PropertyDefinition, PropertyValue

__all__ = [
    "CONCEPT_PROPERTIES",
    "INACTIVE_STATUS",
    "STANDARDS_STATUS",
    "PropertyNames",
    "concept_detail",
    "designation",
    "property_value",
    "value_text",
]

CONCEPT_PROPERTIES = "http://hl7.org/fhir/concept-properties#"
STANDARDS_STATUS = "http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status"

INACTIVE_STATUS = frozenset({"retired", "inactive", "withdrawn"})
"""Values of `status` that make a concept inactive; `deprecated` does not (its use is discouraged, not over)."""

_TYPES = {
    "valueCode": "code",
    "valueString": "string",
    "valueCoding": "Coding",
    "valueBoolean": "boolean",
    "valueInteger": "integer",
    "valueDecimal": "decimal",
    "valueDateTime": "dateTime",
}


class PropertyNames:
    """Under which codes a code system has the standard properties."""

    __slots__ = ("child", "hierarchy", "inactive", "not_selectable", "parent", "status")

    def __init__(self, definitions: Sequence[PropertyDefinition]) -> None:
        def named(*names: str) -> frozenset[str]:
            by_uri = {d.code for d in definitions if d.uri in {CONCEPT_PROPERTIES + name for name in names}}
            return frozenset(by_uri | set(names))

        self.status = named("status")
        self.inactive = named("inactive")
        self.not_selectable = named("notSelectable")
        self.parent = named("parent") | {"subsumedBy"}
        self.child = named("child")
        self.hierarchy = self.parent | self.child


def property_value(entry: Mapping[str, Any]) -> PropertyValue | None:
    """A CodeSystem.concept.property; None where it has no code or no value."""
    code = entry.get("code")
    if not isinstance(code, str):
        return None
    for key, value in entry.items():
        kind = _TYPES.get(key)
        if kind is not None:
            return code, value, kind
    return None


def value_text(value: Any) -> str:
    """A property's value as a filter compares it: a Coding by its code, a boolean as `true` or `false`."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, Mapping):
        return str(value.get("code", ""))
    return str(value)


def designation(entry: Mapping[str, Any], source: str | None = None) -> Designation | None:
    """A CodeSystem.concept.designation (or a ValueSet's); None where it has no value."""
    value = entry.get("value")
    if not isinstance(value, str):
        return None
    use = entry.get("use")
    coded = use if isinstance(use, Mapping) else {}
    return Designation(
        value.strip(),
        entry.get("language"),
        (str(coded.get("system", "")), str(coded["code"])) if isinstance(coded.get("code"), str) else None,
        coded.get("display"),
        tuple(entry.get("extension", ())),
        source,
    )


def concept_detail(node: Mapping[str, Any], names: PropertyNames) -> ConceptDetail:
    """A CodeSystem.concept with everything but its children."""
    properties: list[PropertyValue] = []
    inactive = abstract = False
    for entry in node.get("property", ()):
        if entry.get("code") in names.hierarchy or (result := property_value(entry)) is None:
            continue
        code, value, _ = result
        properties.append(result)
        if code in names.status:
            inactive = inactive or str(value).casefold() in INACTIVE_STATUS
        if value is True:
            inactive = inactive or code in names.inactive
            abstract = abstract or code in names.not_selectable
    named = node.get("designation", ())
    return ConceptDetail(
        code=node["code"],
        display=node.get("display"),
        definition=node.get("definition"),
        active=not inactive,
        abstract=abstract,
        designations=tuple(item for entry in named if (item := designation(entry)) is not None)
        if named
        else (),
        properties=tuple(properties),
        extensions=tuple(node.get("extension", ())),
    )
