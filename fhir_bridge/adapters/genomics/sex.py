"""Which sex the calls of a sample show, by X and Y: a sample of another person is often noticed by it.

Nothing is claimed where the evidence is weak or mixed: few variants on X, as a panel has them; X like that of a woman
with variants on Y, or of a man without.
"""

from __future__ import annotations

from typing import Final

from fhir_bridge.adapters.genomics.assembly import Build, chromosome, pseudoautosomal
from fhir_bridge.adapters.genomics.header import Header
from fhir_bridge.adapters.genomics.runs import Run

__all__ = ["SexCounts"]

_PREFIXES: Final = (
    b"X\t",
    b"Y\t",
    b"chrX\t",
    b"chrY\t",
    b"NC_000023",
    b"NC_000024",
    b"NC_060947",
    b"NC_060948",
)
_LINES: Final = 5000
"""Lines of X, and of Y, that are counted."""
_LEAST: Final = 20
"""Variants on X that a claim needs."""
_TWO_COPIES: Final = 0.35
"""Share of heterozygous ones among a sample's variants on X from which it has two copies; women have about 0.6."""
_ONE_COPY: Final = 0.1
"""Share up to which it has one: what is heterozygous in a man is an error of the caller."""
_ON_Y: Final = 3
"""Variants on Y that show one."""


class SexCounts:
    """Counts, of each sample, heterozygous and other variants on X, and variants on Y; pseudoautosomal ones apart."""

    def __init__(self, header: Header, build: Build) -> None:
        self._samples = header.samples
        self._build = build.name
        self._lines = {"X": 0, "Y": 0}
        count = len(header.samples)
        self._heterozygous, self._others, self._on_y = [0] * count, [0] * count, [0] * count

    def add(self, line: bytes) -> None:
        """Count what a line of X or Y says; another costs a look at its first characters."""
        if line.startswith(_PREFIXES):
            self._add(line)

    def add_run(self, run: Run) -> None:
        """The same for lines of one contig."""
        if (run.chrom + b"\t").startswith(_PREFIXES):
            for line in run.lines:
                self._add(line)

    def _add(self, line: bytes) -> None:
        columns = line.split(b"\t")
        if (
            len(columns) != 9 + len(self._samples)
            or columns[6] not in (b"PASS", b".")
            or columns[8][:2] != b"GT"
        ):
            return
        name = chromosome(columns[0].decode(errors="replace"))
        if name not in self._lines or self._lines[name] >= _LINES or not columns[1].isdigit():
            return
        if pseudoautosomal(self._build, name, int(columns[1])):
            return
        self._lines[name] += 1
        for place, column in enumerate(columns[9:]):
            copies = set(column.partition(b":")[0].replace(b"|", b"/").split(b"/"))
            if b"." in copies or copies == {b"0"}:
                continue
            if name == "Y":
                self._on_y[place] += 1
            elif len(copies) > 1:
                self._heterozygous[place] += 1
            else:
                self._others[place] += 1

    def shown(self) -> dict[str, str]:
        """The samples whose calls show a sex: `female` or `male`, as Patient.gender has it."""
        results = {}
        for place, sample in enumerate(self._samples):
            both, one, y = self._heterozygous[place], self._others[place], self._on_y[place]
            if both + one < _LEAST:
                continue
            share = both / (both + one)
            if share >= _TWO_COPIES and y < _ON_Y:
                results[sample] = "female"
            elif share <= _ONE_COPY and y >= _ON_Y:
                results[sample] = "male"
        return results
