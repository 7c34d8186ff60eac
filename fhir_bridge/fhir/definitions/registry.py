"""Look-up of definitions: the generated tables, and what a site or the project's `terminology/` adds to them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.definitions import terminologies
from fhir_bridge.fhir.definitions.compact import CORE
from fhir_bridge.fhir.definitions.compact import structure as typed_structure
from fhir_bridge.fhir.definitions.extensions import extension_definition
from fhir_bridge.fhir.definitions.layers import Layer
from fhir_bridge.fhir.definitions.model import ExtensionDefinition, Profile, SearchParameter, TypeDefinition
from fhir_bridge.fhir.definitions.searches import search_parameter
from fhir_bridge.fhir.definitions.table import Table
from fhir_bridge.fhir.definitions.terminologies import CodeSystem, ValueSet
from fhir_bridge.fhir.definitions.versions import named, split, version_key

__all__ = [
    "Rows",
    "add",
    "add_search_rows",
    "built_row",
    "code_system",
    "code_systems",
    "compartment",
    "extension",
    "extension_structure",
    "extensions",
    "find_type",
    "generation",
    "global_profiles",
    "is_primitive",
    "load",
    "on_change",
    "patient_compartment",
    "primitive_regex",
    "profile",
    "profiles",
    "resource_types",
    "rows_of",
    "search_parameters",
    "structure",
    "type_definition",
    "type_names",
    "use_layer",
    "value_set",
    "value_sets",
    "versions",
]

Rows = tuple[Sequence[Mapping[str, Any]], Sequence[Sequence[str]]]
"""Compact rows of a structure's elements, and the constraints that they number."""

_LOG = logging.getLogger(__name__)

MANY = 8192
"""Names that are remembered, known or not: they come from resources, so their number must have a bound."""

GENERATED = Path(__file__).parent / "generated"
PACKAGES = "FHIR_BRIDGE_PACKAGES"
"""The environment's packages: paths, separated as in PATH."""


class _State:
    """What is added to the tables, and how often that changed."""

    def __init__(self) -> None:
        self.own: dict[str, Profile] = {}
        self.own_rows: dict[str, Rows] = {}
        self.own_search: dict[str, dict[str, list[Any]]] = {}
        self.layer: Layer | None = None
        self.from_environment = False
        self.from_project = False
        self.generation = 0
        self.listeners: list[Callable[[], object]] = []


_state = _State()


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


# --- structures ---------------------------------------------------------------------------------------------------


@lru_cache(MANY)
def profile(canonical: str) -> Profile | None:
    """The profile of this canonical; None where it is not known.

    Known are R4 core's (vital signs …), Genomics Reporting STU3, IPS, the project's own, those of a site's packages
    and registered ones. `|version` takes that version; where it is not at hand (see `versions`), or none is named,
    the newest.
    """
    return _structure("profiles", canonical)


def profiles() -> tuple[str, ...]:
    """Canonicals of all known profiles, without extensions."""
    _prepare()
    own = (url for url, found in _state.own.items() if found.type != "Extension")
    layered = _state.layer.urls("profiles") if _state.layer else ()
    return tuple(dict.fromkeys((*_table("profiles"), *layered, *own)))


@lru_cache(MANY)
def extension_structure(canonical: str) -> Profile | None:
    """The structure of the extension with this url, or None."""
    return _structure("extensions", canonical)


@lru_cache(MANY)
def extension(canonical: str) -> ExtensionDefinition | None:
    """The digest of the extension with this url, or None."""
    found = extension_structure(canonical)
    return extension_definition(found) if found else None


def extensions() -> tuple[str, ...]:
    """Urls of all known extensions."""
    _prepare()
    own = (url for url, found in _state.own.items() if found.type == "Extension")
    layered = _state.layer.urls("extensions") if _state.layer else ()
    return tuple(dict.fromkeys((*_table("extensions"), *layered, *own)))


