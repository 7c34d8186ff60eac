"""A stored code system as FHIR JSON again: for what must be merged whole, such as supplements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fhir_bridge.terminology.content import ConceptDetail
    from fhir_bridge.terminology.store.system import StoredSystem

__all__ = ["code_system_resource"]


def code_system_resource(system: StoredSystem) -> dict[str, Any]:
    """The CodeSystem with all its concepts; those with parents have them as `parent` properties."""
    concepts = []
    for code in system.codes():
        detail = system.get(code)
        if detail is not None:
            concepts.append(_concept(detail, system.parents(code)))
    return {"resourceType": "CodeSystem", **system.metadata, "content": system.content, "concept": concepts}


def _concept(detail: ConceptDetail, parents: Sequence[str]) -> dict[str, Any]:
    concept: dict[str, Any] = {"code": detail.code}
    if detail.display:
        concept["display"] = detail.display
    if detail.definition:
        concept["definition"] = detail.definition
    if detail.extensions:
        concept["extension"] = list(detail.extensions)
    designations = []
    for designation in detail.designations:
        metadata: dict[str, Any] = {"value": designation.value}
        if designation.language:
            metadata["language"] = designation.language
        if designation.use:
            metadata["use"] = {"system": designation.use[0], "code": designation.use[1]}
            if designation.use_display:
                metadata["use"]["display"] = designation.use_display
        if designation.extensions:
            metadata["extension"] = list(designation.extensions)
        designations.append(metadata)
    if designations:
        concept["designation"] = designations
    properties = [
        {"code": code, f"value{kind[0].upper()}{kind[1:]}": value} for code, value, kind in detail.properties
    ]
    properties += [{"code": "parent", "valueCode": parent} for parent in parents]
    if properties:
        concept["property"] = properties
    return concept
