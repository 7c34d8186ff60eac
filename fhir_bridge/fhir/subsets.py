"""A part of a resource, marked as one: `_summary` and `_elements` (R4 search.html#summary, #elements)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from fhir_bridge.fhir.definitions import type_definition

__all__ = ["SUBSETTED", "Summary", "is_subset", "subset"]

Summary = Literal["true", "text", "data"]
SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
    "display": "subsetted",
}
_ALWAYS = frozenset({"resourceType", "id", "meta", "implicitRules"})


def subset(
    resource: Mapping[str, Any], *, summary: Summary | None = None, elements: Collection[str] | None = None
) -> dict[str, Any]:
    """What is asked for of a resource, with the tag that says that it is not all.

    Args:
        summary: `true`: elements that R4 marks as summary; `text`: the narrative; `data`: all but the narrative.
        elements: names of elements of the resource itself.

    Elements that must be there, and those that change the meaning of others (`modifierExtension`, `status`), stay in
    any case: nobody may read the rest without them.
    """
    kind = str(resource["resourceType"])
    if summary == "data":
        kept = {name: value for name, value in resource.items() if name != "text"}
    elif summary == "true":
        kept = _summary(resource, kind, kind)
    else:
        wanted = frozenset({"text"}) if summary == "text" else frozenset(elements or ())
        kept = {name: value for name, value in resource.items() if _is_wanted(kind, name, wanted)}
    return {**kept, "meta": _tagged(resource.get("meta"))}


def is_subset(resource: Mapping[str, Any]) -> bool:
    """Whether a resource says that it is a part of one: stored, it would take the place of the whole."""
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, dict) else None
    return any(
        isinstance(tag, dict) and (tag.get("system"), tag.get("code")) == (SUBSETTED["system"], "SUBSETTED")
        for tag in (tags if isinstance(tags, list) else ())
    )


def _is_wanted(kind: str, name: str, wanted: Collection[str]) -> bool:
    if name in _ALWAYS:
        return True
    child = type_definition(kind).child(kind, name.removeprefix("_"))
    if child is None:
        return False
    element = child[0]
    stem = element.name.removesuffix("[x]")
    return bool(element.min or element.is_modifier or stem in wanted or name.removeprefix("_") in wanted)


def _summary(value: Mapping[str, Any], kind: str, path: str) -> dict[str, Any]:
    """Of a resource or of a part that has its definition with it; a data type stays whole."""
    kept: dict[str, Any] = {}
    for name, item in value.items():
        if name in _ALWAYS:
            kept[name] = item
            continue
        child = type_definition(kind).child(path, name.removeprefix("_"))
        if child is None:
            continue
        element, of_type = child
        if not (element.is_summary or element.is_modifier or element.min):
            continue
        if of_type in ("BackboneElement", "Element"):
            parts = [
                _summary(part, kind, element.path) if isinstance(part, dict) else part
                for part in (item if isinstance(item, list) else [item])
            ]
            kept[name] = parts if isinstance(item, list) else parts[0]
        else:
            kept[name] = item
    return kept


def _tagged(meta: Any) -> dict[str, Any]:
    given = dict(meta) if isinstance(meta, dict) else {}
    return {**given, "tag": [*given.get("tag", []), SUBSETTED]}