@lru_cache(MANY)
def structure(canonical: str) -> TypeDefinition | None:
    """A type, profile or extension by canonical or type name, or None."""
    name = split(canonical)[0].removeprefix(CORE)
    return profile(canonical) or extension_structure(canonical) or find_type(name)


@lru_cache(MANY)
def versions(url: str) -> tuple[str, ...]:
    """The versions of a profile or extension that are at hand, newest first; one that the url names is left aside."""
    _prepare()
    url = split(url)[0]
    found: set[str] = set()
    for kind in ("profiles", "extensions"):
        if _state.layer:
            found.update(_state.layer.versions(kind, url))
        built = _built(kind, url)
        if built is not None:
            found.add(built.version)
    if url in _state.own:
        found.add(_state.own[url].version)
    return tuple(sorted(found, key=version_key, reverse=True))


def _structure(kind: str, canonical: str) -> Profile | None:
    _prepare()
    url, version = split(canonical)
    own = _state.own.get(url)
    if own is not None and (own.type == "Extension") != (kind == "extensions"):
        own = None
    if own is not None and version in ("", own.version):
        return own
    layered = _state.layer.versions(kind, url) if _state.layer else ()
    built = _built(kind, url)
    if version:
        version = named(version, [*layered, *([built.version] if built is not None else ())]) or version
    if version in layered:
        return _layered(kind, url, version)
    if built is not None and version == built.version:
        return built
    if own is not None:
        return own
    if layered and (built is None or version_key(layered[0]) >= version_key(built.version)):
        return _layered(kind, url, layered[0])
    return built


@lru_cache(MANY)
def _built(kind: str, url: str) -> Profile | None:
    row = _table(kind).get(url, exact=True)
    if row is None:
        return None
    found = typed_structure(row, _table(kind).header["constraints"])
    assert isinstance(found, Profile)
    return found


def _layered(kind: str, url: str, version: str) -> Profile | None:
    layer = _state.layer
    row = layer.row(kind, url, version) if layer else None
    if layer is None or row is None:
        return None
    found = typed_structure(row, layer.constraints)
    assert isinstance(found, Profile)
    return found


def rows_of(canonical: str) -> Rows | None:
    """Compact rows of a structure that others build on, by canonical or type name; None where it is not known."""
    _prepare()
    url, version = split(canonical)
    if url in _state.own_rows:
        return _state.own_rows[url]
    if _state.layer:
        for kind in ("profiles", "extensions"):
            known = _state.layer.versions(kind, url)
            if known:
                row = _state.layer.row(kind, url, version if version in known else known[0])
                if row:
                    return row["elements"], _state.layer.constraints
    for table, name in (("profiles", url), ("extensions", url), ("types", url.removeprefix(CORE))):
        row = _table(table).get(name, exact=True)
        if row:
            return row["elements"], _table(table).header["constraints"]
    return None


@lru_cache(MANY)
def global_profiles(resource_type: str) -> tuple[str, ...]:
    """Profiles that a site's guides ask of every resource of this type, claimed or not (ImplementationGuide.global)."""
    _prepare()
    return tuple(_state.layer.global_profiles(resource_type)) if _state.layer else ()


# --- terminology --------------------------------------------------------------------------------------------------


@lru_cache(MANY)
def value_set(canonical: str) -> ValueSet | None:
    """The value set of this canonical, in that version where it is at hand, else the newest; None where none is."""
    url, row = _terminology("value_sets", canonical)
    return terminologies.value_set(url, row) if row else None


def value_sets() -> tuple[str, ...]:
    """Canonicals of all value sets at hand."""
    _prepare()
    return tuple(
        dict.fromkeys((*_table("value_sets"), *(_state.layer.urls("value_sets") if _state.layer else ())))
    )


@lru_cache(MANY)
def code_system(canonical: str) -> CodeSystem | None:
    """The code system of this canonical, with its whole content, or None."""
    url, row = _terminology("code_systems", canonical)
    return terminologies.code_system(url, row) if row else None


