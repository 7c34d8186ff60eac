"""From one genome build to another, by UCSC chain files (genome.ucsc.edu/goldenPath/help/chain.html)."""

from __future__ import annotations

import gzip
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fhir_bridge.adapters.genomics.assembly import BUILDS, chromosome
from fhir_bridge.adapters.genomics.query.changes import Change
from fhir_bridge.adapters.genomics.query.intervals import Interval, QueryError, build_of

__all__ = ["Lifting", "read_chains"]

_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
_FARTHEST = 100_000
"""Bases that are missing within a range in the other build, at most, for it to be lifted as one."""


@dataclass(frozen=True, slots=True, order=True)
class _Block:
    """Bases `start` to `end` are those from `other` on of another sequence; counted back on its other strand."""

    start: int
    end: int
    sequence: str
    other: int
    forward: bool


@dataclass(slots=True)
class Lifting:
    """What chain files say, in both directions."""

    _blocks: dict[str, list[_Block]] = field(default_factory=dict)
    _starts: dict[str, list[int]] = field(default_factory=dict)

    def add(self, accession: str, blocks: Iterable[_Block]) -> None:
        """Note blocks of a sequence."""
        self._blocks.setdefault(accession, []).extend(blocks)

    def sort(self) -> None:
        """Make them ready to be looked up."""
        for accession, blocks in self._blocks.items():
            blocks.sort()
            self._starts[accession] = [block.start for block in blocks]

    def _block(self, accession: str, place: int, build: str) -> _Block | None:
        blocks = self._blocks.get(accession, [])
        number = bisect_right(self._starts.get(accession, []), place)
        # Chains of two target builds lie over each other: look back over a few.
        for block in reversed(blocks[max(0, number - 8) : number]):
            if block.start <= place < block.end and build_of(block.sequence)[0] == build:
                return block
        return None

    def _base(self, accession: str, place: int, build: str) -> tuple[str, int, bool] | None:
        block = self._block(accession, place, build)
        if block is None:
            return None
        offset = place - block.start
        other = block.other + offset if block.forward else block.other - offset
        return block.sequence, other, block.forward

    def interval(self, interval: Interval, build: str) -> Interval | None:
        """An interval in another build; None where its ends are not both there, in order, about as far apart."""
        if build_of(interval.accession)[1] == "MT":
            return interval
        last = max(interval.start, interval.end - 1)
        ends = [self._base(interval.accession, place, build) for place in (interval.start, last)]
        if ends[0] is None or ends[1] is None or ends[0][0] != ends[1][0] or ends[0][2] != ends[1][2]:
            return None
        low, high = sorted((ends[0][1], ends[1][1]))
        if abs((high - low) - (last - interval.start)) > _FARTHEST:
            return None
        if interval.start == interval.end:
            # Between two bases: before the one after it, on either strand.
            place = low if ends[0][2] else low + 1
            return Interval(ends[0][0], place, place)
        return Interval(ends[0][0], low, high + 1)

    def change(self, change: Change, build: str) -> Change | None:
        """A change in another build; None where it does not lie in one piece there."""
        if build_of(change.accession)[1] == "MT":
            return change
        low, text = change.context
        first = min(low, change.start) if text else change.start
        last = max(low + len(text), change.start + change.length, first + 1)
        ends = [self._base(change.accession, place, build) for place in (first, last - 1)]
        if ends[0] is None or ends[1] is None or ends[0][2] != ends[1][2]:
            return None
        if abs(ends[1][1] - ends[0][1]) != last - 1 - first:
            return None
        sequence, place, forward = ends[0]
        if forward:
            shift = place - first
            return Change(
                sequence,
                change.start + shift,
                change.length,
                change.deleted,
                change.inserted,
                change.kind,
                (low + shift, text) if text else (0, ""),
            )
        # Base b of this build is base `place - (b - first)` of the other.
        mirrored = place + first + 1
        start = mirrored - (change.start + change.length)
        turned = (mirrored - (low + len(text)), _turned(text) or "") if text else (0, "")
        deleted, inserted = _turned(change.deleted), _turned(change.inserted)
        return Change(sequence, start, change.length, deleted, inserted, change.kind, turned)


def _turned(bases: str | None) -> str | None:
    return None if bases is None else bases.translate(_COMPLEMENT)[::-1]


def read_chains(paths: Iterable[Path]) -> Lifting:
    """The chain files of a site. Of chromosomes alone; which build each side is, its lengths say.

    Raises:
        QueryError: a file can't be read, or is no chain file between known builds.
    """
    result = Lifting()
    for path in paths:
        known = 0
        try:
            with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
                for source, blocks in _chains(file):
                    known += 1
                    result.add(source, blocks)
                    for block in blocks:
                        result.add(block.sequence, [_inverse(source, block)])
        except (OSError, ValueError, IndexError, EOFError) as error:
            raise QueryError(f"{path.name} can't be read as a chain file: {error}") from error
        if not known:
            raise QueryError(f"{path.name} has no chain between chromosomes of {', '.join(BUILDS)}")
    result.sort()
    return result


def _inverse(source: str, block: _Block) -> _Block:
    length = block.end - block.start
    if block.forward:
        return _Block(block.other, block.other + length, source, block.start, forward=True)
    return _Block(block.other - length + 1, block.other + 1, source, block.end - 1, forward=False)


def _accession(name: str, length: int) -> str | None:
    found = chromosome(name)
    if found is None or found == "MT":
        return None
    return next(
        (build.accessions[found] for build in BUILDS.values() if build.lengths[found] == length), None
    )


def _chains(lines: Iterable[str]) -> Iterator[tuple[str, list[_Block]]]:
    """Blocks by their sequence. A chain has a head, then `size gap gap` for each block, and ends with an empty line."""
    source: str | None = None
    blocks: list[_Block] = []
    target, place, other, size, forward = "", 0, 0, 0, True
    for line in lines:
        fields = line.split()
        if fields and fields[0] == "chain":
            source = _accession(fields[2], int(fields[3]))
            named = _accession(fields[7], int(fields[8]))
            target, size, forward = named or "", int(fields[8]), fields[9] == "+"
            place, other = int(fields[5]), int(fields[10])
            if fields[4] != "+" or named is None:
                source = None
            blocks = []
        elif fields and source is not None and not line.startswith("#"):
            length = int(fields[0])
            first = other if forward else size - 1 - other
            blocks.append(_Block(place, place + length, target, first, forward))
            if len(fields) == 3:
                place, other = place + length + int(fields[1]), other + length + int(fields[2])
            else:
                yield source, blocks
                source = None
