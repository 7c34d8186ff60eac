"""Whose record a resource is in: the patients it is about, by the table of `record_table`.

This decides access, consent, pages and predictions. The compartment (R4 compartmentdefinition-patient.html) holds as
well what a patient performed, recorded or sent for others, and is an address for searches alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.record_table import RECORD_TABLE
from fhir_bridge.fhir.search.references import target_type
from fhir_bridge.fhir.search.values import split_reference
from fhir_bridge.fhir.serialization import dumps

__all__ = [
    "OTHER_PERSON",
    "Owners",
    "elements_of_owners",
    "has_patient",
    "is_followed",
    "is_subject_parameter",
    "named_by",
    "owners_of",
    "patient_types",
]

OTHER_PERSON = ""
"""In place of a patient's id: someone who is no Patient here (a Patient of another server, one that is contained or
named by an identifier alone). Nobody is this person, so the resource is in no bound access."""

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")

_REFERENCES = re.compile(rb'"reference":"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:"|/_history/)')
_TO_PATIENTS = re.compile(rb'"reference":"(Patient)/([A-Za-z0-9\-.]{1,64})(?:"|/_history/)')


class Owners(NamedTuple):
    """Whom a resource is about, as it says itself.

    Attributes:
        patients: ids of Patients, and `OTHER_PERSON`.
        through: type and id of resources whose patients it is about, too.
    """

    patients: tuple[str, ...] = ()
    through: tuple[tuple[str, str], ...] = ()


_NONE = Owners()


@cache
def _row(resource_type: str) -> tuple[tuple[tuple[str, ...], bool], ...]:
    """The elements of a type's row as (steps, whether references to other types are followed)."""
    row = RECORD_TABLE[resource_type]
    return tuple(
        (tuple(path.split(".")), followed)
        for paths, followed in ((row.owners, False), (row.through, True))
        for path in paths
    )


@cache
def elements_of_owners(resource_type: str) -> frozenset[str]:
    """The elements of a resource, by name, that `owners_of` looks into.

    Raises:
        KeyError: R4 has no such resource type.
    """
    held = {path.partition(".")[0] for path in RECORD_TABLE[resource_type].holding}
    return frozenset(steps[0] for steps, _ in _row(resource_type)) | {"contained"} | held


def has_patient(resource_type: str) -> bool:
    """Whether resources of this type can be in a patient's record.

    Raises:
        KeyError: R4 has no such resource type.
    """
    return bool(_row(resource_type) or RECORD_TABLE[resource_type].holding)


@cache
def is_followed(resource_type: str) -> bool:
    """Whether a resource of this type can be in a record through another resource.

    Raises:
        KeyError: R4 has no such resource type.
    """
    return any(followed for _, followed in _row(resource_type)) or bool(RECORD_TABLE[resource_type].holding)


@cache
def patient_types() -> tuple[str, ...]:
    """The types whose resources can be in a patient's record."""
    return tuple(name for name in RECORD_TABLE if has_patient(name))


@cache
def is_subject_parameter(resource_type: str, code: str) -> bool:
    """Whether all that a search parameter finds of Patients is whom the resource is about, in its own words.

    Then whoever it finds by a Patient is in that patient's record.
    """
    parameter = definitions.search_parameters(resource_type).get(code)
    if parameter is None or not parameter.expression:
        return False
    known = {f"{resource_type}.{'.'.join(steps)}" for steps, _ in _row(resource_type)}
    parts = {part.strip() for part in parameter.expression.split("|")}
    # R4 narrows a parameter to Patients by this suffix, whose references the table has already.
    return {part.removesuffix(".where(resolve() is Patient)") for part in parts} <= known


def owners_of(resource: dict[str, Any]) -> Owners:
    """Whom a resource is about.

    References count where they are relative (`Patient/x`, perhaps with a version). One that says it is a Patient in
    another way makes the resource one about someone else, and so does what a contained resource says of a Patient
    whom the resource itself is not about: nobody who is bound to a patient gets hold of it.

    Args:
        resource: R4 JSON, `id` included. A part of a wrong shape says nothing.

    Raises:
        KeyError: the resource has no `resourceType`, or one that R4 doesn't have.
    """
    resource_type = resource["resourceType"]
    row = _row(resource_type)
    if RECORD_TABLE[resource_type].holding:
        return _of_held(resource)
    if not row:
        return _NONE
    if resource_type == "Patient":
        identity = resource.get("id")
        return Owners((identity,)) if isinstance(identity, str) else _NONE
    patients: dict[str, None] = {}
    through: dict[tuple[str, str], None] = {}
    for steps, followed in row:
        for reference in _references(resource, steps):
            target = _target(reference, resource)
            if target is None:
                continue
            if target[0] == "Patient":
                patients[target[1]] = None
            # What a Binary names decides who may read it (`storage.permission`), whether or not it is about anybody.
            elif followed and (has_patient(target[0]) or resource_type == "Binary"):
                through[target] = None
    if "contained" in resource and not _contained_patients(resource) <= patients.keys():
        patients[OTHER_PERSON] = None
    return Owners(tuple(patients), tuple(through))


