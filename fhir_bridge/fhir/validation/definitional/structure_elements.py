"""The elements of a StructureDefinition: what their types, values, bindings and slicing allow together.

R4 elementdefinition.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.fhirpath import FHIRPathError
from fhir_bridge.fhir.fhirpath import compile as compile_fhirpath
from fhir_bridge.fhir.validation.definitional.element_types import TAKES, check_types, types_of
from fhir_bridge.fhir.validation.definitional.objects import elements, objects, text
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_elements", "check_values"]

Problems = Iterator[tuple[str, str]]
"""Of each thing that is wrong: what, and the property that it is at (empty: the element)."""

_EXTENSION = "http://hl7.org/fhir/StructureDefinition/"

_FOR_ROOTS = ("sliceName", "slicing", "requirements", "defaultValue", "fixed", "pattern", "example", "minValue",
              "maxValue")  # fmt: skip
_FOR_TYPES = ("sliceName", "fixed", "pattern")


def check_elements(value: dict[str, Any], path: Path, run: Run) -> None:
    """Each element of snapshot and differential by itself."""
    profile = value.get("derivation") == "constraint"
    for view in ("snapshot", "differential"):
        keys: dict[str, str] = {}
        for element, here in elements(value, view, path):
            types = types_of(element)
            results = [*_beyond_types(element, types), *_sliced(element), *_misnamed(element)]
            results += (
                _in_snapshot(element, profile) if view == "snapshot" else _in_differential(element, profile)
            )
            for message, name in results:
                run.add("FB-FHIR-091", message, (here, name, -1) if name else here)
            check_values(element, types, here, run)
            check_types(element, here, run)
            for constraint, there in objects(element, "constraint", here):
                _check_constraint(constraint, text(value, "url"), keys, there, run)


def _value_type(element: dict[str, Any], stem: str) -> tuple[str, str]:
    """The property that gives this choice its value, and its type: `fixedUri`, `uri`; empty where there is none."""
    for name in element:
        kind = name[len(stem) :]
        if name.startswith(stem) and kind[:1].isupper():
            primitive = kind[0].lower() + kind[1:]
            return name, primitive if definitions.is_primitive(primitive) else kind
    return "", ""


def check_values(element: dict[str, Any], types: frozenset[str], path: Path, run: Run) -> None:
    """Fixed, pattern and default values have one of the element's types."""
    for stem in ("fixed", "pattern", "defaultValue"):
        name, kind = _value_type(element, stem)
        if kind and types and kind not in types:
            wanted = " or ".join(sorted(types))
            message = f"{name} is none of the element's types, expected {wanted[:200]}"
            run.add("FB-FHIR-034", message, (path, stem, -1))


def _beyond_types(element: dict[str, Any], types: frozenset[str]) -> Problems:
    """Bounds, lengths, sizes and bindings that no type of the element takes."""
    if not types:
        return
    statements = {
        "minValue": _value_type(element, "minValue")[0],
        "maxValue": _value_type(element, "maxValue")[0],
    }
    statements |= {name: name for name in ("maxLength", "binding") if name in element}
    statements |= {
        name: "extension"
        for extension, _ in objects(element, "extension", (None, "", -1))
        for name in ("minLength", "maxDecimalPlaces", "maxSize")
        if extension.get("url") == _EXTENSION + name
    }
    for name, at in statements.items():
        if at and types.isdisjoint(TAKES[name]) and all(definitions.find_type(t) for t in types):
            shown = " or ".join(sorted(types))[:200]
            wanted = ", ".join(sorted(TAKES[name])[:8])
            yield f"{name} on {shown}, expected on {wanted} …", name if at != "extension" else at


def _sliced(element: dict[str, Any]) -> Problems:
    """R4 ElementDefinition.slicing: on what may repeat in the base resource, and on choices of types."""
    path = text(element, "path")
    base = definitions.find_type(path.partition(".")[0]) if "slicing" in element and "." in path else None
    result = base.element(path) if base is not None else None
    if result is not None and not result.is_list and not result.is_choice:
        yield f"{path} is sliced, and may be only once", "slicing"


def _check_constraint(
    constraint: dict[str, Any], url: str, keys: dict[str, str], path: Path, run: Run
) -> None:
    """An invariant of the definition's own is FHIRPath; where a key occurs again, it is the same invariant.

    But ele-1, of which R4's own definitions have several wordings.
    """
    key, expression = text(constraint, "key"), text(constraint, "expression")
    if keys.setdefault(key, expression) != expression and key != "ele-1":
        message = f"the invariant {key[:64]} has another expression here than before"
        run.add("FB-FHIR-091", message, (path, "expression", -1))
    elif expression and text(constraint, "source").partition("|")[0] in ("", url):
        try:
            compile_fhirpath(expression, published=True)
        except FHIRPathError as error:
            run.add("FB-FHIR-092", str(error), (path, "expression", -1))


def _misnamed(element: dict[str, Any]) -> Problems:
    """R4 elementdefinition.html#id: the last part of the id names the slice; a type of a choice may stand for one."""
    last = text(element, "id").rpartition(".")[2].partition(":")[2]
    name = text(element, "sliceName")
    if last != name and last and last != text(element, "path").rpartition(".")[2]:
        yield f"the id names the slice {last[:64]}, and sliceName {name[:64] or 'none'}", "id"


def _in_snapshot(element: dict[str, Any], profile: bool) -> Problems:
    """R4 elementdefinition.html, the table of what is said of roots and elements, of types and profiles."""
    path = text(element, "path")
    if "." in path and not profile:
        yield from _prohibited(element, _FOR_TYPES, "an element of a type")
    elif path and "." not in path:
        yield from _prohibited(element, _FOR_ROOTS, "the root")
    if "." in path and "type" not in element and "contentReference" not in element:
        yield f"{path[:200]} has neither a type nor a contentReference", ""


def _prohibited(element: dict[str, Any], names: tuple[str, ...], where: str) -> Problems:
    for name in names:
        if name in element or _value_type(element, name)[0]:
            yield f"{name} on {where}, where it has no meaning", name


def _in_differential(element: dict[str, Any], profile: bool) -> Problems:
    path = text(element, "path")
    if "slicing" in element and path and "." not in path:
        yield "the root is sliced, and is only once", "slicing"
    of_extension = path == "Extension" or path.endswith((".extension", ".modifierExtension"))
    if profile and "meaningWhenMissing" in element and not of_extension:
        yield (
            "what absence means is said in a profile, expected in the element's definition",
            "meaningWhenMissing",
        )
