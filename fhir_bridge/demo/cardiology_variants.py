# ruff: noqa: E501 - a table reads best with a variant a line
"""Known cardiology variants on GRCh38, for the synthetic cohort.

Positions, alleles, names, classifications and review statuses are published facts of ClinVar and Ensembl VEP
(MANE Select transcripts), as of September 2026; the last four are common risk loci. An empty text means that the
source states nothing.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["VARIANTS", "KnownVariant", "known"]


class KnownVariant(NamedTuple):
    """A variant in VCF form (`position` from 1) with its names and its classification in ClinVar."""

    chromosome: str
    position: int
    reference: str
    alternate: str
    gene: str
    transcript: str
    hgvs_c: str
    hgvs_p: str
    consequence: str
    rsid: str
    classification: str
    review_status: str
    condition: str


_V = KnownVariant

# fmt: off
VARIANTS: Final[tuple[KnownVariant, ...]] = (
    _V("14", 23_429_278, "C", "T", "MYH7", "NM_000257.4", "c.1208G>A", "p.Arg403Gln", "missense_variant", "rs121913624", "Pathogenic", "reviewed by expert panel", "Hypertrophic cardiomyopathy"),
    _V("14", 23_429_005, "G", "A", "MYH7", "NM_000257.4", "c.1357C>T", "p.Arg453Cys", "missense_variant", "rs121913625", "Pathogenic", "reviewed by expert panel", "Hypertrophic cardiomyopathy"),
    _V("14", 23_425_971, "G", "A", "MYH7", "NM_000257.4", "c.2155C>T", "p.Arg719Trp", "missense_variant", "rs121913637", "Pathogenic", "reviewed by expert panel", "Hypertrophic cardiomyopathy"),
    _V("14", 23_425_760, "C", "T", "MYH7", "NM_000257.4", "c.2221G>A", "p.Gly741Arg", "missense_variant", "rs121913632", "Pathogenic/Likely pathogenic", "criteria provided, multiple submitters, no conflicts", "Hypertrophic cardiomyopathy 1"),
    _V("14", 23_426_833, "C", "T", "MYH7", "NM_000257.4", "c.1988G>A", "p.Arg663His", "missense_variant", "rs371898076", "Pathogenic", "reviewed by expert panel", "Hypertrophic cardiomyopathy"),
    _V("11", 47_342_698, "G", "A", "MYBPC3", "NM_000256.3", "c.1504C>T", "p.Arg502Trp", "missense_variant", "rs375882485", "Pathogenic/Likely pathogenic", "criteria provided, multiple submitters, no conflicts", "Hypertrophic cardiomyopathy 4"),
    _V("11", 47_348_424, "C", "T", "MYBPC3", "NM_000256.3", "c.772G>A", "p.Glu258Lys", "missense_variant&splice_region_variant", "rs397516074", "Pathogenic/Likely pathogenic", "criteria provided, multiple submitters, no conflicts", "Hypertrophic cardiomyopathy 4"),
    _V("11", 47_342_719, "G", "A", "MYBPC3", "NM_000256.3", "c.1483C>T", "p.Arg495Trp", "missense_variant", "rs397515905", "Likely pathogenic", "reviewed by expert panel", "Hypertrophic cardiomyopathy"),
    _V("11", 47_351_379, "G", "A", "MYBPC3", "NM_000256.3", "c.152C>T", "p.Ala51Val", "missense_variant", "rs746738538", "Uncertain significance", "criteria provided, single submitter", ""),
    _V("11", 47_335_928, "C", "T", "MYBPC3", "NM_000256.3", "c.2686G>A", "p.Val896Met", "missense_variant", "rs35078470", "Benign/Likely benign", "criteria provided, multiple submitters, no conflicts", "Hypertrophic cardiomyopathy 4"),
    _V("1", 201_365_297, "C", "T", "TNNT2", "NM_001276345.2", "c.305G>A", "p.Arg102Gln", "missense_variant", "rs121964856", "Pathogenic/Likely pathogenic", "criteria provided, multiple submitters, no conflicts", "Hypertrophic cardiomyopathy 2"),
    _V("1", 201_359_245, "G", "A", "TNNT2", "NM_001276345.2", "c.862C>T", "p.Arg288Cys", "missense_variant", "rs121964857", "Likely benign", "reviewed by expert panel", "Hypertrophic cardiomyopathy"),
    _V("19", 55_154_146, "G", "C", "TNNI3", "NM_000363.5", "c.433C>G", "p.Arg145Gly", "missense_variant", "rs104894724", "Pathogenic", "criteria provided, multiple submitters, no conflicts", "Hypertrophic cardiomyopathy 7"),
    _V("15", 63_060_899, "G", "A", "TPM1", "NM_001018005.2", "c.523G>A", "p.Asp175Asn", "missense_variant", "rs104894503", "Pathogenic", "criteria provided, multiple submitters, no conflicts", "Hypertrophic cardiomyopathy"),
    _V("15", 34_793_398, "C", "T", "ACTC1", "NM_005159.5", "c.301G>A", "p.Glu101Lys", "missense_variant", "rs193922680", "Pathogenic", "reviewed by expert panel", "Hypertrophic cardiomyopathy"),
    _V("18", 31_598_655, "G", "A", "TTR", "", "c.424G>A", "p.Val142Ile", "missense_variant", "rs76992529", "Pathogenic", "", "Hereditary transthyretin amyloidosis"),
    _V("19", 11_116_928, "G", "A", "LDLR", "NM_000527.5", "c.1775G>A", "p.Gly592Glu", "missense_variant", "rs137929307", "Pathogenic", "reviewed by expert panel", "Hypercholesterolemia, familial, 1"),
    _V("19", 11_105_568, "A", "G", "LDLR", "NM_000527.5", "c.662A>G", "p.Asp221Gly", "missense_variant", "rs373822756", "Pathogenic", "reviewed by expert panel", "Hypercholesterolemia, familial, 1"),
    _V("19", 11_120_425, "C", "A", "LDLR", "NM_000527.5", "c.2043C>A", "p.Cys681Ter", "stop_gained", "rs121908031", "Pathogenic/Likely pathogenic", "criteria provided, multiple submitters, no conflicts", "Hypercholesterolemia, familial, 1"),
    _V("19", 11_105_528, "G", "A", "LDLR", "NM_000527.5", "c.622G>A", "p.Glu208Lys", "missense_variant", "rs879254597", "Pathogenic/Likely pathogenic", "criteria provided, multiple submitters, no conflicts", "Familial hypercholesterolemia"),
    _V("19", 11_120_436, "C", "T", "LDLR", "NM_000527.5", "c.2054C>T", "p.Pro685Leu", "missense_variant", "rs28942084", "Pathogenic/Likely pathogenic", "criteria provided, multiple submitters, no conflicts", "Familial hypercholesterolemia"),
    _V("19", 11_113_337, "C", "T", "LDLR", "NM_000527.5", "c.1246C>T", "p.Arg416Trp", "missense_variant", "rs570942190", "Pathogenic/Likely pathogenic", "criteria provided, multiple submitters, no conflicts", "Familial hypercholesterolemia"),
    _V("19", 11_113_743, "G", "A", "LDLR", "NM_000527.5", "c.1567G>A", "p.Val523Met", "missense_variant", "rs28942080", "Pathogenic", "reviewed by expert panel", "Hypercholesterolemia, familial, 1"),
    _V("19", 11_102_774, "G", "A", "LDLR", "NM_000527.5", "c.301G>A", "p.Glu101Lys", "missense_variant", "rs144172724", "Pathogenic", "reviewed by expert panel", "Hypercholesterolemia, familial, 1"),
    _V("19", 11_123_210, "C", "T", "LDLR", "NM_000527.5", "c.2177C>T", "p.Thr726Ile", "missense_variant", "rs45508991", "Benign", "reviewed by expert panel", "Hypercholesterolemia, familial, 1"),
    _V("2", 21_006_288, "C", "T", "APOB", "NM_000384.3", "c.10580G>A", "p.Arg3527Gln", "missense_variant", "rs5742904", "Pathogenic/Likely pathogenic", "criteria provided, multiple submitters, no conflicts", "Familial hypercholesterolemia"),
    _V("2", 21_006_196, "G", "A", "APOB", "NM_000384.3", "c.10672C>T", "p.Arg3558Cys", "missense_variant", "rs12713559", "Conflicting classifications of pathogenicity", "criteria provided, conflicting classifications", "Hypercholesterolemia, autosomal dominant, type B"),
    _V("1", 55_039_974, "G", "T", "PCSK9", "NM_174936.4", "c.137G>T", "p.Arg46Leu", "missense_variant", "rs11591147", "Benign/Likely benign", "criteria provided, multiple submitters, no conflicts", "Hypobetalipoproteinemia"),
    _V("1", 55_046_549, "C", "G", "PCSK9", "NM_174936.4", "c.426C>G", "p.Tyr142Ter", "stop_gained", "rs67608943", "Conflicting classifications of pathogenicity", "criteria provided, conflicting classifications", "Hypercholesterolemia, autosomal dominant, 3"),
    _V("11", 2_583_535, "C", "T", "KCNQ1", "NM_000218.3", "c.1022C>T", "p.Ala341Val", "missense_variant", "rs12720459", "Pathogenic", "criteria provided, multiple submitters, no conflicts", "Long QT syndrome 1"),
    _V("11", 2_778_009, "G", "A", "KCNQ1", "NM_000218.3", "c.1766G>A", "p.Gly589Asp", "missense_variant", "rs120074190", "Pathogenic", "reviewed by expert panel", "Long QT syndrome 1"),
    _V("11", 2_570_719, "G", "A", "KCNQ1", "NM_000218.3", "c.569G>A", "p.Arg190Gln", "missense_variant", "rs120074178", "Pathogenic/Likely pathogenic", "criteria provided, multiple submitters, no conflicts", "Long QT syndrome"),
    _V("7", 150_951_711, "G", "A", "KCNH2", "NM_000238.4", "c.1682C>T", "p.Ala561Val", "missense_variant", "rs121912504", "Pathogenic/Likely pathogenic", "criteria provided, multiple submitters, no conflicts", "Long QT syndrome"),
    _V("7", 150_951_793, "G", "A", "KCNH2", "NM_000238.4", "c.1600C>T", "p.Arg534Cys", "missense_variant", "rs199472916", "Pathogenic", "criteria provided, multiple submitters, no conflicts", "Long QT syndrome"),
    _V("7", 150_951_511, "C", "T", "KCNH2", "NM_000238.4", "c.1882G>A", "p.Gly628Ser", "missense_variant", "rs121912507", "Pathogenic/Likely pathogenic", "criteria provided, multiple submitters, no conflicts", "Long QT syndrome 2"),
    _V("7", 150_948_446, "T", "G", "KCNH2", "NM_000238.4", "c.2690A>C", "p.Lys897Thr", "missense_variant&splice_region_variant", "rs1805123", "Benign", "criteria provided, multiple submitters, no conflicts", "Long QT syndrome 2"),
    _V("3", 38_551_022, "C", "T", "SCN5A", "NM_000335.5", "c.5347G>A", "p.Glu1783Lys", "missense_variant", "rs137854601", "Pathogenic/Likely pathogenic", "criteria provided, multiple submitters, no conflicts", "Long QT syndrome 3"),
    _V("3", 38_551_504, "C", "T", "SCN5A", "NM_000335.5", "c.4865G>A", "p.Arg1622Gln", "missense_variant", "rs137854600", "Pathogenic", "criteria provided, multiple submitters, no conflicts", "SCN5A-related disorder"),
    _V("3", 38_603_929, "T", "C", "SCN5A", "NM_000335.5", "c.1673A>G", "p.His558Arg", "missense_variant", "rs1805124", "Benign/Likely benign", "criteria provided, multiple submitters, no conflicts", "Brugada syndrome 1"),
    _V("21", 34_449_382, "C", "T", "KCNE1", "NM_000219.6", "c.253G>A", "p.Asp85Asn", "missense_variant", "rs1805128", "Conflicting classifications of pathogenicity", "criteria provided, conflicting classifications", "Long QT syndrome 5"),
    _V("6", 160_589_086, "A", "G", "LPA", "", "", "", "intron_variant", "rs10455872", "", "", "lipoprotein(a), coronary artery disease risk"),
    _V("9", 22_125_504, "G", "C", "CDKN2B-AS1", "", "", "", "intron_variant", "rs1333049", "", "", "coronary artery disease risk (9p21)"),
    _V("9", 22_124_478, "A", "G", "CDKN2B-AS1", "", "", "", "intron_variant", "rs10757278", "", "", "coronary artery disease risk (9p21)"),
    _V("19", 44_908_684, "T", "C", "APOE", "", "", "", "missense_variant", "rs429358", "", "", "APOE epsilon 4"),
)
# fmt: on


def known(gene: str, hgvs_c: str) -> KnownVariant:
    """The variant of a gene with this c. name.

    Raises:
        KeyError: the table has no such variant.
    """
    for variant in VARIANTS:
        if (variant.gene, variant.hgvs_c) == (gene, hgvs_c):
            return variant
    raise KeyError(f"{gene} {hgvs_c}")
