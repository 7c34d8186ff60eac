"""Values of a FHIRPath Patch: a part with value[x], with parts of its own or with a resource becomes an element."""

from __future__ import annotations

from functools import cache
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions.compact import CORE
from fhir_bridge.fhir.json_kinds import kind_of
from fhir_bridge.fhir.patch.documents import Copier
from fhir_bridge.fhir.patch.elements import Pair, append, places, present
from fhir_bridge.fhir.patch.errors import PatchError
from fhir_bridge.fhir.xml.shapes import Kind, Place, Shape, resource_shape, shape_at

__all__ = ["element", "parameter_places"]

_LONGEST = 64


def element(part: dict[str, Any], shape: Shape, name: str, copier: Copier) -> tuple[Place, Pair]:
    """The place that an element of this name takes by the type of its value, and the value.

    Raises:
        PatchError: the type has no such element, the value has none of its types, or the part carries no one value.
    """
    found = places(shape, name)
    if not found:
        raise PatchError(f"{shape.path} has no element {name[:_LONGEST]!r}")
    if "resource" in part:
        return _place(found, Kind.RESOURCE, "a resource"), (_resource(part["resource"], copier), None)
    if "part" in part:
        place = _place(found, Kind.OBJECT, "parts")
        return place, (_built(part["part"], place.shape, copier), None)
    kind, value, shadow = _typed(part)
    place = _fitting(found, kind)
    if place.kind <= Kind.DIV and place.kind is not Kind.OBJECT:
        if isinstance(value, (dict, list)):
            raise PatchError(f"the value is {kind_of(value)}, a {place.type} is expected")
        if place.kind is Kind.INTEGER and value is not None and type(value) is not int:
            raise PatchError(f"the value is no whole number, a {place.type} is expected")
    elif not isinstance(value, dict) or not value:
        raise PatchError(f"the value is {kind_of(value)}, an object ({place.type}) is expected")
    return place, (copier.copy(value), copier.copy(shadow))


@cache
def parameter_places() -> dict[str, Place]:
    """The value[x] of Parameters.parameter, by JSON name."""
    shape = shape_at("Parameters", "Parameters.parameter")
    return {place.name: place for place in shape.by_name.values() if place.path.endswith(".value[x]")}


def _typed(part: dict[str, Any]) -> tuple[str, Any, Any]:
    """Type, value and companion of `value[x]`."""
    known = parameter_places()
    names = sorted({key.removeprefix("_") for key in part if key.removeprefix("_").startswith("value")})
    if len(names) != 1:
        raise PatchError("a value is given by one value[x], by parts, or by a resource")
    place = known.get(names[0])
    if place is None:
        raise PatchError(f"{names[0][:_LONGEST]} is no value[x] of R4's Parameters")
    shadow = part.get(place.shadow)
    if shadow is not None and not isinstance(shadow, dict):
        raise PatchError(f"{place.shadow} is {kind_of(shadow)}, an object is expected")
    value = part.get(place.name)
    if value is None and not shadow:
        raise PatchError(f"{place.name} is empty")
    return place.type, value, shadow or None


def _place(found: list[Place], kind: Kind, what: str) -> Place:
    fitting = [place for place in found if place.kind is kind]
    if len(fitting) != 1:
        types = ", ".join(place.type for place in found[:12])
        raise PatchError(f"the value is given by {what}; {found[0].path} takes {types}")
    return fitting[0]


def _fitting(found: list[Place], kind: str) -> Place:
    for test in (_same, _alike):
        fitting = [place for place in found if test(place, kind)]
        if len(fitting) == 1:
            return fitting[0]
    types = ", ".join(place.type for place in found[:12]) + (" …" if len(found) > 12 else "")
    raise PatchError(f"the value is a {kind}; {found[0].path} takes {types}")


def _same(place: Place, kind: str) -> bool:
    return place.type == kind


def _alike(place: Place, kind: str) -> bool:
    """Types that JSON writes alike (a string for a code), and a type for the one it specializes (Age, Quantity)."""
    if place.kind is Kind.OBJECT:
        return _specializes(kind, place.type) or _specializes(place.type, kind)
    if not definitions.is_primitive(kind):
        return False
    number = kind in ("integer", "unsignedInt", "positiveInt", "decimal")
    if place.kind in (Kind.INTEGER, Kind.DECIMAL):
        return number
    if place.kind is Kind.BOOLEAN:
        return kind == "boolean"
    return place.kind in (Kind.TEXT, Kind.DIV) and not number and kind != "boolean"


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
    made: dict[str, Any] = {}
    for part in parts:
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str):
            raise PatchError("a part without a name")
        place, pair = element(part, shape, name, copier)
        if not place.repeats and present(made, shape, place) is not None:
            raise PatchError(f"{place.name} stands twice in the value; {place.path} is allowed once")
        append(made, place, pair)
    return made
