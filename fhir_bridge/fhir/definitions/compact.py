"""StructureDefinition JSON to compact rows without prose, and rows to the typed model.

The build script writes rows with `compact_structure`; a site's own StructureDefinitions take the same way at run time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_bridge.fhir.definitions.model import (
    Binding,
    Constraint,
    Element,
    ElementType,
    Profile,
    Slicing,
    TypeDefinition,
    Value,
)
from fhir_bridge.fhir.definitions.versions import version_key

__all__ = [
    "CORE",
    "MALFORMED",
    "compact_element",
    "compact_structure",
    "element_types",
    "local",
    "of_r4",
    "structure",
    "typed_value",
]

MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError)
"""What reading a definition of the wrong shape raises: packages are foreign text."""

CORE = "http://hl7.org/fhir/StructureDefinition/"
FHIR_TYPE = CORE + "structuredefinition-fhir-type"
MAX_VALUE_SET = CORE + "elementdefinition-maxValueSet"

PROFILE_ELEMENT = CORE + "elementdefinition-profile-element"
"""Which element of a profile an element conforms to, where it isn't the whole (a section of a Composition)."""
IMPOSED = CORE + "structuredefinition-imposeProfile"
VERSION_USE = "http://hl7.org/fhir/StructureDefinition/version-specific-use"
_R4 = version_key("4.0")[:2]

EVERYWHERE = frozenset({"ele-1", "ext-1"})
"""Invariants that hold of every element and extension; rows don't repeat them."""


_NO_TYPE: tuple[Any, ...] = ("", (), (), (), "")


def local(canonical: str) -> str:
    """The type name for a canonical of R4 core, else the canonical as it is."""
    name = canonical.removeprefix(CORE)
    return name if name.isalnum() and name[:1].isupper() else canonical


def element_types(element: Mapping[str, Any]) -> list[list[Any]]:
    """ElementDefinition.type as [code, targets, profiles]; FHIRPath system types give the FHIR type they stand for."""
    rows = []
    for entry in element.get("type", ()):
        code = entry["code"]
        if code.startswith("http://hl7.org/fhirpath/"):
            code = next(
                (
                    e.get("valueUrl") or e.get("valueUri")
                    for e in entry.get("extension", ())
                    if e["url"] == FHIR_TYPE
                ),
                "string",
            )
        row: list[Any] = [
            code,
            [local(p) for p in entry.get("targetProfile", ())],
            _profiles(entry),
            list(entry.get("aggregation", ())),
            entry.get("versioning", ""),
        ]
        while row and not row[-1]:
            row.pop()
        rows.append(row)
    return rows


def _profiles(entry: Mapping[str, Any]) -> list[str]:
    """The profiles of a type; one of which a single element is meant names that as its fragment."""
    profiles = list(entry.get("profile", ()))
    for index, beside in enumerate(entry.get("_profile", ())):
        for extension in (beside or {}).get("extension", ()):
            if extension["url"] == PROFILE_ELEMENT:
                profiles[index] += "#" + extension["valueString"]
    return profiles


def typed_value(element: Mapping[str, Any], stem: str) -> list[Any] | None:
    """`fixed[x]` or `pattern[x]` as [type, value]."""
    for key, value in element.items():
        if key.startswith(stem) and len(key) > len(stem) and key[len(stem)].isupper():
            kind = key[len(stem) :]
            if not isinstance(value, dict | list) or kind == "Base64Binary":
                kind = kind[0].lower() + kind[1:]
            return [kind, value]
    return None


def compact_element(element: Mapping[str, Any], constraints: dict[tuple[str, ...], int]) -> dict[str, Any]:
    """One row. Constraints are numbered in `constraints`, which grows."""
    identifier = element.get("id") or element["path"]
    # Without the root's name: a base's rows serve what builds on it, whatever its type is called.
    row: dict[str, Any] = {"i": identifier[len(identifier.split(".")[0].split(":")[0]) :]}
    if "min" in element:
        row["n"] = element["min"]
    if "max" in element:
        row["x"] = -1 if element["max"] == "*" else int(element["max"])
    base_max = (element.get("base") or {}).get("max")
    if base_max is not None:
        row["B"] = -1 if base_max == "*" else int(base_max)
    if kinds := element_types(element):
        row["t"] = kinds
    if reference := element.get("contentReference"):
        row["r"] = reference.rpartition("#")[2]
    if binding := element.get("binding"):
        maximum = next(
            (
                e.get("valueCanonical") or e.get("valueUri")
                for e in binding.get("extension", ())
                if e["url"] == MAX_VALUE_SET
            ),
            None,
        )
        row["b"] = [binding.get("strength", ""), binding.get("valueSet"), *([maximum] if maximum else ())]
    if numbers := [
        constraints.setdefault(
            (c["key"], c["severity"], c.get("expression", ""), c.get("human", ""), c.get("source", "")),
            len(constraints),
        )
        for c in element.get("constraint", ())
        if c["key"] not in EVERYWHERE
    ]:
        row["c"] = numbers
    for key, stem in (("f", "fixed"), ("p", "pattern"), ("l", "minValue"), ("h", "maxValue")):
        if value := typed_value(element, stem):
            row[key] = value
    if slicing := element.get("slicing"):
        row["s"] = [
            [[d["type"], d["path"]] for d in slicing.get("discriminator", ())],
            slicing.get("rules", "open"),
            int(bool(slicing.get("ordered"))),
        ]
    for key, name in (("N", "sliceName"), ("L", "maxLength")):
        if name in element:
            row[key] = element[name]
    for key, name in (("m", "isModifier"), ("u", "isSummary"), ("S", "mustSupport")):
        if element.get(name):
            row[key] = 1
    return row


