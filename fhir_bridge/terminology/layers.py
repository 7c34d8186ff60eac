"""Where terminology is found: resources, a content store, grammars, the definition tables, each as one layer."""

# ruff: noqa: ARG002 - what a kind of content has not, it answers whatever it is asked
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from fhir_bridge.fhir import definitions
from fhir_bridge.terminology.content import CodeSystemContent, ContentSource
from fhir_bridge.terminology.dicom import DCM, DicomSource
from fhir_bridge.terminology.grammars import GRAMMARS
from fhir_bridge.terminology.maps import MapContent, ResourceMap
from fhir_bridge.terminology.memory import ResourceContent, TableContent
from fhir_bridge.terminology.registries import COUNTRIES
from fhir_bridge.terminology.value_set_definitions import ValueSetDefinition

__all__ = [
    "ContentLayer",
    "Layer",
    "ResourceLayer",
    "TerminologyContent",
    "base_layers",
    "content_of_resource",
]


class Layer(Protocol):
    """One place where terminology is found. A version is `""` where a resource has none."""

    def code_system_urls(self) -> Sequence[str]:
        """Urls of its code systems, supplements left out."""
        ...

    def code_systems(self, url: str) -> Mapping[str, CodeSystemContent]:
        """All versions of a code system, by version; supplements are among them under their own url."""
        ...

    def supplements(self, url: str) -> Sequence[ResourceContent]:
        """Supplements of a code system."""
        ...

    def value_set_urls(self) -> Sequence[str]:
        """Urls of its value sets."""
        ...

    def value_sets(self, url: str) -> Mapping[str, ValueSetDefinition]:
        """All versions of a value set, by version."""
        ...

    def concept_maps(self) -> Sequence[MapContent]:
        """Its concept maps."""
        ...


TerminologyContent = ResourceContent | ValueSetDefinition | ResourceMap


def content_of_resource(resource: Mapping[str, Any]) -> TerminologyContent | None:
    """A CodeSystem, ValueSet or ConceptMap, ready to be asked; None where nothing can name it, or for another type."""
    if not isinstance(resource.get("url"), str):
        return None
    match resource.get("resourceType"):
        case "CodeSystem":
            return ResourceContent(resource)
        case "ValueSet":
            return ValueSetDefinition(resource)
        case "ConceptMap":
            return ResourceMap(resource)
    return None


class ResourceLayer:
    """CodeSystem, ValueSet and ConceptMap resources.

    Of two code systems or value sets with one url and version, the later counts; concept maps are all kept, as their
    rows add up.
    """

    def __init__(self, resources: Iterable[Mapping[str, Any] | TerminologyContent | None]) -> None:
        """A layer of FHIR JSON, or of what `content_of_resource` built from it earlier."""
        self._code_systems: dict[str, dict[str, CodeSystemContent]] = {}
        self._supplements: dict[str, list[ResourceContent]] = {}
        self._value_sets: dict[str, dict[str, ValueSetDefinition]] = {}
        self._maps: list[MapContent] = []
        for resource in resources:
            self._add(content_of_resource(resource) if isinstance(resource, Mapping) else resource)

    def _add(self, item: TerminologyContent | None) -> None:
        if isinstance(item, ResourceContent):
            self._code_systems.setdefault(item.url, {})[item.version or ""] = item
            if item.supplements:
                self._supplements.setdefault(item.supplements.split("|")[0], []).append(item)
        elif isinstance(item, ValueSetDefinition):
            self._value_sets.setdefault(str(item.url), {})[item.version or ""] = item
        elif item is not None:
            self._maps.append(item)

    def code_system_urls(self) -> Sequence[str]:
        """Urls of its code systems."""
        return [
            url
            for url, result in self._code_systems.items()
            if any(content.content != "supplement" for content in result.values())
        ]

    def code_systems(self, url: str) -> Mapping[str, CodeSystemContent]:
        """All versions of a code system."""
        return self._code_systems.get(url, {})

    def supplements(self, url: str) -> Sequence[ResourceContent]:
        """Supplements of a code system."""
        return self._supplements.get(url, ())

    def value_set_urls(self) -> Sequence[str]:
        """Urls of its value sets."""
        return tuple(self._value_sets)

    def value_sets(self, url: str) -> Mapping[str, ValueSetDefinition]:
        """All versions of a value set."""
        return self._value_sets.get(url, {})

    def concept_maps(self) -> Sequence[MapContent]:
        """Its concept maps."""
        return tuple(self._maps)


class ContentLayer:
    """Code systems of a content source (the imported store, the grammars)."""

    def __init__(self, source: ContentSource) -> None:
        self._source = source

    def code_system_urls(self) -> Sequence[str]:
        """Urls of its code systems."""
        return self._source.urls()

    def code_systems(self, url: str) -> Mapping[str, CodeSystemContent]:
        """All versions of a code system."""
        results = (
            (version, self._source.content(url, version or None)) for version in self._source.versions(url)
        )
        return {version: content for version, content in results if content is not None}

    def supplements(self, url: str) -> Sequence[ResourceContent]:
        """None."""
        return ()

    def value_set_urls(self) -> Sequence[str]:
        """None."""
        return ()

    def value_sets(self, url: str) -> Mapping[str, ValueSetDefinition]:
        """None."""
        return {}

    def concept_maps(self) -> Sequence[MapContent]:
        """None."""
        return ()


class _Tables:
    """The code systems and value sets of the definitions: R4, v2, v3, THO, the guides, a site's packages."""

    def __init__(self, known: definitions.Definitions) -> None:
        self._definitions = known
        self._code_systems: dict[str, Mapping[str, CodeSystemContent]] = {}
        self._value_sets: dict[str, Mapping[str, ValueSetDefinition]] = {}

    def code_system_urls(self) -> Sequence[str]:
        """Urls of its code systems."""
        return self._definitions.code_systems()

    def code_systems(self, url: str) -> Mapping[str, CodeSystemContent]:
        """The version available."""
        code_system = self._code_systems.get(url)
        if code_system is None:
            table = self._definitions.code_system(url)
            code_system = {} if table is None else {table.version: TableContent(table)}
            # What is not here is not remembered: urls of requests have no bound.
            if table is not None:
                self._code_systems[url] = code_system
        return code_system

    def supplements(self, url: str) -> Sequence[ResourceContent]:
        """None."""
        return ()

    def value_set_urls(self) -> Sequence[str]:
        """Urls of its value sets."""
        return self._definitions.value_sets()

    def value_sets(self, url: str) -> Mapping[str, ValueSetDefinition]:
        """The version available."""
        value_set = self._value_sets.get(url)
        if value_set is None:
            table = self._definitions.value_set(url)
            value_set = (
                {}
                if table is None
                else {table.version: ValueSetDefinition.of_table(table, self._definitions)}
            )
            # As for code systems: only what is here is kept.
            if table is not None:
                self._value_sets[url] = value_set
        return value_set

    def concept_maps(self) -> Sequence[MapContent]:
        """None."""
        return ()


def base_layers(known: definitions.Definitions = definitions.DEFAULT) -> tuple[Layer, ...]:
    """What needs no folder: code systems and value sets of the definitions, grammars, countries, DICOM's own codes."""
    tables = known.derived(_Tables)
    return (tables, ContentLayer(GRAMMARS), ContentLayer(COUNTRIES), ContentLayer(DicomSource(DCM)))
