"""Polygenic scores: equal to PLINK 2, every variant accounted for, no percentile without a reference."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fhir_bridge.adapters.genomics.pgs import PgsAdapter
from fhir_bridge.adapters.genomics.pgs.record import PgsRecord, SampleScore
from fhir_bridge.fhir.validation import get_validator
from tests.command import run_command

COHORT = Path(__file__).parent / "cohort"
PLINK = json.loads((COHORT / "plink2.json").read_text())
HEADER = """\
##fileformat=VCFv4.3
##fileDate=20260302
##contig=<ID=chr1,length=248956422>
##contig=<ID=chrX,length=156040895>
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=GP,Number=G,Type=Float,Description="Probabilities">
"""


def reading(*paths: Path, **options: Any) -> list[PgsRecord]:
    return list(PgsAdapter().read(paths, SimpleNamespace(options=options, site=None)))


def results(records: Sequence[PgsRecord]) -> Iterator[SampleScore]:
    return (score for record in records for score in record.scope("Score"))


def codes(records: Sequence[PgsRecord]) -> set[str]:
    return {issue.code for record in records for issue in record.issues}


def account(records: Sequence[PgsRecord]) -> dict[str, Any]:
    (row,) = (row for record in records for row in record.part_accounts())
    return dict(row)


class Files:
    """Writes a VCF with lines, and scoring files with rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def vcf(self, *lines: str, samples: str = "S1", header: str = HEADER) -> Path:
        columns = f"#CHROM POS ID REF ALT QUAL FILTER INFO FORMAT {samples}"
        path = self.folder / "cohort.vcf"
        path.write_text(header + "".join(line.replace(" ", "\t") + "\n" for line in (columns, *lines)))
        return path

    def score(
        self, columns: str, *rows: str, header: str = "#genome_build=GRCh38", name: str = "score.txt"
    ) -> Path:
        path = self.folder / name
        lines = [*header.splitlines(), *(row.replace(" ", "\t") for row in (columns, *rows))]
        path.write_text("\n".join(lines) + "\n")
        return path


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


PAIR = "chr_name chr_position effect_allele other_allele effect_weight"


@pytest.mark.parametrize("case", PLINK)
def test_sums_and_alleles_are_those_of_plink(case: str, tmp_path: Path) -> None:
    effect, _, option = case.partition(", ")
    vcf = COHORT / "cohort.vcf"
    if option == "DS":  # PLINK imports no dosages of several ALTs
        vcf = tmp_path / "cohort.vcf"
        lines = (COHORT / "cohort.vcf").read_text().splitlines(keepends=True)
        vcf.write_text("".join(line for line in lines if line[0] == "#" or "," not in line.split("\t")[4]))
    records = reading(
        vcf,
        scores=str(COHORT / f"{effect}.txt"),
        dosage="DS" if option == "DS" else "GT",
        missing="mean" if option == "mean" else "none",
    )
    found = {score.name: [float(score.sum), score.alleles] for score in results(records)}
    expected = PLINK[case]
    assert found.keys() == expected.keys()
    for name, (value, alleles) in expected.items():
        assert found[name][0] == pytest.approx(value, abs=1e-5)
        assert found[name][1] == alleles


@pytest.mark.shared
def test_a_real_score_over_2504_samples_is_that_of_plink(shared: Path) -> None:
    folder = shared / "data/risk/pgs"
    rows = [
        line.split()
        for line in (folder / "PGS001229_22_cineca_plink2_expected.sscore").read_text().splitlines()
    ]
    expected = {row[0]: (int(row[1]), float(row[3]), float(row[4])) for row in rows[1:]}
    records = reading(
        folder / "cineca_synthetic_subset.vcf.gz",
        scores=str(folder / "PGS001229_22.txt"),
        assembly="GRCh37",
        check_lengths="false",
    )
    found = list(results(records))
    assert len(found) == len(expected) == 2504
    for score in found:
        alleles, average, total = expected[score.name]
        assert score.alleles == alleles
        assert float(score.average or 0) == pytest.approx(average, abs=1e-5)
        assert float(score.sum) == pytest.approx(total, abs=1e-5)
    row = account(records)
    assert (row["variants"], row["used"], row["absent"], row["ambiguous"], row["no_calls"]) == (
        835,
        829,
        6,
        47,
        96,
    )


def test_several_scores_of_one_file_are_computed_in_one_pass(files: Files) -> None:
    vcf = files.vcf("chr1 100 . A G . . . GT 0/1 1/1", "chr1 200 . C T . . . GT 0/0 0/1", samples="S1 S2")
    text = f"{PAIR} accession effect_type"
    scores = files.score(
        text, "1 100 G A 1 one additive", "1 200 T C 2 two recessive", "1 200 C T 3 two dominant"
    )
    sums = {(score.totals.score.id, score.name): float(score.sum) for score in results(reading(vcf, scores))}
    assert sums == {("one", "S1"): 1, ("one", "S2"): 2, ("two", "S1"): 3, ("two", "S2"): 3}


