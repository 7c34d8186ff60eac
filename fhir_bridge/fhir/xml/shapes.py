"""R4's types as XML sees them: which elements follow each other, which repeat, what each one holds.

Compiled from the definition tables when first met and kept for the process; reading and writing share them.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import Element, TypeDefinition

__all__ = [
    "FHIR",
    "XHTML",
    "ContentType",
    "Shape",
    "XmlElement",
    "resource_elements",
    "resource_shape",
    "shape_at",
    "type_shape",
]

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"


class ContentType(IntEnum):
    """What an element holds; up to `DECIMAL` it is a primitive with the attribute `value`."""

    TEXT = 0
    BOOLEAN = 1
    INTEGER = 2
    DECIMAL = 3
    OBJECT = 4
    DIV = 5
    RESOURCE = 6
    ROOT = 7


_CONTENT_TYPES = {
    "boolean": ContentType.BOOLEAN,
    "integer": ContentType.INTEGER,
    "unsignedInt": ContentType.INTEGER,
    "positiveInt": ContentType.INTEGER,
    "decimal": ContentType.DECIMAL,
    "xhtml": ContentType.DIV,
    "Resource": ContentType.RESOURCE,
}


class XmlElement:
    """An element where it is in its type.

    Attributes:
        name: JSON property name, which is the XML element's local name (`valueQuantity`).
        shadow: JSON property of a primitive's id and extensions (`_birthDate`).
        path: as in the definition (`Observation.value[x]`).
        type: type name as the definition has it.
        order: its number among its type's elements; the types of a choice share one.
        repeats: whether it may occur several times (a JSON array).
    """

    __slots__ = ("_inner", "_owner", "_shape", "kind", "name", "order", "path", "repeats", "shadow", "type")

    def __init__(
        self,
        name: str,
        path: str,
        kind: ContentType,
        type_name: str,
        order: int = 0,
        *,
        repeats: bool = False,
        inner: tuple[str, str] | None = None,
    ) -> None:
        self.name, self.path, self.kind, self.type = name, path, kind, type_name
        self.shadow = "_" + name
        self.order, self.repeats = order, repeats
        self._owner, self._inner = inner or (type_name, type_name)
        self._shape: Shape | None = None

    @property
    def shape(self) -> Shape:
        """What is inside: the type's elements, or a primitive's extensions."""
        if self._shape is None:
            self._shape = shape_at(self._owner, self._inner)
        return self._shape


class Shape:
    """A type, or a backbone element of one.

    Attributes:
        path: `Patient`, `Patient.contact`.
        by_name: places by JSON property name.
        by_tag: places by XML name as the parser gives it (namespace, blank, local name).
        attributes: what XML writes as attributes of the element (id, and an extension's url), by name.
        resource: resource type name, or None.
    """

    __slots__ = ("attributes", "by_name", "by_tag", "path", "resource")

    def __init__(self, path: str, definition: TypeDefinition, elements: tuple[Element, ...]) -> None:
        self.path = path
        self.resource = path if definition.kind == "resource" and path == definition.name else None
        self.by_name: dict[str, XmlElement] = {}
        self.by_tag: dict[str, XmlElement] = {}
        self.attributes: dict[str, XmlElement] = {}
        for order, element in enumerate(elements):
            # R4 xml.html: the id of an element and the url of an extension are attributes, the
            # id of a resource is an element.
            if self.resource is None and (
                element.name == "id" or (path, element.name) == ("Extension", "url")
            ):
                code = element.type_codes[0]
                self.attributes[element.name] = XmlElement(
                    element.name, element.path, ContentType.TEXT, code, order
                )
                continue
            inner = element.content_reference or element.id
            own = bool(definition.children(inner))
            for name, code in element.json_names.items():
                kind = ContentType.OBJECT
                if code in _CONTENT_TYPES:
                    kind = _CONTENT_TYPES[code]
                elif definitions.is_primitive(code):
                    kind = ContentType.TEXT
                within = (definition.name, inner) if own else (code, code)
                if kind <= ContentType.DECIMAL:
                    within = ("Element", "Element")
                slot = XmlElement(
                    name, element.path, kind, code, order, repeats=element.is_list, inner=within
                )
                self.by_name[name] = slot
                self.by_tag[f"{XHTML if kind is ContentType.DIV else FHIR} {name}"] = slot

    def element(self, name: str) -> XmlElement | None:
        """The place of a JSON property, attributes included."""
        return self.by_name.get(name) or self.attributes.get(name)


@cache
def shape_at(owner: str, name: str) -> Shape:
    """The shape of an element of a type, by type name and element id; the type itself where both are its name."""
    definition = definitions.type_definition(owner)
    return Shape(name, definition, definition.children(name))


def type_shape(name: str) -> Shape:
    """The shape of a type of R4.

    Raises:
        KeyError: R4 has no such type.
    """
    return shape_at(name, name)


def resource_shape(name: object) -> Shape | None:
    """The shape of a resource type; None where R4 has no such type."""
    return shape_at(name, name) if isinstance(name, str) and name in definitions.resource_types() else None


@cache
def resource_elements() -> dict[str, XmlElement]:
    """Every resource type as the one element that is where a resource is expected, by XML name."""
    return {
        f"{FHIR} {name}": XmlElement(name, name, ContentType.ROOT, name)
        for name in definitions.resource_types()
    }
