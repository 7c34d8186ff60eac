"""What only a check of the syntax looks at on a line: names, QUAL, and variants that are there twice."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fhir_bridge.adapters.genomics.allele_filters import STATUS
from fhir_bridge.adapters.genomics.hgvs import trim
from fhir_bridge.adapters.genomics.line import Line
from fhir_bridge.adapters.genomics.strict_values import wrong_format, wrong_info, wrong_structure

__all__ = ["SYNTAX", "StrictCheck", "with_clause"]

SYNTAX = frozenset(
    f"FB-VCF-{number:03}"
    for number in (*range(1, 11), *range(20, 36), 40, 41, 82, 83, 84)
    if number not in (4, 5)
)
"""Codes of what is wrong by the specification; the others say what a conversion makes of a line."""
_CLAUSES = {
    "FB-VCF-001": "§1.4.1",
    "FB-VCF-002": "§1.4",
    "FB-VCF-003": "§1.5",
    "FB-VCF-006": "§1.6",
    "FB-VCF-020": "§1.6",
    "FB-VCF-021": "§1",
    "FB-VCF-028": "§1.6.1",
    "FB-VCF-029": "§3",
    "FB-VCF-030": "§1.6.2",
    "FB-VCF-031": "§1.4.2",
    "FB-VCF-032": "§1.1",
    "FB-VCF-034": "§1.6.2",
    "FB-VCF-040": "§1.6.2",
    "FB-VCF-041": "§1.6.2",
    "FB-VCF-083": "§1.4",
}
"""The clause of VCF 4.3 that a code is about; of those that are not here it is that of the fixed fields."""
_CONTIG = re.compile(r"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*")
_COMPARED = frozenset(("bases", "breakend"))
"""What a later line can give again; a symbolic ALT names a kind of variant, which may occur more than once."""
Key = tuple[int, str, str]


def with_clause(code: str, message: str) -> str:
    """A message with the clause that is violated, where it does not say it."""
    if "§" in message or code not in SYNTAX:
        return message
    return f"{message} (VCF 4.3 {_CLAUSES.get(code, '§1.6.1')})"


class StrictCheck:
    """Checks lines in their order; it keeps the variants that a later line can give again."""

    def __init__(self, version: str) -> None:
        self._new_names = version >= "VCFv4.3"
        self._chrom = ""
        self._seen: set[Key] = set()

    def check(self, line: Line) -> Iterator[tuple[str, str]]:
        """Code and words for what is wrong."""
        name = line.chrom
        if name[:1] != "<":
            if self._new_names and not _CONTIG.fullmatch(name):
                yield "FB-VCF-023", "CHROM has characters that no contig name has (VCF 4.3 §1.4.7)"
            elif not self._new_names and ":" in name:
                yield "FB-VCF-023", "CHROM has a colon (VCF 4.2 §1.4.1)"
        if name == ".":
            yield "FB-VCF-023", "CHROM is missing (VCF 4.3 §1.6.1)"
        filters = line.columns[6].split(";")
        if len(filters) > 1 and "PASS" in filters and line.file.header.version >= "VCFv4.4":
            yield "FB-VCF-027", "FILTER has PASS beside filters that fail (VCF 4.4 §1.6.1)"
        yield from wrong_info(line)
        yield from wrong_structure(line)
        yield from wrong_format(line)
        if line.columns[5][:1] == "-":
            yield "FB-VCF-027", "QUAL is negative (VCF 4.3 §1.6.1)"
        status = line.text(STATUS)
        definition = line.file.header.info.get(STATUS)
        of_alts = status is not None and definition is not None and definition.number == "A"
        if of_alts and (status or "").count(",") + 1 != len(line.alternates):
            yield "FB-VCF-034", f"INFO/{STATUS} has not one value for each ALT (VCF 4.3 §1.4.2)"
        if name != self._chrom:
            self._chrom = name
            self._seen.clear()
        elif len(self._seen) > 1000:
            self._seen = {key for key in self._seen if key[0] >= line.pos}
        named = [number for number, item in enumerate(line.alternates, 1) if item.kind in _COMPARED]
        keys = {_normalized(line, number) for number in named}
        if keys & self._seen:
            yield "FB-VCF-035", "a variant of an earlier line again (after normalization)"
        self._seen |= keys


def _normalized(line: Line, number: int) -> Key:
    """A variant without the bases that REF and ALT have in common."""
    alternate = line.alternates[number - 1]
    if alternate.kind == "bases":
        return trim(line.pos, line.ref, alternate.text.upper())
    return line.pos, line.ref, alternate.text
