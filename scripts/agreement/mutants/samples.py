"""Small valid values of R4's types, for mutators that add an element."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Element

__all__ = ["value_of"]

DEEPEST = 4

_PRIMITIVES: dict[str, Any] = {
    "base64Binary": "SGVsbG8=",
    "boolean": True,
    "canonical": "http://hl7.org/fhir/ValueSet/all-types",
    "code": "final",
    "date": "2021-05-04",
    "dateTime": "2021-05-04T10:30:00Z",
    "decimal": Decimal("12.50"),
    "id": "abc-1",
    "instant": "2021-05-04T10:30:00.123Z",
    "integer": 3,
    "markdown": "Some *text*",
    "oid": "urn:oid:1.2.840.10008.2",
    "positiveInt": 2,
    "string": "some text",
    "time": "10:30:00",
    "unsignedInt": 1,
    "uri": "http://loinc.org",
    "url": "https://fhir.hospital.org/r4",
    "uuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
}

_COMPLEX: dict[str, Any] = {
    "Attachment": {"contentType": "text/plain", "data": "SGVsbG8="},
    "CodeableConcept": {"text": "something"},
    "Coding": {"system": "http://snomed.info/sct", "code": "73211009"},
    "Duration": {"value": 2, "unit": "h", "system": "http://unitsofmeasure.org", "code": "h"},
    "Age": {"value": 2, "unit": "a", "system": "http://unitsofmeasure.org", "code": "a"},
    "Count": {"value": 2, "system": "http://unitsofmeasure.org", "code": "1"},
    "Distance": {"value": 2, "unit": "m", "system": "http://unitsofmeasure.org", "code": "m"},
    "Expression": {"language": "text/fhirpath", "expression": "true"},
    "Extension": {
        "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
        "valueCode": "unknown",
    },
    "Identifier": {"system": "https://hospital.org/ids", "value": "12345"},
    "Meta": {"versionId": "1"},
    "Money": {"value": Decimal("12.50"), "currency": "EUR"},
    "Narrative": {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Text</p></div>',
    },
    "Period": {"start": "2021-05-04", "end": "2021-05-05"},
    "Quantity": {"value": Decimal("6.3"), "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    "Range": {"low": {"value": 1}, "high": {"value": 3}},
    "Ratio": {"numerator": {"value": 1}, "denominator": {"value": 3}},
    "Resource": {"resourceType": "Basic", "id": "c-1", "code": {"text": "something"}},
}


def value_of(element: Element, code: str, depth: int = 0) -> Any:
    """A valid value of this type for an element; None where none is made so small."""
    if code == "code" and element.binding and element.binding.strength == "required":
        value_set = definitions.value_set(element.binding.value_set or "")
        codes = sorted(c for listed in value_set.codes.values() for c in listed) if value_set else []
        return codes[0] if codes else None
    if code in _PRIMITIVES:
        return _PRIMITIVES[code]
    if code == "Reference":
        targets = next((t.targets for t in element.types if t.code == code), ())
        kinds = [t for t in targets if t in definitions.resource_types()] or ["Patient"]
        return {"reference": f"{kinds[0]}/example"}
    if code in _COMPLEX:
        return dict(_COMPLEX[code])
    definition = definitions.find_type(code)
    if definition is None or definition.kind != "complex-type" or depth > DEEPEST:
        return None
    return object_of(definition.name, definition.name, depth)


def object_of(type_name: str, element_id: str, depth: int = 0) -> dict[str, Any] | None:
    """An object with what the type (or a backbone element of it) requires, and at least one element."""
    definition = definitions.type_definition(type_name)
    result: dict[str, Any] = {}
    children = [
        c for c in definition.children(element_id) if c.name not in ("id", "extension", "modifierExtension")
    ]
    for child in [c for c in children if c.min] or children[:1]:
        name, code = next(iter(child.json_names.items()))
        if definition.children(child.id) and not child.content_reference:
            value = object_of(type_name, child.id, depth + 1) if depth < DEEPEST else None
        else:
            value = value_of(child, code, depth + 1)
        if value is None:
            return None
        result[name] = [value] if child.is_list else value
    return result or None
