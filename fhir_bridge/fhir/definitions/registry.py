"""Look-up of definitions: the generated tables, and what a site or the project's `terminology/` adds to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from fhir_bridge.fhir.definitions import terminologies
from fhir_bridge.fhir.definitions.compact import CORE, compact_element, compact_structure
from fhir_bridge.fhir.definitions.compact import structure as typed_structure
from fhir_bridge.fhir.definitions.extensions import compact_extension
from fhir_bridge.fhir.definitions.extensions import extension as typed_extension
from fhir_bridge.fhir.definitions.model import ExtensionDefinition, Profile, SearchParameter, TypeDefinition
from fhir_bridge.fhir.definitions.snapshots import SnapshotError, snapshot
from fhir_bridge.fhir.definitions.table import Table
from fhir_bridge.fhir.definitions.terminologies import CodeSystem, ValueSet
from fhir_bridge.fhir.serialization import JsonError, loads_exact
from fhir_bridge.plugins import shipped

__all__ = [
    "code_system",
    "code_systems",
    "compartment",
    "extension",
    "find_type",
    "is_primitive",
    "load",
    "patient_compartment",
    "primitive_regex",
    "profile",
    "profiles",
    "register",
    "resource_types",
    "search_parameters",
    "structure",
    "type_definition",
    "type_names",
    "value_set",
    "value_sets",
]

_T = TypeVar("_T")

MANY = 8192
"""Names that are remembered, known or not: they come from resources, so their number must have a bound."""

GENERATED = Path(__file__).parent / "generated"

_own_profiles: dict[str, Profile] = {}
_own_extensions: dict[str, ExtensionDefinition] = {}
_own_rows: dict[str, dict[str, Any]] = {}


@cache
def _table(name: str) -> Table:
    return Table(GENERATED / f"{name}.z")


def load() -> None:
    """Read the base tables now, as a server does before it forks."""
    for name in ("types", "value_sets", "search"):
        _table(name)


@cache
def type_names() -> tuple[str, ...]:
    """All R4 types: resources, complex and primitive types."""
    return tuple(_table("types"))


@cache
def resource_types() -> frozenset[str]:
    """The concrete resource types."""
    rows = ((name, _table("types").get(name)) for name in type_names())
    return frozenset(name for name, row in rows if row["kind"] == "resource" and not row["abstract"])


@lru_cache(MANY)
def find_type(name: str) -> TypeDefinition | None:
    """The type of this name, or None."""
    row = _table("types").get(name, exact=True)
    return typed_structure(row, _table("types").header["constraints"]) if row else None


def type_definition(name: str) -> TypeDefinition:
    """The type of this name.

    Raises:
        KeyError: R4 has no such type.
    """
    found = find_type(name)
    if found is None:
        raise KeyError(f"R4 has no type {name!r}")
    return found


@lru_cache(MANY)
def is_primitive(name: str) -> bool:
    """Whether the type is a primitive one (its JSON is a string, number or boolean)."""
    row = _table("types").get(name)
    return bool(row) and row["kind"] == "primitive-type"


@cache
def primitive_regex(name: str) -> str:
    """R4's regex for a primitive's text; empty where the type has none (xhtml).

    Raises:
        KeyError: no such primitive type.
    """
    row = _table("types").get(name)
    if not row or row["kind"] != "primitive-type":
        raise KeyError(f"{name!r} is no primitive type")
    return str(row["regex"])


def profile(url: str) -> Profile | None:
    """The profile of this canonical (a `|version` is left aside); None where it is not known.

    Known are R4 core's (vital signs …), Genomics Reporting STU3, IPS, the project's own and registered ones.
    """
    url = url.partition("|")[0]
    return _own(_own_profiles).get(url) or _built_profile(url)


@lru_cache(MANY)
def _built_profile(url: str) -> Profile | None:
    row = _table("profiles").get(url, exact=True)
    if row is None:
        return None
    built = typed_structure(row, _table("profiles").header["constraints"])
    assert isinstance(built, Profile)
    return built


def profiles() -> tuple[str, ...]:
    """Canonicals of all known profiles."""
    return tuple(dict.fromkeys((*_table("profiles"), *_own(_own_profiles))))


def extension(url: str) -> ExtensionDefinition | None:
    """The extension of this url, or None."""
    url = url.partition("|")[0]
    return _own(_own_extensions).get(url) or _built_extension(url)


@lru_cache(MANY)
def _built_extension(url: str) -> ExtensionDefinition | None:
    row = _table("extensions").get(url, exact=True)
    return typed_extension(url, row) if row else None


def structure(url: str) -> TypeDefinition | None:
    """A type or profile by canonical or type name, or None."""
    url = url.partition("|")[0]
    return profile(url) or find_type(url.removeprefix(CORE))


@lru_cache(MANY)
def value_set(url: str) -> ValueSet | None:
    """The value set of this canonical (a `|version` is left aside), or None where it is not in the tables."""
    url = url.partition("|")[0]
    row = _table("value_sets").get(url)
    return terminologies.value_set(url, row) if row else None


def value_sets() -> tuple[str, ...]:
    """Canonicals of all value sets in the tables."""
    return tuple(_table("value_sets"))


@lru_cache(MANY)
def code_system(url: str) -> CodeSystem | None:
    """The code system of this canonical, with its whole content, or None."""
    url = url.partition("|")[0]
    row = _table("code_systems").get(url)
    return terminologies.code_system(url, row) if row else None


def code_systems() -> tuple[str, ...]:
    """Canonicals of all code systems in the tables."""
    return tuple(_table("code_systems"))


@cache
def search_parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """The search parameters of a resource type by code, those of every resource (`_id`, …) included.

    Raises:
        KeyError: R4 has no such resource type.
    """
    rows = _table("search").get(resource_type)
    if rows is None or resource_type not in resource_types():
        raise KeyError(f"R4 has no resource type {resource_type!r}")
    return {
        code: SearchParameter(
            code,
            row[0],
            row[1],
            tuple(row[2]),
            row[3],
            tuple((c[0], c[1]) for c in row[4]) if row[4:] else (),
        )
        for code, row in rows.items()
    }


@cache
def compartment(name: str) -> Mapping[str, tuple[str, ...]]:
    """A compartment (`Patient`, `Encounter`, …): resource types and the search parameters that place them in it.

    Raises:
        KeyError: R4 has no such compartment.
    """
    rows = _table("search").get(f"compartment/{name}")
    if rows is None:
        raise KeyError(f"R4 has no compartment {name!r}")
    return {kind: tuple(codes) for kind, codes in rows.items()}


def patient_compartment() -> Mapping[str, tuple[str, ...]]:
    """The Patient compartment (R4 compartmentdefinition-patient.html)."""
    return compartment("Patient")


# --- what is added to the tables ----------------------------------------------------------------------------------


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
    if definition["type"] == "Extension":
        row = compact_extension(definition, content["element"])
        if "snapshot" not in definition and not row.get("e") and "t" not in row:
            row["t"] = [[kind.code] for kind in type_definition("Extension").elements[-1].types]
        _own_extensions[url] = typed_extension(url, row)
        return
    numbers: dict[tuple[str, ...], int] = {}
    row = compact_structure(definition, (), numbers)
    rows = [compact_element(element, numbers) for element in content["element"]]
    if "snapshot" not in definition:
        base = str(definition["baseDefinition"]).partition("|")[0]
        base_rows, base_constraints = _rows(base)
        rows, numbers = _renumbered(rows, numbers, base_constraints)
        try:
            rows = snapshot(rows, base_rows, _rows_of_type)
        except SnapshotError as error:
            raise ValueError(f"{url}: {error}") from error
    row["elements"] = rows
    constraints = [list(constraint) for constraint in numbers]
    _own_rows[url] = {**row, "constraints": constraints}
    built = typed_structure(row, constraints)
    assert isinstance(built, Profile)
    _own_profiles[url] = built


def _rows(url: str) -> tuple[Sequence[dict[str, Any]], Sequence[Sequence[str]]]:
    """Compact rows of a known structure, and the constraints they number."""
    if url in _own_rows:
        return _own_rows[url]["elements"], _own_rows[url]["constraints"]
    for table, key in (("profiles", url), ("types", url.removeprefix(CORE))):
        row = _table(table).get(key, exact=True)
        if row:
            return row["elements"], _table(table).header["constraints"]
    raise ValueError(f"the base definition {url} is not known")


def _rows_of_type(name: str) -> Sequence[Mapping[str, Any]] | None:
    """Elements of a data type without its invariants, which hold by the type itself."""
    row = _table("types").get(name, exact=True)
    return [{k: v for k, v in e.items() if k != "c"} for e in row["elements"]] if row else None


def _renumbered(
    rows: list[dict[str, Any]], numbers: Mapping[tuple[str, ...], int], base: Sequence[Sequence[str]]
) -> tuple[list[dict[str, Any]], dict[tuple[str, ...], int]]:
    """The differential's constraints counted on from the base's."""
    merged: dict[tuple[str, ...], int] = {tuple(c): n for n, c in enumerate(base)}
    new = {number: merged.setdefault(constraint, len(merged)) for constraint, number in numbers.items()}
    return [{**row, "c": [new[n] for n in row["c"]]} if "c" in row else row for row in rows], merged


def _own(found: dict[str, _T]) -> dict[str, _T]:
    """The added definitions, after a look into the project's own folder."""
    _read_shipped()
    return found


@cache
def _read_shipped() -> None:
    """Register the StructureDefinitions of `terminology/`, bases before what builds on them.

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
