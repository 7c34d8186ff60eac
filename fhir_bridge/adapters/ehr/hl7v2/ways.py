"""Which fields the rules of a mapping take of a message's segments, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.ehr.hl7v2.composites import Leaf
from fhir_bridge.adapters.ehr.hl7v2.documents import contents_of, document_of
from fhir_bridge.adapters.ehr.hl7v2.fields import Segment
from fhir_bridge.adapters.ehr.hl7v2.groups import (
    OBSERVATION,
    USUAL_PLACES,
    Group,
    holder,
    parent_of,
)
from fhir_bridge.adapters.ehr.hl7v2.selectors import Selector, parse
from fhir_bridge.adapters.ehr.hl7v2.transport import ENVELOPE
from fhir_bridge.mapping import Applied, Read

__all__ = ["Parts", "Way", "Ways", "segments_of", "way_of", "ways_by_segment"]


class Way(NamedTuple):
    """How a rule takes a field.

    Attributes:
        which: the repetition: `all`, `first`, `last`, or its number.
        leaf: component and subcomponent that the rule names; 0 for all that the reader takes.
        reader: a reader of `composites.py`.
    """

    which: str | int
    leaf: Leaf
    reader: str


Ways = tuple[tuple[int, Way], ...]
Parts = tuple[tuple[Ways, ...], ...]
"""The ways of several rules."""


class _Target(NamedTuple):
    """Segments that a rule reads, as seen from its scope object.

    Attributes:
        hops: groups outwards.
        inner: `documents` among the group's results, or nothing.
        which: 0 the first segment of the name, -1 all, else the n-th.
    """

    hops: int
    inner: str
    name: str
    which: int
    ways: tuple[Ways, ...]


class _Targets(NamedTuple):
    """The segments of a rule's own group, and those around it, which are the same for many of its objects.

    Attributes:
        alone: the ways of the group's own segments by name, where each is the only one.
    """

    own: tuple[_Target, ...]
    around: tuple[_Target, ...]
    alone: Mapping[str, tuple[Ways, ...]]


def _targets(scope: str, reads: list[Read], placed: Mapping[str, str] = USUAL_PLACES) -> _Targets:
    """The fields that reads take, by where their segments are as seen from a rule's scope object."""
    result: dict[tuple[int, str, str, int], set[tuple[int, Way]]] = {}
    for read in reads:
        for selector in parse(read.selector):
            way = way_of(selector, read)
            if way is None or selector.segment in ENVELOPE:
                continue
            inner = selector.inner
            hops = (
                0
                if inner
                else _hops(scope, read.scope, placed) + holder(selector.segment, read.scope, placed)
            )
            result.setdefault((hops, inner, selector.segment, selector.which), set()).add(way)
    targets = [_Target(*where, (tuple(sorted(ways, key=repr)),)) for where, ways in result.items()]
    own = tuple(target for target in targets if not target.hops)
    alone: dict[str, tuple[Ways, ...]] = {}
    for target in own:
        if not target.inner and target.which < 2:
            alone[target.name] = (*alone.get(target.name, ()), *target.ways)
    return _Targets(own, tuple(target for target in targets if target.hops), alone)


def _hops(scope: str, outer: str, placed: Mapping[str, str]) -> int:
    """How far a group is outwards of another."""
    steps, current = 0, scope
    while current != outer:
        parent = parent_of(current, placed)
        if parent is None:
            return steps
        current = parent
        steps += 1
    return steps


def way_of(selector: Selector, read: Read) -> tuple[int, Way] | None:
    """The field that a read takes, and how; None for a segment as such, and for what only links resources.

    Who a message is about, it says in fields that hold more than that.
    """
    if read.reader == "link":
        return None
    path = [part for part in read.path if isinstance(part, int)]
    field = selector.field or (path.pop(0) if path else 0)
    if not field:
        return None
    reader = selector.reader or read.reader or "text"
    named = [part for part in read.path if isinstance(part, str)]
    if named:  # an attribute of a value: `.text`, `.authority`
        reader = _ATTRIBUTES.get(named[0], reader)
    locations = [part for part in (selector.component, selector.subcomponent) if part] + path
    leaf = (locations[0] if locations else 0, locations[1] if len(locations) > 1 else 0)
    if leaf[0] and not leaf[1] and reader != "whole":
        leaf = (leaf[0], 1)
    which: str | int = selector.repetition or read.which
    if not selector.repetition and selector.component and not selector.every:
        which = "first"
    way = (field, Way(which, leaf, reader))
    return _known_ways.setdefault(way, way)


_known_ways: dict[tuple[int, Way], tuple[int, Way]] = {}
"""Each way once: mappings have a few thousand, sets of branches many more that hold them."""


_ATTRIBUTES: Final = {
    "text": "coded",
    "codings": "coded",
    "authority": "identifier",
    "identifier_type": "identifier",
}


def ways_by_segment(applied: Iterable[Applied], placed: Mapping[str, str]) -> dict[int, Parts]:
    """The ways in which rules take fields, by segment."""
    noted: dict[int, Parts] = {}
    alone: dict[int, tuple[tuple[Ways, ...]]] = {}
    seen: dict[tuple[int, int], _Targets] = {}  # holds them, as their identities are keys
    targets_of = partial(_targets, placed=placed) if placed else _targets
    targets = _Targets((), (), {})
    single: tuple[Any, ...] = (None,)
    last: Any = None
    last_marks: Any = None
    around_of: Any = None
    name = ""
    note = noted.setdefault
    for reads, group, marks in applied:
        if reads is not last or marks != last_marks:  # most results of an order are written alike
            targets = reads.entered(marks, targets_of)
            last, last_marks, around_of, name = reads, marks, None, ""
        segments = group.segments
        if len(segments) == 1:
            segment = segments[0]
            if segment.name != name:
                name = segment.name
                ways = targets.alone.get(name)
                single = (None,) if ways is None else alone.setdefault(id(ways), (ways,))
            if single[0] is not None and note(id(segment), single) is not single:
                _note(noted, id(segment), single[0])
        else:
            for target in targets.own:
                for segment in segments_of(group, target.inner, target.name, target.which):
                    _note(noted, id(segment), target.ways)
        outer = group.outer
        if outer is around_of and outer is not None:
            continue
        around_of = outer
        if not targets.around:
            continue
        known = (id(outer), id(targets))
        if known not in seen:
            seen[known] = targets
            for target in targets.around:
                around = group
                for _ in range(target.hops):
                    around = around.outer
                for segment in segments_of(around, target.inner, target.name, target.which):
                    _note(noted, id(segment), target.ways)
    return noted


def _note(noted: dict[int, Parts], key: int, ways: tuple[Ways, ...]) -> None:
    parts = noted.get(key)
    if parts is None:
        noted[key] = (ways,)
    elif not any(part is ways for part in parts):
        noted[key] = (*parts, ways)


def segments_of(group: Group, inner: str, name: str, which: int) -> list[Segment]:
    """The segments of a name that a group holds: 0 the first, -1 all, else the n-th."""
    if inner == "contents":
        return [segment for part in contents_of(group) for segment in part.all(name)]
    if inner:  # documents among the results
        return [
            segment
            for part in group.of(OBSERVATION)
            for segment in part.all(name)
            if document_of(segment) is not None
        ]
    if which == 0:
        first = group.first.get(name)
        return [] if first is None else [first]
    result = group.all(name)
    return result if which < 0 else result[which - 1 : which]
