"""The bytes of a VCF as unpacked: where its lines begin, and the lines of its header."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from itertools import islice
from pathlib import Path

from fhir_bridge.adapters.genomics.stream import GZIP_MAGIC, unpacked
from fhir_bridge.mapping import LineOffsets

__all__ = ["FileText"]


class FileText:
    """A file that is read again when the place of a line is asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offsets = LineOffsets(self._lengths)
        self._header: list[bytes] | None = None

    def _lengths(self, offset: int) -> Generator[int]:
        with closing(self._lines(offset)) as lines:
            yield from map(len, lines)

    def _lines(self, offset: int) -> Generator[bytes]:
        """The lines with their ends, from an offset in what is unpacked."""
        rest = b""
        with self._path.open("rb") as file:
            packed = file.read(2) == GZIP_MAGIC
            file.seek(0 if packed else offset)
            skipped = offset if packed else 0
            for block in unpacked(file):
                kept = block[skipped:]
                skipped = max(skipped - len(block), 0)
                *whole, rest = (rest + kept).split(b"\n")
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
                with closing(self._lines(0)) as first:
                    self._header = list(islice(first, lines))
            except OSError:
                self._header = []
        return self._header
