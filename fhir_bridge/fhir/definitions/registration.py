"""Definitions added one by one: StructureDefinitions and SearchParameters of the project, of plug-ins, of tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_bridge.fhir.definitions import registry
from fhir_bridge.fhir.definitions.compact import compact_element, compact_structure, structure
from fhir_bridge.fhir.definitions.model import Profile
from fhir_bridge.fhir.definitions.searches import search_rows
from fhir_bridge.fhir.definitions.snapshots import SnapshotError, identified, snapshot
from fhir_bridge.fhir.serialization import JsonError, loads_exact
from fhir_bridge.plugins import shipped

__all__ = ["content_of", "read_shipped", "register", "register_search_parameters", "renumbered"]


def register(definition: Mapping[str, Any]) -> None:
    """Add a StructureDefinition (a profile or an extension), with a snapshot or a differential alone.

    Raises:
        ValueError: it is no such StructureDefinition, its base is not known, or its differential doesn't fit the base.
    """
    url = definition.get("url")
    if definition.get("resourceType") != "StructureDefinition" or not isinstance(url, str):
        raise ValueError("a StructureDefinition with a url was expected")
    if definition.get("derivation") != "constraint":
        raise ValueError(f"{url}: only profiles and extensions can be added to R4's types")
    content = definition.get("snapshot") or definition.get("differential")
    if not content or not content.get("element"):
        raise ValueError(f"{url} has neither snapshot nor differential")
    numbers: dict[tuple[str, ...], int] = {}
    row = compact_structure(definition, (), numbers)
    rows = [compact_element(element, numbers) for element in identified(content["element"])]
    if "snapshot" not in definition:
        base = registry.rows_of(str(definition["baseDefinition"]))
        if base is None:
            raise ValueError(f"{url}: the base definition {definition['baseDefinition']} is not known")
        rows, numbers = renumbered(rows, numbers, base[1])
        try:
            rows = snapshot(rows, base[0], content_of)
        except SnapshotError as error:
            raise ValueError(f"{url}: {error}") from error
    row["elements"] = rows
    constraints = [list(constraint) for constraint in numbers]
    found = structure(row, constraints)
    assert isinstance(found, Profile)
    registry.add([(found, (rows, constraints))])


def register_search_parameters(definitions: Iterable[Mapping[str, Any]]) -> None:
    """Add SearchParameters; their components may be among them or R4's own.

    Raises:
        ValueError: one is no SearchParameter, lacks an element that it needs, or has a component that is not known.
    """
    found = list(definitions)
    codes = {str(d.get("url")): str(d.get("code")) for d in found}
    rows = []
    for definition in found:
        if definition.get("resourceType") != "SearchParameter" or not definition.get("url"):
            raise ValueError("a SearchParameter with a url was expected")
        try:
            rows += [
                (kind, str(definition["code"]), row)
                for kind, row in search_rows(
                    definition, registry.resource_types(), lambda c: code_of(c, codes)
                )
            ]
        except KeyError as error:
            raise ValueError(f"{definition['url']}: {error.args[0]} is missing or not known") from error
    registry.add_search_rows(rows)


def code_of(canonical: str, own: Mapping[str, str]) -> str:
    """The code of a search parameter by its canonical, among these or R4's own.

    Raises:
        KeyError: it is not known.
    """
    if canonical in own:
        return own[canonical]
    for kind in registry.resource_types():
        for code, parameter in registry.search_parameters(kind).items():
            if parameter.url == canonical:
                return code
    raise KeyError(canonical)


def content_of(kind: Sequence[Any]) -> Sequence[Mapping[str, Any]] | None:
    """Elements of a type row's profile or type, without their invariants, which hold by that definition itself."""
    for canonical in (*(kind[2] if len(kind) > 2 else ()), kind[0]):
        found = registry.rows_of(canonical)
        if found is not None:
            return [{k: v for k, v in e.items() if k != "c"} for e in found[0]]
    return None


def renumbered(
    rows: list[dict[str, Any]], numbers: Mapping[tuple[str, ...], int], base: Sequence[Sequence[str]]
) -> tuple[list[dict[str, Any]], dict[tuple[str, ...], int]]:
    """The differential's constraints counted on from the base's."""
    merged: dict[tuple[str, ...], int] = {tuple(c): n for n, c in enumerate(base)}
    new = {number: merged.setdefault(constraint, len(merged)) for constraint, number in numbers.items()}
    return [{**row, "c": [new[n] for n in row["c"]]} if "c" in row else row for row in rows], merged


def read_shipped() -> None:
    """Register the StructureDefinitions of the project's `terminology/`, bases before what builds on them.

    Raises:
        ValueError: one of them can't be read: the project's own files must be right.
    """
    waiting = []
    for path in sorted(shipped("terminology").glob("**/*.json")):
        content = path.read_bytes()
        if b'"StructureDefinition"' not in content:
            continue
        try:
            definition = loads_exact(content)
        except JsonError as error:
            raise ValueError(f"{path}: {error}") from error
        if isinstance(definition, dict) and definition.get("resourceType") == "StructureDefinition":
            waiting.append(definition)
    urls = {d.get("url") for d in waiting}
    while waiting:
        ready = [d for d in waiting if str(d.get("baseDefinition")).partition("|")[0] not in urls]
        if not ready:
            raise ValueError(
                f"StructureDefinitions build on each other in a circle: {sorted(map(str, urls))}"
            )
        for definition in ready:
            register(definition)
            urls.discard(definition.get("url"))
        waiting = [d for d in waiting if d not in ready]
