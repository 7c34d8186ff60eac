"""Lines of one contig in ascending order, recognized many at a time: what is asked of each is answered for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Run", "run_of"]


class Run(NamedTuple):
    """Lines that follow on each other.

    Attributes:
        lines, text: the lines; all of them, each with its line end.
        positions: POS of each line, as written and as numbers.
    """

    lines: Sequence[bytes]
    text: bytes
    chrom: bytes
    written: Sequence[bytes]
    positions: Sequence[int]


def run_of(lines: Sequence[bytes]) -> Run | None:
    """The lines as a run: records (no header) of one contig, ascending, without CR; None where they are not."""
    text = b"\n".join(lines) + b"\n"
    if b"\r" in text:
        return None
    starts = [line.split(b"\t", 2) for line in lines]
    chrom = starts[0][0]
    if chrom[:1] in (b"#", b""):
        return None
    written = []
    for start in starts:
        if len(start) < 3 or start[0] != chrom:
            return None
        written.append(start[1])
    # One look at all of them; none is long, so that the numbers are what each line says.
    if not b"".join(written).isdigit() or max(map(len, written)) > 10 or not all(written):
        return None
    positions = list(map(int, written))
    return Run(lines, text, chrom, written, positions) if positions == sorted(positions) else None
