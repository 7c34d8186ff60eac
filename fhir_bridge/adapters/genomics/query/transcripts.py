"""Where transcripts lie on chromosomes (GFF3 of NCBI or Ensembl), to place c. and n. names."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fhir_bridge.adapters.genomics.query.changes import Change, QueryError, read_variant
from fhir_bridge.adapters.genomics.query.intervals import build_of

__all__ = ["Transcripts", "coding", "read_transcripts"]

_NAME = re.compile(
    r"((?:[NX][MR]_\d+|ENST\d+)(?:\.\d+)?)(?:\([^)]*\))?:([cn])\.([-*]?\d+)([-+]\d+)?(?:_([-*]?\d+)([-+]\d+)?)?"
    r"([A-Za-z>]+)"
)
_COMPLEMENT = str.maketrans("ACGTNacgtn", "TGCANtgcan")


def coding(text: str) -> bool:
    """Whether a text is a c. or n. name."""
    return _NAME.fullmatch(text.strip()) is not None


@dataclass(slots=True)
class Transcript:
    """One on one sequence: exons and coding parts as (first, last) from 1, in the order of the chromosome."""

    accession: str
    forward: bool
    exons: list[tuple[int, int]] = field(default_factory=list)
    coded: list[tuple[int, int]] = field(default_factory=list)

    def place(self, base: str, offset: int, *, whole: bool) -> int | None:
        """The position (from 1) of a base of the transcript, and so many bases further into an intron.

        Args:
            base: `145`, `-20`, `*31`.
            whole: counted from the first base of the transcript (n.), not of what is coded (c.).
        """
        along = self._along(self.exons)
        if not whole:
            coded = self._along(self.coded)
            if not coded:
                return None
            edge = coded[-1] if base[0] == "*" else coded[0]
            if edge not in along:  # exons are not stated: what is coded is all that is known
                along, edge = (coded, edge)
            start = along.index(edge)
            number = int(base.lstrip("*"))
            index = start + (number if base[0] == "*" or number < 0 else number - 1)
        else:
            index = int(base) - 1
        if not 0 <= index < len(along):
            return None
        return along[index] + (offset if self.forward else -offset)

    def _along(self, parts: Iterable[tuple[int, int]]) -> list[int]:
        """The positions of the bases in the order of the transcript."""
        places = [place for first, last in sorted(parts) for place in range(first, last + 1)]
        return places if self.forward else places[::-1]


@dataclass(slots=True)
class Transcripts:
    """Transcripts by name with version; one may lie on the sequences of several builds."""

    _by_name: dict[str, list[Transcript]] = field(default_factory=dict)

    def add(self, name: str, transcript: Transcript) -> None:
        """Note where one lies."""
        self._by_name.setdefault(name, []).append(transcript)

    def genomic(self, text: str) -> list[Change]:
        """What a c. or n. name says of each sequence that its transcript lies on; none of an unknown transcript.

        Raises:
            QueryError: the name has another form, or a place that the transcript has not.
        """
        match = _NAME.fullmatch(text.strip())
        if match is None:
            raise QueryError(f"{text[:60]} is no c. or n. name with a transcript")
        name, kind, first, into, last, into_last, change = match.groups()
        results = []
        for transcript in self._by_name.get(name, []):
            places = [
                transcript.place(base, int(offset or 0), whole=kind == "n")
                for base, offset in ((first, into), (last or first, into_last if last else into))
            ]
            if places[0] is None or places[1] is None:
                raise QueryError(f"{text[:60]}: the transcript has no such place")
            low, high = sorted((places[0], places[1]))
            words = change if transcript.forward else _turned(change)
            span = str(low) if low == high else f"{low}_{high}"
            results.append(read_variant(f"{transcript.accession}:g.{span}{words}"))
        return results


def _turned(change: str) -> str:
    """The same change of the other strand."""

    def turn(match: re.Match[str]) -> str:
        return match[0].translate(_COMPLEMENT)[::-1]

    return re.sub(r"[ACGTN]+", turn, change)


def read_transcripts(paths: Iterable[Path]) -> Transcripts:
    """Read GFF3 files whose sequences are RefSeq accessions.

    Raises:
        QueryError: a file can't be read, or has no transcript on a chromosome of a known build.
    """
    result = Transcripts()
    for path in paths:
        known = 0
        found: dict[tuple[str, str], Transcript] = {}
        try:
            with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
                for accession, kind, first, last, strand, name in _features(file):
                    each = found.setdefault((name, accession), Transcript(accession, strand == "+"))
                    (each.exons if kind == "exon" else each.coded).append((first, last))
        except (OSError, ValueError, EOFError) as error:
            raise QueryError(f"{path.name} can't be read as GFF3: {error}") from error
        for (name, _), transcript in found.items():
            known += 1
            result.add(name, transcript)
        if not known:
            raise QueryError(f"{path.name} has no transcript on a RefSeq chromosome of a known build")
    return result


def _features(lines: Iterable[str]) -> Iterator[tuple[str, str, int, int, str, str]]:
    for line in lines:
        fields = line.rstrip("\n").split("\t")
        if len(fields) != 9 or fields[2] not in ("exon", "CDS") or build_of(fields[0])[1] is None:
            continue
        attributes = dict(part.partition("=")[::2] for part in fields[8].split(";"))
        name = attributes.get("transcript_id") or attributes.get("Parent", "").removeprefix("rna-")
        name = name.removeprefix("transcript:")
        if name:
            yield fields[0], fields[2], int(fields[3]), int(fields[4]), fields[6], name
