"""The regions that a gVCF calls as reference or as a variant, and those that it could not call, as BED (BED v1.0)."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

__all__ = ["RegionList"]

_MOST = 20_000
"""Regions that one sample's list holds; memory and the size of a resource."""


@dataclass(slots=True)
class _Region:
    contig: str
    first: int
    last: int


class RegionList:
    """Regions in the file's order, neighbours joined: contig, first and last position from 1.

    Args:
        most: regions that are kept; with more, `bed` gives none.
    """

    __slots__ = ("_most", "left_out", "regions")

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self.regions: list[_Region] = []
        self.left_out = 0

    def add(self, contig: str, first: int, last: int) -> None:
        """Add a region, or the part of it that goes beyond the last one."""
        before = self.regions[-1] if self.regions else None
        if before is not None and before.contig == contig and before.first <= first <= before.last + 1:
            before.last = max(before.last, last)
            return
        if len(self.regions) < self._most:
            self.regions.append(_Region(contig, first, last))
        else:
            self.left_out += 1

    @property
    def bed(self) -> str | None:
        """The regions as BED (from 0, end excluded), in base64; None where there is none, or too many."""
        if not self.regions or self.left_out:
            return None
        return b64encode(self.lines().encode()).decode()

    def lines(self, name: str = "") -> str:
        """The lines of a BED file, with a name in the fourth column."""
        more = f"\t{name}\n" if name else "\n"
        return "".join(f"{each.contig}\t{each.first - 1}\t{each.last}{more}" for each in self.regions)
