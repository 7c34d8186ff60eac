"""Places that a file comes back to, so that a variant which is called on lines apart is noticed."""

from __future__ import annotations

from typing import Final

from fhir_bridge.adapters.genomics.runs import Run

__all__ = ["ReturnedPlaces"]

_MOST: Final = 500_000
"""Places that are kept; a file that is more out of order than that has the rest of them unnoticed."""


class ReturnedPlaces:
    """Contig and POS of the lines that are not where a sorted file has them."""

    def __init__(self) -> None:
        self.places: set[tuple[str, int]] = set()
        self._farthest: dict[bytes, int] = {}
        self._chrom = b""
        self._last = 0
        self._back = False

    def add_run(self, run: Run) -> None:
        """Look at lines of one contig in ascending order."""
        onward = run.chrom == self._chrom and self._last <= run.positions[0]
        if onward and run.chrom not in self._farthest and not self._back:
            self._last = run.positions[-1]
        else:
            for line in run.lines:
                self.add(line)

    def add(self, line: bytes) -> None:
        """Look at a line that is no header."""
        chrom, _, rest = line.partition(b"\t")
        text = rest.partition(b"\t")[0]
        if not text.isdigit() or len(text) > 10:
            return
        position = int(text)
        if chrom != self._chrom:
            if self._chrom:
                self._farthest[self._chrom] = self._last
            self._chrom, self._last, self._back = chrom, self._farthest.get(chrom, -1), False
        # Lines that go on at the farthest position after others come back to it, too.
        self._back = position < self._last or (self._back and position == self._last)
        if self._back or (position == self._last and chrom in self._farthest):
            if len(self.places) < _MOST:
                self.places.add((chrom.decode("utf-8", "replace"), position))
        else:
            self._last = position
