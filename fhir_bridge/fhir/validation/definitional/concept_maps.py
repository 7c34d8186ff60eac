"""ConceptMaps map codes of their systems and value sets (R4 conceptmap.html)."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.validation.definitional.codes import check_listed
from fhir_bridge.fhir.validation.definitional.objects import objects
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_concept_map"]


def check_concept_map(value: Any, path: Path, run: Run) -> None:
    """Codes are of `group.source` and of the source value set, targets of `group.target` and of the target value set.

    Systems and value sets that are not available are left unchecked.
    """
    source = value.get("sourceCanonical") or value.get("sourceUri")
    target = value.get("targetCanonical") or value.get("targetUri")
    for group, here in objects(value, "group", path):
        for element, there in objects(group, "element", here):
            check_listed(group.get("source"), source, element.get("code"), (there, "code", -1), run)
            for mapped, where in objects(element, "target", there):
                check_listed(group.get("target"), target, mapped.get("code"), (where, "code", -1), run)
