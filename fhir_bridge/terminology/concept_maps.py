"""Concept maps, indexed by what is asked of them: source coding to targets, and one map by its name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from fhir_bridge.fhir.ports import Translation
from fhir_bridge.terminology.maps import other_map, unmapped_target

__all__ = ["EQUIVALENCES", "ConceptMaps", "best_first", "folded"]

_K = TypeVar("_K")

EQUIVALENCES = {
    "equal": 0,
    "equivalent": 1,
    "wider": 2,
    "subsumes": 2,
    "narrower": 3,
    "specializes": 3,
    "inexact": 4,
    "relatedto": 5,
}
"""R4's concept-map-equivalence codes that lead to a target, and their order of preference."""


class ConceptMaps:
    """All loaded maps, given with the ones that count more first.

    A group with a source system matches codes exactly. A group without one maps text as people write it (units, sex):
    exactly first, then without regard to case and white space, unless that would confuse rows (`g/l` is grams, `G/l` is
    10*9) that differ by these alone.
    """

    def __init__(self, resources: Iterable[Mapping[str, Any]]) -> None:
        self._by_name: dict[str, _Map] = {}
        self._by_code: dict[tuple[str | None, str], list[Translation]] = {}
        self._by_text: dict[str, list[Translation]] = {}
        for resource in resources:
            item = _Map(resource)
            for name in (resource.get("name"), resource.get("id"), item.url):
                if isinstance(name, str):
                    self._by_name.setdefault(name, item)
            for system, code, translation in item.rows():
                _add(self._by_code, (system, code), translation)
                if system is None:
                    _add(self._by_text, folded(code), translation)
            for code in item.unmatched():
                # Another row that is written like this one, but for case, is not meant.
                self._by_code.setdefault((None, code), [])
        _drop_ambiguous(self._by_text)
        for result in (*self._by_code.values(), *self._by_text.values()):
            result.sort(key=_preference)

    def translate(self, system: str | None, code: str, targets: tuple[str, ...]) -> list[Translation]:
        """Targets in the wanted systems (all, where none is named), best first, then in the order of `targets`."""
        entry = self._by_code.get((system, code))
        if entry is None and system is None:
            entry = self._by_text.get(folded(code))
        if not entry:
            return []
        if not targets:
            return list(entry)
        return best_first([item for item in entry if item.system in targets], targets)

    def translate_by_map(self, concept_map: str, code: str) -> list[Translation]:
        """Targets of one map.

        Raises:
            KeyError: no map of this name, id or url is loaded; the message names the nearest.
        """
        first = self._by_name.get(concept_map.split("|")[0])
        if first is None:
            raise KeyError(concept_map)
        requested: set[str] = set()
        waiting = [first]
        while waiting:
            item = waiting.pop(0)
            requested.add(item.url)
            translations = item.translate(code)
            if translations:
                return translations
            others = (self._by_name.get(name.split("|")[0]) for name in item.others)
            waiting.extend(other for other in others if other is not None and other.url not in requested)
        return []

    def source_codes(self, concept_map: str) -> list[str]:
        """The source codes of one map's rows, each once; empty where no such map is loaded."""
        item = self._by_name.get(concept_map.split("|")[0])
        return [] if item is None else list(dict.fromkeys(code for _, code, _ in item.rows()))

    def targets(self, concept_map: str) -> frozenset[str]:
        """All codes that a map can give; empty where none is loaded under this name."""
        named = self._by_name.get(concept_map.split("|")[0])
        return frozenset() if named is None else frozenset(row.code for _, _, row in named.rows() if row.code)

    def names(self) -> list[str]:
        """Names, ids and urls that `translate_by_map` takes."""
        return sorted(self._by_name)


class _Map:
    """One ConceptMap resource."""

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self.url: str = resource["url"]
        self.groups: list[Mapping[str, Any]] = [g for g in resource.get("group", ()) if isinstance(g, dict)]
        self._exact: dict[str, list[Translation]] = {}
        self._text: dict[str, list[Translation]] = {}
        for system, code, translation in self.rows():
            _add(self._exact, code, translation)
            if system is None:
                _add(self._text, folded(code), translation)
        _drop_ambiguous(self._text)
        for result in (*self._exact.values(), *self._text.values()):
            result.sort(key=_preference)

    def rows(self) -> Iterator[tuple[str | None, str, Translation]]:
        """Source system, source code and target of every row that has a target."""
        for group in self.groups:
            source, target_system = group.get("source"), group.get("target")
            for element in group.get("element", ()):
                code = element.get("code")
                for target in element.get("target", ()):
                    equivalence = target.get("equivalence")
                    if isinstance(code, str) and target.get("code") and equivalence in EQUIVALENCES:
                        yield (
                            source,
                            code,
                            Translation(
                                target_system or "",
                                target["code"],
                                target.get("display"),
                                equivalence,
                                self.url,
                            ),
                        )

    def unmatched(self) -> Iterator[str]:
        """Texts of which a row says that nothing is meant by them (equivalence `unmatched`)."""
        for group in self.groups:
            for element in group.get("element", ()) if group.get("source") is None else ():
                targets = element.get("target", ())
                if targets and all(target.get("equivalence") == "unmatched" for target in targets):
                    yield element["code"]

    def translate(self, code: str) -> list[Translation]:
        """Targets of a source code, in any of the groups; a group's `unmapped` speaks where no row does."""
        entry = self._exact.get(code) or self._text.get(folded(code))
        if entry:
            return list(entry)
        results = ((group.get("target") or "", unmapped_target(group, code)) for group in self.groups)
        return [
            Translation(system, target["code"], target.get("display"), target["equivalence"], self.url)
            for system, target in results
            if target is not None
        ]

    @property
    def others(self) -> list[str]:
        """Canonicals of the maps that it leaves to what it has no row for."""
        return [name for name in map(other_map, self.groups) if name is not None]


def best_first(translations: list[Translation], targets: tuple[str, ...]) -> list[Translation]:
    """By equivalence, then in the order of the wanted systems; what is equal keeps its order."""
    if len(translations) < 2:
        return translations
    locations = {system: location for location, system in enumerate(targets)}
    return sorted(translations, key=lambda item: (_preference(item), locations.get(item.system, 0)))


def folded(text: str) -> str:
    """Text as it is compared where writers are free: case and white space don't count."""
    return "".join(text.split()).casefold()


def _drop_ambiguous(index: dict[str, list[Translation]]) -> None:
    """Take out text that one map translates to several codes of one system."""
    for text, result in list(index.items()):
        targets = {(item.map_url, item.system, item.code) for item in result}
        if len({target[:2] for target in targets}) < len(targets):
            del index[text]


def _preference(translation: Translation) -> int:
    return EQUIVALENCES[translation.equivalence]


def _add(index: dict[_K, list[Translation]], key: _K, translation: Translation) -> None:
    rows = index.setdefault(key, [])
    if translation not in rows:
        rows.append(translation)
