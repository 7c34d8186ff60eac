"""What a message says that no rule represents: by segment, field, repetition and component.

What says nothing about a patient by declaration (`transport.py`, `Components.pass_over`) is listed apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from itertools import compress, count
from operator import contains, not_
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.ehr.hl7v2.composites import Components, Leaf, Taken, taken
from fhir_bridge.adapters.ehr.hl7v2.delimiters import Delimiters
from fhir_bridge.adapters.ehr.hl7v2.documents import contents_of, document_of
from fhir_bridge.adapters.ehr.hl7v2.fields import Segment
from fhir_bridge.adapters.ehr.hl7v2.grammar import fault_of
from fhir_bridge.adapters.ehr.hl7v2.groups import (
    OBSERVATION,
    ORDER,
    PATIENT,
    USUAL_PLACES,
    VISIT_OBSERVATION,
    Group,
    holder,
    parent_of,
    stray,
)
from fhir_bridge.adapters.ehr.hl7v2.selectors import Selector, parse
from fhir_bridge.adapters.ehr.hl7v2.transport import ENVELOPE, OF_RESULT, silent_fields
from fhir_bridge.mapping import Applied, Read

__all__ = ["Rest", "Unread", "segments_of", "unread", "way_of"]


FieldPosition = tuple[int, str]


class Rest(NamedTuple):
    """A part of a segment that no rule represents.

    Attributes:
        text: what it is, in words (`the field PID-34 is not represented`).
        segment: the segment.
        places: field, and what follows its number (`.9`, `[2]`, or nothing).
    """

    text: str
    segment: Segment
    places: tuple[FieldPosition, ...]


class Unread(NamedTuple):
    """What no rule represents of a message.

    Attributes:
        rest: what makes the message partial.
        declared: places that say nothing about a patient: fields of the exchange, components that a type passes over.
        faults: what the message's version of HL7 has no place for, in words.
    """

    rest: list[Rest]
    declared: tuple[str, ...]
    faults: tuple[str, ...] = ()


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

    Attributes:
        cache: content -> what is left of it, and what is passed over (`[2]`, `.9`).
        plain: whether a way takes any plain word or number.
    """

    __slots__ = ("cache", "plain", "ways")

    def __init__(self, ways: tuple[_Taken, ...]) -> None:
        self.ways = ways
        self.plain = any(
            way.which in ("all", "first", "last", 1)
            and (way.leaf in _FIRST if way.leaf[0] else way.reader in ("text", "time", "whole", "EI"))
            for way in ways
        )
        self.cache: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}


class _Fields:
    """The fields that rules take of segments of one name.

    Attributes:
        parts: the ways that it was made from, kept as they are known by their identity.
        by_number: the fields.
        known: by the fields that are not of the account.
    """

    __slots__ = ("by_number", "known", "parts")

    def __init__(self, parts: tuple[tuple[Ways, ...], ...]) -> None:
        self.parts = parts
        ways: dict[int, dict[_Taken, None]] = {}
        for part in parts:
            for each in part:
                for number, way in each:
                    ways.setdefault(number, {})[way] = None
        self.by_number = {number: _Field(tuple(each)) for number, each in ways.items()}
        self.known: dict[frozenset[int], _Known] = {}


class _Known:
    """What is known of segments of one name with the same fields outside of the account.

    Attributes:
        complete: by number: contents of which nothing is left, and nothing passed over.
        silent: fields that no rule takes and that say nothing about a patient.
    """

    __slots__ = ("complete", "silent")

    def __init__(self, silent: Sequence[int]) -> None:
        self.complete: list[Collection[str]] = [_BLANK] * _WIDTH
        self.silent = silent


_FIRST: Final = ((1, 0), (1, 1))

Ways = tuple[tuple[int, _Taken], ...]
Parts = tuple[tuple[Ways, ...], ...]
"""The ways of several rules."""
_merged: dict[Delimiters, dict[Any, _Fields]] = {}
_remembered = [0]
"""How many contents and kinds of segments `_merged` holds."""
_MANY: Final = 20_000
_MOST: Final = 200_000
"""Contents and kinds of segments that are remembered in all: beyond, all are forgotten."""
_BLANK: Final = frozenset({""})
_WIDTH: Final = 64
"""Fields of a segment that are looked up by number; HL7's longest have some fifty."""


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
    way = (field, _Taken(which, leaf, reader))
    return _known_ways.setdefault(way, way)


