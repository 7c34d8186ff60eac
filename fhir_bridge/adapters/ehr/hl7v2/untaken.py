"""What the rules' ways of taking fields leave of a segment; what is left of a content is remembered."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import compress, count
from operator import contains, not_
from typing import Any, Final

from fhir_bridge.adapters.ehr.hl7v2.composites import Components, Leaf, Taken, taken
from fhir_bridge.adapters.ehr.hl7v2.delimiters import Delimiters
from fhir_bridge.adapters.ehr.hl7v2.fields import Segment
from fhir_bridge.adapters.ehr.hl7v2.ways import Parts, Way, Ways

__all__ = ["FieldPosition", "Place", "TakenFields", "untaken"]


FieldPosition = tuple[int, str]
"""A field's number, and what follows it: `.9`, `[2]`, or nothing."""
Place = tuple[str, int, str]
"""The same with the segment's name before it."""
_FIRST: Final = ((1, 0), (1, 1))
_MANY: Final = 20_000
_MOST: Final = 200_000
"""Contents and kinds of segments that are remembered in all: beyond, all are forgotten."""
_BLANK: Final = frozenset({""})
_WIDTH: Final = 64
"""Fields of a segment that are looked up by number; HL7's longest have some fifty."""
_WHOLLY: Final[tuple[tuple[str, ...], tuple[str, ...]]] = ((), ())
_POINTERS: Final = {"OBR": (26, 29)}
"""Fields that name another order or result: where a rule follows some of it, the rest says nothing more."""


class _Field:
    """All the ways in which rules take one field of a segment; remembers what they leave of a content.

    Attributes:
        cache: content -> what is left of it, and what is passed over (`[2]`, `.9`).
        plain: whether a way takes any plain word or number.
    """

    __slots__ = ("cache", "plain", "ways")

    def __init__(self, ways: tuple[Way, ...]) -> None:
        self.ways = ways
        self.plain = any(
            way.which in ("all", "first", "last", 1)
            and (way.leaf in _FIRST if way.leaf[0] else way.reader in ("text", "time", "whole", "EI"))
            for way in ways
        )
        self.cache: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}


class Fields:
    """The fields that rules take of segments of one name.

    Attributes:
        parts: the ways that it was made from, kept as they are known by their identity.
        by_number: the fields.
        known: by the fields that are not of the account.
    """

    __slots__ = ("by_number", "known", "parts")

    def __init__(self, parts: tuple[tuple[Ways, ...], ...]) -> None:
        self.parts = parts
        ways: dict[int, dict[Way, None]] = {}
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


_merged: dict[Delimiters, dict[Any, Fields]] = {}
_remembered = [0]
"""How many contents and kinds of segments `_merged` holds."""


class TakenFields:
    """The fields that rules take, by segment.

    Attributes:
        noted: the ways of rules, by the identity of their segment.
    """

    __slots__ = ("_joined", "_merged", "noted")

    def __init__(self, noted: Mapping[int, Parts], delimiters: Delimiters) -> None:
        self.noted = noted
        self._merged = _merged_of(delimiters)
        self._joined: dict[int, Fields] = {}

    def of(self, parts: Parts) -> Fields:
        """The fields of several rules together."""
        entry = self._joined.get(id(parts))
        if entry is None:
            entry = self._joined[id(parts)] = _merge(parts, self._merged)
        return entry

    def get(self, key: int) -> Fields | None:
        """The fields of a segment."""
        parts = self.noted.get(key)
        return None if parts is None else self.of(parts)


def _merge(parts: Parts, merged: dict[Any, Fields]) -> Fields:
    """The fields of several rules together."""
    key = id(parts[0]) if len(parts) == 1 else tuple(map(id, parts))
    entry = merged.get(key)
    if entry is None:
        if len(merged) >= _MANY:
            merged.clear()
        entry = merged[key] = Fields(parts)
    return entry


def _merged_of(delimiters: Delimiters) -> dict[Any, Fields]:
    """Fields of messages with these delimiters: what is left of a content depends on them."""
    if len(_merged) > 100 or _remembered[0] > _MOST:
        _merged.clear()
        _remembered[0] = 0
    return _merged.setdefault(delimiters, {})


def untaken(
    segment: Segment,
    fields: Fields | None,
    silent: frozenset[int],
    declared: dict[Place, None],
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
        fields = merged.get(0) or merged.setdefault(0, Fields(()))
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


def _declare(segment: Segment, numbers: Sequence[int], declared: dict[Place, None]) -> list[int]:
    """Declare those of the fields that the segment has; the others are returned."""
    raws, rest = segment.fields, []
    for number in numbers:
        if number < len(raws) and raws[number]:
            declared[segment.name, number, ""] = None
        else:
            rest.append(number)
    return rest


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


def _left(
    segment: Segment, field: int, raw: str, ways: tuple[Way, ...]
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


def _leaves(way: Way, delimiters: Delimiters, part: str, populated: list[Leaf]) -> Taken:
    component, sub = way.leaf
    if component:
        return Taken(frozenset(leaf for leaf in populated if leaf[0] == component and sub in (0, leaf[1])))
    return taken(way.reader, part, delimiters)
