"""What was asked, in every build that it can be asked in: ranges and variants, lifted by chain files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from fhir_bridge.adapters.genomics.assembly import BUILDS
from fhir_bridge.adapters.genomics.query.changes import (
    Change,
    Sequences,
    equivalents,
    read_variant,
    same,
)
from fhir_bridge.adapters.genomics.query.intervals import Interval, build_of, read_range
from fhir_bridge.adapters.genomics.query.lifting import Lifting
from fhir_bridge.adapters.genomics.query.observed import ObservedVariant
from fhir_bridge.adapters.genomics.query.transcripts import Transcripts, coding

__all__ = ["Questions", "RangeQuestion", "VariantQuestion"]


@dataclass(frozen=True, slots=True)
class RangeQuestion:
    """A range, as it was written, and where it is in each build; the first one is the one that was asked for."""

    text: str
    intervals: tuple[Interval, ...]

    def overlaps(self, interval: Interval | None) -> bool:
        """Whether something lies in it, in whichever build."""
        return interval is not None and any(each.overlaps(interval) for each in self.intervals)

    def inside(self, interval: Interval | None) -> bool:
        """Whether something holds all of it."""
        return interval is not None and any(each.within(interval) for each in self.intervals)


@dataclass(frozen=True, slots=True)
class VariantQuestion:
    """A variant, as it was written, and the change that it is in each build.

    Attributes:
        changes: empty for a c. or n. name of a transcript that is not known here: it is compared as a name alone.
        provable: whether all ways to write it are known; a deletion or insertion needs the reference for that.
    """

    text: str
    changes: tuple[Change, ...]
    forms: dict[str, frozenset[tuple[int, int, str | None, str | None]]] = field(default_factory=dict)
    provable: bool = True

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The bases that it changes, in each build."""
        return tuple(change.interval for change in self.changes)

    def is_in(self, variant: ObservedVariant, sequences: Sequences | None = None) -> bool:
        """Whether an Observation states it."""
        if self.text in variant.names:
            return True
        return any(
            change.accession in self.forms
            and same(self.forms[change.accession], equivalents(change, sequences))
            for change in variant.spellings
        )


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
        return RangeQuestion(text.strip(), (interval, *self._lifted(interval)))

    def _lifted(self, interval: Interval) -> list[Interval]:
        build, _ = build_of(interval.accession)
        if self.lifting is None or build is None:
            return []
        found = (self.lifting.interval(interval, other) for other in BUILDS if other != build)
        return [each for each in found if each is not None]

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
        forms = {name: equivalents(change, self.sequences(name)) for name, change in every.items()}
        movable = any(not (change.deleted and change.inserted) for change in every.values())
        provable = not movable or all(self.sequences(name) is not None for name in every)
        return VariantQuestion(text.strip(), tuple(every.values()), forms, provable and bool(every))

    def lifted(self, accessions: Sequence[str]) -> bool:
        """Whether sequences of other builds can be compared at all."""
        return self.lifting is not None or all(build_of(name)[0] is None for name in accessions)
