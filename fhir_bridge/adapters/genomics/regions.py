"""The regions that lines are taken from: BED files (BED v1.0, from 0, end excluded) or `chr1:1000-2000` (from 1)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from fhir_bridge.adapters.genomics.assembly import CHROMOSOMES, chromosome
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.options import OptionError

__all__ = ["Regions", "bed_lines", "written_out"]

_REGION = re.compile(r"(?P<contig>[^:\s]+)(?::(?P<first>[0-9,]+)(?:-(?P<last>[0-9,]+))?)?")
_END = re.compile(r"(?:^|;)END=([0-9]{1,10})(?:;|$)")
_FARTHEST = 1 << 40


def bed_lines(path: Path, option: str) -> list[tuple[str, int, int, tuple[str, ...]]]:
    """Contig, start (from 0), end and further columns of the lines of a BED file.

    Raises:
        OptionError: the file can't be read, or a line of it is wrong (FB-VCF-009).
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        message = f"option {option}: {path.name} can't be read as text"
        raise OptionError(issue("FB-VCF-009", message, str(error))) from error
    results = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) < 3 or not (
            fields[1].isdecimal() and fields[2].isdecimal() and int(fields[1]) < int(fields[2])
        ):
            message = f"option {option}: {path.name}:{number} is not chromosome, start, end"
            raise OptionError(issue("FB-VCF-009", message, path.name))
        results.append((fields[0], int(fields[1]), int(fields[2]), tuple(fields[3:])))
    return results


class Regions:
    """Intervals by contig; `chr1`, `1` and its accession are one contig.

    Raises:
        OptionError: a region can't be read (FB-VCF-009).
    """

    def __init__(self, texts: tuple[str, ...]) -> None:
        intervals: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for text in texts:
            for contig, first, last in _read(text):
                intervals[_name(contig)].append((first, last))
        self._starts: dict[str, list[int]] = {}
        self._ends: dict[str, list[int]] = {}
        for contig, pairs in intervals.items():
            merged: list[list[int]] = []
            for first, last in sorted(pairs):
                if merged and first <= merged[-1][1] + 1:
                    merged[-1][1] = max(merged[-1][1], last)
                else:
                    merged.append([first, last])
            self._starts[contig] = [first for first, _ in merged]
            self._ends[contig] = [last for _, last in merged]

    def unknown(self, contigs: Iterable[str]) -> list[str]:
        """Contigs of regions that are neither chromosomes nor among `contigs` (of a file): nothing can be in them."""
        if not self._starts:
            return ["any contig: it has no regions"]
        known = {*CHROMOSOMES, *map(_name, contigs)}
        return sorted(set(self._starts) - known)

    def cover(self, contig: str, position: int, reference: str, info: str) -> bool:
        """Whether any base that a line speaks of (REF, or up to END) is in a region."""
        name = _name(contig)
        starts = self._starts.get(name)
        if starts is None:
            return False
        last = position + len(reference) - 1
        if "END=" in info and (end := _END.search(info)):
            last = max(last, int(end[1]))
        place = bisect_right(starts, last) - 1
        return place >= 0 and self._ends[name][place] >= position

    def common(self, contig: str, first: int, last: int) -> Iterator[tuple[int, int]]:
        """First and last bases of what the regions have of an interval."""
        name = _name(contig)
        starts, ends = self._starts.get(name, []), self._ends.get(name, [])
        for place in range(bisect_left(ends, first), bisect_right(starts, last)):
            yield max(first, starts[place]), min(last, ends[place])


def written_out(texts: tuple[str, ...]) -> list[str]:
    """The same regions without the files that they were read from.

    Raises:
        OptionError: one can't be read (FB-VCF-009).
    """
    return [f"{contig}:{first}-{last}" for text in texts for contig, first, last in _read(text)]


def _name(contig: str) -> str:
    return chromosome(contig) or contig


def _read(text: str) -> list[tuple[str, int, int]]:
    """Contig, first and last base (from 1) of the regions that an entry of the option stands for."""
    if text.lower().endswith((".bed", ".txt", ".tsv")) or "/" in text:
        return [(contig, start + 1, end) for contig, start, end, _ in bed_lines(Path(text), "regions")]
    match = _REGION.fullmatch(text)
    if match is None:
        raise OptionError(
            issue("FB-VCF-009", f'option regions: "{text}" is neither a BED file nor chr1:1000-2000')
        )
    first = int((match["first"] or "1").replace(",", "") or "1")
    last = int((match["last"] or "").replace(",", "") or (_FARTHEST if match["first"] is None else first))
    if last < first:
        raise OptionError(issue("FB-VCF-009", f'option regions: "{text}" ends before it begins'))
    return [(match["contig"], first, last)]
