"""The genome part of the sample cohort: one multi-sample VCF (GRCh38, VCF 4.3) and the crosswalk of its samples.

Variants, names and classifications are published facts (`cardiology_variants`); who carries them, and every depth and
quality, is made up, and the header says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final

from fhir_bridge.demo.cardiology_variants import VARIANTS, KnownVariant, known
from fhir_bridge.demo.people import AUTHORITY_SYSTEM, SEED, Person

__all__ = ["RISK_ALLELE", "write"]

FILE_DATE: Final = "20260302"
NOTE: Final = (
    "Synthetic data for demonstration: nobody here exists; genotypes, depths and qualities are made up"
)
_LENGTHS: Final = {
    "1": 248956422, "2": 242193529, "3": 198295559, "6": 170805979, "7": 159345973, "9": 138394717, "11": 135086622,
    "14": 107043718, "15": 101991189, "18": 80373285, "19": 58617616, "21": 46709983,
}  # fmt: skip
_INFO: Final = (
    (
        "CSQ",
        ".",
        "String",
        "Consequence annotations. Format: Allele|Consequence|SYMBOL|Feature_type|Feature|HGVSc|HGVSp",
    ),
    ("CLNSIG", ".", "String", "Aggregate germline classification (ClinVar)"),
    ("CLNREVSTAT", ".", "String", "Review status of the classification (ClinVar)"),
    ("CLNDN", ".", "String", "Preferred disease name (ClinVar)"),
    ("MADEUP", "0", "Flag", "Depths, qualities and genotypes of this line are made up"),
)
_FORMAT: Final = (
    ("GT", "1", "String", "Genotype (made up)"),
    ("DP", "1", "Integer", "Read depth (made up)"),
    ("AD", "R", "Integer", "Reads of each allele (made up)"),
    ("GQ", "1", "Integer", "Genotype quality (made up)"),
)
RISK_ALLELE: Final = 0.3
"""Made-up frequency of the alternate allele at the common risk loci."""


def write(folder: Path, people: Sequence[Person]) -> list[Path]:
    """Write `genomics/cohort.vcf` and `crosswalk.csv` into `folder`; the same people give the same bytes.

    Raises:
        KeyError: a person carries a variant that the table of known variants lacks.
    """
    vcf, crosswalk = folder / "genomics" / "cohort.vcf", folder / "crosswalk.csv"
    vcf.parent.mkdir(parents=True, exist_ok=True)
    sampled = [person for person in people if person.sample is not None]
    vcf.write_text("".join(f"{line}\n" for line in _lines(sampled)), encoding="utf-8", newline="\n")
    rows = [f"{person.sample};{AUTHORITY_SYSTEM};{person.mrn}" for person in sampled if person.sample_linked]
    crosswalk.write_text(
        "".join(f"{row}\n" for row in ("sample;system;value", *rows)), encoding="utf-8", newline="\n"
    )
    return [vcf, crosswalk]


def _lines(people: Sequence[Person]) -> Iterator[str]:
    yield "##fileformat=VCFv4.3"
    yield f"##fileDate={FILE_DATE}"
    yield "##source=fhir-bridge sample cohort"
    yield "##reference=GRCh38"
    yield f"##note={NOTE}"
    yield "##genomic_source_class=germline"
    genes = dict.fromkeys(variant.gene for variant in VARIANTS if variant.classification)
    yield f"##studied_genes={','.join(genes)}"
    for name, length in _LENGTHS.items():
        yield f"##contig=<ID=chr{name},length={length},assembly=GRCh38>"
    yield '##FILTER=<ID=PASS,Description="All filters passed">'
    for kind, rows in (("INFO", _INFO), ("FORMAT", _FORMAT)):
        for key, number, of, text in rows:
            yield f'##{kind}=<ID={key},Number={number},Type={of},Description="{text}">'
    yield "\t".join(
        (
            "#CHROM",
            "POS",
            "ID",
            "REF",
            "ALT",
            "QUAL",
            "FILTER",
            "INFO",
            "FORMAT",
            *(str(p.sample) for p in people),
        )
    )
    carried = {
        (known(gene, name), person.mrn): zygosity
        for person in people
        for gene, name, zygosity in person.variants
    }
    random = Random(SEED)  # noqa: S311 - made-up reads, no secret
    order = list(_LENGTHS)
    for variant in sorted(VARIANTS, key=lambda item: (order.index(item.chromosome), item.position)):
        calls = [_call(variant, carried.get((variant, person.mrn)), random) for person in people]
        yield "\t".join(
            (
                f"chr{variant.chromosome}",
                str(variant.position),
                variant.rsid or ".",
                variant.reference,
                variant.alternate,
                str(random.randint(300, 900)),
                "PASS",
                _info(variant),
                "GT:DP:AD:GQ",
                *calls,
            )
        )


def _info(variant: KnownVariant) -> str:
    name = f"{variant.transcript}:{variant.hgvs_c}" if variant.transcript else variant.hgvs_c
    fields = (variant.consequence, variant.gene, "Transcript", variant.transcript, name, variant.hgvs_p)
    entries = [f"CSQ={'|'.join((variant.alternate, *fields))}"]
    if variant.classification:
        entries.append(f"CLNSIG={_underscored(variant.classification)}")
        if variant.review_status:
            entries.append(f"CLNREVSTAT={_underscored(variant.review_status)}")
        if variant.condition:
            entries.append(f"CLNDN={_underscored(variant.condition)}")
    return ";".join([*entries, "MADEUP"])


def _underscored(text: str) -> str:
    """As ClinVar's VCF writes it: `criteria_provided,_single_submitter`."""
    return text.replace(" ", "_")


def _call(variant: KnownVariant, zygosity: str | None, random: Random) -> str:
    """A sample's column. Classified variants are called as people.py says; common risk loci at random."""
    depth = random.randint(28, 46)
    if variant.classification:
        copies = {"heterozygous": 1, "homozygous": 2}.get(zygosity or "", 0)
        if copies == 0 and random.random() < 0.02:
            return "./.:.:.:."
    else:
        copies = sum(random.random() < RISK_ALLELE for _ in range(2))
    reads = {0: 0, 1: depth // 2 + random.randint(-3, 3), 2: depth}[copies]
    return f"{('0/0', '0/1', '1/1')[copies]}:{depth}:{depth - reads},{reads}:99"
