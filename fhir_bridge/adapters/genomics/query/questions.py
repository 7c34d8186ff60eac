"""What was asked, in every build that it can be asked in: ranges and variants, lifted by chain files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from fhir_bridge.adapters.genomics.assembly import BUILDS
from fhir_bridge.adapters.genomics.query.changes import (
    Bases,
    Change,
    Sequences,
    placed,
    read_variant,
    same,
)
from fhir_bridge.adapters.genomics.query.intervals import Interval, build_of, read_range
from fhir_bridge.adapters.genomics.query.lifting import Lifting
from fhir_bridge.adapters.genomics.query.observed import ObservedVariant
from fhir_bridge.adapters.genomics.query.transcripts import Transcripts, coding

__all__ = ["Questions", "RangeQuestion", "VariantQuestion", "reach"]


_MARGIN = 1_000
"""Bases around a range where lines of kept files are looked at."""
_MOVED = 300
"""Bases over which a deletion or insertion may be moved where no reference sequence says how far."""
_LONG = 50
"""Bases from which on a variant is called structural (as of dbVar)."""


@dataclass(frozen=True, slots=True)
class RangeQuestion:
    """A range, as it was written, and where it is in each build; the first one is the one that was asked for.

    `questions`: what it was read with.
    """

    text: str
    intervals: tuple[Interval, ...]
    questions: Questions

    @property
    def places(self) -> tuple[Interval, ...]:
        """Where a file may write what lies in it: a deletion or insertion can be written before it, or behind."""
        return tuple(
            Interval(each.accession, max(0, each.start - _MARGIN), each.end + _MARGIN)
            for each in self.intervals
        )

    def touches(self, variant: ObservedVariant) -> bool:
        """Whether a variant changes a base of it, in whichever build, wherever that can be written; or joins it to
        another place."""
        if (mate := variant.mate) is not None and any(mate.overlaps(each) for each in self.intervals):
            return True
        accession, bases, interval = variant.accession, variant.bases, variant.interval
        if bases is not None and interval is not None:
            _, start, end = interval
            for name, first, last in self.intervals:
                # Where it is written it is, whatever the other places are.
                if first <= start and end <= last > first and name == accession:
                    return True
        wanted = [each for each in self.intervals if each.accession == accession]
        if accession is None or not wanted:
            return False
        if bases is not None and len(bases[0]) == 1 == len(bases[1]):
            return False  # a substitution is nowhere else
        extent = variant.extent(self.questions.sequences(accession))
        return extent is not None and any(extent.touches(each) for each in wanted)

    def reached(self, variant: ObservedVariant) -> bool:
        """Whether a variant that does not say where it ends begins in it or before it."""
        start = variant.outer if variant.endless and variant.present else None
        return start is not None and any(
            each.accession == start.accession and start.start < each.end for each in self.intervals
        )

    def inside(self, interval: Interval | None) -> bool:
        """Whether something holds all of it."""
        return interval is not None and any(each.within(interval) for each in self.intervals)


@dataclass(frozen=True)
class VariantQuestion:
    """A variant, as it was written, and the change that it is in each build.

    Attributes:
        changes: empty for a c. or n. name of a transcript that is not known here: it is compared as a name alone.
        questions: what it was read with.
    """

    text: str
    changes: tuple[Change, ...]
    questions: Questions

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The bases that it changes, in each build."""
        return tuple(change.interval for change in self.changes)

    @cached_property
    def _reaches(self) -> dict[str, tuple[Interval, bool]]:
        """By sequence where the ways to write it lie, and whether all of them are known."""
        return {
            change.accession: reach(change, self.questions.sequences(change.accession))
            for change in self.changes
        }

    @property
    def kind(self) -> Literal["small", "structural"]:
        """What a test has to look for to find it: programs for small variants do not find long ones."""
        longest = max((max(each.length, len(each.inserted or "")) for each in self.changes), default=0)
        return "structural" if longest >= _LONG else "small"

    @property
    def places(self) -> tuple[Interval, ...]:
        """Where the ways to write it lie, in each build."""
        return tuple(place for place, _ in self._reaches.values())

    @property
    def unsettled(self) -> tuple[Change, ...]:
        """What may be written in more ways than are known here: of a deletion or insertion the reference shows them."""
        return tuple(change for change in self.changes if not self._reaches[change.accession][1])

    @property
    def provable(self) -> bool:
        """Whether all ways to write it are known."""
        return bool(self.changes) and not self.unsettled

    @property
    def surroundings(self) -> tuple[Interval, ...]:
        """Where a file may write it in ways that only a reference sequence shows."""
        return tuple(
            Interval(each.accession, max(0, each.start - _MOVED), each.end + _MOVED)
            for each in (change.interval for change in self.unsettled)
        )

    def may_be(self, variant: ObservedVariant) -> bool:
        """Whether an Observation may state it in a way that only a reference sequence shows."""
        return any(
            each.accession == stated.accession
            and -_MOVED <= each.start - stated.start <= _MOVED
            and each.may_be_moved_to(stated)
            for each in self.unsettled
            for stated in variant.spellings
        )

    def is_in(self, variant: ObservedVariant) -> bool:
        """Whether an Observation states it."""
        if self.text in variant.names:
            return True
        return any(
            change.accession == stated.accession
            and _near(self._reaches[change.accession][0], stated.stretch)
            and same(change, stated, self.questions.sequences(change.accession))
            for change in self.changes
            for stated in variant.spellings
        )


