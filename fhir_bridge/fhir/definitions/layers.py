"""A layer of definitions over those built in: what a site's packages define, in several versions if need be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir_bridge.fhir.definitions.table import Table
from fhir_bridge.fhir.definitions.versions import version_key

__all__ = ["DEFINITION_KINDS", "Layer", "key"]

DEFINITION_KINDS = ("profiles", "extensions", "value_sets", "code_systems")


def key(kind: str, url: str, version: str) -> str:
    """The key of a definition's row in a layer's table."""
    return f"{kind} {url}|{version}"


class Layer:
    """Rows by kind, url and version, out of one table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._versions: dict[str, dict[str, list[str]]] = table.header["versions"]
        self.constraints: Sequence[Sequence[str]] = table.header["constraints"]

    @property
    def header(self) -> Mapping[str, Any]:
        """What was noted when the layer was made."""
        return self._table.header

    def urls(self, kind: str) -> Iterator[str]:
        """Canonicals of this kind."""
        return iter(self._versions.get(kind, ()))

    def versions(self, kind: str, url: str) -> Sequence[str]:
        """The versions of a url, newest first."""
        return self._versions.get(kind, {}).get(url, ())

    def row(self, kind: str, url: str, version: str) -> dict[str, Any] | None:
        """A row, or None."""
        entry: dict[str, Any] | None = self._table.get(key(kind, url, version), exact=True)
        return entry

    def global_profiles(self, resource_type: str) -> Sequence[str]:
        """Profiles that the guides of the layer ask of every resource of this type."""
        entry: Sequence[str] = self._table.header["globals"].get(resource_type, ())
        return entry

    def search(self, resource_type: str) -> Mapping[str, list[Any]]:
        """Rows of search parameters of a resource type by code."""
        entry: dict[str, list[Any]] = self._table.get(f"search {resource_type}") or {}
        return entry


def sorted_versions(results: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Versions by url, newest first."""
    return {url: sorted(set(v), key=version_key, reverse=True) for url, v in sorted(results.items())}