_known_ways: dict[tuple[int, _Taken], tuple[int, _Taken]] = {}
"""Each way once: mappings have a few thousand, sets of branches many more that hold them."""


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
    placed: Mapping[str, str] = USUAL_PLACES,
) -> Unread:
    """What no rule represents; `placed`: segments that the mapping puts into groups."""
    if not segments:
        return Unread([], ())
    noted = _read(applied, placed)
    read = _Merged(noted, _merged_of(segments[0].delimiters))
    declared: dict[_Place, None] = {}
    waiting: dict[int, list[int]] = {}
    left: list[tuple[Segment, list[FieldPosition]]] = []
    usual: Any = None  # ways of results of which `complete` holds what leaves nothing
    complete: Sequence[Collection[str]] = ()
    for segment in segments:
        name, raws = segment.name, segment.fields
        parts = noted.get(id(segment))
        if (
            parts is usual
            and name == "OBX"
            and parts is not None
            and len(raws) > 5
            and raws[5]
            and all(map(contains, complete, raws))
        ):
            continue
        if name in ENVELOPE:
            _exchange(segment, declared)
            continue
        fields = None if parts is None else read.of(parts)
        silent = silent_fields(segment)
        if fields is not None:
            known = fields.known.get(silent)
            if known is not None and not (known.silent and waiting.get(id(known), _ANY)):
                if silent is OF_RESULT:  # a value that is complete for these is none for which others are
                    usual, complete = parts, known.complete
                if all(map(contains, known.complete, raws)):
                    continue
        if missing := _missing(segment, fields, silent, declared, waiting):
            left.append((segment, missing))
    faults: dict[str, dict[str, None]] = {}
    rest = _rest(root, segments, read, left, faults) if left else []
    wrong = tuple(
        f"{fault}, nor are {', '.join(with_it)} represented" if with_it else fault
        for fault, with_it in faults.items()
    )
    return Unread(rest, _written(tuple(declared)), wrong)


def _rest(
    root: Group,
    segments: Sequence[Segment],
    read: _Merged,
    left: list[tuple[Segment, list[FieldPosition]]],
    faults: dict[str, dict[str, None]],
) -> list[Rest]:
    """What makes the message partial; `faults` takes what its grammar has no place for."""
    version = str(root.part("MSH", 12, 1) or "")
    twins = _twins(root)
    names = {segment.name for segment in segments if id(segment) in read.noted}
    before = _before(segments)
    result: list[Rest] = []
    for segment, missing in left:
        name = segment.name
        if twin := twins.get(id(segment)):
            missing = [
                location for location in missing if not _repeats_twin(segment, location[0], *twin, read)
            ]
            if not missing:
                continue
        if id(segment) not in read.noted and name != "EVN":  # EVN is of the envelope but for single fields
            if name == "NTE":
                text = f"the comment (NTE) after {before[id(segment)]} is not represented"
            else:
                further = "a further" if name in names else "the"
                text = f"{further} segment {name} is not represented{stray(root, segment)}"
            result.append(Rest(text, segment, tuple(missing)))
        else:
            for number, location in missing:
                if fault := fault_of(segment, number, version):
                    place = f"{name}-{number}{location}"
                    with_it = [] if fault.startswith(f"{place} ") else [place]
                    faults.setdefault(fault, {}).update(dict.fromkeys(with_it))
                    continue
                kind = "component" if "." in location else "repetition" if location else "field"
                text = f"the {kind} {name}-{number}{location} is not represented"
                result.append(Rest(text, segment, ((number, location),)))
    return result


def _before(segments: Sequence[Segment]) -> dict[int, str]:
    """For each segment the name of the one before it, comments left out."""
    result: dict[int, str] = {}
    name = "MSH"
    for segment in segments:
        result[id(segment)] = name
        if segment.name != "NTE" and segment.name not in ENVELOPE:
            name = segment.name
    return result


_ANY: Final = [0]
"""Fields that wait to be looked for, where no segment of a kind was seen so far."""

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


class _Merged:
    """The fields that rules take, by segment.

    Attributes:
        noted: the ways of rules, by the identity of their segment.
    """

    __slots__ = ("_joined", "_merged", "noted")

    def __init__(self, noted: Mapping[int, Parts], merged: dict[Any, _Fields]) -> None:
        self.noted = noted
        self._merged = merged
        self._joined: dict[int, _Fields] = {}

    def of(self, parts: Parts) -> _Fields:
        """The fields of several rules together."""
        entry = self._joined.get(id(parts))
        if entry is None:
            entry = self._joined[id(parts)] = _merge(parts, self._merged)
        return entry

    def get(self, key: int) -> _Fields | None:
        """The fields of a segment."""
        parts = self.noted.get(key)
        return None if parts is None else self.of(parts)


def _read(applied: Iterable[Applied], placed: Mapping[str, str]) -> dict[int, Parts]:
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