def reach(change: Change, sequences: Sequences | None) -> tuple[Interval, bool]:
    """Where the ways to write a change lie, with the bases that it says around it; and whether they are all known."""
    known = placed(change, Bases(change.accession, sequences, (change,)))
    stretch = change.stretch
    low, high = min(known.first, stretch.start), max(known.last + known.length, stretch.end)
    return Interval(change.accession, low, high), known.settled


def _near(one: Interval, other: Interval) -> bool:
    """Whether nothing lies between them, so that they may be ways to write one change."""
    return one.start <= other.end + 1 and other.start <= one.end + 1


@dataclass(frozen=True, slots=True)
class Questions:
    """What a site has for reading queries.

    Attributes:
        lifting: chain files; without them a query is of its own build alone.
        transcripts: for c. and n. names.
        references: FASTA by build, to move deletions and insertions.
    """

    lifting: Lifting | None = None
    transcripts: Transcripts | None = None
    references: dict[str, Sequences] = field(default_factory=dict)

    def sequences(self, accession: str) -> Sequences | None:
        """The reference of a sequence."""
        build, name = build_of(accession)
        if name == "MT":
            return next(iter(self.references.values()), None)
        return None if build is None else self.references.get(build)

    def range(self, text: str) -> RangeQuestion:
        """A range in every build.

        Raises:
            QueryError: it can't be read.
        """
        interval = read_range(text)
        return RangeQuestion(text.strip(), (interval, *self._lifted(interval)), self)

    def _lifted(self, interval: Interval) -> list[Interval]:
        build, _ = build_of(interval.accession)
        if self.lifting is None or build is None:
            return []
        lifted = (self.lifting.interval(interval, other) for other in BUILDS if other != build)
        return [each for each in lifted if each is not None]

    def variant(self, text: str) -> VariantQuestion:
        """A variant in every build.

        Raises:
            QueryError: it can't be read.
        """
        if coding(text):
            changes = [] if self.transcripts is None else self.transcripts.genomic(text)
        else:
            changes = [read_variant(text)]
        every: dict[str, Change] = {change.accession: change for change in changes}
        for change in changes:
            build, _ = build_of(change.accession)
            if self.lifting is not None and build is not None:
                for other in BUILDS:
                    lifted = self.lifting.change(change, other) if other != build else None
                    if lifted is not None:
                        every.setdefault(lifted.accession, lifted)
        return VariantQuestion(text.strip(), tuple(every.values()), self)

    def lifted(self, accessions: Sequence[str]) -> bool:
        """Whether sequences of other builds can be compared at all."""
        return self.lifting is not None or all(build_of(name)[0] is None for name in accessions)
