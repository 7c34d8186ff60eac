"""Consequences and ClinVar, in any order of fields, tied to the right allele."""

from __future__ import annotations

import pytest

from fhir_bridge.adapters.genomics.clinvar import read_clinvar

VEP = (
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. Format: '
    'Consequence|Allele|SYMBOL|HGNC_ID|Feature_type|Feature|HGVSc|HGVSp|MANE_SELECT|CANONICAL">'
)
SNPEFF = (
    "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | Annotation | "
    "Annotation_Impact | Gene_Name | Gene_ID | Feature_Type | Feature_ID | HGVS.c | HGVS.p'\">"
)


def test_mane_transcript_is_chosen_and_percent_encoding_resolved(read):
    csq = (
        "intron_variant|C|MYH7|HGNC:7577|Transcript|ENST00000713768|ENST00000713768.1:c.1A>C||,"
        "synonymous_variant|C|MYH7|HGNC:7577|Transcript|NM_000257.4|NM_000257.4:c.5A>C|NP_000248.2:p.Pro2%3D|NM_000257.4|YES"
    )
    (allele,) = read(f"1 100 . A C . PASS CSQ={csq} GT 0/1", extra=(VEP,)).alleles
    found = allele.consequence
    assert (found.hgvs_c, found.hgvs_p) == ("NM_000257.4:c.5A>C", "NP_000248.2:p.Pro2=")
    assert (found.gene.code, found.transcript.code) == ("HGNC:7577", "NM_000257.4")
    assert [term.code for term in found.terms] == ["SO:0001819"]


def test_vep_writes_an_indel_without_its_first_base(read):
    csq = "frameshift_variant|-|LDLR||Transcript|NM_000527.5|NM_000527.5:c.9del||"
    (alone,) = read(f"1 100 . AT A . PASS CSQ={csq} GT 0/1", extra=(VEP,)).alleles
    assert alone.consequence.hgvs_c == "NM_000527.5:c.9del"


def test_vep_writes_alleles_in_full_where_they_begin_differently(read):
    csq = "frameshift_variant|A|LDLR||Transcript|NM_1.1|||,missense_variant|G|TTR||Transcript|NM_2.1|||"
    found = read(f"1 100 . AT A,G . PASS CSQ={csq} GT 1/2", extra=(VEP,)).alleles
    assert [allele.consequence.symbol for allele in found] == ["LDLR", "TTR"]


def test_snpeff_names_get_their_transcript(read):
    ann = "C|missense_variant|MODERATE|TTR|ENSG1|transcript|NM_000371.4|c.424G>A|p.Val142Ile"
    (allele,) = read(f"1 100 . A C . PASS ANN={ann} GT 0/1", extra=(SNPEFF,)).alleles
    assert allele.consequence.hgvs_c == "NM_000371.4:c.424G>A"
    assert allele.consequence.impact == "MODERATE"
    assert allele.gene.code == "HGNC:12405"


@pytest.mark.parametrize(
    ("written", "classification"),
    [
        ("Pathogenic", "pathogenic"),
        ("Likely_pathogenic", "likely-pathogenic"),
        ("Pathogenic/Likely_pathogenic", "likely-pathogenic"),
        ("Pathogenic/Likely_pathogenic/Likely_risk_allele", "likely-pathogenic"),
        ("Pathogenic|risk_factor", "pathogenic"),
        ("Uncertain_significance", "uncertain"),
        ("Benign/Likely_benign", "likely-benign"),
        ("Conflicting_classifications_of_pathogenicity", None),
        ("drug_response", None),
    ],
)
def test_classification_of_clinvar(written, classification):
    found = read_clinvar(written, None, None, None, None)
    assert found.classification == classification
    assert found.significance == written.replace("_", " ").replace("|", "; ")


def test_review_status_gives_stars_and_conditions_keep_their_codes():
    found = read_clinvar(
        "Pathogenic",
        "criteria_provided,_multiple_submitters,_no_conflicts",
        "Hypercholesterolemia,_familial,_1|not_provided",
        "MONDO:MONDO:0007750,OMIM:143890|MedGen:C3661900",
        None,
    )
    assert found.stars == "2-star"
    (condition,) = found.conditions
    assert condition.text == "Hypercholesterolemia, familial, 1"
    assert [coding[1] for coding in condition.codings()] == ["MONDO:0007750", "143890"]


def test_clinvar_of_a_line_with_several_alts_is_not_guessed(read):
    (first, second) = read("1 100 . A C,G . PASS CLNSIG=Pathogenic GT 1/2").alleles
    assert first.clinvar.significance is None
    assert second.clinvar.significance is None
    assert "FB-VCF-046" in read("1 100 . A C,G . PASS CLNSIG=Pathogenic GT 1/2").codes


def test_report_lists_reportable_variants_up_to_its_limit_and_counts_all(read):
    lines = [f"1 {position} . A C . PASS CLNSIG=Pathogenic GT 0/1" for position in range(100, 110)]
    found = read(*lines, "1 500 . A C . PASS CLNSIG=Benign GT 0/1", max_findings=4)
    (study,) = found.studies
    assert (study.variants, study.findings_count, len(study.findings)) == (11, 10, 4)
    assert found.codes == ["FB-VCF-081"]


FIELDS = "Allele|Consequence|SYMBOL|Feature_type|Feature|HGVSc|HGVSp|MANE_SELECT"
CSQ = f'##INFO=<ID=CSQ,Number=.,Type=String,Description="Format: {FIELDS}">'
ANN = (
    "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | Annotation | Gene_Name | "
    "Feature_ID | HGVS.c | HGVS.p'\">"
)


