"""One variant in several spellings: `A G` and `AT GT` at one position, `CAAG CAG` and `AA A` at two.

Spellings are compared without the bases that REF and ALT have in common. What only a reference shows to be the same
(an insertion in a repeat, aligned left and right) is not compared.
"""

from __future__ import annotations

from fhir_bridge.adapters.genomics.allele import Allele
from fhir_bridge.adapters.genomics.hgvs import trim
from fhir_bridge.adapters.genomics.line import Line, Spelled

__all__ = ["Spellings"]


class Spellings:
    """What the lines at a position, and at the one before, call of each sample.

    Attributes:
        reach: up to where a line can spell a variant that the last position's lines have.
    """

    def __init__(self) -> None:
        self.reach = 0
        self._here: Spelled = {}
        self._before: Spelled = {}

    def follow(self, line: Line) -> None:
        """Go on behind a line that nothing before it reaches."""
        self.reach = _reach(line)
        if self._here or self._before:
            self._here, self._before = {}, {}

    def near(self, before: Line | None, line: Line) -> Spelled:
        """The variants, and how they are called, of lines that may spell one of a line's; it comes after `before`."""
        if before is None or before.chrom != line.chrom or before.pos > line.pos:
            self.follow(line)
            return {}
        if before.pos != line.pos:
            reached = line.pos <= self.reach
            self._before = _spelled(before, self._here) if reached else {}
            self._here = {}
            self.reach = 0
        else:
            self._here = _spelled(before, self._here)
        self.reach = max(self.reach, _reach(line))
        return {**self._before, **self._here}


def _reach(line: Line) -> int:
    """The last position at which a later line can spell what a line has."""
    columns = line.columns
    return line.pos + (len(columns[3]) if len(columns[3]) + len(columns[4]) > 2 else 0)


def _spelled(line: Line, known: Spelled) -> Spelled:
    """What is known, with what a line calls."""
    results = dict(known)
    for call in line.calls:
        for allele in call.alleles:
            if isinstance(allele, Allele) and allele.alternate.kind == "bases":
                key = call.name, *trim(line.pos, line.ref, allele.alt)
                results.setdefault(key, (f"{line.pos} {line.ref} {allele.alt}", call.genotype.text))
    return results