def code_systems() -> tuple[str, ...]:
    """Canonicals of all code systems whose content is at hand."""
    _prepare()
    layered = _state.layer.urls("code_systems") if _state.layer else ()
    return tuple(dict.fromkeys((*_table("code_systems"), *layered)))


def built_row(kind: str, canonical: str) -> dict[str, Any] | None:
    """A built-in row of `code_systems` or `value_sets`; some urls of THO hold a `|` themselves."""
    found: dict[str, Any] | None = _table(kind).get(canonical) or _table(kind).get(split(canonical)[0])
    return found


def _terminology(kind: str, canonical: str) -> tuple[str, dict[str, Any] | None]:
    _prepare()
    url, version = split(canonical)
    layered = _state.layer.versions(kind, url) if _state.layer else ()
    built = built_row(kind, canonical)
    if not _state.layer or not layered or (built is not None and version and version == built.get("v")):
        return url, built
    if version in layered:
        return url, _state.layer.row(kind, url, version)
    if built is None or version_key(layered[0]) >= version_key(str(built.get("v", ""))):
        return url, _state.layer.row(kind, url, layered[0])
    return url, built


# --- search -------------------------------------------------------------------------------------------------------


@lru_cache(MANY)
def search_parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """The search parameters of a resource type by code, those of every resource (`_id`, …) included.

    A site's packages add theirs; where two have one code, R4's own stays.

    Raises:
        KeyError: R4 has no such resource type.
    """
    _prepare()
    rows = _table("search").get(resource_type)
    if rows is None or resource_type not in resource_types():
        raise KeyError(f"R4 has no resource type {resource_type!r}")
    layered = _state.layer.search(resource_type) if _state.layer else {}
    every = {**layered, **_state.own_search.get(resource_type, {}), **rows}
    return {code: search_parameter(code, row) for code, row in every.items()}


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


def generation() -> int:
    """A number that grows whenever definitions are added: what was compiled before may be out of date."""
    _prepare()
    return _state.generation


def on_change(listener: Callable[[], object]) -> None:
    """Have a function called whenever definitions are added, so that it may forget what it remembers of them."""
    _state.listeners.append(listener)


def add(structures: Iterable[tuple[Profile, Rows]]) -> None:
    """Add profiles and extensions with the rows that others build on; a url that was added before is replaced."""
    for found, rows in structures:
        _state.own[found.url] = found
        _state.own_rows[found.url] = rows
    _changed()


def add_search_rows(rows: Iterable[tuple[str, str, list[Any]]]) -> None:
    """Add search parameters as (resource type, code, row)."""
    for kind, code, row in rows:
        _state.own_search.setdefault(kind, {})[code] = row
    _changed()


def use_layer(layer: Layer | None) -> None:
    """Let a site's packages be these, in place of those there were; the environment's are then left aside."""
    _state.from_environment = True
    _state.layer = layer
    _changed()


def _changed() -> None:
    for remembered in (
        profile, extension_structure, extension, structure, versions, global_profiles, value_set, code_system,
        search_parameters,
    ):  # fmt: skip
        remembered.cache_clear()
    _state.generation += 1
    for listener in _state.listeners:
        listener()


def _prepare() -> None:
    """Read the project's own definitions and the environment's packages, at the first look-up that may need them."""
    if not _state.from_project:
        _state.from_project = True
        from fhir_bridge.fhir.definitions.registration import read_shipped

        read_shipped()
    if not _state.from_environment:
        _state.from_environment = True
        if named := os.environ.get(PACKAGES):
            from fhir_bridge.fhir.definitions.packages import load_packages

            for issue in load_packages([path for path in named.split(os.pathsep) if path]).issues:
                if issue.severity != "information":
                    _LOG.warning("%s: %s (%s)", issue.source, issue.message, issue.code)
