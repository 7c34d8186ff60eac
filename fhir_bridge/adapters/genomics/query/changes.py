"""A change of a sequence: read from SPDI and g. HGVS, and compared with others that are written in another way."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from fhir_bridge.adapters.genomics.query.intervals import Interval, QueryError, build_of

__all__ = ["Change", "QueryError", "Sequences", "equivalents", "read_variant", "same"]

_SPDI = re.compile(r"([A-Z]{2}_?\d{6}\.\d+):(\d{1,9}):([ACGTN]*|\d{1,6}):([ACGTN]*)", re.IGNORECASE)
_GENOMIC = re.compile(r"([A-Z]{2}_?\d{6}\.\d+):[gm]\.(\d{1,9})(?:_(\d{1,9}))?(.+)")
_KINDS = re.compile(
    r"(?P<old>[ACGTN]+)>(?P<new>[ACGTN]+)|delins(?P<replaced>[ACGTN]+)|del(?P<deleted>[ACGTN]*)"
    r"(?:ins(?P<instead>[ACGTN]+))?|dup(?P<copied>[ACGTN]*)|ins(?P<inserted>[ACGTN]+)|(?P<inverted>inv)"
)
_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
_FARTHEST = 2_000
"""Bases over which a change is moved in a reference sequence."""


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
        _known(match[1])
        return _spdi(match[1], int(match[2]), match[3], match[4])
    match = _GENOMIC.fullmatch(plain)
    if match is None:
        raise QueryError(f"{plain[:60]} is neither SPDI nor HGVS of a chromosome")
    _known(match[1])
    first, last = int(match[2]), int(match[3] or match[2])
    if first < 1 or last < first:
        raise QueryError(f"{plain[:60]}: the positions are in the wrong order")
    return _hgvs(match[1], first, last, match[4], plain)


def _known(accession: str) -> None:
    if build_of(accession)[1] is None:
        raise QueryError(f"{accession} is no chromosome of a known build")


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


Form = tuple[int, int, str | None, str | None]


def resolved(change: Change, fetch: Callable[[int, int], str | None]) -> Change:
    """With the bases of the reference where it does not say them; as it is where the reference has none."""
    if change.kind == "dup" and change.inserted is None:
        start, span = change.context
        copied = fetch(start + 1, start + len(span))
        if copied is None or len(copied) != len(span):
            return change
        return Change(change.accession, change.start, 0, "", copied, "dup", (start, copied))
    if change.deleted is not None and change.inserted is not None:
        return change
    old = fetch(change.start + 1, change.start + change.length) if change.length else ""
    if old is None or len(old) != change.length:
        return change
    new = old.translate(_COMPLEMENT)[::-1] if change.kind == "inv" else change.inserted
    return change if new is None else Change.of(change.accession, change.start, old, new)


def equivalents(change: Change, sequences: Sequences | None = None) -> frozenset[Form]:
    """All ways to write a change over the bases that are known around it: its own, and those of a reference sequence.

    A deletion or insertion can be moved while the base it moves over is the one that it begins or ends with.
    """

    def fetch(first: int, last: int) -> str | None:
        return None if sequences is None else sequences.fetch(change.accession, max(first, 1), last)

    known = resolved(change, fetch)
    if known.deleted is None or known.inserted is None:
        return frozenset({(known.start, known.length, known.deleted, known.inserted)})
    forms = {(known.start, known.length, known.deleted, known.inserted)}
    bases = known.deleted or known.inserted
    if not bases or (known.deleted and known.inserted):
        return frozenset(forms)
    low, text = known.context
    if sequences is not None:
        low = max(0, known.start - _FARTHEST)
        text = fetch(low + 1, known.start + known.length + _FARTHEST) or ""
    length = known.length

    def base(place: int) -> str:
        return text[place - low] if low <= place < low + len(text) else ""

    start, unit = known.start, bases
    while (before := base(start - 1)) and before != "N" and before == unit[-1]:
        start, unit = start - 1, unit[-1] + unit[:-1]
        forms.add((start, length, unit if known.deleted else "", "" if known.deleted else unit))
    start, unit = known.start, bases
    while (after := base(start + length)) and after != "N" and after == unit[0]:
        start, unit = start + 1, unit[1:] + unit[0]
        forms.add((start, length, unit if known.deleted else "", "" if known.deleted else unit))
    return frozenset(forms)


def same(wanted: frozenset[Form], stored: frozenset[Form]) -> bool:
    """Whether two changes of one sequence have a way to be written in common; bases that are not said fit any."""
    if wanted & stored:
        return True
    return any(
        (start, length, inserted) == (other[0], other[1], other[3])
        for some, others in ((wanted, stored), (stored, wanted))
        for start, length, deleted, inserted in some
        if deleted is None and inserted is not None
        for other in others
    )
