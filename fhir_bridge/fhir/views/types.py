"""The types of columns: what a declared type means, and how FHIR's types fall into the kinds that tables have."""

from __future__ import annotations

from enum import StrEnum

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.fhirpath.check import Shape
from fhir_bridge.fhir.fhirpath.fhir_types import FhirType

__all__ = ["ColumnType", "column_type", "resolve_type", "types_of"]

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_SYSTEM = "http://hl7.org/fhirpath/System."


class ColumnType(StrEnum):
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
    """Undeclared, and the path does not state it: any primitive."""


_COLUMN_TYPES = {
    "boolean": ColumnType.BOOLEAN,
    "integer": ColumnType.INTEGER,
    "positiveInt": ColumnType.INTEGER,
    "unsignedInt": ColumnType.INTEGER,
    "integer64": ColumnType.INTEGER64,
    "decimal": ColumnType.DECIMAL,
    "date": ColumnType.DATE,
    "dateTime": ColumnType.DATETIME,
    "instant": ColumnType.INSTANT,
    "time": ColumnType.TIME,
    "base64Binary": ColumnType.BINARY,
}


def column_type(name: str | None) -> ColumnType:
    """The kind of an R4 type or backbone element (`Observation.component`); UNKNOWN for None."""
    if name is None:
        return ColumnType.UNKNOWN
    entry = _COLUMN_TYPES.get(name)
    if entry is not None:
        return entry
    return ColumnType.STRING if definitions.is_primitive(name) or name == "integer64" else ColumnType.COMPLEX


def types_of(shape: Shape) -> tuple[str, ...] | None:
    """Names of the types that a path gives, as a column's type writes them; None where they are not known."""
    return None if shape.kinds is None else tuple(sorted(set(map(_type_name, shape.kinds))))


def _type_name(kind: FhirType) -> str:
    """An R4 type, or an element's path for a backbone."""
    if kind.system:
        return kind.name if kind.name == "Quantity" else kind.name[0].lower() + kind.name[1:]
    if kind.defined_at is not None and kind.defined_at[0] != kind.defined_at[1]:
        return kind.defined_at[1]
    return kind.name


def resolve_type(declared: str, known: definitions.Definitions) -> str | None:
    """The type that a column's `type` names: a name, a canonical or an element id; None where R4 has no such thing.

    Relative URIs are under http://hl7.org/fhir/StructureDefinition/; FHIRPath's own types are taken as the
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
