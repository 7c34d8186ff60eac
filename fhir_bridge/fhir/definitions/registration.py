"""Definitions added one by one: StructureDefinitions and SearchParameters of the project, of plug-ins, of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.definitions import r4
from fhir_bridge.fhir.definitions.compact import compact_element, compact_structure, structure
from fhir_bridge.fhir.definitions.model import Profile
from fhir_bridge.fhir.definitions.registry import Added, Definitions, Rows
from fhir_bridge.fhir.definitions.searches import search_rows
from fhir_bridge.fhir.definitions.snapshots import SnapshotError, identified, snapshot
from fhir_bridge.fhir.serialization import JsonError, loads_exact
from fhir_bridge.plugins import shipped

__all__ = ["SHIPPED", "code_of", "content_of", "with_search_parameters", "with_structures"]


def with_structures(base: Definitions, *added: Mapping[str, Any]) -> Definitions:
    """These definitions and StructureDefinitions (profiles and extensions), with a snapshot or a differential alone.

    Each may build on those before it; one of a url that was added before takes its place.

    Raises:
        ValueError: one is no such StructureDefinition, its base is not known, or its differential doesn't fit the base.
    """
    for definition in added:
        result, rows = _structure(definition, base)
        base = Definitions(
            replace(base.added, structures={**base.added.structures, result.url: (result, rows)})
        )
    return base


def with_search_parameters(base: Definitions, added: Iterable[Mapping[str, Any]]) -> Definitions:
    """These definitions and SearchParameters, whose components may be among them or known before.

    Raises:
        ValueError: one is no SearchParameter, lacks an element that it needs, or has a component that is not known.
    """
    definitions = list(added)
    codes = {str(d.get("url")): str(d.get("code")) for d in definitions}
    searches = {kind: dict(rows) for kind, rows in base.added.searches.items()}
    for definition in definitions:
        if definition.get("resourceType") != "SearchParameter" or not definition.get("url"):
            raise ValueError("a SearchParameter with a url was expected")
        try:
            for kind, row in search_rows(definition, r4.resource_types(), lambda c: code_of(c, codes, base)):
                searches.setdefault(kind, {})[str(definition["code"])] = row
        except KeyError as error:
            raise ValueError(f"{definition['url']}: {error.args[0]} is missing or not known") from error
    return Definitions(replace(base.added, searches=searches))


def _structure(definition: Mapping[str, Any], known: Definitions) -> tuple[Profile, Rows]:
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
        base = known.rows_of(str(definition["baseDefinition"]))
        if base is None:
            raise ValueError(f"{url}: the base definition {definition['baseDefinition']} is not known")
        rows, numbers = _renumbered(rows, numbers, base[1])
        try:
            rows = snapshot(rows, base[0], content_of(known))
        except SnapshotError as error:
            raise ValueError(f"{url}: {error}") from error
    row["elements"] = rows
    constraints = [list(constraint) for constraint in numbers]
    result = structure(row, constraints)
    assert isinstance(result, Profile)
    return result, (rows, constraints)


def code_of(canonical: str, own: Mapping[str, str], known: Definitions) -> str:
    """The code of a search parameter by its canonical, among these or those known.

    Raises:
        KeyError: it is not known.
    """
    if canonical in own:
        return own[canonical]
    for kind in r4.resource_types():
        for code, parameter in known.search_parameters(kind).items():
            if parameter.url == canonical:
                return code
    raise KeyError(canonical)


def content_of(known: Definitions) -> Callable[[Sequence[Any]], Sequence[Mapping[str, Any]] | None]:
    """Elements of a type row's profile or type, without their invariants, which hold by that definition itself."""

    def content(kind: Sequence[Any]) -> Sequence[Mapping[str, Any]] | None:
        for canonical in (*(kind[2] if len(kind) > 2 else ()), kind[0]):
            rows = known.rows_of(canonical)
            if rows is not None:
                return [{k: v for k, v in e.items() if k != "c"} for e in rows[0]]
        return None

    return content


def _renumbered(
    rows: list[dict[str, Any]], numbers: Mapping[tuple[str, ...], int], base: Sequence[Sequence[str]]
) -> tuple[list[dict[str, Any]], dict[tuple[str, ...], int]]:
    """The differential's constraints counted on from the base's."""
    merged: dict[tuple[str, ...], int] = {tuple(c): n for n, c in enumerate(base)}
    new = {number: merged.setdefault(constraint, len(merged)) for constraint, number in numbers.items()}
    return [{**row, "c": [new[n] for n in row["c"]]} if "c" in row else row for row in rows], merged


def shipped_files() -> list[tuple[Path, bytes]]:
    """The files of the project's `terminology/` that hold StructureDefinitions, with their content."""
    files = ((path, path.read_bytes()) for path in sorted(shipped("terminology").glob("**/*.json")))
    # Most of the files are value sets and maps; parsing them all would slow down each start.
    return [(path, content) for path, content in files if b'"StructureDefinition"' in content]


@cache
def _shipped() -> Added:
    """The StructureDefinitions of the project's `terminology/`, bases before what builds on them.

    Raises:
        ValueError: one of them can't be read: the project's own files must be right.
    """
    waiting = []
    for path, content in shipped_files():
        try:
            definition = loads_exact(content)
        except JsonError as error:
            raise ValueError(f"{path}: {error}") from error
        if isinstance(definition, dict) and definition.get("resourceType") == "StructureDefinition":
            waiting.append(definition)
    known = Definitions()
    urls = {d.get("url") for d in waiting}
    while waiting:
        ready = [d for d in waiting if str(d.get("baseDefinition")).partition("|")[0] not in urls]
        if not ready:
            raise ValueError(
                f"StructureDefinitions build on each other in a circle: {sorted(map(str, urls))}"
            )
        known = with_structures(known, *ready)
        urls -= {d.get("url") for d in ready}
        waiting = [d for d in waiting if d not in ready]
    return known.added


SHIPPED = Definitions(_shipped)
"""What is built in, and what the project ships."""
