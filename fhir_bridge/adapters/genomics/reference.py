"""Bases of a reference sequence: a FASTA file, read where it is asked for through its index (samtools faidx)."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import NamedTuple

from fhir_bridge.adapters.genomics.assembly import chromosome
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.options import OptionError

__all__ = ["Reference", "open_reference"]


class _Sequence(NamedTuple):
    """A row of an index: bases in all, offset of the first, bases in a line, bytes in a line."""

    length: int
    offset: int
    bases: int
    width: int


class Reference:
    """A FASTA file that is not compressed. Its sequences are found by name; `chr1` and `1` are one.

    Raises:
        OptionError: the file can't be read (FB-VCF-009).
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            index = path.with_name(f"{path.name}.fai")
            fresh = index.exists() and index.stat().st_mtime >= path.stat().st_mtime
            rows = _read_index(index) if fresh else _scan(self._text)
        except (OSError, ValueError) as error:
            message = f"option reference: {path.name} can't be read as FASTA"
            raise OptionError(issue("FB-VCF-009", message, path.name)) from error
        self._sequences = dict(rows)
        self._by_chromosome = {known: row for name, row in rows if (known := chromosome(name)) is not None}

    def fetch(self, contig: str, first: int, last: int) -> str | None:
        """The bases from `first` to `last` (from 1), in upper case, cut at the ends; None of an unknown contig."""
        row = self._sequences.get(contig) or self._by_chromosome.get(chromosome(contig) or "")
        if row is None:
            return None
        start, end = max(first - 1, 0), min(last, row.length)
        if start >= end:
            return ""
        begin, stop = (
            row.offset + place // row.bases * row.width + place % row.bases for place in (start, end - 1)
        )
        return self._text[begin : stop + 1].translate(None, b"\r\n").decode("ascii", "replace").upper()


def _read_index(path: Path) -> list[tuple[str, _Sequence]]:
    rows = []
    for line in path.read_text().splitlines():
        name, *numbers = line.split("\t")[:5]
        rows.append((name, _Sequence(*map(int, numbers))))
    return rows


def _scan(text: mmap.mmap) -> list[tuple[str, _Sequence]]:
    """The index of a file without one. Lines of a sequence are of one length, but the last."""
    rows: list[tuple[str, _Sequence]] = []
    if text[:1] != b">":
        raise ValueError
    start = 0
    while 0 <= start < len(text):
        head = text.find(b"\n", start)
        if head < 0:
            break
        following = text.find(b"\n>", head)
        end = len(text) if following < 0 else following + 1
        first = text.find(b"\n", head + 1, end)
        width = (end if first < 0 else first + 1) - head - 1
        line = text[head + 1 : head + 1 + width]
        bases = len(line.rstrip(b"\r\n"))
        name = text[start + 1 : head].split()[0].decode()
        if bases:
            whole, rest = divmod(end - head - 1, width)
            last = len(text[end - rest : end].rstrip(b"\r\n")) if rest else 0
            rows.append((name, _Sequence(whole * bases + last, head + 1, bases, width)))
        start = following + 1 if following >= 0 else -1
    return rows


def open_reference(path: Path | None) -> Reference | None:
    """The reference that the option names; None without one."""
    return None if path is None else Reference(path)
