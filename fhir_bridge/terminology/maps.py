"""Concept maps as `$translate` asks them: the rows about one code, without going through the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol

__all__ = ["MapContent", "ResourceMap", "other_map", "unmapped_target"]


def unmapped_target(group: Mapping[str, Any], code: str) -> Mapping[str, Any] | None:
    """What a group's `unmapped` makes of a code that none of its rows has (R4 conceptmap.html#unmapped), as a target:
    the code itself, or a fixed one. None where it says nothing, or names another map (`other_map`)."""
    unmapped = group.get("unmapped")
    if not isinstance(unmapped, Mapping):
        return None
    if unmapped.get("mode") in ("provided", "use-source-code"):
        return {"code": code, "equivalence": "equal"}
    if unmapped.get("mode") == "fixed" and isinstance(unmapped.get("code"), str):
        return {"code": unmapped["code"], "display": unmapped.get("display"), "equivalence": "inexact"}
    return None


def other_map(group: Mapping[str, Any]) -> str | None:
    """The canonical of the map that a group's `unmapped` leaves the rest to; `otherMap` is R5's name."""
    unmapped = group.get("unmapped")
    if not isinstance(unmapped, Mapping) or unmapped.get("mode") != "other-map":
        return None
    named = unmapped.get("url") or unmapped.get("otherMap")
    return named if isinstance(named, str) else None


class MapContent(Protocol):
    """One version of one concept map.

    Attributes:
        resource: FHIR JSON of the ConceptMap; its groups may be without their elements.
    """

    @property
    def resource(self) -> Mapping[str, Any]: ...

    def about(self, code: str, *, reverse: bool) -> Mapping[str, Any]:
        """FHIR JSON of the ConceptMap with all its groups, of whose elements those with this code as source are
        there, or as target where it is asked in reverse; others may be."""
        ...


class ResourceMap:
    """A ConceptMap resource."""

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self._resource = resource

    @property
    def resource(self) -> Mapping[str, Any]:
        """The ConceptMap."""
        return self._resource

    @cached_property
    def _groups(self) -> list[Mapping[str, Any]]:
        return [group for group in self._resource.get("group", ()) if isinstance(group, Mapping)]

    @cached_property
    def _by_source(self) -> Mapping[str, list[tuple[int, Mapping[str, Any]]]]:
        results: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
        for location, element in self._elements():
            if isinstance(element.get("code"), str):
                results.setdefault(element["code"], []).append((location, element))
        return results

    @cached_property
    def _by_target(self) -> Mapping[str, list[tuple[int, Mapping[str, Any]]]]:
        results: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
        for location, element in self._elements():
            targets = (target for target in element.get("target", ()) if isinstance(target, Mapping))
            codes = (target["code"] for target in targets if isinstance(target.get("code"), str))
            for code in dict.fromkeys(codes):
                results.setdefault(code, []).append((location, element))
        return results

    def _elements(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        for location, group in enumerate(self._groups):
            for element in group.get("element", ()):
                if isinstance(element, Mapping):
                    yield location, element

    def about(self, code: str, *, reverse: bool) -> Mapping[str, Any]:
        """The ConceptMap with the elements about this code."""
        rows = (self._by_target if reverse else self._by_source).get(code, ())
        groups = [
            {**group, "element": [element for location, element in rows if location == number]}
            for number, group in enumerate(self._groups)
        ]
        return {**self._resource, "group": groups}
