"""What a message says that no rule represents: by segment, field, repetition and component.

What says nothing about a patient by declaration (`transport.py`, `Components.pass_over`) is listed apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.ehr.hl7v2.composites import Components, Leaf, Taken, taken
from fhir_bridge.adapters.ehr.hl7v2.delimiters import Delimiters
from fhir_bridge.adapters.ehr.hl7v2.documents import document_of
from fhir_bridge.adapters.ehr.hl7v2.fields import Segment
from fhir_bridge.adapters.ehr.hl7v2.groups import (
    NOTHING_PLACED,
    OBSERVATION,
    ORDER,
    PATIENT,
    VISIT_OBSERVATION,
    Group,
    holder,
    parent_of,
    stray,
)
from fhir_bridge.adapters.ehr.hl7v2.selectors import Selector, parse
from fhir_bridge.adapters.ehr.hl7v2.transport import ENVELOPE, silent_fields
from fhir_bridge.mapping import Applied, Read

__all__ = ["Unread", "segments_of", "unread", "way_of"]


class Unread(NamedTuple):
    """What no rule represents of a message.

    Attributes:
        texts: what makes the message partial, in words, each once.
        declared: places that say nothing about a patient: fields of the exchange, components that a type passes over.
    """

    texts: list[str]
    declared: tuple[str, ...]


class _Taken(NamedTuple):
    """How a rule takes a field.

    Attributes:
        which: the repetition: `all`, `first`, `last`, or its number.
        leaf: component and subcomponent that the rule names; 0 for all that the reader takes.
        reader: a reader of `composites.py`.
    """

    which: str | int
    leaf: Leaf
    reader: str


class _Field:
    """All the ways in which rules take one field of a segment; remembers what they leave of a content.

    `cache`: content -> what is left of it, and what is passed over (`[2]`, `.9`).
    """

    __slots__ = ("cache", "ways")

    def __init__(self, ways: tuple[_Taken, ...]) -> None:
        self.ways = ways
        self.cache: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}


Fields = dict[int, _Field]
FieldPosition = tuple[int, str]
Ways = tuple[tuple[int, _Taken], ...]
_merged: dict[Any, tuple[list[Ways], Fields]] = {}
_MANY: Final = 20_000


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
    ways: Ways


class _Targets(NamedTuple):
    """The segments of a rule's own group, and those around it, which are the same for many of its objects."""

    own: tuple[_Target, ...]
    around: tuple[_Target, ...]


def _targets(scope: str, reads: list[Read], placed: Mapping[str, str] = NOTHING_PLACED) -> _Targets:
    """The fields that reads take, by where their segments are as seen from a rule's scope object."""
    result: dict[tuple[int, str, str, int], set[tuple[int, _Taken]]] = {}
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
    targets = [_Target(*where, tuple(sorted(ways, key=repr))) for where, ways in result.items()]
    return _Targets(
        tuple(target for target in targets if not target.hops),
        tuple(target for target in targets if target.hops),
    )


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


def way_of(selector: Selector, read: Read) -> tuple[int, _Taken] | None:
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
    return field, _Taken(which, leaf, reader)


_ATTRIBUTES: Final = {
    "text": "coded",
    "codings": "coded",
    "authority": "identifier",
    "identifier_type": "identifier",
}


def unread(
    root: Group,
    segments: Sequence[Segment],
    applied: Iterable[Applied],
    placed: Mapping[str, str] = NOTHING_PLACED,
) -> Unread:
    """What no rule represents; `placed`: segments that the mapping puts into groups."""
    read = _read(applied, placed)
    twins = _twins(root)
    names = {segment.name for segment in segments if id(segment) in read}
    reported: dict[str, None] = {}
    declared: dict[_Place, None] = {}
    before = "MSH"
    for segment in segments:
        name = segment.name
        if name in ENVELOPE:
            _exchange(segment, declared)
            continue
        taken_fields = read.get(id(segment))
        missing = _missing(segment, taken_fields, silent_fields(segment), declared)
        if missing and (twin := twins.get(id(segment))):
            missing = [
                location for location in missing if not _repeats_twin(segment, location[0], *twin, read)
            ]
            if not missing:
                continue
        if missing and taken_fields is None and name != "EVN":  # EVN is of the envelope but for single fields
            if name == "NTE":
                reported[f"the comment (NTE) after {before} is not represented"] = None
            else:
                further = "a further" if name in names else "the"
                reason = stray(root, segment)
                reported[f"{further} segment {name} is not represented{reason}"] = None
        else:
            for number, location in missing:
                kind = "component" if "." in location else "repetition" if location else "field"
                reported[f"the {kind} {name}-{number}{location} is not represented"] = None
        if name != "NTE":
            before = name
    return Unread(list(reported), _written(tuple(declared)))


