"""Values of a FHIRPath Patch: a part with value[x], with parts of its own or with a resource becomes an element."""

from __future__ import annotations

from functools import cache
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions.compact import CORE
from fhir_bridge.fhir.json_types import json_type
from fhir_bridge.fhir.patch.documents import Copier
from fhir_bridge.fhir.patch.elements import Pair, append, elements_named, present
from fhir_bridge.fhir.patch.errors import PatchError
from fhir_bridge.fhir.xml.shapes import ContentType, Shape, XmlElement, resource_shape, shape_at

__all__ = ["element", "parameter_elements"]

_LONGEST = 64


def element(part: dict[str, Any], shape: Shape, name: str, copier: Copier) -> tuple[XmlElement, Pair]:
    """The place that an element of this name takes by the type of its value, and the value.

    Raises:
        PatchError: the type has no such element, the value has none of its types, or the part carries no one value.
    """
    result = elements_named(shape, name)
    if not result:
        raise PatchError(f"{shape.path} has no element {name[:_LONGEST]!r}")
    if "resource" in part:
        return _single_element(result, ContentType.RESOURCE, "a resource"), (
            _resource(part["resource"], copier),
            None,
        )
    if "part" in part:
        slot = _single_element(result, ContentType.OBJECT, "parts")
        return slot, (_built(part["part"], slot.shape, copier), None)
    kind, value, shadow = _typed(part)
    slot = _fitting(result, kind)
    if slot.kind <= ContentType.DIV and slot.kind is not ContentType.OBJECT:
        if isinstance(value, (dict, list)):
            raise PatchError(f"the value is {json_type(value)}, a {slot.type} is expected")
        if slot.kind is ContentType.INTEGER and value is not None and type(value) is not int:
            raise PatchError(f"the value is no whole number, a {slot.type} is expected")
    elif not isinstance(value, dict) or not value:
        raise PatchError(f"the value is {json_type(value)}, an object ({slot.type}) is expected")
    return slot, (copier.copy(value), copier.copy(shadow))


@cache
def parameter_elements() -> dict[str, XmlElement]:
    """The value[x] of Parameters.parameter, by JSON name."""
    shape = shape_at("Parameters", "Parameters.parameter")
    return {slot.name: slot for slot in shape.by_name.values() if slot.path.endswith(".value[x]")}


def _typed(part: dict[str, Any]) -> tuple[str, Any, Any]:
    """Type, value and companion of `value[x]`."""
    known = parameter_elements()
    names = sorted({key.removeprefix("_") for key in part if key.removeprefix("_").startswith("value")})
    if len(names) != 1:
        raise PatchError("a value is given by one value[x], by parts, or by a resource")
    slot = known.get(names[0])
    if slot is None:
        raise PatchError(f"{names[0][:_LONGEST]} is no value[x] of R4's Parameters")
    shadow = part.get(slot.shadow)
    if shadow is not None and not isinstance(shadow, dict):
        raise PatchError(f"{slot.shadow} is {json_type(shadow)}, an object is expected")
    value = part.get(slot.name)
    if value is None and not shadow:
        raise PatchError(f"{slot.name} is empty")
    return slot.type, value, shadow or None


def _single_element(elements: list[XmlElement], kind: ContentType, what: str) -> XmlElement:
    fitting = [slot for slot in elements if slot.kind is kind]
    if len(fitting) != 1:
        types = ", ".join(slot.type for slot in elements[:12])
        raise PatchError(f"the value is given by {what}; {elements[0].path} takes {types}")
    return fitting[0]


def _fitting(elements: list[XmlElement], kind: str) -> XmlElement:
    for test in (_same, _alike):
        fitting = [slot for slot in elements if test(slot, kind)]
        if len(fitting) == 1:
            return fitting[0]
    types = ", ".join(slot.type for slot in elements[:12]) + (" …" if len(elements) > 12 else "")
    raise PatchError(f"the value is a {kind}; {elements[0].path} takes {types}")


def _same(xml_element: XmlElement, kind: str) -> bool:
    return xml_element.type == kind


def _alike(xml_element: XmlElement, kind: str) -> bool:
    """Types that JSON writes alike (a string for a code), and a type for the one it specializes (Age, Quantity)."""
    if xml_element.kind is ContentType.OBJECT:
        return _specializes(kind, xml_element.type) or _specializes(xml_element.type, kind)
    if not definitions.is_primitive(kind):
        return False
    number = kind in ("integer", "unsignedInt", "positiveInt", "decimal")
    if xml_element.kind in (ContentType.INTEGER, ContentType.DECIMAL):
        return number
    if xml_element.kind is ContentType.BOOLEAN:
        return kind == "boolean"
    return xml_element.kind in (ContentType.TEXT, ContentType.DIV) and not number and kind != "boolean"


def _specializes(name: str, base: str) -> bool:
    definition = definitions.find_type(name)
    return definition is not None and base == "Quantity" and definition.base == CORE + base


def _resource(value: Any, copier: Copier) -> dict[str, Any]:
    if not isinstance(value, dict) or resource_shape(value.get("resourceType")) is None:
        raise PatchError("resource holds no resource of R4")
    copied: dict[str, Any] = copier.copy(value)
    return copied


def _built(parts: Any, shape: Shape, copier: Copier) -> dict[str, Any]:
    """An element with elements of its own, each a part named as it is."""
    if not isinstance(parts, list) or not parts:
        raise PatchError("parts are an array that is not empty")
    results: dict[str, Any] = {}
    for part in parts:
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str):
            raise PatchError("a part without a name")
        slot, pair = element(part, shape, name, copier)
        if not slot.repeats and present(results, shape, slot) is not None:
            raise PatchError(f"{slot.name} occurs twice in the value; {slot.path} is allowed once")
        append(results, slot, pair)
    return results