def test_every_variant_of_a_score_is_accounted_for(files: Files) -> None:
    vcf = files.vcf(
        "chr1 100 . A G . . . GT 0/1",
        "chr1 200 . C T . . . GT ./.",
        "chr1 300 . A T . . . GT 1/1",
        "chr1 400 . A G . . . GT 0/1",
        "chr1 500 . A G . . . GT 0/1",
        "chr1 600 . A G . . . GT ./1",
        "chr1 700 . A G . . . GT 0/1",
    )
    score = files.score(
        f"{PAIR} is_haplotype rsID",
        "1 100 G A 1 False .",
        "1 200 T C 1 False .",
        "1 300 T A 1 False .",
        "1 400 C T 1 False .",  # the other strand
        "1 500 T A 1 False .",  # other alleles
        "1 600 G A 1 False .",
        "1 900 G A 1 False .",
        "6 . HLA-B*57:01 . 1 True .",
        "6 . P . 1 False .",
        "1 . G A 1 False .",  # neither position nor rsID
        "1 700 G A heavy False .",
    )
    records = reading(vcf, score)
    row = account(records)
    assert (row["variants"], row["used"], row["ambiguous"], row["no_calls"], row["absent"]) == (
        11,
        4,
        1,
        2,
        1,
    )
    assert row["mismatched"] == 2
    assert row["not_computable"] == {
        "haplotype or diplotype": 1,
        "no position in this build and no rsID": 1,
        "the effect allele is no sequence of bases": 1,
        "the row can't be read": 1,
    }
    lost = sum(row["not_computable"].values())
    assert row["variants"] == row["used"] + row["absent"] + row["mismatched"] + lost
    assert {"FB-PGS-004", "FB-PGS-010", "FB-PGS-011", "FB-PGS-012"} <= codes(records)
    (one,) = results(records)
    assert (float(one.sum), one.used, one.no_calls) == (3, 2, 2)
    assert not one.interpretable
    dropped = account(reading(vcf, score, ambiguous="drop", flip="true"))
    assert (dropped["ambiguous_dropped"], dropped["flipped"], dropped["used"]) == (1, 1, 4)
    assert sum(each.records for each in records) == 7


def test_weights_by_count_and_interactions_and_probabilities(files: Files) -> None:
    vcf = files.vcf(
        "chr1 100 . A G . . . GT:GP 0/1:0.1,0.8,0.1",
        "chr1 200 . C T . . . GT:GP 1/1:0,0,1",
        "chrX 300 . C T . . . GT 1",
    )
    counts = files.score(
        "chr_name chr_position effect_allele other_allele dosage_0_weight dosage_1_weight dosage_2_weight",
        "1 100 G A -1 1 4",
        name="counts.txt",
    )
    (one,) = results(reading(vcf, counts))
    assert float(one.sum) == 1
    (one,) = results(reading(vcf, counts, dosage="GP"))
    assert float(one.sum) == pytest.approx(-0.1 + 0.8 + 0.4)
    product = files.score(
        f"{PAIR} is_interaction",
        "1_x_1 100_x_200 G_x_T A_x_C 0.5 True",
        "23 300 T C 0.1 False",
        name="product.txt",
    )
    (one,) = results(reading(vcf, product))
    assert float(one.sum) == pytest.approx(0.5 * 1 * 2 + 0.1 * 2)


@pytest.mark.parametrize(
    ("header", "columns", "row", "code"),
    [
        ("#genome_build=GRCh37", PAIR, "1 100 G A 1", "FB-PGS-002"),
        ("#HmPOS_build=GRCh37", f"{PAIR} hm_chr hm_pos", "1 100 G A 1 1 100", "FB-PGS-002"),
        ("#genome_build=NR", PAIR, "1 100 G A 1", "FB-PGS-003"),
        (
            "#genome_build=GRCh38",
            "chr_name chr_position other_allele effect_weight",
            "1 100 A 1",
            "FB-PGS-001",
        ),
        ("#genome_build=GRCh38", f"{PAIR} effect_weight", "1 100 G A 1 9", "FB-PGS-001"),
        ("#genome_build=GRCh38", PAIR, "1 999 G A 1", "FB-PGS-006"),
    ],
)
def test_a_score_that_does_not_fit_the_file_is_refused(
    files: Files, header: str, columns: str, row: str, code: str
) -> None:
    records = reading(
        files.vcf("chr1 100 . A G . . . GT 0/1"), scores=str(files.score(columns, row, header=header))
    )
    assert code in codes(records)
    assert not list(results(records))
    assert any(record.outcome == "rejected" for record in records)


