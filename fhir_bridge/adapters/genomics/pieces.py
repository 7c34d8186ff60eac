"""A plain or bgzip file in pieces that are read side by side, and together say what one reader of it says.

The file is looked through once for what must be known before its first line is read (its identity, the samples'
sexes), and for borders: places where the position changes, so that all lines of one position are in one piece. What a
piece must know of lines before it, it gets by these lines: the last of each phase set, breakends, a gVCF's first block,
lines with effects of several variants, and those of the last position.
"""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.genomics.annotation import JOINED
from fhir_bridge.adapters.genomics.bcf import is_bcf
from fhir_bridge.adapters.genomics.block_lengths import has_block_lengths
from fhir_bridge.adapters.genomics.delivery import begin_digest, update_digest
from fhir_bridge.adapters.genomics.header import Header, HeaderError
from fhir_bridge.adapters.genomics.options import OptionError, Options
from fhir_bridge.adapters.genomics.reader import UnknownBuild, build_of, read_header
from fhir_bridge.adapters.genomics.runs import run_of
from fhir_bridge.adapters.genomics.sex import SexCounts
from fhir_bridge.adapters.genomics.stream import is_packed, lines, located_blocks

__all__ = ["pieces"]

SMALLEST = 2 << 20
"""Bytes of a bgzip file, as it is on the disk, from which it is divided: 90,000 lines of one sample. Each worker takes
two seconds of the processor before it begins."""

_UNPACKED = 6
"""A plain file is so many times larger for the same lines."""

_JOINED = re.compile(JOINED.pattern.encode())

_GROUPS = 8
"""Positions of a phase set that are kept: lines of the last one may be wrong and say nothing."""

_BLOCKS = (b"<NON_REF>", b"<*>", b"END=")
_NEEDED = (b"[", b"]", b":PS\t", b":PS:", b"BCSQ=", *_BLOCKS)
"""What lines have in them that later ones may need, the first block of a gVCF last."""

_LONGEST = 1 << 26
"""Bytes of a line; a file with a longer one is read whole."""

_MOST_BEFORE = 50_000
"""Lines that pieces may need of what is before them; a file that needs more is read whole."""


def pieces(path: Path, jobs: int, options: Options) -> list[dict[str, Any]]:
    """What each piece is read with, as JSON, in order; none where the file is to be read whole.

    The first is short, and `ahead` of the others: whoever reads it before has compiled what all of them need.

    It is, where it is short, a stream, BCF, or a gzip file without blocks; where it is not sorted or damaged, which
    whoever reads it whole reports; where all phased calls are related (`phasing=all`), and
    where each sample has blocks of its own (LEN).
    """
    try:
        if (
            str(path) == "-"
            or path.stat().st_size < SMALLEST * (1 if is_packed(path) else _UNPACKED)
            or options.check
            or options.phasing == "all"
            or options.pedigree
            or is_bcf(path)
        ):
            return []
        header = read_header(lines(path, options.max_line), options.fileformat)
        if has_block_lengths(header) and "LEN" in header.format:
            return []
        build = build_of(header, options)
        scan = _Scan(header, path.stat().st_size, jobs, SexCounts(header, build))
        scan.selective = bool(
            options.filtered == "leave-out"
            or options.regions
            or options.min_quality
            or options.min_genotype_quality
            or options.min_depth
        )
        if not all(scan.take(offset, block) for offset, block in located_blocks(path)):
            return []
    except (HeaderError, UnknownBuild, OptionError, OSError, ValueError, zlib.error):
        return []
    return scan.result(options)


@dataclass(frozen=True, slots=True)
class _Border:
    """Where a piece begins: a block and a byte in it, the lines before, and of them what the piece needs."""

    block: int
    byte: int
    number: int
    before: tuple[tuple[int, bytes], ...]