@pytest.mark.parametrize(
    ("name", "coded"),
    [
        ("NM_000257.4:c.1208G>A", True),
        ("ENST00000355349.4:c.1208_1209delinsTT", True),
        ("NM_000257.4:c.*12-3dup", True),
        ("NR_003051.3:n.12del", True),
        ("PLA2G4A-BRINP3:n.186844568_186844570delAAA", False),
        ("NM_000257.4:c.1208G", False),
        ("MYH7:c.1208G>A", False),
    ],
)
def test_a_coding_name_is_coded_by_the_grammar_and_with_an_accession_alone(read, name, coded):
    (allele,) = read(
        f"1 100 . A C . PASS CSQ=C|missense_variant|MYH7|Transcript|X|{name}|| GT 0/1", extra=(CSQ,)
    ).alleles
    assert (allele.consequence.hgvs_c == name) is coded
    assert (allele.consequence.names == name) is not coded


@pytest.mark.parametrize(
    ("name", "coded"),
    [
        ("NP_000248.2:p.Arg403Gln", True),
        ("NP_000248.2:p.Pro194%3D", True),
        ("ENSP00000347507.3:p.Leu10ProfsTer23", True),
        ("NP_000248.2:p.(Met1?)", True),
        ("NP_000248.2:p.Lys23_Val25delinsTrp", True),
        ("p.Arg403Gln", False),
        ("NP_000248.2:p.403", False),
    ],
)
def test_a_protein_name_is_coded_by_the_grammar_and_with_an_accession_alone(read, name, coded):
    (allele,) = read(
        f"1 100 . A C . PASS CSQ=C|missense_variant|MYH7|Transcript|X|NM_1.1:c.9A>C|{name}| GT 0/1",
        extra=(CSQ,),
    ).alleles
    assert (allele.consequence.hgvs_p is not None) is coded
    assert (allele.consequence.named == f"NM_1.1:c.9A>C ({name})") is not coded


def test_between_genes_there_is_no_gene_and_a_fusion_has_two(read):
    found = read(
        "1 100 . A C . PASS ANN=C|intergenic_region|PLA2G4A-BRINP3|PLA2G4A-BRINP3|n.100A>C| GT 0/1",
        "1 200 . A C . PASS ANN=C|gene_fusion|BCR&ABL1|X|| GT 0/1",
        extra=(ANN,),
    )
    between, fusion = (allele.consequence for allele in found.alleles)
    assert (between.gene, between.hgvs_c, between.names, between.transcript) == (None, None, None, None)
    assert [term.display for term in between.terms] == ["intergenic_region"]
    assert [term.display for term in (fusion.gene, *fusion.other_genes)] == ["BCR", "ABL1"]


@pytest.mark.parametrize(("transcripts", "count"), [("chosen", 1), ("all", 3)])
def test_effects_on_all_transcripts_are_stated_by_setting_the_mane_one_first(read, transcripts, count):
    entries = ",".join(
        f"C|{term}|MYH7|Transcript|{feature}|||{mane}"
        for term, feature, mane in (
            ("intron_variant", "NM_2.1", ""),
            ("missense_variant", "NM_1.1", "NM_1.1"),
            ("intron_variant", "NM_3.1", ""),
        )
    )
    (allele,) = read(
        f"1 100 . A C . PASS CSQ={entries} GT 0/1", extra=(CSQ,), transcripts=transcripts
    ).alleles
    assert [effect.consequence.feature for effect in allele.effects] == ["NM_1.1", "NM_2.1", "NM_3.1"][:count]
    assert len({effect.key for effect in allele.effects}) == count
    assert allele.effects[0].key == allele.key


def test_frequencies_say_of_which_population_they_are_and_belong_to_one_allele(read):
    csq = '##INFO=<ID=CSQ,Number=.,Type=String,Description="Format: Allele|Consequence|AF|gnomADe_AF|gnomADg_AF">'
    tgp = '##INFO=<ID=AF_TGP,Number=1,Type=Float,Description="1000 Genomes">'
    gnomad = '##INFO=<ID=gnomAD_AF,Number=A,Type=Float,Description="gnomAD">'
    found = read(
        "1 100 . A C . PASS CSQ=C|intron_variant|0.12|0.0001|;AF_TGP=0.5 GT 0/1",
        "1 200 . A C,G . PASS AF_TGP=0.5;gnomAD_AF=0.1,0.2 GT 0/2",
        extra=(csq, tgp, gnomad),
    )
    assert [[(each.source, str(each.value)) for each in allele.frequencies] for allele in found.alleles] == [
        [("gnomAD exomes", "0.0001"), ("1000 Genomes", "0.12")],
        [("gnomAD", "0.2")],
    ]


def genes_of(variant):
    concepts = [
        each["valueCodeableConcept"]
        for each in variant["component"]
        if each["code"]["coding"][0]["code"] == "48018-6"
    ]
    return [each.get("text") or each["coding"][0]["display"] for each in concepts]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("ANN=]chr22:23290413]G|gene_fusion|HIGH|BCR&ABL1|ENSG1&ENSG2|gene_variant|ENSG1||", ["BCR", "ABL1"]),
        ("GENEINFO=MYH7:4625|MHRT:100", ["MYH7", "MHRT"]),
        ("GENEINFO=MYH7:4625", ["MYH7"]),
    ],
)
def test_all_genes_of_a_variant_are_stated(converted, entry, expected):
    extra = (SNPEFF, '##INFO=<ID=GENEINFO,Number=1,Type=String,Description="Genes">')
    alternate = "]chr22:23290413]G" if entry.startswith("ANN") else "C"
    (variant,) = converted(f"1 1000 . G {alternate} . PASS {entry} GT 0/1", extra=extra).variants
    assert genes_of(variant) == expected
