"""Composite types (HL7 v2.5.1 chapter 2A), read so that what a reader takes of a value is known by component."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar

from fhir_bridge.adapters.ehr.hl7v2.delimiters import Delimiters, unescape
from fhir_bridge.mapping import CLEARED

__all__ = [
    "DELETED",
    "READERS",
    "Components",
    "Leaf",
    "Taken",
    "each",
    "hierarchic_designator",
    "plain",
    "reader",
    "taken",
    "undeleted",
    "universal_uri",
]

DELETED: Final = '""'
"""HL7 v2.5.1 §2.5.3: two quotes delete the value, nothing at all leaves it as it is."""


def undeleted(raw: str, delimiters: Delimiters) -> str:
    """A repetition without what its components delete: `""` is no text of any."""
    if DELETED not in raw:
        return raw
    component, subcomponent = delimiters.component, delimiters.subcomponent
    return component.join(
        subcomponent.join("" if part == DELETED else part for part in piece.split(subcomponent))
        for piece in raw.split(component)
    )


Leaf = tuple[int, int]
"""Component and subcomponent, both from 1."""

Read = Callable[["Components"], Any]
R = TypeVar("R", bound=Read)

READERS: dict[str, Read] = {}
"""Name of a reader (`XPN`, `coded`) -> what makes something of a value's components."""

_CACHE: Final = 20_000


def plain(raw: str, delimiters: Delimiters) -> str | None:
    """The text of a part that has no separators left; empty and deleted are None."""
    if not raw or raw == DELETED:
        return None
    return unescape(raw, delimiters).strip() or None


class Components:
    """The components of one repetition of a field.

    Attributes:
        taken: what was read to be part of the output. A reader that gives nothing has taken nothing.
        passed: what says nothing about what the value means, by the reader's own declaration.
    """

    __slots__ = ("_parts", "delimiters", "passed", "raw", "taken")

    def __init__(self, raw: str, delimiters: Delimiters) -> None:
        self.raw = raw
        self.delimiters = delimiters
        self._parts = [part.split(delimiters.subcomponent) for part in raw.split(delimiters.component)]
        self.taken: set[Leaf] = set()
        self.passed: set[Leaf] = set()

    def peek(self, number: int, sub: int = 1) -> str | None:
        """The text of a part, without taking it."""
        if number > len(self._parts) or sub > len(self._parts[number - 1]):
            return None
        return plain(self._parts[number - 1][sub - 1], self.delimiters)

    def text(self, number: int, sub: int = 1) -> str | None:
        """The text of a part, taken."""
        result = self.peek(number, sub)
        if result is not None:
            self.taken.add((number, sub))
        return result

    def of(self, number: int, table: Mapping[str, str]) -> str | None:
        """What a table says of a part (in upper case); a code that it lacks is not taken."""
        entry = table.get((self.peek(number) or "").upper())
        if entry is not None:
            self.taken.add((number, 1))
        return entry

    def count(self, number: int) -> int:
        """How many subcomponents a component has."""
        return len(self._parts[number - 1]) if number <= len(self._parts) else 0

    def designator(self, *leaves: Leaf) -> str | tuple[str, ...] | None:
        """The names of one authority that are at three places: namespace, universal id, its type.

        A universal id that is neither OID nor URI is not taken beside a namespace: the namespace makes the system.
        """
        namespace, universal, kind = (self.peek(*leaf) for leaf in leaves)
        if namespace:
            self.taken.add(leaves[0])
        if universal and (not namespace or universal_uri(universal, kind) or _OID.fullmatch(universal)):
            self.taken.add(leaves[1])
            if kind:  # says how the id is written, which may show in it already
                shows = universal_uri(universal, kind) == universal_uri(universal, None)
                (self.passed if shows else self.taken).add(leaves[2])
        elif kind and not universal:
            self.passed.add(leaves[2])  # the form of an id that is not there
        return hierarchic_designator([namespace, universal, kind])

    def authority(self, number: int) -> str | tuple[str, ...] | None:
        """The names of the authority that an HD states."""
        return self.designator((number, 1), (number, 2), (number, 3))

    def validity(self, *, start: int, end: int, within: int = 0) -> tuple[str | None, str | None] | None:
        """When a value is valid: from two components, else from a range (DR) in one."""
        stated = self.text(start), self.text(end)
        if within and not any(stated):
            stated = self.text(within, 1), self.text(within, 2)
        return stated if any(stated) else None

    def pass_over(self, *numbers: int) -> None:
        """Declare that components say nothing about what the value means (docs/adapters/hl7v2.md)."""
        for number in numbers:
            self.passed.update((number, sub) for sub in range(1, self.count(number) + 1))

    def pass_over_leaves(self, *leaves: Leaf) -> None:
        """As `pass_over`, for subcomponents."""
        self.passed.update(leaves)

    def populated(self) -> list[Leaf]:
        """The places that hold text."""
        return [
            (number, sub)
            for number, parts in enumerate(self._parts, 1)
            for sub, raw in enumerate(parts, 1)
            if plain(raw, self.delimiters) is not None
        ]