@dataclass(slots=True)
class _Scan:
    """A look through a file, block by block."""

    header: Header
    size: int
    jobs: int
    sexes: SexCounts
    selective: bool = False
    borders: list[_Border] = field(default_factory=list)
    _begun: list[bytes] = field(default_factory=list)
    """Of an unfinished line; joined once, as a line may have a thousand blocks."""
    _size: int = 0
    _number: int = 0
    _place: tuple[bytes, bytes] = (b"", b"")
    _position: int = 0
    _contigs: set[bytes] = field(default_factory=set)
    _here: list[tuple[int, bytes]] = field(default_factory=list)
    _sets: dict[tuple[int, bytes], deque[list[tuple[int, bytes]]]] = field(default_factory=dict)
    _ends: list[tuple[int, bytes]] = field(default_factory=list)
    _joined: list[tuple[int, bytes]] = field(default_factory=list)
    _block_line: tuple[int, bytes] | None = None
    _digest: Any = None

    def take(self, offset: int, block: bytes) -> bool:
        """Look at a block; False where the file can't be divided."""
        if self._digest is None:
            self._digest = begin_digest(self.header)
        borders = len(self.borders)
        # The first one is where the second block begins: what is before is read ahead of all others.
        seeks = borders < self.jobs and offset > 0 and offset >= self.size * borders // self.jobs
        if b"\n" not in block:
            self._begun.append(block)
            self._size += len(block)
            return self._size <= _LONGEST
        start = -self._size
        *whole, rest = b"".join((*self._begun, block)).split(b"\n")
        self._begun, self._size = [rest], len(rest)
        if not seeks and self._take_run(whole):
            return self._size <= _LONGEST
        for place, raw in enumerate(whole):
            self._number += 1
            length = len(raw) + 1
            line = raw[:-1] if raw.endswith(b"\r") else raw
            update_digest(self._digest, line)
            if line[:1] != b"#":
                columns = line.split(b"\t", 2)
                if len(columns) < 3 or not columns[1].isdigit():
                    return False
                at = columns[0], columns[1]
                if at != self._place:
                    if not self._moves(*at):
                        return False
                    # The first line of a block may have begun in the one before.
                    if seeks and place > 1 and self._here:
                        self.borders.append(_Border(offset, start, self._number - 1, self._before()))
                        seeks = False
                        if len(self.borders[-1].before) > _MOST_BEFORE:
                            return False
                    self._here = []
                self._note(line)
            elif self._number > self.header.lines:
                return False
            start += length
        # Which call of a phase set is the last one that is taken, settings decide: then it is read whole.
        return self._size <= _LONGEST and not (self.selective and self._sets)

    def _take_run(self, whole: Sequence[bytes]) -> bool:
        """Look at lines of which later ones need no more than what is known of a run; False where they are others."""
        run = run_of(whole)
        marks = _NEEDED if self._block_line is None else _NEEDED[: -len(_BLOCKS)]
        before = self._place
        if (
            run is None
            or any(mark in run.text for mark in marks)
            or not self._moves(run.chrom, run.written[0])
        ):
            return False
        self.sexes.add_run(run)
        self._digest.update(run.text)
        last = run.written[-1]
        first = len(whole)
        while first and run.written[first - 1] == last:
            first -= 1
        here = [(self._number + at + 1, whole[at]) for at in range(first, len(whole))]
        if first or (run.chrom, last) != before:
            self._here = here
        else:  # all of them at the position of those before
            self._here += here
        self._number += len(whole)
        self._place, self._position = (run.chrom, last), run.positions[-1]
        return True

    def _moves(self, chrom: bytes, position: bytes) -> bool:
        """Go on to another position; False where it is not after the one before."""
        number = int(position)
        if chrom != self._place[0]:
            if chrom in self._contigs:
                return False
            self._contigs.add(chrom)
        elif number < self._position:
            return False
        self._place, self._position = (chrom, position), number
        return True

    def _note(self, line: bytes) -> None:
        """Keep what later lines may need of a line."""
        self.sexes.add(line)
        entry = self._number, line
        self._here.append(entry)
        if b"PS" in line and (b":PS\t" in line or b":PS:" in line):
            columns = line.split(b"\t")
            keys = columns[8].split(b":") if len(columns) > 9 else []
            if b"PS" in keys:
                column = keys.index(b"PS")
                for place, sample in enumerate(columns[9:]):
                    values = sample.split(b":")
                    first, _, second = values[0].partition(b"|")
                    if column < len(values) and values[column] != b"." and second and first != second:
                        groups = self._sets.setdefault((place, values[column]), deque(maxlen=_GROUPS))
                        if not groups or groups[-1] is not self._here:
                            groups.append(self._here)
        if b"]" in line or b"[" in line:
            self._ends += self._here[-1:]
        if b"BCSQ=" in line and _JOINED.search(line):
            if self._joined and self._joined[0][1].partition(b"\t")[0] != self._place[0]:
                self._joined.clear()
            self._joined.append(entry)
        if self._block_line is None and (b"<NON_REF>" in line or b"<*>" in line or b"END=" in line):
            columns = line.split(b"\t", 5)
            if len(columns) > 5 and columns[4] in (b".", b"<NON_REF>", b"<*>"):
                self._block_line = entry

    def _before(self) -> tuple[tuple[int, bytes], ...]:
        """Lines that a piece from here on must have read: phase sets end with their contig."""
        chrom = self._place[0]
        known = {
            entry
            for groups in self._sets.values()
            for group in groups
            if group[0][1].partition(b"\t")[0] == chrom
            for entry in group
        }
        known.update(self._ends)
        known.update(self._here)
        known.update(each for each in self._joined if each[1].partition(b"\t")[0] == chrom)
        if self._block_line is not None:
            known.add(self._block_line)
        return tuple(sorted(known))

    def result(self, options: Options) -> list[dict[str, Any]]:
        """The pieces."""
        if len(self.borders) < 2:
            return []
        if rest := b"".join(self._begun):
            update_digest(self._digest, rest.removesuffix(b"\r"))
        shared = {
            "id": self._digest.hexdigest(),
            "sexes": self.sexes.shown() if options.check_sex else {},
        }
        ends = [border.number for border in self.borders]
        results: list[dict[str, Any]] = [{**shared, "end": ends[0], "ahead": True}]
        for border, end in zip(self.borders, [*ends[1:], None], strict=True):
            results.append(
                {
                    **shared,
                    "end": end,
                    "block": border.block,
                    "byte": border.byte,
                    "number": border.number,
                    "before": [[number, line.decode()] for number, line in border.before],
                }
            )
        return results
