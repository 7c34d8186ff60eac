"""Definitions: R4's, those that the project ships, and on top of them what a site's packages define."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import chain
from typing import Any, TypeVar

from fhir_bridge.fhir.definitions import r4, terminologies
from fhir_bridge.fhir.definitions.compact import CORE
from fhir_bridge.fhir.definitions.compact import structure as typed_structure
from fhir_bridge.fhir.definitions.extensions import extension_definition
from fhir_bridge.fhir.definitions.layers import Layer
from fhir_bridge.fhir.definitions.model import ExtensionDefinition, Profile, SearchParameter, TypeDefinition
from fhir_bridge.fhir.definitions.searches import search_parameter
from fhir_bridge.fhir.definitions.terminologies import CodeSystem, ValueSet
from fhir_bridge.fhir.definitions.versions import named, split, version_key

__all__ = ["Added", "Definitions", "Rows"]

Rows = tuple[Sequence[Mapping[str, Any]], Sequence[Sequence[str]]]
"""Compact rows of a structure's elements, and the constraints that they number."""

T = TypeVar("T")

_ABSENT: Any = object()
MANY = 8192
"""Names that are remembered, known or not: they come from resources, so their number must have a bound."""

_REMEMBERED = (
    "code_system", "extension", "extension_structure", "profile", "search_parameters", "structure", "value_set",
    "versions",
)  # fmt: skip
"""Look-ups whose answers are kept."""


@dataclass(frozen=True)
class Added:
    """What is on top of the built-in definitions.

    Attributes:
        structures: profiles and extensions by url, each with the rows that others build on.
        searches: rows of search parameters by resource type and code.
        layer: what packages define.
    """

    structures: Mapping[str, tuple[Profile, Rows]] = field(default_factory=dict)
    searches: Mapping[str, Mapping[str, list[Any]]] = field(default_factory=dict)
    layer: Layer | None = None