def test_old_headers_and_harmonised_columns_and_names_are_read(files: Files) -> None:
    vcf = files.vcf("chr1 100 rs7 A G . . . GT 0/1", "chr1 200 rs8 C T . . . GT 1/1")
    old = "# PGS ID = PGS000009\n# Reported Trait = Gout\n# Original Genome Build = NR"
    named = files.score(
        "rsID effect_allele reference_allele effect_weight", "rs7 G A 2", header=old, name="old.txt"
    )
    harmonised = files.score(
        f"{PAIR} hm_chr hm_pos",
        "1 1 G A 1 1 100",
        "1 2 T C 1 1 200",
        header="#pgs_id=PGS000010\n#genome_build=hg19\n#HmPOS_build=GRCh38",
        name="new.txt",
    )
    packed = files.folder / "new.txt.gz"
    packed.write_bytes(gzip.compress(harmonised.read_bytes()))
    found = {each.totals.score.id: each for each in results(reading(vcf, named, packed))}
    assert {name: float(each.sum) for name, each in found.items()} == {"PGS000009": 2, "PGS000010": 3}
    assert found["PGS000009"].totals.score.trait == "Gout"


def test_blocks_and_absent_variants_are_reference_only_with_a_reference_sequence(files: Files) -> None:
    bases = files.folder / "reference.fa"
    bases.write_text(">chr1\n" + "ACGT" * 50 + "\n")
    vcf = files.vcf("chr1 50 . C <NON_REF> . . END=60 GT 0/0", "chr1 100 . T C . . . GT 0/1")
    score = files.score(PAIR, "1 53 A C 1", "1 54 G C 10", "1 100 T C 100", "1 101 A G 1000", "1 103 A T 5")
    records = reading(vcf, score)
    row = account(records)
    assert (row["used"], row["in_reference_block"], row["absent"]) == (1, 2, 2)
    (one,) = results(reading(vcf, score, reference=str(bases)))
    assert float(one.sum) == 102  # position 53 is A (two copies), 54 is C
    records = reading(vcf, score, reference=str(bases), absent="reference")
    (one,) = results(records)
    assert float(one.sum) == 2102
    assert (account(records)["assumed_reference"], account(records)["mismatched"]) == (1, 1)
    assert codes(reading(vcf, score, absent="reference")) == {"FB-PGS-005"}


DISTRIBUTIONS = """\
reference: A made-up population
distributions:
- {score: score, ancestry: EUR, samples: 500, variants: 2, mean: 1, sd: 1}
- {score: score, ancestry: AFR, samples: 300, variants: 2, quantiles: [0, 1, 2, 4]}
- {score: score, ancestry: EAS, samples: 300, variants: 40, mean: 1, sd: 1}
"""


def test_a_percentile_needs_a_distribution_of_the_samples_ancestry(files: Files) -> None:
    lines = ("chr1 100 . A G . . . GT 0/1 1/1 0/1 0/1", "chr1 200 . C T . . . GT 0/1 0/1 0/1 0/1")
    vcf = files.vcf(*lines, samples="S1 S2 S3 S4")
    score = files.score(PAIR, "1 100 G A 1", "1 200 T C 1")
    (known := files.folder / "known.yaml").write_text(DISTRIBUTIONS)
    (table := files.folder / "ancestry.tsv").write_text("sample\tancestry\nS1\tEUR\nS2\tAFR\nS3\tEAS\n")
    found = {
        each.name: each
        for each in results(reading(vcf, score, distributions=str(known), ancestry=str(table)))
    }
    assert (str(found["S1"].percentile), found["S1"].z_score) == ("84.1", 1)
    assert found["S1"].interpretation == "Percentile 84.1 of A made-up population, EUR (n=500)"
    assert float(found["S2"].percentile or 0) == pytest.approx(100 * 2.5 / 3, abs=0.05)
    assert "2 variants are called, the reference distribution is of 40" in found["S3"].interpretation
    assert "ancestry is not stated" in found["S4"].interpretation
    (wrong := files.folder / "wrong.yaml").write_text(DISTRIBUTIONS.replace("sd: 1}", "sd: 0}"))
    records = reading(vcf, score, distributions=str(wrong), ancestry="EUR")
    assert codes(records) == {"FB-PGS-007"}


