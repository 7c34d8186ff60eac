"""What is imported into the content store, as a layer of the library."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.maps import MapContent
from fhir_bridge.terminology.memory import ResourceContent
from fhir_bridge.terminology.value_set_definitions import ValueSetDefinition

if TYPE_CHECKING:
    from fhir_bridge.terminology.store import ContentStore, StoredMap

__all__ = ["StoreLayer"]

_LOOK_AGAIN = 1.0
"""Seconds after which a folder that was not there is looked for again."""


class StoreLayer:
    """The content store of a folder; nothing is looked at before the first question."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        """A layer of the store in the folder that is reported when it is first needed."""
        self._folder = folder
        self._opened: ContentStore | None = None
        self._looked = -math.inf
        self._listed: tuple[object, Mapping[str, Sequence[str]]] | None = None

    @property
    def store(self) -> ContentStore | None:
        """The store; None as long as there is no such folder."""
        if self._opened is None and (now := time.monotonic()) - self._looked > _LOOK_AGAIN:
            self._looked = now
            path = self._folder()
            if path.is_dir():
                from fhir_bridge.terminology.store import open_store

                self._opened = open_store(path)
        return self._opened

    @property
    def present(self) -> bool:
        """Whether there is such a folder; nothing is opened."""
        return self._opened is not None or self._folder().is_dir()

    def stamp(self) -> tuple[object, ...]:
        """The imports at present; another answer means that other content is available."""
        return tuple(self.store.archives()) if self.store is not None else ()

    def code_system_urls(self) -> Sequence[str]:
        """Urls of its code systems."""
        return self.store.urls() if self.store is not None else ()

    def code_systems(self, url: str) -> Mapping[str, CodeSystemContent]:
        """All versions of a code system."""
        if self.store is None:
            return {}
        results = ((version, self.store.get(url, version)) for version in self.store.versions(url))
        return {version: content for version, content in results if content is not None}

    def supplements(self, url: str) -> Sequence[ResourceContent]:  # noqa: ARG002 - it keeps none
        """None."""
        return ()

    def value_set_urls(self) -> Sequence[str]:
        """Urls of its value sets."""
        return tuple(self._value_set_versions())

    def value_sets(self, url: str) -> Mapping[str, ValueSetDefinition]:
        """All versions of a value set."""
        if self.store is None:
            return {}
        results = (
            (version, self.store.value_set(url, version))
            for version in self._value_set_versions().get(url, ())
        )
        return {version: ValueSetDefinition(item) for version, item in results if item is not None}

    def _value_set_versions(self) -> Mapping[str, Sequence[str]]:
        if self.store is None:
            return {}
        stamp = self.stamp()
        if self._listed is None or self._listed[0] != stamp:
            listed: dict[str, list[str]] = {}
            for url, version in self.store.value_sets():
                listed.setdefault(url, []).append(version)
            self._listed = stamp, listed
        return self._listed[1]

    def maps(self) -> Sequence[StoredMap]:
        """Its concept maps, what was imported last first."""
        return self.store.concept_maps() if self.store is not None else ()

    def concept_maps(self) -> Sequence[MapContent]:
        """Its concept maps, as `$translate` asks them."""
        return self.maps()
