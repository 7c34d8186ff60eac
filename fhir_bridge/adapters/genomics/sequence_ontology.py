"""Sequence Ontology ids of the consequence terms that VEP, SnpEff and bcftools csq write (SO, CC BY 4.0)."""

from __future__ import annotations

from fhir_bridge.adapters.genomics.term import Term

__all__ = ["SO_SYSTEM", "consequence_term"]

SO_SYSTEM = "http://www.sequenceontology.org"

_IDS = {
    "transcript_ablation": 1893, "splice_acceptor_variant": 1574, "splice_donor_variant": 1575, "stop_gained": 1587,
    "frameshift_variant": 1589, "stop_lost": 1578, "start_lost": 2012, "transcript_amplification": 1889,
    "feature_elongation": 1907, "feature_truncation": 1906, "inframe_insertion": 1821, "inframe_deletion": 1822,
    "missense_variant": 1583, "protein_altering_variant": 1818, "splice_donor_5th_base_variant": 1787,
    "splice_region_variant": 1630, "splice_donor_region_variant": 2170, "splice_polypyrimidine_tract_variant": 2169,
    "incomplete_terminal_codon_variant": 1626, "start_retained_variant": 2019, "stop_retained_variant": 1567,
    "synonymous_variant": 1819, "coding_sequence_variant": 1580, "mature_miRNA_variant": 1620,
    "5_prime_UTR_variant": 1623, "3_prime_UTR_variant": 1624, "non_coding_transcript_exon_variant": 1792,
    "intron_variant": 1627, "NMD_transcript_variant": 1621, "non_coding_transcript_variant": 1619,
    "upstream_gene_variant": 1631, "downstream_gene_variant": 1632, "TFBS_ablation": 1895, "TFBS_amplification": 1892,
    "TF_binding_site_variant": 1782, "regulatory_region_ablation": 1894, "regulatory_region_amplification": 1891,
    "regulatory_region_variant": 1566, "intergenic_variant": 1628, "sequence_variant": 1060,
    "exon_loss_variant": 1572, "conservative_inframe_insertion": 1823, "disruptive_inframe_insertion": 1824,
    "conservative_inframe_deletion": 1825, "disruptive_inframe_deletion": 1826, "initiator_codon_variant": 1582,
    "5_prime_UTR_premature_start_codon_gain_variant": 1983, "gene_variant": 1564, "intragenic_variant": 2011,
    "coding_transcript_variant": 1968, "gene_fusion": 1565,
}  # fmt: skip


def consequence_term(name: str) -> Term:
    """The term with its SO id; text alone where the table lacks it."""
    number = _IDS.get(name)
    return Term(SO_SYSTEM, f"SO:{number:07}", name) if number else Term(None, None, name)