def test_the_command_writes_valid_fhir_a_table_and_a_report(files: Files) -> None:
    vcf = files.vcf("chr1 100 . A G . . . GT 0/1 1/1", "chr1 200 . C T . . . GT 0/1 ./.", samples="S1 S2")
    score = files.score(PAIR, "1 100 G A 0.25", "1 200 T C 1", header="#pgs_id=PGS1\n#genome_build=GRCh38")
    (site := files.folder / "site.yaml").write_text("demo_key: true\n")
    out, table = files.folder / "out", files.folder / "scores.tsv"
    done = run_command("score", vcf, "--scores", score, "--site", site, "--out", out, "--table", table)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in table.read_text().splitlines()]
    assert [row[:3] for row in rows] == [
        ["sample", "score", "sum"],
        ["S1", "PGS1", "1.25"],
        ["S2", "PGS1", "0.5"],
    ]
    assert all("Not interpretable" in row[-1] for row in rows[1:])
    for name in ("Observation", "RiskAssessment", "Patient", "Specimen"):
        resources = [json.loads(line) for line in (out / f"{name}.ndjson").read_text().splitlines()]
        assert len(resources) == 2
        for resource in resources:
            assert [
                each for each in get_validator().validate(resource) if each.severity in ("error", "fatal")
            ] == []
    assert json.loads((out / "report.json").read_text())["calls"][0]["no_calls"] == 1
    wrong = run_command("score", vcf, "--scores", files.folder / "none.txt", "--site", site)
    assert wrong.returncode == 2


def test_a_single_copy_of_x_counts_as_plink_counts_it(files: Files) -> None:
    """Checked with PLINK 2 --xchr-model 2 (its default) and 1; a pseudoautosomal copy is one of two."""
    vcf = files.vcf(
        "chr1 1000 . A G . . . GT 0/1 1/1 0/0",
        "chrX 20000 . A G . . . GT 1 0 1/1",
        "chrX 50000000 . C T . . . GT 1 1/1 0/1",
        samples="M1 M2 F1",
    )
    score = files.score(PAIR, "1 1000 G A 1", "X 50000000 T C 10", "X 20000 G A 100")
    found = {each.name: (float(each.sum), each.alleles) for each in results(reading(vcf, score))}
    assert found == {"M1": (121, 5), "M2": (22, 5), "F1": (210, 6)}
    found = {
        each.name: (float(each.sum), each.alleles) for each in results(reading(vcf, score, hemizygous="one"))
    }
    assert found == {"M1": (111, 4), "M2": (22, 5), "F1": (210, 6)}


def test_a_row_that_occurs_twice_counts_once_and_is_reported(files: Files) -> None:
    vcf = files.vcf("chr1 100 rs1 A G . . . GT 0/1", "chr1 200 rs2 C T . . . GT 1/1")
    score = files.score(PAIR, "1 100 G A 1", "1 200 T C 5", "1 100 G A 1", "1 200 C T 7")
    records = reading(vcf, score)
    (one,) = results(records)
    assert float(one.sum) == 11
    assert "FB-PGS-015" in codes(records)
    row = account(records)
    assert (row["variants"], row["used"]) == (4, 3)
    assert row["not_computable"] == {"given by an earlier row already": 1}
    names = files.score("rsID effect_allele effect_weight", "rs1 G 1", "rs1 G 1", name="names.txt")
    (one,) = results(reading(vcf, names))
    assert float(one.sum) == 1


@pytest.mark.parametrize(
    "row",
    [
        f"1 {'9' * 20} T C 5",
        "1 9999999999 T C 5",
        "1 200 T C 1_0",
        "1 200 T C nan",
        "1 200 T C 5 6",
    ],
)
def test_a_row_that_can_not_be_read_is_counted_and_reported_and_the_others_are_used(
    files: Files, row: str
) -> None:
    vcf = files.vcf("chr1 100 rs1 A G . . . GT 0/1", "chr1 200 rs2 C T . . . GT 1/1")
    records = reading(vcf, files.score(PAIR, "1 100 G A 1", row))
    (one,) = results(records)
    assert float(one.sum) == 1
    assert "FB-PGS-004" in codes(records)
    counts = account(records)
    assert (counts["variants"], counts["used"]) == (2, 1)
    assert counts["not_computable"] == {"the row can't be read": 1}


def test_a_sample_is_one_patient_whether_its_file_is_converted_or_scored(files: Files) -> None:
    vcf = files.vcf("chr1 100 rs1 A G . . . GT 0/1", "chr1 200 . C T . . . GT 1/1", samples="S1")
    score = files.score(PAIR, "1 100 G A 1")
    (files.folder / "site.yaml").write_text("demo_key: true\n")
    patients = []
    for adapter, more in (
        ("vcf", ()),
        ("pgs", ("--set", f"scores={score}")),
        ("pgs", ("--set", f"scores={score}", "--limit", "1")),
    ):
        done = run_command(
            "convert", vcf, "--adapter", adapter, "--site", files.folder / "site.yaml",
            "--out", files.folder / "out", "--force", *more,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        patients += [
            [
                json.loads(line)["id"]
                for line in (files.folder / f"out/{kind}.ndjson").read_text().splitlines()
            ]
            for kind in ("Patient", "Specimen")
        ]
    assert patients[0] == patients[2] == patients[4]
    assert patients[1] == patients[3] == patients[5]
