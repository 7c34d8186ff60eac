"""Which regions a line of a gVCF calls, and which not, of each sample."""

from __future__ import annotations

from fhir_bridge.adapters.genomics.block_lengths import own_length
from fhir_bridge.adapters.genomics.line import Line

__all__ = ["note_regions"]


def note_regions(line: Line) -> None:
    """Note which samples a line of a gVCF calls: a block up to its END, or the bases of REF (VCF 4.3 §5.5).

    Where the samples have lengths of their own (LEN, VCF 4.5), each has its block; one that is missing on a line within
    its block has no other there.
    """
    file = line.file
    block = not line.alternates or all(alternate.kind == "unknown" for alternate in line.alternates)
    if not file.blocks:
        file.blocks = block and (line.end is not None or bool(line.alternates))
        if not file.blocks:
            return
    length = line.keys.index("LEN") if file.block_lengths and "LEN" in line.keys else None
    last = line.pos + len(line.ref) - 1
    if block and line.end is not None:
        last = max(last, line.end)
    failed = bool(line.failed_filters)
    filters = line.keys.index("FT") if "FT" in line.keys else None
    for (column, _), study in zip(file.columns, file.studies, strict=True):
        values = line.columns[column].split(":")
        own = values[filters] if filters is not None and filters < len(values) else "."
        called = "." not in values[0] and not failed and not file.failing(own.replace(",", ";"))
        end = last
        if length is not None:
            own_block = own_length(values, length)
            if own_block is not None:
                end = line.pos + own_block - 1
                study.block_end = line.chrom, end
            elif not values[0].strip("./|") and _within(study.block_end, line):
                continue  # The sample's block goes on: what the line says is of others.
        (study.called_regions if called else study.uncalled_regions).add(line.chrom, line.pos, end)


def _within(block: tuple[str, int], line: Line) -> bool:
    """Whether a line begins within a block that ends there."""
    contig, last = block
    return contig == line.chrom and line.pos <= last