_Place = tuple[str, int, str]


@lru_cache(maxsize=2_000)
def _written(places: tuple[_Place, ...]) -> tuple[str, ...]:
    """The places by segment and field; messages of a sender have few sets of them."""
    return tuple(f"{name}-{number}{rest}" for name, number, rest in sorted(places))


def _exchange(segment: Segment, declared: dict[_Place, None]) -> None:
    """Note the fields of a segment of the exchange, delimiters apart."""
    name = segment.name
    for number, raw in enumerate(segment.fields):
        if raw and number and (number > 2 or name != "MSH"):
            declared[name, number, ""] = None


def _read(applied: Iterable[Applied], placed: Mapping[str, str]) -> dict[int, Fields]:
    """The fields that rules take, by segment."""
    ways: dict[int, tuple[Segment, dict[int, Ways]]] = {}
    seen: set[tuple[int, int]] = set()
    targets_of = partial(_targets, placed=placed) if placed else _targets
    for reads, group, marks in applied:
        targets: _Targets = reads.entered(marks, targets_of)
        for target in targets.own:
            _note(ways, group, target)
        key = (id(group.outer), id(targets))
        if key not in seen:
            seen.add(key)
            for target in targets.around:
                outer = group
                for _ in range(target.hops):
                    outer = outer.outer
                _note(ways, outer, target)
    return {key: _merge(list(parts.values()), segment.delimiters) for key, (segment, parts) in ways.items()}


def _note(ways: dict[int, tuple[Segment, dict[int, Ways]]], group: Group, target: _Target) -> None:
    for segment in segments_of(group, target.inner, target.name, target.which):
        noted = ways.get(id(segment))
        if noted is None:
            noted = ways[id(segment)] = (segment, {})
        noted[1][id(target.ways)] = target.ways


def segments_of(group: Group, inner: str, name: str, which: int) -> list[Segment]:
    """The segments of a name that a group holds: 0 the first, -1 all, else the n-th."""
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


def _merge(parts: list[Ways], delimiters: Delimiters) -> Fields:
    """The fields of several rules together. The parts are kept, as they are known by their identity."""
    key = (delimiters, *sorted({id(part) for part in parts}))
    entry = _merged.get(key)
    if entry is None:
        if len(_merged) >= _MANY:
            _merged.clear()
        ways: dict[int, dict[_Taken, None]] = {}
        for part in parts:
            for number, way in part:
                ways.setdefault(number, {})[way] = None
        entry = _merged[key] = (parts, {number: _Field(tuple(each)) for number, each in ways.items()})
    return entry[1]


_OF_ORDER: Final = {2: 2, 3: 3, 7: 27, 12: 16, 16: 31}
"""Fields of ORC that repeat fields of OBR."""

_OF_DOCUMENT: Final = {3: 4, 11: 25}
"""Fields of a document's OBX that may repeat fields of its OBR."""

Twin = tuple[Segment, Mapping[int, int] | None]


def _twins(root: Group) -> dict[int, Twin]:
    """Segments that repeat what another one says, with that one and its fields; None for the same fields."""
    results: dict[int, Twin] = {}
    for patient in root.of(PATIENT):
        for observation in patient.of(VISIT_OBSERVATION):
            _further_lines(observation, results)
        for order in patient.of(ORDER):
            request, control = order.first.get("OBR"), order.first.get("ORC")
            if request is not None and control is not None:
                results[id(control)] = request, _OF_ORDER
            for observation in order.of(OBSERVATION):
                _further_lines(observation, results)
                segment = observation.segments[0]
                if request is not None and segment.fields[2:3] in (["ED"], ["RP"]):
                    results[id(segment)] = request, _OF_DOCUMENT
    return results