def reader(*names: str) -> Callable[[R], R]:
    """Register a reader of a composite type."""

    def register(read: R) -> R:
        READERS.update(dict.fromkeys(names, read))
        return read

    return register


class Taken(NamedTuple):
    """What a reader takes of a repetition, and what it declares to say nothing.

    A reader that gives nothing takes nothing; it may declare that what is there says nothing (the type of an
    identifier that is missing).
    """

    leaves: frozenset[Leaf] = frozenset()
    passed: frozenset[Leaf] = frozenset()


_NOTHING: Final = Taken()


@lru_cache(maxsize=_CACHE)
def taken(name: str, raw: str, delimiters: Delimiters) -> Taken:
    """What the named reader takes of a repetition."""
    components = Components(raw, delimiters)
    if READERS[name](components) is None:
        return Taken(passed=frozenset(components.passed)) if components.passed else _NOTHING
    return Taken(frozenset(components.taken), frozenset(components.passed))


def each(x: Any, read: Read) -> Any:
    """What a reader makes of each repetition of a field: null, one value or a list; `CLEARED` stays what it is."""
    results = [
        result
        for value in (x if isinstance(x, list) else [x])
        if (raw := getattr(value, "raw", None)) is not None
        and (result := read(Components(raw, value.delimiters))) is not None
    ]
    if not results:
        return x if x is CLEARED else None
    return results[0] if len(results) == 1 else results


def hierarchic_designator(parts: list[str | None]) -> str | tuple[str, ...] | None:
    """The names that an HD (namespace, universal id, its type) gives, without repeats."""
    namespace, universal, kind = [*parts, None, None, None][:3]
    names = [namespace] if namespace else []
    if universal:
        names.append(universal)
        if uri := universal_uri(universal, kind):
            names.append(uri)
    names = list(dict.fromkeys(names))
    if not names:
        return None
    return names[0] if len(names) == 1 else tuple(names)


_OID: Final = re.compile(r"[0-2](\.(0|[1-9]\d*)){2,}")
_UUID: Final = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_URI: Final = re.compile(r"(?i)(urn:[a-z0-9][a-z0-9-]+:|https?://)\S+")


def universal_uri(universal: str, kind: str | None) -> str | None:
    """The URI of a universal id, where it is one or has the form that its type promises."""
    if _URI.fullmatch(universal):
        return universal
    kind = (kind or "").upper()
    if kind in ("ISO", "") and _OID.fullmatch(universal):
        return f"urn:oid:{universal}"
    if kind in ("UUID", "GUID", "") and _UUID.fullmatch(universal):
        return f"urn:uuid:{universal.lower()}"
    return None


@reader("text")
def _text(c: Components) -> str | None:
    """A value as text: its first component (HL7 v2.5.1 §2.10.1)."""
    return c.text(1)


@reader("time")
def _time(c: Components) -> str | None:
    """TS: the time; its degree of precision (TS.2, withdrawn) is identified by the digits."""
    text = c.text(1)
    c.pass_over(2)
    return text


@reader("whole")
def _whole(c: Components) -> str | None:
    """All of it, separators as written."""
    c.taken.update(c.populated())
    return c.raw or None
