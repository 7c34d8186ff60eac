"""What the definitions say of a JSON property, as far as a comparison needs it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from fhir_bridge.fhir.difference.order import ORDERED

__all__ = ["Shape", "about", "parent_of", "shape"]


class Shape(NamedTuple):
    """A property: its FHIR type (empty where it is not known), whose children come next, and if order counts."""

    type: str
    parent: str
    ordered: bool


_UNKNOWN = Shape("", "", False)


@lru_cache(8192)
def shape(parent: str, name: str) -> Shape:
    """The property `name` of an object whose element id or type name is `parent`."""
    if name.startswith("_"):
        return Shape("Element", "Element", True)  # beside a list of primitives, item by item
    # A package that all of `fhir` imports: who compares nothing does not wait for the definitions.
    from fhir_bridge.fhir import definitions

    definition = definitions.find_type(parent.partition(".")[0]) if parent else None
    child = definition.child(parent, name) if definition is not None else None
    if child is None:
        return _UNKNOWN
    element, kind = child
    inner = kind if kind not in ("BackboneElement", "Element") else element.path
    if element.content_reference:
        inner = element.content_reference
    return Shape(kind, inner, element.path in ORDERED)


def parent_of(value: Any, declared: str) -> str:
    """Whose children an object has: a resource says its own type."""
    kind = value.get("resourceType") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else declared


def about(item: Any) -> Any:
    """What an item of a list is about, so that two versions of it meet; None where nothing indicates."""
    if not isinstance(item, dict):
        return None
    for name in ("url", "linkId"):
        if isinstance(item.get(name), str):
            return name, item[name], str(item.get("resourceType"))
    code = item.get("code")
    if isinstance(code, dict):
        codings = code.get("coding")
        return tuple(
            sorted(
                (str(c.get("system")), str(c.get("code")))
                for c in (codings if isinstance(codings, list) else ())
                if isinstance(c, dict)
            )
        ) or ("text", str(code.get("text")))
    if "system" in item:
        return "system", str(item["system"]), str(item.get("use"))
    if isinstance(item.get("name"), str):
        return "name", item["name"]
    return None
