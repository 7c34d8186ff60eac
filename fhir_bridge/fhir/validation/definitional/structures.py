"""StructureDefinitions: what the whole says of itself and of its base (R4 structuredefinition.html)."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.definitions.compact import MALFORMED, of_r4
from fhir_bridge.fhir.validation.definitional.available import available_structure
from fhir_bridge.fhir.validation.definitional.derivation import check_derivation
from fhir_bridge.fhir.validation.definitional.element_names import is_element
from fhir_bridge.fhir.validation.definitional.objects import elements, objects, text
from fhir_bridge.fhir.validation.definitional.structure_elements import check_elements
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_structure_definition"]

EXTENSION = "http://hl7.org/fhir/StructureDefinition/Extension"


def check_structure_definition(value: Any, path: Path, run: Run) -> None:
    """It fits its base, its contexts are elements that there are, its elements are sound.

    What builds on a definition that is not available is not checked against it.
    """
    _check_base(value, path, run)
    _check_contexts(value, path, run)
    if value.get("type") == "Extension":
        _check_url(value, path, run)
    check_elements(value, path, run)
    check_derivation(value, path, run)


def _check_base(value: dict[str, Any], path: Path, run: Run) -> None:
    """A constraint has type and kind of its base, a specialization has a type of its own."""
    base = available_structure(text(value, "baseDefinition"), run.definitions)
    if base is None:
        return
    if "derivation" not in value:
        message = f"derivation is missing, expected with the base {base.url}: constraint or specialization"
        run.add("FB-FHIR-090", message, path)
    own, kind = text(value, "type"), text(value, "kind")
    constraint, specialization = (value.get("derivation") == d for d in ("constraint", "specialization"))
    if constraint and own and own != base.type:
        message = f"the type is {own[:64]}, expected {base.type}, that of {base.url}, which it constrains"
        run.add("FB-FHIR-090", message, (path, "type", -1))
    if specialization and own == base.type:
        message = f"the type is that of {base.url}, expected one of its own as it specializes that"
        run.add("FB-FHIR-090", message, (path, "type", -1))
    if kind and kind != base.kind and (constraint or (specialization and not base.abstract)):
        message = f"the kind is {kind[:64]}, expected {base.kind}, that of {base.url}"
        run.add("FB-FHIR-090", message, (path, "kind", -1))


def _check_contexts(value: dict[str, Any], path: Path, run: Run) -> None:
    """Only an extension has contexts, and one of type `element` names an element of R4."""
    kind = text(value, "type")
    for context, here in objects(value, "context", path):
        expression = text(context, "expression")
        if kind and kind != "Extension":
            message = f"a context on a definition of {kind[:64]}, expected on extensions alone"
            run.add("FB-FHIR-090", message, here)
        elif context.get("type") == "element" and expression and _of_r4(context):
            profile, _, location = expression.rpartition("#")
            if not is_element(location) and (not profile or available_structure(profile, run.definitions)):
                message = f"R4 has no element {expression[:200]}"
                run.add("FB-FHIR-090", message, (here, "expression", -1))


def _of_r4(context: dict[str, Any]) -> bool:
    """Whether the context counts in R4; one whose marks have the wrong shape is not checked."""
    try:
        return of_r4(context)
    except MALFORMED:
        return False


def _check_url(value: dict[str, Any], path: Path, run: Run) -> None:
    """R4 defining-extensions.html: `Extension.url` is fixed to the url of the definition.

    It is the differential that says so, of which the snapshot is made; a definition may have a snapshot alone (sdf-6).
    """
    url = text(value, "url")
    if not url or value.get("baseDefinition") != EXTENSION:
        return
    view = "differential" if "differential" in value else "snapshot"
    for element, here in elements(value, view, path):
        if element.get("path") == "Extension.url" and "fixedUri" in element:
            fixed = str(element["fixedUri"])
            if fixed != url:
                message = f"Extension.url is fixed to {fixed[:200]}, expected {url[:200]}"
                run.add("FB-FHIR-090", message, (here, "fixed", -1))
            return
    run.add("FB-FHIR-090", f"Extension.url is not fixed in the {view}, expected to {url[:200]}", path)
