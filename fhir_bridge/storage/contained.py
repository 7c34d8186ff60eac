"""What a chain finds in contained resources (R4 search.html#contained): index rows of the resource that contains them.

`medication.code` of a MedicationRequest has the rows of `medication.Medication.code`; only resources with a contained
one to which such a reference leads have any, and beside them one that says so (`medication.Medication`).
"""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.definitions import Definitions, SearchParameter, resource_types
from fhir_bridge.fhir.search_parameters import (
    IndexEntry,
    ReferenceEntry,
    TokenEntry,
    TooManyEntries,
    extract,
    values,
)
from fhir_bridge.storage.indexed import (
    APART,
    SPECIAL,
    find,
    find_reference,
    indexed_only,
    reference_targets,
)

__all__ = ["contained_entries", "contained_parameter", "inner_code"]


def inner_code(code: str, target: str, inner: str = "") -> str:
    """The code of the rows of what a reference parameter leads to inside; without `inner`, of that there is such."""
    return f"{code}.{target}.{inner}" if inner else f"{code}.{target}"


def contained_parameter(target: str, code: str, modifier: str, known: Definitions) -> SearchParameter | None:
    """The definition of a parameter that is answered of contained resources, or None.

    References have no rows: a contained resource holds up no deletion, and no include leads on from it.
    """
    parameter = find(target, code, known)
    if parameter is None or parameter.components or code in SPECIAL or modifier == "text":
        return None
    return None if parameter.type == "reference" and modifier != "identifier" else parameter


def contained_entries(resource: dict[str, Any], known: Definitions, most: int | None) -> list[IndexEntry]:
    """The entries of what a resource contains and refers to.

    Raises:
        TooManyEntries: they are more than `most`.
    """
    contained = resource.get("contained")
    if not isinstance(contained, list):
        return []
    types = resource_types().difference(APART)
    by_id = {
        inner["id"]: inner
        for inner in contained
        if isinstance(inner, dict) and isinstance(inner.get("id"), str) and inner.get("resourceType") in types
    }
    if not by_id:
        return []
    # Each once for a parameter, however often it is referred to.
    inside: dict[tuple[str, str], dict[str, Any]] = {}
    for code, pairs in values(resource, known).items():
        parameter = find_reference(resource["resourceType"], code, known)
        if parameter is None:
            continue
        targets = reference_targets(parameter)
        for _, value in pairs:
            reference = value.get("reference") if isinstance(value, dict) else None
            if isinstance(reference, str) and reference.startswith("#"):
                inner = by_id.get(reference[1:])
                if inner is not None and inner["resourceType"] in targets:
                    inside[code, reference] = inner
    results: dict[IndexEntry, None] = {}
    extracted: dict[str, list[IndexEntry]] = {}
    for (code, reference), inner in inside.items():
        target = inner["resourceType"]
        if reference not in extracted:
            extracted[reference] = extract(inner, indexed_only(target, known), known, most=most)
        results[TokenEntry(inner_code(code, target), None, target)] = None
        for entry in extracted[reference]:
            if type(entry) is not ReferenceEntry:
                results[entry._replace(parameter=inner_code(code, target, entry.parameter))] = None
        if most is not None and len(results) > most:
            raise TooManyEntries
    return list(results)
