"""Definitions: ConceptMaps map codes of their systems and value sets, value sets list codes of systems, elements fix
values of their own types.

R4 conceptmap.html, valueset.html, elementdefinition.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.validation.bindings import in_value_set, lacks
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_code_system", "check_concept_map", "check_structure_definition", "check_value_set"]


def check_concept_map(value: Any, path: Path, run: Run) -> None:
    """Codes are of `group.source` and of the source value set, targets of `group.target` and of the target value set.

    Systems and value sets that are not at hand are left unjudged.
    """
    source = value.get("sourceCanonical") or value.get("sourceUri")
    target = value.get("targetCanonical") or value.get("targetUri")
    for group, here in _objects(value, "group", path):
        for element, there in _objects(group, "element", here):
            _code(group.get("source"), source, element.get("code"), (there, "code", -1), run)
            for mapped, where in _objects(element, "target", there):
                _code(group.get("target"), target, mapped.get("code"), (where, "code", -1), run)


def _objects(owner: dict[str, Any], name: str, path: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    items = owner.get(name)
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict):
            yield item, (path, name, index)


def _code(system: Any, value_set: Any, code: Any, path: Path, run: Run) -> None:
    if not isinstance(system, str) or not isinstance(code, str):
        return
    if lacks(system, code, run):
        run.add("FB-FHIR-022", f"{system} has no code '{code[:80]}'", path)
    elif (
        isinstance(value_set, str)
        and _at_hand(value_set)
        and in_value_set(value_set, system, code, run) is False
    ):
        run.add(
            "FB-FHIR-020", f"the code '{code[:80]}' of {system} is not in {value_set}, which is mapped", path
        )


def _at_hand(canonical: str) -> bool:
    """Whether the value set is known in the version that is named."""
    url, _, version = canonical.partition("|")
    found = definitions.value_set(url)
    return found is not None and version in ("", found.version)


def check_code_system(value: Any, path: Path, run: Run) -> None:
    """`count` is the number of concepts where the whole content is there."""
    count = value.get("count")
    if type(count) is not int or value.get("content") != "complete" or "concept" not in value:
        return
    found, todo = 0, [value]
    while todo:
        for concept, _ in _objects(todo.pop(), "concept", path):
            found += 1
            todo.append(concept)
    if found != count:
        run.add("FB-FHIR-016", f"{found} concepts are defined, count says {count}", (path, "count", -1))


def check_value_set(value: Any, path: Path, run: Run) -> None:
    """`system` names a system without version, which has an element of its own, and listed codes are its codes.

    A retired value set may list codes that its system has no more.
    """
    compose = value.get("compose")
    if not isinstance(compose, dict):
        return
    retired = value.get("status") == "retired"
    for name in ("include", "exclude"):
        for part, here in _objects(compose, name, (path, "compose", -1)):
            system = part.get("system")
            if not isinstance(system, str):
                continue
            if "|" in system:
                message = "the system holds a version, which belongs into `version`"
                run.add("FB-FHIR-016", message, (here, "system", -1))
            for concept, there in _objects(part, "concept", here) if not retired else ():
                _code(system, None, concept.get("code"), (there, "code", -1), run)


_VALUES = ("fixed", "pattern")
_SYSTEM_TYPE = "http://hl7.org/fhirpath/System."
_FHIR_TYPE = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"


def check_structure_definition(value: Any, path: Path, run: Run) -> None:
    """A fixed or pattern value has one of its element's types."""
    for view in ("snapshot", "differential"):
        owner = value.get(view)
        for element, here in _objects(owner, "element", (path, view, -1)) if isinstance(owner, dict) else ():
            allowed = _types_of(element)
            for name in element:
                stem = next(
                    (v for v in _VALUES if name.startswith(v) and name[len(v) : len(v) + 1].isupper()), None
                )
                if allowed and stem and name[len(stem) :].lower() not in allowed:
                    wanted = " or ".join(sorted(allowed))
                    run.add(
                        "FB-FHIR-034",
                        f"{name} is none of the element's types, expected {wanted}",
                        (here, stem, -1),
                    )


def _types_of(element: dict[str, Any]) -> frozenset[str]:
    """The element's type names in lower case; empty where it has none."""
    found = set()
    kinds = element.get("type")
    for kind in kinds if isinstance(kinds, list) else ():
        code = kind.get("code") if isinstance(kind, dict) else None
        if isinstance(code, str):
            found.add(code.lower())
            if code.startswith(_SYSTEM_TYPE):
                found.add(code.removeprefix(_SYSTEM_TYPE).lower())
                extensions = kind.get("extension")
                found |= {
                    str(e.get("valueUrl")).lower()
                    for e in (extensions if isinstance(extensions, list) else ())
                    if isinstance(e, dict) and e.get("url") == _FHIR_TYPE
                }
    return frozenset(found)
