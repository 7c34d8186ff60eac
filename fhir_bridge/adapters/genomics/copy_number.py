"""What a copy number (FORMAT/CN) says: which variant a sample without a genotype has, or that it has none."""

from __future__ import annotations

from fhir_bridge.adapters.genomics.line import Call

__all__ = ["called_by_copies", "contradicted_by_copies"]


def called_by_copies(call: Call) -> int | None:
    """Number of the ALT that a copy number says a sample has; None where it says the reference, or no single ALT.

    As many copies as the genotype has (`./.`: two) are none of a variant. Of X and Y a man has one: a single copy where
    the genotype has two is not claimed to be a loss.
    """
    copies, usual = call.copies, len(call.genotype.alleles)
    if copies is None or copies == usual:
        return None
    if call.line.chromosome in ("X", "Y") and 0 < copies < usual:
        return None
    fitting = {"CNV", "DEL" if copies < usual else "DUP"}
    numbers = [
        number
        for number, alternate in enumerate(call.line.alternates, 1)
        if alternate.kind == "symbolic" and alternate.symbol[0] in fitting
    ]
    return numbers[0] if len(numbers) == 1 else None


def contradicted_by_copies(call: Call) -> bool:
    """Whether a genotype has a deletion and as many copies as without it, or a duplication and no more.

    Of X and Y a man with a duplication has as many copies as the genotype.
    """
    copies, genotype = call.copies, call.genotype
    if copies is None or genotype.missing:
        return False
    usual = len(genotype.alleles)
    single = usual > 1 and call.line.chromosome in ("X", "Y")
    symbols = {call.line.alternates[number - 1].symbol[:1] for number in genotype.alternates}
    return (symbols == {("DEL",)} and copies >= usual) or (symbols == {("DUP",)} and copies <= usual - single)
