"""Reads of alleles as Strelka writes them in files without GT and AD (Strelka user guide, "Somatic variant allele
frequencies"): AU, CU, GU and TU of substitutions, TAR and TIR of insertions and deletions, each for tiers 1 and 2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fhir_bridge.adapters.genomics.alleles import Alternate
from fhir_bridge.adapters.genomics.header import Header

__all__ = ["TIERED", "tiered_depths", "tiers"]

TIERED = frozenset(("AU", "CU", "GU", "TU", "TAR", "TIR"))
"""FORMAT keys of reads by tier."""


def tiers(header: Header) -> frozenset[str]:
    """Which of them a header declares as a pair of counts, as Strelka does."""
    return frozenset(
        key
        for key, definition in header.format.items()
        if key in TIERED and (definition.number, definition.kind) == ("2", "Integer")
    )


def tiered_depths(
    fields: Mapping[str, str], usable: frozenset[str], reference: str, alternates: Sequence[Alternate]
) -> str | None:
    """Reads of tier 1 of each allele, REF first, as AD has them; None where a key of one is missing."""
    if not alternates or any(each.kind != "bases" for each in alternates):
        return None
    alleles = (reference, *(each.text.upper() for each in alternates))
    if all(len(bases) == 1 for bases in alleles):
        keys = [f"{bases}U" for bases in alleles]
    elif len(alternates) == 1:
        keys = ["TAR", "TIR"]
    else:
        return None
    if not usable.issuperset(keys) or not fields.keys() >= set(keys):
        return None
    return ",".join(fields[key].partition(",")[0] for key in keys)
