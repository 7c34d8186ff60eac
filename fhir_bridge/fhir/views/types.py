"""The types of columns: what a declared type means, and how FHIR's types fall into the kinds that tables have."""

from __future__ import annotations

from enum import StrEnum

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.fhirpath.check import Shape
from fhir_bridge.fhir.fhirpath.kinds import Kind as PathKind

__all__ = ["Kind", "kind_of", "resolve_type", "types_of"]

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_SYSTEM = "http://hl7.org/fhirpath/System."


class Kind(StrEnum):
    """What a table makes of a FHIR type."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    """32 bits: integer, positiveInt, unsignedInt."""
    INTEGER64 = "integer64"
    DECIMAL = "decimal"
    STRING = "string"
    DATE = "date"
    DATETIME = "dateTime"
    INSTANT = "instant"
    TIME = "time"
    BINARY = "base64Binary"
    COMPLEX = "complex"
    UNKNOWN = "unknown"
    """Undeclared, and the path does not tell: any primitive."""


_KINDS = {
    "boolean": Kind.BOOLEAN,
    "integer": Kind.INTEGER,
    "positiveInt": Kind.INTEGER,
    "unsignedInt": Kind.INTEGER,
    "integer64": Kind.INTEGER64,
    "decimal": Kind.DECIMAL,
    "date": Kind.DATE,
    "dateTime": Kind.DATETIME,
    "instant": Kind.INSTANT,
    "time": Kind.TIME,
    "base64Binary": Kind.BINARY,
}


def kind_of(name: str | None) -> Kind:
    """The kind of an R4 type or backbone element (`Observation.component`); UNKNOWN for None."""
    if name is None:
        return Kind.UNKNOWN
    found = _KINDS.get(name)
    if found is not None:
        return found
    return Kind.STRING if definitions.is_primitive(name) or name == "integer64" else Kind.COMPLEX


def types_of(shape: Shape) -> tuple[str, ...] | None:
    """Names of the types that a path gives, as a column's type writes them; None where they are not known."""
    return None if shape.kinds is None else tuple(sorted(set(map(_type_name, shape.kinds))))


def _type_name(kind: PathKind) -> str:
    """An R4 type, or an element's path for a backbone."""
    if kind.system:
        return kind.name if kind.name == "Quantity" else kind.name[0].lower() + kind.name[1:]
    if kind.place is not None and kind.place[0] != kind.place[1]:
        return kind.place[1]
    return kind.name


def resolve_type(declared: str, known: definitions.Definitions) -> str | None:
    """The type that a column's `type` names: a name, a canonical or an element id; None where R4 has no such thing.

    Relative URIs stand under http://hl7.org/fhir/StructureDefinition/; FHIRPath's own types are taken as the
    FHIR type of that meaning.
    """
    name = declared.strip().removeprefix(_CORE)
    for prefix in (_SYSTEM, "System."):
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            name = name if name == "Quantity" else name[:1].lower() + name[1:]
    if name == "integer64":
        return name
    head, dot, _ = name.partition(".")
    definition = definitions.find_type(head) if "/" not in head else known.profile(name)
    if definition is None:
        return None
    if not dot or "/" in head:
        return definition.type
    return name if definition.element(name) is not None else None
