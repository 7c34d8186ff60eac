"""The places of a message that a rule's read takes: segment, field, repetition, component, subcomponent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.ehr.hl7v2.composites import DELETED, READERS, Components, taken
from fhir_bridge.adapters.ehr.hl7v2.fields import Component, Field, Segment, field_of
from fhir_bridge.adapters.ehr.hl7v2.groups import ALIASES, USUAL_PLACES, Group, holder, parent_of
from fhir_bridge.adapters.ehr.hl7v2.selectors import Selector, parse
from fhir_bridge.adapters.ehr.hl7v2.ways import segments_of, way_of
from fhir_bridge.mapping import CLEARED, Read

__all__ = ["Place", "places_of"]


class Place(NamedTuple):
    """A value of a segment; all count from 1. A field of 0 is the segment as such."""

    segment: Segment
    field: int = 0
    repetition: int = 1
    component: int = 1
    subcomponent: int = 1


_IDENTITY: Final = {
    "subject.otherwise": ("PID-18.1", "PID-19.1"),
    "visit.number": ("PV1-19.1", "PV1-50.1", "PID-18.1", "PV1-44.1"),
    "segment.ordinal": (),
    "observation.ordinal": ("OBX-3", "OBX-4"),
    "observation.instance": ("OBX-3", "OBX-4", "OBX-14"),
    "order.number": ("OBR-3.1", "OBR-2.1", "ORC-3.1", "ORC-2.1", "OBR-26.1.1", "OBR-26.2", "OBR-29.2.1"),
    "specimen.order": ("OBR-3.1", "OBR-2.1", "ORC-3.1", "ORC-2.1"),
}
"""Derived values that create ids: what they are made of."""


def places_of(
    scope: Group, read: Read, items: Mapping[str, Any], placed: Mapping[str, str] = USUAL_PLACES
) -> Iterable[Place]:
    """The places that a read takes, as seen from the scope object of its rule.

    Args:
        scope: the group that the rule runs for.
        read: what it reads.
        items: what the variables of loops hold: segments, or repetitions of a field.
        placed: segments that the mapping puts into groups.
    """
    within = [items[name] for name, _ in read.loops if name in items]
    name = ALIASES.get(read.scope, read.scope)
    around_it = _around(scope)
    depth = _depth(name, placed)
    if depth >= len(around_it):
        return
    group = around_it[depth]
    if read.reader == "link":  # who it is about: the parts of the identifier, where no part is named
        read = read._replace(reader="identifier")
    texts = _IDENTITY.get(read.selector, (read.selector,))
    for selector in (selector for text in texts for selector in parse(text)):
        around: Group | None = group
        for _ in range(0 if selector.inner else holder(selector.segment, name, placed)):
            around = around.outer if around is not None else None
        if around is None:
            continue
        for segment in segments_of(around, selector.inner, selector.segment, selector.which):
            if all(item is segment for item in within if isinstance(item, Segment)):
                yield from _of_segment(segment, selector, read, within)


def _around(group: Group) -> list[Group]:
    """The groups around one, the message first, and itself."""
    groups = [group]
    while (outer := groups[-1].outer) is not None:
        groups.append(outer)
    return groups[::-1]


def _depth(scope: str, placed: Mapping[str, str]) -> int:
    """How many groups are around those of a scope."""
    parent = parent_of(scope, placed)
    return 0 if parent is None else 1 + _depth(parent, placed)


def _of_segment(segment: Segment, selector: Selector, read: Read, within: list[Any]) -> Iterable[Place]:
    way = way_of(selector, read)
    if way is None:
        yield Place(segment)
        return
    number, taking = way
    if number >= len(segment.fields) or not segment.fields[number]:
        return
    if segment.name == "MSH" and number <= 2:
        yield Place(segment, number)
        return
    delimiters = segment.delimiters
    parts = segment.fields[number].split(delimiters.repetition)
    held = [
        position
        for position, part in enumerate(parts)
        if (value := field_of(part, delimiters)) is not None and value is not CLEARED
    ]
    ends = {"first": held[:1], "last": held[-1:]}
    if selector.component and not selector.repetition and not selector.every:
        # As `Group.part` and `Group.at` read: the only repetition that holds something, else the first as written.
        ends["first"] = held if len(held) == 1 and not selector.subcomponent else [0]
    raws = [item.raw for item in within if isinstance(item, Field)]
    pieces = [item.raw for item in within if isinstance(item, Component)]
    for position, part in enumerate(parts):
        if taking.which not in ("all", position + 1) and position not in ends.get(str(taking.which), ()):
            continue
        if raws and part not in raws:
            continue
        for component, sub in _leaves(taking.leaf, taking.reader, part, segment):
            if not pieces or part.split(delimiters.component)[component - 1] in pieces:
                yield Place(segment, number, position + 1, component, sub)


def _leaves(leaf: tuple[int, int], reader: str, part: str, segment: Segment) -> Iterable[tuple[int, int]]:
    """Component and subcomponent of what a reader takes of a repetition."""
    delimiters = segment.delimiters
    populated = Components(part, delimiters).populated()
    if part == DELETED:
        return [(1, 1)]
    component, sub = leaf
    if component:
        own = part.split(delimiters.component)[component - 1 : component]
        if own == [DELETED]:
            return [(component, 1)]
        return [place for place in populated if place[0] == component and sub in (0, place[1])]
    if reader not in READERS:
        return populated
    return sorted(taken(reader, part, delimiters).leaves)
