"""What alleles of a sample have to do with each other: on one copy or not (scope `Phase`), joined (scope `Junction`).

Both are stated when the later of the two lines is read: of the earlier one its key is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fhir_bridge.adapters.genomics.allele import Allele
from fhir_bridge.adapters.genomics.alleles import breakend_mate
from fhir_bridge.adapters.genomics.line import Call
from fhir_bridge.adapters.genomics.term import Term

__all__ = ["Junction", "Phase", "Relations"]

_FUSIONS = frozenset(("gene_fusion", "bidirectional_gene_fusion"))


_OTHER_PARENT = {"maternal": "paternal", "paternal": "maternal"}
_DAMAGING = frozenset(("HIGH", "MODERATE"))
_DAMAGING_TERMS = frozenset(
    "transcript_ablation splice_acceptor_variant splice_donor_variant stop_gained frameshift_variant stop_lost "
    "start_lost inframe_insertion inframe_deletion missense_variant protein_altering_variant".split()
)
_DAMAGING_CLASSES = frozenset(("pathogenic", "likely-pathogenic", "uncertain"))


def _changes_protein(allele: Allele) -> bool:
    """Whether an allele may matter to its gene: by its impact or terms, or by its class."""
    consequence = allele.consequence
    if consequence.impact is not None:
        damaging = consequence.impact in _DAMAGING
    else:
        damaging = any(term.display in _DAMAGING_TERMS for term in consequence.terms)
    return damaging or not _DAMAGING_CLASSES.isdisjoint(
        (allele.clinvar.classification, allele.acmg.classification)
    )


class Phase:
    """Whether two alleles of a phase set are on one copy.

    Attributes:
        first, second: keys of the alleles, in the file's order.
        relation: `Cis` or `Trans`.
        set: PS, or `.` of a phased call without.
        note: what shows it, for people.
    """

    __slots__ = ("call", "file", "first", "note", "relation", "second", "set")

    def __init__(
        self, call: Call, first: str, second: str, relation: str, phase_set: str, note: str = ""
    ) -> None:
        self.note = note or f"VCF PS={phase_set}"
        self.call = call
        self.file = call.file
        self.first = first
        self.second = second
        self.relation = relation
        self.set = phase_set

    @property
    def outer(self) -> Call:
        """The call of the second allele."""
        return self.call


@dataclass(frozen=True, slots=True)
class _End:
    """A breakend that waits for its mate."""

    key: str
    genes: tuple[Term, ...]
    chromosome: str | None
    where: str


class Junction:
    """Two breakends that name each other; a fusion of genes where the annotation says so.

    Attributes:
        first, second: keys of the breakends, in the file's order.
        fusion: the annotation says that genes are fused.
        text: what is joined to what.
    """

    __slots__ = ("call", "chromosomes", "file", "first", "fusion", "genes", "second", "text")

    def __init__(self, call: Call, first: _End, second: _End, *, fusion: bool) -> None:
        self.call = call
        self.file = call.file
        self.first, self.second = first.key, second.key
        self.fusion = fusion
        self.text = f"{first.where} joined to {second.where}"
        self.genes = list(dict.fromkeys(gene for end in (first, second) for gene in end.genes))
        names = (end.chromosome for end in (first, second))
        self.chromosomes = list(dict.fromkeys(name for name in names if name and name != "MT"))

    @property
    def outer(self) -> Call:
        """The call of the second breakend."""
        return self.call


@dataclass(slots=True)
class Relations:
    """What is kept of a sample's earlier alleles: of each phase set the last one, and breakends without mate."""

    contig: str = ""
    phased: dict[str, tuple[str, int]] = field(default_factory=dict)
    inherited: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    ends: dict[tuple[str, int, str, int], _End] = field(default_factory=dict)

    def relate(self, call: Call) -> None:
        """Relate a call's alleles to earlier ones; called once for each call that has alleles, in the file's order."""
        alleles = [allele for allele in call.alleles if isinstance(allele, Allele)]
        how = call.file.options.phasing
        if call.genotype.phased and how != "none":
            phase_set = call.phase_set or ("." if how == "all" else None)
            if phase_set is not None:
                self._phase(call, alleles, phase_set)
        for allele in alleles:
            if allele.alternate.kind == "breakend":
                self._join(call, allele)

    def inherit(self, call: Call) -> None:
        """Relate alleles of a gene that come from different parents: together they are compound heterozygous."""
        for allele in call.alleles:
            if not isinstance(allele, Allele) or allele.repeated or allele.inheritance not in _OTHER_PARENT:
                continue
            gene = allele.gene
            if gene is None or not _changes_protein(allele):
                continue
            before = self.inherited.setdefault(gene.code or gene.display, [])
            known = {phase.first for phase in call.phases if isinstance(phase, Phase)}
            for key, parent in before:
                if parent == _OTHER_PARENT[allele.inheritance] and key not in known:
                    note = f"Compound heterozygous in {gene.display}: one allele is {parent}, one {allele.inheritance}"
                    call.phases = (*call.phases, Phase(call, key, allele.key, "Trans", ".", note))
            before.append((allele.key, allele.inheritance))

    def _phase(self, call: Call, alleles: list[Allele], phase_set: str) -> None:
        if call.line.chrom != self.contig:
            self.contig = call.line.chrom
            self.phased.clear()
        copies = call.genotype.alleles
        for allele in alleles:
            places = [place for place, copy in enumerate(copies) if copy == allele.number]
            if len(places) != 1 or len(copies) != 2:
                continue
            before = self.phased.get(phase_set)
            self.phased[phase_set] = (allele.key, places[0])
            if before is not None:
                relation = "Cis" if before[1] == places[0] else "Trans"
                call.phases = (*call.phases, Phase(call, before[0], allele.key, relation, phase_set))

    def _join(self, call: Call, allele: Allele) -> None:
        line = call.line
        mate = breakend_mate(allele.alternate.text)
        if mate is None:
            return
        own = "preceding" if allele.alternate.text[0] not in "[]" else "following"
        genes = (*((allele.gene,) if allele.gene else ()), *allele.consequence.other_genes)
        end = _End(allele.key, genes, line.chromosome, f"what is {own} at {line.chrom}:{line.pos}")
        other = self.ends.pop((mate.contig, mate.position, line.chrom, line.pos), None)
        if other is None:
            self.ends[line.chrom, line.pos, mate.contig, mate.position] = end
            return
        fusion = any(term.display in _FUSIONS for term in allele.consequence.terms)
        call.junctions = (*call.junctions, Junction(call, other, end, fusion=fusion))