def compact_structure(
    definition: Mapping[str, Any],
    elements: Iterable[Mapping[str, Any]],
    constraints: dict[tuple[str, ...], int],
) -> dict[str, Any]:
    """A StructureDefinition as a row; `elements` is its snapshot."""
    row = {
        "url": definition["url"],
        "name": definition["type"] if definition.get("derivation") != "constraint" else _name(definition),
        "type": definition["type"],
        "kind": definition["kind"],
        "version": definition.get("version", ""),
        "base": definition.get("baseDefinition"),
        "derivation": definition.get("derivation", "specialization"),
        "abstract": int(bool(definition.get("abstract"))),
        "elements": [compact_element(e, constraints) for e in elements],
    }
    if row["kind"] == "resource" and row["derivation"] != "constraint":
        for element in row["elements"]:
            if element["i"] == ".id":
                element["t"] = [["id"]]  # R4 datatypes.html#id; the package says System.String
    if row["type"] == "Extension":
        row["w"] = [[c["type"], c["expression"]] for c in definition.get("context", ()) if of_r4(c)]
        if invariants := definition.get("contextInvariant"):
            row["W"] = list(invariants)
    if imposed := [
        e.get("valueCanonical") for e in definition.get("extension", ()) if e.get("url") == IMPOSED
    ]:
        row["I"] = imposed
    return row


def _name(definition: Mapping[str, Any]) -> Any:
    """The name of a profile; one that has none, as R4 asks, is no less a profile: its url's end stands for it."""
    return definition.get("name") or str(definition["url"]).rpartition("/")[2]


def of_r4(context: Mapping[str, Any]) -> bool:
    """Whether a context of an extension counts in R4: some are marked for other versions of FHIR."""
    for use in context.get("extension", ()):
        if use.get("url") == VERSION_USE:
            for bound in use.get("extension", ()):
                # Major and minor: a technical correction (4.0.1) is no other version of FHIR.
                version = version_key(str(bound.get("valueCode", "")))[:2]
                if bound.get("url") == "startFhirVersion" and version > _R4:
                    return False
                if bound.get("url") == "endFhirVersion" and version < _R4:
                    return False
    return True


def structure(row: Mapping[str, Any], constraints: Sequence[Sequence[str]]) -> TypeDefinition | Profile:
    """A row as the typed model."""
    kind = row["type"]
    elements = tuple(_element(kind, e, constraints) for e in row["elements"])
    arguments: dict[str, Any] = {
        "name": row["name"],
        "url": row["url"],
        "kind": row["kind"],
        "base": row["base"],
        "abstract": bool(row["abstract"]),
        "type": kind,
        "elements": elements,
        "version": row["version"],
    }
    if row["derivation"] != "constraint":
        return TypeDefinition(**arguments)
    return Profile(
        **arguments,
        contexts=tuple((c[0], c[1]) for c in row.get("w", ())),
        context_invariants=tuple(row.get("W", ())),
        imposed=tuple(row.get("I", ())),
        package=row.get("P", ""),
    )


def _element(root: str, row: Mapping[str, Any], constraints: Sequence[Sequence[str]]) -> Element:
    identifier = root + row["i"]
    path = identifier
    if ":" in identifier:
        path = ".".join(part.partition(":")[0] for part in identifier.split("."))
    binding, slicing = row.get("b"), row.get("s")
    maximum, base_max = row.get("x", 1), row.get("B", row.get("x", 1))
    return Element(
        id=identifier,
        path=path,
        name=path.rpartition(".")[2],
        min=row.get("n", 0),
        max=None if maximum < 0 else maximum,
        types=tuple(element_type(t) for t in row.get("t", ())),
        content_reference=row.get("r"),
        binding=Binding(*binding) if binding else None,
        constraints=tuple(Constraint(*constraints[number]) for number in row.get("c", ())),
        fixed=Value(*row["f"]) if "f" in row else None,
        pattern=Value(*row["p"]) if "p" in row else None,
        slicing=Slicing(tuple((d[0], d[1]) for d in slicing[0]), slicing[1], bool(slicing[2]))
        if slicing
        else None,
        slice_name=row.get("N"),
        is_modifier="m" in row,
        is_summary="u" in row,
        must_support="S" in row,
        max_length=row.get("L"),
        base_max=None if base_max < 0 else base_max,
        min_value=Value(*row["l"]) if "l" in row else None,
        max_value=Value(*row["h"]) if "h" in row else None,
    )


def element_type(row: Sequence[Any]) -> ElementType:
    """A type row as the typed model."""
    code, targets, profiles, aggregation, versioning = (*row, *_NO_TYPE[len(row) :])
    return ElementType(code, tuple(targets), tuple(profiles), tuple(aggregation), versioning)