def _further_lines(observation: Group, results: dict[int, Twin]) -> None:
    """Further lines of a text repeat what its first line says of it."""
    if len(observation.segments) > 1:
        first = observation.segments[0]
        results.update((id(segment), (first, None)) for segment in observation.all("OBX")[1:])


def _repeats_twin(
    segment: Segment, number: int, twin: Segment, table: Mapping[int, int] | None, read: dict[int, Fields]
) -> bool:
    """Whether a field repeats one of the segment's twin, and that one is represented."""
    other = number if table is None else table.get(number, 0)
    stated = twin.fields
    if not other or other >= len(stated) or stated[other] != segment.fields[number]:
        return False
    return all(left != other for left, _ in _missing(twin, read.get(id(twin)), _NONE, {}))


_NONE: Final[frozenset[int]] = frozenset()


def _missing(
    segment: Segment, fields: Fields | None, silent: frozenset[int], declared: dict[_Place, None]
) -> list[FieldPosition]:
    """The places of a segment that nothing takes: field, and what follows its number (`.9`, `[2]`, or nothing).

    `declared`: takes those that say nothing about a patient.
    """
    results: list[FieldPosition] = []
    fields = fields or {}
    for number, raw in enumerate(segment.fields):
        if not raw or not number:
            continue
        field = fields.get(number)
        if field is None:
            if number in silent:
                declared[segment.name, number, ""] = None
            elif _holds(raw, segment.delimiters):
                results.append((number, ""))
            continue
        entry = field.cache.get(raw)
        if entry is None:
            entry = _left(segment, number, raw, field.ways)
            if len(field.cache) >= _MANY:
                field.cache.clear()
            field.cache[raw] = entry
        locations, passed = entry
        if passed:
            declared.update(((segment.name, number, rest), None) for rest in passed)
        if not locations:
            continue
        if number in silent:
            declared.update(((segment.name, number, rest), None) for rest in locations)
        else:
            results += ((number, location) for location in locations)
    return results


def _holds(raw: str, delimiters: Delimiters) -> bool:
    return any(Components(part, delimiters).populated() for part in raw.split(delimiters.repetition))


_POINTERS: Final = {"OBR": (26, 29)}
"""Fields that name another order or result: where a rule follows some of it, the whole is represented."""


def _left(
    segment: Segment, field: int, raw: str, ways: tuple[_Taken, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the ways leave of a field, and what they pass over: as it is written after the field's number."""
    delimiters = segment.delimiters
    repetitions = [
        (number, part, populated)
        for number, part in enumerate(raw.split(delimiters.repetition), 1)
        if (populated := Components(part, delimiters).populated())
    ]
    left: list[str] = []
    passed: dict[str, None] = {}
    pointer = field in _POINTERS.get(segment.name, ())
    for location, (number, part, populated) in enumerate(repetitions):
        gone: set[Leaf] = set()
        passed_leaves: set[Leaf] = set()
        for way in ways:
            if way.which in ("all", number) or location == {"first": 0, "last": len(repetitions) - 1}.get(
                str(way.which)
            ):
                took = _leaves(way, delimiters, part, populated)
                gone.update(took.leaves)
                passed_leaves.update(took.passed)
        rest = [leaf for leaf in populated if leaf not in gone]
        if gone and pointer:
            rest = []
        if passed_leaves:
            passed.update((_component(leaf), None) for leaf in rest if leaf in passed_leaves)
            rest = [leaf for leaf in rest if leaf not in passed_leaves]
        head = f"[{number}]" if number > 1 else ""
        if rest and len(rest) == len(populated):
            left.append(head)
        else:
            left += (head + _component(leaf) for leaf in rest)
    return tuple(left), tuple(passed)


def _component(leaf: Leaf) -> str:
    """`.9`, `.4.2`."""
    component, sub = leaf
    return f".{component}" + (f".{sub}" if sub > 1 else "")


def _leaves(way: _Taken, delimiters: Delimiters, part: str, populated: list[Leaf]) -> Taken:
    component, sub = way.leaf
    if component:
        return Taken(frozenset(leaf for leaf in populated if leaf[0] == component and sub in (0, leaf[1])))
    return taken(way.reader, part, delimiters)
