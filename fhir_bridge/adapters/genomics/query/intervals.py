"""Stretches of reference sequences: `NC_000007.14:55174721-55174820`, from 0, counted between bases."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from fhir_bridge.adapters.genomics.assembly import BUILDS, chromosome

__all__ = [
    "Interval",
    "QueryError",
    "around",
    "build_of",
    "length_of",
    "merged",
    "overlapping",
    "read_bed",
    "read_range",
    "uncovered",
]


class QueryError(ValueError):
    """What was asked for can't be read; the message says what is wrong with it."""


_RANGE = re.compile(r"([A-Z]{2}_?\d{6}\.\d+):(\d{1,9})-(\d{1,9})")
MITOCHONDRION = "NC_012920.1"
_PLACES = {
    accession: (build.name, name)
    for build in BUILDS.values()
    for name, accession in build.accessions.items()
    if accession != MITOCHONDRION
}


class Interval(NamedTuple):
    """Bases `start` to `end` of a sequence, counted from 0 between bases; an empty one is a place between two bases."""

    accession: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"{self.accession}:{self.start}-{self.end}"

    def overlaps(self, other: Interval) -> bool:
        """Whether both have a base in common; a place between bases is in what holds it or ends at it."""
        if self.accession != other.accession:
            return False
        if self.start == self.end or other.start == other.end:
            return self.start <= other.end and other.start <= self.end
        return self.start < other.end and other.start < self.end

    def within(self, other: Interval) -> bool:
        """Whether the other one holds all of it."""
        return self.accession == other.accession and other.start <= self.start and self.end <= other.end


def build_of(accession: str) -> tuple[str | None, str | None]:
    """The genome build and chromosome of an accession. The mitochondrion is one sequence in GRCh37 and GRCh38."""
    if accession == MITOCHONDRION:
        return None, "MT"
    return _PLACES.get(accession, (None, None))


def length_of(accession: str) -> int | None:
    """How many bases the sequence of an accession has; None of one that is no chromosome of a known build."""
    build, name = build_of(accession)
    return None if name is None else BUILDS[build or "GRCh38"].lengths[name]


def read_range(text: str) -> Interval:
    """A range as operations take it.

    Raises:
        QueryError: it has another form, names no chromosome of a known build, or ends before it begins.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise QueryError(f"{text[:60]} is no range: RefSeq:start-end, as NC_000007.14:55174721-55174820")
    accession, start, end = match[1], int(match[2]), int(match[3])
    length = length_of(accession)
    if length is None:
        raise QueryError(f"{accession} is no chromosome of {', '.join(BUILDS)}")
    if end < start:
        raise QueryError(f"{text[:60]}: the range ends before it begins")
    if start > length:
        raise QueryError(f"{text[:60]}: {accession} has {length} bases")
    return Interval(accession, start, end)


def read_bed(content: bytes, build: str, name: str | None = None) -> list[Interval]:
    """The regions of a BED (v1.0) on chromosomes of a build, or those of a name (the fourth column).

    Lines that say nothing of one are passed over.
    """
    accessions = BUILDS[build].accessions if build in BUILDS else {}
    results = []
    for line in content.decode("utf-8", "replace").splitlines():
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) < 3 or not (fields[1].isdecimal() and fields[2].isdecimal()):
            continue
        if name is not None and fields[3:4] != [name]:
            continue
        accession = accessions.get(chromosome(fields[0]) or "", fields[0])
        results.append(Interval(accession, int(fields[1]), int(fields[2])))
    return merged(results)


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same bases as intervals that are apart, in order."""
    results: list[Interval] = []
    for interval in sorted(intervals):
        last = results[-1] if results else None
        if last is not None and last.accession == interval.accession and interval.start <= last.end:
            results[-1] = Interval(last.accession, last.start, max(last.end, interval.end))
        else:
            results.append(interval)
    return results


def around(intervals: Sequence[Interval], wanted: Interval) -> Sequence[Interval]:
    """Those of intervals in order and apart (`merged`) that may have something of another one: of an exome's, a few."""
    first = bisect_right(intervals, Interval(wanted.accession, wanted.start, -1))
    return intervals[max(0, first - 1) : bisect_right(intervals, (wanted.accession, wanted.end + 1))]


def overlapping(intervals: Iterable[Interval], wanted: Iterable[Interval]) -> list[Interval]:
    """What of some intervals lies in what is wanted."""
    targets = list(wanted)
    return merged(
        Interval(each.accession, max(each.start, target.start), min(each.end, target.end))
        for each in intervals
        for target in targets
        if each.overlaps(target)
    )


def uncovered(wanted: Interval, intervals: Iterable[Interval]) -> Iterator[Interval]:
    """What of an interval none of the others holds."""
    place = wanted.start
    for each in merged(intervals):
        if each.accession != wanted.accession or each.end <= place:
            continue
        if each.start >= wanted.end:
            break
        if each.start > place:
            yield Interval(wanted.accession, place, each.start)
        place = each.end
    if place < wanted.end:
        yield Interval(wanted.accession, place, wanted.end)
