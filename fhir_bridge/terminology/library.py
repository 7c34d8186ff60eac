"""All the terminology at hand, in layers: what a layer has goes before what the layers below it have.

From the top: resources that come with a request (`tx-resource`), resources written over REST, a site's folders, what
plug-ins add and what ships, imported content, the definition tables, the grammars.
"""

# ruff: noqa: ARG002 - what a kind of content has not, it answers whatever it is asked
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Protocol

from fhir_bridge.fhir import definitions
from fhir_bridge.terminology import versions
from fhir_bridge.terminology.content import CodeSystemContent, ContentSource
from fhir_bridge.terminology.dicom import DCM, DicomSource
from fhir_bridge.terminology.fragments import JoinedFragments
from fhir_bridge.terminology.grammars import GRAMMARS
from fhir_bridge.terminology.maps import MapContent, ResourceMap
from fhir_bridge.terminology.memory import ResourceContent, TableContent
from fhir_bridge.terminology.value_set_definitions import ValueSetDefinition

__all__ = ["TABLES", "ContentLayer", "Layer", "Library", "Made", "ResourceLayer", "base_layers", "made_of"]


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


Made = ResourceContent | ValueSetDefinition | ResourceMap


def made_of(resource: Mapping[str, Any]) -> Made | None:
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

    def __init__(self, resources: Iterable[Mapping[str, Any] | Made | None]) -> None:
        """A layer of FHIR JSON, or of what `made_of` made of it earlier."""
        self._code_systems: dict[str, dict[str, CodeSystemContent]] = {}
        self._supplements: dict[str, list[ResourceContent]] = {}
        self._value_sets: dict[str, dict[str, ValueSetDefinition]] = {}
        self._maps: list[MapContent] = []
        for one in resources:
            self._add(made_of(one) if isinstance(one, Mapping) else one)

    def _add(self, one: Made | None) -> None:
        if isinstance(one, ResourceContent):
            self._code_systems.setdefault(one.url, {})[one.version or ""] = one
            if one.supplements:
                self._supplements.setdefault(one.supplements.split("|")[0], []).append(one)
        elif isinstance(one, ValueSetDefinition):
            self._value_sets.setdefault(str(one.url), {})[one.version or ""] = one
        elif one is not None:
            self._maps.append(one)

    def code_system_urls(self) -> Sequence[str]:
        """Urls of its code systems."""
        return [
            url
            for url, found in self._code_systems.items()
            if any(content.content != "supplement" for content in found.values())
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
        found = (
            (version, self._source.content(url, version or None)) for version in self._source.versions(url)
        )
        return {version: content for version, content in found if content is not None}

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
    """The definition tables of R4, v2, v3, THO and the guides."""

    def __init__(self) -> None:
        self._code_systems: dict[str, Mapping[str, CodeSystemContent]] = {}
        self._value_sets: dict[str, Mapping[str, ValueSetDefinition]] = {}

    def code_system_urls(self) -> Sequence[str]:
        """Urls of its code systems."""
        return definitions.code_systems()

    def code_systems(self, url: str) -> Mapping[str, CodeSystemContent]:
        """The version at hand."""
        found = self._code_systems.get(url)
        if found is None:
            table = definitions.code_system(url)
            found = {} if table is None else {table.version: TableContent(table)}
            if table is not None:
                self._code_systems[url] = found
        return found

    def supplements(self, url: str) -> Sequence[ResourceContent]:
        """None."""
        return ()

    def value_set_urls(self) -> Sequence[str]:
        """Urls of its value sets."""
        return definitions.value_sets()

    def value_sets(self, url: str) -> Mapping[str, ValueSetDefinition]:
        """The version at hand."""
        found = self._value_sets.get(url)
        if found is None:
            table = definitions.value_set(url)
            found = {} if table is None else {table.version: ValueSetDefinition.of_table(table)}
            if table is not None:
                self._value_sets[url] = found
        return found

    def concept_maps(self) -> Sequence[MapContent]:
        """None."""
        return ()


TABLES = _Tables()
"""The definition tables, one for the process."""


def base_layers() -> tuple[Layer, ...]:
    """What is at hand without any folder: the definition tables, the grammars, DICOM's own codes."""
    return (TABLES, ContentLayer(GRAMMARS), ContentLayer(DicomSource(DCM)))


class Library:
    """The layers as one. Answers are kept: a library is made anew when a layer's content changes."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        self._found: dict[str, CodeSystemContent | None] = {}
        self._versions: dict[str, Mapping[str, CodeSystemContent]] = {}
        self._value_sets: dict[str, Mapping[str, ValueSetDefinition]] = {}

    def over(self, *layers: Layer) -> Library:
        """A library with these layers on top."""
        return Library((*layers, *self.layers)) if layers else self

    # --- code systems ---

    def code_system(self, url: str, version: str | None = None) -> CodeSystemContent | None:
        """The code system: exactly this version or the newest that suits the pattern; without one the newest of the
        uppermost layer that has all of it, of the uppermost that has a part of it where none has all.
        """
        if version is None:
            found = self._found.get(url)
            if found is None and url not in self._found:
                found = self._found[url] = self._default(url)
            return found
        known = self.code_system_versions(url)
        exact = known.get(version)
        if exact is not None:
            return exact
        best = versions.newest(one for one in known if versions.matches(version, one))
        return None if best is None else known[best]

    def code_system_versions(self, url: str) -> Mapping[str, CodeSystemContent]:
        """All versions at hand, `""` for one without version; content that is only a supplement is left out."""
        found = self._versions.get(url)
        if found is None:
            found = {}
            for layer in self.layers:
                for version, content in layer.code_systems(url).items():
                    if content.content in ("complete", "fragment", "example"):
                        kept = found.setdefault(version, content)
                        if kept.content != "complete" and content.content == "complete":
                            found[version] = content
            self._versions[url] = found
        return found

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
                found = known[best]
                return found if isinstance(found, ResourceContent) else None
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
        known = self.value_set_versions(url)
        if not known:
            return self._implicit(url)
        if version is not None:
            exact = known.get(version)
            if exact is not None:
                return exact
            best = versions.newest(one for one in known if versions.matches(version, one))
            return None if best is None else known[best]
        for layer in self.layers:
            best = versions.newest(layer.value_sets(url))
            if best is not None:
                return known[best]
        return None

    def value_set_versions(self, url: str) -> Mapping[str, ValueSetDefinition]:
        """All versions at hand."""
        found = self._value_sets.get(url)
        if found is None:
            found = {}
            for layer in self.layers:
                for version, definition in layer.value_sets(url).items():
                    found.setdefault(version, definition)
            if found:
                self._value_sets[url] = found
        return found

    def value_set_urls(self) -> Iterator[str]:
        """Urls of all value sets, each once."""
        return iter(dict.fromkeys(url for layer in self.layers for url in layer.value_set_urls()))

    def _implicit(self, url: str) -> ValueSetDefinition | None:
        """SNOMED CT's `?fhir_vs`, LOINC's answer lists, and the value set that a code system says is its own."""
        return implicit_value_set(url) or self._all_codes.get(url)

    @cached_property
    def _all_codes(self) -> Mapping[str, ValueSetDefinition]:
        """Value sets that CodeSystem.valueSet names (R4 codesystem.html#4.8.6)."""
        found: dict[str, ValueSetDefinition] = {}
        for layer in self.layers:
            if not isinstance(layer, ResourceLayer):
                continue
            for url in layer.code_system_urls():
                for content in layer.code_systems(url).values():
                    named = content.metadata.get("valueSet")
                    if isinstance(named, str):
                        value_set, _ = versions.split_canonical(named)
                        found.setdefault(value_set, _whole_system(value_set, content))
        return found

    # --- concept maps ---

    @cached_property
    def concept_maps(self) -> Sequence[MapContent]:
        """All concept maps, those that count more first; an upper layer's map hides its like below."""
        found: list[MapContent] = []
        hidden: set[tuple[str, str]] = set()
        for layer in self.layers:
            mine = [one for one in layer.concept_maps() if _identity(one.resource) not in hidden]
            found.extend(mine)
            hidden.update(_identity(one.resource) for one in mine)
        return tuple(found)


def _identity(resource: Mapping[str, Any]) -> tuple[str, str]:
    return str(resource.get("url")), str(resource.get("version") or "")


def _whole_system(url: str, content: CodeSystemContent) -> ValueSetDefinition:
    include = {"system": content.url, **({"version": content.version} if content.version else {})}
    resource: dict[str, Any] = {"resourceType": "ValueSet", "url": url, "status": "active"}
    if content.version:
        resource["version"] = content.version
    return ValueSetDefinition({**resource, "compose": {"include": [include]}})


SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"


def implicit_value_set(url: str) -> ValueSetDefinition | None:
    """A value set whose url says what it holds: SNOMED CT's (R4 snomedct.html#implicit) and LOINC's answer lists.

    `http://snomed.info/sct?fhir_vs` all, `=isa/[id]` a concept and what it subsumes, `=refset/[id]` a reference set,
    `=ecl/[expression]`; `http://loinc.org/vs` all, `/[list or part]` its answers or what it subsumes.
    """
    base, mark, query = url.partition("?")
    if (
        mark
        and base.startswith("http://snomed.info/")
        and (query == "fhir_vs" or query.startswith("fhir_vs="))
    ):
        from urllib.parse import unquote

        include: dict[str, Any] = {"system": SNOMED}
        if base != SNOMED:
            include["version"] = base
        kind, _, value = unquote(query[8:]).partition("/")
        filters = {
            "": [],
            "isa": [{"property": "concept", "op": "is-a", "value": value}],
            "refset": [{"property": "concept", "op": "in", "value": value}],
            "ecl": [{"property": "constraint", "op": "=", "value": value}],
        }.get(kind)
        if filters is None or (kind and not value):
            return None
        return _implicit(url, {**include, **({"filter": filters} if filters else {})})
    if url == f"{LOINC}/vs":
        return _implicit(url, {"system": LOINC})
    if url.startswith(f"{LOINC}/vs/"):
        code = url[len(LOINC) + 4 :]
        if code.startswith("LL"):
            return _implicit(
                url, {"system": LOINC, "filter": [{"property": "LIST", "op": "=", "value": code}]}
            )
        if code.startswith("LP"):
            return _implicit(
                url, {"system": LOINC, "filter": [{"property": "concept", "op": "is-a", "value": code}]}
            )
    return None


def _implicit(url: str, include: Mapping[str, Any]) -> ValueSetDefinition:
    return ValueSetDefinition(
        {"resourceType": "ValueSet", "url": url, "status": "active", "compose": {"include": [include]}}
    )