def _of_held(holder: dict[str, Any]) -> Owners:
    """Whom the resources in a Bundle or Parameters are about.

    What has an absolute or made-up address (`fullUrl`) may come from another server, where the same id is somebody
    else: such an entry counts for the Patient here, whose Consent may deny it, and for another person, too.
    """
    patients: dict[str, None] = {}
    through: dict[tuple[str, str], None] = {}
    for inner, address in _held(holder):
        owners = owners_of(inner)
        if inner["resourceType"] == "Patient" and not owners.patients:
            owners = Owners((OTHER_PERSON,))
        patients.update(dict.fromkeys(owners.patients))
        through.update(dict.fromkeys(owners.through))
        if isinstance(address, str) and ":" in address and (owners.patients or owners.through):
            patients[OTHER_PERSON] = None
    return Owners(tuple(patients), tuple(through))


def _held(holder: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """The resources of R4 types that a resource holds by the elements of its row, each with its `fullUrl`."""
    for path in RECORD_TABLE[holder["resourceType"]].holding:
        *steps, last = path.split(".")
        for part in _references(holder, tuple(steps)):
            inner = part.get(last)
            name = inner.get("resourceType") if isinstance(inner, dict) else None
            if isinstance(inner, dict) and isinstance(name, str) and name in RECORD_TABLE:
                yield inner, part.get("fullUrl")


def named_by(resource: dict[str, Any], owners: Owners) -> tuple[tuple[str, str], ...]:
    """What else a resource names that makes it a matter of a patient who denies something.

    It is in no patient's record by that. The Patients whom it names anywhere (who sent or received it, for whom
    somebody pays); and where it says of no Patient here whom it is about, all that it names and that can be in a
    record: its encounter, its specimen, the device or group that is its subject.

    Args:
        owners: what `owners_of` says of it; that is left out.
    """
    resource_type = resource["resourceType"]
    # A link between Patients says who is one person, which is looked at where Consents are.
    if resource_type == "Patient" or not has_patient(resource_type):
        return ()
    holding = bool(RECORD_TABLE[resource_type].holding)
    here = len(owners.patients) - (OTHER_PERSON in owners.patients)
    # Who made what a Provenance is about is not whom it is about.
    led = not here and not holding and resource_type != "Provenance"
    # In the text, for it is written in a fraction of the time that a walk through all elements takes.
    try:
        text = dumps(resource)
    except TypeError:  # it has no JSON form, and is refused where it is written
        return ()
    # Each of these Patients stands there once at least: most resources name no other.
    if here and not holding and text.count(b'"reference":"Patient/') == here:
        return ()
    known = {("Patient", identity) for identity in owners.patients} | set(owners.through)
    results: dict[tuple[str, str], None] = {}
    if holding:
        for inner, _ in _held(resource):
            results.update(dict.fromkeys(named_by(inner, owners_of(inner))))
    for kind, identity in (_REFERENCES if led else _TO_PATIENTS).findall(text):
        target = kind.decode(), identity.decode()
        if target[0] == "Patient" or (target[0] in RECORD_TABLE and has_patient(target[0])):
            results[target] = None
    return tuple(target for target in results if target not in known)


def _references(node: Any, steps: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The References at a path, through lists."""
    if isinstance(node, list):
        for item in node:
            yield from _references(item, steps)
    elif isinstance(node, dict):
        if steps:
            yield from _references(node.get(steps[0]), steps[1:])
        else:
            yield node


def _target(reference: dict[str, Any], resource: dict[str, Any]) -> tuple[str, str] | None:
    """Type and id of what a Reference refers to here; a Patient elsewhere or without an id is `OTHER_PERSON`."""
    text = reference.get("reference")
    if isinstance(text, str):
        resource_type, identity, _ = split_reference(text)
        if resource_type is not None and resource_type in RECORD_TABLE and _ID.fullmatch(identity or ""):
            return resource_type, identity or ""
    return ("Patient", OTHER_PERSON) if target_type(reference, resource) == "Patient" else None


def _contained_patients(resource: dict[str, Any]) -> set[str]:
    """The Patients here that contained resources are about."""
    contained = resource["contained"]
    results: set[str] = set()
    for inner in contained if isinstance(contained, list) else ():
        name = inner.get("resourceType") if isinstance(inner, dict) else None
        if isinstance(name, str) and name != "Patient" and name in RECORD_TABLE:
            for steps, _ in _row(name):
                for reference in _references(inner, steps):
                    target = _target(reference, resource)
                    if target is not None and target[0] == "Patient" and target[1] != OTHER_PERSON:
                        results.add(target[1])
    return results
