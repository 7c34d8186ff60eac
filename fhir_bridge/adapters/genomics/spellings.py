"""One variant in several spellings: `A G` and `AT GT` at one position, `CAAG CAG` and `AA A` at two.

Spellings are compared without the bases that REF and ALT have in common. What only a reference shows to be the same
(an insertion in a repeat, aligned left and right) is not compared.
"""

from __future__ import annotations

from fhir_bridge.adapters.genomics.allele import Allele
from fhir_bridge.adapters.genomics.hgvs import trim
from fhir_bridge.adapters.genomics.line import Line, Spelled

__all__ = ["Spellings"]

Change = tuple[int, str, str]
_NONE: frozenset[Change] = frozenset()


class Spellings:
    """What the lines at a position, and at the one before, call of each sample.

    Attributes:
        changes: what remains of the last position's variants, at a later position than theirs: a line there can spell
            it in another way.
    """

    def __init__(self) -> None:
        self.changes: frozenset[Change] = _NONE
        self._here: Spelled = {}
        self._before: Spelled = {}

    def follow(self, line: Line) -> None:
        """Go on behind a line that spells nothing of what is before it."""
        self.go_on(_changes(line))

    def go_on(self, changes: frozenset[Change]) -> None:
        """Go on behind such a line, of whose variants some remain at a later position."""
        self.changes = changes
        if self._here or self._before:
            self._here, self._before = {}, {}

    def near(self, before: Line | None, line: Line) -> Spelled:
        """The variants, and how they are called, of lines that may spell one of a line's; it comes after `before`."""
        if before is None or before.chrom != line.chrom or before.pos > line.pos:
            self.follow(line)
            return {}
        changes = _changes(line)
        if before.pos == line.pos:
            self._here = _spelled(before, self._here)
            self.changes |= changes
        else:
            reached = any(place >= line.pos for place, _, _ in self.changes)
            self._before = _spelled(before, self._here) if reached else {}
            self._here = {}
            self.changes = changes
        return {**self._before, **self._here}


def _changes(line: Line) -> frozenset[Change]:
    columns = line.columns
    if len(columns[3]) + len(columns[4]) == 2:
        return _NONE
    bases = (each.text.upper() for each in line.alternates if each.kind == "bases")
    return frozenset(change for each in bases if (change := trim(line.pos, line.ref, each))[0] > line.pos)


def _spelled(line: Line, known: Spelled) -> Spelled:
    """What is known, with what a line calls."""
    results = dict(known)
    for call in line.calls:
        for allele in call.alleles:
            if isinstance(allele, Allele) and allele.alternate.kind == "bases":
                key = call.name, *trim(line.pos, line.ref, allele.alt)
                results.setdefault(key, (f"{line.pos} {line.ref} {allele.alt}", call.genotype.text))
    return results