def _merge(parts: Parts, merged: dict[Any, _Fields]) -> _Fields:
    """The fields of several rules together."""
    key = id(parts[0]) if len(parts) == 1 else tuple(map(id, parts))
    entry = merged.get(key)
    if entry is None:
        if len(merged) >= _MANY:
            merged.clear()
        entry = merged[key] = _Fields(parts)
    return entry


def _merged_of(delimiters: Delimiters) -> dict[Any, _Fields]:
    """Fields of messages with these delimiters: what is left of a content depends on them."""
    if len(_merged) > 100 or _remembered[0] > _MOST:
        _merged.clear()
        _remembered[0] = 0
    return _merged.setdefault(delimiters, {})


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
    segment: Segment, number: int, twin: Segment, table: Mapping[int, int] | None, read: _Merged
) -> bool:
    """Whether a field repeats one of the segment's twin, and that one is represented."""
    other = number if table is None else table.get(number, 0)
    stated = twin.fields
    if not other or other >= len(stated) or stated[other] != segment.fields[number]:
        return False
    return all(left != other for left, _ in _missing(twin, read.get(id(twin)), _NONE, {}, {}))


_NONE: Final[frozenset[int]] = frozenset()


def _missing(
    segment: Segment,
    fields: _Fields | None,
    silent: frozenset[int],
    declared: dict[_Place, None],
    waiting: dict[int, list[int]],
) -> list[FieldPosition]:
    """The places of a segment that nothing takes: field, and what follows its number (`.9`, `[2]`, or nothing).

    Args:
        silent: fields that are not of the account.
        declared: takes the places that say nothing about a patient.
        waiting: for segments of a kind, the fields of no account that no segment of the message had so far.
    """
    unread_segment = fields is None
    if fields is None:
        merged = _merged_of(segment.delimiters)
        fields = merged.get(0) or merged.setdefault(0, _Fields(()))
    known = fields.known.get(silent)
    if known is None:
        apart = [number for number in sorted(silent) if number not in fields.by_number]
        known = fields.known[silent] = _Known(apart)
        _remembered[0] += 10  # it holds a list besides
    raws = segment.fields
    if known.silent:
        key = id(segment) if unread_segment else id(known)
        rest = waiting.get(key)
        if rest is None or rest:
            waiting[key] = _declare(segment, known.silent if rest is None else rest, declared)
    if all(map(contains, known.complete, raws)):
        return []
    results: list[FieldPosition] = []
    at = list(compress(count(), map(not_, map(contains, known.complete, raws))))
    for number in [*at, *range(_WIDTH, len(raws))]:
        raw = raws[number]
        locations: tuple[str, ...] = ()
        passed: tuple[str, ...] = ()
        field = fields.by_number.get(number)
        if field is not None:
            locations, passed = _of_field(segment, number, raw, field)
        elif raw and number and number not in silent and _holds(raw, segment.delimiters):
            locations = ("",)
        if passed:
            declared.update(((segment.name, number, place), None) for place in passed)
        if number in silent:
            declared.update(((segment.name, number, place), None) for place in locations)
        else:
            results += ((number, location) for location in locations)
        if number < _WIDTH and not locations and not passed:
            done = known.complete[number]
            if not isinstance(done, set) or len(done) >= _MANY:
                done = known.complete[number] = {""}
            done.add(raw)
            _remembered[0] += 1
    return results


def _declare(segment: Segment, numbers: Sequence[int], declared: dict[_Place, None]) -> list[int]:
    """Declare those of the fields that the segment has; the others are returned."""
    raws, rest = segment.fields, []
    for number in numbers:
        if number < len(raws) and raws[number]:
            declared[segment.name, number, ""] = None
        else:
            rest.append(number)
    return rest


_WHOLLY: Final[tuple[tuple[str, ...], tuple[str, ...]]] = ((), ())


def _is_plain(raw: str, delimiters: Delimiters) -> bool:
    """Whether a content is one component without an escape, as most times and numbers are."""
    return raw[:1].isalnum() and not any(map(raw.__contains__, delimiters[1:5]))


def _of_field(
    segment: Segment, number: int, raw: str, field: _Field
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What is left of a content, and what is passed over."""
    entry = field.cache.get(raw)
    if entry is None:
        if field.plain and _is_plain(raw, segment.delimiters):
            return _WHOLLY
        entry = _left(segment, number, raw, field.ways)
        if len(field.cache) >= _MANY:
            field.cache.clear()
        field.cache[raw] = entry
        _remembered[0] += 1
    return entry


def _holds(raw: str, delimiters: Delimiters) -> bool:
    return any(Components(part, delimiters).populated() for part in raw.split(delimiters.repetition))


_POINTERS: Final = {"OBR": (26, 29)}
"""Fields that name another order or result: where a rule follows some of it, the rest says nothing more."""


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
            passed_leaves.update(rest)
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
