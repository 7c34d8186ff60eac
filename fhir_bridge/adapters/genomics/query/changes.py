"""A change of a sequence: read from SPDI and g. HGVS, and compared with others that are written in another way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from fhir_bridge.adapters.genomics.query.intervals import Interval, QueryError, length_of

__all__ = ["Bases", "Change", "Placed", "QueryError", "Sequences", "placed", "read_variant", "same"]

_SPDI = re.compile(r"([A-Z]{2}_?\d{6}\.\d+):(\d{1,9}):([ACGTN]*|\d{1,6}):([ACGTN]*)", re.IGNORECASE)
_GENOMIC = re.compile(r"([A-Z]{2}_?\d{6}\.\d+):[gm]\.(\d{1,9})(?:_(\d{1,9}))?(.+)")
_KINDS = re.compile(
    r"(?P<old>[ACGTN]+)>(?P<new>[ACGTN]+)|delins(?P<replaced>[ACGTN]+)|del(?P<deleted>[ACGTN]*)"
    r"(?:ins(?P<instead>[ACGTN]+))?|dup(?P<copied>[ACGTN]*)|ins(?P<inserted>[ACGTN]+)|(?P<inverted>inv)"
)
_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
_FARTHEST = 100_000
"""Bases over which a change is moved, and that are read of a reference sequence for one that does not say them."""
_PIECE = 1_024
"""Bases of a reference sequence that are read at once."""


class Sequences(Protocol):
    """Where bases of reference sequences come from (`reference.Reference`)."""

    def fetch(self, contig: str, first: int, last: int) -> str | None:
        """The bases from `first` to `last`, counted from 1; None of an unknown sequence."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """Bases `start` to `start + length` (from 0, between bases) become `inserted`.

    Attributes:
        deleted: the bases that were there; None where that is not said.
        inserted: None for a duplication or inversion whose bases are not said.
        kind: `dup` or `inv` where that was said; else empty.
        context: bases that are known to be there, from a place: what the source wrote before it was trimmed.
    """

    accession: str
    start: int
    length: int
    deleted: str | None
    inserted: str | None
    kind: str = ""
    context: tuple[int, str] = (0, "")

    @property
    def interval(self) -> Interval:
        """What it changes."""
        return Interval(self.accession, self.start, self.start + self.length)

    @property
    def stretch(self) -> Interval:
        """What it changes, with the bases around that it says."""
        low, text = self.context
        end = self.start + self.length
        if not text:
            return Interval(self.accession, self.start, end)
        return Interval(self.accession, min(low, self.start), max(low + len(text), end))

    @property
    def _unit(self) -> tuple[bool, int, str | None] | None:
        """Of what can be moved whether it is a deletion, of how many bases, and of which, where they are said."""
        if self.length and self.inserted == "":
            return True, self.length, self.deleted
        if self.length or self.kind == "inv":
            return None
        if self.inserted is None:
            return False, len(self.context[1]), None
        return False, len(self.inserted), self.inserted

    def may_be_moved_to(self, other: Change) -> bool:
        """Whether the other one may be the same, as far as the bases that both say show: moved, they are rotated."""
        own, its = self._unit, other._unit
        if own is None or its is None or own[:2] != its[:2]:
            return False
        left, right = own[2], its[2]
        return left is None or right is None or "N" in left + right or right in left + left

    @classmethod
    def of(cls, accession: str, start: int, deleted: str, inserted: str) -> Change:
        """One of given bases, without those that stay at both ends."""
        old, new, place = deleted.upper(), inserted.upper(), start
        context = (start, old)
        while old and new and old[-1] == new[-1]:
            old, new = old[:-1], new[:-1]
        while old and new and old[0] == new[0]:
            old, new, place = old[1:], new[1:], place + 1
        return cls(accession, place, len(old), old, new, context=context)


def read_variant(text: str) -> Change:
    """A variant in SPDI or g. (m.) HGVS.

    Raises:
        QueryError: it has another form, or names no chromosome of a known build.
    """
    plain = text.strip()
    match = _SPDI.fullmatch(plain)
    if match is not None:
        start, deleted = int(match[2]), match[3]
        _check(match[1], start + (int(deleted) if deleted.isdecimal() else len(deleted)), plain)
        return _spdi(match[1], start, deleted, match[4])
    match = _GENOMIC.fullmatch(plain)
    if match is None:
        raise QueryError(f"{plain[:60]} is neither SPDI nor HGVS of a chromosome")
    first, last = int(match[2]), int(match[3] or match[2])
    if first < 1 or last < first:
        raise QueryError(f"{plain[:60]}: the positions are in the wrong order")
    _check(match[1], last, plain)
    return _hgvs(match[1], first, last, match[4], plain)


def _check(accession: str, last: int, text: str) -> None:
    length = length_of(accession)
    if length is None:
        raise QueryError(f"{accession} is no chromosome of a known build")
    if last > length:
        raise QueryError(f"{text[:60]}: {accession} has {length} bases")


def _spdi(accession: str, start: int, deleted: str, inserted: str) -> Change:
    if deleted.isdecimal():
        return Change(accession, start, int(deleted), None, inserted.upper())
    return Change.of(accession, start, deleted, inserted)


def _hgvs(accession: str, first: int, last: int, change: str, text: str) -> Change:
    match = _KINDS.fullmatch(change)
    if match is None:
        raise QueryError(f"{text[:60]} is no HGVS that is understood here")
    start, length = first - 1, last - first + 1
    old = match["old"] or match["deleted"] or match["copied"] or None
    if old is not None and len(old) != length:
        raise QueryError(f"{text[:60]}: the bases are {len(old)}, the positions {length}")
    if match["new"]:
        return Change.of(accession, start, old or "", match["new"])
    if match["inserted"]:
        if length != 2:
            raise QueryError(f"{text[:60]}: an insertion is between two neighbouring bases")
        return Change(accession, first, 0, "", match["inserted"])
    if match["inverted"]:
        return Change(accession, start, length, None, None, "inv")
    if change.startswith("dup"):
        if old is not None:
            return Change(accession, last, 0, "", old, "dup", (start, old))
        return Change(accession, last, 0, "", None, "dup", (start, "N" * length))
    inserted = match["replaced"] or match["instead"] or ""
    return (
        Change.of(accession, start, old, inserted)
        if old
        else Change(accession, start, length, None, inserted)
    )


class Bases:
    """What is known of the bases of a sequence: what changes say of those around them, else the reference."""

    def __init__(self, accession: str, sequences: Sequences | None, changes: Iterable[Change]) -> None:
        self._accession = accession
        self._sequences = sequences
        self._contexts = [change.context for change in changes if change.context[1]]
        self._pieces: dict[int, str] = {}

    def at(self, place: int) -> str:
        """The base at a place, from 0; empty where it is not known."""
        for low, text in self._contexts:
            if low <= place < low + len(text) and (base := text[place - low]) != "N":
                return base
        if self._sequences is None or place < 0:
            return ""
        number, offset = divmod(place, _PIECE)
        piece = self._pieces.get(number)
        if piece is None:
            first = number * _PIECE
            piece = self._sequences.fetch(self._accession, first + 1, first + _PIECE) or ""
            self._pieces[number] = piece
        base = piece[offset : offset + 1]
        return "" if base == "N" else base

    def text(self, start: int, length: int) -> str | None:
        """The bases of a stretch; None where one is not known."""
        if length > _FARTHEST:
            return None
        bases = [self.at(place) for place in range(start, start + length)]
        return "".join(bases) if all(bases) else None

    def resolve(self, change: Change) -> Change:
        """A change with the bases that it does not say; as it is where they are not known."""
        if change.kind == "dup" and change.inserted is None:
            start, span = change.context
            copied = self.text(start, len(span))
            if copied is None:
                return change
            return Change(change.accession, change.start, 0, "", copied, "dup", (start, copied))
        if change.deleted is not None and change.inserted is not None:
            return change
        old = self.text(change.start, change.length)
        if old is None:
            return change
        new = old.translate(_COMPLEMENT)[::-1] if change.kind == "inv" else change.inserted
        return change if new is None else Change.of(change.accession, change.start, old, new)


class Placed(NamedTuple):
    """A change at the first place where it can be written; what is one change is one of these.

    Attributes:
        first: that place; last: the last one.
        length: of what it changes.
        deleted, inserted: at the first place, as of `Change`.
        unread: what it is where the bases that it puts in are not known.
        settled: whether the bases that end its moving are known: all ways to write it are.
    """

    first: int
    last: int
    length: int
    deleted: str | None
    inserted: str | None
    unread: tuple[str, int] | None
    settled: bool

    def touches(self, wanted: Interval) -> bool:
        """Whether it changes a base of a range (of its sequence), at one of its places.

        An insertion also at the ends of a range. An empty range is a place between two bases, which is changed by what
        changes both, or puts bases there.
        """
        if not self.length:
            return self.first <= wanted.end and wanted.start <= self.last
        if wanted.start < wanted.end:
            return self.first < wanted.end and wanted.start < self.last + self.length
        return max(self.first, wanted.start - self.length + 1) <= min(self.last, wanted.start - 1)


def placed(change: Change, bases: Bases) -> Placed:
    """A change at its places. A deletion or insertion can be moved while the base that it moves over is the one that
    it begins or ends with."""
    known = bases.resolve(change)
    start, length = known.start, known.length
    old, new = known.deleted, known.inserted
    if old is None or new is None:
        unread = (known.kind, known.context[0]) if new is None else None
        return Placed(start, start, length, old, new, unread, settled=False)
    unit = old or new
    if not unit or (old and new):
        return Placed(start, start, length, old, new, None, settled=True)
    size = len(unit)
    left = right = 0
    while left < _FARTHEST and bases.at(start - 1 - left) == unit[-1 - left % size]:
        left += 1
    while right < _FARTHEST and bases.at(start + length + right) == unit[right % size]:
        right += 1
    settled = (left == start or bool(bases.at(start - 1 - left))) and bool(bases.at(start + length + right))
    turn = size - left % size
    first = unit[turn:] + unit[:turn]
    return Placed(
        start - left, start + right, length, first if old else "", "" if old else first, None, settled=settled
    )


def same(one: Change, other: Change, sequences: Sequences | None = None) -> bool:
    """Whether two changes are one by the bases that both say around them and the reference; bases that are not said
    fit any."""
    if one.accession != other.accession:
        return False
    bases = Bases(one.accession, sequences, (one, other))
    left, right = placed(one, bases), placed(other, bases)
    if left[:6] == right[:6]:
        return True
    return any(
        some.deleted is None
        and some.inserted is not None
        and (some.length, some.inserted) == (that.length, that.inserted)
        and that.first <= some.first <= that.last
        for some, that in ((left, right), (right, left))
    )
