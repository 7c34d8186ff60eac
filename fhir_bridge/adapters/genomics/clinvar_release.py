"""A release of ClinVar: its VCF, or variant_summary.txt; what it says of an allele, in place of a file's own CLNSIG.

The rows stay in a temporary file, and 16 bytes of each in memory: a release has millions.
"""

from __future__ import annotations

import mmap
import re
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from fhir_bridge.adapters.genomics.assembly import CHROMOSOMES, chromosome, named
from fhir_bridge.adapters.genomics.clinvar import NONE, ClinVar, read_clinvar
from fhir_bridge.adapters.genomics.hgvs import trim
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.options import OptionError
from fhir_bridge.adapters.genomics.stream import Break, lines

__all__ = ["Release", "open_release", "release_date"]

_PLACES = {name: number << 32 for number, name in enumerate(CHROMOSOMES, 1)}
_KEYS = ("CLNSIG", "CLNREVSTAT", "CLNDN", "CLNDISDB")
_SUMMARY = {
    "CLNSIG": "ClinicalSignificance",
    "CLNREVSTAT": "ReviewStatus",
    "CLNDN": "PhenotypeList",
    "CLNDISDB": "PhenotypeIDS",
}
_DATE = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")
Row = tuple[int, str, str, tuple[str, ...]]


class Release:
    """What a release says of alleles of one genome build, found by where they are and what they are when trimmed.

    Raises:
        OptionError: it can't be read, or is of another build (FB-VCF-009).
    """

    def __init__(self, path: Path, assembly: str) -> None:
        self._assembly = assembly
        self._keys = array("q")
        self._offsets = array("q")
        order: list[tuple[int, int]] = []
        with tempfile.TemporaryFile() as rows:
            try:
                for place, reference, alternate, values in self._read(path):
                    order.append((place, rows.tell()))
                    rows.write("\t".join((reference, alternate, *values)).encode() + b"\n")
            except (OSError, ValueError) as error:
                raise _wrong(path, str(error)) from error
            if not order:
                raise _wrong(path, f"it classifies no allele on {assembly}")
            rows.flush()
            # Mapped: several threads look into it at once.
            self._rows = mmap.mmap(rows.fileno(), 0, access=mmap.ACCESS_READ)
        order.sort()
        self._keys.extend(place for place, _ in order)
        self._offsets.extend(offset for _, offset in order)

    def of(self, chromosome_name: str | None, position: int, reference: str, alternate: str) -> ClinVar:
        """What it says of an allele; `NONE` of one that it has not."""
        start, old, new = trim(position, reference, alternate)
        key = _PLACES.get(chromosome_name or "", 0) + start
        number = bisect_left(self._keys, key)
        while number < len(self._keys) and self._keys[number] == key:
            offset = self._offsets[number]
            row = self._rows[offset : self._rows.find(b"\n", offset)].decode().split("\t")
            if row[:2] == [old, new]:
                return read_clinvar(row[2], row[3] or None, row[4], row[5], row[6] or None)
            number += 1
        return NONE

    def _read(self, path: Path) -> Iterator[Row]:
        head: dict[str, int] = {}
        for item in lines(path):
            if not isinstance(item, bytes):
                if isinstance(item, Break) and not item.certain:
                    continue
                raise ValueError("it is damaged")
            text = item.decode("utf-8", "replace")
            if text.startswith("##"):
                self._header(text)
            elif text.startswith("#") and "\tPositionVCF" in text:
                head = {name.lstrip("#"): number for number, name in enumerate(text.split("\t"))}
            elif not text.startswith("#"):
                fields = text.split("\t")
                yield from self._summary(fields, head) if head else self._vcf(fields)

    def _header(self, text: str) -> None:
        key, _, value = text[2:].partition("=")
        if key in ("reference", "assembly"):
            builds = named(value)
            if builds and self._assembly not in builds:
                raise ValueError(f"it is of {' and '.join(sorted(builds))}, not of {self._assembly}")

    def _vcf(self, fields: list[str]) -> Iterator[Row]:
        if len(fields) < 8:
            return
        place = _PLACES.get(chromosome(fields[0]) or "")
        info = dict(part.partition("=")[::2] for part in fields[7].split(";"))
        if place is None or not fields[1].isdecimal() or not info.get("CLNSIG"):
            return
        values = tuple(info.get(key, "") for key in _KEYS)
        for alternate in fields[4].split(","):
            start, old, new = trim(int(fields[1]), fields[3].upper(), alternate.upper())
            yield place + start, old, new, (*values, fields[2] if fields[2].isdecimal() else "")

    def _summary(self, fields: list[str], head: dict[str, int]) -> Iterator[Row]:
        if len(fields) < len(head) or fields[head["Assembly"]] != self._assembly:
            return
        position, place = (
            fields[head["PositionVCF"]],
            _PLACES.get(chromosome(fields[head["Chromosome"]]) or ""),
        )
        reference, alternate = (
            fields[head[name]].upper() for name in ("ReferenceAlleleVCF", "AlternateAlleleVCF")
        )
        if place is None or not position.isdecimal() or "NA" in (reference, alternate):
            return
        values = tuple(fields[head[name]] for name in _SUMMARY.values())
        start, old, new = trim(int(position), reference, alternate)
        yield place + start, old, new, (*values, fields[head["VariationID"]])


def _wrong(path: Path, reason: str) -> OptionError:
    return OptionError(issue("FB-VCF-009", f"option clinvar: {path.name} can't be used: {reason}", path.name))


@lru_cache(maxsize=2)
def _opened(path: Path, assembly: str, _changed: int) -> Release:
    return Release(path, assembly)


def open_release(path: Path | None, assembly: str) -> Release | None:
    """The release that the option names; None without one. It is read once a process."""
    if path is None:
        return None
    try:
        return _opened(path, assembly, path.stat().st_mtime_ns)
    except OSError as error:
        raise _wrong(path, error.strerror or "it is not there") from error


def release_date(path: Path) -> str | None:
    """The day that a release says it is of (`##fileDate`), as `YYYY-MM-DD`; None where it does not say."""
    for item in lines(path):
        if not isinstance(item, bytes) or not item.startswith(b"##"):
            return None
        key, _, value = item[2:].decode("utf-8", "replace").partition("=")
        if key == "fileDate" and (match := _DATE.fullmatch(value.strip())):
            return "-".join(match.groups())
    return None
