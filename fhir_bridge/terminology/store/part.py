"""What a stored code system and a stored concept map have in common: they are parts of an import."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_bridge.terminology.store.import_archive import ImportArchive

__all__ = ["StoredPart"]


class StoredPart:
    """A resource of an import, read from its file.

    Args:
        archive: the import.
        described: what the import's index says of the resource.
    """

    def __init__(self, archive: ImportArchive, described: Mapping[str, Any]) -> None:
        self._archive = archive
        self._described = described
        self._place: int = described["place"]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}|{self.version}>"

    @property
    def url(self) -> str:
        """Canonical url."""
        return str(self._described["url"])

    @property
    def version(self) -> str | None:
        """Business version."""
        result: str | None = self._described["version"]
        return result

    @property
    def name(self) -> str | None:
        """Name for computers."""
        result: str | None = self._described["name"]
        return result

    @property
    def archive(self) -> ImportArchive:
        """The import that it is part of."""
        return self._archive
