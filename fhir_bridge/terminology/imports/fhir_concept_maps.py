"""FHIR ConceptMaps (R4, and R5's relationships) on their way into the store, row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import orjson

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.terminology.imports.json_text import JsonText, Span
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.shapes import Misshapen, objects, text
from fhir_bridge.terminology.store.staging import MapHeader, MapRow, Staging

__all__ = ["Group", "groups_of", "read_concept_map", "streamed_groups"]

Group = tuple[Mapping[str, Any], Callable[[], Iterable[Mapping[str, Any]]]]
"""A group without its elements, and how to get them."""

_RELATIONSHIPS = {
    "related-to": "relatedto",
    "equivalent": "equivalent",
    "source-is-narrower-than-target": "wider",
    "source-is-broader-than-target": "narrower",
    "not-related-to": "disjoint",
}
"""R5's relationships as R4's equivalences."""


def groups_of(groups: Iterable[Mapping[str, Any]]) -> list[Group]:
    """Groups that were parsed."""
    return [_parsed_group(location, group) for location, group in enumerate(groups)]


def streamed_groups(json: JsonText, groups: Span) -> list[Group]:
    """Groups that are too large to be parsed as a whole."""
    results: list[Group] = []
    for location, item in enumerate(json.elements(groups)):
        if item.is_small:
            results.append(_placed_group(json, location, item))
            continue
        group, large = json.outline(item)
        elements = large.get("element")
        results.append(
            _parsed_group(location, group)
            if elements is None
            else (group, partial(_streamed, json, elements))
        )
    return results


def read_concept_map(
    head: Mapping[str, Any], groups: list[Group], staging: Staging, options: Options
) -> None:
    """Put a concept map into the staging.

    Args:
        head: the ConceptMap; its groups may be left out.
        groups: its groups.
        staging: where to.
        options: wishes.

    Raises:
        Misshapen: a part is not what FHIR says it is.
    """
    bare = {key: value for key, value in head.items() if key not in ("group", "text", "contained")}
    bare["group"] = [group for group, _ in groups]
    version = options.version or text(head, "version")
    header = MapHeader(str(head["url"]), version, text(head, "name"), orjson.loads(dumps(bare)))
    staging.map_rows(staging.concept_map(header), _rows(groups, staging))


def _parsed_group(position: int, group: Mapping[str, Any]) -> Group:
    bare = {key: value for key, value in group.items() if key != "element"}
    return bare, lambda: objects(group, "element", f"group[{position}].element")


def _streamed(json: JsonText, elements: Span) -> Iterator[Mapping[str, Any]]:
    return (_object(json.parsed(element)) for element in json.elements(elements))


def _placed_group(json: JsonText, position: int, group: Span) -> Group:
    """A small group; its elements are parsed again when they are asked for, since there may be many such groups."""
    bare, _ = _parsed_group(position, _object(json.parsed(group)))
    return bare, lambda: _parsed_group(position, json.parsed(group))[1]()


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Misshapen("group or element is not a list of objects")
    return value


def _rows(groups: list[Group], staging: Staging) -> Iterator[MapRow]:
    for location, (group, elements) in enumerate(groups):
        source, target_system = text(group, "source"), text(group, "target")
        for element in elements():
            code = element.get("code")
            if not isinstance(code, str):  # R4 allows it; there is nothing to look up
                staging.note("elements of concept maps without code, left out")
                continue
            display = text(element, "display")
            targets = objects(element, "target", f'target of "{code}"')
            if not targets:
                yield MapRow(source, code, display, None, None, None, "unmatched", None, None, location)
            for target in targets:
                more = {key: target[key] for key in ("dependsOn", "product", "extension") if key in target}
                equivalence = target.get("equivalence")
                to = text(target, "code")
                yield MapRow(
                    source,
                    code,
                    display,
                    target_system if to else None,
                    to,
                    text(target, "display"),
                    str(equivalence or _RELATIONSHIPS.get(str(target.get("relationship")), "equivalent")),
                    text(target, "comment"),
                    dumps(more) if more else None,
                    location,
                )
