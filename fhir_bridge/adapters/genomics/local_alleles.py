"""Local alleles (VCF 4.5 §1.6.2): LAA numbers the ALTs that a sample's LAD speaks of, REF first."""

from __future__ import annotations

from collections.abc import Mapping

from fhir_bridge.adapters.genomics.header import Header
from fhir_bridge.adapters.genomics.values import whole

__all__ = ["LOCAL", "has_local_reads", "local_places", "wrong_local"]

LOCAL = frozenset(("LAA", "LAD"))
"""FORMAT keys of the reads of local alleles."""


def has_local_reads(header: Header) -> bool:
    """Whether a header declares LAD and LAA as the specification has them."""
    alleles, reads = header.format.get("LAA"), header.format.get("LAD")
    return (
        alleles is not None
        and reads is not None
        and (alleles.number, alleles.kind, reads.kind) == (".", "Integer", "Integer")
        and reads.number in ("LR", ".")
    )


def local_places(fields: Mapping[str, str], alternates: int) -> list[int] | None:
    """The numbers of the alleles that LAD gives the reads of, in its order; None where LAA can't be read."""
    text = fields.get("LAA")
    if text is None:
        return None
    numbers = [] if text in (".", "") else [whole(part) for part in text.split(",")]
    places = [number for number in numbers if number is not None and 0 < number <= alternates]
    return [0, *places] if len(places) == len(numbers) == len(set(places)) else None


def wrong_local(fields: Mapping[str, str], alternates: int) -> str | None:
    """What is wrong with LAA, or with the count of LAD; None where nothing is."""
    if "LAA" not in fields:
        return None
    places = local_places(fields, alternates)
    if places is None:
        return "FORMAT/LAA is no list of distinct numbers of ALTs"
    reads = fields.get("LAD", ".")
    if reads != "." and reads.count(",") + 1 != len(places):
        return f"FORMAT/LAD has {reads.count(',') + 1} values, not {len(places)}"
    return None
