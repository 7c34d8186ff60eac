"""The bytes of a VCF as unpacked: where its lines begin, and the lines of its header."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from fhir_bridge.adapters.genomics.stream import unpacked
from fhir_bridge.mapping import LineOffsets

__all__ = ["FileText"]


class FileText:
    """A file that is read again when the place of a line is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offsets = LineOffsets(lambda: map(len, self._lines()))
        self._header: list[bytes] | None = None

    def _lines(self) -> Iterator[bytes]:
        """The lines with their ends."""
        rest = b""
        with self._path.open("rb") as file:
            for block in unpacked(file):
                *whole, rest = (rest + block).split(b"\n")
                yield from (line + b"\n" for line in whole)
        if rest:
            yield rest

    def offset(self, line: int) -> int:
        """Where a line begins; -1 where it can't be read."""
        try:
            return self._offsets.of(line)
        except OSError:
            return -1

    def header(self, lines: int) -> list[bytes]:
        """The lines of the header, with their ends."""
        if self._header is None:
            try:
                self._header = list(islice(self._lines(), lines))
            except OSError:
                self._header = []
        return self._header