class Definitions:
    """Definitions that are used together; they never change. Safe to share between threads.

    `DEFAULT` has those that are built in; `packages.with_packages` and `registration` make others with more.

    Args:
        added: what is on top of the built-in definitions, or what gives it when it is first asked for.
    """

    def __init__(self, added: Added | Callable[[], Added] = Added) -> None:
        self._source = added
        self._derived: dict[Any, Any] = {}
        # A cache on the class would keep every object alive, and share its bound among them.
        for name in _REMEMBERED:  # shadows the method, for this object alone
            setattr(self, name, lru_cache(MANY)(getattr(self, name)))

    @cached_property
    def added(self) -> Added:
        """What is on top of the built-in definitions."""
        return self._source() if callable(self._source) else self._source

    def derived(self, make: Callable[..., T], *arguments: Any) -> T:
        """What `make(definitions, *arguments)` gives; worked out once, and kept as long as the definitions are."""
        key = (make, *arguments)
        entry: T = self._derived.get(key, _ABSENT)  # an answer may be None
        if entry is _ABSENT:
            if len(self._derived) > 2 * MANY:
                self._derived.clear()
            entry = self._derived[key] = make(self, *arguments)
        return entry

    # --- structures -------------------------------------------------------------------------------------------------

    def profile(self, canonical: str) -> Profile | None:
        """The profile of this canonical; None where it is not known.

        Known are R4 core's (vital signs …), Genomics Reporting STU3, IPS, the project's own, and those of packages.
        `|version` takes that version; where it is not here (see `versions`), or none is named, the newest.
        """
        return self._structure("profiles", canonical)

    def profiles(self) -> tuple[str, ...]:
        """Canonicals of all known profiles, without extensions."""
        return self._urls("profiles", lambda result: result.type != "Extension")

    def extension_structure(self, canonical: str) -> Profile | None:
        """The structure of the extension with this url, or None."""
        return self._structure("extensions", canonical)

    def extension(self, canonical: str) -> ExtensionDefinition | None:
        """The digest of the extension with this url, or None."""
        extension_structure = self.extension_structure(canonical)
        return extension_definition(extension_structure) if extension_structure is not None else None

    def extensions(self) -> tuple[str, ...]:
        """Urls of all known extensions."""
        return self._urls("extensions", lambda result: result.type == "Extension")

    def structure(self, canonical: str) -> TypeDefinition | None:
        """A type, profile or extension by canonical or type name, or None."""
        name = split(canonical)[0].removeprefix(CORE)
        return self.profile(canonical) or self.extension_structure(canonical) or r4.find_type(name)

    def versions(self, url: str) -> tuple[str, ...]:
        """The versions of a profile or extension, newest first; one that the url names is left aside."""
        url = split(url)[0]
        results: set[str] = set()
        for kind in ("profiles", "extensions"):
            results.update(self._layered(kind, url))
            built = r4.built_in(kind, url)
            if built is not None:
                results.add(built.version)
        if url in self.added.structures:
            results.add(self.added.structures[url][0].version)
        return tuple(sorted(results, key=version_key, reverse=True))

    def rows_of(self, canonical: str) -> Rows | None:
        """Compact rows of a structure that others build on, by canonical or type name; None where it is not known."""
        url, version = split(canonical)
        if url in self.added.structures:
            return self.added.structures[url][1]
        layer = self.added.layer
        for kind in ("profiles", "extensions") if layer else ():
            known = self._layered(kind, url)
            row = layer.row(kind, url, version if version in known else known[0]) if layer and known else None
            if layer and row:
                return row["elements"], layer.constraints
        for name, key in (("profiles", url), ("extensions", url), ("types", url.removeprefix(CORE))):
            row = r4.table(name).get(key, exact=True)
            if row:
                return row["elements"], r4.table(name).header["constraints"]
        return None

    def global_profiles(self, resource_type: str) -> Sequence[str]:
        """Profiles that guides ask of every resource of this type, claimed or not (ImplementationGuide.global)."""
        return self.added.layer.global_profiles(resource_type) if self.added.layer else ()

    def _structure(self, kind: str, canonical: str) -> Profile | None:
        url, version = split(canonical)
        own = self.added.structures.get(url, (None,))[0]
        if own is not None and (own.type == "Extension") != (kind == "extensions"):
            own = None
        if own is not None and version in ("", own.version):
            return own
        layered = self._layered(kind, url)
        built = r4.built_in(kind, url)
        if version:
            version = named(version, [*layered, *([built.version] if built is not None else ())]) or version
        if version in layered:
            return self._of_layer(kind, url, version)
        if built is not None and version == built.version:
            return built
        if own is not None:
            return own
        if layered and (built is None or version_key(layered[0]) >= version_key(built.version)):
            return self._of_layer(kind, url, layered[0])
        return built

    def _layered(self, kind: str, url: str) -> Sequence[str]:
        """The versions that packages have of a url, newest first."""
        return self.added.layer.versions(kind, url) if self.added.layer else ()

    def _of_layer(self, kind: str, url: str, version: str) -> Profile | None:
        layer = self.added.layer
        row = layer.row(kind, url, version) if layer else None
        if layer is None or row is None:
            return None
        profile = typed_structure(row, layer.constraints)
        assert isinstance(profile, Profile)
        return profile

    def _urls(self, kind: str, wanted: Callable[[Profile], bool] | None = None) -> tuple[str, ...]:
        own: Iterator[str] = (
            url for url, (result, _) in self.added.structures.items() if wanted is not None and wanted(result)
        )
        layered = self.added.layer.urls(kind) if self.added.layer else ()
        return tuple(dict.fromkeys(chain(r4.table(kind), layered, own)))

    # --- terminology ------------------------------------------------------------------------------------------------

    def value_set(self, canonical: str) -> ValueSet | None:
        """The value set of this canonical, in that version where it is here, else the newest; None where none is."""
        url, row = self._terminology("value_sets", canonical)
        return terminologies.value_set(url, row) if row else None

    def value_sets(self) -> tuple[str, ...]:
        """Canonicals of all value sets."""
        return self._urls("value_sets")

    def code_system(self, canonical: str) -> CodeSystem | None:
        """The code system of this canonical, with its whole content, or None."""
        url, row = self._terminology("code_systems", canonical)
        return terminologies.code_system(url, row) if row else None

    def code_systems(self) -> tuple[str, ...]:
        """Canonicals of all code systems whose content is here."""
        return self._urls("code_systems")

    def _terminology(self, kind: str, canonical: str) -> tuple[str, dict[str, Any] | None]:
        url, version = split(canonical)
        layer, layered = self.added.layer, self._layered(kind, url)
        built = r4.built_row(kind, canonical)
        if not layer or not layered or (built is not None and version and version == built.get("v")):
            return url, built
        if version in layered:
            return url, layer.row(kind, url, version)
        if built is None or version_key(layered[0]) >= version_key(str(built.get("v", ""))):
            return url, layer.row(kind, url, layered[0])
        return url, built

    # --- search -----------------------------------------------------------------------------------------------------

    def search_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """The search parameters of a resource type by code, those of every resource (`_id`, …) included.

        Packages add theirs; where two have one code, R4's own stays.

        Raises:
            KeyError: R4 has no such resource type.
        """
        rows = r4.table("search").get(resource_type)
        if rows is None or resource_type not in r4.resource_types():
            raise KeyError(f"R4 has no resource type {resource_type!r}")
        layered = self.added.layer.search(resource_type) if self.added.layer else {}
        every = {**layered, **self.added.searches.get(resource_type, {}), **rows}
        return {code: search_parameter(code, row) for code, row in every.items()}
