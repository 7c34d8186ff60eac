"""Which kinds of variant a file looks for: small ones, structural ones (copy numbers among them), or repeats."""

from __future__ import annotations

from fhir_bridge.adapters.genomics.header import Header
from fhir_bridge.adapters.genomics.sequence_ontology import SO_SYSTEM
from fhir_bridge.adapters.genomics.term import Term

__all__ = ["KINDS", "change_types", "declared_kinds"]

KINDS = ("small", "structural", "repeats")
_CHANGE_TYPES = {
    "small": (Term(SO_SYSTEM, "SO:0001483", "SNV"), Term(SO_SYSTEM, "SO:1000032", "delins")),
    "structural": (Term(SO_SYSTEM, "SO:0001537", "structural_variant"),),
    "repeats": (Term(SO_SYSTEM, "SO:0002096", "short_tandem_repeat_variation"),),
}
"""How a genomic-study analysis states a kind; `server/genomics/studies.py` reads them."""


def declared_kinds(header: Header) -> frozenset[str]:
    """The kinds that a file without lines looks for; none where its header declares more than small variants need."""
    more = {"SVTYPE", "SVLEN", "CNVLEN", "REFLEN", "RU", "REPID", "PERIOD", "MOTIFS"} & header.info.keys()
    return frozenset() if more or "CN" in header.format else frozenset(("small",))


def change_types(kinds: frozenset[str]) -> list[Term]:
    """How kinds are stated of an analysis."""
    return [term for kind in KINDS if kind in kinds for term in _CHANGE_TYPES[kind]]
