"""Which regions a line of a gVCF calls of each sample, and which not; and where the calls of any file are lost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from fhir_bridge.adapters.genomics.block_lengths import own_length
from fhir_bridge.adapters.genomics.file import Study
from fhir_bridge.adapters.genomics.line import Line
from fhir_bridge.adapters.genomics.line_kinds import kinds_of
from fhir_bridge.adapters.genomics.values import decimal, whole

__all__ = ["leave_open", "note_regions"]

_EVIDENCE = (("DP", ("MIN_DP", "DP")), ("GQ", ("GQ", "RGQ")))
"""Reads and quality of a call as reference, by the key of the setting; the first key that is given counts."""


def note_regions(line: Line) -> None:
    """Note which samples a line of a gVCF calls: a block up to its END, or the bases of REF (VCF 4.3 §5.5).

    What fails a filter is not called, and neither is as reference what has no read or no quality (see `_shown`).
    Where the samples have lengths of their own (LEN, VCF 4.5), each has its block; one that is missing on a line within
    its block has no other there.

    What is called of copy numbers and repeats is noted apart (`Study.called_of`): it says nothing of small variants.
    """
    file = line.file
    kinds = _SMALL if file.kinds <= _SMALL else kinds_of(line)
    block = not line.alternates or all(alternate.kind == "unknown" for alternate in line.alternates)
    if not file.blocks:
        file.blocks = block and (line.end is not None or bool(line.alternates))
        if not file.blocks:
            return
    length = line.keys.index("LEN") if file.block_lengths and "LEN" in line.keys else None
    copies = "structural" in kinds and "CN" in line.keys
    first, last = line.pos, line.pos + len(line.ref) - 1
    if line.end is not None and (block or not kinds & _SMALL):
        last = max(last, line.end)
        if copies and last > first:
            first += 1  # POS is the base before a segment
    failed, least = bool(line.failed_filters), dict(file.thresholds)
    for (column, _), study in zip(file.columns, file.studies, strict=True):
        values = line.columns[column].split(":")
        fields = dict(zip(line.keys, values, strict=False))
        genotype = fields.get("GT", ".")
        called = (
            ("." not in genotype or (copies and whole(fields.get("CN", ".")) is not None))
            and not failed
            and not file.failing(fields.get("FT", ".").replace(",", ";"))
            and (not _REFERENCE.issuperset(genotype) or _shown(fields, least))
        )
        end = last
        if length is not None:
            own_block = own_length(values, length)
            if own_block is not None:
                end = line.pos + own_block - 1
                study.block_end = line.chrom, end
            elif not genotype.strip("./|") and _within(study.block_end, line):
                continue  # The sample's block goes on: what the line says is of others.
        if not called:
            low, high = _with_insertions(line, first, end)
            study.uncalled_regions.add(line.chrom, low, high)
            continue
        for kind in kinds:
            if kind != "structural" or copies:
                study.called_of(kind).add(line.chrom, first, end)


_REFERENCE = frozenset("0/|")
_SMALL = frozenset(("small",))


def _shown(fields: Mapping[str, str], least: Mapping[str, Decimal]) -> bool:
    """Whether reads show what is called as reference: neither depth nor quality is 0, or below a setting."""
    for setting, keys in _EVIDENCE:
        value = next((number for key in keys if (number := decimal(fields.get(key, "."))) is not None), None)
        if value is not None and (value <= 0 or value < least.get(setting, 0)):
            return False
    return True


def _within(block: tuple[str, int], line: Line) -> bool:
    """Whether a line begins within a block that ends there."""
    contig, last = block
    return contig == line.chrom and line.pos <= last


def leave_open(line: Line, study: Study) -> None:
    """Note that the file does not say what the sample has at a line, where it says what was studied."""
    if not line.file.states_regions:
        return
    if line.end is None and any(each.kind == "symbolic" for each in line.alternates):
        line.file.unplaced += 1
    last = max(line.pos + len(line.ref) - 1, line.end or 0)
    study.uncalled_regions.add(line.chrom, *_with_insertions(line, line.pos, last))


def _with_insertions(line: Line, first: int, last: int) -> tuple[int, int]:
    """The first and last base that a line says nothing of: what an insertion puts between two bases reaches both."""
    behind = line.pos + len(line.ref)
    for each in line.alternates:
        if each.kind == "bases" and len(each.text) > len(line.ref):
            last = max(last, behind)
            if each.text[0] != line.ref[0]:
                first = min(first, max(1, line.pos - 1))
        elif each.kind == "symbolic" and each.symbol[0] == "INS":
            last = max(last, behind)
    return first, last
