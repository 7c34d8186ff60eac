"""R4's own types and compartments, and the rows of everything that is built in: tables that nothing changes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.definitions.compact import structure as typed_structure
from fhir_bridge.fhir.definitions.model import Profile, TypeDefinition
from fhir_bridge.fhir.definitions.table import Table
from fhir_bridge.fhir.definitions.versions import split

__all__ = [
    "GENERATED",
    "built_in",
    "built_row",
    "compartment",
    "find_type",
    "is_primitive",
    "load",
    "patient_compartment",
    "primitive_regex",
    "resource_types",
    "table",
    "type_definition",
    "type_names",
]

MANY = 8192
"""Names that are remembered, known or not: they come from resources, so their number must have a bound."""

GENERATED = Path(__file__).parent / "generated"


@cache
def table(name: str) -> Table:
    """A built-in table."""
    return Table(GENERATED / f"{name}.z")


def load() -> None:
    """Read the base tables now, as a server does before it forks."""
    for name in ("types", "value_sets", "search"):
        table(name)


@cache
def type_names() -> tuple[str, ...]:
    """All R4 types: resources, complex and primitive types."""
    return tuple(table("types"))


@cache
def resource_types() -> frozenset[str]:
    """The concrete resource types."""
    rows = ((name, table("types").get(name)) for name in type_names())
    return frozenset(name for name, row in rows if row["kind"] == "resource" and not row["abstract"])


@lru_cache(MANY)
def find_type(name: str) -> TypeDefinition | None:
    """The type of this name, or None."""
    row = table("types").get(name, exact=True)
    return typed_structure(row, table("types").header["constraints"]) if row else None


def type_definition(name: str) -> TypeDefinition:
    """The type of this name.

    Raises:
        KeyError: R4 has no such type.
    """
    definition = find_type(name)
    if definition is None:
        raise KeyError(f"R4 has no type {name!r}")
    return definition


@lru_cache(MANY)
def is_primitive(name: str) -> bool:
    """Whether the type is a primitive one (its JSON is a string, number or boolean)."""
    row = table("types").get(name)
    return bool(row) and row["kind"] == "primitive-type"


@cache
def primitive_regex(name: str) -> str:
    """R4's regex for a primitive's text; empty where the type has none (xhtml).

    Raises:
        KeyError: no such primitive type.
    """
    row = table("types").get(name)
    if not row or row["kind"] != "primitive-type":
        raise KeyError(f"{name!r} is no primitive type")
    return str(row["regex"])


@cache
def compartment(name: str) -> Mapping[str, tuple[str, ...]]:
    """A compartment (`Patient`, `Encounter`, …): resource types and the search parameters that place them in it.

    Raises:
        KeyError: R4 has no such compartment.
    """
    rows = table("search").get(f"compartment/{name}")
    if rows is None:
        raise KeyError(f"R4 has no compartment {name!r}")
    members = {kind: tuple(codes) for kind, codes in rows.items()}
    if name == "Device":
        members |= {kind: tuple(codes.split()) for kind, codes in _DEVICE.items()}
    return members


_UDIS = "procedure-udi item-udi detail-udi subdetail-udi"
_DEVICE = {
    "Account": "subject", "Appointment": "actor", "AppointmentResponse": "actor", "AuditEvent": "agent",
    "ChargeItem": "enterer performer-actor", "Claim": _UDIS, "Communication": "sender recipient",
    "CommunicationRequest": "sender recipient", "Composition": "author", "DetectedIssue": "author",
    "DeviceRequest": "device subject requester performer", "DeviceUseStatement": "device",
    "DiagnosticReport": "subject", "DocumentManifest": "subject author", "DocumentReference": "subject author",
    "ExplanationOfBenefit": _UDIS, "Flag": "author", "Group": "member", "Invoice": "participant",
    "List": "subject source", "Media": "subject", "MedicationAdministration": "device", "MessageHeader": "target",
    "Observation": "subject device", "Provenance": "agent", "QuestionnaireResponse": "author",
    "RequestGroup": "author", "RiskAssessment": "performer", "Schedule": "actor",
    "ServiceRequest": "performer requester", "Specimen": "subject", "SupplyRequest": "requester",
}  # fmt: skip
"""R4 compartmentdefinition-device.html; the file of the package lists two of these types alone."""


def patient_compartment() -> Mapping[str, tuple[str, ...]]:
    """The Patient compartment (R4 compartmentdefinition-patient.html)."""
    return compartment("Patient")


@lru_cache(MANY)
def built_in(kind: str, url: str) -> Profile | None:
    """A built-in structure of `profiles` or `extensions`."""
    row = table(kind).get(url, exact=True)
    if row is None:
        return None
    profile = typed_structure(row, table(kind).header["constraints"])
    assert isinstance(profile, Profile)
    return profile


def built_row(kind: str, canonical: str) -> dict[str, Any] | None:
    """A built-in row of `code_systems` or `value_sets`; some urls of THO hold a `|` themselves."""
    entry: dict[str, Any] | None = table(kind).get(canonical) or table(kind).get(split(canonical)[0])
    return entry
