"""All the terminology available, in layers: what a layer has goes before what the layers below it have.

From the top: resources that come with a request (`tx-resource`), resources written over REST, a site's folders, what
plug-ins add and what ships, imported content, the definition tables, the grammars.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from fhir_bridge.terminology import versions
from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.fragments import JoinedFragments
from fhir_bridge.terminology.implicit_value_sets import implicit_value_set, whole_system
from fhir_bridge.terminology.layers import Layer, ResourceLayer
from fhir_bridge.terminology.maps import MapContent
from fhir_bridge.terminology.memory import ResourceContent
from fhir_bridge.terminology.value_set_definitions import ValueSetDefinition

__all__ = ["Library", "put"]

KEPT = 4_096
"""Answers of each kind that are kept for the present content; beyond it they are forgotten all at once, since who asks
may name what he likes."""


def put(kept: dict[Any, Any], key: Any, value: Any) -> None:
    """Keep an answer, one of at most `KEPT`."""
    if len(kept) >= KEPT:
        kept.clear()
    kept[key] = value


class Library:
    """The layers as one. Answers are kept: a library is made anew when a layer's content changes."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        self._resolved: dict[str, CodeSystemContent | None] = {}
        self._versions: dict[str, Mapping[str, CodeSystemContent]] = {}
        self._value_sets: dict[str, Mapping[str, ValueSetDefinition]] = {}
        self._present: dict[str, ValueSetDefinition] = {}
        self.kept: dict[type, Any] = {}
        """What users of the library make of it once, each under a class of its own; gone with the library."""

    def over(self, *layers: Layer) -> Library:
        """A library with these layers on top."""
        return Library((*layers, *self.layers)) if layers else self

    # --- code systems ---

    def code_system(self, url: str, version: str | None = None) -> CodeSystemContent | None:
        """The code system: exactly this version or the newest that suits the pattern; without one the newest of the
        uppermost layer that has all of it, of the uppermost that has a part of it where none has all.
        """
        if version is None:
            try:
                return self._resolved[url]
            except KeyError:
                content = self._default(url)
                put(self._resolved, url, content)
                return content
        known = self.code_system_versions(url)
        best = versions.fitting(version, known)
        return None if best is None else known[best]

    def code_system_versions(self, url: str) -> Mapping[str, CodeSystemContent]:
        """All available versions, `""` for one without version; content that is only a supplement is left out."""
        entry = self._versions.get(url)
        if entry is None:
            entry = {}
            for layer in self.layers:
                for version, content in layer.code_systems(url).items():
                    if content.content in ("complete", "fragment", "example"):
                        kept = entry.setdefault(version, content)
                        if kept.content != "complete" and content.content == "complete":
                            entry[version] = content
            put(self._versions, url, entry)
        return entry

    def _default(self, url: str) -> CodeSystemContent | None:
        partial: list[CodeSystemContent] = []
        for layer in self.layers:
            known = {
                v: c for v, c in layer.code_systems(url).items() if c.content in ("complete", "fragment")
            }
            best = versions.newest(known)
            if best is None:
                continue
            whole = versions.newest(v for v, c in known.items() if c.content == "complete")
            if whole is not None:
                return known[whole]
            partial.append(known[best])
        if len(partial) > 1:
            return JoinedFragments(partial)
        return partial[0] if partial else None

    def supplement(self, canonical: str) -> ResourceContent | None:
        """A supplement by its canonical; the newest, where no version is named."""
        url, version = versions.split_canonical(canonical)
        for layer in self.layers:
            known = {v: c for v, c in layer.code_systems(url).items() if c.content == "supplement"}
            best = version if version in known else None
            if version is None:
                best = versions.newest(known)
            if best is not None:
                result = known[best]
                return result if isinstance(result, ResourceContent) else None
        return None

    def supplements(self, url: str) -> Iterator[ResourceContent]:
        """All supplements of a code system."""
        for layer in self.layers:
            yield from layer.supplements(url)

    def code_system_urls(self) -> Iterator[str]:
        """Urls of all code systems, each once."""
        return iter(dict.fromkeys(url for layer in self.layers for url in layer.code_system_urls()))

    # --- value sets ---

    def value_set(self, url: str, version: str | None = None) -> ValueSetDefinition | None:
        """The value set, as `code_system`; a code system's implicit value set is one too."""
        if version is None and url in self._present:
            return self._present[url]
        known = self.value_set_versions(url)
        if not known:
            return self._implicit(url)
        if version is not None:
            best = versions.fitting(version, known)
            return None if best is None else known[best]
        for layer in self.layers:
            best = versions.newest(layer.value_sets(url))
            if best is not None:
                definition = known[best]
                self._present[url] = definition
                return definition
        return None

    def value_set_versions(self, url: str) -> Mapping[str, ValueSetDefinition]:
        """All available versions."""
        value_set = self._value_sets.get(url)
        if value_set is None:
            value_set = {}
            for layer in self.layers:
                for version, definition in layer.value_sets(url).items():
                    value_set.setdefault(version, definition)
            if value_set:
                self._value_sets[url] = value_set
        return value_set

    def value_set_urls(self) -> Iterator[str]:
        """Urls of all value sets, each once."""
        return iter(dict.fromkeys(url for layer in self.layers for url in layer.value_set_urls()))

    def _implicit(self, url: str) -> ValueSetDefinition | None:
        """SNOMED CT's `?fhir_vs`, LOINC's answer lists, and the value set that a code system says is its own."""
        return implicit_value_set(url) or self._all_codes.get(url)

    @cached_property
    def _all_codes(self) -> Mapping[str, ValueSetDefinition]:
        """Value sets that CodeSystem.valueSet names (R4 codesystem.html#4.8.6)."""
        definitions: dict[str, ValueSetDefinition] = {}
        for layer in self.layers:
            if not isinstance(layer, ResourceLayer):
                continue
            for url in layer.code_system_urls():
                for content in layer.code_systems(url).values():
                    named = content.metadata.get("valueSet")
                    if isinstance(named, str):
                        value_set, _ = versions.split_canonical(named)
                        definitions.setdefault(value_set, whole_system(value_set, content))
        return definitions

    # --- concept maps ---

    @cached_property
    def concept_maps(self) -> Sequence[MapContent]:
        """All concept maps, those that count more first; an upper layer's map hides its like below."""
        contents: list[MapContent] = []
        hidden: set[tuple[str, str]] = set()
        for layer in self.layers:
            mine = [
                concept_map
                for concept_map in layer.concept_maps()
                if _identity(concept_map.resource) not in hidden
            ]
            contents.extend(mine)
            hidden.update(_identity(concept_map.resource) for concept_map in mine)
        return tuple(contents)


def _identity(resource: Mapping[str, Any]) -> tuple[str, str]:
    return str(resource.get("url")), str(resource.get("version") or "")
